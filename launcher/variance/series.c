/* SPDX-License-Identifier: MIT */
/* series.c - see series.h. Blocks are merged only when all of them are full, so that every
 * block but the last always holds the same number of steps. */
#include "launcher/variance/series.h"

#include <string.h>

_Static_assert(SERIES_BLOCKS % 2 == 0, "full blocks merge in pairs");

void series_init(struct series *s)
{
    memset(s, 0, sizeof *s);
    s->per_block = 1;
}

static void merge(struct series *s)
{
    s->n /= 2;
    for (size_t i = 0; i < s->n; i++) {
        const struct series_block *a = &s->blocks[2 * i], *b = &s->blocks[2 * i + 1];
        s->blocks[i] = (struct series_block){.steps = a->steps + b->steps,
                                             .t_us = a->t_us + b->t_us};
    }
    memset(s->blocks + s->n, 0, s->n * sizeof *s->blocks);
    s->per_block *= 2;
}

void series_add(struct series *s, uint64_t t_us)
{
    if (s->n == 0 || s->blocks[s->n - 1].steps == s->per_block) {
        if (s->n == SERIES_BLOCKS)
            merge(s);
        s->n++;
    }
    struct series_block *last = &s->blocks[s->n - 1];
    last->steps++;
    last->t_us += t_us;
}
