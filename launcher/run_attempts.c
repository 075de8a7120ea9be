/* SPDX-License-Identifier: MIT */
/* run_attempts.c - one attempt after the other, until restart.h says that none follows. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/run_impl.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

#define NAMES_TRIED 100u /* folders that a head made before it died, and never used */

static void on_finished(void *arg)
{
    struct run *r = arg;
    loop_stop(r->loop);
}

/* The signal to us may come later than the ends of the ranks, or not at all. */
static void on_told(void *arg, int signum)
{
    run_ask_slurm(arg, signum);
}

static void on_running(void *arg)
{
    struct run *r = arg;
    limitwatch_begin(r->limits);
}

/* ---- one of them ---- */

static int make_folder(struct run *r, struct err *e)
{
    int rc = -EEXIST;
    for (unsigned i = 0; i < NAMES_TRIED && rc == -EEXIST; i++) {
        r->attempt++;
        rc = rundir_attempt(&r->dir, r->attempt, r->attempt_dir, sizeof r->attempt_dir,
                            e);
    }
    return rc;
}

static int attempt_open(struct run *r, struct err *e)
{
    uint64_t best;
    int rc = make_folder(r, e);
    if (rc < 0)
        return rc;
    bool known = runstate_done_step(&r->state, &best);
    struct job_config c = {.spec = r->spec,
                           .nodes = &r->nodes,
                           .journal = r->journal,
                           .live = r->live,
                           .attempt_dir = r->attempt_dir,
                           .limits = r->limits_found,
                           .run_id = r->run_id,
                           .job_key = r->key,
                           .epoch = r->epoch,
                           .attempt = r->attempt,
                           .restarts = runstate_restarts(&r->state),
                           .done_steps = known ? best + 1 : 0,
                           .renumbered = runstate_renumbered(&r->state),
                           .running = on_running,
                           .told = on_told,
                           .finished = on_finished,
                           .arg = r};
    rc = job_create(r->loop, &c, &r->job, e);
    secure_wipe(&c.job_key, sizeof c.job_key);
    return rc;
}

static int attempt_run(struct run *r, struct err *e)
{
    int rc = attempt_open(r, e);
    if (rc < 0) { /* what came before is in the journal, and so is its end */
        run_journal_end(r, err_exit_status(rc), e->text);
        return rc;
    }
    interrupt_watch(r->interrupt, r->job);
    r->job_ns = clock_mono_ns();
    job_start(r->job);
    if (r->stopped) /* while what a former head had left was ended */
        job_stop(r->job, r->stop_signum ? r->stop_signum : SIGTERM, false);
    else if (r->time_is_up)
        job_reach_limit(r->job, r->spec->failure.grace_ms, r->limit_what);
    loop_run(r->loop);
    run_settle_slurm(r);
    interrupt_watch(r->interrupt, NULL);
    return 0;
}

/* ---- between two ---- */

static unsigned failures_in_row(const struct run *r, unsigned fruitless)
{
    unsigned n = 0;
    for (size_t i = r->state.n_attempts; i > 0 && r->state.attempts[i - 1].spent; i--)
        n++;
    return fruitless > 0 && fruitless < n + 1 ? fruitless : n + 1;
}

static void decide(struct run *r, const struct job_outcome *o)
{
    bool is_port = o->cause == RESTART_PORT;
    r->ports = is_port ? r->ports + 1 : 0;
    const struct runstate_attempt steps = {
        .has_step = o->has_step, .last_step = o->last_step, .uncounted = o->uncounted};
    unsigned fruitless = runstate_fruitless_with(&r->state, o->ran, &steps);
    struct restart_facts f = {
        .cause = run_slurm_cause(r, o->cause),
        .ran = o->ran,
        .asked_to_save = o->asked_to_save,
        .unclean = o->unclean,
        .n_lost = o->n_lost,
        .n_spares = (uint32_t)(r->nodes.n_spares - r->nodes.next_spare),
        .n_nodes = (uint32_t)r->nodes.n,
        .min_nodes = r->spec->failure.min_nodes,
        .max_restarts = r->spec->failure.max_restarts,
        .restarts = runstate_restarts(&r->state),
        .ports = r->ports,
        .fruitless = fruitless,
        .in_row = failures_in_row(r, fruitless),
        .later = r->spec->schedule.chain > 1 || r->spec->schedule.requeue,
        .lease_ms = r->spec->failure.head_lease_ms};
    if (r->stopped && (f.cause == RESTART_RANK || f.cause == RESTART_NODE ||
                       f.cause == RESTART_BOOT || is_port))
        f.cause = RESTART_USER; /* whatever came first: nothing more is wanted */
    r->cause = f.cause;
    r->fruitless = fruitless;
    restart_decide(&f, &r->decision);
}

