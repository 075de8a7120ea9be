/* SPDX-License-Identifier: MIT */
/* run.c - see run.h: how a run begins, and what it holds. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "launcher/run_impl.h"
#include "launcher/slurm/ask.h"
#include "launcher/slurm/facts.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

void run_raise_limits(enum spec_backend backend, struct rlimits *ret_found)
{
    rlimits_read(ret_found);
    struct rlimit r;
    if (backend == BACKEND_LOCAL || getrlimit(RLIMIT_NOFILE, &r) < 0 ||
        r.rlim_cur == r.rlim_max)
        return;
    r.rlim_cur = r.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &r);
}

int run_open_nodes(struct run *r, struct err *e)
{
    int64_t per_node = r->spec->job.ranks_per_node; /* 0: only the nodes know */
    int rc;
    if ((rc = loop_create(&r->loop, e)) < 0 ||
        (rc = allocation_get(r->loop, r->spec, &r->held, e)) != 0)
        return rc;
    if (r->held) /* the time in the queue is not the run's */
        r->mark_ns = clock_mono_ns();
    if ((rc = nodes_resolve(r->spec, &r->nodes, e)) < 0 ||
        (per_node > 0 &&
         (rc = job_check_stdin(r->spec, (uint64_t)per_node * r->nodes.n, e)) < 0))
        return rc;
    run_raise_limits(r->nodes.backend, &r->limits_found);
    return 0;
}

/* ---- limits and signals ---- */

bool run_is_between(const struct run *r)
{
    return !r->job || r->pausing;
}

/* There are no ranks: what was waited for before they are begun is waited for no more. */
static void end_wait(struct run *r, const char *limit)
{
    r->time_is_up = true;
    r->limit_what = limit;
    loop_stop(r->loop);
}

static void on_save(void *arg, int signum, const char *what)
{
    struct run *r = arg;
    if (run_is_between(r)) /* those that began now could save nothing */
        end_wait(r, what);
    else
        job_save(r->job, signum, what);
}

static void on_limit(void *arg, uint64_t grace_ms, const char *what)
{
    struct run *r = arg;
    if (run_is_between(r)) {
        end_wait(r, what);
        return;
    }
    r->time_is_up = true;
    job_reach_limit(r->job, grace_ms, what);
}

/* Somebody goes on with the run when this job of Slurm's is over. */
static bool is_continued(const struct run *r)
{
    char script[PATH_MAX];
    return r->spec->schedule.chain > 1 || r->spec->schedule.requeue ||
           (rundir_path(&r->dir, "batch.sh", script, sizeof script, NULL) == 0 &&
            access(script, F_OK) == 0);
}

static void on_stopping(void *arg, int signum)
{
    struct run *r = arg;
    r->stopped = true;
    r->stop_signum = signum;
    run_ask_slurm(r, signum);
    if (run_is_between(r))
        loop_stop(r->loop);
}

static void on_lost(void *arg, const struct err *why, const struct slurm_end *end)
{
    run_lose_slurm(arg, why, end);
}

int run_open_rest(struct run *r, struct err *e)
{
    static const struct limitwatch_ops ops = {.save = on_save, .stop = on_limit};
    bool tty = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
    const char *job = slurm_is_inside() ? getenv("SLURM_JOB_ID") : NULL;
    r->slurm_job = job ? (uint32_t)strtoul(job, NULL, 10) : 0;
    if (!(r->live = live_create(STDERR_FILENO)))
        return err_sys(e, -ENOMEM, "start the run");
    log_setup("aolani-run", log_level(), live_log_sink, r->live);
    int rc = limitwatch_create(r->loop, r->spec, r->slurm_job, is_continued(r), &ops, r,
                               &r->limits, e);
    if (rc < 0)
        return rc;
    if (!(r->interrupt = interrupt_create(r->loop, NULL, tty)))
        return err_sys(e, -ENOMEM, "watch for signals");
    interrupt_on_stop(r->interrupt, on_stopping, r);
    allocation_watch(r->held, on_lost, r);
    return 0;
}

/* ---- a new run ---- */

static int make(struct run *r, struct err *e)
{
    struct runprep p;
    int rc = run_open_nodes(r, e);
    if (rc != 0)
        return rc;
    rc = runprep_make(r->spec, &r->nodes, r->epoch, r->loop, &p, &r->journal, e);
    if (rc == 0) {
        r->dir = p.dir;
        r->key = p.key;
        r->start_real_ns = p.start_real_ns;
        memcpy(r->run_id, p.run_id, sizeof r->run_id);
        rc = runhead_take(r->dir.path, false, &r->hold, e);
    }
    secure_wipe(&p, sizeof p);
    if (rc == 0)
        rc = runhead_say(r->hold, r->epoch, e);
    if (rc == 0)
        rc = run_open_rest(r, e);
    if (rc == 0)
        log_info("run directory: %s", r->dir.path);
    return rc;
}

int run_create(struct spec *spec, struct run **ret, struct err *e)
{
    struct run *r = calloc(1, sizeof *r);
    if (!r) {
        spec_destroy(spec);
        return err_sys(e, -ENOMEM, "start the run");
    }
    r->spec = spec;
    r->epoch = 1;
    r->mark_ns = clock_mono_ns();
    int rc = make(r, e);
    if (rc != 0)
        run_destroy(r);
    else
        *ret = r;
    return rc;
}

void run_destroy(struct run *r)
{
    if (!r)
        return;
    log_setup("aolani-run", log_level(), NULL, NULL);
    slurm_ask_destroy(r->why_ask);
    limitwatch_destroy(r->limits);
    interrupt_destroy(r->interrupt);
    sweep_destroy(r->sweep);
    job_destroy(r->job);
    live_destroy(r->live);
    loop_timer_destroy(r->pause);
    if (r->journal)
        (void)journal_close(r->journal, NULL);
    allocation_destroy(r->held);
    if (r->loop)
        loop_destroy(r->loop);
    runhead_release(r->hold);
    free(r->lost);
    runstate_fini(&r->state);
    nodes_fini(&r->nodes);
    secure_wipe(&r->key, sizeof r->key);
    spec_destroy(r->spec);
    free(r);
}
