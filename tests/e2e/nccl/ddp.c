/* SPDX-License-Identifier: MIT */
/* ddp.c - ranks that train as DistributedDataParallel does, as far as a profiler of NCCL can
 * tell: they load the plug-in that NCCL_PROFILER_PLUGIN names and tell it of their
 * collectives in NCCL's order, in real time; what NCCL would do is a meeting in a file that
 * all ranks share. One rank computes longer. They mark no steps.
 *
 *     ddp STEPS LATE_RANK LATE_US
 *
 * Each prints the median of its steps' times, which it knows itself, in microseconds.
 * PLAYED_NCCL is the version that its NCCL claims; with PLAYED_GRAPH each step is a CUDA
 * graph, captured once; into PLAYED_TIMES rank 0 writes when its steps end. PLAYED_MIX: the
 * upper half of the ranks has the interface of NCCL 2.27. PLAYED_BARE: none knows profilers;
 * there is only the shared memory that communicators have. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "proto/client/nccl/ncclabi.h"

#define COMPUTE_US 20000
#define BUCKETS    3
#define MOST       100000

struct shared {
    atomic_uint arrived, turn;
};

static struct {
    const struct ncclabi_table5 *plugin;
    const struct ncclabi_table4 *plugin4; /* instead */
    void *context;
    int mask;
    unsigned world;
    uint64_t seq;
    struct shared *shared;
    bool in_graph, is_captured;
} nccl;

__attribute__((visibility("default"))) int ncclGetVersion(int *ret)
{
    const char *played = getenv("PLAYED_NCCL");
    *ret = played ? atoi(played) : 22809;
    return 0;
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void meet(struct shared *s)
{
    unsigned turn = s->turn;
    if (atomic_fetch_add(&s->arrived, 1) + 1 == nccl.world) {
        s->arrived = 0;
        s->turn++;
    }
    while (s->turn == turn)
        usleep(100);
}

static void *start(struct ncclabi_descr5 *d)
{
    void *handle = NULL;
    if (!(atomic_load((_Atomic int *)&nccl.mask) & (int)d->type))
        return NULL;
    if (nccl.plugin)
        nccl.plugin->start(nccl.context, &handle, d);
    return handle;
}

static void *start4(struct ncclabi_descr4 *d)
{
    void *handle = NULL;
    nccl.plugin4->start(nccl.context, &handle, d);
    return handle;
}

static void stop(void *handle)
{
    if (handle && nccl.plugin)
        nccl.plugin->stop(handle);
    else if (handle)
        nccl.plugin4->stop(handle);
}

/* NCCL 2.27: a group without a handle has no collectives. */
static void *call4(size_t count)
{
    struct ncclabi_descr4 group = {.type = NCCLABI_GROUP};
    struct ncclabi_descr4 coll = {.type = NCCLABI_COLL};
    void *g = start4(&group), *c;
    coll.parent = g;
    coll.coll.func = "AllReduce";
    coll.coll.datatype = "ncclFloat32";
    coll.coll.count = count;
    coll.coll.n_channels = 1;
    c = g ? start4(&coll) : NULL;
    stop(c);
    stop(g);
    return c;
}

static void tell_kernel4(void *coll, uint64_t from_ns, uint64_t to_ns)
{
    struct ncclabi_descr4 d = {.type = NCCLABI_KERNEL_CH, .parent = coll};
    union ncclabi_args5 args = {.kernel_ch_stop = to_ns};
    d.kernel_ch.start = from_ns;
    if (!(atomic_load((_Atomic int *)&nccl.mask) & NCCLABI_KERNEL_CH))
        return;
    void *kernel = start4(&d);
    if (!kernel)
        return;
    nccl.plugin4->record(kernel, NCCLABI_KERNEL_CH_STOP, &args);
    stop(kernel);
}

/* What the kernel tells through the proxy, once it is over. */
static void tell_kernel(void *coll, uint64_t from_ns, uint64_t to_ns)
{
    struct ncclabi_descr5 d = {.type = NCCLABI_KERNEL_CH, .parent = coll};
    union ncclabi_args5 args = {.kernel_ch_stop = to_ns};
    d.kernel_ch.start = from_ns;
    void *kernel = start(&d);
    if (!kernel)
        return;
    nccl.plugin->record(kernel, NCCLABI_KERNEL_CH_STOP, &args);
    stop(kernel);
}

static void *call(size_t count)
{
    struct ncclabi_descr5 group = {.type = NCCLABI_GROUP_API};
    struct ncclabi_descr5 api = {.type = NCCLABI_COLL_API};
    struct ncclabi_descr5 coll = {.type = NCCLABI_COLL};
    group.group_api.captured = api.coll_api.captured = nccl.in_graph;
    api.parent = start(&group);
    void *g = api.parent;
    api.coll_api.func = "AllReduce";
    api.coll_api.datatype = "ncclFloat32";
    api.coll_api.count = count;
    void *a = start(&api);
    coll.parent = a;
    coll.coll.func = "AllReduce";
    coll.coll.datatype = "ncclFloat32";
    coll.coll.count = count;
    coll.coll.seq = nccl.seq++;
    coll.coll.n_channels = 1;
    void *c = a ? start(&coll) : NULL;
    stop(c);
    stop(a);
    stop(g);
    return c;
}

static void all_reduce(size_t count)
{
    void *c = nccl.is_captured ? NULL : nccl.plugin4 ? call4(count) : call(count);
    uint64_t from = now_ns();
    meet(nccl.shared);
    usleep(500);
    if (c && nccl.plugin4)
        tell_kernel4(c, from, now_ns());
    else if (c)
        tell_kernel(c, from, now_ns());
}

/* As NCCL has it, and unlinked at once: it stays in the map. */
static void share_memory(void)
{
    char path[] = "/dev/shm/nccl-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0 || ftruncate(fd, 4096) < 0 ||
        mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED)
        perror(path);
    unlink(path);
}

