/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launcher/journal.h"
#include "launcher/runhead.h"
#include "launcher/runstate.h"
#include "proto/wire/aolani.pb-c.h"
#include "proto/wire/steprec.h"
#include "tests/lib/skipped.h"

#define SEC 1000000000ull

struct fixture {
    struct loop *l;
    struct journal *j;
    char dir[48], path[64], head[64];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    if (!f || loop_create(&f->l, NULL) < 0)
        return -1;
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/runstate_test.XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    (void)snprintf(f->path, sizeof f->path, "%s/journal", f->dir);
    (void)snprintf(f->head, sizeof f->head, "%s/head", f->dir);
    struct err e;
    return journal_open(f->l, f->path, NULL, NULL, &f->j, &e);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->j)
        (void)journal_close(f->j, NULL);
    loop_destroy(f->l);
    (void)unlink(f->path);
    (void)unlink(f->head);
    (void)rmdir(f->dir);
    free(f);
    return 0;
}

/* ---- writing ---- */

static void put(struct fixture *f, enum journal_type type, const ProtobufCMessage *m)
{
    assert_true(journal_append(f->j, type, m) > 0);
}

static void put_start(struct fixture *f, uint64_t t, uint64_t epoch)
{
    char *nodes[] = {"n1", "n2"};
    Aolani__JRunStart m = AOLANI__JRUN_START__INIT;
    m.run_id = "00112233445566aa";
    m.name = "train";
    m.version = "1";
    m.t_real_ns = t * SEC;
    m.epoch = epoch;
    m.nodes = nodes;
    m.n_nodes = 2;
    put(f, JOURNAL_RUN_START, &m.base);
}

static void put_phase(struct fixture *f, uint64_t t, uint32_t attempt,
                      const char *phase)
{
    char *nodes[] = {"n1", "n3"};
    Aolani__JPhase m = AOLANI__JPHASE__INIT;
    m.phase = (char *)phase;
    m.attempt = attempt;
    m.t_real_ns = t * SEC;
    m.nodes = nodes;
    m.n_nodes = strcmp(phase, "connect") == 0 ? 2 : 0;
    put(f, JOURNAL_PHASE, &m.base);
}

static void put_rank(struct fixture *f, uint32_t attempt, uint32_t rank)
{
    Aolani__JRank m = AOLANI__JRANK__INIT;
    m.attempt = attempt;
    m.rank = rank;
    m.event = "started";
    put(f, JOURNAL_RANK, &m.base);
}

static void put_progress_of(struct fixture *f, uint64_t t, uint32_t attempt,
                            unsigned uncounted)
{
    Aolani__JProgress m = AOLANI__JPROGRESS__INIT;
    m.attempt = attempt;
    m.first_step = 1; /* no step */
    m.t_real_ns = t * SEC;
    m.uncounted = uncounted;
    put(f, JOURNAL_PROGRESS, &m.base);
}

static void put_progress(struct fixture *f, uint64_t t, uint32_t attempt,
                         uint64_t first, uint64_t last)
{
    Aolani__JProgress m = AOLANI__JPROGRESS__INIT;
    m.attempt = attempt;
    m.first_step = first;
    m.last_step = last;
    m.t_real_ns = t * SEC;
    put(f, JOURNAL_PROGRESS, &m.base);
}

static void put_attempt_of(struct fixture *f, uint64_t t, uint32_t attempt,
                           int64_t last, unsigned uncounted)
{
    Aolani__JAttempt m = AOLANI__JATTEMPT__INIT;
    m.attempt = attempt;
    m.sentence = "so it ended";
    m.cause = "rank failed";
    m.t_real_ns = t * SEC;
    m.again = true;
    m.has_step = last >= 0;
    m.last_step = last >= 0 ? (uint64_t)last : 0;
    m.uncounted = uncounted;
    put(f, JOURNAL_ATTEMPT, &m.base);
}

