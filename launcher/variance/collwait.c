/* SPDX-License-Identifier: MIT */
/* collwait.c - see collwait.h. A deep step is known from its first record or times until
 * its place is needed: records that come late still find what was joined. */
#include "launcher/variance/collwait.h"

#include <errno.h>
#include <stdlib.h>

#include "launcher/variance/colljoin.h"
#include "proto/base/limits.h"

#define FORGET_MS  (3 * COLLWAIT_MS)
#define FIRST_HELD 16u /* a power of two, like COLLWAIT_HELD */

struct queue { /* of a rank */
    struct steprec *at;
    uint32_t first, n, cap;
};

struct deep {
    bool used, joined; /* joined: nothing more is awaited */
    uint32_t step;
    uint64_t first_ms, number; /* number: in order of their beginning */
    struct colljoin join;
    uint32_t *walls, n_walls; /* of the ranks whose records have come; joined: sorted */
};

struct collwait {
    uint32_t world_size;
    collwait_out_f *out;
    void *arg;
    struct queue *queues;
    struct deep deep[COLLWAIT_STEPS];
    uint64_t n_begun;
};

int collwait_create(uint32_t world_size, collwait_out_f *out, void *arg,
                    struct collwait **ret)
{
    struct collwait *w = calloc(1, sizeof *w);
    if (!w)
        return -ENOMEM;
    w->world_size = world_size;
    w->out = out;
    w->arg = arg;
    w->queues = calloc(world_size, sizeof *w->queues);
    if (!w->queues) {
        collwait_destroy(w);
        return -ENOMEM;
    }
    *ret = w;
    return 0;
}

void collwait_destroy(struct collwait *w)
{
    if (!w)
        return;
    for (uint32_t i = 0; w->queues && i < w->world_size; i++)
        free(w->queues[i].at);
    for (unsigned i = 0; i < COLLWAIT_STEPS; i++) {
        colljoin_fini(&w->deep[i].join);
        free(w->deep[i].walls);
    }
    free(w->queues);
    free(w);
}

/* ---- deep steps */

static struct deep *deep_find(struct collwait *w, uint32_t step)
{
    for (unsigned i = 0; i < COLLWAIT_STEPS; i++)
        if (w->deep[i].used && w->deep[i].step == step)
            return &w->deep[i];
    return NULL;
}

static bool deep_has_room(struct collwait *w, struct deep *d)
{
    if (!d->walls)
        d->walls = calloc(w->world_size, sizeof *d->walls);
    return d->walls && (d->join.ranks || colljoin_init(&d->join, w->world_size) == 0);
}

/* NULL: others are awaited in all places. */
static struct deep *deep_begin(struct collwait *w, uint32_t step, uint64_t now_ms)
{
    struct deep *d = NULL;
    for (unsigned i = 0; i < COLLWAIT_STEPS; i++) {
        struct deep *x = &w->deep[i];
        if (x->used && !x->joined)
            continue;
        if (!d || (d->used && (!x->used || x->number < d->number)))
            d = x;
    }
    if (!d || !deep_has_room(w, d))
        return NULL;
    colljoin_clear(&d->join);
    d->n_walls = 0;
    d->used = true;
    d->joined = false;
    d->step = step;
    d->first_ms = now_ms;
    d->number = w->n_begun++;
    return d;
}

static struct deep *deep_get(struct collwait *w, uint32_t step, uint64_t now_ms)
{
    struct deep *d = deep_find(w, step);
    return d ? d : deep_begin(w, step, now_ms);
}

static int compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint32_t deep_wall_us(const struct deep *d)
{
    return d->n_walls > 0 ? d->walls[(d->n_walls - 1) / 2] : 0;
}

static void deep_join(struct deep *d)
{
    d->joined = true;
    qsort(d->walls, d->n_walls, sizeof *d->walls, compare_u32);
    colljoin_settle(&d->join, deep_wall_us(d));
}

/* True: it is joined now. */
static bool deep_is_whole(const struct collwait *w, struct deep *d)
{
    if (d->joined || d->join.n_told < w->world_size || d->n_walls < w->world_size)
        return false;
    deep_join(d);
    return true;
}

/* ---- records */

static bool is_deep(const struct steprec *r)
{
    unsigned both = STEPREC_DEEP | STEPREC_HOST_PACED;
    return (r->flags & both) == both;
}

static bool queue_grow(struct queue *q)
{
    if (q->n < q->cap)
        return true;
    uint32_t cap = q->cap ? 2 * q->cap : FIRST_HELD;
    struct steprec *at = cap <= COLLWAIT_HELD ? malloc(cap * sizeof *at) : NULL;
    if (!at)
        return false;
    for (uint32_t i = 0; i < q->n; i++)
        at[i] = q->at[(q->first + i) & (q->cap - 1)];
    free(q->at);
    q->at = at;
    q->first = 0;
    q->cap = cap;
    return true;
}

