/* SPDX-License-Identifier: MIT */
/* steprelay.c - drains step rings into STEPS messages.
 *
 * The rings themselves are the buffer: what the head gives no credit for stays in them,
 * and a rank that runs far ahead loses its oldest records, never its newest, because
 * the relay empties a ring that is three quarters full down to a half. So memory is
 * bounded by the rings, and the rank's own refusal (a full ring) happens only when the
 * agent does not run at all. Ranks take turns at the start of a round, so that scarce
 * credit is shared.
 *
 * Records that the agent makes itself wait in a queue beside the ring; each of the two
 * keeps its order.
 *
 * A ring is written by a program of the user: ringfile reads it unharmed, the
 * record's rank is overwritten with the true one, a drop counter that falls is ignored.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/ringfile.h"
#include "agent/stepqueue.h"
#include "agent/steprelay.h"
#include "proto/base/cur.h"
#include "proto/base/limits.h"
#include "proto/wire/aolani.pb-c.h"
#include "proto/wire/steprec.h"

#define DRAIN_MS 100
/* Records in one message. More gain nothing; fewer leave room for the other ranks. */
#define BATCH 1024u
/* Tags, lengths and counters around the records, at most. */
#define STEPS_OVERHEAD  32u
#define RECORD_FLAGS_AT 68 /* see steprec_encode */

_Static_assert(BATCH <= LIMIT_STEP_BATCH, "the head refuses more");

struct relay_stop {
    uint64_t from_ns, to_ns;
};
struct relay_rank {
    uint32_t rank;
    char *path;
    struct ringfile ring;
    struct stepqueue own;
    uint64_t ring_dropped; /* the largest value its producer has shown */
    uint64_t lost;         /* by this side: nonsense in the ring, or short credit */
    uint64_t told;         /* drops that the head has heard of */
    bool told_others;      /* that there are others */
    bool gap;              /* the next record follows a loss */
    uint64_t n_stops;
    struct relay_stop stops[STEPRELAY_STOPS]; /* the last of them */
};

struct steprelay {
    struct upward up;
    char *dir;
    struct loop_timer *timer;
    void (*look)(void *arg); /* NULL: at nothing */
    void *look_arg;
    struct relay_rank *ranks;
    size_t n_ranks, cap_ranks;
    size_t first;  /* whose turn it is */
    bool stopping; /* for rings that are opened later */
    /* A batch that was taken out of a ring and then refused by the session. */
    struct relay_rank *held;
    unsigned n_batch;
    uint8_t batch[BATCH][STEPREC_BYTES];
    struct ring scratch; /* of the ring that is being read */
};

/* ---- one ring */

/* As of the last look at the ring. */
static uint64_t rank_dropped(struct relay_rank *k)
{
    if (k->ring.dropped > k->ring_dropped)
        k->ring_dropped = k->ring.dropped;
    return k->ring_dropped + k->lost + k->own.lost;
}

static unsigned rank_pop(struct steprelay *r, struct relay_rank *k,
                         uint8_t (*out)[STEPREC_BYTES], unsigned max)
{
    uint64_t lost;
    unsigned n = ringfile_pop(&k->ring, &r->scratch, out, max, &lost);
    k->lost += lost;
    k->gap = k->gap || lost > 0;
    return n;
}

static void rank_trim(struct steprelay *r, struct relay_rank *k)
{
    uint8_t dropped[64][STEPREC_BYTES];
    if (ringfile_fill(&k->ring) <= RING_RECORDS / 4 * 3)
        return;
    while (ringfile_fill(&k->ring) > RING_RECORDS / 2) {
        unsigned n = rank_pop(r, k, dropped, 64);
        k->lost += n;
        k->gap = true;
        if (n == 0)
            break;
    }
}

static bool rank_was_stopped(const struct relay_rank *k, const struct steprec *rec)
{
    uint64_t wall = (uint64_t)rec->wall_us * 1000, end = rec->t_end_ns;
    uint64_t begin = end > wall ? end - wall : 0;
    size_t n = k->n_stops < STEPRELAY_STOPS ? (size_t)k->n_stops : STEPRELAY_STOPS;
    for (size_t i = 0; i < n; i++) {
        const struct relay_stop *s = &k->stops[i];
        bool meets = s->from_ns <= end && s->to_ns >= begin;
        if (meets && (s->from_ns == s->to_ns || rec->blocked_us > 0))
            return true;
    }
    return false;
}

