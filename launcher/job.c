/* SPDX-License-Identifier: MIT */
/* job.c - the life of a job: events move the table of jobstate.h, and entering a state
 * does its one action. */
#include "launcher/job_impl.h"
#include "launcher/job_ncclsaid.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/log.h"

#define TICK_MS 250u
#define GRACE_SLACK_MS \
    5000u /* agents kill by themselves after the grace; then we ask */
#define KILL_WAIT_MS 10000u

static void enter_state(struct job *j);

const char *job_node_name(const struct job *j, uint32_t node)
{
    return j->config.nodes->names[node];
}

void job_warn(struct job *j, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        text = NULL;
    va_end(ap);
    if (!text)
        return;
    if (j->n_warnings == LIMIT_NODE_WARNINGS) {
        free(text);
        text = strdup("more warnings are left out");
    }
    if (!text || j->n_warnings > LIMIT_NODE_WARNINGS) {
        free(text);
        return;
    }
    log_warn("%s", text);
    char **more = realloc(j->warnings, (j->n_warnings + 1) * sizeof *more);
    if (!more) {
        free(text);
        return;
    }
    j->warnings = more;
    j->warnings[j->n_warnings++] = text;
}

void job_set_stop(struct job *j, enum stop_cause cause, int number, const char *fmt,
                  ...)
{
    if (j->stop.cause != STOP_NONE)
        return;
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(j->stop_text, sizeof j->stop_text, fmt, ap);
    va_end(ap);
    j->stop.cause = cause;
    if (cause == STOP_ERROR)
        j->stop.status = number;
    else
        j->stop.signum = number;
    j->stop.text = j->stop_text;
}

void job_enter_phase(struct job *j, int phase)
{
    uint64_t now = loop_now_ms(j->loop);
    if (phase <= j->phase)
        return;
    j->phase_ms[j->phase] = now - j->phase_start_ms[j->phase];
    j->phase = phase;
    j->phase_start_ms[phase] = now;
}

/* ---------------------------------------------------------------- events */

void job_event(struct job *j, enum job_event ev)
{
    enum job_state to = jobstate_next(j->state, ev);
    log_debug("job: %s in %s -> %s", jobstate_event_name(ev), jobstate_name(j->state),
              jobstate_name(to));
    if (to == j->state)
        return;
    j->state = to;
    enter_state(j);
}

void job_check_ended(struct job *j)
{
    for (uint32_t i = 0; i < j->plan.world_size; i++) {
        if (j->ranks[i].v.end == RANK_ALIVE)
            return;
    }
    job_event(j, JOB_EV_ALL_ENDED);
}

void job_check_done(struct job *j)
{
    if (j->state != JOB_ENDING)
        return;
    for (uint32_t i = 0; i < j->n_nodes; i++) {
        if (job_awaits(j, i))
            return;
    }
    job_event(j, JOB_EV_ALL_DONE);
}

/* ---------------------------------------------------------------- entering a state */

static void send_stop(struct job *j, uint64_t grace_ms)
{
    Aolani__Stop m = AOLANI__STOP__INIT;
    m.grace_ms = grace_ms;
    m.reason = j->stop_text;
    for (uint32_t i = 0; i < j->n_nodes; i++)
        (void)fleet_send(j->fleet, i, MSG_STOP, j->config.attempt, &m.base);
    uint64_t wait = grace_ms ? grace_ms + GRACE_SLACK_MS : KILL_WAIT_MS;
    loop_timer_start(j->grace, wait, 0);
}

static void on_durable(void *arg, int status)
{
    struct job *j = arg;
    if (status < 0)
        job_warn(j, "the start is not in the journal: %s", strerror(-status));
    job_event(j, JOB_EV_DURABLE);
}

static void enter_preparing(struct job *j)
{
    struct err e;
    int rc = job_plan(j, &e);
    if (rc < 0) {
        job_set_stop(j, STOP_ERROR, err_exit_status(rc), "%s%s%s%s", e.text,
                     e.hint[0] ? " (" : "", e.hint, e.hint[0] ? ")" : "");
        job_event(j, JOB_EV_FAILED);
        return;
    }
    job_enter_phase(j, 1);
    (void)job_journal_phase(j, "prepare");
    job_send_prepare(j);
}

