/* SPDX-License-Identifier: MIT */
/* calls.c - cases: what the program calls, from one thread and from many. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/nccl/driver.h"

static struct sim_task tasks[8192];

/* ---- each call, field by field */

static const struct {
    struct sim_op op;
    struct collsig sig,
        sig_old; /* old: versions before 5 tell of bytes for AllGather */
    uint64_t bytes;
    uint32_t seq;
} listed[] = {
    {{"AllReduce", 1024, "ncclFloat32", false, 0}, {1, 7, 12}, {1, 7, 12}, 4096, 0},
    {{"AllReduce", 1024, "ncclFloat32", false, 0}, {1, 7, 12}, {1, 7, 12}, 4096, 1},
    {{"AllReduce", 1500, "ncclFloat32", false, 0}, {1, 7, 12}, {1, 7, 12}, 6000, 2},
    {{"AllReduce", 1024, "ncclBfloat16", false, 0}, {1, 9, 11}, {1, 9, 11}, 2048, 0},
    {{"AllGather", 256, "ncclFloat32", false, 0}, {2, 7, 10}, {2, 0, 10}, 1024, 0},
    {{"ReduceScatter", 3, "ncclFloat64", false, 0}, {3, 8, 4}, {3, 8, 4}, 24, 0},
    {{"Broadcast", 1, "ncclInt64", false, 0}, {4, 4, 3}, {4, 4, 3}, 8, 0},
    {{"Reduce", 0, "ncclInt32", false, 0}, {5, 2, 0}, {5, 2, 0}, 0, 0},
    {{"AlltoAll", 77, "ncclFloat16", false, 0}, {6, 6, 0}, {6, 6, 0}, 154, 0},
    {{"AlltoAll", 7777, "ncclFloat16", false, 0}, {6, 6, 0}, {6, 6, 0}, 15554, 1},
    {{"Send", 5, "ncclUint64", false, 0}, {7, 5, 0}, {7, 5, 0}, 40, 0},
    {{"Recv", 5, "ncclFloat8e4m3", false, 0}, {8, 10, 0}, {8, 10, 0}, 5, 0},
    {{"Broadcast", 64, "Unknown", false, 0}, {4, 1, 6}, {4, 1, 6}, 64, 0},
    {{"Scatter", 64, "ncclInt8", false, 0}, {0, 0, 6}, {0, 0, 6}, 64, 0},
    {{"Later", 8, "ncclFloat4", false, 0}, {0, 255, 3}, {0, 255, 3}, 8, 0},
    {{"AllReduce", SIZE_MAX, "ncclInt64", false, 0},
     {1, 4, 63},
     {1, 4, 63},
     UINT64_MAX,
     0},
};

/* Version 1 has numbers, and none for what came later. */
static bool is_said(const struct world *w, const struct sim_op *op)
{
    static const char *const later[] = {"AlltoAll", "Scatter", "Later",
                                        "ncclFloat8e4m3"};
    for (size_t i = 0; w->version == 1 && i < LEN(later); i++)
        if (!strcmp(op->func, later[i]) || !strcmp(op->type, later[i]))
            return false;
    return true;
}

static void listed_check(struct world *w)
{
    size_t at = 0;
    for (size_t i = 0; i < w->n; i++) {
        const struct collrec *r = &w->rec[i];
        if (r->kind != COLLREC_CALL)
            continue;
        while (!is_said(w, &listed[at].op))
            at++;
        struct collsig sig = w->version >= 5 ? listed[at].sig : listed[at].sig_old;
        EXPECT(collsig_key(r->sig) == collsig_key(sig));
        EXPECT(r->bytes == listed[at].bytes);
        EXPECT(r->seq == listed[at].seq);
        EXPECT(r->comm == 0xabc && r->dur_ns == 0 && r->t_ns > 0);
        EXPECT(r->n_ranks == (w->version >= 4 ? 16 : 0));
        at++;
    }
    EXPECT(at == LEN(listed));
}

static void each_field(struct world *w)
{
    struct sim_comm c;
    struct sim_op ops[LEN(listed)];
    unsigned n = 0;
    world_open(w);
    sim_init(&w->sim, &c, 0xabc, 16);
    EXPECT(w->sim.mask == (w->version >= 5 ? 0x700 : 0x6));
    for (size_t i = 0; i < LEN(listed); i++)
        if (is_said(w, &listed[i].op))
            ops[n++] = listed[i].op;
    for (size_t i = 0; i < 4; i++) /* alone, then all others in one group */
        sim_group(&c, &ops[i], 1, tasks);
    sim_group(&c, ops + 4, n - 4, tasks);
    EXPECT(w->version < 5 || tasks[0].api == NULL);
    sim_finalize(&c);
    world_expect(w, &(struct want){.calls = n, .comms = 1});
    listed_check(w);
    EXPECT(w->rec[0].kind == COLLREC_COMM && w->rec[0].comm == 0xabc);
    EXPECT(atomic_load(&w->file->nccl_version) == w->version);
    EXPECT(atomic_load(&w->file->n_lanes) == 1);
}

