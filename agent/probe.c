/* SPDX-License-Identifier: MIT */
/* probe.c - see probe.h. */
#include "agent/probe.h"

#include "proto/base/clock.h"
#include "proto/base/limits.h"

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <emmintrin.h>
#endif

#define PROBE_BYTES  (1u << 20) /* 0.1 ms at 20 GB/s, there and back */
#define PROBE_PARTS  4u         /* of the bandwidth: the median counts */
#define PROBE_PAGES  64u
#define PROBE_FAULTS 2u /* rounds of them: the quicker counts */
#define PROBE_EXITS  200u
/* A guest in a guest takes 30 us for each: then fewer must do. */
#define PROBE_EXITS_NS 400000u
#define PROBE_SPOILED  12u /* measurements thrown away: not now */
/* The CPU clock is read a moment later than the other. */
#define PROBE_AWAY_NS(wall) (5000u + (wall) / 20)

enum probe_step { PROBE_MEMORY, PROBE_FAULT, PROBE_EXIT, PROBE_DONE };

struct probe {
    struct loop_timer *timer;
    probe_f done;
    void *arg;
    int cpu;
    enum probe_step step;
    unsigned part, spoiled;
    uint64_t parts[PROBE_PARTS]; /* ns of each */
    uint8_t *memory; /* kept: a fault for each page costs more than all else */
    Aolani__Probe found;
};

/* ---- one measurement ---- */

struct probe_clock {
    uint64_t wall, cpu;
};

static struct probe_clock probe_now(void)
{
    struct timespec t;
    struct probe_clock c = {.wall = clock_mono_ns()};
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0)
        c.cpu = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
    return c;
}

/* 0: somebody else had the CPU meanwhile. */
static uint64_t probe_took(const struct probe_clock *since)
{
    struct probe_clock now = probe_now();
    uint64_t wall = now.wall - since->wall, cpu = now.cpu - since->cpu;
    return wall > cpu && wall - cpu > PROBE_AWAY_NS(wall) ? 0 : wall;
}

#if defined(__x86_64__)

/* What it returns keeps the loads from being left out. */
static int probe_move(uint8_t *memory, size_t bytes)
{
    __m128i *at = (__m128i *)(void *)memory, *end = at + bytes / sizeof *at;
    __m128i v = _mm_set1_epi32(1), a = v, b = v, c = v, d = v;
    for (__m128i *p = at; p < end; p += 4) {
        _mm_stream_si128(p, v);
        _mm_stream_si128(p + 1, v);
        _mm_stream_si128(p + 2, v);
        _mm_stream_si128(p + 3, v);
    }
    _mm_sfence();
    for (const __m128i *p = at; p < end; p += 4) {
        a = _mm_add_epi32(a, _mm_load_si128(p));
        b = _mm_add_epi32(b, _mm_load_si128(p + 1));
        c = _mm_add_epi32(c, _mm_load_si128(p + 2));
        d = _mm_add_epi32(d, _mm_load_si128(p + 3));
    }
    a = _mm_add_epi32(_mm_add_epi32(a, b), _mm_add_epi32(c, d));
    return _mm_cvtsi128_si32(a);
}

