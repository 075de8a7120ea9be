/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "launcher/variance/collagree.h"
#include "proto/base/limits.h"

enum { WORLD = 4 };

struct candidate {
    uint32_t key, n_ranks;
    uint64_t period_ns;
};

static int tell(struct collagree *a, uint32_t rank, const struct candidate *c, size_t n,
                bool lost)
{
    Aolani__CollAnchors__Candidate all[16], *list[16];
    Aolani__CollAnchors m = AOLANI__COLL_ANCHORS__INIT;
    struct err e;
    for (size_t i = 0; i < n; i++) {
        aolani__coll_anchors__candidate__init(&all[i]);
        all[i].key = c[i].key;
        all[i].n_ranks = c[i].n_ranks;
        all[i].period_ns = c[i].period_ns;
        list[i] = &all[i];
    }
    m.rank = rank;
    m.candidates = list;
    m.n_candidates = n;
    m.lost = lost;
    return collagree_told(a, &m, &e);
}

#define MS 1000000ull
#define MICRO               \
    {                       \
        0x10100, 4, 10 * MS \
    }
#define STEP                \
    {                       \
        0x10200, 4, 80 * MS \
    }
#define NORM                \
    {                       \
        0x10702, 4, 81 * MS \
    }
#define BUCKET              \
    {                       \
        0x10718, 4, 80 * MS \
    }

static void test_choices(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct candidate rank[WORLD][3];
        size_t n[WORLD];
        uint32_t key, n_ranks; /* 0: none */
    } cases[] = {
        {"nobody proposes", {{{0}}}, {0}, 0, 0},
        {"all the same", {{STEP}, {STEP}, {STEP}, {STEP}}, {1, 1, 1, 1}, 0x10200, 4},
        {"half is no majority", {{STEP}, {STEP}}, {1, 1, 0, 0}, 0, 0},
        {"three of four", {{STEP}, {STEP}, {NORM}, {STEP}}, {1, 1, 1, 1}, 0x10200, 4},
        {"the longest period, wherever it is in the list",
         {{MICRO, STEP}, {MICRO, STEP}, {MICRO, STEP}, {MICRO, STEP}},
         {2, 2, 2, 2},
         0x10200,
         4},
        {"of periods alike the first in the lists",
         {{NORM, BUCKET}, {NORM, BUCKET}, {BUCKET, NORM}, {NORM, BUCKET}},
         {2, 2, 2, 2},
         0x10702,
         4},
        {"another size of communicator is another class",
         {{STEP}, {STEP}, {{0x10200, 2, 80 * MS}}, {{0x10200, 2, 80 * MS}}},
         {1, 1, 1, 1},
         0,
         0},
        {"one that lies about its period moves no median",
         {{{0x10100, 4, UINT64_MAX}, STEP},
          {MICRO, STEP},
          {MICRO, STEP},
          {MICRO, STEP}},
         {2, 2, 2, 2},
         0x10200,
         4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct collagree *a;
        struct collchoice c = {0};
        assert_int_equal(collagree_create(WORLD, &a), 0);
        for (uint32_t r = 0; r < WORLD; r++)
            assert_int_equal(tell(a, r, cases[i].rank[r], cases[i].n[r], false), 0);
        assert_false(collagree_decide(a, 100, &c)); /* others may yet speak */
        bool chosen = collagree_decide(a, 100 + COLLAGREE_FIRST_MS, &c);
        if (chosen != (cases[i].n_ranks > 0) || c.key != cases[i].key ||
            c.n_ranks != cases[i].n_ranks)
            fail_msg("%s: %x of %u is chosen", cases[i].name, c.key, c.n_ranks);
        assert_false(collagree_decide(a, 1000000, &c));
        collagree_destroy(a);
    }
}

/* Ranks that propose what nobody else does, before the others and more than are counted. */
static void test_many_classes_hide_none(void **state)
{
    (void)state;
    enum { RANKS = 60, NOISY = 29 };
    struct collagree *a;
    struct collchoice c = {0};
    assert_int_equal(collagree_create(RANKS, &a), 0);
    for (uint32_t r = 0; r < RANKS; r++) {
        struct candidate own[LIMIT_COLL_CANDIDATES];
        for (uint32_t k = 0; k < LIMIT_COLL_CANDIDATES; k++)
            own[k] = (struct candidate){0x20000 + r * 8 + k, 2, 900 * MS};
        if (r >= NOISY)
            own[r % LIMIT_COLL_CANDIDATES] = (struct candidate)STEP;
        assert_int_equal(tell(a, r, own, LIMIT_COLL_CANDIDATES, false), 0);
    }
    assert_false(collagree_decide(a, 0, &c));
    assert_true(collagree_decide(a, COLLAGREE_FIRST_MS, &c));
    assert_int_equal(c.key, 0x10200);
    collagree_destroy(a);
}

static void test_a_rank_has_one_voice(void **state)
{
    (void)state;
    static const struct candidate loud[] = {STEP, STEP, STEP, STEP};
    struct collagree *a;
    struct collchoice c = {0};
    assert_int_equal(collagree_create(WORLD, &a), 0);
    assert_int_equal(tell(a, 0, loud, 4, false), 0);
    assert_int_equal(tell(a, 1, loud, 4, false), 0);
    assert_false(collagree_decide(a, 0, &c));
    assert_false(collagree_decide(a, COLLAGREE_FIRST_MS, &c));
    collagree_destroy(a);
}

