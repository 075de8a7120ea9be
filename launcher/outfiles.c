/* SPDX-License-Identifier: MIT */
/* outfiles.c - files through outwriter; the copy through label and loop_stream.
 *
 * A piece of a line without a label is held back too, or two ranks would tear
 * each other's lines, but only for HOLD_MS: a progress bar has no newline. A job of one
 * rank needs none of that.
 */
#include "launcher/outfiles.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/label.h"
#include "launcher/outwriter.h"
#include "proto/base/limits.h"
#include "proto/base/log.h"
#include "proto/base/loop_stream.h"

#define COPY_MAX (64u << 20) /* a chunk of empty lines, each with a label */
#define HOLD_MS  200u

/* One stream of one rank. */
struct outfile {
    size_t number; /* as outwriter counts */
    uint64_t have; /* bytes from the start that are there or lost */
    struct label label;
};

struct sink {
    struct outfiles *o;
    struct loop_stream *stream; /* NULL: no copy, or nobody reads it any more */
    const char *name;
};

struct outfiles {
    struct loop *loop;
    struct outwriter *writer;
    char *dir;
    struct outrotate rotate;
    uint32_t world_size;
    const char *const *node_of_rank;
    bool label;
    struct outfile **files; /* 2 per rank, made when first used */
    struct sink sinks[2];
    struct loop_timer *hold;
    bool holding;
    struct buf copy;
    void (*drained)(void *arg);
    void *drained_arg;
    void (*copying)(void *arg, int stream, bool ends_line);
    void *copying_arg;
};

/* ---- the copy ---- */

static void on_sink_end(void *arg, int status)
{
    struct sink *s = arg;
    struct outfiles *o = s->o;
    loop_stream_destroy(s->stream);
    s->stream = NULL;
    log_warn("write %s: %s; the ranks' output goes on into \"%s\" only", s->name,
             strerror(-status), o->dir);
    if (o->drained)
        o->drained(o->drained_arg);
}

static void tell_drained(void *arg)
{
    struct outfiles *o = arg;
    if (o->drained && outfiles_backlog(o) < OUTFILES_LOW_WATER)
        o->drained(o->drained_arg);
}

static void on_sink_drain(void *arg)
{
    struct sink *s = arg;
    tell_drained(s->o);
}

static const struct loop_stream_ops sink_ops = {.on_end = on_sink_end,
                                                .on_drain = on_sink_drain};

static int sink_open(struct outfiles *o, struct sink *s, const char *name, int fd,
                     struct err *e)
{
    s->o = o;
    s->name = name;
    if (fd < 0)
        return 0;
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (own < 0)
        return err_sys(e, -errno, "open a copy of %s", name);
    int rc = loop_stream_open(o->loop, -1, own, &sink_ops, s, &s->stream, e);
    if (rc < 0)
        return rc;
    loop_stream_set_low_water(s->stream, OUTFILES_LOW_WATER / 2);
    return 0;
}

static void sink_write(struct outfiles *o, int stream, const uint8_t *data, size_t len)
{
    struct sink *s = &o->sinks[stream];
    if (!s->stream || len == 0)
        return;
    if (o->copying)
        o->copying(o->copying_arg, stream, data[len - 1] == '\n');
    (void)loop_stream_write(s->stream, data, len);
}

static void send_copy(struct outfiles *o, int stream)
{
    sink_write(o, stream, o->copy.data, o->copy.len);
    o->copy.len = 0;
}

static void on_hold_over(void *arg)
{
    struct outfiles *o = arg;
    o->holding = false;
    for (size_t i = 0; i < (size_t)o->world_size * 2; i++) {
        if (!o->files[i])
            continue;
        (void)label_flush(&o->files[i]->label, &o->copy);
        send_copy(o, (int)(i % 2));
    }
}

