/* SPDX-License-Identifier: MIT */
/* masterport.c - see masterport.h. Every process of the job is below the agent, which is
 * the parent of orphans; so whose a listener is needs no environment that a program may
 * have dropped. */
#include "agent/masterport.h"

#include "agent/proc.h"
#include "proto/base/limits.h"
#include "proto/wire/secure.h"

#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT_LOWEST  1025u /* below, ports are root's */
#define PORT_HIGHEST 65535u
#define TCP_LISTEN   0x0au
#define FAMILY_DEPTH 4096u /* of processes; /proc may change while it is read */

/* ---- reserving ---- */

/* One line; "" when the kernel does not say. */
static void masterport_read(const char *path, char *text, size_t len)
{
    (void)proc_read_file(path, text, len);
    text[strcspn(text, "\n")] = '\0';
}

int masterport_candidates(const char *range, const char *reserved, struct rankset *ret)
{
    struct rankset kept = {0}, all = {0};
    unsigned low = 1, high = 0;
    if (sscanf(range, "%u %u", &low, &high) != 2)
        low = 1, high = 0;
    if (rankset_parse(&kept, reserved, NULL) == -ENOMEM)
        return -ENOMEM;
    int rc = 0;
    for (uint32_t p = PORT_LOWEST; p <= PORT_HIGHEST && rc == 0; p++) {
        if ((p < low || p > high) && !rankset_has(&kept, p))
            rc = rankset_add(&all, p);
    }
    rankset_fini(&kept);
    if (rc < 0)
        rankset_fini(&all);
    else
        *ret = all;
    return rc;
}

/* One socket for both families where there are both. Without SO_REUSEADDR even a port
 * whose last connection still waits is refused: rank 0 may not know to set it. */
static int masterport_bind(int family, uint32_t port)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
                              .sin6_port = htons((uint16_t)port),
                              .sin6_addr = in6addr_any};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int only_v6 = 0, fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int rc = 0;
    if (family == AF_INET6)
        rc = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, sizeof only_v6);
    if (rc == 0)
        rc = family == AF_INET6 ? bind(fd, (struct sockaddr *)&v6, sizeof v6)
                                : bind(fd, (struct sockaddr *)&v4, sizeof v4);
    if (rc == 0)
        return fd;
    rc = -errno;
    close(fd);
    return rc;
}

static int masterport_family(void)
{
    int fd = masterport_bind(AF_INET6, 0);
    if (fd >= 0)
        close(fd);
    return fd >= 0 ? AF_INET6 : AF_INET;
}

static uint32_t masterport_of(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at;
    socklen_t len = sizeof at;
    if (getsockname(fd, &at.any, &len) < 0)
        return 0;
    return ntohs(at.any.sa_family == AF_INET6 ? at.v6.sin6_port : at.v4.sin_port);
}

int masterport_reserve_of(const struct rankset *candidates, uint32_t seed,
                          struct masterport *ret, struct err *e)
{
    int family = masterport_family();
    size_t n = rankset_count(candidates);
    int64_t port = -1;
    /* By number, not by nearness: the port after a gap would be everybody's. */
    for (size_t i = n ? seed % n + 1 : 0; i > 0; i--)
        port = rankset_next(candidates, (uint32_t)(port + 1));
    for (size_t i = 0; i < n; i++, port++) {
        port = rankset_next(candidates, (uint32_t)port);
        if (port < 0)
            port = rankset_next(candidates, 0);
        int fd = masterport_bind(family, (uint32_t)port);
        if (fd >= 0) {
            *ret = (struct masterport){.fd = fd, .port = (uint32_t)port};
            return 0;
        }
    }
    int fd = masterport_bind(family, 0);
    if (fd < 0)
        return err_sys(e, fd, "reserve a port for MASTER_PORT");
    *ret = (struct masterport){.fd = fd, .port = masterport_of(fd), .ephemeral = true};
    return 0;
}

int masterport_reserve(struct masterport *ret, struct err *e)
{
    char range[64], reserved[65536];
    struct rankset candidates = {0};
    uint32_t seed;
    masterport_read("/proc/sys/net/ipv4/ip_local_port_range", range, sizeof range);
    masterport_read("/proc/sys/net/ipv4/ip_local_reserved_ports", reserved,
                    sizeof reserved);
    secure_random(&seed, sizeof seed);
    int rc = masterport_candidates(range, reserved, &candidates);
    if (rc < 0)
        return err_sys(e, rc, "reserve a port for MASTER_PORT");
    rc = masterport_reserve_of(&candidates, seed, ret, e);
    rankset_fini(&candidates);
    return rc;
}

void masterport_release(struct masterport *p)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
}

/* ---- who has it ---- */

struct masterport_look {
    uint64_t inodes[16];
    size_t n;
    bool blind; /* a process of the job cannot be looked into */
};

uint64_t masterport_listener(const char *line, uint32_t port)
{
    unsigned at, state;
    unsigned long long inode;
    int got = sscanf(line,
                     " %*u: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*x:%*x %*x:%*x %*x "
                     "%*u %*u %llu",
                     &at, &state, &inode);
    return got == 3 && at == port && state == TCP_LISTEN ? inode : 0;
}

static void masterport_find_listeners(const char *path, uint32_t port,
                                      struct masterport_look *l)
{
    char line[512];
    FILE *f = fopen(path, "re");
    while (f && l->n < sizeof l->inodes / sizeof *l->inodes &&
           fgets(line, sizeof line, f)) {
        uint64_t inode = masterport_listener(line, port);
        if (inode)
            l->inodes[l->n++] = inode;
    }
    if (f)
        fclose(f);
}

static bool masterport_is_family(pid_t pid)
{
    struct proc_stat st;
    for (unsigned i = 0; i < FAMILY_DEPTH && pid > 1; i++, pid = st.ppid) {
        if (pid == getpid())
            return true;
        if (proc_stat_read(pid, &st) < 0)
            break;
    }
    return false;
}

static void masterport_strike_out(struct masterport_look *l, const char *link)
{
    unsigned long long inode;
    if (sscanf(link, "socket:[%llu]", &inode) != 1)
        return;
    for (size_t i = 0; i < l->n; i++) {
        if (l->inodes[i] == inode)
            l->inodes[i--] = l->inodes[--l->n];
    }
}

static bool masterport_look_at(void *arg, pid_t pid)
{
    struct masterport_look *l = arg;
    struct proc_stat st;
    char path[64];
    if (!masterport_is_family(pid) || proc_stat_read(pid, &st) < 0 || st.state == 'Z')
        return true;
    (void)snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *dir = opendir(path);
    if (!dir) {
        l->blind = l->blind || errno == EACCES || errno == EPERM;
        return true;
    }
    const struct dirent *entry;
    while ((entry = readdir(dir))) {
        char link[64];
        ssize_t n = readlinkat(dirfd(dir), entry->d_name, link, sizeof link - 1);
        link[n > 0 ? n : 0] = '\0';
        masterport_strike_out(l, link);
    }
    closedir(dir);
    return l->n > 0;
}

bool masterport_is_taken(uint32_t port)
{
    struct masterport_look l = {0};
    masterport_find_listeners("/proc/net/tcp", port, &l);
    masterport_find_listeners("/proc/net/tcp6", port, &l);
    if (l.n == 0 || proc_each(masterport_look_at, &l) < 0)
        return false;
    return l.n > 0 && !l.blind;
}
