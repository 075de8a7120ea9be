/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "launcher/place/balance.h"

#define KINDS  3
#define TAKERS 4
#define CASES  1000

struct problem {
    uint32_t count[KINDS], weight[TAKERS];
    bool may[KINDS][TAKERS];
};

static uint64_t cost_of(const uint32_t *has, const uint32_t *weight)
{
    uint64_t sum = 0;
    for (size_t t = 0; t < TAKERS; t++) {
        for (uint32_t i = 0; i < has[t]; i++)
            sum += i / weight[t];
    }
    return sum;
}

/* The least that any deal costs: all of them are tried. */
static void try_all(const struct problem *p, size_t kind, size_t taker, uint32_t left,
                    uint32_t *has, uint64_t *best)
{
    if (kind == KINDS) {
        uint64_t cost = cost_of(has, p->weight);
        if (cost < *best)
            *best = cost;
        return;
    }
    if (taker == TAKERS) {
        bool nobody = true;
        for (size_t t = 0; t < TAKERS; t++)
            nobody = nobody && !p->may[kind][t];
        if (left == 0 || nobody)
            try_all(p, kind + 1, 0, kind + 1 < KINDS ? p->count[kind + 1] : 0, has,
                    best);
        return;
    }
    for (uint32_t n = 0; n <= (p->may[kind][taker] ? left : 0); n++) {
        has[taker] += n;
        try_all(p, kind, taker + 1, left - n, has, best);
        has[taker] -= n;
    }
}

static uint32_t next(uint32_t *x)
{
    *x = *x * 1664525u + 1013904223u;
    return *x >> 16;
}

static struct problem make_problem(uint32_t seed)
{
    struct problem p;
    for (size_t t = 0; t < TAKERS; t++)
        p.weight[t] = 1 + next(&seed) % 3;
    for (size_t k = 0; k < KINDS; k++) {
        p.count[k] = next(&seed) % 7;
        for (size_t t = 0; t < TAKERS; t++)
            p.may[k][t] = next(&seed) % 2;
    }
    return p;
}

static void fill(struct balance *b, const struct problem *p)
{
    assert_int_equal(balance_init(b, KINDS, TAKERS), 0);
    memcpy(b->count, p->count, sizeof p->count);
    memcpy(b->weight, p->weight, sizeof p->weight);
    memcpy(b->may, p->may, sizeof p->may);
}

/* Greedily, or as unevenly as can be: it comes out the same. */
static void deal(struct balance *b, bool badly)
{
    for (size_t k = 0; k < KINDS && badly; k++) {
        size_t t = 0;
        while (t < TAKERS && !b->may[k * TAKERS + t])
            t++;
        for (uint32_t i = 0; i < b->count[k] && t < TAKERS; i++)
            balance_give(b, k, t);
    }
    balance_deal(b);
}

static void test_no_deal_is_more_even(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < CASES; seed++) {
        struct problem p = make_problem(seed * 2654435761u);
        uint32_t none[TAKERS] = {0};
        uint64_t best = UINT64_MAX;
        try_all(&p, 0, 0, p.count[0], none, &best);
        for (int badly = 0; badly < 2; badly++) {
            struct balance b;
            fill(&b, &p);
            deal(&b, badly);
            assert_int_equal(balance_even(&b), 0);
            if (cost_of(b.has, b.weight) != best)
                fail_msg("seed %u: %llu, not %llu", seed,
                         (unsigned long long)cost_of(b.has, b.weight),
                         (unsigned long long)best);
            for (size_t k = 0; k < KINDS; k++) {
                uint32_t given = 0, who = 0;
                for (size_t t = 0; t < TAKERS; t++) {
                    given += b.given[k * TAKERS + t];
                    who += p.may[k][t];
                    assert_true(p.may[k][t] || b.given[k * TAKERS + t] == 0);
                }
                assert_int_equal(given, who ? p.count[k] : 0);
            }
            balance_fini(&b);
        }
    }
}

static void test_nothing(void **state)
{
    (void)state;
    struct balance b;
    assert_int_equal(balance_init(&b, 0, 0), 0);
    balance_deal(&b);
    assert_int_equal(balance_even(&b), 0);
    balance_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_deal_is_more_even),
        cmocka_unit_test(test_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
