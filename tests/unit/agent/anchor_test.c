/* SPDX-License-Identifier: MIT */
/* ANCHOR_SEEDS=200 ANCHOR_TABLE=1 build/tests/unit/agent/anchor_test: what is found of each
 * kind of stream, as a table, with all that is wrong; ANCHOR_ONLY=FSDP: of some kinds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "agent/anchor.h"
#include "tests/lib/collfollow.h"

#define SEEDS   20u
#define N_STEPS 300u

/* ---- programs */

struct result {
    unsigned claimed, errors;
    uint64_t truth, ordinary, special, wrong, first, changes;
    double worst;
};

static const struct collstream_kind *kind(const char *name)
{
    for (size_t i = 0; i < N_COLLSTREAMS; i++)
        if (strcmp(collstreams[i].name, name) == 0)
            return &collstreams[i];
    fail_msg("no stream \"%s\"", name);
    return NULL;
}

/* What is wrong; false: nothing. */
static bool is_wrong(const struct collfollow *f, char *ret, size_t size)
{
    const struct collstream_kind *k = f->stream.kind;
    double found = f->ordinary > 0 ? (double)f->truth / f->ordinary : 1;
    if (k->truth == NO_STEPS && f->changes > 0)
        snprintf(ret, size, "steps of %.3f s claimed, %s of 2^%u bytes",
                 f->best.period_ns / 1e9, coll_func_name(f->best.class.sig.func),
                 f->best.class.sig.size_class);
    else if (k->truth == STEPS && f->ordinary < N_STEPS / 4)
        snprintf(ret, size, "%u steps found of %u", f->ordinary, N_STEPS);
    else if (f->early > 4)
        snprintf(ret, size, "%u wrong steps were told of first", f->early);
    else if (f->wrong > 0 || fabs(found - 1) > 0.001)
        snprintf(ret, size, "a step found is %.4f true ones, %u of %u are wrong", found,
                 f->wrong, f->ordinary);
    else
        return false;
    return true;
}

/* Of a table all rows are to be seen. */
static bool check(const struct collfollow *f, uint64_t seed)
{
    char what[160];
    const char *name = f->stream.kind->name;
    if (!is_wrong(f, what, sizeof what))
        return true;
    if (!getenv("ANCHOR_TABLE"))
        fail_msg("%s, seed %u: %s", name, (unsigned)seed, what);
    printf("    %s, seed %u: %s\n", name, (unsigned)seed, what);
    return false;
}

static void add(struct result *r, const struct collfollow *f)
{
    r->claimed += f->changes > 0;
    r->truth += f->truth;
    r->ordinary += f->ordinary;
    r->special += f->special;
    r->wrong += f->wrong;
    r->first += f->first;
    r->changes += f->changes;
    if (f->ordinary > 0)
        r->worst = fmax(r->worst, fabs((double)f->truth / f->ordinary - 1));
}

static void print(const char *name, const struct result *r, unsigned seeds)
{
    printf("%-28s errors %3u  claimed %3u of %3u", name, r->errors, r->claimed, seeds);
    if (r->claimed > 0)
        printf("  error %.4f %%  from step %3.0f  special %4.1f %%  lists %.1f",
               100 * r->worst, (double)r->first / seeds,
               100 * (double)r->special / (double)(r->special + r->ordinary),
               (double)r->changes / seeds);
    printf("\n");
}

static void test_streams(void **state)
{
    (void)state;
    const char *asked = getenv("ANCHOR_SEEDS"), *only = getenv("ANCHOR_ONLY");
    unsigned seeds = asked ? (unsigned)atoi(asked) : SEEDS;
    static struct collfollow f;
    unsigned errors = 0;
    for (size_t i = 0; i < N_COLLSTREAMS; i++) {
        struct result r = {0};
        if (only && !strstr(collstreams[i].name, only))
            continue;
        for (uint64_t seed = 1; seed <= seeds; seed++) {
            assert_true(collfollow_run(&f, &collstreams[i], seed, N_STEPS, 0));
            r.errors += !check(&f, seed);
            add(&r, &f);
        }
        if (getenv("ANCHOR_TABLE"))
            print(collstreams[i].name, &r, seeds);
        errors += r.errors;
    }
    assert_int_equal(errors, 0);
}

