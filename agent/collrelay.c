/* SPDX-License-Identifier: MIT */
/* collrelay.c - see collrelay.h.
 *
 * A thread of the rank takes the time of a record and then writes it, so a lane may show a
 * record that is older than one of another lane seen before. What is younger than HELD_NS
 * is left where it is until the next time; then the order is right.
 */
#include "agent/collrelay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/anchor.h"
#include "agent/colldeep.h"
#include "agent/collread.h"
#include "proto/base/limits.h"

#define HELD_NS   5000000u
#define FUTURE_NS 1000000000u /* a clock so far ahead is another one: nothing is held */
#define TELL_NS   1000000000u /* between two COLL_ANCHORS of a rank */
#define ALIVE_NS  10000000000u /* while its anchor is lost, and others are called */
#define BATCH     256u         /* records of a lane read at once */
#define AT_ONCE   (COLL_LANES * COLL_RECORDS) /* of a rank, then others have their turn */
/* Tags, lengths and counters around the records, at most. */
#define TIMES_OVERHEAD 48u

_Static_assert(ANCHOR_CANDIDATES <= LIMIT_COLL_CANDIDATES, "the head refuses more");

struct coll_rank {
    struct collrelay *relay;
    uint32_t rank;
    char *path;
    struct collread file;
    struct anchors *anchors;
    struct colldeep deep;
    struct collread_wish wish; /* as it stands in the file */
    bool gap;                  /* the next record follows a loss */
    bool is_deep;              /* the step that goes on */
    bool captured;             /* calls went into a CUDA graph */
    uint64_t told_changes, told_calls, told_ns;
    uint32_t told_version, told_no_times;
    uint32_t bare, told_bare; /* as CollAnchors.without */
    bool told_lost, told_captured;
};

struct lane { /* of the rank at hand */
    uint8_t record[BATCH][COLLREC_BYTES];
    unsigned n, at;
    bool has;
    struct collrec next;
};

struct collrelay {
    struct collrelay_config c;
    char *dir;
    struct coll_rank **ranks;
    size_t n_ranks, cap_ranks;
    bool chosen;
    struct anchor_class anchor;
    uint32_t deep_every, deep_n;
    uint64_t now_ns;
    struct lane lane[COLL_LANES];
    uint8_t times[LIMIT_COLL_TIMES * COLLTIME_BYTES];
};

/* ---- steps */

static uint32_t saturated(uint64_t v)
{
    return v < UINT32_MAX ? (uint32_t)v : UINT32_MAX;
}

static void on_step(void *arg, const struct anchor_step *s)
{
    struct coll_rank *k = arg;
    uint64_t wall = s->end_ns > s->begin_ns ? s->end_ns - s->begin_ns : 0;
    struct steprec rec = {
        .step = s->step,
        .t_end_ns = s->end_ns,
        .wall_us = saturated(wall / 1000),
        .n_coll = s->n_coll,
        .payload_kib = saturated(s->bytes / 1024),
        .flags = STEPREC_HOST_PACED | STEPREC_PARTIAL,
        .source = STEPREC_NCCL,
        .confidence = s->confidence,
    };
    if (s->special)
        rec.flags |= STEPREC_SPECIAL;
    if (s->gap)
        rec.flags |= STEPREC_GAP;
    if (colldeep_has(&k->deep, s->step))
        rec.flags |= STEPREC_DEEP;
    (void)k->relay->c.add(k->relay->c.arg, k->rank, &rec);
}

static bool is_anchor(const struct coll_rank *k, const struct collrec *rec)
{
    const struct collread_wish *w = &k->wish;
    return w->anchor_comm && rec->comm == w->anchor_comm &&
           collsig_key(rec->sig) == w->anchor_key;
}

/* The plug-in decides by the same rule as it sees the same call: of the first deep step of
 * some that call itself was asked for too early to be timed. */
