/* SPDX-License-Identifier: MIT */
/* job.c - the life of a job: events move the table of jobstate.h, and entering a state
 * does its one action. */
#include "launcher/job_impl.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/clock.h"
#include "proto/base/log.h"

#define TICK_MS       250u
#define SAY_FIRST_MS  2000u  /* silence a user bears before asking what goes on */
#define SAY_AGAIN_MS  10000u
#define GRACE_SLACK_MS 5000u /* agents kill by themselves after the grace; then we ask */
#define KILL_WAIT_MS  10000u
#define END_SILENT_MS 30000u /* a node that says nothing for so long after END */

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
    log_warn("%s", text);
    char **more = realloc(j->warnings, (j->n_warnings + 1) * sizeof *more);
    if (!more) {
        free(text);
        return;
    }
    j->warnings = more;
    j->warnings[j->n_warnings++] = text;
}

void job_set_stop(struct job *j, enum stop_cause cause, int number, const char *fmt, ...)
{
    if (j->stop.cause != STOP_NONE)
        return;
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(j->stop_text, sizeof j->stop_text, fmt, ap);
    va_end(ap);
    j->stop.cause = cause;
    j->stop.signum = number;
    j->stop.status = number;
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
        if (j->nodes[i].step == NODE_ENDING || j->nodes[i].recovering)
            return;
    }
    job_event(j, JOB_EV_ALL_DONE);
}

/* ---------------------------------------------------------------- the fleet's news */

static void check_booted(struct job *j)
{
    bool refused = false;
    for (uint32_t i = 0; i < j->n_nodes; i++) {
        if (j->nodes[i].step == NODE_AWAITED)
            return;
        refused = refused || j->nodes[i].step == NODE_REFUSED;
    }
    if (!refused) {
        job_event(j, JOB_EV_ALL_UP);
        return;
    }
    char text[500];
    job_group_errors(j, NODE_REFUSED, text, sizeof text);
    job_set_stop(j, STOP_ERROR, 80, "agents could not start: %s", text);
    job_event(j, JOB_EV_FAILED);
}

/* Finish a node: everything it had to say came with the agent that asked. */
static void send_end(struct job *j, uint32_t node)
{
    struct job_node *n = &j->nodes[node];
    Aolani__End m = AOLANI__END__INIT;
    n->end_sent_ms = loop_now_ms(j->loop);
    n->recovering = false;
    if (fleet_send(j->fleet, node, MSG_END, j->config.attempt, &m.base) < 0) {
        n->step = NODE_FINISHED;
        return;
    }
    n->step = NODE_ENDING;
    fleet_set_phase(j->fleet, node, PHASE_ENDING);
}

static void on_up(void *arg, uint32_t node)
{
    struct job *j = arg;
    struct job_node *n = &j->nodes[node];
    job_journal_node(j, node, n->recovering ? "recovering" : "up", "",
                     fleet_info(j->fleet, node));
    log_info("%s: agent is up", job_node_name(j, node));
    if (n->recovering || j->state == JOB_ENDING) {
        send_end(j, node);
        return;
    }
    n->step = NODE_DESCRIBED;
    check_booted(j);
}

static void give_up(struct job *j, uint32_t node, const char *why)
{
    struct job_node *n = &j->nodes[node];
    n->step = NODE_FINISHED;
    n->recovering = false;
    n->teardown = "not proven";
    (void)snprintf(n->detail, sizeof n->detail, "%s", why);
    j->stop.unclean = true;
    job_journal_node(j, node, "given up", why, NULL);
    job_check_done(j);
}

static void on_boot_failed(void *arg, uint32_t node, const struct err *e)
{
    struct job *j = arg;
    struct job_node *n = &j->nodes[node];
    job_journal_node(j, node, "boot failed", e->text, NULL);
    if (n->recovering) {
        job_warn(j, "%s: what the lost agent left could not be cleaned up: %s",
                 job_node_name(j, node), e->text);
        give_up(j, node, e->text);
        return;
    }
    log_info("%s: %s", job_node_name(j, node), e->text);
    n->step = NODE_REFUSED;
    n->teardown = "not started";
    (void)snprintf(n->error, sizeof n->error, "%s", e->text);
    (void)snprintf(n->hint, sizeof n->hint, "%s", e->hint);
    if (j->state == JOB_BOOTING)
        check_booted(j);
    else
        job_check_done(j);
}

