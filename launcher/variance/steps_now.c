/* SPDX-License-Identifier: MIT */
/* steps_now.c - how fast the job is, and which rank stands out: in its recent steps, and
 * in all of them. */
#include <math.h>
#include <stdlib.h>

#include "launcher/variance/steps_impl.h"

#define LOG_CHANCE 6.9 /* -ln 0.001: how often alike ranks may seem to differ */

static double recent_rate(const struct recent *first, const struct recent *last,
                          size_t n, uint64_t t_sum)
{
    /* The ends of one rank's steps on one clock say it best. */
    if (n > 1 && first->lead == last->lead && last->lead_end_ns > first->lead_end_ns)
        return (double)(n - 1) * 1e9 / (double)(last->lead_end_ns - first->lead_end_ns);
    return t_sum > 0 ? (double)n * 1e6 / (double)t_sum : 0;
}

/* The losses of some steps, and how they fell on the ranks. */
struct losses {
    uint64_t top, next, all; /* of the rank charged most, of the one after it */
    double squares;          /* sum of the squares of the steps' losses */
    uint64_t t_sum;          /* the time of these steps */
};

/* Hoeffding's bound on a weighted sum of independent draws, for any of the ranks: it holds
 * for losses of any distribution, a few long pauses too, where counting or a normal
 * approximation would not. */
static bool is_no_chance(const struct losses *l, uint32_t world_size)
{
    double over = (double)l->top / (double)l->all - 1.0 / world_size;
    double n = (double)l->all * (double)l->all / l->squares; /* as many equal losses */
    return 2 * over * over * n > LOG_CHANCE + log(world_size);
}

static bool stands_out(const struct losses *l, uint32_t world_size)
{
    return l->top * 2 > l->all && l->top > l->next * 2 && l->top * 50 > l->t_sum &&
           is_no_chance(l, world_size);
}

static void losses_take(struct losses *l, uint64_t loss)
{
    if (loss > l->top) {
        l->next = l->top;
        l->top = loss;
    } else if (loss > l->next) {
        l->next = loss;
    }
}

/* The rank that stands out in the recent steps, if any does. */
static void recent_slowest(const struct recent *c, size_t n, uint32_t world_size,
                           uint64_t t_sum, struct steps_now *ret)
{
    struct losses l = {.t_sum = t_sum};
    ret->slowest_rank = -1;
    for (size_t i = 0; i < n; i++) {
        uint64_t loss = 0, median = 0, charged = 0, top = l.top;
        bool seen = c[i].slowest < 0;
        l.all += c[i].charged;
        l.squares += (double)c[i].charged * (double)c[i].charged;
        for (size_t j = 0; j < i && !seen; j++)
            seen = c[j].slowest == c[i].slowest;
        for (size_t j = i; j < n && !seen; j++) {
            if (c[j].slowest != c[i].slowest)
                continue;
            loss += c[j].loss;
            median += c[j].median;
            charged += c[j].charged;
        }
        losses_take(&l, charged);
        if (l.top == top)
            continue;
        ret->slowest_rank = c[i].slowest;
        ret->slowest_percent = median ? 100.0 * (double)loss / (double)median : 0;
    }
    if (!stands_out(&l, world_size))
        ret->slowest_rank = -1;
}

void steps_now(const struct steps *s, struct steps_now *ret)
{
    size_t n = s->n_recent < RECENT ? (size_t)s->n_recent : RECENT, timed = 0;
    uint32_t t[RECENT];
    uint64_t t_sum = 0;
    *ret = (struct steps_now){.closed = s->n_recent, .slowest_rank = -1};
    if (n == 0)
        return;
    const struct recent *last = &s->recent[(s->n_recent - 1) % RECENT];
    const struct recent *first = &s->recent[(s->n_recent - n) % RECENT];
    for (size_t i = 0; i < n; i++) {
        t_sum += s->recent[i].t;
        if (s->recent[i].counted || s->closed == 0)
            t[timed++] = s->recent[i].t;
    }
    ret->step = last->step;
    ret->rate = recent_rate(first, last, n, t_sum);
    recent_slowest(s->recent, n, s->world_size, t_sum, ret);
    if (timed == 0)
        return;
    qsort(t, timed, sizeof *t, steps_compare_u32);
    ret->p50 = t[(timed - 1) / 2];
    ret->p99 = t[(timed * 99 + 99) / 100 - 1];
}

int32_t steps_culprit(const struct steps *s)
{
    struct losses l = {
        .all = s->loss_sum, .squares = s->loss_squares, .t_sum = s->t.sum};
    int32_t rank = -1;
    for (uint32_t i = 0; i < s->world_size; i++) {
        if (s->ranks[i].loss_sum > l.top)
            rank = (int32_t)i;
        losses_take(&l, s->ranks[i].loss_sum);
    }
    return stands_out(&l, s->world_size) ? rank : -1;
}
