/* SPDX-License-Identifier: MIT */
/* factor.c - facts are found by a hash of their text; each has the number of its ranks and
 * a sum that tells sets of ranks apart, each rank a chain of its facts. So only the facts of
 * slow ranks are looked at.
 *
 * Could n slow ranks of N have x of the K that share a fact by chance? The tail of the
 * hypergeometric distribution says how likely. Facts that hold for equal sets are one try.
 * Tries are counted as Tarone does: a fact that could not be named with that n whatever
 * ranks were slow, since too many or too few have it, is none. So two slow ranks on the only
 * small node of a job are no coincidence; on one of 32 nodes with two ranks each they may be.
 */
#include "launcher/variance/factor.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ALPHA 0.01
#define NONE  UINT32_MAX

struct fact {
    enum factor_kind kind;
    uint32_t holds;
    uint64_t set; /* sum over its ranks: equal sets have equal sums */
    char *value;
};

struct link { /* of a rank's chain */
    uint32_t fact, next;
};

struct size { /* of sets: how many different ones hold for so many ranks */
    uint32_t holds, sets;
};

struct factors {
    uint32_t world_size;
    uint32_t *first; /* by rank, in links; NONE */
    struct fact *facts;
    struct link *links;
    uint32_t *table;    /* of hash: index in facts, NONE */
    struct size *sizes; /* counted when they are asked for; NULL: not yet */
    size_t n_facts, cap_facts, n_links, cap_links, n_table, n_sizes;
};

int factors_create(uint32_t world_size, struct factors **ret)
{
    struct factors *f = calloc(1, sizeof *f);
    uint32_t *first = malloc((world_size ? world_size : 1) * sizeof *first);
    if (!f || !first) {
        free(f);
        free(first);
        return -ENOMEM;
    }
    memset(first, 0xff, world_size * sizeof *first); /* NONE */
    f->world_size = world_size;
    f->first = first;
    *ret = f;
    return 0;
}

void factors_destroy(struct factors *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->n_facts; i++)
        free(f->facts[i].value);
    free(f->facts);
    free(f->links);
    free(f->table);
    free(f->sizes);
    free(f->first);
    free(f);
}

/* ---- adding ---- */

static uint64_t mix(uint64_t x) /* splitmix64 */
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* Its place in the table, or the empty one where it belongs. */
static size_t place_of(const struct factors *f, enum factor_kind kind,
                       const char *value)
{
    uint64_t h = (uint64_t)kind;
    for (const char *c = value; *c; c++)
        h = mix(h ^ (uint8_t)*c);
    size_t at = (size_t)mix(h) & (f->n_table - 1);
    while (f->table[at] != NONE) {
        const struct fact *t = &f->facts[f->table[at]];
        if (t->kind == kind && strcmp(t->value, value) == 0)
            break;
        at = (at + 1) & (f->n_table - 1);
    }
    return at;
}

static int grow(void **items, size_t *cap, size_t n, size_t size)
{
    if (n < *cap)
        return 0;
    size_t more = *cap ? 2 * *cap : 64;
    void *grown = realloc(*items, more * size);
    if (!grown)
        return -ENOMEM;
    *items = grown;
    *cap = more;
    return 0;
}

/* At most half of the table is in use. */
static int grow_table(struct factors *f)
{
    if (2 * (f->n_facts + 1) <= f->n_table)
        return 0;
    size_t n = f->n_table ? 2 * f->n_table : 128;
    uint32_t *table = malloc(n * sizeof *table);
    if (!table)
        return -ENOMEM;
    memset(table, 0xff, n * sizeof *table);
    free(f->table);
    f->table = table;
    f->n_table = n;
    for (size_t i = 0; i < f->n_facts; i++)
        table[place_of(f, f->facts[i].kind, f->facts[i].value)] = (uint32_t)i;
    return 0;
}

static bool has(const struct factors *f, uint32_t rank, uint32_t fact)
{
    for (uint32_t l = f->first[rank]; l != NONE; l = f->links[l].next) {
        if (f->links[l].fact == fact)
            return true;
    }
    return false;
}

