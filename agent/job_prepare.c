/* SPDX-License-Identifier: MIT */
/* job_prepare.c - from the plan to running ranks, and what is told of them. */
#include "agent/job_impl.h"

#include "agent/proc.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/wire/limitwire.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int64_t job_send(struct job *j, enum message_type type,
                        const ProtobufCMessage *m)
{
    return j->c.up->send(j->c.up->arg, type, m);
}

/* A rank 0 that has come so far has long had its port, or needs none. Ranks that a daemon
 * starts (docker) are no descendants of ours: their listener would be taken for a
 * stranger's, and days of work be begun again as if they had never been. */
#define PORT_RACE_NS UINT64_C(600000000000)

#define PROGRAM_SHOWN 1024u /* a longer path could make the message too long */

/* ---- preparing ---- */

void job_unfit(struct job *j, int code, const struct err *e)
{
    Aolani__Prepared m = AOLANI__PREPARED__INIT;
    m.error = (char *)e->text;
    m.hint = (char *)e->hint;
    m.code = code;
    m.mpi = (char *)"none";
    (void)job_send(j, MSG_PREPARED, &m.base);
    job_event(j, JOB_EV_UNFIT);
}

static void job_ready(struct job *j)
{
    Aolani__Prepared m = AOLANI__PREPARED__INIT;
    m.master_port = j->port.port;
    m.mpi = (char *)(j->pmix_ready ? "pmix" : "none");
    struct limitwire limits;
    limitwire_fill(&limits, &j->base.limits);
    m.limits = limits.list;
    m.n_limits = limits.n;
    if (!j->plan->setup[0] && strlen(j->program.path) < PROGRAM_SHOWN)
        m.program = j->program.path;
    (void)job_send(j, MSG_PREPARED, &m.base);
    if (j->state == JOB_PREPARING)
        j->ops->phase(j->arg, PHASE_PREPARED);
    job_event(j, JOB_EV_READY);
}

static void job_on_pmix_ready(void *arg, int status, const struct err *e)
{
    struct job *j = arg;
    j->pmix_ready = status == 0;
    if (status == 0) {
        job_ready(j);
    } else if (strcmp(j->plan->mpi, "pmix") == 0) {
        job_unfit(j, status, e);
    } else {
        log_info("ranks run without PMIx: %s", e->text);
        job_ready(j);
    }
}

static int64_t job_pmix_send(void *arg, enum message_type type,
                             const ProtobufCMessage *m)
{
    struct job *j = arg;
    if (type == MSG_ABORT && j->ranks) {
        const Aolani__Abort *abort = (const Aolani__Abort *)m;
        ranks_aborted(j->ranks, abort->rank, abort->status);
    }
    return job_send(j, type, m);
}

static uint64_t job_pmix_credit(void *arg)
{
    struct job *j = arg;
    return j->c.up->credit(j->c.up->arg);
}

static void job_on_delivered(void *arg)
{
    struct job *j = arg;
    j->delivered = true;
    loop_timer_start(j->step, 0, 0);
}

int job_open_output(struct job *j, uint64_t spool_bytes, struct err *e)
{
    return output_create(j->c.loop, j->folders.spool, spool_bytes, j->c.up,
                         job_on_delivered, j, &j->output, e);
}

int job_open_shmleft(struct job *j, uint64_t since, struct err *e)
{
    return shmleft_create("/dev/shm", j->folders.shm, since, &j->shm, e);
}

static void job_open_cgroup(struct job *j)
{
    char name[64];
    struct err e;
    (void)snprintf(name, sizeof name, "aolani-%s-n%u", j->run_id, j->c.node);
    if (cgroup_create(name, &j->cgroup, &e) < 0) {
        log_debug("no control group: %s", e.text);
        return;
    }
    (void)folders_set_cgroup(&j->folders, cgroup_path(j->cgroup));
}

static int job_reserve_port(struct job *j, struct err *e)
{
    if (masterport_reserve(&j->port, e) < 0)
        return ERR_BOOT;
    if (j->port.ephemeral)
        job_log(j, LOG_WARN_,
                "MASTER_PORT is %u, which any client may be given before rank 0 takes "
                "it: no port outside ip_local_port_range is free",
                j->port.port);
    return 0;
}

static void job_on_pty_trouble(void *arg, const struct err *e)
{
    job_log(arg, LOG_WARN_, "%s", e->text);
}

static int job_open_streams(struct job *j, struct err *e)
{
    const Aolani__Prepare *p = j->plan;
    uint32_t first = p->first_rank[j->c.node];
    bool reads =
        p->has_stdin && p->stdin_rank >= first && p->stdin_rank < first + p->n_ranks;
    int rc = job_open_output(j, p->spool_bytes, e);
    if (rc == 0 && p->unbuffered)
        rc = ptyrelay_create(j->c.loop, p->n_ranks, job_on_pty_trouble, j, &j->ptys, e);
    if (rc == 0 && reads)
        rc = stdinpipe_create(j->c.loop, p->stdin_rank, j->c.up, &j->input, e);
    return rc;
}

