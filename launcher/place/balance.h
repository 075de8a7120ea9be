/* SPDX-License-Identifier: MIT */
/* balance - dealing out things that only some may have, so that those who have least have
 * as much as can be. Pure.
 *
 * `count[i]` things of kind i go to takers that `may` have them; a taker of `weight` w
 * stands for w that are alike. The deal that comes out cannot be made more even by any
 * chain of exchanges (an optimal semi-matching).
 */
#ifndef LAUNCHER_PLACE_BALANCE_H
#define LAUNCHER_PLACE_BALANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct balance {
    size_t n_kinds, n_takers;
    uint32_t *count;  /* of every kind */
    uint32_t *weight; /* of every taker, at least 1 */
    bool *may;        /* [kind * n_takers + taker] */
    uint32_t *given;  /* the same; what a taker has of a kind */
    uint32_t *has;    /* of every taker, in all */
};

int balance_init(struct balance *b, size_t n_kinds, size_t n_takers); /* -ENOMEM */
void balance_fini(struct balance *b);
void balance_give(struct balance *b, size_t kind, size_t taker);
void balance_take(struct balance *b, size_t kind, size_t taker);
/* Deal out what nobody has yet: each to whoever may have it and has least; kinds that few
 * may have come first. */
void balance_deal(struct balance *b);
/* Make the deal even. -ENOMEM. */
int balance_even(struct balance *b);

#endif