/* ---- communicators come and go; a number starts anew in each */

static void many_comms(struct world *w)
{
    static const struct sim_op op = {"AllReduce", 4, "ncclFloat32", false, 0};
    struct sim_comm c[3], again;
    world_open(w);
    for (unsigned i = 0; i < 3; i++)
        sim_init(&w->sim, &c[i], 100 + i, 70000);
    for (unsigned round = 0; round < 5; round++)
        for (unsigned i = 0; i < 3; i++)
            sim_group(&c[i], &op, 1, tasks);
    sim_finalize(&c[1]);
    sim_init(&w->sim, &again, 200, 4);
    EXPECT(again.context ==
           c[1].context); /* the place is used again, the count is not */
    for (unsigned round = 0; round < 2; round++)
        sim_group(&again, &op, 1, tasks);
    sim_init(&w->sim, &c[1], 300, 4); /* aborted before its first call */
    sim_finalize(&c[1]);
    sim_finalize(&again);
    sim_finalize(&c[0]);
    sim_finalize(&c[2]);
    world_expect(w, &(struct want){.calls = 17, .comms = w->version <= 3 ? 4 : 5});
    EXPECT(w->version <= 3 || w->rec[0].n_ranks == UINT16_MAX);
    world_expect_seqs(w);
}

/* Versions 1 to 3 do not say at init which one it is. */
static void same_comm_twice(struct world *w)
{
    static const struct sim_op op = {"AllReduce", 4, "ncclFloat32", false, 0};
    struct sim_comm c[2];
    world_open(w);
    sim_init(&w->sim, &c[0], 5, 2); /* two GPUs of one process */
    sim_init(&w->sim, &c[1], 5, 2);
    for (unsigned i = 0; i < 6; i++)
        sim_group(&c[i % 2], &op, 1, tasks);
    sim_finalize(&c[1]);
    sim_finalize(&c[0]);
    world_expect(w, &(struct want){.calls = 3, .comms = 1});
}

static void too_many_comms(struct world *w)
{
    static const struct sim_op op = {"AllReduce", 4, "ncclFloat32", false, 0};
    static struct sim_comm c[300];
    unsigned with = 0;
    world_open(w);
    for (unsigned i = 0; i < LEN(c); i++) {
        sim_init(&w->sim, &c[i], 1 + i, 2);
        sim_group(&c[i], &op, 1, tasks);
        with += c[i].context != NULL;
    }
    EXPECT(with == 256);
    for (unsigned i = 0; i < LEN(c); i++)
        sim_finalize(&c[i]);
    sim_init(&w->sim, &c[0], 999, 2);
    EXPECT(c[0].context != NULL);
    world_expect(w, &(struct want){.calls = 256,
                                   .comms = w->version <= 3 ? 256 : 257,
                                   .odd = LEN(c) - 256});
}

static void too_many_kinds(struct world *w)
{
    struct sim_comm c;
    static const char *const funcs[] = {"AllReduce", "AllGather", "ReduceScatter",
                                        "Broadcast", "Reduce"};
    world_open(w);
    sim_init(&w->sim, &c, 5, 2);
    for (unsigned i = 0; i < 60 * LEN(funcs); i++) {
        struct sim_op op = {funcs[i % LEN(funcs)], (size_t)1 << i / LEN(funcs),
                            "ncclInt8", false, 0};
        sim_group(&c, &op, 1, tasks);
        sim_group(&c, &op, 1, tasks);
    }
    sim_finalize(&c);
    world_expect(w, &(struct want){.calls = 512, .comms = 1, .odd = 600 - 512});
    world_expect_seqs(w);
}

/* ---- an exchange between many ranks is told in two records, not in hundreds */

