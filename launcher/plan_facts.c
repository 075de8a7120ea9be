/* SPDX-License-Identifier: MIT */
/* plan_facts.c - see plan_facts.h. */
#include "launcher/plan_facts.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/plan_text.h"

#define TEXTS_MAX (16u << 20)

static int add_text(struct facts *f, const char *text, size_t *ret)
{
    *ret = f->texts.len;
    return buf_add(&f->texts, text, strlen(text) + 1);
}

static int add(struct facts *f, enum fact_kind kind, const char *id, int64_t rank,
               const char *fmt, ...) __attribute__((format(printf, 5, 6)));
static int add(struct facts *f, enum fact_kind kind, const char *id, int64_t rank,
               const char *fmt, ...)
{
    struct fact new = {.kind = kind, .rank = rank};
    if (f->n == f->cap) {
        size_t cap = f->cap ? 2 * f->cap : 64;
        struct fact *more = realloc(f->list, cap * sizeof *more);
        if (!more)
            return -ENOMEM;
        f->list = more;
        f->cap = cap;
    }
    char *value = NULL;
    va_list ap;
    va_start(ap, fmt);
    int rc = vasprintf(&value, fmt, ap) < 0 ? -ENOMEM : 0;
    va_end(ap);
    if (rc < 0)
        return rc;
    if ((rc = add_text(f, id, &new.id)) == 0 &&
        (rc = add_text(f, value, &new.value)) == 0)
        f->list[f->n++] = new;
    free(value);
    return rc;
}

static int add_link(struct facts *f, enum fact_kind kind, const char *id, uint32_t mts,
                    uint32_t width)
{
    char text[PLAN_TEXT];
    if (!*plan_link(mts, width, text))
        return 0; /* not known: as good as any */
    return add(f, kind, id, (int64_t)mts * (width ? width : 1), "%s", text);
}

static int add_numa_of(struct facts *f, enum fact_kind kind, const char *id,
                       const struct topo_place *p)
{
    struct buf text;
    buf_init(&text, 1u << 16);
    int rc = p->located ? rankset_format(&p->numa, &text) : 0;
    if (rc == 0 && p->located)
        rc = add(f, kind, id, 0, "%s", text.len ? (char *)text.data : "");
    buf_fini(&text);
    return rc;
}

/* ---- what a node is ---- */

static int add_allowed(struct facts *f, const struct topo *t)
{
    struct buf text;
    buf_init(&text, 1u << 18);
    int rc = plan_cpus(&t->allowed, &text);
    if (rc == 0)
        rc = add(f, FACT_ALLOWED, "", (int64_t)rankset_count(&t->allowed), "%s",
                 text.len ? (char *)text.data : "none");
    buf_fini(&text);
    return rc;
}

static int add_node(struct facts *f, const struct topo *t)
{
    int64_t numa = 0;
    int rc = 0;
    for (size_t i = 0; i < t->n_numa; i++)
        numa += !t->numa[i].of_gpu;
    if (t->m && t->m->product[0])
        rc = add(f, FACT_PRODUCT, "", 0, "%s", t->m->product);
    if (rc == 0)
        rc = add(f, FACT_PACKAGES, "", (int64_t)t->n_packages, "%zu", t->n_packages);
    if (rc == 0)
        rc = add(f, FACT_NUMA, "", 0, "%lld", (long long)numa);
    if (rc == 0)
        rc = add(f, FACT_CORES, "", (int64_t)t->n_cores, "%zu", t->n_cores);
    if (rc == 0)
        rc = add_allowed(f, t);
    if (rc < 0 || !t->m)
        return rc;
    if (t->m->gpu_driver[0])
        rc = add(f, FACT_DRIVER, "", 0, "%s", t->m->gpu_driver);
    if (rc == 0)
        rc = add(f, FACT_MPS, "", !t->m->mps, t->m->mps ? "yes" : "no");
    if (rc == 0)
        rc = add(f, FACT_HIDDEN, "", -(int64_t)t->m->hidden_gpus, "%u",
                 t->m->hidden_gpus);
    return rc;
}

/* ---- GPUs ---- */

static const char *gpu_id(const struct topo_gpu *g)
{
    return g->m->bus_id[0] ? g->m->bus_id : g->m->osdev;
}

/* The speed of an idle GPU's link is lowered to save power: only its width counts now, and
 * what it carries, which is all that an export says, not at all. */
static int add_gpu(struct facts *f, const struct topo *t, size_t i, size_t instances)
{
    const struct topo_gpu *g = &t->gpus[i];
    const Aolani__PciLink *l = g->pci >= 0 ? t->pci[g->pci].m->link : NULL;
    const char *id = gpu_id(g);
    char text[PLAN_TEXT];
    int rc = add(f, FACT_GPU, id, (int64_t)i, "there");
    if (rc == 0)
        rc = add(f, FACT_GPU_MODEL, id, 0, "%s", plan_model(g, text));
    if (rc == 0)
        rc = add(f, FACT_GPU_MIG, id, -(int64_t)instances, "%zu", instances);
    if (rc == 0)
        rc = add_numa_of(f, FACT_GPU_NUMA, id, &g->place);
    if (rc == 0 && l)
        rc = add_link(f, FACT_GPU_LINK, id, l->max_mts, l->max_width);
    if (rc == 0 && l)
        rc = add_link(f, FACT_GPU_NOW, id, 0, l->now_width);
    return rc;
}

