/* SPDX-License-Identifier: MIT */
/* stdinfeed.c - a thread that reads one chunk when it may, and the loop that sends it.
 *
 * The thread may hang in read for ever, so what it uses is shared and freed by the last
 * of the two. All signals are blocked there: SIGTTIN, which would stop the whole program
 * in the background of a terminal, then becomes EIO, and no bytes are taken from whoever
 * is in the foreground.
 */
#include "launcher/stdinfeed.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "proto/base/limits.h"

#define BACKGROUND_MS 500 /* look again whether we are in the foreground */

struct reader {
    int fd, cancel;         /* cancel: readable once the loop wants no more */
    struct loop_wake *wake; /* under the lock, like all below */
    pthread_mutex_t lock;
    pthread_cond_t more;
    unsigned n_users;
    size_t allowed; /* the rest of the window */
    bool full;      /* chunk, len, error are the loop's until it is not */
    bool quit;
    size_t len;
    int error;
    bool eof;
    uint8_t chunk[LIMIT_STDIN_CHUNK];
};

struct stdinfeed {
    const struct stdinfeed_ops *ops;
    void *arg;
    struct reader *reader; /* NULL: nothing more is read */
    struct loop_wake *wake;
    uint64_t sent, taken;
};

/* ---- both ---- */

static void reader_free(struct reader *r)
{
    if (r->fd >= 0)
        (void)close(r->fd);
    if (r->cancel >= 0)
        (void)close(r->cancel);
    (void)pthread_mutex_destroy(&r->lock);
    (void)pthread_cond_destroy(&r->more);
    free(r);
}

static void reader_release(struct reader *r)
{
    (void)pthread_mutex_lock(&r->lock);
    bool last = --r->n_users == 0;
    (void)pthread_mutex_unlock(&r->lock);
    if (last)
        reader_free(r);
}

/* ---- the thread ---- */

static bool reader_is_in_background(const struct reader *r)
{
    pid_t foreground = tcgetpgrp(r->fd); /* -1: not our terminal */
    return foreground >= 0 && foreground != getpgrp();
}

/* What a failed read says: 0: try again, or at once an end in *ret_end; else -errno. */
static int reader_judge(struct reader *r, int error, bool *ret_end)
{
    struct pollfd cancel = {.fd = r->cancel, .events = POLLIN};
    if (error == EINTR || error == EAGAIN)
        return 0;
    if (error != EIO || !isatty(r->fd))
        return -error;
    if (!reader_is_in_background(r))
        *ret_end = true; /* its other side has gone */
    else
        (void)poll(&cancel, 1, BACKGROUND_MS);
    return 0;
}

/* Bytes, 0: the end, or -errno; -ECANCELED: nobody wants it any more. */
static ssize_t reader_get(struct reader *r, size_t want)
{
    for (bool end = false; !end;) {
        struct pollfd p[2] = {{.fd = r->cancel, .events = POLLIN},
                              {.fd = r->fd, .events = POLLIN}};
        if (poll(p, 2, -1) < 0 && errno != EINTR)
            return -errno;
        if (p[0].revents)
            return -ECANCELED;
        if (!p[1].revents)
            continue;
        ssize_t n = read(r->fd, r->chunk, want);
        int rc = n < 0 ? reader_judge(r, errno, &end) : 0;
        if (n >= 0 || rc < 0)
            return n >= 0 ? n : rc;
    }
    return 0;
}

/* How much may be read; 0: no more. */
static size_t reader_wait(struct reader *r)
{
    (void)pthread_mutex_lock(&r->lock);
    while (!r->quit && (r->full || r->allowed == 0))
        (void)pthread_cond_wait(&r->more, &r->lock);
    size_t want = r->quit ? 0 : r->allowed;
    (void)pthread_mutex_unlock(&r->lock);
    return want < sizeof r->chunk ? want : sizeof r->chunk;
}

static void reader_give(struct reader *r, ssize_t n)
{
    (void)pthread_mutex_lock(&r->lock);
    r->len = n > 0 ? (size_t)n : 0;
    r->error = n < 0 ? (int)n : 0;
    r->eof = n <= 0;
    r->full = true;
    if (!r->quit)
        loop_wake_send(r->wake);
    (void)pthread_mutex_unlock(&r->lock);
}

