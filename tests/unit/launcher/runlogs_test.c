/* SPDX-License-Identifier: MIT */
/* What ranks wrote, as `aolani-run logs` prints it from the files of a run directory; and
 * which run directory a name means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "launcher/journal.h"
#include "launcher/logfile.h"
#include "launcher/runfind.h"
#include "launcher/verbs.h"
#include "proto/wire/aolani.pb-c.h"
#include "tests/lib/verb.h"

#define RUN "runs/job-1"

static void append(struct journal *j, enum journal_type type, const ProtobufCMessage *m)
{
    assert_true(journal_append(j, type, m) > 0);
}

/* Two nodes with two ranks each; in attempt 2 a spare is in the place of the second. */
static void write_journal(bool over)
{
    struct loop *l;
    struct journal *j;
    char *nodes[] = {(char[]){"n1"}, (char[]){"n\x1b[2J2"}};
    assert_int_equal(loop_create(&l, NULL), 0);
    assert_int_equal(journal_open(l, RUN "/journal", NULL, NULL, &j, NULL), 0);
    Aolani__JRunStart start = AOLANI__JRUN_START__INIT;
    start.run_id = (char[]){"00112233445566aa"};
    start.name = (char[]){"job"};
    start.version = (char[]){"0"};
    start.spec_toml = (char[]){""};
    start.nodes = nodes;
    start.n_nodes = 2;
    append(j, JOURNAL_RUN_START, &start.base);
    for (uint32_t attempt = 1; attempt <= 2; attempt++) {
        Aolani__JNode replaced = AOLANI__JNODE__INIT;
        replaced.node = 1;
        replaced.event = (char[]){"replaced"};
        replaced.name = (char[]){"n3"};
        Aolani__JPhase phase = AOLANI__JPHASE__INIT;
        phase.phase = (char[]){"connect"};
        phase.attempt = attempt;
        append(j, JOURNAL_PHASE, &phase.base);
        if (attempt == 2)
            append(j, JOURNAL_NODE, &replaced.base);
        for (uint32_t rank = 0; rank < 4; rank++) {
            Aolani__JRank r = AOLANI__JRANK__INIT;
            r.rank = rank;
            r.node = rank / 2;
            r.attempt = attempt;
            r.event = (char[]){"started"};
            append(j, JOURNAL_RANK, &r.base);
        }
    }
    Aolani__JEnd end = AOLANI__JEND__INIT;
    end.sentence = (char[]){"all is done"};
    if (over)
        append(j, JOURNAL_END, &end.base);
    assert_int_equal(journal_close(j, NULL), 0);
    loop_destroy(l);
}

static void write_rank(unsigned attempt, unsigned rank, const char *end,
                       const char *text)
{
    char name[100];
    (void)snprintf(name, sizeof name, RUN "/attempt-%u/rank-%04u.%s", attempt, rank,
                   end);
    write_file(name, text);
}

static int make_run(void **state)
{
    int rc = setup(state);
    if (rc)
        return rc;
    assert_int_equal(mkdir("runs", 0700), 0);
    assert_int_equal(mkdir(RUN, 0700), 0);
    assert_int_equal(symlink("job-1", "runs/latest"), 0);
    assert_int_equal(mkdir(RUN "/attempt-1", 0700), 0);
    assert_int_equal(mkdir(RUN "/attempt-2", 0700), 0);
    write_journal(true);
    for (unsigned rank = 0; rank < 4; rank++) {
        char text[100];
        (void)snprintf(text, sizeof text, "a%u\n", rank);
        write_rank(1, rank, "out", text);
        (void)snprintf(text, sizeof text, "b%u\nc%u\nd%u\n", rank, rank, rank);
        write_rank(2, rank, "out", text);
        write_rank(2, rank, "err", "");
    }
    write_rank(2, 3, "err", "oh no");
    /* Rank 2 has segments, of which one was not kept. */
    write_rank(2, 2, "out.000001", "e2\nf2\n");
    write_rank(2, 2, "out.000003", "g2\nh2\n");
    write_file(RUN "/slurm", "17\n9\n");
    write_file(RUN "/slurm-9.out", "nine\n");
    write_file(RUN "/slurm-17.out", "seventeen\n");
    write_file(RUN "/slurm-x.out", "no\n");
    return 0;
}

