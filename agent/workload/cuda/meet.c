/* SPDX-License-Identifier: MIT */
/* meet.c - see meet.h. Whoever else connects to the port (scanners do) says no hello of ours,
 * is closed, and costs the others a second at most. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "agent/workload/cuda/meet.h"

#define MAGIC 0x314d4f434e4c4f41ull /* "AOLNCOM1" */

enum { RETRY_MS = 50, HELLO_MS = 1000, MOST_RANKS = 1 << 20 };

struct hello {
    uint64_t magic;
    uint32_t rank, size;
};

/* ---- who we are */

/* The first of them that is set and a number up to most; fallback when none is set, -1 when
 * one is no number. */
static int number_of(const char *const names[], int fallback, char *why, size_t len)
{
    for (; *names; names++) {
        const char *text = getenv(*names);
        if (!text)
            continue;
        char *end;
        errno = 0;
        long v = strtol(text, &end, 10);
        if (!errno && end != text && !*end && v >= 0 && v <= MOST_RANKS)
            return (int)v;
        snprintf(why, len, "%s is \"%s\", which is no number of a rank", *names, text);
        return -1;
    }
    return fallback;
}

int meet_plan(struct meeting *m, char *why, size_t len)
{
    static const char *const ranks[] = {"RANK", "OMPI_COMM_WORLD_RANK", "SLURM_PROCID",
                                        NULL};
    static const char *const sizes[] = {"WORLD_SIZE", "OMPI_COMM_WORLD_SIZE",
                                        "SLURM_NTASKS", NULL};
    static const char *const locals[] = {"LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_RANK",
                                         "SLURM_LOCALID", NULL};
    *m = (struct meeting){.limit_ms = 120000};
    if ((m->rank = number_of(ranks, 0, why, len)) < 0 ||
        (m->size = number_of(sizes, 1, why, len)) < 0 ||
        (m->local_rank = number_of(locals, 0, why, len)) < 0)
        return -1;
    m->address = getenv("MASTER_ADDR");
    m->port = getenv("MASTER_PORT");
    if (m->rank >= m->size) {
        snprintf(why, len, "rank %d of %d ranks: WORLD_SIZE is missing or too small",
                 m->rank, m->size);
        return -1;
    }
    if (m->size > 1 && (!m->address || !m->port)) {
        snprintf(why, len,
                 "%d ranks cannot meet: %s is not set; start them with aolani-run, or "
                 "set MASTER_ADDR and MASTER_PORT to rank 0's address and a free port",
                 m->size, m->address ? "MASTER_PORT" : "MASTER_ADDR");
        return -1;
    }
    return 0;
}

