/* SPDX-License-Identifier: MIT */
/* deep.c - cases: collectives that are timed, and stamps that come late, wrong or never. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/nccl/driver.h"

static const struct sim_op grad = {"ReduceScatter", 512, "ncclBfloat16", false, 4};
static const struct sim_op norm = {"AllReduce", 1, "ncclFloat32", false, 1};
static const struct collsig norm_sig = {COLL_ALLREDUCE, 7, 2};

static void *deliver(void *arg)
{
    struct sim_task *t = arg; /* up to one of no communicator */
    for (uint64_t i = 0; t[i].comm; i++)
        sim_channels(&t[i], 1000 * MS + i, 5000 + i);
    return NULL;
}

/* From a thread of NCCL's own, after the program has gone on. */
static void deliver_apart(struct sim_task *t)
{
    pthread_t id;
    EXPECT(pthread_create(&id, NULL, deliver, t) == 0);
    pthread_join(id, NULL);
}

/* ---- the steps that the anchor says, and no others */

#define STEPS 20u
#define IN    4u /* collectives of a step, the anchor last */

static void deep_steps(struct world *w)
{
    static struct sim_task tasks[STEPS * IN + 1];
    struct sim_comm c;
    int calls = w->version >= 5 ? 0x700 : 0x6, deep = w->version >= 5 ? 0x742 : 0x46;
    world_file(w);
    world_anchor(w, 5, norm_sig);
    world_wish(w, COLL_DEPTH_CALLS, 4, 1);
    world_load(w);
    sim_init(&w->sim, &c, 5, 8);
    for (unsigned s = 0; s < STEPS; s++) {
        EXPECT(w->sim.mask == (s > 0 && (s - 1) % 4 == 0 ? deep : calls));
        for (unsigned i = 0; i < IN; i++)
            sim_group(&c, i < IN - 1 ? &grad : &norm, 1, &tasks[s * IN + i]);
    }
    deliver_apart(tasks);
    world_expect(
        w, &(struct want){.calls = STEPS * IN, .dones = STEPS / 4 * IN, .comms = 1});
    world_expect_seqs(w);
    for (unsigned s = 0; s < STEPS; s++) {
        const struct collrec *r = world_find(w, COLLREC_DONE, COLL_ALLREDUCE, s);
        unsigned at = s * IN + IN - 1;
        EXPECT((r != NULL) == (s % 4 == 1)); /* the call that ends a deep step */
        EXPECT(!r || (r->dur_ns == 5000 + at && r->comm == 5 && r->bytes == 4 &&
                      r->n_ranks == 8 && collsig_key(r->sig) == collsig_key(norm_sig)));
        r = world_find(w, COLLREC_DONE, COLL_REDUCESCATTER, s * (IN - 1));
        EXPECT((r != NULL) == (s % 4 == 1));
    }
    world_wish(w, COLL_DEPTH_CALLS, 0, 0);
    sim_group(&c, &grad, 1, tasks);
    EXPECT(w->sim.mask == calls);
    sim_finalize(&c);
}

/* The anchor's communicator goes in a deep step: nobody would end it. */
static void anchor_goes(struct world *w)
{
    struct sim_task t[2];
    struct sim_comm c, d;
    world_file(w);
    world_anchor(w, 5, norm_sig);
    world_wish(w, COLL_DEPTH_CALLS, 1, 1);
    world_load(w);
    sim_init(&w->sim, &c, 5, 8);
    sim_init(&w->sim, &d, 6, 8);
    sim_group(&c, &norm, 1, t);
    EXPECT(w->sim.mask & NCCLABI_KERNEL_CH);
    sim_finalize(&c);
    sim_group(&d, &norm, 1, t);
    EXPECT(!(w->sim.mask & NCCLABI_KERNEL_CH));
    sim_finalize(&d);
}

/* ---- what is asked for at each depth */

