/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/variance/collwait.h"
#include "proto/base/limits.h"
#include "proto/wire/collrec.h"
#include "proto/wire/colltime.h"
#include "tests/lib/attribute_run.h"

enum { WORLD = 4, MANY = 4096 };

struct heard_records {
    struct steprec got[MANY];
    uint32_t n;
};

static void on_out(void *arg, const struct steprec *r, uint64_t now_ms)
{
    struct heard_records *h = arg;
    (void)now_ms;
    assert_true(h->n < MANY);
    h->got[h->n++] = *r;
}

static int tell(struct collwait *w, uint32_t rank, uint32_t step,
                const struct colltime *t, size_t n, uint32_t missing, uint64_t now_ms)
{
    static uint8_t bytes[(LIMIT_COLL_TIMES + 1) * COLLTIME_BYTES];
    Aolani__CollTimes m = AOLANI__COLL_TIMES__INIT;
    struct err e;
    for (size_t i = 0; i < n; i++)
        colltime_encode(&t[i], bytes + i * COLLTIME_BYTES);
    m.rank = rank;
    m.step = step;
    m.missing = missing;
    m.records.data = bytes;
    m.records.len = n * COLLTIME_BYTES;
    return collwait_times(w, &m, now_ms, &e);
}

static void say(struct collwait *w, uint32_t rank, uint32_t step, uint16_t flags,
                uint64_t now_ms)
{
    struct steprec r = {.rank = rank,
                        .step = step,
                        .wall_us = 10000,
                        .flags = flags,
                        .source = STEPREC_NCCL};
    collwait_record(w, &r, now_ms);
}

/* ---- the wait of one step */

static void test_waits(void **state)
{
    (void)state;
    struct told {
        size_t n;
        uint32_t missing;
        struct colltime t[3];
        uint32_t wait_us; /* STEP_ABSENT: not known */
    };
    static const struct {
        const char *name;
        struct told rank[WORLD];
    } cases[] = {
        {"the last one waits for nobody",
         {{1, 0, {{7, 1, 5, 3000000, 4}}, 2000},
          {1, 0, {{7, 1, 5, 1000000, 4}}, 0},
          {1, 0, {{7, 1, 5, 3100999, 4}}, 2100},
          {1, 0, {{7, 1, 5, 1500000, 4}}, 500}}},
        {"two groups that know nothing of each other",
         {{1, 0, {{7, 1, 5, 3000000, 2}}, 0},
          {1, 0, {{7, 1, 5, 4000000, 2}}, 1000},
          {1, 0, {{8, 1, 5, 100000, 2}}, 0},
          {1, 0, {{8, 1, 5, 200000, 2}}, 100}}},
        {"waits of a step add up, by name, in any order",
         {{3, 0, {{7, 1, 5, 2000, 4}, {7, 1, 6, 5005000, 4}, {7, 2, 5, 9000, 4}}, 5000},
          {3, 0, {{7, 2, 5, 9000, 4}, {7, 1, 6, 5000, 4}, {7, 1, 5, 2000, 4}}, 0},
          {3, 0, {{7, 1, 6, 5000, 4}, {7, 2, 5, 9000, 4}, {7, 1, 5, 2000, 4}}, 0},
          {3, 0, {{7, 1, 6, 5000, 4}, {7, 2, 5, 10000, 4}, {7, 1, 5, 2000, 4}}, 1}}},
        {"no longer than the step",
         {{1, 0, {{7, 1, 5, 4000000000u, 4}}, 10000},
          {1, 0, {{7, 1, 5, 1, 4}}, 0},
          {1, 0, {{7, 1, 5, 1, 4}}, 0},
          {1, 0, {{7, 1, 5, 1, 4}}, 0}}},
        {"who is alone with a collective knows nothing",
         {{1, 0, {{7, 1, 5, 900000, 4}}, STEP_ABSENT},
          {1, 0, {{7, 1, 6, 900000, 4}}, STEP_ABSENT},
          {1, 0, {{9, 1, 5, 2000000, 4}}, 1000},
          {1, 0, {{9, 1, 5, 1000000, 4}}, 0}}},
        {"twice the same joins with nobody",
         {{2, 0, {{7, 1, 5, 9000000, 4}, {7, 1, 5, 1, 4}}, STEP_ABSENT},
          {0, 0, {{0}}, STEP_ABSENT},
          {0, 0, {{0}}, STEP_ABSENT},
          {0, 0, {{0}}, STEP_ABSENT}}},
        {"too much is missing",
         {{1, 1, {{7, 1, 5, 3000000, 4}}, STEP_ABSENT},
          {1, 0, {{7, 1, 5, 1000000, 4}}, 0},
          {1, UINT32_MAX, {{7, 1, 5, 2000000, 4}}, STEP_ABSENT},
          {1, 0, {{7, 1, 5, 1500000, 4}}, 500}}},
    };
    static struct heard_records h;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct collwait *w;
        h.n = 0;
        assert_int_equal(collwait_create(WORLD, on_out, &h, &w), 0);
        for (uint32_t r = 0; r < WORLD; r++) {
            const struct told *t = &cases[i].rank[r];
            if (r % 2) /* before or after the record */
                say(w, r, 9, STEPREC_DEEP | STEPREC_HOST_PACED, 0);
            assert_int_equal(tell(w, r, 9, t->t, t->n, t->missing, 0), 0);
            if (r % 2 == 0)
                say(w, r, 9, STEPREC_DEEP | STEPREC_HOST_PACED, 0);
        }
        assert_int_equal(h.n, WORLD);
        for (uint32_t k = 0; k < WORLD; k++) {
            uint32_t want = cases[i].rank[h.got[k].rank].wait_us;
            bool known = want != STEP_ABSENT;
            unsigned flags = known ? STEPREC_DEEP : STEPREC_HOST_PACED;
            if (h.got[k].flags != flags || h.got[k].wait_us != (known ? want : 0))
                fail_msg("%s: rank %u waited %u us, flags %x", cases[i].name,
                         h.got[k].rank, h.got[k].wait_us, h.got[k].flags);
        }
        collwait_destroy(w);
    }
}

