/* SPDX-License-Identifier: MIT */
/* loop.c - libuv's loop and its small handles, each in an object of ours.
 *
 * libuv keeps a handle until its close callback, so an object is never freed before
 * that: destroy closes the handle and the callback frees the memory. This is what
 * allows destroy from within a callback of the object itself. No callback of ours comes
 * from a closed handle, because libuv makes none.
 */
#include "proto/base/loop.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "proto/base/loop_impl.h"

struct loop_deferred {
    struct loop_deferred *next;
    void (*cb)(void *arg);
    void *arg;
};

static void on_closed_free(uv_handle_t *h)
{
    free(h->data);
}

static void close_and_free(uv_handle_t *h)
{
    if (!uv_is_closing(h))
        uv_close(h, on_closed_free);
}

/* ---- loop ---- */

int loop_create(struct loop **ret, struct err *e)
{
    struct loop *l = calloc(1, sizeof *l);
    if (!l)
        return err_sys(e, -ENOMEM, "create event loop");
    int rc = uv_loop_init(&l->uv);
    if (rc < 0) {
        free(l);
        return err_sys(e, rc, "create event loop");
    }
    l->last = &l->first;
    (void)uv_idle_init(&l->uv, &l->defer);
    l->defer.data = l;
    /* A peer that goes away is an error of that stream, not the end of the program. */
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* and so is a file larger than ulimit -f */
    *ret = l;
    return 0;
}

static void close_leaked(uv_handle_t *h, void *arg)
{
    unsigned *leaked = arg;
    if (uv_is_closing(h))
        return;
    (*leaked)++;
    uv_close(h, NULL); /* its owner may still hold it: not freed */
}

void loop_destroy(struct loop *l)
{
    if (!l)
        return;
    while (l->first) {
        struct loop_deferred *d = l->first;
        l->first = d->next;
        free(d);
    }
    uv_close((uv_handle_t *)&l->defer, NULL);
    loop_proc_forget_all(l);
    unsigned leaked = 0;
    uv_walk(&l->uv, close_leaked, &leaked);
#ifdef __SANITIZE_ADDRESS__
    assert(leaked == 0);
#endif
    while (uv_loop_close(&l->uv) == UV_EBUSY)
        (void)uv_run(&l->uv, UV_RUN_ONCE);
    free(l);
}

