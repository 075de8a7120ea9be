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
    const struct runstatus *list[] = {&s};
    struct buf out;
    buf_init(&out, 1 << 16);
    assert_int_equal(runstatus_text(&s, NOW, &out), 0);
    assert_null(strchr((const char *)out.data, '\x1b'));
    assert_null(strchr((const char *)out.data, '\a'));
    out.len = 0;
    assert_int_equal(runstatus_json(list, 1, &out), 0);
    assert_null(strchr((const char *)out.data, '\x1b'));
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
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_hostile),
    };
    return cmocka_run_group_tests(tests, utc, NULL);
}