static void test_messages_that_are_refused(void **state)
{
    (void)state;
    static struct heard_records h;
    static struct colltime many[LIMIT_COLL_TIMES + 1];
    struct collwait *w;
    struct err e;
    assert_int_equal(collwait_create(2, on_out, &h, &w), 0);
    assert_int_equal(tell(w, 0, 1, many, LIMIT_COLL_TIMES, 0, 0), 0);
    assert_int_equal(tell(w, 1, 1, many, LIMIT_COLL_TIMES + 1, 0, 0), ERR_PROTO);
    assert_int_equal(tell(w, 2, 1, many, 1, 0, 0), ERR_PROTO);
    Aolani__CollTimes cut = AOLANI__COLL_TIMES__INIT;
    uint8_t bytes[COLLTIME_BYTES + 1] = {0};
    cut.records.data = bytes;
    cut.records.len = sizeof bytes;
    assert_int_equal(collwait_times(w, &cut, 0, &e), ERR_PROTO);
    collwait_destroy(w);
}

/* ---- order and patience */

static void test_records_keep_their_order(void **state)
{
    (void)state;
    static struct heard_records h;
    struct collwait *w;
    const struct colltime t = {7, 1, 5, 1000, 2};
    h.n = 0;
    assert_int_equal(collwait_create(2, on_out, &h, &w), 0);
    say(w, 0, 1, STEPREC_HOST_PACED, 0);
    assert_int_equal(h.n, 1);
    say(w, 0, 2, STEPREC_DEEP | STEPREC_HOST_PACED, 0);
    say(w, 0, 3, STEPREC_HOST_PACED, 0);
    say(w, 1, 1, STEPREC_HOST_PACED, 0); /* another rank's do not wait for it */
    assert_int_equal(h.n, 2);
    assert_int_equal(tell(w, 0, 2, &t, 1, 0, 10), 0);
    collwait_tick(w, COLLWAIT_MS - 1);
    assert_int_equal(h.n, 2);
    assert_int_equal(tell(w, 1, 2, &t, 1, 0, 20), 0);
    assert_int_equal(h.n, 2); /* its record is to come */
    say(w, 1, 2, STEPREC_DEEP | STEPREC_HOST_PACED, 30);
    static const struct {
        uint32_t rank, step;
        uint16_t flags;
    } want[] = {{0, 1, STEPREC_HOST_PACED},
                {1, 1, STEPREC_HOST_PACED},
                {0, 2, STEPREC_DEEP},
                {0, 3, STEPREC_HOST_PACED},
                {1, 2, STEPREC_DEEP}};
    assert_int_equal(h.n, sizeof want / sizeof want[0]);
    for (uint32_t i = 0; i < h.n; i++)
        if (h.got[i].rank != want[i].rank || h.got[i].step != want[i].step ||
            h.got[i].flags != want[i].flags)
            fail_msg("record %u is step %u of rank %u, flags %x", i, h.got[i].step,
                     h.got[i].rank, h.got[i].flags);
    collwait_destroy(w);
}