static void take_call(struct coll_rank *k, const struct collrec *rec)
{
    const struct collread_wish *w = &k->wish;
    if (!is_anchor(k, rec)) {
        colldeep_call(&k->deep, rec);
        return;
    }
    bool was_deep = k->is_deep;
    k->is_deep = w->deep_every > 0 && rec->seq % w->deep_every < w->deep_n &&
                 k->file.nccl_version > 3; /* before, NCCL tells no times */
    colldeep_next(&k->deep, rec->seq + 1, k->is_deep, k->relay->now_ns);
    if (was_deep)
        colldeep_call(&k->deep, rec);
}

static void take_record(struct coll_rank *k, struct collrec *rec)
{
    if (k->gap)
        rec->flags |= COLLREC_GAP;
    k->gap = false;
    if (rec->flags & COLLREC_GAP)
        colldeep_lost(&k->deep);
    if (rec->n_ranks == 0) /* NCCL does not say before 2.27 */
        rec->n_ranks = COLLREC_RANKS_UNKNOWN;
    k->captured = k->captured || (rec->flags & COLLREC_CAPTURED) != 0;
    if (rec->kind == COLLREC_DONE) {
        colldeep_done(&k->deep, rec);
        return;
    }
    anchors_add(k->anchors, rec);
    if (rec->kind == COLLREC_CALL)
        take_call(k, rec);
}

/* ---- the lanes of a rank */

static void lane_next(struct coll_rank *k, unsigned i)
{
    struct lane *l = &k->relay->lane[i];
    l->has = false;
    while (!l->has) {
        if (l->at == l->n) {
            uint64_t lost;
            collread_take(&k->file, i, l->n);
            l->at = 0;
            l->n = collread_peek(&k->file, i, l->record, BATCH, &lost);
            k->gap = k->gap || lost > 0;
        }
        if (l->n == 0)
            return;
        l->has = collrec_decode(l->record[l->at], &l->next);
        if (!l->has)
            l->at++; /* nonsense */
    }
}

static struct lane *oldest_lane(struct coll_rank *k)
{
    struct lane *first = NULL;
    for (unsigned i = 0; i < k->file.n_lanes; i++) {
        struct lane *l = &k->relay->lane[i];
        if (l->has && (!first || l->next.t_ns < first->next.t_ns))
            first = l;
    }
    return first;
}

static bool is_held(const struct collrelay *r, const struct collrec *rec, bool last)
{
    return !last && rec->t_ns + HELD_NS > r->now_ns &&
           rec->t_ns < r->now_ns + FUTURE_NS;
}

static void drain_lanes(struct collrelay *r, struct coll_rank *k, bool last)
{
    collread_look(&k->file);
    for (unsigned i = 0; i < k->file.n_lanes; i++) {
        r->lane[i].n = r->lane[i].at = 0;
        lane_next(k, i);
    }
    for (unsigned n = 0; n < AT_ONCE; n++) {
        struct lane *l = oldest_lane(k);
        if (!l || is_held(r, &l->next, last))
            break;
        take_record(k, &l->next);
        l->at++;
        lane_next(k, (unsigned)(l - r->lane));
    }
    for (unsigned i = 0; i < k->file.n_lanes; i++)
        collread_take(&k->file, i, r->lane[i].at);
}

/* ---- to the head */

static bool is_news(const struct collrelay *r, const struct coll_rank *k,
                    uint64_t changes, uint64_t calls, bool lost)
{
    bool is_alive =
        lost && calls != k->told_calls && r->now_ns - k->told_ns >= ALIVE_NS;
    return is_alive || changes != k->told_changes || lost != k->told_lost ||
           k->captured != k->told_captured || k->file.no_times != k->told_no_times ||
           k->file.nccl_version != k->told_version || k->bare != k->told_bare;
}