/* "n2", "n2, n3", "n2, n3, n4 and 7 more"; which NULL: the first n. */
static void list_names(char *const *names, const uint32_t *which, uint32_t n,
                       char *text, size_t len)
{
    size_t at = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < n && at < len; i++) {
        const char *name = names[which ? which[i] : i];
        int more = i < 3 ? snprintf(text + at, len - at, "%s%s", i ? ", " : "", name)
                         : snprintf(text + at, len - at, " and %u more", n - i);
        at += more > 0 ? (size_t)more : 0;
        if (i == 3)
            return;
    }
}

static bool has_other_nodes(const struct run *r)
{
    return r->decision.act == RESTART_SPARE || r->decision.act == RESTART_WITHOUT;
}

/* Which nodes the next attempt will have in place of the lost ones. */
static void say_changes(const struct run *r, char *text, size_t len)
{
    char lost[300], by[300];
    size_t spares = r->nodes.n_spares - r->nodes.next_spare,
           left = r->nodes.n - r->n_lost + spares;
    list_names(r->nodes.names, r->lost, r->n_lost, lost, sizeof lost);
    if (r->decision.act == RESTART_WITHOUT) {
        (void)snprintf(text, len, ", without %s: on %zu node%s", lost, left,
                       left == 1 ? "" : "s");
        return;
    }
    list_names(r->nodes.spares + r->nodes.next_spare, NULL, r->n_lost, by, sizeof by);
    (void)snprintf(text, len, ", with %s in place of %s", by, lost);
}

/* Spares take the places of the lost nodes as long as there are any. The job of the attempt
 * that lost them knows its nodes by these names: not while it is there. */
static void change_nodes(struct run *r)
{
    uint32_t n = 0;
    while (n < r->n_lost && nodes_take_spare(&r->nodes, r->lost[n]))
        n++;
    for (uint32_t i = r->n_lost; i > n; i--) /* from behind: the others keep theirs */
        nodes_drop(&r->nodes, r->lost[i - 1]);
    free(r->lost);
    r->lost = NULL;
    r->n_lost = 0;
}

static void say_again(struct run *r, const struct job_outcome *o)
{
    char changed[700] = "", when[48] = "", left[48] = "";
    if (has_other_nodes(r))
        say_changes(r, changed, sizeof changed);
    if (r->decision.delay_ms > 0) {
        char took[32];
        clock_format_duration(r->decision.delay_ms, took, sizeof took);
        (void)snprintf(when, sizeof when, " in %s", took);
    }
    if (r->decision.spends)
        (void)snprintf(left, sizeof left, " (restart %u of %lld)",
                       runstate_restarts(&r->state),
                       (long long)r->spec->failure.max_restarts);
    const char *node;
    uint32_t port = job_lost_port(r->job, &node);
    if (port)
        log_note("MASTER_PORT %u on %s was taken by another program; attempt %u begins",
                 port, node, r->attempt + 1);
    else
        log_note("%s; attempt %u begins%s%s%s", o->sentence, r->attempt + 1, when,
                 changed, left);
}

