/* SPDX-License-Identifier: MIT */
/* collagree - by which collective the steps of a job are told, where its program marks none:
 * of what the ranks propose, one class for all. Pure; any clock in milliseconds.
 *
 * A class is one kind of collective in communicators of one size. What more than half of
 * the ranks propose can be chosen; of that the longest period, and of periods within a tenth
 * the one that ranks put first. The choice stays until most of the ranks have lost it or
 * propose it no more, or all along propose another one whose period is much longer: what
 * was chosen first may be the micro-batch, and the step seen later.
 */
#ifndef LAUNCHER_VARIANCE_COLLAGREE_H
#define LAUNCHER_VARIANCE_COLLAGREE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/err.h"
#include "proto/wire/aolani.pb-c.h"

#define COLLAGREE_FIRST_MS 1000u /* others may yet speak */
#define COLLAGREE_HOLD_MS  5000u /* another one has to be better for as long */
#define COLLAGREE_LONGER   1.5   /* of the period now */
/* Where the one that was chosen comes no more, or another comes more often, it may be an
 * evaluation: so many times as long as the one has been it, at most: */
#define COLLAGREE_TRUST   8u
#define COLLAGREE_MOST_MS 600000u
#define COLLAGREE_LIFE_MS 30000u /* since ranks told last: else they may hang in it */

struct collagree;
struct collchoice {
    uint32_t key, n_ranks; /* n_ranks 0: none */
    uint64_t period_ns;    /* median over the ranks, as it was chosen */
};

int collagree_create(uint32_t world_size, struct collagree **ret); /* -ENOMEM */
void collagree_destroy(struct collagree *a);
/* The rank is one of the world. ERR_PROTO: nothing is taken. */
int collagree_told(struct collagree *a, const Aolani__CollAnchors *m, struct err *e);
/* True: *ret is another one than before. Cheap while nothing was told. */
bool collagree_decide(struct collagree *a, uint64_t now_ms, struct collchoice *ret);

/* How many steps are deep: two of 32, and of 8 while some rank may be slow. Two, since
 * what is asked of NCCL at a step's first call may begin only after it. */
#define COLLAGREE_DEEP_N 2u
uint32_t collagree_deep_every(bool uneasy);

#endif