static void send_anchors(struct collrelay *r, struct coll_rank *k)
{
    struct anchor_candidate c[ANCHOR_CANDIDATES];
    Aolani__CollAnchors__Candidate all[ANCHOR_CANDIDATES], *list[ANCHOR_CANDIDATES];
    Aolani__CollAnchors m = AOLANI__COLL_ANCHORS__INIT;
    uint64_t changes, calls = 0;
    size_t n = anchors_candidates(k->anchors, c, &changes);
    bool lost = r->chosen && anchors_is_lost(k->anchors, r->now_ns);
    for (size_t i = 0; i < n; i++)
        calls += c[i].count;
    if (!is_news(r, k, changes, calls, lost) ||
        (k->told_ns && r->now_ns - k->told_ns < TELL_NS))
        return;
    for (size_t i = 0; i < n; i++) {
        aolani__coll_anchors__candidate__init(&all[i]);
        all[i].key = collsig_key(c[i].class.sig);
        all[i].n_ranks = c[i].class.n_ranks;
        all[i].count = c[i].count;
        all[i].period_ns = c[i].period_ns > 0 ? (uint64_t)c[i].period_ns : 0;
        all[i].steady = c[i].steady;
        list[i] = &all[i];
    }
    m.rank = k->rank;
    m.candidates = list;
    m.n_candidates = n;
    m.lost = lost;
    m.profiler = k->file.nccl_version;
    m.library = k->file.library;
    m.no_times = k->file.no_times;
    m.captured = k->captured;
    m.without = m.profiler ? 0 : k->bare;
    if (r->c.up.send(r->c.up.arg, MSG_COLL_ANCHORS, &m.base) < 0)
        return;
    k->told_changes = changes;
    k->told_calls = calls;
    k->told_lost = lost;
    k->told_version = m.profiler;
    k->told_no_times = m.no_times;
    k->told_captured = m.captured;
    k->told_bare = k->bare;
    k->told_ns = r->now_ns;
}

/* False: no credit. */
static bool send_times(struct collrelay *r, struct coll_rank *k,
                       const struct colldeep_step *s)
{
    Aolani__CollTimes m = AOLANI__COLL_TIMES__INIT;
    uint8_t *at = r->times;
    for (uint32_t i = 0; i < s->n; i++) {
        if (!s->call[i].done)
            continue;
        colltime_encode(&s->call[i].t, at);
        at += COLLTIME_BYTES;
    }
    m.rank = k->rank;
    m.step = s->step;
    m.missing = s->n - s->n_done + s->lost;
    m.records.data = r->times;
    m.records.len = (size_t)(at - r->times);
    return r->c.up.credit(r->c.up.arg) >= m.records.len + TIMES_OVERHEAD &&
           r->c.up.send(r->c.up.arg, MSG_COLL_TIMES, &m.base) >= 0;
}

static void send_all_times(struct collrelay *r, struct coll_rank *k, bool last)
{
    const struct colldeep_step *s;
    while ((s = colldeep_ready(&k->deep, r->now_ns, last)) && send_times(r, k, s))
        colldeep_pop(&k->deep);
}

/* ---- what is wished */

static void wish(struct collrelay *r, struct coll_rank *k)
{
    struct collread_wish w = {.depth = COLL_DEPTH_CALLS};
    if (r->chosen && anchors_chosen(k->anchors, &w.anchor_comm)) {
        w.anchor_key = collsig_key(r->anchor.sig);
        w.deep_every = r->deep_every;
        w.deep_n = r->deep_n;
    }
    const struct collread_wish *is = &k->wish;
    if (w.depth == is->depth && w.anchor_comm == is->anchor_comm &&
        w.anchor_key == is->anchor_key && w.deep_every == is->deep_every &&
        w.deep_n == is->deep_n)
        return;
    collread_wish(&k->file, &w);
    k->wish = w;
}

void collrelay_drain(struct collrelay *r, uint64_t now_ns, bool last)
{
    r->now_ns = now_ns;
    for (size_t i = 0; i < r->n_ranks; i++) {
        struct coll_rank *k = r->ranks[i];
        drain_lanes(r, k, last);
        send_all_times(r, k, last);
        if (last)
            continue;
        wish(r, k);
        send_anchors(r, k);
    }
}

