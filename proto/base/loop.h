/* SPDX-License-Identifier: MIT */
/* loop - the event loop of a program, and everything that lives on it.
 *
 * The only module (with loop_stream and loop_proc) that knows libuv. One thread owns a
 * loop and all its objects; only loop_wake_send may be called from another. Every
 * object has create and destroy; destroy takes NULL, may be called from within the
 * object's own callback, and promises no callback afterwards (memory goes when libuv
 * lets go of the handle). Callbacks run on the loop's thread.
 */
#ifndef PROTO_BASE_LOOP_H
#define PROTO_BASE_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "proto/base/err.h"

struct loop;
int loop_create(struct loop **ret, struct err *e);
/* Closes what is left and frees; objects not destroyed before are leaks of the caller,
 * reported by an assertion in debug builds. */
void loop_destroy(struct loop *l);
/* Runs until loop_stop, or until nothing is left that could happen. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);
uint64_t loop_now_ms(struct loop *l); /* monotonic, as of this turn of the loop */

/* ---- timer ---- */
struct loop_timer;
typedef void (*loop_timer_f)(void *arg);
struct loop_timer *loop_timer_create(struct loop *l, loop_timer_f cb, void *arg);
/* In delay ms, then each repeat ms (0: once). Restarts a running one. A timer that starts
 * itself again, be it at once, gives everything else its turn first. */
void loop_timer_start(struct loop_timer *t, uint64_t delay_ms, uint64_t repeat_ms);
void loop_timer_stop(struct loop_timer *t);
void loop_timer_destroy(struct loop_timer *t);

/* ---- signal ---- */
struct loop_signal;
typedef void (*loop_signal_f)(int signum, void *arg);
struct loop_signal *loop_signal_create(struct loop *l, int signum, loop_signal_f cb,
                                       void *arg);
void loop_signal_destroy(struct loop_signal *s);

/* ---- readiness of a file descriptor (not owned) ---- */
struct loop_watch;
enum { LOOP_READ = 1, LOOP_WRITE = 2 };
typedef void (*loop_watch_f)(int events, void *arg); /* < 0: -errno */
struct loop_watch *loop_watch_create(struct loop *l, int fd, loop_watch_f cb,
                                     void *arg);
void loop_watch_set(struct loop_watch *w, int events); /* 0: none */
void loop_watch_destroy(struct loop_watch *w);

/* ---- wake the loop from another thread ---- */
struct loop_wake;
typedef void (*loop_wake_f)(void *arg); /* several sends may give one call */
struct loop_wake *loop_wake_create(struct loop *l, loop_wake_f cb, void *arg);
void loop_wake_send(struct loop_wake *w); /* any thread */
void loop_wake_destroy(struct loop_wake *w);

/* ---- later, on this loop, before it sleeps ---- */
int loop_defer(struct loop *l, void (*cb)(void *arg), void *arg);

#endif
