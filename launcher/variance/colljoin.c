/* SPDX-License-Identifier: MIT */
/* colljoin.c - see colljoin.h. */
#include "launcher/variance/colljoin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BLOCKS 16u        /* a power of two */
#define KEY_OF_COMM  UINT32_MAX /* of no collective: keys have 24 bits */

int colljoin_init(struct colljoin *j, uint32_t world_size)
{
    *j = (struct colljoin){.world_size = world_size};
    j->ranks = calloc(world_size, sizeof *j->ranks);
    return j->ranks ? 0 : -ENOMEM;
}

static void let_go(struct colljoin *j)
{
    for (uint32_t i = 0; j->ranks && i < j->world_size; i++) {
        free(j->ranks[i].parts);
        j->ranks[i].parts = NULL;
    }
    free(j->block);
    free(j->slot);
    j->block = NULL;
    j->slot = NULL;
    j->n_blocks = j->cap_blocks = j->n_parts = 0;
}

void colljoin_clear(struct colljoin *j)
{
    let_go(j);
    if (j->ranks)
        memset(j->ranks, 0, j->world_size * sizeof *j->ranks);
    j->n_told = 0;
}

void colljoin_fini(struct colljoin *j)
{
    let_go(j);
    free(j->ranks);
    *j = (struct colljoin){0};
}

/* ---- blocks, by name */

static uint32_t hash_of(uint64_t comm, uint32_t key, uint32_t number)
{
    uint64_t z = comm ^ ((uint64_t)key << 32 | number);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (uint32_t)(z ^ z >> 31);
}

static uint32_t *slot_of(const struct colljoin *j, uint64_t comm, uint32_t key,
                         uint32_t number)
{
    uint32_t mask = 2 * j->cap_blocks - 1, i = hash_of(comm, key, number) & mask;
    for (; j->slot[i] != 0; i = (i + 1) & mask) {
        const struct colljoin_block *b = &j->block[j->slot[i] - 1];
        if (b->comm == comm && b->key == key && b->number == number)
            break;
    }
    return &j->slot[i];
}

static int blocks_grow(struct colljoin *j)
{
    uint32_t cap = j->cap_blocks ? 2 * j->cap_blocks : FIRST_BLOCKS;
    if (j->n_blocks < j->cap_blocks)
        return 0;
    if (cap > COLLJOIN_BLOCKS)
        return -ENOMEM;
    struct colljoin_block *block = realloc(j->block, cap * sizeof *block);
    if (block)
        j->block = block;
    uint32_t *slot = calloc(2 * (size_t)cap, sizeof *slot);
    if (!block || !slot) {
        free(slot);
        return -ENOMEM;
    }
    free(j->slot);
    j->slot = slot;
    j->cap_blocks = cap;
    for (uint32_t i = 0; i < j->n_blocks; i++)
        *slot_of(j, j->block[i].comm, j->block[i].key, j->block[i].number) = i + 1;
    return 0;
}

static int block_find(struct colljoin *j, uint64_t comm, uint32_t key, uint32_t number,
                      bool *ret_is_new, uint32_t *ret)
{
    if (blocks_grow(j) < 0)
        return -ENOMEM;
    uint32_t *slot = slot_of(j, comm, key, number);
    *ret_is_new = *slot == 0;
    if (*ret_is_new) {
        j->block[j->n_blocks] = (struct colljoin_block){
            .comm = comm, .key = key, .number = number, .last = UINT32_MAX};
        *slot = ++j->n_blocks;
    }
    *ret = *slot - 1;
    return 0;
}

static int block_of(struct colljoin *j, const struct colltime *t, uint32_t *ret)
{
    bool is_new;
    uint32_t home;
    int rc = block_find(j, t->comm, t->key, t->seq / COLLJOIN_BLOCK, &is_new, ret);
    if (rc < 0 || !is_new)
        return rc;
    if ((rc = block_find(j, t->comm, KEY_OF_COMM, 0, &is_new, &home)) < 0)
        home = *ret; /* which the rank, and all is of no use */
    struct colljoin_block *b = &j->block[*ret];
    b->home = home;
    b->n_ranks = t->n_ranks < j->world_size ? t->n_ranks : j->world_size;
    return rc;
}

/* ---- times */

static void coll_add(struct colljoin_coll *c, uint32_t dur_ns)
{
    c->least_ns = c->n == 0 || dur_ns < c->least_ns ? dur_ns : c->least_ns;
    c->most_ns = dur_ns > c->most_ns ? dur_ns : c->most_ns;
    c->n++;
}

