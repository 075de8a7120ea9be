/* SPDX-License-Identifier: MIT */
/* network_rights.c - may the network be used and set: HCAs opened, memory of GPUs reached,
 * links configured; and is it the machine's own or a namespace's? */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/audit/network_ports.h"

#define VERBS         "/sys/class/infiniband_verbs"
#define CAP_NET_ADMIN 12
#define INIT_PID_NS   "pid:[4026531836]" /* the kernel's own number for it, fixed */
#define INIT_USER_NS  "user:[4026531837]"

/* ---- NW3: the HCA reads and writes the memory of GPUs */

static const char *peer_module(const struct machine *m)
{
    static const char *const files[] = {
        "/sys/module/nvidia_peermem/version",
        "/sys/kernel/mm/memory_peers/nv_mem/version",
        "/sys/kernel/mm/memory_peers/nv_mem_nc/version",
        "/sys/kernel/mm/memory_peers/amdkfd/version",
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (machine_exists(m, files[i]))
            return files[i];
    return NULL;
}

static bool kernel_is_since(const struct machine *m, int major, int minor)
{
    char text[128];
    int a = 0, b = 0;
    if (machine_line(m, "/proc/sys/kernel/osrelease", text, sizeof text) < 0 ||
        sscanf(text, "%d.%d", &a, &b) != 2)
        return false;
    return a > major || (a == major && b >= minor);
}

static bool driver_is_open(const struct machine *m)
{
    char text[1024];
    return machine_read(m, "/proc/driver/nvidia/version", text, sizeof text) > 0 &&
           strstr(text, "Open Kernel Module");
}

void network_look_gpudirect(const struct machine *m, const struct network_ports *p,
                            struct findings *f)
{
    const char *source = "/sys/module/nvidia_peermem, /proc/driver/nvidia/version";
    const char *module = peer_module(m);
    if (network_none(p, AUDIT_NW3, f))
        return;
    if (module) {
        found(f, AUDIT_NW3, AUDIT_PASS, module, "a module for it is loaded");
    } else if (!machine_exists(m, "/sys/module/nvidia")) {
        found(f, AUDIT_NW3, AUDIT_UNKNOWN, source,
              "no driver of NVIDIA GPUs is loaded");
        found_more(f, "the nvidia driver");
    } else if (driver_is_open(m) && kernel_is_since(m, 5, 12)) {
        found(f, AUDIT_NW3, AUDIT_PASS, source, "dma-buf: the driver's modules are %s",
              "the open ones, and the kernel is 5.12 or later");
    } else {
        found(f, AUDIT_NW3, AUDIT_FAIL, source,
              "neither nvidia_peermem nor dma-buf: %s",
              driver_is_open(m) ? "the kernel is older than 5.12"
                                : "the driver's modules are not the open ones");
    }
}

/* ---- NW5: access */

static int try_open(const struct machine *m, const char *path)
{
    int rc = machine_writable(m, path);
    if (rc != -EINVAL || !machine_is_live(m))
        return rc;
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK); /* a device: EINVAL above */
    if (fd < 0)
        return -errno;
    close(fd);
    return 0;
}

void network_look_access(const struct machine *m, const struct network_ports *p,
                         struct findings *f)
{
    struct network_text no = {0};
    char path[MACHINE_PATH], **names;
    int opened = 0;
    if (network_none(p, AUDIT_NW5, f))
        return;
    int n = machine_list(m, VERBS, &names);
    for (int i = 0; i < n; i++) {
        if (strncmp(names[i], "uverbs", 6) != 0)
            continue;
        (void)snprintf(path, sizeof path, "/dev/infiniband/%.64s", names[i]);
        int rc = try_open(m, path);
        opened += rc == 0;
        if (rc < 0)
            network_say(&no, "%s%s: %s", no.len ? ", " : "", path, strerror(-rc));
    }
    machine_free_names(names, n);
    if (no.len)
        found(f, AUDIT_NW5, AUDIT_FAIL, "/dev/infiniband", "%s", no.s);
    else if (opened)
        found(f, AUDIT_NW5, AUDIT_PASS, "/dev/infiniband", "%d devices can be opened",
              opened);
    else if (n == -EACCES || n == -EPERM)
        found(f, AUDIT_NW5, AUDIT_UNKNOWN, VERBS, "cannot be read: %s", strerror(-n));
    else
        found(f, AUDIT_NW5, AUDIT_FAIL, VERBS, "programs have no way to the HCAs: %s",
              "the kernel's module ib_uverbs is not loaded");
    if (!no.len && !opened && (n == -EACCES || n == -EPERM))
        found_more(f, "root");
}