static void put_attempt(struct fixture *f, uint64_t t, uint32_t attempt, int status,
                        bool again, int64_t last)
{
    uint64_t rows[LEDGER_ROWS + 3] = {[LEDGER_PRODUCTIVE] = 5000000};
    Aolani__JAttempt m = AOLANI__JATTEMPT__INIT;
    m.attempt = attempt;
    m.exit_status = status;
    m.sentence = "so it ended";
    m.cause = status ? "rank failed" : "success";
    m.t_real_ns = t * SEC;
    m.again = again;
    m.spent = again;
    m.has_step = last >= 0;
    m.last_step = last >= 0 ? (uint64_t)last : 0;
    m.wall_ns = 10 * SEC;
    m.ledger_us = rows;
    m.n_ledger_us = LEDGER_ROWS + 3; /* of a later version */
    put(f, JOURNAL_ATTEMPT, &m.base);
}

static void put_stall(struct fixture *f, uint64_t t, uint32_t attempt, uint32_t number,
                      uint64_t lasted, bool over)
{
    Aolani__JStall m = AOLANI__JSTALL__INIT;
    m.attempt = attempt;
    m.number = number;
    m.step = 19 + number;
    m.ms = lasted * 1000;
    m.over = over;
    m.ranks = "3";
    m.text = "rank 3 on n3 is stopped by a signal (state T)";
    m.t_real_ns = t * SEC;
    put(f, JOURNAL_STALL, &m.base);
}

static void put_resume(struct fixture *f, uint64_t t, uint64_t epoch)
{
    Aolani__JResume m = AOLANI__JRESUME__INIT;
    m.t_real_ns = t * SEC;
    m.epoch = epoch;
    m.host = "head2";
    m.slurm_job = 7;
    put(f, JOURNAL_RESUME, &m.base);
}

static void put_end(struct fixture *f, uint64_t t, int status)
{
    Aolani__JEnd m = AOLANI__JEND__INIT;
    m.exit_status = status;
    m.sentence = "the end";
    m.t_real_ns = t * SEC;
    put(f, JOURNAL_END, &m.base);
}

static void close_journal(struct fixture *f)
{
    struct err e;
    struct journal *j = f->j;
    f->j = NULL;
    assert_int_equal(journal_close(j, &e), 0);
}

static void whole_attempt(struct fixture *f, uint64_t t, uint32_t attempt, int64_t last)
{
    put_phase(f, t, attempt, "connect");
    put_phase(f, t + 1, attempt, "start");
    put_rank(f, attempt, 0);
    put_rank(f, attempt, 3);
    if (last >= 0)
        put_progress(f, t + 2, attempt, 1, (uint64_t)last);
}

/* ---- what is read ---- */

static void test_several_heads(void **state)
{
    struct fixture *f = *state;
    struct runstate r;
    struct err e;
    uint64_t step = 0;
    put_start(f, 100, 1);
    whole_attempt(f, 101, 1, 20);
    put_attempt(f, 110, 1, 3, true, 25);
    whole_attempt(f, 111, 2, 40); /* cut off at 113 */
    put_resume(f, 500, 2);
    whole_attempt(f, 501, 3, 70);
    put_attempt(f, 510, 3, 0, false, 90);
    put_end(f, 511, 0);
    close_journal(f);
    assert_int_equal(runstate_read(f->dir, &r, &e), 0);
    assert_string_equal(r.run_id, "00112233445566aa");
    assert_string_equal(r.name, "train");
    assert_int_equal(r.heads, 2);
    assert_int_equal(r.epoch, 2);
    assert_int_equal(r.slurm_job, 7);
    assert_int_equal(r.begun_real_ns / SEC, 100);
    assert_int_equal(r.wall_ns / SEC, 13 + 11);
    assert_string_equal(r.nodes[1], "n3");
    assert_true(r.over);
    assert_int_equal(r.exit_status, 0);
    assert_string_equal(r.sentence, "the end");
    assert_int_equal(r.n_attempts, 3);
    assert_true(r.attempts[0].ended && r.attempts[0].again);
    assert_false(r.attempts[1].ended);
    assert_string_equal(r.attempts[1].phase, "start");
    assert_int_equal(r.attempts[1].last_step, 40);
    assert_int_equal(r.attempts[1].end_real_ns / SEC, 113);
    assert_int_equal(r.attempts[2].world_size, 4);
    assert_int_equal(r.attempts[2].last_step, 90);
    assert_true(runstate_best_step(&r, &step));
    assert_int_equal(step, 90);
    assert_int_equal(runstate_restarts(&r), 1);
    assert_int_equal(runstate_last(&r)->attempt, 3);
    struct ledger ledger;
    assert_int_equal(runstate_ledger(&r, r.wall_ns, &ledger) / SEC, 24);
    assert_int_equal(ledger.us[LEDGER_PRODUCTIVE], 10000000);
    assert_int_equal(ledger.us[LEDGER_RESTART], 4000000); /* of the one cut off */
    runstate_fini(&r);
}

