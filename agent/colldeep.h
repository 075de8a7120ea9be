/* SPDX-License-Identifier: MIT */
/* colldeep - what the collectives of a rank's deep steps took, until all of a step is
 * known. Pure; a clock in nanoseconds comes in.
 *
 * A collective belongs to the step in which it was called; that it is done is told later,
 * often after the step. Those that move data between two ranks only, what is made of such
 * (AlltoAll), and those of a communicator of one rank are not asked for.
 */
#ifndef AGENT_COLLDEEP_H
#define AGENT_COLLDEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/limits.h"
#include "proto/wire/collrec.h"
#include "proto/wire/colltime.h"

#define COLLDEEP_STEPS   4u            /* at a time; the oldest gives way */
#define COLLDEEP_WAIT_NS 2000000000ull /* after a step, for what is not done */

struct colldeep_call {
    struct colltime t;
    bool done;
};
struct colldeep_step {
    uint32_t step;
    bool ended;
    uint64_t ended_ns;
    uint32_t n, n_done;
    uint32_t lost; /* calls that are not in it */
    struct colldeep_call call[LIMIT_COLL_TIMES];
    uint16_t slot[2 * LIMIT_COLL_TIMES]; /* by name: 1 + index in call; 0: none */
};
struct colldeep {                               /* zeroed is empty */
    struct colldeep_step *step[COLLDEEP_STEPS]; /* the oldest first */
    struct colldeep_step *spare;
    unsigned n;
};

void colldeep_fini(struct colldeep *d);
/* The step before is over. deep: the next one is to be followed, by that name. */
void colldeep_next(struct colldeep *d, uint32_t step, bool deep, uint64_t now_ns);
bool colldeep_has(const struct colldeep *d, uint32_t step);
void colldeep_call(struct colldeep *d, const struct collrec *r);
void colldeep_done(struct colldeep *d, const struct collrec *r);
void colldeep_lost(struct colldeep *d); /* records of this step were lost */
/* The oldest one, when all is known of it, or will not be; NULL: wait. last: there is
 * nothing to wait for. */
const struct colldeep_step *colldeep_ready(const struct colldeep *d, uint64_t now_ns,
                                           bool last);
void colldeep_pop(struct colldeep *d); /* the oldest one */

#endif
