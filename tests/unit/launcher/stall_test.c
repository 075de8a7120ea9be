/* SPDX-License-Identifier: MIT */
/* Stalls on a virtual clock: what happens to a job, second by second, and when somebody
 * would look at it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/variance/stall.h"

#define TICK 250u

struct world {
    struct stall s;
    uint64_t now;
    uint32_t step;
    unsigned ranks; /* that bring news of each step, TICK apart */
    char log[400];  /* "begins 40.0 lasts 50.0 over 52.0/42.0" */
};

static void say(struct world *w, const char *what, uint64_t ms)
{
    size_t at = strlen(w->log);
    (void)snprintf(w->log + at, sizeof w->log - at, "%s%s %.1f", at ? " " : "", what,
                   (double)ms / 1e3);
}

static void tick(struct world *w, bool known)
{
    enum stall_turn t = stall_tick(&w->s, w->now, known);
    if (t == STALL_BEGINS)
        say(w, "begins", w->now);
    else if (t == STALL_LASTS)
        say(w, "lasts", w->now);
}

static void silence(struct world *w, uint64_t ms, bool known)
{
    for (uint64_t end = w->now + ms; w->now < end;) {
        w->now += end - w->now < TICK ? end - w->now : TICK;
        tick(w, known);
    }
}

static void news(struct world *w, uint32_t by)
{
    uint64_t ms;
    w->step += by;
    for (unsigned i = 0; i < (w->ranks ? w->ranks : 1); i++) {
        if (i > 0)
            silence(w, TICK, true);
        if (stall_news(&w->s, w->now, w->step, &ms) == STALL_OVER)
            say(w, "over after", ms);
    }
}

/* A script: words of a letter and a number.
 *   n N: news of the next step, N of them;  p N: after each, N ms (1000 to begin with)
 *   j N: news of N steps at once;           r N: so many ranks bring it
 *   s N: N seconds of silence;              d N: the same, a node's link is down
 *   z N: N seconds in which nobody ticks;   f N: the numbers fall to N */
static void play(struct world *w, const char *script)
{
    uint64_t pause = 1000;
    char word;
    unsigned n;
    int used;
    for (; sscanf(script, " %c%u%n", &word, &n, &used) == 2; script += used) {
        for (unsigned i = 0; word == 'n' && i < n; i++) {
            news(w, 1);
            silence(w, pause, true);
        }
        if (word == 'p')
            pause = n;
        else if (word == 'j')
            news(w, n);
        else if (word == 'r')
            w->ranks = n;
        else if (word == 's' || word == 'd')
            silence(w, 1000ull * n, word == 's');
        else if (word == 'z')
            w->now += 1000ull * n;
        else if (word == 'f')
            stall_fall(&w->s, w->step = n);
    }
    assert_string_equal(script + strspn(script, " "), "");
}

static const struct {
    const char *script, *want;
} cases[] = {
    /* start-up is no stall, however long; nor is one step alone */
    {"s3600", ""},
    {"s600 n1 s3600", ""},
    /* the last news is a pause old when silence begins */
    {"n10 s28", ""},
    {"n10 s30", "begins 39.0"},
    {"n10 s45 n1", "begins 39.0 lasts 49.0 over after 46.0"},
    /* the second look, then every ten minutes */
    {"n10 s1300", "begins 39.0 lasts 49.0 lasts 649.0 lasts 1249.0"},
    /* it resolves between, and comes again: then twice the longest */
    {"n10 s34 n10 s60", "begins 39.0 over after 35.0"},
    {"n10 s34 n10 s80", "begins 39.0 over after 35.0 begins 123.0 lasts 133.0"},
    /* steps of a millisecond, whose news comes at the agents' pace */
    {"p100 n200 s29", ""},
    {"p100 n200 s31", "begins 50.0"},
    /* steps of ten minutes: news of each comes from all ranks at once */
    {"r8 p600000 n3 s4000", ""},
    {"r8 p600000 n3 s6000", "begins 7222.8 lasts 7232.8"},
    /* a line every hundred steps */
    {"p20000 j100 s20 j100 s20 j100 s20 j100 s180", ""},
    {"p20000 j100 s20 j100 s20 j100 s20 j100 s201", "begins 260.0"},
    /* an evaluation of two minutes now and then: the first is told of */
    {"n50 s119 n50 s119 n50 s119 n50", "begins 79.0 lasts 89.0 over after 120.0"},
    /* the first step takes half an hour to compile: 30 s count all the same after it */
    {"p1000 n1 s1800 n20 s31", "begins 1850.0"},
    /* the launcher was suspended (SIGSTOP, a laptop's lid) */
    {"n10 z7200 s5 n5", ""},
    {"n10 z7200 n5 s28", ""},
    {"n10 s20 z7200 s8", ""},
    {"n10 s20 z7200 s10", "begins 7239.2"},
    {"n10 z7200 s45", "begins 7239.2 lasts 7249.2"},
    /* a link is down: what comes over it is not known, and comes late */
    {"n10 d3600 n5", ""},
    {"n10 s20 d3600 s8 n5 s28", ""},
    {"n10 s29 d5 s12", "begins 39.0 lasts 54.0"},
    /* ranks that repeat steps after a restart within, or count anew */
    {"n10 j0 s29 j0 s29 j0 s29", ""},
    /* what was seen to take long is known still once the numbers have fallen */
    {"n50 f0 n9 s119 n9 s119", "begins 88.0 lasts 98.0 over after 120.0"},
    {"j5000 f0 n9 s28", ""},
    {"j5000 f0 n9 s30", "begins 38.0"},
};

static void begins_and_ends(void **state)
{
    unsigned wrong = 0;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world w = {0};
        stall_init(&w.s, 0);
        play(&w, cases[i].script);
        if (strcmp(w.log, cases[i].want) == 0)
            continue;
        print_error("%s:\n  have \"%s\"\n  want \"%s\"\n", cases[i].script, w.log,
                    cases[i].want);
        wrong++;
    }
    assert_int_equal(wrong, 0);
}

static void a_long_one_does_not_make_it_deaf(void **state)
{
    struct world w = {0};
    (void)state;
    stall_init(&w.s, 0);
    play(&w, "n9 s86400 n9");
    w.log[0] = '\0';
    play(&w, "s3590");
    assert_string_equal(w.log, "");
    play(&w, "s20");
    assert_true(strncmp(w.log, "begins", 6) == 0);
}

static void what_is_usual(void **state)
{
    struct world w = {0};
    (void)state;
    stall_init(&w.s, 0);
    assert_int_equal(stall_usual_ms(&w.s), 0);
    play(&w, "p400 n50 s5");
    assert_in_range(stall_usual_ms(&w.s), 380, 420);
    assert_int_equal(stall_silent_ms(&w.s), 5400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(begins_and_ends),
        cmocka_unit_test(a_long_one_does_not_make_it_deaf),
        cmocka_unit_test(what_is_usual),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
