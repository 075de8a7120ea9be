/* SPDX-License-Identifier: MIT */
/* measure_busy.c - see measure_busy.h. */
#include "agent/audit/measure_busy.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/audit/measure_kernel.h"
#include "proto/base/clock.h"

#define PROCS_MOST   131072u
#define ANCESTRY     32u /* generations from one of ours down to what it started */
#define STAT_BYTES   1024u
#define FIELD_PARENT 4u
#define FIELD_USER   14u
#define FIELD_SYSTEM 15u
#define FIELD_BEGAN  22u

/* The name may have any byte in it, a ')' too: the last one ends it. */
bool measure_busy_parse(const char *text, struct measure_proc *ret)
{
    char *end;
    const char *open = strchr(text, '('), *close = strrchr(text, ')');
    long pid = strtol(text, &end, 10);
    unsigned field = 3;
    if (pid <= 0 || pid > INT32_MAX || !open || !close || close < open ||
        end + 1 != open || close[1] != ' ' || !close[2] || close[3] != ' ')
        return false;
    *ret = (struct measure_proc){.pid = (int32_t)pid};
    size_t len = (size_t)(close - open - 1);
    len = len < sizeof ret->name ? len : sizeof ret->name - 1;
    memcpy(ret->name, open + 1, len);
    for (const char *at = close + 3; *at == ' ' && ++field <= FIELD_BEGAN; at = end) {
        long long v = strtoll(at, &end, 10);
        if (end == at || (v < 0 && field >= FIELD_USER && field <= FIELD_SYSTEM))
            return false;
        if (field == FIELD_PARENT)
            ret->parent = (int32_t)v;
        else if (field == FIELD_USER || field == FIELD_SYSTEM)
            ret->used += (uint64_t)v;
        else if (field == FIELD_BEGAN)
            ret->began = (uint64_t)v;
    }
    return field >= FIELD_BEGAN;
}

static int by_pid(const void *a, const void *b)
{
    const struct measure_proc *x = a, *y = b;
    return x->pid < y->pid ? -1 : x->pid > y->pid;
}

static bool add(struct measure_look *l, size_t *room, const struct measure_proc *p)
{
    if (l->n == *room) {
        size_t more = *room ? *room * 2 : 256;
        struct measure_proc *all =
            more <= PROCS_MOST ? realloc(l->procs, more * sizeof *all) : NULL;
        if (!all)
            return false;
        l->procs = all;
        *room = more;
    }
    l->procs[l->n++] = *p;
    return true;
}

/* 0: the kernel does not count it. */
static uint64_t waited(const struct machine *m, int32_t pid)
{
    char path[64], text[128];
    unsigned long long ns = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/schedstat", pid);
    if (machine_read(m, path, text, sizeof text) <= 0 ||
        sscanf(text, "%*u %llu", &ns) != 1)
        return 0;
    return ns / measure_kernel_tick_ns();
}

/* Not by machine_list: a machine may have more processes than it lists names. */
void measure_busy_look(struct measure_look *l, const struct machine *m, uint64_t end_ns)
{
    DIR *d = opendir("/proc");
    size_t room = 0;
    *l = (struct measure_look){.whole = d};
    for (struct dirent *at; l->whole && (at = readdir(d));) {
        char path[64], text[STAT_BYTES];
        struct measure_proc p;
        if (!isdigit((unsigned char)at->d_name[0]))
            continue;
        (void)snprintf(path, sizeof path, "/proc/%.20s/stat", at->d_name);
        if (machine_read(m, path, text, sizeof text) <= 0 ||
            !measure_busy_parse(text, &p))
            continue; /* it ended */
        p.waited = waited(m, p.pid);
        l->whole = add(l, &room, &p) && clock_mono_ns() < end_ns;
    }
    if (d)
        closedir(d);
    if (l->n > 0)
        qsort(l->procs, l->n, sizeof *l->procs, by_pid);
}

void measure_busy_fini(struct measure_look *l)
{
    free(l->procs);
    *l = (struct measure_look){0};
}

static const struct measure_proc *find(const struct measure_look *l, int32_t pid)
{
    struct measure_proc key = {.pid = pid};
    return l->n ? bsearch(&key, l->procs, l->n, sizeof key, by_pid) : NULL;
}

static bool is_of(const struct measure_look *l, const struct measure_proc *p,
                  int32_t self)
{
    for (unsigned i = 0; p && i < ANCESTRY; i++) {
        if (p->pid == self || p->parent == self)
            return true;
        p = find(l, p->parent);
    }
    return false;
}

static uint64_t grown(uint64_t from, uint64_t to)
{
    return to > from ? to - from : 0;
}

/* One that the first look did not see is new only if that saw all. */
static struct measure_used used(const struct measure_look *before,
                                const struct measure_proc *p, uint64_t *ret_used)
{
    static const struct measure_proc none = {0};
    const struct measure_proc *was = find(before, p->pid);
    if (!was || was->began != p->began)
        was = before->whole ? &none : p;
    *ret_used = grown(was->used, p->used);
    return (struct measure_used){p, *ret_used + grown(was->waited, p->waited)};
}

static size_t insert(struct measure_used *all, size_t n, const struct measure_used *u)
{
    size_t at = n;
    while (at > 0 && all[at - 1].wanted < u->wanted)
        at--;
    if (at == MEASURE_BUSY_MOST)
        return n;
    size_t moved = (n < MEASURE_BUSY_MOST ? n : MEASURE_BUSY_MOST - 1) - at;
    memmove(all + at + 1, all + at, moved * sizeof *all);
    all[at] = *u;
    return n < MEASURE_BUSY_MOST ? n + 1 : n;
}

size_t measure_busy_rank(const struct measure_look *before,
                         const struct measure_look *after, int32_t self, uint64_t least,
                         struct measure_used ret[MEASURE_BUSY_MOST], uint64_t *ret_all)
{
    size_t n = 0;
    *ret_all = 0;
    for (size_t i = 0; i < after->n; i++) {
        uint64_t ticks;
        struct measure_used u = used(before, &after->procs[i], &ticks);
        if (u.wanted == 0 || is_of(after, u.proc, self))
            continue;
        *ret_all += ticks;
        if (u.wanted >= least)
            n = insert(ret, n, &u);
    }
    return n;
}
