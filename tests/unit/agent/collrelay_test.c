/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/anchor.h"
#include "agent/collrelay.h"
#include "proto/wire/colltime.h"
#include "tests/lib/collwriter.h"

enum { MOST = 4096, STEP_NS = 100000000, BUCKETS = 3, COMM = 77 };

struct fixture {
    char dir[64];
    struct collrelay *relay;
    struct collfile *f;
    uint64_t credit, now_ns;
    uint32_t seq; /* of the next step */
    uint16_t n_ranks;
    struct steprec rec[MOST];
    unsigned n_rec;
    unsigned n_anchors, n_candidates;
    bool lost, captured, no_norm;
    uint32_t profiler, library, no_times, without;
    struct anchor_class first; /* of the last list */
    uint32_t times_step[MOST], times_missing[MOST];
    struct colltime time[MOST][8];
    unsigned n_time[MOST], n_times;
};

static int on_add(void *arg, uint32_t rank, const struct steprec *rec)
{
    struct fixture *x = arg;
    assert_int_equal(rank, 5);
    assert_true(x->n_rec < MOST);
    x->rec[x->n_rec++] = *rec;
    return 0;
}

static void take_times(struct fixture *x, const Aolani__CollTimes *m)
{
    unsigned i = x->n_times++, n = (unsigned)(m->records.len / COLLTIME_BYTES);
    assert_true(i < MOST && n <= 8 && m->records.len % COLLTIME_BYTES == 0);
    x->times_step[i] = m->step;
    x->times_missing[i] = m->missing;
    x->n_time[i] = n;
    for (unsigned k = 0; k < n; k++)
        colltime_decode(m->records.data + k * COLLTIME_BYTES, &x->time[i][k]);
}

static int64_t on_send(void *arg, enum message_type type, const ProtobufCMessage *m)
{
    struct fixture *x = arg;
    const Aolani__CollAnchors *a = (const void *)m;
    size_t bytes = protobuf_c_message_get_packed_size(m);
    assert_true(bytes <= message_rule(type)->max_payload);
    if (type == MSG_COLL_TIMES) {
        assert_true(bytes <= x->credit);
        take_times(x, (const void *)m);
        return 1;
    }
    assert_int_equal(type, MSG_COLL_ANCHORS);
    assert_int_equal(a->rank, 5);
    x->n_anchors++;
    x->n_candidates = (unsigned)a->n_candidates;
    x->lost = a->lost;
    x->captured = a->captured;
    x->library = a->library;
    x->no_times = a->no_times;
    x->profiler = a->profiler;
    x->without = a->without;
    for (size_t i = 0; i < a->n_candidates; i++) /* else the head ends the link */
        assert_in_range(a->candidates[i]->n_ranks, 1, UINT16_MAX);
    if (a->n_candidates > 0) {
        uint32_t key = a->candidates[0]->key;
        x->first = (struct anchor_class){
            {(uint8_t)(key >> 16), (uint8_t)(key >> 8), (uint8_t)key},
            (uint16_t)a->candidates[0]->n_ranks};
    }
    return 1;
}

static uint64_t on_credit(void *arg)
{
    return ((struct fixture *)arg)->credit;
}

static int setup(void **state)
{
    struct fixture *x = calloc(1, sizeof *x);
    const char *path;
    struct err e;
    struct stat st;
    x->credit = 1u << 20;
    x->now_ns = 1000ull * STEP_NS;
    x->n_ranks = 4;
    strcpy(x->dir, "/tmp/aolani-coll-XXXXXX");
    assert_non_null(mkdtemp(x->dir));
    struct collrelay_config c = {
        .dir = x->dir, .up = {on_send, on_credit, x}, .add = on_add, .arg = x};
    assert_int_equal(collrelay_create(&c, &x->relay, &e), 0);
    assert_int_equal(collrelay_open_rank(x->relay, 5, &path, &e), 0);
    assert_int_equal(stat(path, &st), 0);
    x->f = collwriter_open(path);
    atomic_store(&x->f->nccl_version, 5);
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *x = *state;
    collwriter_close(x->f);
    collrelay_destroy(x->relay);
    assert_int_equal(rmdir(x->dir), 0); /* the file is gone */
    free(x);
    return 0;
}

/* ---- a program that trains: in each step some buckets, then the norm of it all */

