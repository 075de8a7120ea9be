/* SPDX-License-Identifier: MIT */
/* stepwindow.c - a sorted array of pointers: new steps nearly always belong at its end,
 * and finished ones leave at its front. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/variance/stepwindow.h"

/* A node that was cut off comes back with a ring's worth of steps that all others have
 * reported; more than that many need not be kept. Large jobs keep fewer: their busy times
 * must not fill the head's memory. */
#define WINDOW_MOST  4096u
#define WINDOW_LEAST 64u
#define WINDOW_BYTES ((size_t)64 << 20)

static size_t step_bytes(const struct stepwindow *w)
{
    return sizeof(struct open_step) + (size_t)w->world_size * sizeof(uint32_t);
}

int stepwindow_init(struct stepwindow *w, uint32_t world_size)
{
    *w = (struct stepwindow){.world_size = world_size};
    w->max = WINDOW_BYTES / step_bytes(w);
    w->max = w->max > WINDOW_MOST ? WINDOW_MOST : w->max;
    w->max = w->max < WINDOW_LEAST ? WINDOW_LEAST : w->max;
    w->at = calloc(w->max, sizeof(struct open_step *));
    return w->at ? 0 : -ENOMEM;
}

void stepwindow_fini(struct stepwindow *w)
{
    for (size_t i = 0; i < w->n; i++)
        free(w->at[i]);
    free(w->at);
    free(w->spare);
    *w = (struct stepwindow){0};
}

bool stepwindow_is_full(const struct stepwindow *w)
{
    return w->n == w->max;
}

static struct open_step *step_new(struct stepwindow *w, uint64_t key, uint64_t now_ms)
{
    struct open_step *o = w->spare ? w->spare : malloc(step_bytes(w));
    w->spare = NULL;
    if (!o)
        return NULL;
    *o = (struct open_step){.key = key,
                            .first_ms = now_ms,
                            .c = {.step = (uint32_t)key,
                                  .attempt = (uint32_t)(key >> 32),
                                  .min_wait = UINT32_MAX,
                                  .slowest = -1,
                                  .lead = UINT32_MAX}};
    memset(o->busy, 0xff, (size_t)w->world_size * sizeof *o->busy); /* STEP_ABSENT */
    return o;
}

struct open_step *stepwindow_get(struct stepwindow *w, uint64_t key, uint64_t now_ms)
{
    size_t i = w->n;
    if (key < w->floor)
        return NULL;
    while (i > 0 && w->at[i - 1]->key > key)
        i--;
    if (i > 0 && w->at[i - 1]->key == key)
        return w->at[i - 1];
    struct open_step *o = w->n < w->max ? step_new(w, key, now_ms) : NULL;
    if (!o)
        return NULL;
    memmove(w->at + i + 1, w->at + i, (w->n - i) * sizeof(struct open_step *));
    w->at[i] = o;
    w->n++;
    return o;
}

/* Largest busy time first; of equals the lowest rank. */
static bool is_later(const struct steprec *r, uint32_t busy, const struct steprec *than)
{
    uint32_t other = steprec_busy_us(than);
    return busy > other || (busy == other && r->rank < than->rank);
}

static void keep_late(struct open_step *o, const struct steprec *r, uint32_t busy)
{
    size_t n = o->c.n_late, i = n < STEPS_LATE ? n : n - 1;
    if (n == STEPS_LATE && !is_later(r, busy, &o->late[n - 1]))
        return;
    for (; i > 0 && is_later(r, busy, &o->late[i - 1]); i--)
        o->late[i] = o->late[i - 1];
    o->late[i] = *r;
    o->c.n_late = n < STEPS_LATE ? n + 1 : n;
}

static void sums_add(struct steps_sums *s, const struct steprec *r, uint32_t busy)
{
    s->busy += busy;
    s->wait += r->wait_us;
    if (!steprec_knows_host(r))
        return;
    s->n_host++;
    s->cpu += r->cpu_us;
    s->rundelay += r->rundelay_us;
    s->throttled += r->throttled_us;
    s->blocked += r->blocked_us;
    s->stolen += r->stolen_us;
    s->faults += r->minflt16 * 16u + r->majflt;
}

static uint32_t more(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static void add_compared(struct open_step *o, const struct steprec *r)
{
    struct steps_closed *c = &o->c;
    uint32_t busy = steprec_busy_us(r);
    c->n_compared++;
    o->busy[r->rank] = busy < STEP_PACED ? busy : STEP_PACED - 1;
    keep_late(o, r, busy);
    sums_add(&c->sums, r, busy);
    c->t = more(c->t, r->wall_us);
    c->min_wait = r->wait_us < c->min_wait ? r->wait_us : c->min_wait;
}

void open_step_add(struct open_step *o, const struct steprec *r, bool warming)
{
    struct steps_closed *c = &o->c;
    if (o->busy[r->rank] != STEP_ABSENT)
        return;
    if (r->flags & STEPREC_HOST_PACED) {
        o->busy[r->rank] = STEP_PACED;
        o->paced_t = more(o->paced_t, r->wall_us);
    } else {
        add_compared(o, r);
    }
    c->n++;
    c->flags |= r->flags;
    c->warming = c->warming || warming;
    if (r->rank < c->lead) {
        c->lead = r->rank;
        c->lead_wall = r->wall_us;
        c->lead_end_ns = r->t_end_ns;
    }
}

void open_step_close(struct open_step *o, uint32_t world_size, bool compared)
{
    struct steps_closed *c = &o->c;
    o->closed = true;
    c->paced = !compared;
    if (c->n_compared == c->n)
        return;
    for (uint32_t i = 0; i < world_size; i++)
        if (o->busy[i] == STEP_PACED)
            o->busy[i] = STEP_ABSENT;
    if (!compared)
        c->t = more(c->t, o->paced_t);
}

void stepwindow_trim(struct stepwindow *w)
{
    size_t gone = 0;
    while (gone < w->n && w->at[gone]->closed) {
        w->floor = w->at[gone]->key + 1;
        free(w->spare);
        w->spare = w->at[gone++];
    }
    w->n -= gone;
    memmove(w->at, w->at + gone, w->n * sizeof(struct open_step *));
}
