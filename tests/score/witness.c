/* SPDX-License-Identifier: MIT */
/* witness - see the header: context switches of a CPU from perf_event_open(2), read once. */
#include "tests/score/witness.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/score/shared.h"

#define DATA_BYTES \
    ((size_t)8 << 20) /* a switch is 48 bytes: 2000 a second for a minute */
#define PAGE_BYTES 4096u

/* As sample_type asks for it. */
struct switched {
    struct perf_event_header header;
    uint32_t next_prev_pid, next_prev_tid;
    uint32_t pid, tid;
    uint64_t time_ns;
    uint32_t cpu, reserved;
};

int witness_open(struct witness *w, int cpu)
{
    struct perf_event_attr a = {
        .size = sizeof a,
        .type = PERF_TYPE_SOFTWARE,
        .config = PERF_COUNT_SW_DUMMY,
        .sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CPU,
        .sample_id_all = 1,
        .context_switch = 1,
        .use_clockid = 1,
        .clockid = CLOCK_MONOTONIC,
    };
    *w = (struct witness){.bytes = DATA_BYTES + PAGE_BYTES};
    w->fd = (int)syscall(SYS_perf_event_open, &a, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
    if (w->fd < 0)
        return -errno;
    void *at = mmap(NULL, w->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, w->fd, 0);
    if (at == MAP_FAILED) {
        int rc = -errno;
        close(w->fd);
        return rc;
    }
    w->ring = at;
    return 0;
}

/* Records may be folded at the end of the ring; it is never read while it is filled on,
 * and a full one has lost the latest. */
static size_t ring_read(const struct witness *w, uint64_t at, struct switched *ret)
{
    const char *data = (const char *)w->ring + PAGE_BYTES;
    char *to = (char *)ret;
    memset(ret, 0, sizeof *ret);
    for (size_t i = 0; i < sizeof *ret; i++)
        to[i] = data[(at + i) % DATA_BYTES];
    return ret->header.size;
}

void witness_write(const struct witness *w, const char *prefix, uint32_t rank,
                   pid_t pid)
{
    char path[SCORE_PATH];
    struct switched s;
    uint64_t from_ns = 0;
    const char *what = NULL; /* who has the CPU; NULL: the rank, or it is not known */
    if (!w->ring)
        return;
    snprintf(path, sizeof path, "%s.witness%" PRIu32, prefix, rank);
    FILE *f = fopen(path, "we");
    if (!f)
        die("make", path);
    const struct perf_event_mmap_page *page = w->ring;
    uint64_t head = page->data_head;
    atomic_thread_fence(memory_order_acquire);
    size_t size;
    for (uint64_t at = 0; at + sizeof s.header <= head; at += size) {
        size = ring_read(w, at, &s);
        if (size == 0)
            break;
        if (s.header.type != PERF_RECORD_SWITCH_CPU_WIDE)
            continue;
        /* Some processes have no records of their own (those that may not be dumped); who
         * leaves for them says so. */
        bool out = s.header.misc & PERF_RECORD_MISC_SWITCH_OUT;
        uint32_t comes = out ? s.next_prev_pid : s.pid;
        if (what)
            fprintf(f, "%" PRIu64 " %" PRIu64 " %s %" PRIu32 " %.1f\n", from_ns,
                    s.time_ns, what, rank, (double)(s.time_ns - from_ns) / 1000);
        what = comes == 0 ? "idle" : (pid_t)comes != pid ? "other" : NULL;
        from_ns = s.time_ns;
    }
    if (fclose(f) != 0)
        die("write", path);
}
