/* SPDX-License-Identifier: MIT */
/* ncclcheck_dump.c - what NCCL's topology dump has, against the node's description. */
#include <stdio.h>
#include <string.h>

#include "launcher/ncclcheck.h"

struct names { /* a list for people, cut where it gets long */
    char text[200];
    unsigned n;
};

static void add_name(struct names *l, const char *name)
{
    size_t at = strlen(l->text);
    if (at + strlen(name) + 8 < sizeof l->text)
        snprintf(l->text + at, sizeof l->text - at, "%s%s", l->n ? ", " : "", name);
    else if (l->text[at - 1] != '.')
        memcpy(l->text + at, " ...", 5);
    l->n++;
}

/* A network of this NIC, alone or joined with others: index; -1. */
static int net_of(const struct ncclfile *f, const char *nic)
{
    size_t len = strlen(nic);
    for (size_t i = 0; i < f->n; i++) {
        const char *at = f->nodes[i].kind == NCCLFILE_NET ? f->nodes[i].name : "";
        while (*at) {
            size_t n = strcspn(at, "+");
            if (n == len && memcmp(at, nic, n) == 0)
                return (int)i;
            at += n + (at[n] == '+');
        }
    }
    return -1;
}

static bool may_use(const struct topo *t, const uint32_t *nics, size_t n,
                    const char *net)
{
    for (size_t i = 0; i < n; i++) {
        const char *name = t->nics[nics[i]].m->name;
        size_t len = strlen(name);
        for (const char *at = net; *at;) {
            size_t part = strcspn(at, "+");
            if (part == len && memcmp(at, name, part) == 0)
                return true;
            at += part + (at[part] == '+');
        }
    }
    return false;
}

static int gpu_of(const struct ncclfile *f, const char *bus_id)
{
    for (size_t i = 0; i < f->n; i++) {
        if (f->nodes[i].kind == NCCLFILE_GPU && f->nodes[i].parent >= 0 &&
            topo_compare_bus_ids(f->nodes[f->nodes[i].parent].bus_id, bus_id) == 0)
            return (int)i;
    }
    return -1;
}

static unsigned depth(const struct ncclfile *f, int i)
{
    unsigned n = 0;
    for (; i >= 0; i = f->nodes[i].parent)
        n++;
    return n;
}

/* By what they have in common: below a switch, at one CPU, or neither. */
static enum nccl_path distance(const struct ncclfile *f, int a, int b)
{
    while (a >= 0 && b >= 0 && a != b) {
        if (depth(f, a) >= depth(f, b))
            a = f->nodes[a].parent;
        else
            b = f->nodes[b].parent;
    }
    if (a < 0 || b < 0)
        return NCCL_PATH_SYS;
    return f->nodes[a].kind == NCCLFILE_CPU ? NCCL_PATH_PHB : NCCL_PATH_PIX;
}

static enum nccl_path coarse(enum nccl_path p)
{
    return p == NCCL_PATH_PXB ? NCCL_PATH_PIX : p == NCCL_PATH_P2C ? NCCL_PATH_PHB : p;
}

static unsigned compare_nets(const struct ncclfile *f, const struct topo *t,
                             const uint32_t *nics, size_t n_nics,
                             void (*warn)(void *arg, const char *text), void *arg)
{
    struct names missing = {0}, besides = {0}, no_gdr = {0};
    char text[300];
    for (size_t i = 0; i < n_nics; i++) {
        const char *name = t->nics[nics[i]].m->name;
        if (topo_nic_port(&t->nics[nics[i]]) >= 0 && net_of(f, name) < 0)
            add_name(&missing, name);
    }
    for (size_t i = 0; i < f->n; i++) {
        const struct ncclfile_node *n = &f->nodes[i];
        if (n->kind != NCCLFILE_NET || !n->name[0])
            continue;
        if (!may_use(t, nics, n_nics, n->name))
            add_name(&besides, n->name);
        else if (n->gdr == 0)
            add_name(&no_gdr, n->name);
    }
    if (missing.n > 0) {
        snprintf(text, sizeof text, "NCCL's topology dump lacks %s", missing.text);
        warn(arg, text);
    }
    if (besides.n > 0) {
        snprintf(text, sizeof text,
                 "NCCL's topology dump has %s, which the plan has not", besides.text);
        warn(arg, text);
    }
    if (no_gdr.n > 0) {
        snprintf(text, sizeof text,
                 "NCCL's topology dump says that %s cannot do GPUDirect RDMA",
                 no_gdr.text);
        warn(arg, text);
    }
    return (missing.n > 0) + (besides.n > 0) + (no_gdr.n > 0);
}

unsigned ncclcheck_dump(const struct ncclfile *f, const struct topo *t,
                        const uint32_t *nics, size_t n_nics, const uint32_t *gpus,
                        const struct nccl_choice *choices, size_t n_gpus,
                        void (*warn)(void *arg, const char *text), void *arg)
{
    unsigned told = compare_nets(f, t, nics, n_nics, warn, arg);
    for (size_t i = 0; i < n_gpus; i++) {
        const struct nccl_choice *c = &choices[i];
        if (!c->known || c->n_candidates == 0 || c->path == NCCL_PATH_PXN)
            continue;
        const char *nic = t->nics[c->nic].m->name;
        int gpu = gpu_of(f, t->gpus[gpus[i]].m->bus_id), net = net_of(f, nic);
        if (gpu < 0 || net < 0)
            continue;
        enum nccl_path d = distance(f, gpu, net);
        if (d == coarse(c->path))
            continue;
        char text[300];
        snprintf(text, sizeof text,
                 "NCCL's topology dump has gpu %u and %s %s, predicted %s", gpus[i],
                 nic,
                 d == NCCL_PATH_PIX   ? "below one switch"
                 : d == NCCL_PATH_PHB ? "at one CPU, no switch between"
                                      : "at different CPUs",
                 nccl_path_name(c->path));
        warn(arg, text);
        told++;
    }
    return told;
}
