/* SPDX-License-Identifier: MIT */
/* readback.c - the rounds: look at all ranks, wait for the GPUs' answer, judge, tell. */
#include "agent/readback.h"

#include "agent/proc.h"
#include "agent/readback_cgroup.h"
#include "agent/readback_judge.h"
#include "agent/readback_memory.h"
#include "agent/readback_threads.h"
#include "agent/readback_users.h"
#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READBACK_SLICE_NS  2000000u /* between two looks at anything else */
#define READBACK_MOUNTINFO (8u << 20)
#define READBACK_GROUPS    32u /* control groups that ranks are in; mostly one */
#define READBACK_OWN       4096u

struct readback_rank {
    struct rankset numa; /* asked */
    struct buf applied;
    struct readback_pages pages;
    int pages_rc;
    int group;     /* -1: not known */
    uint64_t told; /* substance of the last message */
    unsigned n_told, threads_class;
};

struct readback_group {
    char own[READBACK_OWN]; /* as /proc/<pid>/cgroup has it */
    struct readback_cgroup allows;
    unsigned need; /* CPUs of all ranks below its quota */
};

enum readback_step { READBACK_WALK, READBACK_LOOK, READBACK_WAIT, READBACK_TELL };

struct readback {
    struct readback_config c;
    struct loop_timer *timer;
    struct readback_walk *walk;
    struct readback_threads *threads; /* as tasks */
    struct readback_rank *ranks;
    struct buf mountinfo;
    struct rankset nodes; /* NUMA nodes that have CPUs */
    struct readback_group groups[READBACK_GROUPS];
    size_t n_groups;
    enum readback_step step;
    size_t at; /* rank, in LOOK and TELL */
    unsigned round;
    uint64_t began_ms, spent_ns, slice_ns;
    /* GPUs, where the plan names some */
    struct gpuhelper_user *gpu;
    struct readback_gpu_use *uses;
    size_t n_uses;
    bool gpu_pending, same_pids;
    char gpu_why[200];
};

/* ---- one rank ---- */

static bool readback_is_alive(const struct readback *r, size_t i)
{
    const struct task *t = &r->c.tasks[i];
    return task_is_alive(t) && t->settled && !t->outcome.call && t->pid > 0;
}

static void readback_look_at_group(struct readback *r, size_t i)
{
    char path[64], own[READBACK_OWN];
    r->ranks[i].group = -1;
    (void)snprintf(path, sizeof path, "/proc/%d/cgroup", (int)r->c.tasks[i].pid);
    if (proc_read_file(path, own, sizeof own) <= 0 || !r->mountinfo.data)
        return;
    for (size_t k = 0; k < r->n_groups; k++) {
        if (strcmp(r->groups[k].own, own) == 0) {
            r->ranks[i].group = (int)k;
            return;
        }
    }
    if (r->n_groups == READBACK_GROUPS)
        return;
    struct readback_group *g = &r->groups[r->n_groups];
    memcpy(g->own, own, sizeof own);
    readback_cgroup_read("", (const char *)r->mountinfo.data, own, &g->allows);
    r->ranks[i].group = (int)r->n_groups++;
}

static void readback_look(struct readback *r, size_t i)
{
    struct readback_rank *k = &r->ranks[i];
    if (!readback_is_alive(r, i))
        return;
    readback_look_at_group(r, i);
    if (rankset_count(&k->numa) == 0 || rankset_count(&r->nodes) <= 1)
        return;
    if (proc_has_stuck_thread(r->c.tasks[i].pid)) {
        if (k->pages.present == 0)
            k->pages_rc = -EBUSY;
        return; /* what was seen before stays */
    }
    k->pages = (struct readback_pages){0};
    k->pages_rc = readback_pages_sample(
        r->c.tasks[i].pid, (uint64_t)r->round << 32 | (uint64_t)i, &k->pages);
}

/* Ranks in different groups may be below one that has the quota. */
static void readback_count_needs(struct readback *r)
{
    for (size_t g = 0; g < r->n_groups; g++) {
        struct readback_group *mine = &r->groups[g];
        struct readback_cpus all = {0};
        for (size_t i = 0; mine->allows.quota_percent && i < r->c.n_tasks; i++) {
            int k = r->ranks[i].group;
            if (k >= 0 && r->threads[i].pid > 0 &&
                strcmp(r->groups[k].allows.quota_at, mine->allows.quota_at) == 0)
                readback_cpus_add(&all, &r->threads[i].asked);
        }
        mine->need = readback_cpus_count(&all);
    }
}

