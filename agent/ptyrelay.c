/* SPDX-License-Identifier: MIT */
/* ptyrelay.c - see ptyrelay.h.
 *
 * The last one to close the terminal, be it a child that outlives the rank, gives EIO on
 * our side after all bytes; that is the end of the stream. What a full disk does not take
 * is kept and tried again, meanwhile the rank waits: it must not lose what it could have
 * been told of as a failed write.
 */
#include "agent/ptyrelay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "proto/base/limits.h"

#define PIECE        (16u << 10)
#define TURN_PIECES  4  /* read before the other ranks have their turn */
#define LAST_PIECES  64 /* at the end: more than a terminal holds */
#define RETRY_MS     200u
#define GIVE_UP_MS   5000u /* on a full disk, once the ranks are gone */
#define COLUMNS_USED 80
#define LINES_USED   24

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41) /* Linux 4.13 */
#endif

struct pty {
    struct ptyrelay *relay;
    uint32_t rank;
    int master, spool; /* -1: the stream has ended */
    struct loop_watch *watch;
    uint8_t *kept; /* read, and not yet stored; NULL: nothing */
    size_t n_kept;
    int why;
    bool warned;
};

struct ptyrelay {
    struct loop *loop;
    struct loop_timer *retry;
    void (*warn)(void *arg, const struct err *e);
    void *arg;
    struct pty **ptys;
    size_t n, cap;
    uint64_t give_up_ms; /* 0: not finishing */
    uint8_t piece[PIECE];
};

/* ---- the terminal ---- */

static int pty_fail(struct err *e, int rc)
{
    if (rc == -ENOSPC || rc == -EAGAIN) {
        err_set(e, rc,
                "give the ranks pseudo-terminals: those of \"/dev/pts\" are used up");
        return err_hint(e, "raise the max= of that mount or kernel.pty.max, or run "
                           "without -u (job.unbuffered)");
    }
    err_sys(e, rc, "give the ranks pseudo-terminals: open \"/dev/ptmx\"");
    return err_hint(e, "mount devpts on \"/dev/pts\" with ptmxmode=666, or run without "
                       "-u (job.unbuffered)");
}

static int pty_open_master(struct err *e)
{
    int fd = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    return fd < 0 ? pty_fail(e, -errno) : fd;
}

/* By the master where the kernel can: then it does not matter what is mounted where. */
static int pty_open_slave(int master, struct err *e)
{
    int locked = 0;
    unsigned number;
    char path[32];
    if (ioctl(master, TIOCSPTLCK, &locked) < 0)
        return pty_fail(e, -errno);
    int fd = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0)
        return fd;
    if (ioctl(master, TIOCGPTN, &number) < 0)
        return pty_fail(e, -errno);
    (void)snprintf(path, sizeof path, "/dev/pts/%u", number);
    fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    return fd < 0 ? pty_fail(e, -errno) : fd;
}

static int pty_make_raw(int slave)
{
    struct termios t;
    struct winsize size = {.ws_row = LINES_USED, .ws_col = COLUMNS_USED};
    if (tcgetattr(slave, &t) < 0)
        return -errno;
    cfmakeraw(&t);
    if (tcsetattr(slave, TCSANOW, &t) < 0 || ioctl(slave, TIOCSWINSZ, &size) < 0)
        return -errno;
    return 0;
}

static int pty_open(int *ret_master, int *ret_slave, struct err *e)
{
    int master = pty_open_master(e);
    if (master < 0)
        return master;
    int slave = pty_open_slave(master, e);
    int rc = slave < 0 ? slave : pty_make_raw(slave);
    if (rc < 0) {
        if (slave >= 0) {
            pty_fail(e, rc);
            close(slave);
        }
        close(master);
        return rc;
    }
    *ret_master = master;
    *ret_slave = slave;
    return 0;
}

/* That there are enough must be known before the first rank runs. They are not kept: our
 * own limit of descriptors is raised only for the ranks. */
static int pty_try(size_t n, struct err *e)
{
    int master, slave;
    int rc = pty_open(&master, &slave, e);
    if (rc < 0)
        return rc;
    int *more = calloc(n, sizeof *more);
    size_t k = 0;
    while (more && k + 1 < n && (more[k] = pty_open_master(e)) >= 0)
        k++;
    if (more && k + 1 < n && more[k] != -EMFILE)
        rc = more[k];
    while (k > 0)
        close(more[--k]);
    free(more);
    close(slave);
    close(master);
    return rc;
}

/* ---- from the terminal to the file ---- */

static void pty_close(struct pty *t)
{
    loop_watch_destroy(t->watch);
    t->watch = NULL;
    if (t->master >= 0)
        close(t->master);
    if (t->spool >= 0)
        close(t->spool);
    t->master = t->spool = -1;
    free(t->kept);
    t->kept = NULL;
    t->n_kept = 0;
}

