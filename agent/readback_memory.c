/* SPDX-License-Identifier: MIT */
/* readback_memory.c - see readback_memory.h. */
#include "agent/readback_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define AREAS 4096u
/* What an area counts at most. Of a reservation of terabytes little is used (sanitizers,
 * garbage collectors): where the sample meets too few pages, large areas count less. */
static const uint64_t area_weights[] = {UINT64_C(64) << 30, UINT64_C(1) << 30,
                                        UINT64_C(16) << 20};

struct area {
    uint64_t begin, size, weight;
};

struct areas {
    struct area list[AREAS];
    size_t n;
    uint64_t total;
    char part[1u << 16]; /* of the map's text */
};

/* A line: "begin-end rw-p offset device inode path". */
static void areas_take(struct areas *a, const char *line)
{
    unsigned long long begin, end;
    char flags[5] = "", path[32] = "";
    int got = sscanf(line, "%llx-%llx %4s %*s %*s %*s %31s", &begin, &end, flags, path);
    if (got < 3 || flags[1] != 'w' || flags[3] != 'p' || end <= begin ||
        a->n == AREAS || strncmp(path, "/dev/", 5) == 0)
        return;
    a->list[a->n++] = (struct area){.begin = begin, .size = end - begin};
}

/* Part by part: the kernel then holds the lock for a page of text at a time. */
static int areas_read(struct areas *a, pid_t pid)
{
    char path[40];
    size_t kept = 0, all = 0;
    ssize_t got;
    (void)snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    while (all < READBACK_MAPS_BYTES &&
           (got = read(fd, a->part + kept, sizeof a->part - 1 - kept)) > 0) {
        char *line = a->part, *eol;
        all += (size_t)got;
        a->part[kept + (size_t)got] = '\0';
        for (; (eol = strchr(line, '\n')); line = eol + 1) {
            *eol = '\0';
            areas_take(a, line);
        }
        kept = strlen(line);
        if (kept == sizeof a->part - 1) /* no line is that long */
            kept = 0;
        memmove(a->part, line, kept);
    }
    int rc = all == 0 ? (errno ? -errno : -ESRCH) : 0;
    close(fd);
    return rc;
}

static void areas_weigh(struct areas *a, uint64_t most)
{
    a->total = 0;
    for (size_t i = 0; i < a->n; i++) {
        struct area *k = &a->list[i];
        k->weight = k->size < most ? k->size : most;
        a->total += k->weight;
    }
}

/* Evenly over the weight, each a little beside its place. */
static void areas_spread(const struct areas *a, uint64_t seed, void **addresses)
{
    uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15) | 1, step, before = 0;
    size_t at = 0;
    step = a->total / READBACK_SAMPLE;
    for (size_t i = 0; i < READBACK_SAMPLE; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        uint64_t want = i * step + (step ? x % step : 0);
        while (want - before >= a->list[at].weight && at + 1 < a->n)
            before += a->list[at++].weight;
        const struct area *to = &a->list[at];
        uint64_t offset = (want - before) * (to->size / to->weight);
        addresses[i] = (void *)(uintptr_t)(to->begin + offset);
    }
}

static void pages_count(struct readback_pages *p, int status)
{
    size_t i = 0;
    if (status < 0) /* -ENOENT: not present */
        return;
    while (i < p->n && p->shares[i].numa != (uint32_t)status)
        i++;
    if (i == sizeof p->shares / sizeof *p->shares)
        return;
    if (i == p->n)
        p->shares[p->n++] = (struct readback_share){.numa = (uint32_t)status};
    p->shares[i].pages++;
    p->present++;
}

static int pages_ask(const struct areas *a, pid_t pid, uint64_t seed,
                     struct readback_pages *ret)
{
    void *addresses[READBACK_SAMPLE];
    int status[READBACK_SAMPLE];
    areas_spread(a, seed, addresses);
    for (size_t i = 0; i < READBACK_SAMPLE; i++)
        status[i] = -ENOENT;
    if (syscall(SYS_move_pages, pid, (unsigned long)READBACK_SAMPLE, addresses, NULL,
                status, 0) < 0)
        return -errno;
    *ret = (struct readback_pages){0};
    for (size_t i = 0; i < READBACK_SAMPLE; i++)
        pages_count(ret, status[i]);
    return 0;
}

int readback_pages_sample(pid_t pid, uint64_t seed, struct readback_pages *ret)
{
    struct readback_pages p = {0};
    struct areas *a = calloc(1, sizeof *a);
    if (!a)
        return -ENOMEM;
    errno = 0;
    int rc = areas_read(a, pid);
    for (size_t i = 0; rc == 0 && p.present < READBACK_LEAST &&
                       i < sizeof area_weights / sizeof *area_weights;
         i++) {
        areas_weigh(a, area_weights[i]);
        if (a->total < READBACK_SAMPLE)
            break;
        rc = pages_ask(a, pid, seed + i, &p);
    }
    free(a);
    if (rc == 0)
        *ret = p;
    return rc;
}

unsigned readback_pages_far(const struct readback_pages *p, const struct rankset *asked,
                            const struct rankset *counted, uint32_t *ret_node)
{
    uint64_t all = 0, far = 0, most = 0;
    for (size_t i = 0; i < p->n; i++) {
        const struct readback_share *s = &p->shares[i];
        bool near = rankset_has(asked, s->numa);
        if (!near && !rankset_has(counted, s->numa))
            continue;
        all += s->pages;
        if (near)
            continue;
        far += s->pages;
        if (s->pages > most) {
            most = s->pages;
            *ret_node = s->numa;
        }
    }
    return all > 0 ? (unsigned)(far * 100 / all) : 0;
}