/* Records are lost: such steps are known to be no measure. */
static void test_lost_records(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double lost;
    } cases[] = {
        {"DDP", 0.002},
        {"DDP", 0.02},
        {"DDP, one bucket", 0.02},
        {"FSDP", 0.002},
        {"two models in turn", 0.01},
        {"tensor parallel", 0.001},
    };
    static struct collfollow f;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (uint64_t seed = 1; seed <= 3; seed++) {
            assert_true(
                collfollow_run(&f, kind(cases[i].name), seed, 400, cases[i].lost));
            if (f.ordinary < 100 || f.wrong > 0 || f.gaps == 0)
                fail_msg("%s, lost %.3f: %u ordinary, %u wrong, %u with gaps",
                         cases[i].name, cases[i].lost, f.ordinary, f.wrong, f.gaps);
        }
}

/* NCCL 2.26 does not tell how many ranks a communicator has; or they are no ranks of ours. */
static void test_unknown_ranks(void **state)
{
    (void)state;
    static const char *const names[] = {"DDP",
                                        "FSDP, accumulating",
                                        "hybrid sharding",
                                        "hybrid, reduced at last",
                                        "tensor parallel",
                                        "tensor, pipeline, data",
                                        "Megatron, middle"};
    static struct collfollow f;
    char what[160];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (uint64_t seed = 1; seed <= 6; seed++) {
            f.n_ranks = seed % 2 ? COLLREC_RANKS_UNKNOWN : 128;
            assert_true(collfollow_run(&f, kind(names[i]), seed, N_STEPS, 0));
            if (is_wrong(&f, what, sizeof what))
                fail_msg("%s, seed %u: %s", names[i], (unsigned)seed, what);
        }
}

/* ---- by hand */

struct hand {
    struct anchors *anchors;
    uint64_t t_ns;
    uint32_t seq[8];
    uint64_t comm; /* added to each */
    struct anchor_step last;
    unsigned steps, special, gaps;
};

static void on_step(void *arg, const struct anchor_step *s)
{
    struct hand *h = arg;
    h->last = *s;
    h->steps++;
    h->special += s->special;
    h->gaps += s->gap;
}

static void begin(struct hand *h)
{
    *h = (struct hand){.t_ns = 1000000};
    h->anchors = anchors_create(0, on_step, h);
    assert_non_null(h->anchors);
}

static struct collrec record(struct hand *h, unsigned comm, unsigned func,
                             uint64_t bytes)
{
    return (struct collrec){.t_ns = h->t_ns,
                            .comm = h->comm + comm,
                            .bytes = bytes,
                            .seq = h->seq[comm]++,
                            .n_ranks = (uint16_t)(8 * comm),
                            .kind = COLLREC_CALL,
                            .sig = collsig_of(func, F32, bytes)};
}

static void call(struct hand *h, unsigned ms, unsigned comm, unsigned func,
                 uint64_t bytes)
{
    h->t_ns += ms * 1000000ull;
    struct collrec r = record(h, comm, func, bytes);
    anchors_add(h->anchors, &r);
}

/* 100 ms: two communicators of reductions, then a number. */
static void step(struct hand *h)
{
    call(h, 60, 1, COLL_ALLREDUCE, 25 * MIB);
    call(h, 20, 2, COLL_REDUCESCATTER, 5 * MIB);
    call(h, 10, 3, COLL_ALLREDUCE, 4);
    h->t_ns += 10000000;
}

static void steps(struct hand *h, unsigned n)
{
    while (n-- > 0)
        step(h);
}

