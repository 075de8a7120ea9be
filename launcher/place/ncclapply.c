/* SPDX-License-Identifier: MIT */
/* ncclapply.c - see ncclapply.h. The ports around a switch are there because everything that
 * measures distances, NCCL's rules included, counts them on real switches. */
#include "launcher/place/ncclapply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/limits.h"
#include "proto/wire/busid.h"

#define FLAT_DEPTH 2u /* below a host bridge: at most a port of the root between */

struct topo_added {
    Aolani__PciNode *nodes; /* what t->pci refers to */
    Aolani__PciLink *links;
    char (*bus_ids)[16];
    size_t n, max;
};

struct applier {
    struct topo *t;
    const struct ncclfile *f;
    int *device; /* of each element the device that moves; -1 */
    int *bridge; /* of each element its bridge in t->pci; -1: none yet */
    int *top;    /* of each element below a switch the uppermost one */
    struct topo_added *added;
};

static bool is_switch(const struct ncclfile *f, int i)
{
    return i >= 0 && f->nodes[i].kind == NCCLFILE_PCI;
}

static bool same_place(const struct topo_place *a, const struct topo_place *b)
{
    return a->located == b->located && rankset_contains(&a->numa, &b->numa) &&
           rankset_contains(&b->numa, &a->numa);
}

/* Of the devices that hang on the root here, those by their addresses' keys; 0 elsewhere. */
static uint64_t *flat_devices(const struct topo *t)
{
    uint64_t *keys = calloc(t->n_pci + 1, sizeof *keys);
    for (size_t i = 0; keys && i < t->n_pci; i++) {
        uint64_t key;
        if (t->pci[i].m->kind == AOLANI__PCI_NODE__KIND__DEVICE &&
            t->pci[i].depth <= FLAT_DEPTH && busid_read(t->pci[i].m->bus_id, &key))
            keys[i] = key + 1;
    }
    return keys;
}

/* The device of that address, once. */
static int take_device(uint64_t *keys, size_t n, const char *bus_id)
{
    uint64_t key;
    if (!busid_read(bus_id, &key))
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (keys[i] == key + 1) {
            keys[i] = 0;
            return (int)i;
        }
    }
    return -1;
}

/* Which devices hang below a switch in the file, and on the root here. */
static int find_moves(struct applier *a)
{
    uint64_t *keys = flat_devices(a->t);
    if (!keys)
        return -ENOMEM;
    for (size_t i = 0; i < a->f->n; i++) {
        const struct ncclfile_node *from = &a->f->nodes[i];
        bool below = is_switch(a->f, from->parent);
        a->bridge[i] = -1;
        a->top[i] = below ? a->top[from->parent] : (int)i;
        a->device[i] = from->kind == NCCLFILE_PCI && below
                           ? take_device(keys, a->t->n_pci, from->bus_id)
                           : -1;
    }
    free(keys);
    return 0;
}

/* Devices that are at different NUMA nodes here are not below one switch: none of them
 * moves. Returns how many do. */
static size_t drop_contradictions(struct applier *a)
{
    enum { NONE = -1, CONTRADICTS = -2 };
    size_t n = 0;
    int *first = a->bridge; /* of each uppermost switch its first device; used later */
    for (size_t i = 0; i < a->f->n; i++) {
        int top = a->top[i];
        if (a->device[i] < 0 || first[top] == CONTRADICTS)
            continue;
        if (first[top] == NONE)
            first[top] = a->device[i];
        else if (!same_place(&a->t->pci[first[top]].place,
                             &a->t->pci[a->device[i]].place))
            first[top] = CONTRADICTS;
    }
    for (size_t i = 0; i < a->f->n; i++) {
        if (first[a->top[i]] == CONTRADICTS)
            a->device[i] = -1;
        n += a->device[i] >= 0 ? 1u : 0u;
    }
    for (size_t i = 0; i < a->f->n; i++)
        a->bridge[i] = NONE;
    return n;
}

static const struct topo_place *place_of(const struct topo *t, int pci)
{
    return &t->pci[pci].place;
}

/* like: a node whose place it has. */
static int add(struct applier *a, Aolani__PciNode__Kind kind, int parent,
               const struct ncclfile_node *from, int like)
{
    struct topo_added *d = a->added;
    Aolani__PciNode *m = &d->nodes[d->n];
    aolani__pci_node__init(m);
    memcpy(d->bus_ids[d->n], from->bus_id, sizeof from->bus_id);
    m->bus_id = d->bus_ids[d->n];
    m->kind = kind;
    m->class_id = 0x0604;
    if (kind == AOLANI__PCI_NODE__KIND__BRIDGE && from->link_mts) {
        aolani__pci_link__init(&d->links[d->n]);
        d->links[d->n].max_mts = from->link_mts;
        d->links[d->n].max_width = from->link_width;
        m->link = &d->links[d->n];
    }
    struct topo_pci *p = &a->t->pci[a->t->n_pci];
    *p = (struct topo_pci){.m = m,
                           .parent = parent,
                           .depth = parent < 0 ? 0 : a->t->pci[parent].depth + 1,
                           .place = *place_of(a->t, like)};
    p->place.shared = true;
    d->n++;
    return (int)a->t->n_pci++;
}

