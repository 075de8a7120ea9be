/* SPDX-License-Identifier: MIT */
/* report_json.c - run.json, both ways. Lists of fields drive writing and reading, so they
 * are the schema. Only files called ..json.c know jansson.
 *
 * run.json is one object, stable: keys are added, never renamed or removed, and "schema"
 * grows only when a reader of the old one would be misled. Units end the name of a key; no
 * unit: a count. A rank or a node is one line of the file.
 *
 *   schema    1
 *   run       id, name, dir, version (of aolani-run), started_utc, exit_status, sentence
 *             (the outcome in words), wall_ms, queued_ms (before it, in Slurm's queue; 0:
 *             no nodes were asked for), attempts (how many; history says more; but
 *             for the ledger all below is of the last), nccl (which NICs NCCL used, as it
 *             said itself, in words; "" when it said nothing), audit (what the nodes were
 *             found to be, in words; "" when [audit] required nothing), step_source
 *             ("client", "nccl", "log"; "": no steps), step_source_words (that in words),
 *             step_source_why (why there was no better one; "": it is the best)
 *   phases    [{name, ms}], in order: connect, prepare, start, run, stop, teardown; those
 *             that were entered
 *   nodes     [{name (as typed), hostname ("" when it never connected), teardown ("clean",
 *             "forced", "not clean", "not proven", "lost"), detail, clock_offset_us (node
 *             minus head), clock_error_us (0: not known), copied (the agent had to be
 *             copied there), limits (of its ranks, soft, in bytes or files:
 *             "memlock=unlimited stack=8388608 core=0 nofile=1024"), net (over which NCCL
 *             goes to other nodes, as it said: "ib+gdr", "ib", "sockets", see netproof.h;
 *             "": it did not)}]; the index is what ranks refer to
 *   replaced  [{host, by (as typed: the spare in its place), why, node (its index), agent
 *             (on that host: "not started", "ended", "not proven")}], in order
 *   ranks     [{rank, node, cpus ("" not bound), end ("exit 0", "signal 9 (Killed)", ...),
 *             ended_by_us, cpu_user_ms, cpu_sys_ms, max_rss_kib, out_bytes, err_bytes
 *             (written), out_kept, err_kept (of them in the run directory),
 *             binding, steps}], where binding is
 *             {asked: {cpus ("" not bound), numa ("" anywhere), gpus [uuid, or bus id],
 *             nic ("" none)}, applied: {cpus} (as the program was executed on; null: it ended
 *             before that was told), observed: {cpus (of all threads), processes, threads,
 *             pages [{numa, n}] (of a sample), gpus [uuid], cgroup_cpus ("" not said),
 *             cgroup_quota_percent (of one CPU; 0: none), cgroup_memory_bytes (0: none)}
 *             (the last that was told; null: never), checks: [{what ("cpus", "memory",
 *             "gpu", "cgroup"), state ("as asked", "drift", "unverified"), text}], drift:
 *             [{what, text, from_ms, to_ms (after the start; null: to the end)}],
 *             more_drift (not listed)}, and steps is there when the job marked steps:
 *             {n (steps in the statistics), dropped (records lost), last_step, p50_us,
 *             p90_us, p99_us, max_us, mean_us, cv (of wall), busy_p50_us, wait_p50_us, and
 *             sums over the n steps: busy, wait, wall, cpu, rundelay (runnable, not
 *             running), throttled, blocked, stolen, each ..._sum_us; loss_sum_us
 *             (straggler loss charged to the rank), slowest_n (steps in which it was the
 *             slowest by more than 5 %); null: busy and wait where in no step it is known
 *             what the rank waited, the last two then and where no step was compared}
 *   output    {rotate_bytes, keep, not_whole}: file <n> of a stream begins at byte n *
 *             rotate_bytes of it (0: it is one file), keep files stay (0: all); not_whole:
 *             [{rank, stderr, bytes, first, last, missing}], the streams that lack bytes:
 *             first and last are kept at their ends (last 0: none was removed), missing
 *             is what else is not there, [{from, to (exclusive), bytes, why}]; bytes is
 *             less than to - from where several places were joined
 *   warnings  [text]
 *   steps     null when no rank marked steps, or {closed (steps compared), special,
 *             p50_us, p90_us, p99_us, max_us (of the slowest rank's wall in each step),
 *             t_sum_us (their sum), loss_sum_us (null: all are uncompared), uncompared (of
 *             closed: waiting of ranks is not known in them), culprit_rank (null: none stands out)}
 *   variance  null when not known, or {steps (compared), t_us (their time), loss_us {name:
 *             us} (straggler loss by mechanism, see mechanism.c; null: nothing there
 *             measures it), small_us (straggler loss of no culprit: beside
 *             loss_us), common_us {name: us} (above the usual, of all ranks
 *             together; not in the loss), outside_us (least that others took), blames
 *             [{rank, what (a mechanism), steps, first_step, last_step, loss_us,
 *             excess_us}], most loss first, spells [{rank, attempt, first_step, last_step,
 *             over, percent (slower), what ("mixed" too), steps, excess_us, loss_us,
 *             part_us {name: us}, common (with other slow ranks, in words; "")}],
 *             more_spells (not listed), excess (null: not known; a histogram of what each
 *             rank in each step was above the median busy, in 1/10000 of it: {precision,
 *             count, sum, min, max, buckets [[index, count]]}, see hist.h)}
 *   series    null, or {per_block, blocks [[steps, t_us]]}: the time of steps in order
 *   ledger    null, or {rows {name: us} (see ledger.h; they sum up to the run's time),
 *             hangs, goodput (productive / all; null without steps)}
 *   cost      null, or {devices, device ("gpu", or "rank" in a job without), device_hour
 *             (price; 0: none given), currency}
 *   signals   null, or [{seconds, steal_share, exits_per_second, exit_ns, triad_mbytes,
 *             triad_lowest_mbytes, fault_ns, psi_cpu, psi_memory, psi_io, throttled_us,
 *             gpu_throttle_us, link_errors}], one a node; of all but the first null: the
 *             node does not say
 *   gpus      [{node, uuid, seconds (told of), watts, watts_most, celsius, celsius_most,
 *             mem_celsius_most, sm_mhz_least, sm_max_mhz, power_us, heat_us, brake_us,
 *             sync_us, board_us, reliability_us (slowed down by), ecc_corrected,
 *             ecc_errors (uncorrected), remapped_rows, pcie_replays, nvlink_errors,
 *             reasons (bits, see signals.h)}], those that were told of; null: the GPU does
 *             not say
 *   faults    [{node, bus, whose ("rank 3", "not the job's"), xid, n (times), text (the
 *             driver's)}], errors of GPUs that the kernels told of
 *   stalls    [{attempt, number (of its stall-N.txt), step (the last before it), from_ms
 *             (since the ranks were started), ms, over (steps went on), ranks ("5", ""),
 *             text (who stood out, or what all did)}], in which no rank ended a step
 */
