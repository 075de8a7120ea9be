/* SPDX-License-Identifier: MIT */
/* partners.c - the members of a collective, and its key.
 *
 * The ranks of one set go through their collectives in the same order everywhere, so a
 * set and a count name one of them. A set can be large: the key holds 128 bits of hash,
 * which tells apart the handful of sets that a program uses; it is no secret. */
#include "agent/pmix/partners.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/cur.h"
#include "proto/base/limits.h"

#define SETS_MAX 4096u /* different sets that one job may use */

struct count {
    struct count *next;
    uint8_t hash[16];
    uint64_t n;
};

struct partners {
    size_t n_nodes;
    uint32_t *first_rank;
    struct count *counts;
    size_t n_counts;
};

int partners_create(size_t n_nodes, const uint32_t *first_rank, struct partners **ret)
{
    struct partners *p = calloc(1, sizeof *p);
    if (!p)
        return -ENOMEM;
    p->n_nodes = n_nodes;
    p->first_rank = calloc(n_nodes + 1, sizeof *first_rank);
    if (!p->first_rank) {
        partners_destroy(p);
        return -ENOMEM;
    }
    memcpy(p->first_rank, first_rank, (n_nodes + 1) * sizeof *first_rank);
    *ret = p;
    return 0;
}

void partners_destroy(struct partners *p)
{
    if (!p)
        return;
    while (p->counts) {
        struct count *c = p->counts;
        p->counts = c->next;
        free(c);
    }
    free(p->first_rank);
    free(p);
}

void partners_set_fini(struct partners_set *s)
{
    rankset_fini(&s->ranks);
    free(s->nodes);
    memset(s, 0, sizeof *s);
}

bool partners_has(const struct partners_set *s, uint32_t rank)
{
    return s->all || rankset_has(&s->ranks, rank);
}

static int find_ranks(const struct partners *p, const uint32_t *ranks, size_t n,
                      struct partners_set *set)
{
    int rc = n > 0 ? 0 : -ENOENT;
    for (size_t i = 0; i < n && !rc; i++)
        rc = ranks[i] < p->first_rank[p->n_nodes] ? rankset_add(&set->ranks, ranks[i])
                                                  : -ENOENT;
    return rc;
}

static int find_nodes(const struct partners *p, struct partners_set *set)
{
    set->nodes = calloc(p->n_nodes, sizeof *set->nodes);
    if (!set->nodes)
        return -ENOMEM;
    for (size_t i = 0; i < p->n_nodes; i++) {
        uint32_t from = p->first_rank[i], end = p->first_rank[i + 1];
        int64_t r = set->all ? from : rankset_next(&set->ranks, from);
        if (r >= 0 && r < end)
            set->nodes[set->n_nodes++] = (uint32_t)i;
    }
    return 0;
}

/* FNV-1a, from two starting points. */
static void hash_set(const struct partners_set *set, uint8_t ret[16])
{
    const uint64_t prime = 0x100000001b3u;
    uint64_t a = 0xcbf29ce484222325u, b = 0x84222325cbf29ce4u;
    int64_t r = set->all ? -1 : rankset_next(&set->ranks, 0);
    for (; r >= 0; r = rankset_next(&set->ranks, (uint32_t)r + 1))
        for (int shift = 0; shift < 32; shift += 8) {
            uint64_t byte = ((uint64_t)r >> shift) & 0xff;
            a = (a ^ byte) * prime;
            b = (b ^ byte ^ 0x5a) * prime;
        }
    put_u64(put_u64(ret, a), b);
}

static struct count *count_of(struct partners *p, const uint8_t hash[16])
{
    struct count *c = p->counts;
    while (c && memcmp(c->hash, hash, 16))
        c = c->next;
    if (c || p->n_counts >= SETS_MAX)
        return c;
    c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    memcpy(c->hash, hash, 16);
    c->next = p->counts;
    p->counts = c;
    p->n_counts++;
    return c;
}

int partners_resolve(struct partners *p, bool all, const uint32_t *ranks,
                     size_t n_ranks, struct partners_set *ret)
{
    struct count *c = NULL;
    memset(ret, 0, sizeof *ret);
    ret->all = all;
    int rc = all ? 0 : find_ranks(p, ranks, n_ranks, ret);
    if (!rc)
        rc = find_nodes(p, ret);
    if (!rc) {
        hash_set(ret, ret->key);
        c = count_of(p, ret->key);
        rc = c ? 0 : ERR_LIMIT;
    }
    if (!rc)
        put_u64(ret->key + 16, ++c->n);
    else
        partners_set_fini(ret);
    return rc;
}
