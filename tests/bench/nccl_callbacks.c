/* SPDX-License-Identifier: MIT */
/* nccl_callbacks.c - nanoseconds of the profiler plug-in's callbacks, as NCCL 2.28 calls
 * them. Built and run by nccl_callbacks.sh. Prints one "name value unit" line each; the
 * value is the median of rounds, and a round is short enough that the ring never fills.
 * Exit status 1: a callback's median is over MOST_NS, on a machine that may just be busy. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "proto/client/nccl/ncclabi.h"
#include "proto/wire/collrec.h"

enum { ROUNDS = 2001, CALLS = 200, CHANNELS = 4, MOST_NS = 100 };

struct bench {
    const struct ncclabi_table5 *t;
    struct collfile *file;
    void *context;
    int mask;
    uint64_t host_ns; /* of the clock alone, which every call pays once */
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void drain(struct bench *b)
{
    for (unsigned i = 0; i < COLL_LANES; i++)
        atomic_store(&b->file->lane[i].tail, atomic_load(&b->file->lane[i].head));
}

static void *start(struct bench *b, struct ncclabi_descr5 *d)
{
    void *handle;
    b->t->start(b->context, &handle, d);
    return handle;
}

static void *start_group(struct bench *b)
{
    return start(b, &(struct ncclabi_descr5){.type = NCCLABI_GROUP_API});
}

static void *start_call(struct bench *b)
{
    struct ncclabi_descr5 d = {.type = NCCLABI_COLL_API};
    d.coll_api.func = "ReduceScatter";
    d.coll_api.count = 1 << 20;
    d.coll_api.datatype = "ncclBfloat16";
    return start(b, &d);
}

static void *start_coll(struct bench *b, void *call)
{
    struct ncclabi_descr5 d = {.type = NCCLABI_COLL, .parent = call};
    d.coll.func = "ReduceScatter";
    d.coll.count = 1 << 20;
    d.coll.datatype = "ncclBfloat16";
    d.coll.n_channels = CHANNELS;
    return start(b, &d);
}

static void stop(struct bench *b, void *handle)
{
    if (handle) /* NCCL does not ask about what was declined */
        b->t->stop(handle);
}

static void clock_alone(struct bench *b, void **at)
{
    (void)b;
    *at = (void *)(uintptr_t)now_ns();
}
static void group(struct bench *b, void **at)
{
    *at = NULL;
    stop(b, start_group(b));
}
static void call(struct bench *b, void **at)
{
    *at = start_call(b);
    stop(b, *at);
}
static void coll(struct bench *b, void **at) /* on the handles that call left */
{
    *at = start_coll(b, *at);
    stop(b, *at);
}

/* One channel's start, stamp and stop. */
static void channel(struct bench *b, void *event, uint8_t n)
{
    struct ncclabi_descr5 d = {
        .type = NCCLABI_KERNEL_CH, .parent = event, .kernel_ch = {n, 1000}};
    union ncclabi_args5 args = {.kernel_ch_stop = 2000};
    void *handle = start(b, &d);
    if (!handle)
        return;
    b->t->record(handle, NCCLABI_KERNEL_CH_STOP, &args);
    b->t->stop(handle);
}
static void channels(struct bench *b, void **at)
{
    for (uint8_t n = 0; n < CHANNELS; n++)
        channel(b, *at, n);
}

struct part {
    const char *name;
    void (*run)(struct bench *b, void **at);
    unsigned callbacks; /* of each run */
    double ns[ROUNDS];  /* of a callback */
};

/* False: one of them takes too long. */
static bool measure(struct bench *b, struct part *p, unsigned n)
{
    bool good = true;
    static void *at[CALLS];
    for (unsigned r = 0; r < ROUNDS; r++) {
        for (unsigned i = 0; i < n; i++) {
            uint64_t from = now_ns();
            for (unsigned c = 0; c < CALLS; c++)
                p[i].run(b, &at[c]);
            p[i].ns[r] = (double)(now_ns() - from) / CALLS / p[i].callbacks;
        }
        drain(b);
    }
    for (unsigned i = 0; i < n; i++) {
        qsort(p[i].ns, ROUNDS, sizeof p[i].ns[0], by_value);
        printf("%s %.1f ns\n", p[i].name, p[i].ns[ROUNDS / 2]);
        printf("%s_p99 %.1f ns\n", p[i].name, p[i].ns[ROUNDS * 99 / 100]);
        if (p[i].ns[ROUNDS / 2] <= MOST_NS)
            continue;
        fprintf(stderr, "%s: a callback takes more than %d ns\n", p[i].name, MOST_NS);
        good = false;
    }
    return good;
}

static void wish(struct bench *b, enum coll_depth depth)
{
    atomic_fetch_add(&b->file->wish.gen, 1);
    b->file->wish.depth = depth;
    atomic_fetch_add(&b->file->wish.gen, 1);
    stop(b, start_group(b));
}

static int file_make(struct bench *b, const char *path)
{
    int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)COLLFILE_BYTES) < 0)
        return -1;
    b->file = mmap(NULL, COLLFILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (b->file == MAP_FAILED)
        return -1;
    collfile_init(b->file);
    return setenv("AOLANI_COLL_PATH", path, 1);
}

static int load(struct bench *b, const char *plugin)
{
    void *lib = dlopen(plugin, RTLD_NOW | RTLD_LOCAL);
    b->t = lib ? dlsym(lib, "ncclProfiler_v5") : NULL;
    if (!b->t)
        return -1;
    b->t->init(&b->context, 7, &b->mask, "", 1, 8, 0, NULL);
    return b->context ? 0 : -1;
}

int main(int argc, char **argv)
{
    static struct part calls[] = {
        {.name = "nccl_clock_alone", .run = clock_alone, .callbacks = 1},
        {.name = "nccl_calls_group", .run = group, .callbacks = 1},
        {.name = "nccl_calls_collective", .run = call, .callbacks = 1}};
    static struct part deep[] = {
        {.name = "nccl_deep_group", .run = group, .callbacks = 1},
        {.name = "nccl_deep_call_start_stop", .run = call, .callbacks = 2},
        {.name = "nccl_deep_enqueued_start_stop", .run = coll, .callbacks = 2},
        {.name = "nccl_deep_channel", .run = channels, .callbacks = 3 * CHANNELS}};
    static struct bench b;
    char dir[] = "/dev/shm/aolani-bench-XXXXXX", path[64];
    if (argc != 2 || !mkdtemp(dir))
        return 1;
    snprintf(path, sizeof path, "%s/coll", dir);
    int rc = file_make(&b, path) < 0 || load(&b, argv[1]) < 0;
    if (rc == 0) {
        bool good = measure(&b, calls, 3);
        wish(&b, COLL_DEPTH_DEEP);
        good = measure(&b, deep, 4) && good;
        rc = !good || atomic_load(&b.file->odd) + atomic_load(&b.file->untimed) > 0;
    } else {
        fprintf(stderr, "cannot load \"%s\"\n", argv[1]);
    }
    unlink(path);
    rmdir(dir);
    return rc;
}
