/* SPDX-License-Identifier: MIT */
/* sysfs.c - see sysfs.h. */
#include "agent/describe/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void sysfs_path(char ret[SYSFS_PATH], const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int len = vsnprintf(ret, SYSFS_PATH, fmt, ap);
    va_end(ap);
    if (len < 0 || len >= SYSFS_PATH)
        (void)snprintf(ret, SYSFS_PATH, "/nonexistent");
}

bool sysfs_read(const char *dir, const char *file, char *ret, size_t size)
{
    char path[SYSFS_PATH];
    sysfs_path(path, "%s/%s", dir, file);
    /* Not to wait for somebody to open the other end, if it is a fifo. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, ret, size - 1);
    close(fd);
    ret[n > 0 ? n : 0] = '\0';
    size_t line = strcspn(ret, "\n");
    if (n <= 0 || line == size - 1)
        return false;
    ret[line] = '\0';
    return true;
}

bool sysfs_read_link(const char *dir, const char *file, char *ret, size_t size)
{
    char path[SYSFS_PATH], to[SYSFS_PATH];
    sysfs_path(path, "%s/%s", dir, file);
    ssize_t n = readlink(path, to, sizeof to - 1);
    if (n <= 0)
        return false;
    to[n] = '\0';
    const char *last = strrchr(to, '/');
    int len = snprintf(ret, size, "%s", last ? last + 1 : to);
    return len > 0 && (size_t)len < size;
}

uint32_t sysfs_speed(const char *text)
{
    char *end;
    double giga = strtod(text, &end);
    if (end == text || strncmp(end, " G", 2) != 0 || !(giga > 0 && giga < 1e6))
        return 0;
    return (uint32_t)(giga * 1000 + 0.5);
}

static uint32_t sysfs_read_speed(const char *dir, const char *file)
{
    char text[64];
    return sysfs_read(dir, file, text, sizeof text) ? sysfs_speed(text) : 0;
}

/* A device that does not know gives 0 or, all bits set, 63 or 255. */
static uint32_t sysfs_read_width(const char *dir, const char *file)
{
    char text[64], *end;
    if (!sysfs_read(dir, file, text, sizeof text))
        return 0;
    unsigned long n = strtoul(text, &end, 10);
    return end == text || n > 32 ? 0 : (uint32_t)n;
}

struct sysfs_link {
    uint32_t max_mts, max_width, now_mts, now_width;
};

static void sysfs_read_ends(const char *sysfs, const char *bus_id,
                            struct sysfs_link *ret)
{
    char dir[SYSFS_PATH];
    sysfs_path(dir, "%s/bus/pci/devices/%s", sysfs, bus_id);
    ret->max_mts = sysfs_read_speed(dir, "max_link_speed");
    ret->max_width = sysfs_read_width(dir, "max_link_width");
    ret->now_mts = sysfs_read_speed(dir, "current_link_speed");
    ret->now_width = sysfs_read_width(dir, "current_link_width");
}

static uint32_t sysfs_lower(uint32_t a, uint32_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

/* A device whose own end says nothing (a virtual function) has no link by its port alone:
 * that is the link of the whole card. */
static void sysfs_set_link(Aolani__PciNode *p, const struct sysfs_link *own,
                           const struct sysfs_link *port)
{
    static const struct sysfs_link none = {0};
    if (own->max_mts == 0 && own->now_mts == 0)
        return;
    port = port ? port : &none;
    p->link->max_mts = sysfs_lower(own->max_mts, port->max_mts);
    p->link->max_width = sysfs_lower(own->max_width, port->max_width);
    p->link->now_mts = sysfs_lower(own->now_mts, port->now_mts);
    p->link->now_width = sysfs_lower(own->now_width, port->now_width);
    if (p->link->now_mts && p->link->now_width)
        p->link->now_mbytes = 0;
}

int sysfs_read_links(const char *sysfs, Aolani__Topology *t)
{
    struct sysfs_link *ends = calloc(t->n_pci + 1, sizeof *ends);
    if (!ends)
        return -ENOMEM;
    for (size_t i = 0; i < t->n_pci; i++) {
        Aolani__PciNode *p = t->pci[i];
        if (p->kind == AOLANI__PCI_NODE__KIND__HOST_BRIDGE || !p->link)
            continue;
        sysfs_read_ends(sysfs, p->bus_id, &ends[i]);
        sysfs_set_link(p, &ends[i], p->parent ? &ends[p->parent - 1] : NULL);
    }
    free(ends);
    return 0;
}
