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
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/steprelay.h"
#include "proto/wire/aolani.pb-c.h"
#include "proto/wire/steprec.h"

/* ---- a head that records what it hears */

enum { MOST = 20000 };
struct fixture {
    struct loop *loop;
    struct steprelay *relay;
    char dir[64];
    uint64_t credit;
    int refuse; /* this many sends fail with it set */
    int64_t seq;
    unsigned n_messages, n;
    struct steprec got[MOST];
    uint64_t dropped[4];
    bool others[4];
};

static int64_t on_send(void *arg, enum message_type type, const ProtobufCMessage *m)
{
    struct fixture *f = arg;
    const Aolani__Steps *s = (const Aolani__Steps *)m;
    size_t bytes = protobuf_c_message_get_packed_size(m);
    assert_int_equal(type, MSG_STEPS);
    assert_int_equal(s->records.len % STEPREC_BYTES, 0);
    assert_true(bytes <= message_rule(type)->max_payload);
    if (f->refuse > 0) {
        f->refuse--;
        return -EAGAIN;
    }
    assert_true(bytes <= f->credit);
    f->credit -= bytes;
    f->n_messages++;
    f->dropped[s->rank] = s->dropped;
    f->others[s->rank] = s->others;
    for (size_t at = 0; at < s->records.len; at += STEPREC_BYTES) {
        assert_true(f->n < MOST);
        steprec_decode(s->records.data + at, &f->got[f->n]);
        assert_int_equal(f->got[f->n].rank, s->rank);
        f->n++;
    }
    return ++f->seq;
}

