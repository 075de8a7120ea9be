/* SPDX-License-Identifier: MIT */
/* Steps that no program has marked, whose host's part the agents have sampled: what is
 * claimed of them, and above all what is not. Hosts spin or sleep while they wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/lib/attribute_run.h"

enum { WORLD = 4, STEPS = 400, LATE = 1, EVERY = 20 };
enum { WALL = 100000, WORK = 60000, MORE = 40000 }; /* us */

enum cause { ITS_GPU, OTHERS_DELAYED, DELAYED, THROTTLED, WORKS, SLEEPS };

struct hosts {
    const char *what;
    enum cause cause;
    bool spin, unknown; /* spin: while it waits; unknown: of the late rank */
    uint32_t from;      /* sampled from that step on */
    enum mechanism is;
    double part; /* of MORE, at least */
};
static const struct hosts rows[] = {
    {"delayed, they sleep", DELAYED, false, false, 0, MECH_PREEMPTED, 0.9},
    {"delayed, they spin", DELAYED, true, false, 0, MECH_PREEMPTED, 0.9},
    {"a quota, they sleep", THROTTLED, false, false, 0, MECH_THROTTLED, 0.9},
    {"a quota, they spin", THROTTLED, true, false, 0, MECH_THROTTLED, 0.9},
    {"it works more, they sleep", WORKS, false, false, 0, MECH_WORK, 0.9},
    {"it works more, they spin", WORKS, true, false, 0, MECH_UNKNOWN, 0.9},
    {"it sleeps, they spin", SLEEPS, true, false, 0, MECH_BLOCKED, 0.9},
    {"it sleeps, as they do", SLEEPS, false, false, 0, MECH_UNKNOWN, 0.9},
    {"its GPU, they sleep", ITS_GPU, false, false, 0, MECH_UNKNOWN, 0.98},
    {"its GPU, they spin", ITS_GPU, true, false, 0, MECH_UNKNOWN, 0.98},
    {"its GPU, the others were delayed, they sleep", OTHERS_DELAYED, false, false, 0,
     MECH_UNKNOWN, 0.98},
    {"its GPU, the others were delayed, they spin", OTHERS_DELAYED, true, false, 0,
     MECH_UNKNOWN, 0.98},
    {"nobody knows", DELAYED, false, true, 0, MECH_UNKNOWN, 0.98},
    {"nobody knows at all", DELAYED, false, false, STEPS, MECH_UNKNOWN, 0.98},
    {"known late, its GPU, they sleep", ITS_GPU, false, false, 150, MECH_UNKNOWN, 0.98},
    {"known late, its GPU, they spin", ITS_GPU, true, false, 150, MECH_UNKNOWN, 0.98},
};

/* What the host's thread did in a step of so much; the rest it waits. */
static void sample(struct steprec *r, const struct hosts *h, bool late, uint32_t work)
{
    uint32_t cpu = work + (late && h->cause == WORKS ? MORE : 0);
    uint32_t delay = late && (h->cause == DELAYED || h->cause == THROTTLED) ? MORE : 0;
    delay = !late && h->cause == OTHERS_DELAYED ? MORE / 4 : delay;
    uint32_t slept = late && h->cause == SLEEPS ? MORE : 0;
    uint32_t rest = r->wall_us - cpu - delay - slept;
    r->cpu_us = cpu + (h->spin ? rest : 0);
    r->blocked_us = slept + (h->spin ? 0 : rest);
    r->rundelay_us = delay;
    r->throttled_us = h->cause == THROTTLED ? delay : 0;
    r->flags |= STEPREC_SAMPLED;
}

