/* SPDX-License-Identifier: MIT */
/* rankhost.c - see rankhost.h.
 *
 * Steps take a tenth of a second or an hour. So readings are thinned out by their age: one of
 * long ago can only be where a long interval begins, and what is not exact there is little
 * against its length. */
#include "agent/rankhost.h"

#include <string.h>

#define GAP_NS    300000000u /* between two readings, around an end */
#define GAP_PARTS 4u         /* or that part of the interval */
#define FOLLOWS   16u        /* the usual length follows by a part of this */

/* ---- readings */

void rankhost_clear(struct rankhost *h)
{
    h->n = 0;
    h->usual_ns = 0;
}

static const struct rankhost_thread *thread_of(const struct rankhost_reading *r,
                                               const struct rankhost_thread *t)
{
    for (uint32_t i = 0; i < r->n; i++)
        if (r->thread[i].tid == t->tid && r->thread[i].start == t->start)
            return &r->thread[i];
    return NULL;
}

static bool went_back(const struct rankhost_thread *before,
                      const struct rankhost_thread *t)
{
    return t->cpu_ns < before->cpu_ns || t->delay_ns < before->delay_ns ||
           t->turns < before->turns || t->minflt < before->minflt ||
           t->majflt < before->majflt;
}

static bool follows(const struct rankhost_reading *last,
                    const struct rankhost_reading *r)
{
    if (r->t_ns <= last->t_ns || r->process != last->process ||
        r->throttled_ns < last->throttled_ns)
        return false;
    for (uint32_t i = 0; i < r->n; i++) {
        const struct rankhost_thread *before = thread_of(last, &r->thread[i]);
        if (before && went_back(before, &r->thread[i]))
            return false;
    }
    return true;
}

/* The one that is missed least: its neighbours are near each other, for their age. */
static void thin(struct rankhost *h)
{
    uint64_t last = h->at[h->n - 1].t_ns;
    uint32_t out = 1;
    double least = 2;
    for (uint32_t i = 1; i + 1 < h->n; i++) {
        uint64_t before = h->at[i - 1].t_ns;
        double part = (double)(h->at[i + 1].t_ns - before) / (double)(last - before);
        if (part < least) {
            least = part;
            out = i;
        }
    }
    h->n--;
    memmove(&h->at[out], &h->at[out + 1], (h->n - out) * sizeof h->at[0]);
}

void rankhost_add(struct rankhost *h, const struct rankhost_reading *r)
{
    if (h->n > 0 && r->t_ns == h->at[h->n - 1].t_ns)
        return;
    if (h->n > 0 && !follows(&h->at[h->n - 1], r))
        h->n = 0;
    if (h->n == RANKHOST_KEPT)
        thin(h);
    h->at[h->n++] = *r;
    if (h->at[h->n - 1].n > RANKHOST_THREADS)
        h->at[h->n - 1].n = RANKHOST_THREADS;
}

/* ---- an interval */

struct border { /* between two readings, which may be one */
    const struct rankhost_reading *a, *b;
    double part; /* of the way from a to b */
};

static bool border_at(const struct rankhost *h, uint64_t t_ns, uint64_t length_ns,
                      struct border *ret)
{
    uint32_t i = 0;
    while (i < h->n && h->at[i].t_ns < t_ns)
        i++;
    if (i == h->n || (i == 0 && h->at[0].t_ns > t_ns))
        return false;
    ret->b = &h->at[i];
    ret->a = ret->b->t_ns == t_ns ? ret->b : &h->at[i - 1];
    uint64_t gap = ret->b->t_ns - ret->a->t_ns;
    ret->part = gap > 0 ? (double)(t_ns - ret->a->t_ns) / (double)gap : 0;
    return gap <= GAP_NS || gap <= length_ns / GAP_PARTS;
}

static double between(double part, uint64_t a, uint64_t b)
{
    return (double)a + part * (double)(b - a);
}

static uint64_t grown(double from, double to)
{
    return to > from ? (uint64_t)(to - from + 0.5) : 0;
}

/* A border as the counters of one thread see it. False: it was not followed there. */
static bool thread_at(const struct border *at, const struct rankhost_thread *t,
                      const struct rankhost_thread **ret_a,
                      const struct rankhost_thread **ret_b)
{
    *ret_a = thread_of(at->a, t);
    *ret_b = thread_of(at->b, t);
    return *ret_a && *ret_b;
}

static bool thread_over(const struct border *from, const struct border *to,
                        const struct rankhost_thread *t, struct rankhost_figures *ret)
{
    const struct rankhost_thread *a, *b, *c, *d;
    if (!thread_at(from, t, &a, &b) || !thread_at(to, t, &c, &d))
        return false;
#define GROWN(what) \
    grown(between(from->part, a->what, b->what), between(to->part, c->what, d->what))
    ret->cpu_ns = GROWN(cpu_ns);
    ret->delay_ns = GROWN(delay_ns);
    ret->turns = GROWN(turns);
    ret->minflt = GROWN(minflt);
    ret->majflt = GROWN(majflt);
#undef GROWN
    return true;
}

