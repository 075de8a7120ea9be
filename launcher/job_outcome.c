/* SPDX-License-Identifier: MIT */
/* job_outcome.c - the limits that end a job, how far its steps have come, and what came of
 * it all: what those need to know who decide whether another attempt follows. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "launcher/job_impl.h"
#include "proto/base/log.h"

#define PROGRESS_MS   5000u  /* between two words of it in the journal, */
#define PROGRESS_PART 8u     /* of a young attempt such a part of its time, */
#define ALIVE_MS      30000u /* and when there is nothing new */

/* ---- limits ---- */

void job_reach_limit(struct job *j, uint64_t grace_ms, const char *what)
{
    if (j->state >= JOB_ENDING)
        return;
    j->grace_ms = grace_ms;
    job_set_stop(j, STOP_TIME_LIMIT, 0, "%s", what);
    job_event(j, grace_ms ? JOB_EV_STOP_ASKED : JOB_EV_KILL_ASKED);
}

void job_shorten_grace(struct job *j, uint64_t grace_ms)
{
    j->grace_ms = grace_ms < j->grace_ms ? grace_ms : j->grace_ms;
}

void job_save(struct job *j, int signum, const char *what)
{
    Aolani__Stop m = AOLANI__STOP__INIT;
    if (j->state < JOB_RUNNING) {
        job_reach_limit(j, j->grace_ms, what);
        return;
    }
    if (j->state != JOB_RUNNING || j->stop.saving)
        return;
    (void)snprintf(j->stop_what, sizeof j->stop_what, "%s", what);
    j->stop.saving = j->stop_what;
    (void)job_journal_phase(j, "save");
    m.save = true;
    m.signum = signum;
    m.reason = (char *)what;
    for (uint32_t i = 0; i < j->n_nodes; i++)
        (void)fleet_send(j->fleet, i, MSG_STOP, j->config.attempt, &m.base);
}

/* Slurm's TERM goes to the ranks as well as to us, and theirs may be seen first. */
static bool is_slurms_term(const struct job *j)
{
    for (uint32_t i = 0; j->ranks && i < j->plan.world_size; i++) {
        const struct verdict_rank *v = &j->ranks[i].v;
        bool failed = v->end == RANK_EXEC_FAILED ||
                      (v->end == RANK_EXITED && v->wait_status != 0);
        if (failed && !(WIFSIGNALED((int)v->wait_status) &&
                        WTERMSIG((int)v->wait_status) == SIGTERM))
            return false;
    }
    return true;
}

void job_explain_stop(struct job *j, const char *why, int status)
{
    bool theirs = (j->stop.cause == STOP_RANK && is_slurms_term(j)) ||
                  j->stop.cause == STOP_NODE_LOST ||
                  (j->stop.cause == STOP_ERROR && j->stop.status == 80);
    if (theirs) {
        j->stop.cause = STOP_SIGNAL;
        j->stop.signum = SIGTERM;
    }
    (void)snprintf(j->stop_why, sizeof j->stop_why, "%s", why);
    j->stop.why = j->stop_why;
    if (j->stop.cause != STOP_ERROR)
        j->stop.status = status;
    if (j->state == JOB_CLOSED) /* it was quicker than Slurm's answer */
        job_conclude(j);
}

/* ---- progress ---- */

void job_step_done(struct job *j, uint64_t step)
{
    if (!j->has_step || step < j->first_step)
        j->first_step = step;
    if (!j->has_step || step > j->last_step)
        j->last_step = step;
    j->has_step = true;
}

void job_step_uncounted(struct job *j)
{
    if (j->uncounted)
        return;
    j->uncounted = j->source.chosen;
    j->has_step = false;
    job_journal_progress(j);
}

void job_progress_tick(struct job *j, uint64_t now_ms)
{
    bool news = j->has_step && (!j->progress_ms || j->journaled_step != j->last_step);
    uint64_t part = (now_ms - j->phase_start_ms[2]) / PROGRESS_PART;
    uint64_t every = !news ? ALIVE_MS : part < PROGRESS_MS ? part : PROGRESS_MS;
    if (j->state != JOB_RUNNING || (j->progress_ms && now_ms - j->progress_ms < every))
        return;
    j->progress_ms = now_ms;
    j->journaled_step = j->last_step;
    job_journal_progress(j);
}

/* ---- what came of it ---- */

static enum restart_cause cause_of_status(int status)
{
    switch (status) {
    case 80:
        return RESTART_BOOT;
    case 82:
        return RESTART_REFUSED;
    case 83:
        return RESTART_BINDING;
    case 2:
    case 126:
    case 127:
        return RESTART_USAGE;
    default:
        return RESTART_ERROR;
    }
}

static enum restart_cause cause_of_ranks(const struct job *j)
{
    const char *node;
    bool all_well = j->exit_status == 0 || j->exit_status == 85;
    if (j->exit_status == 124 && j->stop.saving)
        return RESTART_SAVED;
    if (all_well && j->stop.cause == STOP_NONE)
        return j->exit_status == 0 ? RESTART_SUCCESS : RESTART_UNCLEAN;
    if (job_lost_port(j, &node))
        return RESTART_PORT;
    if (j->exit_status == RESTART_STATUS)
        return RESTART_NO_MORE;
    for (uint32_t i = 0; j->ranks && i < j->plan.world_size; i++) {
        if (j->ranks[i].v.end == RANK_EXEC_FAILED && !j->ranks[i].v.ended_by_us)
            return RESTART_USAGE;
    }
    return RESTART_RANK;
}

static enum restart_cause cause_of(const struct job *j)
{
    switch (j->stop.cause) {
    case STOP_NONE:
    case STOP_RANK:
        break;
    case STOP_SIGNAL:
        return RESTART_USER;
    case STOP_TIME_LIMIT:
        return RESTART_LIMIT;
    case STOP_NODE_LOST:
        return RESTART_NODE;
    case STOP_ERROR:
        return cause_of_status(j->stop.status);
    }
    return cause_of_ranks(j);
}

/* A new agent has answered there, and has proven that nothing is left. */
static bool is_usable(const struct job_node *n)
{
    return n->teardown &&
           (strcmp(n->teardown, "clean") == 0 || strcmp(n->teardown, "forced") == 0);
}

int job_outcome(const struct job *j, struct job_outcome *ret)
{
    struct job_outcome o = {.cause = cause_of(j),
                            .exit_status = j->exit_status,
                            .sentence = j->sentence,
                            .ran = j->ran,
                            .asked_to_save = j->stop.saving != NULL ||
                                             j->stop.cause == STOP_TIME_LIMIT,
                            .has_step = j->has_step,
                            .first_step = j->first_step,
                            .last_step = j->last_step,
                            .uncounted = j->uncounted,
                            .ledger = &j->ledger};
    if (!(o.lost = calloc(j->n_nodes, sizeof *o.lost)))
        return -ENOMEM;
    for (uint32_t i = 0; i < j->n_nodes; i++) {
        const struct job_node *n = &j->nodes[i];
        bool refused = n->teardown && strcmp(n->teardown, "not started") == 0;
        bool lost = (n->lost || refused) && !is_usable(n);
        if (lost)
            o.lost[o.n_lost++] = i;
        else
            o.unclean = o.unclean || (n->teardown && !is_usable(n));
    }
    *ret = o;
    return 0;
}
