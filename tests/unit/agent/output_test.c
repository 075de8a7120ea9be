/* SPDX-License-Identifier: MIT */
/* output_test.c - the follower on real files, against a head of memory: it takes what
 * credit allows, keeps every byte at its offset, and acknowledges when told to. */
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
#include <unistd.h>

#include "agent/output.h"
#include "proto/wire/aolani.pb-c.h"

enum { STREAMS = 8, HEAD_BYTES = 1 << 20 };
#define MIB (1u << 20)

struct head_stream {
    uint8_t *bytes;      /* the first HEAD_BYTES */
    uint64_t len, total; /* furthest offset; bytes received */
    uint64_t gap_at, gap_len, end;
    unsigned gaps, ends, chunks;
};

struct rig {
    struct loop *loop;
    struct loop_timer *stop;
    struct output *o;
    char dir[64];
    struct head_stream s[STREAMS]; /* 2 * rank + stream */
    uint64_t credit;
    int64_t seq;
    size_t queue; /* messages that the session still takes */
    unsigned done;
    char order[4096]; /* of the streams that sent */
    uint32_t sum[STREAMS];
};

static struct head_stream *at(struct rig *r, uint32_t rank, Aolani__Stream which)
{
    uint32_t i = rank * 2 + (which == AOLANI__STREAM__STDERR);
    assert_true(i < STREAMS);
    size_t n = strlen(r->order);
    if (n + 1 < sizeof r->order)
        r->order[n] = (char)('0' + i);
    return &r->s[i];
}

static int64_t take_output(struct rig *r, const Aolani__Output *m)
{
    uint64_t cost = aolani__output__get_packed_size(m);
    assert_true(m->data.len > 0 && m->data.len <= LIMIT_OUTPUT_CHUNK);
    if (cost > r->credit)
        return -EAGAIN;
    r->credit -= cost;
    struct head_stream *s = at(r, m->rank, m->stream);
    for (size_t i = 0; i < m->data.len && m->offset + i < HEAD_BYTES; i++)
        s->bytes[m->offset + i] = m->data.data[i];
    for (size_t i = 0; i < m->data.len; i++)
        r->sum[s - r->s] += m->data.data[i];
    if (m->offset + m->data.len > s->len)
        s->len = m->offset + m->data.len;
    s->total += m->data.len;
    s->chunks++;
    return ++r->seq;
}

static int64_t send_up(void *arg, enum message_type type, const ProtobufCMessage *m)
{
    struct rig *r = arg;
    if (r->queue == 0)
        return ERR_LIMIT;
    int64_t rc = 0;
    if (type == MSG_OUTPUT) {
        rc = take_output(r, (const Aolani__Output *)m);
    } else if (type == MSG_OUTPUT_GAP) {
        const Aolani__OutputGap *g = (const Aolani__OutputGap *)m;
        struct head_stream *s = at(r, g->rank, g->stream);
        s->gap_at = g->offset;
        s->gap_len += g->length;
        s->gaps++;
        rc = ++r->seq;
    } else if (type == MSG_OUTPUT_END) {
        const Aolani__OutputEnd *end = (const Aolani__OutputEnd *)m;
        struct head_stream *s = at(r, end->rank, end->stream);
        s->end = end->length;
        s->ends++;
        rc = ++r->seq;
    } else {
        fail_msg("message %d", (int)type);
    }
    r->queue -= rc > 0;
    return rc;
}

static uint64_t credit(void *arg)
{
    struct rig *r = arg;
    return r->credit;
}

static void on_done(void *arg)
{
    struct rig *r = arg;
    r->done++;
}

static void on_stop(void *arg)
{
    struct rig *r = arg;
    loop_stop(r->loop);
}

static void run_for(struct rig *r, uint64_t ms)
{
    loop_timer_start(r->stop, ms, 0);
    loop_run(r->loop);
}

static void create(struct rig *r, uint64_t spool_bytes)
{
    struct upward up = {send_up, credit, r};
    struct err e;
    if (output_create(r->loop, r->dir, spool_bytes, &up, on_done, r, &r->o, &e))
        fail_msg("%s", e.text);
}