/* The bridge of a switch of the file, with all above it. */
static int bridge_of(struct applier *a, int i, int like)
{
    int chain[LIMIT_NCCL_DEPTH], at = -1;
    size_t n = 0;
    for (int up = i; is_switch(a->f, up) && n < LIMIT_NCCL_DEPTH;
         up = a->f->nodes[up].parent)
        chain[n++] = up;
    while (n > 0) {
        int up = chain[--n];
        const struct ncclfile_node *from = &a->f->nodes[up];
        if (a->bridge[up] < 0) {
            if (at < 0)
                at = add(a, AOLANI__PCI_NODE__KIND__HOST_BRIDGE, -1, from, like);
            at = add(a, AOLANI__PCI_NODE__KIND__BRIDGE, at, from, like);
            a->bridge[up] = add(a, AOLANI__PCI_NODE__KIND__BRIDGE, at, from, like);
        }
        at = a->bridge[up];
    }
    return at;
}

/* The device's message is the node's: what the file says of its link goes into a copy. */
static void move(struct applier *a, size_t i)
{
    const struct ncclfile_node *from = &a->f->nodes[i];
    int device = a->device[i];
    int up = bridge_of(a, from->parent, device);
    int port = add(a, AOLANI__PCI_NODE__KIND__BRIDGE, up, from, device);
    struct topo_pci *p = &a->t->pci[device];
    p->parent = port;
    p->depth = a->t->pci[port].depth + 1;
    if (!from->link_mts)
        return;
    struct topo_added *d = a->added;
    Aolani__PciNode *m = &d->nodes[d->n];
    *m = *p->m;
    aolani__pci_link__init(&d->links[d->n]);
    if (m->link)
        d->links[d->n] = *m->link;
    d->links[d->n].max_mts = from->link_mts;
    d->links[d->n].max_width = from->link_width;
    m->link = &d->links[d->n++];
    p->m = m;
}

/* Room for all at once: what is there must not move under those that refer to it. */
static int make_room(struct applier *a, size_t n_moves)
{
    size_t max = 2 * n_moves;
    for (size_t i = 0; i < a->f->n; i++)
        max += a->f->nodes[i].kind == NCCLFILE_PCI ? 3 : 0;
    struct topo_added *d = calloc(1, sizeof *d);
    if (!d)
        return -ENOMEM;
    a->added = a->t->added = d;
    d->max = max;
    d->nodes = calloc(max, sizeof *d->nodes);
    d->links = calloc(max, sizeof *d->links);
    d->bus_ids = calloc(max, sizeof *d->bus_ids);
    void *more = realloc(a->t->pci, (a->t->n_pci + max + 1) * sizeof *a->t->pci);
    if (more)
        a->t->pci = more;
    return more && d->nodes && d->links && d->bus_ids ? 0 : -ENOMEM;
}

int ncclapply(struct topo *t, const struct ncclfile *f, struct err *e)
{
    struct applier a = {.t = t, .f = f};
    a.device = calloc(f->n + 1, sizeof *a.device);
    a.bridge = calloc(f->n + 1, sizeof *a.bridge);
    a.top = calloc(f->n + 1, sizeof *a.top);
    int rc = a.device && a.bridge && a.top ? 0 : -ENOMEM;
    size_t n = 0;
    if (rc == 0)
        rc = find_moves(&a);
    if (rc == 0 && (n = drop_contradictions(&a)) > 0)
        rc = make_room(&a, n);
    for (size_t i = 0; i < f->n && rc == 0 && n > 0; i++) {
        if (a.device[i] >= 0)
            move(&a, i);
    }
    free(a.device);
    free(a.bridge);
    free(a.top);
    return rc < 0 ? err_sys(e, rc, "use a topology file of NCCL") : n > 0;
}

int ncclapply_own(struct topo *t, struct err *e)
{
    struct ncclfile f;
    if (!t->m || !t->m->nccl_topo_text[0])
        return 0;
    int rc = ncclfile_parse(t->m->nccl_topo_text, strlen(t->m->nccl_topo_text), &f, e);
    if (rc < 0)
        return rc;
    rc = ncclapply(t, &f, e);
    ncclfile_fini(&f);
    return rc;
}

void ncclapply_destroy(struct topo_added *a)
{
    if (!a)
        return;
    free(a->nodes);
    free(a->links);
    free(a->bus_ids);
    free(a);
}
