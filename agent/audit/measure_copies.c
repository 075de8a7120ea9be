/* SPDX-License-Identifier: MIT */
/* measure_copies.c - see measure_copies.h.
 *
 * gpucopy_run blocks and forks: it has a thread, and this one does nothing but wait and, now
 * and then, say how far it is. At the fork, the first thing there, it holds no lock. */
#include "agent/audit/measure_copies.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "agent/audit/gpucopy.h"
#include "proto/base/clock.h"

#define TELL_MS  300u
#define LEAST_MS 1000u /* CUDA takes as long to start */
#define DRIVER   "/proc/driver/nvidia/version"

struct copies {
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool is_done;
    uint64_t budget_ms;
    Aolani__AuditCopy **copies;
    size_t n;
    int rc;
    struct err e;
};

static void *copy(void *arg)
{
    struct copies *c = arg;
    int rc = gpucopy_run(c->budget_ms, &c->copies, &c->n, &c->e);
    pthread_mutex_lock(&c->lock);
    c->rc = rc;
    c->is_done = true;
    pthread_cond_signal(&c->done);
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

static void wait_done(struct copies *c, struct measuring *r)
{
    pthread_mutex_lock(&c->lock);
    while (!c->is_done) {
        uint64_t at = clock_mono_ns() + TELL_MS * 1000000u;
        struct timespec t = {.tv_sec = (time_t)(at / 1000000000u),
                             .tv_nsec = (long)(at % 1000000000u)};
        if (pthread_cond_timedwait(&c->done, &c->lock, &t) == ETIMEDOUT)
            measure_tell(r);
    }
    pthread_mutex_unlock(&c->lock);
}

void measure_copies(struct measuring *r, uint64_t budget_ms)
{
    struct copies c = {.budget_ms = budget_ms};
    pthread_condattr_t attr;
    pthread_t thread;
    if (budget_ms < LEAST_MS) {
        if (machine_exists(r->machine, DRIVER))
            measure_note(r, "copies to GPUs were not measured: there was no time");
        return;
    }
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&c.lock, NULL);
    pthread_cond_init(&c.done, &attr);
    pthread_condattr_destroy(&attr);
    c.rc = -pthread_create(&thread, NULL, copy, &c);
    if (c.rc == 0) {
        wait_done(&c, r);
        pthread_join(thread, NULL);
    } else {
        (void)err_sys(&c.e, c.rc, "start a thread");
    }
    pthread_cond_destroy(&c.done);
    pthread_mutex_destroy(&c.lock);
    if (c.rc < 0) {
        measure_note(r, "copies to GPUs were not measured: %s", c.e.text);
        return;
    }
    r->m->copies = c.copies;
    r->m->n_copies = c.n;
}
