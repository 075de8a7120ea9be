/* SPDX-License-Identifier: MIT */
/* other - somebody else's profiler, which is chained behind ours: it checks that what it is
 * handed back is its own. */
#ifndef TESTS_NCCL_OTHER_H
#define TESTS_NCCL_OTHER_H

struct other {
    int wants;            /* its mask at init */
    int init_fails;       /* what its init returns */
    int *mask;            /* where it may change it */
    unsigned inits, fins; /* of communicators */
    unsigned started[16]; /* by bit of the event */
    unsigned stopped, recorded;
    unsigned orphans; /* children that should have a parent, and had none */
    unsigned
        wrong; /* what it was handed is not its own, or not open, or of another kind */
};

#define OTHER_SYMBOL "other_state" /* struct other */

#endif