#include <errno.h>
#include <jansson.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/report_binding_json.h"
#include "launcher/report_fields_json.h"
#include "launcher/report_history.h"
#include "launcher/report_variance_json.h"
#include "launcher/report_view.h"
#include "proto/base/limits.h"

#define SCHEMA 1

#define V(f) offsetof(struct report_view, f)
static const struct field run_fields[] = {
    {"id", FIELD_TEXT, V(run_id)},
    {"name", FIELD_TEXT, V(name)},
    {"dir", FIELD_TEXT, V(dir)},
    {"version", FIELD_TEXT, V(version)},
    {"started_utc", FIELD_TEXT, V(started_utc)},
    {"exit_status", FIELD_I64, V(exit_status)},
    {"sentence", FIELD_TEXT, V(sentence)},
    {"wall_ms", FIELD_U64, V(wall_ms)},
    {"queued_ms", FIELD_U64 | FIELD_LATER, V(queued_ms)},
    {"attempts", FIELD_U32 | FIELD_LATER, V(attempts)},
    {"nccl", FIELD_TEXT | FIELD_LATER, V(nccl)},
    {"audit", FIELD_TEXT | FIELD_LATER, V(audit)},
    {"step_source", FIELD_TEXT | FIELD_LATER, V(step_source)},
    {"step_source_words", FIELD_TEXT | FIELD_LATER, V(step_source_words)},
    {"step_source_why", FIELD_TEXT | FIELD_LATER, V(step_source_why)},
    {0},
};

