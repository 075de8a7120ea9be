/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "launcher/variance/colljoin.h"
#include "proto/base/limits.h"

enum { WORLD = 12, MOST = 256, WALL_US = 10000 };

struct told {
    struct colltime t[MOST];
    uint32_t n, missing;
};

static uint64_t seed;

static uint32_t draw(uint32_t below)
{
    uint64_t z = seed += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ z >> 31) >> 32) % below;
}

static int add(struct colljoin *j, uint32_t rank, const struct told *k)
{
    static uint8_t bytes[MOST * COLLTIME_BYTES];
    for (uint32_t i = 0; i < k->n; i++)
        colltime_encode(&k->t[i], bytes + i * COLLTIME_BYTES);
    return colljoin_add(j, rank, bytes, k->n, k->missing);
}

/* ---- the definition, with all times at hand */

struct figures {
    uint64_t wait, vague, lacking;
    bool known;
};

static bool is_same(const struct colltime *a, const struct colltime *b)
{
    return a->comm == b->comm && a->key == b->key && a->seq == b->seq;
}

static const struct colltime *told_of(const struct told *k, const struct colltime *t)
{
    for (uint32_t i = 0; i < k->n; i++)
        if (is_same(&k->t[i], t))
            return &k->t[i];
    return NULL;
}

static bool is_in(const struct told *k, uint64_t comm)
{
    for (uint32_t i = 0; i < k->n; i++)
        if (k->t[i].comm == comm)
            return true;
    return false;
}

/* The ranks that told of it, the least and the most of them. */
static uint32_t over_ranks(const struct told *all, const struct colltime *t,
                           uint32_t *ret_least, uint32_t *ret_most, uint32_t *ret_first)
{
    uint32_t n = 0;
    for (uint32_t r = 0; r < WORLD; r++) {
        const struct colltime *c = told_of(&all[r], t);
        if (!c)
            continue;
        *ret_least = n == 0 || c->dur_ns < *ret_least ? c->dur_ns : *ret_least;
        *ret_most = n == 0 || c->dur_ns > *ret_most ? c->dur_ns : *ret_most;
        *ret_first = n == 0 ? r : *ret_first;
        n++;
    }
    return n;
}