int factors_add(struct factors *f, uint32_t rank, enum factor_kind kind,
                const char *value)
{
    if (rank >= f->world_size)
        return -EINVAL;
    if (grow_table(f) < 0 ||
        grow((void **)&f->facts, &f->cap_facts, f->n_facts, sizeof *f->facts) < 0 ||
        grow((void **)&f->links, &f->cap_links, f->n_links, sizeof *f->links) < 0)
        return -ENOMEM;
    size_t at = place_of(f, kind, value);
    if (f->table[at] == NONE) {
        struct fact new = {.kind = kind, .value = strdup(value)};
        if (!new.value)
            return -ENOMEM;
        f->table[at] = (uint32_t)f->n_facts;
        f->facts[f->n_facts++] = new;
    }
    uint32_t fact = f->table[at];
    if (has(f, rank, fact))
        return 0;
    f->links[f->n_links] = (struct link){fact, f->first[rank]};
    f->first[rank] = (uint32_t)f->n_links++;
    free(f->sizes);
    f->sizes = NULL;
    f->facts[fact].holds++;
    f->facts[fact].set += mix(rank);
    return 0;
}

bool factors_has(const struct factors *f, uint32_t rank, enum factor_kind kind,
                 const char *value)
{
    if (rank >= f->world_size || f->n_table == 0)
        return false;
    uint32_t fact = f->table[place_of(f, kind, value)];
    return fact != NONE && has(f, rank, fact);
}

/* ---- chance ---- */

static double ln_choose(double n, double k)
{
    int sign;
    return lgamma_r(n + 1, &sign) - lgamma_r(k + 1, &sign) - lgamma_r(n - k + 1, &sign);
}

static uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* That of n ranks drawn out of `all`, x or more are among the `holds`. */
static double tail(uint32_t all, uint32_t holds, uint32_t n, uint32_t x)
{
    double whole = ln_choose(all, n), p = 0;
    for (uint32_t i = x; i <= min_u32(holds, n); i++) {
        if (n - i <= all - holds)
            p += exp(ln_choose(holds, i) + ln_choose(all - holds, n - i) - whole);
    }
    return p < 1 ? p : 1;
}

/* Of n slow ranks, how many must have what is named: four fifths; one may be missed out of
 * three, two out of six. */
static uint32_t least_slow(uint32_t n)
{
    uint32_t missed = n >= 6 ? 2 : n >= 3 ? 1 : 0;
    return n - (n / 5 > missed ? n / 5 : missed);
}

/* Where a fact holds for so many ranks, could it be named? Half of them must be slow: a
 * fact whose ranks are well for the most part explains little. */
static bool could_be_named(uint32_t holds, uint32_t all, uint32_t n)
{
    return holds >= 2 && holds < all && holds >= least_slow(n) &&
           holds / 2 + holds % 2 <= n;
}

/* ---- tries ---- */

static int compare_sets(const void *a, const void *b)
{
    const struct fact *x = a, *y = b;
    if (x->holds != y->holds)
        return x->holds < y->holds ? -1 : 1;
    return x->set < y->set ? -1 : x->set > y->set;
}

/* Equal sets are counted once. */
static int count_sizes(struct factors *f)
{
    struct fact *sets = malloc((f->n_facts + 1) * sizeof *sets);
    struct size *sizes = malloc((f->n_facts + 1) * sizeof *sizes);
    if (!sets || !sizes) {
        free(sets);
        free(sizes);
        return -ENOMEM;
    }
    for (size_t i = 0; i < f->n_facts; i++)
        sets[i] = f->facts[i];
    qsort(sets, f->n_facts, sizeof *sets, compare_sets);
    free(f->sizes);
    f->sizes = sizes;
    f->n_sizes = 0;
    for (size_t i = 0; i < f->n_facts; i++) {
        if (i > 0 && compare_sets(&sets[i - 1], &sets[i]) == 0)
            continue;
        if (i == 0 || sets[i - 1].holds != sets[i].holds)
            sizes[f->n_sizes++] = (struct size){.holds = sets[i].holds};
        sizes[f->n_sizes - 1].sets++;
    }
    free(sets);
    return 0;
}

struct chance { /* of sets of one size: the least that p can be */
    double best;
    uint32_t sets;
};

/* What is a try when there are k of them; *next: the least k with which it is another. */
static uint64_t tries_of(const struct chance *c, size_t n, uint64_t k, uint64_t *next)
{
    uint64_t sets = 0;
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        if (c[i].best > ALPHA / (double)k)
            continue;
        sets += c[i].sets;
        worst = fmax(worst, c[i].best);
    }
    *next = worst > 0 ? (uint64_t)fmin(ALPHA / worst, 1e15) + 1 : UINT64_MAX;
    return sets;
}