int collrelay_choose(struct collrelay *r, const Aolani__CollAnchor *m, struct err *e)
{
    if (m->n_ranks > UINT16_MAX || m->key >> 24)
        return err_set(e, ERR_PROTO, "steps by collective %x of %u ranks", m->key,
                       m->n_ranks);
    r->chosen = m->n_ranks > 0;
    r->deep_every = m->deep_every;
    r->deep_n = m->deep_n;
    r->anchor = (struct anchor_class){.sig = {.func = (uint8_t)(m->key >> 16),
                                              .datatype = (uint8_t)(m->key >> 8 & 0xff),
                                              .size_class = (uint8_t)(m->key & 0xff)},
                                      .n_ranks = (uint16_t)m->n_ranks};
    for (size_t i = 0; r->chosen && i < r->n_ranks; i++)
        (void)anchors_choose(r->ranks[i]->anchors, &r->anchor);
    return 0;
}

bool collrelay_is_told(const struct collrelay *r)
{
    for (size_t i = 0; i < r->n_ranks; i++)
        if (r->ranks[i]->file.nccl_version > 0)
            return true;
    return false;
}

/* ---- NCCL without a profiler */

static struct coll_rank *rank_find(const struct collrelay *r, uint32_t rank)
{
    for (size_t i = 0; i < r->n_ranks; i++)
        if (r->ranks[i]->rank == rank)
            return r->ranks[i];
    return NULL;
}

bool collrelay_lacks_profiler(const struct collrelay *r, uint32_t rank)
{
    const struct coll_rank *k = rank_find(r, rank);
    return k && k->file.nccl_version == 0 && k->bare == 0;
}

void collrelay_without_profiler(struct collrelay *r, uint32_t rank, uint32_t version)
{
    struct coll_rank *k = rank_find(r, rank);
    if (k)
        k->bare = version ? version : 1;
}

/* ---- life */

static void rank_destroy(struct coll_rank *k)
{
    if (!k)
        return;
    if (k->file.fd >= 0) {
        collread_close(&k->file);
        unlink(k->path);
    }
    anchors_destroy(k->anchors);
    colldeep_fini(&k->deep);
    free(k->path);
    free(k);
}

static int ranks_grow(struct collrelay *r)
{
    if (r->n_ranks < r->cap_ranks)
        return 0;
    size_t cap = r->cap_ranks ? r->cap_ranks * 2 : 16;
    struct coll_rank **ranks = realloc(r->ranks, cap * sizeof *ranks);
    if (!ranks)
        return -ENOMEM;
    r->ranks = ranks;
    r->cap_ranks = cap;
    return 0;
}

int collrelay_open_rank(struct collrelay *r, uint32_t rank, const char **ret_path,
                        struct err *e)
{
    if (r->n_ranks >= LIMIT_LOCAL_RANKS)
        return err_set(e, ERR_LIMIT, "follow NCCL in rank %u: more than %u ranks",
                       (unsigned)rank, LIMIT_LOCAL_RANKS);
    struct coll_rank *k = calloc(1, sizeof *k);
    int rc = -ENOMEM;
    if (k) {
        *k = (struct coll_rank){.relay = r, .rank = rank, .file.fd = -1};
        k->anchors = anchors_create(r->c.world_size, on_step, k);
    }
    if (!k || !k->anchors || ranks_grow(r) < 0 ||
        asprintf(&k->path, "%s/coll-%u", r->dir, (unsigned)rank) < 0)
        err_sys(e, rc, "follow NCCL in rank %u", (unsigned)rank);
    else
        rc = collread_create(k->path, &k->file, e);
    if (rc < 0) {
        rank_destroy(k);
        return rc;
    }
    if (r->chosen)
        (void)anchors_choose(k->anchors, &r->anchor);
    wish(r, k);
    r->ranks[r->n_ranks++] = k;
    *ret_path = k->path;
    return 0;
}

int collrelay_create(const struct collrelay_config *c, struct collrelay **ret,
                     struct err *e)
{
    struct collrelay *r = calloc(1, sizeof *r);
    if (!r || !(r->dir = strdup(c->dir))) {
        collrelay_destroy(r);
        return err_sys(e, -ENOMEM, "follow NCCL's collectives");
    }
    r->c = *c;
    r->c.dir = r->dir;
    *ret = r;
    return 0;
}

void collrelay_destroy(struct collrelay *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n_ranks; i++)
        rank_destroy(r->ranks[i]);
    free(r->ranks);
    free(r->dir);
    free(r);
}
