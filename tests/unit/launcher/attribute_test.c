/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/lib/attribute_run.h"

/* ---- one cause */

static const struct {
    enum plant plant;
    enum mechanism what;
} causes[] = {
    {PLANT_THROTTLED, MECH_THROTTLED}, {PLANT_PREEMPTED, MECH_PREEMPTED},
    {PLANT_STOLEN, MECH_STOLEN},       {PLANT_STOPPED, MECH_STOPPED},
    {PLANT_BLOCKED, MECH_BLOCKED},     {PLANT_FAULTS, MECH_FAULTS},
    {PLANT_WORK, MECH_WORK},           {PLANT_GPU, MECH_GPU_SLOW},
};
#define N_CAUSES (sizeof causes / sizeof *causes)

/* The planted steps of one rank and no others; where it is one of many, the loss of each
 * goes to the planted cause, to within the noise. */
static void one_cause(uint32_t world, const struct planted *p, enum mechanism what)
{
    struct run *r = the_run();
    struct stream s = quiet(world, p, 1);
    size_t steps = 0;
    open_run(r, &s, 5, NULL, NULL);
    stream_run(&r->stream, r->steps, 0, 400);
    end_run(r);
    for (uint32_t step = 5; step < 400; step++)
        steps += stream_is_on(p, p->rank, step);
    if (r->heard.n_culprits != steps)
        fail_msg("%u ranks, %s: %zu culprits for %zu steps", world, mech_name(what),
                 r->heard.n_culprits, steps);
    for (size_t i = 0; i < r->heard.n_culprits; i++) {
        const struct culprit *c = &r->heard.culprits[i];
        if (c->rank != p->rank || !stream_is_on(p, c->rank, c->step) ||
            c->excess.what != what ||
            fabs(c->excess.part[what] - p->us) > 0.1 * p->us ||
            fabs(c->loss_us - (world > 1 ? p->us : 0)) > 0.1 * p->us)
            fail_msg("%u ranks, %s: rank %u, step %u is %s: %.0f of %.0f, loss %.0f",
                     world, mech_name(what), c->rank, c->step,
                     mech_name(c->excess.what), c->excess.part[what], c->excess.us,
                     c->loss_us);
    }
    double all = (double)steps * p->us * (world > 1);
    assert_true(fabs(r->is.loss_us[what] - all) <= 0.03 * all);
    assert_int_equal(r->is.blames[0].rank, p->rank);
    assert_int_equal(r->is.blames[0].what, what);
    assert_int_equal(r->is.blames[0].steps, steps);
    close_run(r);
}

static void test_single_late_steps(void **state)
{
    (void)state;
    static const uint32_t worlds[] = {1, 2, 3, 4, 64};
    for (size_t i = 0; i < N_CAUSES; i++)
        for (size_t w = 0; w < sizeof worlds / sizeof *worlds; w++) {
            struct planted p = {worlds[w] / 2, 50, 400, 25, causes[i].plant, 4000};
            one_cause(worlds[w], &p, causes[i].what);
        }
}

static void test_a_burst(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_CAUSES; i++) {
        struct planted p = {1, 200, 210, 1, causes[i].plant, 15000};
        one_cause(1 + 7 * (i % 2) + 1, &p, causes[i].what);
    }
}

/* ---- slow for some time */

static void one_spell(uint32_t world, const struct planted *p, enum mechanism what)
{
    struct run *r = the_run();
    struct stream s = quiet(world, p, 1);
    bool ends = p->to < 1000;
    uint32_t first = p->from < 5 ? 5 : p->from;
    open_run(r, &s, 5, NULL, NULL);
    stream_run(&r->stream, r->steps, 0, 1000);
    end_run(r);
    const struct spell *is = r->is.spells;
    if (r->is.n_spells != 1 || r->heard.n_spells != 1u + ends)
        fail_msg("%u ranks, %s from %u: %zu spells, told %zu", world, mech_name(what),
                 p->from, r->is.n_spells, r->heard.n_spells);
    double percent = 100.0 * p->us / 10000, each = is->excess_us / (double)is->steps;
    uint32_t last = ends ? p->to : 999, off = is->first_step > first
                                                  ? is->first_step - first
                                                  : first - is->first_step;
    if (is->rank != p->rank || off > 2 || is->over != ends || is->last_step < last ||
        is->last_step > last + 2 || is->what != what ||
        fabs(is->percent - percent) > 0.1 * percent + 1 ||
        fabs(each - p->us) > 0.1 * p->us || is->steps + 20 < last - first)
        fail_msg(
            "%u ranks, %s: rank %u slow in [%u, %u) of [%u, %u), %s, %.1f %%, %.0f "
            "us in %llu steps",
            world, mech_name(what), is->rank, is->first_step, is->last_step, p->from,
            p->to, mech_name(is->what), is->percent, each,
            (unsigned long long)is->steps);
    /* What is said at once is as right as what is said at the end. */
    assert_true(!r->heard.spells[0].over && r->heard.spells[0].what == what);
    assert_true(r->heard.spells[0].to_ms - r->heard.spells[0].from_ms < 1);
    if (ends)
        assert_true(r->heard.spells[1].over && r->heard.spells[1].what == what);
    close_run(r);
}

