/* SPDX-License-Identifier: MIT */
/* anchorsig.c - what is random may look steady for a while. So a period counts for little
 * by itself: what is called in it must be alike, too, and where hardly anything is, many
 * periods must have been seen. The other way about, where much is called and always as much
 * the times may vary as they like, as with the lengths of sequences. */
#include "agent/anchorsig.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/anchor.h"

#define LONG_NS     86400e9 /* a pause of a day is no period */
#define FORGOTTEN   8.0     /* of its longest periods without a call */
#define TALLY_MOST  256.0
#define TALLY_ANEW  900u /* of 1000: this steady it is now, whatever it was */
#define ALIKE_LEAST 0.75
#define ALIKE_SURE  0.9
#define TIME_LEAST  0.65
#define TIME_ORDER  0.25
#define RICH        8u /* calls in a period, so many times, that are alike by no chance */
#define ORDER_TIMES 16u /* periods */
#define ORDER_LEAST 0.8
#define ORDER_RICH  0.38 /* lower bounds of the share that is alike */
#define ORDER_FEW   0.75
#define SURE_LEAST  0.6  /* lower bound of the share of good periods */
#define SURE_Z2     12.0 /* its z, squared: 3.5 sigma, for there are many to look at */

bool anchorsig_is_small(const struct anchorsig *s)
{
    return s->sig.func == COLL_ALLREDUCE && s->sig.size_class <= ANCHORSIG_SMALL;
}

bool anchorsig_reduces(const struct anchorsig *s)
{
    bool reduces = s->sig.func == COLL_ALLREDUCE || s->sig.func == COLL_REDUCESCATTER ||
                   s->sig.func == COLL_REDUCE;
    return reduces && s->sig.size_class > ANCHORSIG_SMALL;
}

uint32_t anchorsig_tolerance(uint32_t usual)
{
    /* A quarter of what Poisson's would do. */
    uint32_t some = (uint32_t)(sqrt(usual) / 4);
    return some < usual / 16 ? some : usual / 16;
}

static bool is_alike(const struct anchorsig *s, uint32_t calls)
{
    uint32_t off = calls > s->usual ? calls - s->usual : s->usual - calls;
    return off <= anchorsig_tolerance(s->usual);
}

static bool is_good(const struct anchorsig *s, double period)
{
    return fabs(period - s->median) <= s->median / 4;
}

static void tally_add(struct anchorsig *s, double period, uint32_t calls)
{
    struct anchorsig_tally *t = &s->tally;
    bool good = is_good(s, period), alike = is_alike(s, calls);
    t->n += 1;
    t->good += good && alike;
    t->alike += alike;
    t->time += period;
    t->good_time += good ? period : 0;
    t->alike_time += alike ? period : 0;
    t->calls += calls;
    t->alike_calls += alike ? calls : 0;
    if (t->n >= TALLY_MOST) {
        t->n /= 2;
        t->good /= 2;
        t->alike /= 2;
        t->time /= 2;
        t->good_time /= 2;
        t->alike_time /= 2;
        t->calls /= 2;
        t->alike_calls /= 2;
    }
}

static void add_period(struct anchorsig *s, double period, uint64_t calls)
{
    uint32_t i = s->n % ANCHORSIG_RING;
    s->period[i] = (float)period;
    s->calls[i] = calls < UINT32_MAX / 2 ? (uint32_t)calls : UINT32_MAX / 2;
    s->n = s->n < UINT32_MAX ? s->n + 1 : ANCHORSIG_RING;
    s->longest = fmax(s->longest, period);
    if (s->median > 0)
        tally_add(s, period, s->calls[i]);
}

static void begin(struct anchorsig *s, const struct collrec *r)
{
    *s = (struct anchorsig){.comm = r->comm, .sig = r->sig};
    memset(s->stamp, 0xff, sizeof s->stamp);
}

enum anchorsig_news anchorsig_call(struct anchorsig *s, const struct collrec *r,
                                   uint64_t all)
{
    enum anchorsig_news news = ANCHORSIG_FIRST;
    if (s->count == 0)
        begin(s, r);
    else if (r->t_ns <= s->last_ns || r->seq - s->last_seq - 1 > INT32_MAX)
        news = ANCHORSIG_ANEW;
    else
        news = r->seq == s->last_seq + 1 ? ANCHORSIG_NEXT : ANCHORSIG_LOST;
    double period = (double)(r->t_ns - s->last_ns);
    if (news == ANCHORSIG_NEXT && period < LONG_NS)
        add_period(s, period, all - s->mark);
    s->count++;
    s->bytes += (double)r->bytes;
    s->last_ns = r->t_ns;
    s->last_seq = r->seq;
    s->n_ranks = r->n_ranks;
    s->mark = all;
    return news;
}

