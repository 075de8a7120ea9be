/* SPDX-License-Identifier: MIT */
/* rankstate.c - see rankstate.h. Only files whose reading never waits for the process are
 * opened: its command line would, where one of its threads holds on to its memory. */
#include "agent/rankstate.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/proc.h"

#define CLIMB 64u /* parents between a process and its rank */

struct seen {
    pid_t pid;
    struct proc_stat stat;
};

struct pass {
    struct seen all[RANKSTATE_PROCESSES];
    size_t n;
};

/* ---- one pass over the processes */

/* Where only the first thread has ended, its process is a Z too. */
static bool add_seen(void *arg, pid_t pid)
{
    struct pass *p = arg;
    struct seen *s = &p->all[p->n];
    s->pid = pid;
    if (proc_stat_read(pid, &s->stat) == 0 &&
        (s->stat.state != 'Z' || s->stat.threads > 1))
        p->n++;
    return p->n < RANKSTATE_PROCESSES;
}

static int by_pid(const void *a, const void *b)
{
    pid_t x = ((const struct seen *)a)->pid, y = ((const struct seen *)b)->pid;
    return (x > y) - (x < y);
}

static const struct seen *find(const struct pass *p, pid_t pid)
{
    struct seen key = {.pid = pid};
    return bsearch(&key, p->all, p->n, sizeof *p->all, by_pid);
}

static struct rankstate *rank_of_first(struct rankstate *ranks, size_t n, pid_t pid)
{
    for (size_t i = 0; pid > 1 && i < n; i++)
        if (ranks[i].first == pid)
            return &ranks[i];
    return NULL;
}

static struct rankstate *rank_of(const struct pass *p, const struct seen *s,
                                 struct rankstate *ranks, size_t n)
{
    struct rankstate *rank = NULL;
    const struct seen *up = s;
    for (unsigned i = 0; up && !rank && i < CLIMB; i++) {
        rank = rank_of_first(ranks, n, up->pid);
        up = find(p, up->stat.ppid);
    }
    if (!rank)
        rank = rank_of_first(ranks, n, s->stat.group);
    return rank ? rank : rank_of_first(ranks, n, s->stat.session);
}

/* ---- one process */

static char thread_state(pid_t pid, const char *tid)
{
    char path[sizeof "/proc//task//stat" + 20 + NAME_MAX], text[1024];
    struct proc_stat t;
    (void)snprintf(path, sizeof path, "/proc/%d/task/%s/stat", (int)pid, tid);
    if (!isdigit((unsigned char)tid[0]) ||
        proc_read_file(path, text, sizeof text) <= 0 || proc_stat_parse(text, &t) < 0)
        return 'Z';
    return t.state;
}

/* Of the first thread that has not ended, where that is not the process's own. */
static void read_thread_state(struct rankstate *r)
{
    char path[40];
    (void)snprintf(path, sizeof path, "/proc/%d/task", (int)r->pid);
    DIR *dir = r->state == 'Z' ? opendir(path) : NULL;
    for (struct dirent *d; r->state == 'Z' && dir && (d = readdir(dir));)
        r->state = thread_state(r->pid, d->d_name);
    if (dir)
        closedir(dir);
}

static void read_wait_channel(struct rankstate *r)
{
    char path[40], text[LIMIT_WAIT_CHANNEL + 1];
    (void)snprintf(path, sizeof path, "/proc/%d/wchan", (int)r->pid);
    if (proc_read_file(path, text, sizeof text) <= 0 || strcmp(text, "0") == 0)
        return;
    for (char *c = text; *c; c++)
        *c = isgraph((unsigned char)*c) ? *c : '?';
    (void)snprintf(r->wait_channel, sizeof r->wait_channel, "%s", text);
}

/* The last of NSpid is its number where it believes to be; a kernel without namespaces
 * has no such line. */
static uint32_t read_status(pid_t pid, bool *ret_traced)
{
    char path[40], text[4096];
    uint32_t own = (uint32_t)pid;
    int tracer = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    if (proc_read_file(path, text, sizeof text) <= 0)
        return own;
    const char *at = strstr(text, "\nTracerPid:");
    if (at && sscanf(at, "\nTracerPid: %d", &tracer) == 1)
        *ret_traced = tracer > 0;
    if (!(at = strstr(text, "\nNSpid:")))
        return own;
    char *end;
    for (at += strlen("\nNSpid:"); *at == '\t'; at = end) {
        unsigned long v = strtoul(at + 1, &end, 10);
        if (end == at + 1 || v == 0 || v > INT32_MAX)
            break;
        own = (uint32_t)v;
    }
    return own;
}

static void take(struct rankstate *r, const struct seen *s, uint64_t tick_ms)
{
    bool traced = false;
    uint32_t own = read_status(s->pid, &traced);
    if (r->n_pids < LIMIT_STALL_PIDS)
        r->pids[r->n_pids++] = own;
    r->traced = r->traced || traced;
    if (r->pid != 0 && s->stat.cpu * tick_ms <= r->cpu_ms)
        return;
    r->pid = s->pid;
    r->state = s->stat.state;
    r->threads = s->stat.threads;
    r->cpu_ms = s->stat.cpu * tick_ms;
}

int rankstate_look(struct rankstate *ranks, size_t n)
{
    long hz = sysconf(_SC_CLK_TCK);
    struct pass *p = calloc(1, sizeof *p);
    if (!p)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        ranks[i] = (struct rankstate){.first = ranks[i].first};
    int rc = proc_each(add_seen, p);
    qsort(p->all, p->n, sizeof *p->all, by_pid);
    for (size_t i = 0; rc == 0 && i < p->n; i++) {
        struct rankstate *r = rank_of(p, &p->all[i], ranks, n);
        if (r)
            take(r, &p->all[i], hz > 0 && hz <= 1000 ? 1000u / (unsigned)hz : 10);
    }
    free(p);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (!ranks[i].pid)
            continue;
        read_thread_state(&ranks[i]);
        read_wait_channel(&ranks[i]);
    }
    return rc;
}
