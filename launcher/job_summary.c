/* SPDX-License-Identifier: MIT */
/* job_summary.c - what a job comes to: exit status, sentence, tables. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/job_impl.h"
#include "proto/base/clock.h"
#include "proto/base/hostlist.h"

/* The folded names of all nodes with the same error as `node`; "" when an earlier one
 * has said it. */
static void names_alike(const struct job *j, uint32_t node, enum node_step step,
                        struct buf *out)
{
    struct hostlist l = {0};
    const char *error = j->nodes[node].error;
    for (uint32_t i = 0; i < j->n_nodes; i++) {
        if (j->nodes[i].step != step || strcmp(j->nodes[i].error, error) != 0)
            continue;
        if (i < node)
            break;
        char **more = realloc(l.names, (l.n + 1) * sizeof *more);
        if (!more)
            break;
        l.names = more;
        l.names[l.n++] = j->config.nodes->names[i];
    }
    if (l.n > 0)
        (void)hostlist_format(&l, out);
    free(l.names);
}

void job_group_errors(const struct job *j, enum node_step step, char *text, size_t len)
{
    size_t at = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < j->n_nodes && at < len; i++) {
        const struct job_node *n = &j->nodes[i];
        if (n->step != step || n->error[0] == '\0')
            continue;
        struct buf names;
        buf_init(&names, 1u << 20);
        names_alike(j, i, step, &names);
        if (names.len > 0)
            at += (size_t)snprintf(text + at, len - at, "%s%s: %s%s%s%s", at ? "; " : "",
                                   (char *)names.data, n->error, n->hint[0] ? " (" : "",
                                   n->hint, n->hint[0] ? ")" : "");
        buf_fini(&names);
    }
}

void job_conclude(struct job *j)
{
    uint32_t n = j->ranks ? j->plan.world_size : 0;
    struct verdict_rank *v = calloc(n ? n : 1, sizeof *v);
    for (uint32_t i = 0; v && i < n; i++)
        v[i] = j->ranks[i].v;
    j->exit_status = verdict(v, v ? n : 0, &j->stop, j->config.spec->job.command.items[0],
                             j->sentence, sizeof j->sentence);
    free(v);
}

static void fill_phases(struct job *j, struct summary *s)
{
    static const char *const names[JOB_PHASES] = {"connect", "prepare", "start",
                                                  "run",     "stop",    "teardown"};
    j->sum_phases = calloc(JOB_PHASES, sizeof *j->sum_phases);
    for (int i = 0; j->sum_phases && i < JOB_PHASES; i++) {
        if (!j->phase_start_ms[i])
            continue;
        j->sum_phases[s->n_phases++] =
            (struct summary_phase){.name = names[i], .ms = j->phase_ms[i]};
    }
    s->phases = j->sum_phases;
}

static void fill_nodes(struct job *j, struct summary *s)
{
    j->sum_nodes = calloc(j->n_nodes, sizeof *j->sum_nodes);
    for (uint32_t i = 0; j->sum_nodes && i < j->n_nodes; i++) {
        const Aolani__NodeInfo *info = fleet_info(j->fleet, i);
        const struct clocksync *c = fleet_clock(j->fleet, i);
        const struct job_node *n = &j->nodes[i];
        j->sum_nodes[i] = (struct summary_node){
            .name = job_node_name(j, i),
            .hostname = info ? info->hostname : "",
            .teardown = n->teardown ? n->teardown : "not proven",
            .detail = n->detail[0] ? n->detail : n->step == NODE_REFUSED ? n->error : "",
            .clock_offset_us = c->offset_ns / 1000,
            .clock_error_us = c->known ? c->error_ns / 1000 : 0,
            .copied = fleet_was_copied(j->fleet, i)};
        s->n_nodes++;
    }
    s->nodes = j->sum_nodes;
}

static void fill_ranks(struct job *j, struct summary *s)
{
    j->sum_ranks = calloc(j->plan.world_size ? j->plan.world_size : 1,
                          sizeof *j->sum_ranks);
    for (uint32_t i = 0; j->sum_ranks && j->ranks && i < j->plan.world_size; i++) {
        struct job_rank *r = &j->ranks[i];
        verdict_rank_end(&r->v, r->end, sizeof r->end);
        j->sum_ranks[i] = (struct summary_rank){.rank = i,
                                                .node = j->plan.ranks[i].node,
                                                .cpus = r->cpus ? r->cpus : "",
                                                .end = r->end,
                                                .ended_by_us = r->v.ended_by_us,
                                                .cpu_user_ms = r->cpu_user_us / 1000,
                                                .cpu_sys_ms = r->cpu_sys_us / 1000,
                                                .max_rss_kib = r->max_rss_kib,
                                                .out_bytes = r->bytes[0],
                                                .err_bytes = r->bytes[1]};
        s->n_ranks++;
    }
    s->ranks = j->sum_ranks;
}

void job_summary(struct job *j, struct summary *ret)
{
    struct summary s = {.exit_status = j->exit_status, .sentence = j->sentence};
    fill_phases(j, &s);
    fill_nodes(j, &s);
    fill_ranks(j, &s);
    s.warnings = (const char *const *)j->warnings;
    s.n_warnings = j->n_warnings;
    s.steps = j->saw_steps ? j->steps : NULL;
    *ret = s;
}