static struct collrec record(struct fixture *x, unsigned kind, unsigned i)
{
    bool norm = i == BUCKETS;
    uint64_t bytes = norm ? 4 : (uint64_t)1 << (20 + i);
    return (struct collrec){.t_ns = x->now_ns,
                            .comm = COMM,
                            .bytes = bytes,
                            .seq = x->seq,
                            .dur_ns = kind == COLLREC_DONE ? 1000 * (i + 1) : 0,
                            .n_ranks = x->n_ranks,
                            .kind = (uint8_t)kind,
                            .sig = collsig_of(COLL_ALLREDUCE, 7, bytes)};
}

/* done: times are told of the first so many collectives. */
static void train(struct fixture *x, unsigned steps, unsigned done)
{
    for (unsigned s = 0; s < steps; s++, x->seq++) {
        for (unsigned i = 0; i < BUCKETS + (x->no_norm ? 0 : 1u); i++) {
            struct collrec r = record(x, COLLREC_CALL, i);
            assert_int_equal(collwriter_put(x->f, 0, &r), 0);
            x->now_ns += STEP_NS / 10;
            r = record(x, COLLREC_DONE, i);
            if (i < done)
                assert_int_equal(collwriter_put(x->f, 1, &r), 0);
        }
        x->now_ns += STEP_NS / 10 * (9 - BUCKETS);
        collrelay_drain(x->relay, x->now_ns, false);
    }
}

static uint32_t norm_key(void)
{
    return collsig_key(collsig_of(COLL_ALLREDUCE, 7, 4));
}

static void choose(struct fixture *x, uint32_t key, uint32_t every, uint32_t n)
{
    Aolani__CollAnchor m = AOLANI__COLL_ANCHOR__INIT;
    struct err e;
    m.key = key;
    m.n_ranks = x->n_ranks ? x->n_ranks : COLLREC_RANKS_UNKNOWN;
    m.deep_every = every;
    m.deep_n = n;
    assert_int_equal(collrelay_choose(x->relay, &m, &e), 0);
}

/* ---- */

static void test_candidates_come_and_steps_follow(void **state)
{
    struct fixture *x = *state;
    train(x, 30, 0);
    assert_true(x->n_anchors > 0 && x->n_anchors <= 4 && x->n_candidates > 0);
    assert_int_equal(x->n_rec, 0); /* nobody has chosen */
    assert_int_equal(x->first.n_ranks, 4);
    choose(x, norm_key(), 0, 0);
    train(x, 30, 0);
    assert_true(x->n_rec >= 28 && x->n_rec <= 30);
    for (unsigned i = 0; i < x->n_rec; i++) {
        const struct steprec *r = &x->rec[i];
        assert_int_equal(r->source, STEPREC_NCCL);
        assert_int_equal(r->flags, STEPREC_HOST_PACED | STEPREC_PARTIAL);
        assert_int_equal(r->wall_us, STEP_NS / 1000);
        assert_int_equal(r->n_coll, BUCKETS + 1);
        assert_int_equal(r->payload_kib, 7 * 1024);
        assert_true(r->confidence > 90);
        assert_int_equal(r->step, x->rec[0].step + i);
    }
    assert_int_equal(x->rec[x->n_rec - 1].step, 59);
    assert_int_equal(x->n_times, 0);
}

/* As versions 1 to 3 of the table have it. */
static void test_communicators_of_unknown_size(void **state)
{
    struct fixture *x = *state;
    x->n_ranks = 0;
    atomic_store(&x->f->nccl_version, 3);
    train(x, 30, 0);
    assert_true(x->n_candidates > 0);
    assert_int_equal(x->first.n_ranks, COLLREC_RANKS_UNKNOWN);
    choose(x, norm_key(), 8, 2);
    train(x, 30, 0);
    assert_true(x->n_rec >= 28 && x->n_rec <= 30);
    for (unsigned i = 0; i < x->n_rec; i++) /* it has no times to wait for */
        assert_int_equal(x->rec[i].flags, STEPREC_HOST_PACED | STEPREC_PARTIAL);
    assert_int_equal(x->n_times, 0);
}

