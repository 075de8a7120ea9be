/* SPDX-License-Identifier: MIT */
/* factor_spells_test.c - the sentence on ranks that are slow together: from spells by hand,
 * and all the way from step records of ranks that never ran. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "launcher/variance/factor_spells.h"
#include "launcher/variance/steps.h"
#include "tests/lib/job_gen.h"
#include "tests/lib/stream.h"

/* ---- by hand: ten nodes of eight ranks; 12, 44 and 76 have their NIC on the other socket */

static void crossing(struct job_gen *j)
{
    job_gen_cross(j, 12);
    job_gen_cross(j, 44);
    job_gen_cross(j, 76);
}

#define OPEN(r, first)                                                 \
    {                                                                  \
        .rank = (r), .first_step = (first), .last_step = (first) + 20, \
        .what = MECH_WORK                                              \
    }
#define OVER(r, first, last)                                                   \
    {                                                                          \
        .rank = (r), .first_step = (first), .last_step = (last), .over = true, \
        .what = MECH_WORK                                                      \
    }

#define SOCKETS "ranks 12, 44, 76: GPU and NIC on different sockets"

static const struct row {
    const char *what;
    struct spell spells[12];
    size_t n, which;
    const char *says;
} rows[] = {
    {"the last of three",
     {OPEN(76, 8120), OPEN(12, 8120), OPEN(44, 8122)},
     3,
     2,
     SOCKETS},
    {"the first of three",
     {OPEN(76, 8120), OPEN(12, 8120), OPEN(44, 8122)},
     3,
     0,
     SOCKETS},
    {"two are too few of three", {OPEN(12, 8120)}, 1, 0, ""},
    {"another, slow for long",
     {OPEN(3, 10), OPEN(12, 8120), OPEN(44, 8120), OPEN(76, 8120)},
     4,
     3,
     SOCKETS},
    {"the other one shares nothing",
     {OPEN(3, 10), OPEN(12, 8120), OPEN(44, 8120), OPEN(76, 8120)},
     4,
     0,
     ""},
    {"one has recovered long ago",
     {OVER(12, 10, 50), OPEN(12, 8120), OPEN(44, 8120), OVER(40, 60, 8119),
      OPEN(76, 8120)},
     5,
     4,
     SOCKETS},
    {"in turn, not together",
     {OVER(12, 10, 50), OVER(44, 60, 90), OVER(76, 100, 120)},
     3,
     2,
     ""},
    {"in another attempt",
     {OPEN(12, 10),
      OPEN(44, 10),
      {.rank = 76, .attempt = 1, .first_step = 10, .what = MECH_WORK}},
     3,
     2,
     ""},
    {"of other mechanisms",
     {{.rank = 12, .first_step = 10, .what = MECH_STOLEN},
      {.rank = 44, .first_step = 10, .what = MECH_PREEMPTED},
      OPEN(76, 10)},
     3,
     2,
     ""},
    {"of mechanisms not known",
     {{.rank = 12, .first_step = 10, .what = MECH_UNKNOWN},
      {.rank = 44, .first_step = 10, .what = MECH_MIXED},
      OPEN(76, 10)},
     3,
     2,
     SOCKETS},
    {"a rank that was slow twice",
     {OVER(12, 10, 30), OPEN(12, 40), OPEN(44, 10), OPEN(76, 10)},
     4,
     2,
     SOCKETS},
    {"a node",
     {OPEN(16, 5), OPEN(17, 5), OPEN(18, 5), OPEN(19, 5), OPEN(20, 5), OPEN(21, 5),
      OPEN(22, 5), OPEN(23, 5)},
     8,
     7,
     "ranks 16, 17, 18, 19, 20, 21, 22, 23: node gpu02"},
    {"more than can be named",
     {OPEN(2, 5), OPEN(3, 5), OPEN(9, 5), OPEN(11, 5), OPEN(19, 5), OPEN(27, 5),
      OPEN(35, 5), OPEN(43, 5), OPEN(51, 5), OPEN(59, 5), OPEN(67, 5)},
     11,
     10,
     "ranks 3, 11, 19, 27, 35, 43, 51, 59 and 1 more: NIC mlx5_1 of every node"},
    {"a switch and its NIC",
     {OPEN(24, 5), OPEN(25, 5), OPEN(26, 5)},
     3,
     0,
     "ranks 24, 25, 26: NIC mlx5_0 of node gpu03 and PCI switch 0000:03:00.0 of node "
     "gpu03"},
};