static int setup(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    struct err e;
    assert_int_equal(loop_create(&r->loop, &e), 0);
    r->stop = loop_timer_create(r->loop, on_stop, r);
    (void)snprintf(r->dir, sizeof r->dir, "/tmp/output-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    for (int i = 0; i < STREAMS; i++)
        r->s[i].bytes = calloc(1, HEAD_BYTES);
    r->credit = 1u << 30;
    r->queue = 1u << 20;
    create(r, 0);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;
    char command[128];
    output_destroy(r->o);
    loop_timer_destroy(r->stop);
    loop_run(r->loop);
    loop_destroy(r->loop);
    for (int i = 0; i < STREAMS; i++)
        free(r->s[i].bytes);
    (void)snprintf(command, sizeof command, "rm -rf -- '%s'", r->dir);
    free(r);
    return system(command);
}

static void open_rank(struct rig *r, uint32_t rank, int fd[2])
{
    struct err e;
    if (output_open_rank(r->o, rank, fd, &e))
        fail_msg("%s", e.text);
}

static void write_all(int fd, const void *data, size_t len)
{
    const uint8_t *p = data;
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        assert_true(n > 0);
        p += n;
        len -= (size_t)n;
    }
}

/* n bytes that depend on their place; returns their sum. */
static uint32_t write_pattern(int fd, size_t n)
{
    static uint8_t block[65536 + 7];
    uint32_t sum = 0;
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (uint8_t)(i * 7 + (i >> 8) + 1);
    while (n > 0) {
        size_t part = n < sizeof block ? n : sizeof block;
        for (size_t i = 0; i < part; i++)
            sum += block[i];
        write_all(fd, block, part);
        n -= part;
    }
    return sum;
}

static uint64_t disk_bytes(struct rig *r, const char *name)
{
    char path[128];
    struct stat st;
    (void)snprintf(path, sizeof path, "%s/%s", r->dir, name);
    assert_int_equal(stat(path, &st), 0);
    return (uint64_t)st.st_blocks * 512;
}

/* ---- tests ---- */