/* ---- telling ---- */

struct readback_words { /* what a message borrows */
    struct buf cpus;
    Aolani__Binding__Check checks[READBACK_CHECKS], *check_list[READBACK_CHECKS];
    Aolani__PageShare shares[16], *share_list[16];
    char *gpus[LIMIT_GPUS];
};

static void readback_judge(const struct readback *r, size_t i,
                           struct readback_check checks[READBACK_CHECKS])
{
    static const struct readback_cgroup unknown = {.known = false};
    const struct readback_rank *k = &r->ranks[i];
    const struct readback_threads *t = &r->threads[i];
    const Aolani__RankPlan *p = r->c.plan->ranks[i];
    const struct readback_group *g = k->group >= 0 ? &r->groups[k->group] : NULL;
    struct readback_memory_seen m = {.asked = r->c.plan->memory !=
                                              AOLANI__MEMORY_POLICY__MEMORY_ANY,
                                     .numa = (struct rankset *)&k->numa,
                                     .nodes = (struct rankset *)&r->nodes,
                                     .rc = k->pages_rc,
                                     .pages = &k->pages};
    readback_judge_cpus(t, &checks[READBACK_CPUS]);
    readback_judge_memory(&m, &checks[READBACK_MEMORY]);
    readback_judge_gpu(r->uses, r->n_uses, r->gpu_why[0] ? r->gpu_why : NULL, (int)i,
                       p->gpus, p->n_gpus, &checks[READBACK_GPU]);
    readback_judge_cgroup(g ? &g->allows : &unknown, t->bound, &t->asked,
                          g ? g->need : 0, &checks[READBACK_CGROUP]);
}

static void readback_add_checks(const struct readback_check *checks,
                                struct readback_words *w, Aolani__Binding *m)
{
    for (size_t i = 0; i < READBACK_CHECKS; i++) {
        Aolani__Binding__Check *c = &w->checks[i];
        if (!checks[i].there)
            continue;
        aolani__binding__check__init(c);
        c->what = (char *)readback_check_names[i];
        c->state = checks[i].state;
        c->text = (char *)checks[i].text;
        w->check_list[m->n_checks++] = c;
    }
    m->checks = w->check_list;
}

static void readback_add_pages(const struct readback_pages *p, struct readback_words *w,
                               Aolani__Binding *m)
{
    for (size_t i = 0; i < p->n; i++) {
        aolani__page_share__init(&w->shares[i]);
        w->shares[i].numa = p->shares[i].numa;
        w->shares[i].pages = p->shares[i].pages;
        w->share_list[m->n_pages++] = &w->shares[i];
    }
    m->pages = w->share_list;
}

static void readback_add_gpus(const struct readback *r, size_t rank,
                              struct readback_words *w, Aolani__Binding *m)
{
    for (size_t i = 0; i < r->n_uses && m->n_gpus < LIMIT_GPUS; i++) {
        bool again = false;
        if (r->uses[i].user != READBACK_RANK || r->uses[i].owner != (int)rank)
            continue;
        for (size_t k = 0; k < m->n_gpus; k++)
            again = again || strcmp(w->gpus[k], r->uses[i].uuid) == 0;
        if (!again)
            w->gpus[m->n_gpus++] = r->uses[i].uuid;
    }
    m->gpus = w->gpus;
}

/* A class is a power of two: growth is told, a few more or fewer are not. */
static unsigned readback_class(uint32_t n)
{
    unsigned c = 0;
    for (; n > 1; n >>= 1)
        c++;
    return c;
}