/* ---- NW7, NW8 */

/* 1: the machine's own. 0: another. -1: cannot tell. The kernel registers some settings of
 * the network for its first namespace alone; and the first process is in that one, unless
 * it is only the first of a container. */
static int is_own_network(const struct machine *m)
{
    char self[64], first[64], pid[64];
    if (machine_exists(m, "/proc/sys/net/core/netdev_max_backlog"))
        return 1;
    if (machine_link(m, "/proc/self/ns/net", self, sizeof self) < 0)
        return -1;
    if (machine_exists(m, "/proc/sys/net/core"))
        return 0;
    if (machine_link(m, "/proc/1/ns/net", first, sizeof first) < 0)
        return -1;
    if (strcmp(self, first) != 0)
        return 0;
    bool told = machine_link(m, "/proc/self/ns/pid", pid, sizeof pid) == 0;
    return told && !strcmp(pid, INIT_PID_NS) ? 1 : -1;
}

/* 1, 0, or -1: cannot tell. */
static int has_net_admin(const struct machine *m)
{
    char text[8192], *at;
    if (machine_read(m, "/proc/self/status", text, sizeof text) <= 0 ||
        !(at = strstr(text, "\nCapEff:")))
        return -1;
    return (int)(strtoull(at + 8, NULL, 16) >> CAP_NET_ADMIN & 1);
}

static bool is_own_users(const struct machine *m)
{
    char text[64];
    return machine_link(m, "/proc/self/ns/user", text, sizeof text) < 0 ||
           !strcmp(text, INIT_USER_NS);
}

static void look_settings(const struct machine *m, int own, struct findings *f)
{
    const char *source = "/proc/self/status CapEff";
    int can = has_net_admin(m);
    if (can < 0) {
        found(f, AUDIT_NW7, AUDIT_UNKNOWN, source, "capabilities are not shown");
    } else if (can == 0 && machine_uid(m) == 0) {
        found(f, AUDIT_NW7, AUDIT_FAIL, source, "root without CAP_NET_ADMIN");
    } else if (can == 0) {
        found(f, AUDIT_NW7, AUDIT_UNKNOWN, source, "user %u is without CAP_NET_ADMIN",
              machine_uid(m));
        found_more(f, "root");
    } else if (own == 0 || !is_own_users(m)) {
        found(f, AUDIT_NW7, AUDIT_WARN, source,
              "CAP_NET_ADMIN over a namespace's own network, not the machine's");
    } else {
        found(f, AUDIT_NW7, AUDIT_PASS, source, "CAP_NET_ADMIN");
    }
}

void network_look_rights(const struct machine *m, struct findings *f)
{
    const char *source = "/proc/sys/net/core, /proc/self/ns/net";
    int own = is_own_network(m);
    look_settings(m, own, f);
    if (own > 0)
        found(f, AUDIT_NW8, AUDIT_PASS, source, "the machine's own");
    else if (own == 0)
        found(f, AUDIT_NW8, AUDIT_WARN, source, "a network namespace of a container");
    else
        found(f, AUDIT_NW8, AUDIT_UNKNOWN, source,
              "the first process is not to be seen");
    if (own < 0)
        found_more(f, "root");
}
