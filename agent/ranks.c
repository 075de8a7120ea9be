/* SPDX-License-Identifier: MIT */
/* ranks.c - see ranks.h. */
#include "agent/ranks.h"

#include "agent/bind.h"
#include "agent/environ.h"
#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/log.h"
#include "proto/base/rankset.h"
#include "proto/wire/container.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RANKS_SLICE_NS 20000000u /* of forking, without a look at anything else */

struct ranks {
    struct ranks_config c;
    const struct ranks_ops *ops;
    void *arg;
    struct task *tasks; /* in the order of the plan */
    size_t n, n_settled, n_gone;
    bool outside_cgroup;
    int memory_error;    /* of a rank whose memory may be anywhere against the plan */
    size_t n_unmeasured; /* without a step ring */
    uint64_t kill_at_ms; /* 0: not stopping */
    struct loop_timer *kill;
    struct loop_timer *start; /* the next of them */
    size_t n_tried;
    char *master_addr;
    uint32_t master_port;
};

/* Four descriptors for each rank are more than the 1024 of a login. The ranks get limits of
 * their own: programs that use select(2) need that number to stay theirs. */
static void ranks_raise_limit(void)
{
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l) < 0)
        return;
    l.rlim_cur = l.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &l);
}

/* What they hold now cannot be known once they are dead. */
static void ranks_look(struct ranks *r)
{
    pid_t *leaders = r->c.shm ? calloc(r->n + 1, sizeof *leaders) : NULL;
    size_t n = 0;
    for (size_t i = 0; leaders && i < r->n; i++) {
        if (task_is_alive(&r->tasks[i]))
            leaders[n++] = r->tasks[i].pid;
    }
    shmleft_look_sessions(r->c.shm, leaders, n);
    free(leaders);
}

static void ranks_on_start(void *arg);

static void ranks_on_kill(void *arg)
{
    struct ranks *r = arg;
    ranks_look(r);
    for (size_t i = 0; i < r->n; i++)
        (void)task_signal(&r->tasks[i], SIGKILL, true);
}

static void ranks_on_settled(void *arg, struct task *t)
{
    struct ranks *r = arg;
    if (t->outcome.cgroup_error)
        r->outside_cgroup = true;
    if (t->outcome.memory_error)
        r->memory_error = t->outcome.memory_error;
    if (++r->n_settled == r->n)
        r->ops->settled(r->arg);
}

int ranks_create(const struct ranks_config *c, const struct ranks_ops *ops, void *arg,
                 struct ranks **ret, struct err *e)
{
    struct ranks *r = calloc(1, sizeof *r);
    if (!r)
        goto fail;
    r->c = *c;
    r->ops = ops;
    r->arg = arg;
    r->tasks = calloc(c->plan->n_ranks + 1, sizeof *r->tasks);
    r->kill = loop_timer_create(c->loop, ranks_on_kill, r);
    r->start = loop_timer_create(c->loop, ranks_on_start, r);
    if (!r->tasks || !r->kill || !r->start)
        goto fail;
    for (; r->n < c->plan->n_ranks; r->n++) {
        const Aolani__RankPlan *p = c->plan->ranks[r->n];
        task_init(&r->tasks[r->n], p->rank, p->cpus, ranks_on_settled, r);
    }
    ranks_raise_limit();
    *ret = r;
    return 0;
fail:
    ranks_destroy(r);
    return err_sys(e, -ENOMEM, "make room for %zu ranks", c->plan->n_ranks);
}

void ranks_destroy(struct ranks *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n; i++)
        task_fini(&r->tasks[i]);
    loop_timer_destroy(r->kill);
    loop_timer_destroy(r->start);
    free(r->master_addr);
    free(r->tasks);
    free(r);
}

/* ---- starting ---- */

/* Of its own cores; unbound ranks share all of the node's. */
static unsigned ranks_omp_threads(const struct ranks *r, const char *cpus)
{
    unsigned own = host_count_cores(r->c.host, cpus);
    unsigned share = (unsigned)(r->c.host->info->n_cores / r->n);
    return own ? own : share ? share : 1;
}