static void enter_committing(struct job *j)
{
    int64_t number = job_journal_phase(j, "start");
    if (number < 0 ||
        journal_when_durable(j->config.journal, number, on_durable, j) < 0)
        on_durable(j, -ENOMEM);
}

static void enter_running(struct job *j)
{
    job_enter_phase(j, 2);
    j->ran = true;
    if (j->config.running)
        j->config.running(j->config.arg);
    job_send_start(j);
}

static void enter_stopping(struct job *j)
{
    job_enter_phase(j, 4);
    (void)job_journal_phase(j, "stop");
    if (j->stop_text[0])
        log_info("stopping the ranks: %s", j->stop_text);
    send_stop(j, j->state == JOB_KILLING ? 0 : j->grace_ms);
    job_check_ended(j);
}

static void enter_ending(struct job *j)
{
    job_enter_phase(j, 5);
    job_tell_drift(j, loop_now_ms(j->loop), true);
    loop_timer_stop(j->grace);
    (void)job_journal_phase(j, "end");
    job_end_stdin(j);
    fleet_stop_starting(j->fleet);
    if (j->outfiles)
        outfiles_last(j->outfiles, LIMIT_FULL_DISK_MS);
    for (uint32_t i = 0; i < j->n_nodes; i++) {
        if (fleet_is_up(j->fleet, i) && j->nodes[i].step < NODE_ENDING)
            job_send_end(j, i);
    }
    job_check_done(j);
}

static void deferred_finished(void *arg)
{
    struct job *j = arg;
    j->config.finished(j->config.arg);
}

/* The last output may still wait for the disk: on the loop, so that the user can end
 * that. */
void job_finish_once(struct job *j)
{
    if (j->finished || (j->outfiles && outfiles_unwritten(j->outfiles) > 0))
        return;
    j->finished = true;
    job_prove_net(j);
    loop_timer_stop(j->tick);
    if (loop_defer(j->loop, deferred_finished, j) < 0)
        deferred_finished(j);
}

static void enter_closed(struct job *j)
{
    uint64_t now = loop_now_ms(j->loop);
    j->phase_ms[j->phase] = now - j->phase_start_ms[j->phase];
    job_variance_finish(j, now);
    job_conclude(j);
    job_steps_end(j);
    job_finish_once(j);
}

static void enter_state(struct job *j)
{
    switch (j->state) {
    case JOB_BOOTING:
        break;
    case JOB_AUDITING:
        job_audit_begin(j);
        break;
    case JOB_PREPARING:
        enter_preparing(j);
        break;
    case JOB_TRYING:
        job_try_port(j);
        break;
    case JOB_COMMITTING:
        enter_committing(j);
        break;
    case JOB_RUNNING:
        enter_running(j);
        break;
    case JOB_STOPPING:
    case JOB_KILLING:
        enter_stopping(j);
        break;
    case JOB_ENDING:
        enter_ending(j);
        break;
    case JOB_CLOSED:
        enter_closed(j);
        break;
    }
}

/* ---------------------------------------------------------------- time */

static void on_grace(void *arg)
{
    struct job *j = arg;
    job_event(j, JOB_EV_GRACE_OVER);
}

static void on_tick(void *arg)
{
    struct job *j = arg;
    uint64_t now = loop_now_ms(j->loop);
    job_variance_tick(j, now);
    job_tell_drift(j, now, false);
    job_progress_tick(j, now);
    job_show_progress(j, now);
    job_audit_tick(j, now);
    if (j->state == JOB_ENDING)
        job_watch_ending(j, now);
    if (j->state == JOB_CLOSED)
        job_finish_once(j);
}

/* ---------------------------------------------------------------- the caller's side */