static void test_slow_from_some_step_on(void **state)
{
    (void)state;
    static const uint32_t worlds[] = {2, 3, 4, 64};
    for (size_t i = 0; i < N_CAUSES; i++)
        for (size_t w = 0; w < 4; w++) {
            struct planted p = {worlds[w] - 1, 300, 5000, 1, causes[i].plant, 1500};
            one_spell(worlds[w], &p, causes[i].what);
            p.to = 700;
            one_spell(worlds[w], &p, causes[i].what);
            p.from = 0; /* its own usual is no excuse */
            one_spell(worlds[w], &p, causes[i].what);
            p.to = 5000;
            one_spell(worlds[w], &p, causes[i].what);
        }
}

/* A hog on the core of one rank from some step on: its first values may be of both states,
 * and it may lose another part of each step, or one of two steps. */
static void one_hog(uint32_t world, uint32_t from, enum plant how, uint32_t every)
{
    struct planted p = {1, from, 5000, every, how, 4000 * every};
    struct run *r = the_run();
    struct stream s = quiet(world, &p, 1);
    s.seed += from;
    open_run(r, &s, 5, NULL, NULL);
    stream_run(&r->stream, r->steps, 0, 1000);
    end_run(r);
    const struct spell *is = r->is.spells;
    double steps = (1000.0 - fmax(from, 5)) / every, loss = steps * 4000 * every;
    if (r->is.n_spells != 1 || is->rank != 1 || is->over ||
        abs((int)is->first_step - (int)fmax(from, 5)) > 20 ||
        is->what != MECH_PREEMPTED || (double)is->steps < 0.8 * steps ||
        is->percent < 24 || is->percent > 42 ||
        fabs(r->is.loss_us[MECH_PREEMPTED] - loss) >
            (how == PLANT_HOG ? 0.08 : 0.05) * loss)
        fail_msg(
            "%u ranks, from %u, 1 of %u steps: %zu spells, rank %u since %u%s, %s, "
            "%.0f %%, %llu steps, %.0f of %.0f us",
            world, from, every, r->is.n_spells, is->rank, is->first_step,
            is->over ? ", over" : "", mech_name(is->what), is->percent,
            (unsigned long long)is->steps, r->is.loss_us[MECH_PREEMPTED], loss);
    close_run(r);
}

static void test_a_hog_from_early_on(void **state)
{
    (void)state;
    static const uint32_t worlds[] = {2, 4, 8};
    for (size_t w = 0; w < 3; w++)
        for (uint32_t from = 0; from <= 50; from++) {
            one_hog(worlds[w], from, PLANT_PREEMPTED, 1);
            one_hog(worlds[w], from, PLANT_HOG, 1);
            one_hog(worlds[w], from, PLANT_PREEMPTED, 2);
        }
}

/* A third of the time on one of four. */
static void test_a_hog_for_a_while(void **state)
{
    (void)state;
    for (uint32_t from = 5; from <= 700; from += 99) {
        struct planted p = {3, from, from + 300, 1, PLANT_HOG, 5000};
        struct run *r = the_run();
        struct stream s = quiet(4, &p, 1);
        open_run(r, &s, 5, NULL, NULL);
        stream_run(&r->stream, r->steps, 0, 1100);
        end_run(r);
        const struct spell *is = r->is.spells;
        if (r->is.n_spells != 1 || is->rank != 3 || !is->over ||
            abs((int)is->first_step - (int)from) > 8 ||
            abs((int)is->last_step - (int)from - 300) > 8 || is->steps < 230 ||
            is->loss_us < 0.85 * 300 * 5000 || fabs(is->percent - 46) > 6)
            fail_msg("from %u: %zu spells, [%u, %u), %.0f %%, %llu steps, %.0f us",
                     from, r->is.n_spells, is->first_step, is->last_step, is->percent,
                     (unsigned long long)is->steps, is->loss_us);
        close_run(r);
    }
}

