/* SPDX-License-Identifier: MIT */
/* run_slurm.c - a signal that ends the run inside a job of Slurm's: it may be the user's,
 * or Slurm's own, which is about to take the nodes. What Slurm says of the job while the
 * ranks have their grace tells which. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/run_impl.h"
#include "launcher/slurm/ask.h"
#include "launcher/slurm/jobend.h"
#include "proto/base/log.h"

static void tell(struct run *r, enum restart_cause cause, int status, const char *why)
{
    if (r->slurm_told)
        return;
    r->slurm_told = true;
    r->slurm_cause = cause;
    log_note("Slurm ends this job: %s", why);
    if (r->job)
        job_explain_stop(r->job, why, status);
}

static void tell_end(struct run *r, const struct slurm_end *end)
{
    switch (end->why) {
    case SLURM_GOES_ON: /* then the signal was somebody's */
        return;
    case SLURM_CANCELLED:
        tell(r, RESTART_USER, 0, end->text);
        return;
    case SLURM_TIMEOUT:
        tell(r, RESTART_LIMIT, 124, end->text);
        return;
    case SLURM_TAKEN:
        tell(r, RESTART_SLURM, 0, end->text);
        return;
    }
}

static void on_why(void *arg, const struct slurm_job *job, const struct err *e)
{
    struct run *r = arg;
    struct slurm_end end = {.why = SLURM_TAKEN, .text = "it could not be asked why"};
    r->why_known = true;
    if (job)
        slurm_end_of(job, &end);
    else
        log_debug("why Slurm ends the job: %s", e->text);
    tell_end(r, &end);
    if (r->awaits_why)
        loop_stop(r->loop);
}

void run_ask_slurm(struct run *r, int signum)
{
    struct err e;
    if (!r->slurm_job || r->held || signum != SIGTERM || r->why_ask || r->slurm_told)
        return;
    if (r->job) /* Slurm waits no longer than its KillWait */
        job_shorten_grace(r->job, limitwatch_grace(r->limits));
    if (limitwatch_is_slurms(r->limits)) {
        tell(r, RESTART_LIMIT, 124, "its time limit was reached");
        return;
    }
    if (slurm_ask_job(r->loop, r->slurm_job, on_why, r, &r->why_ask, &e) < 0)
        log_debug("why Slurm ends the job: %s", e.text);
}

static void on_patience(void *arg)
{
    struct run *r = arg;
    loop_stop(r->loop);
}

void run_await_why(struct run *r)
{
    struct loop_timer *patience;
    if (!r->why_ask || r->why_known || r->slurm_told ||
        !(patience = loop_timer_create(r->loop, on_patience, r)))
        return;
    r->awaits_why = true;
    loop_timer_start(patience, limitwatch_grace(r->limits), 0);
    loop_run(r->loop);
    loop_timer_destroy(patience);
    r->awaits_why = false;
    if (!r->why_known)
        on_why(r, NULL, &(struct err){.text = "no answer in time"});
}

void run_lose_slurm(struct run *r, const struct err *why, const struct slurm_end *end)
{
    log_info("%s", why->text);
    r->stopped = true;
    tell_end(r, end);
    if (run_is_between(r))
        loop_stop(r->loop);
    else if (!r->settling)
        job_stop(r->job, SIGTERM, false);
}

void run_settle_slurm(struct run *r)
{
    struct job_outcome o;
    if (!r->held || r->stopped || job_outcome(r->job, &o) < 0)
        return;
    free(o.lost);
    if (o.exit_status == 0)
        return;
    r->settling = true;
    allocation_settle(r->held);
    r->settling = false;
}

enum restart_cause run_slurm_cause(const struct run *r, enum restart_cause found)
{
    bool theirs = found == RESTART_USER || found == RESTART_RANK ||
                  found == RESTART_NODE || found == RESTART_BOOT;
    return r->slurm_told && theirs ? r->slurm_cause : found;
}
