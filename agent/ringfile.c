/* SPDX-License-Identifier: MIT */
/* ringfile.c - see ringfile.h. What is read lands in a copy of the ring, where ring_pop
 * finds its way as it would in the ring itself. */
#include "agent/ringfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define HEAD_LOOKS 4 /* a head that does not stand still is left for the next time */
#define HEADER     offsetof(struct ring, record)

_Static_assert(offsetof(struct ring, others) == offsetof(struct ring, dropped) + 8,
               "they are read together");

static bool ringfile_read(const struct ringfile *r, void *to, size_t len, size_t at)
{
    return pread(r->fd, to, len, (off_t)at) == (ssize_t)len;
}

/* ---- life ---- */

static int ringfile_fill_in(int fd)
{
    /* Allocated now: a full tmpfs must fail here, not later as a signal in the rank. */
    int rc = -posix_fallocate(fd, 0, (off_t)RING_BYTES);
    if (rc == -EOPNOTSUPP || rc == -EINVAL)
        rc = ftruncate(fd, (off_t)RING_BYTES) < 0 ? -errno : 0;
    struct ring *blank = rc == 0 ? calloc(1, RING_BYTES) : NULL;
    if (rc == 0 && !blank)
        rc = -ENOMEM;
    if (rc == 0) {
        ring_init(blank);
        if (pwrite(fd, blank, HEADER, 0) != (ssize_t)HEADER)
            rc = -EIO;
    }
    free(blank);
    return rc;
}

int ringfile_create(const char *path, struct ringfile *ret, struct err *e)
{
    int flags = O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC;
    int fd = open(path, flags, 0600);
    if (fd < 0 && errno == EEXIST && unlink(path) == 0)
        fd = open(path, flags, 0600);
    if (fd < 0)
        return err_sys(e, -errno, "create the step ring \"%s\"", path);
    int rc = ringfile_fill_in(fd);
    if (rc < 0) {
        close(fd);
        unlink(path);
        return err_sys(e, rc, "allocate %zu bytes for the step ring \"%s\"", RING_BYTES,
                       path);
    }
    *ret = (struct ringfile){.fd = fd};
    return 0;
}

void ringfile_close(struct ringfile *r)
{
    close(r->fd);
    r->fd = -1;
}

/* ---- reading ---- */

/* A system call may copy a number byte by byte while the program writes it: it is
 * believed when two looks agree. */
static bool ringfile_read_head(struct ringfile *r)
{
    uint64_t one, two;
    if (!ringfile_read(r, &one, sizeof one, offsetof(struct ring, head)))
        return false;
    for (int i = 0; i < HEAD_LOOKS; i++, one = two) {
        if (!ringfile_read(r, &two, sizeof two, offsetof(struct ring, head)))
            return false;
        if (one == two) {
            r->head = one;
            return true;
        }
    }
    return false;
}

uint64_t ringfile_fill(struct ringfile *r)
{
    struct {
        uint64_t dropped;
        uint32_t others, pad;
    } said;
    if (!ringfile_read(r, &said, sizeof said, offsetof(struct ring, dropped)) ||
        !ringfile_read_head(r))
        return 0;
    r->dropped = said.dropped;
    r->others = said.others != 0;
    return r->head - r->tail;
}

/* n records from position `at` on, into their places in the copy. */
static bool ringfile_read_records(const struct ringfile *r, struct ring *copy,
                                  uint64_t at, uint64_t n)
{
    while (n > 0) {
        size_t slot = at & (RING_RECORDS - 1);
        uint64_t part = n < RING_RECORDS - slot ? n : RING_RECORDS - slot;
        if (!ringfile_read(r, copy->record[slot], part * STEPREC_BYTES,
                           HEADER + slot * STEPREC_BYTES))
            return false;
        at += part;
        n -= part;
    }
    return true;
}

unsigned ringfile_pop(struct ringfile *r, struct ring *scratch,
                      uint8_t (*out)[STEPREC_BYTES], unsigned max, uint64_t *ret_lost)
{
    uint64_t there = ringfile_fill(r);
    uint64_t want = there < max ? there : max;
    *ret_lost = 0;
    if (there == 0)
        return 0;
    /* The records of a head that we have seen, and no older ones. */
    atomic_thread_fence(memory_order_acquire);
    atomic_store_explicit(&scratch->head, r->head, memory_order_relaxed);
    atomic_store_explicit(&scratch->tail, r->tail, memory_order_relaxed);
    if (there <= RING_RECORDS && !ringfile_read_records(r, scratch, r->tail, want))
        return 0;
    unsigned n = ring_pop(scratch, out, max, ret_lost);
    r->tail = atomic_load_explicit(&scratch->tail, memory_order_relaxed);
    /* Best effort: a program that has broken its file finds it full. */
    ssize_t told = pwrite(r->fd, &r->tail, sizeof r->tail, offsetof(struct ring, tail));
    (void)told;
    return n;
}

void ringfile_request_stop(const struct ringfile *r)
{
    uint32_t yes = 1;
    ssize_t told =
        pwrite(r->fd, &yes, sizeof yes, offsetof(struct ring, stop_requested));
    (void)told;
}