static int ranks_environ(struct ranks *r, size_t i, const char *master_addr,
                         uint32_t master_port, char ***ret, struct err *e)
{
    const Aolani__RankPlan *p = r->c.plan->ranks[i];
    struct environ_spec s = {.base = r->c.base->env.v,
                             .own = environ,
                             .after_setup = r->c.base->after_setup,
                             .workdir = r->c.base->workdir,
                             .plan = r->c.plan,
                             .rank = p,
                             .attempt = r->c.attempt,
                             .master_addr = master_addr,
                             .master_port = master_port,
                             .profiler = r->c.host->profiler,
                             .library = r->c.host->library,
                             .python = r->c.host->python,
                             .ras_address = r->c.ras_address,
                             .agent_dir = r->c.host->dir,
                             .tmp_dir = r->c.folders->tmp,
                             .shm_dir = r->c.folders->shm,
                             .only_loopback = r->c.host->info->n_addresses == 0,
                             .omp_threads = ranks_omp_threads(r, p->cpus)};
    /* A node with little shared memory still trains. */
    if (steprelay_open_rank(r->c.steps, p->rank, &s.step_path, e) < 0 &&
        r->n_unmeasured++ == 0)
        log_warn("rank %u, and perhaps others, run unmeasured: %s", p->rank, e->text);
    if (r->c.coll && collrelay_open_rank(r->c.coll, p->rank, &s.coll_path, e) < 0)
        log_warn("NCCL is not followed: %s", e->text);
    char said[PATH_MAX];
    if (r->c.hear && ncclhear_path(r->c.hear, p->rank, said, sizeof said) == 0)
        s.nccl_file = said;
    if (r->c.pmix)
        pmixlink_env(r->c.pmix, p->rank, &s.pmix, &s.n_pmix);
    return environ_build(&s, ret, e);
}

static int ranks_open_streams(struct ranks *r, uint32_t rank, int fd[2], struct err *e)
{
    int rc = output_open_rank(r->c.output, rank, fd, e);
    if (rc == 0 && r->c.ptys && (rc = ptyrelay_open_rank(r->c.ptys, rank, fd, e)) < 0) {
        close(fd[0]);
        close(fd[1]);
    }
    return rc;
}

/* What a rank finds at these paths on the node it finds there in its container. */
static int ranks_contain(const struct ranks *r, char **env, char ***ret, struct err *e)
{
    const Aolani__Prepare *p = r->c.plan;
    const struct container_lets lets = {
        .folder = {{r->c.folders->base, true},
                   {r->c.folders->shm, true},
                   {r->c.host->dir, false}},
        .n_folders = 3,
        .workdir = r->c.base->workdir,
        .env = env,
        .is_root = geteuid() == 0,
    };
    return container_argv(p->container, p->n_container, &lets, p->argv, p->n_argv, ret,
                          e);
}

static int ranks_fork(struct ranks *r, size_t i, char **env, char **words,
                      struct err *e)
{
    struct task *t = &r->tasks[i];
    int fd[2];
    struct bind bind;
    struct spawn_spec s = {.path = r->c.program->path,
                           .argv = words ? words : r->c.program->argv,
                           .sh_argv = words ? NULL : r->c.program->sh_argv,
                           .env = env,
                           .workdir = r->c.base->workdir,
                           .cgroup_entrance =
                               r->c.cgroup ? cgroup_entrance(r->c.cgroup) : -1,
                           .umask = r->c.base->umask,
                           .oom_score_adj = RANKBASE_OOM_SCORE,
                           .limits = &r->c.base->limits};
    int rc = bind_read(r->c.plan, r->c.plan->ranks[i], &bind, e);
    if (rc < 0)
        return rc;
    rc = ranks_open_streams(r, t->rank, fd, e);
    if (rc == 0) {
        s.cpus = bind.cpus;
        s.cpus_bytes = bind.cpus_bytes;
        s.memory = bind.memory;
        s.fd_in = r->c.input ? stdinpipe_fd_for(r->c.input, t->rank) : -1;
        s.on_terminal = r->c.ptys;
        s.fd_out = fd[0];
        s.fd_err = fd[1];
        rc = task_start(t, r->c.loop, &s, e);
        close(fd[0]);
        close(fd[1]);
        if (s.fd_in >= 0)
            stdinpipe_handed_over(r->c.input);
        if (t->pid > 0)
            reap_add(r->c.reap, t->pid);
    }
    bind_fini(&bind);
    return rc;
}

static void ranks_tell_exit(struct ranks *r, struct task *t)
{
    struct err e;
    struct spawn_spec s = {.path = r->c.program->path, .workdir = r->c.base->workdir};
    if (t->outcome.call && t->pid > 0) {
        (void)spawn_outcome_err(&t->outcome, &s, &e);
        r->ops->failed(r->arg, t, &e);
    }
    r->ops->exited(r->arg, t);
    if (++r->n_gone == r->n) {
        loop_timer_stop(r->kill);
        r->ops->gone(r->arg);
    }
}

