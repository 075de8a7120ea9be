/* SPDX-License-Identifier: MIT */
/* reach.c - see reach.h. */
#include "agent/reach.h"

#include "agent/heads.h"
#include "proto/base/limits.h"
#include "proto/base/loop_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REACH_MS 10000u /* a firewall that drops says nothing for minutes */

struct reach {
    int door; /* of the side that answers */
    struct loop_watch *watch;
    void (*done)(void *arg, const char *error);
    void *arg;
    bool told;
    int status; /* before `stream` exists: to be told by the timer */
    char to[HEADS_TEXT];
    struct loop_stream *stream;
    struct loop_timer *timer;
};

static void reach_tell(struct reach *r, int status)
{
    char text[200] = "";
    if (r->told)
        return;
    r->told = true;
    loop_timer_stop(r->timer);
    if (status == -ETIMEDOUT)
        (void)snprintf(text, sizeof text,
                       "connect to \"%s\", where rank 0 would listen: no answer within "
                       "%u s",
                       r->to, REACH_MS / 1000);
    else if (status < 0)
        (void)snprintf(text, sizeof text,
                       "connect to \"%s\", where rank 0 would listen: %s", r->to,
                       strerror(-status));
    r->done(r->arg, text);
}

static void reach_on_connect(void *arg, int status)
{
    reach_tell(arg, status);
}

static void reach_on_timer(void *arg)
{
    struct reach *r = arg;
    reach_tell(r, r->stream ? -ETIMEDOUT : r->status);
}

static void reach_on_data(void *arg, const uint8_t *data, size_t len)
{
    (void)arg;
    (void)data;
    (void)len;
}

static void reach_on_end(void *arg, int status)
{
    (void)arg;
    (void)status;
}

int reach_create(struct loop *l, const char *address, uint32_t port,
                 void (*done)(void *arg, const char *error), void *arg,
                 struct reach **ret, struct err *e)
{
    static const struct loop_stream_ops ops = {.on_data = reach_on_data,
                                               .on_end = reach_on_end};
    struct sockaddr_storage at;
    struct err why;
    struct reach *r = calloc(1, sizeof *r);
    if (!r)
        goto fail;
    r->done = done;
    r->arg = arg;
    if (!(r->timer = loop_timer_create(l, reach_on_timer, r)))
        goto fail;
    int n = snprintf(r->to, sizeof r->to, strchr(address, ':') ? "[%s]:%u" : "%s:%u",
                     address, port);
    bool known = n < (int)sizeof r->to && heads_parse(r->to, &at) == 0;
    if (known)
        r->status = loop_stream_connect(l, (struct sockaddr *)&at, &ops,
                                        reach_on_connect, r, &r->stream, &why);
    loop_timer_start(r->timer, r->stream ? REACH_MS : 0, 0);
    *ret = r;
    return 0;
fail:
    reach_destroy(r);
    return err_sys(e, -ENOMEM, "try the way to rank 0");
}

/* ---- the other side ---- */

/* Those that nobody takes fill a queue, of 128 on many a system; more nodes than that would
 * hear nothing. */
static void reach_on_knock(int events, void *arg)
{
    const struct reach *r = arg;
    int fd;
    (void)events;
    for (unsigned i = 0; i < LIMIT_ACCEPTS_PER_TURN &&
                         (fd = accept4(r->door, NULL, NULL, SOCK_CLOEXEC)) >= 0;
         i++)
        close(fd);
}

int reach_answer(struct loop *l, int fd, struct reach **ret, struct err *e)
{
    struct reach *r = calloc(1, sizeof *r);
    if (!r || !(r->watch = loop_watch_create(l, fd, reach_on_knock, r))) {
        reach_destroy(r);
        return err_sys(e, -ENOMEM, "listen for other nodes");
    }
    r->door = fd;
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 || listen(fd, SOMAXCONN) < 0) {
        int rc = err_sys(e, -errno, "listen for other nodes");
        reach_destroy(r);
        return rc;
    }
    loop_watch_set(r->watch, LOOP_READ);
    *ret = r;
    return 0;
}

void reach_destroy(struct reach *r)
{
    if (!r)
        return;
    loop_watch_destroy(r->watch);
    loop_stream_destroy(r->stream);
    loop_timer_destroy(r->timer);
    free(r);
}