static void run_steps(struct run *r, const struct hosts *h, uint8_t source)
{
    for (uint32_t step = 0; step < STEPS; step++) {
        bool late = step >= 100 && step % EVERY == 0;
        uint32_t wall = WALL + (late ? MORE : 0);
        r->stream.clock_ns += wall * 1000ull;
        for (uint32_t i = 0; i < WORLD; i++) {
            bool is_late = late && i == LATE;
            uint32_t noise = (uint32_t)(stream_uniform(&r->stream) * 500);
            struct steprec rec = {.rank = i,
                                  .step = step,
                                  .t_end_ns = r->stream.clock_ns,
                                  .wall_us = wall,
                                  .wait_us = late && !is_late ? MORE : 0,
                                  .flags = STEPREC_PARTIAL,
                                  .source = source};
            rec.wait_us += noise;
            if (step >= h->from && !(is_late && h->unknown))
                sample(&rec, h, is_late, WORK + noise);
            if (source == STEPREC_LOG) {
                rec.blocked_us = 0;
                rec.wait_us = rec.wall_us - rec.cpu_us - rec.rundelay_us;
            }
            steps_add(r->steps, &rec, r->stream.clock_ns / 1000000);
        }
        steps_tick(r->steps, r->stream.clock_ns / 1000000);
    }
    end_run(r);
}

static void test_steps_from_nccl(void **state)
{
    (void)state;
    const struct stream s = quiet(WORLD, NULL, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct run *r = the_run();
        open_run(r, &s, 5, NULL, NULL);
        run_steps(r, &rows[i], STEPREC_NCCL);
        assert_int_equal(r->heard.n_culprits, (STEPS - 100) / EVERY);
        for (size_t k = 0; k < r->heard.n_culprits; k++) {
            const struct culprit *c = &r->heard.culprits[k];
            if (c->rank != LATE || c->excess.what != rows[i].is ||
                c->excess.part[rows[i].is] < rows[i].part * MORE)
                fail_msg("%s: rank %u was late by %s (%.0f of %.0f)", rows[i].what,
                         c->rank, mech_name(c->excess.what),
                         c->excess.part[c->excess.what], c->excess.us);
        }
        close_run(r);
    }
}

static void test_steps_from_lines(void **state)
{
    (void)state;
    static const struct hosts t[] = {
        {"delayed", DELAYED, false, false, 0, MECH_PREEMPTED, 0.9},
        {"a quota", THROTTLED, false, false, 0, MECH_THROTTLED, 0.9},
        {"it works more", WORKS, false, false, 0, MECH_WORK, 0.9},
    };
    const struct stream s = quiet(WORLD, NULL, 0);
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct run *r = the_run();
        open_run(r, &s, 5, NULL, NULL);
        run_steps(r, &t[i], STEPREC_LOG);
        if (r->heard.n_culprits != (STEPS - 100) / EVERY)
            fail_msg("%s: %zu late steps", t[i].what, r->heard.n_culprits);
        for (size_t k = 0; k < r->heard.n_culprits; k++)
            assert_true(r->heard.culprits[k].rank == LATE &&
                        r->heard.culprits[k].excess.what == t[i].is);
        close_run(r);
    }
}

/* Ranks of which less can be said than that: nobody is compared. */
static void test_doubtful_lines(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint32_t n, cpu, late_cpu;
        uint64_t uncompared;
    } t[] = {
        {"all write, and work", WORLD, 60000, 90000, 0},
        {"they sleep most of the time", WORLD, 10000, 40000, 20},
        {"one of them writes none", WORLD - 1, 60000, 90000, 20},
        {"one alone writes", 1, 60000, 90000, 20},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct steps *s;
        struct steps_job job;
        assert_int_equal(steps_create(WORLD, 0, NULL, &s), 0);
        for (uint32_t step = 0; step < 20; step++)
            for (uint32_t rank = 0; rank < t[i].n; rank++) {
                uint32_t cpu = rank == 0 ? t[i].late_cpu : t[i].cpu;
                struct steprec r = {.rank = rank,
                                    .step = step,
                                    .wall_us = WALL,
                                    .wait_us = WALL - cpu,
                                    .cpu_us = cpu,
                                    .flags = STEPREC_PARTIAL | STEPREC_SAMPLED,
                                    .source = STEPREC_LOG};
                steps_add(s, &r, step * 100);
            }
        steps_finish(s);
        steps_job(s, &job);
        if (job.closed != 20 || job.uncompared != t[i].uncompared)
            fail_msg("%s: %llu of %llu not compared", t[i].what,
                     (unsigned long long)job.uncompared,
                     (unsigned long long)job.closed);
        steps_destroy(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps_from_nccl),
        cmocka_unit_test(test_steps_from_lines),
        cmocka_unit_test(test_doubtful_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