static void test_what_never_comes_is_not_waited_for(void **state)
{
    (void)state;
    static struct heard_records h;
    struct collwait *w;
    const struct colltime t = {7, 1, 5, 1000, 2};
    h.n = 0;
    assert_int_equal(collwait_create(3, on_out, &h, &w), 0);
    say(w, 0, 2, STEPREC_DEEP | STEPREC_HOST_PACED, 0);
    say(w, 1, 2, STEPREC_DEEP | STEPREC_HOST_PACED, 0);
    assert_int_equal(tell(w, 0, 2, &t, 1, 0, 10), 0);
    assert_int_equal(tell(w, 1, 2, &t, 1, 0, 10), 0);
    collwait_tick(w, COLLWAIT_MS);
    assert_int_equal(h.n, 2);
    assert_int_equal(h.got[0].flags, STEPREC_DEEP); /* two are enough */
    /* A restart: this step 2 is another one. */
    collwait_tick(w, 4 * COLLWAIT_MS);
    say(w, 0, 2, STEPREC_DEEP | STEPREC_HOST_PACED, 4 * COLLWAIT_MS);
    assert_int_equal(h.n, 2);
    /* Nobody ever tells anything: what is held is bounded, and comes out in order. */
    for (uint32_t s = 3; s < 3000; s++)
        say(w, 0, s, STEPREC_DEEP | STEPREC_HOST_PACED, 4 * COLLWAIT_MS);
    assert_true(h.n >= 2 + 3000 - 2 - COLLWAIT_HELD);
    collwait_finish(w, 0);
    assert_int_equal(h.n, 3000);
    for (uint32_t i = 3; i < h.n; i++) {
        assert_int_equal(h.got[i].step, i);
        assert_int_equal(h.got[i].flags, STEPREC_HOST_PACED);
    }
    collwait_destroy(w);
}

/* ---- a late rank is found, without a clock */

struct nccl_run {
    struct run *run;
    uint32_t world, late, late_us, every;
    uint64_t clock_us;
};

static void on_joined(void *arg, const struct steprec *r, uint64_t now_ms)
{
    struct nccl_run *n = arg;
    steps_add(n->run->steps, r, now_ms);
}

/* Hosts run ahead by chance, all ranks at the pace of the latest. */
static void nccl_step(struct nccl_run *n, struct collwait *w, uint32_t step)
{
    struct stream *s = &n->run->stream;
    uint32_t busy[16], longest = 0;
    bool deep = step % n->every < 2;
    for (uint32_t i = 0; i < n->world; i++) {
        busy[i] = stream_busy(s, i) + (i == n->late ? n->late_us : 0);
        longest = busy[i] > longest ? busy[i] : longest;
    }
    n->clock_us += longest + 300;
    for (uint32_t i = 0; i < n->world; i++) {
        uint32_t jitter = (uint32_t)(stream_uniform(s) * 4000);
        struct colltime t = {.comm = 7,
                             .key = 0x10203,
                             .seq = step,
                             .n_ranks = (uint16_t)n->world,
                             .dur_ns = (longest - busy[i] + 300) * 1000};
        struct steprec r = {.rank = i,
                            .step = step,
                            .t_end_ns = n->clock_us * 1000,
                            .wall_us = longest + 300 + jitter - 2000,
                            .source = STEPREC_NCCL,
                            .flags = (uint16_t)(STEPREC_HOST_PACED | STEPREC_PARTIAL |
                                                (deep ? STEPREC_DEEP : 0))};
        uint64_t now = n->clock_us / 1000;
        collwait_record(w, &r, now);
        if (deep)
            assert_int_equal(tell(w, i, step, &t, 1, 0, now), 0);
    }
}