/* A head that died while it wrote its report: what it had found is the end of the run. */
static void test_end_of_last_attempt(void **state)
{
    struct fixture *f = *state;
    struct runstate r;
    struct err e;
    put_start(f, 100, 1);
    whole_attempt(f, 101, 1, 20);
    put_attempt(f, 110, 1, 0, false, 25);
    close_journal(f);
    assert_int_equal(runstate_read(f->dir, &r, &e), 0);
    assert_true(r.over);
    assert_int_equal(r.exit_status, 0);
    assert_string_equal(r.sentence, "so it ended");
    runstate_fini(&r);
    assert_int_equal(journal_open(f->l, f->path, NULL, NULL, &f->j, &e), 0);
    put_resume(f, 500, 2); /* by force */
    close_journal(f);
    assert_int_equal(runstate_read(f->dir, &r, &e), 0);
    assert_false(r.over);
    runstate_fini(&r);
}

static void test_submitted(void **state)
{
    struct fixture *f = *state;
    struct runstate r;
    struct err e;
    uint64_t step;
    put_start(f, 100, 0);
    close_journal(f);
    assert_int_equal(runstate_read(f->dir, &r, &e), 0);
    assert_int_equal(r.heads, 0);
    assert_int_equal(r.epoch, 0);
    assert_int_equal(r.begun_real_ns, 0);
    assert_int_equal(r.made_real_ns / SEC, 100);
    assert_null(runstate_last(&r));
    assert_false(r.over);
    assert_int_equal(r.n_nodes, 2);
    assert_false(runstate_best_step(&r, &step));
    runstate_fini(&r);
}

static void test_fruitless(void **state)
{
    struct fixture *f = *state;
    static const struct {
        int64_t last[6]; /* -1: no step; -2: no attempt; -3: steps not counted */
        unsigned n;
    } rows[] = {
        {{-2}, 0},
        {{-1, -1, -1, -1, -2}, 0}, /* it marks no steps at all */
        {{10, -2}, 0},
        {{10, 10, -2}, 1},
        {{10, 5, 10, 10, -2}, 3},
        {{10, 5, 11, -1, -2}, 1},
        {{-1, -1, 4, -2}, 0},
        {{-3, -3, -3, -3, -2}, 0},     /* each may have brought it on */
        {{90, -3, -3, -3, -2}, 0},     /* the first did not come to its second epoch */
        {{90, -3, -1, -1, -1, -2}, 3}, /* and these came to no step */
        {{90, -3, 90, 90, -2}, 2},     /* another source: the numbers do say */
    };
    (void)f;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct runstate r = {0};
        for (uint32_t k = 0; rows[i].last[k] != -2; k++) {
            struct runstate_attempt a = {.attempt = k + 1,
                                         .ended = true,
                                         .world_size = 2,
                                         .uncounted = rows[i].last[k] == -3 ? 3 : 0,
                                         .has_step = rows[i].last[k] >= 0,
                                         .last_step = (uint64_t)rows[i].last[k]};
            assert_int_equal(runstate_add(&r, &a), 0);
        }
        if (runstate_fruitless(&r) != rows[i].n)
            fail_msg("row %zu: %u", i, runstate_fruitless(&r));
        struct runstate_attempt last = {.has_step = true, .last_step = 10};
        bool any = rows[i].last[0] != -2;
        assert_true(runstate_fruitless_with(&r, false, &last) == rows[i].n);
        last.uncounted = STEPREC_LOG;
        last.has_step = false;
        assert_int_equal(runstate_fruitless_with(&r, true, &last), 0);
        assert_true(any || !runstate_renumbered(&r));
        runstate_fini(&r);
    }
}

/* What is journaled of steps before their numbers fell says nothing of progress, whether
 * the attempt came to its end or not. */
