/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/spelllines.h"

#define RANKS 100u

struct fixture {
    struct spelllines w;
    const char *nodes[RANKS];
    char said[20000];   /* '!' before a warning, '\n' after each */
    const char *common; /* of those slowed by this kind */
    enum mech_kind kind;
    struct spell spells[64];
    struct attribution now;
    struct spelllines_words words;
};

static void on_common(void *arg, const struct spell *s, struct buf *out)
{
    const struct fixture *f = arg;
    if (mech_kind(s->what) == f->kind)
        assert_int_equal(buf_add(out, f->common, strlen(f->common)), 0);
}

static void on_say(void *arg, bool is_warning, const char *text)
{
    struct fixture *f = arg;
    size_t at = strlen(f->said);
    (void)snprintf(f->said + at, sizeof f->said - at, "%s%s\n", is_warning ? "!" : "",
                   text);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    for (size_t i = 0; f && i < RANKS; i++)
        f->nodes[i] = i < 50 ? "n1" : "n2";
    if (!f)
        return -1;
    f->common = "";
    f->words = (struct spelllines_words){f->nodes, NULL, on_common, on_say, f};
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static struct spell slow(uint32_t rank, uint32_t since, double percent)
{
    struct spell s = {.rank = rank, .first_step = since, .percent = percent};
    s.last_step = since + 20;
    s.what = MECH_PREEMPTED;
    s.steps = 10;
    s.part[MECH_PREEMPTED] = 31000;
    s.excess_us = 32000;
    return s;
}

static struct spell over(struct spell s, uint32_t last)
{
    s.over = true;
    s.last_step = last;
    return s;
}

/* What is said once it is time. */
static const char *told(struct fixture *f, uint64_t now)
{
    f->said[0] = '\0';
    if (spelllines_due(&f->w, now, false))
        spelllines_say(&f->w, &f->words, now);
    return f->said;
}

static void add(struct fixture *f, struct spell s, uint64_t now)
{
    spelllines_add(&f->w, &s, now);
}

static void test_one_rank_and_its_recovery(void **state)
{
    struct fixture *f = *state;
    assert_false(spelllines_due(&f->w, 1u << 30, true));
    add(f, slow(3, 812, 41.2), 1000);
    assert_string_equal(told(f, 2999), "");
    assert_string_equal(told(f, 3000),
                        "!rank 3 on n1 is 41 % slow since step 812: other processes on "
                        "its core (3.1 ms of 3.2 ms a step)\n");
    assert_string_equal(told(f, 4000), "");
    add(f, over(slow(3, 812, 41.2), 990), 5000);
    assert_string_equal(told(f, 7000),
                        "rank 3 on n1 is as fast as before since step 990\n");
}

static void test_what_is_not_known_is_not_said(void **state)
{
    struct fixture *f = *state;
    struct spell s = slow(3, 1, 8);
    s.what = MECH_MIXED;
    add(f, s, 0);
    s = slow(60, 2, 9);
    s.steps = 0;
    add(f, s, 0);
    assert_string_equal(
        told(f, 2000),
        "!rank 3 on n1 is 8 % slow since step 1: several things at once (3.2 ms a "
        "step)\n"
        "!rank 60 on n2 is 9 % slow since step 2\n");
}

static void test_together_when_something_is_common(void **state)
{
    struct fixture *f = *state;
    const uint32_t ranks[] = {12, 44, 76};
    f->kind = KIND_NEIGHBOUR;
    f->common = "ranks 12, 44, 76: node n1";
    for (size_t i = 0; i < 3; i++)
        add(f, slow(ranks[i], 8120 + (uint32_t)i, 6), 100 * i);
    struct spell own = slow(5, 8130, 9);
    own.what = MECH_WORK;
    own.part[MECH_WORK] = 32000;
    add(f, own, 400);
    assert_string_equal(told(f, 2000),
                        "!ranks 12, 44, 76 are 6 % slow since step 8120 (preempted); "
                        "common: node n1\n"
                        "!rank 5 on n1 is 9 % slow since step 8130: own work or a "
                        "slower core (3.2 ms of 3.2 ms a step)\n");
    f->common = "ranks 0, 1, 2, 3, 4, 5, 6, 7 and 3 more: rail mlx5_1";
    for (uint32_t i = 0; i < 11; i++)
        add(f, slow(i, 8500, 7), 2000);
    assert_string_equal(told(f, 4000), "!ranks 0-10 are 7 % slow since step 8500 "
                                       "(preempted); common: rail mlx5_1\n");
    f->common = "ranks 12, 44, 76, 80: rail mlx5_0";
    add(f, slow(76, 9000, 6), 5000);
    add(f, slow(80, 9001, 9), 5000);
    assert_string_equal(told(f, 7000),
                        "!ranks 76, 80 are 6 to 9 % slow since step 9000 (preempted); "
                        "common to ranks 12, 44, 76, 80: rail mlx5_0\n");
}

static void test_common_with_those_that_were_slow_before(void **state)
{
    struct fixture *f = *state;
    f->kind = KIND_NEIGHBOUR;
    f->common = "ranks 3, 7: node n1";
    f->spells[0] = slow(3, 10, 20);
    f->spells[1] = slow(7, 90, 20);
    f->spells[1].excess_us = 310000; /* it has gone on since it was noticed */
    f->spells[1].part[MECH_PREEMPTED] = 200000;
    f->spells[1].steps = 100;
    f->now = (struct attribution){.spells = f->spells, .n_spells = 2};
    f->words.now = &f->now;
    add(f, slow(7, 90, 20), 0);
    assert_string_equal(told(f, 2000),
                        "!rank 7 on n1 is 20 % slow since step 90: other processes on "
                        "its core (2.0 ms of 3.1 ms a step); common to ranks 3, 7: "
                        "node n1\n");
}

static void test_many_are_one_line(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < 40; i++) {
        struct spell s = slow(i, 100 + i, 6 + i / 10.0);
        s.what = i ? MECH_WORK : MECH_STOLEN;
        add(f, s, 0);
    }
    assert_string_equal(told(f, 2000),
                        "!ranks 0-39 are 6 to 10 % slow since step 100\n");
    for (uint32_t i = 0; i < 40; i++)
        add(f, over(slow(i, 100 + i, 6), 500 + i), 3000);
    assert_string_equal(told(f, 5000),
                        "ranks 0-39 are as fast as before, the last since step 539\n");
}

