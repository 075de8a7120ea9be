/* SPDX-License-Identifier: MIT */
/* colljoin.c - see colljoin.h. A collective is kept once, whatever the number of ranks;
 * of each rank's part only where that is, and what it took. */
#include "launcher/variance/colljoin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_COLLS 256u /* a power of two */

int colljoin_init(struct colljoin *j, uint32_t world_size)
{
    *j = (struct colljoin){.world_size = world_size};
    j->ranks = calloc(world_size, sizeof *j->ranks);
    return j->ranks ? 0 : -ENOMEM;
}

void colljoin_clear(struct colljoin *j)
{
    for (uint32_t i = 0; j->ranks && i < j->world_size; i++) {
        free(j->ranks[i].at);
        j->ranks[i] = (struct colljoin_rank){0};
    }
    if (j->slot)
        memset(j->slot, 0, 2 * (size_t)j->cap_coll * sizeof *j->slot);
    j->n_told = j->n_coll = 0;
    j->n_times = 0;
}

void colljoin_fini(struct colljoin *j)
{
    colljoin_clear(j);
    free(j->ranks);
    free(j->coll);
    free(j->slot);
    *j = (struct colljoin){0};
}

/* ---- names */

static uint32_t hash_of(const struct colltime *t)
{
    uint64_t z = t->comm ^ ((uint64_t)t->key << 32 | t->seq);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (uint32_t)(z ^ z >> 31);
}

static bool is_same(const struct colltime *a, const struct colltime *b)
{
    return a->comm == b->comm && a->key == b->key && a->seq == b->seq;
}

static uint32_t *slot_of(const struct colljoin *j, const struct colltime *t)
{
    uint32_t mask = 2 * j->cap_coll - 1, i = hash_of(t) & mask;
    while (j->slot[i] != 0 && !is_same(&j->coll[j->slot[i] - 1].t, t))
        i = (i + 1) & mask;
    return &j->slot[i];
}

static int colls_grow(struct colljoin *j)
{
    if (j->n_coll < j->cap_coll)
        return 0;
    uint32_t cap = j->cap_coll ? 2 * j->cap_coll : FIRST_COLLS;
    struct colljoin_coll *coll = realloc(j->coll, cap * sizeof *coll);
    if (coll)
        j->coll = coll;
    uint32_t *slot = calloc(2 * (size_t)cap, sizeof *slot);
    if (!coll || !slot) {
        free(slot);
        return -ENOMEM;
    }
    free(j->slot);
    j->slot = slot;
    j->cap_coll = cap;
    for (uint32_t i = 0; i < j->n_coll; i++)
        *slot_of(j, &j->coll[i].t) = i + 1;
    return 0;
}

/* ---- times */

/* Twice the same from one rank is taken once: nobody joins with itself. */
static int take(struct colljoin *j, uint32_t rank, const struct colltime *t)
{
    if (colls_grow(j) < 0)
        return -ENOMEM;
    uint32_t *slot = slot_of(j, t);
    if (*slot == 0) {
        j->coll[j->n_coll] = (struct colljoin_coll){.t = *t, .last = UINT32_MAX};
        *slot = ++j->n_coll;
    }
    struct colljoin_coll *c = &j->coll[*slot - 1];
    if (c->last == rank)
        return 0;
    c->last = rank;
    c->n++;
    c->t.dur_ns = t->dur_ns < c->t.dur_ns ? t->dur_ns : c->t.dur_ns;
    struct colljoin_rank *k = &j->ranks[rank];
    k->at[k->n++] = (struct colljoin_time){*slot - 1, t->dur_ns};
    return 0;
}

int colljoin_add(struct colljoin *j, uint32_t rank, const uint8_t *data, uint32_t n,
                 uint32_t missing)
{
    struct colljoin_rank *k = &j->ranks[rank];
    int rc = 0;
    if (k->told)
        return 0;
    k->told = true;
    j->n_told++;
    k->at = malloc((n + 1) * sizeof *k->at);
    if (!k->at)
        return -ENOMEM;
    k->missing = missing;
    for (uint32_t i = 0; rc == 0 && i < n; i++) {
        struct colltime t;
        colltime_decode(data + (size_t)i * COLLTIME_BYTES, &t);
        rc = take(j, rank, &t);
    }
    if (rc < 0)
        k->missing = UINT32_MAX;
    j->n_times += k->n;
    return rc;
}

uint32_t colljoin_wait_us(const struct colljoin *j, uint32_t rank)
{
    const struct colljoin_rank *k = &j->ranks[rank];
    uint64_t ns = 0, joined = 0, all = (uint64_t)k->n + k->missing;
    for (uint32_t i = 0; i < k->n; i++) {
        const struct colljoin_coll *c = &j->coll[k->at[i].coll];
        if (c->n < 2)
            continue;
        joined++;
        ns += k->at[i].dur_ns - c->t.dur_ns;
    }
    if (joined == 0 || joined * 10 < all * 9)
        return COLLJOIN_UNKNOWN;
    return ns / 1000 < COLLJOIN_UNKNOWN ? (uint32_t)(ns / 1000) : COLLJOIN_UNKNOWN - 1;
}