/* Twice the same from one rank is taken once: nobody joins with itself. */
static int take(struct colljoin *j, uint32_t rank, const struct colltime *t)
{
    struct colljoin_rank *k = &j->ranks[rank];
    uint32_t at, bit = 1u << t->seq % COLLJOIN_BLOCK;
    if (t->key == KEY_OF_COMM || block_of(j, t, &at) < 0)
        return -ENOMEM;
    struct colljoin_block *b = &j->block[at];
    if (b->last != rank) {
        if (j->n_parts == COLLJOIN_PARTS)
            return -ENOMEM;
        j->n_parts++;
        b->last = rank;
        b->part = k->n_parts++;
        k->parts[b->part] = (struct colljoin_part){.block = at};
    }
    struct colljoin_part *p = &k->parts[b->part];
    if (p->has & bit)
        return 0;
    p->has |= bit;
    p->sum_ns += t->dur_ns;
    b->told |= bit;
    coll_add(&b->coll[t->seq % COLLJOIN_BLOCK], t->dur_ns);
    k->n++;
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
    k->missing = missing;
    if (n > 0 && !(k->parts = malloc(n * sizeof *k->parts)))
        rc = -ENOMEM;
    for (uint32_t i = 0; rc == 0 && i < n; i++) {
        struct colltime t;
        colltime_decode(data + (size_t)i * COLLTIME_BYTES, &t);
        rc = take(j, rank, &t);
    }
    if (rc < 0)
        k->missing = UINT32_MAX;
    struct colljoin_part *less = NULL;
    if (k->n_parts > 0 && k->n_parts < n)
        less = realloc(k->parts, k->n_parts * sizeof *less);
    k->parts = less ? less : k->parts;
    return rc;
}

/* ---- what it comes to */

struct sums {
    uint64_t least, vague, spread;
};

static struct sums sums_of(const struct colljoin_block *b, uint32_t mask)
{
    struct sums s = {0};
    for (uint32_t i = 0; i < COLLJOIN_BLOCK; i++) {
        const struct colljoin_coll *c = &b->coll[i];
        if (!(mask >> i & 1))
            continue;
        s.least += c->least_ns;
        s.vague += b->whole >> i & 1 ? 0 : c->least_ns;
        s.spread += c->most_ns - c->least_ns;
    }
    return s;
}

static void block_settle(struct colljoin *j, struct colljoin_block *b)
{
    if (b->key == KEY_OF_COMM)
        return;
    for (uint32_t i = 0; i < COLLJOIN_BLOCK; i++) {
        b->joined |= (uint32_t)(b->coll[i].n >= 2) << i;
        b->whole |= (uint32_t)(b->coll[i].n >= b->n_ranks) << i;
    }
    struct sums s = sums_of(b, b->told);
    b->least = s.least;
    b->vague = s.vague;
    b->spread = s.spread;
    b->last = UINT32_MAX;
    j->block[b->home].spread += b->home != (uint32_t)(b - j->block) ? s.spread : 0;
}

static void part_settle(struct colljoin *j, uint32_t rank,
                        const struct colljoin_part *p, uint32_t *joined)
{
    struct colljoin_rank *k = &j->ranks[rank];
    const struct colljoin_block *b = &j->block[p->block];
    struct colljoin_block *home = &j->block[b->home];
    struct sums s = {b->least, b->vague, b->spread};
    if (p->has != b->told)
        s = sums_of(b, p->has);
    k->wait_ns += p->sum_ns - s.least;
    k->vague_ns += s.vague;
    k->lacking_ns += home->last == rank ? 0 : home->spread;
    k->lacking_ns -=
        s.spread; /* all come to 0 or more, when the last one is taken off */
    home->last = rank;
    *joined += (uint32_t)__builtin_popcount(p->has & b->joined);
}

static void rank_settle(struct colljoin *j, uint32_t rank)
{
    struct colljoin_rank *k = &j->ranks[rank];
    uint32_t joined = 0;
    for (uint32_t i = 0; i < k->n_parts; i++)
        part_settle(j, rank, &k->parts[i], &joined);
    uint64_t all = (uint64_t)k->n + k->missing;
    k->known = joined > 0 && (uint64_t)joined * 10 >= all * 9;
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Of the ranks that are known so far; 0: of none, or no memory. */
static uint64_t median_vague(const struct colljoin *j)
{
    uint64_t *all = malloc(j->world_size * sizeof *all), median = 0;
    uint32_t n = 0;
    for (uint32_t i = 0; all && i < j->world_size; i++)
        if (j->ranks[i].known)
            all[n++] = j->ranks[i].vague_ns;
    if (n > 0) {
        qsort(all, n, sizeof *all, compare_u64);
        median = all[(n - 1) / 2];
    }
    free(all);
    return median;
}

void colljoin_settle(struct colljoin *j, uint32_t wall_us)
{
    uint64_t most = (uint64_t)wall_us * 1000 / COLLJOIN_UNSURE;
    for (uint32_t i = 0; i < j->n_blocks; i++)
        block_settle(j, &j->block[i]);
    for (uint32_t i = 0; i < j->world_size; i++)
        rank_settle(j, i);
    uint64_t median = median_vague(j);
    for (uint32_t i = 0; i < j->world_size; i++) {
        struct colljoin_rank *k = &j->ranks[i];
        uint64_t off =
            k->vague_ns > median ? k->vague_ns - median : median - k->vague_ns;
        k->known = k->known && off + k->lacking_ns <= most;
    }
    let_go(j);
}

uint32_t colljoin_wait_us(const struct colljoin *j, uint32_t rank)
{
    uint64_t us = j->ranks[rank].wait_ns / 1000;
    if (!j->ranks[rank].known)
        return COLLJOIN_UNKNOWN;
    return us < COLLJOIN_UNKNOWN ? (uint32_t)us : COLLJOIN_UNKNOWN - 1;
}
