/* SPDX-License-Identifier: MIT */
/* ddp.c - ranks that train as DistributedDataParallel does, as far as a profiler of NCCL can
 * tell: they load the plug-in that NCCL_PROFILER_PLUGIN names and tell it of their
 * collectives in NCCL's order, in real time; what NCCL would do is a meeting in a file that
 * all ranks share. One rank computes longer. They mark no steps.
 *
 *     ddp STEPS LATE_RANK LATE_US
 *
 * Each prints the median of its steps' times, which it knows itself, in microseconds. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
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
    void *context;
    int mask;
    unsigned world;
    uint64_t seq;
    struct shared *shared;
} nccl;

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
    if (!nccl.plugin || !(atomic_load((_Atomic int *)&nccl.mask) & (int)d->type))
        return NULL;
    nccl.plugin->start(nccl.context, &handle, d);
    return handle;
}

static void stop(void *handle)
{
    if (handle)
        nccl.plugin->stop(handle);
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

static void all_reduce(size_t count)
{
    struct ncclabi_descr5 group = {.type = NCCLABI_GROUP_API};
    struct ncclabi_descr5 api = {.type = NCCLABI_COLL_API};
    struct ncclabi_descr5 coll = {.type = NCCLABI_COLL};
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
    uint64_t from = now_ns();
    meet(nccl.shared);
    usleep(500);
    if (c)
        tell_kernel(c, from, now_ns());
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
    void *lib = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    nccl.plugin = lib ? dlsym(lib, "ncclProfiler_v5") : NULL;
    printf("profiler %s: %s\n", path ? path : "none",
           nccl.plugin ? "loaded" : "not there");
    if (nccl.plugin)
        nccl.plugin->init(&nccl.context, 0xc0ffee, &nccl.mask, "world", 2,
                          (int)nccl.world, atoi(getenv("RANK")), NULL);
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
    uint64_t last = now_ns();
    for (int step = 0; step < steps && step < MOST; step++) {
        usleep(COMPUTE_US + late);
        for (int i = 0; i < BUCKETS; i++)
            all_reduce((size_t)1 << (20 + i));
        all_reduce(1);
        uint64_t now = now_ns();
        took[step] = (now - last) / 1000;
        last = now;
    }
    qsort(took, (size_t)steps, sizeof *took, compare);
    printf("median %llu\n", (unsigned long long)took[steps / 2]);
    if (nccl.plugin)
        nccl.plugin->finalize(nccl.context);
    return 0;
}
