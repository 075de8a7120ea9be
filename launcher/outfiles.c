/* SPDX-License-Identifier: MIT */
/* outfiles.c - pwrite at the agent's offsets; the copy through label and loop_stream.
 *
 * There may be far more files than descriptors, so those used least recently are closed
 * again. A piece of a line without a label is held back too, or two ranks would tear
 * each other's lines, but only for HOLD_MS: a progress bar has no newline. A job of one
 * rank needs none of that.
 */
#include "launcher/outfiles.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/label.h"
#include "proto/base/limits.h"
#include "proto/base/log.h"
#include "proto/base/loop_stream.h"

#define MAX_OPEN  256u        /* of the usual 1024; agents' links need the rest */
#define MAX_FSYNC 64u         /* more files than this: one sync of the file system */
#define LOW_WATER (1u << 20)  /* as the header promises */
#define COPY_MAX  (64u << 20) /* a chunk of empty lines, each with a label */
#define HOLD_MS   200u

/* One stream of one rank. */
struct outfile {
    struct outfile *newer, *older; /* list of the open ones */
    uint32_t rank;
    int stream;
    int fd; /* -1: closed */
    bool seen, dirty;
    uint64_t have;               /* bytes from the start that are there or lost */
    uint64_t lost_from, lost_to; /* could not be written; equal: none */
    int why;
    struct label label;
};

struct sink {
    struct outfiles *o;
    struct loop_stream *stream; /* NULL: no copy, or nobody reads it any more */
    const char *name;
};

struct outfiles {
    struct loop *loop;
    char *dir;
    uint32_t world_size;
    const char *const *node_of_rank;
    bool label;
    struct outfile **files; /* 2 per rank, made when first used */
    struct outfile *newest, *oldest;
    unsigned n_open;
    struct sink sinks[2];
    struct loop_timer *hold;
    bool holding;
    bool warned;
    struct buf copy;
    void (*drained)(void *arg);
    void *drained_arg;
};

/* ---- files ---- */

static void path_of(const struct outfiles *o, const struct outfile *f, char *path,
                    size_t len)
{
    (void)snprintf(path, len, "%s/rank-%04" PRIu32 ".%s", o->dir, f->rank,
                   f->stream ? "err" : "out");
}

static void unlink_open(struct outfiles *o, struct outfile *f)
{
    *(f->newer ? &f->newer->older : &o->newest) = f->older;
    *(f->older ? &f->older->newer : &o->oldest) = f->newer;
    f->newer = f->older = NULL;
    o->n_open--;
}

static void link_open(struct outfiles *o, struct outfile *f)
{
    f->newer = NULL;
    f->older = o->newest;
    *(o->newest ? &o->newest->newer : &o->oldest) = f;
    o->newest = f;
    o->n_open++;
}

static void close_file(struct outfiles *o, struct outfile *f)
{
    if (f->fd < 0)
        return;
    unlink_open(o, f);
    (void)close(f->fd);
    f->fd = -1;
}

static int open_file(struct outfiles *o, struct outfile *f)
{
    char path[4096];
    struct stat st;
    if (f->fd >= 0) {
        unlink_open(o, f);
        link_open(o, f);
        return 0;
    }
    if (o->n_open >= MAX_OPEN)
        close_file(o, o->oldest);
    path_of(o, f, path, sizeof path);
    f->fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (f->fd < 0)
        return -errno;
    link_open(o, f);
    if (!f->seen && fstat(f->fd, &st) == 0)
        f->have = (uint64_t)st.st_size; /* a head before us wrote that */
    f->seen = true;
    return 0;
}

static void lose(struct outfiles *o, struct outfile *f, uint64_t from, uint64_t to,
                 int why)
{
    if (f->lost_from == f->lost_to)
        f->lost_from = from;
    if (from < f->lost_from)
        f->lost_from = from;
    if (to > f->lost_to)
        f->lost_to = to;
    f->why = why;
    if (o->warned)
        return;
    o->warned = true;
    char path[4096];
    path_of(o, f, path, sizeof path);
    log_warn("write \"%s\" from byte %" PRIu64
             ": %s; the run goes on, what is missing will be listed at its end",
             path, from, strerror(-why));
}

static void write_file(struct outfiles *o, struct outfile *f, uint64_t offset,
                       const uint8_t *data, size_t len)
{
    f->dirty = true;
    while (len > 0) {
        ssize_t n = pwrite(f->fd, data, len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            lose(o, f, offset, offset + len, n < 0 ? -errno : -EIO);
            return;
        }
        data += n;
        offset += (size_t)n;
        len -= (size_t)n;
    }
}

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

static void on_sink_drain(void *arg)
{
    struct sink *s = arg;
    struct outfiles *o = s->o;
    if (o->drained && outfiles_backlog(o) < LOW_WATER)
        o->drained(o->drained_arg);
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
    loop_stream_set_low_water(s->stream, LOW_WATER / 2);
    return 0;
}

static void send_copy(struct outfiles *o, int stream)
{
    struct sink *s = &o->sinks[stream];
    if (s->stream && o->copy.len > 0)
        (void)loop_stream_write(s->stream, o->copy.data, o->copy.len);
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
        send_copy(o, o->files[i]->stream);
    }
}

