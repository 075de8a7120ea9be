/* SPDX-License-Identifier: MIT */
/* ncclwatch.c - see ncclwatch.h. */
#include "agent/ncclwatch.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/ncclseen.h"
#include "agent/rankstate.h"

#define FIRST_NS 2000000000u
#define MOST_NS  64000000000u

struct ncclwatch {
    struct collrelay *relay;
    size_t n, at;            /* at < n: a round goes on */
    uint64_t next_ns, every; /* next_ns 0: not begun */
    struct rankstate *ranks;
};

int ncclwatch_create(struct collrelay *relay, size_t n_tasks, struct ncclwatch **ret)
{
    struct ncclwatch *w = calloc(1, sizeof *w);
    struct rankstate *ranks = calloc(n_tasks, sizeof *ranks);
    if (!w || !ranks) {
        free(w);
        free(ranks);
        return -ENOMEM;
    }
    *w = (struct ncclwatch){
        .relay = relay, .n = n_tasks, .at = n_tasks, .every = FIRST_NS, .ranks = ranks};
    *ret = w;
    return 0;
}

void ncclwatch_destroy(struct ncclwatch *w)
{
    if (!w)
        return;
    free(w->ranks);
    free(w);
}

static void begin_round(struct ncclwatch *w, const struct task *tasks, uint64_t now_ns)
{
    bool any = false;
    w->next_ns = now_ns + w->every;
    w->every = w->every < MOST_NS ? 2 * w->every : MOST_NS;
    for (size_t i = 0; i < w->n; i++) {
        bool ask = task_is_alive(&tasks[i]) &&
                   collrelay_lacks_profiler(w->relay, tasks[i].rank);
        w->ranks[i].first = ask ? tasks[i].pid : 0;
        any = any || ask;
    }
    if (any && rankstate_look(w->ranks, w->n) == 0)
        w->at = 0;
}

void ncclwatch_tick(struct ncclwatch *w, const struct task *tasks, uint64_t now_ns)
{
    struct ncclseen seen;
    if (w->next_ns == 0)
        w->next_ns = now_ns + w->every;
    if (w->at == w->n && now_ns >= w->next_ns)
        begin_round(w, tasks, now_ns);
    while (w->at < w->n && w->ranks[w->at].pid == 0)
        w->at++;
    if (w->at == w->n)
        return;
    if (ncclseen_look(w->ranks[w->at].pid, &seen) == 0 && seen.is_used)
        collrelay_without_profiler(w->relay, tasks[w->at].rank, seen.version);
    w->at++;
}