static void load(const char *path)
{
    int rank = atoi(getenv("RANK")), n = (int)nccl.world;
    if (getenv("PLAYED_BARE")) {
        share_memory();
        return;
    }
    void *lib = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (lib && getenv("PLAYED_MIX") && rank >= n / 2)
        nccl.plugin4 = dlsym(lib, "ncclProfiler_v4");
    else if (lib)
        nccl.plugin = dlsym(lib, "ncclProfiler_v5");
    if (nccl.plugin)
        nccl.plugin->init(&nccl.context, 0xc0ffee, &nccl.mask, "world", 2, n, rank,
                          NULL);
    if (nccl.plugin4)
        nccl.plugin4->init(&nccl.context, &nccl.mask, "world", 0xc0ffee, 2, n, rank,
                           NULL);
}

static int nccl_init(void)
{
    const char *path = getenv("NCCL_PROFILER_PLUGIN");
    int fd = open("shared", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof(struct shared)) < 0)
        return -1;
    nccl.shared =
        mmap(0, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    nccl.world = (unsigned)atoi(getenv("WORLD_SIZE"));
    nccl.in_graph = getenv("PLAYED_GRAPH") != NULL;
    load(path);
    printf("profiler %s: %s\n", path ? path : "none",
           nccl.plugin || nccl.plugin4 ? "loaded" : "not there");
    return nccl.shared == MAP_FAILED ? -1 : 0;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    static uint64_t took[MOST];
    if (argc != 4 || nccl_init() < 0)
        return 1;
    int steps = atoi(argv[1]), rank = atoi(getenv("RANK"));
    unsigned late = rank == atoi(argv[2]) ? (unsigned)atoi(argv[3]) : 0;
    const char *path = rank == 0 ? getenv("PLAYED_TIMES") : NULL;
    FILE *times = path && *path ? fopen(path, "w") : NULL;
    uint64_t begun = now_ns(), last = begun;
    for (int step = 0; step < steps && step < MOST; step++) {
        usleep(COMPUTE_US + late);
        for (int i = 0; i < BUCKETS; i++)
            all_reduce((size_t)1 << (20 + i));
        all_reduce(1);
        nccl.is_captured = nccl.in_graph;
        uint64_t now = now_ns();
        took[step] = (now - last) / 1000;
        last = now;
        if (times)
            fprintf(times, "%d %llu\n", step + 1, (unsigned long long)now);
    }
    qsort(took, (size_t)steps, sizeof *took, compare);
    printf("median %llu\n", (unsigned long long)took[steps / 2]);
    printf("%.2f ms a step, 0 TFLOP/s a GPU\n", (double)(last - begun) / 1e6 / steps);
    if (times)
        fclose(times);
    if (nccl.plugin)
        nccl.plugin->finalize(nccl.context);
    if (nccl.plugin4)
        nccl.plugin4->finalize(nccl.context);
    return 0;
}