static void test_deep_steps_tell_their_times(void **state)
{
    struct fixture *x = *state;
    train(x, 30, 0);
    choose(x, norm_key(), 8, 2);
    train(x, 5, BUCKETS + 1); /* its wish is seen */
    assert_int_equal(x->f->wish.anchor_comm, COMM);
    assert_int_equal(x->f->wish.anchor_key, norm_key());
    assert_int_equal(x->f->wish.deep_every, 8);
    assert_int_equal(atomic_load(&x->f->wish.gen) % 2, 0);
    train(x, 45, BUCKETS + 1);
    assert_true(x->n_times >= 8);
    for (unsigned i = 0; i < x->n_times; i++) {
        uint32_t step = x->times_step[i];
        bool first = (step - 1) % 8 == 0;
        assert_true((step - 1) % 8 < 2);
        assert_int_equal(x->times_missing[i], 0);
        /* The call that begins the first of them was not timed. */
        assert_int_equal(x->n_time[i], BUCKETS + !first);
        for (unsigned k = 0; k < x->n_time[i]; k++) {
            const struct colltime *t = &x->time[i][k];
            bool norm = t->key == norm_key();
            assert_int_equal(t->comm, COMM);
            assert_int_equal(t->n_ranks, 4);
            assert_int_equal(t->seq, norm ? step - 1 : step);
            assert_int_equal(t->dur_ns % 1000, 0);
        }
    }
    for (unsigned i = 0; i < x->n_rec; i++) {
        bool told = false;
        for (unsigned k = 0; k < x->n_times; k++)
            told = told || x->times_step[k] == x->rec[i].step;
        if (told != ((x->rec[i].flags & STEPREC_DEEP) != 0))
            fail_msg("step %u is flagged %x", x->rec[i].step, x->rec[i].flags);
    }
}

static void test_times_that_never_come(void **state)
{
    struct fixture *x = *state;
    train(x, 30, 0);
    choose(x, norm_key(), 32, 2);
    train(x, 40, 1); /* of one in each step it is told */
    assert_true(x->n_times >= 2);
    assert_int_equal(x->n_time[0], 1);
    assert_int_equal(x->times_missing[0], BUCKETS - 1);
    assert_int_equal(x->times_missing[1], BUCKETS);
}

/* NCCL makes sends and receives of an AlltoAll, and times nothing by its name. */
static void test_exchanges_are_not_missing(void **state)
{
    struct fixture *x = *state;
    train(x, 30, 0);
    choose(x, norm_key(), 8, 2);
    for (unsigned i = 0; i < 40; i++) {
        struct collrec r = record(x, COLLREC_CALL, BUCKETS);
        r.sig = collsig_of(COLL_ALLTOALL, 7, r.bytes = 1 << 20);
        assert_int_equal(collwriter_put(x->f, 0, &r), 0);
        train(x, 1, BUCKETS + 1);
    }
    assert_true(x->n_times >= 8);
    for (unsigned i = 0; i < x->n_times; i++)
        assert_int_equal(x->times_missing[i], 0);
}

static void test_short_credit_keeps_few(void **state)
{
    struct fixture *x = *state;
    train(x, 30, 0);
    choose(x, norm_key(), 8, 2);
    x->credit = 10;
    train(x, 80, BUCKETS + 1);
    assert_int_equal(x->n_times, 0);
    assert_true(x->n_rec > 70); /* steps have their own */
    x->credit = 1u << 20;
    train(x, 1, BUCKETS + 1);
    assert_true(x->n_times > 0 && x->n_times <= 4);
    assert_true(x->times_step[0] > 80); /* the newest */
}

static void test_an_anchor_that_stops_is_told(void **state)
{
    struct fixture *x = *state;
    train(x, 30, 0);
    choose(x, norm_key(), 0, 0);
    train(x, 30, 0);
    assert_false(x->lost);
    collrelay_drain(x->relay, x->now_ns + 20ull * STEP_NS, false);
    assert_true(x->lost);
    x->now_ns += 30ull * STEP_NS;
    train(x, 30, 0);
    assert_false(x->lost);
}

/* The head must know whether anything is called, before it takes another for the step. */
static void test_life_without_the_anchor_is_told(void **state)
{
    struct fixture *x = *state;
    train(x, 30, 0);
    choose(x, norm_key(), 0, 0);
    train(x, 30, 0);
    x->no_norm = true;
    train(x, 30, 0);
    assert_true(x->lost);
    unsigned told = x->n_anchors;
    train(x, (unsigned)(60000000000u / STEP_NS), 0);
    assert_true(x->n_anchors >= told + 5);
    assert_true(x->n_anchors <= told + 12);
    told = x->n_anchors;
    for (unsigned i = 0; i < 10; i++)
        collrelay_drain(x->relay, x->now_ns += 30000000000u, false);
    assert_in_range(x->n_anchors, told, told + 1); /* what had not been told */
}

