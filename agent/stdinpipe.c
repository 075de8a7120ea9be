/* SPDX-License-Identifier: MIT */
/* stdinpipe.c - see stdinpipe.h.
 *
 * The head counts its window from what it was told, so that is what it is held to: `told`
 * moves when a STDIN_TAKEN has gone out, not when the pipe takes bytes.
 */
#include "agent/stdinpipe.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/base/buf.h"
#include "proto/base/limits.h"

#define TELL_BYTES (LIMIT_STDIN_WINDOW / 4) /* not a message for every page */
#define TELL_MS    100u /* again, when the session had no room for it */

struct stdinpipe {
    struct upward up;
    uint32_t rank;
    int rank_fd, fd; /* the rank's end until it has it, and ours; -1: closed */
    struct loop_watch *watch;
    struct loop_timer *tell;
    struct buf waiting;
    uint64_t received, taken, told;
    bool eof;    /* nothing follows what is here */
    bool closed; /* nobody reads it */
    bool closed_told;
};

static void stdinpipe_on_writable(int events, void *arg);
static void stdinpipe_on_tell(void *arg);

int stdinpipe_create(struct loop *l, uint32_t rank, const struct upward *up,
                     struct stdinpipe **ret, struct err *e)
{
    int fds[2] = {-1, -1};
    struct stdinpipe *p = calloc(1, sizeof *p);
    if (!p || pipe2(fds, O_CLOEXEC) < 0) {
        int rc = p ? -errno : -ENOMEM;
        free(p);
        return err_sys(e, rc, "make the standard input of rank %u", rank);
    }
    p->up = *up;
    p->rank = rank;
    p->rank_fd = fds[0];
    p->fd = fds[1];
    buf_init(&p->waiting, LIMIT_STDIN_WINDOW);
    (void)fcntl(p->fd, F_SETFL,
                O_NONBLOCK); /* the rank's end stays as programs like it */
    p->watch = loop_watch_create(l, p->fd, stdinpipe_on_writable, p);
    p->tell = loop_timer_create(l, stdinpipe_on_tell, p);
    if (!p->watch || !p->tell) {
        stdinpipe_destroy(p);
        return err_sys(e, -ENOMEM, "make the standard input of rank %u", rank);
    }
    *ret = p;
    return 0;
}

static void stdinpipe_shut(struct stdinpipe *p)
{
    loop_watch_destroy(p->watch);
    p->watch = NULL;
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
    buf_fini(&p->waiting);
    buf_init(&p->waiting, LIMIT_STDIN_WINDOW);
}

void stdinpipe_destroy(struct stdinpipe *p)
{
    if (!p)
        return;
    stdinpipe_shut(p);
    stdinpipe_handed_over(p);
    loop_timer_destroy(p->tell);
    free(p);
}

int stdinpipe_fd_for(const struct stdinpipe *p, uint32_t rank)
{
    return p && rank == p->rank ? p->rank_fd : -1;
}

void stdinpipe_handed_over(struct stdinpipe *p)
{
    if (p->rank_fd >= 0)
        close(p->rank_fd);
    p->rank_fd = -1;
}

/* ---- to the head ---- */

static void stdinpipe_tell(struct stdinpipe *p)
{
    bool all = p->taken == p->received && p->taken > p->told;
    bool closed = p->closed && !p->closed_told;
    if (!closed && !all && p->taken - p->told < TELL_BYTES)
        return;
    Aolani__StdinTaken m = AOLANI__STDIN_TAKEN__INIT;
    m.rank = p->rank;
    m.offset = p->taken;
    m.closed = p->closed;
    if (p->up.send(p->up.arg, MSG_STDIN_TAKEN, &m.base) < 0) {
        loop_timer_start(p->tell, TELL_MS, 0);
        return;
    }
    p->told = p->taken;
    p->closed_told = p->closed;
}

static void stdinpipe_on_tell(void *arg)
{
    stdinpipe_tell(arg);
}

/* ---- to the rank ---- */

static void stdinpipe_close(struct stdinpipe *p)
{
    if (p->fd >= 0)
        p->closed = true;
    stdinpipe_shut(p);
    stdinpipe_tell(p);
}

static void stdinpipe_pump(struct stdinpipe *p)
{
    while (p->waiting.len > 0) {
        ssize_t n = write(p->fd, p->waiting.data, p->waiting.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0) {
            stdinpipe_close(p);
            return;
        }
        p->taken += (uint64_t)n;
        buf_consume(&p->waiting, (size_t)n);
    }
    if (p->waiting.len == 0 && p->eof)
        stdinpipe_shut(p);
    else
        loop_watch_set(p->watch, p->waiting.len > 0 ? LOOP_WRITE : 0);
    stdinpipe_tell(p);
}

/* An error is a reader that has gone: the write says so. */
static void stdinpipe_on_writable(int events, void *arg)
{
    (void)events;
    stdinpipe_pump(arg);
}

void stdinpipe_rank_ended(struct stdinpipe *p)
{
    stdinpipe_handed_over(p);
    stdinpipe_close(p);
}

/* ---- from the head ---- */

static int stdinpipe_check(const struct stdinpipe *p, const Aolani__Stdin *m,
                           struct err *e)
{
    if (m->rank != p->rank)
        return err_set(e, ERR_PROTO,
                       "take standard input for rank %u: that of rank %u was announced",
                       m->rank, p->rank);
    if (p->eof)
        return err_set(e, ERR_PROTO, "take standard input after its end");
    if (m->offset != p->received)
        return err_set(e, ERR_PROTO,
                       "take standard input from offset %" PRIu64 ": %" PRIu64
                       " is next",
                       m->offset, p->received);
    if (m->data.len > LIMIT_STDIN_CHUNK ||
        p->received + m->data.len - p->told > LIMIT_STDIN_WINDOW)
        return err_set(e, ERR_PROTO,
                       "take %zu bytes of standard input: more than the window",
                       m->data.len);
    return 0;
}

int stdinpipe_message(struct stdinpipe *p, const Aolani__Stdin *m, struct err *e)
{
    int rc = stdinpipe_check(p, m, e);
    if (rc < 0)
        return rc;
    p->eof = m->eof;
    p->received += m->data.len;
    if (p->fd < 0) /* it was on its way when the rank closed */
        return 0;
    rc = buf_add(&p->waiting, m->data.data, m->data.len);
    if (rc < 0)
        return err_sys(e, rc, "keep standard input for rank %u", p->rank);
    stdinpipe_pump(p);
    return 0;
}