int job_create(struct loop *l, const struct job_config *c, struct job **ret,
               struct err *e)
{
    struct job *j = calloc(1, sizeof *j);
    if (!j)
        return err_sys(e, -ENOMEM, "make a job");
    j->loop = l;
    j->config = *c;
    ledger_init(&j->ledger);
    j->n_nodes = (uint32_t)c->nodes->n;
    j->nodes = calloc(j->n_nodes, sizeof *j->nodes);
    j->grace_ms = c->spec->failure.grace_ms;
    j->grace = loop_timer_create(l, on_grace, j);
    j->tick = loop_timer_create(l, on_tick, j);
    int rc = j->nodes && j->grace && j->tick
                 ? 0
                 : err_sys(e, -ENOMEM, "make a job of %u nodes", j->n_nodes);
    struct fleet_config fc = {.spec = c->spec,
                              .nodes = c->nodes,
                              .job_key = c->job_key,
                              .epoch = c->epoch,
                              .attempt = c->attempt};
    for (size_t i = 0; i < sizeof fc.run_id; i++) {
        unsigned byte = 0;
        (void)sscanf(c->run_id + 2 * i, "%2x", &byte);
        fc.run_id[i] = (uint8_t)byte;
    }
    if (rc == 0)
        rc = fleet_create(l, &fc, &job_fleet_ops, j, &j->fleet, e);
    secure_wipe(&fc.job_key, sizeof fc.job_key);
    if (rc < 0) {
        job_destroy(j);
        return rc;
    }
    *ret = j;
    return 0;
}

void job_start(struct job *j)
{
    j->phase_start_ms[0] = loop_now_ms(j->loop);
    (void)job_journal_phase(j, "connect");
    loop_timer_start(j->tick, TICK_MS, TICK_MS);
    fleet_start(j->fleet);
}

void job_stop(struct job *j, int signum, bool kill)
{
    if (j->state >= JOB_ENDING) { /* how it ended is settled */
        if (j->outfiles)
            outfiles_last(j->outfiles, 0);
        return;
    }
    job_set_stop(j, STOP_SIGNAL, signum, "%s", strsignal(signum));
    job_event(j, kill ? JOB_EV_KILL_ASKED : JOB_EV_STOP_ASKED);
}

void job_leave(struct job *j)
{
    job_event(j, JOB_EV_KILL_ASKED);
    job_event(j, JOB_EV_GRACE_OVER);
    if (j->outfiles)
        outfiles_last(j->outfiles, 0);
    for (uint32_t i = 0; i < j->n_nodes; i++) {
        if (job_awaits(j, i))
            job_give_up(j, i, "not waited for");
    }
}

void job_signal(struct job *j, int signum)
{
    Aolani__Signal m = AOLANI__SIGNAL__INIT;
    /* An agent without ranks would end its link over it, and hear it again on the next. */
    if (j->state < JOB_RUNNING || j->state > JOB_KILLING) {
        log_note("%s is passed on to nobody: no rank runs %s", strsignal(signum),
                 j->state < JOB_RUNNING ? "yet" : "any more");
        return;
    }
    m.signum = signum;
    for (uint32_t i = 0; i < j->n_nodes; i++)
        (void)fleet_send(j->fleet, i, MSG_SIGNAL, j->config.attempt, &m.base);
}

void job_destroy(struct job *j)
{
    if (!j)
        return;
    job_end_stdin(j);
    fleet_destroy(j->fleet);
    loop_timer_destroy(j->grace);
    loop_timer_destroy(j->tick);
    fences_destroy(j->fences);
    job_audit_destroy(j->audit);
    netwatch_destroy(j->netwatch);
    job_ncclsaid_destroy(j->ncclsaid, j->plan.world_size);
    if (j->outfiles)
        outfiles_destroy(j->outfiles, 2000);
    steps_destroy(j->steps);
    stepsource_fini(&j->source);
    job_variance_destroy(j->variance);
    for (uint32_t i = 0; j->ranks && i < j->plan.world_size; i++) {
        free(j->ranks[i].cpus);
        binding_destroy(j->ranks[i].binding);
    }
    driftlines_fini(&j->drifts);
    for (uint32_t i = 0; j->nodes && i < j->n_nodes; i++)
        free(j->nodes[i].program);
    for (size_t i = 0; i < j->n_warnings; i++)
        free(j->warnings[i]);
    job_plan_fini(j);
    free(j->warnings);
    free(j->ranks);
    free(j->node_of_rank);
    free(j->nodes);
    free(j->replaced);
    free(j->nets);
    gpufaults_fini(&j->faults);
    job_summary_fini(j);
    free(j);
}