/* Slower still, or partly well again: the spell is told by its mean. */
static void test_a_spell_that_changes(void **state)
{
    (void)state;
    static const struct {
        uint32_t first, then; /* us of 300 steps and of 300 more */
        double percent;
    } cases[] = {{2000, 5000, 34}, {6000, 1500, 36}, {1500, 1500, 15}, {600, 1200, 9}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct planted p[] = {{2, 200, 500, 1, PLANT_WORK, cases[i].first},
                              {2, 500, 800, 1, PLANT_WORK, cases[i].then}};
        struct run *r = the_run();
        struct stream s = quiet(8, p, 2);
        open_run(r, &s, 5, NULL, NULL);
        stream_run(&r->stream, r->steps, 0, 1000);
        end_run(r);
        const struct spell *is = r->is.spells;
        if (r->is.n_spells != 1 || !is->over ||
            fabs(is->percent - cases[i].percent) > 1.5)
            fail_msg("%u, then %u us: %zu spells, %.1f %%", cases[i].first,
                     cases[i].then, r->is.n_spells, is->percent);
        close_run(r);
    }
}

/* Of a rank that is slow for long, nothing is noise that a larger job would have more of. */
static void test_a_spell_is_no_noise(void **state)
{
    (void)state;
    static const uint32_t froms[] = {0, 10, 300};
    for (size_t i = 0; i < 3; i++) {
        struct planted p = {1, froms[i], 800, 1, PLANT_WORK, 4000};
        struct run *r = the_run();
        struct stream s = quiet(8, &p, 1);
        open_run(r, &s, 5, NULL, NULL);
        stream_run(&r->stream, r->steps, 0, 1000);
        end_run(r);
        if (hist_quantile(r->is.excess, 1) > 1000 || r->is.excess->count < 7 * 950 ||
            r->is.excess->count > 8 * 1000 - 790 + froms[i])
            fail_msg("from %u: %llu draws, at most %llu", froms[i],
                     (unsigned long long)r->is.excess->count,
                     (unsigned long long)hist_quantile(r->is.excess, 1));
        close_run(r);
    }
}

static void test_a_rank_alone_is_its_own_measure(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_CAUSES; i++) {
        struct planted p = {0, 300, 700, 1, causes[i].plant, 3000};
        struct run *r = the_run();
        struct stream s = quiet(1, &p, 1);
        open_run(r, &s, 5, NULL, NULL);
        stream_run(&r->stream, r->steps, 0, 1000);
        end_run(r);
        assert_int_equal(r->is.n_spells, 1);
        assert_true(r->is.spells[0].over && r->is.spells[0].what == causes[i].what);
        assert_true(r->is.spells[0].first_step >= 298 &&
                    r->is.spells[0].first_step <= 302);
        assert_true(r->is.common_us[causes[i].what] > 10 * 2700);
        close_run(r);
    }
}

/* ---- several causes */

static void test_two_causes_in_one_step(void **state)
{
    (void)state;
    static const struct planted p[] = {
        {2, 100, 400, 10, PLANT_STOLEN, 2000},  {2, 100, 400, 10, PLANT_WORK, 2000},
        {2, 105, 400, 10, PLANT_STOLEN, 3000},  {2, 105, 400, 10, PLANT_WORK, 1000},
        {2, 107, 400, 10, PLANT_STOLEN, 1500},  {2, 107, 400, 10, PLANT_WORK, 1500},
        {2, 107, 400, 10, PLANT_BLOCKED, 1500},
    };
    struct run *r = the_run();
    struct stream s = quiet(4, p, 7);
    unsigned mixed = 0, stolen = 0;
    s.sigma = 0;
    open_run(r, &s, 0, NULL, NULL);
    stream_run(&r->stream, r->steps, 0, 400);
    end_run(r);
    assert_int_equal(r->heard.n_culprits, 90);
    for (size_t i = 0; i < 90; i++) {
        const struct culprit *c = &r->heard.culprits[i];
        mixed += c->excess.what == MECH_MIXED;
        stolen += c->excess.what == MECH_STOLEN;
        assert_int_equal(c->rank, 2);
    }
    assert_int_equal(mixed, 30);
    assert_int_equal(stolen, 60); /* half is enough: the first of equals in the order */
    assert_true(fabs(r->is.loss_us[MECH_STOLEN] - 30 * 6500) < 1);
    assert_true(fabs(r->is.loss_us[MECH_WORK] - 30 * 4500) < 1);
    assert_true(fabs(r->is.loss_us[MECH_BLOCKED] - 30 * 1500) < 1);
    assert_true(fabs(r->is.outside_us - 30 * 6500) < 1);
    close_run(r);
}

