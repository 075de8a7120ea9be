/* SPDX-License-Identifier: MIT */
/* rankproc.c - see rankproc.h. */
#include "agent/rankproc.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/proc.h"

#define TOPMOST_PART 8u /* of the busiest, see rankproc.h */
#define STAT_TEXT    1024u
#define OWN_TEXT     2048u

struct member { /* a process of the tree, or a thread */
    int32_t id;
    uint64_t start, cpu, used; /* used: since the look before */
};
struct members {
    struct member *at;
    uint32_t n, max;
};
struct followed {
    int32_t tid;
    struct nodesignals_file sched, stat;
    struct rankhost_thread last; /* tid 0: not read yet */
};

struct rankproc {
    struct rankproc_config c;
    uint64_t began; /* start of the process that the agent started; 0: not seen yet */
    uint64_t look_due_ns;
    struct member process; /* that is followed; id 0: none */
    uint64_t changes;      /* of it */
    struct members tree, tasks;
    struct followed followed[RANKHOST_THREADS];
    uint32_t n_followed;
    struct nodesignals_cgroup group;
    char own[OWN_TEXT]; /* the groups, as /proc names them */
    struct nodesignals_sum sum;
    bool quota_known;
    uint64_t throttled_us, delay_ns; /* delay: of all that are followed, at that time */
};

/* ---- who there is */

static bool stat_of(const struct rankproc *p, int32_t pid, int32_t tid,
                    struct proc_stat *ret)
{
    char path[512], text[STAT_TEXT];
    int n = tid > 0
                ? snprintf(path, sizeof path, "%s/proc/%d/task/%d/stat", p->c.root,
                           (int)pid, (int)tid)
                : snprintf(path, sizeof path, "%s/proc/%d/stat", p->c.root, (int)pid);
    return n > 0 && (size_t)n < sizeof path &&
           proc_read_file(path, text, sizeof text) > 0 &&
           proc_stat_parse(text, ret) == 0;
}

static const struct member *member_of(const struct members *all, int32_t id,
                                      uint64_t start)
{
    for (uint32_t i = 0; i < all->n; i++)
        if (all->at[i].id == id && all->at[i].start == start)
            return &all->at[i];
    return NULL;
}

/* Of one that is new all that it ever used counts. */
static void member_add(struct members *now, const struct members *before, int32_t id,
                       const struct proc_stat *s)
{
    const struct member *was = member_of(before, id, s->start);
    if (now->n == now->max)
        return;
    now->at[now->n++] =
        (struct member){.id = id,
                        .start = s->start,
                        .cpu = s->cpu,
                        .used = was && s->cpu >= was->cpu ? s->cpu - was->cpu : s->cpu};
}

static void members_take(struct members *all, struct members *now)
{
    free(all->at);
    *all = *now;
}

static bool id_next(const char **at, int32_t *ret)
{
    uint64_t v;
    if (!nodesignals_number(at, &v) || v == 0 || v > INT32_MAX)
        return false;
    *ret = (int32_t)v;
    return true;
}

/* ---- the process */

static void add_children(struct rankproc *p, struct members *now, int32_t pid)
{
    char path[512], text[4096];
    int n = snprintf(path, sizeof path, "%s/proc/%d/task/%d/children", p->c.root,
                     (int)pid, (int)pid);
    if (n < 0 || (size_t)n >= sizeof path ||
        proc_read_file(path, text, sizeof text) <= 0)
        return;
    const char *at = text;
    int32_t child;
    struct proc_stat s;
    while (id_next(&at, &child))
        if (stat_of(p, child, 0, &s))
            member_add(now, &p->tree, child, &s);
}

/* Parents before their children. False: the rank is gone. */
static bool look_tree(struct rankproc *p)
{
    struct proc_stat s;
    if (!stat_of(p, p->c.pid, 0, &s) || (p->began && s.start != p->began))
        return false;
    struct members now = {.max = RANKPROC_TREE};
    now.at = calloc(now.max, sizeof *now.at);
    if (!now.at)
        return false;
    p->began = s.start;
    member_add(&now, &p->tree, p->c.pid, &s);
    for (uint32_t i = 0; i < now.n; i++)
        add_children(p, &now, now.at[i].id);
    members_take(&p->tree, &now);
    return true;
}

