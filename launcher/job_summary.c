/* SPDX-License-Identifier: MIT */
/* job_summary.c - what a job comes to: exit status, sentence, tables. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/audit_require.h"
#include "launcher/job_impl.h"
#include "launcher/netproof.h"
#include "proto/base/clock.h"

void job_conclude(struct job *j)
{
    uint32_t n = j->ranks ? j->plan.world_size : 0;
    struct verdict_rank *v = calloc(n ? n : 1, sizeof *v);
    for (uint32_t i = 0; v && i < n; i++)
        v[i] = j->ranks[i].v;
    j->exit_status =
        verdict(v, v ? n : 0, &j->stop, j->config.spec->job.command.items[0],
                j->sentence, sizeof j->sentence);
    free(v);
}

uint32_t job_lost_port(const struct job *j, const char **ret_node)
{
    bool is_void = j->port_taken && !j->saw_steps && !j->sent_input &&
                   !j->stop.unclean && j->stop.cause == STOP_RANK &&
                   j->exit_status != 0;
    *ret_node = job_node_name(j, 0);
    return is_void ? j->master_port : 0;
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

/* One node needs none, and NCCL names what it would take. */
static bool is_net_of_interest(const struct job *j, const struct netproof *p)
{
    return j->n_nodes > 1 || netproof_is_used(p) || audit_requires_net(j->config.spec);
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
            .teardown = n->teardown               ? n->teardown
                        : n->step == NODE_AWAITED ? "not started"
                                                  : "not proven",
            .detail = n->detail[0]              ? n->detail
                      : n->step == NODE_REFUSED ? n->error
                                                : "",
            .clock_offset_us = c->offset_ns / 1000,
            .clock_error_us = c->known ? (c->error_ns + 999) / 1000 : 0,
            .copied = fleet_was_copied(j->fleet, i),
            .limits = j->nodes[i].limits_text};
        if (j->nets && is_net_of_interest(j, &j->nets[i]))
            netproof_words(&j->nets[i], j->sum_nodes[i].net,
                           sizeof j->sum_nodes[i].net);
        s->n_nodes++;
    }
    s->nodes = j->sum_nodes;
}

/* What is kept of a stream; one that is not whole is listed. */
static uint64_t fill_output(struct job *j, uint32_t rank, bool is_err)
{
    struct outfiles_kept k;
    outfiles_kept(j->outfiles, rank, is_err, &k);
    uint64_t kept = k.first + k.last, missing = outranges_bytes(&k.missing);
    kept -= missing < kept ? missing : kept;
    if (k.first + k.last == k.bytes && k.missing.n == 0)
        return kept;
    if (j->n_sum_outputs == j->cap_sum_outputs) {
        size_t cap = 2 * j->cap_sum_outputs + 16;
        void *more = realloc(j->sum_outputs, cap * sizeof *j->sum_outputs);
        if (!more)
            return kept;
        j->sum_outputs = more;
        j->cap_sum_outputs = cap;
    }
    j->sum_outputs[j->n_sum_outputs++] = (struct summary_output){.rank = rank,
                                                                 .is_err = is_err,
                                                                 .bytes = k.bytes,
                                                                 .first = k.first,
                                                                 .last = k.last,
                                                                 .missing = k.missing};
    return kept;
}

static void fill_outputs(struct job *j, struct summary *s)
{
    s->rotate.size = j->config.spec->job.output_rotate;
    s->rotate.keep = (uint64_t)j->config.spec->job.output_keep;
    if (!j->outfiles)
        return;
    outfiles_finish(j->outfiles);
    for (uint32_t i = 0; i < s->n_ranks; i++) {
        j->sum_ranks[i].out_kept = fill_output(j, i, false);
        j->sum_ranks[i].err_kept = fill_output(j, i, true);
    }
    s->outputs = j->sum_outputs;
    s->n_outputs = j->n_sum_outputs;
}

static void fill_replaced(struct job *j, struct summary *s)
{
    j->sum_replaced = calloc(j->n_replaced + 1, sizeof *j->sum_replaced);
    for (size_t i = 0; j->sum_replaced && i < j->n_replaced; i++) {
        const struct job_replaced *r = &j->replaced[i];
        j->sum_replaced[s->n_replaced++] = (struct summary_replaced){.host = r->host,
                                                                     .by = r->by,
                                                                     .why = r->why,
                                                                     .agent = r->agent,
                                                                     .node = r->node};
    }
    s->replaced = j->sum_replaced;
}

static void fill_ranks(struct job *j, struct summary *s)
{
    j->sum_ranks =
        calloc(j->plan.world_size ? j->plan.world_size : 1, sizeof *j->sum_ranks);
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
                                                .err_bytes = r->bytes[1],
                                                .binding = job_binding_of(j, i)};
        s->n_ranks++;
    }
    s->ranks = j->sum_ranks;
}

void job_summary_fini(struct job *j)
{
    free(j->sum_phases);
    free(j->sum_nodes);
    free(j->sum_replaced);
    free(j->sum_ranks);
    free(j->sum_outputs);
    j->sum_phases = NULL;
    j->sum_nodes = NULL;
    j->sum_replaced = NULL;
    j->sum_ranks = NULL;
    j->sum_outputs = NULL;
    j->n_sum_outputs = j->cap_sum_outputs = 0;
}

void job_summary(struct job *j, struct summary *ret)
{
    job_summary_fini(j); /* it may have been asked for before */
    struct summary s = {.exit_status = j->exit_status, .sentence = j->sentence};
    fill_phases(j, &s);
    fill_replaced(j, &s);
    fill_ranks(j, &s);
    fill_outputs(j, &s);
    job_compare_nccl(j);
    fill_nodes(j, &s);
    s.nccl = j->nccl;
    s.faults = j->faults.all;
    s.n_faults = j->faults.n;
    s.audit = job_audit_text(j);
    s.warnings = (const char *const *)j->warnings;
    s.n_warnings = j->n_warnings;
    s.steps = j->saw_steps ? j->steps : NULL;
    job_stall_fill(j, &s);
    job_variance_fill(j, &s);
    job_steps_fill(j, &s);
    *ret = s;
}