static void test_sentences(void **state)
{
    static struct job_gen j;
    (void)state;
    job_gen_make(&j, JOB_GEN_LINE, 10, 0, NULL, crossing);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf b;
        buf_init(&b, 1 << 12);
        assert_int_equal(
            factor_common(j.factors, rows[i].spells, rows[i].n, rows[i].which, &b), 0);
        const char *says = b.len ? (const char *)b.data : "";
        if (strcmp(says, rows[i].says) != 0)
            fail_msg("%s: \"%s\", not \"%s\"", rows[i].what, says, rows[i].says);
        buf_fini(&b);
    }
    assert_int_equal(factor_common(j.factors, rows[0].spells, 3, 3, NULL), -EINVAL);
    job_gen_fini(&j);
}

/* ---- from step records ---- */

#define FROM    7000u
#define CHANGE  8120u
#define UNTIL   8400u
#define BUSY_US 10000u
#define SLOW_US 600u

struct heard {
    uint32_t ranks[64];
    uint32_t first[64];
    size_t n;
};

static void on_spell(void *arg, const struct spell *s)
{
    struct heard *h = arg;
    if (s->over || h->n == 64)
        return;
    h->first[h->n] = s->first_step;
    h->ranks[h->n++] = s->rank;
}

static void slow_path(struct job_gen *j)
{
    job_gen_cross(j, 5);
    job_gen_cross(j, 12);
    job_gen_cross(j, 44);
    job_gen_cross(j, 59);
}

/* What is said of each spell at the end; the same of all, or nothing. */
static void expect_said(const struct job_gen *j, struct attribute *a, const char *says)
{
    struct attribution is;
    attribute_result(a, &is);
    for (size_t i = 0; i < is.n_spells; i++) {
        struct buf b;
        buf_init(&b, 1 << 12);
        assert_int_equal(factor_common(j->factors, is.spells, is.n_spells, i, &b), 0);
        if (strcmp(b.len ? (const char *)b.data : "", says) != 0)
            fail_msg("rank %u: \"%s\", not \"%s\"", is.spells[i].rank, (char *)b.data,
                     says);
        buf_fini(&b);
    }
}

static void run(const struct job_gen *j, const uint32_t *slow, size_t n, uint64_t seed,
                struct heard *h, const char *says)
{
    struct planted p[8];
    struct attribute *a;
    struct steps *steps;
    for (size_t i = 0; i < n; i++)
        p[i] = (struct planted){.rank = slow[i],
                                .from = CHANGE,
                                .to = UNTIL,
                                .what = PLANT_WORK,
                                .us = SLOW_US};
    struct stream s = {.world = j->plan.world_size,
                       .busy_us = BUSY_US,
                       .coll_us = 500,
                       .sigma = 0.01,
                       .seed = seed,
                       .planted = p,
                       .n_planted = n};
    const struct attribute_ops heard = {.spell = on_spell, .arg = h};
    assert_int_equal(stream_init(&s), 0);
    assert_int_equal(attribute_create(s.world, NULL, &heard, &a), 0);
    const struct steps_ops ops = {
        .record = attribute_record, .closed = attribute_step, .arg = a};
    assert_int_equal(steps_create(s.world, 0, &ops, &steps), 0);
    stream_run(&s, steps, FROM, UNTIL);
    steps_finish(steps);
    attribute_finish(a, s.clock_ns / 1000000);
    expect_said(j, a, says);
    attribute_destroy(a);
    steps_destroy(steps);
    stream_fini(&s);
}

static bool has_rank(const uint32_t *ranks, size_t n, uint32_t rank)
{
    for (size_t i = 0; i < n; i++) {
        if (ranks[i] == rank)
            return true;
    }
    return false;
}

/* 64 ranks, four of which have their NIC on the other socket and become slow. */
static void test_planted_path(void **state)
{
    static const uint32_t slow[] = {5, 12, 44, 59};
    static struct job_gen j;
    (void)state;
    job_gen_make(&j, JOB_GEN_LINE, 8, 0, NULL, slow_path);
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct heard h = {0};
        run(&j, slow, 4, seed, &h,
            "ranks 5, 12, 44, 59: GPU and NIC on different sockets");
        assert_int_equal(h.n, 4);
        for (size_t i = 0; i < 4; i++) {
            assert_true(has_rank(slow, 4, h.ranks[i]));
            if (h.first[i] + 3 < CHANGE || h.first[i] > CHANGE + 3)
                fail_msg("rank %u: since step %u", h.ranks[i], h.first[i]);
        }
    }
    job_gen_fini(&j);
}

/* As many that share nothing. */
static void test_planted_nothing(void **state)
{
    static const uint32_t slow[] = {5, 20, 43, 56};
    static struct job_gen j;
    struct heard h = {0};
    (void)state;
    job_gen_make(&j, JOB_GEN_LINE, 8, 0, NULL, slow_path);
    run(&j, slow, 4, 9, &h, "");
    assert_int_equal(h.n, 4);
    job_gen_fini(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sentences),
        cmocka_unit_test(test_planted_path),
        cmocka_unit_test(test_planted_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