/* Where ranks of the job share cores, it is they who preempt each other. */
static void test_what_others_took(void **state)
{
    (void)state;
    static const struct planted p[] = {{2, 100, 400, 10, PLANT_PREEMPTED, 3000},
                                       {2, 105, 400, 10, PLANT_STOLEN, 2000}};
    for (int shared = 0; shared < 2; shared++) {
        struct run *r = the_run();
        struct stream s = quiet(4, p, 2);
        struct attribute_ops ops = {.shared_cores = shared};
        s.sigma = 0;
        open_run(r, &s, 0, NULL, &ops);
        stream_run(&r->stream, r->steps, 0, 400);
        end_run(r);
        assert_true(fabs(r->is.loss_us[MECH_PREEMPTED] - 30 * 3000) < 1);
        double want = shared ? 30 * 2000 : 30 * 5000;
        assert_true(fabs(r->is.outside_us - want) < 1);
        close_run(r);
    }
}

static void test_two_culprits_in_one_step(void **state)
{
    (void)state;
    static const struct planted p[] = {
        {2, 100, 400, 10, PLANT_STOLEN, 3000},
        {5, 100, 400, 10, PLANT_BLOCKED, 2000},
        {6, 100, 400, 10, PLANT_WORK, 1000},
        {7, 100, 400, 10, PLANT_THROTTLED, 900}, /* the fourth: three are looked at */
    };
    struct run *r = the_run();
    struct stream s = quiet(16, p, 4);
    s.sigma = 0.001;
    open_run(r, &s, 0, NULL, NULL);
    stream_run(&r->stream, r->steps, 0, 400);
    end_run(r);
    assert_int_equal(r->heard.n_culprits, 90);
    static const uint32_t rank[] = {2, 5, 6};
    static const enum mechanism what[] = {MECH_STOLEN, MECH_BLOCKED, MECH_WORK};
    for (size_t i = 0; i < 90; i++) {
        const struct culprit *c = &r->heard.culprits[i];
        assert_int_equal(c->rank, rank[i % 3]);
        assert_int_equal(c->excess.what, what[i % 3]);
        assert_true(i % 3 == 0 ? fabs(c->loss_us - 3000) < 60 : c->loss_us == 0);
    }
    assert_true(r->is.loss_us[MECH_BLOCKED] == 0); /* another was slower */
    assert_int_equal(r->is.n_blames >= 3, 1);
    close_run(r);
}

/* ---- all ranks together */

static void test_common_mode(void **state)
{
    (void)state;
    static const struct {
        enum plant plant;
        enum mechanism what;
    } cases[] = {{PLANT_THROTTLED, MECH_THROTTLED}, {PLANT_STOLEN, MECH_STOLEN},
                 {PLANT_PREEMPTED, MECH_PREEMPTED}, {PLANT_BLOCKED, MECH_BLOCKED},
                 {PLANT_WORK, MECH_WORK},           {PLANT_NETWORK, MECH_NETWORK}};
    static const uint32_t worlds[] = {1, 2, 3, 64};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t w = 0; w < 4; w++) {
            struct planted p = {STREAM_ALL, 100, 400, 20, cases[i].plant, 4000};
            struct run *r = the_run();
            struct stream s = quiet(worlds[w], &p, 1);
            open_run(r, &s, 5, NULL, NULL);
            stream_run(&r->stream, r->steps, 0, 400);
            end_run(r);
            double is = r->is.common_us[cases[i].what], all = sum_of(r->is.common_us);
            if (fabs(is - 15 * 4000) > 0.05 * 15 * 4000 || all - is > 0.02 * is ||
                (worlds[w] > 1 && r->heard.n_culprits > 0) || r->is.n_spells > 0)
                fail_msg("%u ranks, %s: %.0f us of %.0f, %zu culprits, %zu spells",
                         worlds[w], mech_name(cases[i].what), is, all,
                         r->heard.n_culprits, r->is.n_spells);
            close_run(r);
        }
}

