/* SPDX-License-Identifier: MIT */
/* runstatus_json.c - how runs stand, for programs. Stable: keys are added, never renamed or
 * removed. Times are seconds since 1970; null: not known, or there is none.
 *
 *   runs            [{state, directory, run_id, name, made, begun, seen, wall_s, exit_status,
 *                   sentence, nodes, attempts, stall, head, slurm}]
 *     state         "prepared", "queued", "starting", "running", "between jobs", "ended",
 *                   "cut off", "unknown"
 *     exit_status   of the run when it has ended; else of the last attempt that ended
 *     attempts      [{attempt, state ("ended" or "open"), exit_status, sentence, phase,
 *                   start, end, first_step, last_step, ranks}]
 *     stall         null, or no rank ends a step (where state is "unknown": as of seen):
 *                   {attempt, number, since, step, ranks, text, file}
 *       step        the last that any rank ended
 *       ranks       that stand out, "3,8-15"; null: none
 *       text        how, as it was said while the job ran
 *       file        all that was found out of it
 *     head          null, or {host, pid, slurm_job, life ("alive", "gone", "unknown")}
 *     slurm         null: no job was submitted for it; else {asked (false: why says why),
 *                   why, jobs, queue}
 *       jobs        [{id, state ("": over), reason, nodes, left_s}]
 *       queue       null, or of the first job that waits {id, position, pending, partition,
 *                   reason, expected_start}
 */
#include "launcher/runstatus.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/utf8.h"

static json_t *text_or_null(const char *text)
{
    char *copy = text && *text ? strdup(text) : NULL;
    if (!copy)
        return json_null();
    utf8_make_printable(copy);
    json_t *j = json_string(copy);
    free(copy);
    return j;
}

static json_t *text_of(const char *text)
{
    return *text ? text_or_null(text) : json_string("");
}

static json_t *time_or_null(uint64_t real_ns)
{
    return real_ns ? json_real((double)(real_ns / 1000000) / 1e3) : json_null();
}

static json_t *number_or_null(bool known, uint64_t n)
{
    return known ? json_integer((json_int_t)n) : json_null();
}

static json_t *attempt_of(const struct runstate_attempt *a)
{
    return json_pack(
        "{s:I, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I}", "attempt",
        (json_int_t)a->attempt, "state", a->ended ? "ended" : "open", "exit_status",
        a->ended ? json_integer(a->exit_status) : json_null(), "sentence",
        text_or_null(a->sentence), "phase", text_or_null(a->phase), "start",
        time_or_null(a->start_real_ns), "end",
        time_or_null(a->ended ? a->end_real_ns : 0), "first_step",
        number_or_null(a->has_step, a->first_step), "last_step",
        number_or_null(a->has_step, a->last_step), "ranks", (json_int_t)a->world_size);
}

static json_t *stall_of(const struct runstatus *s)
{
    char file[PATH_MAX];
    const struct runstate_stall *k = runstatus_stall(s);
    if (!k)
        return json_null();
    bool has_file = runstatus_stall_file(s, file, sizeof file);
    return json_pack("{s:I, s:I, s:o, s:I, s:o, s:o, s:o}", "attempt",
                     (json_int_t)k->attempt, "number", (json_int_t)k->number, "since",
                     time_or_null(k->since_real_ns), "step", (json_int_t)k->step,
                     "ranks", text_or_null(k->ranks), "text", text_or_null(k->text),
                     "file", text_or_null(has_file ? file : NULL));
}

static json_t *head_of(const struct runstatus *s)
{
    static const char *const lives[] = {[RUNHEAD_NONE] = "gone",
                                        [RUNHEAD_ALIVE] = "alive",
                                        [RUNHEAD_UNKNOWN] = "unknown"};
    if (!s->head.pid)
        return json_null();
    return json_pack("{s:o, s:I, s:o, s:s}", "host", text_of(s->head.host), "pid",
                     (json_int_t)s->head.pid, "slurm_job",
                     number_or_null(s->head.slurm_job > 0, s->head.slurm_job), "life",
                     lives[s->life]);
}

static json_t *queue_of(const struct runstatus *s)
{
    const struct slurm_queue *q = &s->queue;
    if (!s->has_queue)
        return json_null();
    return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o}", "id", (json_int_t)q->id,
                     "position", number_or_null(q->position > 0, q->position),
                     "pending", number_or_null(q->n_pending > 0, q->n_pending),
                     "partition", text_of(q->partition), "reason", text_of(q->reason),
                     "expected_start", time_or_null(q->start_real_ns));
}

static json_t *slurm_of(const struct runstatus *s)
{
    if (s->chain.n == 0)
        return json_null();
    json_t *jobs = json_array();
    for (size_t i = 0; i < s->chain.n; i++) {
        const struct chain_link *l = &s->chain.links[i];
        json_array_append_new(
            jobs, json_pack("{s:I, s:o, s:o, s:o, s:o}", "id", (json_int_t)l->id,
                            "state", text_of(l->state), "reason", text_of(l->reason),
                            "nodes", text_of(l->nodes), "left_s",
                            number_or_null(l->left_s != CHAIN_NO_LIMIT, l->left_s)));
    }
    return json_pack("{s:b, s:o, s:o, s:o}", "asked", s->chain.asked, "why",
                     text_or_null(s->unasked.code ? s->unasked.text : NULL), "jobs",
                     jobs, "queue", queue_of(s));
}

static json_t *run_of(const struct runstatus *s)
{
    const struct runstate *r = &s->run;
    json_t *nodes = json_array(), *attempts = json_array();
    for (size_t i = 0; i < r->n_nodes; i++)
        json_array_append_new(nodes, text_of(r->nodes[i]));
    for (size_t i = 0; i < r->n_attempts; i++)
        json_array_append_new(attempts, attempt_of(&r->attempts[i]));
    return json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
        "state", runstatus_word_text(runstatus_word(s)), "directory", text_of(s->dir),
        "run_id", text_or_null(r->run_id), "name", text_or_null(r->name), "made",
        time_or_null(r->made_real_ns), "begun", time_or_null(r->begun_real_ns), "seen",
        time_or_null(r->seen_real_ns), "wall_s", (double)(r->wall_ns / 1000000) / 1e3,
        "exit_status",
        r->over || r->sentence ? json_integer(r->exit_status) : json_null(), "sentence",
        text_or_null(r->sentence), "nodes", nodes, "attempts", attempts, "stall",
        stall_of(s), "head", head_of(s), "slurm", slurm_of(s));
}

int runstatus_json(const struct runstatus *const *s, size_t n, struct buf *out)
{
    json_t *runs = json_array();
    int bad = runs ? 0 : -1;
    for (size_t i = 0; i < n && !bad; i++)
        bad = json_array_append_new(runs, run_of(s[i]));
    json_t *top = bad ? NULL : json_pack("{s:O}", "runs", runs);
    char *text = top ? json_dumps(top, JSON_INDENT(1)) : NULL;
    int rc = text ? buf_printf(out, "%s\n", text) : -ENOMEM;
    free(text);
    json_decref(top);
    json_decref(runs);
    return rc;
}
