/* SPDX-License-Identifier: MIT */
/* allocation.c - see allocation.h. */
#include "launcher/slurm/allocation.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher/slurm/allocwait.h"
#include "launcher/slurm/ask.h"
#include "launcher/slurm/facts.h"
#include "launcher/slurm/salloc.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

static const int signums[] = {SIGINT, SIGTERM, SIGHUP};
#define N_SIGNALS   (sizeof signums / sizeof *signums)
#define LEAVE_AFTER 3u  /* signals of one who does not wait for the proof */
#define TURN_MS     20u /* of the loop, in which the lifeline ends */

struct allocation {
    struct loop *loop, *own_loop;
    struct salloc *salloc;
    struct allocwait *wait;
    struct loop_signal *signals[N_SIGNALS];
    int signum; /* that ended it; 0: none */
    unsigned n_signals;
    uint64_t start_ns, queued_ms;
    bool granted, over;
    bool waited;              /* for its end: the loop is ours */
    struct err why, unproven; /* code 0: nothing is wrong */
    allocation_lost_f lost;
    void *arg;
};

/* ---- what salloc tells ---- */

static void on_pending(void *arg, uint32_t id)
{
    struct allocation *a = arg;
    allocwait_pending(a->wait, id);
}

static void on_says(void *arg, const char *line)
{
    (void)arg;
    log_note("Slurm says: %s", line);
}

static int adopt(const struct strlist *env)
{
    for (size_t i = 0; i < env->n; i++) {
        char *entry = env->items[i], *equals = strchr(entry, '=');
        *equals = '\0';
        int rc = setenv(entry, equals + 1, 1);
        *equals = '=';
        if (rc < 0)
            return -errno;
    }
    return 0;
}

static void on_granted(void *arg, const struct strlist *env)
{
    struct allocation *a = arg;
    int rc = adopt(env);
    a->granted = true;
    a->queued_ms = (clock_mono_ns() - a->start_ns) / 1000000;
    if (rc < 0)
        err_sys(&a->why, rc, "use the nodes of job %u of Slurm", salloc_job(a->salloc));
    loop_stop(a->loop);
}

static void on_end(void *arg, const struct err *why, const struct err *unproven)
{
    struct allocation *a = arg;
    a->over = true;
    if (why && !a->why.code)
        a->why = *why;
    if (unproven)
        a->unproven = *unproven;
    if (a->lost && why)
        a->lost(a->arg, &a->why, salloc_lost(a->salloc));
    if (a->waited)
        loop_stop(a->loop);
}

/* ---- the user's signals, while it waits ---- */

static void on_signal(int signum, void *arg)
{
    struct allocation *a = arg;
    a->signum = signum;
    allocwait_cancel(a->wait);
    salloc_release(a->salloc);
    if (++a->n_signals >= LEAVE_AFTER && !a->over) {
        err_set(&a->unproven, ERR_UNCLEAN,
                "left before Slurm had said that the job is gone");
        err_hint(&a->unproven, "for a minute `scancel` is tried again; `squeue --me` "
                               "says whether it is there");
        a->over = true;
        loop_stop(a->loop);
    }
}

/* nohup asks so to outlive the terminal. */
static bool is_shielded(int signum)
{
    struct sigaction now;
    return signum == SIGHUP && sigaction(signum, NULL, &now) == 0 &&
           now.sa_handler == SIG_IGN;
}

static int watch_signals(struct allocation *a)
{
    for (size_t i = 0; i < N_SIGNALS; i++) {
        if (is_shielded(signums[i]))
            continue;
        a->signals[i] = loop_signal_create(a->loop, signums[i], on_signal, a);
        if (!a->signals[i])
            return -ENOMEM;
    }
    return 0;
}

static void stop_waiting(struct allocation *a)
{
    for (size_t i = 0; i < N_SIGNALS; i++) {
        loop_signal_destroy(a->signals[i]);
        a->signals[i] = NULL;
    }
    allocwait_destroy(a->wait);
    a->wait = NULL;
}

/* ---- the whole ---- */