static struct figures define(const struct told *all, uint32_t rank)
{
    struct figures f = {0};
    uint32_t joined = 0, least = 0, most = 0, first = 0;
    for (uint32_t r = 0; r < WORLD; r++) {
        for (uint32_t i = 0; i < all[r].n; i++) {
            const struct colltime *t = &all[r].t[i];
            const struct colltime *own = told_of(&all[rank], t);
            uint32_t n = over_ranks(all, t, &least, &most, &first);
            if (r != first) /* each collective once */
                continue;
            if (!own) {
                f.lacking += is_in(&all[rank], t->comm) ? most - least : 0;
                continue;
            }
            f.wait += own->dur_ns - least;
            f.vague += n < t->n_ranks ? least : 0;
            joined += n >= 2;
        }
    }
    uint64_t has = (uint64_t)all[rank].n + all[rank].missing;
    f.known = joined > 0 && (uint64_t)joined * 10 >= has * 9;
    return f;
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void define_all(const struct told *all, uint32_t ret_us[WORLD])
{
    struct figures f[WORLD];
    uint64_t vague[WORLD], median;
    uint32_t n = 0;
    for (uint32_t r = 0; r < WORLD; r++) {
        f[r] = define(all, r);
        if (f[r].known)
            vague[n++] = f[r].vague;
    }
    qsort(vague, n, sizeof *vague, compare_u64);
    median = n > 0 ? vague[(n - 1) / 2] : 0;
    for (uint32_t r = 0; r < WORLD; r++) {
        uint64_t off = f[r].vague > median ? f[r].vague - median : median - f[r].vague;
        bool sure = off + f[r].lacking <= WALL_US * 1000 / COLLJOIN_UNSURE;
        ret_us[r] =
            f[r].known && sure ? (uint32_t)(f[r].wait / 1000) : COLLJOIN_UNKNOWN;
    }
}

/* ---- streams */

struct made {
    unsigned comms, keys, seqs, lost; /* lost: one of so many records; 0: none */
    uint32_t dur_ns;
};

/* Communicator 0 has all ranks, the others groups of growing size. */
static bool is_member(unsigned comm, uint32_t rank, uint32_t *ret_n)
{
    uint32_t size = comm == 0 ? WORLD : 1 + comm, first = comm == 0 ? 0 : comm - 1;
    *ret_n = size;
    return rank >= first && rank < first + size;
}

static void make(const struct made *m, struct told all[WORLD])
{
    uint32_t from = draw(2) ? draw(UINT32_MAX) : UINT32_MAX - draw(40);
    memset(all, 0, WORLD * sizeof *all);
    for (uint32_t r = 0; r < WORLD; r++) {
        struct told *k = &all[r];
        for (unsigned i = 0; i < m->comms * m->keys * m->seqs; i++) {
            uint32_t n, comm = i % m->comms, key = i / m->comms % m->keys;
            if (!is_member(comm, r, &n))
                continue;
            if (m->lost && draw(m->lost) == 0) {
                k->missing++;
                continue;
            }
            assert_true(k->n < MOST);
            k->t[k->n++] = (struct colltime){.comm = 77 + comm,
                                             .key = 0x10000 + key,
                                             .seq = from + i / (m->comms * m->keys),
                                             .n_ranks = (uint16_t)n,
                                             .dur_ns = 1000 + draw(m->dur_ns)};
        }
        for (uint32_t i = k->n; i > 1; i--) { /* threads have an order each */
            uint32_t other = draw(i);
            struct colltime t = k->t[i - 1];
            k->t[i - 1] = k->t[other];
            k->t[other] = t;
        }
    }
}

static void test_as_it_is_defined(void **state)
{
    (void)state;
    static const struct made makes[] = {
        {1, 1, 1, 0, 3000000},  {1, 2, 40, 0, 1000},    {3, 2, 20, 0, 300000},
        {5, 3, 9, 50, 20000},   {2, 2, 33, 100, 3000},  {4, 1, 20, 4, 100000},
        {1, 1, 200, 400, 9000}, {3, 3, 3, 30, 4000000},
    };
    static struct told all[WORLD];
    uint32_t n_known = 0, n_unknown = 0, want[WORLD];
    for (seed = 1; seed < 400; seed++) {
        uint64_t was = seed;
        struct colljoin j;
        make(&makes[seed % (sizeof makes / sizeof makes[0])], all);
        uint32_t silent = draw(3) == 0 ? draw(WORLD) : WORLD;
        if (silent < WORLD)
            all[silent] = (struct told){0};
        assert_int_equal(colljoin_init(&j, WORLD), 0);
        for (uint32_t r = 0, at = draw(WORLD); r < WORLD; r++)
            if ((r + at) % WORLD != silent)
                assert_int_equal(add(&j, (r + at) % WORLD, &all[(r + at) % WORLD]), 0);
        colljoin_settle(&j, WALL_US);
        define_all(all, want);
        for (uint32_t r = 0; r < WORLD; r++) {
            if (colljoin_wait_us(&j, r) != want[r])
                fail_msg("seed %llu: rank %u waited %u us, not %u",
                         (unsigned long long)was, r, colljoin_wait_us(&j, r), want[r]);
            n_known += want[r] != COLLJOIN_UNKNOWN;
            n_unknown += want[r] == COLLJOIN_UNKNOWN;
        }
        colljoin_fini(&j);
        seed = was;
    }
    assert_true(n_known > 1000 && n_unknown > 300);
}

/* ---- bounds */

static void test_what_ranks_make_up_is_bounded(void **state)
{
    (void)state;
    enum { RANKS = 80 };
    static uint8_t bytes[LIMIT_COLL_TIMES * COLLTIME_BYTES];
    struct colljoin j;
    int rc = 0;
    assert_int_equal(colljoin_init(&j, RANKS), 0);
    for (uint32_t r = 0; r < RANKS; r++) {
        for (uint32_t i = 0; i < LIMIT_COLL_TIMES; i++) {
            struct colltime t = {r * LIMIT_COLL_TIMES + i, 1, i, 1000, RANKS};
            colltime_encode(&t, bytes + (size_t)i * COLLTIME_BYTES);
        }
        rc = colljoin_add(&j, r, bytes, LIMIT_COLL_TIMES, 0);
    }
    assert_true(rc < 0);
    assert_true(j.n_blocks <= COLLJOIN_BLOCKS && j.n_parts <= COLLJOIN_PARTS);
    assert_int_equal(j.n_told, RANKS);
    struct told bad = {.n = 1, .t = {{1, UINT32_MAX, 0, 1, 2}}};
    colljoin_clear(&j);
    assert_true(add(&j, 0, &bad) < 0); /* of no collective */
    /* What was there before is forgotten, and others are joined. */
    struct told good = {.n = 1, .t = {{5, 1, 0, 3000, 2}}};
    assert_int_equal(add(&j, 1, &good), 0);
    good.t[0].dur_ns = 5000;
    assert_int_equal(add(&j, 2, &good), 0);
    colljoin_settle(&j, WALL_US);
    assert_int_equal(colljoin_wait_us(&j, 0), COLLJOIN_UNKNOWN);
    assert_int_equal(colljoin_wait_us(&j, 1), 0);
    assert_int_equal(colljoin_wait_us(&j, 2), 2);
    assert_null(j.block);
    colljoin_fini(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_it_is_defined),
        cmocka_unit_test(test_what_ranks_make_up_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
