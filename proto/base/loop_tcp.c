/* SPDX-License-Identifier: MIT */
/* loop_tcp.c - TCP for loop_stream: connecting and listening. Addresses are numeric:
 * the agent is a static binary and has no name service. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/base/limits.h"
#include "proto/base/loop_impl.h"
#include "proto/base/loop_stream.h"

/* Out of descriptors: the waiting connection would wake us again at once. */
#define ACCEPT_PAUSE_MS 100

static socklen_t address_len(const struct sockaddr *a)
{
    switch (a->sa_family) {
    case AF_INET:
        return sizeof(struct sockaddr_in);
    case AF_INET6:
        return sizeof(struct sockaddr_in6);
    default:
        return 0;
    }
}

static void tune(int fd)
{
    /* A host that vanishes is noticed by heartbeats; keep-alive is for who has none. */
    static const struct {
        int level, name, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},   {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, 30}, {IPPROTO_TCP, TCP_KEEPINTVL, 10},
        {IPPROTO_TCP, TCP_KEEPCNT, 3},
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value,
                         sizeof options[i].value);
}

int loop_stream_connect(struct loop *l, const struct sockaddr *to,
                        const struct loop_stream_ops *ops,
                        void (*on_connect)(void *arg, int status), void *arg,
                        struct loop_stream **ret, struct err *e)
{
    socklen_t len = address_len(to);
    if (!len)
        return err_set(e, -EAFNOSUPPORT, "connect: not an IPv4 or IPv6 address");
    int fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_sys(e, -errno, "make a socket");
    tune(fd);
    int status = 0;
    if (connect(fd, to, len) < 0 && errno != EINPROGRESS)
        status = -errno;
    struct loop_stream *s;
    int rc = loop_stream_open(l, fd, fd, ops, arg, &s, e);
    if (rc < 0)
        return rc;
    loop_stream_connecting(s, status, on_connect, arg);
    *ret = s;
    return 0;
}

/* ---- listening ---- */

struct loop_listener {
    struct loop *loop;
    uv_poll_t poll;
    uv_timer_t pause;
    int fd;
    loop_accept_f cb;
    void *arg;
    unsigned n_handles;
    bool destroyed;
};

static void on_acceptable(uv_poll_t *h, int status, int events);

static void on_listener_closed(uv_handle_t *h)
{
    struct loop_listener *s = h->data;
    if (--s->n_handles == 0)
        free(s);
}

void loop_listener_destroy(struct loop_listener *s)
{
    if (!s || s->destroyed)
        return;
    s->destroyed = true;
    uv_close((uv_handle_t *)&s->poll, on_listener_closed);
    uv_close((uv_handle_t *)&s->pause, on_listener_closed);
    (void)close(s->fd);
}

static void on_pause_over(uv_timer_t *h)
{
    struct loop_listener *s = h->data;
    (void)uv_poll_start(&s->poll, UV_READABLE, on_acceptable);
}

static void accept_one(struct loop_listener *s, int fd, const struct sockaddr *from)
{
    struct loop_stream *stream;
    tune(fd);
    if (loop_stream_open(s->loop, fd, fd, NULL, NULL, &stream, NULL) == 0)
        s->cb(s->arg, stream, from);
}

static void on_acceptable(uv_poll_t *h, int status, int events)
{
    struct loop_listener *s = h->data;
    (void)events;
    for (int i = 0; i < (int)LIMIT_ACCEPTS_PER_TURN && !s->destroyed && status == 0;
         i++) {
        struct sockaddr_storage from = {0};
        socklen_t len = sizeof from;
        int fd = accept4(s->fd, (struct sockaddr *)&from, &len,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            accept_one(s, fd, (struct sockaddr *)&from);
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            return;
        else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
                 errno == ENOMEM)
            status = -errno;
        /* else: that connection died while it waited */
    }
    if (status < 0 && !s->destroyed) {
        (void)uv_poll_stop(&s->poll);
        (void)uv_timer_start(&s->pause, on_pause_over, ACCEPT_PAUSE_MS, 0);
    }
}

static int bind_and_listen(const struct sockaddr *at, socklen_t len, uint16_t *ret_port,
                           int *ret_fd, struct err *e)
{
    struct sockaddr_storage bound = {0};
    socklen_t bound_len = sizeof bound;
    int fd = socket(at->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_sys(e, -errno, "make a listening socket");
    int on = 1, off = 0;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (at->sa_family ==
        AF_INET6) /* "::" takes IPv4 too, whatever the host's default */
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, at, len) < 0 || listen(fd, SOMAXCONN) < 0 ||
        getsockname(fd, (struct sockaddr *)&bound, &bound_len) < 0) {
        int rc = -errno;
        (void)close(fd);
        return err_sys(e, rc, "listen for TCP connections");
    }
    *ret_port =
        ntohs(at->sa_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                        : ((struct sockaddr_in *)&bound)->sin_port);
    *ret_fd = fd;
    return 0;
}

int loop_listen(struct loop *l, const struct sockaddr *at, loop_accept_f cb, void *arg,
                struct loop_listener **ret, uint16_t *ret_port, struct err *e)
{
    socklen_t len = address_len(at);
    if (!len)
        return err_set(e, -EAFNOSUPPORT, "listen: not an IPv4 or IPv6 address");
    uint16_t port = 0;
    int fd = -1;
    int rc = bind_and_listen(at, len, &port, &fd, e);
    if (rc < 0)
        return rc;
    struct loop_listener *s = calloc(1, sizeof *s);
    if (!s || (rc = uv_poll_init(&l->uv, &s->poll, fd)) < 0) {
        rc = err_sys(e, s ? rc : -ENOMEM, "listen for TCP connections");
        free(s);
        (void)close(fd);
        return rc;
    }
    (void)uv_timer_init(&l->uv, &s->pause);
    s->loop = l;
    s->fd = fd;
    s->cb = cb;
    s->arg = arg;
    s->poll.data = s->pause.data = s;
    s->n_handles = 2;
    (void)uv_poll_start(&s->poll, UV_READABLE, on_acceptable);
    *ret_port = port;
    *ret = s;
    return 0;
}
