/* SPDX-License-Identifier: MIT */
/* stepwindow - the steps that some ranks have reported and others not yet, oldest first.
 * A part of steps; no one else's. Keys order steps: attempt of the rank above, step below.
 * Bounded: past the maximum the oldest has to be closed first; of each step the whole
 * records of the STEPS_LATE latest ranks are kept, of the others only the busy time. */
#ifndef LAUNCHER_VARIANCE_STEPWINDOW_H
#define LAUNCHER_VARIANCE_STEPWINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "launcher/variance/steps.h"

struct open_step {
    uint64_t key, first_ms;
    struct steps_closed
        c; /* what is known so far; key, busy and late are filled last */
    struct steprec late[STEPS_LATE];
    uint32_t paced_t; /* largest wall of those ranks that cannot be compared */
    bool closed;      /* waits only for older ones to be closed */
    uint32_t busy[];  /* per rank, or STEP_ABSENT; until it is closed, STEP_PACED too */
};
#define STEP_PACED (STEP_ABSENT - 1) /* reported, but what it waited is not known */

struct stepwindow {
    uint32_t world_size;
    size_t n, max;
    struct open_step **at; /* by key */
    struct open_step *spare;
    uint64_t floor; /* steps below this key are over */
};

int stepwindow_init(struct stepwindow *w, uint32_t world_size); /* 0, -ENOMEM */
void stepwindow_fini(struct stepwindow *w);                     /* takes a zeroed one */
bool stepwindow_is_full(const struct stepwindow *w);
/* The step of this key, made when it is new. NULL: over already, full, or no memory. */
struct open_step *stepwindow_get(struct stepwindow *w, uint64_t key, uint64_t now_ms);
/* A rank's record of this step. */
void open_step_add(struct open_step *o, const struct steprec *r, bool warming);
/* No more come. compared: the ranks of which it is known what they waited are enough. */
void open_step_close(struct open_step *o, uint32_t world_size, bool compared);
/* Let go of closed steps that no older one holds back. */
void stepwindow_trim(struct stepwindow *w);

#endif