static void test_steps_that_are_not_counted(void **state)
{
    static const struct {
        unsigned before, after; /* uncounted: of JProgress, then of JAttempt */
        bool ends, has_step, renumbered;
        unsigned fruitless; /* with three attempts more that come to step 50 */
    } rows[] = {
        {0, 0, true, true, false, 3},
        {STEPREC_LOG, 0, false, false, true, 2},
        {STEPREC_LOG, STEPREC_LOG, true, false, true, 2},
        {STEPREC_NCCL, STEPREC_NCCL, true, false, false, 2},
        {STEPREC_NCCL, 0, true, true, false, 3}, /* a better source came */
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct runstate r;
        struct err e;
        uint64_t best;
        put_start(f, 100, 1);
        whole_attempt(f, 101, 1, 90);
        put_progress_of(f, 102, 1, rows[i].before);
        if (rows[i].ends)
            put_attempt_of(f, 110, 1, rows[i].after ? -1 : 90, rows[i].after);
        for (uint32_t k = 2; k < 5; k++)
            whole_attempt(f, 101 + 20 * k, k, 50);
        close_journal(f);
        assert_int_equal(runstate_read(f->dir, &r, &e), 0);
        if (r.attempts[0].has_step != rows[i].has_step ||
            runstate_renumbered(&r) != rows[i].renumbered ||
            runstate_fruitless(&r) != rows[i].fruitless)
            fail_msg("row %zu: %d %d %u", i, r.attempts[0].has_step,
                     runstate_renumbered(&r), runstate_fruitless(&r));
        assert_true(runstate_best_step(&r, &best));
        assert_int_equal(best, rows[i].has_step ? 90 : 50);
        runstate_fini(&r);
        assert_int_equal(unlink(f->path), 0);
        assert_int_equal(journal_open(f->l, f->path, NULL, NULL, &f->j, &e), 0);
    }
}

enum written_kind { /* a, b, c */
                    NOTHING,
                    STALL, /* of attempt a, number b, for c s */
                    OVER,  /* likewise */
                    SAVE,  /* phases of attempt a */
                    STOP,
                    END,
                    ALIVE,  /* attempt a, with no new step */
                    ENDED,  /* attempt a */
                    RESUME, /* another head */
                    BEGUN,  /* attempt a */
};

struct written {
    enum written_kind what;
    uint32_t a, b, c;
};

static void put_written(struct fixture *f, uint64_t t, const struct written *w)
{
    switch (w->what) {
    case NOTHING:
        break;
    case STALL:
    case OVER:
        put_stall(f, t, w->a, w->b, w->c, w->what == OVER);
        break;
    case SAVE:
        put_phase(f, t, w->a, "save");
        break;
    case STOP:
        put_phase(f, t, w->a, "stop");
        break;
    case END:
        put_phase(f, t, w->a, "end");
        break;
    case ALIVE:
        put_progress(f, t, w->a, 1, 20);
        break;
    case ENDED:
        put_attempt(f, t, w->a, 3, true, 20);
        break;
    case RESUME:
        put_resume(f, t, 2);
        break;
    case BEGUN:
        whole_attempt(f, t, w->a, 20);
        break;
    }
}

/* A run stands still until something says, or means, that it does no more. What is written
 * comes from second 200 on, every 100 s. */
