/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/limit.h"

#define S     1000u /* of a second */
#define M     (60u * S)
#define H     (60u * M)
#define NEVER LIMIT_NEVER
#define AUTO              \
    {                     \
        .automatic = true \
    }
#define NONE           \
    {                  \
        .before_ms = 0 \
    }
#define AT(ms)            \
    {                     \
        .before_ms = (ms) \
    }

static void test_words(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool bad, automatic;
        uint64_t before_ms;
        int signum;
    } rows[] = {
        {"auto", false, true, 0, 0},
        {"none", false, false, 0, 0},
        {"5m", false, false, 5 * M, 0},
        {"90", false, false, 90 * S, 0},
        {"USR1@5m", false, false, 5 * M, SIGUSR1},
        {"SIGUSR2@300", false, false, 300 * S, SIGUSR2},
        {"TERM@1h30m", false, false, 90 * M, SIGTERM},
        {"", true, false, 0, 0},
        {"0", true, false, 0, 0},
        {"soon", true, false, 0, 0},
        {"USR1", true, false, 0, 0},
        {"USR1@", true, false, 0, 0},
        {"USR1@soon", true, false, 0, 0},
        {"KILL@5m", true, false, 0, 0},
        {"@5m", true, false, 0, 0},
        {"usr1@5m", true, false, 0, 0},
        {"B:USR1@5m", true, false, 0, 0},
        {"SIGSIGNALSIGNAL@5m", true, false, 0, 0},
        {"-5m", true, false, 0, 0},
        {"5m@5m", true, false, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct limit_signal s = {0};
        struct err e;
        int rc = limit_parse_signal(rows[i].text, &s, &e);
        if ((rc < 0) != rows[i].bad || s.automatic != rows[i].automatic ||
            s.before_ms != rows[i].before_ms || s.signum != rows[i].signum)
            fail_msg("\"%s\": %d, %llu ms, signal %d", rows[i].text, rc,
                     (unsigned long long)s.before_ms, s.signum);
        if (rc < 0)
            assert_true(e.text[0] && e.hint[0]);
    }
    assert_int_equal(limit_signum("none"), 0);
    assert_int_equal(limit_signum(NULL), 0);
    assert_int_equal(limit_signum("HUP"), SIGHUP);
}

struct row {
    const char *what;
    struct limit l;
    uint64_t save_ms; /* NEVER: they are not asked */
    uint64_t stop_ms; /* NEVER */
    enum limit_which which;
    uint64_t grace_ms;
};

/* Walk through the time as a timer would; what is done, and when. */
static void walk(const struct row *r)
{
    uint64_t now = 0, save = NEVER, stop = NEVER, grace = 0;
    enum limit_which which = LIMIT_JOB;
    bool saving = false;
    for (int i = 0; i < 10 && stop == NEVER; i++) {
        struct limit_step s;
        limit_step(&r->l, now, saving, &s);
        if (s.act == LIMIT_SAVE) {
            save = now;
            saving = true;
        } else if (s.act == LIMIT_STOP) {
            stop = now;
            grace = s.grace_ms;
            which = s.which;
        } else if (s.again_ms == NEVER) {
            break;
        } else if (s.again_ms <= now) {
            fail_msg("%s: it waits for what is over", r->what);
        }
        if (s.again_ms != NEVER && s.again_ms > now)
            now = s.again_ms;
    }
    if (save != r->save_ms || stop != r->stop_ms ||
        (stop != NEVER && (which != r->which || grace != r->grace_ms)))
        fail_msg("%s: saves at %lld, stops at %lld for %d with a grace of %lld",
                 r->what, (long long)save, (long long)stop, which, (long long)grace);
}

