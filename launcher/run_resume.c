/* SPDX-License-Identifier: MIT */
/* run_resume.c - a run that is there already gets another head: what it knows of itself is
 * read back, what the former head left on nodes is ended, and the numbers go on. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher/run_impl.h"
#include "launcher/slurm/facts.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/wire/aolani.pb-c.h"

#define LEASE_SLACK_MS 5000u /* for an agent to end its ranks when its lease is over */

/* ---- reading it back ---- */

static int read_spec(struct run *r, struct err *e)
{
    char path[PATH_MAX];
    struct buf diag;
    int rc = rundir_path(&r->dir, "spec.toml", path, sizeof path, e);
    if (rc < 0)
        return rc;
    buf_init(&diag, 1u << 20);
    rc = spec_load_resolved(path, &r->spec, &diag, e);
    if (diag.len > 0)
        log_error("%s", (char *)diag.data);
    buf_fini(&diag);
    return rc;
}

static bool is_success(const struct runstate *s)
{
    return s->exit_status == 0 || s->exit_status == RESTART_STATUS;
}

/* 1: nothing is left to be done. */
static int check_over(const struct run *r, bool force, int *ret_status)
{
    const struct runstate *s = &r->state;
    if (!s->over || (force && !is_success(s)))
        return 0;
    log_note("run %s has ended: %s; exit status %d", s->name,
             s->sentence ? s->sentence : "nothing more is known", s->exit_status);
    if (!is_success(s))
        log_note("it is not resumed, but for --force");
    *ret_status = s->exit_status;
    return 1;
}

/* Three heads in a row that did not even see an attempt's end are no better than three
 * attempts in vain. */
static int check_fruitless(struct run *r, int *ret_status)
{
    const struct runstate_attempt *last = runstate_last(&r->state);
    unsigned n = runstate_fruitless(&r->state);
    if (n < RESTART_FRUITLESS || !last || last->ended)
        return 0;
    r->exit_status = r->state.exit_status ? r->state.exit_status : 1;
    (void)snprintf(r->sentence, sizeof r->sentence,
                   "%u attempts in a row ended no new step, the last of them cut off",
                   n);
    log_note("run %s is not resumed: %s", r->state.name, r->sentence);
    run_journal_end(r, r->exit_status, r->sentence);
    *ret_status = r->exit_status;
    return 1;
}

static void journal_resume(struct run *r, const struct runhead *former)
{
    Aolani__JResume m = AOLANI__JRESUME__INIT;
    const struct runstate_attempt *last = runstate_last(&r->state);
    const char *job = getenv("SLURM_JOB_ID"), *again = getenv("SLURM_RESTART_COUNT");
    char host[256] = "";
    (void)gethostname(host, sizeof host - 1);
    m.epoch = r->epoch;
    m.t_real_ns = clock_real_ns();
    m.host = host;
    m.slurm_job = job ? (uint32_t)strtoul(job, NULL, 10) : 0;
    m.slurm_restarts = again ? (uint32_t)strtoul(again, NULL, 10) : 0;
    m.why = !last             ? "begun"
            : last->ended     ? "continued"
            : former->pid > 0 ? "the head died"
                              : "cut off";
    (void)journal_append(r->journal, JOURNAL_RESUME, &m.base);
}

static void say_resumed(const struct run *r)
{
    const struct runstate_attempt *last = runstate_last(&r->state);
    uint64_t step;
    char steps[64] = "";
    if (!last) {
        log_info("run directory: %s", r->dir.path);
        return;
    }
    if (runstate_best_step(&r->state, &step))
        (void)snprintf(steps, sizeof steps, "; step %llu was the last that all ended",
                       (unsigned long long)step);
    log_note("resuming run %s: attempt %u %s%s", r->state.name, last->attempt,
             last->ended ? "is to be continued" : "was cut off", steps);
}

/* As if the process had died: whoever is killed in between is taken up again. */
static int read_all(struct run *r, bool force, int *ret_status, struct err *e)
{
    int rc = runstate_read(r->dir.path, &r->state, e);
    if (rc < 0)
        return rc;
    if ((rc = check_over(r, force, ret_status)) != 0)
        return rc;
    if ((rc = secure_init(e)) < 0 || (rc = runprep_read_key(&r->dir, &r->key, e)) < 0 ||
        (rc = read_spec(r, e)) < 0)
        return rc;
    bool asks = r->spec->nodes.backend == BACKEND_SLURM && !slurm_is_inside();
    if (asks && r->spec->nodes.count == 0) /* as many as before */
        r->spec->nodes.count = (int64_t)r->state.n_nodes;
    if ((rc = run_open_nodes(r, e)) > 0) {
        *ret_status = 128 + rc;
        return 1;
    }
    if (rc < 0 || (rc = runprep_open_journal(&r->dir, r->loop, &r->journal, e)) < 0)
        return rc;
    if (strlen(r->state.run_id) != 2 * SECURE_RUN_BYTES)
        return err_set(e, ERR_PARSE, "resume \"%s\": its run has no proper id",
                       r->dir.path);
    memcpy(r->run_id, r->state.run_id, sizeof r->run_id);
    return force ? 0 : check_fruitless(r, ret_status);
}