static void test_a_blink_is_one_line(void **state)
{
    struct fixture *f = *state;
    add(f, slow(5, 10, 30), 0);
    add(f, slow(6, 10, 30), 0);
    add(f, over(slow(5, 10, 30), 28), 1500);
    assert_string_equal(
        told(f, 2000), "!rank 6 on n1 is 30 % slow since step 10: other processes on "
                       "its core (3.1 ms of 3.2 ms a step)\n"
                       "rank 5 on n1 was 30 % slow from step 10 to 28: other processes "
                       "on its core (3.1 ms of 3.2 ms a step)\n");
}

/* A rank that flaps for 20 minutes, and then ever more of them than can be kept. */
static void test_few_lines(void **state)
{
    struct fixture *f = *state;
    unsigned lines = 0;
    for (uint32_t ms = 0; ms < 1200000; ms += 250) {
        if (ms % 3000 == 0)
            add(f, slow(1, ms, 9), ms);
        if (ms % 3000 == 2500)
            add(f, over(slow(1, ms - 2500, 9), ms), ms);
        for (const char *c = told(f, ms); *c; c++)
            lines += *c == '\n';
    }
    assert_in_range(lines, 20, 20 * 2 * SPELLLINES_MINUTE);
    for (uint32_t i = 0; i < 5 * SPELLLINES_KEPT; i++)
        add(f, slow(i % RANKS, 10000000 + i, 9), 4000000);
    assert_non_null(strstr(told(f, 4100000), "more ranks were slow"));
    assert_int_equal(f->w.began.n, 0);
}

static void test_an_attempt_has_so_many(void **state)
{
    struct fixture *f = *state;
    unsigned lines = 0;
    for (uint64_t ms = 0; ms < 400ull * 60000; ms += 60000) {
        add(f, slow(1, (uint32_t)ms, 9), ms);
        f->said[0] = '\0';
        spelllines_say(&f->w, &f->words, ms);
        lines += strlen(f->said) > 0;
    }
    assert_int_equal(lines, SPELLLINES_MOST + 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_one_rank_and_its_recovery),
        T(test_what_is_not_known_is_not_said),
        T(test_together_when_something_is_common),
        T(test_common_with_those_that_were_slow_before),
        T(test_many_are_one_line),
        T(test_a_blink_is_one_line),
        T(test_few_lines),
        T(test_an_attempt_has_so_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