static void test_walks(void **state)
{
    (void)state;
#define L(job, slurm, all, ...)                                              \
    {                                                                        \
        .job_end_ms = (job), .slurm_end_ms = (slurm), .slurm_all_ms = (all), \
        .kill_wait_ms = 30 * S, __VA_ARGS__                                  \
    }
    static const struct row rows[] = {
        {"no limit", L(NEVER, NEVER, 0, .signal = AT(M)), NEVER, NEVER, 0, 0},
        {"a job's", L(H, NEVER, 0, .grace_ms = 30 * S, .signal = AUTO), NEVER, H,
         LIMIT_JOB, 30 * S},
        {"a job's, continued", L(H, NEVER, 0, .signal = AUTO, .continued = true), NEVER,
         H, LIMIT_JOB, 0},
        {"a job's, with a signal", L(H, NEVER, 0, .signal = AT(5 * M)), 55 * M, H,
         LIMIT_JOB, 0},
        {"a job's, shorter than its signal", L(M, NEVER, 0, .signal = AT(5 * M)), 0, M,
         LIMIT_JOB, 0},
        {"Slurm's, not continued", L(NEVER, H, H, .grace_ms = 30 * S, .signal = AUTO),
         NEVER, H - 10 * S, LIMIT_SLURM, 30 * S},
        {"Slurm's, a long grace", L(NEVER, H, H, .grace_ms = 5 * M, .signal = NONE),
         NEVER, H - 280 * S, LIMIT_SLURM, 5 * M},
        {"Slurm's, continued",
         L(NEVER, H, H, .grace_ms = 30 * S, .signal = AUTO, .continued = true),
         H - 2 * M, H - 10 * S, LIMIT_SLURM, 30 * S},
        {"Slurm's, short, continued",
         L(NEVER, 3 * M, 3 * M, .grace_ms = 5 * S, .signal = AUTO, .continued = true),
         144 * S, 170 * S, LIMIT_SLURM, 5 * S},
        {"Slurm's, short, late: they need a chance",
         L(NEVER, M, M, .grace_ms = 30 * S, .signal = AUTO, .continued = true), 48 * S,
         54 * S, LIMIT_SLURM, 26 * S},
        {"Slurm's, with a signal", L(NEVER, H, H, .signal = AT(10 * M)), 50 * M,
         H - 10 * S, LIMIT_SLURM, 0},
        {"the job's is first", L(H, 2 * H, 2 * H, .signal = AT(M)), 59 * M, H,
         LIMIT_JOB, 0},
        {"Slurm's is first", L(2 * H, H, H, .signal = AT(M)), 59 * M, H - 10 * S,
         LIMIT_SLURM, 0},
        {"it is over already", L(NEVER, 0, H, .grace_ms = 30 * S, .signal = NONE),
         NEVER, 0, LIMIT_SLURM, 20 * S},
    };
#undef L
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        walk(&rows[i]);
}

/* Whatever the times: never a stop before the save, always a grace, no endless loop. */
static void test_any(void **state)
{
    (void)state;
    srand(7);
    for (int i = 0; i < 20000; i++) {
        struct limit l = {.job_end_ms = rand() % 2 ? NEVER : (uint64_t)rand() % (2 * H),
                          .slurm_end_ms =
                              rand() % 2 ? NEVER : (uint64_t)rand() % (2 * H),
                          .slurm_all_ms = (uint64_t)rand() % (2 * H),
                          .kill_wait_ms = (uint64_t)rand() % M,
                          .grace_ms = (uint64_t)rand() % (10 * M),
                          .signal = {.automatic = rand() % 2,
                                     .before_ms = (uint64_t)rand() % (20 * M)},
                          .continued = rand() % 2};
        uint64_t now = 0;
        bool saving = false;
        struct limit_step s = {0};
        int k = 0;
        for (; k < 5 && s.act != LIMIT_STOP; k++) {
            limit_step(&l, now, saving, &s);
            assert_false(s.act == LIMIT_SAVE && saving);
            saving = saving || s.act == LIMIT_SAVE;
            if (s.again_ms == NEVER)
                break;
            now = s.again_ms > now ? s.again_ms : now;
        }
        assert_true(k < 5);
        if (l.job_end_ms != NEVER || l.slurm_end_ms != NEVER)
            assert_int_equal(s.act, LIMIT_STOP);
    }
}

/* What happens when the end is moved while it is waited for. */
static void test_moved(void **state)
{
    (void)state;
    struct limit l = {.job_end_ms = NEVER,
                      .slurm_end_ms = H,
                      .slurm_all_ms = H,
                      .kill_wait_ms = 30 * S,
                      .signal = AT(5 * M)};
    struct limit_step s;
    limit_step(&l, 54 * M, false, &s);
    assert_int_equal(s.act, LIMIT_WAIT);
    assert_int_equal(s.again_ms, 55 * M);
    l.slurm_end_ms = 2 * H;
    limit_step(&l, 55 * M, false, &s);
    assert_int_equal(s.act, LIMIT_WAIT);
    assert_int_equal(s.again_ms, 115 * M);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_walks),
        cmocka_unit_test(test_any),
        cmocka_unit_test(test_moved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
