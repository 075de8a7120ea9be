/* SPDX-License-Identifier: MIT */
/* rounds - who is paired with whom. Pure.
 *
 * In a round every node is in at most one pair, so that none disturbs another; the number
 * of rounds does not grow with the nodes, so the work grows as n. The first rounds pair by
 * a seeded shuffle (so that two audits do not always try the same pairs), the last two
 * regroup: who was in a slow pair meets a partner that was fast, and another one if that is
 * slow again. What is slow with all of them is a node's own link; two that both are fast
 * with others meet again, and are a slow pair if it was not the moment's. With several rails
 * this is asked of each of them, all in the same rounds: a partner is fast if it was so on
 * those that are in question. Rails for which there was no time yet are met in the rounds
 * that regroup.
 */
#ifndef LAUNCHER_AUDIT_ROUNDS_H
#define LAUNCHER_AUDIT_ROUNDS_H

#include <stddef.h>
#include <stdint.h>

#include "launcher/audit/audit.h"

#define ROUNDS_FIRST   2u
#define ROUNDS_REGROUP 2u

struct rounds_pair {
    uint32_t a, b;
    /* That both have, in the order in which they are to be measured: those of which least is
     * known, but when regrouped those first that were slow at one of the two. 0: none. */
    uint32_t n_rails;
    uint8_t rails[AUDIT_RAILS];
};

/* The pairs of round `round` (0, 1, ...), from what was measured in the rounds before.
 * usable[i]: node i can take part. ret has room for n / 2. Their number; 0: there is
 * nothing more to find out, of this and of later rounds. */
size_t rounds_next(const struct audit *a, const bool *usable, uint32_t round,
                   uint64_t seed, struct rounds_pair *ret);

#endif
