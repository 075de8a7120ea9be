/* SPDX-License-Identifier: MIT */
/* plan_draw.c - the boxes of a node; see plan_draw.h. Of PCI only what parts devices is
 * shown: a chain of bridges with one device at its end is that device. */
#include "launcher/plan_draw.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/plan_text.h"
#include "proto/base/size.h"

struct build {
    const struct plan_view *v;
    const struct plan *plan;
    const struct topo *t;
    uint32_t node;
    struct draw_box *root;
    struct draw_box **packages, **numa; /* by index */
    bool *wanted;                       /* PCI nodes with a device in or below them */
    bool bad;
};

void draw_free(struct draw_box *b)
{
    while (b) {
        struct draw_box *next = b->next;
        draw_free(b->children);
        free(b->title);
        free(b->detail);
        free(b->ranks);
        free(b->mark);
        free(b);
        b = next;
    }
}

static char *text_of(struct build *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static char *text_of(struct build *b, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        text = NULL;
    va_end(ap);
    b->bad = b->bad || !text;
    return text;
}

/* `title` and `detail` become the box's. NULL: no memory. */
static struct draw_box *add_box(struct build *b, struct draw_box *parent,
                                enum draw_kind kind, char *title, char *detail)
{
    struct draw_box *box = parent || kind == DRAW_NODE ? calloc(1, sizeof *box) : NULL;
    if (!box || !title || !detail) {
        b->bad = true;
        free(title);
        free(detail);
        free(box);
        return NULL;
    }
    *box = (struct draw_box){.kind = kind, .title = title, .detail = detail};
    if (parent && parent->last)
        parent->last->next = box;
    else if (parent)
        parent->children = box;
    if (parent)
        parent->last = box;
    return box;
}

static char *set_text(struct build *b, const struct rankset *s)
{
    struct buf text;
    buf_init(&text, 1u << 18);
    char *copy =
        plan_cpus(s, &text) < 0 ? NULL : strdup(text.len ? (char *)text.data : "none");
    buf_fini(&text);
    b->bad = b->bad || !copy;
    return copy;
}

/* ---- cores ---- */

static int merge(struct rankset *to, const struct rankset *from)
{
    int rc = 0;
    for (int64_t c = -1; rc == 0 && (c = rankset_next(from, (uint32_t)(c + 1))) >= 0;)
        rc = rankset_add(to, (uint32_t)c);
    return rc;
}

struct group { /* cores of one cache or NUMA node */
    int l3, numa, package;
};

static bool in_group(const struct topo_core *c, const struct group *g)
{
    return (g->l3 < 0 || c->l3 == g->l3) && (g->numa < 0 || c->numa == g->numa) &&
           (g->package < 0 || c->package == g->package);
}

/* The cores of the group that a rank has; rank NULL: those that no rank has. */
static size_t pick_cores(struct build *b, const struct group *g,
                         const struct rankset *cpus, bool free_ones,
                         struct rankset *ret)
{
    size_t n = 0;
    for (size_t i = 0; i < b->t->n_cores; i++) {
        const struct topo_core *c = &b->t->cores[i];
        bool has = rankset_has(cpus, (uint32_t)rankset_next(&c->cpus, 0));
        if (!in_group(c, g) || has == free_ones)
            continue;
        n++;
        b->bad = b->bad || merge(ret, &c->cpus) < 0;
    }
    return n;
}

static void add_cores(struct build *b, struct draw_box *parent, const char *who,
                      const struct group *g, const struct rankset *cpus, bool free_ones)
{
    struct rankset mine = {0};
    size_t n = pick_cores(b, g, cpus, free_ones, &mine);
    if (n > 0) {
        char *text = set_text(b, &mine);
        (void)add_box(
            b, parent, DRAW_CORES, text_of(b, "%s", who),
            text_of(b, "%zu core%s: %s", n, n == 1 ? "" : "s", text ? text : ""));
        free(text);
    }
    rankset_fini(&mine);
}

static void add_rank_cores(struct build *b, struct draw_box *parent,
                           const struct group *g)
{
    struct rankset taken = {0};
    char who[40];
    for (uint32_t i = b->plan->first_rank[b->node];
         i < b->plan->first_rank[b->node + 1]; i++) {
        struct rankset cpus = {0};
        (void)snprintf(who, sizeof who, "rank %u", i);
        b->bad = b->bad || rankset_parse(&cpus, b->plan->ranks[i].cpus, NULL) < 0 ||
                 merge(&taken, &cpus) < 0;
        add_cores(b, parent, who, g, &cpus, false);
        rankset_fini(&cpus);
    }
    if (rankset_count(&taken) > 0)
        add_cores(b, parent, "free", g, &taken, true);
    rankset_fini(&taken);
}

static size_t count_cores(const struct topo *t, const struct group *g)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n_cores; i++)
        n += in_group(&t->cores[i], g);
    return n;
}