static void exchange(struct world *w)
{
    static struct sim_op ops[256];
    struct sim_comm c[2];
    world_open(w);
    for (unsigned i = 0; i < LEN(ops); i++)
        ops[i] =
            (struct sim_op){i % 2 ? "Recv" : "Send", 8 + i, "ncclFloat32", false, 0};
    for (unsigned i = 0; i < 2; i++)
        sim_init(&w->sim, &c[i], 5 + i, 128);
    for (unsigned round = 0; round < 10; round++)
        for (unsigned i = 0; i < 2; i++)
            sim_group(&c[i], ops, LEN(ops), tasks);
    sim_group(&c[0], ops, 1, tasks);
    for (unsigned i = 0; i < 2; i++)
        sim_finalize(&c[i]);
    world_expect(w, &(struct want){.calls = 41, .comms = 2});
    EXPECT(world_find(w, COLLREC_CALL, COLL_SEND, 10)->bytes == 32);
    EXPECT(world_find(w, COLLREC_CALL, COLL_RECV, 9)->bytes == 36);
    world_expect_seqs(w);
}

/* ---- CUDA graphs */

static void captured(struct world *w)
{
    static const struct sim_op ops[] = {{"AllReduce", 4, "ncclFloat32", true, 0},
                                        {"Send", 4, "ncclFloat32", true, 0},
                                        {"AllReduce", 4, "ncclFloat32", false, 0}};
    struct sim_comm c;
    world_open(w);
    sim_init(&w->sim, &c, 5, 2);
    sim_group(&c, ops, 3, tasks);
    for (unsigned i = 0; i < 10; i++) /* not deep at capture: launches tell nothing */
        sim_replay(&tasks[0]);
    sim_finalize(&c);
    world_expect(w, &(struct want){.calls = 3, .captured = 2, .comms = 1});
    EXPECT(world_find(w, COLLREC_CALL, COLL_ALLREDUCE, 0)->flags == COLLREC_CAPTURED);
    EXPECT(world_find(w, COLLREC_CALL, COLL_ALLREDUCE, 1)->flags == 0);
}

/* ---- a lane that nobody empties */

static void full_lane(struct world *w)
{
    static const struct sim_op op = {"AllReduce", 4, "ncclFloat32", false, 0};
    struct sim_comm c;
    world_open(w);
    sim_init(&w->sim, &c, 5, 2);
    for (unsigned i = 0; i < COLL_RECORDS + 99; i++)
        sim_group(&c, &op, 1, tasks);
    world_drain(w);
    EXPECT(w->n == COLL_RECORDS);
    sim_group(&c, &op, 1, tasks);
    sim_group(&c, &op, 1, tasks);
    sim_finalize(&c);
    world_expect(
        w, &(struct want){
               .calls = COLL_RECORDS - 1 + 2, .comms = 1, .gaps = 1, .dropped = 100});
    /* What is lost moves no number. */
    EXPECT(w->rec[w->n - 2].flags == COLLREC_GAP);
    EXPECT(w->rec[w->n - 1].flags == 0 && w->rec[w->n - 1].seq == COLL_RECORDS + 100);
}

/* ---- threads */

#define THREADS  12u
#define PER      1500u
#define REPORTED (THREADS * PER)

struct caller {
    pthread_t id;
    struct world *w;
    struct sim_comm comm, *shared;
    _Atomic unsigned *left;
};

static void *call_many(void *arg)
{
    struct caller *t = arg;
    struct sim_task task[2];
    static const struct sim_op ops[] = {{"AllReduce", 64, "ncclFloat32", false, 0},
                                        {"Broadcast", 9, "ncclInt8", false, 0}};
    for (unsigned i = 0; i < PER / 3; i++) {
        sim_group(&t->comm, ops, 2, task);
        sim_group(t->shared, ops, 1, task);
        if (i % 64 == 0)
            sched_yield();
    }
    atomic_fetch_sub(t->left, 1);
    return NULL;
}

/* Twelve threads for eight lanes, each with a communicator of its own and one of all: each
 * record arrives or is counted. */