static void ranks_start_one(struct ranks *r, size_t i)
{
    struct task *t = &r->tasks[i];
    struct err e;
    char **env = NULL, **words = NULL;
    int rc = ranks_environ(r, i, r->master_addr, r->master_port, &env, &e);
    if (rc == 0 && r->c.plan->n_container > 0)
        rc = ranks_contain(r, env, &words, &e);
    if (rc == 0)
        rc = ranks_fork(r, i, env, words, &e);
    container_free(words);
    environ_free(env);
    if (rc == 0)
        return;
    if (t->state == TASK_NEW)
        task_refuse(t, -rc);
    r->ops->failed(r->arg, t, &e);
    if (t->state == TASK_DONE)
        ranks_tell_exit(r, t);
}

/* The job is stopped already. */
static void ranks_leave_out(struct ranks *r, size_t i)
{
    task_refuse(&r->tasks[i], ECANCELED);
    r->tasks[i].ended_by_us = true;
    ranks_tell_exit(r, &r->tasks[i]);
}

/* Some, then it is the loop's turn: a head that is waiting for hundreds of forks shall
 * hear from us, and be able to stop them. */
static void ranks_on_start(void *arg)
{
    struct ranks *r = arg;
    uint64_t until = clock_mono_ns() + RANKS_SLICE_NS;
    while (r->n_tried < r->n) {
        size_t i = r->n_tried++;
        if (r->kill_at_ms > 0)
            ranks_leave_out(r, i);
        else
            ranks_start_one(r, i);
        if (clock_mono_ns() >= until)
            break;
    }
    if (r->n_tried < r->n)
        loop_timer_start(r->start, 0, 0);
}

int ranks_start(struct ranks *r, const char *master_addr, uint32_t master_port,
                struct err *e)
{
    r->master_port = master_port;
    r->master_addr = strdup(master_addr);
    if (!r->master_addr)
        return err_sys(e, -ENOMEM, "start the ranks");
    ranks_on_start(r);
    if (r->n == 0) {
        r->ops->settled(r->arg);
        r->ops->gone(r->arg);
    }
    return 0;
}

void ranks_exited(struct ranks *r, pid_t pid, int wait_status,
                  const struct rusage *usage)
{
    for (size_t i = 0; i < r->n; i++) {
        struct task *t = &r->tasks[i];
        if (t->pid == pid && task_is_alive(t)) {
            task_exited(t, wait_status, usage);
            ranks_tell_exit(r, t);
            return;
        }
    }
}

void ranks_stopped(struct ranks *r, pid_t pid, uint64_t from_ns, uint64_t to_ns)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->tasks[i].pid == pid && task_is_alive(&r->tasks[i]))
            steprelay_stopped(r->c.steps, r->tasks[i].rank, from_ns, to_ns);
    }
}

/* ---- stopping ---- */

void ranks_signal(struct ranks *r, int signum, const uint32_t *which, size_t n)
{
    for (size_t i = 0; i < r->n; i++) {
        bool meant = n == 0;
        for (size_t k = 0; k < n; k++)
            meant = meant || which[k] == r->tasks[i].rank;
        if (meant)
            (void)task_signal(&r->tasks[i], signum, false);
    }
}

void ranks_stop(struct ranks *r, uint64_t grace_ms)
{
    uint64_t now = loop_now_ms(r->c.loop), at = now + grace_ms;
    bool first = r->kill_at_ms == 0;
    if (ranks_are_gone(r))
        return;
    if (grace_ms == 0) {
        r->kill_at_ms = now + 1;
        loop_timer_stop(r->kill);
        ranks_on_kill(r);
        return;
    }
    if (first)
        ranks_look(r);
    for (size_t i = 0; first && i < r->n; i++) {
        (void)task_signal(&r->tasks[i], SIGTERM, true);
        (void)task_signal(&r->tasks[i], SIGCONT,
                          true); /* a stopped one hears nothing */
    }
    if (!first && at >= r->kill_at_ms)
        return;
    r->kill_at_ms = at;
    loop_timer_start(r->kill, grace_ms, 0);
}

/* ---- facts ---- */

void ranks_aborted(struct ranks *r, uint32_t rank, int status)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->tasks[i].rank == rank) {
            r->tasks[i].aborted = true;
            r->tasks[i].abort_status = status;
        }
    }
}

bool ranks_are_gone(const struct ranks *r)
{
    return r->n_gone == r->n;
}

bool ranks_are_in_cgroup(const struct ranks *r)
{
    return !r->outside_cgroup;
}

int ranks_memory_error(const struct ranks *r)
{
    return r->memory_error;
}

const struct task *ranks_tasks(const struct ranks *r, size_t *ret_n)
{
    *ret_n = r->n;
    return r->tasks;
}