static void record_flag(uint8_t *record, unsigned flag)
{
    uint8_t *at = record + RECORD_FLAGS_AT;
    struct cur c = cur_of(at, 2);
    (void)put_u16(at, (uint16_t)(cur_u16(&c) | flag));
}

static void batch_stamp(struct steprelay *r, struct relay_rank *k)
{
    for (unsigned i = 0; i < r->n_batch; i++) {
        struct steprec rec;
        (void)put_u32(r->batch[i], k->rank);
        if (k->n_stops == 0)
            continue;
        steprec_decode(r->batch[i], &rec);
        if (rank_was_stopped(k, &rec))
            record_flag(r->batch[i], STEPREC_STOPPED);
    }
}

/* ---- sending */

static bool send_batch(struct steprelay *r, struct relay_rank *k)
{
    Aolani__Steps m = AOLANI__STEPS__INIT;
    m.rank = k->rank;
    m.dropped = rank_dropped(k);
    m.others = k->ring.others;
    m.records.len = (size_t)r->n_batch * STEPREC_BYTES;
    m.records.data = r->batch[0];
    if (r->up.send(r->up.arg, MSG_STEPS, &m.base) < 0) {
        r->held = k;
        return false;
    }
    k->told = m.dropped;
    k->told_others = m.others;
    r->held = NULL;
    r->n_batch = 0;
    return true;
}

/* Records that credit allows now. */
static unsigned credit_records(struct steprelay *r)
{
    uint64_t bytes = r->up.credit(r->up.arg);
    if (bytes < STEPS_OVERHEAD)
        return 0;
    uint64_t n = (bytes - STEPS_OVERHEAD) / STEPREC_BYTES;
    return n > BATCH ? BATCH : (unsigned)n;
}

/* False: the session takes no more. */
static bool drain_ring(struct steprelay *r, struct relay_rank *k)
{
    while (ringfile_fill(&k->ring) > 0) {
        unsigned may = credit_records(r);
        if (may == 0)
            return false;
        r->n_batch = rank_pop(r, k, r->batch, may);
        if (r->n_batch == 0)
            break; /* it was nonsense, and is counted */
        if (k->gap)
            record_flag(r->batch[0], STEPREC_GAP);
        k->gap = false;
        batch_stamp(r, k);
        if (!send_batch(r, k))
            return false;
    }
    return true;
}

static bool drain_own(struct steprelay *r, struct relay_rank *k)
{
    while (!stepqueue_is_empty(&k->own)) {
        unsigned may = credit_records(r);
        if (may == 0)
            return false;
        r->n_batch = stepqueue_pop(&k->own, r->batch, may);
        batch_stamp(r, k);
        if (!send_batch(r, k))
            return false;
    }
    return true;
}

static bool drain(struct steprelay *r)
{
    if (r->look)
        r->look(r->look_arg);
    if (r->held && !send_batch(r, r->held))
        return false;
    size_t first = r->first;
    for (size_t i = 0; i < r->n_ranks; i++) {
        size_t at = (first + i) % r->n_ranks;
        struct relay_rank *k = &r->ranks[at];
        if (!drain_ring(r, k) || !drain_own(r, k)) {
            /* one that took a whole round's credit goes to the end of the queue */
            r->first = i > 0 ? at : (at + 1) % r->n_ranks;
            return false;
        }
    }
    return true;
}

static void on_timer(void *arg)
{
    struct steprelay *r = arg;
    if (!drain(r))
        for (size_t i = 0; i < r->n_ranks; i++)
            rank_trim(r, &r->ranks[i]);
}