static void lose_ranks(struct job *j, uint32_t node)
{
    for (uint32_t i = j->plan.first_rank ? j->plan.first_rank[node] : 0;
         j->ranks && i < j->plan.first_rank[node + 1]; i++) {
        if (j->ranks[i].v.end == RANK_ALIVE)
            j->ranks[i].v.end = RANK_LOST;
    }
}

static void on_lost(void *arg, uint32_t node, const struct err *e)
{
    struct job *j = arg;
    struct job_node *n = &j->nodes[node];
    struct err re;
    job_journal_node(j, node, "lost", e->text, NULL);
    if (n->recovering || n->step == NODE_FINISHED || j->state == JOB_CLOSED) {
        give_up(j, node, e->text);
        return;
    }
    log_warn("node \"%s\" is lost: %s", job_node_name(j, node), e->text);
    job_set_stop(j, STOP_NODE_LOST, 0, "node \"%s\" was lost: %s", job_node_name(j, node),
                 e->text);
    lose_ranks(j, node);
    n->teardown = "lost";
    n->recovering = true;
    if (j->fences)
        fences_node_lost(j->fences, node);
    if (fleet_recover(j->fleet, node, &re) < 0)
        give_up(j, node, re.text);
    job_event(j, JOB_EV_FAILED);
    if (j->ranks)
        job_check_ended(j);
}

static int on_message(void *arg, uint32_t node, const struct envelope *v, struct err *e)
{
    return job_message(arg, node, v, e);
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
        job_set_stop(j, STOP_ERROR, err_exit_status(rc), "%s", e.text);
        if (e.hint[0])
            log_note("hint: %s", e.hint);
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
    if (number < 0 || journal_when_durable(j->config.journal, number, on_durable, j) < 0)
        on_durable(j, -ENOMEM);
}

static void enter_running(struct job *j)
{
    job_enter_phase(j, 2);
    if (j->config.spec->job.time_limit_ms)
        loop_timer_start(j->limit, j->config.spec->job.time_limit_ms, 0);
    job_send_start(j);
}

static void enter_stopping(struct job *j)
{
    job_enter_phase(j, 4);
    loop_timer_stop(j->limit);
    (void)job_journal_phase(j, "stop");
    if (j->stop_text[0])
        log_info("stopping the ranks: %s", j->stop_text);
    send_stop(j, j->state == JOB_KILLING ? 0 : j->config.spec->failure.grace_ms);
    job_check_ended(j);
}

static void enter_ending(struct job *j)
{
    job_enter_phase(j, 5);
    loop_timer_stop(j->limit);
    loop_timer_stop(j->grace);
    (void)job_journal_phase(j, "end");
    fleet_stop_starting(j->fleet);
    for (uint32_t i = 0; i < j->n_nodes; i++) {
        if (fleet_is_up(j->fleet, i) && j->nodes[i].step < NODE_ENDING)
            send_end(j, i);
    }
    job_check_done(j);
}

static void deferred_finished(void *arg)
{
    struct job *j = arg;
    j->config.finished(j->config.arg);
}

static void enter_closed(struct job *j)
{
    uint64_t now = loop_now_ms(j->loop);
    j->phase_ms[j->phase] = now - j->phase_start_ms[j->phase];
    loop_timer_stop(j->tick);
    if (j->steps)
        steps_finish(j->steps);
    job_conclude(j);
    if (loop_defer(j->loop, deferred_finished, j) < 0)
        deferred_finished(j);
}