/* Caches only where they are a finer place than what they are in. */
static void add_caches(struct build *b, struct draw_box *parent, struct group g)
{
    const struct topo *t = b->t;
    size_t all = count_cores(t, &g), n_l3 = 0;
    for (size_t i = 0; i < t->n_l3; i++) {
        struct group one = {(int)i, g.numa, g.package};
        size_t n = count_cores(t, &one);
        n_l3 += n > 0 && n < all;
    }
    if (n_l3 < 2) {
        add_rank_cores(b, parent, &g);
        return;
    }
    for (size_t i = 0; i < t->n_l3; i++) {
        struct group one = {(int)i, g.numa, g.package};
        size_t n = count_cores(t, &one);
        if (n == 0)
            continue;
        struct draw_box *box =
            add_box(b, parent, DRAW_L3, text_of(b, "L3 %u", t->l3[i].os),
                    text_of(b, "%zu core%s", n, n == 1 ? "" : "s"));
        if (box)
            add_rank_cores(b, box, &one);
    }
}

static void add_numa(struct build *b, size_t i)
{
    const struct topo_numa *n = &b->t->numa[i];
    struct draw_box *parent = n->package >= 0 ? b->packages[n->package] : b->root;
    struct group g = {-1, (int)i, -1};
    char size[SIZE_TEXT] = "no memory";
    size_t cores = count_cores(b->t, &g);
    if (n->of_gpu)
        return;
    if (n->mem_bytes)
        size_text(n->mem_bytes, size);
    b->numa[i] =
        add_box(b, parent, DRAW_NUMA, text_of(b, "NUMA node %u", n->os),
                text_of(b, "%zu core%s, %s", cores, cores == 1 ? "" : "s", size));
    if (b->numa[i] && cores > 0)
        add_caches(b, b->numa[i], g);
}

static void add_cpus(struct build *b)
{
    const struct topo *t = b->t;
    for (size_t i = 0; i < t->n_packages; i++) {
        struct group g = {-1, -1, (int)i};
        size_t n = count_cores(t, &g);
        b->packages[i] = add_box(b, b->root, DRAW_PACKAGE,
                                 text_of(b, "package %u", t->packages[i].os),
                                 text_of(b, "%zu core%s", n, n == 1 ? "" : "s"));
    }
    for (size_t i = 0; i < t->n_numa; i++)
        add_numa(b, i);
    if (t->n_numa == 0)
        add_caches(b, b->root, (struct group){-1, -1, -1});
}

/* ---- devices ---- */

static struct draw_box *home_of(struct build *b, const struct topo_place *p)
{
    if (p->located && p->node >= 0 && b->numa[p->node])
        return b->numa[p->node];
    if (p->located && p->package >= 0 && b->packages[p->package])
        return b->packages[p->package];
    return b->root;
}

/* Adds "rank 3", then " and 4". */
static void add_rank(struct build *b, char **ranks, uint32_t rank)
{
    char *old = *ranks;
    *ranks = old ? text_of(b, "%s, %u", old, rank) : text_of(b, "rank %u", rank);
    free(old);
}

static const Aolani__PciLink *link_of(const struct topo *t, int pci)
{
    return pci >= 0 ? t->pci[pci].m->link : NULL;
}

static void add_gpu(struct build *b, struct draw_box *parent, size_t i)
{
    const struct topo_gpu *g = &b->t->gpus[i];
    char model[PLAN_TEXT], link[PLAN_TEXT], own[60] = "";
    plan_link_now(link_of(b->t, g->pci), link);
    if (g->m->mem_numa >= 0)
        (void)snprintf(own, sizeof own, ", memory: NUMA node %d", g->m->mem_numa);
    struct draw_box *box = add_box(
        b, parent, DRAW_GPU, text_of(b, "gpu %zu", i),
        text_of(b, "%s%s%s%s%s%s", plan_bus(g->m->bus_id), *g->m->bus_id ? "  " : "",
                plan_model(g, model), *link ? ", " : "", link, own));
    for (uint32_t r = b->plan->first_rank[b->node];
         box && r < b->plan->first_rank[b->node + 1]; r++) {
        for (size_t k = 0; k < b->plan->ranks[r].n_gpus; k++) {
            if (b->plan->ranks[r].gpus[k] == i)
                add_rank(b, &box->ranks, r);
        }
    }
}

static bool is_used(const struct build *b, size_t nic)
{
    const struct plan_node *n = &b->plan->nodes[b->node];
    bool used = false;
    for (size_t i = 0; i < n->n_nics && !used; i++)
        used = n->nics[i] == nic;
    return used;
}

static void add_nic(struct build *b, struct draw_box *parent, size_t i)
{
    const struct topo_nic *n = &b->t->nics[i];
    char rate[PLAN_TEXT], link[PLAN_TEXT];
    bool down = plan_port_state(n)[0] == 'd';
    plan_rate(down ? 0 : plan_nic_rate(n), rate);
    plan_link_now(link_of(b->t, n->pci), link);
    struct draw_box *box =
        add_box(b, parent, DRAW_NIC, text_of(b, "%s", n->m->name),
                text_of(b, "%s%s%s%s%s%s%s", plan_bus(n->m->bus_id),
                        *n->m->bus_id ? "  " : "", topo_nic_kind(n->m->kind),
                        *rate ? " " : "", rate, *link ? ", " : "", link));
    for (uint32_t r = b->plan->first_rank[b->node];
         box && r < b->plan->first_rank[b->node + 1]; r++) {
        if (b->plan->ranks[r].n_nics && b->plan->ranks[r].nics[0] == i)
            add_rank(b, &box->ranks, r);
    }
    if (box && (down || !is_used(b, i)))
        box->mark = text_of(b, "%s", down ? "port down" : "left out");
}

