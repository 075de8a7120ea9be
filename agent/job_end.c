/* SPDX-License-Identifier: MIT */
/* job_end.c - the end of a job on this node, in the order that loses nothing: first no
 * process is left that could write, then what was written is delivered, then the files
 * go, then NodeDone says so. Each step waits for the one before; job_end_step goes as far
 * as it can and is called again whenever something has happened. */
#include "agent/job_impl.h"

#include "proto/base/limits.h"
#include "proto/base/log.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#define JOB_STEP_MS 100 /* look again for what comes without a call */

/* Also as a line of the log: the evidence of a clean end is not kept. */
static void job_tell_shared_memory(struct job *j, const char *what, const char *which)
{
    if (!which[0])
        return;
    if (j->teardown)
        teardown_note(j->teardown, false, "%s: %s", what, which);
    job_log(j, LOG_INFO_, "%s: %s", what, which);
}

static void job_clear_shared_memory(struct job *j)
{
    struct shmleft_found f;
    shmleft_clear(j->shm, &f);
    job_tell_shared_memory(j, "removed from /dev/shm", f.removed);
    job_tell_shared_memory(j, "removed System V shared memory", f.sysv);
    job_tell_shared_memory(j, "left in /dev/shm", f.left);
}

static void job_on_teardown(void *arg)
{
    struct job *j = arg;
    job_clear_shared_memory(j);
    j->cleared = true;
    job_end_step(j);
}

void job_end_teardown(struct job *j)
{
    struct teardown_config c = {.mark = j->mark,
                                .cgroup = j->cgroup,
                                .helper = j->pmix_pid,
                                .shm = j->shm,
                                .recovering = j->c.recovering,
                                .since = j->recover_since,
                                .swept = j->swept};
    struct err e;
    if (j->teardown)
        return;
    if (j->ranks && !ranks_are_in_cgroup(j->ranks))
        c.cgroup = NULL;
    if (teardown_create(j->c.loop, &c, job_on_teardown, j, &j->teardown, &e) < 0) {
        log_err(&e);
        j->cleared = true;
    }
}

/* A recovering agent has begun its teardown already: it does not wait for the head. */
void job_end(struct job *j)
{
    job_end_audit(j);
    job_unwatch_signals(j);
    job_unwatch_binding(j);
    if (j->ranks)
        ranks_stop(j->ranks, 0);
    setup_destroy(j->setup);
    j->setup = NULL;
    pmixlink_destroy(j->pmix);
    j->pmix = NULL;
    if (!j->c.recovering)
        job_end_teardown(j);
    job_end_step(j);
}

static bool job_impatient(const struct job *j)
{
    return j->abandoned && loop_now_ms(j->c.loop) >= j->give_up_ms;
}

/* Every rank's exit was told; one that cannot be killed is not waited for. */
static bool job_ranks_are_over(const struct job *j)
{
    return !j->ranks || ranks_are_gone(j->ranks) || !j->teardown ||
           teardown_result(j->teardown)->result == AOLANI__TEARDOWN__NOT_CLEAN;
}

static void job_adopt_output(struct job *j)
{
    struct err e;
    int rc = j->folders_made ? job_open_output(j, LIMIT_SPOOL_BYTES, &e) : 0;
    if (rc == 0 && j->output)
        rc = output_adopt(j->output, &e);
    if (rc < 0)
        log_err(&e);
}

/* True: delivered, or it need not be. */
static bool job_deliver(struct job *j)
{
    if (!j->finishing) {
        if (j->ptys && !ptyrelay_finish(j->ptys))
            return false;
        job_unwatch_output(j);
        if (j->steps && !j->abandoned && steprelay_flush(j->steps) == -EAGAIN)
            return false;
        j->finishing = true;
        if (j->c.recovering)
            job_adopt_output(j);
        if (!j->output)
            j->delivered = true;
        else if (!j->delivered)
            output_finish(j->output);
    }
    return j->delivered || job_impatient(j);
}

static void job_remove_files(struct job *j)
{
    struct err e;
    output_destroy(j->output);
    steplog_destroy(j->steplog);
    ncclwatch_destroy(j->ncclwatch);
    ncclhear_destroy(j->hear);
    j->ncclwatch = NULL;
    j->hear = NULL;
    collrelay_destroy(j->coll);
    j->coll = NULL;
    steprelay_destroy(j->steps);
    j->steplog = NULL;
    j->steps = NULL;
    j->output = NULL;
    int rc = j->cgroup ? cgroup_remove(j->cgroup) : 0;
    if (rc < 0)
        log_debug("control group \"%s\": %s", cgroup_path(j->cgroup), strerror(-rc));
    if (j->folders_made && folders_remove(&j->folders, &e) < 0) {
        log_err(&e);
        if (j->teardown)
            teardown_note(j->teardown, true, "%s", e.text);
    }
    j->folders_made = false;
}

static void job_send_done(struct job *j)
{
    Aolani__NodeDone none = AOLANI__NODE_DONE__INIT;
    if (j->teardown && j->recover_failed)
        teardown_note(j->teardown, true,
                      "the files of the old agent could not be taken up");
    const Aolani__NodeDone *m = j->teardown ? teardown_result(j->teardown) : &none;
    if (!j->end_asked)
        return;
    int64_t seq = j->c.up->send(j->c.up->arg, MSG_NODE_DONE, &m->base);
    if (seq > 0)
        j->done_seq = (uint64_t)seq;
}

static void job_over(void *arg)
{
    struct job *j = arg;
    j->ops->over(j->arg);
}

void job_end_step(struct job *j)
{
    if (j->state == JOB_ENDING) {
        loop_timer_start(j->step, JOB_STEP_MS, 0);
        if (!j->cleared || !job_ranks_are_over(j) || !job_deliver(j))
            return;
        job_remove_files(j);
        job_send_done(j);
        job_event(j, JOB_EV_CLEARED);
    }
    if (j->state != JOB_DONE || j->over)
        return;
    if (j->done_seq && j->done_seq > j->acked_seq && !j->abandoned)
        return; /* the lease bounds this */
    j->over = loop_defer(j->c.loop, job_over, j) == 0;
}
