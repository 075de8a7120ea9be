/* SPDX-License-Identifier: MIT */
/* output.c - spool files and their follower.
 *
 * A timer asks each file for its size; what is new goes out in chunks, one stream after
 * the other, as far as credit goes. Polling, not inotify: it works on every file system,
 * costs one fstat per stream and turn, and a burst of small writes becomes one message.
 *
 * What was sent and not yet acknowledged stands in one queue in order of the sequence
 * numbers.
 */
#include "agent/output.h"

#include "agent/spool.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/log.h"
#include "proto/wire/aolani.pb-c.h"

#define TURN_BYTES     (4u << 20) /* sent before the loop gets its turn again */
#define CHUNK_OVERHEAD 64u        /* of an Output message beside its data */
#define CHUNK_SMALL    4096u /* less is not worth a message while more is waiting */
#define POLL_MS        20u
#define POLL_IDLE_MS   100u

_Static_assert(OUTPUT_SHOWN <= LIMIT_OUTPUT_CHUNK, "it is read into the same place");

struct stream {
    struct spool spool;
    bool end_sent;
    bool adopted;
    uint64_t shown;     /* file offset: what was before it */
    uint32_t truncated; /* of the file that is meant */
    uint64_t looked_ns; /* CLOCK_MONOTONIC; 0: never */
};

struct flight {
    struct flight *next;
    uint64_t seq, end; /* end: in the file */
    struct stream *stream;
    uint32_t truncated;
    bool is_end;
};

struct output {
    struct loop *loop;
    struct loop_timer *timer;
    struct upward up;
    void (*done)(void *arg);
    void *arg;
    void (*show)(void *arg, uint32_t rank, unsigned stream, const void *data,
                 size_t len, uint64_t t_ns); /* NULL: nobody watches */
    void *show_arg;
    char *dir;
    uint64_t spool_bytes;
    struct stream **streams;
    size_t n, cap, next; /* next: whose turn it is */
    struct flight *first, **last;
    size_t n_ended;
    uint64_t poll_ms;
    uint8_t *chunk; /* LIMIT_OUTPUT_CHUNK */
    bool blocked;   /* the session takes no more for now */
    bool finishing, finished;
};

static void on_timer(void *arg);

int output_create(struct loop *l, const char *dir, uint64_t spool_bytes,
                  const struct upward *up, void (*done)(void *arg), void *arg,
                  struct output **ret, struct err *e)
{
    struct output *o = calloc(1, sizeof *o);
    if (!o)
        goto fail;
    o->loop = l;
    o->up = *up;
    o->done = done;
    o->arg = arg;
    o->last = &o->first;
    o->poll_ms = POLL_MS;
    o->spool_bytes = spool_bytes && spool_bytes < LIMIT_SPOOL_BYTES ? spool_bytes
                                                                    : LIMIT_SPOOL_BYTES;
    o->dir = strdup(dir);
    o->chunk = malloc(LIMIT_OUTPUT_CHUNK);
    o->timer = loop_timer_create(l, on_timer, o);
    if (!o->dir || !o->chunk || !o->timer)
        goto fail;
    *ret = o;
    return 0;
fail:
    output_destroy(o);
    return err_sys(e, -ENOMEM, "follow the output in \"%s\"", dir);
}

void output_destroy(struct output *o)
{
    if (!o)
        return;
    loop_timer_destroy(o->timer);
    for (size_t i = 0; i < o->n; i++) {
        spool_close(&o->streams[i]->spool);
        free(o->streams[i]);
    }
    while (o->first) {
        struct flight *f = o->first;
        o->first = f->next;
        free(f);
    }
    free(o->streams);
    free(o->chunk);
    free(o->dir);
    free(o);
}

/* ---- files ---- */

/* A place for one more; not yet counted. */
static int make_stream(struct output *o, struct stream **ret)
{
    if (o->n >= 2 * (size_t)LIMIT_LOCAL_RANKS)
        return ERR_LIMIT;
    if (o->n == o->cap) {
        size_t cap = o->cap ? 2 * o->cap : 16;
        struct stream **more = realloc(o->streams, cap * sizeof *more);
        if (!more)
            return -ENOMEM;
        o->streams = more;
        o->cap = cap;
    }
    *ret = calloc(1, sizeof **ret);
    return *ret ? 0 : -ENOMEM;
}

static int open_stream(struct output *o, uint32_t rank, Aolani__Stream which,
                       int *ret_child, struct err *e)
{
    struct stream *s;
    int rc = make_stream(o, &s);
    if (rc < 0)
        return err_sys(e, rc, "follow the output of rank %u", rank);
    rc = spool_create(&s->spool, o->dir, rank, which, ret_child, e);
    if (rc < 0)
        free(s);
    else
        o->streams[o->n++] = s;
    return rc;
}