static bool probe_has_memory(struct probe *p)
{
    if (p->memory)
        return true;
    void *at = mmap(NULL, PROBE_BYTES, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (at == MAP_FAILED)
        p->step = PROBE_FAULT;
    else
        p->memory = at;
    return false; /* the first part is not measured: it has the faults */
}

static uint64_t probe_exit(void)
{
    uint64_t least = UINT64_MAX, nothing = UINT64_MAX, began = clock_mono_ns();
    unsigned a, b, c, d;
    for (unsigned i = 0; i < PROBE_EXITS; i++) {
        uint64_t t0 = clock_mono_ns();
        uint64_t t1 = clock_mono_ns();
        __cpuid(0, a, b, c, d);
        uint64_t t2 = clock_mono_ns();
        nothing = t1 - t0 < nothing ? t1 - t0 : nothing;
        least = t2 - t1 < least ? t2 - t1 : least;
        if (t2 - began > PROBE_EXITS_NS)
            break;
    }
    return least > nothing ? least - nothing : 1;
}

#else

static int probe_move(uint8_t *memory, size_t bytes)
{
    return (int)bytes + (memory != NULL);
}

static bool probe_has_memory(struct probe *p)
{
    p->step = PROBE_FAULT;
    return false;
}

static uint64_t probe_exit(void)
{
    return 0;
}

#endif

/* ns of one fault; 0: not this time. */
static uint64_t probe_fault(void)
{
    long page = sysconf(_SC_PAGESIZE);
    if (page <= 0)
        return 0;
    size_t bytes = (size_t)page * PROBE_PAGES;
    uint8_t *at =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return 0;
    (void)madvise(at, bytes, MADV_NOHUGEPAGE); /* else it might be one fault */
    struct probe_clock since = probe_now();
    for (unsigned i = 0; i < PROBE_PAGES; i++)
        ((volatile uint8_t *)at)[(size_t)page * i] = 1;
    uint64_t took = probe_took(&since);
    (void)munmap(at, bytes);
    return took / PROBE_PAGES;
}

/* ---- in turn ---- */

static int probe_by_time(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void probe_on_part(struct probe *p, uint64_t took)
{
    p->spoiled += took == 0;
    if (took > 0)
        p->parts[p->part++] = took;
    if (p->part < PROBE_PARTS)
        return;
    qsort(p->parts, PROBE_PARTS, sizeof *p->parts, probe_by_time);
    uint64_t ns = p->parts[PROBE_PARTS / 2];
    p->found.triad_mbytes = 2ull * PROBE_BYTES * 1000 / ns; /* MB/s: bytes per us */
    p->step = PROBE_FAULT;
    p->part = 0;
}

static void probe_on_fault(struct probe *p, uint64_t took)
{
    p->spoiled += took == 0;
    if (took == 0)
        return;
    if (p->found.fault_ns == 0 || took < p->found.fault_ns)
        p->found.fault_ns = took;
    if (++p->part == PROBE_FAULTS)
        p->step = PROBE_EXIT;
}

static void probe_once(struct probe *p)
{
    struct probe_clock since;
    switch (p->step) {
    case PROBE_MEMORY:
        if (!probe_has_memory(p))
            break;
        since = probe_now();
        volatile int keep = probe_move(p->memory, PROBE_BYTES);
        (void)keep;
        probe_on_part(p, probe_took(&since));
        break;
    case PROBE_FAULT:
        probe_on_fault(p, probe_fault());
        break;
    case PROBE_EXIT:
        p->found.exit_ns = probe_exit();
        p->step = PROBE_DONE;
        break;
    case PROBE_DONE:
        break;
    }
}

/* On its own CPU, and back to where the agent may be. */
static void probe_once_there(struct probe *p)
{
    size_t bytes = CPU_ALLOC_SIZE(LIMIT_CPUS);
    cpu_set_t *was = p->cpu >= 0 ? CPU_ALLOC(LIMIT_CPUS) : NULL;
    cpu_set_t *one = p->cpu >= 0 ? CPU_ALLOC(LIMIT_CPUS) : NULL;
    bool moved = was && one && sched_getaffinity(0, bytes, was) == 0;
    if (moved) {
        CPU_ZERO_S(bytes, one);
        CPU_SET_S((size_t)p->cpu, bytes, one);
        moved = sched_setaffinity(0, bytes, one) == 0;
    }
    probe_once(p);
    if (moved)
        (void)sched_setaffinity(0, bytes, was);
    if (was)
        CPU_FREE(was);
    if (one)
        CPU_FREE(one);
}

static void probe_on_timer(void *arg)
{
    struct probe *p = arg;
    probe_once_there(p);
    if (p->step != PROBE_DONE && p->spoiled < PROBE_SPOILED) {
        loop_timer_start(p->timer, PROBE_PAUSE_MS, 0);
        return;
    }
    bool some = p->found.triad_mbytes || p->found.exit_ns || p->found.fault_ns;
    p->done(p->arg, some ? &p->found : NULL);
}

void probe_start(struct probe *p)
{
    p->step = PROBE_MEMORY;
    p->part = p->spoiled = 0;
    aolani__probe__init(&p->found);
    loop_timer_start(p->timer, 0, 0);
}

/* ---- life ---- */

static bool probe_is_free(const Aolani__Core *core, uint32_t cpu,
                          const struct rankset *ranks, bool *ret_has)
{
    bool free_of_ranks = true;
    for (size_t i = 0; i < core->n_pus; i++) {
        *ret_has = *ret_has || core->pus[i] == cpu;
        free_of_ranks = free_of_ranks && !rankset_has(ranks, core->pus[i]);
    }
    return free_of_ranks;
}

int probe_choose_cpu(const struct rankset *allowed, const struct rankset *ranks,
                     Aolani__Core *const *cores, size_t n_cores)
{
    int second = -1;
    if (rankset_count(ranks) == 0)
        return -1;
    for (int64_t at = -1; (at = rankset_next(allowed, (uint32_t)(at + 1))) >= 0;) {
        uint32_t cpu = (uint32_t)at;
        if (cpu >= LIMIT_CPUS || rankset_has(ranks, cpu))
            continue;
        bool whole = true;
        for (size_t i = 0; whole && i < n_cores; i++) {
            bool has = false, is_free = probe_is_free(cores[i], cpu, ranks, &has);
            whole = !has || is_free;
        }
        if (whole)
            return (int)cpu;
        second = second < 0 ? (int)cpu : second;
    }
    return second;
}

int probe_create(struct loop *l, int cpu, probe_f done, void *arg, struct probe **ret,
                 struct err *e)
{
    struct probe *p = calloc(1, sizeof *p);
    if (!p || !(p->timer = loop_timer_create(l, probe_on_timer, p))) {
        free(p);
        return err_sys(e, -ENOMEM, "measure memory");
    }
    p->cpu = cpu;
    p->done = done;
    p->arg = arg;
    *ret = p;
    return 0;
}

void probe_destroy(struct probe *p)
{
    if (!p)
        return;
    loop_timer_destroy(p->timer);
    if (p->memory)
        (void)munmap(p->memory, PROBE_BYTES);
    free(p);
}
