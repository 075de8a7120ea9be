/* SPDX-License-Identifier: MIT */
/* nodesignals.c - the rounds: ask the GPUs, read what /proc and the control groups say, then
 * the ports in slices; put the interval together and send it, now or with the next. */
#include "agent/nodesignals.h"

#include "agent/nodesignals_cgroup.h"
#include "agent/nodesignals_kernel.h"
#include "agent/nodesignals_links.h"
#include "agent/nodesignals_merge.h"
#include "agent/nodesignals_ports.h"
#include "agent/nodesignals_proc.h"
#include "agent/probe.h"
#include "agent/proc.h"
#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define SIGNALS_SLICE_NS   2000000u /* between two looks at anything else */
#define SIGNALS_SLOW_NS    300000000u
#define SIGNALS_MOUNTINFO  (8u << 20)
#define SIGNALS_GROUPS     4u    /* ranks whose control groups are looked up */
#define SIGNALS_SHARE      2000u /* of a core: one part in so many is ours */
#define SIGNALS_JUMP       4u
#define SIGNALS_LATEST     10u   /* times every_ms: no round is put off longer */
#define SIGNALS_PROBE_SOON 5000u /* the first probe; also where one was not possible */
#define SIGNALS_LEAST_NS   1000000u /* a last interval shorter than this says nothing */

enum signals_step { SIGNALS_ASK, SIGNALS_GPU, SIGNALS_PORTS };

struct nodesignals {
    struct nodesignals_config c;
    struct loop_timer *timer, *minute;
    uint32_t *cpus; /* that the job may use, ascending */
    size_t n_cpus;
    struct nodesignals_proc *proc;
    struct nodesignals_cgroup quota;
    struct nodesignals_ports *ports;
    struct nodesignals_links *links;
    struct nodesignals_kernel *kernel; /* NULL: it cannot be read, */
    int kernel_error;                  /* because of this */
    struct gpuhelper_user *gpu;
    struct probe *probe;
    enum signals_step step;
    struct nodesignals_sum now;  /* of this round; answers of GPUs come at any time */
    struct nodesignals_sum held; /* not yet sent */
    uint64_t last_ns, t_ns;      /* ends of the last round and of this one */
    uint64_t began_ms;
    uint64_t spent_ns, cost_ns; /* CPU time: of this round, and of one by and by */
    uint64_t helper_ns;         /* of the GPUs' helper, so far */
};

static uint64_t signals_cpu_ns(void)
{
    struct timespec t;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) < 0)
        return 0;
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- sending ---- */

static bool signals_send(struct nodesignals *s)
{
    if (!s->held.holds)
        return true;
    if (nodesignals_sum_send(&s->held, s->c.up) < 0)
        return false; /* it goes with the next */
    nodesignals_sum_clear(&s->held);
    return true;
}

/* What says nothing by itself, or was held back for want of credit, goes first: an interval
 * with news is not to be thinned by it. */
static void signals_take(struct nodesignals *s, bool last)
{
    bool quiet = nodesignals_sum_is_quiet(&s->now) && !last;
    if (!quiet || !nodesignals_sum_is_alike(&s->held, &s->now))
        (void)signals_send(s);
    nodesignals_sum_merge(&s->held, &s->now);
    nodesignals_sum_clear(&s->now);
    uint64_t held_ms = (s->held.to_ns - s->held.from_ns) / 1000000;
    if (!quiet || held_ms >= s->c.quiet_ms)
        (void)signals_send(s);
}

/* ---- a round ---- */

static void signals_read(struct nodesignals *s)
{
    s->t_ns = clock_mono_ns();
    nodesignals_proc_read(s->proc, &s->now);
    nodesignals_cgroup_read(&s->quota, &s->now);
    nodesignals_kernel_read(s->kernel, &s->now);
    nodesignals_ports_begin(s->ports);
}

static void signals_close_interval(struct nodesignals *s, bool last)
{
    s->now.from_ns = s->last_ns;
    s->now.to_ns = s->t_ns;
    s->now.holds = true;
    s->last_ns = s->t_ns;
    signals_take(s, last);
}

static void signals_find_ports(struct nodesignals *s)
{
    const char *first[64];
    size_t n = 0;
    for (size_t i = 0; i < s->c.plan->n_ranks && n < 64; i++)
        first[n++] = s->c.plan->ranks[i]->nic;
    nodesignals_ports_scan(s->ports, first, n);
}

static void signals_end_round(struct nodesignals *s)
{
    signals_close_interval(s, false);
    if (nodesignals_ports_lost(s->ports))
        signals_find_ports(s);
    s->step = SIGNALS_ASK;
}

/* What the helper took since the last round is a part of this one, but for its start. */
static void signals_charge_helper(struct nodesignals *s)
{
    uint64_t now = s->c.gpus ? gpuhelper_cpu_ns(s->c.gpus) : 0;
    if (s->helper_ns > 0 && now > s->helper_ns)
        s->spent_ns += now - s->helper_ns;
    s->helper_ns = now;
}

