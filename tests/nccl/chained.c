/* SPDX-License-Identifier: MIT */
/* chained.c - cases: another profiler behind ours. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/nccl/driver.h"
#include "tests/nccl/other.h"

#define FOREIGN ((void *)(uintptr_t)0x7f0000000001)

static const struct sim_op ops[] = {{"AllReduce", 64, "ncclFloat32", false, 4},
                                    {"Send", 64, "ncclFloat32", false, 1},
                                    {"AllReduce", 64, "ncclFloat32", false, 4}};

static struct other *other_load(struct world *w)
{
    void *lib = dlopen(w->other, RTLD_NOW | RTLD_LOCAL);
    struct other *o = lib ? dlsym(lib, OTHER_SYMBOL) : NULL;
    if (!o) {
        fprintf(stderr, "cannot load \"%s\": %s\n", w->other, dlerror());
        exit(1);
    }
    setenv("AOLANI_NCCL_CHAIN", w->other, 1);
    return o;
}

static int ours_of(const struct world *w)
{
    return w->version >= 5 ? 0x700 : w->version >= 3 ? 0x7 : 0x6;
}

static int groups_of(const struct world *w)
{
    return w->version >= 5   ? NCCLABI_GROUP_API
           : w->version >= 3 ? NCCLABI_GROUP
                             : NCCLABI_P2P;
}

static unsigned bit_of(unsigned type)
{
    return (unsigned)__builtin_ctz(type);
}

/* ---- both hear of all that either has asked for */

static void both_hear(struct world *w)
{
    static const unsigned mask_of[] = {0x1f, 0x1f, 0x1f, 0x5f, 0x75f}; /* by version */
    struct sim_comm c;
    struct sim_task task[3];
    struct other *o = other_load(w);
    bool stamps = w->version > 3;
    world_open(w);
    o->wants = (int)mask_of[w->version - 1];
    sim_init(&w->sim, &c, 5, 8);
    EXPECT(w->sim.mask == (o->wants | ours_of(w)));
    sim_group(&c, ops, 3, task);
    for (unsigned i = 0; i < 3; i += 2) {
        sim_proxy(&task[i], getpid(), task[i].event);
        sim_channels(&task[i], 100, 50);
    }
    sim_proxy(&task[0], getpid() + 1, FOREIGN);
    void *own = c.context;
    c.context = FOREIGN; /* as with PXN: that process's, too, which nobody follows */
    sim_proxy(&task[0], getpid() + 1, FOREIGN);
    c.context = own;
    sim_finalize(&c);
    world_expect(w, &(struct want){.calls = 3, .comms = 1});
    EXPECT(o->wrong == 0 && o->orphans == 0 && o->inits == 1 && o->fins == 1);
    EXPECT(o->started[bit_of(NCCLABI_GROUP)] == 1);
    EXPECT(o->started[bit_of(NCCLABI_COLL)] == 2);
    EXPECT(o->started[bit_of(NCCLABI_P2P)] == 1);
    EXPECT(o->started[bit_of(NCCLABI_PROXY_OP)] == 3);
    EXPECT(o->started[bit_of(NCCLABI_PROXY_STEP)] == 3);
    EXPECT(o->started[bit_of(NCCLABI_KERNEL_CH)] == (stamps ? 8 : 0));
    EXPECT(o->started[bit_of(NCCLABI_COLL_API)] == (w->version >= 5 ? 2 : 0));
    unsigned all = 0;
    for (unsigned i = 0; i < LEN(o->started); i++)
        all += o->started[i];
    EXPECT(o->stopped == all);
    /* Three of each proxy's work, one of each channel, two of a group's call. */
    EXPECT(o->recorded == 9u + (stamps ? 8 : 0) + (w->version >= 5 ? 2 : 0));
}

/* Ours times collectives while theirs wants to hear of next to nothing, and the other way. */
static void each_its_own(struct world *w)
{
    struct sim_comm c;
    struct sim_task task[3];
    struct other *o = other_load(w);
    world_file(w);
    world_wish(w, COLL_DEPTH_DEEP, 0, 0);
    world_load(w);
    o->wants = 0;
    sim_init(&w->sim, &c, 5, 8);
    sim_group(&c, ops, 1, task);
    sim_channels(task, 100, 50);
    *o->mask = NCCLABI_COLL | NCCLABI_KERNEL_CH; /* it changes its mind, as it may */
    world_wish(w, COLL_DEPTH_CALLS, 0, 0);
    sim_group(&c, ops, 1, task); /* this group looks */
    sim_channels(task, 100, 50);
    EXPECT((w->sim.mask & 0x42) == 0x42);
    sim_group(&c, ops, 1, task);
    sim_channels(task, 100, 50);
    sim_finalize(&c);
    EXPECT(o->wrong == 0 && o->orphans == 0);
    world_expect(w, &(struct want){.calls = 3, .dones = 1, .comms = 1});
}