static void threads(struct world *w)
{
    static struct caller t[THREADS];
    static _Atomic unsigned left = THREADS;
    struct sim_comm shared;
    uint64_t lost = 0;
    world_open(w);
    sim_init(&w->sim, &shared, 1000, 2);
    for (unsigned i = 0; i < THREADS; i++) {
        t[i] = (struct caller){.w = w, .shared = &shared, .left = &left};
        sim_init(&w->sim, &t[i].comm, 1 + i, 2);
        if (pthread_create(&t[i].id, NULL, call_many, &t[i]) != 0)
            EXPECT(!"a thread");
    }
    while (atomic_load(&left) > 0) {
        world_drain(w);
        sched_yield();
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(t[i].id, NULL);
    world_drain(w);
    for (unsigned i = 0; i < COLL_LANES; i++)
        lost += atomic_load(&w->file->lane[i].dropped);
    lost += atomic_load(&w->file->homeless);
    EXPECT(w->n + lost == REPORTED + THREADS + 1);
    EXPECT(w->n > REPORTED / 2);
    EXPECT(atomic_load(&w->file->odd) == 0);
    EXPECT(atomic_load(&w->file->n_lanes) > 1);
    if (lost == 0)
        world_expect_seqs(w);
}

/* ---- for measurements: whatever the agent wishes */

static void expect_mask(struct world *w, const char *word, const int mask[5])
{
    struct sim_comm c;
    world_file(w);
    world_wish(w, COLL_DEPTH_CALLS, 0, 0);
    setenv("AOLANI_NCCL_DEPTH", word, 1);
    world_load(w);
    sim_init(&w->sim, &c, 0xabc, 16);
    EXPECT(w->sim.mask == mask[w->version - 1]);
}

static void always_deep(struct world *w)
{
    expect_mask(w, "deep", (const int[]){0x6, 0x6, 0x6, 0x46, 0x742});
}

static void never_a_call(struct world *w)
{
    expect_mask(w, "none", (const int[]){0x4, 0x4, 0x1, 0x1, 0x100});
}

static void no_such_depth(struct world *w)
{
    expect_mask(w, "deeper", (const int[]){0x6, 0x6, 0x6, 0x6, 0x700});
}

/* ---- an NCCL that is slowed by times */

/* What NCCL exports; 0: it fails. */
__attribute__((visibility("default"))) int ncclGetVersion(int *ret);
static int nccl_version;

int ncclGetVersion(int *ret)
{
    *ret = nccl_version;
    return nccl_version ? 0 : 3;
}

static void version_case(struct world *w, int version, const char *word,
                         enum coll_no_times want)
{
    static const int deep[] = {0x6, 0x6, 0x6, 0x46, 0x742};
    static const int calls[] = {0x6, 0x6, 0x6, 0x6, 0x702};
    bool times = want == COLL_TIMES_GOOD;
    struct sim_comm c;
    struct sim_task task[2];
    nccl_version = version;
    if (word)
        setenv("AOLANI_NCCL_DEPTH", word, 1);
    world_file(w);
    world_wish(w, COLL_DEPTH_DEEP, 0, 0);
    world_load(w);
    sim_init(&w->sim, &c, 5, 8);
    EXPECT((int)atomic_load(&w->file->library) == version);
    EXPECT(atomic_load(&w->file->no_times) == want);
    if (!word || times)
        EXPECT(w->sim.mask == (times ? deep : calls)[w->version - 1]);
    sim_group(&c, &(struct sim_op){"AllReduce", 4, "ncclFloat32", false, 0}, 1, task);
    sim_channels(task, MS, 10);
    sim_finalize(&c);
    world_expect(
        w, &(struct want){.calls = 1, .dones = times && w->version > 3, .comms = 1});
}

static void good_version(struct world *w)
{
    version_case(w, 22907, NULL, COLL_TIMES_GOOD);
}
static void next_version(struct world *w)
{
    version_case(w, 23200, NULL, COLL_TIMES_GOOD);
}
static void unknown_version(struct world *w)
{
    version_case(w, 0, NULL, COLL_TIMES_GOOD);
}
static void slowed_version(struct world *w)
{
    version_case(w, 23102, NULL, COLL_NO_TIMES_SLOWED);
}
static void slowed_but_asked(struct world *w)
{
    version_case(w, 23102, "deep", COLL_TIMES_GOOD);
}
static void switched_off(struct world *w)
{
    version_case(w, 22907, "calls", COLL_NO_TIMES_ASKED);
}

const struct driver_case cases_calls[] = {
    {"each field of a call", each_field, ALL},
    {"communicators come and go", many_comms, ALL},
    {"one communicator twice in a process", same_comm_twice, V4 | V5},
    {"more communicators than fit", too_many_comms, ALL},
    {"more kinds of collectives than fit", too_many_kinds, ALL},
    {"an exchange between many ranks", exchange, ALL},
    {"calls that a graph captures", captured, V5},
    {"a lane that nobody empties", full_lane, ALL},
    {"many threads", threads, ALL},
    {"the environment asks for all depths", always_deep, ALL},
    {"the environment asks for nothing", never_a_call, ALL},
    {"the environment asks for what there is not", no_such_depth, ALL},
    {"an NCCL whose times cost little", good_version, ALL},
    {"an NCCL later than the one that is slowed", next_version, ALL},
    {"an NCCL of no version", unknown_version, ALL},
    {"an NCCL that is slowed by times", slowed_version, ALL},
    {"an NCCL that is slowed, and deep is asked for", slowed_but_asked, ALL},
    {"the environment switches times off", switched_off, ALL},
    {NULL, NULL, 0},
};