/* Instances of one GPU, and parts of one function, are that GPU once. */
static int add_gpus(struct facts *f, const struct topo *t)
{
    struct buf order;
    int rc = 0;
    buf_init(&order, 1u << 16);
    for (size_t i = 0; i < t->n_gpus && rc == 0; i++) {
        size_t first = 0, instances = 0;
        while (strcmp(gpu_id(&t->gpus[first]), gpu_id(&t->gpus[i])) != 0)
            first++;
        if (first < i)
            continue;
        for (size_t k = i; k < t->n_gpus; k++)
            instances += t->gpus[k].m->parent_uuid[0] &&
                         strcmp(gpu_id(&t->gpus[k]), gpu_id(&t->gpus[i])) == 0;
        rc = add_gpu(f, t, i, instances);
        if (rc == 0)
            rc = buf_printf(&order, "%s ", gpu_id(&t->gpus[i]));
    }
    if (rc == 0 && order.len > 0)
        rc = add(f, FACT_GPU_ORDER, "", 0, "%s", (char *)order.data);
    buf_fini(&order);
    return rc;
}

/* ---- NICs ---- */

static const char *layer_of(const struct topo_nic *n)
{
    switch (n->m->kind) {
    case AOLANI__NIC__KIND__ROCE:
        return "Ethernet";
    case AOLANI__NIC__KIND__INFINIBAND:
        return "InfiniBand";
    default:
        return "";
    }
}

static int add_mbytes(struct facts *f, const char *id, const Aolani__PciLink *l)
{
    char text[PLAN_TEXT];
    if (l->max_mts || l->now_mts || l->now_width || !l->now_mbytes)
        return 0;
    return add(f, FACT_NIC_MBYTES, id, (int64_t)l->now_mbytes, "%s",
               plan_link_now(l, text));
}

static int add_nic_links(struct facts *f, const struct topo *t,
                         const struct topo_nic *n)
{
    const Aolani__PciNode *p = n->pci >= 0 ? t->pci[n->pci].m : NULL;
    int rc = 0;
    if (p && p->vendor)
        rc = add(f, FACT_NIC_MODEL, n->m->name, 0, "%04x:%04x", p->vendor, p->device);
    if (rc == 0 && p && p->link)
        rc = add_link(f, FACT_NIC_LINK, n->m->name, p->link->max_mts,
                      p->link->max_width);
    if (rc == 0 && p && p->link)
        rc =
            add_link(f, FACT_NIC_NOW, n->m->name, p->link->now_mts, p->link->now_width);
    if (rc == 0 && p && p->link)
        rc = add_mbytes(f, n->m->name, p->link);
    return rc;
}

static int add_nic(struct facts *f, const struct topo *t, const struct topo_nic *n)
{
    const char *state = plan_port_state(n), *id = n->m->name;
    uint64_t rate = plan_nic_rate(n);
    char text[PLAN_TEXT];
    int rc = add(f, FACT_NIC, id, 0, "there");
    if (rc == 0 && state[0] != '?')
        rc = add(f, FACT_NIC_STATE, id, state[0] == 'u', "%s", state);
    if (rc == 0 && layer_of(n)[0])
        rc = add(f, FACT_NIC_LAYER, id, 0, "%s", layer_of(n));
    /* A port that is down has a rate too, of no meaning. */
    if (rc == 0 && rate > 0 && state[0] != 'd')
        rc = add(f, FACT_NIC_RATE, id, (int64_t)rate, "%s", plan_rate(rate, text));
    if (rc == 0)
        rc = add_numa_of(f, FACT_NIC_NUMA, id, &n->place);
    return rc == 0 ? add_nic_links(f, t, n) : rc;
}

/* ---- all ---- */

static int by_key(const void *a, const void *b, void *arg)
{
    const struct fact *x = a, *y = b;
    const struct facts *f = arg;
    int by = (x->kind > y->kind) - (x->kind < y->kind);
    return by ? by : strverscmp(fact_id(f, x), fact_id(f, y));
}

/* A node that gives two devices one name is compared by the first. */
static void drop_doubles(struct facts *f)
{
    size_t n = 0;
    for (size_t i = 0; i < f->n; i++) {
        if (n == 0 || by_key(&f->list[n - 1], &f->list[i], f) != 0)
            f->list[n++] = f->list[i];
    }
    f->n = n;
}

int facts_of(const struct topo *t, struct facts *ret)
{
    struct facts f = {0};
    buf_init(&f.texts, TEXTS_MAX);
    int rc = t->known ? 0
                      : add(&f, FACT_DESCRIBED, "", -1, "%s",
                            t->why ? t->why : "no description");
    if (rc == 0)
        rc = add_node(&f, t);
    if (rc == 0)
        rc = add_gpus(&f, t);
    for (size_t i = 0; i < t->n_nics && rc == 0; i++) {
        if (topo_nic_is_rdma(&t->nics[i]))
            rc = add_nic(&f, t, &t->nics[i]);
    }
    if (rc < 0) {
        facts_fini(&f);
        return -ENOMEM;
    }
    qsort_r(f.list, f.n, sizeof *f.list, by_key, &f);
    drop_doubles(&f);
    *ret = f;
    return 0;
}

void facts_fini(struct facts *f)
{
    buf_fini(&f->texts);
    free(f->list);
    *f = (struct facts){0};
}
