/* SPDX-License-Identifier: MIT */
/* readback_threads.c - see readback_threads.h. A process is looked at through a descriptor
 * of its folder: another that was given its number meanwhile is not behind it. */
#include "agent/readback_threads.h"

#include "agent/proc.h"
#include "proto/base/clock.h"
#include "proto/base/rankset.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READBACK_TEXT     12000u /* of a set; three of them go into one message */
#define READBACK_CHILDREN 16384u /* bytes of a list at a time */
#define READBACK_CLOCK    16u    /* threads between two looks at the clock */
#define READBACK_AT_LEAST 64u /* threads of each rank, however many ranks there are */

struct walk_process {
    pid_t pid, parent;
    int owner; /* index of its rank */
};

struct readback_walk {
    bool by_parents;
    DIR *dir; /* threads of `now`; NULL: between two processes */
    struct walk_process now;
    struct readback_threads *ranks;
    size_t n_ranks;
    struct walk_process *list; /* found; those before `next` were looked at */
    size_t n, next;
    uint32_t budget, share; /* threads: in all, of one rank */
    char children[READBACK_CHILDREN];
};

static void walk_close(struct readback_walk *w)
{
    if (w->dir)
        closedir(w->dir);
    w->dir = NULL;
}

/* ---- sets ---- */

int readback_cpus_parse(const char *text, struct readback_cpus *ret, struct err *e)
{
    struct rankset set = {0};
    int rc = rankset_parse(&set, text, e);
    memset(ret, 0, sizeof *ret);
    for (int64_t i = -1; rc == 0 && (i = rankset_next(&set, (uint32_t)(i + 1))) >= 0;) {
        if (i >= LIMIT_CPUS)
            rc = err_set(e, ERR_LIMIT, "read the CPUs \"%.40s\": there is no CPU %lld",
                         text, (long long)i);
        else
            ret->words[i / 64] |= UINT64_C(1) << (i % 64);
    }
    rankset_fini(&set);
    return rc;
}

static bool cpus_have(const struct readback_cpus *c, uint32_t i)
{
    return i < LIMIT_CPUS && c->words[i / 64] >> (i % 64) & 1;
}

int readback_cpus_format(const struct readback_cpus *c, struct buf *out)
{
    const char *comma = "";
    size_t begin = out->len;
    int rc = buf_add(out, "", 0);
    for (uint32_t i = 0; i < LIMIT_CPUS && rc == 0; i++) {
        uint32_t from = i;
        if (c->words[i / 64] == 0) {
            i |= 63;
            continue;
        }
        if (!cpus_have(c, i))
            continue;
        while (cpus_have(c, i + 1))
            i++;
        if (out->len - begin > READBACK_TEXT)
            return buf_printf(out, ",...");
        rc = from == i ? buf_printf(out, "%s%u", comma, from)
                       : buf_printf(out, "%s%u-%u", comma, from, i);
        comma = ",";
    }
    return rc;
}

bool readback_cpus_within(const struct readback_cpus *a, const struct readback_cpus *b)
{
    for (size_t i = 0; i < LIMIT_CPUS / 64; i++) {
        if (a->words[i] & ~b->words[i])
            return false;
    }
    return true;
}

unsigned readback_cpus_count(const struct readback_cpus *c)
{
    unsigned n = 0;
    for (size_t i = 0; i < LIMIT_CPUS / 64; i++)
        n += (unsigned)__builtin_popcountll(c->words[i]);
    return n;
}

void readback_cpus_add(struct readback_cpus *to, const struct readback_cpus *c)
{
    for (size_t i = 0; i < LIMIT_CPUS / 64; i++)
        to->words[i] |= c->words[i];
}

int readback_cpus_of(pid_t tid, struct readback_cpus *ret)
{
    memset(ret, 0, sizeof *ret);
    return sched_getaffinity(tid, sizeof *ret, (cpu_set_t *)(void *)ret) < 0 ? -errno
                                                                             : 0;
}

/* ---- files of one process ---- */

static ssize_t walk_read_at(int dir, const char *name, char *buf, size_t size)
{
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    size_t n = 0;
    ssize_t got = fd < 0 ? -1 : 1;
    while (got > 0 && n < size - 1) {
        got = read(fd, buf + n, size - 1 - n);
        n += got > 0 ? (size_t)got : 0;
    }
    buf[n] = '\0';
    if (fd >= 0)
        close(fd);
    return got < 0 ? -1 : (ssize_t)n;
}