static int by_float(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static int by_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void measure(struct anchorsig *s, uint32_t n)
{
    float period[ANCHORSIG_RING];
    uint32_t calls[ANCHORSIG_RING], good = 0, alike = 0;
    memcpy(period, s->period, n * sizeof *period);
    memcpy(calls, s->calls, n * sizeof *calls);
    qsort(period, n, sizeof *period, by_float);
    qsort(calls, n, sizeof *calls, by_u32);
    s->median = (double)period[n / 2];
    s->longest = (double)period[n - 1];
    s->usual = calls[n / 2];
    for (uint32_t i = 0; i < n; i++) {
        bool is_ordinary = is_alike(s, s->calls[i]);
        alike += is_ordinary;
        good += is_ordinary && is_good(s, (double)s->period[i]);
    }
    s->steady = alike > 0 ? good * 1000 / alike : 0;
    s->alike = alike * 1000 / n;
    double share = s->tally.alike > 0 ? s->tally.good / s->tally.alike : 0;
    if (s->n > n && (s->steady < TALLY_ANEW || share * 1000 >= ANCHOR_STEADY))
        return;
    s->tally = (struct anchorsig_tally){0};
    for (uint32_t i = 0; i < n; i++)
        tally_add(s, (double)s->period[i], s->calls[i]);
}

/* Wilson's. */
static double lower_bound(double good, double n)
{
    double p = good / n, z2 = SURE_Z2;
    double off = sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n * n)));
    return (p + z2 / (2 * n) - off) / (1 + z2 / n);
}

/* Are more periods alike than chance can make so? Of eight calls or more, a Poisson
 * process has at most a third within the tolerance; timers that know nothing of each other
 * do better with fewer. */
static bool is_order(const struct anchorsig *s)
{
    const struct anchorsig_tally *t = &s->tally;
    if (s->usual < ANCHORSIG_FEW || s->n < ORDER_TIMES || t->alike < ORDER_LEAST * t->n)
        return false;
    return lower_bound(t->alike, t->n) >= (s->usual >= RICH ? ORDER_RICH : ORDER_FEW);
}

/* The share of time that is not in good periods tells one call in each step from a burst of
 * them. Where the host runs ahead and waits now and then, or steps are as long as the data,
 * time says nothing, but the calls are alike all the same. */
static bool is_loop(const struct anchorsig *s)
{
    const struct anchorsig_tally *t = &s->tally;
    bool is_timely = t->good_time >= TIME_LEAST * t->time;
    bool has_calls = t->alike_calls >= ALIKE_SURE * t->calls;
    if (is_order(s))
        return has_calls || t->alike_time >= TIME_ORDER * t->time;
    if (t->alike >= ALIKE_SURE * t->n && s->usual >= ANCHORSIG_FEW)
        return is_timely || has_calls;
    double least = s->usual < ANCHORSIG_FEW ? ALIKE_SURE : ALIKE_LEAST;
    return is_timely && t->alike >= least * t->n &&
           lower_bound(t->good, t->alike) >= SURE_LEAST;
}

void anchorsig_judge(struct anchorsig *s, uint64_t now_ns)
{
    uint32_t n = s->n < ANCHORSIG_RING ? s->n : ANCHORSIG_RING;
    s->is_candidate = false;
    if (s->count < ANCHOR_COUNT || n + 1 < ANCHOR_COUNT)
        return;
    measure(s, n);
    bool is_there =
        now_ns <= s->last_ns || (double)(now_ns - s->last_ns) <= FORGOTTEN * s->longest;
    if (is_order(s) && s->steady < s->alike)
        s->steady = s->alike;
    s->is_candidate = is_there && s->steady >= ANCHOR_STEADY && is_loop(s);
}

double anchorsig_mean(const struct anchorsig *s)
{
    return s->tally.good > 0 ? s->tally.good_time / s->tally.good : s->median;
}