/* Why there is no other, where that is not plain from how it ended. */
static void say_last(struct run *r, const struct job_outcome *o)
{
    const char *node;
    uint32_t port = job_lost_port(r->job, &node);
    (void)snprintf(r->sentence, sizeof r->sentence, "%s", o->sentence);
    size_t at = strlen(r->sentence);
    char *more = r->sentence + at;
    size_t len = sizeof r->sentence - at;
    if (r->decision.fruitless)
        (void)snprintf(
            more, len,
            "; %u attempts in a row have ended no new step: the run ends here",
            r->fruitless);
    else if (r->decision.exhausted)
        (void)snprintf(more, len, "; %lld restart%s made, and no more are allowed",
                       (long long)r->spec->failure.max_restarts,
                       r->spec->failure.max_restarts == 1 ? " was" : "s were");
    else if (r->decision.act == RESTART_OPEN && r->cause != RESTART_SAVED)
        (void)snprintf(more, len, "; to be continued");
    else if (r->decision.unproven)
        (void)snprintf(more, len,
                       "; it is not begun again beside what may be left there");
    if (port && !r->stopped)
        log_warn("MASTER_PORT %u on %s was taken by another program, as those before "
                 "it: the job is not begun again",
                 port, node);
}

static void on_pause(void *arg)
{
    struct run *r = arg;
    loop_stop(r->loop);
}

/* True: it was not cut short. */
static bool make_pause(struct run *r)
{
    uint64_t from = clock_mono_ns();
    if (r->decision.delay_ms > 0 && !r->stopped && !r->time_is_up &&
        (r->pause || (r->pause = loop_timer_create(r->loop, on_pause, r)))) {
        loop_timer_start(r->pause, r->decision.delay_ms, 0);
        r->pausing = true;
        loop_run(r->loop);
        r->pausing = false;
        loop_timer_stop(r->pause);
    }
    r->pause_ns = clock_mono_ns() - from;
    return !r->stopped && !r->time_is_up;
}

/* The end of one attempt: what follows it is decided, said and written down. */
static int conclude_attempt(struct run *r, struct err *e)
{
    struct job_outcome o;
    run_await_why(r);
    if (job_outcome(r->job, &o) < 0)
        return err_sys(e, -ENOMEM, "say how attempt %u ended", r->attempt);
    decide(r, &o);
    bool again = r->decision.act != RESTART_END && r->decision.act != RESTART_OPEN;
    r->exit_status = o.exit_status;
    (void)snprintf(r->sentence, sizeof r->sentence, "%s", o.sentence);
    if (!again)
        say_last(r, &o);
    int rc = run_keep_attempt(r, &o, again && o.cause == RESTART_PORT);
    r->lost = o.lost;
    r->n_lost = has_other_nodes(r) ? o.n_lost : 0;
    if (rc == 0 && again)
        say_again(r, &o);
    return rc < 0 ? err_sys(e, rc, "say how attempt %u ended", r->attempt) : again;
}

/* It was to be begun again, but the pause before it was cut short. */
static void abandon_pause(struct run *r)
{
    run_await_why(r);
    bool user = r->stopped && run_slurm_cause(r, RESTART_USER) == RESTART_USER;
    (void)snprintf(r->sentence + strlen(r->sentence),
                   sizeof r->sentence - strlen(r->sentence), "; %s",
                   user ? "stopped before it was begun again" : "to be continued");
    r->decision.act = user ? RESTART_END : RESTART_OPEN;
    if (!user && (!r->slurm_told || r->slurm_cause == RESTART_LIMIT))
        r->exit_status = 124;
    log_note("%s", r->sentence);
}

int run_attempts(struct run *r, struct err *e)
{
    int rc = run_sweep(r, e);
    if (rc < 0)
        return rc;
    for (;;) {
        if ((rc = attempt_run(r, e)) < 0 || (rc = conclude_attempt(r, e)) < 0)
            return rc;
        if (rc == 0)
            return 0;
        struct summary s;
        run_fill_summary(r, &s);
        run_keep_json(r, &s, false);
        if (!make_pause(r)) {
            abandon_pause(r);
            return 0;
        }
        job_destroy(r->job);
        r->job = NULL;
        change_nodes(r);
    }
}