static void test_common_and_culprit_at_once(void **state)
{
    (void)state;
    static const struct planted p[] = {{STREAM_ALL, 100, 400, 20, PLANT_STOLEN, 3000},
                                       {1, 100, 400, 20, PLANT_WORK, 5000}};
    struct run *r = the_run();
    struct stream s = quiet(4, p, 2);
    open_run(r, &s, 5, NULL, NULL);
    stream_run(&r->stream, r->steps, 0, 400);
    end_run(r);
    assert_true(fabs(r->is.common_us[MECH_STOLEN] - 15 * 3000) < 0.05 * 15 * 3000);
    assert_true(r->is.common_us[MECH_WORK] < 0.02 * 15 * 3000);
    assert_int_equal(r->heard.n_culprits, 15);
    /* Of the culprit's 8 ms above its usual the stolen 3 are no news to the others; E of
     * 5 ms is divided as its excess is. */
    assert_true(fabs(r->is.loss_us[MECH_WORK] + r->is.loss_us[MECH_STOLEN] -
                     15 * 5000) < 0.05 * 15 * 5000);
    close_run(r);
}

/* ---- what runs go through */

static void test_checkpoints_and_a_restart(void **state)
{
    (void)state;
    static const struct planted p[] = {
        {3, 300, 400, 1, PLANT_PREEMPTED, 3000},
        {STREAM_ALL, 50, 1000, 50, PLANT_SPECIAL, 90000}};
    struct run *r = the_run();
    struct stream s = quiet(4, p, 2);
    open_run(r, &s, 5, NULL, NULL);
    stream_run(&r->stream, r->steps, 0, 380);
    stream_run(&r->stream, r->steps, 351, 600); /* back to the checkpoint, still slow */
    end_run(r);
    assert_int_equal(r->is.n_spells, 2);
    const struct spell *a = &r->is.spells[0], *b = &r->is.spells[1];
    assert_true(a->rank == 3 && a->attempt == 0 && a->first_step >= 299 &&
                a->first_step <= 303 && a->over && a->last_step == 379);
    assert_true(b->rank == 3 && b->attempt == 1 && b->first_step == 356 && b->over &&
                b->last_step >= 400 && b->last_step <= 402);
    assert_true(a->what == MECH_PREEMPTED && b->what == MECH_PREEMPTED);
    assert_int_equal(r->heard.n_spells, 4);
    for (size_t i = 0; i < r->heard.n_culprits; i++) {
        assert_int_equal(r->heard.culprits[i].rank, 3);
        assert_true(r->heard.culprits[i].step % 50 != 0);
    }
    assert_true(sum_of(r->is.common_us) < 1); /* checkpoints are no variance */
    close_run(r);
}

static void test_a_rank_that_never_reports(void **state)
{
    (void)state;
    struct planted p = {1, 300, 5000, 1, PLANT_STOLEN, 2000};
    struct run *r = the_run();
    struct stream s = quiet(8, &p, 1);
    open_run(r, &s, 5, NULL, NULL);
    stream_run_without(&r->stream, r->steps, 0, 1000, 6);
    end_run(r);
    assert_int_equal(r->is.steps, 995);
    assert_int_equal(r->is.n_spells, 1);
    assert_true(r->is.spells[0].rank == 1 && r->is.spells[0].what == MECH_STOLEN);
    close_run(r);
}

static void test_many_ranks(void **state)
{
    (void)state;
    static const struct planted p[] = {{4095, 60, 5000, 1, PLANT_PREEMPTED, 3000},
                                       {17, 40, 150, 30, PLANT_BLOCKED, 6000}};
    struct run *r = the_run();
    struct stream s = quiet(4096, p, 2);
    open_run(r, &s, 2, NULL, NULL);
    stream_run(&r->stream, r->steps, 0, 150);
    end_run(r);
    assert_int_equal(r->is.n_spells, 1);
    assert_true(r->is.spells[0].rank == 4095 && r->is.spells[0].first_step >= 58);
    assert_true(r->is.blames[0].rank == 4095 && r->is.blames[0].what == MECH_PREEMPTED);
    assert_true(r->is.blames[1].rank == 17 && r->is.blames[1].what == MECH_BLOCKED);
    close_run(r);
}

static void test_very_short_steps(void **state)
{
    (void)state;
    struct planted p = {1, 100, 400, 10, PLANT_STOLEN, 40};
    struct run *r = the_run();
    struct stream s = {.world = 4,
                       .busy_us = 60,
                       .coll_us = 5,
                       .sigma = 0.02,
                       .seed = 3,
                       .planted = &p,
                       .n_planted = 1};
    open_run(r, &s, 5, NULL, NULL);
    stream_run(&r->stream, r->steps, 0, 400);
    end_run(r);
    assert_int_equal(r->heard.n_culprits, 30);
    assert_true(r->is.loss_us[MECH_STOLEN] > 0.9 * 30 * 40);
    close_run(r);
}