static void test_stalls(void **state)
{
    static const struct {
        struct written w[5];
        uint32_t step; /* 0: none lasts */
        unsigned since;
    } rows[] = {
        {{{0}}, 0, 0},
        {{{STALL, 1, 1, 36}}, 20, 164},
        {{{STALL, 1, 1, 36}, {ALIVE, 1, 0, 0}, {STALL, 1, 1, 236}}, 20, 164},
        {{{STALL, 1, 1, 36}, {STALL, 1, 1, 50}},
         20,
         164}, /* the rest was not counted */
        {{{STALL, 1, 1, 36}, {OVER, 1, 1, 70}}, 0, 0},
        {{{OVER, 1, 1, 30}}, 0, 0}, /* before anything was said of it */
        {{{STALL, 1, 1, 36}, {OVER, 1, 1, 70}, {STALL, 1, 2, 30}}, 21, 370},
        {{{STALL, 1, 9, 36}, {OVER, 1, 9, 70}, {STALL, 1, 9, 30}}, 28, 370},
        {{{STALL, 1, 1, 36}, {SAVE, 1, 0, 0}}, 20, 164},
        {{{STALL, 1, 1, 36}, {STOP, 1, 0, 0}}, 0, 0},
        {{{STALL, 1, 1, 36}, {STOP, 1, 0, 0}, {END, 1, 0, 0}, {STALL, 1, 1, 300}},
         0,
         0},
        {{{STALL, 1, 1, 36}, {ENDED, 1, 0, 0}}, 0, 0},
        {{{STALL, 1, 1, 36}, {ENDED, 1, 0, 0}, {STALL, 1, 1, 236}}, 0, 0},
        {{{STALL, 1, 1, 36}, {RESUME, 0, 0, 0}}, 0, 0}, /* its head died */
        {{{STALL, 1, 1, 36}, {RESUME, 0, 0, 0}, {BEGUN, 2, 0, 0}}, 0, 0},
        {{{STALL, 1, 1, 36}, {RESUME, 0, 0, 0}, {BEGUN, 2, 0, 0}, {STALL, 2, 1, 30}},
         20,
         470},
        {{{STALL, 1, 1, 36}, {ENDED, 1, 0, 0}, {BEGUN, 2, 0, 0}}, 0, 0},
        {{{STALL, 1, 1, 36}, {BEGUN, 2, 0, 0}, {STALL, 1, 1, 90}},
         0,
         0}, /* of the former */
        {{{STALL, 0, 1, 36}}, 0, 0},
        {{{STALL, UINT32_MAX, 1, 36}}, 0, 0},
        {{{STALL, 1, 1, UINT32_MAX}}, 20, 0}, /* longer than there is time */
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct runstate r;
        struct err e;
        put_start(f, 100, 1);
        whole_attempt(f, 101, 1, 20);
        for (unsigned k = 0; k < 5; k++)
            put_written(f, 200 + 100 * k, &rows[i].w[k]);
        close_journal(f);
        assert_int_equal(runstate_read(f->dir, &r, &e), 0);
        const struct runstate_stall *k = runstate_stall(&r);
        if ((k ? k->step : 0) != rows[i].step ||
            (k ? k->since_real_ns / SEC : 0) != rows[i].since)
            fail_msg("row %zu: step %u since %llu", i, k ? k->step : 0,
                     k ? (unsigned long long)(k->since_real_ns / SEC) : 0);
        if (k) {
            assert_string_equal(k->ranks, "3");
            assert_string_equal(k->text,
                                "rank 3 on n3 is stopped by a signal (state T)");
        }
        runstate_fini(&r);
        assert_int_equal(unlink(f->path), 0);
        assert_int_equal(journal_open(f->l, f->path, NULL, NULL, &f->j, &e), 0);
    }
}

/* A head that dies in one: the time until it was last told of is the run's. */
static void test_stall_is_seen(void **state)
{
    struct fixture *f = *state;
    struct runstate r;
    struct err e;
    put_start(f, 100, 1);
    whole_attempt(f, 101, 1, 20);
    put_stall(f, 900, 1, 1, 790, false);
    close_journal(f);
    assert_int_equal(runstate_read(f->dir, &r, &e), 0);
    assert_int_equal(r.seen_real_ns / SEC, 900);
    assert_int_equal(r.attempts[0].end_real_ns / SEC, 900);
    assert_int_equal(r.wall_ns / SEC, 800);
    runstate_fini(&r);
}

static void test_no_run(void **state)
{
    struct fixture *f = *state;
    struct runstate r;
    struct err e;
    assert_int_equal(runstate_read("/tmp/no/such/run", &r, &e), ERR_USAGE);
    assert_true(e.hint[0]);
    runstate_fini(&r);
    put_phase(f, 1, 1, "connect"); /* of nobody */
    close_journal(f);
    assert_int_equal(runstate_read(f->dir, &r, &e), ERR_USAGE);
    runstate_fini(&r);
}