/* How many of the bytes are in the file. */
static size_t pty_store(struct pty *t, const uint8_t *bytes, size_t len)
{
    size_t at = 0;
    while (at < len) {
        ssize_t n = write(t->spool, bytes + at, len - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            t->why = errno;
        if (n <= 0)
            break;
        at += (size_t)n;
    }
    return at;
}

static void pty_warn(struct pty *t, const char *what)
{
    struct err e;
    if (t->warned)
        return;
    t->warned = true;
    err_sys(&e, -t->why, "store the standard output of rank %u; %s", t->rank, what);
    t->relay->warn(t->relay->arg, &e);
}

static void pty_keep(struct pty *t, const uint8_t *bytes, size_t len)
{
    t->kept = malloc(len);
    if (!t->kept) {
        pty_warn(t, "some of it is lost");
        return;
    }
    memcpy(t->kept, bytes, len);
    t->n_kept = len;
    pty_warn(t, "it waits");
    loop_watch_set(t->watch, 0);
    if (!t->relay->give_up_ms)
        loop_timer_start(t->relay->retry, RETRY_MS, 0);
}

/* At most so many pieces; stops before what cannot be stored. */
static void pty_read(struct pty *t, int pieces)
{
    struct ptyrelay *r = t->relay;
    while (pieces > 0 && !t->kept) {
        ssize_t n = read(t->master, r->piece, sizeof r->piece);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            pty_close(t);
            return;
        }
        pieces--;
        size_t stored = pty_store(t, r->piece, (size_t)n);
        if (stored < (size_t)n)
            pty_keep(t, r->piece + stored, (size_t)n - stored);
    }
}

static void pty_on_readable(int events, void *arg)
{
    (void)events; /* what an error is, the read says */
    pty_read(arg, TURN_PIECES);
}

/* True: nothing is kept any more. */
static bool pty_retry(struct pty *t)
{
    if (!t->kept)
        return true;
    size_t stored = pty_store(t, t->kept, t->n_kept);
    memmove(t->kept, t->kept + stored, t->n_kept - stored);
    t->n_kept -= stored;
    if (t->n_kept > 0)
        return false;
    free(t->kept);
    t->kept = NULL;
    loop_watch_set(t->watch, LOOP_READ);
    return true;
}

static void ptyrelay_on_retry(void *arg)
{
    struct ptyrelay *r = arg;
    bool all = true;
    for (size_t i = 0; i < r->n; i++)
        all = pty_retry(r->ptys[i]) && all;
    if (!all)
        loop_timer_start(r->retry, RETRY_MS, 0);
}

/* ---- the ranks ---- */

int ptyrelay_create(struct loop *l, size_t n_ranks,
                    void (*warn)(void *arg, const struct err *e), void *arg,
                    struct ptyrelay **ret, struct err *e)
{
    int rc = n_ranks > 0 ? pty_try(n_ranks, e) : 0;
    if (rc < 0)
        return rc;
    struct ptyrelay *r = calloc(1, sizeof *r);
    if (!r)
        goto fail;
    r->loop = l;
    r->warn = warn;
    r->arg = arg;
    r->cap = n_ranks;
    r->ptys = calloc(n_ranks + 1, sizeof *r->ptys);
    r->retry = loop_timer_create(l, ptyrelay_on_retry, r);
    if (!r->ptys || !r->retry)
        goto fail;
    *ret = r;
    return 0;
fail:
    ptyrelay_destroy(r);
    return err_sys(e, -ENOMEM, "give the ranks pseudo-terminals");
}

void ptyrelay_destroy(struct ptyrelay *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n; i++) {
        pty_close(r->ptys[i]);
        free(r->ptys[i]);
    }
    loop_timer_destroy(r->retry);
    free(r->ptys);
    free(r);
}

int ptyrelay_open_rank(struct ptyrelay *r, uint32_t rank, int *fd, struct err *e)
{
    int slave;
    struct pty *t = r->n < r->cap ? calloc(1, sizeof *t) : NULL;
    if (!t)
        return err_sys(e, -ENOMEM, "give rank %u a pseudo-terminal", rank);
    *t = (struct pty){.relay = r, .rank = rank, .master = -1, .spool = -1};
    int rc = pty_open(&t->master, &slave, e);
    if (rc < 0)
        goto fail;
    t->watch = loop_watch_create(r->loop, t->master, pty_on_readable, t);
    if (!t->watch) {
        close(slave);
        rc = err_sys(e, -ENOMEM, "give rank %u a pseudo-terminal", rank);
        goto fail;
    }
    loop_watch_set(t->watch, LOOP_READ);
    t->spool = *fd;
    *fd = slave;
    r->ptys[r->n++] = t;
    return 0;
fail:
    pty_close(t);
    free(t);
    return rc;
}

/* A process that could not be killed may still have the terminal: what is there now is
 * all that is waited for. */
bool ptyrelay_finish(struct ptyrelay *r)
{
    uint64_t now = loop_now_ms(r->loop);
    bool all = true;
    if (!r->give_up_ms)
        r->give_up_ms = now + GIVE_UP_MS;
    loop_timer_stop(r->retry);
    for (size_t i = 0; i < r->n; i++) {
        struct pty *t = r->ptys[i];
        if (t->master < 0)
            continue;
        if (pty_retry(t))
            pty_read(t, LAST_PIECES);
        if (t->kept && now < r->give_up_ms) {
            all = false;
            continue;
        }
        if (t->kept) {
            t->warned = false;
            pty_warn(t, "the end of it is lost");
        }
        pty_close(t);
    }
    return all;
}
