/* SPDX-License-Identifier: MIT */
/* collrandom - programs without steps; a "step" is so much time. */
#ifndef TESTS_LIB_COLLRANDOM_H
#define TESTS_LIB_COLLRANDOM_H

#include "tests/lib/collcalls.h"

static inline void random_signatures(struct collstream *s)
{
    for (unsigned i = 0; i < 8; i++)
        collstream_call(s, -0.125 * log(1 - collstream_uniform(s)), DP,
                        COLL_ALLREDUCE + collstream_below(s, 5), F32,
                        1ull << (2 + collstream_below(s, 6 * (s->flavour % 4 + 1))));
}

static inline void random_ticks(struct collstream *s)
{
    unsigned kinds = 2 + s->flavour % 30;
    for (unsigned i = 0; i < 8; i++)
        collstream_call(s, 0.125, DP, COLL_ALLREDUCE, F32,
                        1ull << collstream_below(s, kinds));
}

static inline void random_poisson(struct collstream *s)
{
    collstream_call(s, -log(1 - collstream_uniform(s)), DP, COLL_ALLREDUCE, F32, MIB);
}

static inline void random_renewal(struct collstream *s)
{
    static const double sigma[] = {0.4, 0.5, 0.7, 1};
    collstream_call(s, collstream_lognormal(s, sigma[s->flavour % 4]), DP,
                    COLL_ALLREDUCE, F32, MIB);
}

static inline void random_uniform(struct collstream *s)
{
    collstream_call(s, 0.5 + collstream_uniform(s), DP, COLL_ALLREDUCE, F32, MIB);
}

/* Several timers of which none knows of another: the next of them all is due. */
static inline void timers(struct collstream *s, unsigned n, double sigma)
{
    double due[8], end = s->t_ns + 1e6 * s->unit_ns;
    for (unsigned i = 0; i < n; i++)
        due[i] = s->t_ns + s->unit_ns * collstream_uniform(s);
    uint32_t calls = 8 * s->steps;
    while (s->t_ns < end && calls-- > 0) {
        unsigned k = 0;
        for (unsigned i = 1; i < n; i++)
            k = due[i] < due[k] ? i : k;
        s->t_ns = due[k];
        due[k] += s->unit_ns * (1 + k * 0.377) * collstream_lognormal(s, sigma);
        collstream_call(s, 0, DP + k, COLL_ALLREDUCE, F32, MIB);
    }
    s->step = s->steps;
}

static inline void random_renewals(struct collstream *s)
{
    timers(s, 3 + s->flavour % 6, 0.3);
}

/* The more even they are the more alike are the calls between. */
static inline void random_timers(struct collstream *s)
{
    static const double sigma[] = {0.05, 0.1, 0.15, 0.2};
    timers(s, 3 + s->flavour % 6, sigma[s->flavour / 6 % 4]);
}

/* A barrier by a timer, and whatever comes between. */
static inline void random_heartbeat(struct collstream *s)
{
    double left = 1;
    while (left > 0) {
        double d = -log(1 - collstream_uniform(s)) / (1 + 2 * (s->flavour % 6));
        if (d >= left)
            break;
        left -= d;
        collstream_call(s, d, DP, COLL_ALLREDUCE + collstream_below(s, 3), F32,
                        1ull << (10 + collstream_below(s, 4)));
    }
    collstream_call(s, left, WORLD, COLL_ALLREDUCE, F32, 4);
}

static inline void random_bursts(struct collstream *s)
{
    unsigned n = 1 + collstream_below(s, 12);
    collstream_pause(s, -2 * log(1 - collstream_uniform(s)));
    for (unsigned i = 0; i < n; i++)
        collstream_call(s, 0.01, DP, COLL_ALLREDUCE, F32, 25 * MIB);
}

#endif
