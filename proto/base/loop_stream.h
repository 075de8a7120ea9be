/* SPDX-License-Identifier: MIT */
/* loop_stream - a byte stream on a loop: TCP, a pipe, or an inherited descriptor.
 *
 * Writes are queued without bound by the stream; the caller watches
 * loop_stream_queued. Callbacks come from the loop only, never from within a call of these
 * functions. Threading: see loop.h.
 */
#ifndef PROTO_BASE_LOOP_STREAM_H
#define PROTO_BASE_LOOP_STREAM_H

#include "proto/base/loop.h"

struct loop_stream;
struct loop_stream_ops {
    void (*on_data)(void *arg, const uint8_t *data, size_t len);
    /* End of file (status 0) or failure (-errno), once; after an end of file the write
     * side goes on. Not called after destroy. The stream still has to be destroyed. */
    void (*on_end)(void *arg, int status);
    /* May be NULL: what was written has gone, down to the low water mark. Comes after
     * every write, but never from within it. */
    void (*on_drain)(void *arg);
};

/* Take over a descriptor (pipe, socket, character device, or regular file for writing).
 * read_fd and write_fd may be the same, or one of them -1. Both are closed at the end. */
int loop_stream_open(struct loop *l, int read_fd, int write_fd,
                     const struct loop_stream_ops *ops, void *arg,
                     struct loop_stream **ret, struct err *e);
/* Start a TCP connection (numeric address); on_connect(0 or -errno) comes once, later.
 * TCP_NODELAY and keep-alive are set. */
int loop_stream_connect(struct loop *l, const struct sockaddr *to,
                        const struct loop_stream_ops *ops,
                        void (*on_connect)(void *arg, int status), void *arg,
                        struct loop_stream **ret, struct err *e);
void loop_stream_set(struct loop_stream *s, const struct loop_stream_ops *ops,
                     void *arg);
void loop_stream_read(struct loop_stream *s, bool on); /* off at first */
/* Copies data. -EPIPE after a failure, -ENOMEM. */
int loop_stream_write(struct loop_stream *s, const void *data, size_t len);
size_t loop_stream_queued(const struct loop_stream *s);
/* on_drain comes when no more than this is queued; 0 at first. */
void loop_stream_set_low_water(struct loop_stream *s, size_t bytes);
/* Close the write side once what is queued has gone. */
void loop_stream_shutdown(struct loop_stream *s);
/* Last words before an exit: block, up to ms, until the queue is empty. 0, -ETIMEDOUT, or
 * why writing failed. No callback comes from within. */
int loop_stream_flush(struct loop_stream *s, unsigned ms);
void loop_stream_destroy(struct loop_stream *s);

/* ---- listening TCP socket ---- */
struct loop_listener;
typedef void (*loop_accept_f)(void *arg, struct loop_stream *s,
                              const struct sockaddr *from); /* takes the stream */
/* Port 0: any; *ret_port says which. */
int loop_listen(struct loop *l, const struct sockaddr *at, loop_accept_f cb, void *arg,
                struct loop_listener **ret, uint16_t *ret_port, struct err *e);
void loop_listener_destroy(struct loop_listener *s);

#endif
