/* SPDX-License-Identifier: MIT */
/* place.c - cases: where the plug-in finds itself (outside a job, in a child, beside
 * another process), and calls that make no sense. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/nccl/driver.h"

static const struct sim_op op = {"AllReduce", 4, "ncclFloat32", false, 0};

/* ---- no file, or one that is not ours: NCCL is asked for nothing */

static void no_path(struct world *w)
{
    unsetenv("AOLANI_COLL_PATH");
    (void)w;
}
static void empty_path(struct world *w)
{
    setenv("AOLANI_COLL_PATH", "", 1);
    (void)w;
}
static void not_there(struct world *w)
{
    unlink(w->path);
}
static void a_folder(struct world *w)
{
    setenv("AOLANI_COLL_PATH", w->dir, 1);
}
static void a_link(struct world *w)
{
    char to[96];
    snprintf(to, sizeof to, "%s.to", w->path);
    if (symlink(w->path, to) == 0)
        setenv("AOLANI_COLL_PATH", to, 1);
}
static void a_pipe(struct world *w)
{
    unlink(w->path);
    EXPECT(mkfifo(w->path, 0600) == 0);
}
static void too_short(struct world *w)
{
    EXPECT(truncate(w->path, (off_t)COLLFILE_BYTES - 1) == 0);
}
static void too_long(struct world *w)
{
    EXPECT(truncate(w->path, (off_t)COLLFILE_BYTES + 1) == 0);
}
static void of_all(struct world *w)
{
    EXPECT(chmod(w->path, 0666) == 0);
}
static void other_magic(struct world *w)
{
    w->file->magic ^= 1;
}
static void other_version(struct world *w)
{
    w->file->version++;
}
static void other_lanes(struct world *w)
{
    w->file->lanes = COLL_LANES * 2;
}
static void of_another(struct world *w)
{
    int fd = open(w->path, O_RDWR | O_CLOEXEC);
    EXPECT(fd >= 0 && flock(fd, LOCK_EX) == 0); /* until this process ends */
}
static void outside_of(struct world *w)
{
    struct sim_comm c;
    struct sim_task task[2];
    world_load(w);
    w->sim.mask = 0x7fff; /* of a communicator before */
    sim_init(&w->sim, &c, 5, 2);
    EXPECT(c.context == NULL && w->sim.mask == 0);
    sim_group(&c, &op, 1, task);
    w->sim.mask = 0xfff; /* somebody else has set it */
    sim_group(&c, &op, 1, task);
    EXPECT(task[0].api == NULL && task[0].event == NULL);
    sim_channels(task, 1, 1);
    sim_finalize(&c);
    EXPECT(atomic_load(&w->file->n_lanes) == 0);
    EXPECT(atomic_load(&w->file->lane[0].head) == 0);
    EXPECT(atomic_load(&w->file->nccl_version) == 0);
}

static void outside(struct world *w)
{
    static const struct {
        const char *what;
        void (*spoil)(struct world *w);
    } t[] = {
        {"no path", no_path},       {"an empty path", empty_path},
        {"no file", not_there},     {"a folder", a_folder},
        {"a link", a_link},         {"a pipe", a_pipe},
        {"too short", too_short},   {"too long", too_long},
        {"of all", of_all},         {"another magic", other_magic},
        {"version", other_version}, {"lanes", other_lanes},
        {"of another", of_another},
    };
    char rm[100];
    for (size_t i = 0; i < LEN(t); i++) {
        int status;
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            world_file(w);
            if (truncate(w->path, (off_t)COLLFILE_BYTES) == 0)
                t[i].spoil(w);
            outside_of(w);
            fflush(stdout);
            snprintf(rm, sizeof rm, "rm -rf '%s'", w->dir);
            EXPECT(system(rm) == 0);
            _exit(driver_status());
        }
        bool good = pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
        if (!good)
            driver_failed(__FILE__, __LINE__, t[i].what);
    }
}

/* ---- other processes */

static void owner_is_dead(struct world *w)
{
    struct sim_comm c;
    struct sim_task task[2];
    world_file(w);
    pid_t pid = fork();
    if (pid == 0) {
        of_another(w);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    atomic_store(&w->file->owner, (uint32_t)pid);
    world_load(w);
    sim_init(&w->sim, &c, 5, 2);
    sim_group(&c, &op, 1, task);
    EXPECT(atomic_load(&w->file->owner) == (uint32_t)getpid());
    world_expect(w, &(struct want){.calls = 1, .comms = 1});
    sim_finalize(&c);
}

static void child_of(struct world *w, struct sim_comm *c, struct sim_task *open)
{
    struct sim_task task[2];
    struct sim_comm own;
    sim_group(c, &op, 1, task);
    sim_channels(open, 100, 50);
    sim_init(&w->sim, &own, 77, 2);
    EXPECT(own.context == NULL);
    sim_group(&own, &op, 1, task);
    sim_finalize(&own);
    sim_finalize(c);
}

static void in_a_child(struct world *w)
{
    struct sim_comm c;
    struct sim_task open[2], task[2];
    int status;
    world_file(w);
    world_wish(w, COLL_DEPTH_DEEP, 0, 0);
    world_load(w);
    sim_init(&w->sim, &c, 5, 2);
    sim_group(&c, &op, 1, open);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        child_of(w, &c, open);
        fflush(stdout);
        _exit(driver_status());
    }
    EXPECT(waitpid(pid, &status, 0) == pid && status == 0);
    world_expect(w, &(struct want){.calls = 1, .comms = 1});
    sim_channels(open, 100, 50); /* and the parent goes on */
    sim_group(&c, &op, 1, task);
    sim_finalize(&c);
    world_expect(
        w, &(struct want){.calls = 2, .dones = w->version > 3 ? 1 : 0, .comms = 1});
}

