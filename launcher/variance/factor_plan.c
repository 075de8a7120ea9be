/* SPDX-License-Identifier: MIT */
/* factor_plan.c - see factor_plan.h. What holds for all ranks is added like the rest, and
 * never found: factor.c leaves it out. What says no more than the node's name, such as the
 * only NUMA node there, is left out here. */
#include "launcher/variance/factor_plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/limits.h"

#define TEXT 512u

struct adding {
    const struct plan *p;
    char *const *names;
    const Aolani__NodeInfo *const *infos;
    struct factors *f;
};

struct rank_nic { /* for rails */
    const char *name;
    uint32_t rank, node;
};

static int add_of_node(struct adding *a, const struct plan_rank *r,
                       enum factor_kind kind, const char *what)
{
    char text[TEXT];
    snprintf(text, sizeof text, "%s/%s", a->names[r->node], what);
    return factors_add(a->f, r->rank, kind, text);
}

/* ---- links ---- */

static int add_width(struct adding *a, uint32_t rank, const char *device,
                     const char *unit, uint32_t now, uint32_t max)
{
    char text[TEXT];
    if (now == 0 || now >= max)
        return 0;
    if (*unit == 'x')
        snprintf(text, sizeof text, "%s at x%u instead of x%u", device, now, max);
    else
        snprintf(text, sizeof text, "%s at %g GT/s instead of %g GT/s", device,
                 now / 1000.0, max / 1000.0);
    return factors_add(a->f, rank, FACTOR_LINK_WIDTH, text);
}

/* Two ranks with such a GPU have the same trouble. An idle GPU lowers the speed of its link
 * to save power, so of it the width alone counts. */
static int add_link(struct adding *a, uint32_t rank, const char *device,
                    const struct topo *t, int pci, bool speed)
{
    const Aolani__PciLink *l = pci >= 0 ? t->pci[pci].m->link : NULL;
    if (!l)
        return 0;
    int rc = add_width(a, rank, device, "x", l->now_width, l->max_width);
    if (rc == 0 && speed)
        rc = add_width(a, rank, device, "GT/s", l->now_mts, l->max_mts);
    return rc;
}

/* ---- the GPU ---- */

static bool has_others(const struct topo *t, int bridge, int but)
{
    for (size_t i = 0; i < t->n_pci; i++) {
        if (t->pci[i].parent == bridge && (int)i != but)
            return true;
    }
    return false;
}

/* The upstream port of the first switch below the host bridge: behind a root port, where
 * that is told apart; a root port alone is a slot, but for systems that show switches as
 * one bridge. */
static int add_switch(struct adding *a, const struct plan_rank *r, const struct topo *t,
                      int pci)
{
    int top = -1, second = -1;
    unsigned bridges = 0;
    for (int at = pci >= 0 ? t->pci[pci].parent : -1; at >= 0; at = t->pci[at].parent) {
        if (t->pci[at].m->kind == AOLANI__PCI_NODE__KIND__HOST_BRIDGE)
            break;
        second = top;
        top = at;
        bridges++;
    }
    int which = bridges >= 3 ? second : top;
    if (which < 0 || (bridges == 1 && !has_others(t, top, pci)))
        return 0;
    return add_of_node(a, r, FACTOR_SWITCH, t->pci[which].m->bus_id);
}

static int add_gpu(struct adding *a, const struct plan_rank *r, const struct topo *t,
                   uint32_t gpu)
{
    const struct topo_gpu *g = &t->gpus[gpu];
    int rc = add_link(a, r->rank, "GPU", t, g->pci, false);
    if (rc == 0)
        rc = add_switch(a, r, t, g->pci);
    if (rc == 0 && g->m->model[0])
        rc = factors_add(a->f, r->rank, FACTOR_GPU_MODEL, g->m->model);
    return rc;
}

/* ---- the NIC ---- */

/* Two packages that are known: a NIC of which nothing is known may be anywhere. */
static bool crosses_sockets(const struct topo *t, uint32_t gpu, uint32_t nic)
{
    int a = t->gpus[gpu].place.package, b = t->nics[nic].place.package;
    return a >= 0 && b >= 0 && a != b;
}

static int add_nic(struct adding *a, const struct plan_rank *r, const struct topo *t)
{
    if (r->n_nics == 0)
        return 0;
    const struct topo_nic *n = &t->nics[r->nics[0]];
    int rc = add_of_node(a, r, FACTOR_NIC, n->m->name);
    if (rc == 0)
        rc = add_link(a, r->rank, "NIC", t, n->pci, true);
    if (rc == 0 && r->n_gpus > 0 && crosses_sockets(t, r->gpus[0], r->nics[0]))
        rc = factors_add(a->f, r->rank, FACTOR_PATH, "SYS");
    return rc;
}

static int compare_nics(const void *x, const void *y)
{
    const struct rank_nic *a = x, *b = y;
    int by = strcmp(a->name, b->name);
    return by ? by : a->node < b->node ? -1 : a->node > b->node;
}