static uint64_t on_credit(void *arg)
{
    return ((struct fixture *)arg)->credit;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct err e;
    f->credit = 100u << 20;
    strcpy(f->dir, "/tmp/aolani-relay-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    assert_int_equal(loop_create(&f->loop, &e), 0);
    struct upward up = {on_send, on_credit, f};
    assert_int_equal(steprelay_create(f->loop, f->dir, &up, &f->relay, &e), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    steprelay_destroy(f->relay);
    loop_destroy(f->loop);
    assert_int_equal(rmdir(f->dir), 0); /* the rings are gone */
    free(f);
    return 0;
}

static struct ring *open_rank(struct fixture *f, uint32_t rank, const char **ret_path)
{
    struct err e;
    struct stat st;
    const char *path;
    assert_int_equal(steprelay_open_rank(f->relay, rank, &path, &e), 0);
    int fd = open(path, O_RDWR | O_NOFOLLOW);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(st.st_size, RING_BYTES);
    void *at = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    assert_ptr_not_equal(at, MAP_FAILED);
    if (ret_path)
        *ret_path = path;
    return at;
}

static void push(struct ring *r, uint32_t from, uint32_t n)
{
    uint8_t bytes[STEPREC_BYTES];
    for (uint32_t s = from; s < from + n; s++) {
        struct steprec rec = {.rank = 99, .step = s, .wall_us = 10};
        steprec_encode(&rec, bytes);
        (void)ring_push(r, bytes);
    }
}

/* ---- */

static void test_flush_sends_all_in_order(void **state)
{
    struct fixture *f = *state;
    struct ring *a = open_rank(f, 0, NULL), *b = open_rank(f, 1, NULL);
    assert_int_equal(steprelay_flush(f->relay), 0);
    assert_int_equal(f->n_messages, 0); /* nothing to say */
    push(a, 0, 3000);
    push(b, 0, 5);
    assert_int_equal(steprelay_flush(f->relay), 0);
    assert_int_equal(f->n, 3005);
    for (uint32_t i = 0, at[2] = {0}; i < f->n; i++)
        assert_int_equal(f->got[i].step, at[f->got[i].rank]++);
    munmap(a, RING_BYTES);
    munmap(b, RING_BYTES);
}

static void test_scarce_credit_is_shared(void **state)
{
    struct fixture *f = *state;
    struct ring *r[3];
    unsigned n[3] = {0};
    for (uint32_t k = 0; k < 3; k++) {
        r[k] = open_rank(f, k, NULL);
        push(r[k], 0, k == 0 ? 2000 : 300); /* more than it can ever be given */
    }
    f->credit = 0;
    assert_int_equal(steprelay_flush(f->relay), -EAGAIN);
    assert_int_equal(f->n, 0);
    for (int round = 0; round < 12; round++) {
        f->credit += 100 * STEPREC_BYTES;
        (void)steprelay_flush(f->relay);
        for (uint32_t k = 0; k < 3; k++)
            push(r[k], 300, 20);
    }
    for (uint32_t i = 0; i < f->n; i++)
        n[f->got[i].rank]++;
    assert_true(n[0] >= 200 && n[1] >= 200 && n[2] >= 200);
    f->credit = 1u << 20;
    assert_int_equal(steprelay_flush(f->relay), 0);
    assert_int_equal(f->n, 2600 + 3 * 12 * 20);
    for (uint32_t k = 0; k < 3; k++)
        munmap(r[k], RING_BYTES);
}

static void test_a_refused_batch_is_sent_again_once(void **state)
{
    struct fixture *f = *state;
    struct ring *r = open_rank(f, 2, NULL);
    push(r, 0, 10);
    f->refuse = 2;
    assert_int_equal(steprelay_flush(f->relay), -EAGAIN);
    for (uint32_t k = 10; k < 40; k++) { /* the table of ranks moves meanwhile */
        const char *path;
        struct err e;
        assert_int_equal(steprelay_open_rank(f->relay, k, &path, &e), 0);
    }
    assert_int_equal(steprelay_flush(f->relay), -EAGAIN);
    push(r, 10, 1);
    assert_int_equal(steprelay_flush(f->relay), 0);
    assert_int_equal(f->n, 11);
    for (uint32_t i = 0; i < 11; i++)
        assert_int_equal(f->got[i].step, i);
    munmap(r, RING_BYTES);
}

static void test_the_ranks_own_drops_are_told(void **state)
{
    struct fixture *f = *state;
    struct ring *r = open_rank(f, 1, NULL);
    push(r, 0, RING_RECORDS + 7);
    assert_int_equal(steprelay_flush(f->relay), 0);
    assert_int_equal(f->n, RING_RECORDS);
    assert_int_equal(f->dropped[1], 7);
    atomic_store(&r->dropped, 9); /* after the last record */
    f->refuse = 1;
    assert_int_equal(steprelay_flush(f->relay), -EAGAIN);
    assert_int_equal(steprelay_flush(f->relay), 0);
    assert_int_equal(f->dropped[1], 9);
    atomic_store(&r->dropped, 2); /* nonsense: it never falls */
    assert_int_equal(steprelay_flush(f->relay), 0);
    assert_int_equal(f->dropped[1], 9);
    munmap(r, RING_BYTES);
}

static void test_that_others_mark_is_told(void **state)
{
    struct fixture *f = *state;
    struct ring *r = open_rank(f, 1, NULL), *alone = open_rank(f, 2, NULL);
    push(r, 0, 1);
    push(alone, 0, 1);
    assert_int_equal(steprelay_flush(f->relay), 0);
    assert_false(f->others[1]);
    atomic_store(&r->others, 1); /* after the last record */
    f->refuse = 1;
    assert_int_equal(steprelay_flush(f->relay), -EAGAIN);
    assert_int_equal(steprelay_flush(f->relay), 0);
    assert_true(f->others[1]);
    assert_false(f->others[2]);
    unsigned n = f->n_messages;
    assert_int_equal(steprelay_flush(f->relay), 0);
    assert_int_equal(f->n_messages, n); /* once */
    push(r, 1, 1);
    assert_int_equal(steprelay_flush(f->relay), 0);
    assert_true(f->others[1]);
    munmap(r, RING_BYTES);
    munmap(alone, RING_BYTES);
}

/* ---- stops */

static void push_at(struct ring *r, uint32_t step, uint64_t from_ms, uint64_t to_ms,
                    uint32_t blocked_us)
{
    uint8_t bytes[STEPREC_BYTES];
    struct steprec rec = {.step = step,
                          .t_end_ns = to_ms * 1000000,
                          .wall_us = (uint32_t)(to_ms - from_ms) * 1000,
                          .blocked_us = blocked_us,
                          .flags = STEPREC_SPECIAL};
    steprec_encode(&rec, bytes);
    assert_int_equal(ring_push(r, bytes), 0);
}

/* Steps of rank 0 last from 100 to 110, 110 to 120 and 120 to 130; only the second has
 * slept. */
static void test_records_of_a_stop_are_flagged(void **state)
{
    static const struct {
        uint32_t rank;
        unsigned from_ms, to_ms;
        const char *want;
    } cases[] = {
        {0, 105, 105, "x.."}, {0, 115, 115, ".x."}, /* seen while it was stopped */
        {0, 130, 130, "..x"}, {0, 99, 99, "..."},   {0, 131, 131, "..."},
        {0, 101, 125, ".x."}, /* some time in there: the one that slept */
        {0, 121, 125, "..."}, {0, 0, 110, ".x."},   {0, 120, 500, ".x."},
        {1, 115, 115, "..."}, /* another rank */
        {9, 115, 115, "..."}, /* one without a ring */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture *f = *state;
        struct ring *a = open_rank(f, 0, NULL), *b = open_rank(f, 1, NULL);
        steprelay_stopped(f->relay, cases[i].rank, cases[i].from_ms * 1000000ull,
                          cases[i].to_ms * 1000000ull);
        push_at(a, 1, 100, 110, 0);
        push_at(a, 2, 110, 120, 5000);
        push_at(a, 3, 120, 130, 0);
        assert_int_equal(steprelay_flush(f->relay), 0);
        assert_int_equal(f->n, 3);
        for (unsigned k = 0; k < 3; k++)
            assert_int_equal(f->got[k].flags,
                             STEPREC_SPECIAL |
                                 (cases[i].want[k] == 'x' ? STEPREC_STOPPED : 0));
        munmap(a, RING_BYTES);
        munmap(b, RING_BYTES);
        teardown(state);
        setup(state);
    }
}

static void test_the_last_stops_are_remembered(void **state)
{
    struct fixture *f = *state;
    struct ring *r = open_rank(f, 0, NULL);
    for (uint64_t i = 0; i < STEPRELAY_STOPS + 10; i++)
        steprelay_stopped(f->relay, 0, (10 * i + 5) * 1000000, (10 * i + 5) * 1000000);
    for (uint32_t i = 0; i < STEPRELAY_STOPS + 10; i++)
        push_at(r, i, 10 * i, 10 * i + 9, 0);
    assert_int_equal(steprelay_flush(f->relay), 0);
    assert_int_equal(f->n, STEPRELAY_STOPS + 10);
    for (unsigned i = 0; i < f->n; i++)
        assert_int_equal((f->got[i].flags & STEPREC_STOPPED) != 0, i >= 10);
    munmap(r, RING_BYTES);
}

static void tell_of_a_stop(void *arg)
{
    steprelay_stopped(((struct fixture *)arg)->relay, 0, 5000000, 5000000);
}

static void test_a_look_comes_before_the_records(void **state)
{
    struct fixture *f = *state;
    struct ring *r = open_rank(f, 0, NULL);
    push_at(r, 1, 1, 9, 0);
    steprelay_before_drain(f->relay, tell_of_a_stop, f);
    assert_int_equal(steprelay_flush(f->relay), 0);
    assert_int_equal(f->got[0].flags, STEPREC_SPECIAL | STEPREC_STOPPED);
    munmap(r, RING_BYTES);
}

static void stop_loop(void *arg)
{
    loop_stop(arg);
}

static void run_ms(struct fixture *f, uint64_t ms)
{
    struct loop_timer *t = loop_timer_create(f->loop, stop_loop, f->loop);
    loop_timer_start(t, ms, 0);
    loop_run(f->loop);
    loop_timer_destroy(t);
}

static void test_the_timer_drains(void **state)
{
    struct fixture *f = *state;
    struct ring *r = open_rank(f, 0, NULL);
    push(r, 0, 4);
    run_ms(f, 350);
    assert_int_equal(f->n, 4);
    munmap(r, RING_BYTES);
}

static void test_without_credit_the_oldest_go(void **state)
{
    struct fixture *f = *state;
    struct ring *r = open_rank(f, 0, NULL);
    f->credit = 0;
    push(r, 0, RING_RECORDS);
    run_ms(f, 250);
    push(r, RING_RECORDS, 100); /* there is room for the newest */
    f->credit = 100u << 20;
    assert_int_equal(steprelay_flush(f->relay), 0);
    assert_int_equal(f->got[f->n - 1].step, RING_RECORDS + 99);
    assert_true(f->got[0].flags & STEPREC_GAP);
    assert_false(f->got[1].flags & STEPREC_GAP);
    assert_int_equal(f->dropped[0], RING_RECORDS + 100 - f->n);
    assert_true(f->n >= RING_RECORDS / 2);
    munmap(r, RING_BYTES);
}

static void test_a_wild_ring_ends(void **state)
{
    struct fixture *f = *state;
    struct ring *r = open_rank(f, 0, NULL);
    atomic_store(&r->head, UINT64_MAX / 2);
    assert_int_equal(steprelay_flush(f->relay), 0);
    assert_int_equal(f->n, 0);
    assert_true(f->dropped[0] > 0);
    push(r, 0, 1);
    assert_int_equal(steprelay_flush(f->relay), 0);
    assert_int_equal(f->n, 1);
    assert_true(f->got[0].flags & STEPREC_GAP);
    munmap(r, RING_BYTES);
}

/* Its program may do anything to the file: the agent goes on, and so do the other rings. */
static void test_a_truncated_ring_harms_nobody(void **state)
{
    struct fixture *f = *state;
    static const off_t sizes[] = {0, 4096, 100, 0};
    const char *path;
    struct ring *bad = open_rank(f, 0, &path), *good = open_rank(f, 1, NULL);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        push(bad, 0, 200);
        push(good, (uint32_t)i, 1);
        assert_int_equal(truncate(path, sizes[i]), 0);
        assert_int_equal(steprelay_flush(f->relay), 0);
        steprelay_request_stop(f->relay);
        assert_int_equal(f->got[f->n - 1].rank, 1);
        assert_int_equal(f->got[f->n - 1].step, i);
        assert_int_equal(truncate(path, RING_BYTES), 0);
        atomic_store(&bad->head, atomic_load(&bad->tail));
    }
    munmap(bad, RING_BYTES);
    munmap(good, RING_BYTES);
}

static void test_stop_reaches_all_rings(void **state)
{
    struct fixture *f = *state;
    struct ring *a = open_rank(f, 0, NULL);
    assert_int_equal(atomic_load(&a->stop_requested), 0);
    steprelay_request_stop(f->relay);
    struct ring *b = open_rank(f, 1, NULL);
    assert_int_equal(atomic_load(&a->stop_requested), 1);
    assert_int_equal(atomic_load(&b->stop_requested), 1);
    munmap(a, RING_BYTES);
    munmap(b, RING_BYTES);
}

static void test_open_fails_with_the_path_and_replaces_what_is_stale(void **state)
{
    struct fixture *f = *state;
    struct err e;
    const char *path = NULL;
    char at[96];
    snprintf(at, sizeof at, "%s/steps-0", f->dir);
    assert_int_equal(symlink("/etc/passwd", at), 0);
    munmap(open_rank(f, 0, NULL), RING_BYTES);

    snprintf(at, sizeof at, "%s/steps-1", f->dir);
    assert_int_equal(mkdir(at, 0700), 0);
    assert_true(steprelay_open_rank(f->relay, 1, &path, &e) < 0);
    assert_non_null(strstr(e.text, at));
    assert_null(path);
    assert_int_equal(rmdir(at), 0);
    steprelay_destroy(NULL);
}

/* ---- records that the agent makes */

static void add(struct fixture *f, uint32_t rank, uint32_t from, uint32_t n)
{
    for (uint32_t s = from; s < from + n; s++) {
        struct steprec r = {
            .rank = 77, .step = s, .wall_us = 10, .source = STEPREC_LOG};
        assert_true(steprelay_add(f->relay, rank, &r) >= 0);
    }
}

static void test_own_records_go_beside_those_of_the_ring(void **state)
{
    struct fixture *f = *state;
    struct ring *r = open_rank(f, 1, NULL);
    struct steprec none = {0};
    uint32_t next[2] = {0, 0};
    assert_int_equal(steprelay_add(f->relay, 2, &none), -ENOENT);
    push(r, 0, 5);
    add(f, 1, 0, 1500); /* more than one message holds */
    f->refuse = 1;
    assert_int_equal(steprelay_flush(f->relay), -EAGAIN);
    push(r, 5, 5);
    add(f, 1, 1500, 3);
    assert_int_equal(steprelay_flush(f->relay), 0);
    assert_int_equal(f->n, 10 + 1503);
    for (uint32_t i = 0; i < f->n; i++)
        assert_int_equal(f->got[i].step, next[f->got[i].source == STEPREC_LOG]++);
    assert_int_equal(f->dropped[1], 0);
    munmap(r, RING_BYTES);
}

static void test_own_records_are_bounded_and_the_oldest_go(void **state)
{
    struct fixture *f = *state;
    struct steprec r = {.step = 9999};
    munmap(open_rank(f, 0, NULL), RING_BYTES);
    f->credit = 0;
    add(f, 0, 0, 2048);
    assert_int_equal(steprelay_add(f->relay, 0, &r), 1);
    add(f, 0, 10000, 9);
    f->credit = 1u << 20;
    assert_int_equal(steprelay_flush(f->relay), 0);
    assert_int_equal(f->n, 2048);
    assert_int_equal(f->dropped[0], 10);
    assert_int_equal(f->got[0].step, 10);
    for (uint32_t i = 0; i < f->n; i++) /* the loss is told once, where it was */
        assert_int_equal(f->got[i].flags & STEPREC_GAP, i == 0 ? STEPREC_GAP : 0);
    assert_int_equal(f->got[2047].step, 10008);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_flush_sends_all_in_order),
        T(test_scarce_credit_is_shared),
        T(test_a_refused_batch_is_sent_again_once),
        T(test_the_ranks_own_drops_are_told),
        T(test_that_others_mark_is_told),
        T(test_records_of_a_stop_are_flagged),
        T(test_the_last_stops_are_remembered),
        T(test_a_look_comes_before_the_records),
        T(test_the_timer_drains),
        T(test_without_credit_the_oldest_go),
        T(test_a_wild_ring_ends),
        T(test_a_truncated_ring_harms_nobody),
        T(test_stop_reaches_all_rings),
        T(test_own_records_go_beside_those_of_the_ring),
        T(test_own_records_are_bounded_and_the_oldest_go),
        T(test_open_fails_with_the_path_and_replaces_what_is_stale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