/* Of the thread that wanted a CPU longest. */
static bool measure(const struct rankhost *h, uint64_t from_ns, uint64_t to_ns,
                    struct rankhost_figures *ret)
{
    struct border from, to;
    uint64_t length = to_ns - from_ns;
    bool any = false;
    if (!border_at(h, from_ns, length, &from) || !border_at(h, to_ns, length, &to))
        return false;
    *ret = (struct rankhost_figures){0};
    for (uint32_t i = 0; i < to.b->n; i++) {
        struct rankhost_figures one = {0};
        if (!thread_over(&from, &to, &to.b->thread[i], &one))
            continue;
        if (!any || one.cpu_ns + one.delay_ns > ret->cpu_ns + ret->delay_ns)
            *ret = one;
        any = true;
    }
    ret->throttled_ns =
        grown(between(from.part, from.a->throttled_ns, from.b->throttled_ns),
              between(to.part, to.a->throttled_ns, to.b->throttled_ns));
    ret->length_ns = length;
    return any;
}

/* The last of the readings that is not after t_ns. */
static uint32_t readings_until(const struct rankhost *h, uint64_t t_ns)
{
    uint32_t n = 0;
    while (n < h->n && h->at[n].t_ns <= t_ns)
        n++;
    return n;
}

static uint64_t scaled(uint64_t v, double by)
{
    return (uint64_t)((double)v * by + 0.5);
}

static bool mean_over(const struct rankhost *h, uint64_t to_ns, uint64_t length_ns,
                      struct rankhost_figures *ret)
{
    uint32_t n = readings_until(h, to_ns);
    if (n < RANKHOST_DIRECT)
        return false;
    uint64_t from_ns = h->at[n > RANKHOST_MEAN ? n - RANKHOST_MEAN : 0].t_ns;
    if (from_ns + length_ns > to_ns || !measure(h, from_ns, to_ns, ret))
        return false;
    double by = (double)length_ns / (double)(to_ns - from_ns);
    ret->length_ns = length_ns;
    ret->cpu_ns = scaled(ret->cpu_ns, by);
    ret->delay_ns = scaled(ret->delay_ns, by);
    ret->throttled_ns = scaled(ret->throttled_ns, by);
    ret->turns = scaled(ret->turns, by);
    ret->minflt = scaled(ret->minflt, by);
    ret->majflt = scaled(ret->majflt, by);
    return true;
}

/* One that is very long (an evaluation) says little of the others. */
static uint64_t usual_length(struct rankhost *h, uint64_t length_ns)
{
    uint64_t most = 2 * h->usual_ns;
    uint64_t now = h->usual_ns > 0 && length_ns > most ? most : length_ns;
    uint64_t before = h->usual_ns > 0 ? h->usual_ns : now;
    h->usual_ns = before - before / FOLLOWS + now / FOLLOWS;
    return length_ns < h->usual_ns ? length_ns : h->usual_ns;
}

bool rankhost_over(struct rankhost *h, uint64_t from_ns, uint64_t to_ns,
                   struct rankhost_figures *ret)
{
    if (from_ns >= to_ns)
        return false;
    uint64_t length = to_ns - from_ns, usual = usual_length(h, length);
    if (h->n == 0)
        return false;
    uint64_t last = h->at[h->n - 1].t_ns;
    if (to_ns > last && to_ns - last <= RANKHOST_AFTER_NS) {
        to_ns = last;
        from_ns = last > length ? last - length : 0;
    }
    uint32_t inside =
        readings_until(h, to_ns) - (from_ns > 0 ? readings_until(h, from_ns - 1) : 0);
    bool direct = inside >= RANKHOST_DIRECT;
    if (!(direct ? measure(h, from_ns, to_ns, ret) : mean_over(h, to_ns, usual, ret)))
        return false;
    ret->direct = direct;
    return true;
}

/* ---- a record */

static uint32_t us_of(uint64_t ns)
{
    uint64_t us = (ns + 500) / 1000;
    return us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

static uint16_t sat16(uint64_t v)
{
    return v > UINT16_MAX ? UINT16_MAX : (uint16_t)v;
}

void rankhost_fill(const struct rankhost_figures *f, uint32_t n, struct steprec *r)
{
    uint32_t length = us_of(f->length_ns / n), cpu = us_of(f->cpu_ns / n);
    uint32_t delay = us_of(f->delay_ns / n), throttled = us_of(f->throttled_ns / n);
    length = length < r->wall_us ? length : r->wall_us;
    cpu = cpu < length ? cpu : length;
    delay = delay < length - cpu ? delay : length - cpu;
    r->cpu_us = cpu;
    r->rundelay_us = delay;
    r->throttled_us = throttled < delay ? throttled : delay;
    r->blocked_us = length - cpu - delay;
    r->nvcsw = sat16(f->turns / n);
    r->majflt = sat16(f->majflt / n);
    r->minflt16 = sat16(f->minflt / n / 16);
    r->flags |= STEPREC_SAMPLED;
}

void rankhost_fill_waits(const struct rankhost_figures *f, uint32_t n,
                         struct steprec *r)
{
    rankhost_fill(f, n, r);
    r->blocked_us = 0;
    r->wait_us = r->wall_us - r->cpu_us - r->rundelay_us;
    r->flags &= (uint16_t)~STEPREC_HOST_PACED;
}