static void test_a_late_rank_is_found(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t world, late, late_us, every;
        bool deep;
        int32_t culprit;
    } cases[] = {
        {"one of four is late by 3 of 10 ms", 4, 2, 3000, 32, true, 2},
        {"one of two", 2, 1, 3000, 32, true, 1},
        {"one of sixteen, often looked at", 16, 9, 2000, 8, true, 9},
        {"nobody is late", 4, 0, 0, 32, true, -1},
        {"nobody tells times: nobody is blamed", 4, 2, 3000, 32, false, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stream quiet_stream = quiet(cases[i].world, NULL, 0);
        struct nccl_run n = {.run = the_run(),
                             .world = cases[i].world,
                             .late = cases[i].late,
                             .late_us = cases[i].late_us,
                             .every = cases[i].deep ? cases[i].every : UINT32_MAX};
        struct collwait *w;
        struct steps_job job;
        open_run(n.run, &quiet_stream, 5, NULL, NULL);
        assert_int_equal(collwait_create(n.world, on_joined, &n, &w), 0);
        for (uint32_t step = 2; step < 1000; step++)
            nccl_step(&n, w, step);
        collwait_finish(w, n.clock_us / 1000);
        end_run(n.run);
        steps_job(n.run->steps, &job);
        double t = 10300.0 + cases[i].late_us, p50 = (double)job.p50;
        if (steps_culprit(n.run->steps) != cases[i].culprit)
            fail_msg("%s: rank %d is named", cases[i].name,
                     (int)steps_culprit(n.run->steps));
        if (p50 < t * 0.9 || p50 > t * 1.3)
            fail_msg("%s: a step takes %.0f us", cases[i].name, p50);
        /* What was seen of some steps stands for all. */
        double loss = (double)job.loss_sum / (double)job.t_sum, want = 0;
        if (job.loss_sum == STEPS_UNKNOWN)
            loss = cases[i].deep ? 1 : 0;
        if (cases[i].culprit >= 0)
            want = cases[i].late_us / p50;
        if (loss < want * 0.7 || loss > want * 1.2 + 0.03)
            fail_msg("%s: %.3f of the time is lost, not %.3f", cases[i].name, loss,
                     want);
        if (cases[i].culprit < 0 && n.run->is.n_spells > 0)
            fail_msg("%s: rank %u has a slow spell", cases[i].name,
                     n.run->is.spells[0].rank);
        collwait_destroy(w);
        close_run(n.run);
    }
}

/* ---- ranks of which too little is known */

enum { MANY_RANKS = 32, CHEAP = 20 }; /* collectives in which nobody waits */

struct shy_run {
    const char *name;
    uint32_t world, silent, late, late_us, loses; /* UINT32_MAX: none */
    bool pairs; /* ranks 2k and 2k + 1 have a communicator */
    int32_t culprit;
};

/* The collectives of a rank's step: of its pair, of all, and cheap ones of all. */
static size_t shy_times(const struct shy_run *c, uint32_t rank, uint32_t step,
                        const uint32_t *busy, struct colltime *t)
{
    uint32_t last = 0, own = busy[rank], mate = busy[rank ^ 1];
    size_t n = 0;
    if (c->pairs) {
        uint32_t end = (own > mate ? own : mate) + 100;
        t[n++] =
            (struct colltime){100 + rank / 2, 0x10304, step, (end - own) * 1000, 2};
        own = end;
    }
    for (uint32_t i = 0; i < c->world; i++) {
        uint32_t at = busy[i];
        if (c->pairs)
            at = (busy[i] > busy[i ^ 1] ? busy[i] : busy[i ^ 1]) + 100;
        last = at > last ? at : last;
    }
    if (rank != c->loses)
        t[n++] = (struct colltime){7, 0x10203, step, (last - own + 100) * 1000,
                                   (uint16_t)c->world};
    for (uint32_t i = 0; i < CHEAP; i++)
        t[n++] =
            (struct colltime){7, 0x20201, step * CHEAP + i, 5000, (uint16_t)c->world};
    return n;
}

