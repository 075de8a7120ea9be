/* SPDX-License-Identifier: MIT */
/* job_gen - a job on nodes of one line each (topo_gen.h), placed, with what slow ranks may
 * have in common planted in it. Included after cmocka by test files. */
#ifndef TESTS_LIB_JOB_GEN_H
#define TESTS_LIB_JOB_GEN_H

#include "launcher/place/place.h"
#include "launcher/variance/factor_plan.h"
#include "tests/lib/topo_gen.h"

#define JOB_GEN_NODES 64

/* 8 GPUs: three share a switch and a NIC, the fourth of that NUMA node has a NIC to itself,
 * four on the other package share a switch and a NIC. */
#define JOB_GEN_LINE "2x2x1x8 b0 s g g g i u g i b2 s g g g g i"

struct job_gen {
    uint32_t n_nodes;
    struct topo_gen *gens[JOB_GEN_NODES];
    struct topo *topos[JOB_GEN_NODES];
    Aolani__NodeInfo info[JOB_GEN_NODES];
    const Aolani__NodeInfo *infos[JOB_GEN_NODES];
    Aolani__PciLink link; /* that some device may have */
    char *names[JOB_GEN_NODES];
    struct plan plan;
    struct factors *factors;
};

/* Before the nodes are read, or when the plan is made. */
typedef void job_gen_change(struct job_gen *j);

static void job_gen_make(struct job_gen *j, const char *line, uint32_t n_nodes,
                         uint32_t ranks_per_node, job_gen_change *nodes,
                         job_gen_change *plan)
{
    struct spec s = {.bind.cores = true, .bind.gpu = "all"};
    struct err e;
    char name[16];
    memset(j, 0, sizeof *j);
    s.job.ranks_per_node = ranks_per_node;
    j->n_nodes = n_nodes;
    assert_true(n_nodes <= JOB_GEN_NODES);
    for (uint32_t i = 0; i < n_nodes; i++) {
        assert_non_null(j->gens[i] = malloc(sizeof *j->gens[i]));
        topo_gen_init(j->gens[i], line);
        snprintf(name, sizeof name, "gpu%02u", i);
        j->names[i] = strdup(name);
        aolani__node_info__init(&j->info[i]);
        j->info[i].kernel = "6.8.0";
        j->infos[i] = &j->info[i];
        j->gens[i]->m.gpu_driver = "NVIDIA 570.86.15";
        j->gens[i]->m.cpu_vendor = "GenuineIntel";
        j->gens[i]->m.cpu_family = 6;
        j->gens[i]->m.cpu_model = 143;
    }
    aolani__pci_link__init(&j->link);
    if (nodes)
        nodes(j);
    for (uint32_t i = 0; i < n_nodes; i++) {
        if (topo_load(&j->gens[i]->m, &j->topos[i], &e) < 0)
            fail_msg("%s", e.text);
    }
    if (place(&s, false, j->names, j->topos, n_nodes, &j->plan, &e) < 0)
        fail_msg("%s", e.text);
    if (plan)
        plan(j);
    assert_int_equal(factors_of_plan(&j->plan, j->names, j->infos, &j->factors), 0);
}

static void job_gen_fini(struct job_gen *j)
{
    factors_destroy(j->factors);
    plan_fini(&j->plan);
    for (uint32_t i = 0; i < j->n_nodes; i++) {
        topo_destroy(j->topos[i]);
        topo_gen_fini(j->gens[i]);
        free(j->gens[i]);
        free(j->names[i]);
    }
}

/* ---- changes ---- */

/* The first NIC of a rank is one on the other package. */
static inline void job_gen_cross(struct job_gen *j, uint32_t rank)
{
    struct plan_rank *r = &j->plan.ranks[rank];
    const struct topo *t = j->topos[r->node];
    for (uint32_t i = 0; i < t->n_nics; i++) {
        if (t->nics[i].place.package != t->gpus[r->gpus[0]].place.package)
            r->nics[0] = i;
    }
    r->nic = topo_path_gpu_nic(t, r->gpus[0], r->nics[0]);
}

/* 8 of 16 lanes. */
static inline void job_gen_narrow(struct job_gen *j, uint32_t node, uint32_t pci)
{
    j->link.max_width = 16;
    j->link.now_width = 8;
    j->gens[node]->pci[pci - 1].link = &j->link;
}

#endif