/* However much of it is there, what is read is the beginning of what happened. */
static void test_torn_anywhere(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    put_start(f, 100, 1);
    size_t whole_start;
    whole_attempt(f, 101, 1, 20);
    put_attempt(f, 110, 1, 3, true, 25);
    put_end(f, 111, 3);
    close_journal(f);
    assert_int_equal(stat(f->path, &st), 0);
    bool over = true, ended = true;
    whole_start = 0;
    for (off_t len = st.st_size; len >= 0; len--) {
        struct runstate r;
        struct err e;
        assert_int_equal(truncate(f->path, len), 0);
        int rc = runstate_read(f->dir, &r, &e);
        if (rc == 0) {
            bool now_ended = r.n_attempts > 0 && r.attempts[0].ended;
            assert_true(over || !r.over); /* what was not known stays so */
            assert_true(ended || !now_ended);
            over = r.over;
            ended = now_ended;
            whole_start = (size_t)len;
        } else {
            assert_int_equal(rc, ERR_USAGE);
        }
        runstate_fini(&r);
    }
    assert_true(whole_start > 0 && !over && !ended);
}

static void test_damage(void **state)
{
    struct fixture *f = *state;
    put_start(f, 100, 1);
    whole_attempt(f, 101, 1, 20);
    put_phase(f, 102, 0, "connect"); /* numbers that no attempt has */
    put_phase(f, 102, UINT32_MAX, "run");
    put_progress(f, 103, UINT32_MAX, 1, 2);
    put_progress(f, 103, 1, 9, 2);
    put_rank(f, 1, UINT32_MAX);
    put_stall(f, 104, UINT32_MAX, 1, 30, false);
    put_attempt(f, 104, 0, 3, true, 25);
    close_journal(f);
    struct runstate r;
    struct err e;
    assert_int_equal(runstate_read(f->dir, &r, &e), 0);
    assert_int_equal(r.n_attempts, 1);
    assert_int_equal(r.attempts[0].last_step, 20);
    assert_int_equal(r.attempts[0].world_size, 4);
    runstate_fini(&r);
}

/* ---- the head ---- */

static void write_head(struct fixture *f, const char *text)
{
    int fd = open(f->head, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
}

static void test_head_of_ours(void **state)
{
    struct fixture *f = *state;
    struct runhead_hold *hold, *second;
    struct runhead h;
    struct err e;
    assert_int_equal(runhead_read(f->dir, &h, &e), 0);
    assert_int_equal(h.pid, 0);
    assert_int_equal(runhead_life(f->dir, &h), RUNHEAD_NONE);
    assert_int_equal(runhead_take(f->dir, false, &hold, &e), 0);
    assert_int_equal(runhead_say(hold, 3, &e), 0);
    assert_int_equal(runhead_read(f->dir, &h, &e), 0);
    assert_int_equal(h.pid, getpid());
    assert_int_equal(h.epoch, 3);
    assert_int_equal(h.slurm_job, 0);
    assert_int_equal(setenv("SLURM_JOB_ID", "81", 1), 0); /* that it has asked for */
    assert_int_equal(runhead_say(hold, 3, &e), 0);
    assert_int_equal(unsetenv("SLURM_JOB_ID"), 0);
    assert_int_equal(runhead_read(f->dir, &h, &e), 0);
    assert_int_equal(h.slurm_job, 81);
    assert_int_equal(runhead_life(f->dir, &h), RUNHEAD_ALIVE);
    assert_int_equal(runhead_take(f->dir, false, &second, &e), -EBUSY);
    assert_non_null(strstr(e.text, "leads it"));
    assert_int_equal(runhead_take(f->dir, true, &second, &e), -EBUSY); /* never two */
    runhead_release(hold);
    assert_int_equal(runhead_read(f->dir, &h, &e), 0);
    assert_int_equal(h.pid, 0);
    assert_int_equal(runhead_take(f->dir, false, &hold, &e), 0);
    runhead_release(hold);
}

/* A process that took it and was killed: the kernel gives the lock back. */
static void test_head_that_died(void **state)
{
    struct fixture *f = *state;
    struct runhead_hold *hold;
    struct runhead h;
    struct err e;
    pid_t pid = fork();
    if (pid == 0)
        _exit(runhead_take(f->dir, false, &hold, &e) == 0 ? 0 : 1); /* no release */
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(runhead_read(f->dir, &h, &e), 0);
    assert_int_equal(h.pid, pid);
    assert_int_equal(runhead_life(f->dir, &h), RUNHEAD_NONE);
    assert_int_equal(runhead_take(f->dir, false, &hold, &e), 0);
    runhead_release(hold);
}

/* Nobody has asked yet how it ended; it has, nevertheless. */
static void test_head_unreaped(void **state)
{
    struct fixture *f = *state;
    struct runhead_hold *hold;
    struct runhead h;
    struct err e;
    siginfo_t info;
    pid_t pid = fork();
    if (pid == 0)
        _exit(runhead_take(f->dir, false, &hold, &e) == 0 ? 0 : 1);
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(runhead_read(f->dir, &h, &e), 0);
    assert_int_equal(h.pid, pid);
    assert_int_equal(runhead_life(f->dir, &h), RUNHEAD_NONE);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_head_before_reboot(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *host; /* NULL: ours */
        unsigned long space;
        enum runhead_life life;
    } t[] = {
        {NULL, 0xeffffffcu, RUNHEAD_NONE},
        {NULL, 0xefff0000u, RUNHEAD_UNKNOWN}, /* a container, maybe elsewhere */
        {"far", 0xeffffffcu, RUNHEAD_UNKNOWN},
        {"localhost", 0xeffffffcu, RUNHEAD_UNKNOWN},
    };
    struct stat st;
    char own[256] = "", line[600];
    assert_int_equal(gethostname(own, sizeof own - 1), 0);
    if (stat("/proc/self/ns/pid", &st) || st.st_ino != 0xeffffffcu ||
        strncmp(own, "localhost", 9) == 0)
        skip_because("in a PID namespace of its own, or a host named localhost");
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct runhead h;
        struct err e;
        (void)snprintf(line, sizeof line,
                       "host=%s boot=before pidns=%lu pid=%d start=9 slurm_job=0 "
                       "slurm_restarts=0 epoch=2\n",
                       t[i].host ? t[i].host : own, t[i].space, (int)getpid());
        write_head(f, line);
        assert_int_equal(runhead_read(f->dir, &h, &e), 0);
        assert_int_equal(runhead_life(f->dir, &h), t[i].life);
    }
}

