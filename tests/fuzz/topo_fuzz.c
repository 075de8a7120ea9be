/* SPDX-License-Identifier: MIT */
/* topo_fuzz - any bytes as the description of a node, through all of placement.
 *
 * Bytes 0 and 1 choose what the job asks for, the rest is a Topology message. What
 * topo_load takes must hold what topo.h promises; a plan made of it must hold what place.h
 * promises, and be the same when it is made again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/place/bindenv.h"
#include "launcher/place/nccl.h"
#include "launcher/place/place.h"
#include "proto/base/limits.h"

#define NODES 3u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_that(bool truth, const char *what, int line)
{
    if (truth)
        return;
    fprintf(stderr, "topo_fuzz.c:%d: not so: %s\n", line, what);
    abort();
}
#define check(truth) check_that((truth), #truth, __LINE__)

/* ---- what topo.h promises ---- */

static void check_place(const struct topo *t, const struct topo_place *p)
{
    check(rankset_contains(&t->allowed, &p->cpus));
    check(p->package >= -1 && p->package < (int)t->n_packages);
    check(p->node >= -1 && p->node < (int)t->n_numa);
}

static void check_cores(const struct topo *t)
{
    struct rankset seen = {0};
    for (size_t i = 0; i < t->n_cores; i++) {
        const struct topo_core *c = &t->cores[i];
        check(rankset_count(&c->cpus) > 0 && rankset_contains(&t->allowed, &c->cpus));
        check(!rankset_intersects(&seen, &c->cpus));
        check(rankset_merge(&seen, &c->cpus) == 0);
        check(c->package < (int)t->n_packages && c->numa < (int)t->n_numa &&
              c->l3 < (int)t->n_l3);
    }
    rankset_fini(&seen);
}

static void check_topo(const struct topo *t)
{
    check_cores(t);
    for (size_t i = 0; i < t->n_packages; i++)
        check(rankset_contains(&t->allowed, &t->packages[i].cpus));
    for (size_t i = 0; i < t->n_numa; i++)
        check(rankset_contains(&t->allowed, &t->numa[i].cpus));
    for (size_t i = 0; i < t->n_pci; i++) {
        check(t->pci[i].parent >= -1 && t->pci[i].parent < (int)i);
        check_place(t, &t->pci[i].place);
    }
    for (size_t i = 0; i < t->n_gpus; i++) {
        check(t->gpus[i].pci >= -1 && t->gpus[i].pci < (int)t->n_pci);
        check_place(t, &t->gpus[i].place);
    }
    for (size_t i = 0; i < t->n_nics; i++) {
        check(t->nics[i].pci >= -1 && t->nics[i].pci < (int)t->n_pci);
        check_place(t, &t->nics[i].place);
    }
}

/* Distances are the same both ways, and nothing is nearer than itself. */
static void check_paths(const struct topo *t)
{
    int n = t->n_pci < 12 ? (int)t->n_pci : 12;
    for (int a = -1; a < n; a++) {
        for (int b = -1; b < n; b++) {
            struct topo_path there = topo_path(t, a, b), back = topo_path(t, b, a);
            check(topo_path_compare(&there, &back) == 0);
            check(there.level <= TOPO_SYS && topo_path_name(&there));
        }
    }
}

/* ---- what place.h promises ---- */

static bool nic_usable(const struct topo *t, uint32_t nic)
{
    return nic < t->n_nics && topo_nic_is_rdma(&t->nics[nic]) &&
           topo_nic_port(&t->nics[nic]) >= 0;
}

static bool numa_of_gpu(const struct topo *t, uint32_t os)
{
    for (size_t i = 0; i < t->n_numa; i++) {
        if (t->numa[i].os == os && t->numa[i].of_gpu)
            return true;
    }
    return false;
}

static void check_devices(const struct plan_rank *r, const struct topo *t)
{
    for (size_t i = 0; i < r->n_gpus; i++)
        check(r->gpus[i] < t->n_gpus);
    for (size_t i = 0; i < r->n_nics; i++)
        check(nic_usable(t, r->nics[i]));
    for (int64_t n = -1; (n = rankset_next(&r->numa, (uint32_t)(n + 1))) >= 0;)
        check(!numa_of_gpu(t, (uint32_t)n));
}

/* Whole cores that are allowed. */
static void check_cpus(const struct plan_rank *r, const struct topo *t,
                       struct rankset *cpus)
{
    struct err e;
    check(rankset_parse(cpus, r->cpus, &e) == 0);
    check(rankset_contains(&t->allowed, cpus));
    for (size_t i = 0; i < t->n_cores; i++) {
        if (rankset_intersects(cpus, &t->cores[i].cpus))
            check(rankset_contains(cpus, &t->cores[i].cpus));
    }
}

static void check_ranks(const struct plan *p, uint32_t node, struct rankset *taken)
{
    const struct plan_node *n = &p->nodes[node];
    for (uint32_t i = p->first_rank[node]; i < p->first_rank[node + 1]; i++) {
        const struct plan_rank *r = &p->ranks[i];
        struct rankset cpus = {0};
        check(r->rank == i && r->node == node);
        check(r->local_rank == i - p->first_rank[node]);
        check_cpus(r, n->topo, &cpus);
        check(n->oversubscribed || !rankset_intersects(taken, &cpus));
        check(rankset_merge(taken, &cpus) == 0);
        check_devices(r, n->topo);
        rankset_fini(&cpus);
    }
}