#define P(f) offsetof(struct view_phase, f)
static const struct field phase_fields[] = {
    {"name", FIELD_TEXT, P(name)},
    {"ms", FIELD_U64, P(ms)},
    {0},
};

#define N(f) offsetof(struct view_node, f)
static const struct field node_fields[] = {
    {"name", FIELD_TEXT, N(name)},
    {"hostname", FIELD_TEXT, N(hostname)},
    {"teardown", FIELD_TEXT, N(teardown)},
    {"detail", FIELD_TEXT, N(detail)},
    {"clock_offset_us", FIELD_I64, N(clock_offset_us)},
    {"clock_error_us", FIELD_U64, N(clock_error_us)},
    {"copied", FIELD_BOOL, N(copied)},
    {"limits", FIELD_TEXT | FIELD_LATER, N(limits)},
    {"net", FIELD_TEXT | FIELD_LATER, N(net)},
    {0},
};

#define X(f) offsetof(struct view_replaced, f)
static const struct field replaced_fields[] = {
    {"host", FIELD_TEXT, X(host)},   {"by", FIELD_TEXT, X(by)},
    {"why", FIELD_TEXT, X(why)},     {"node", FIELD_U32, X(node)},
    {"agent", FIELD_TEXT, X(agent)}, {0},
};

#define R(f) offsetof(struct view_rank, f)
static const struct field rank_fields[] = {
    {"rank", FIELD_U32, R(rank)},
    {"node", FIELD_U32, R(node)},
    {"cpus", FIELD_TEXT, R(cpus)},
    {"end", FIELD_TEXT, R(end)},
    {"ended_by_us", FIELD_BOOL, R(ended_by_us)},
    {"cpu_user_ms", FIELD_U64, R(cpu_user_ms)},
    {"cpu_sys_ms", FIELD_U64, R(cpu_sys_ms)},
    {"max_rss_kib", FIELD_U64, R(max_rss_kib)},
    {"out_bytes", FIELD_U64, R(out_bytes)},
    {"err_bytes", FIELD_U64, R(err_bytes)},
    {"out_kept", FIELD_U64 | FIELD_LATER, R(out_kept)},
    {"err_kept", FIELD_U64 | FIELD_LATER, R(err_kept)},
    {0},
};

#define O(f) offsetof(struct view_output, f)
static const struct field output_fields[] = {
    {"rank", FIELD_U32, O(rank)},   {"stderr", FIELD_BOOL, O(is_err)},
    {"bytes", FIELD_U64, O(bytes)}, {"first", FIELD_U64, O(first)},
    {"last", FIELD_U64, O(last)},   {0},
};

#define M(f) offsetof(struct view_missing, f)
static const struct field missing_fields[] = {
    {"from", FIELD_U64, M(from)},
    {"to", FIELD_U64, M(to)},
    {"bytes", FIELD_U64, M(bytes)},
    {"why", FIELD_TEXT, M(why)},
    {0},
};

static const struct field rotate_fields[] = {
    {"rotate_bytes", FIELD_U64, V(rotate_bytes)},
    {"keep", FIELD_U64, V(rotate_keep)},
    {0},
};

#define S(f) offsetof(struct steps_rank, f)
static const struct field rank_steps_fields[] = {
    {"n", FIELD_U64, S(n)},
    {"dropped", FIELD_U64, S(dropped)},
    {"last_step", FIELD_U32, S(last_step)},
    {"p50_us", FIELD_U64, S(p50)},
    {"p90_us", FIELD_U64, S(p90)},
    {"p99_us", FIELD_U64, S(p99)},
    {"max_us", FIELD_U64, S(max)},
    {"mean_us", FIELD_REAL, S(mean)},
    {"cv", FIELD_REAL, S(cv)},
    {"busy_p50_us", FIELD_COUNT, S(busy_p50)},
    {"wait_p50_us", FIELD_COUNT, S(wait_p50)},
    {"busy_sum_us", FIELD_COUNT, S(busy_sum)},
    {"wait_sum_us", FIELD_COUNT, S(wait_sum)},
    {"wall_sum_us", FIELD_U64, S(wall_sum)},
    {"cpu_sum_us", FIELD_U64, S(cpu_sum)},
    {"rundelay_sum_us", FIELD_U64, S(rundelay_sum)},
    {"throttled_sum_us", FIELD_U64, S(throttled_sum)},
    {"blocked_sum_us", FIELD_U64, S(blocked_sum)},
    {"stolen_sum_us", FIELD_U64, S(stolen_sum)},
    {"loss_sum_us", FIELD_COUNT, S(loss_sum)},
    {"slowest_n", FIELD_COUNT, S(slowest_n)},
    {0},
};

