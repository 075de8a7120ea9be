/* SPDX-License-Identifier: MIT */
/* job_faults.c - an error of a GPU that a node's kernel tells of: said at once, when it is
 * the first of its kind, and kept in the journal. */
#include <stdio.h>
#include <string.h>

#include "launcher/job_impl.h"
#include "proto/base/log.h"

#define NAMED 4u /* ranks of one GPU in a sentence */

/* Both "0000:3b:00.0", but a domain may have more digits on one side. */
static bool is_same_bus(const char *a, const char *b)
{
    unsigned x[4], y[4];
    return sscanf(a, "%x:%x:%x.%x", &x[0], &x[1], &x[2], &x[3]) == 4 &&
           sscanf(b, "%x:%x:%x.%x", &y[0], &y[1], &y[2], &y[3]) == 4 &&
           memcmp(x, y, sizeof x) == 0;
}

static bool has_gpu(const struct plan *p, uint32_t rank, const char *bus)
{
    const struct plan_rank *r = &p->ranks[rank];
    const struct topo *t = p->nodes[r->node].topo;
    for (size_t i = 0; t && i < r->n_gpus; i++) {
        if (is_same_bus(t->gpus[r->gpus[i]].m->bus_id, bus))
            return true;
    }
    return false;
}

static void find_ranks(const struct job *j, struct gpufault *f)
{
    size_t at = 0, n = 0;
    char list[48] = "";
    for (uint32_t i = 0; j->plan.ranks && i < j->plan.world_size; i++) {
        if (j->plan.ranks[i].node != f->node || !has_gpu(&j->plan, i, f->bus))
            continue;
        if (n++ < NAMED)
            at += (size_t)snprintf(list + at, sizeof list - at, "%s%u",
                                   n > 1 ? ", " : "", i);
    }
    if (n == 0)
        (void)snprintf(f->whose, sizeof f->whose, "not the job's");
    else
        (void)snprintf(f->whose, sizeof f->whose, "rank%s %s%s", n == 1 ? "" : "s",
                       list, n > NAMED ? ", ..." : "");
}

void job_take_faults(struct job *j, uint32_t node, const Aolani__NodeSignals *m)
{
    for (size_t i = 0; i < m->n_faults; i++) {
        const Aolani__GpuFault *f = m->faults[i];
        struct gpufault *kind = gpufaults_add(&j->faults, node, f);
        char text[500];
        if (j->faults.journaled++ < GPUFAULTS_KEPT)
            job_journal_fault(j, node, f);
        if (!kind)
            continue;
        find_ranks(j, kind);
        gpufault_sentence(kind, job_node_name(j, node), text, sizeof text);
        job_warn(j, "%s", text);
    }
}
