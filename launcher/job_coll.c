/* SPDX-License-Identifier: MIT */
/* job_coll.c - steps that are known by collectives: what the agents propose becomes one
 * choice for all, and times of collectives become waits, before a record is one like any
 * other. The parts that think are in launcher/variance. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/job_coll.h"
#include "launcher/variance/collagree.h"
#include "launcher/variance/collwait.h"
#include "launcher/variance/ncclfacts.h"
#include "proto/base/log.h"
#include "proto/wire/collrec.h"

/* Agents that are told of another collective tell of steps by the one before as long, to
 * be on the safe side; their numbers do not tell which it is. */
#define ANEW_MS       3000u
#define JOURNAL_BATCH 64u /* records of a rank */
#define UNEASY_MS \
    30000u /* a doubt stays so long: deep steps are not switched to and fro */

/* "auto" may yet find another source. */
#define LACKING_MS 60000u
#define SETTLED_MS 3000u /* no rank has told of another profiler for so long */

struct job_coll {
    struct collagree *agree;
    struct collwait *wait;
    struct ncclfacts *facts;
    char tables[NCCLFACTS_TEXT]; /* as the line on the source has them */
    uint64_t told_ms;    /* when the facts last became others; 0: they are said */
    uint64_t lacking_ms; /* since then some NCCL is known to lack one; 0: none */
    bool warned;
    struct collchoice choice; /* n_ranks 0: none yet */
    uint64_t anew_ms;         /* when it took the place of another; 0: of none */
    uint32_t deep_every;
    uint64_t uneasy_ms; /* when a rank last seemed to be slow; 0: never */
    uint32_t no_times;  /* enum coll_no_times, of some rank, */
    uint32_t library;   /* and the version of its NCCL; 0: not known */
    bool captured;      /* some rank called collectives into CUDA graphs */
    /* Not in the journal yet: all of one rank. */
    uint8_t records[JOURNAL_BATCH * STEPREC_BYTES];
    uint32_t n_records, rank;
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

/* Why nobody knows how long collectives take; "" where that is looked for. */
static void format_no_times(const struct job_coll *c, char *ret, size_t size)
{
    ret[0] = '\0';
    if (c->no_times == COLL_NO_TIMES_ASKED)
        (void)snprintf(ret, size,
                       "; no times of collectives: AOLANI_NCCL_DEPTH asks "
                       "for none");
    if (c->no_times == COLL_NO_TIMES_SLOWED)
        (void)snprintf(ret, size,
                       "; no times of collectives: NCCL %u.%u.%u is slowed "
                       "by them",
                       c->library / 10000, c->library / 100 % 100, c->library % 100);
}

/* What the steps go by, or why there are none: for the choice of a source. */
static void say_state(struct job *j)
{
    const struct job_coll *c = j->coll;
    char *to = j->nccl_steps;
    char bytes[40], among[40] = "", no_times[80];
    char tables[NCCLFACTS_TEXT], lacking[NCCLFACTS_TEXT];
    size_t size = sizeof j->nccl_steps;
    format_size(c->choice.key, bytes, sizeof bytes);
    format_no_times(c, no_times, sizeof no_times);
    if (c->choice.n_ranks < COLLREC_RANKS_UNKNOWN)
        (void)snprintf(among, sizeof among, " among %u ranks", c->choice.n_ranks);
    ncclfacts_tables(c->facts, tables);
    ncclfacts_lacking(c->facts, lacking);
    if (!tables[0] && lacking[0])
        (void)snprintf(to, size, "%s", lacking);
    else if (!tables[0])
        (void)snprintf(to, size,
                       "no profiler was loaded by NCCL, which the program may not use, "
                       "or is older than 2.23");
    else if (c->choice.n_ranks == 0 && c->captured)
        (void)snprintf(to, size,
                       "NCCL's collectives are in CUDA graphs, whose launches it does "
                       "not tell of");
    else if (c->choice.n_ranks == 0)
        (void)snprintf(to, size, "no collective of NCCL's comes in steps");
    else
        (void)snprintf(to, size, "each %s%s%s, %s%s",
                       coll_func_name(c->choice.key >> 16), bytes, among, tables,
                       no_times);
}

void job_coll_journal(struct job *j)
{
    struct job_coll *c = j->coll;
    Aolani__Steps m = AOLANI__STEPS__INIT;
    if (!c || c->n_records == 0)
        return;
    m.rank = c->rank;
    m.records.data = c->records;
    m.records.len = (size_t)c->n_records * STEPREC_BYTES;
    m.dropped = j->ranks[c->rank].steps_dropped;
    job_journal_steps(j, &m);
    c->n_records = 0;
}

static void on_record(void *arg, const struct steprec *r, uint64_t now_ms)
{
    struct job *j = arg;
    struct job_coll *c = j->coll;
    if (!c->anew_ms || now_ms - c->anew_ms >= ANEW_MS)
        job_steps_add(j, r, now_ms);
    if (c->rank != r->rank || c->n_records == JOURNAL_BATCH)
        job_coll_journal(j);
    c->rank = r->rank;
    steprec_encode(r, c->records + (size_t)c->n_records++ * STEPREC_BYTES);
}

static const char *name_of_node(const void *arg, uint32_t node)
{
    return job_node_name(arg, node);
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
    struct ncclfacts_config f = {j->n_nodes, j->plan.first_rank, name_of_node, j};
    if (rc == 0)
        rc = ncclfacts_create(&f, &c->facts);
    if (rc == 0)
        say_state(j);
    return rc; /* the job destroys what there is */
}

void job_coll_destroy(struct job_coll *c)
{
    if (!c)
        return;
    collagree_destroy(c->agree);
    collwait_destroy(c->wait);
    ncclfacts_destroy(c->facts);
    free(c);
}

void job_coll_record(struct job *j, const struct steprec *r, uint64_t now_ms)
{
    if (j->coll->anew_ms && now_ms - j->coll->anew_ms < ANEW_MS)
        on_record(j, r, now_ms); /* of no use to wait for */
    else
        collwait_record(j->coll->wait, r, now_ms);
}

bool job_coll_has_nccl(const struct job *j)
{
    char tables[NCCLFACTS_TEXT] = "";
    if (j->coll)
        ncclfacts_tables(j->coll->facts, tables);
    return tables[0] != '\0';
}

static int check_rank(const struct job *j, uint32_t node, uint32_t rank, struct err *e)
{
    if (j->coll && rank >= j->plan.first_rank[node] &&
        rank < j->plan.first_rank[node + 1])
        return 0;
    return err_set(e, ERR_PROTO,
                   "it tells of collectives of rank %u, which is not its own", rank);
}

/* True: it is news of the ranks' NCCL. */
static bool learn_nccl(struct job *j, const Aolani__CollAnchors *m)
{
    struct job_coll *c = j->coll;
    bool is_news = ncclfacts_told(c->facts, m->rank, m->profiler, m->without);
    if (is_news)
        c->told_ms = loop_now_ms(j->loop);
    is_news = is_news || (m->captured && !c->captured) || (m->no_times && !c->no_times);
    c->captured = c->captured || m->captured;
    if (m->no_times && !c->no_times) {
        c->no_times = m->no_times;
        c->library = m->library;
    }
    return is_news;
}

int job_on_coll_anchors(struct job *j, uint32_t node, const ProtobufCMessage *msg,
                        struct err *e)
{
    const Aolani__CollAnchors *m = (const void *)msg;
    int rc = check_rank(j, node, m->rank, e);
    if (rc < 0)
        return rc;
    if ((rc = collagree_told(j->coll->agree, m, e)) == 0 && learn_nccl(j, m))
        say_state(j);
    return rc;
}

/* ---- which profilers there are */

void job_coll_said(struct job *j)
{
    if (j->coll)
        ncclfacts_tables(j->coll->facts, j->coll->tables);
}

/* The line on the source came with the first step, perhaps before all had told. */
static void say_tables(struct job *j, uint64_t now_ms)
{
    struct job_coll *c = j->coll;
    char tables[NCCLFACTS_TEXT];
    if (c->told_ms == 0 || now_ms - c->told_ms < SETTLED_MS)
        return;
    c->told_ms = 0;
    ncclfacts_tables(c->facts, tables);
    if (j->source.chosen == STEPREC_NCCL && strcmp(tables, c->tables) != 0)
        job_steps_say(j);
}

/* Once. now: whether or not another source may yet be found. */
static void warn_of_lacking(struct job *j, uint64_t now_ms, bool now)
{
    struct job_coll *c = j->coll;
    char lacking[NCCLFACTS_TEXT];
    ncclfacts_lacking(c->facts, lacking);
    if (c->warned || !lacking[0] || (j->source.chosen != STEPREC_NONE && j->source.any))
        return;
    if (c->lacking_ms == 0)
        c->lacking_ms = now_ms;
    if (!now && j->source.any && now_ms - c->lacking_ms < LACKING_MS)
        return;
    c->warned = true;
    job_warn(j, "%s; mark the steps with aolani.py, or set steps.log_pattern", lacking);
}

int job_on_coll_times(struct job *j, uint32_t node, const ProtobufCMessage *msg,
                      struct err *e)
{
    const Aolani__CollTimes *m = (const void *)msg;
    int rc = check_rank(j, node, m->rank, e);
    if (rc < 0)
        return rc;
    rc = collwait_times(j->coll->wait, m, loop_now_ms(j->loop), e);
    job_coll_journal(j);
    return rc;
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
    if (c->no_times)
        return 0;
    if (job_variance_is_uneasy(j))
        c->uneasy_ms = now_ms;
    return collagree_deep_every(c->uneasy_ms && now_ms - c->uneasy_ms < UNEASY_MS);
}

static bool choose(struct job *j, uint64_t now_ms)
{
    struct job_coll *c = j->coll;
    bool again = c->choice.n_ranks > 0;
    if (!collagree_decide(c->agree, now_ms, &c->choice))
        return false;
    say_state(j);
    log_info("steps of NCCL: %s, about every %.3f ms", j->nccl_steps,
             (double)c->choice.period_ns / 1e6);
    if (!again)
        return true;
    collwait_finish(c->wait, now_ms);
    job_steps_anew(j);
    c->anew_ms = now_ms;
    return true;
}

void job_coll_tick(struct job *j, uint64_t now_ms)
{
    struct job_coll *c = j->coll;
    if (!c || !j->steps)
        return;
    collwait_tick(c->wait, now_ms);
    bool chosen = choose(j, now_ms);
    job_coll_journal(j);
    say_tables(j, now_ms);
    warn_of_lacking(j, now_ms, false);
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
    if (!j->coll)
        return;
    warn_of_lacking(j, loop_now_ms(j->loop), true);
    collwait_finish(j->coll->wait, loop_now_ms(j->loop));
    job_coll_journal(j);
}
