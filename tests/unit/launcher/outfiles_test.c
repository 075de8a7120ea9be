/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/outfiles.h"
#include "proto/base/buf.h"
#include "proto/base/log.h"
#include "tests/lib/skipped.h"

static const char *const nodes[] = {"gpu1", "gpu1", "gpu2", "gpu2"};

struct fixture {
    struct loop *l;
    struct outfiles *o;
    char dir[40];
    int out[2]; /* the launcher's stdout is out[1] */
    struct buf log;
    int drained;
    bool running;
};

static void on_log(enum log_level level, const char *line, void *arg)
{
    struct fixture *f = arg;
    (void)level;
    (void)buf_printf(&f->log, "%s\n", line);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    if (!f || loop_create(&f->l, NULL) < 0 || pipe(f->out) < 0)
        return -1;
    (void)fcntl(f->out[0], F_SETFL, O_NONBLOCK);
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/outfiles_test.XXXXXX");
    buf_init(&f->log, 1u << 20);
    log_setup("t", LOG_NOTE_, on_log, f);
    return mkdtemp(f->dir) ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char cmd[80];
    outfiles_destroy(f->o, 0);
    loop_destroy(f->l);
    (void)snprintf(cmd, sizeof cmd, "rm -rf %s", f->dir);
    assert_int_equal(system(cmd), 0);
    close(f->out[0]);
    close(f->out[1]);
    buf_fini(&f->log);
    free(f);
    return 0;
}

static void start(struct fixture *f, bool label, uint32_t world, bool copy)
{
    struct outfiles_config c = {.dir = f->dir,
                                .world_size = world,
                                .node_of_rank = nodes,
                                .label = label,
                                .stdout_fd = copy ? f->out[1] : -1,
                                .stderr_fd = -1};
    struct err e;
    assert_int_equal(outfiles_create(f->l, &c, &f->o, &e), 0);
}

static void on_time(void *arg)
{
    struct fixture *f = arg;
    loop_stop(f->l);
}

static void run_for(struct fixture *f, unsigned ms)
{
    struct loop_timer *t = loop_timer_create(f->l, on_time, f);
    loop_timer_start(t, ms, 0);
    loop_run(f->l);
    loop_timer_destroy(t);
}

static void put(struct fixture *f, uint32_t rank, int stream, uint64_t offset,
                const char *text)
{
    outfiles_write(f->o, rank, stream, offset, text, strlen(text));
}

/* Until the writer has done all. */
static void settle(struct fixture *f)
{
    for (int i = 0; i < 5000 && outfiles_backlog(f->o) > 0; i++)
        usleep(1000);
    assert_int_equal(outfiles_backlog(f->o), 0);
}

static void expect_copy(struct fixture *f, const char *text)
{
    char got[512] = "";
    ssize_t n = read(f->out[0], got, sizeof got - 1);
    got[n > 0 ? n : 0] = '\0';
    assert_string_equal(got, text);
}

static void expect_file(struct fixture *f, const char *name, const char *text,
                        size_t len)
{
    char path[80], got[512] = "";
    (void)snprintf(path, sizeof path, "%s/%s", f->dir, name);
    if (f->o)
        settle(f);
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, got, sizeof got), len);
    assert_memory_equal(got, text, len);
    close(fd);
}

static void test_repetition_changes_nothing(void **state)
{
    struct fixture *f = *state;
    start(f, true, 4, true);
    put(f, 0, 0, 0, "one\ntwo\n");
    put(f, 0, 0, 0, "one\ntwo\n");
    put(f, 0, 0, 4, "two\nthree\n"); /* half of it is new */
    put(f, 3, 0, 0, "x\n");
    expect_copy(f, "gpu1:0: one\ngpu1:0: two\ngpu1:0: three\ngpu2:3: x\n");
    expect_file(f, "rank-0000.out", "one\ntwo\nthree\n", 14);
    expect_file(f, "rank-0003.out", "x\n", 2);
}

static void test_labelled_lines_are_whole(void **state)
{
    struct fixture *f = *state;
    start(f, true, 4, true);
    put(f, 0, 0, 0, "half ");
    put(f, 1, 0, 0, "other\n");
    run_for(f, 300); /* a label may wait as long as it takes */
    expect_copy(f, "gpu1:1: other\n");
    put(f, 0, 0, 5, "line\nlast");
    outfiles_end(f->o, 0, 0);
    expect_copy(f, "gpu1:0: half line\ngpu1:0: last\n");
    expect_file(f, "rank-0000.out", "half line\nlast", 14);
}