static void signals_plan_next(struct nodesignals *s)
{
    signals_charge_helper(s);
    if (s->cost_ns > 0 && s->spent_ns > SIGNALS_JUMP * s->cost_ns)
        s->spent_ns = SIGNALS_JUMP * s->cost_ns; /* one round says little */
    s->cost_ns =
        s->cost_ns ? s->cost_ns - s->cost_ns / 8 + s->spent_ns / 8 : s->spent_ns;
    uint64_t every = s->cost_ns * SIGNALS_SHARE / 1000000;
    uint64_t latest = s->c.every_ms * SIGNALS_LATEST;
    every = every < s->c.every_ms ? s->c.every_ms : every > latest ? latest : every;
    uint64_t took = loop_now_ms(s->c.loop) - s->began_ms;
    loop_timer_start(s->timer, took < every ? every - took : 1, 0);
}

static void signals_go_on(struct nodesignals *s)
{
    uint64_t began = signals_cpu_ns();
    if (s->step == SIGNALS_GPU) {
        signals_read(s);
        s->step = SIGNALS_PORTS;
    }
    if (nodesignals_ports_step(s->ports, clock_mono_ns() + SIGNALS_SLICE_NS, &s->now))
        signals_end_round(s);
    s->spent_ns += signals_cpu_ns() - began;
    if (s->step == SIGNALS_ASK)
        signals_plan_next(s);
    else
        loop_timer_start(s->timer, 0, 0);
}

static void signals_on_timer(void *arg)
{
    struct nodesignals *s = arg;
    if (s->step == SIGNALS_ASK) {
        s->began_ms = loop_now_ms(s->c.loop);
        s->spent_ns = 0;
        s->step = SIGNALS_GPU;
        if (s->gpu) {
            gpuhelper_ask(s->gpu);
            return; /* its answer comes, or its time is over */
        }
    }
    signals_go_on(s);
}

/* Also the answers that others asked for: each counts from the one before. */
static void signals_on_gpus(void *arg, const Aolani__GpuSample *sample, const char *why)
{
    struct nodesignals *s = arg;
    (void)why;
    for (size_t i = 0; sample && i < sample->n_signals; i++)
        if (nodesignals_sum_gpu(&s->now, sample->signals[i]) == 0)
            s->now.known |= NODESIGNALS_GPUS;
    if (s->step == SIGNALS_GPU)
        loop_timer_start(s->timer, 0, 0);
}

/* ---- once a minute ---- */

static void signals_find_quotas(struct nodesignals *s)
{
    struct buf mounts;
    char path[64], own[4096];
    unsigned n = 0;
    buf_init(&mounts, SIGNALS_MOUNTINFO);
    int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    bool good = fd >= 0 && buf_read(&mounts, fd) == 0 && buf_add(&mounts, "", 1) == 0;
    if (fd >= 0)
        close(fd);
    for (size_t i = 0; good && i < s->c.n_tasks && n < SIGNALS_GROUPS; i++) {
        const struct task *t = &s->c.tasks[i];
        (void)snprintf(path, sizeof path, "/proc/%d/cgroup", (int)t->pid);
        if (!task_is_alive(t) || t->pid <= 0 ||
            proc_read_file(path, own, sizeof own) <= 0)
            continue;
        nodesignals_cgroup_add(&s->quota, "", false, (const char *)mounts.data, own);
        n++;
    }
    buf_fini(&mounts);
}

static void signals_on_probe(void *arg, const Aolani__Probe *found)
{
    struct nodesignals *s = arg;
    if (found) {
        s->now.probe = *found;
        s->now.probed = true;
    }
    uint64_t soon =
        s->c.probe_ms < SIGNALS_PROBE_SOON ? s->c.probe_ms : SIGNALS_PROBE_SOON;
    loop_timer_start(s->minute, found ? s->c.probe_ms : soon, 0);
}

static void signals_on_minute(void *arg)
{
    struct nodesignals *s = arg;
    signals_find_quotas(s); /* a program may have moved itself into another group */
    signals_find_ports(s);
    nodesignals_links_look(s->links, &s->now);
    probe_start(s->probe);
}

/* ---- life ---- */

/* Those of the ranks; where one of them is not bound, all. */
static int signals_find_cpus(struct nodesignals *s, struct rankset *ranks)
{
    struct rankset one = {0};
    int rc = 0;
    bool bound = true;
    for (size_t i = 0; rc == 0 && i < s->c.plan->n_ranks; i++) {
        const char *cpus = s->c.plan->ranks[i]->cpus;
        bound = bound && cpus[0];
        if (rankset_parse(&one, cpus, NULL) == 0)
            rc = rankset_merge(ranks, &one);
    }
    rankset_fini(&one);
    const struct rankset *all =
        bound && rankset_count(ranks) > 0 ? ranks : s->c.allowed;
    s->cpus = calloc(rankset_count(all) + 1, sizeof *s->cpus);
    if (rc < 0 || !s->cpus)
        return -ENOMEM;
    for (int64_t at = -1; (at = rankset_next(all, (uint32_t)(at + 1))) >= 0;)
        if (at < LIMIT_CPUS)
            s->cpus[s->n_cpus++] = (uint32_t)at;
    return 0;
}