/* ---- NCCL unloads it with the last communicator, and loads it with the next */

static void loaded_again(struct world *w)
{
    struct sim_comm c;
    struct sim_task task[2];
    world_file(w);
    world_wish(w, COLL_DEPTH_DEEP, 0, 0);
    world_load(w);
    for (unsigned round = 0; round < 20; round++) {
        sim_init(&w->sim, &c, 5 + round, 2);
        sim_group(&c, &op, 1, task);
        sim_finalize(&c);
        sim_unload(&w->sim);
        sim_channels(task, 100, 50); /* from a thread that was late */
        world_load(w);
    }
    world_expect(
        w, &(struct want){.calls = 20, .dones = w->version > 3 ? 20 : 0, .comms = 20});
    EXPECT(atomic_load(&w->file->n_lanes) == 1);
}

/* ---- calls that make no sense */

static void nonsense(struct world *w)
{
    static const uint64_t types[] = {0, 3, 0x80, 0xff, 0x1000, 0x4000, 1ull << 40};
    static const uint64_t wild[] = {1,          2,          3,         4,      0xdead,
                                    UINT64_MAX, 1ull << 63, 0xfffff01, 0x40001};
    struct sim_comm c, none = {.sim = &w->sim};
    struct sim_task task[2];
    world_file(w);
    world_wish(w, COLL_DEPTH_DEEP, 0, 0);
    world_load(w);
    sim_init(&w->sim, &c, 5, 2);
    for (unsigned t = 0; t <= 15; t++) { /* NCCL goes on after an init that failed */
        EXPECT(sim_start(&none, 1u << t, NULL) == NULL);
        void *h = sim_start(&c, 1u << t, NULL);
        EXPECT(h == NULL || w->version >= 5 || 1u << t == NCCLABI_GROUP);
    }
    sim_group(&none, &op, 1, task);
    EXPECT(task[0].api == NULL && task[0].event == NULL);
    uint64_t before = atomic_load(&w->file->odd);
    EXPECT(before == (w->version >= 5 ? 4 : 8)); /* the bits that are no event */
    for (size_t i = 0; i < LEN(types); i++)
        EXPECT(sim_start(&c, types[i], (void *)(uintptr_t)wild[i]) == NULL);
    for (size_t i = 0; i < LEN(wild); i++) {
        void *h = (void *)(uintptr_t)wild[i];
        EXPECT(sim_start(&c, NCCLABI_KERNEL_CH, h) == NULL);
        sim_record(&w->sim, h, NCCLABI_KERNEL_CH_STOP, 5);
        sim_record(&w->sim, h, 4711, 5);
        sim_stop(&w->sim, h);
    }
    EXPECT(atomic_load(&w->file->odd) > before);
    sim_finalize(&c);
    world_drain(w);
    for (size_t i = 0; i < w->n; i++)
        EXPECT(w->rec[i].kind != COLLREC_DONE);
}

/* A proxy that works for another process: that one's handles are not even looked at. */
static void of_another_process(struct world *w)
{
    static const uintptr_t theirs[] = {0, 1, 8, 0xffffffffffff0000, 0x7f0000000001};
    struct sim_comm c;
    struct sim_task task[2];
    world_file(w);
    world_wish(w, COLL_DEPTH_DEEP, 0, 0);
    world_load(w);
    sim_init(&w->sim, &c, 5, 2);
    sim_group(&c, &op, 1, task);
    for (size_t i = 0; i < LEN(theirs); i++)
        sim_proxy(task, getpid() + 1, (void *)theirs[i]);
    sim_proxy(task, getpid(), task[0].event);
    sim_finalize(&c);
    world_expect(w, &(struct want){.calls = 1, .comms = 1});
}

const struct driver_case cases_place[] = {
    {"outside a job", outside, ALL},
    {"the owner of the file is dead", owner_is_dead, ALL},
    {"a child is silent", in_a_child, ALL},
    {"unloaded and loaded again", loaded_again, ALL},
    {"calls that make no sense", nonsense, ALL},
    {"a proxy for another process", of_another_process, ALL},
    {NULL, NULL, 0},
};