static void test_printed(void **state)
{
    (void)state;
    static const struct {
        char *argv[8];
        int status;
        const char *out, *err; /* err NULL: nothing */
    } t[] = {
        {{"logs", "runs", "--rank", "0"}, 0, "b0\nc0\nd0\n", NULL},
        {{"logs", "--rank", "0", "--attempt", "1"}, 0, "a0\n", NULL},
        {{"logs", RUN, "--ranks", "0,3", "-n", "1"},
         0,
         "n1:0: d0\nn3:3: d3\n",
         "n3:3: oh no\n"},
        {{"logs", RUN, "--rank", "3"}, 0, "b3\nc3\nd3\n", "oh no"},
        {{"logs", RUN, "--rank", "3", "--out"}, 0, "b3\nc3\nd3\n", NULL},
        {{"logs", RUN, "--rank", "3", "--err"}, 0, "", "oh no"},
        {{"logs", RUN, "--rank", "2"}, 0, "b2\nc2\nd2\ne2\nf2\ng2\nh2\n", NULL},
        {{"logs", RUN, "--rank", "2", "-n", "2"}, 0, "g2\nh2\n", NULL},
        {{"logs", RUN, "--rank", "2", "-n", "3"}, 0, "f2\ng2\nh2\n", NULL},
        {{"logs", RUN, "--rank", "2", "-n", "6"}, 0, "c2\nd2\ne2\nf2\ng2\nh2\n", NULL},
        {{"logs", RUN, "--rank", "2", "-n", "99"},
         0,
         "b2\nc2\nd2\ne2\nf2\ng2\nh2\n",
         NULL},
        {{"logs", RUN, "--rank", "0", "-n", "0"}, 0, "", NULL},
        {{"logs", RUN, "--attempt", "1"},
         0,
         "n1:0: a0\nn1:1: a1\nn?[2J2:2: a2\nn?[2J2:3: a3\n",
         NULL},
        {{"logs", RUN, "--launcher"}, 0, "nine\nseventeen\n", NULL},
        {{"logs", RUN, "-f", "--rank", "1"}, 0, "b1\nc1\nd1\n", NULL},
        {{"logs", "9", "--rank", "1"}, 0, "b1\nc1\nd1\n", NULL},
        {{"logs", RUN "/journal", "--rank", "1"}, 0, "b1\nc1\nd1\n", NULL},
        {{"logs", RUN, "--rank", "9"}, 2, "", "no such rank has written"},
        {{"logs", RUN, "--attempt", "3"}, 2, "", "the last is 2"},
        {{"logs", "nowhere"}, 2, "", "find the run \"nowhere\""},
        {{"logs", "runs/job-1/attempt-1"}, 2, "", "there is no run in"},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        int status = run(cmd_logs, (char **)t[i].argv);
        if (status != t[i].status || strcmp(out, t[i].out) != 0 ||
            (t[i].err ? !strstr(words, t[i].err) : *words))
            fail_msg("case %zu: status %d\n%s---\n%s", i, status, out, words);
    }
}

/* A file that grows, line by line, is read to its end whatever is there when. */
static void test_follow(void **state)
{
    (void)state;
    assert_int_equal(rename(RUN "/attempt-2", "hidden"), 0);
    assert_int_equal(mkdir("hidden3", 0700), 0);
    assert_int_equal(unlink(RUN "/journal"), 0);
    write_journal(false);
    write_file("hidden3/rank-0000.out", "z\n");
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        char *argv[] = {"logs", RUN, "-f", "-n", "1", "--rank", "0", NULL};
        _exit(run(cmd_logs, argv) || strcmp(out, "a0\nx\ny\nb0\nc0\nd0\nz\n") != 0);
    }
    const struct timespec moment = {.tv_nsec = 300000000};
    for (const char *more = "xy"; *more; more++) {
        (void)nanosleep(&moment, NULL);
        FILE *f = fopen(RUN "/attempt-1/rank-0000.out", "a");
        assert_non_null(f);
        fprintf(f, "%c\n", *more);
        fclose(f);
    }
    /* As a file system shows them that is looked at now and then only. */
    assert_int_equal(rename("hidden3", RUN "/attempt-3"), 0);
    assert_int_equal(rename("hidden", RUN "/attempt-2"), 0);
    (void)nanosleep(&moment, NULL);
    assert_int_equal(unlink(RUN "/journal"), 0);
    write_journal(true);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void test_back(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t lines, at, left;
    } t[] = {
        {"", 3, 0, 3},       {"a", 1, 0, 0},       {"a\n", 1, 0, 0},
        {"a\n", 2, 0, 1},    {"a\nb", 1, 2, 0},    {"a\nb\n", 1, 2, 0},
        {"a\nb\n", 2, 0, 0}, {"a\n\n\n", 1, 3, 0}, {"a\n\n\n", 2, 2, 0},
        {"\n", 1, 0, 0},     {"a\nb\n", 0, 4, 0},  {"\n\n", 5, 0, 3},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        uint64_t lines = t[i].lines, at = 99;
        write_file("back", t[i].text);
        assert_int_equal(logfile_back("back", &lines, &at), 0);
        if (at != t[i].at || lines != t[i].left)
            fail_msg("case %zu: at %u, %u left", i, (unsigned)at, (unsigned)lines);
    }
}

/* Lines longer than what is read at once. */
static void test_long_lines(void **state)
{
    (void)state;
    static char text[200001];
    uint64_t lines = 2, at;
    memset(text, 'x', 200000);
    text[9] = text[100000] = '\n';
    write_file("back", text);
    assert_int_equal(logfile_back("back", &lines, &at), 0);
    assert_int_equal(at, 10);
    lines = 1;
    assert_int_equal(logfile_back("back", &lines, &at), 0);
    assert_int_equal(at, 100001);
    assert_int_equal(logfile_back("nowhere", &lines, &at), -ENOENT);
}

static void test_find(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool found;
    } t[] = {
        {NULL, true},         {"runs", true},        {"runs/", true},
        {RUN, true},          {"runs/latest", true}, {RUN "/slurm", true},
        {"17", true},         {"job-1", false},      {"runs/job-1/attempt-1", false},
        {"/dev/null", false}, {"", false},
    };
    char want[PATH_MAX];
    assert_non_null(realpath(RUN, want));
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        char *dir = NULL;
        struct err e;
        int rc = runfind(t[i].name, &dir, &e);
        if (rc != (t[i].found ? 0 : ERR_USAGE) || (dir && strcmp(dir, want) != 0))
            fail_msg("case %zu: %d %s", i, rc, dir ? dir : e.text);
        free(dir);
    }
    char *by = runfind_by_job("runs", 9);
    assert_non_null(by);
    free(by);
    assert_null(runfind_by_job("runs", 18));
    assert_null(runfind_by_job("nowhere", 9));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_printed), cmocka_unit_test(test_find),
        cmocka_unit_test(test_back),    cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_follow),
    };
    return cmocka_run_group_tests(tests, make_run, teardown);
}
