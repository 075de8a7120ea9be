/* SPDX-License-Identifier: MIT */
/* pcilist.c - see pcilist.h. Where a device sits is read from the path that its link in
 * /sys/bus/pci/devices leads to, which names every bridge above it. */
#include "agent/audit/pcilist.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEVICES      "/sys/bus/pci/devices"
#define NVIDIA       0x10deu
#define AMD          0x1002u
#define MELLANOX     0x15b3u
#define AMD_RAGE_XL  0x4752u /* screens of old servers' management processors */
#define AMD_ES1000   0x515eu
#define CLASS_BRIDGE 0x0604u

static bool is_hex(const char *s, size_t n)
{
    return strspn(s, "0123456789abcdef") >= n;
}

/* "0000:18:00.0"; a domain may have more than four digits. */
static bool is_address(const char *s)
{
    size_t n = strspn(s, "0123456789abcdef");
    return n >= 4 && n <= 8 && n + 8 < PCILIST_NAME && s[n] == ':' &&
           is_hex(s + n + 1, 2) && s[n + 3] == ':' && is_hex(s + n + 4, 2) &&
           s[n + 6] == '.' && s[n + 7] >= '0' && s[n + 7] <= '7' && !s[n + 8];
}

static bool is_gpu(const struct pcilist_device *d)
{
    uint32_t class = d->class_id >> 8;
    if (d->vendor == AMD && (d->device == AMD_RAGE_XL || d->device == AMD_ES1000))
        return false;
    if (class == 0x1200u) /* "processing accelerator", as an MI300X calls itself */
        return d->vendor == AMD;
    return (class == 0x0300u || class == 0x0302u || class == 0x0380u) &&
           (d->vendor == NVIDIA || d->vendor == AMD);
}

static enum pcilist_kind kind_of(const struct pcilist_device *d)
{
    uint32_t class = d->class_id >> 8;
    if (class == CLASS_BRIDGE)
        return PCILIST_BRIDGE;
    if (is_gpu(d))
        return PCILIST_GPU;
    if (class == 0x0200u || class == 0x0207u || class == 0x0208u) /* .., IB, fabric */
        return PCILIST_NIC;
    return class == 0x0280u && d->vendor == MELLANOX ? PCILIST_NIC : PCILIST_OTHER;
}

const char *pcilist_path(const struct pcilist_device *d, const char *attr, char *ret)
{
    (void)snprintf(ret, MACHINE_PATH, DEVICES "/%s/%s", d->name, attr);
    return ret;
}

static uint32_t number(const struct machine *m, const struct pcilist_device *d,
                       const char *attr)
{
    char path[MACHINE_PATH];
    int64_t v;
    if (machine_int(m, pcilist_path(d, attr, path), &v) < 0 || v < 0 || v > UINT32_MAX)
        return 0;
    return (uint32_t)v;
}

static bool device_read(const struct machine *m, const char *name,
                        struct pcilist_device *ret)
{
    char path[MACHINE_PATH];
    memset(ret, 0, sizeof *ret);
    if (!is_address(name))
        return false;
    memcpy(ret->name, name, strlen(name) + 1);
    ret->class_id = number(m, ret, "class");
    ret->vendor = number(m, ret, "vendor");
    ret->device = number(m, ret, "device");
    ret->kind = kind_of(ret);
    if (ret->kind == PCILIST_GPU || ret->kind == PCILIST_NIC)
        ret->is_vf = machine_exists(m, pcilist_path(ret, "physfn", path));
    return ret->kind != PCILIST_OTHER;
}

/* ---- where it sits ---- */

static int by_name(const void *key, const void *device)
{
    return strcmp(key, ((const struct pcilist_device *)device)->name);
}

/* A host bridge below a device (VMD) begins a hierarchy of its own. *whole: every bridge
 * of it so far says that it is one. */
static void take_component(const struct pcilist *l, struct pcilist_device *d,
                           const char *part, bool *whole)
{
    if (!strncmp(part, "pci", 3) && strchr(part, ':') && strlen(part) < PCILIST_NAME) {
        memcpy(d->host, part, strlen(part) + 1);
        d->depth = 0;
        *whole = true;
        return;
    }
    if (!*d->host || !is_address(part) || !strcmp(part, d->name))
        return;
    const struct pcilist_device *b = bsearch(part, l->d, l->n, sizeof *l->d, by_name);
    if (!b || b->kind != PCILIST_BRIDGE || d->depth == PCILIST_DEPTH)
        *whole = false;
    else
        d->above[d->depth++] = (size_t)(b - l->d);
}

/* With a gap in it a way would look shorter than it is: then rather none. */
static void device_place(const struct machine *m, const struct pcilist *l,
                         struct pcilist_device *d)
{
    char path[MACHINE_PATH], real[MACHINE_PATH], *left = NULL;
    bool whole = true;
    (void)snprintf(path, sizeof path, DEVICES "/%s", d->name);
    if (machine_real(m, path, real, sizeof real) < 0)
        return;
    for (char *at = strtok_r(real, "/", &left); at; at = strtok_r(NULL, "/", &left))
        take_component(l, d, at, &whole);
    if (!whole) {
        d->host[0] = '\0';
        d->depth = 0;
    }
}

/* ---- all of them ---- */

bool pcilist_is_guest(const struct machine *m)
{
    uint32_t r[4];
    if (machine_cpuid(m, 1, 0, r))
        return r[2] >> 31;
    return machine_exists(m, "/proc/device-tree/hypervisor");
}

bool pcilist_matters(const struct pcilist_device *d)
{
    return d->kind == PCILIST_GPU || (d->kind == PCILIST_NIC && !d->is_vf);
}

int pcilist_read(const struct machine *m, struct pcilist *ret)
{
    char **names;
    memset(ret, 0, sizeof *ret);
    ret->guest = pcilist_is_guest(m);
    int n = machine_list(m, DEVICES, &names);
    if (n < 0) {
        ret->error = n;
        return n == -ENOMEM ? n : 0;
    }
    ret->d = calloc((size_t)n + 1, sizeof *ret->d);
    for (int i = 0; ret->d && i < n; i++)
        if (device_read(m, names[i], &ret->d[ret->n]))
            ret->n++;
    machine_free_names(names, n);
    if (!ret->d)
        return -ENOMEM;
    ret->flat = true;
    for (size_t i = 0; i < ret->n; i++) {
        struct pcilist_device *d = &ret->d[i];
        device_place(m, ret, d);
        ret->flat &= d->kind != PCILIST_BRIDGE && *d->host;
        ret->gpus += d->kind == PCILIST_GPU;
        ret->nics += d->kind == PCILIST_NIC && !d->is_vf;
    }
    return 0;
}

void pcilist_fini(struct pcilist *l)
{
    free(l->d);
    memset(l, 0, sizeof *l);
}

int pcilist_common(const struct pcilist_device *a, const struct pcilist_device *b)
{
    unsigned n = 0;
    if (!*a->host || strcmp(a->host, b->host) != 0)
        return -1;
    while (n < a->depth && n < b->depth && a->above[n] == b->above[n])
        n++;
    return (int)n;
}

const char *pcilist_count(const struct pcilist *l, char ret[64])
{
    (void)snprintf(ret, 64, "%zu gpu%s, %zu nic%s", l->gpus, l->gpus == 1 ? "" : "s",
                   l->nics, l->nics == 1 ? "" : "s");
    return ret;
}