static void pass(struct collwait *w, struct steprec *r, const struct deep *d,
                 uint64_t now_ms)
{
    uint32_t us = d ? colljoin_wait_us(&d->join, r->rank) : COLLJOIN_UNKNOWN;
    if (is_deep(r) && us == COLLJOIN_UNKNOWN) {
        r->flags &= (uint16_t)~STEPREC_DEEP;
    } else if (is_deep(r)) {
        r->flags &= (uint16_t)~STEPREC_HOST_PACED;
        r->wall_us = d->n_walls > 0 ? deep_wall_us(d) : r->wall_us;
        r->wait_us = us < r->wall_us ? us : r->wall_us;
    }
    w->out(w->arg, r, now_ms);
}

static void queue_pop(struct collwait *w, struct queue *q, const struct deep *d,
                      uint64_t now_ms)
{
    struct steprec r = q->at[q->first];
    q->first = (q->first + 1) & (q->cap - 1);
    q->n--;
    pass(w, &r, d, now_ms);
}

/* As far as nothing is awaited. */
static void queue_go_on(struct collwait *w, struct queue *q, uint64_t now_ms)
{
    while (q->n > 0) {
        const struct steprec *r = &q->at[q->first];
        const struct deep *d = is_deep(r) ? deep_find(w, r->step) : NULL;
        if (d && !d->joined)
            return;
        queue_pop(w, q, d, now_ms);
    }
}

static void all_go_on(struct collwait *w, uint64_t now_ms)
{
    for (uint32_t i = 0; i < w->world_size; i++)
        queue_go_on(w, &w->queues[i], now_ms);
}

static void queue_push(struct collwait *w, struct queue *q, const struct steprec *r,
                       uint64_t now_ms)
{
    struct steprec one = *r;
    if (!queue_grow(q)) {
        if (q->n == 0) { /* no memory */
            pass(w, &one, NULL, now_ms);
            return;
        }
        queue_pop(w, q, NULL, now_ms);
    }
    q->at[(q->first + q->n++) & (q->cap - 1)] = one;
}

void collwait_record(struct collwait *w, const struct steprec *r, uint64_t now_ms)
{
    struct queue *q = &w->queues[r->rank];
    struct deep *d = is_deep(r) ? deep_get(w, r->step, now_ms) : NULL;
    if (q->n == 0 && !is_deep(r)) {
        w->out(w->arg, r, now_ms);
        return;
    }
    if (d && !d->joined && d->n_walls < w->world_size)
        d->walls[d->n_walls++] = r->wall_us;
    queue_push(w, q, r, now_ms);
    if (d && deep_is_whole(w, d))
        all_go_on(w, now_ms);
    else
        queue_go_on(w, q, now_ms);
}

int collwait_times(struct collwait *w, const Aolani__CollTimes *m, uint64_t now_ms,
                   struct err *e)
{
    if (m->rank >= w->world_size || m->records.len % COLLTIME_BYTES != 0 ||
        m->records.len / COLLTIME_BYTES > LIMIT_COLL_TIMES)
        return err_set(e, ERR_PROTO, "%zu bytes of times of collectives of rank %u",
                       m->records.len, m->rank);
    struct deep *d = deep_get(w, m->step, now_ms);
    if (!d || d->joined)
        return 0;
    (void)colljoin_add(&d->join, m->rank, m->records.data,
                       (uint32_t)(m->records.len / COLLTIME_BYTES), m->missing);
    if (deep_is_whole(w, d))
        all_go_on(w, now_ms);
    return 0;
}

void collwait_tick(struct collwait *w, uint64_t now_ms)
{
    bool joined = false;
    for (unsigned i = 0; i < COLLWAIT_STEPS; i++) {
        struct deep *d = &w->deep[i];
        uint64_t ms = now_ms - d->first_ms;
        if (d->joined &&
            ms >= FORGET_MS) /* such a step is another one, after a restart */
            d->used = false;
        if (!d->used || d->joined || ms < COLLWAIT_MS)
            continue;
        deep_join(d);
        joined = true;
    }
    if (joined)
        all_go_on(w, now_ms);
}

void collwait_finish(struct collwait *w, uint64_t now_ms)
{
    for (unsigned i = 0; i < COLLWAIT_STEPS; i++)
        if (w->deep[i].used && !w->deep[i].joined)
            deep_join(&w->deep[i]);
    for (uint32_t i = 0; i < w->world_size; i++) {
        struct queue *q = &w->queues[i];
        while (q->n > 0)
            queue_pop(w, q, deep_find(w, q->at[q->first].step), now_ms);
    }
}