#define J(f) offsetof(struct steps_job, f)
static const struct field job_fields[] = {
    {"closed", FIELD_U64, J(closed)},
    {"special", FIELD_U64, J(special)},
    {"p50_us", FIELD_U64, J(p50)},
    {"p90_us", FIELD_U64, J(p90)},
    {"p99_us", FIELD_U64, J(p99)},
    {"max_us", FIELD_U64, J(max)},
    {"t_sum_us", FIELD_U64, J(t_sum)},
    {"loss_sum_us", FIELD_COUNT, J(loss_sum)},
    {"uncompared", FIELD_U64 | FIELD_LATER, J(uncompared)},
    {0},
};

/* ---- writing */

static int add_text(struct buf *out, const char *text)
{
    return buf_add(out, text, strlen(text));
}

/* Takes the value. */
static int add_json(struct buf *out, json_t *value)
{
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    int rc = text ? add_text(out, text) : -ENOMEM;
    free(text);
    json_decref(value);
    return rc;
}

typedef json_t *(*row_f)(const struct report_view *v, size_t i);

static json_t *phase_row(const struct report_view *v, size_t i)
{
    return fields_to_json(phase_fields, &v->phases[i]);
}

static json_t *node_row(const struct report_view *v, size_t i)
{
    return fields_to_json(node_fields, &v->nodes[i]);
}

static json_t *replaced_row(const struct report_view *v, size_t i)
{
    return fields_to_json(replaced_fields, &v->replaced[i]);
}

static json_t *rank_row_plain(const struct report_view *v, size_t i)
{
    json_t *o = fields_to_json(rank_fields, &v->ranks[i]);
    if (o && v->has_steps &&
        json_object_set_new(
            o, "steps", fields_to_json(rank_steps_fields, &v->ranks[i].steps)) < 0) {
        json_decref(o);
        return NULL;
    }
    return o;
}

static json_t *rank_row(const struct report_view *v, size_t i)
{
    const struct binding *b = v->ranks[i].binding;
    json_t *o = rank_row_plain(v, i);
    if (o && b && json_object_set_new(o, "binding", binding_to_json(b)) < 0) {
        json_decref(o);
        return NULL;
    }
    return o;
}

static json_t *warning_row(const struct report_view *v, size_t i)
{
    return json_string(v->warnings[i].text);
}

static int add_rows(struct buf *out, const char *name, const struct report_view *v,
                    size_t n, row_f row)
{
    int rc = buf_printf(out, ",\n\"%s\": [", name);
    for (size_t i = 0; i < n && rc == 0; i++)
        if ((rc = add_text(out, i ? ",\n" : "\n")) == 0)
            rc = add_json(out, row(v, i));
    return rc ? rc : add_text(out, "]");
}

static json_t *output_row(const struct report_view *v, size_t i)
{
    const struct view_output *w = &v->outputs[i];
    json_t *o = fields_to_json(output_fields, w), *list = json_array();
    int rc = o && list ? 0 : -1;
    for (size_t k = 0; k < w->n_missing && rc == 0; k++)
        rc =
            json_array_append_new(list, fields_to_json(missing_fields, &w->missing[k]));
    if (rc == 0)
        return json_object_set_new(o, "missing", list) < 0 ? (json_decref(o), NULL) : o;
    json_decref(o);
    json_decref(list);
    return NULL;
}

static int add_output(struct buf *out, const struct report_view *v)
{
    int rc = buf_printf(out, ",\n\"output\": {\"rotate_bytes\":%lld,\"keep\":%lld",
                        (long long)fields_int(v->rotate_bytes),
                        (long long)fields_int(v->rotate_keep));
    rc = rc ? rc : add_rows(out, "not_whole", v, v->n_outputs, output_row);
    return rc ? rc : add_text(out, "}");
}

