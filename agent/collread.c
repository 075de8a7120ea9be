/* SPDX-License-Identifier: MIT */
/* collread.c - see collread.h. */
#include "agent/collread.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define HEAD_LOOKS 4 /* a head that does not stand still is left for the next time */
#define HEADER     offsetof(struct collfile, lane)
#define LANE_AT(i) (HEADER + (size_t)(i) * sizeof(struct colllane))
#define WISH_AT    offsetof(struct collfile, wish)

static bool collread_read(const struct collread *r, void *to, size_t len, size_t at)
{
    return pread(r->fd, to, len, (off_t)at) == (ssize_t)len;
}

/* Best effort: a program that has broken its file does without. */
static void collread_write(const struct collread *r, const void *from, size_t len,
                           size_t at)
{
    ssize_t told = pwrite(r->fd, from, len, (off_t)at);
    (void)told;
}

/* ---- life ---- */

static int collread_fill_in(int fd)
{
    /* Allocated now: a full tmpfs must fail here, not later as a signal in the rank. */
    int rc = -posix_fallocate(fd, 0, (off_t)COLLFILE_BYTES);
    if (rc == -EOPNOTSUPP || rc == -EINVAL)
        rc = ftruncate(fd, (off_t)COLLFILE_BYTES) < 0 ? -errno : 0;
    struct collfile *blank = rc == 0 ? calloc(1, COLLFILE_BYTES) : NULL;
    if (rc == 0 && !blank)
        rc = -ENOMEM;
    if (rc == 0) {
        collfile_init(blank);
        if (pwrite(fd, blank, HEADER, 0) != (ssize_t)HEADER)
            rc = -EIO;
    }
    free(blank);
    return rc;
}

int collread_create(const char *path, struct collread *ret, struct err *e)
{
    int flags = O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC;
    int fd = open(path, flags, 0600);
    if (fd < 0 && errno == EEXIST && unlink(path) == 0)
        fd = open(path, flags, 0600);
    if (fd < 0)
        return err_sys(e, -errno, "create \"%s\" for NCCL's collectives", path);
    int rc = collread_fill_in(fd);
    if (rc < 0) {
        close(fd);
        unlink(path);
        return err_sys(e, rc, "allocate %zu bytes for NCCL's collectives in \"%s\"",
                       COLLFILE_BYTES, path);
    }
    *ret = (struct collread){.fd = fd};
    return 0;
}

void collread_close(struct collread *r)
{
    close(r->fd);
    r->fd = -1;
}

/* ---- reading ---- */

/* A system call may copy a number byte by byte while the program writes it: it is
 * believed when two looks agree. */
static void collread_look_at_lane(struct collread *r, unsigned lane)
{
    size_t at = LANE_AT(lane) + offsetof(struct colllane, head);
    uint64_t one, two;
    if (!collread_read(r, &one, sizeof one, at))
        return;
    for (int i = 0; i < HEAD_LOOKS; i++, one = two) {
        if (!collread_read(r, &two, sizeof two, at))
            return;
        if (one == two) {
            r->lane[lane].head = one;
            return;
        }
    }
}

void collread_look(struct collread *r)
{
    uint32_t said[2];    /* n_lanes, nccl_version */
    uint32_t library[2]; /* library, no_times */
    _Static_assert(offsetof(struct collfile, nccl_version) ==
                       offsetof(struct collfile, n_lanes) + 4,
                   "one read for both");
    _Static_assert(offsetof(struct collfile, no_times) ==
                       offsetof(struct collfile, library) + 4,
                   "one read for both");
    if (!collread_read(r, said, sizeof said, offsetof(struct collfile, n_lanes)) ||
        !collread_read(r, library, sizeof library, offsetof(struct collfile, library)))
        return;
    r->n_lanes = said[0] < COLL_LANES ? said[0] : COLL_LANES;
    r->nccl_version = said[1];
    r->library = library[0];
    r->no_times = library[1] < COLL_NO_TIMES_N ? library[1] : COLL_TIMES_GOOD;
    for (unsigned i = 0; i < r->n_lanes; i++)
        collread_look_at_lane(r, i);
    /* The records of the heads that we have seen, and no older ones. */
    atomic_thread_fence(memory_order_acquire);
}

static void collread_tell_tail(const struct collread *r, unsigned lane)
{
    collread_write(r, &r->lane[lane].tail, sizeof r->lane[lane].tail,
                   LANE_AT(lane) + offsetof(struct colllane, tail));
}

unsigned collread_peek(struct collread *r, unsigned lane, uint8_t (*out)[COLLREC_BYTES],
                       unsigned max, uint64_t *ret_lost)
{
    struct collread_lane *l = &r->lane[lane];
    uint64_t there = l->head - l->tail;
    *ret_lost = 0;
    if (there > COLL_RECORDS) {
        l->tail = l->head;
        *ret_lost = COLL_RECORDS;
        collread_tell_tail(r, lane);
        return 0;
    }
    size_t slot = l->tail & (COLL_RECORDS - 1);
    uint64_t n = there < max ? there : max;
    n = n < COLL_RECORDS - slot ? n : COLL_RECORDS - slot; /* the rest the next time */
    size_t at = LANE_AT(lane) + offsetof(struct colllane, record);
    if (n == 0 || !collread_read(r, out, n * COLLREC_BYTES, at + slot * COLLREC_BYTES))
        return 0;
    return (unsigned)n;
}

void collread_take(struct collread *r, unsigned lane, unsigned n)
{
    r->lane[lane].tail += n;
    if (n > 0)
        collread_tell_tail(r, lane);
}

/* ---- wishing ---- */

void collread_wish(struct collread *r, const struct collread_wish *w)
{
    struct collwish now = {.depth = w->depth,
                           .deep_every = w->deep_every,
                           .deep_n = w->deep_n,
                           .anchor_comm = w->anchor_comm,
                           .anchor_key = w->anchor_key};
    size_t body = offsetof(struct collwish, depth);
    uint32_t writing = r->gen + 1;
    collread_write(r, &writing, sizeof writing, WISH_AT);
    collread_write(r, (const uint8_t *)&now + body, sizeof now - body, WISH_AT + body);
    r->gen += 2;
    collread_write(r, &r->gen, sizeof r->gen, WISH_AT);
}