static void test_head_elsewhere(void **state)
{
    struct fixture *f = *state;
    struct runhead_hold *hold;
    struct runhead h;
    struct err e;
    write_head(f, "host=far boot=other pidns=1 pid=7 start=9 slurm_job=0 "
                  "slurm_restarts=0 epoch=2\n");
    assert_int_equal(runhead_read(f->dir, &h, &e), 0);
    assert_string_equal(h.host, "far");
    assert_int_equal(runhead_life(f->dir, &h), RUNHEAD_UNKNOWN);
    assert_int_equal(runhead_take(f->dir, false, &hold, &e), -EBUSY);
    assert_non_null(strstr(e.text, "process 7 on far"));
    assert_non_null(strstr(e.hint, "--force"));
    assert_int_equal(runhead_take(f->dir, true, &hold, &e), 0);
    runhead_release(hold);
}

static void test_head_that_makes_no_sense(void **state)
{
    struct fixture *f = *state;
    static const char of_no_process[] =
        "host=a boot=b pidns=1 pid=-4 start=1 slurm_job=0 slurm_restarts=0 epoch=1";
    static const char *const texts[] = {"x", "\n", "host= boot= pid=", of_no_process};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct runhead_hold *hold;
        struct runhead h;
        struct err e;
        write_head(f, texts[i]);
        assert_int_equal(runhead_read(f->dir, &h, &e), ERR_PARSE);
        assert_int_equal(runhead_take(f->dir, false, &hold, &e), ERR_PARSE);
        assert_true(e.hint[0]);
        assert_int_equal(runhead_take(f->dir, true, &hold, &e), 0);
        runhead_release(hold);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_several_heads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_submitted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fruitless, setup, teardown),
        cmocka_unit_test_setup_teardown(test_steps_that_are_not_counted, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_stalls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stall_is_seen, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_torn_anywhere, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_head_of_ours, setup, teardown),
        cmocka_unit_test_setup_teardown(test_head_that_died, setup, teardown),
        cmocka_unit_test_setup_teardown(test_head_unreaped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_head_before_reboot, setup, teardown),
        cmocka_unit_test_setup_teardown(test_head_elsewhere, setup, teardown),
        cmocka_unit_test_setup_teardown(test_end_of_last_attempt, setup, teardown),
        cmocka_unit_test_setup_teardown(test_head_that_makes_no_sense, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