static void job_look_stops(void *arg)
{
    struct job *j = arg;
    reap_look_stops(j->reap);
    job_sample_ranks(j);
    job_drain_coll(j);
    job_hear_tick(j, false);
}

/* What fails here is the node's state; -ENOENT and the like would be taken for the
 * program's. */
static int job_open_parts(struct job *j, struct err *e)
{
    if (folders_make(&j->folders, e) < 0)
        return ERR_BOOT;
    j->folders_made = true;
    job_open_cgroup(j);
    struct proc_stat self = {.start = UINT64_MAX};
    (void)proc_stat_read(getpid(), &self);
    if (job_open_shmleft(j, self.start, e) < 0)
        return ERR_BOOT;
    if (job_open_streams(j, e) < 0 ||
        steprelay_create(j->c.loop, j->folders.shm, j->c.up, &j->steps, e) < 0)
        return ERR_BOOT;
    steprelay_before_drain(j->steps, job_look_stops, j);
    job_watch_output(j);
    return j->c.node == 0 ? job_reserve_port(j, e) : 0;
}

void job_prepare(struct job *j)
{
    struct err e = {0};
    int rc = plan_wants_pmix(j->plan, j->c.host, &j->wants_pmix, &e);
    if (rc == 0)
        rc = plan_fit(j->plan, j->c.host, &e);
    if (rc == 0)
        rc = job_make_base(j, &e);
    if (rc == 0)
        rc = job_open_parts(j, &e);
    if (rc == 0 && j->plan->setup[0])
        rc = job_run_setup(j, &e);
    if (rc < 0)
        job_unfit(j, rc, &e);
    else if (!j->setup)
        job_prepare_pmix(j);
}

void job_prepare_pmix(struct job *j)
{
    struct err e;
    if (!j->wants_pmix) {
        job_ready(j);
        return;
    }
    j->pmix_up =
        (struct upward){.send = job_pmix_send, .credit = job_pmix_credit, .arg = j};
    int rc =
        pmixlink_create(j->c.loop, j->c.host->pmix_helper, j->plan, j->folders.pmix,
                        &j->pmix_up, job_on_pmix_ready, j, &j->pmix, &e);
    if (rc < 0)
        job_on_pmix_ready(j, rc, &e);
    else
        j->pmix_pid = pmixlink_helper(j->pmix);
}

/* ---- running ---- */

/* For who comes after us, should we be killed. */
static void job_save_pids(const struct job *j, const struct task *tasks, size_t n)
{
    struct err e;
    pid_t *pids = calloc(n + 1, sizeof *pids);
    for (size_t i = 0; pids && i < n; i++)
        pids[i] = tasks[i].pid;
    if (pids && shmleft_save_pids(j->folders.pids, pids, n, &e) < 0)
        log_err(&e);
    free(pids);
}

/* Asked for, not insisted on (bind.memory = "prefer"). */
static void job_tell_memory(struct job *j)
{
    int error = ranks_memory_error(j->ranks);
    if (error == 0)
        return;
    job_log(j, LOG_WARN_, "the memory of ranks is not bound to their NUMA nodes: %s%s",
            strerror(error),
            error == EPERM    ? " (the filter of a container may forbid it)"
            : error == EINVAL ? " (one is not there or may not be used, or several at "
                                "once take Linux 5.15)"
                              : "");
}

static void job_on_settled(void *arg)
{
    struct job *j = arg;
    size_t n;
    const struct task *tasks = ranks_tasks(j->ranks, &n);
    Aolani__Started m = AOLANI__STARTED__INIT;
    Aolani__Started__Rank *all = calloc(n + 1, sizeof *all);
    Aolani__Started__Rank **list = calloc(n + 1, sizeof *list);
    for (size_t i = 0; all && list && i < n; i++) {
        if (tasks[i].outcome.call)
            continue; /* RANK_EXIT says why */
        Aolani__Started__Rank *r = &all[m.n_ranks];
        aolani__started__rank__init(r);
        r->rank = tasks[i].rank;
        r->pid = tasks[i].pid;
        r->t_exec_ns = tasks[i].t_exec_ns;
        r->cpus = (char *)tasks[i].cpus;
        list[m.n_ranks++] = r;
    }
    m.ranks = list;
    (void)job_send(j, MSG_STARTED, &m.base);
    free(all);
    free(list);
    job_save_pids(j, tasks, n);
    if (!ranks_are_in_cgroup(j->ranks))
        log_debug("ranks could not enter the control group");
    job_watch_binding(j);
    job_watch_signals(j);
    job_tell_memory(j);
}