static size_t list(const struct hand *h, struct anchor_candidate *c, uint64_t *changes)
{
    return anchors_candidates(h->anchors, c, changes);
}

static const struct anchor_class number = {.sig = {COLL_ALLREDUCE, F32, 2},
                                           .n_ranks = 24};

static bool is_same(const struct anchor_class *a, const struct anchor_class *b)
{
    return a->n_ranks == b->n_ranks && collsig_key(a->sig) == collsig_key(b->sig);
}

static void test_candidates(void **state)
{
    (void)state;
    struct hand h;
    struct anchor_candidate c[ANCHOR_CANDIDATES];
    uint64_t changes, comm;
    begin(&h);
    assert_int_equal(list(&h, c, &changes), 0);
    assert_int_equal(changes, 0);
    steps(&h, 7);
    assert_int_equal(list(&h, c, &changes), 0);
    steps(&h, 40);
    assert_int_equal(list(&h, c, &changes), 3);
    assert_int_equal(changes, 1);
    assert_true(is_same(&c[0].class, &number));
    assert_int_equal(c[0].comm, 3);
    assert_int_equal(c[0].steady, 1000);
    assert_true(fabs(c[0].period_ns - 1e8) < 100);
    assert_false(anchors_chosen(h.anchors, &comm));
    assert_int_equal(h.steps, 0);
    steps(&h, 1000);
    assert_int_equal(list(&h, c, &changes), 3);
    assert_int_equal(changes, 1);
    anchors_destroy(h.anchors);
}

/* Collectives of 8 of the job's 64 ranks are no step while any others may follow; if none
 * do, it is a job of several. */
static void test_some_of_the_ranks(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint32_t world;
        bool others;    /* in the first round all are connected */
        bool few, many; /* a step is found in 200 rounds, in 6000 */
    } cases[] = {
        {"all ranks", 8, false, true, true},
        {"not known", 0, false, true, true},
        {"ranks of the job are not NCCL's", 4, false, true, true},
        {"some of them", 64, false, false, true},
        {"others were connected once", 64, true, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hand h = {.t_ns = 1000000};
        struct anchor_candidate c[ANCHOR_CANDIDATES];
        uint64_t changes;
        bool few = false;
        h.anchors = anchors_create(cases[i].world, on_step, &h);
        assert_non_null(h.anchors);
        for (unsigned n = 0; n < 6000; n++) {
            if (n == 0 && cases[i].others)
                call(&h, 5, 7, COLL_ALLREDUCE, 25 * MIB);
            for (unsigned k = 0; k < 4; k++) {
                h.t_ns += 5000000;
                struct collrec r = record(&h, 1, COLL_ALLREDUCE, (1 + k * k * k) * MIB);
                r.seq = n;
                anchors_add(h.anchors, &r);
            }
            few |= n < 200 && list(&h, c, &changes) > 0;
        }
        if (few != cases[i].few || (list(&h, c, &changes) > 0) != cases[i].many)
            fail_msg("%s: %d, %d", cases[i].what, few, list(&h, c, &changes) > 0);
        anchors_destroy(h.anchors);
    }
}

static void test_steps(void **state)
{
    (void)state;
    struct hand h;
    uint64_t comm = 0;
    begin(&h);
    assert_false(anchors_choose(h.anchors, &number));
    call(&h, 0, 3, COLL_ALLREDUCE, 4); /* it is taken as soon as it is there */
    assert_true(anchors_chosen(h.anchors, &comm));
    assert_int_equal(comm, 3);
    steps(&h, 30);
    assert_int_equal(h.steps, 30);
    assert_int_equal(h.last.step, 30); /* its own seq */
    assert_int_equal(h.last.n_coll, 3);
    assert_int_equal(h.last.bytes, 30 * MIB + 4);
    assert_int_equal(h.last.end_ns - h.last.begin_ns, 100000000);
    assert_int_equal(h.special, 0);
    assert_int_equal(h.last.confidence, 100);

    struct anchor_class other = {.sig = {COLL_REDUCESCATTER, F32, 22}, .n_ranks = 16};
    assert_true(anchors_choose(h.anchors, &other));
    assert_true(anchors_chosen(h.anchors, &comm));
    assert_int_equal(comm, 2);
    steps(&h, 2);
    assert_int_equal(h.steps, 31);
    other.n_ranks = 17;
    assert_false(anchors_choose(h.anchors, &other));
    assert_false(anchors_chosen(h.anchors, &comm));
    steps(&h, 2);
    assert_int_equal(h.steps, 31);
    anchors_destroy(h.anchors);
}