static void readback_tell(struct readback *r, size_t i)
{
    struct readback_rank *k = &r->ranks[i];
    const struct readback_threads *t = &r->threads[i];
    struct readback_check checks[READBACK_CHECKS];
    struct readback_words *w = calloc(1, sizeof *w);
    Aolani__Binding m = AOLANI__BINDING__INIT;
    if (!w || k->n_told == LIMIT_BINDINGS)
        goto out;
    buf_init(&w->cpus, 1u << 16);
    if (readback_cpus_format(&t->cpus, &w->cpus) < 0)
        goto out;
    m.rank = r->c.tasks[i].rank;
    m.t_ns = clock_mono_ns();
    m.applied_cpus = k->applied.data ? (char *)k->applied.data : (char *)"";
    m.cpus = (char *)w->cpus.data;
    m.processes = t->processes;
    m.threads = t->threads;
    if (k->group >= 0) {
        struct readback_cgroup *g = &r->groups[k->group].allows;
        m.cgroup_cpus = g->cpus;
        m.cgroup_quota_percent = g->quota_percent;
        m.cgroup_memory = g->memory;
    }
    readback_judge(r, i, checks);
    if (k->n_told == LIMIT_BINDINGS - 1) /* what is said last must stay true */
        readback_judge_no_more(checks);
    readback_add_checks(checks, w, &m);
    readback_add_pages(&k->pages, w, &m);
    readback_add_gpus(r, i, w, &m);
    unsigned class = readback_class(t->threads);
    if (class > k->threads_class)
        k->threads_class = class;
    /* Half of the messages are for what is or is not as asked. */
    const Aolani__Binding *seen = k->n_told < LIMIT_BINDINGS / 2 ? &m : NULL;
    uint64_t substance = readback_substance(checks, seen, k->threads_class);
    if ((k->n_told > 0 && substance == k->told) ||
        r->c.up->send(r->c.up->arg, MSG_BINDING, &m.base) < 0)
        goto out; /* what could not be sent is still news in the next round */
    k->told = substance;
    k->n_told++;
out:
    if (w)
        buf_fini(&w->cpus);
    free(w);
}

/* ---- the rounds ---- */

static void readback_begin(struct readback *r)
{
    r->began_ms = loop_now_ms(r->c.loop);
    r->n_groups = 0;
    r->spent_ns = 0;
    for (size_t i = 0; i < r->c.n_tasks; i++) {
        struct readback_threads *t = &r->threads[i];
        struct proc_stat st;
        t->pid = readback_is_alive(r, i) ? r->c.tasks[i].pid : 0;
        if (t->pid > 0 && r->round == 0 && proc_stat_read(t->pid, &st) == 0)
            t->start = st.start;
    }
    readback_walk_begin(r->walk, r->threads, r->c.n_tasks);
    if (r->gpu) {
        r->gpu_pending = true;
        gpuhelper_ask(r->gpu);
    }
    r->step = READBACK_WALK;
    r->at = 0;
}

static void readback_end(struct readback *r)
{
    uint64_t took = loop_now_ms(r->c.loop) - r->began_ms;
    uint64_t again = r->round == 0 && r->c.every_ms > READBACK_SOON_MS
                         ? READBACK_SOON_MS
                         : r->c.every_ms;
    r->spent_ns += clock_mono_ns() - r->slice_ns;
    r->slice_ns = clock_mono_ns();
    log_debug("read back %zu ranks in %.2f ms of a core", r->c.n_tasks,
              (double)r->spent_ns / 1e6);
    r->round++;
    r->step = READBACK_WALK;
    r->began_ms = 0;
    loop_timer_start(r->timer, took < again ? again - took : 1, 0);
}

/* One part of a round; false: there is nothing to go on with now. */
static bool readback_go_on(struct readback *r, uint64_t until_ns)
{
    switch (r->step) {
    case READBACK_WALK:
        if (readback_walk_step(r->walk, until_ns))
            r->step = READBACK_LOOK;
        return true;
    case READBACK_LOOK:
        if (r->at < r->c.n_tasks)
            readback_look(r, r->at++);
        else
            r->step = READBACK_WAIT;
        return true;
    case READBACK_WAIT:
        if (r->gpu_pending)
            return false; /* its answer comes, or its time is over */
        readback_count_needs(r);
        readback_users_tell(r->uses, r->n_uses, r->walk, r->c.plan->run_id,
                            r->same_pids);
        r->step = READBACK_TELL;
        r->at = 0;
        return true;
    case READBACK_TELL:
        if (r->at == r->c.n_tasks) {
            readback_end(r);
            return false;
        }
        if (r->threads[r->at].pid > 0 && readback_is_alive(r, r->at))
            readback_tell(r, r->at);
        r->at++;
        return true;
    }
    return false;
}

static void readback_on_timer(void *arg)
{
    struct readback *r = arg;
    bool more = true;
    r->slice_ns = clock_mono_ns();
    uint64_t until = r->slice_ns + READBACK_SLICE_NS;
    if (r->began_ms == 0)
        readback_begin(r);
    while (more && clock_mono_ns() < until)
        more = readback_go_on(r, until);
    r->spent_ns += clock_mono_ns() - r->slice_ns;
    if (more)
        loop_timer_start(r->timer, 0, 0);
}