static void test_bytes_and_end(void **state)
{
    struct rig *r = *state;
    int a[2], b[2];
    struct stat st;
    open_rank(r, 0, a);
    open_rank(r, 1, b);
    assert_int_equal(fstat(a[0], &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    write_all(a[0], "hello\0\n", 7);
    write_all(b[1], "\xff\xfe", 2);
    run_for(r, 150);
    write_all(a[0], "again", 5); /* after the follower has become slow */
    run_for(r, 250);
    assert_int_equal(r->s[0].len, 12);
    assert_memory_equal(r->s[0].bytes, "hello\0\nagain", 12);
    assert_int_equal(r->s[0].chunks, 2);
    assert_int_equal(r->s[3].len, 2);
    assert_memory_equal(r->s[3].bytes, "\xff\xfe", 2);
    write_all(a[0], "!", 1);
    output_finish(r->o);
    output_finish(r->o);
    run_for(r, 50);
    assert_int_equal(r->s[0].end, 13);
    assert_int_equal(r->s[3].end, 2);
    for (int i = 0; i < 4; i++)
        assert_int_equal(r->s[i].ends, 1);
    output_acked(r->o, (uint64_t)r->seq - 1);
    run_for(r, 50);
    assert_int_equal(r->done, 0); /* one end is still on its way */
    output_acked(r->o, (uint64_t)r->seq);
    run_for(r, 50);
    assert_int_equal(r->done, 1);
    for (int i = 0; i < 2; i++) {
        (void)close(a[i]);
        (void)close(b[i]);
    }
}

static void test_nothing_to_follow(void **state)
{
    struct rig *r = *state;
    output_finish(r->o);
    run_for(r, 30);
    assert_int_equal(r->done, 1);
}

static void test_existing_files_are_refused(void **state)
{
    struct rig *r = *state;
    int fd[2] = {-7, -7}, again[2] = {-7, -7};
    struct err e;
    open_rank(r, 0, fd);
    assert_int_equal(output_open_rank(r->o, 0, again, &e), -EEXIST);
    assert_non_null(strstr(e.text, "rank-0000.out"));
    assert_int_equal(again[0], -7);
    (void)close(fd[0]);
    (void)close(fd[1]);
}

static void test_credit_is_kept_to(void **state)
{
    struct rig *r = *state;
    int fd[2];
    open_rank(r, 0, fd);
    uint32_t sum = write_pattern(fd[0], 100000);
    r->credit = 30000;
    run_for(r, 60);
    assert_true(r->s[0].total > 25000 && r->s[0].total < 30000);
    uint64_t before = r->s[0].total;
    r->credit += 200; /* not worth a message */
    output_credit(r->o);
    run_for(r, 60);
    assert_int_equal(r->s[0].total, before);
    r->credit = 200000;
    output_credit(r->o);
    run_for(r, 10);
    assert_int_equal(r->s[0].total, 100000);
    assert_int_equal(r->sum[0], sum);
    (void)close(fd[0]);
    (void)close(fd[1]);
}

static void test_a_full_queue_loses_nothing(void **state)
{
    struct rig *r = *state;
    int fd[2];
    open_rank(r, 0, fd);
    uint32_t sum = write_pattern(fd[0], 5 * LIMIT_OUTPUT_CHUNK + 1);
    r->queue = 2;
    run_for(r, 60);
    assert_int_equal(r->s[0].chunks, 2);
    output_finish(r->o);
    for (int i = 0; i < 20 && !r->done; i++) {
        r->queue = 1;
        output_acked(r->o, (uint64_t)r->seq);
        run_for(r, 5);
    }
    assert_int_equal(r->done, 1);
    assert_int_equal(r->s[0].total, 5 * LIMIT_OUTPUT_CHUNK + 1);
    assert_int_equal(r->sum[0], sum);
    assert_int_equal(r->s[0].ends, 1);
    (void)close(fd[0]);
    (void)close(fd[1]);
}

static void test_streams_take_turns(void **state)
{
    struct rig *r = *state;
    int fd[3][2];
    for (uint32_t i = 0; i < 3; i++) {
        open_rank(r, i, fd[i]);
        (void)write_pattern(fd[i][0], 3 * LIMIT_OUTPUT_CHUNK);
    }
    run_for(r, 60);
    assert_string_equal(r->order, "024024024");
    for (uint32_t i = 0; i < 3; i++) {
        (void)close(fd[i][0]);
        (void)close(fd[i][1]);
    }
}

static void test_disk_is_given_back(void **state)
{
    struct rig *r = *state;
    int fd[2];
    uint32_t sum = 0;
    uint64_t most = 0;
    open_rank(r, 0, fd);
    for (int i = 0; i < 64; i++) {
        sum += write_pattern(fd[0], MIB);
        run_for(r, 25);
        output_acked(r->o, (uint64_t)r->seq);
        uint64_t now = disk_bytes(r, "rank-0000.out");
        most = now > most ? now : most;
    }
    output_finish(r->o);
    run_for(r, 100);
    output_acked(r->o, (uint64_t)r->seq);
    assert_int_equal(r->s[0].total, 64 * (uint64_t)MIB);
    assert_int_equal(r->s[0].end, 64 * (uint64_t)MIB);
    assert_int_equal(r->sum[0], sum);
    assert_int_equal(r->s[0].gaps, 0);
    if (disk_bytes(r, "rank-0000.out") > 2 * MIB || most > 8 * MIB)
        fail_msg("%lu bytes on disk, once %lu", disk_bytes(r, "rank-0000.out"), most);
    (void)close(fd[0]);
    (void)close(fd[1]);
}

static void test_a_gap_is_said_and_the_rest_arrives(void **state)
{
    struct rig *r = *state;
    int fd[2];
    output_destroy(r->o);
    create(r, 4 * MIB);
    open_rank(r, 0, fd);
    write_all(fd[0], "begin", 5);
    run_for(r, 30);
    assert_int_equal(r->s[0].len, 5);
    r->queue = 0; /* the head is away */
    for (int i = 0; i < 64; i++) {
        (void)write_pattern(fd[0], MIB);
        run_for(r, 25);
        assert_true(disk_bytes(r, "rank-0000.out") < 6 * MIB);
    }
    write_all(fd[0], "end", 3);
    r->queue = 1000;
    output_finish(r->o);
    run_for(r, 100);
    output_acked(r->o, (uint64_t)r->seq);
    assert_int_equal(r->done, 1);
    assert_int_equal(r->s[0].gaps, 1); /* one, however often it grew */
    assert_int_equal(r->s[0].gap_at, 5);
    assert_true(r->s[0].gap_len > 60 * MIB);
    assert_int_equal(r->s[0].total + r->s[0].gap_len, 64 * (uint64_t)MIB + 8);
    assert_int_equal(r->s[0].len, 64 * (uint64_t)MIB + 8);
    assert_int_equal(r->s[0].end, 64 * (uint64_t)MIB + 8);
    (void)close(fd[0]);
    (void)close(fd[1]);
}

static void test_a_program_that_truncates_its_output(void **state)
{
    struct rig *r = *state;
    int fd[2];
    open_rank(r, 0, fd);
    write_all(fd[0], "0123456789", 10);
    run_for(r, 60);
    assert_int_equal(ftruncate(fd[0], 0), 0);
    write_all(fd[0], "abc", 3);
    output_acked(r->o, (uint64_t)r->seq);
    output_finish(r->o);
    run_for(r, 60);
    assert_memory_equal(r->s[0].bytes, "0123456789abc", 13);
    assert_int_equal(r->s[0].end, 13);
    (void)close(fd[0]);
    (void)close(fd[1]);
}

/* `> /dev/stdout`, and then as much as before or more: the size does not tell. */
static void test_a_program_that_writes_its_output_anew(void **state)
{
    struct rig *r = *state;
    static const char *const anew[] = {"ABCDEFGHIJ", "and this is longer than before",
                                       "AND THIS IS AS LONG AS BEFORE.", "short"};
    char want[200] = "0123456789";
    int fd[2];
    open_rank(r, 0, fd);
    write_all(fd[0], want, 10);
    for (size_t i = 0; i < sizeof anew / sizeof *anew; i++) {
        run_for(r, 120);
        output_acked(r->o, (uint64_t)r->seq);
        assert_int_equal(ftruncate(fd[0], 0), 0);
        write_all(fd[0], anew[i], strlen(anew[i]));
        strcat(want, anew[i]);
    }
    output_finish(r->o);
    run_for(r, 60);
    assert_int_equal(r->s[0].end, strlen(want));
    assert_memory_equal(r->s[0].bytes, want, strlen(want));
    assert_int_equal(r->s[0].gaps, 0);
    (void)close(fd[0]);
    (void)close(fd[1]);
}

/* An agent sent and had acknowledged a part, and died; the next one goes on. */
static void test_adopt(void **state)
{
    struct rig *r = *state;
    struct err e;
    int fd[2];
    char path[128];
    open_rank(r, 0, fd);
    (void)write_pattern(fd[0], 3 * MIB + 100);
    write_all(fd[1], "err", 3);
    run_for(r, 100);
    output_acked(r->o, (uint64_t)r->seq);
    output_destroy(r->o);
    write_all(fd[0], "more", 4);
    for (int i = 0; i < STREAMS; i++)
        r->s[i].total = r->s[i].len = 0;
    /* What is none of ours stays untouched. */
    static const char *const strange[] = {"rank-0000.log", "rank-x.out", "core",
                                          "rank-0001.outer", "rank-9999999999.out"};
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", r->dir, strange[i]);
        assert_true(close(open(path, O_CREAT | O_WRONLY, 0600)) == 0);
    }
    /* Nor does what a program has put in place of ours keep the rest from the head. */
    (void)snprintf(path, sizeof path, "%s/rank-0002.out", r->dir);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof path, "%s/rank-0002.err", r->dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    (void)snprintf(path, sizeof path, "%s/rank-0003.out", r->dir);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    create(r, 0);
    assert_int_equal(output_adopt(r->o, &e), 2);
    output_finish(r->o);
    run_for(r, 60);
    assert_int_equal(r->s[0].len, 3 * MIB + 104);
    assert_int_equal(r->s[0].total, 104); /* from the last whole MiB on */
    assert_int_equal(r->s[0].end, 3 * MIB + 104);
    assert_int_equal(r->s[1].total, 3);
    assert_int_equal(r->s[0].gaps, 0);
    output_acked(r->o, (uint64_t)r->seq);
    assert_int_equal(r->done, 1);
    (void)close(fd[0]);
    (void)close(fd[1]);
}

/* It died with a gap unsaid: the hole in the middle is one, not zeros. */
static void test_adopt_with_a_hole(void **state)
{
    struct rig *r = *state;
    struct err e;
    int fd[2];
    open_rank(r, 0, fd);
    output_destroy(r->o);
    (void)write_pattern(fd[0], MIB);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/rank-0000.out", r->dir);
    int hole = open(path, O_RDWR);
    assert_int_equal(
        fallocate(hole, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 8192, 65536), 0);
    (void)close(hole);
    create(r, 0);
    assert_int_equal(output_adopt(r->o, &e), 2);
    output_finish(r->o);
    run_for(r, 100);
    assert_int_equal(r->s[0].gaps, 1);
    assert_int_equal(r->s[0].gap_at, 8192);
    assert_int_equal(r->s[0].gap_len, 65536);
    assert_int_equal(r->s[0].total, MIB - 65536);
    assert_int_equal(r->s[0].end, MIB);
    (void)close(fd[0]);
    (void)close(fd[1]);
}

static void test_adopt_nowhere(void **state)
{
    struct rig *r = *state;
    struct err e;
    output_destroy(r->o);
    assert_int_equal(rmdir(r->dir), 0);
    create(r, 0);
    assert_int_equal(output_adopt(r->o, &e), -ENOENT);
}

/* ---- what is shown */

struct shown {
    char text[256]; /* of the first bytes of each piece; "~": something was left out */
    size_t bytes;
    uint64_t last_ns;
};

static void on_shown(void *arg, uint32_t rank, unsigned stream, const void *data,
                     size_t len, uint64_t t_ns)
{
    struct shown *w = arg;
    size_t at = strlen(w->text);
    assert_true(t_ns >= w->last_ns || rank == 1 || stream == 1);
    w->last_ns = t_ns;
    w->bytes += len;
    (void)snprintf(w->text + at, sizeof w->text - at, "%u%u%s%.*s|", rank, stream,
                   len ? ":" : "~", len > 6 ? 6 : (int)len, (const char *)data);
}

static void test_output_is_shown_without_credit(void **state)
{
    static struct shown w;
    struct rig *r = *state;
    int fd[2], other[2];
    w = (struct shown){0};
    output_watch(r->o, on_shown, &w);
    open_rank(r, 0, fd);
    open_rank(r, 1, other);
    r->credit = 0;
    write_all(fd[0], "one\n", 4);
    output_look(r->o);
    output_look(r->o);
    write_all(fd[0], "tw", 2);
    write_all(other[1], "err\n", 4);
    output_look(r->o);
    write_all(fd[0], "o\n", 2);
    output_look(r->o);
    assert_string_equal(w.text, "00:one\n|00:tw|11:err\n|00:o\n|");
    assert_int_equal(r->s[0].total, 0);

    w.text[0] = '\0'; /* of much at once the end is shown, and that it is not all */
    w.bytes = 0;
    (void)write_pattern(fd[0], OUTPUT_SHOWN + 5000);
    output_look(r->o);
    assert_memory_equal(w.text, "00~|00:", 7);
    assert_int_equal(w.bytes, OUTPUT_SHOWN);

    w.text[0] = '\0';
    output_watch(r->o, NULL, NULL);
    write_all(fd[0], "x\n", 2);
    output_look(r->o);
    assert_string_equal(w.text, "");
    for (int i = 0; i < 2; i++) {
        close(fd[i]);
        close(other[i]);
    }
}

static void test_output_that_is_cut_is_shown_anew(void **state)
{
    static struct shown w;
    struct rig *r = *state;
    int fd[2];
    w = (struct shown){0};
    output_watch(r->o, on_shown, &w);
    open_rank(r, 0, fd);
    write_all(fd[0], "first\n", 6);
    run_for(r, 100); /* it is sent, so that the cut is seen */
    assert_int_equal(ftruncate(fd[0], 0), 0);
    write_all(fd[0], "new\n", 4);
    run_for(r, 250);
    assert_string_equal(w.text, "00:first\n|00:new\n|");
    close(fd[0]);
    close(fd[1]);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_bytes_and_end),
        TEST(test_nothing_to_follow),
        TEST(test_existing_files_are_refused),
        TEST(test_credit_is_kept_to),
        TEST(test_a_full_queue_loses_nothing),
        TEST(test_streams_take_turns),
        TEST(test_disk_is_given_back),
        TEST(test_a_gap_is_said_and_the_rest_arrives),
        TEST(test_a_program_that_truncates_its_output),
        TEST(test_a_program_that_writes_its_output_anew),
        TEST(test_output_is_shown_without_credit),
        TEST(test_output_that_is_cut_is_shown_anew),
        TEST(test_adopt),
        TEST(test_adopt_with_a_hole),
        TEST(test_adopt_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