static void walk_found(struct readback_walk *w, pid_t pid, pid_t parent, int owner)
{
    if (w->n < READBACK_PROCESSES)
        w->list[w->n++] = (struct walk_process){pid, parent, owner};
    else
        w->ranks[owner].unseen++;
}

/* ---- who is there ---- */

static int walk_owner_of_group(const struct readback_walk *w,
                               const struct proc_stat *st)
{
    for (size_t i = 0; i < w->n_ranks; i++) {
        pid_t pid = w->ranks[i].pid;
        if (pid > 0 && (st->group == pid || st->session == pid))
            return (int)i;
    }
    return -1;
}

static void walk_orphan(struct readback_walk *w, pid_t pid)
{
    struct proc_stat st;
    if (readback_walk_owner(w, pid) >= 0 || proc_stat_read(pid, &st) < 0)
        return;
    int owner = walk_owner_of_group(w, &st);
    if (owner >= 0)
        walk_found(w, pid, st.ppid, owner);
}

/* All numbers of a list of children: of a process, or (p NULL) of the agent itself. In
 * parts, and a number that was cut waits for its end: it is another one's. */
static void walk_children(struct readback_walk *w, const struct walk_process *p,
                          int dir, const char *tid)
{
    char name[40];
    size_t kept = 0;
    ssize_t got;
    (void)snprintf(name, sizeof name, "%.20s/children", tid);
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    while ((got = read(fd, w->children + kept, sizeof w->children - 1 - kept)) > 0) {
        char *at = w->children, *end;
        w->children[kept + (size_t)got] = '\0';
        for (; (end = strchr(at, ' ')); at = end + 1) {
            pid_t pid = (pid_t)strtol(at, NULL, 10);
            if (pid > 0 && p)
                walk_found(w, pid, p->pid, p->owner);
            else if (pid > 0)
                walk_orphan(w, pid);
        }
        kept = strlen(at);
        memmove(w->children, at, kept);
    }
    close(fd);
}

/* What the agent has adopted. */
static void walk_orphans(struct readback_walk *w)
{
    const struct dirent *entry;
    DIR *dir = opendir("/proc/self/task");
    while (dir && (entry = readdir(dir))) {
        if (entry->d_name[0] != '.')
            walk_children(w, NULL, dirfd(dir), entry->d_name);
    }
    if (dir)
        closedir(dir);
}

/* ---- one thread, one process ---- */

/* Looked at twice, with its name in between: a number that was given to another thread
 * meanwhile accuses nobody. */
static void walk_accuse(struct readback_threads *r, int dir, pid_t pid, pid_t tid,
                        const struct readback_cpus *first)
{
    struct readback_cpus again;
    char name[40], comm[32];
    (void)snprintf(name, sizeof name, "%d/comm", (int)tid);
    if (walk_read_at(dir, name, comm, sizeof comm) <= 0 ||
        readback_cpus_of(tid, &again) < 0 || memcmp(&again, first, sizeof again) != 0)
        return;
    comm[strcspn(comm, "\n")] = '\0';
    readback_cpus_add(&r->off, first);
    if (r->n_off++ > 0)
        return;
    r->first_off = *first;
    r->off_tid = tid;
    r->off_pid = pid;
    (void)snprintf(r->off_name, sizeof r->off_name, "%.15s", comm);
}

static void walk_thread(struct readback_walk *w, const struct walk_process *p, int dir,
                        const char *name)
{
    struct readback_threads *r = &w->ranks[p->owner];
    struct readback_cpus now;
    pid_t tid = (pid_t)strtol(name, NULL, 10);
    if (r->threads >= w->share || w->budget == 0) {
        r->unseen++;
        return;
    }
    if (readback_cpus_of(tid, &now) < 0)
        return;
    w->budget--;
    r->threads++;
    readback_cpus_add(&r->cpus, &now);
    if (r->bound && !readback_cpus_within(&now, &r->asked))
        walk_accuse(r, dir, p->pid, tid, &now);
    if (!w->by_parents)
        walk_children(w, p, dir, name);
}

/* The one that was meant, and not a zombie, which runs nowhere. */
static bool walk_is_it(const struct readback_walk *w, const struct walk_process *p,
                       int dir)
{
    const struct readback_threads *r = &w->ranks[p->owner];
    struct proc_stat st;
    char text[1024];
    if (walk_read_at(dir, "../stat", text, sizeof text) <= 0 ||
        proc_stat_parse(text, &st) < 0 || st.state == 'Z' || st.state == 'X')
        return false;
    if (p->pid == r->pid)
        return st.start == r->start;
    return st.start >= r->start && (st.ppid == p->parent || st.ppid == getpid());
}