static json_t *steps_of(const struct report_view *v)
{
    json_t *o = v->has_steps ? fields_to_json(job_fields, &v->job) : json_null();
    json_t *culprit = v->culprit >= 0 ? json_integer(v->culprit) : json_null();
    if (!v->has_steps) {
        json_decref(culprit);
    } else if (json_object_set_new(o, "culprit_rank", culprit) < 0) {
        json_decref(o);
        return NULL;
    }
    return o;
}

int view_to_json(const struct report_view *v, struct buf *out)
{
    int rc = buf_printf(out, "{\"schema\": %d,\n\"run\": ", SCHEMA);
    rc = rc ? rc : add_json(out, fields_to_json(run_fields, v));
    rc = rc ? rc : history_to_json(v, out);
    rc = rc ? rc : add_rows(out, "phases", v, v->n_phases, phase_row);
    rc = rc ? rc : add_rows(out, "nodes", v, v->n_nodes, node_row);
    rc = rc ? rc : add_rows(out, "replaced", v, v->n_replaced, replaced_row);
    rc = rc ? rc : add_rows(out, "ranks", v, v->n_ranks, rank_row);
    rc = rc ? rc : add_output(out, v);
    rc = rc ? rc : add_rows(out, "warnings", v, v->n_warnings, warning_row);
    rc = rc ? rc : add_text(out, ",\n\"steps\": ");
    rc = rc ? rc : add_json(out, steps_of(v));
    rc = rc ? rc : variance_to_json(v, out);
    rc = rc ? rc : gpus_to_json(v, out);
    rc = rc ? rc : stalls_to_json(v, out);
    return rc ? rc : add_text(out, "}\n");
}

/* ---- reading: the file may have been edited, cut, or be another program's */

/* An array of the root into rows of `size` bytes. The count is set before the rows are
 * read: view_fini then frees what there is. */
static int rows_from_json(const json_t *root, const char *name,
                          const struct field *fields, size_t most, size_t size,
                          void *ret_rows, size_t *ret_n, struct err *e)
{
    const json_t *a = json_object_get(root, name);
    size_t n = json_array_size(a);
    int rc = 0;
    if (!json_is_array(a) || n > most)
        return err_set(e, ERR_PARSE, "\"%s\" is missing, not a list, or too long",
                       name);
    char *rows = calloc(n + 1, size);
    if (!rows)
        return -ENOMEM;
    memcpy(ret_rows, &rows, sizeof rows);
    *ret_n = n;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = fields_from_json(fields, json_array_get(a, i), rows + i * size, name, e);
    return rc;
}

static int missing_from_json(struct view_output *w, const json_t *o, struct err *e)
{
    const json_t *a = json_object_get(o, "missing");
    int rc = 0;
    if (!json_is_array(a) || json_array_size(a) > OUTRANGES_MAX)
        return fields_bad(e, "output", "missing", "missing, not a list, or too long");
    for (size_t i = 0; i < json_array_size(a) && rc == 0; i++) {
        w->n_missing = i + 1;
        rc = fields_from_json(missing_fields, json_array_get(a, i), &w->missing[i],
                              "missing", e);
    }
    return rc;
}

static int output_from_json(struct report_view *v, const json_t *root, struct err *e)
{
    const json_t *o = json_object_get(root, "output"), *rows;
    if (!o) { /* of an older version */
        for (size_t i = 0; i < v->n_ranks; i++) {
            v->ranks[i].out_kept = v->ranks[i].out_bytes;
            v->ranks[i].err_kept = v->ranks[i].err_bytes;
        }
        return 0;
    }
    int rc = fields_from_json(rotate_fields, o, v, "output", e);
    if (rc == 0)
        rc = rows_from_json(o, "not_whole", output_fields, 2 * (size_t)LIMIT_RANKS,
                            sizeof *v->outputs, &v->outputs, &v->n_outputs, e);
    rows = json_object_get(o, "not_whole");
    for (size_t i = 0; i < v->n_outputs && rc == 0; i++)
        rc = missing_from_json(&v->outputs[i], json_array_get(rows, i), e);
    return rc;
}