static int start(struct allocation *a, const struct spec *s, struct err *e)
{
    static const struct salloc_ops ops = {on_pending, on_says, on_granted, on_end};
    int rc = 0;
    if (!a->loop && (rc = loop_create(&a->own_loop, e)) < 0)
        return rc;
    a->loop = a->loop ? a->loop : a->own_loop;
    a->start_ns = clock_mono_ns();
    if (!(a->wait = allocwait_create(a->loop)) || watch_signals(a) < 0)
        return err_sys(e, -ENOMEM, "ask Slurm for nodes");
    return salloc_start(a->loop, s, &ops, a, &a->salloc, e);
}

static void run_until_over(struct allocation *a)
{
    a->waited = true;
    while (!a->over)
        loop_run(a->loop);
    a->waited = false;
}

/* The signal, an error, or 0: the nodes are there. */
static int conclude(struct allocation *a, struct err *e)
{
    char waited[24];
    a->waited = false;
    stop_waiting(a);
    if (a->signum && !a->over) /* it came with the nodes */
        salloc_release(a->salloc);
    if (a->signum)
        run_until_over(a);
    if (a->signum) {
        if (a->unproven.code)
            log_err(&a->unproven);
        else
            log_note("cancelled while queued; no job is left");
        return a->signum;
    }
    if (a->why.code) {
        *e = a->why;
        if (a->unproven.code)
            log_err(&a->unproven);
        return e->code;
    }
    log_note("Slurm gave job %u after %s in the queue", salloc_job(a->salloc),
             clock_format_duration(a->queued_ms, waited, sizeof waited));
    return 0;
}

int allocation_get(struct loop *l, const struct spec *s, struct allocation **ret,
                   struct err *e)
{
    *ret = NULL;
    if (s->nodes.backend != BACKEND_SLURM || slurm_is_inside())
        return 0;
    struct allocation *a = calloc(1, sizeof *a);
    if (!a)
        return err_sys(e, -ENOMEM, "ask Slurm for nodes");
    a->loop = l;
    int rc = start(a, s, e);
    if (rc == 0) {
        a->waited = true;
        loop_run(a->loop);
        rc = conclude(a, e);
    }
    if (rc != 0)
        allocation_destroy(a);
    else
        *ret = a;
    return rc;
}

uint64_t allocation_queued_ms(const struct allocation *a)
{
    return a ? a->queued_ms : 0;
}

void allocation_watch(struct allocation *a, allocation_lost_f lost, void *arg)
{
    if (!a)
        return;
    a->lost = lost;
    a->arg = arg;
    if (a->over && lost)
        lost(arg, &a->why, salloc_lost(a->salloc));
}

void allocation_settle(struct allocation *a)
{
    struct slurm_job job = {0};
    struct err e;
    if (!a || a->over)
        return;
    if (slurm_job_now(salloc_job(a->salloc), &job, &e) < 0) {
        log_debug("whether Slurm has taken the nodes: %s", e.text);
        return;
    }
    log_debug("Slurm calls the job %s", job.state);
    if (slurm_job_is_over(&job)) {
        salloc_revoked(a->salloc);
        run_until_over(a);
    }
    slurm_job_fini(&job);
}

static void on_turn(void *arg)
{
    struct allocation *a = arg;
    loop_stop(a->loop);
}

void allocation_release(struct allocation *a)
{
    struct loop_timer *t;
    if (!a || a->over || !a->salloc)
        return;
    a->lost = NULL;
    salloc_release(a->salloc);
    if (!(t = loop_timer_create(a->loop, on_turn, a)))
        return;
    loop_timer_start(t, TURN_MS, 0);
    loop_run(a->loop);
    loop_timer_destroy(t);
}

void allocation_destroy(struct allocation *a)
{
    if (!a)
        return;
    stop_waiting(a);
    if (a->granted && !a->over)
        allocation_release(a);
    if (a->granted)
        run_until_over(a);
    if (a->granted && a->unproven.code)
        log_warn("%s; %s", a->unproven.text, a->unproven.hint);
    salloc_destroy(a->salloc);
    if (a->own_loop)
        loop_destroy(a->own_loop);
    free(a);
}
