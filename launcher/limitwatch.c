/* SPDX-License-Identifier: MIT */
/* limitwatch.c - see limitwatch.h. Slurm speaks in wall-clock time; it is turned into time
 * of the loop whenever it is learnt, so that a clock that is set meanwhile moves nothing. */
#include "launcher/limitwatch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/slurm/ask.h"
#include "launcher/slurm/facts.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

#define ASK_MS       60000u
#define ASK_FIRST_MS 200u
#define FRESH_MS     10000u /* what is older is asked for again before it is acted on, */
#define PATIENCE_MS  5000u  /* and waited for no longer than this */
#define KILL_WAIT_MS 30000u /* Slurm's default */
#define LATE_MS      5000u  /* Slurm looks at its limits now and then only */
/* A job without a limit is to end after a year. */
#define UNLIMITED_MS (364ull * 86400 * 1000)

struct limitwatch {
    struct loop *loop;
    const struct limitwatch_ops *ops;
    void *arg;
    uint32_t job;
    uint64_t time_limit_ms;
    int checkpoint_signal;
    struct limit limit;
    bool begun, saving, stopped, told, checking;
    uint64_t heard_ms; /* when Slurm last said it */
    struct loop_timer *timer, *ask_timer;
    struct slurm_ask *ask, *ask_config;
};

/* ---- acting ---- */

static void say_left(char *text, size_t len, uint64_t ms)
{
    char took[32];
    (void)snprintf(text, len, "%s", clock_format_duration(ms, took, sizeof took));
}

static void act(struct limitwatch *w, const struct limit_step *s)
{
    const char *what = s->which == LIMIT_JOB ? "the time limit" : "Slurm's time limit";
    char text[40];
    if (s->act == LIMIT_SAVE) {
        int signum =
            w->limit.signal.signum ? w->limit.signal.signum : w->checkpoint_signal;
        w->saving = true;
        say_left(text, sizeof text, s->left_ms);
        log_note("%s is %s away: the ranks are asked to save and to end", what, text);
        w->ops->save(w->arg, signum, what);
        return;
    }
    w->stopped = true;
    say_left(text, sizeof text, w->time_limit_ms);
    if (s->which == LIMIT_JOB)
        log_note("the time limit of %s is reached", text);
    else
        log_note("%s is reached", what);
    w->ops->stop(w->arg, s->grace_ms, what);
}

static void on_ask(void *arg);

/* It may have been moved since it was asked for. True: that is being found out. */
static bool checks_first(struct limitwatch *w, const struct limit_step *s, uint64_t now)
{
    if (s->which != LIMIT_SLURM || w->checking || now - w->heard_ms < FRESH_MS)
        return false;
    w->checking = true;
    on_ask(w);
    loop_timer_start(w->timer, PATIENCE_MS, 0);
    return true;
}

static void look(struct limitwatch *w)
{
    struct limit_step s;
    uint64_t now = loop_now_ms(w->loop);
    loop_timer_stop(w->timer);
    if (w->stopped)
        return;
    limit_step(&w->limit, now, w->saving, &s);
    if (s.act != LIMIT_WAIT && checks_first(w, &s, now))
        return;
    w->checking = false;
    if (s.act != LIMIT_WAIT)
        act(w, &s);
    if (w->stopped || s.again_ms == LIMIT_NEVER)
        return;
    loop_timer_start(w->timer, s.again_ms > now ? s.again_ms - now : 0, 0);
}

static void on_timer(void *arg)
{
    look(arg);
}

/* ---- Slurm ---- */

/* Of a job that is over, cancelled maybe, the end is no limit: agents will tell of it. */
static void take_job(struct limitwatch *w, const struct slurm_job *job)
{
    if (slurm_job_is_over(job))
        return;
    w->heard_ms = loop_now_ms(w->loop);
    uint64_t now_ns = clock_real_ns(), end = job->end_real_ns,
             was = w->limit.slurm_end_ms;
    uint64_t at = LIMIT_NEVER;
    if (end > 0) {
        uint64_t left = end > now_ns ? (end - now_ns) / 1000000 : 0;
        at = loop_now_ms(w->loop) + left;
    }
    w->limit.slurm_end_ms = at;
    if (end > 0 && job->start_real_ns > 0 && end > job->start_real_ns)
        w->limit.slurm_all_ms = (end - job->start_real_ns) / 1000000;
    bool moved = at > was ? at - was > LATE_MS : was - at > LATE_MS;
    char text[40];
    say_left(text, sizeof text, limitwatch_left(w));
    /* As it is now: it may have been moved already. */
    if (!w->told && limitwatch_left(w) < UNLIMITED_MS)
        log_note("Slurm's time limit: %s are left", text);
    if (moved && w->told) {
        if (at == LIMIT_NEVER)
            log_note("Slurm's time limit was taken away");
        else
            log_note("Slurm's time limit was moved: %s are left", text);
        /* Ranks that were asked cannot be asked to go on; but they need not be ended. */
        w->stopped = w->stopped && at <= loop_now_ms(w->loop);
    }
    w->told = true;
}

