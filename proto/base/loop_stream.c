/* SPDX-License-Identifier: MIT */
/* loop_stream.c - byte streams by readiness (uv_poll) and plain read and write.
 *
 * Not libuv's own streams: those want to know what kind of descriptor they get, refuse
 * regular files, allocate a request for each write, and cannot read from one descriptor
 * and write to another. Here a stream has two ends, which may be one descriptor. A
 * descriptor that epoll refuses (regular file, /dev/null) is never waited for.
 *
 * A write goes out at once if it can; the rest is queued. Everything that must be told
 * but not from within a call (failure, drained, the next piece of a file that is always
 * readable) is told by `kick`, an idle handle that is active only while there is such a
 * thing. The memory goes when the last handle is closed.
 */
#include "proto/base/loop_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "proto/base/buf.h"
#include "proto/base/loop_impl.h"

/* Reads in one turn of the loop, so that one busy stream does not starve the others. */
#define READS_PER_TURN 4
/* What a peer wrote before it died is still delivered: more than any pipe holds. */
#define READS_AT_END 64

struct stream_end {
    uv_poll_t poll;
    int fd;      /* -1: none, or closed */
    bool polled; /* poll is initialised */
};

struct loop_stream {
    struct loop *loop;
    struct stream_end rd, wr; /* one descriptor for both: only rd is polled */
    bool joined;              /* rd.fd serves both directions */
    uv_idle_t kick;
    const struct loop_stream_ops *ops;
    void *arg;
    void (*on_connect)(void *arg, int status); /* not NULL: connecting */
    void *connect_arg;
    struct buf out;
    size_t out_at;    /* bytes of out that have gone */
    size_t low_water; /* on_drain from here on down */
    int connect_failed;
    int write_failed;
    bool reading, read_done, ended, drain_due, shutdown_due, destroyed;
    unsigned n_handles;
};

static void on_poll(uv_poll_t *h, int status, int events);
static void on_kick(uv_idle_t *h);

/* ---- lifetime ---- */

static void on_handle_closed(uv_handle_t *h)
{
    struct loop_stream *s = h->data;
    if (--s->n_handles == 0 && s->destroyed) {
        buf_fini(&s->out);
        free(s);
    }
}

static void end_close(struct stream_end *end)
{
    if (end->polled)
        uv_close((uv_handle_t *)&end->poll, on_handle_closed);
    end->polled = false;
    if (end->fd >= 0)
        (void)close(end->fd);
    end->fd = -1;
}

static int end_poll(struct loop_stream *s, struct stream_end *end)
{
    int rc = uv_poll_init(&s->loop->uv, &end->poll, end->fd);
    if (rc == UV_EPERM)
        return 0; /* epoll refuses what is always ready */
    if (rc < 0)
        return rc;
    end->poll.data = s;
    end->polled = true;
    s->n_handles++;
    return 0;
}

static struct loop_stream *stream_new(struct loop *l, const struct loop_stream_ops *ops,
                                      void *arg)
{
    struct loop_stream *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->loop = l;
    s->ops = ops;
    s->arg = arg;
    s->rd.fd = s->wr.fd = -1;
    buf_init(&s->out, SIZE_MAX / 4);
    (void)uv_idle_init(&l->uv, &s->kick);
    s->kick.data = s;
    s->n_handles = 1;
    return s;
}

void loop_stream_destroy(struct loop_stream *s)
{
    if (!s || s->destroyed)
        return;
    s->destroyed = true;
    end_close(&s->rd);
    if (s->joined)
        s->wr.fd = -1;
    end_close(&s->wr);
    uv_close((uv_handle_t *)&s->kick, on_handle_closed);
}

void loop_stream_set(struct loop_stream *s, const struct loop_stream_ops *ops,
                     void *arg)
{
    s->ops = ops;
    s->arg = arg;
}

/* ---- what to wait for ---- */

size_t loop_stream_queued(const struct loop_stream *s)
{
    return s->out.len - s->out_at;
}

void loop_stream_set_low_water(struct loop_stream *s, size_t bytes)
{
    s->low_water = bytes;
}

static bool wants_read(const struct loop_stream *s)
{
    return s->reading && !s->read_done && !s->on_connect && s->rd.fd >= 0;
}

static bool wants_write(const struct loop_stream *s)
{
    return s->on_connect || (loop_stream_queued(s) > 0 && !s->write_failed);
}

static bool wants_kick(const struct loop_stream *s)
{
    if (s->connect_failed)
        return true;
    if (s->write_failed && !s->ended)
        return true;
    if (s->drain_due && !s->on_connect && loop_stream_queued(s) <= s->low_water)
        return true;
    return wants_read(s) && !s->rd.polled;
}