int output_open_rank(struct output *o, uint32_t rank, int ret_fd[2], struct err *e)
{
    int fd[2] = {-1, -1};
    int rc = open_stream(o, rank, AOLANI__STREAM__STDOUT, &fd[0], e);
    if (!rc)
        rc = open_stream(o, rank, AOLANI__STREAM__STDERR, &fd[1], e);
    if (rc) {
        if (fd[0] >= 0)
            (void)close(fd[0]);
        return rc;
    }
    ret_fd[0] = fd[0];
    ret_fd[1] = fd[1];
    loop_timer_start(o->timer, o->poll_ms, 0);
    return 0;
}

static int adopt_stream(struct output *o, int dir_fd, const char *name, struct err *e)
{
    struct stream *s;
    int rc = make_stream(o, &s);
    if (rc < 0)
        return err_sys(e, rc, "take up \"%s/%s\"", o->dir, name);
    rc = spool_adopt(&s->spool, o->dir, dir_fd, name, e);
    s->adopted = true;
    if (rc == 1)
        o->streams[o->n++] = s;
    else
        free(s);
    return rc;
}

int output_adopt(struct output *o, struct err *e)
{
    DIR *dir = opendir(o->dir);
    if (!dir)
        return err_sys(e, -errno, "take up the output in \"%s\"", o->dir);
    int n = 0;
    for (struct dirent *d; (d = readdir(dir));) {
        int rc = d->d_name[0] == '.' ? 0 : adopt_stream(o, dirfd(dir), d->d_name, e);
        if (rc < 0) /* the others are none the worse */
            log_warn("%s", e->text);
        else
            n += rc;
    }
    (void)closedir(dir);
    loop_timer_start(o->timer, 0, 0);
    return n;
}

/* ---- sending ---- */

/* 0; or negative: not now. Its place in the queue is made first, so that what has gone
 * out is never forgotten. */
static int send_up(struct output *o, struct stream *s, enum message_type type,
                   const ProtobufCMessage *m, uint64_t end)
{
    struct flight *f = calloc(1, sizeof *f);
    int64_t seq = f ? o->up.send(o->up.arg, type, m) : -ENOMEM;
    if (seq < 0) {
        free(f);
        o->blocked = true;
        return (int)seq;
    }
    f->seq = (uint64_t)seq;
    f->end = end;
    f->stream = s;
    f->truncated = s->spool.truncated;
    f->is_end = type == MSG_OUTPUT_END;
    *o->last = f;
    o->last = &f->next;
    return 0;
}

static int send_gap(struct output *o, struct stream *s)
{
    Aolani__OutputGap m = AOLANI__OUTPUT_GAP__INIT;
    m.rank = s->spool.rank;
    m.stream = s->spool.which;
    m.offset = s->spool.shift + s->spool.sent - s->spool.gap;
    m.length = s->spool.gap;
    int rc = send_up(o, s, MSG_OUTPUT_GAP, &m.base, s->spool.sent);
    if (!rc)
        s->spool.gap = 0;
    return rc;
}

static int send_end(struct output *o, struct stream *s)
{
    Aolani__OutputEnd m = AOLANI__OUTPUT_END__INIT;
    m.rank = s->spool.rank;
    m.stream = s->spool.which;
    m.length = s->spool.shift + s->spool.sent;
    int rc = send_up(o, s, MSG_OUTPUT_END, &m.base, s->spool.sent);
    s->end_sent = rc == 0;
    return rc;
}

/* One message of this stream, if it has one. Bytes sent; 0: nothing; negative: blocked. */
static int64_t send_some(struct output *o, struct stream *s)
{
    if (s->spool.gap > 0)
        return send_gap(o, s);
    uint64_t left = s->spool.size - s->spool.sent;
    if (left == 0)
        return o->finishing && !s->end_sent ? send_end(o, s) : 0;
    uint64_t credit = o->up.credit(o->up.arg);
    uint64_t want = credit > CHUNK_OVERHEAD ? credit - CHUNK_OVERHEAD : 0;
    if (want == 0 || (want < left && want < CHUNK_SMALL)) {
        o->blocked = true;
        return -EAGAIN;
    }
    want = want < left ? want : left;
    want = want < LIMIT_OUTPUT_CHUNK ? want : LIMIT_OUTPUT_CHUNK;
    size_t n = spool_read(&s->spool, o->chunk, (size_t)want);
    if (n == 0)
        return s->spool.gap > 0 ? send_gap(o, s) : 0;
    Aolani__Output m = AOLANI__OUTPUT__INIT;
    m.rank = s->spool.rank;
    m.stream = s->spool.which;
    m.offset = s->spool.shift + s->spool.sent;
    m.data.data = o->chunk;
    m.data.len = n;
    int rc = send_up(o, s, MSG_OUTPUT, &m.base, s->spool.sent + n);
    if (rc)
        return rc;
    spool_sent(&s->spool, o->chunk, n);
    return (int64_t)n;
}

