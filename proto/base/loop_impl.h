/* SPDX-License-Identifier: MIT */
/* loop_impl - what the loop*.c files share; nobody else includes it.
 */
#ifndef PROTO_BASE_LOOP_IMPL_H
#define PROTO_BASE_LOOP_IMPL_H

#include <uv.h>

#include "proto/base/loop.h"

#define LOOP_SCRATCH (64u << 10) /* one read; a pipe holds as much */

struct loop_deferred;
struct loop_proc;
struct loop_stream;

struct loop {
    uv_loop_t uv;
    uv_idle_t defer; /* active while something is deferred */
    struct loop_deferred *first, **last;
    struct loop_proc *procs;       /* all that libuv has not let go of */
    uint8_t scratch[LOOP_SCRATCH]; /* for the read that is being delivered */
};

/* A socket whose connect(2) is under way, or has failed with status < 0: the end of it
 * is told from the loop. */
void loop_stream_connecting(struct loop_stream *s, int status,
                            void (*on_connect)(void *arg, int status), void *arg);

/* Close the handles of processes that ran on after their owner let go of them. */
void loop_proc_forget_all(struct loop *l);

#endif