static const struct member *topmost(const struct members *tree)
{
    uint64_t most = 0;
    for (uint32_t i = 0; i < tree->n; i++)
        most = tree->at[i].used > most ? tree->at[i].used : most;
    for (uint32_t i = 0; i < tree->n; i++)
        if (tree->at[i].used > 0 && tree->at[i].used >= most / TOPMOST_PART)
            return &tree->at[i];
    return NULL;
}

static void unfollow(struct rankproc *p)
{
    for (uint32_t i = 0; i < p->n_followed; i++) {
        nodesignals_file_close(&p->followed[i].sched);
        nodesignals_file_close(&p->followed[i].stat);
    }
    p->n_followed = 0;
}

static void leave_group(struct rankproc *p)
{
    nodesignals_cgroup_fini(&p->group);
    p->group = (struct nodesignals_cgroup){0};
    p->own[0] = '\0';
}

/* It may be moved while it runs. */
static void look_group(struct rankproc *p)
{
    char path[512], own[OWN_TEXT], mounts[65536];
    (void)snprintf(path, sizeof path, "%s/proc/%d/cgroup", p->c.root,
                   (int)p->process.id);
    if (proc_read_file(path, own, sizeof own) <= 0 || strcmp(own, p->own) == 0)
        return;
    leave_group(p);
    (void)snprintf(path, sizeof path, "%s/proc/self/mountinfo", p->c.root);
    if (proc_read_file(path, mounts, sizeof mounts) <= 0)
        return;
    memcpy(p->own, own, sizeof own);
    nodesignals_cgroup_add(&p->group, p->c.root, p->c.reopen, mounts, own);
    nodesignals_cgroup_read(&p->group, &p->sum); /* the first begins */
}

static void leave_process(struct rankproc *p)
{
    unfollow(p);
    leave_group(p);
    p->tasks.n = 0;
    p->process = (struct member){0};
}

/* While none of them works the one at hand stays. */
static void look_process(struct rankproc *p)
{
    if (!look_tree(p)) {
        leave_process(p);
        return;
    }
    const struct member *top = topmost(&p->tree), *is = NULL;
    if (p->process.id)
        is = member_of(&p->tree, p->process.id, p->process.start);
    if (!top)
        top = is;
    if (top && is && top->id == is->id && top->start == is->start)
        return;
    leave_process(p);
    if (!top)
        return;
    p->process = *top;
    p->changes++;
}

/* ---- its threads */

static bool is_busier(const struct rankproc *p, const struct member *a,
                      const struct member *b)
{
    bool first_a = a->id == p->process.id, first_b = b->id == p->process.id;
    if (first_a != first_b)
        return first_a;
    return a->used != b->used ? a->used > b->used : a->cpu > b->cpu;
}

static uint32_t pick(const struct rankproc *p, const struct members *all,
                     struct member ret[RANKHOST_THREADS])
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < all->n; i++) {
        const struct member *m = &all->at[i];
        uint32_t at = n < RANKHOST_THREADS ? n : RANKHOST_THREADS - 1;
        if (n == RANKHOST_THREADS && !is_busier(p, m, &ret[at]))
            continue;
        for (; at > 0 && is_busier(p, m, &ret[at - 1]); at--)
            ret[at] = ret[at - 1];
        ret[at] = *m;
        n = n < RANKHOST_THREADS ? n + 1 : n;
    }
    return n;
}

static void follow(struct rankproc *p, int32_t tid)
{
    struct followed f = {.tid = tid};
    if (nodesignals_file_open(&f.sched, p->c.reopen, "%s/proc/%d/task/%d/schedstat",
                              p->c.root, (int)p->process.id, (int)tid) < 0)
        return;
    if (nodesignals_file_open(&f.stat, p->c.reopen, "%s/proc/%d/task/%d/stat",
                              p->c.root, (int)p->process.id, (int)tid) < 0)
        nodesignals_file_close(&f.sched);
    else
        p->followed[p->n_followed++] = f;
}

static bool look_tasks(struct rankproc *p, struct members *now)
{
    char path[512];
    struct proc_stat s;
    const struct dirent *entry;
    (void)snprintf(path, sizeof path, "%s/proc/%d/task", p->c.root, (int)p->process.id);
    now->max = RANKPROC_TASKS;
    now->at = calloc(now->max, sizeof *now->at);
    DIR *dir = now->at ? opendir(path) : NULL;
    while (dir && (entry = readdir(dir))) {
        const char *at = entry->d_name;
        int32_t tid;
        if (id_next(&at, &tid) && stat_of(p, p->process.id, tid, &s))
            member_add(now, &p->tasks, tid, &s);
    }
    if (dir)
        closedir(dir);
    return dir != NULL;
}