static void test_young_records_are_left(void **state)
{
    struct fixture *x = *state;
    train(x, 30, 0);
    choose(x, norm_key(), 0, 0);
    train(x, 5, 0);
    struct collrec r = record(x, COLLREC_CALL, BUCKETS);
    unsigned before = x->n_rec;
    assert_int_equal(collwriter_put(x->f, 0, &r), 0);
    collrelay_drain(x->relay, x->now_ns, false);
    assert_int_equal(x->n_rec, before);
    collrelay_drain(x->relay, x->now_ns, true);
    assert_int_equal(x->n_rec, before + 1);
}

static void test_what_nccl_is_comes_with_the_anchors(void **state)
{
    struct fixture *x = *state;
    train(x, 30, 0);
    assert_false(x->captured);
    assert_int_equal(x->library, 0);
    atomic_store(&x->f->library, 23102);
    atomic_store(&x->f->no_times, COLL_NO_TIMES_SLOWED);
    collrelay_drain(x->relay, x->now_ns += 2000000000u, false);
    assert_int_equal(x->library, 23102);
    assert_int_equal(x->no_times, COLL_NO_TIMES_SLOWED);
    struct collrec r = record(x, COLLREC_CALL, BUCKETS);
    r.flags = COLLREC_CAPTURED;
    assert_int_equal(collwriter_put(x->f, 0, &r), 0);
    collrelay_drain(x->relay, x->now_ns += 2000000000u, false);
    assert_true(x->captured);
    atomic_store(&x->f->no_times, 77); /* the program may write anything there */
    collrelay_drain(x->relay, x->now_ns += 2000000000u, false);
    assert_int_equal(x->no_times, COLL_TIMES_GOOD);
}

static void test_nccl_without_a_profiler(void **state)
{
    struct fixture *x = *state;
    atomic_store(&x->f->nccl_version, 0);
    collrelay_drain(x->relay, x->now_ns, false);
    assert_true(collrelay_lacks_profiler(x->relay, 5));
    assert_false(collrelay_lacks_profiler(x->relay, 6));
    collrelay_without_profiler(x->relay, 6, 22005); /* of no rank */
    collrelay_drain(x->relay, x->now_ns, false);
    assert_int_equal(x->n_anchors, 0);
    collrelay_without_profiler(x->relay, 5, 22005);
    assert_false(collrelay_lacks_profiler(x->relay, 5));
    collrelay_drain(x->relay, x->now_ns, false);
    assert_int_equal(x->n_anchors, 1);
    assert_int_equal(x->without, 22005);
    x->now_ns += 2000000000u;
    collrelay_drain(x->relay, x->now_ns, false); /* no news */
    assert_int_equal(x->n_anchors, 1);
    atomic_store(&x->f->nccl_version, 2); /* another communicator had one after all */
    collrelay_drain(x->relay, x->now_ns, false);
    assert_int_equal(x->n_anchors, 2);
    assert_int_equal(x->profiler, 2);
    assert_int_equal(x->without, 0);
}

static void test_choices_that_are_refused(void **state)
{
    static const struct {
        uint32_t key, n_ranks;
        int rc;
    } t[] = {{1, 4, 0},
             {1, 0, 0}, /* none */
             {1u << 24, 4, ERR_PROTO},
             {1, 65536, ERR_PROTO}};
    struct fixture *x = *state;
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        Aolani__CollAnchor m = AOLANI__COLL_ANCHOR__INIT;
        struct err e;
        m.key = t[i].key;
        m.n_ranks = t[i].n_ranks;
        assert_int_equal(collrelay_choose(x->relay, &m, &e), t[i].rc);
    }
    train(x, 3, 3);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_candidates_come_and_steps_follow),
        TEST(test_communicators_of_unknown_size),
        TEST(test_deep_steps_tell_their_times),
        TEST(test_times_that_never_come),
        TEST(test_exchanges_are_not_missing),
        TEST(test_short_credit_keeps_few),
        TEST(test_an_anchor_that_stops_is_told),
        TEST(test_life_without_the_anchor_is_told),
        TEST(test_young_records_are_left),
        TEST(test_what_nccl_is_comes_with_the_anchors),
        TEST(test_nccl_without_a_profiler),
        TEST(test_choices_that_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
