/* SPDX-License-Identifier: MIT */
/* rankhosts.c - see rankhosts.h. */
#include "agent/rankhosts.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "agent/rankproc.h"

struct watched {
    const struct task *task;
    struct rankproc *proc; /* NULL: it does not run yet, or no more */
    uint64_t read_ns;
    struct rankhost host;
};

struct rankhosts {
    size_t n;
    uint64_t paid_ns; /* until when its share of the time is used up */
    struct watched ranks[];
};

int rankhosts_create(const struct task *tasks, size_t n, struct rankhosts **ret)
{
    struct rankhosts *h = calloc(1, sizeof *h + n * sizeof h->ranks[0]);
    if (!h)
        return -ENOMEM;
    h->n = n;
    for (size_t i = 0; i < n; i++)
        h->ranks[i].task = &tasks[i];
    *ret = h;
    return 0;
}

void rankhosts_destroy(struct rankhosts *h)
{
    for (size_t i = 0; h && i < h->n; i++)
        rankproc_destroy(h->ranks[i].proc);
    free(h);
}

static uint64_t own_ns(void)
{
    struct timespec t = {0};
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool may_read(const struct rankhosts *h, uint64_t now_ns)
{
    return h->paid_ns < now_ns + RANKHOSTS_SAVED_NS;
}

static void pay(struct rankhosts *h, uint64_t now_ns, uint64_t since)
{
    double ns = (double)(own_ns() - since) / RANKHOSTS_SHARE;
    h->paid_ns = (h->paid_ns > now_ns ? h->paid_ns : now_ns) + (uint64_t)ns;
}

static void rank_read(const struct rankhosts *h, struct watched *w, uint64_t now_ns)
{
    struct rankhost_reading r;
    struct rankproc_config c = {
        .root = "", .pid = w->task->pid, .reopen = h->n > RANKHOSTS_KEEP};
    w->read_ns = now_ns;
    if (!task_is_alive(w->task)) {
        rankproc_destroy(w->proc);
        w->proc = NULL;
    } else if ((w->proc || (c.pid > 0 && rankproc_create(&c, &w->proc) == 0)) &&
               rankproc_read(w->proc, now_ns, &r)) {
        rankhost_add(&w->host, &r);
    }
}

void rankhosts_tick(struct rankhosts *h, uint64_t now_ns)
{
    if (!may_read(h, now_ns))
        return;
    uint64_t since = own_ns();
    for (size_t i = 0; i < h->n; i++)
        rank_read(h, &h->ranks[i], now_ns);
    pay(h, now_ns, since);
}

static bool is_wanted(const struct rankhosts *h, const struct watched *w,
                      uint64_t to_ns, uint64_t now_ns)
{
    return to_ns > w->read_ns && now_ns - w->read_ns >= RANKHOSTS_SOON_NS &&
           may_read(h, now_ns);
}

bool rankhosts_over(struct rankhosts *h, uint32_t rank, uint64_t from_ns,
                    uint64_t to_ns, uint64_t now_ns, struct rankhost_figures *ret)
{
    for (size_t i = 0; i < h->n; i++) {
        struct watched *w = &h->ranks[i];
        if (w->task->rank != rank)
            continue;
        if (is_wanted(h, w, to_ns, now_ns)) {
            uint64_t since = own_ns();
            rank_read(h, w, now_ns);
            pay(h, now_ns, since);
        }
        return rankhost_over(&w->host, from_ns, to_ns, ret);
    }
    return false;
}