static void depths(struct world *w)
{
    static const struct {
        enum coll_depth depth;
        int mask[5]; /* by version */
        bool timed;
    } t[] = {{COLL_DEPTH_NONE, {0x4, 0x4, 0x1, 0x1, 0x100}, false},
             {COLL_DEPTH_CALLS, {0x6, 0x6, 0x6, 0x6, 0x700}, false},
             {COLL_DEPTH_ENQUEUED, {0x6, 0x6, 0x6, 0x6, 0x702}, false},
             {COLL_DEPTH_DEEP, {0x6, 0x6, 0x6, 0x46, 0x742}, true},
             {COLL_DEPTH_CALLS, {0x6, 0x6, 0x6, 0x6, 0x700}, false},
             {COLL_DEPTH_NONE, {0x4, 0x4, 0x1, 0x1, 0x100}, false}};
    struct sim_task task[2] = {0};
    struct sim_comm c;
    unsigned calls = 0, dones = 0;
    world_file(w);
    world_wish(w, COLL_DEPTH_NONE, 0, 0);
    world_load(w);
    sim_init(&w->sim, &c, 5, 8);
    for (size_t i = 0; i < LEN(t); i++) {
        bool was = i > 0 && t[i - 1].depth != COLL_DEPTH_NONE;
        world_wish(w, t[i].depth, 0, 0);
        sim_group(&c, &grad, 1, task); /* with the mask as it was */
        EXPECT(w->sim.mask == t[i].mask[w->version - 1]);
        sim_channels(task, MS, 10);
        sim_group(&c, &grad, 1, task);
        sim_channels(task, MS, 10);
        calls += was + (t[i].depth != COLL_DEPTH_NONE);
        dones += t[i].timed && w->version > 3;
    }
    sim_finalize(&c);
    world_drain(w);
    unsigned told = 0, done = 0;
    for (size_t i = 0; i < w->n; i++) {
        told += w->rec[i].kind == COLLREC_CALL;
        done += w->rec[i].kind == COLLREC_DONE;
    }
    EXPECT(told == calls);
    EXPECT(done == dones);
    EXPECT(atomic_load(&w->file->odd) == 0);
}

/* A wish that is being written is not read. */
static void half_a_wish(struct world *w)
{
    struct sim_task task[2];
    struct sim_comm c;
    world_open(w);
    sim_init(&w->sim, &c, 5, 8);
    int before = w->sim.mask;
    atomic_fetch_add(&w->file->wish.gen, 1);
    w->file->wish.depth = COLL_DEPTH_DEEP;
    sim_group(&c, &grad, 1, task);
    EXPECT(w->sim.mask == before);
    atomic_fetch_add(&w->file->wish.gen, 1);
    sim_group(&c, &grad, 1, task);
    EXPECT(w->sim.mask != before || w->version <= 3);
    sim_finalize(&c);
}

/* ---- stamps */

struct stamp {
    uint64_t start, stop; /* 0: NCCL does not know */
};

static const struct {
    const char *what;
    struct stamp ch[4];
    unsigned n;
    bool twice, done;
    uint32_t dur_ns;
} stamps[] = {
    {"good", {{100, 300}, {110, 290}, {105, 310}, {101, 200}}, 4, false, true, 210},
    {"no time at all", {{7, 7}, {7, 7}, {7, 7}, {7, 7}}, 4, false, true, 0},
    {"one after the other", {{1, 2}, {3, 4}, {5, 6}, {7, 8}}, 4, false, true, 7},
    {"stopped before started",
     {{100, 300}, {110, 90}, {1, 2}, {1, 2}},
     4,
     false,
     false,
     0},
    {"no start", {{0, 300}, {110, 290}, {1, 2}, {1, 2}}, 4, false, false, 0},
    {"no stop", {{100, 0}, {110, 290}, {1, 2}, {1, 2}}, 4, false, false, 0},
    {"an hour", {{1, 3600000 * MS}, {1, 2}, {1, 2}, {1, 2}}, 4, false, false, 0},
    {"of another clock",
     {{1, 2}, {UINT64_MAX / 2, UINT64_MAX / 2 + 9}, {1, 2}, {1, 2}},
     4,
     false,
     false,
     0},
    {"a channel never comes", {{1, 2}, {1, 2}, {1, 2}}, 3, false, false, 0},
    {"a channel twice", {{1, 2}, {1, 2}, {1, 2}, {1, 2}}, 4, true, false, 0},
};

static void stamp_case(struct sim_comm *c, size_t i)
{
    struct sim_task task[2];
    void *handle[4], *again = NULL;
    sim_group(c, &grad, 1, task);
    for (unsigned n = 0; n < stamps[i].n; n++)
        handle[n] = sim_channel_start(task, n, stamps[i].ch[n].start);
    if (stamps[i].twice)
        again = sim_channel_start(task, 0, 1);
    EXPECT(!again);
    for (unsigned n = 0; n < stamps[i].n; n++)
        sim_channel_stop(c->sim, handle[n], stamps[i].ch[n].stop);
    for (unsigned n = 0; n < stamps[i].n; n++) /* and again: nothing */
        sim_channel_stop(c->sim, handle[n], stamps[i].ch[n].stop);
}