static void enter_state(struct job *j)
{
    switch (j->state) {
    case JOB_BOOTING:
        break;
    case JOB_PREPARING:
        enter_preparing(j);
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

static void on_limit(void *arg)
{
    struct job *j = arg;
    char text[32];
    clock_format_duration(j->config.spec->job.time_limit_ms, text, sizeof text);
    log_note("the time limit of %s is reached", text);
    job_set_stop(j, STOP_TIME_LIMIT, 0, "time limit of %s", text);
    job_event(j, JOB_EV_STOP_ASKED);
}

static void on_grace(void *arg)
{
    struct job *j = arg;
    job_event(j, JOB_EV_GRACE_OVER);
}

static void watch_ending(struct job *j, uint64_t now)
{
    for (uint32_t i = 0; i < j->n_nodes; i++) {
        struct job_node *n = &j->nodes[i];
        uint64_t heard = fleet_heard_ms(j->fleet, i);
        uint64_t since = heard > n->end_sent_ms ? heard : n->end_sent_ms;
        if (n->step == NODE_ENDING && now - since > END_SILENT_MS) {
            job_warn(j, "%s: no answer to the end of the job", job_node_name(j, i));
            fleet_release(j->fleet, i);
            give_up(j, i, "no answer to the end of the job");
            return;
        }
    }
}

static const char *describe_state(const struct job *j, char *text, size_t len)
{
    uint32_t waiting = 0;
    for (uint32_t i = 0; i < j->n_nodes; i++)
        waiting += j->state == JOB_BOOTING  ? j->nodes[i].step == NODE_AWAITED
                   : j->state == JOB_ENDING ? j->nodes[i].step == NODE_ENDING ||
                                                  j->nodes[i].recovering
                                            : 0;
    if (j->state == JOB_BOOTING)
        (void)snprintf(text, len, "starting agents: %u of %u nodes are up",
                       j->n_nodes - waiting, j->n_nodes);
    else if (j->state == JOB_PREPARING || j->state == JOB_COMMITTING)
        (void)snprintf(text, len, "preparing the ranks on %u nodes", j->n_nodes);
    else if (j->state == JOB_STOPPING)
        (void)snprintf(text, len, "stopping: the ranks have their grace");
    else if (j->state == JOB_KILLING)
        (void)snprintf(text, len, "killing the ranks");
    else if (j->state == JOB_ENDING)
        (void)snprintf(text, len, "ending: %u of %u nodes are clean",
                       j->n_nodes - waiting, j->n_nodes);
    else
        (void)snprintf(text, len, "%u ranks are running on %u nodes", j->plan.world_size,
                       j->n_nodes);
    return text;
}

/* Without a terminal to keep a line on: a word now and then while the user waits. */
static void say_progress(struct job *j, uint64_t now)
{
    if (j->state == JOB_RUNNING) {
        j->said_ms = 0;
        return;
    }
    uint64_t since = now - j->phase_start_ms[j->phase];
    uint64_t again = j->said_ms ? j->said_ms + SAY_AGAIN_MS : 0;
    if (since < SAY_FIRST_MS || now < again)
        return;
    char text[160];
    j->said_ms = now;
    log_note("%s", describe_state(j, text, sizeof text));
}

static void show_live(struct job *j)
{
    char text[160];
    struct steps_now now;
    if (j->state == JOB_RUNNING && j->saw_steps) {
        steps_now(j->steps, &now);
        const char *node = now.slowest_rank >= 0
                               ? j->node_of_rank[(uint32_t)now.slowest_rank]
                               : NULL;
        if (now.closed > 0) {
            live_steps(j->config.live, &now, node);
            return;
        }
    }
    live_status(j->config.live, describe_state(j, text, sizeof text));
}

static void on_tick(void *arg)
{
    struct job *j = arg;
    uint64_t now = loop_now_ms(j->loop);
    if (j->steps)
        steps_tick(j->steps, now);
    if (live_is_active(j->config.live))
        show_live(j);
    else
        say_progress(j, now);
    if (j->held && outfiles_backlog(j->outfiles) < (1u << 20)) {
        j->held = false;
        fleet_hold(j->fleet, false);
    }
    if (j->state == JOB_ENDING)
        watch_ending(j, now);
}

/* ---------------------------------------------------------------- the caller's side */

int job_create(struct loop *l, const struct job_config *c, struct job **ret, struct err *e)
{
    static const struct fleet_ops ops = {.up = on_up,
                                         .boot_failed = on_boot_failed,
                                         .lost = on_lost,
                                         .message = on_message};
    struct job *j = calloc(1, sizeof *j);
    if (!j)
        return err_sys(e, -ENOMEM, "make a job");
    j->loop = l;
    j->config = *c;
    j->n_nodes = (uint32_t)c->nodes->n;
    j->nodes = calloc(j->n_nodes, sizeof *j->nodes);
    j->limit = loop_timer_create(l, on_limit, j);
    j->grace = loop_timer_create(l, on_grace, j);
    j->tick = loop_timer_create(l, on_tick, j);
    int rc = j->nodes && j->limit && j->grace && j->tick
                 ? 0
                 : err_sys(e, -ENOMEM, "make a job of %u nodes", j->n_nodes);
    struct fleet_config fc = {.spec = c->spec,
                              .nodes = c->nodes,
                              .job_key = c->job_key,
                              .epoch = c->epoch};
    for (size_t i = 0; i < sizeof fc.run_id; i++) {
        unsigned byte = 0;
        (void)sscanf(c->run_id + 2 * i, "%2x", &byte);
        fc.run_id[i] = (uint8_t)byte;
    }
    if (rc == 0)
        rc = fleet_create(l, &fc, &ops, j, &j->fleet, e);
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
    job_set_stop(j, STOP_SIGNAL, signum, "%s", strsignal(signum));
    job_event(j, kill ? JOB_EV_KILL_ASKED : JOB_EV_STOP_ASKED);
}

void job_signal(struct job *j, int signum)
{
    Aolani__Signal m = AOLANI__SIGNAL__INIT;
    m.signum = signum;
    for (uint32_t i = 0; i < j->n_nodes; i++)
        (void)fleet_send(j->fleet, i, MSG_SIGNAL, j->config.attempt, &m.base);
}

void job_print_status(const struct job *j)
{
    char text[160];
    log_answer("%s", describe_state(j, text, sizeof text));
    uint32_t alive = 0;
    for (uint32_t i = 0; j->ranks && i < j->plan.world_size; i++)
        alive += j->ranks[i].v.end == RANK_ALIVE;
    if (j->ranks)
        log_answer("%u of %u ranks are alive", alive, j->plan.world_size);
    if (!j->saw_steps)
        return;
    struct steps_now now;
    steps_now(j->steps, &now);
    log_answer("step %u, %.2f steps/s, p50 %.2f ms, p99 %.2f ms", now.step, now.rate,
             (double)now.p50 / 1e3, (double)now.p99 / 1e3);
    if (now.slowest_rank >= 0)
        log_answer("slowest: rank %d on %s, %+.1f %%", now.slowest_rank,
                 j->node_of_rank[(uint32_t)now.slowest_rank], now.slowest_percent);
}

void job_destroy(struct job *j)
{
    if (!j)
        return;
    fleet_destroy(j->fleet);
    loop_timer_destroy(j->limit);
    loop_timer_destroy(j->grace);
    loop_timer_destroy(j->tick);
    fences_destroy(j->fences);
    if (j->outfiles)
        outfiles_destroy(j->outfiles, 2000);
    steps_destroy(j->steps);
    for (uint32_t i = 0; j->ranks && i < j->plan.world_size; i++)
        free(j->ranks[i].cpus);
    for (size_t i = 0; i < j->n_warnings; i++)
        free(j->warnings[i]);
    plan_fini(&j->plan);
    free(j->warnings);
    free(j->ranks);
    free(j->node_of_rank);
    free(j->nodes);
    free(j->sum_phases);
    free(j->sum_nodes);
    free(j->sum_ranks);
    free(j);
}