static void test_unlabelled_part_of_a_line_waits_a_moment(void **state)
{
    struct fixture *f = *state;
    start(f, false, 4, true);
    put(f, 0, 0, 0, "50 %");
    put(f, 1, 0, 0, "line\n");
    expect_copy(f, "line\n");
    run_for(f, 300);
    expect_copy(f, "50 %");
}

static void test_one_rank_is_passed_on_at_once(void **state)
{
    struct fixture *f = *state;
    start(f, false, 1, true);
    put(f, 0, 0, 0, "50 %");
    expect_copy(f, "50 %");
}

static void test_streams_and_empty_files(void **state)
{
    struct fixture *f = *state;
    start(f, false, 4, false);
    put(f, 2, 1, 0, "bad\n");
    outfiles_end(f->o, 2, 0);
    put(f, 4, 0, 0, "no such rank");
    put(f, 0, 2, 0, "no such stream");
    outfiles_write(f->o, 0, 0, UINT64_MAX - 1, "xx", 2); /* no such place */
    expect_file(f, "rank-0002.err", "bad\n", 4);
    expect_file(f, "rank-0002.out", "", 0);
    assert_int_equal(f->log.len, 0);
}

static void test_goes_on_where_another_head_stopped(void **state)
{
    struct fixture *f = *state;
    start(f, false, 1, true);
    put(f, 0, 0, 0, "one\n");
    outfiles_destroy(f->o, 100);
    expect_copy(f, "one\n");
    start(f, false, 1, true);
    put(f, 0, 0, 0, "one\ntwo\n");
    expect_copy(f, "two\n");
    expect_file(f, "rank-0000.out", "one\ntwo\n", 8);
}

static void test_gap_keeps_offsets(void **state)
{
    struct fixture *f = *state;
    start(f, false, 1, false);
    put(f, 0, 0, 0, "ab");
    assert_true(outfiles_gap(f->o, 0, 0, 2, 3));
    assert_false(outfiles_gap(f->o, 0, 0, 2, 3)); /* again: known */
    expect_file(f, "rank-0000.out", "ab\0\0\0", 5);
    put(f, 0, 0, 5, "cd");
    expect_file(f, "rank-0000.out", "ab\0\0\0cd", 7);
}

static void test_more_files_than_descriptors(void **state)
{
    struct fixture *f = *state;
    static const char *many[400];
    char name[32], text[32];
    for (size_t i = 0; i < 400; i++)
        many[i] = "n";
    struct outfiles_config c = {.dir = f->dir,
                                .world_size = 400,
                                .node_of_rank = many,
                                .stdout_fd = -1,
                                .stderr_fd = -1};
    assert_int_equal(outfiles_create(f->l, &c, &f->o, NULL), 0);
    for (int round = 0; round < 2; round++) {
        for (uint32_t r = 0; r < 400; r++)
            put(f, r, 0, (uint64_t)round * 2, "x\n");
    }
    settle(f);
    int fd = dup(0);
    assert_true(fd < 300);
    close(fd);
    outfiles_destroy(f->o, 0);
    f->o = NULL;
    for (uint32_t r = 0; r < 400; r += 57) {
        (void)snprintf(name, sizeof name, "rank-%04u.out", r);
        (void)snprintf(text, sizeof text, "x\nx\n");
        expect_file(f, name, text, 4);
    }
}

