/* SPDX-License-Identifier: MIT */
/* outdisk.c - see outdisk.h.
 *
 * A file has one descriptor, of the segment written last: a stream goes forward, and what
 * comes again from before is rare.
 */
#include "launcher/outdisk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/limits.h"

#define MAX_FSYNC 64u /* more files than this: one sync of the file system */

struct file {
    struct file *newer, *older; /* list of the open ones */
    size_t number;
    int fd;           /* -1: closed */
    uint64_t segment; /* of fd */
    uint64_t newest;  /* the last one that has begun */
    uint64_t gone_to; /* those from 1 to before this one were removed by us */
    bool dirty;
    struct outranges *missing; /* NULL: none */
};

struct outdisk {
    char *dir;
    size_t n_files;
    struct outrotate rotate;
    struct file **files; /* made when first used */
    struct file *newest, *oldest;
    unsigned n_open;
    bool left_dirty; /* a segment was closed that is not yet synced */
    int close_error; /* what an earlier close said, as NFS does of a full disk */
    size_t close_file;
};

void outdisk_path(const struct outdisk *d, size_t file, uint64_t segment, char *ret,
                  size_t len)
{
    char suffix[24];
    outrotate_suffix(segment, suffix, sizeof suffix);
    (void)snprintf(ret, len, "%s/rank-%04zu.%s%s", d->dir, file / 2,
                   file % 2 ? "err" : "out", suffix);
}

/* ---- open files ---- */

static void unlink_open(struct outdisk *d, struct file *f)
{
    *(f->newer ? &f->newer->older : &d->newest) = f->older;
    *(f->older ? &f->older->newer : &d->oldest) = f->newer;
    f->newer = f->older = NULL;
    d->n_open--;
}

static void link_open(struct outdisk *d, struct file *f)
{
    f->newer = NULL;
    f->older = d->newest;
    *(d->newest ? &d->newest->newer : &d->oldest) = f;
    d->newest = f;
    d->n_open++;
}

static void close_file(struct outdisk *d, struct file *f)
{
    if (f->fd < 0)
        return;
    unlink_open(d, f);
    if (close(f->fd) < 0 && errno != EINTR && d->close_error == 0) {
        d->close_error = -errno;
        d->close_file = f->number;
    }
    f->fd = -1;
}

static int open_file(struct outdisk *d, struct file *f, uint64_t segment)
{
    char path[4096];
    if (f->fd >= 0 && f->segment == segment) {
        if (d->newest != f) {
            unlink_open(d, f);
            link_open(d, f);
        }
        return 0;
    }
    if (f->dirty && f->segment != segment)
        d->left_dirty = true;
    close_file(d, f);
    if (d->n_open >= LIMIT_OPEN_OUTPUT)
        close_file(d, d->oldest);
    outdisk_path(d, f->number, segment, path, sizeof path);
    f->fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (f->fd < 0)
        return -errno;
    f->segment = segment;
    link_open(d, f);
    return 0;
}

static struct file *find(struct outdisk *d, size_t number)
{
    struct file *f = d->files[number];
    if (f || !(f = calloc(1, sizeof *f)))
        return f;
    f->number = number;
    f->fd = -1;
    f->gone_to = 1;
    d->files[number] = f;
    return f;
}

/* ---- segments ---- */

static bool is_gone(const struct outdisk *d, const struct file *f, uint64_t segment)
{
    return !outrotate_keeps(&d->rotate, f->newest, segment);
}

/* What was removed on purpose is not missing. */
static void forgive_removed(const struct outdisk *d, struct file *f)
{
    uint64_t from = outrotate_kept_from(&d->rotate, f->newest);
    if (f->missing && from > 1)
        outranges_remove(f->missing, outrotate_start(&d->rotate, 1),
                         outrotate_start(&d->rotate, from));
}

/* Something of this segment is in its file: those that it drives out go. */
static void begin(struct outdisk *d, struct file *f, uint64_t segment)
{
    uint64_t before = f->newest;
    if (segment <= before)
        return;
    f->newest = segment;
    uint64_t keep_from = outrotate_kept_from(&d->rotate, segment);
    for (uint64_t s = f->gone_to; s < keep_from && s <= before; s++) {
        char path[4096];
        outdisk_path(d, f->number, s, path, sizeof path);
        (void)unlink(path);
    }
    if (keep_from > f->gone_to)
        f->gone_to = keep_from;
    forgive_removed(d, f);
}

int outdisk_found(struct outdisk *d, size_t number, uint64_t segment)
{
    struct file *f = find(d, number);
    if (f && segment > f->newest)
        f->newest = segment;
    return f ? 0 : -ENOMEM;
}

/* ---- writing ---- */