static void tell_all(struct collagree *a, const struct candidate *c, size_t n,
                     bool lost)
{
    for (uint32_t r = 0; r < WORLD; r++)
        assert_int_equal(tell(a, r, c, n, lost), 0);
}

/* What is told at a time, and what is then chosen anew (0: the choice stays). */
static void test_the_choice_is_steady(void **state)
{
    (void)state;
    static const struct candidate micro[] = {MICRO}, both[] = {MICRO, STEP},
                                  near[] = {NORM, STEP}, norm[] = {NORM};
    static const struct {
        uint64_t at_ms;
        const struct candidate *c;
        size_t n;
        bool lost;
        uint32_t key;
    } t[] = {
        {0, micro, 1, false, 0},
        {1000, micro, 1, false, 0x10100},
        {2000, both, 2, false, 0}, /* a longer one: is it there to stay? */
        {3000, micro, 1, false, 0},
        {4000, both, 2, false, 0},
        {8999, both, 2, false, 0},
        {9000, both, 2, false, 0x10200},
        {10000, near, 2, false, 0}, /* as good is not better */
        {19000, near, 2, false, 0},
        {20000, near, 2, true, 0},  /* lost */
        {22000, near, 2, false, 0}, /* and found again */
        {30000, near, 2, false, 0},
        {31000, norm, 1, false, 0}, /* gone */
        {36000, norm, 1, false, 0x10702},
        {37000, NULL, 0, true, 0}, /* nothing else is there */
        {60000, NULL, 0, true, 0},
    };
    struct collagree *a;
    struct collchoice c = {0};
    assert_int_equal(collagree_create(WORLD, &a), 0);
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        tell_all(a, t[i].c, t[i].n, t[i].lost);
        bool changed = collagree_decide(a, t[i].at_ms, &c);
        if (changed != (t[i].key != 0) || (changed && c.key != t[i].key))
            fail_msg("at %llu ms: %x", (unsigned long long)t[i].at_ms, c.key);
    }
    collagree_destroy(a);
}

/* An evaluation with collectives of its own is over some time; a program that has gone on to
 * something else does not come back. */
static void test_a_long_evaluation_takes_nothing_over(void **state)
{
    (void)state;
    static const struct candidate step[] = {STEP}, eval[] = {MICRO},
                                  slow[] = {{0x10300, 4, 300 * MS}};
    static const struct {
        uint64_t at_s;
        const struct candidate *c;
        bool lost;
        uint32_t key;
    } t[] = {
        {0, step, false, 0},
        {1, step, false, 0x10200},
        {61, eval, true, 0}, /* an evaluation of two minutes */
        {180, eval, true, 0},
        {181, eval, false, 0}, /* its steps go on before they are proposed again */
        {240, eval, true, 0},
        {661, eval, true, 0},
        {680, step, false, 0},
        {1000, slow, true, 0}, /* one whose batches take longer */
        {1500, slow, true, 0},
        {1510, slow, false, 0}, /* steps go on */
        {1550, slow, false, 0},
        {1590, step, false, 0},
        {1600, eval, true, 0}, /* one that hangs tells nothing any more */
        {2300, NULL, true, 0},
        {2310, step, false, 0},
        {2400, eval, true, 0}, /* it is no evaluation */
        {2999, eval, true, 0},
        {3000, eval, true, 0x10100},
        {3010, step, false, 0}, /* and yet it was */
        {3015, step, false, 0x10200},
    };
    struct collagree *a;
    struct collchoice c = {0};
    assert_int_equal(collagree_create(WORLD, &a), 0);
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        if (t[i].c) /* else nobody tells anything */
            tell_all(a, t[i].c, 1, t[i].lost);
        bool changed = collagree_decide(a, 1000 * t[i].at_s, &c);
        if (changed != (t[i].key != 0) || (changed && c.key != t[i].key))
            fail_msg("at %llu s: %x", (unsigned long long)t[i].at_s, c.key);
    }
    collagree_destroy(a);
}

static void test_messages_that_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint32_t rank;
        size_t n;
        struct candidate c[LIMIT_COLL_CANDIDATES + 1];
        int rc;
    } t[] = {
        {0, 1, {STEP}, 0},
        {WORLD, 1, {STEP}, ERR_PROTO},
        {0, 1, {{1u << 24, 4, 1}}, ERR_PROTO},
        {0, 1, {{1, 0, 1}}, ERR_PROTO},
        {0, 1, {{1, 65536, 1}}, ERR_PROTO},
        {0, LIMIT_COLL_CANDIDATES + 1, {STEP}, ERR_PROTO},
    };
    struct collagree *a;
    assert_int_equal(collagree_create(WORLD, &a), 0);
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++)
        assert_int_equal(tell(a, t[i].rank, t[i].c, t[i].n, false), t[i].rc);
    collagree_destroy(a);
}

static void test_more_is_asked_in_doubt(void **state)
{
    (void)state;
    assert_true(collagree_deep_every(true) < collagree_deep_every(false));
    assert_true(collagree_deep_every(true) > COLLAGREE_DEEP_N);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choices),
        cmocka_unit_test(test_many_classes_hide_none),
        cmocka_unit_test(test_a_rank_has_one_voice),
        cmocka_unit_test(test_the_choice_is_steady),
        cmocka_unit_test(test_a_long_evaluation_takes_nothing_over),
        cmocka_unit_test(test_messages_that_are_refused),
        cmocka_unit_test(test_more_is_asked_in_doubt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