static void twin(struct hand *h, uint64_t comm, uint32_t seq)
{
    struct collrec r = record(h, 3, COLL_ALLREDUCE, 4);
    r.t_ns = h->t_ns += 50000000;
    r.comm = comm;
    r.seq = seq;
    anchors_add(h->anchors, &r);
}

/* The head says its choice again when it changes how many steps are deep. */
static void test_a_choice_said_again(void **state)
{
    (void)state;
    struct hand h;
    uint64_t comm = 0, again = 0;
    uint32_t seq = 0;
    begin(&h);
    for (; seq < 40; seq++) {
        twin(&h, 3, seq);
        twin(&h, 4, seq);
    }
    assert_true(anchors_choose(h.anchors, &number));
    assert_true(anchors_chosen(h.anchors, &comm));
    for (; seq < 50; seq++) {
        twin(&h, 7 - comm, seq); /* the other one is a call ahead */
        assert_true(anchors_choose(h.anchors, &number));
        assert_true(anchors_chosen(h.anchors, &again));
        assert_int_equal(again, comm);
        twin(&h, comm, seq);
    }
    assert_int_equal(h.steps, 9);
    assert_int_equal(h.last.step, 49);
    anchors_destroy(h.anchors);
}

enum what { NONE, BROADCAST, NUMBERS, PAUSE, LOSE_ANCHOR, LOSE_OTHER, FLAG, CAPTURED };

static void disturb(struct hand *h, enum what what)
{
    struct collrec r;
    switch (what) {
    case NONE:
        break;
    case BROADCAST:
        call(h, 1, 4, COLL_BROADCAST, 8);
        break;
    case NUMBERS:
        for (unsigned i = 0; i < 8; i++)
            call(h, 5, 1, COLL_ALLREDUCE, 25 * MIB);
        break;
    case PAUSE:
        h->t_ns += 1000000000;
        break;
    case LOSE_ANCHOR:
        h->seq[3]++;
        break;
    case LOSE_OTHER:
        h->seq[1]++;
        break;
    case FLAG:
        r = record(h, 4, COLL_BROADCAST, 64);
        r.flags = COLLREC_GAP;
        anchors_add(h->anchors, &r);
        break;
    case CAPTURED:
        r = record(h, 4, COLL_BROADCAST, 64);
        r.flags = COLLREC_CAPTURED;
        anchors_add(h->anchors, &r);
        r.flags = 0;
        r.kind = COLLREC_DONE;
        anchors_add(h->anchors, &r);
        break;
    }
}

