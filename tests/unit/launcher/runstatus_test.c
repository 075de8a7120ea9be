/* SPDX-License-Identifier: MIT */
/* How runs stand, for each way they can: the word, the exit status, the page, the JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "launcher/runstatus.h"
#include "tests/lib/golden.h"

#define S   1000000000ull
#define NOW (1767225600ull * S) /* 2026-01-01 */

static char *nodes[] = {(char[]){"n1"}, (char[]){"n2"}, (char[]){"n3"}};

static struct runstate_attempt attempts[] = {
    {.attempt = 1,
     .ended = true,
     .again = true,
     .exit_status = 124,
     .sentence = (char[]){"saved before the time limit"},
     .phase = "end",
     .start_real_ns = NOW - 7200 * S,
     .end_real_ns = NOW - 3700 * S,
     .has_step = true,
     .first_step = 1,
     .last_step = 900,
     .world_size = 24},
    {.attempt = 2,
     .phase = "start",
     .start_real_ns = NOW - 3600 * S,
     .has_step = true,
     .first_step = 901,
     .last_step = 1500,
     .world_size = 24},
};

static struct chain_link links[] = {
    {.id = 81, .state = "", .left_s = CHAIN_NO_LIMIT},
    {.id = 82, .state = "RUNNING", .reason = "None", .nodes = "n[1-3]", .left_s = 3240},
    {.id = 83, .state = "PENDING", .reason = "Dependency", .left_s = 7200},
    {.id = 84, .state = "PENDING", .reason = "Dependency", .left_s = 7200},
    {.id = 85, .state = "PENDING", .reason = "Dependency", .left_s = 7200},
    {.id = 86, .state = "PENDING", .reason = "Dependency", .left_s = 7200},
    {.id = 87, .state = "PENDING", .reason = "Dependency", .left_s = 7200},
};

static struct chain_link first[] = {
    {.id = 83, .state = "PENDING", .reason = "Priority", .left_s = 7200},
};

#define RUN                                         \
    .run = {.run_id = (char[]){"00112233445566aa"}, \
            .name = (char[]){"llama"},              \
            .version = (char[]){"0.1.0"},           \
            .made_real_ns = NOW - 8000 * S,         \
            .nodes = nodes,                         \
            .n_nodes = 3,                           \
            .attempts = attempts,                   \
            .wall_ns = 7100 * S,
#define DIR  .dir = "/work/runs/llama-20251231T214640Z-0011",
#define HEAD .head = {.host = "n1", .pid = 4711, .slurm_job = 82, .epoch = 2},

static const struct {
    const char *name; /* of the golden file; NULL: none */
    struct runstatus s;
    enum runstatus_word word;
    int exit;
} cases[] = {{"running",
              {DIR RUN.begun_real_ns = NOW - 7200 * S, .n_attempts = 2, .heads = 2,
               .slurm_job = 82, .sentence = (char[]){"saved before the time limit"},
               .exit_status = 124},
              HEAD.life = RUNHEAD_UNKNOWN,
              .chain = {links, 7, true}},
             RUNSTATUS_RUNNING,
             0},
  {"queued",
   {DIR RUN},
   .chain = {first, 1, true},
   .has_queue = true,
   .queue = {.id = 83,
             .state = "PENDING",
             .partition = "gpu",
             .reason = "Priority",
             .position = 3,
             .n_pending = 17,
             .start_real_ns = NOW + 7800 * S}},
  RUNSTATUS_QUEUED, 0
}
,
    {"ended",
     {DIR RUN.begun_real_ns = NOW - 7200 * S, .n_attempts = 1, .over = true,
      .sentence = (char[]){"all 24 ranks ended with exit status 0"}},
     .chain = {links, 1, false}},
    RUNSTATUS_ENDED, 0
}
,
    {"cut-off",
     {DIR RUN.begun_real_ns = NOW - 7200 * S, .n_attempts = 2},
     HEAD.life = RUNHEAD_NONE,
     .chain = {links, 1, true}},
    RUNSTATUS_CUT_OFF, 3
}
,
    {"unknown",
     {DIR RUN.begun_real_ns = NOW - 7200 * S, .n_attempts = 2},
     .head = {.host = "login1", .pid = 12},
     .life = RUNHEAD_UNKNOWN},
    RUNSTATUS_UNKNOWN, 4
}
,
    {"unasked",
     {DIR RUN},
     .chain = {&links[2], 1, false},
     .unasked = {-62, "run \"squeue\": it did not end in 20 s", ""}},
    RUNSTATUS_UNKNOWN, 4
}
, {NULL, {DIR RUN}}, RUNSTATUS_PREPARED, 0
}
, {NULL, {DIR RUN}, .chain = {&links[1], 1, true}}, RUNSTATUS_STARTING, 0
}
, {NULL, {DIR RUN}, .chain = {links, 1, true}}, RUNSTATUS_CUT_OFF, 3
}
, {NULL, {DIR RUN.begun_real_ns = 1}, .chain = {&links[2], 1, true}}, RUNSTATUS_BETWEEN,
    0
}
, {NULL, {DIR RUN.begun_real_ns = 1}, .life = RUNHEAD_ALIVE}, RUNSTATUS_RUNNING, 0
}
, {NULL, {DIR RUN.over = true, .exit_status = 93}}, RUNSTATUS_ENDED, 1
}
,
}
;
#define N_CASES (sizeof cases / sizeof cases[0])