void loop_run(struct loop *l)
{
    (void)uv_run(&l->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *l)
{
    uv_stop(&l->uv);
}

uint64_t loop_now_ms(struct loop *l)
{
    return uv_now(&l->uv);
}

/* ---- later ---- */

static void on_defer(uv_idle_t *h)
{
    struct loop *l = h->data;
    /* Only what is there now: one that defers itself again must not starve the loop. */
    struct loop_deferred *d = l->first;
    l->first = NULL;
    l->last = &l->first;
    while (d) {
        struct loop_deferred *next = d->next;
        d->cb(d->arg);
        free(d);
        d = next;
    }
    if (!l->first)
        (void)uv_idle_stop(h);
}

int loop_defer(struct loop *l, void (*cb)(void *arg), void *arg)
{
    struct loop_deferred *d = malloc(sizeof *d);
    if (!d)
        return -ENOMEM;
    *d = (struct loop_deferred){.cb = cb, .arg = arg};
    *l->last = d;
    l->last = &d->next;
    (void)uv_idle_start(&l->defer, on_defer);
    return 0;
}

/* ---- timer ---- */

struct loop_timer {
    uv_timer_t uv;
    loop_timer_f cb;
    void *arg;
    bool firing; /* within its callback */
};

struct loop_timer *loop_timer_create(struct loop *l, loop_timer_f cb, void *arg)
{
    struct loop_timer *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->cb = cb;
    t->arg = arg;
    (void)uv_timer_init(&l->uv, &t->uv);
    t->uv.data = t;
    return t;
}

static void on_timer(uv_timer_t *h)
{
    struct loop_timer *t = h->data;
    t->firing = true;
    t->cb(t->arg);
    t->firing = false; /* one that was destroyed is freed later */
}

void loop_timer_start(struct loop_timer *t, uint64_t delay_ms, uint64_t repeat_ms)
{
    /* libuv counts from the time it took at the start of this turn; after a long
     * callback a short timer would end at once. */
    uv_update_time(t->uv.loop);
    /* Before libuv 1.46 a timer that is due is called in this same turn: one that starts
     * itself again would never let anything else in. */
    if (t->firing && delay_ms == 0)
        delay_ms = 1;
    (void)uv_timer_start(&t->uv, on_timer, delay_ms, repeat_ms);
}

void loop_timer_stop(struct loop_timer *t)
{
    (void)uv_timer_stop(&t->uv);
}

void loop_timer_destroy(struct loop_timer *t)
{
    if (t)
        close_and_free((uv_handle_t *)&t->uv);
}

/* ---- signal ---- */

struct loop_signal {
    uv_signal_t uv;
    loop_signal_f cb;
    void *arg;
};

static void on_signal(uv_signal_t *h, int signum)
{
    struct loop_signal *s = h->data;
    s->cb(signum, s->arg);
}

struct loop_signal *loop_signal_create(struct loop *l, int signum, loop_signal_f cb,
                                       void *arg)
{
    struct loop_signal *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->cb = cb;
    s->arg = arg;
    if (uv_signal_init(&l->uv, &s->uv) < 0) {
        free(s);
        return NULL;
    }
    s->uv.data = s;
    if (uv_signal_start(&s->uv, on_signal, signum) < 0) {
        loop_signal_destroy(s);
        return NULL;
    }
    return s;
}

void loop_signal_destroy(struct loop_signal *s)
{
    if (s)
        close_and_free((uv_handle_t *)&s->uv);
}

/* ---- readiness ---- */

struct loop_watch {
    uv_poll_t uv;
    loop_watch_f cb;
    void *arg;
    int fd;
};

struct loop_watch *loop_watch_create(struct loop *l, int fd, loop_watch_f cb, void *arg)
{
    struct loop_watch *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->cb = cb;
    w->arg = arg;
    w->fd = fd;
    if (uv_poll_init(&l->uv, &w->uv, fd) < 0) {
        free(w);
        return NULL;
    }
    w->uv.data = w;
    return w;
}

static void on_watch(uv_poll_t *h, int status, int events)
{
    struct loop_watch *w = h->data;
    if (status < 0) {
        /* libuv says EBADF for every POLLERR; the socket knows better. */
        int why = 0;
        socklen_t len = sizeof why;
        if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &why, &len) < 0 || !why)
            why = EPIPE;
        w->cb(-why, w->arg);
        return;
    }
    w->cb((events & UV_READABLE ? LOOP_READ : 0) |
              (events & UV_WRITABLE ? LOOP_WRITE : 0),
          w->arg);
}

void loop_watch_set(struct loop_watch *w, int events)
{
    int want = (events & LOOP_READ ? UV_READABLE : 0) |
               (events & LOOP_WRITE ? UV_WRITABLE : 0);
    if (want)
        (void)uv_poll_start(&w->uv, want, on_watch);
    else
        (void)uv_poll_stop(&w->uv);
}

void loop_watch_destroy(struct loop_watch *w)
{
    if (w)
        close_and_free((uv_handle_t *)&w->uv);
}

/* ---- wake ---- */

struct loop_wake {
    uv_async_t uv;
    loop_wake_f cb;
    void *arg;
};

static void on_wake(uv_async_t *h)
{
    struct loop_wake *w = h->data;
    w->cb(w->arg);
}

struct loop_wake *loop_wake_create(struct loop *l, loop_wake_f cb, void *arg)
{
    struct loop_wake *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->cb = cb;
    w->arg = arg;
    if (uv_async_init(&l->uv, &w->uv, on_wake) < 0) {
        free(w);
        return NULL;
    }
    w->uv.data = w;
    return w;
}

void loop_wake_send(struct loop_wake *w)
{
    (void)uv_async_send(&w->uv);
}

void loop_wake_destroy(struct loop_wake *w)
{
    if (w)
        close_and_free((uv_handle_t *)&w->uv);
}