static void copy_out(struct outfiles *o, struct outfile *f, const uint8_t *data,
                     size_t len)
{
    int stream = (int)(f->number % 2);
    struct sink *s = &o->sinks[stream];
    if (!s->stream || len == 0)
        return;
    if (!o->label && o->world_size == 1) {
        sink_write(o, stream, data, len);
        return;
    }
    (void)label_feed(&f->label, data, len, &o->copy);
    send_copy(o, stream);
    if (!o->label && f->label.held.len > 0 && !o->holding) {
        o->holding = true;
        loop_timer_start(o->hold, HOLD_MS, 0);
    }
}

/* ---- from the caller ---- */

static struct outfile *find(struct outfiles *o, uint32_t rank, int stream)
{
    if (rank >= o->world_size || stream < 0 || stream > 1)
        return NULL;
    struct outfile **at = &o->files[(size_t)rank * 2 + (size_t)stream];
    if (*at)
        return *at;
    char text[LIMIT_HOST_NAME + 32] = "";
    if (o->label)
        (void)snprintf(text, sizeof text, "%s:%" PRIu32 ": ", o->node_of_rank[rank],
                       rank);
    struct outfile *f = calloc(1, sizeof *f);
    if (!f || label_init(&f->label, text) < 0) {
        free(f);
        return NULL;
    }
    f->number = (size_t)rank * 2 + (size_t)stream;
    *at = f;
    return f;
}

void outfiles_write(struct outfiles *o, uint32_t rank, int stream, uint64_t offset,
                    const void *data, size_t len)
{
    struct outfile *f = find(o, rank, stream);
    if (!f || offset > (uint64_t)INT64_MAX - len)
        return; /* from a peer: not a place in a file */
    outwriter_write(o->writer, f->number, offset, data, len);
    uint64_t end = offset + len;
    if (end <= f->have)
        return;
    size_t old = offset < f->have ? (size_t)(f->have - offset) : 0;
    f->have = end;
    copy_out(o, f, (const uint8_t *)data + old, len - old);
}

bool outfiles_gap(struct outfiles *o, uint32_t rank, int stream, uint64_t offset,
                  uint64_t length)
{
    struct outfile *f = find(o, rank, stream);
    if (!f || length > INT64_MAX || offset > (uint64_t)INT64_MAX - length)
        return false;
    uint64_t end = offset + length;
    if (end <= f->have)
        return false;
    outwriter_gap(o->writer, f->number, offset, end); /* later bytes keep theirs */
    f->have = end;
    return true;
}

uint64_t outfiles_hole(struct outfiles *o, uint32_t rank, int stream, uint64_t offset)
{
    struct outfile *f = find(o, rank, stream);
    uint64_t have = f ? f->have : 0, n = f && offset > have ? offset - have : 0;
    return n > 0 && outfiles_gap(o, rank, stream, have, n) ? n : 0;
}

void outfiles_end(struct outfiles *o, uint32_t rank, int stream)
{
    struct outfile *f = find(o, rank, stream);
    if (!f)
        return;
    /* A rank that wrote nothing has its empty file too. */
    outwriter_write(o->writer, f->number, 0, NULL, 0);
    (void)label_flush(&f->label, &o->copy);
    send_copy(o, stream);
}

size_t outfiles_backlog(const struct outfiles *o)
{
    size_t n = outwriter_queued(o->writer);
    for (int i = 0; i < 2; i++) {
        if (o->sinks[i].stream)
            n += loop_stream_queued(o->sinks[i].stream);
    }
    return n;
}

size_t outfiles_unwritten(const struct outfiles *o)
{
    return outwriter_queued(o->writer);
}

void outfiles_on_drain(struct outfiles *o, void (*drained)(void *arg), void *arg)
{
    o->drained = drained;
    o->drained_arg = arg;
}

/* ---- making and ending ---- */

void outfiles_last(struct outfiles *o, uint64_t ms)
{
    outwriter_last(o->writer, ms);
}

void outfiles_finish(struct outfiles *o)
{
    outwriter_finish(o->writer);
}