/* The next process that is still there becomes the current one. */
static bool walk_open_next(struct readback_walk *w)
{
    char path[40];
    while (w->next < w->n) {
        w->now = w->list[w->next++]; /* a copy: the list grows */
        (void)snprintf(path, sizeof path, "/proc/%d/task", (int)w->now.pid);
        w->dir = opendir(path);
        if (w->dir && walk_is_it(w, &w->now, dirfd(w->dir))) {
            w->ranks[w->now.owner].processes++;
            return true;
        }
        walk_close(w);
    }
    return false;
}

/* ---- where the kernel lists no children ---- */

struct walk_all {
    struct readback_walk *w;
    struct {
        pid_t pid, parent;
        bool taken;
    } list[READBACK_PROCESSES];
    size_t n;
};

static bool walk_note_parent(void *arg, pid_t pid)
{
    struct walk_all *a = arg;
    struct proc_stat st;
    if (proc_stat_read(pid, &st) < 0 || readback_walk_owner(a->w, pid) >= 0)
        return true;
    int owner = walk_owner_of_group(a->w, &st);
    if (owner >= 0) {
        walk_found(a->w, pid, st.ppid, owner);
        return true;
    }
    a->list[a->n].pid = pid;
    a->list[a->n].parent = st.ppid;
    return ++a->n < READBACK_PROCESSES;
}

/* Children of what was found, until a pass finds no more. */
static void walk_by_parents(struct readback_walk *w)
{
    struct walk_all *a = calloc(1, sizeof *a);
    if (!a)
        return;
    a->w = w;
    (void)proc_each(walk_note_parent, a);
    for (size_t before = w->n + 1; before != w->n;) {
        before = w->n;
        for (size_t i = 0; i < a->n; i++) {
            int owner =
                a->list[i].taken ? -1 : readback_walk_owner(w, a->list[i].parent);
            if (owner < 0)
                continue;
            a->list[i].taken = true;
            walk_found(w, a->list[i].pid, a->list[i].parent, owner);
        }
    }
    free(a);
}

/* ---- the walk ---- */

int readback_walk_create(bool by_parents, struct readback_walk **ret, struct err *e)
{
    struct readback_walk *w = calloc(1, sizeof *w);
    if (!w || !(w->list = calloc(READBACK_PROCESSES, sizeof *w->list))) {
        free(w);
        return err_sys(e, -ENOMEM, "look at the ranks' threads");
    }
    /* CONFIG_PROC_CHILDREN; nearly everywhere. */
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    w->by_parents = by_parents || access(path, R_OK) < 0;
    *ret = w;
    return 0;
}

void readback_walk_destroy(struct readback_walk *w)
{
    if (!w)
        return;
    walk_close(w);
    free(w->list);
    free(w);
}

void readback_walk_begin(struct readback_walk *w, struct readback_threads *ranks,
                         size_t n)
{
    walk_close(w);
    w->ranks = ranks;
    w->n_ranks = n;
    w->n = w->next = 0;
    w->budget = READBACK_THREADS;
    w->share = n > 0 ? READBACK_THREADS / (uint32_t)n : 0;
    if (w->share < READBACK_AT_LEAST)
        w->share = READBACK_AT_LEAST;
    for (size_t i = 0; i < n; i++) {
        struct readback_threads *r = &ranks[i];
        *r = (struct readback_threads){
            .pid = r->pid, .start = r->start, .bound = r->bound, .asked = r->asked};
        if (r->pid > 0)
            walk_found(w, r->pid, getpid(), (int)i);
    }
    if (w->by_parents)
        walk_by_parents(w);
    else
        walk_orphans(w);
}

bool readback_walk_step(struct readback_walk *w, uint64_t until_ns)
{
    const struct dirent *entry;
    for (unsigned i = 1; w->dir || walk_open_next(w); i++) {
        entry = readdir(w->dir);
        if (!entry)
            walk_close(w);
        else if (entry->d_name[0] != '.')
            walk_thread(w, &w->now, dirfd(w->dir), entry->d_name);
        if (i % READBACK_CLOCK == 0 && clock_mono_ns() >= until_ns)
            return false;
    }
    return true;
}

int readback_walk_owner(const struct readback_walk *w, pid_t pid)
{
    for (size_t i = 0; i < w->n; i++) {
        if (w->list[i].pid == pid)
            return w->list[i].owner;
    }
    return -1;
}