static void look_threads(struct rankproc *p)
{
    struct members now = {0};
    struct member best[RANKHOST_THREADS];
    if (look_tasks(p, &now))
        members_take(&p->tasks, &now);
    else
        free(now.at);
    uint32_t n = pick(p, &p->tasks, best);
    unfollow(p);
    for (uint32_t i = 0; i < n; i++)
        follow(p, best[i].id);
}

static uint64_t own_ns(void)
{
    struct timespec t = {0};
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void look(struct rankproc *p, uint64_t now_ns)
{
    uint64_t since = own_ns(), wait = RANKPROC_SOON_NS;
    look_process(p);
    if (p->process.id) {
        look_group(p);
        look_threads(p);
        wait = (own_ns() - since) * RANKPROC_LOOK_PART;
        wait = wait > RANKPROC_LOOK_NS ? wait : RANKPROC_LOOK_NS;
    }
    p->look_due_ns = now_ns + wait;
}

/* ---- a reading */

/* "<CPU ns> <run delay ns> <turns>"; all are 0 where the kernel does not keep them. */
static bool sched_parse(const char *text, struct rankhost_thread *ret)
{
    return nodesignals_number(&text, &ret->cpu_ns) &&
           nodesignals_number(&text, &ret->delay_ns) &&
           nodesignals_number(&text, &ret->turns) && ret->cpu_ns > 0;
}

/* A thread that did not run since has had no faults. */
static bool read_thread(struct followed *f, struct rankhost_thread *ret)
{
    char sched[128], stat[STAT_TEXT];
    struct rankhost_thread now = f->last;
    struct proc_stat s;
    if (nodesignals_file_read(&f->sched, sched, sizeof sched) <= 0 ||
        !sched_parse(sched, &now))
        return false;
    if (f->last.tid == 0 || now.cpu_ns != f->last.cpu_ns ||
        now.turns != f->last.turns) {
        if (nodesignals_file_read(&f->stat, stat, sizeof stat) <= 0 ||
            proc_stat_parse(stat, &s) < 0)
            return false;
        now.tid = f->tid;
        now.start = s.start;
        now.minflt = s.minflt;
        now.majflt = s.majflt;
    }
    f->last = *ret = now;
    return true;
}

/* A quota is only looked at when somebody had to wait for a CPU. */
static bool read_quota(struct rankproc *p, struct rankhost_reading *ret)
{
    uint64_t delay = 0;
    for (uint32_t i = 0; i < ret->n; i++)
        delay += ret->thread[i].delay_ns;
    if (delay != p->delay_ns || !p->quota_known) {
        p->sum.throttled_us = 0;
        p->sum.known = 0;
        nodesignals_cgroup_read(&p->group, &p->sum);
        p->quota_known = p->sum.known & NODESIGNALS_QUOTA;
        p->throttled_us += p->sum.throttled_us;
        p->delay_ns = delay;
    }
    ret->throttled_ns = p->throttled_us * 1000;
    return p->quota_known;
}

bool rankproc_read(struct rankproc *p, uint64_t now_ns, struct rankhost_reading *ret)
{
    if (now_ns >= p->look_due_ns)
        look(p, now_ns);
    *ret = (struct rankhost_reading){.t_ns = now_ns, .process = p->changes};
    for (uint32_t i = 0; i < p->n_followed; i++)
        ret->n += read_thread(&p->followed[i], &ret->thread[ret->n]);
    if (ret->n > 0)
        return read_quota(p, ret);
    if (p->n_followed > 0) /* it has ended, and another one may have begun */
        p->look_due_ns = now_ns;
    unfollow(p);
    return false;
}

int rankproc_create(const struct rankproc_config *c, struct rankproc **ret)
{
    struct rankproc *p = calloc(1, sizeof *p);
    if (!p)
        return -ENOMEM;
    p->c = *c;
    *ret = p;
    return 0;
}

void rankproc_destroy(struct rankproc *p)
{
    if (!p)
        return;
    leave_process(p);
    free(p->tree.at);
    free(p->tasks.at);
    free(p);
}
