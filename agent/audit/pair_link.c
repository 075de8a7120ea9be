/* SPDX-License-Identifier: MIT */
/* pair_link.c - a connection of a pair: everything on it ends by its deadline. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/audit/pair_impl.h"
#include "proto/base/clock.h"

#define MAGIC 0x52504f41u /* "AOPR" */
/* Not yet sent, and no longer to be taken back: at 1 MB/s it keeps the line for 0.1 s. */
#define NOT_SENT (128 << 10)

int pair_address(const char *text, uint32_t port, struct sockaddr_storage *ret,
                 socklen_t *ret_len, struct err *e)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *ai = NULL;
    char service[16];
    (void)snprintf(service, sizeof service, "%u", port);
    if (port > 65535)
        return err_set(e, -EINVAL, "use the port %u: there is none beyond 65535", port);
    int rc = getaddrinfo(text, service, &hints, &ai);
    if (rc != 0 || !ai)
        return err_set(e, -EINVAL, "use the address \"%s\": %s", text,
                       gai_strerror(rc));
    memcpy(ret, ai->ai_addr, ai->ai_addrlen);
    *ret_len = ai->ai_addrlen;
    freeaddrinfo(ai);
    return 0;
}

int pair_tune(int fd)
{
    int one = 1, lowat = NOT_SENT;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0)
        return -errno;
    /* Old kernels have it not; the end of a stream then only comes later. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof lowat);
    return 0;
}

uint64_t pair_received(int fd, uint64_t own)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 ||
        len < offsetof(struct tcp_info, tcpi_bytes_received) + 8)
        return own;
    return info.tcpi_bytes_received;
}

uint64_t pair_retransmits(int fd)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
        return 0;
    return info.tcpi_total_retrans;
}

int pair_wait(const struct pair_link *l, short events)
{
    struct pollfd p = {.fd = l->fd, .events = events};
    for (;;) {
        uint64_t now = clock_mono_ns();
        if (now >= l->until_ns)
            return -ETIMEDOUT;
        int n = poll(&p, 1, (int)((l->until_ns - now) / 1000000) + 1);
        if (n > 0)
            return p.revents;
        if (n < 0 && errno != EINTR)
            return -errno;
    }
}

/* The deadline is looked at even when the socket never makes us wait. */
static int after(const struct pair_link *l, ssize_t n, short events)
{
    if (n == 0)
        return -ECONNRESET;
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        return errno == EPIPE ? -ECONNRESET : -errno;
    if (n > 0)
        return clock_mono_ns() >= l->until_ns ? -ETIMEDOUT : 0;
    int rc = pair_wait(l, events);
    return rc < 0 ? rc : 0;
}

int pair_send(const struct pair_link *l, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t n = send(l->fd, at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        size_t got = n > 0 ? (size_t)n : 0;
        at += got;
        len -= got;
        int rc = len > 0 ? after(l, n, POLLOUT) : 0;
        if (rc < 0)
            return rc;
    }
    return 0;
}

int pair_recv(const struct pair_link *l, void *ret, size_t len)
{
    char *at = ret;
    while (len > 0) {
        ssize_t n = recv(l->fd, at, len, MSG_DONTWAIT);
        size_t got = n > 0 ? (size_t)n : 0;
        at += got;
        len -= got;
        int rc = len > 0 ? after(l, n, POLLIN) : 0;
        if (rc < 0)
            return rc;
    }
    return 0;
}

void pair_put(unsigned char *out, uint64_t v, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        out[i] = (unsigned char)(v >> (8 * i));
}

uint64_t pair_get(const unsigned char *in, unsigned n)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < n; i++)
        v |= (uint64_t)in[i] << (8 * i);
    return v;
}

void pair_record_encode(const struct pair_record *r, unsigned char out[PAIR_RECORD])
{
    memset(out, 0, PAIR_RECORD);
    pair_put(out, MAGIC, 4);
    pair_put(out + 4, r->op, 4);
    pair_put(out + 8, r->a, 8);
    pair_put(out + 16, r->b, 8);
    pair_put(out + 24, r->c, 8);
}

int pair_record_decode(const unsigned char in[PAIR_RECORD], struct pair_record *ret)
{
    uint64_t op = pair_get(in + 4, 4);
    if (pair_get(in, 4) != MAGIC || op == 0 || op >= PAIR_OPS)
        return -EPROTO;
    ret->op = (enum pair_op)op;
    ret->a = pair_get(in + 8, 8);
    ret->b = pair_get(in + 16, 8);
    ret->c = pair_get(in + 24, 8);
    return 0;
}

int pair_send_record(const struct pair_link *l, const struct pair_record *r)
{
    unsigned char bytes[PAIR_RECORD];
    pair_record_encode(r, bytes);
    return pair_send(l, bytes, sizeof bytes);
}

int pair_recv_record(const struct pair_link *l, struct pair_record *ret)
{
    unsigned char bytes[PAIR_RECORD];
    int rc = pair_recv(l, bytes, sizeof bytes);
    return rc < 0 ? rc : pair_record_decode(bytes, ret);
}