/* ---- sockets */

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void settle(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

static void limit_reads(int fd, int ms)
{
    struct timeval t = {ms / 1000, ms % 1000 * 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
}

static bool same_hello(int fd, struct hello *ret)
{
    limit_reads(fd, HELLO_MS);
    bool whole = recv(fd, ret, sizeof *ret, MSG_WAITALL) == (ssize_t)sizeof *ret;
    limit_reads(fd, 0);
    return whole && ret->magic == MAGIC;
}

/* ---- rank 0 */

/* On every address: MASTER_ADDR may be one by which others know this host, and it does not. */
static int listen_on(const char *port, char *why, size_t len)
{
    char *end;
    int on = 1, off = 0;
    long number = strtol(port, &end, 10);
    if (end == port || *end || number < 1 || number > 65535) {
        snprintf(why, len, "MASTER_PORT \"%s\" is no port", port);
        return -1;
    }
    struct sockaddr_in6 any = {.sin6_family = AF_INET6,
                               .sin6_port = htons((uint16_t)number)};
    struct sockaddr_in any4 = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)number)};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool six = fd >= 0;
    if (!six)
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (six)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (fd >= 0 &&
        bind(fd, six ? (void *)&any : (void *)&any4, six ? sizeof any : sizeof any4) ==
            0 &&
        listen(fd, 1024) == 0)
        return fd;
    snprintf(why, len, "listen on MASTER_PORT %s for the other ranks: %s", port,
             strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

static int first_missing(const struct meeting *m, const int *peers)
{
    for (int r = 1; r < m->size; r++)
        if (peers[r] < 0)
            return r;
    return m->size;
}

/* One that connected: keep it if it is a rank that was missing. -1: it is of another job. */
static int greet(const struct meeting *m, int fd, int *peers, char *why, size_t len)
{
    struct hello h;
    if (!same_hello(fd, &h)) {
        close(fd);
        return 0;
    }
    if (h.size != (uint32_t)m->size || h.rank == 0 || h.rank >= h.size ||
        peers[h.rank] >= 0) {
        snprintf(why, len,
                 "rank %u of %u came to rank 0 of %d%s: is another job on "
                 "MASTER_PORT %s?",
                 h.rank, h.size, m->size,
                 h.size == (uint32_t)m->size ? " a second time" : "", m->port);
        close(fd);
        return -1;
    }
    settle(fd);
    peers[h.rank] = fd;
    return 0;
}

static int gather(const struct meeting *m, int *peers, char *why, size_t len)
{
    int64_t until = now_ms() + m->limit_ms;
    int rc = 0, missing, listener = listen_on(m->port, why, len);
    if (listener < 0)
        return -1;
    while (rc == 0 && (missing = first_missing(m, peers)) < m->size) {
        int64_t left = until - now_ms();
        struct pollfd p = {.fd = listener, .events = POLLIN};
        if (left <= 0) {
            snprintf(why, len, "rank %d did not come to MASTER_PORT %s within %d s",
                     missing, m->port, m->limit_ms / 1000);
            rc = -1;
        } else if (poll(&p, 1, (int)left) > 0) {
            int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
            rc = fd < 0 ? 0 : greet(m, fd, peers, why, len);
        }
    }
    close(listener);
    return rc;
}

/* ---- the others */

static int try_once(const struct addrinfo *all)
{
    int fd = -1;
    for (const struct addrinfo *a = all; a; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) == 0)
            return fd;
        int saved = errno;
        if (fd >= 0)
            close(fd);
        errno = saved;
    }
    return -1;
}

static int reach(const struct meeting *m, char *why, size_t len)
{
    struct addrinfo *all, hints = {.ai_socktype = SOCK_STREAM};
    struct timespec pause = {0, RETRY_MS * 1000000L};
    int64_t until = now_ms() + m->limit_ms;
    struct hello h = {MAGIC, (uint32_t)m->rank, (uint32_t)m->size};
    int fd, rc = getaddrinfo(m->address, m->port, &hints, &all);
    if (rc != 0) {
        snprintf(why, len, "MASTER_ADDR \"%s\" port \"%s\": %s", m->address, m->port,
                 gai_strerror(rc));
        return -1;
    }
    while ((fd = try_once(all)) < 0 && now_ms() < until)
        nanosleep(&pause, NULL); /* rank 0 may start later than this one */
    if (fd < 0)
        snprintf(why, len, "reach rank 0 at MASTER_ADDR %s, port %s for %d s: %s",
                 m->address, m->port, m->limit_ms / 1000, strerror(errno));
    freeaddrinfo(all);
    if (fd >= 0 && send(fd, &h, sizeof h, MSG_NOSIGNAL) != (ssize_t)sizeof h) {
        snprintf(why, len, "say hello to rank 0: %s", strerror(errno));
        close(fd);
        fd = -1;
    }
    if (fd >= 0)
        settle(fd);
    return fd;
}

int meet_all(const struct meeting *m, int *peers, char *why, size_t len)
{
    int rc = 0;
    for (int r = 0; r < m->size; r++)
        peers[r] = -1;
    if (m->size == 1)
        return 0;
    if (m->rank == 0)
        rc = gather(m, peers, why, len);
    else
        rc = (peers[0] = reach(m, why, len)) < 0 ? -1 : 0;
    for (int r = 0; rc < 0 && r < m->size; r++) {
        if (peers[r] >= 0)
            close(peers[r]);
        peers[r] = -1;
    }
    return rc;
}
