/* SPDX-License-Identifier: MIT */
/* job_plan.c - from the nodes' descriptions to the plan, and what the user is told of it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/failures.h"
#include "launcher/job_impl.h"
#include "launcher/plan_diff.h"
#include "proto/base/log.h"

/* Such a program would start as so many jobs of one rank each, and look well. */
static void warn_no_pmix(struct job *j)
{
    if (j->config.spec->job.mpi != SPEC_MPI_AUTO)
        return;
    for (uint32_t i = 0; i < j->n_nodes; i++) {
        const Aolani__NodeInfo *info = fleet_info(j->fleet, i);
        bool has = false;
        for (size_t k = 0; k < info->n_helpers && !has; k++)
            has = strcmp(info->helpers[k], "aolani-pmix") == 0;
        if (has)
            continue;
        job_warn(j,
                 "node \"%s\" has no aolani-pmix: an MPI program would run as single "
                 "processes ([job] mpi = \"none\" if it is none)",
                 job_node_name(j, i));
        return;
    }
}

static int read_topos(struct job *j, struct err *e)
{
    if (!(j->topos = calloc(j->n_nodes + 1, sizeof(*j->topos))))
        return err_sys(e, -ENOMEM, "place the ranks");
    for (uint32_t i = 0; i < j->n_nodes; i++) {
        int rc = topo_of_node(fleet_info(j->fleet, i), &j->topos[i], e);
        if (rc < 0)
            return err_wrap(e, "node \"%s\"", job_node_name(j, i));
    }
    return 0;
}

static void on_compromise(void *arg, const char *names, const char *text,
                          const char *hint)
{
    (void)hint;
    job_warn(arg, "%s: %s", names, text);
}

static void on_remark(void *arg, const char *names, const char *text, const char *hint)
{
    (void)arg, (void)hint;
    log_info("%s: %s", names, text);
}

/* One line for all nodes of which the same is to be said. */
static int tell_notes(struct job *j, bool compromises, struct err *e)
{
    const struct plan *p = &j->plan;
    struct failure *all = calloc(p->n_notes + 1, sizeof *all);
    size_t n = 0;
    if (!all)
        return err_sys(e, -ENOMEM, "place the ranks");
    for (size_t i = 0; i < p->n_notes; i++) {
        const struct plan_note *note = &p->notes[i];
        if (note->compromise == compromises)
            all[n++] = (struct failure){job_node_name(j, note->node), note->text, ""};
    }
    failures_each(all, n, compromises ? on_compromise : on_remark, j);
    free(all);
    return 0;
}

/* At a start only that it is so; a check tells how (placecheck.c). */
static int tell_differences(struct job *j, struct err *e)
{
    struct plan_diff d;
    if (j->config.nodes->backend == BACKEND_LOCAL || j->config.check_only)
        return 0;
    int rc = plan_diff(j->topos, j->n_nodes, &d);
    if (rc < 0)
        return err_sys(e, rc, "compare the nodes");
    if (d.n_differ > 0)
        job_warn(j, "%zu of %u nodes %s from the others; aolani-run plan %s says how",
                 d.n_differ, j->n_nodes, d.n_differ == 1 ? "differs" : "differ",
                 j->config.spec->path);
    plan_diff_fini(&d);
    return 0;
}

struct topo *const *job_topos(const struct job *j)
{
    for (uint32_t i = 0; i < j->n_nodes; i++) {
        if (!j->topos || !j->topos[i])
            return NULL;
    }
    return j->topos;
}

int job_plan(struct job *j, struct err *e)
{
    const struct nodes *nodes = j->config.nodes;
    int rc = read_topos(j, e);
    if (rc == 0)
        rc = place(j->config.spec, nodes->backend == BACKEND_LOCAL, nodes->names,
                   j->topos, j->n_nodes, &j->plan, e);
    if (rc == 0)
        rc = job_check_stdin(j->config.spec, j->plan.world_size, e);
    if (rc < 0)
        return rc;
    warn_no_pmix(j);
    rc = tell_notes(j, false, e);
    if (rc == 0)
        rc = tell_notes(j, true, e);
    if (rc == 0)
        rc = tell_differences(j, e);
    return rc == 0 && !j->config.check_only ? job_make_ranks(j, e) : rc;
}

void job_plan_fini(struct job *j)
{
    plan_fini(&j->plan);
    for (uint32_t i = 0; j->topos && i < j->n_nodes; i++)
        topo_destroy(j->topos[i]);
    free(j->topos);
    j->topos = NULL;
}
