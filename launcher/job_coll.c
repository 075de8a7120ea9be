/* SPDX-License-Identifier: MIT */
/* job_coll.c - steps that are known by collectives: what the agents propose becomes one
 * choice for all, and times of collectives become waits, before a record is one like any
 * other. The parts that think are in launcher/variance. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "launcher/job_impl.h"
#include "launcher/variance/collagree.h"
#include "launcher/variance/collwait.h"
#include "proto/base/log.h"
#include "proto/wire/collrec.h"

#define UNEASY_MS \
    30000u /* a doubt stays so long: deep steps are not switched to and fro */

struct job_coll {
    struct collagree *agree;
    struct collwait *wait;
    struct collchoice choice; /* n_ranks 0: none yet */
    uint32_t deep_every;
    uint64_t uneasy_ms; /* when a rank last seemed to be slow; 0: never */
    uint32_t profiler;  /* version of its interface that some rank's NCCL has loaded */
};

/* " of 4 KiB or more"; "" of those whose size follows the data. */
static void format_size(uint32_t key, char *ret, size_t size)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB"};
    unsigned class = key & 0xff, unit = class / 10 < 3 ? class / 10 : 3;
    ret[0] = '\0';
    if (class > 0 && class < 64)
        (void)snprintf(ret, size, " of %llu %s or more", 1ull << (class - 10 * unit),
                       units[unit]);
}

/* What the steps go by, or why there are none: for the choice of a source. */
static void say_state(struct job *j)
{
    const struct job_coll *c = j->coll;
    char *to = j->nccl_steps;
    char bytes[40], among[40] = "";
    size_t size = sizeof j->nccl_steps;
    format_size(c->choice.key, bytes, sizeof bytes);
    if (c->choice.n_ranks < COLLREC_RANKS_UNKNOWN)
        (void)snprintf(among, sizeof among, " among %u ranks", c->choice.n_ranks);
    if (!c->profiler)
        (void)snprintf(to, size,
                       "no profiler was loaded by NCCL, which the program may not use, "
                       "or is older than 2.26");
    else if (c->choice.n_ranks == 0)
        (void)snprintf(to, size, "no collective of NCCL's comes in steps");
    else
        (void)snprintf(to, size, "each %s%s%s, profiler v%u",
                       coll_func_name(c->choice.key >> 16), bytes, among, c->profiler);
}

static void on_record(void *arg, const struct steprec *r, uint64_t now_ms)
{
    struct job *j = arg;
    job_steps_add(j, r, now_ms);
}

int job_coll_create(struct job *j)
{
    struct job_coll *c = calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM;
    j->coll = c;
    int rc = collagree_create(j->plan.world_size, &c->agree);
    if (rc == 0)
        rc = collwait_create(j->plan.world_size, on_record, j, &c->wait);
    say_state(j);
    return rc; /* the job destroys what there is */
}

void job_coll_destroy(struct job_coll *c)
{
    if (!c)
        return;
    collagree_destroy(c->agree);
    collwait_destroy(c->wait);
    free(c);
}

void job_coll_record(struct job *j, const struct steprec *r, uint64_t now_ms)
{
    if (j->coll && r->source == STEPREC_NCCL)
        collwait_record(j->coll->wait, r, now_ms);
    else
        job_steps_add(j, r, now_ms);
}

static int check_rank(const struct job *j, uint32_t node, uint32_t rank, struct err *e)
{
    if (j->coll && rank >= j->plan.first_rank[node] &&
        rank < j->plan.first_rank[node + 1])
        return 0;
    return err_set(e, ERR_PROTO,
                   "it tells of collectives of rank %u, which is not its own", rank);
}

int job_on_coll_anchors(struct job *j, uint32_t node, const ProtobufCMessage *msg,
                        struct err *e)
{
    const Aolani__CollAnchors *m = (const void *)msg;
    int rc = check_rank(j, node, m->rank, e);
    if (rc < 0)
        return rc;
    if ((rc = collagree_told(j->coll->agree, m, e)) == 0 &&
        m->profiler > j->coll->profiler) {
        j->coll->profiler = m->profiler;
        say_state(j);
    }
    return rc;
}

int job_on_coll_times(struct job *j, uint32_t node, const ProtobufCMessage *msg,
                      struct err *e)
{
    const Aolani__CollTimes *m = (const void *)msg;
    int rc = check_rank(j, node, m->rank, e);
    if (rc < 0)
        return rc;
    return collwait_times(j->coll->wait, m, loop_now_ms(j->loop), e);
}

/* ---- the choice, and how many steps are deep */

static void tell_nodes(struct job *j)
{
    const struct job_coll *c = j->coll;
    Aolani__CollAnchor m = AOLANI__COLL_ANCHOR__INIT;
    m.key = c->choice.key;
    m.n_ranks = c->choice.n_ranks;
    m.deep_every = c->deep_every;
    m.deep_n = COLLAGREE_DEEP_N;
    for (uint32_t i = 0; i < j->n_nodes; i++)
        if (j->nodes[i].step == NODE_PREPARED_ && fleet_is_up(j->fleet, i))
            (void)fleet_send(j->fleet, i, MSG_COLL_ANCHOR, j->config.attempt, &m.base);
}

static uint32_t deep_every(struct job *j, uint64_t now_ms)
{
    struct job_coll *c = j->coll;
    if (j->source.chosen != STEPREC_NONE && j->source.chosen != STEPREC_NCCL)
        return 0; /* for nobody: it would cost the GPUs something */
    if (job_variance_is_uneasy(j))
        c->uneasy_ms = now_ms;
    return collagree_deep_every(c->uneasy_ms && now_ms - c->uneasy_ms < UNEASY_MS);
}

void job_coll_tick(struct job *j, uint64_t now_ms)
{
    struct job_coll *c = j->coll;
    if (!c || !j->steps)
        return;
    collwait_tick(c->wait, now_ms);
    bool chosen = collagree_decide(c->agree, now_ms, &c->choice);
    if (chosen) {
        say_state(j);
        log_info("steps of NCCL: %s, about every %.3f ms", j->nccl_steps,
                 (double)c->choice.period_ns / 1e6);
    }
    if (c->choice.n_ranks == 0)
        return;
    uint32_t every = deep_every(j, now_ms);
    if (!chosen && every == c->deep_every)
        return;
    c->deep_every = every;
    tell_nodes(j);
}

void job_coll_finish(struct job *j)
{
    if (j->coll)
        collwait_finish(j->coll->wait, loop_now_ms(j->loop));
}