static void on_job(void *arg, const struct slurm_job *job, const struct err *e)
{
    struct limitwatch *w = arg;
    if (job)
        take_job(w, job);
    else
        log_debug("the end of the allocation: %s", e->text);
    look(w);
}

/* "KillWait                = 30 sec" */
static void on_config(void *arg, const struct buf *out, const struct err *e)
{
    struct limitwatch *w = arg;
    unsigned seconds;
    const char *at = out ? strstr((const char *)out->data, "\nKillWait ") : NULL;
    if (!out)
        log_debug("Slurm's KillWait: %s", e->text);
    if (!at || sscanf(at, " KillWait = %u", &seconds) != 1 || seconds > 86400)
        return;
    w->limit.kill_wait_ms = seconds * 1000u;
    look(w);
}

static void on_ask(void *arg)
{
    struct limitwatch *w = arg;
    struct err e;
    slurm_ask_destroy(w->ask);
    w->ask = NULL;
    if (slurm_ask_job(w->loop, w->job, on_job, w, &w->ask, &e) < 0)
        log_debug("the end of the allocation: %s", e.text);
}

static void begin_asking(struct limitwatch *w)
{
    static char *const config[] = {"scontrol", "show", "config", NULL};
    struct slurm_job job = {0};
    struct err e;
    if (slurm_job_of_env(&job, &e) == 0 && job.end_real_ns > 0)
        take_job(w, &job);
    slurm_job_fini(&job);
    if (slurm_ask_run(w->loop, config, on_config, w, &w->ask_config, &e) < 0)
        log_debug("Slurm's KillWait: %s", e.text);
    loop_timer_start(w->ask_timer, ASK_FIRST_MS, ASK_MS);
}

/* ---- life ---- */

int limitwatch_create(struct loop *l, const struct spec *spec, uint32_t job,
                      bool continued, const struct limitwatch_ops *ops, void *arg,
                      struct limitwatch **ret, struct err *e)
{
    struct limitwatch *w = calloc(1, sizeof *w);
    if (!w)
        return err_sys(e, -ENOMEM, "watch the time limit");
    w->loop = l;
    w->ops = ops;
    w->arg = arg;
    w->job = job;
    w->time_limit_ms = spec->job.time_limit_ms;
    w->checkpoint_signal = limit_signum(spec->failure.checkpoint_signal);
    w->limit = (struct limit){.job_end_ms = LIMIT_NEVER,
                              .slurm_end_ms = LIMIT_NEVER,
                              .kill_wait_ms = KILL_WAIT_MS,
                              .grace_ms = spec->failure.grace_ms,
                              .continued = continued};
    w->timer = loop_timer_create(l, on_timer, w);
    w->ask_timer = loop_timer_create(l, on_ask, w);
    int rc = w->timer && w->ask_timer ? 0 : err_sys(e, -ENOMEM, "watch the time limit");
    if (rc == 0 && spec->schedule.signal)
        rc = limit_parse_signal(spec->schedule.signal, &w->limit.signal, e);
    if (rc < 0) {
        limitwatch_destroy(w);
        return rc;
    }
    if (job)
        begin_asking(w);
    *ret = w;
    return 0;
}

void limitwatch_destroy(struct limitwatch *w)
{
    if (!w)
        return;
    slurm_ask_destroy(w->ask);
    slurm_ask_destroy(w->ask_config);
    loop_timer_destroy(w->timer);
    loop_timer_destroy(w->ask_timer);
    free(w);
}

void limitwatch_begin(struct limitwatch *w)
{
    if (!w->begun && w->time_limit_ms)
        w->limit.job_end_ms = loop_now_ms(w->loop) + w->time_limit_ms;
    w->begun = true;
    loop_timer_start(w->timer, 0, 0); /* not from within */
}

uint64_t limitwatch_left(const struct limitwatch *w)
{
    uint64_t end = w->limit.slurm_end_ms, now = loop_now_ms(w->loop);
    return end == LIMIT_NEVER ? LIMIT_NEVER : end > now ? end - now : 0;
}

bool limitwatch_is_slurms(const struct limitwatch *w)
{
    return limitwatch_left(w) < LATE_MS;
}

uint64_t limitwatch_grace(const struct limitwatch *w)
{
    uint64_t room = w->limit.kill_wait_ms / 2, grace = w->limit.grace_ms;
    return grace < room ? grace : room;
}