static void shy_step(const struct shy_run *c, struct nccl_run *n, struct collwait *w,
                     uint32_t step)
{
    uint32_t busy[MANY_RANKS], longest = 0;
    for (uint32_t i = 0; i < c->world; i++) {
        busy[i] = stream_busy(&n->run->stream, i) + (i == c->late ? c->late_us : 0);
        longest = busy[i] > longest ? busy[i] : longest;
    }
    n->clock_us += longest + 300;
    for (uint32_t i = 0; i < c->world; i++) {
        struct colltime t[CHEAP + 2];
        struct steprec r = {.rank = i,
                            .step = step,
                            .t_end_ns = n->clock_us * 1000,
                            .wall_us = longest + 300,
                            .source = STEPREC_NCCL,
                            .flags = STEPREC_HOST_PACED | STEPREC_PARTIAL};
        r.flags |= i == c->silent ? 0 : STEPREC_DEEP;
        collwait_record(w, &r, n->clock_us / 1000);
        if (i != c->silent)
            assert_int_equal(tell(w, i, step, t, shy_times(c, i, step, busy, t),
                                  i == c->loses, n->clock_us / 1000),
                             0);
    }
    n->clock_us += COLLWAIT_MS * 1000;
    collwait_tick(w, n->clock_us / 1000);
}

static void test_a_silent_rank_hides_nobody_and_blames_nobody(void **state)
{
    (void)state;
    enum { NONE = -1, STEPS = 300 };
    static const struct shy_run cases[] = {
        {"one of 16 is late, but silent", 16, 5, 5, 3000, NONE, false, -1},
        {"one is silent, another late", 16, 5, 9, 3000, NONE, false, 9},
        {"its mate waits for it, and nobody can tell", 32, 5, 5, 3000, NONE, true, -1},
        {"its mate seems to be in doubt, another is late", 32, 5, 9, 3000, NONE, true,
         9},
        {"one loses what it waited in", 16, NONE, 9, 3000, 3, false, 9},
        {"who is late is never seen, of three of four", 4, 1, 1, 3000, NONE, false, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct shy_run *c = &cases[i];
        struct stream quiet_stream = quiet(c->world, NULL, 0);
        struct nccl_run n = {.run = the_run()};
        struct collwait *w;
        struct steps_job job;
        open_run(n.run, &quiet_stream, 5, NULL, NULL);
        assert_int_equal(collwait_create(c->world, on_joined, &n, &w), 0);
        for (uint32_t step = 2; step < STEPS; step++)
            shy_step(c, &n, w, step);
        collwait_finish(w, n.clock_us / 1000);
        end_run(n.run);
        steps_job(n.run->steps, &job);
        if (steps_culprit(n.run->steps) != c->culprit)
            fail_msg("%s: rank %d is named", c->name, (int)steps_culprit(n.run->steps));
        bool compared = job.uncompared < job.closed;
        if (compared != (c->world > 4))
            fail_msg("%s: %llu of %llu steps are not compared", c->name,
                     (unsigned long long)job.uncompared,
                     (unsigned long long)job.closed);
        for (size_t k = 0; k < n.run->is.n_spells; k++)
            if ((int32_t)n.run->is.spells[k].rank != c->culprit)
                fail_msg("%s: rank %u has a slow spell", c->name,
                         n.run->is.spells[k].rank);
        collwait_destroy(w);
        close_run(n.run);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waits),
        cmocka_unit_test(test_messages_that_are_refused),
        cmocka_unit_test(test_records_keep_their_order),
        cmocka_unit_test(test_what_never_comes_is_not_waited_for),
        cmocka_unit_test(test_a_late_rank_is_found),
        cmocka_unit_test(test_a_silent_rank_hides_nobody_and_blames_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
