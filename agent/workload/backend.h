/* SPDX-License-Identifier: MIT */
/* backend - where the arithmetic of a run is done. One loop (trainer.c) drives whichever
 * back end its program is linked with, so that all train the same model on the same batches
 * and read each other's checkpoints.
 *
 * A step is: learn once for each of this rank's streams, then finish. What fails has been
 * written to why, and only one rank may know it: the caller ends them all.
 */
#ifndef WORKLOAD_BACKEND_H
#define WORKLOAD_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/workload/comm.h"
#include "agent/workload/options.h"

struct why {
    char text[512];
};
/* Returns -1, so that a failure is one line. */
int why_set(struct why *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Of one step, over all ranks. */
struct step_result {
    double loss;
    bool stop; /* some rank wants it */
};

struct backend {
    const char *program; /* begins what it says */
    bool gpu;            /* takes the flags that are for a GPU */
    unsigned steps_warm; /* whose time says nothing: they connect, compile, capture */
    /* Before the ranks meet: can this process do anything here at all? 0, -1. */
    int (*probe)(struct why *why);
    /* 0, -1. The weights are the first ones of --seed, the same bits in every back end. */
    int (*create)(void **ret, const struct options *o, const struct comm *c,
                  struct why *why);
    /* Every rank has created its own: they may now wait for each other. 0, -1. */
    int (*join)(void *b, struct why *why);
    void (*destroy)(void *b); /* NULL is fine */
    /* Leave the others, who may be in the middle of a sum; the process ends after this.
     * NULL: that end is enough. */
    void (*abort)(void *b);

    size_t (*size)(const void *b); /* weights */
    /* The bytes of stream i of this rank in a step counted from 1; see data_window. */
    void (*learn)(void *b, uint64_t step, uint32_t i, const uint8_t *window);
    /* Sum over the ranks, update. stop: this rank's own wish. 0, -1. */
    int (*finish)(void *b, uint64_t step, bool stop, struct step_result *ret,
                  struct why *why);

    /* For checkpoints: weights, then what the optimiser keeps, by pieces. 0, -1. */
    unsigned (*arrays)(const void *b);
    int (*get)(void *b, unsigned array, size_t at, double *piece, size_t n);
    int (*put)(void *b, unsigned array, size_t at, const double *piece, size_t n);
    /* Rank 0's arrays to all. 0, -1. */
    int (*share)(void *b, struct why *why);
    /* How fast it went, for people; seconds: of a step on average. "" for nothing to say. */
    void (*describe)(const void *b, double seconds, char *text, size_t len);
};

extern const struct backend backend_linked; /* one for each program */

#endif