static void test_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_CASES; i++) {
        enum runstatus_word w = runstatus_word(&cases[i].s);
        if (w != cases[i].word)
            fail_msg("case %zu: \"%s\"", i, runstatus_word_text(w));
        assert_int_equal(runstatus_exit(&cases[i].s), cases[i].exit);
    }
}

static void test_pages(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_CASES; i++) {
        struct buf out;
        buf_init(&out, 1 << 16);
        assert_int_equal(runstatus_text(&cases[i].s, NOW, &out), 0);
        golden_check_width((const char *)out.data);
        if (cases[i].name)
            golden_check("status", cases[i].name, "txt", &out);
        buf_fini(&out);
    }
}

static void test_json(void **state)
{
    (void)state;
    const struct runstatus *list[] = {&cases[0].s, &cases[1].s, &cases[2].s};
    struct buf out;
    buf_init(&out, 1 << 16);
    assert_int_equal(runstatus_json(list, 3, &out), 0);
    golden_check("status", "three", "json", &out);
    buf_fini(&out);
}

/* ---- a run that stands still ---- */

static char five[] = "5";
static char stopped[] = "rank 5 on n2 is stopped by a signal (state T) and is 3 steps "
                        "behind; the other 23 sleep";
#define STALL .attempt = 2, .heads = 2, .step = 1502, .since_real_ns = NOW - 2050 * S
#define FIVE  .number = 1, .ranks = five, .text = stopped

static const struct {
    const char *name; /* of the golden file; NULL: nothing of it is said */
    struct runstate_stall stall;
    enum runhead_life life;
    uint64_t epoch; /* that the head says */
} stalls[] = {
    {"stalled", {STALL, FIVE}, RUNHEAD_ALIVE, 2},
    {"stalled-unknown", {STALL, FIVE}, RUNHEAD_UNKNOWN, 2},
    {"stalled-many",
     {STALL, .number = 21,
      .ranks =
          (char[]){"1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31,33,35,37,39,41,43,45"},
      .text = (char[]){"ranks 1,3,5,7 (4) are behind, rank 7 by 3 steps"}},
     RUNHEAD_ALIVE,
     2},
    {"stalled-news",
     {STALL, .number = 1, .ranks = five, .text = (char[]){"rank 1 on n1 now sleeps"}},
     RUNHEAD_ALIVE,
     2},
    {"stalled-cut",
     {STALL, .number = 21,
      .ranks =
          (char[]){
              "100,102,104,106,108,110,112,114,116,118,120,122,124,126,10240,10242"},
      .text = (char[]){"rank 100 on n1 is stopped by a signal (state T)"}},
     RUNHEAD_ALIVE,
     2},
    {"stalled-alike",
     {STALL, .number = 21, .ranks = (char[]){"1-4"},
      .text = (char[]){"ranks 1-4 (4) are behind, rank 3 by 2 steps"}},
     RUNHEAD_ALIVE,
     2},
    {"stalled-silent",
     {.attempt = 2, .heads = 2, .number = 1, .step = 1502},
     RUNHEAD_ALIVE,
     2},
    {NULL, {STALL, FIVE, .over = true}, RUNHEAD_ALIVE, 2},
    {NULL, {STALL, FIVE}, RUNHEAD_NONE, 2},  /* cut off */
    {NULL, {STALL, FIVE}, RUNHEAD_ALIVE, 0}, /* it takes over */
    {NULL, {STALL, FIVE}, RUNHEAD_ALIVE, 3},
    {NULL, {.attempt = 1, .heads = 2, FIVE}, RUNHEAD_ALIVE, 2},
    {NULL, {.attempt = 2, .heads = 1, FIVE}, RUNHEAD_ALIVE, 2},
};