static int write_all(int fd, struct outdisk_part *p, uint64_t at, size_t len)
{
    while (len > 0) {
        ssize_t n = pwrite(fd, p->data, len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        p->data += n;
        p->offset += (size_t)n;
        p->len -= (size_t)n;
        at += (size_t)n;
        len -= (size_t)n;
    }
    return 0;
}

int outdisk_write(struct outdisk *d, struct outdisk_part *p)
{
    struct file *f = find(d, p->file);
    int rc = f ? 0 : -ENOMEM;
    uint64_t from = p->offset;
    do {
        struct outpiece piece = outrotate_piece(&d->rotate, p->offset, p->len);
        if (rc == 0 && is_gone(d, f, piece.segment)) {
            p->data += piece.len;
            p->offset += piece.len;
            p->len -= piece.len;
            continue;
        }
        if (rc == 0)
            rc = open_file(d, f, piece.segment);
        if (rc < 0)
            break;
        f->dirty = true;
        uint64_t before = p->offset;
        rc = write_all(f->fd, p, piece.at, piece.len);
        if (rc == 0 || p->offset > before)
            begin(d, f, piece.segment);
    } while (rc == 0 && p->len > 0);
    if (f && f->missing) /* lost once, and come again */
        outranges_remove(f->missing, from, p->offset);
    return rc;
}

/* The file of this segment is at least so long. */
static int lengthen(struct outdisk *d, struct file *f, uint64_t segment, uint64_t size)
{
    struct stat st;
    int rc = open_file(d, f, segment);
    if (rc < 0)
        return rc;
    f->dirty = true;
    if (fstat(f->fd, &st) < 0 ||
        ((uint64_t)st.st_size < size && ftruncate(f->fd, (off_t)size) < 0))
        return -errno;
    begin(d, f, segment);
    return 0;
}

/* The segments in which a gap begins and ends; one that is missing whole has no file. */
static void keep_place(struct outdisk *d, struct file *f, uint64_t from, uint64_t to)
{
    uint64_t size = d->rotate.size ? d->rotate.size : UINT64_MAX;
    uint64_t first = from / size, last = to / size;
    bool whole = from % size == 0 && first < last && first > 0;
    if (!whole && !is_gone(d, f, first))
        (void)lengthen(d, f, first, first == last ? to % size : size);
    if (last > first && to % size > 0 && !is_gone(d, f, last))
        (void)lengthen(d, f, last, to % size);
}

void outdisk_miss(struct outdisk *d, size_t number, uint64_t from, uint64_t to, int why)
{
    struct file *f = find(d, number);
    if (!f || to <= from)
        return;
    if (!f->missing)
        f->missing = calloc(1, sizeof *f->missing);
    if (f->missing)
        outranges_add(f->missing, from, to, why);
    keep_place(d, f, from, to);
    forgive_removed(d, f);
}

/* ---- at the end ---- */

int outdisk_sync(struct outdisk *d, size_t *ret_file)
{
    unsigned n = 0;
    int rc = d->close_error;
    struct file *last = NULL;
    *ret_file = d->close_file;
    for (size_t i = 0; i < d->n_files && n <= MAX_FSYNC; i++) {
        struct file *f = d->files[i];
        if (!f || !f->dirty)
            continue;
        last = f;
        if (++n <= MAX_FSYNC && open_file(d, f, f->newest) == 0 && fsync(f->fd) < 0 &&
            rc == 0) {
            rc = -errno;
            *ret_file = f->number;
        }
    }
    bool rest = n > MAX_FSYNC || (last && d->left_dirty);
    if (rest && open_file(d, last, last->newest) == 0 && syncfs(last->fd) < 0 &&
        rc == 0) {
        rc = -errno;
        *ret_file = last->number;
    }
    return rc;
}

void outdisk_kept(const struct outdisk *d, size_t number, struct outdisk_kept *ret)
{
    const struct file *f = number < d->n_files ? d->files[number] : NULL;
    *ret = (struct outdisk_kept){0};
    if (!f)
        return;
    uint64_t from = outrotate_kept_from(&d->rotate, f->newest);
    if (from > 1) {
        ret->removed_from = outrotate_start(&d->rotate, 1);
        ret->removed_to = outrotate_start(&d->rotate, from);
    }
    if (f->missing)
        ret->missing = *f->missing;
}

int outdisk_create(const char *dir, size_t n_files, const struct outrotate *r,
                   struct outdisk **ret, struct err *e)
{
    struct outdisk *d = calloc(1, sizeof *d);
    if (!d)
        return err_sys(e, -ENOMEM, "open the output files");
    d->n_files = n_files;
    d->rotate = *r;
    d->dir = strdup(dir);
    d->files = calloc(n_files + 1, sizeof(struct file *));
    if (!d->dir || !d->files) {
        outdisk_destroy(d);
        return err_sys(e, -ENOMEM, "open the output files");
    }
    *ret = d;
    return 0;
}

void outdisk_destroy(struct outdisk *d)
{
    if (!d)
        return;
    for (size_t i = 0; d->files && i < d->n_files; i++) {
        if (!d->files[i])
            continue;
        close_file(d, d->files[i]);
        free(d->files[i]->missing);
        free(d->files[i]);
    }
    free(d->files);
    free(d->dir);
    free(d);
}
