/* SPDX-License-Identifier: MIT */
/* suggest - "did you mean": the known word nearest to what was typed. Pure. */
#ifndef LAUNCHER_SUGGEST_H
#define LAUNCHER_SUGGEST_H

#include <stddef.h>

/* Edits (insert, delete, replace, swap of neighbours) from a to b; case and the kind of
 * dash do not count. Words past 63 bytes are far from everything. */
unsigned suggest_distance(const char *a, const char *b);

/* Keeps the nearest of the words offered: start with best NULL and distance ~0u. A word
 * too far to be a slip of the finger is never taken. */
struct suggest {
    const char *typed;
    const char *best; /* borrowed */
    unsigned distance;
};
void suggest_init(struct suggest *s, const char *typed);
void suggest_offer(struct suggest *s, const char *word);

#endif