static int warnings_from_json(struct report_view *v, const json_t *root, struct err *e)
{
    const json_t *a = json_object_get(root, "warnings");
    size_t n = json_array_size(a);
    if (!json_is_array(a))
        return err_set(e, ERR_PARSE, "\"warnings\" is missing or not a list");
    if (!(v->warnings = calloc(n + 1, sizeof *v->warnings)))
        return -ENOMEM;
    v->n_warnings = n;
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(a, i));
        if (!text)
            return err_set(e, ERR_PARSE,
                           "\"warnings\" has something that is not a text");
        if (!(v->warnings[i].text = view_text(text)))
            return -ENOMEM;
    }
    return 0;
}

static int steps_from_json(struct report_view *v, const json_t *root, struct err *e)
{
    const json_t *o = json_object_get(root, "steps"), *culprit, *ranks;
    v->culprit = -1;
    if (json_is_null(o))
        return 0;
    int rc = fields_from_json(job_fields, o, &v->job, "steps", e);
    culprit = json_object_get(o, "culprit_rank");
    if (rc == 0 && json_is_integer(culprit))
        v->culprit = json_integer_value(culprit);
    else if (rc == 0 && !json_is_null(culprit))
        rc = fields_bad(e, "steps", "culprit_rank", "not a rank");
    v->has_steps = rc == 0;
    ranks = json_object_get(root, "ranks");
    for (size_t i = 0; i < v->n_ranks && rc == 0; i++) {
        v->ranks[i].steps.rank = v->ranks[i].rank;
        rc = fields_from_json(rank_steps_fields,
                              json_object_get(json_array_get(ranks, i), "steps"),
                              &v->ranks[i].steps, "steps of a rank", e);
    }
    return rc;
}

/* Absent in files of an older version. */
static int bindings_from_json(struct report_view *v, const json_t *root, struct err *e)
{
    const json_t *ranks = json_object_get(root, "ranks"), *o;
    int rc = 0;
    for (size_t i = 0; i < v->n_ranks && rc == 0; i++) {
        if ((o = json_object_get(json_array_get(ranks, i), "binding")))
            rc = binding_from_json(o, &v->ranks[i].binding, e);
    }
    return rc;
}

static int root_from_json(struct report_view *v, const json_t *root, struct err *e)
{
    const json_t *schema = json_object_get(root, "schema");
    if (!json_is_integer(schema))
        return err_set(e, ERR_PARSE, "not a run.json: it has no \"schema\"");
    if (json_integer_value(schema) != SCHEMA)
        return err_set(e, ERR_PARSE, "its schema is %lld, this program reads %d",
                       (long long)json_integer_value(schema), SCHEMA);
    int rc = fields_from_json(run_fields, json_object_get(root, "run"), v, "run", e);
    if (rc == 0)
        rc = rows_from_json(root, "phases", phase_fields, 1000, sizeof *v->phases,
                            &v->phases, &v->n_phases, e);
    if (rc == 0)
        rc = rows_from_json(root, "nodes", node_fields, LIMIT_NODES, sizeof *v->nodes,
                            &v->nodes, &v->n_nodes, e);
    if (rc == 0 && json_object_get(root, "replaced"))
        rc = rows_from_json(root, "replaced", replaced_fields, LIMIT_HOSTS,
                            sizeof *v->replaced, &v->replaced, &v->n_replaced, e);
    if (rc == 0)
        rc = rows_from_json(root, "ranks", rank_fields, LIMIT_RANKS, sizeof *v->ranks,
                            &v->ranks, &v->n_ranks, e);
    rc = rc ? rc : history_from_json(v, root, e);
    rc = rc ? rc : bindings_from_json(v, root, e);
    rc = rc ? rc : output_from_json(v, root, e);
    rc = rc ? rc : warnings_from_json(v, root, e);
    rc = rc ? rc : steps_from_json(v, root, e);
    rc = rc ? rc : variance_from_json(v, root, e);
    rc = rc ? rc : gpus_from_json(v, root, e);
    return rc ? rc : stalls_from_json(v, root, e);
}

int view_from_json(struct report_view *v, const char *json, size_t len, struct err *e)
{
    json_error_t je;
    json_t *root = json_loadb(json, len, JSON_REJECT_DUPLICATES, &je);
    *v = (struct report_view){0};
    if (!root)
        return err_set(e, ERR_PARSE, "line %d: %s", je.line, je.text);
    int rc = root_from_json(v, root, e);
    json_decref(root);
    if (rc == -ENOMEM)
        err_sys(e, rc, "read the run");
    if (rc < 0)
        view_fini(v);
    return rc;
}