static void *reader_main(void *arg)
{
    struct reader *r = arg;
    ssize_t n = 1;
    for (size_t want; n > 0 && (want = reader_wait(r)) > 0;) {
        n = reader_get(r, want);
        if (n != -ECANCELED)
            reader_give(r, n);
    }
    reader_release(r);
    return NULL;
}

static int reader_start(struct reader *r)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, old;
    sigfillset(&all);
    int rc = -pthread_attr_init(&attr);
    if (rc < 0)
        return rc;
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = -pthread_create(&thread, &attr, reader_main, r);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    (void)pthread_attr_destroy(&attr);
    return rc;
}

/* ---- the loop ---- */

static int reader_create(int fd, struct loop_wake *wake, struct reader **ret)
{
    struct reader *r = calloc(1, sizeof *r);
    if (!r)
        return -ENOMEM;
    (void)pthread_mutex_init(&r->lock, NULL);
    (void)pthread_cond_init(&r->more, NULL);
    r->n_users = 2;
    r->allowed = LIMIT_STDIN_WINDOW;
    r->wake = wake;
    r->cancel = -1;
    r->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3); /* open for as long as the thread reads */
    int rc = r->fd < 0 ? -errno : 0;
    if (rc == 0 && (r->cancel = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
        rc = -errno;
    if (rc == 0)
        rc = reader_start(r);
    if (rc < 0) {
        reader_free(r);
        return rc;
    }
    *ret = r;
    return 0;
}

static void stdinfeed_stop(struct stdinfeed *f)
{
    struct reader *r = f->reader;
    if (!r)
        return;
    f->reader = NULL;
    (void)pthread_mutex_lock(&r->lock);
    r->quit = true;
    (void)pthread_cond_signal(&r->more);
    (void)pthread_mutex_unlock(&r->lock);
    (void)eventfd_write(r->cancel, 1);
    reader_release(r);
}

static void stdinfeed_allow(struct stdinfeed *f, bool emptied)
{
    struct reader *r = f->reader;
    if (!r)
        return;
    (void)pthread_mutex_lock(&r->lock);
    r->allowed = LIMIT_STDIN_WINDOW - (size_t)(f->sent - f->taken);
    r->full = r->full && !emptied;
    (void)pthread_cond_signal(&r->more);
    (void)pthread_mutex_unlock(&r->lock);
}

static void stdinfeed_on_wake(void *arg)
{
    struct stdinfeed *f = arg;
    struct reader *r = f->reader;
    struct err e;
    if (!r)
        return;
    (void)pthread_mutex_lock(&r->lock);
    bool full = r->full;
    (void)pthread_mutex_unlock(&r->lock);
    if (!full) /* an old wake-up */
        return;
    if (r->error < 0) {
        err_sys(&e, r->error, "read standard input");
        stdinfeed_stop(f);
        f->ops->failed(f->arg, &e);
        return;
    }
    int rc = f->ops->send(f->arg, f->sent, r->chunk, r->len, r->eof);
    f->sent += r->len;
    if (rc < 0 || r->eof)
        stdinfeed_stop(f);
    else
        stdinfeed_allow(f, true);
}

int stdinfeed_create(struct loop *l, int fd, const struct stdinfeed_ops *ops, void *arg,
                     struct stdinfeed **ret, struct err *e)
{
    struct stdinfeed *f = calloc(1, sizeof *f);
    int rc = -ENOMEM;
    if (!f)
        goto fail;
    f->ops = ops;
    f->arg = arg;
    f->wake = loop_wake_create(l, stdinfeed_on_wake, f);
    if (!f->wake || (rc = reader_create(fd, f->wake, &f->reader)) < 0)
        goto fail;
    *ret = f;
    return 0;
fail:
    stdinfeed_destroy(f);
    return err_sys(e, rc, "read standard input");
}

void stdinfeed_destroy(struct stdinfeed *f)
{
    if (!f)
        return;
    stdinfeed_stop(f);
    loop_wake_destroy(f->wake);
    free(f);
}

int stdinfeed_taken(struct stdinfeed *f, uint64_t offset, bool closed, struct err *e)
{
    if (offset < f->taken || offset > f->sent)
        return err_set(e, ERR_PROTO,
                       "standard input is said to be taken up to %" PRIu64 ": %" PRIu64
                       " were, %" PRIu64 " are sent",
                       offset, f->taken, f->sent);
    f->taken = offset;
    if (closed)
        stdinfeed_stop(f);
    else
        stdinfeed_allow(f, false);
    return 0;
}