static void test_a_noisier_rank_is_not_excused(void **state)
{
    (void)state;
    /* Half of its steps are late, by anything up to 60 %: its own spread is a quarter. */
    struct planted p[12];
    for (uint32_t i = 0; i < 12; i++)
        p[i] =
            (struct planted){2, 20 + i * 2, 2000, 24, PLANT_PREEMPTED, 500 * (i + 1)};
    struct run *r = the_run();
    struct stream s = quiet(8, p, 12);
    open_run(r, &s, 5, NULL, NULL);
    stream_run(&r->stream, r->steps, 0, 2000);
    end_run(r);
    double planted = 0;
    for (uint32_t i = 0; i < 12; i++)
        planted += (2000 - 20 - i * 2 + 23) / 24 * (double)p[i].us;
    assert_true(r->is.loss_us[MECH_PREEMPTED] > 0.9 * planted);
    close_run(r);
}

static void test_wild_records(void **state)
{
    (void)state;
    struct run *r = the_run();
    struct stream s = quiet(5, NULL, 0);
    open_run(r, &s, 1, NULL, NULL);
    for (uint32_t i = 0; i < 60000; i++) {
        uint64_t a = stream_random(&r->stream), b = stream_random(&r->stream),
                 c = stream_random(&r->stream);
        unsigned few = (unsigned)(c >> 60);
        struct steprec rec = {.rank = i % 5,
                              .step = i / 5 -
                                      ((c >> 48) % 1024 == 1 ? (uint32_t)(a % 30) : 0),
                              .t_end_ns = a ^ b,
                              .wall_us = few < 3 ? UINT32_MAX : (uint32_t)a >> (b % 32),
                              .wait_us = (uint32_t)b >> (a % 32),
                              .cpu_us = (uint32_t)c,
                              .rundelay_us = (uint32_t)(a >> 32) >> few,
                              .throttled_us = (uint32_t)(b >> 32),
                              .blocked_us = (uint32_t)(c >> 32) >> few,
                              .stolen_us = (uint32_t)(a + b) >> few,
                              .gpu_throttle_us = (uint32_t)(b + c) >> few,
                              .nvcsw = (uint16_t)a,
                              .majflt = (uint16_t)b,
                              .minflt16 = (uint16_t)c,
                              .flags = (uint16_t)(a >> 16 & 0xfe),
                              .source = (uint8_t)(b & 7)};
        steps_add(r->steps, &rec, i / 5);
        if (i % 500 == 0)
            steps_tick(r->steps, i / 5);
    }
    end_run(r);
    assert_true(r->is.steps > 100);
    close_run(r);
}

static void test_nothing_at_all(void **state)
{
    (void)state;
    struct attribute *a;
    struct attribution is;
    assert_int_equal(attribute_create(3, NULL, NULL, &a), 0);
    attribute_tick(a, 5);
    attribute_finish(a, 6);
    attribute_result(a, &is);
    assert_true(is.steps == 0 && is.n_blames == 0 && is.n_spells == 0 &&
                is.excess->count == 0);
    attribute_destroy(a);
    attribute_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_single_late_steps),
        cmocka_unit_test(test_a_burst),
        cmocka_unit_test(test_slow_from_some_step_on),
        cmocka_unit_test(test_a_hog_from_early_on),
        cmocka_unit_test(test_a_hog_for_a_while),
        cmocka_unit_test(test_a_spell_that_changes),
        cmocka_unit_test(test_a_spell_is_no_noise),
        cmocka_unit_test(test_a_rank_alone_is_its_own_measure),
        cmocka_unit_test(test_two_causes_in_one_step),
        cmocka_unit_test(test_what_others_took),
        cmocka_unit_test(test_two_culprits_in_one_step),
        cmocka_unit_test(test_common_mode),
        cmocka_unit_test(test_common_and_culprit_at_once),
        cmocka_unit_test(test_checkpoints_and_a_restart),
        cmocka_unit_test(test_a_rank_that_never_reports),
        cmocka_unit_test(test_many_ranks),
        cmocka_unit_test(test_very_short_steps),
        cmocka_unit_test(test_a_noisier_rank_is_not_excused),
        cmocka_unit_test(test_wild_records),
        cmocka_unit_test(test_nothing_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
