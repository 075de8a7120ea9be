/* SPDX-License-Identifier: MIT */
/* spool.c - see spool.h.
 *
 * The disk blocks of what was acknowledged are given back in steps of PUNCH. A stream over
 * its bound loses blocks at once; the message that says so may have to wait, and is always
 * the next one of its stream.
 *
 * Offsets in the messages are those of the stream. They are the file's, until a program
 * truncates its own output (`> /dev/stdout` does): then the file begins anew, and `shift`
 * keeps the stream's going on. A file that has grown longer again since is known by the
 * bytes before those that come next: they are not the ones that were sent.
 */
#include "agent/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "proto/base/limits.h"

#define PUNCH (1u << 20) /* a system call per MiB, not per message */
#define BLOCK 4096u

_Static_assert(AOLANI__STREAM__STDOUT == 0 && AOLANI__STREAM__STDERR == 1, "of suffix");
static const char *const suffix[] = {"out", "err"};

int spool_create(struct spool *s, const char *dir, uint32_t rank, Aolani__Stream which,
                 int *ret_child, struct err *e)
{
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/rank-%04u.%s", dir, rank, suffix[which]);
    if (n < 0 || (size_t)n >= sizeof path)
        return err_sys(e, -ENAMETOOLONG, "create an output file in \"%s\"", dir);
    int child = open(
        path, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (child < 0)
        return err_sys(e, -errno, "create \"%s\"", path);
    int ours = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (ours < 0) {
        int rc = err_sys(e, -errno, "follow \"%s\"", path);
        (void)close(child);
        return rc;
    }
    *s = (struct spool){.rank = rank, .which = which, .fd = ours};
    *ret_child = child;
    return 0;
}

int spool_adopt(struct spool *s, const char *dir, int dir_fd, const char *name,
                struct err *e)
{
    unsigned rank;
    int used = 0;
    char kind[4];
    struct stat st;
    if (sscanf(name, "rank-%6u.%3[a-z]%n", &rank, kind, &used) != 2 || name[used])
        return 0;
    int which = strcmp(kind, suffix[1]) == 0;
    if ((!which && strcmp(kind, suffix[0])) || rank >= LIMIT_RANKS)
        return 0;
    int fd = openat(dir_fd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return err_sys(e, -errno, "take up \"%s/%s\"", dir, name);
    int rc = fstat(fd, &st) ? -errno : !S_ISREG(st.st_mode) ? -EINVAL : 0;
    if (rc) {
        (void)close(fd);
        return err_sys(e, rc, "take up \"%s/%s\"", dir, name);
    }
    off_t data = lseek(fd, 0, SEEK_DATA);
    if (data < 0)
        data = errno == ENXIO ? st.st_size : 0; /* no data at all, or no way to ask */
    *s = (struct spool){.rank = rank, .which = (Aolani__Stream)which, .fd = fd};
    s->sent = s->acked = s->punched = (uint64_t)data;
    s->adopted = true;
    return 1;
}

void spool_close(struct spool *s)
{
    (void)close(s->fd);
    s->fd = -1;
}

/* ---- the disk ---- */

/* Best effort: a file system that cannot do it keeps the blocks until the end. Whole
 * blocks only: the bytes of others would read as zeros to who adopts the file. */
static void spool_punch(struct spool *s, uint64_t from, uint64_t end)
{
    from = (from + BLOCK - 1) / BLOCK * BLOCK;
    end = end / BLOCK * BLOCK;
    if (end > from)
        (void)fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from,
                        (off_t)(end - from));
}

static void spool_punch_acked(struct spool *s)
{
    uint64_t end = s->acked > SPOOL_TAIL ? s->acked - SPOOL_TAIL : 0;
    end -= end % PUNCH;
    if (end <= s->punched)
        return;
    spool_punch(s, s->punched, end);
    s->punched = end;
}

void spool_acked(struct spool *s, uint64_t end, uint32_t truncated)
{
    if (truncated != s->truncated)
        return;
    s->acked = end;
    spool_punch_acked(s);
}

/* ---- reading ---- */

/* Everything up to `end` is given up. */
static void spool_skip_to(struct spool *s, uint64_t end)
{
    s->gap += end - s->sent;
    s->sent = s->given_up = end;
    s->tail_len = 0;
}

/* Its program has truncated it; what we had not seen is gone. */
static void spool_begin_anew(struct spool *s)
{
    s->shift += s->sent;
    s->sent = s->acked = s->punched = s->given_up = 0;
    s->tail_len = 0;
    s->truncated++;
}

/* Bytes from s->sent on; 0: none; -ESTALE: the file is not the one that was read before. */
static ssize_t spool_pread(struct spool *s, uint8_t *to, size_t want)
{
    uint8_t before[SPOOL_TAIL];
    struct iovec v[2] = {{before, s->tail_len}, {to, want}};
    ssize_t n;
    do
        n = preadv(s->fd, v, 2, (off_t)(s->sent - s->tail_len));
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    if ((size_t)n < s->tail_len)
        return 0;
    if (memcmp(before, s->tail, s->tail_len) != 0)
        return -ESTALE;
    return n - (ssize_t)s->tail_len;
}

void spool_sent(struct spool *s, const uint8_t *data, size_t len)
{
    size_t n = len < SPOOL_TAIL ? len : SPOOL_TAIL, old = SPOOL_TAIL - n;
    old = old < s->tail_len ? old : s->tail_len;
    memmove(s->tail, s->tail + s->tail_len - old, old);
    memcpy(s->tail + old, data + len - n, n);
    s->tail_len = old + n;
    s->sent += len;
}

size_t spool_read(struct spool *s, uint8_t *to, size_t want)
{
    if (s->adopted) {
        off_t data = lseek(s->fd, (off_t)s->sent, SEEK_DATA);
        off_t hole = data == (off_t)s->sent ? lseek(s->fd, data, SEEK_HOLE) : -1;
        if (data > (off_t)s->sent || (data < 0 && errno == ENXIO)) {
            spool_skip_to(s, data < 0 || (uint64_t)data > s->size ? s->size
                                                                  : (uint64_t)data);
            return 0;
        }
        if (hole > data && (uint64_t)(hole - data) < want)
            want = (size_t)(hole - data);
    }
    ssize_t n = spool_pread(s, to, want);
    if (n > 0)
        return (size_t)n;
    if (n == -ESTALE) {
        spool_begin_anew(s);
        s->adopted = true; /* or written over: then what was punched is no data */
    } else if (n < 0)      /* a broken disk: the job goes on, the gap is said */
        spool_skip_to(s, s->size);
    else /* truncated since we asked for the size: the next turn sees it */
        s->size = s->sent;
    return 0;
}

size_t spool_peek(const struct spool *s, uint64_t from, uint8_t *to, size_t want)
{
    ssize_t n;
    do
        n = pread(s->fd, to, want, (off_t)from);
    while (n < 0 && errno == EINTR);
    return n > 0 ? (size_t)n : 0;
}

void spool_look(struct spool *s, uint64_t bound)
{
    struct stat st;
    if (fstat(s->fd, &st))
        return;
    uint64_t size = (uint64_t)st.st_size;
    uint64_t changed_ns =
        (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
    uint8_t none[1];
    bool as_long = size == s->sent && changed_ns != s->changed_ns;
    if (size < s->sent || (as_long && spool_pread(s, none, 0) == -ESTALE)) {
        spool_begin_anew(s);
        s->adopted = false;
    }
    s->changed_ns = changed_ns;
    s->size = size;
    uint64_t kept_from = s->acked > s->given_up ? s->acked : s->given_up;
    uint64_t waiting = s->size - kept_from, unsent = s->size - s->sent;
    if (waiting <= bound || unsent == 0)
        return;
    /* Somewhat more than must be, so that there is not a gap for every line. */
    uint64_t drop = waiting - bound + bound / 8;
    uint64_t from = s->sent;
    spool_skip_to(s, from + (drop < unsent ? drop : unsent));
    spool_punch(s, from, s->sent);
}
