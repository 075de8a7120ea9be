/* SPDX-License-Identifier: MIT */
/* stream - step records of ranks that never ran, on a virtual clock: so many ranks, a busy
 * time with noise, and parts planted in some ranks and steps. The same seed gives the same
 * records.
 *
 *     static const struct planted p[] = {{.rank = 3, .from = 100, .to = 110,
 *                                         .what = PLANT_STOLEN, .us = 2000}};
 *     struct stream s = {.world = 8, .busy_us = 10000, .sigma = 0.02, .seed = 1,
 *                        .planted = p, .n_planted = 1};
 *     stream_init(&s);
 *     stream_run(&s, steps, 0, 500);     or: stream_make(&s, step), then s.records
 *     stream_fini(&s);
 */
#ifndef TESTS_LIB_STREAM_H
#define TESTS_LIB_STREAM_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "launcher/variance/steps.h"

#define STREAM_ALL UINT32_MAX /* as a rank: each of them */

enum plant {
    PLANT_THROTTLED,
    PLANT_PREEMPTED,
    PLANT_HOG, /* preempted for another time in each step: up to twice us */
    PLANT_STOLEN,
    PLANT_HIDDEN, /* stolen, in a step that also sleeps as usual */
    PLANT_STOPPED,
    PLANT_BLOCKED,
    PLANT_FAULTS, /* of 500 ns each */
    PLANT_WORK,
    PLANT_GPU,     /* no time of the host */
    PLANT_NETWORK, /* of all ranks, whichever is given */
    PLANT_SPECIAL, /* us more for a step that is marked as special */
};

struct planted {
    uint32_t rank;     /* or STREAM_ALL */
    uint32_t from, to; /* steps [from, to) */
    uint32_t every;    /* of them each such; 0 as 1 */
    enum plant what;
    uint32_t us;
};

struct stream {
    uint32_t world, busy_us, coll_us; /* coll: of a collective that nobody waits in */
    double sigma;                     /* of the busy time, share of it */
    double correlation;               /* of one step's noise with the next's, 0 to 1 */
    double
        tail; /* share of a rank's steps with a pause, 0.1 to 10 times the busy time */
    uint32_t naps;  /* of each rank in each step: voluntary switches */
    uint8_t source; /* enum steprec_source; 0: of the client library */
    uint16_t flags;
    uint64_t seed;
    const struct planted *planted;
    size_t n_planted;
    /* private: */
    struct steprec *records; /* world */
    double *drift;           /* world */
    uint64_t clock_ns;
};