void outfiles_kept(const struct outfiles *o, uint32_t rank, int stream,
                   struct outfiles_kept *ret)
{
    size_t i = (size_t)rank * 2 + (size_t)stream;
    struct outdisk_kept k;
    outwriter_kept(o->writer, i, &k);
    *ret = (struct outfiles_kept){.bytes = o->files[i] ? o->files[i]->have : 0,
                                  .missing = k.missing};
    if (k.removed_to > k.removed_from) {
        ret->first = k.removed_from;
        ret->last = ret->bytes > k.removed_to ? ret->bytes - k.removed_to : 0;
    } else {
        ret->first = ret->bytes;
    }
}

/* What a head before us wrote is not copied out again. */
static int find_written(struct outfiles *o, struct err *e)
{
    struct dirent *d;
    DIR *dir = opendir(o->dir);
    if (!dir)
        return err_sys(e, -errno, "open the output files in \"%s\"", o->dir);
    int rc = 0;
    while (rc == 0 && (d = readdir(dir))) {
        struct stat st;
        uint32_t rank;
        int stream;
        uint64_t segment;
        if (!outrotate_parse(d->d_name, &rank, &stream, &segment) ||
            (segment > 0 && o->rotate.size == 0) ||
            (o->rotate.size > 0 && segment > INT64_MAX / o->rotate.size - 1) ||
            fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        struct outfile *f = find(o, rank, stream);
        if (!f || !S_ISREG(st.st_mode))
            continue;
        uint64_t end = outrotate_start(&o->rotate, segment) + (uint64_t)st.st_size;
        f->have = end > f->have ? end : f->have;
        rc = outwriter_found(o->writer, f->number, segment);
    }
    (void)closedir(dir);
    return rc < 0 ? err_sys(e, rc, "open the output files in \"%s\"", o->dir) : 0;
}

int outfiles_create(struct loop *l, const struct outfiles_config *c,
                    struct outfiles **ret, struct err *e)
{
    struct outfiles *o = calloc(1, sizeof *o);
    if (!o)
        return err_sys(e, -ENOMEM, "open the output files");
    o->loop = l;
    o->world_size = c->world_size;
    o->node_of_rank = c->node_of_rank;
    o->label = c->label;
    o->rotate = c->rotate;
    o->copying = c->copying;
    o->copying_arg = c->arg;
    buf_init(&o->copy, COPY_MAX);
    o->dir = strdup(c->dir);
    o->files = calloc((size_t)c->world_size * 2 + 1, sizeof(struct outfile *));
    o->hold = loop_timer_create(l, on_hold_over, o);
    int rc = o->dir && o->files && o->hold
                 ? 0
                 : err_sys(e, -ENOMEM, "open the output files");
    if (rc == 0)
        rc = outwriter_create(l, c->dir, c->world_size, &o->rotate, tell_drained, o,
                              &o->writer, e);
    if (rc == 0)
        rc = find_written(o, e);
    if (rc == 0)
        rc = sink_open(o, &o->sinks[0], "standard output", c->stdout_fd, e);
    if (rc == 0)
        rc = sink_open(o, &o->sinks[1], "standard error", c->stderr_fd, e);
    if (rc < 0) {
        outfiles_destroy(o, 0);
        return rc;
    }
    *ret = o;
    return 0;
}

void outfiles_destroy(struct outfiles *o, unsigned ms)
{
    if (!o)
        return;
    if (o->files)
        on_hold_over(o); /* what is still held goes out now */
    for (int i = 0; i < 2; i++) {
        if (o->sinks[i].stream && loop_stream_flush(o->sinks[i].stream, ms) < 0)
            log_warn("write %s: %zu bytes were not taken; they are in \"%s\"",
                     o->sinks[i].name, loop_stream_queued(o->sinks[i].stream), o->dir);
        loop_stream_destroy(o->sinks[i].stream);
    }
    outwriter_destroy(o->writer);
    for (size_t i = 0; o->files && i < (size_t)o->world_size * 2; i++) {
        if (o->files[i])
            label_fini(&o->files[i]->label);
        free(o->files[i]);
    }
    loop_timer_destroy(o->hold);
    buf_fini(&o->copy);
    free(o->files);
    free(o->dir);
    free(o);
}