static void check_plan(const struct plan *p, const struct spec *s, bool shared)
{
    struct rankset taken = {0};
    check(p->first_rank[0] == 0 && p->first_rank[p->n_nodes] == p->world_size);
    for (uint32_t i = 0; i < p->n_nodes; i++) {
        if (!shared) {
            rankset_fini(&taken);
            memset(&taken, 0, sizeof taken);
        }
        check_ranks(p, i, &taken);
        for (size_t k = 0; k < p->nodes[i].n_nics; k++)
            check(nic_usable(p->nodes[i].topo, p->nodes[i].nics[k]));
        for (size_t k = 0; k < p->nodes[i].n_gpus; k++)
            check(p->nodes[i].gpus[k] < p->nodes[i].topo->n_gpus);
    }
    for (size_t i = 0; i < p->n_notes; i++) {
        check(p->notes[i].node < p->n_nodes && p->notes[i].text[0]);
        check(!p->notes[i].compromise || !s->bind.strict);
    }
    rankset_fini(&taken);
}

static void check_same(const struct plan *a, const struct plan *b)
{
    check(a->world_size == b->world_size && a->n_notes == b->n_notes);
    for (uint32_t i = 0; i < a->world_size; i++) {
        const struct plan_rank *x = &a->ranks[i], *y = &b->ranks[i];
        check(strcmp(x->cpus, y->cpus) == 0);
        check(x->n_gpus == y->n_gpus && x->n_nics == y->n_nics);
        for (size_t k = 0; k < x->n_nics; k++)
            check(x->nics[k] == y->nics[k]);
    }
}

/* ---- what follows from a plan ---- */

static void predict(const struct plan_node *n)
{
    const struct topo *t = n->topo;
    struct nccl_choice *choices = calloc(n->n_gpus + 1, sizeof *choices);
    struct err e;
    check(choices != NULL);
    if (nccl_predict(t, &nccl_env_default, n->nics, n->n_nics, n->gpus, n->n_gpus,
                     choices, &e) == 0) {
        for (size_t i = 0; i < n->n_gpus; i++) {
            const struct nccl_choice *c = &choices[i];
            check(nccl_path_name(c->path) && memchr(c->why, '\0', sizeof c->why));
            for (size_t k = 0; k < c->n_candidates; k++)
                check(c->candidates[k] < t->n_nics);
            check(!c->n_candidates || c->nic < t->n_nics);
            check(c->n_fused <= NCCL_FUSED_MAX);
            nccl_choice_fini(&choices[i]);
        }
    }
    free(choices);
}

static void environment(const struct spec *s, const struct plan *p)
{
    struct bindenv b = {0};
    for (uint32_t i = 0; i < p->n_nodes; i++) {
        check(bindenv_node(s, p, i, &b) == 0);
        for (size_t k = 0; k < b.vars.n; k++)
            check(strchr(b.vars.items[k], '='));
        bindenv_fini(&b);
    }
    for (uint32_t i = 0; i < p->world_size; i++) {
        memset(&b, 0, sizeof b);
        check(bindenv_rank(s, p, i, &b) == 0);
        bindenv_fini(&b);
    }
}

/* Half of the jobs are plain; the others ask for something. */
static void choose(struct spec *s, uint8_t how, uint8_t more)
{
    static const int64_t ranks[] = {0, 1, 2, 5};
    static char *lists[][2] = {
        {"auto", NULL}, {"none", NULL}, {"mlx5_*", NULL}, {"a", NULL}};
    static char *const gpus[] = {"all", "own", "none", "all"};
    memset(s, 0, sizeof *s);
    s->job.ranks_per_node = ranks[how & 3];
    s->bind.strict = (how & 4) != 0;
    s->bind.cores = (how & 8) == 0;
    s->bind.gpu = gpus[how >> 4 & 3];
    s->bind.memory = "prefer";
    s->bind.housekeeping_cores = more & 3;
    s->bind.nic = (struct strlist){lists[more >> 2 & 3], 1};
    s->bind.exclude_nics = (struct strlist){lists[3], (size_t)(more >> 4 & 1)};
}

static void plan_it(const struct spec *s, bool shared, struct topo *t)
{
    char *names[NODES] = {"a", "b", "c"};
    struct topo *topos[NODES] = {t, t, t};
    struct plan a = {0}, b = {0};
    struct err e = {0};
    int rc = place(s, shared, names, topos, NODES, &a, &e);
    if (rc < 0) {
        check((rc == ERR_BIND || rc == ERR_LIMIT) && e.text[0]);
        plan_fini(&a);
        return;
    }
    check(place(s, shared, names, topos, NODES, &b, &e) == 0);
    check_plan(&a, s, shared);
    check_same(&a, &b);
    for (uint32_t i = 0; i < NODES; i++)
        predict(&a.nodes[i]);
    environment(s, &a);
    plan_fini(&a);
    plan_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct topo *t = NULL;
    struct spec s;
    struct err e = {0};
    if (size < 2 || size - 2 > LIMIT_TOPOLOGY_BYTES)
        return 0;
    Aolani__Topology *m = aolani__topology__unpack(NULL, size - 2, data + 2);
    if (!m)
        return 0;
    choose(&s, data[0], data[1]);
    if (topo_load(m, &t, &e) < 0) {
        check(e.text[0]);
    } else {
        check_topo(t);
        check_paths(t);
        plan_it(&s, (data[1] & 0x80) != 0, t);
    }
    topo_destroy(t);
    aolani__topology__free_unpacked(m, NULL);
    return 0;
}
