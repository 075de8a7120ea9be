/* SPDX-License-Identifier: MIT */
/* anchorlevel - which of several steady periods is the step. Pure.
 *
 * Steady collectives of about one period are one level. From the shortest upwards a longer
 * one takes over where the shorter is seen to be a part of a step only: no gradients are
 * reduced in it, or most of them later, or in other communicators although those of its own
 * are too small to connect all ranks; or it comes in bursts, with more reductions after
 * them; or nothing but a small all-reduce (the norm of the gradients) tells that a few alike
 * parts belong together. What comes every so many steps - evaluation, checkpoints, a line of
 * the log - brings none of this and makes its period longer.
 *
 * Not decidable: 10 parts with the norm after the last, or 10 steps and a line of the log?
 * The parts are taken, and where ten of them make a step, the program has to mark it.
 */
#ifndef AGENT_ANCHORLEVEL_H
#define AGENT_ANCHORLEVEL_H

#include <stddef.h>

#include "agent/anchorview.h"

struct anchorlevel {
    const struct anchorsig *rep;
    unsigned view; /* of rep's periods */
};

/* Have all of n levels, shortest first, been looked at for long enough? */
bool anchorlevel_is_known(const struct anchorviews *v, const struct anchorlevel *l,
                          size_t n);
/* Is it too early to say that it is the step? It may be the inside of the first one: then
 * nothing has come yet, or only a few times, of what would take over. */
bool anchorlevel_is_early(const struct anchorviews *v, const struct anchorlevel *l,
                          uint64_t now_ns);
/* The index of the step's among n levels, shortest first; n > 0. */
size_t anchorlevel_step(const struct anchorviews *v, const struct anchorlevel *l,
                        size_t n);

#endif