static void poll_for(struct stream_end *end, int events)
{
    if (!end->polled)
        return;
    if (events)
        (void)uv_poll_start(&end->poll, events, on_poll);
    else
        (void)uv_poll_stop(&end->poll);
}

static void update(struct loop_stream *s)
{
    if (s->destroyed)
        return;
    int in = wants_read(s) ? UV_READABLE : 0;
    int out = wants_write(s) && !s->connect_failed ? UV_WRITABLE : 0;
    if (s->joined) {
        poll_for(&s->rd, in | out);
    } else {
        poll_for(&s->rd, in);
        poll_for(&s->wr, out);
    }
    if (wants_kick(s))
        (void)uv_idle_start(&s->kick, on_kick);
    else
        (void)uv_idle_stop(&s->kick);
}

/* ---- writing ---- */

static void close_write_side(struct loop_stream *s)
{
    s->shutdown_due = false;
    if (s->wr.fd < 0)
        return;
    if (s->joined) {
        (void)shutdown(s->wr.fd, SHUT_WR); /* a terminal has no such half: fine */
        s->wr.fd = -1;
    } else {
        end_close(&s->wr);
    }
}

/* Put out what the kernel takes; the caller updates. */
static void flush_queue(struct loop_stream *s)
{
    while (loop_stream_queued(s) > 0 && !s->write_failed) {
        ssize_t n = write(s->wr.fd, s->out.data + s->out_at, loop_stream_queued(s));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (n < 0) {
            s->write_failed = -errno;
            s->out.len = s->out_at = 0;
            return;
        }
        s->out_at += (size_t)n;
    }
    if (s->out_at == s->out.len) {
        buf_fini(&s->out); /* a burst must not be kept for ever */
        buf_init(&s->out, SIZE_MAX / 4);
        s->out_at = 0;
        if (s->shutdown_due)
            close_write_side(s);
    } else if (s->out_at > s->out.len / 2) {
        buf_consume(&s->out, s->out_at);
        s->out_at = 0;
    }
}

