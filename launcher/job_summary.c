/* SPDX-License-Identifier: MIT */
/* job_summary.c - what a job comes to: exit status, sentence, tables. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/job_impl.h"
#include "proto/base/clock.h"
#include "proto/base/hostlist.h"

#define NAMES_SHOWN 160 /* of the nodes that failed alike */
#define ERROR_KINDS 64u /* further ones stand alone */
#define ERROR_TEXT  480u
#define MORE_TEXT   40u /* room for how many are left out */

/* An error with the node's own name taken out, so that those of many nodes are one:
 * "ssh: Could not resolve hostname <host>: ...". */
static void anonymous_error(const struct job *j, uint32_t node, char *text, size_t len)
{
    const char *name = job_node_name(j, node), *p = j->nodes[node].error;
    const char *at = strchr(name, '@');
    name = at ? at + 1 : name;
    size_t n = strlen(name), out = 0;
    while (*p && out + 7 < len) {
        if (strncmp(p, name, n) == 0 && !isalnum((unsigned char)p[n]) &&
            (p == j->nodes[node].error || !isalnum((unsigned char)p[-1]))) {
            memcpy(text + out, "<host>", 6);
            out += 6;
            p += n;
        } else {
            text[out++] = *p++;
        }
    }
    text[out] = '\0';
}

static bool has_error(const struct job *j, uint32_t node, enum node_step step)
{
    return j->nodes[node].step == step && j->nodes[node].error[0];
}

/* The folded names of all nodes whose error is like that of `node`, and their number; 0
 * when an earlier one has said it. `like`: of each node, the first with the same error. */
static uint32_t names_alike(const struct job *j, const uint32_t *like, uint32_t node,
                            enum node_step step, struct buf *out)
{
    struct hostlist l = {.names = calloc(j->n_nodes, sizeof *l.names)};
    for (uint32_t i = node; l.names && like[node] == node && i < j->n_nodes; i++) {
        if (has_error(j, i, step) && like[i] == node)
            l.names[l.n++] = j->config.nodes->names[i];
    }
    uint32_t n = (uint32_t)l.n;
    if (n > 0 && hostlist_format(&l, out) < 0)
        n = 0;
    free(l.names);
    return n;
}

/* Most nodes fail alike, so a few comparisons find the first of their kind. */
static uint32_t *find_alike(const struct job *j, enum node_step step)
{
    uint32_t *like = calloc(j->n_nodes, sizeof *like);
    uint32_t *kinds = calloc(ERROR_KINDS, sizeof *kinds);
    char(*texts)[ERROR_TEXT] = calloc(ERROR_KINDS, sizeof *texts);
    uint32_t n = 0;
    for (uint32_t i = 0; like && kinds && texts && i < j->n_nodes; i++) {
        char mine[ERROR_TEXT];
        uint32_t k = 0;
        like[i] = i;
        if (!has_error(j, i, step))
            continue;
        anonymous_error(j, i, mine, sizeof mine);
        while (k < n && strcmp(texts[k], mine) != 0)
            k++;
        if (k < n) {
            like[i] = kinds[k];
        } else if (n < ERROR_KINDS) {
            kinds[n] = i;
            memcpy(texts[n++], mine, sizeof mine);
        }
    }
    free(kinds);
    free(texts);
    return like;
}

static size_t add_group(const struct job *j, uint32_t node, const char *names,
                        uint32_t n, char *text, size_t len)
{
    const struct job_node *own = &j->nodes[node];
    char error[ERROR_TEXT];
    if (n > 1)
        anonymous_error(j, node, error, sizeof error);
    else
        (void)snprintf(error, sizeof error, "%s", own->error);
    int at = snprintf(text, len, "%.*s%s: %s%s%s%s", NAMES_SHOWN, names,
                      strlen(names) > NAMES_SHOWN ? "..." : "", error,
                      own->hint[0] ? " (" : "", own->hint, own->hint[0] ? ")" : "");
    return at < 0 ? len : (size_t)at;
}

void job_group_errors(const struct job *j, enum node_step step, char *text, size_t len)
{
    size_t at = 0;
    uint32_t more = 0;
    uint32_t *like = find_alike(j, step);
    text[0] = '\0';
    for (uint32_t i = 0; like && i < j->n_nodes; i++) {
        struct buf names;
        char group[ERROR_TEXT + NAMES_SHOWN + 300];
        if (!has_error(j, i, step))
            continue;
        buf_init(&names, 1u << 24);
        uint32_t n = names_alike(j, like, i, step, &names);
        size_t need =
            n ? add_group(j, i, (char *)names.data, n, group, sizeof group) : 0;
        buf_fini(&names);
        if (at > 0 && at + need + MORE_TEXT > len)
            more += n;
        else if (n > 0)
            at += (size_t)snprintf(text + at, len - at, "%s%s", at ? "; " : "", group);
        at = at < len ? at : len - 1;
    }
    if (more > 0 && at < len)
        (void)snprintf(text + at, len - at, "; %u more nodes failed", more);
    free(like);
}

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
            .copied = fleet_was_copied(j->fleet, i)};
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
    fill_outputs(j, &s);
    s.warnings = (const char *const *)j->warnings;
    s.n_warnings = j->n_warnings;
    s.steps = j->saw_steps ? j->steps : NULL;
    *ret = s;
}
