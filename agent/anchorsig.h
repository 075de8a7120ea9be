/* SPDX-License-Identifier: MIT */
/* anchorsig - how steadily one kind of collective comes: the times from call to call and
 * what else is called meanwhile. Pure, constant memory, O(1) a call but for judging.
 */
#ifndef AGENT_ANCHORSIG_H
#define AGENT_ANCHORSIG_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/wire/collrec.h"

#define ANCHORSIG_RING  64u
#define ANCHORSIG_VIEWS 8u
#define ANCHORSIG_FEW \
    3u /* calls in a period: fewer are no evidence that it is a loop */

/* Of the last few hundred periods. alike: with as many calls in them as usual; good: that,
 * and within a quarter of the median. Times are of all within it. */
struct anchorsig_tally {
    double n, good, alike;
    double time, good_time, alike_time; /* nanoseconds */
    double calls, alike_calls;
};

struct anchorsig {
    uint64_t comm, count, last_ns;
    uint64_t mark; /* the number of the last call among all calls */
    double bytes;  /* of payload, of late */
    uint32_t last_seq;
    uint16_t n_ranks;
    struct collsig sig;
    uint8_t worth; /* who has none is forgotten for another */
    /* periods, the last ones */
    uint32_t n;
    float period[ANCHORSIG_RING]; /* nanoseconds */
    uint32_t calls[ANCHORSIG_RING];
    /* as judged */
    double median, longest; /* nanoseconds; median 0: not known */
    uint32_t usual;         /* calls in a period */
    unsigned alike;         /* of 1000 */
    unsigned steady; /* of 1000 that are alike, the good ones; or alike, if that is more
                        and so many are no chance */
    bool is_candidate;
    struct anchorsig_tally tally;
    /* in how many periods of some others it has come */
    uint32_t stamp[ANCHORSIG_VIEWS], seen[ANCHORSIG_VIEWS];
};

#define ANCHORSIG_SMALL 10u /* size class: at most 2 KiB are a number or a few */

/* A small all-reduce; gradients are reduced, as far as one can tell. */
bool anchorsig_is_small(const struct anchorsig *s);
bool anchorsig_reduces(const struct anchorsig *s);

enum anchorsig_news {
    ANCHORSIG_FIRST,
    ANCHORSIG_NEXT, /* the one after the last */
    ANCHORSIG_LOST, /* some between were lost */
    ANCHORSIG_ANEW, /* not later than the last: counted from here */
};

/* The all-th of all calls; s->count 0: the first of this kind. */
enum anchorsig_news anchorsig_call(struct anchorsig *s, const struct collrec *r,
                                   uint64_t all);
/* Set what is "as judged". now_ns, now_calls: of the last record of all. */
void anchorsig_judge(struct anchorsig *s, uint64_t now_ns);
/* The mean of the periods that are good. */
double anchorsig_mean(const struct anchorsig *s);
/* By how much calls may differ from the usual number. */
uint32_t anchorsig_tolerance(uint32_t usual);

#endif