int steprelay_flush(struct steprelay *r)
{
    if (!drain(r))
        return -EAGAIN;
    /* What is found after a rank's last record has no record to travel with. */
    for (size_t i = 0; i < r->n_ranks; i++) {
        struct relay_rank *k = &r->ranks[i];
        if (rank_dropped(k) == k->told && k->ring.others == k->told_others)
            continue;
        if (r->up.credit(r->up.arg) < STEPS_OVERHEAD)
            return -EAGAIN;
        r->n_batch = 0;
        if (!send_batch(r, k)) {
            r->held = NULL; /* nothing is in it; told still differs */
            return -EAGAIN;
        }
    }
    return 0;
}

/* ---- rings */

static int ranks_grow(struct steprelay *r)
{
    if (r->n_ranks < r->cap_ranks)
        return 0;
    size_t cap = r->cap_ranks ? r->cap_ranks * 2 : 16;
    struct relay_rank *ranks = realloc(r->ranks, cap * sizeof *ranks);
    if (!ranks)
        return -ENOMEM;
    if (r->held)
        r->held = ranks + (r->held - r->ranks);
    r->ranks = ranks;
    r->cap_ranks = cap;
    return 0;
}

int steprelay_open_rank(struct steprelay *r, uint32_t rank, const char **ret_path,
                        struct err *e)
{
    struct relay_rank k = {.rank = rank};
    if (r->n_ranks >= LIMIT_LOCAL_RANKS)
        return err_set(e, ERR_LIMIT,
                       "open the step ring of rank %u: more than %u ranks",
                       (unsigned)rank, LIMIT_LOCAL_RANKS);
    if (ranks_grow(r) < 0 ||
        asprintf(&k.path, "%s/steps-%u", r->dir, (unsigned)rank) < 0)
        return err_sys(e, -ENOMEM, "open the step ring of rank %u", (unsigned)rank);
    int rc = ringfile_create(k.path, &k.ring, e);
    if (rc < 0) {
        free(k.path);
        return rc;
    }
    if (r->stopping)
        ringfile_request_stop(&k.ring);
    r->ranks[r->n_ranks++] = k;
    *ret_path = k.path;
    return 0;
}

int steprelay_add(struct steprelay *r, uint32_t rank, const struct steprec *rec)
{
    for (size_t i = 0; i < r->n_ranks; i++) {
        if (r->ranks[i].rank == rank)
            return stepqueue_push(&r->ranks[i].own, rec);
    }
    return -ENOENT;
}

void steprelay_stopped(struct steprelay *r, uint32_t rank, uint64_t from_ns,
                       uint64_t to_ns)
{
    for (size_t i = 0; i < r->n_ranks; i++) {
        struct relay_rank *k = &r->ranks[i];
        if (k->rank == rank)
            k->stops[k->n_stops++ % STEPRELAY_STOPS] =
                (struct relay_stop){from_ns, to_ns};
    }
}

void steprelay_before_drain(struct steprelay *r, void (*look)(void *arg), void *arg)
{
    r->look = look;
    r->look_arg = arg;
}

void steprelay_request_stop(struct steprelay *r)
{
    r->stopping = true;
    for (size_t i = 0; i < r->n_ranks; i++)
        ringfile_request_stop(&r->ranks[i].ring);
}

int steprelay_create(struct loop *l, const char *dir, const struct upward *up,
                     struct steprelay **ret, struct err *e)
{
    struct steprelay *r = calloc(1, sizeof *r);
    if (!r || !(r->dir = strdup(dir)) ||
        !(r->timer = loop_timer_create(l, on_timer, r))) {
        steprelay_destroy(r);
        return err_sys(e, -ENOMEM, "relay step records");
    }
    r->up = *up;
    loop_timer_start(r->timer, DRAIN_MS, DRAIN_MS);
    *ret = r;
    return 0;
}

void steprelay_destroy(struct steprelay *r)
{
    if (!r)
        return;
    loop_timer_destroy(r->timer);
    for (size_t i = 0; i < r->n_ranks; i++) {
        ringfile_close(&r->ranks[i].ring);
        stepqueue_fini(&r->ranks[i].own);
        unlink(r->ranks[i].path);
        free(r->ranks[i].path);
    }
    free(r->ranks);
    free(r->dir);
    free(r);
}
