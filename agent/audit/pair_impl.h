/* SPDX-License-Identifier: MIT */
/* pair_impl - what the two ends of a pair share: a connection with deadlines, the records
 * on it, and the streams.
 *
 * The one that comes sends the token; the one that waits answers with a record, and then
 * does what each record says. A record has 64 bytes and no length in it, so nothing that a
 * peer says makes the other one allocate: "AOPR", op, and three numbers, little endian.
 * An op of which more is to be said is followed by PAIR_MORE bytes, always.
 * A stream is chunks of PAIR_CHUNK bytes. The first byte of one is 0 when it is the last;
 * bytes 8 to 15 say how often the sender has had to send something again.
 */
#ifndef AGENT_AUDIT_PAIR_IMPL_H
#define AGENT_AUDIT_PAIR_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "agent/audit/pair.h"

#define PAIR_RECORD    64u
#define PAIR_MORE      256u
#define PAIR_CHUNK     65536u
#define PAIR_HEAD      16u
#define PAIR_SLOTS     100u
#define PAIR_TRIPS     16384u /* timed, at most */
#define PAIR_WINDOW_MS 10000u /* of one stream, at most, whatever a peer asks for */

enum pair_op {
    PAIR_WELCOME = 1, /* the token was right */
    PAIR_ECHO,        /* send this record back */
    PAIR_SINK,        /* a stream follows; say after a ms what came: PAIR_DONE */
    PAIR_SOURCE,      /* send a stream for a ms; the last that is asked */
    PAIR_RDMA, /* more: the queue pair of who asks; answered by the same or PAIR_NO */
    PAIR_RDMA_ECHO, /* answer what comes by RDMA for a ms, until one says the last */
    PAIR_RDMA_PUSH, /* write by RDMA for a ms: PAIR_DONE */
    PAIR_DONE,      /* a bytes in b ns; c retransmits of who says it */
    PAIR_NO,        /* more: why not */
    PAIR_BYE,
    PAIR_OPS
};

struct pair_record {
    enum pair_op op;
    uint64_t a, b, c;
};

struct pair_link {
    int fd;            /* does not block */
    uint64_t until_ns; /* CLOCK_MONOTONIC: when all has to be over */
};

/* How much had come when, for a rate that leaves out the start: the first part of a stream
 * runs on what buffers and a shaper's bucket take at once. */
struct pair_rate {
    uint64_t from_ns, slot_ns;
    size_t n;                    /* of these, at most one for each slot of the window */
    uint64_t ns[PAIR_SLOTS + 1]; /* rising */
    uint64_t total[PAIR_SLOTS + 1];
};

/* window_ns: how long it is meant to last. from_ns: the first byte's. */
void pair_rate_start(struct pair_rate *r, uint64_t from_ns, uint64_t window_ns);
/* Is the total of now wanted? One for each slot is enough. */
bool pair_rate_wants(const struct pair_rate *r, uint64_t now_ns);
/* total: of all bytes, from any beginning on. false: the window is over. */
bool pair_rate_add(struct pair_rate *r, uint64_t now_ns, uint64_t total);
/* Bytes, and how long they took, of the later part. */
void pair_rate_steady(const struct pair_rate *r, uint64_t *ret_bytes, uint64_t *ret_ns);
uint64_t pair_mbytes(uint64_t bytes, uint64_t ns); /* MB/s, 1 at least; ns 0: 0 */
/* Sorts the trips. */
void pair_trips(uint64_t *ns, size_t n, Aolani__AuditPair *p);

/* A socket address from numeric text; 0 or -EINVAL. text "": any address, IPv6 where there
 * is IPv6. */
int pair_address(const char *text, uint32_t port, struct sockaddr_storage *ret,
                 socklen_t *ret_len, struct err *e);
/* 0 or -errno. */
int pair_tune(int fd);
/* Bytes that have come, read or not yet: what a reader that had to wait for its CPU says of
 * time is then right all the same. own: where the kernel does not say. */
uint64_t pair_received(int fd, uint64_t own);
uint64_t pair_retransmits(int fd); /* 0 where the kernel does not say */
/* -ETIMEDOUT: the link's time is over. */
int pair_wait(const struct pair_link *l, short events);
/* All of it, or a failure: -ETIMEDOUT, -ECONNRESET (also its end), ... */
int pair_send(const struct pair_link *l, const void *data, size_t len);
int pair_recv(const struct pair_link *l, void *ret, size_t len);
int pair_send_record(const struct pair_link *l, const struct pair_record *r);
/* -EPROTO: it is none. */
int pair_recv_record(const struct pair_link *l, struct pair_record *ret);
/* Numbers on the wire, little endian, of n bytes. */
void pair_put(unsigned char *out, uint64_t v, unsigned n);
uint64_t pair_get(const unsigned char *in, unsigned n);
void pair_record_encode(const struct pair_record *r, unsigned char out[PAIR_RECORD]);
int pair_record_decode(const unsigned char in[PAIR_RECORD], struct pair_record *ret);

/* Sends a stream for that long, or until the other end says something or is gone. */
int pair_stream_out(const struct pair_link *l, uint64_t window_ms);
struct pair_stream {
    size_t at;            /* in a chunk */
    bool ended;           /* the last one has come whole */
    uint64_t retransmits; /* of who sends it, as the last head says */
    unsigned char head[PAIR_HEAD];
};
/* Takes a stream until it ends or its window is over; it begins with its first byte. */
int pair_stream_in(const struct pair_link *l, struct pair_stream *s, uint64_t window_ms,
                   struct pair_rate *r);
/* The rest, unmeasured. */
int pair_stream_drain(const struct pair_link *l, struct pair_stream *s);

#endif
