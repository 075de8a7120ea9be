/* SPDX-License-Identifier: MIT */
/* audit_facts.c - what a machine is, from the files that say it. In a recorded tree no link
 * leads out of it. */
#include "launcher/audit_self.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proto/base/rankset.h"
#include "proto/base/utf8.h"

#define LINE 512u

static void read_line(int root, const char *path, char ret[LINE])
{
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
                           .resolve = RESOLVE_IN_ROOT};
    int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
    ssize_t n = fd < 0 ? 0 : read(fd, ret, LINE - 1);
    if (fd >= 0)
        close(fd);
    ret[n > 0 ? n : 0] = '\0';
    ret[strcspn(ret, "\n")] = '\0';
    utf8_make_printable(ret);
}

static int keep(char **ret, const char *text)
{
    *ret = strdup(text);
    return *ret ? 0 : -ENOMEM;
}

static int read_product(int root, char **ret)
{
    char vendor[LINE], name[LINE], both[2 * LINE + 1];
    read_line(root, "sys/class/dmi/id/sys_vendor", vendor);
    read_line(root, "sys/class/dmi/id/product_name", name);
    (void)snprintf(both, sizeof both, "%s%s%s", vendor, vendor[0] && name[0] ? " " : "",
                   name);
    return keep(ret, both);
}

static uint32_t count_listed(const char *list)
{
    struct rankset set = {0};
    struct err e;
    uint32_t n = rankset_parse(&set, list, &e) < 0 ? 0 : (uint32_t)rankset_count(&set);
    rankset_fini(&set);
    return n;
}

int audit_self_describe(const char *root, struct audit_node *ret)
{
    char host[LINE], line[LINE], folder[LINE];
    int fd = open(root ? root : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    read_line(fd, "proc/sys/kernel/hostname", host);
    if (!host[0] && root) { /* then it is called as its folder is */
        (void)snprintf(folder, sizeof folder, "%s", root);
        for (size_t n = strlen(folder); n > 1 && folder[n - 1] == '/'; n--)
            folder[n - 1] = '\0';
        const char *slash = strrchr(folder, '/');
        (void)snprintf(host, sizeof host, "%s", slash && slash[1] ? slash + 1 : folder);
        utf8_make_printable(host);
    }
    int rc = keep(&ret->host, host[0] ? host : "localhost");
    read_line(fd, "proc/sys/kernel/random/boot_id", line);
    rc = rc < 0 ? rc : keep(&ret->machine, line);
    read_line(fd, "proc/sys/kernel/osrelease", line);
    rc = rc < 0 ? rc : keep(&ret->kernel, line);
    rc = rc < 0 ? rc : read_product(fd, &ret->product);
    read_line(fd, "sys/devices/system/cpu/online", line);
    ret->cpus = count_listed(line);
    unsigned long long kib = 0;
    read_line(fd, "proc/meminfo", line);
    if (sscanf(line, "MemTotal: %llu kB", &kib) == 1)
        ret->mem_bytes = kib * 1024;
    if (fd >= 0)
        close(fd);
    return rc;
}