static int resume(struct run *r, bool force, int *ret_status, struct err *e)
{
    struct runhead former = {0};
    (void)runhead_read(r->dir.path, &former, NULL);
    int rc = runhead_take(r->dir.path, force, &r->hold, e);
    if (rc == 0)
        rc = read_all(r, force, ret_status, e);
    if (rc != 0)
        return rc;
    const struct runstate_attempt *last = runstate_last(&r->state);
    r->epoch = (former.epoch > r->state.epoch ? former.epoch : r->state.epoch) + 1;
    r->attempt = last ? last->attempt : 0;
    r->former_ns = r->state.wall_ns;
    r->start_real_ns =
        r->state.begun_real_ns ? r->state.begun_real_ns : clock_real_ns();
    if ((rc = runhead_say(r->hold, r->epoch, e)) < 0)
        return rc;
    journal_resume(r, &former);
    /* Slurm has ended all that an earlier job of its had there, by other ways than ssh. */
    r->former_gone = former.slurm_job > 0 && r->nodes.backend != BACKEND_SSH &&
                     runhead_is_gone_with_slurm(&former);
    if ((rc = run_open_rest(r, e)) < 0)
        return rc;
    say_resumed(r);
    return 0;
}

int run_resume(const char *dir, bool force, bool label, struct run **ret,
               int *ret_status, struct err *e)
{
    struct run *r = calloc(1, sizeof *r);
    if (!r)
        return err_sys(e, -ENOMEM, "resume a run");
    r->mark_ns = clock_mono_ns();
    int rc =
        realpath(dir, r->dir.path)
            ? resume(r, force, ret_status, e)
            : err_set(e, ERR_USAGE, "find the run \"%s\": %s", dir, strerror(errno));
    if (rc != 0) {
        run_destroy(r);
        return rc;
    }
    r->spec->label = label;
    *ret = r;
    return 0;
}

/* ---- what the former head left ---- */

static void on_swept(void *arg)
{
    struct run *r = arg;
    loop_stop(r->loop);
}

static void on_pause(void *arg)
{
    struct run *r = arg;
    loop_stop(r->loop);
}

static int wait_lease(struct run *r, uint32_t n, const char *text, struct err *e)
{
    uint64_t ms = r->spec->failure.head_lease_ms + LEASE_SLACK_MS;
    char took[32];
    clock_format_duration(ms, took, sizeof took);
    log_warn("what the former head left on %u node%s could not be ended (%s); in %s it "
             "has ended by itself",
             n, n == 1 ? "" : "s", text, took);
    if (!r->pause && !(r->pause = loop_timer_create(r->loop, on_pause, r)))
        return err_sys(e, -ENOMEM, "wait for a lease");
    loop_timer_start(r->pause, ms, 0);
    loop_run(r->loop);
    loop_timer_stop(r->pause);
    return 0;
}

int run_sweep(struct run *r, struct err *e)
{
    const struct runstate_attempt *last = runstate_last(&r->state);
    const char *text;
    if (!last || last->ended || r->former_gone || r->state.n_nodes == 0)
        return 0;
    char attempt_dir[PATH_MAX], name[32];
    (void)snprintf(name, sizeof name, "attempt-%u", last->attempt);
    int rc = rundir_path(&r->dir, name, attempt_dir, sizeof attempt_dir, e);
    if (rc < 0)
        return rc;
    struct sweep_config c = {.spec = r->spec,
                             .names = r->state.nodes,
                             .n_names = r->state.n_nodes,
                             .backend = r->nodes.backend,
                             .run_id = r->run_id,
                             .job_key = r->key,
                             .epoch = r->epoch,
                             .attempt = r->attempt + 1,
                             .attempt_dir = attempt_dir,
                             .world_size = last->world_size,
                             .finished = on_swept,
                             .arg = r};
    log_info("ending what the former head left on %zu nodes", r->state.n_nodes);
    rc = sweep_create(r->loop, &c, &r->sweep, e);
    secure_wipe(&c.job_key, sizeof c.job_key);
    if (rc < 0)
        return rc;
    loop_run(r->loop);
    bool wanted = !r->stopped && !r->time_is_up;
    uint32_t n = wanted ? sweep_unproven(r->sweep, &text) : 0;
    if (n > 0)
        rc = wait_lease(r, n, text, e);
    sweep_destroy(r->sweep);
    r->sweep = NULL;
    return rc;
}
