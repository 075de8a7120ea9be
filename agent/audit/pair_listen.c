/* SPDX-License-Identifier: MIT */
/* pair_listen.c - the end that waits: for the one partner that knows the token, whoever
 * else comes meanwhile. A few may be at their token at once, so that one who says nothing
 * keeps nobody out; where more come, the one that was silent longest goes. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/audit/pair_impl.h"
#include "agent/audit/pair_listener.h"
#include "proto/base/clock.h"

#define PER_TURN 16u /* accepted, before those who wait have their turn */

static int address_of(const char *text, struct sockaddr_storage *sa, socklen_t *len,
                      struct err *e)
{
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)sa;
    if (*text)
        return pair_address(text, 0, sa, len, e);
    *six = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = in6addr_any};
    *len = sizeof *six;
    return 0;
}

static int open_socket(const char *address, struct err *e)
{
    struct sockaddr_storage sa = {0};
    socklen_t len = 0;
    int off = 0, one = 1, rc = address_of(address, &sa, &len, e);
    if (rc < 0)
        return rc;
    int type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
    int fd = socket(sa.ss_family, type, 0);
    if (fd < 0 && errno == EAFNOSUPPORT && !*address) {
        struct sockaddr_in four = {.sin_family = AF_INET};
        memcpy(&sa, &four, sizeof four);
        len = sizeof four;
        fd = socket(AF_INET, type, 0);
    }
    if (fd < 0)
        return err_sys(e, -errno, "make a socket for a pair");
    if (sa.ss_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, *address ? &one : &off,
                         sizeof off);
    if (bind(fd, (struct sockaddr *)&sa, len) < 0 || listen(fd, PAIR_PENDING) < 0) {
        rc = err_sys(e, -errno, "listen on the address \"%s\"", address);
        close(fd);
        return rc;
    }
    return fd;
}

static uint32_t port_of(int fd)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof sa;
    if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
        return 0;
    return ntohs(sa.ss_family == AF_INET ? ((struct sockaddr_in *)&sa)->sin_port
                                         : ((struct sockaddr_in6 *)&sa)->sin6_port);
}

int pair_listen(const Aolani__AuditListen *ask, struct pair_listener **ret,
                uint32_t *ret_port, struct err *e)
{
    if (ask->token.len != PAIR_TOKEN_BYTES)
        return err_set(e, ERR_PROTO,
                       "listen for a pair: its token has %zu bytes, not %u",
                       ask->token.len, PAIR_TOKEN_BYTES);
    struct pair_listener *l = calloc(1, sizeof *l);
    if (!l || !(l->nic = strdup(ask->nic))) {
        free(l);
        return err_sys(e, -ENOMEM, "listen for a pair");
    }
    uint64_t limit = ask->limit_ms > PAIR_LIMIT_MS ? PAIR_LIMIT_MS : ask->limit_ms;
    l->until_ns = clock_mono_ns() + limit * 1000000;
    memcpy(l->token, ask->token.data, PAIR_TOKEN_BYTES);
    l->fd = open_socket(ask->address, e);
    if (l->fd < 0) {
        int rc = l->fd;
        pair_listener_destroy(l);
        return rc;
    }
    *ret = l;
    *ret_port = port_of(l->fd);
    return 0;
}

static void drop(struct pair_listener *l, size_t i)
{
    close(l->pending[i].fd);
    l->pending[i] = l->pending[--l->n_pending];
}

void pair_listener_close(struct pair_listener *l)
{
    while (l->n_pending > 0)
        drop(l, 0);
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
}

void pair_listener_destroy(struct pair_listener *l)
{
    if (!l)
        return;
    pair_listener_close(l);
    free(l->nic);
    free(l);
}

static void drop_oldest(struct pair_listener *l)
{
    size_t oldest = 0;
    for (size_t i = 1; i < l->n_pending; i++)
        if (l->pending[i].came_ns < l->pending[oldest].came_ns)
            oldest = i;
    drop(l, oldest);
}

static void take_in(struct pair_listener *l)
{
    for (unsigned i = 0; i < PER_TURN; i++) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return;
        if (l->n_pending == PAIR_PENDING)
            drop_oldest(l);
        l->pending[l->n_pending++] =
            (struct pair_pending){.fd = fd, .came_ns = clock_mono_ns()};
    }
}

/* Takes the same time wherever the first difference is. */
static bool is_token(const struct pair_listener *l, const unsigned char *got)
{
    volatile unsigned char differs = 0;
    for (unsigned i = 0; i < PAIR_TOKEN_BYTES; i++)
        differs |= l->token[i] ^ got[i];
    return differs == 0;
}

/* 1: it is the partner. 0: not yet known. -1: it is not, or is gone. */
static int hear(struct pair_listener *l, struct pair_pending *p)
{
    ssize_t n = recv(p->fd, p->got + p->n_got, PAIR_TOKEN_BYTES - p->n_got, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    p->n_got += (size_t)n;
    if (n == 0)
        return -1;
    if (p->n_got < PAIR_TOKEN_BYTES)
        return 0;
    return is_token(l, p->got) ? 1 : -1;
}

/* The partner's descriptor, or -1: not among them yet. */
static int hear_all(struct pair_listener *l)
{
    for (size_t i = l->n_pending; i-- > 0;) {
        int is = hear(l, &l->pending[i]), fd = l->pending[i].fd;
        if (is > 0) {
            l->pending[i] = l->pending[--l->n_pending];
            return fd;
        }
        if (is < 0 || clock_mono_ns() - l->pending[i].came_ns > PAIR_PROVE_NS)
            drop(l, i);
    }
    return -1;
}

int pair_listener_partner(struct pair_listener *l, struct err *e)
{
    struct pollfd p[PAIR_PENDING + 1];
    for (;;) {
        uint64_t now = clock_mono_ns();
        if (now >= l->until_ns)
            return err_set(e, -ETIMEDOUT, "wait for the other node of a pair: %s",
                           "it did not come in time");
        p[0] = (struct pollfd){.fd = l->fd, .events = POLLIN};
        for (size_t i = 0; i < l->n_pending; i++)
            p[i + 1] = (struct pollfd){.fd = l->pending[i].fd, .events = POLLIN};
        uint64_t left = (l->until_ns - now) / 1000000 + 1;
        if (poll(p, l->n_pending + 1, left > 250 ? 250 : (int)left) < 0 &&
            errno != EINTR)
            return err_sys(e, -errno, "wait for the other node of a pair");
        int fd = hear_all(l);
        if (fd >= 0)
            return fd;
        if (p[0].revents)
            take_in(l);
    }
}