static void all_stamps(struct world *w)
{
    struct sim_comm c;
    unsigned dones = 0, bad = 0;
    world_file(w);
    world_wish(w, COLL_DEPTH_DEEP, 0, 0);
    world_load(w);
    sim_init(&w->sim, &c, 5, 8);
    for (size_t i = 0; i < LEN(stamps); i++) {
        stamp_case(&c, i);
        world_drain(w);
        const struct collrec *r =
            world_find(w, COLLREC_DONE, COLL_REDUCESCATTER, (uint32_t)i);
        if ((r != NULL) != stamps[i].done || (r && r->dur_ns != stamps[i].dur_ns))
            driver_failed(__FILE__, __LINE__, stamps[i].what);
        dones += stamps[i].done;
        bad += !stamps[i].done && stamps[i].n == 4;
    }
    sim_finalize(&c);
    world_expect(w, &(struct want){
                        .calls = LEN(stamps), .dones = dones, .comms = 1, .odd = bad});
}

/* ---- no place left to time one more */

#define POOL 1024u

static void no_place(struct world *w)
{
    static struct sim_task tasks[POOL + 77];
    struct sim_comm c;
    static const struct sim_op many = {"AllReduce", 1, "ncclFloat32", false, 65};
    world_file(w);
    world_wish(w, COLL_DEPTH_DEEP, 0, 0);
    world_load(w);
    sim_init(&w->sim, &c, 5, 8);
    for (unsigned i = 0; i < POOL + 76; i++)
        sim_group(&c, &grad, 1, &tasks[i]);
    world_expect(w, &(struct want){.calls = POOL + 76, .comms = 1, .untimed = 76});
    deliver_apart(tasks); /* those without a place too */
    world_expect(w, &(struct want){
                        .calls = POOL + 76, .dones = POOL, .comms = 1, .untimed = 76});
    sim_group(&c, &grad, 1, tasks);
    sim_channels(tasks, MS, 10);
    sim_group(&c, &many, 1, tasks); /* more channels than NCCL has */
    sim_channels(tasks, MS, 10);
    sim_finalize(&c);
    world_expect(w,
                 &(struct want){
                     .calls = POOL + 78, .dones = POOL + 1, .comms = 1, .untimed = 77});
}

/* ---- graphs that are captured in a deep step keep nothing of it */

static void deep_graph(struct world *w)
{
    struct sim_op op = grad;
    struct sim_task first, task, eager;
    struct sim_comm c;
    op.captured = true;
    world_file(w);
    world_wish(w, COLL_DEPTH_DEEP, 0, 0);
    world_load(w);
    sim_init(&w->sim, &c, 5, 8);
    EXPECT(w->sim.mask == 0x742);
    sim_group(&c, &op, 1, &first); /* NCCL has read its mask before it asks us */
    EXPECT(w->sim.mask == 0x700);
    sim_group(&c, &op, 1, &task);
    EXPECT(w->sim.mask == 0x700);
    EXPECT(!(task.mask & (NCCLABI_KERNEL_CH | NCCLABI_COLL)));
    for (unsigned i = 0; i < 5; i++) {
        sim_replay(&first);
        sim_channels(&first, 1000 + i, 77);
        sim_replay(&task);
        sim_channels(&task, 1000 + i, 77);
    }
    world_expect(w, &(struct want){.calls = 2, .captured = 2, .comms = 1});
    sim_group(&c, &grad, 1, &eager); /* which sees to the mask again */
    EXPECT(w->sim.mask == 0x742);
    sim_group(&c, &grad, 1, &eager);
    sim_channels(&eager, 1000, 77);
    sim_finalize(&c);
    sim_replay(&first);
    world_expect(w, &(struct want){.calls = 4, .captured = 2, .dones = 1, .comms = 1});
}

/* The anchor is in the graph, and its call begins a deep step. */
static void deep_graph_of_anchor(struct world *w)
{
    struct sim_op op = norm;
    struct sim_task task[2];
    struct sim_comm c;
    op.captured = true;
    world_file(w);
    world_anchor(w, 5, norm_sig);
    world_wish(w, COLL_DEPTH_CALLS, 1, 1);
    world_load(w);
    sim_init(&w->sim, &c, 5, 8);
    sim_group(&c, &op, 1, task);
    EXPECT(w->sim.mask == 0x700);
    sim_finalize(&c);
}

/* ---- finalized while the GPU is at it */