static void copy_out(struct outfiles *o, struct outfile *f, const uint8_t *data,
                     size_t len)
{
    struct sink *s = &o->sinks[f->stream];
    if (!s->stream || len == 0)
        return;
    if (!o->label && o->world_size == 1) {
        (void)loop_stream_write(s->stream, data, len);
        return;
    }
    (void)label_feed(&f->label, data, len, &o->copy);
    send_copy(o, f->stream);
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
    f->rank = rank;
    f->stream = stream;
    f->fd = -1;
    *at = f;
    return f;
}

void outfiles_write(struct outfiles *o, uint32_t rank, int stream, uint64_t offset,
                    const void *data, size_t len)
{
    struct outfile *f = find(o, rank, stream);
    if (!f || offset > (uint64_t)INT64_MAX - len)
        return; /* from a peer: not a place in a file */
    int rc = open_file(o, f);
    if (rc < 0)
        lose(o, f, offset, offset + len, rc);
    else
        write_file(o, f, offset, data, len);
    uint64_t end = offset + len;
    if (end <= f->have)
        return;
    size_t old = offset < f->have ? (size_t)(f->have - offset) : 0;
    f->have = end;
    copy_out(o, f, (const uint8_t *)data + old, len - old);
}

void outfiles_gap(struct outfiles *o, uint32_t rank, int stream, uint64_t offset,
                  uint64_t length)
{
    struct outfile *f = find(o, rank, stream);
    if (!f || offset > (uint64_t)INT64_MAX - length)
        return;
    uint64_t end = offset + length;
    int rc = open_file(o, f);
    if (end <= f->have)
        return;
    /* A hole, so that later bytes keep their offsets. */
    if (rc == 0 && ftruncate(f->fd, (off_t)end) < 0)
        rc = -errno;
    if (rc < 0)
        lose(o, f, offset, end, rc);
    f->have = end;
    char path[4096];
    path_of(o, f, path, sizeof path);
    log_warn("\"%s\": %" PRIu64 " bytes from %" PRIu64
             " on are missing: %s dropped them, its disk space for output was used up",
             path, length, offset, o->node_of_rank[rank]);
}

void outfiles_end(struct outfiles *o, uint32_t rank, int stream)
{
    struct outfile *f = find(o, rank, stream);
    if (!f)
        return;
    (void)open_file(o, f); /* a rank that wrote nothing has its empty file too */
    (void)label_flush(&f->label, &o->copy);
    send_copy(o, stream);
}

size_t outfiles_backlog(const struct outfiles *o)
{
    size_t n = 0;
    for (int i = 0; i < 2; i++) {
        if (o->sinks[i].stream)
            n += loop_stream_queued(o->sinks[i].stream);
    }
    return n;
}

void outfiles_on_drain(struct outfiles *o, void (*drained)(void *arg), void *arg)
{
    o->drained = drained;
    o->drained_arg = arg;
}

/* ---- making and ending ---- */

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
    buf_init(&o->copy, COPY_MAX);
    o->dir = strdup(c->dir);
    o->files = calloc((size_t)c->world_size * 2 + 1, sizeof(struct outfile *));
    o->hold = loop_timer_create(l, on_hold_over, o);
    int rc = o->dir && o->files && o->hold
                 ? 0
                 : err_sys(e, -ENOMEM, "open the output files");
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

static void sync_files(struct outfiles *o)
{
    unsigned n = 0;
    struct outfile *last = NULL;
    for (size_t i = 0; i < (size_t)o->world_size * 2; i++) {
        struct outfile *f = o->files[i];
        if (!f || !f->dirty)
            continue;
        last = f;
        if (++n > MAX_FSYNC)
            break;
        if (open_file(o, f) == 0 && fsync(f->fd) < 0)
            lose(o, f, 0, f->have, -errno);
    }
    if (n > MAX_FSYNC && open_file(o, last) == 0 && syncfs(last->fd) < 0)
        lose(o, last, 0, last->have, -errno);
}

static void free_file(struct outfiles *o, struct outfile *f)
{
    char path[4096];
    if (f->lost_from != f->lost_to) {
        path_of(o, f, path, sizeof path);
        log_warn("\"%s\": bytes %" PRIu64 " to %" PRIu64 " are missing: %s", path,
                 f->lost_from, f->lost_to - 1, strerror(-f->why));
    }
    close_file(o, f);
    label_fini(&f->label);
    free(f);
}

void outfiles_destroy(struct outfiles *o, unsigned ms)
{
    if (!o)
        return;
    if (o->files) {
        on_hold_over(o); /* what is still held goes out now */
        sync_files(o);
    }
    for (int i = 0; i < 2; i++) {
        if (o->sinks[i].stream && loop_stream_flush(o->sinks[i].stream, ms) < 0)
            log_warn("write %s: %zu bytes were not taken; they are in \"%s\"",
                     o->sinks[i].name, loop_stream_queued(o->sinks[i].stream), o->dir);
        loop_stream_destroy(o->sinks[i].stream);
    }
    for (size_t i = 0; o->files && i < (size_t)o->world_size * 2; i++) {
        if (o->files[i])
            free_file(o, o->files[i]);
    }
    loop_timer_destroy(o->hold);
    buf_fini(&o->copy);
    free(o->files);
    free(o->dir);
    free(o);
}