static void limit_file_size(struct rlimit *old, rlim_t size)
{
    assert_int_equal(getrlimit(RLIMIT_FSIZE, old), 0);
    struct rlimit small = {.rlim_cur = size, .rlim_max = old->rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
}

static void test_what_cannot_be_written_is_said_with_its_range(void **state)
{
    struct fixture *f = *state;
    struct rlimit old;
    struct outfiles_kept k;
    start(f, false, 1, true);
    limit_file_size(&old, 8);
    put(f, 0, 0, 0, "0123456789");
    put(f, 0, 0, 10, "abc");
    settle(f);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    put(f, 0, 0, 13, "end\n");
    outfiles_finish(f->o);
    outfiles_kept(f->o, 0, 0, &k);
    outfiles_destroy(f->o, 100);
    f->o = NULL;
    expect_copy(f, "0123456789abcend\n"); /* the reader misses nothing */
    expect_file(f, "rank-0000.out", "01234567\0\0\0\0\0end\n", 17);
    assert_non_null(strstr((char *)f->log.data, "from byte 8: File too large"));
    assert_int_equal(k.bytes, 17);
    assert_int_equal(k.missing.n, 1);
    assert_int_equal(k.missing.r[0].from, 8);
    assert_int_equal(k.missing.r[0].to, 13);
    assert_int_equal(k.missing.r[0].why, -EFBIG);
}

/* In a mount namespace of its own: a tmpfs of four pages. */
static bool make_small_disk(struct fixture *f)
{
    if (unshare(CLONE_NEWNS) < 0 ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return false;
    return mount("small", f->dir, "tmpfs", 0, "size=16k,nr_inodes=10") == 0;
}

static void fill(struct fixture *f, bool full)
{
    char path[80], block[4096] = "";
    (void)snprintf(path, sizeof path, "%s/other", f->dir);
    (void)unlink(path);
    if (!full)
        return;
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    while (write(fd, block, sizeof block) > 0)
        ;
    close(fd);
}

static void on_beat(void *arg)
{
    struct fixture *f = arg;
    f->drained++;
}

static void test_full_disk_is_waited_for(void **state)
{
    struct fixture *f = *state;
    struct outfiles_kept k;
    if (!make_small_disk(f))
        skip_because("no small disk can be mounted here");
    start(f, false, 1, false);
    put(f, 0, 0, 0, "one\n");
    settle(f);
    fill(f, true);
    char big[6000];
    memset(big, 'x', sizeof big);
    outfiles_write(f->o, 0, 0, 4, big, sizeof big);
    struct loop_timer *beat = loop_timer_create(f->l, on_beat, f);
    loop_timer_start(beat, 10, 10);
    run_for(f, 200);
    loop_timer_destroy(beat);
    assert_true(f->drained > 2); /* the loop does not wait */
    assert_true(outfiles_backlog(f->o) > sizeof big);
    assert_non_null(strstr((char *)f->log.data, "No space left on device"));
    assert_non_null(strstr((char *)f->log.data, "until there is room"));
    fill(f, false);
    settle(f);
    run_for(f, 20);
    assert_non_null(strstr((char *)f->log.data, "being written again"));
    outfiles_finish(f->o);
    outfiles_kept(f->o, 0, 0, &k);
    assert_int_equal(k.bytes, sizeof big + 4);
    assert_int_equal(k.missing.n, 0);
    outfiles_destroy(f->o, 0);
    f->o = NULL;
    (void)umount(f->dir);
}

/* The ranks have ended and nobody makes room: what is lost has its range; when there is
 * room after all, writing goes on behind the gap. */
static void test_full_disk_is_given_up(void **state)
{
    struct fixture *f = *state;
    struct outfiles_kept k;
    char big[6000];
    if (!make_small_disk(f))
        skip_because("no small disk can be mounted here");
    memset(big, 'x', sizeof big);
    start(f, false, 1, false);
    put(f, 0, 0, 0, "one\n");
    settle(f);
    fill(f, true);
    outfiles_last(f->o, 20);
    outfiles_write(f->o, 0, 0, 4, big, sizeof big);
    settle(f);
    fill(f, false);
    put(f, 0, 0, 6004, "end\n");
    outfiles_finish(f->o);
    outfiles_kept(f->o, 0, 0, &k);
    assert_int_equal(k.bytes, 6008);
    assert_int_equal(k.missing.n, 1);
    assert_int_equal(k.missing.r[0].from, 4096); /* the file's first page was there */
    assert_int_equal(k.missing.r[0].to, 6004);
    assert_int_equal(k.missing.r[0].why, -ENOSPC);
    assert_non_null(strstr((char *)f->log.data, "from byte 4096: No space left"));
    outfiles_destroy(f->o, 0);
    f->o = NULL;
    (void)umount(f->dir);
}

/* ---- segments */

static bool has_file(struct fixture *f, const char *name)
{
    char path[80];
    (void)snprintf(path, sizeof path, "%s/%s", f->dir, name);
    return access(path, F_OK) == 0;
}

static void start_rotated(struct fixture *f, uint64_t size, uint64_t keep)
{
    struct outfiles_config c = {.dir = f->dir,
                                .world_size = 2,
                                .node_of_rank = nodes,
                                .rotate = {.size = size, .keep = keep},
                                .stdout_fd = -1,
                                .stderr_fd = -1};
    assert_int_equal(outfiles_create(f->l, &c, &f->o, NULL), 0);
}

static void test_segments_hold_the_stream(void **state)
{
    struct fixture *f = *state;
    start_rotated(f, 4, 0);
    put(f, 0, 0, 0, "abc");
    put(f, 0, 0, 3, "defghijklm"); /* over several */
    put(f, 0, 0, 2, "cdef");       /* again */
    put(f, 1, 1, 0, "x");
    outfiles_end(f->o, 1, 0);
    expect_file(f, "rank-0000.out", "abcd", 4);
    expect_file(f, "rank-0000.out.000001", "efgh", 4);
    expect_file(f, "rank-0000.out.000002", "ijkl", 4);
    expect_file(f, "rank-0000.out.000003", "m", 1);
    expect_file(f, "rank-0001.err", "x", 1);
    expect_file(f, "rank-0001.out", "", 0);
    assert_false(has_file(f, "rank-0001.err.000001"));
}

static void test_first_and_last_segments_stay(void **state)
{
    struct fixture *f = *state;
    struct outfiles_kept k;
    start_rotated(f, 4, 3);
    put(f, 0, 0, 0, "aaaabbbbccccdddd");
    settle(f);
    assert_false(has_file(f, "rank-0000.out.000001"));
    expect_file(f, "rank-0000.out", "aaaa", 4);
    expect_file(f, "rank-0000.out.000002", "cccc", 4);
    put(f, 0, 0, 16, "e");
    put(f, 0, 0, 4, "bbbb"); /* late: it stays away */
    put(f, 0, 0, 0, "aaaa");
    expect_file(f, "rank-0000.out.000003", "dddd", 4);
    expect_file(f, "rank-0000.out.000004", "e", 1);
    assert_false(has_file(f, "rank-0000.out.000001"));
    assert_false(has_file(f, "rank-0000.out.000002"));
    outfiles_finish(f->o);
    outfiles_kept(f->o, 0, 0, &k);
    assert_int_equal(k.bytes, 17);
    assert_int_equal(k.first, 4);
    assert_int_equal(k.last, 5);
    assert_int_equal(k.missing.n, 0);
}

static void test_restart_removes_no_segment(void **state)
{
    struct fixture *f = *state;
    start_rotated(f, 4, 0);
    put(f, 0, 0, 0, "aaaabbbbccccd");
    outfiles_destroy(f->o, 0);
    start_rotated(f, 4, 2);
    expect_file(f, "rank-0000.out.000001", "bbbb", 4);
    put(f, 0, 0, 8, "ccccdddd"); /* some of it again, and no new segment */
    expect_file(f, "rank-0000.out.000003", "dddd", 4);
    assert_true(has_file(f, "rank-0000.out.000001"));
    put(f, 0, 0, 16, "e");
    expect_file(f, "rank-0000.out.000004", "e", 1);
    assert_false(has_file(f, "rank-0000.out.000001"));
    assert_false(has_file(f, "rank-0000.out.000003"));
}

static void test_gap_over_segments(void **state)
{
    struct fixture *f = *state;
    struct outfiles_kept k;
    start_rotated(f, 4, 0);
    put(f, 0, 0, 0, "ab");
    assert_true(outfiles_gap(f->o, 0, 0, 2, 8)); /* to the middle of the third */
    put(f, 0, 0, 10, "kl");
    assert_true(outfiles_gap(f->o, 0, 0, 12, UINT64_C(1) << 40)); /* no million files */
    put(f, 0, 0, 12 + (UINT64_C(1) << 40), "z");
    expect_file(f, "rank-0000.out", "ab\0\0", 4);
    assert_false(has_file(f, "rank-0000.out.000001"));
    expect_file(f, "rank-0000.out.000002", "\0\0kl", 4);
    expect_file(f, "rank-0000.out.274877906947", "z", 1);
    outfiles_finish(f->o);
    outfiles_kept(f->o, 0, 0, &k);
    assert_int_equal(k.missing.n, 2);
    assert_int_equal(k.missing.r[0].from, 2);
    assert_int_equal(k.missing.r[0].to, 10);
    assert_int_equal(k.missing.r[0].why, 0);
}

static void on_drained(void *arg)
{
    struct fixture *f = arg;
    if (f->drained++ == 0)
        loop_stop(f->l);
}

static void on_drain_out(void *arg)
{
    struct fixture *f = arg;
    char block[4096];
    while (read(f->out[0], block, sizeof block) > 0)
        ;
}

static void test_slow_reader_of_stdout(void **state)
{
    struct fixture *f = *state;
    enum { N = 4 * OUTFILES_LOW_WATER };
    char *big = malloc(N);
    memset(big, 'a', N);
    start(f, false, 1, true);
    outfiles_on_drain(f->o, on_drained, f);
    outfiles_write(f->o, 0, 0, 0, big, N);
    run_for(f, 50);
    assert_true(outfiles_backlog(f->o) > N / 2);
    assert_int_equal(f->drained, 0);
    struct loop_timer *t = loop_timer_create(f->l, on_drain_out, f);
    loop_timer_start(t, 1, 1);
    loop_run(f->l);
    assert_int_equal(f->drained, 1);
    assert_true(outfiles_backlog(f->o) < OUTFILES_LOW_WATER);
    loop_timer_destroy(t);
    outfiles_destroy(f->o, 20);
    f->o = NULL;
    assert_non_null(strstr((char *)f->log.data, "bytes were not taken"));
    free(big);
}

/* A file system that does not answer: here a FIFO that nobody reads, which holds open
 * up. The loop goes on, and who gives out credit is told. */
static void test_stalled_file_system(void **state)
{
    struct fixture *f = *state;
    enum { N = 2 * OUTFILES_LOW_WATER };
    char path[80], *big = calloc(1, N);
    (void)snprintf(path, sizeof path, "%s/rank-0000.out", f->dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    start(f, true, 4, true);
    outfiles_on_drain(f->o, on_drained, f);
    put(f, 0, 0, 0, "one\n");
    outfiles_write(f->o, 1, 1, 0, big, N);
    run_for(f, 50);
    expect_copy(f, "gpu1:0: one\n");
    assert_true(outfiles_backlog(f->o) > N);
    assert_int_equal(f->drained, 0);
    int fd = open(path, O_RDONLY | O_NONBLOCK);
    assert_true(fd >= 0);
    run_for(f, 5000); /* on_drained stops it */
    assert_true(f->drained > 0);
    settle(f);
    run_for(f, 10);
    assert_non_null(strstr((char *)f->log.data, "from byte 0: Illegal seek"));
    close(fd);
    free(big);
}

static void test_reader_of_stdout_goes(void **state)
{
    struct fixture *f = *state;
    start(f, false, 1, true);
    close(f->out[0]);
    f->out[0] = open("/dev/null", O_RDONLY);
    put(f, 0, 0, 0, "one\n");
    run_for(f, 20);
    put(f, 0, 0, 4, "two\n");
    run_for(f, 20);
    assert_int_equal(outfiles_backlog(f->o), 0);
    expect_file(f, "rank-0000.out", "one\ntwo\n", 8);
    assert_non_null(strstr((char *)f->log.data, "write standard output: Broken pipe"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_repetition_changes_nothing),
        T(test_labelled_lines_are_whole),
        T(test_unlabelled_part_of_a_line_waits_a_moment),
        T(test_one_rank_is_passed_on_at_once),
        T(test_streams_and_empty_files),
        T(test_goes_on_where_another_head_stopped),
        T(test_gap_keeps_offsets),
        T(test_more_files_than_descriptors),
        T(test_what_cannot_be_written_is_said_with_its_range),
        T(test_segments_hold_the_stream),
        T(test_first_and_last_segments_stay),
        T(test_restart_removes_no_segment),
        T(test_gap_over_segments),
        T(test_full_disk_is_waited_for),
        T(test_full_disk_is_given_up),
        T(test_slow_reader_of_stdout),
        T(test_stalled_file_system),
        T(test_reader_of_stdout_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
