/* SPDX-License-Identifier: MIT */
/* place_split.c - dividing a run of cores: evenly, at the borders of caches and NUMA nodes
 * where the numbers allow; and for ranks that have no GPU, package by package, NUMA node by
 * NUMA node. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/place/place_impl.h"

#define TABLE_MAX (1u << 22) /* more shares than that are of a core or two each */

/* ---- even shares ---- */

/* How good it is to cut before the core at `i`. */
static uint32_t border(const struct topo *t, const uint32_t *cores, size_t n, size_t i)
{
    if (i == 0 || i >= n)
        return 0;
    const struct topo_core *a = &t->cores[cores[i - 1]], *b = &t->cores[cores[i]];
    if (a->package != b->package)
        return 64;
    if (a->numa != b->numa)
        return 8;
    return a->l3 != b->l3;
}

static void cut_plainly(size_t n, size_t n_shares, size_t *cuts)
{
    for (size_t i = 0; i <= n_shares; i++)
        cuts[i] = n * i / n_shares;
}

/* best[i][m]: the worth of the first i cuts when m of the shares before have one core
 * more; larger[i][m]: whether share i - 1 then is one of them. */
int split_even(const struct topo *t, const uint32_t *cores, size_t n, size_t n_shares,
               size_t *cuts)
{
    size_t q = n / n_shares, more = n % n_shares, row = more + 1;
    if (more == 0 || (n_shares + 1) * row > TABLE_MAX) {
        cut_plainly(n, n_shares, cuts);
        return 0;
    }
    uint32_t *best = calloc((n_shares + 1) * row, sizeof *best);
    bool *larger = calloc((n_shares + 1) * row, sizeof *larger);
    if (!best || !larger) {
        free(best);
        free(larger);
        return -ENOMEM;
    }
    /* 1 + worth, so that 0 is what cannot be. Of equals the larger shares come last. */
    best[0] = 1;
    for (size_t i = 1; i <= n_shares; i++) {
        for (size_t m = 0; m <= more && m <= i; m++) {
            uint32_t same = best[(i - 1) * row + m];
            uint32_t one_more = m > 0 ? best[(i - 1) * row + m - 1] : 0;
            if (same == 0 && one_more == 0)
                continue;
            larger[i * row + m] = one_more >= same;
            best[i * row + m] =
                (one_more >= same ? one_more : same) + border(t, cores, n, i * q + m);
        }
    }
    for (size_t i = n_shares, m = more;; i--) {
        cuts[i] = i * q + m;
        if (i == 0)
            break;
        m -= larger[i * row + m];
    }
    free(best);
    free(larger);
    return 0;
}

/* ---- by NUMA nodes ---- */

struct unit { /* a package, or a NUMA node in one */
    size_t from, to;
    size_t shares, rest;
};

enum unit_of { UNIT_PACKAGE, UNIT_NUMA };

struct splitting {
    const struct topo *t;
    const uint32_t *cores;
    size_t *from, *to; /* the next shares */
};

static size_t find_units(const struct splitting *s, enum unit_of what, size_t from,
                         size_t to, struct unit *units)
{
    size_t n = 0;
    for (size_t i = from; i < to; i++) {
        const struct topo_core *c = &s->t->cores[s->cores[i]];
        const struct topo_core *before =
            i > from ? &s->t->cores[s->cores[i - 1]] : NULL;
        if (!before || (what == UNIT_PACKAGE ? c->package != before->package
                                             : c->numa != before->numa))
            units[n++] = (struct unit){.from = i};
        units[n - 1].to = i + 1;
    }
    return n;
}

/* By their cores, largest remainders first. */
static void apportion(struct unit *units, size_t n, size_t n_cores, size_t n_shares)
{
    size_t left = n_shares;
    for (size_t i = 0; i < n; i++) {
        size_t cores = units[i].to - units[i].from;
        units[i].shares = cores * n_shares / n_cores;
        units[i].rest = cores * n_shares % n_cores;
        left -= units[i].shares;
    }
    for (; left > 0; left--) {
        size_t best = 0;
        for (size_t i = 1; i < n; i++) {
            if (units[i].rest > units[best].rest)
                best = i;
        }
        units[best].shares++;
        units[best].rest = 0;
    }
}

/* Fewer shares than units: each has whole ones, as even as they come. */
static void group_units(struct splitting *s, const struct unit *units, size_t n,
                        size_t n_shares)
{
    size_t total = units[n - 1].to - units[0].from, at = 0;
    for (size_t i = 0; i < n_shares; i++) {
        size_t first = at++, goal = units[0].from + total * (i + 1) / n_shares;
        size_t keep = n_shares - i - 1; /* units that the others need */
        while (at + keep < n && units[at].to <= goal)
            at++;
        /* One more when that comes nearer to the goal. */
        if (at + keep < n && units[at].to - goal < goal - units[at - 1].to)
            at++;
        if (keep == 0)
            at = n;
        *s->from++ = units[first].from;
        *s->to++ = units[at - 1].to;
    }
}

static int split_run(struct splitting *s, size_t from, size_t to, size_t n_shares)
{
    size_t *cuts = calloc(n_shares + 1, sizeof *cuts);
    int rc =
        cuts ? split_even(s->t, s->cores + from, to - from, n_shares, cuts) : -ENOMEM;
    for (size_t i = 0; i < n_shares && rc == 0; i++) {
        *s->from++ = from + cuts[i];
        *s->to++ = from + cuts[i + 1];
    }
    free(cuts);
    return rc;
}

static int split_units(struct splitting *s, enum unit_of what, size_t from, size_t to,
                       size_t n_shares)
{
    struct unit *units = calloc(to - from + 1, sizeof *units);
    int rc = units ? 0 : -ENOMEM;
    size_t n = units ? find_units(s, what, from, to, units) : 0;
    if (n > n_shares) {
        group_units(s, units, n, n_shares);
        n = 0;
    }
    if (n > 0)
        apportion(units, n, to - from, n_shares);
    for (size_t i = 0; i < n && rc == 0; i++) {
        const struct unit *u = &units[i];
        if (u->shares > 0)
            rc = what == UNIT_PACKAGE
                     ? split_units(s, UNIT_NUMA, u->from, u->to, u->shares)
                     : split_run(s, u->from, u->to, u->shares);
    }
    free(units);
    return rc;
}

int split_by_numa(const struct topo *t, const uint32_t *cores, size_t n,
                  size_t n_shares, size_t *from, size_t *to)
{
    struct splitting s = {.t = t, .cores = cores, .from = from, .to = to};
    return split_units(&s, UNIT_PACKAGE, 0, n, n_shares);
}