static size_t add_devices(struct build *b, struct draw_box *parent, int pci)
{
    size_t n = 0;
    for (size_t i = 0; i < b->t->n_gpus; i++) {
        if (b->t->gpus[i].pci == pci && ++n && parent)
            add_gpu(b, parent, i);
    }
    for (size_t i = 0; i < b->t->n_nics; i++) {
        if (b->t->nics[i].pci == pci && ++n && parent)
            add_nic(b, parent, i);
    }
    return n;
}

/* Functions of one card are no switch. */
static bool same_card(const char *a, const char *b)
{
    const char *dot = strrchr(a, '.');
    return dot && strncmp(a, b, (size_t)(dot - a) + 1) == 0;
}

static bool is_switch(const struct build *b, size_t i)
{
    const struct topo *t = b->t;
    const char *first = NULL;
    if (t->pci[i].m->kind != AOLANI__PCI_NODE__KIND__BRIDGE)
        return false;
    for (size_t k = i + 1; k < t->n_pci; k++) {
        if (!b->wanted[k] || t->pci[k].parent != (int)i)
            continue;
        if (first && !same_card(first, t->pci[k].m->bus_id))
            return true;
        first = t->pci[k].m->bus_id;
    }
    return false;
}

static void add_pci(struct build *b, size_t i)
{
    const struct topo *t = b->t;
    /* Parents come before children, so where they went is known. */
    struct draw_box **at = calloc(t->n_pci, sizeof *at);
    b->bad = b->bad || !at;
    for (; at && i < t->n_pci; i++) {
        const struct topo_pci *p = &t->pci[i];
        char link[PLAN_TEXT];
        if (!b->wanted[i])
            continue;
        at[i] = p->parent >= 0 ? at[p->parent] : NULL;
        if (p->parent < 0)
            at[i] =
                add_box(b, home_of(b, &p->place), DRAW_HOST,
                        text_of(b, "host bridge %s", plan_bus(p->m->bus_id)),
                        text_of(b, "%s", p->place.located ? "" : "place not known"));
        else if (is_switch(b, i))
            at[i] = add_box(b, at[i], DRAW_SWITCH,
                            text_of(b, "switch %s", plan_bus(p->m->bus_id)),
                            text_of(b, "%s", plan_link_now(p->m->link, link)));
        if (at[i])
            (void)add_devices(b, at[i], (int)i);
    }
    free(at);
}

static void find_wanted(struct build *b)
{
    const struct topo *t = b->t;
    for (size_t i = t->n_pci; i-- > 0;) {
        b->wanted[i] = b->wanted[i] || add_devices(b, NULL, (int)i) > 0;
        if (b->wanted[i] && t->pci[i].parent >= 0)
            b->wanted[t->pci[i].parent] = true;
    }
}

/* Those that are not on PCI. */
static void add_others(struct build *b)
{
    for (size_t i = 0; i < b->t->n_gpus; i++) {
        if (b->t->gpus[i].pci < 0)
            add_gpu(b, home_of(b, &b->t->gpus[i].place), i);
    }
    for (size_t i = 0; i < b->t->n_nics; i++) {
        if (b->t->nics[i].pci < 0)
            add_nic(b, home_of(b, &b->t->nics[i].place), i);
    }
}

static char *root_title(struct build *b, size_t block)
{
    struct buf names;
    buf_init(&names, 1u << 22);
    char *title = plan_view_block_names(b->v, block, &names) < 0
                      ? NULL
                      : strdup((char *)names.data);
    buf_fini(&names);
    return title;
}

struct draw_box *draw_build(const struct plan_view *v, size_t block)
{
    uint32_t node = v->blocks[block];
    struct build b = {.v = v, .plan = v->in.plan, .t = v->in.topos[node], .node = node};
    const char *product = b.t->m ? b.t->m->product : "";
    b.packages = calloc(b.t->n_packages + 1, sizeof *b.packages);
    b.numa = calloc(b.t->n_numa + 1, sizeof *b.numa);
    b.wanted = calloc(b.t->n_pci + 1, sizeof *b.wanted);
    b.root =
        add_box(&b, NULL, DRAW_NODE, root_title(&b, block), text_of(&b, "%s", product));
    b.bad = b.bad || !b.packages || !b.numa || !b.wanted || !b.root;
    if (!b.bad) {
        add_cpus(&b);
        find_wanted(&b);
        add_pci(&b, 0);
        add_others(&b);
    }
    free(b.packages);
    free(b.numa);
    free(b.wanted);
    if (b.bad) {
        draw_free(b.root);
        return NULL;
    }
    return b.root;
}