int loop_stream_write(struct loop_stream *s, const void *data, size_t len)
{
    if (s->destroyed || s->write_failed || s->connect_failed || s->shutdown_due ||
        s->wr.fd < 0)
        return -EPIPE;
    bool was_empty = loop_stream_queued(s) == 0;
    const uint8_t *p = data;
    while (was_empty && !s->on_connect && len > 0) {
        ssize_t n = write(s->wr.fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
            s->write_failed = -errno;
        if (n < 0)
            break;
        p += n;
        len -= (size_t)n;
    }
    int rc = 0;
    if (s->write_failed)
        rc = -EPIPE;
    else if (len > 0)
        rc = buf_add(&s->out, p, len);
    if (rc == -ENOMEM)
        s->write_failed = rc; /* a part may have gone: nothing can follow it */
    s->drain_due = true;
    update(s);
    return rc;
}

void loop_stream_shutdown(struct loop_stream *s)
{
    if (s->destroyed || s->wr.fd < 0)
        return;
    if (loop_stream_queued(s) == 0 && !s->on_connect)
        close_write_side(s);
    else
        s->shutdown_due = true;
    update(s);
}

static uint64_t mono_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

int loop_stream_flush(struct loop_stream *s, unsigned ms)
{
    uint64_t until = mono_ms() + ms;
    if (s->on_connect)
        return loop_stream_queued(s) ? -ETIMEDOUT : 0;
    for (;;) {
        flush_queue(s);
        update(s);
        if (s->write_failed)
            return s->write_failed;
        if (loop_stream_queued(s) == 0)
            return 0;
        uint64_t now = mono_ms();
        if (now >= until)
            return -ETIMEDOUT;
        struct pollfd p = {.fd = s->wr.fd, .events = POLLOUT};
        (void)poll(&p, 1, (int)(until - now));
    }
}

/* ---- reading and events ---- */

void loop_stream_read(struct loop_stream *s, bool on)
{
    s->reading = on;
    update(s);
}

static void end_stream(struct loop_stream *s, int status)
{
    if (s->ended)
        return;
    s->ended = true;
    if (s->ops && s->ops->on_end)
        s->ops->on_end(s->arg, status);
}

/* Deliver what is there, at most `rounds` reads, `all`: until there is nothing. The
 * stream may be destroyed after it. */
static void read_some(struct loop_stream *s, int rounds, bool all)
{
    while (rounds-- > 0 && !s->destroyed && wants_read(s)) {
        ssize_t n = read(s->rd.fd, s->loop->scratch, sizeof s->loop->scratch);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (n <= 0) {
            /* EIO is how a terminal says that its other side has gone. */
            int status = n == 0 || errno == EIO ? 0 : -errno;
            s->read_done = true;
            end_stream(s, s->write_failed ? s->write_failed : status);
            return;
        }
        if (s->ops && s->ops->on_data)
            s->ops->on_data(s->arg, s->loop->scratch, (size_t)n);
        if (!all && (size_t)n < sizeof s->loop->scratch)
            return; /* most likely all there was; epoll tells if not */
    }
}

static void finish_connect(struct loop_stream *s, int status)
{
    void (*cb)(void *, int) = s->on_connect;
    s->on_connect = NULL;
    s->connect_failed = 0;
    if (status < 0) {
        s->write_failed = status;
        s->read_done = s->ended = true; /* on_connect is the one to say it */
    } else {
        flush_queue(s);
    }
    cb(s->connect_arg, status);
}

static void on_poll(uv_poll_t *h, int status, int events)
{
    struct loop_stream *s = h->data;
    if (s->on_connect) {
        int why = 0;
        socklen_t len = sizeof why;
        if (getsockopt(s->rd.fd, SOL_SOCKET, SO_ERROR, &why, &len) < 0)
            why = errno;
        finish_connect(s, -why);
        update(s);
        return;
    }
    /* libuv tells an error condition as EBADF and stops: read and write find out what
     * it is, update() starts again. */
    if (status < 0)
        events = UV_READABLE | UV_WRITABLE;
    if (events & UV_WRITABLE && loop_stream_queued(s) > 0)
        flush_queue(s);
    if (events & UV_READABLE)
        read_some(s, READS_PER_TURN, false);
    update(s);
}

static void on_kick(uv_idle_t *h)
{
    struct loop_stream *s = h->data;
    if (s->connect_failed)
        finish_connect(s, s->connect_failed);
    else if (s->write_failed)
        read_some(s, READS_AT_END, true);
    else if (!s->rd.polled)
        read_some(s, 1, false);
    if (!s->destroyed && s->write_failed)
        end_stream(s, s->write_failed);
    if (!s->destroyed && s->drain_due && loop_stream_queued(s) <= s->low_water) {
        s->drain_due = false;
        if (!s->write_failed && s->ops && s->ops->on_drain)
            s->ops->on_drain(s->arg);
    }
    update(s);
}

/* ---- making ---- */

/* A terminal or pipe that others have too (our parent's) must not become non-blocking
 * for them: open it anew, which gives us flags of our own. Sockets cannot be opened. */
static int own_description(int fd)
{
    struct stat st;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || flags & O_NONBLOCK || fstat(fd, &st) < 0)
        return fd;
    if (!S_ISFIFO(st.st_mode) && !(S_ISCHR(st.st_mode) && isatty(fd)))
        return fd;
    char path[40];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int own = open(path, (flags & O_ACCMODE) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (own < 0)
        return fd; /* another user's: then it has to be shared */
    (void)close(fd);
    return own;
}

int loop_stream_open(struct loop *l, int read_fd, int write_fd,
                     const struct loop_stream_ops *ops, void *arg,
                     struct loop_stream **ret, struct err *e)
{
    struct loop_stream *s = stream_new(l, ops, arg);
    if (!s) {
        if (read_fd >= 0)
            (void)close(read_fd);
        if (write_fd >= 0 && write_fd != read_fd)
            (void)close(write_fd);
        return err_sys(e, -ENOMEM, "open stream");
    }
    s->joined = read_fd >= 0 && read_fd == write_fd;
    if (read_fd >= 0)
        s->rd.fd = own_description(read_fd);
    if (write_fd >= 0)
        s->wr.fd = s->joined ? s->rd.fd : own_description(write_fd);
    int rc = 0;
    if (s->rd.fd >= 0)
        rc = end_poll(s, &s->rd);
    if (rc == 0 && s->wr.fd >= 0 && !s->joined)
        rc = end_poll(s, &s->wr);
    if (rc < 0) {
        loop_stream_destroy(s);
        return err_sys(e, rc, "open stream on descriptor %d",
                       read_fd >= 0 ? read_fd : write_fd);
    }
    *ret = s;
    return 0;
}

void loop_stream_connecting(struct loop_stream *s, int status,
                            void (*on_connect)(void *arg, int status), void *arg)
{
    s->on_connect = on_connect;
    s->connect_arg = arg;
    s->connect_failed = status;
    update(s);
}