static void test_special_steps(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        enum what how;
        unsigned every;
        unsigned special, gaps; /* of 40 steps, after 20 */
    } cases[] = {
        {"nothing", NONE, 1, 0, 0},
        {"a broadcast now and then", BROADCAST, 20, 2, 0},
        {"more of the usual", NUMBERS, 20, 2, 0},
        {"a pause is no reason", PAUSE, 40, 0, 0},
        {"pauses at one distance are", PAUSE, 5, 4, 0},
        {"the anchor lost", LOSE_ANCHOR, 20, 0, 2},
        {"another one lost", LOSE_OTHER, 20, 0, 2},
        {"said to be lost", FLAG, 20, 2, 2},
        {"captured into a graph", CAPTURED, 4, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hand h;
        begin(&h);
        steps(&h, 20);
        (void)anchors_choose(h.anchors, &number);
        steps(&h, 20);
        h.special = h.gaps = 0;
        for (unsigned s = 1; s <= 40; s++) {
            if (s % cases[i].every == 0)
                disturb(&h, cases[i].how);
            step(&h);
        }
        if (h.special != cases[i].special || h.gaps != cases[i].gaps)
            fail_msg("%s: %u special, %u with gaps", cases[i].what, h.special, h.gaps);
        anchors_destroy(h.anchors);
    }
}

static void test_is_lost(void **state)
{
    (void)state;
    struct hand h;
    uint64_t comm;
    begin(&h);
    assert_false(anchors_is_lost(h.anchors, 0));
    (void)anchors_choose(h.anchors, &number);
    steps(&h, 40);
    assert_false(anchors_is_lost(h.anchors, h.t_ns));
    assert_false(anchors_is_lost(h.anchors, 0));
    assert_false(anchors_is_lost(h.anchors, h.t_ns + 250000000));
    assert_true(anchors_is_lost(h.anchors, h.t_ns + 350000000));

    /* The communicators are made anew: the same collective is followed there. */
    h.comm = 100;
    memset(h.seq, 0, sizeof h.seq);
    steps(&h, 60);
    assert_false(anchors_is_lost(h.anchors, h.t_ns));
    assert_true(anchors_chosen(h.anchors, &comm));
    assert_int_equal(comm, 103);

    /* It comes at any time: not steady any more. */
    for (unsigned i = 1; i < 200; i++) {
        h.t_ns += (i * 7919 % 97) * (i * 7919 % 97) * 1000000;
        call(&h, 1, 3, COLL_ALLREDUCE, 4);
    }
    assert_true(anchors_is_lost(h.anchors, h.t_ns));
    anchors_destroy(h.anchors);
}

/* Another phase of a program: other candidates are offered, and told of. */
static void test_phases(void **state)
{
    (void)state;
    struct hand h;
    struct anchor_candidate c[ANCHOR_CANDIDATES];
    uint64_t first, second;
    begin(&h);
    steps(&h, 60);
    (void)list(&h, c, &first);
    (void)anchors_choose(h.anchors, &c[0].class);
    for (unsigned i = 0; i < 100; i++) {
        call(&h, 100, 5, COLL_ALLREDUCE, 3 * MIB);
        call(&h, 50, 6, COLL_ALLREDUCE, 9 * MIB);
        call(&h, 50, 7, COLL_ALLGATHER, 9 * MIB);
    }
    assert_true(anchors_is_lost(h.anchors, h.t_ns));
    assert_int_equal(list(&h, c, &second), 3);
    assert_true(second > first);
    assert_true(c[0].comm > 4 && fabs(c[0].period_ns - 2e8) < 1000);
    anchors_destroy(h.anchors);
}

/* ---- ranks of one job */

static void test_ranks_agree(void **state)
{
    (void)state;
    static const char *const stages[][3] = {
        {"pipeline, first stage", "pipeline, middle", "pipeline, last stage"},
        {"Megatron, first stage", "Megatron, middle", "Megatron, last stage"}};
    static struct collfollow f;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct anchor_class best[3];
        for (unsigned i = 0; i < 3; i++) {
            assert_true(collfollow_run(&f, kind(stages[seed % 2][i]), seed, 150, 0));
            best[i] = f.best.class;
        }
        assert_true(is_same(&best[0], &best[1]));
        assert_true(is_same(&best[0], &best[2]));
    }
    /* Groups of the same size under other names. */
    struct hand a, b;
    struct anchor_candidate c[ANCHOR_CANDIDATES], d[ANCHOR_CANDIDATES];
    uint64_t changes;
    begin(&a);
    begin(&b);
    b.comm = 0x5555;
    steps(&a, 40);
    steps(&b, 40);
    assert_int_equal(list(&a, c, &changes), 3);
    assert_int_equal(list(&b, d, &changes), 3);
    for (unsigned i = 0; i < 3; i++)
        assert_true(is_same(&c[i].class, &d[i].class));
    anchors_destroy(a.anchors);
    anchors_destroy(b.anchors);
}