/* Ranks and their output need descriptors more than we do. */
static size_t signals_most_files(void)
{
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l) < 0 || l.rlim_cur / 4 > NODESIGNALS_PORT_FILES)
        return NODESIGNALS_PORT_FILES;
    return (size_t)(l.rlim_cur / 4);
}

static int signals_open(struct nodesignals *s, struct err *e)
{
    struct rankset ranks = {0};
    struct nodesignals_ports_config ports = {.sys = s->c.sys,
                                             .reopen = s->c.reopen,
                                             .most_files = signals_most_files(),
                                             .slow_ns = SIGNALS_SLOW_NS};
    int rc = signals_find_cpus(s, &ranks);
    struct nodesignals_proc_config proc = {.proc = s->c.proc,
                                           .reopen = s->c.reopen,
                                           .steal_is_told = s->c.steal_is_told,
                                           .cpus = s->cpus,
                                           .n_cpus = s->n_cpus};
    if (rc == 0 && (rc = nodesignals_sum_init(&s->now, s->cpus, s->n_cpus)) == 0 &&
        (rc = nodesignals_sum_init(&s->held, s->cpus, s->n_cpus)) == 0 &&
        (rc = nodesignals_proc_create(&proc, &s->proc)) == 0 &&
        (rc = nodesignals_ports_create(&ports, &s->ports)) == 0)
        rc = nodesignals_links_create(s->c.sys, s->c.info->topology, s->c.plan,
                                      &s->links);
    if (rc == 0 && s->c.gpus &&
        !(s->gpu = gpuhelper_join(s->c.gpus, signals_on_gpus, s, GPUHELPER_COUNTS)))
        rc = -ENOMEM;
    if (rc == 0 && s->c.kmsg)
        s->kernel_error = nodesignals_kernel_open(s->c.kmsg, &s->kernel);
    int cpu =
        probe_choose_cpu(s->c.allowed, &ranks, s->c.info->cores, s->c.info->n_cores);
    rankset_fini(&ranks);
    if (rc == 0)
        rc = probe_create(s->c.loop, cpu, signals_on_probe, s, &s->probe, e);
    return rc;
}

/* The first look, from which all is counted. */
static void signals_begin(struct nodesignals *s)
{
    uint64_t soon =
        s->c.probe_ms < SIGNALS_PROBE_SOON ? s->c.probe_ms : SIGNALS_PROBE_SOON;
    signals_find_quotas(s);
    signals_find_ports(s);
    signals_read(s);
    (void)nodesignals_ports_step(s->ports, UINT64_MAX, &s->now);
    nodesignals_links_look(s->links, &s->now);
    nodesignals_sum_clear(&s->now);
    s->last_ns = s->t_ns;
    /* Nodes that start together do not speak at the same moment. */
    loop_timer_start(s->timer,
                     s->c.every_ms + s->c.plan->node_index * 37ull % s->c.every_ms, 0);
    loop_timer_start(s->minute, soon, 0);
}

int nodesignals_create(const struct nodesignals_config *c, struct nodesignals **ret,
                       struct err *e)
{
    struct nodesignals *s = calloc(1, sizeof *s);
    if (!s)
        return err_sys(e, -ENOMEM, "watch this node");
    s->c = *c;
    s->timer = loop_timer_create(c->loop, signals_on_timer, s);
    s->minute = loop_timer_create(c->loop, signals_on_minute, s);
    int rc = s->timer && s->minute ? signals_open(s, e) : -ENOMEM;
    if (rc < 0) {
        nodesignals_destroy(s);
        return err_sys(e, rc, "watch this node");
    }
    signals_begin(s);
    *ret = s;
    return 0;
}

int nodesignals_kernel_error(const struct nodesignals *s)
{
    return s->kernel_error;
}

void nodesignals_finish(struct nodesignals *s)
{
    if (clock_mono_ns() - s->last_ns >= SIGNALS_LEAST_NS) {
        if (s->step != SIGNALS_PORTS) /* else a round is under way */
            signals_read(s);
        (void)nodesignals_ports_step(s->ports, clock_mono_ns() + SIGNALS_SLICE_NS,
                                     &s->now);
        signals_close_interval(s, true);
    }
    (void)signals_send(s);
    loop_timer_stop(s->timer);
    loop_timer_stop(s->minute);
}

void nodesignals_destroy(struct nodesignals *s)
{
    if (!s)
        return;
    gpuhelper_leave(s->gpu);
    probe_destroy(s->probe);
    nodesignals_links_destroy(s->links);
    nodesignals_kernel_close(s->kernel);
    nodesignals_ports_destroy(s->ports);
    nodesignals_cgroup_fini(&s->quota);
    nodesignals_proc_destroy(s->proc);
    nodesignals_sum_fini(&s->now);
    nodesignals_sum_fini(&s->held);
    loop_timer_destroy(s->timer);
    loop_timer_destroy(s->minute);
    free(s->cpus);
    free(s);
}