static struct runstatus stalled(size_t i)
{
    return (struct runstatus){
        .dir = "/work/runs/llama-20251231T214640Z-0011",
        .run = {.begun_real_ns = NOW - 7200 * S,
                .seen_real_ns = NOW - 40 * S,
                .nodes = nodes,
                .n_nodes = 3,
                .attempts = attempts,
                .n_attempts = 2,
                .heads = 2,
                .epoch = 2,
                .stall = stalls[i].stall},
        .head = {.host = "login1", .pid = 12, .epoch = stalls[i].epoch},
        .life = stalls[i].life};
}

static void test_stalls(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof stalls / sizeof *stalls; i++) {
        const struct runstatus s = stalled(i), *list[] = {&s};
        struct buf out;
        buf_init(&out, 1 << 16);
        assert_int_equal(runstatus_text(&s, NOW, &out), 0);
        golden_check_width((const char *)out.data);
        if (stalls[i].name)
            golden_check("status", stalls[i].name, "txt", &out);
        else if (strstr((const char *)out.data, "step for") ||
                 strstr((const char *)out.data, "stall"))
            fail_msg("row %zu: %s", i, (const char *)out.data);
        out.len = 0;
        assert_int_equal(runstatus_json(list, 1, &out), 0);
        if (i == 0)
            golden_check("status", stalls[i].name, "json", &out);
        bool none = strstr((const char *)out.data, "\"stall\": null");
        assert_true(none == !stalls[i].name);
        buf_fini(&out);
    }
}

/* A journal may be anybody's. */
static void test_hostile(void **state)
{
    (void)state;
    char *names[] = {(char[]){"n\x1b[2J1"}};
    struct runstate_attempt a = {.attempt = 1, .phase = "\x1b[2J", .world_size = 1};
    struct runstatus s = {.dir = "/r/\x1b[2J",
                          .run = {.over = true,
                                  .sentence = (char[]){"a\x1b]0;b\a\n\xff"},
                                  .nodes = names,
                                  .n_nodes = 1,
                                  .attempts = &a,
                                  .n_attempts = 1}};
    char text[2000];
    memset(text, '\x1b', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct runstate_attempt b = {.attempt = 1, .phase = "start"};
    struct runstatus still = {
        .dir = "/r",
        .run = {.attempts = &b,
                .n_attempts = 1,
                .stall = {.attempt = 1, .number = 1, .ranks = text, .text = text}},
        .life = RUNHEAD_ALIVE};
    const struct runstatus *list[] = {&s, &still};
    struct buf out;
    buf_init(&out, 1 << 16);
    assert_int_equal(runstatus_text(&s, NOW, &out), 0);
    assert_int_equal(runstatus_text(&still, NOW, &out), 0);
    assert_non_null(strstr((const char *)out.data, "  stall      after step 0"));
    assert_null(strchr((const char *)out.data, '\x1b'));
    assert_null(strchr((const char *)out.data, '\a'));
    out.len = 0;
    assert_int_equal(runstatus_json(list, 2, &out), 0);
    assert_null(strstr((const char *)out.data, "u001b"));
    buf_fini(&out);
}

static int utc(void **state)
{
    (void)state;
    setenv("TZ", "UTC", 1);
    tzset();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),   cmocka_unit_test(test_pages),
        cmocka_unit_test(test_json),    cmocka_unit_test(test_stalls),
        cmocka_unit_test(test_hostile),
    };
    return cmocka_run_group_tests(tests, utc, NULL);
}