/* Tarone: the least k for which at most k tries can have p <= ALPHA / k. 0: no memory, or
 * nothing can be named. */
static uint64_t tries(struct factors *f, uint32_t n)
{
    struct chance *c = NULL;
    uint64_t k = 1, sets, next;
    size_t n_c = 0;
    if (f->sizes || count_sizes(f) == 0)
        c = malloc((f->n_sizes + 1) * sizeof *c);
    if (!c)
        return 0;
    for (size_t i = 0; i < f->n_sizes; i++) {
        uint32_t holds = f->sizes[i].holds;
        if (could_be_named(holds, f->world_size, n))
            c[n_c++] = (struct chance){tail(f->world_size, holds, n, min_u32(holds, n)),
                                       f->sizes[i].sets};
    }
    while ((sets = tries_of(c, n_c, k, &next)) > k) {
        next = next > k ? next : k + 1; /* rounded */
        k = next < sets ? next : sets;
    }
    free(c);
    return n_c > 0 ? k : 0;
}

/* ---- finding ---- */

static bool better(const struct factor_found *a, const struct factor_found *b)
{
    if (a->p < b->p || a->p > b->p)
        return a->p < b->p;
    return a->kind < b->kind;
}

struct search {
    const struct factors *f;
    uint32_t n;
    uint64_t tries;
    uint32_t *slow; /* by fact */
    uint64_t set;   /* of the best */
    struct factor_found best;
};

static void judge(struct search *s, uint32_t fact)
{
    const struct fact *t = &s->f->facts[fact];
    uint32_t x = s->slow[fact];
    if (x < least_slow(s->n) || 2 * (uint64_t)x < t->holds ||
        !could_be_named(t->holds, s->f->world_size, s->n))
        return;
    struct factor_found found = {t->kind, t->value, t->holds, x,
                                 tail(s->f->world_size, t->holds, s->n, x) *
                                     (double)s->tries};
    if (found.p < ALPHA && (!s->best.value || better(&found, &s->best))) {
        s->best = found;
        s->set = t->set;
    }
}

static void count_slow(struct search *s, const uint32_t *slow)
{
    const struct factors *f = s->f;
    for (uint32_t i = 0; i < s->n; i++) {
        for (uint32_t l = f->first[slow[i]]; l != NONE; l = f->links[l].next)
            s->slow[f->links[l].fact]++;
    }
}

/* All that hold for just those ranks, in the order of their kinds. */
static size_t name_all(const struct search *s, uint32_t of_rank,
                       struct factor_found *ret, size_t max)
{
    const struct factors *f = s->f;
    size_t n = 0;
    for (uint32_t l = f->first[of_rank]; l != NONE; l = f->links[l].next) {
        const struct fact *t = &f->facts[f->links[l].fact];
        if (t->holds != s->best.holds || t->set != s->set)
            continue;
        struct factor_found found = s->best;
        found.kind = t->kind;
        found.value = t->value;
        size_t at = n < max ? n++ : max;
        for (; at > 0 && ret[at - 1].kind > found.kind; at--) {
            if (at < max)
                ret[at] = ret[at - 1];
        }
        if (at < max)
            ret[at] = found;
    }
    return n;
}

size_t factors_find(struct factors *f, const uint32_t *slow, size_t n_slow,
                    struct factor_found *ret, size_t max)
{
    struct search s = {.f = f, .n = (uint32_t)n_slow};
    size_t n = 0;
    if (n_slow < 2 || n_slow >= f->world_size || max == 0)
        return 0;
    for (size_t i = 0; i < n_slow; i++) {
        if (slow[i] >= f->world_size)
            return 0;
    }
    s.tries = tries(f, s.n);
    if (s.tries > 0)
        s.slow = calloc(f->n_facts, sizeof *s.slow);
    if (!s.slow)
        return 0;
    count_slow(&s, slow);
    /* A rank may be missed, so the best may be another's. */
    for (uint32_t i = 0; i < s.n; i++) {
        for (uint32_t l = f->first[slow[i]]; l != NONE; l = f->links[l].next)
            judge(&s, f->links[l].fact);
    }
    for (uint32_t i = 0; s.best.value && n == 0 && i < s.n; i++)
        n = name_all(&s, slow[i], ret, max);
    free(s.slow);
    return n;
}
