/* SPDX-License-Identifier: MIT */
/* factor_spells.c - see factor_spells.h. */
#include "launcher/variance/factor_spells.h"

#include <errno.h>
#include <stdlib.h>

#define RANKS_NAMED 8u

static bool alike(const struct spell *a, const struct spell *b)
{
    enum mech_kind x = mech_kind(a->what), y = mech_kind(b->what);
    return x == y || x == KIND_UNKNOWN || y == KIND_UNKNOWN;
}

static bool together(const struct spell *a, const struct spell *b)
{
    uint32_t a_last = a->over ? a->last_step : UINT32_MAX;
    uint32_t b_last = b->over ? b->last_step : UINT32_MAX;
    return a->attempt == b->attempt && a->first_step <= b_last &&
           b->first_step <= a_last && alike(a, b);
}

static int compare_ranks(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Ascending, each once: a rank may have become slow more than once. */
static size_t sort_ranks(uint32_t *ranks, size_t n)
{
    size_t kept = 0;
    qsort(ranks, n, sizeof *ranks, compare_ranks);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || ranks[i] != ranks[i - 1])
            ranks[kept++] = ranks[i];
    }
    return kept;
}

static int say(const struct factor_found *found, size_t n_found, const uint32_t *ranks,
               size_t n, struct buf *out)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n && i < RANKS_NAMED; i++)
        rc = buf_printf(out, i ? ", %u" : "ranks %u", ranks[i]);
    if (rc == 0 && n > RANKS_NAMED)
        rc = buf_printf(out, " and %zu more", n - RANKS_NAMED);
    for (size_t i = 0; rc == 0 && i < n_found; i++) {
        rc = buf_printf(out, i ? " and " : ": ");
        if (rc == 0)
            rc = factor_phrase(&found[i], out);
    }
    return rc;
}

int factor_common(struct factors *f, const struct spell *spells, size_t n, size_t which,
                  struct buf *out)
{
    struct factor_found found[FACTOR_SPELLS_NAMED];
    size_t n_slow = 0, n_have = 0;
    bool mine = false;
    if (which >= n)
        return -EINVAL;
    uint32_t *slow = malloc(n * sizeof *slow);
    if (!slow)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        if (i == which || together(&spells[i], &spells[which]))
            slow[n_slow++] = spells[i].rank;
    }
    n_slow = sort_ranks(slow, n_slow);
    size_t n_found = factors_find(f, slow, n_slow, found, FACTOR_SPELLS_NAMED);
    for (size_t i = 0; n_found > 0 && i < n_slow; i++) {
        if (!factors_has(f, slow[i], found[0].kind, found[0].value))
            continue;
        mine = mine || slow[i] == spells[which].rank;
        slow[n_have++] = slow[i];
    }
    int rc = mine ? say(found, n_found, slow, n_have, out) : 0;
    free(slow);
    return rc;
}