/* A name that one node alone has is that node's NIC, and no rail. */
static int add_rails(struct adding *a)
{
    struct rank_nic *nics = malloc((a->p->world_size + 1) * sizeof *nics);
    size_t n = 0;
    int rc = 0;
    if (!nics)
        return -ENOMEM;
    for (uint32_t i = 0; i < a->p->world_size; i++) {
        const struct plan_rank *r = &a->p->ranks[i];
        if (r->n_nics > 0)
            nics[n++] = (struct rank_nic){
                a->p->nodes[r->node].topo->nics[r->nics[0]].m->name, i, r->node};
    }
    qsort(nics, n, sizeof *nics, compare_nics);
    for (size_t i = 0, end; rc == 0 && i < n; i = end) {
        for (end = i + 1; end < n && strcmp(nics[end].name, nics[i].name) == 0; end++)
            ;
        for (size_t k = i; rc == 0 && nics[i].node != nics[end - 1].node && k < end;
             k++)
            rc = factors_add(a->f, nics[k].rank, FACTOR_RAIL, nics[k].name);
    }
    free(nics);
    return rc;
}

/* ---- cores and memory ---- */

static size_t count_numa(const struct topo *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n_numa; i++)
        n += !t->numa[i].of_gpu;
    return n;
}

static int add_numa_set(struct adding *a, const struct plan_rank *r,
                        const struct topo *t, const struct rankset *numa)
{
    char text[32];
    int rc = 0;
    if (rankset_count(numa) >= count_numa(t))
        return 0;
    for (int64_t i = rankset_next(numa, 0); rc == 0 && i >= 0;
         i = rankset_next(numa, (uint32_t)i + 1)) {
        snprintf(text, sizeof text, "%lld", (long long)i);
        rc = add_of_node(a, r, FACTOR_NUMA, text);
    }
    return rc;
}

/* Of the cores' memory, and of the GPU's place. */
static int add_numa(struct adding *a, const struct plan_rank *r, const struct topo *t)
{
    int rc = add_numa_set(a, r, t, &r->numa);
    if (rc == 0 && r->n_gpus > 0 && t->gpus[r->gpus[0]].place.located)
        rc = add_numa_set(a, r, t, &t->gpus[r->gpus[0]].place.numa);
    return rc;
}

/* Ranks of a node that have a CPU in common with another. */
static int add_shared_cores(struct adding *a, uint32_t node)
{
    const struct plan *p = a->p;
    struct rankset cpus = {0}, taken = {0}, twice = {0};
    int rc = 0;
    for (int turn = 0; turn < 2; turn++) {
        for (uint32_t i = p->first_rank[node]; rc == 0 && i < p->first_rank[node + 1];
             i++) {
            rc = rankset_parse(&cpus, p->ranks[i].cpus, NULL);
            if (rc == 0 && turn == 1 && rankset_intersects(&cpus, &twice))
                rc = factors_add(a->f, i, FACTOR_SHARED_CORES, "yes");
            for (int64_t c = rankset_next(&cpus, 0); rc == 0 && turn == 0 && c >= 0;
                 c = rankset_next(&cpus, (uint32_t)c + 1))
                rc = rankset_add(rankset_has(&taken, (uint32_t)c) ? &twice : &taken,
                                 (uint32_t)c);
        }
    }
    rankset_fini(&cpus);
    rankset_fini(&taken);
    rankset_fini(&twice);
    return rc;
}

/* ---- the node ---- */

static int add_software(struct adding *a, const struct plan_rank *r,
                        const struct topo *t)
{
    const Aolani__NodeInfo *info = a->infos ? a->infos[r->node] : NULL;
    char text[TEXT];
    int rc = factors_add(a->f, r->rank, FACTOR_NODE, a->names[r->node]);
    if (rc == 0 && info && info->kernel[0])
        rc = factors_add(a->f, r->rank, FACTOR_KERNEL, info->kernel);
    if (rc == 0 && t->m && t->m->gpu_driver[0])
        rc = factors_add(a->f, r->rank, FACTOR_DRIVER, t->m->gpu_driver);
    if (rc < 0 || !t->m || !t->m->cpu_vendor[0])
        return rc;
    snprintf(text, sizeof text, "%s family %u model %u", t->m->cpu_vendor,
             t->m->cpu_family, t->m->cpu_model);
    return factors_add(a->f, r->rank, FACTOR_CPU_MODEL, text);
}

static int add_rank(struct adding *a, const struct plan_rank *r)
{
    const struct topo *t = a->p->nodes[r->node].topo;
    int rc = add_software(a, r, t);
    if (rc == 0)
        rc = add_numa(a, r, t);
    for (size_t i = 0; rc == 0 && i < r->n_gpus; i++)
        rc = add_gpu(a, r, t, r->gpus[i]);
    return rc == 0 ? add_nic(a, r, t) : rc;
}

int factors_of_plan(const struct plan *p, char *const *node_names,
                    const Aolani__NodeInfo *const *infos, struct factors **ret)
{
    struct adding a = {p, node_names, infos, NULL};
    int rc = factors_create(p->world_size, &a.f);
    for (uint32_t i = 0; rc == 0 && i < p->world_size; i++)
        rc = add_rank(&a, &p->ranks[i]);
    for (uint32_t i = 0; rc == 0 && i < p->n_nodes; i++)
        rc = add_shared_cores(&a, i);
    if (rc == 0)
        rc = add_rails(&a);
    if (rc < 0) {
        factors_destroy(a.f);
        return rc;
    }
    *ret = a.f;
    return 0;
}