static void job_on_failed(void *arg, const struct task *t, const struct err *e)
{
    struct job *j = arg;
    /* That the program could not be executed the head says itself; the rest it cannot
     * know. */
    if (t->outcome.call != SPAWN_EXEC || t->pid == 0)
        job_log(j, LOG_WARN_, "rank %u: %s", t->rank, e->text);
}

static uint64_t job_microseconds(const struct timeval *tv)
{
    return (uint64_t)tv->tv_sec * 1000000u + (uint64_t)tv->tv_usec;
}

/* A look through /proc: at the first failure, and at rank 0's, whose listener would still
 * be the job's own while it lives. */
static bool job_lost_port(struct job *j, const struct task *t)
{
    if (j->port.port == 0 || t->wait_status == 0 ||
        (j->port_looked_at && t->rank != 0) ||
        t->t_exit_ns - t->t_exec_ns > PORT_RACE_NS)
        return false;
    j->port_looked_at = true;
    return masterport_is_taken(j->port.port);
}

static void job_on_other_oom(void *arg, const char *evidence)
{
    job_log(arg, LOG_WARN_,
            "the kernel ended a process of the job for want of memory, but no rank: %s",
            evidence);
}

/* The rank's end, as far as the wait status does not tell it. */
static bool job_was_oom(struct job *j, const struct task *t)
{
    char evidence[OOM_EVIDENCE_BYTES];
    int ws = t->wait_status;
    if (ws == 0 || t->ended_by_us || t->outcome.call)
        return false;
    if (!WIFSIGNALED(ws) || WTERMSIG(ws) != SIGKILL) {
        oom_rank_failed(j->oom);
        return false;
    }
    if (!oom_took_rank(j->oom, evidence))
        return false;
    job_log(j, LOG_WARN_, "the kernel ended rank %u (pid %d) for want of memory: %s",
            t->rank, (int)t->pid, evidence);
    return true;
}

static void job_on_exited(void *arg, const struct task *t)
{
    struct job *j = arg;
    Aolani__RankExit m = AOLANI__RANK_EXIT__INIT;
    m.rank = t->rank;
    m.wait_status = (uint32_t)t->wait_status;
    m.t_ns = t->t_exit_ns;
    m.exec_errno = t->outcome.call ? t->outcome.error : 0;
    m.ended_by_us = t->ended_by_us;
    m.cpu_user_us = job_microseconds(&t->usage.ru_utime);
    m.cpu_sys_us = job_microseconds(&t->usage.ru_stime);
    m.max_rss_kib = (uint64_t)t->usage.ru_maxrss;
    m.aborted = t->aborted;
    m.abort_status = t->abort_status;
    m.oom_killed = job_was_oom(j, t);
    if (t->wait_status && t->pid > 0)
        shmleft_add_pid(j->shm, t->pid);
    m.port_taken = job_lost_port(j, t);
    job_hear_tick(j, true); /* how its NCCL failed comes before its end */
    (void)job_send(j, MSG_RANK_EXIT, &m.base);
    if (j->input && t->rank == j->plan->stdin_rank)
        stdinpipe_rank_ended(j->input);
    if (j->pmix)
        pmixlink_rank_gone(j->pmix, t->rank);
}

static void job_on_gone(void *arg)
{
    job_unwatch_signals(arg);
    job_unwatch_binding(arg);
    job_event(arg, JOB_EV_GONE);
}

int job_start(struct job *j, const Aolani__Start *m, struct err *e)
{
    static const struct ranks_ops ops = {.settled = job_on_settled,
                                         .failed = job_on_failed,
                                         .exited = job_on_exited,
                                         .gone = job_on_gone};
    struct ranks_config c = {.loop = j->c.loop,
                             .reap = j->reap,
                             .plan = j->plan,
                             .host = j->c.host,
                             .base = &j->base,
                             .program = &j->program,
                             .folders = &j->folders,
                             .cgroup = j->cgroup,
                             .output = j->output,
                             .ptys = j->ptys,
                             .input = j->input,
                             .steps = j->steps,
                             .coll = j->coll,
                             .shm = j->shm,
                             .pmix = j->pmix_ready ? j->pmix : NULL,
                             .hear = j->hear,
                             .ras_address = j->ras_address[0] ? j->ras_address : NULL,
                             .attempt = j->attempt};
    int rc = oom_create(j->c.loop, j->cgroup ? cgroup_path(j->cgroup) : NULL,
                        job_on_other_oom, j, &j->oom, e);
    if (rc == 0)
        rc = ranks_create(&c, &ops, j, &j->ranks, e);
    if (rc < 0)
        return rc;
    reach_destroy(j->reach);
    j->reach = NULL;
    masterport_release(&j->port); /* for rank 0 to take */
    return ranks_start(j->ranks, m->master_addr, m->master_port, e);
}