static void readback_on_gpus(void *arg, const Aolani__GpuSample *s, const char *why)
{
    struct readback *r = arg;
    r->gpu_pending = false;
    r->n_uses = s ? readback_users_take(s, r->uses) : 0;
    (void)snprintf(r->gpu_why, sizeof r->gpu_why, "%s", why ? why : "");
    if (r->step == READBACK_WAIT)
        loop_timer_start(r->timer, 0, 0);
}

/* ---- life ---- */

static int readback_read_mounts(struct readback *r)
{
    buf_init(&r->mountinfo, READBACK_MOUNTINFO);
    int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    int rc = fd < 0 ? -errno : buf_read(&r->mountinfo, fd);
    if (fd >= 0)
        close(fd);
    return rc < 0 ? rc : buf_add(&r->mountinfo, "", 1);
}

static void readback_read_nodes(struct readback *r)
{
    char path[256], text[4096];
    (void)snprintf(path, sizeof path, "%.200s/devices/system/node/has_cpu", r->c.sysfs);
    if (proc_read_file(path, text, sizeof text) <= 0)
        return;
    text[strcspn(text, "\n")] = '\0';
    (void)rankset_parse(&r->nodes, text, NULL);
}

static int readback_init_rank(struct readback *r, size_t i, struct err *e)
{
    struct readback_rank *k = &r->ranks[i];
    const Aolani__RankPlan *p = r->c.plan->ranks[i];
    struct readback_cpus now;
    int rc = readback_cpus_parse(p->cpus, &r->threads[i].asked, e);
    r->threads[i].bound = p->cpus[0] != '\0';
    k->group = -1;
    buf_init(&k->applied, 1u << 16);
    for (size_t n = 0; rc == 0 && n < p->n_numa; n++)
        rc = p->numa[n] < LIMIT_NUMA ? rankset_add(&k->numa, p->numa[n]) : 0;
    if (rc < 0 || !readback_is_alive(r, i))
        return rc;
    /* By now the program may have chosen fewer by itself: asked first is who bound it. */
    if (r->threads[i].bound && !r->c.tasks[i].outcome.other_cpus)
        return readback_cpus_format(&r->threads[i].asked, &k->applied);
    if (readback_cpus_of(r->c.tasks[i].pid, &now) == 0)
        rc = readback_cpus_format(&now, &k->applied);
    return rc;
}

static int readback_open_gpus(struct readback *r)
{
    if (!r->c.gpus)
        return 0;
    r->same_pids = readback_users_same_pids();
    r->uses = calloc(READBACK_USES, sizeof *r->uses);
    if (!r->uses)
        return -ENOMEM;
    r->gpu = gpuhelper_join(r->c.gpus, readback_on_gpus, r, GPUHELPER_PROCESSES);
    return r->gpu ? 0 : -ENOMEM;
}

int readback_create(const struct readback_config *c, struct readback **ret,
                    struct err *e)
{
    struct readback *r = calloc(1, sizeof *r);
    if (!r)
        return err_sys(e, -ENOMEM, "read the binding back");
    r->c = *c;
    r->timer = loop_timer_create(c->loop, readback_on_timer, r);
    r->threads = calloc(c->n_tasks + 1, sizeof *r->threads);
    r->ranks = calloc(c->n_tasks + 1, sizeof *r->ranks);
    int rc = r->timer && r->threads && r->ranks ? 0 : -ENOMEM;
    for (size_t i = 0; rc == 0 && i < c->n_tasks; i++)
        rc = readback_init_rank(r, i, e);
    if (rc == 0)
        rc = readback_walk_create(false, &r->walk, e);
    if (rc == 0)
        rc = readback_open_gpus(r);
    if (rc < 0) {
        readback_destroy(r);
        return rc == -ENOMEM ? err_sys(e, rc, "read the binding back") : rc;
    }
    if (readback_read_mounts(r) < 0)
        buf_fini(&r->mountinfo); /* then no control group is known */
    readback_read_nodes(r);
    loop_timer_start(r->timer, 0, 0);
    *ret = r;
    return 0;
}

void readback_destroy(struct readback *r)
{
    if (!r)
        return;
    gpuhelper_leave(r->gpu);
    readback_walk_destroy(r->walk);
    loop_timer_destroy(r->timer);
    for (size_t i = 0; r->ranks && i < r->c.n_tasks; i++) {
        rankset_fini(&r->ranks[i].numa);
        buf_fini(&r->ranks[i].applied);
    }
    rankset_fini(&r->nodes);
    buf_fini(&r->mountinfo);
    free(r->uses);
    free(r->threads);
    free(r->ranks);
    free(r);
}