/* ---- showing ---- */

void output_watch(struct output *o,
                  void (*show)(void *arg, uint32_t rank, unsigned stream,
                               const void *data, size_t len, uint64_t t_ns),
                  void *arg)
{
    o->show = show;
    o->show_arg = arg;
}

/* When the file was changed last: between the look before this one and now, and where the
 * wall clock has not been set meanwhile, as the file says. */
static uint64_t changed_ns(const struct stream *s, uint64_t now_ns)
{
    uint64_t real = clock_real_ns(), changed = s->spool.changed_ns;
    uint64_t ago = real > changed ? real - changed : 0;
    uint64_t most = now_ns - s->looked_ns;
    return s->looked_ns == 0 ? now_ns : now_ns - (ago < most ? ago : most);
}

static void show_new(struct output *o, struct stream *s, uint64_t t_ns)
{
    if (s->truncated != s->spool.truncated || s->spool.size < s->shown) {
        s->truncated = s->spool.truncated;
        s->shown = 0;
    }
    if (s->spool.size - s->shown > OUTPUT_SHOWN) {
        o->show(o->show_arg, s->spool.rank, s->spool.which, NULL, 0, t_ns);
        s->shown = s->spool.size - OUTPUT_SHOWN;
    }
    size_t n =
        spool_peek(&s->spool, s->shown, o->chunk, (size_t)(s->spool.size - s->shown));
    if (n > 0)
        o->show(o->show_arg, s->spool.rank, s->spool.which, o->chunk, n, t_ns);
    s->shown += n;
}

static void stream_look(struct output *o, struct stream *s)
{
    if (s->end_sent)
        return;
    uint64_t now_ns = clock_mono_ns();
    spool_look(&s->spool, o->spool_bytes);
    if (o->show && !s->adopted && s->spool.size != s->shown)
        show_new(o, s, changed_ns(s, now_ns));
    s->looked_ns = now_ns;
}

void output_look(struct output *o)
{
    for (size_t i = 0; i < o->n; i++)
        stream_look(o, o->streams[i]);
}

/* ---- following ---- */

/* Chunks of all streams in turn, until none has any, the session is full, or it is time
 * for others. True: there is more. */
static bool pump(struct output *o, bool *ret_traffic)
{
    uint64_t total = 0;
    size_t idle = 0;
    o->blocked = false;
    while (idle < o->n) {
        if (total >= TURN_BYTES)
            return true;
        struct stream *s = o->streams[o->next];
        int64_t n = send_some(o, s);
        if (o->blocked)
            return false;
        o->next = (o->next + 1) % o->n;
        total += (uint64_t)n;
        idle = n > 0 || s->spool.sent < s->spool.size ? 0 : idle + 1;
        *ret_traffic = *ret_traffic || n > 0;
    }
    return false;
}

static void finish_once(struct output *o)
{
    if (!o->finishing || o->finished || o->n_ended < o->n)
        return;
    o->finished = true;
    loop_timer_stop(o->timer);
    o->done(o->arg);
}

static void on_timer(void *arg)
{
    struct output *o = arg;
    bool traffic = false;
    output_look(o);
    bool more = pump(o, &traffic);
    if (traffic || o->blocked)
        o->poll_ms = POLL_MS;
    else if (o->poll_ms < POLL_IDLE_MS)
        o->poll_ms += POLL_MS;
    if (o->n > o->n_ended)
        loop_timer_start(o->timer, more ? 0 : o->poll_ms, 0);
    else
        finish_once(o);
}

void output_finish(struct output *o)
{
    if (o->finishing)
        return;
    o->finishing = true;
    loop_timer_start(o->timer, 0, 0);
}

static void flight_landed(struct output *o, struct flight *f)
{
    if (f->is_end)
        o->n_ended++;
    else
        spool_acked(&f->stream->spool, f->end, f->truncated);
}

void output_acked(struct output *o, uint64_t seq)
{
    while (o->first && o->first->seq <= seq) {
        struct flight *f = o->first;
        o->first = f->next;
        if (!o->first)
            o->last = &o->first;
        flight_landed(o, f);
        free(f);
    }
    output_credit(o);
    finish_once(o);
}

/* Not from here: the session is in the middle of something. */
void output_credit(struct output *o)
{
    if (!o->blocked || o->finished)
        return;
    o->blocked = false;
    loop_timer_start(o->timer, 0, 0);
}
