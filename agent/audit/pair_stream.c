/* SPDX-License-Identifier: MIT */
/* pair_stream.c - as much as goes through, one way. The rate is taken where it arrives:
 * what a sender was able to hand over is still in its own buffers. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "agent/audit/pair_impl.h"
#include "proto/base/clock.h"

static bool is_heard(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

int pair_stream_out(const struct pair_link *l, uint64_t window_ms)
{
    unsigned char *chunk = calloc(1, PAIR_CHUNK);
    uint64_t until = clock_mono_ns() + window_ms * 1000000;
    int rc = chunk ? 0 : -ENOMEM;
    bool last = false;
    while (rc == 0 && !last) {
        last = clock_mono_ns() >= until || is_heard(l->fd);
        chunk[0] = last ? 0 : 1;
        pair_put(chunk + 8, pair_retransmits(l->fd), 8);
        rc = pair_send(l, chunk, PAIR_CHUNK);
    }
    free(chunk);
    return rc;
}

/* What came of one chunk; its head may come in pieces. */
static void advance(struct pair_stream *s, const unsigned char *got, size_t n)
{
    size_t missing = s->at < PAIR_HEAD ? PAIR_HEAD - s->at : 0;
    memcpy(s->head + (PAIR_HEAD - missing), got, n < missing ? n : missing);
    if (missing && n >= missing)
        s->retransmits = pair_get(s->head + 8, 8);
    s->at += n;
    if (s->at == PAIR_CHUNK) {
        s->at = 0;
        s->ended = s->head[0] == 0;
    }
}

/* Up to the end of a chunk. */
static ssize_t take(const struct pair_link *l, struct pair_stream *s,
                    unsigned char *scratch)
{
    int rc = pair_wait(l, POLLIN);
    ssize_t n = rc < 0 ? rc : recv(l->fd, scratch, PAIR_CHUNK - s->at, MSG_DONTWAIT);
    if (rc < 0)
        return rc;
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    if (n == 0)
        return -ECONNRESET;
    advance(s, scratch, (size_t)n);
    return n;
}

/* The window begins with the first byte. */
static void begin(const struct pair_link *l, struct pair_link *window, uint64_t now,
                  uint64_t window_ms, struct pair_rate *r)
{
    pair_rate_start(r, now, window_ms * 1000000);
    if (now + window_ms * 1000000 < l->until_ns)
        window->until_ns = now + window_ms * 1000000;
}

static bool count(const struct pair_link *l, struct pair_rate *r, uint64_t own)
{
    uint64_t now = clock_mono_ns();
    if (!pair_rate_wants(r, now))
        return true;
    uint64_t total = pair_received(l->fd, own);
    return pair_rate_add(r, clock_mono_ns(), total);
}

int pair_stream_in(const struct pair_link *l, struct pair_stream *s, uint64_t window_ms,
                   struct pair_rate *r)
{
    unsigned char *scratch = malloc(PAIR_CHUNK);
    struct pair_link window = *l;
    uint64_t own = 0;
    bool goes_on = true;
    ssize_t n = scratch ? 0 : -ENOMEM;
    pair_rate_start(r, clock_mono_ns(), 0);
    while (n >= 0 && goes_on && !s->ended) {
        n = take(&window, s, scratch);
        if (n > 0 && own == 0)
            begin(l, &window, clock_mono_ns(), window_ms, r);
        own += n > 0 ? (uint64_t)n : 0;
        if (n > 0)
            goes_on = count(l, r, own);
    }
    free(scratch);
    if (own > 0 && (n >= 0 || n == -ETIMEDOUT)) {
        (void)count(l, r, own); /* also where nothing came any more */
        n = 0;
    }
    return n < 0 ? (int)n : 0;
}

int pair_stream_drain(const struct pair_link *l, struct pair_stream *s)
{
    unsigned char *scratch = malloc(PAIR_CHUNK);
    ssize_t n = scratch ? 0 : -ENOMEM;
    while (n >= 0 && !s->ended)
        n = take(l, s, scratch);
    free(scratch);
    return n < 0 ? (int)n : 0;
}