static inline uint64_t stream_random(struct stream *s)
{
    uint64_t z = s->seed += 0x9e3779b97f4a7c15u; /* splitmix64 */
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline double stream_uniform(struct stream *s)
{
    return (double)(stream_random(s) >> 11) / 9007199254740992.0;
}

static inline double stream_normal(struct stream *s)
{
    for (;;) { /* Marsaglia's polar method */
        double x = 2 * stream_uniform(s) - 1, y = 2 * stream_uniform(s) - 1;
        double r = x * x + y * y;
        if (r > 0 && r < 1)
            return x * sqrt(-2 * log(r) / r);
    }
}

static inline int stream_init(struct stream *s)
{
    s->records = calloc(s->world, sizeof *s->records);
    s->drift = calloc(s->world, sizeof *s->drift);
    s->clock_ns = 1000000000;
    return s->records && s->drift ? 0 : -1;
}

static inline void stream_fini(struct stream *s)
{
    free(s->records);
    free(s->drift);
    s->records = NULL;
    s->drift = NULL;
}

static inline bool stream_is_on(const struct planted *p, uint32_t rank, uint32_t step)
{
    return (p->rank == rank || p->rank == STREAM_ALL) && step >= p->from &&
           step < p->to && (step - p->from) % (p->every ? p->every : 1) == 0;
}

static inline uint32_t stream_us(struct stream *s, const struct planted *p)
{
    return p->what == PLANT_HOG ? (uint32_t)(2 * p->us * stream_uniform(s)) : p->us;
}

/* Returns the busy time that it adds. */
static inline uint32_t stream_plant(struct steprec *r, const struct planted *p,
                                    uint32_t us)
{
    switch (p->what) {
    case PLANT_THROTTLED:
        r->throttled_us += us;
        r->rundelay_us += us;
        break;
    case PLANT_PREEMPTED:
    case PLANT_HOG:
        r->rundelay_us += us;
        r->nivcsw++;
        break;
    case PLANT_STOLEN:
        r->stolen_us += us;
        break;
    case PLANT_STOPPED:
        r->flags |= STEPREC_STOPPED;
        r->blocked_us += us;
        r->nvcsw++;
        break;
    case PLANT_BLOCKED:
        r->nvcsw++;
        r->blocked_us += us;
        break;
    case PLANT_HIDDEN:
        r->blocked_us += us;
        break;
    case PLANT_FAULTS:
        r->minflt16 = (uint16_t)(r->minflt16 + us * 2 / 16);
        r->cpu_us += us;
        break;
    case PLANT_WORK:
        r->cpu_us += us;
        break;
    case PLANT_SPECIAL:
        r->cpu_us += us;
        r->flags |= STEPREC_SPECIAL | STEPREC_CHECKPOINT;
        break;
    case PLANT_GPU:
        break;
    case PLANT_NETWORK:
        return 0;
    }
    return us;
}

static inline uint32_t stream_busy(struct stream *s, uint32_t rank)
{
    double keep = s->correlation, noise = stream_normal(s);
    s->drift[rank] = keep * s->drift[rank] + sqrt(1 - keep * keep) * noise;
    double busy = s->busy_us * (1 + s->sigma * s->drift[rank]);
    if (s->tail > 0 && stream_uniform(s) < s->tail)
        busy += s->busy_us * 0.1 * pow(100, stream_uniform(s));
    return busy < 1 ? 1 : (uint32_t)(busy + 0.5);
}

/* All ranks' records of this step. */
static inline void stream_make(struct stream *s, uint32_t step)
{
    uint32_t longest = 0, coll = s->coll_us;
    for (uint32_t i = 0; i < s->world; i++) {
        uint32_t busy = stream_busy(s, i);
        struct steprec *r = &s->records[i];
        *r = (struct steprec){
            .rank = i,
            .step = step,
            .cpu_us = busy - busy / 50,
            .rundelay_us = busy / 50,
            .nvcsw = (uint16_t)s->naps,
            .flags = s->flags,
            .source = s->source ? s->source : STEPREC_CLIENT,
        };
        for (size_t p = 0; p < s->n_planted; p++)
            if (stream_is_on(&s->planted[p], i, step))
                busy += stream_plant(r, &s->planted[p], stream_us(s, &s->planted[p]));
        r->wall_us = busy; /* for now */
        longest = busy > longest ? busy : longest;
    }
    for (size_t p = 0; p < s->n_planted; p++)
        if (s->planted[p].what == PLANT_NETWORK &&
            stream_is_on(&s->planted[p], s->planted[p].rank, step))
            coll += s->planted[p].us;
    s->clock_ns += ((uint64_t)longest + coll) * 1000;
    for (uint32_t i = 0; i < s->world; i++) {
        struct steprec *r = &s->records[i];
        r->wait_us = longest - r->wall_us + coll;
        r->wall_us = longest + coll;
        r->t_end_ns = s->clock_ns;
    }
}

/* Steps [from, to) of all ranks but `silent`. */
static inline void stream_run_without(struct stream *s, struct steps *to, uint32_t from,
                                      uint32_t end, uint32_t silent)
{
    for (uint32_t step = from; step < end; step++) {
        stream_make(s, step);
        for (uint32_t i = 0; i < s->world; i++)
            if (i != silent)
                steps_add(to, &s->records[i], s->clock_ns / 1000000);
        steps_tick(to, s->clock_ns / 1000000);
    }
}

static inline void stream_run(struct stream *s, struct steps *to, uint32_t from,
                              uint32_t end)
{
    stream_run_without(s, to, from, end, STREAM_ALL);
}

#endif
