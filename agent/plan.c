/* SPDX-License-Identifier: MIT */
/* plan.c - see plan.h. */
#include "agent/plan.h"

#include "agent/bind.h"
#include "agent/program.h"
#include "proto/base/limits.h"

#include <stdlib.h>
#include <string.h>

int plan_check(const Aolani__Prepare *p, const char *run_id, uint32_t node,
               struct err *e)
{
    if (strcmp(p->run_id, run_id) != 0 || p->node_index != node)
        return err_set(e, ERR_PROTO,
                       "take a plan for node %u of run \"%.16s\": this is "
                       "node %u of run \"%s\"",
                       p->node_index, p->run_id, node, run_id);
    if (p->n_ranks > LIMIT_LOCAL_RANKS || p->world_size > LIMIT_RANKS ||
        p->n_nodes > LIMIT_NODES || p->n_argv > LIMIT_ARGV ||
        p->n_container > LIMIT_ARGV || p->n_env > LIMIT_ENV ||
        p->n_forwarded > LIMIT_ENV)
        return err_set(e, ERR_PROTO,
                       "take a plan with %zu ranks of %u, %zu arguments, %zu "
                       "variables: too many",
                       p->n_ranks, p->world_size, p->n_argv, p->n_env + p->n_forwarded);
    if (p->has_stdin && p->stdin_rank >= p->world_size)
        return err_set(e, ERR_PROTO, "take a plan that gives rank %u standard input",
                       p->stdin_rank);
    if (node >= p->n_nodes || p->n_first_rank != (size_t)p->n_nodes + 1 ||
        p->n_argv == 0)
        return err_set(e, ERR_PROTO, "take a plan that is not whole");
    for (size_t i = 0; i < p->n_ranks; i++) {
        if (p->ranks[i]->rank >= p->world_size || p->ranks[i]->n_env > LIMIT_ENV ||
            p->ranks[i]->rank != p->first_rank[node] + i)
            return err_set(e, ERR_PROTO, "take a plan with rank %u at place %zu",
                           p->ranks[i]->rank, i);
    }
    return bind_check(p, e);
}

int plan_fit(const Aolani__Prepare *p, const struct host *h, struct err *e)
{
    int rc = program_check_workdir(p->workdir, e);
    for (size_t i = 0; rc == 0 && i < p->n_ranks; i++)
        rc = bind_fit(p, p->ranks[i], h, e);
    return rc;
}

int plan_wants_pmix(const Aolani__Prepare *p, const struct host *h, bool *ret,
                    struct err *e)
{
    bool must = strcmp(p->mpi, "pmix") == 0;
    if (must && !h->pmix_helper) {
        err_set(e, ERR_BOOT,
                "serve PMIx: the helper \"aolani-pmix\" is not beside the "
                "agent in \"%s\"",
                h->dir);
        err_hint(e, "build aolani-run where libpmix-dev is installed, or set job.mpi");
        return ERR_BOOT;
    }
    *ret = p->n_ranks > 0 && h->pmix_helper && (must || strcmp(p->mpi, "auto") == 0);
    return 0;
}