static void finalize_early(struct world *w)
{
    struct sim_task task[3] = {0};
    struct sim_comm c;
    world_file(w);
    world_wish(w, COLL_DEPTH_DEEP, 0, 0);
    world_load(w);
    sim_init(&w->sim, &c, 5, 8);
    sim_group(&c, &grad, 1, &task[0]);
    sim_group(&c, &norm, 1, &task[1]);
    void *open = sim_channel_start(&task[0], 0, 100);
    sim_finalize(&c);
    sim_channel_stop(&w->sim, open, 200);
    for (unsigned i = 1; i < 4; i++)
        sim_channel_stop(&w->sim, sim_channel_start(&task[0], i, 100), 210);
    sim_stop(&w->sim, task[0].event); /* a stop too many */
    sim_stop(&w->sim, task[0].api);
    world_expect(w, &(struct want){.calls = 2, .dones = 1, .comms = 1});
    EXPECT(world_find(w, COLLREC_DONE, COLL_REDUCESCATTER, 0)->dur_ns == 110);
}

/* ---- the wish changes all the time, under calls of many threads and late stamps */

#define FLIPPERS 6u
#define ROUNDS   800u

struct flipper {
    pthread_t app, proxy;
    struct sim_comm comm;
    struct sim_task task[ROUNDS];
    _Atomic unsigned ready;
};

static void *flip_app(void *arg)
{
    struct flipper *f = arg;
    for (unsigned i = 0; i < ROUNDS; i++) {
        sim_group(&f->comm, i % 4 ? &grad : &norm, 1, &f->task[i]);
        atomic_store(&f->ready, i + 1);
    }
    return NULL;
}

static void *flip_proxy(void *arg)
{
    struct flipper *f = arg;
    for (unsigned i = 0; i < ROUNDS; i++) {
        while (atomic_load(&f->ready) <= i)
            sched_yield();
        sim_proxy(&f->task[i], getpid(), f->task[i].event);
        sim_channels(&f->task[i], 1000 + 100 * i, 50);
    }
    return NULL;
}

static void flips(struct world *w)
{
    static struct flipper f[FLIPPERS];
    struct sim_task last;
    uint64_t lost = 0;
    world_open(w);
    world_anchor(w, 1, norm_sig);
    for (unsigned i = 0; i < FLIPPERS; i++) {
        sim_init(&w->sim, &f[i].comm, 1 + i, 4);
        EXPECT(pthread_create(&f[i].app, NULL, flip_app, &f[i]) == 0);
        EXPECT(pthread_create(&f[i].proxy, NULL, flip_proxy, &f[i]) == 0);
    }
    for (unsigned i = 0; i < 2000; i++) {
        world_wish(w, i % 4, i % 3, 1);
        world_drain(w);
        sched_yield();
    }
    for (unsigned i = 0; i < FLIPPERS; i++) {
        while (atomic_load(&f[i].ready) < ROUNDS) {
            world_drain(w);
            sched_yield();
        }
        pthread_join(f[i].app, NULL);
        pthread_join(f[i].proxy, NULL);
    }
    world_wish(w, COLL_DEPTH_CALLS, 0, 0);
    for (unsigned i = 0; i < FLIPPERS; i++)
        sim_group(&f[i].comm, &grad, 1, &last);
    EXPECT(w->sim.mask == (w->version >= 5 ? 0x700 : 0x6));
    world_drain(w);
    EXPECT(atomic_load(&w->file->odd) == 0);
    for (unsigned i = 0; i < COLL_LANES; i++)
        lost += atomic_load(&w->file->lane[i].dropped);
    if (lost + atomic_load(&w->file->homeless) == 0)
        world_expect_seqs(w);
    for (size_t i = 0; i < w->n; i++) {
        EXPECT(w->rec[i].comm >= 1 && w->rec[i].comm <= FLIPPERS);
        EXPECT(w->rec[i].kind != COLLREC_DONE || w->rec[i].dur_ns == 50);
    }
}

const struct driver_case cases_deep[] = {
    {"deep steps are those that the anchor says", deep_steps, V4 | V5},
    {"the anchor goes in a deep step", anchor_goes, V4 | V5},
    {"what is asked for at each depth", depths, ALL},
    {"a wish that is being written", half_a_wish, ALL},
    {"stamps that are good, bad and missing", all_stamps, V4 | V5},
    {"no place left to time one more", no_place, V4 | V5},
    {"a graph captured in a deep step", deep_graph, V5},
    {"a graph captured with the anchor in it", deep_graph_of_anchor, V5},
    {"finalized while the GPU is at it", finalize_early, V4 | V5},
    {"the wish changes under many threads", flips, ALL},
    {NULL, NULL, 0},
};