/* ---- what nobody would send */

static void test_thousands_of_communicators(void **state)
{
    (void)state;
    struct hand h;
    struct anchor_candidate c[ANCHOR_CANDIDATES];
    uint64_t changes;
    begin(&h);
    for (unsigned i = 0; i < 5000; i++) { /* made and used once, before all */
        struct collrec r = record(&h, 4, COLL_ALLREDUCE, 4);
        r.comm = 1000 + i;
        h.t_ns += 1000;
        anchors_add(h.anchors, &r);
    }
    for (unsigned i = 0; i < 300; i++) { /* and one in each step */
        struct collrec r = record(&h, 4, COLL_ALLREDUCE, 4);
        step(&h);
        r.t_ns = h.t_ns;
        r.comm = 100000 + i;
        anchors_add(h.anchors, &r);
    }
    assert_true(list(&h, c, &changes) >= 3);
    assert_true(fabs(c[0].period_ns - 1e8) < 1000);
    assert_true(anchors_choose(h.anchors, &c[0].class));
    steps(&h, 50);
    assert_true(h.steps >= 49);
    anchors_destroy(h.anchors);
}

static void test_hostile(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint64_t t_step, t_turn; /* times: i * step + (i odd) * turn */
        uint32_t seq_step, comms;
    } cases[] = {
        {"no time at all", 0, 0, 1, 1},
        {"backwards", UINT64_MAX, 0, 1, 1},
        {"from end to end", 1000, UINT64_MAX / 2, 1, 1},
        {"seq stands", 1000000, 0, 0, 1},
        {"seq jumps", 1000000, 0, 7, 1},
        {"seq back", 1000000, 0, UINT32_MAX, 1},
        {"seq far", 1000000, 0, 0x80000001u, 1},
        {"a new one each time", 1000000, 0, 1, UINT32_MAX},
        {"days", UINT64_MAX / 5000, 0, 1, 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hand h;
        struct anchor_candidate c[ANCHOR_CANDIDATES];
        uint64_t changes;
        begin(&h);
        (void)anchors_choose(h.anchors, &number);
        for (uint32_t n = 0; n < 4000; n++) {
            struct collrec r = record(&h, 3, COLL_ALLREDUCE, 4);
            r.t_ns = n * cases[i].t_step + (n % 2) * cases[i].t_turn;
            r.seq = n * cases[i].seq_step;
            r.comm = n % cases[i].comms;
            r.bytes = UINT64_MAX;
            anchors_add(h.anchors, &r);
            (void)anchors_is_lost(h.anchors, n * cases[i].t_turn);
        }
        if (list(&h, c, &changes) != 0)
            fail_msg("%s: steps of %g s claimed", cases[i].what, c[0].period_ns / 1e9);
        if (h.steps > 0 && h.last.end_ns <= h.last.begin_ns)
            fail_msg("%s: a step without time", cases[i].what);
        anchors_destroy(h.anchors);
    }
    anchors_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_lost_records),
        cmocka_unit_test(test_unknown_ranks),
        cmocka_unit_test(test_candidates),
        cmocka_unit_test(test_some_of_the_ranks),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_a_choice_said_again),
        cmocka_unit_test(test_special_steps),
        cmocka_unit_test(test_is_lost),
        cmocka_unit_test(test_phases),
        cmocka_unit_test(test_ranks_agree),
        cmocka_unit_test(test_thousands_of_communicators),
        cmocka_unit_test(test_hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