/* Outside a job of ours they still get what they ask for. */
static void theirs_alone(struct world *w)
{
    struct sim_comm c;
    struct sim_task task[3];
    struct other *o = other_load(w);
    world_file(w);
    setenv("AOLANI_COLL_PATH", "/nowhere", 1);
    world_load(w);
    o->wants = NCCLABI_COLL;
    sim_init(&w->sim, &c, 5, 8);
    EXPECT(w->sim.mask == (NCCLABI_COLL | groups_of(w)));
    sim_group(&c, ops, 3, task);
    *o->mask = 0;
    sim_group(&c, ops, 3, task);
    EXPECT(w->sim.mask == groups_of(w));
    sim_finalize(&c);
    EXPECT(o->wrong == 0 && o->started[bit_of(NCCLABI_COLL)] == 4 && o->fins == 1);
    world_expect(w, &(struct want){0});
}

static void their_init_fails(struct world *w)
{
    struct sim_comm c;
    struct sim_task task[3];
    struct other *o = other_load(w);
    world_open(w);
    o->init_fails = 2;
    sim_init(&w->sim, &c, 5, 8);
    sim_group(&c, ops, 3, task);
    sim_finalize(&c);
    EXPECT(o->inits == 1 && o->fins == 0 && o->stopped == 0 && o->wrong == 0);
    world_expect(w, &(struct want){.calls = 3, .comms = 1});
}

/* As NCCL_PROFILER_PLUGIN names one: not by its path alone. The driver has it loaded, so
 * that its name is enough to find it. */
static void by_its_name(struct world *w)
{
    static const char *const names[] = {"other", "libnccl-profiler-other.so"};
    struct other *o = other_load(w);
    struct sim_comm c;
    for (size_t i = 0; i < LEN(names); i++) {
        int status;
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            setenv("AOLANI_NCCL_CHAIN", names[i], 1);
            world_load(w);
            sim_init(&w->sim, &c, 5, 8);
            sim_finalize(&c);
            EXPECT(o->inits == 1 && o->fins == 1);
            fflush(stdout);
            _exit(driver_status());
        }
        bool good = pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
        EXPECT(good);
    }
}

/* ---- no chain, and ours goes on */

static void no_chain(struct world *w)
{
    static const char *const bad[] = {"/nowhere/libother.so", "libc.so.6", "nobody",
                                      "STATIC_PLUGIN", ""};
    struct sim_comm c;
    struct sim_task task[3];
    const char *path = w->plugin;
    for (size_t i = 0; i <= LEN(bad); i++) {
        int status;
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            world_open(w);
            setenv("AOLANI_NCCL_CHAIN", i < LEN(bad) ? bad[i] : path, 1);
            sim_init(&w->sim, &c, 5, 8);
            sim_group(&c, ops, 3, task);
            sim_finalize(&c);
            world_expect(w, &(struct want){.calls = 3, .comms = 1});
            unlink(w->path);
            rmdir(w->dir);
            fflush(stdout);
            _exit(driver_status());
        }
        bool good = pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
        EXPECT(good);
    }
}

/* ---- an event that is open longer than there are places for pairs */

static void long_open(struct world *w)
{
    static struct sim_task task[3];
    struct sim_comm c;
    struct other *o = other_load(w);
    world_open(w);
    o->wants = NCCLABI_COLL | NCCLABI_KERNEL_CH;
    sim_init(&w->sim, &c, 5, 8);
    sim_group(&c, ops, 1, &task[0]);
    void *open = sim_start(&c, NCCLABI_PROXY_CTRL, NULL);
    void *channel = w->version > 3 ? sim_channel_start(&task[0], 0, 100) : NULL;
    for (unsigned i = 0; i < 30000; i++) {
        sim_group(&c, ops, 1, &task[1]);
        if (i % 1000 == 0)
            world_drain(w);
    }
    EXPECT(o->wrong == 0 && o->orphans == 0);
    sim_stop(&w->sim, open);
    sim_channel_stop(&w->sim, channel, 200);
    unsigned all = 0;
    for (unsigned i = 0; i < LEN(o->started); i++)
        all += o->started[i];
    EXPECT(all > 65536 || w->version < 5);
    EXPECT(o->stopped == all && o->wrong == 0);
    /* Its parent was forgotten meanwhile: then there is none, and no other's. */
    if (w->version >= 5)
        EXPECT(sim_channel_start(&task[0], 1, 100) && o->orphans == 1 && o->wrong == 0);
    sim_finalize(&c);
}

const struct driver_case cases_chain[] = {
    {"another profiler is chained: both hear", both_hear, ALL},
    {"another profiler is chained: each its own", each_its_own, V4 | V5},
    {"another profiler is chained outside a job", theirs_alone, ALL},
    {"another profiler is chained and fails", their_init_fails, ALL},
    {"another profiler is chained and an event stays open", long_open, ALL},
    {"another profiler is chained by its name", by_its_name, ALL},
    {"no other profiler can be chained", no_chain, ALL},
    {NULL, NULL, 0},
};
