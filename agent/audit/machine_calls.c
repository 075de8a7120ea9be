/* SPDX-License-Identifier: MIT */
/* machine_calls.c - what the kernel lets one do, tried and undone; and CPUID. */
#include "agent/audit/machine_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define NUMA_BITS 4096u
#define HUGE_MOST ((size_t)16 << 30) /* of a page, on any machine */

static int try_perf(void)
{
    struct perf_event_attr a = {.size = sizeof a,
                                .type = PERF_TYPE_HARDWARE,
                                .config = PERF_COUNT_HW_CPU_CYCLES,
                                .disabled = 1,
                                .exclude_kernel = 1,
                                .exclude_hv = 1};
    int fd = (int)syscall(SYS_perf_event_open, &a, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
    if (fd < 0)
        return -errno;
    close(fd);
    return 0;
}

static int try_mempolicy(void)
{
    unsigned long old[NUMA_BITS / (8 * sizeof(long))] = {0},
                                       all[sizeof old / sizeof *old];
    int mode;
    memset(all, 0, sizeof all);
    if (syscall(SYS_get_mempolicy, NULL, all, NUMA_BITS, NULL, MPOL_F_MEMS_ALLOWED) <
            0 ||
        syscall(SYS_get_mempolicy, &mode, old, NUMA_BITS, NULL, 0) < 0)
        return -errno;
    if (syscall(SYS_set_mempolicy, MPOL_BIND, all, NUMA_BITS) < 0)
        return -errno;
    bool has_nodes = mode != MPOL_DEFAULT && mode != MPOL_LOCAL;
    (void)syscall(SYS_set_mempolicy, mode, has_nodes ? old : NULL,
                  has_nodes ? NUMA_BITS : 0);
    return 0;
}

/* In a thread of its own, which ends at once: nothing of ours is ever real-time. */
static void *fifo_thread(void *arg)
{
    struct sched_param p = {.sched_priority = 1}, none = {0};
    int *rc = arg;
    *rc = sched_setscheduler(0, SCHED_FIFO, &p) < 0 ? -errno : 0;
    (void)sched_setscheduler(0, SCHED_OTHER, &none);
    return NULL;
}

static int try_fifo(void)
{
    pthread_t t;
    int rc = 0, failed = pthread_create(&t, NULL, fifo_thread, &rc);
    if (failed)
        return -failed;
    (void)pthread_join(t, NULL);
    return rc;
}

static int try_hugepage(void)
{
    size_t bytes = (size_t)2 << 20;
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
    if (at == MAP_FAILED)
        return -errno;
    /* Part of a huge page is not unmapped, and its size is that of this machine. */
    while (munmap(at, bytes) < 0 && bytes < HUGE_MOST)
        bytes *= 2;
    return 0;
}

/* Nothing is asked of it before it is closed: no CPU is kept awake. */
static int try_latency(void)
{
    int fd = open("/dev/cpu_dma_latency", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    close(fd);
    return 0;
}

int machine_call(const struct machine *m, enum machine_call what)
{
    static int (*const calls[MACHINE_CALLS])(void) = {
        [MACHINE_PERF_CYCLES] = try_perf, [MACHINE_MEMPOLICY] = try_mempolicy,
        [MACHINE_FIFO] = try_fifo,        [MACHINE_HUGEPAGE] = try_hugepage,
        [MACHINE_LATENCY] = try_latency,
    };
    return m->root ? facts_call(m, what) : calls[what]();
}

bool machine_cpuid(const struct machine *m, uint32_t leaf, uint32_t sub,
                   uint32_t ret[4])
{
    if (m->root)
        return facts_cpuid(m, leaf, sub, ret);
#if defined(__x86_64__)
    __cpuid_count(leaf, sub, ret[0], ret[1], ret[2], ret[3]);
    return true;
#else
    return false;
#endif
}
