/* SPDX-License-Identifier: MIT */
/* trainer.c - learn, sum over the ranks, update; log, keep checkpoints, stop when asked. How
 * that is computed, and by what the ranks are summed, is the back end's.
 *
 * All ranks leave after the same step, because their wishes to stop are summed with the
 * gradients. The batch of a step depends on its number alone: a run that is resumed, or has
 * another number of ranks, sees the same bytes.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/workload/checkpoint.h"
#include "agent/workload/data.h"
#include "agent/workload/trainer.h"
#include "proto/client/aolani.h"

struct trainer {
    const struct options *o;
    const struct backend *b;
    const struct comm *comm;
    void *own; /* the back end's */
    struct data data;
    FILE *losses, *times;
    uint64_t step, saved_step; /* finished */
    struct step_result last;
    uint64_t steps_here;      /* in this process */
    uint64_t timed, timed_ns; /* of those, warm ones; checkpoints left out */
    struct why why;
};

int why_set(struct why *w, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(w->text, sizeof w->text, fmt, ap);
    va_end(ap);
    return -1;
}

static bool fail(const struct trainer *t)
{
    fprintf(stderr, "%s: rank %d: %s\n", t->b->program, t->comm->rank, t->why.text);
    return false;
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* When the others may be waiting for this rank already. */
static void __attribute__((noreturn)) give_up(const struct trainer *t)
{
    fail(t);
    if (t->b->abort)
        t->b->abort(t->own);
    comm_abort(t->comm, 1);
}

/* ---- checkpoints: rank 0 alone reads and writes, so no file system need be shared */

static struct checkpoint checkpoint_of(const struct trainer *t)
{
    const struct options *o = t->o;
    return (struct checkpoint){
        .step = t->step,
        .identity_name = {"--context", "--embed", "--hidden", "--layers",
                          "--optimizer"},
        .identity = {o->context, o->embed, o->hidden, o->layers, o->optimizer},
        .n = t->b->size(t->own),
        .arrays = t->b->arrays(t->own),
        .get = t->b->get,
        .put = t->b->put,
        .arg = t->own,
    };
}

static bool save(struct trainer *t)
{
    struct checkpoint c = checkpoint_of(t);
    if (!t->o->checkpoint || t->saved_step == t->step)
        return true;
    t->saved_step = t->step;
    bool good = true;
    if (t->comm->rank == 0 &&
        checkpoint_save(t->o->checkpoint, &c, t->why.text, sizeof t->why.text) < 0)
        good = fail(t);
    return comm_first_bad(t->comm, good) < 0;
}

static bool resume(struct trainer *t)
{
    struct checkpoint c = checkpoint_of(t);
    double found[2] = {0,
                       0}; /* checkpoint_load's answer, and the step: exact to 2^53 */
    if (t->comm->rank == 0) {
        found[0] =
            checkpoint_load(t->o->checkpoint, &c, t->why.text, sizeof t->why.text);
        found[1] = (double)c.step;
        if (found[0] < 0)
            fail(t);
    }
    comm_from_first(t->comm, found, 2);
    if (found[0] <= 0)
        return found[0] == 0;
    if (t->b->share(t->own, &t->why) < 0)
        give_up(t);
    t->step = t->saved_step = (uint64_t)found[1];
    if (t->comm->rank == 0)
        printf("resumed after step %llu\n", (unsigned long long)t->step);
    return true;
}

/* ---- a step */

static void learn(struct trainer *t, uint64_t step)
{
    for (uint32_t i = 0; i < t->data.n; i++) {
        const uint8_t *text =
            data_window(&t->data, i, step - 1, t->why.text, sizeof t->why.text);
        if (!text)
            give_up(t);
        t->b->learn(t->own, step, i, text);
    }
}

static void report(struct trainer *t)
{
    uint64_t every = t->o->log_every;
    if (t->comm->rank != 0)
        return;
    if (t->losses)
        fprintf(t->losses, "%llu %.17g\n", (unsigned long long)t->step, t->last.loss);
    if (every > 0 && (t->step % every == 0 || t->step == t->o->steps || t->last.stop))
        printf("step %llu loss %.13f\n", (unsigned long long)t->step, t->last.loss);
}

/* Marks of a step; on request there are none. */
static void mark_step(const struct trainer *t, void (*mark)(void))
{
    if (!t->o->no_marks)
        mark();
}

static bool checkpoint_is_due(const struct trainer *t)
{
    return t->o->checkpoint && t->step % t->o->checkpoint_every == 0;
}

static bool step(struct trainer *t, const volatile sig_atomic_t *stop)
{
    bool good = true;
    uint64_t n = t->step + 1, from = now_ns();
    if (!t->o->no_marks)
        aolani_step_begin(n);
    learn(t, n);
    if (t->b->finish(t->own, n, *stop || aolani_stop_requested(), &t->last, &t->why) <
        0)
        give_up(t);
    t->step = n;
    if (t->steps_here++ >= t->b->steps_warm) {
        t->timed++;
        t->timed_ns += now_ns() - from;
    }
    if (checkpoint_is_due(t)) {
        mark_step(t, aolani_step_checkpoint);
        good = save(t); /* ends with all ranks together: no wait leaks into the next */
    }
    mark_step(t, aolani_step_end);
    if (t->times)
        fprintf(t->times, "%llu %llu\n", (unsigned long long)n,
                (unsigned long long)now_ns());
    report(t);
    return good;
}

/* ---- a run */

/* Of rank 0 alone. NULL *ret: not asked for. */
static bool open_file(struct trainer *t, const char *flag, const char *path, FILE **ret)
{
    if (!path || t->comm->rank != 0 || (*ret = fopen(path, t->o->resume ? "a" : "w")))
        return true;
    snprintf(t->why.text, sizeof t->why.text, "%s \"%s\": %m", flag, path);
    return false;
}

static bool file_is_whole(struct trainer *t, const char *flag, const char *path,
                          FILE *file)
{
    if (!file || fflush(file) == 0)
        return true;
    snprintf(t->why.text, sizeof t->why.text, "%s \"%s\": %m", flag, path);
    return fail(t);
}

static bool open_all(struct trainer *t)
{
    const struct options *o = t->o;
    const struct comm *c = t->comm;
    if (data_open(&t->data, o->text, o->streams, o->context, o->positions,
                  (uint32_t)c->rank, (uint32_t)c->size, t->why.text,
                  sizeof t->why.text) < 0)
        return false;
    if (t->b->create(&t->own, o, c, &t->why) < 0)
        return false;
    return open_file(t, "--loss-file", o->loss_file, &t->losses) &&
           open_file(t, "--times-file", o->times_file, &t->times);
}

static bool start(struct trainer *t)
{
    bool good = open_all(t);
    int first_bad = comm_first_bad(t->comm, good);
    if (first_bad >= 0) /* one speaks: what is wrong is mostly wrong on every rank */
        return first_bad == t->comm->rank ? fail(t) : false;
    if (!comm_is_same(t->comm, t->data.size)) {
        snprintf(t->why.text, sizeof t->why.text,
                 "--text \"%s\": not the same size on all nodes", t->o->text);
        return t->comm->rank == 0 ? fail(t) : false;
    }
    if (t->b->join(t->own, &t->why) < 0)
        give_up(t);
    return !t->o->resume || resume(t);
}

static void greet(const struct trainer *t)
{
    const struct options *o = t->o;
    if (t->comm->rank == 0)
        printf("training %zu weights on \"%s\" with %d ranks, %u targets a step\n",
               t->b->size(t->own), o->text, t->comm->size, o->streams * o->positions);
}

static void speed(const struct trainer *t)
{
    char text[256] = "";
    if (t->timed > 0)
        t->b->describe(t->own, (double)t->timed_ns / (double)t->timed * 1e-9, text,
                       sizeof text);
    if (*text)
        printf("%s\n", text);
}

static bool finish(struct trainer *t)
{
    bool good = save(t);
    good = good && file_is_whole(t, "--loss-file", t->o->loss_file, t->losses) &&
           file_is_whole(t, "--times-file", t->o->times_file, t->times);
    if (good && t->comm->rank == 0)
        speed(t);
    if (good && t->last.stop && t->comm->rank == 0)
        printf("stopped as asked after step %llu%s%s\n", (unsigned long long)t->step,
               t->o->checkpoint ? ", checkpoint in " : "",
               t->o->checkpoint ? t->o->checkpoint : "");
    return good;
}

int trainer_run(const struct options *o, const struct backend *b,
                const struct comm *comm, const volatile sig_atomic_t *stop)
{
    struct trainer t = {.o = o, .b = b, .comm = comm, .data.fd = -1};
    if (o->streams % (uint32_t)comm->size != 0) {
        if (comm->rank == 0)
            fprintf(stderr, "%s: --streams %u: not a multiple of the %d ranks\n",
                    b->program, o->streams, comm->size);
        return 2;
    }
    bool good = start(&t);
    if (good)
        greet(&t);
    while (good && !t.last.stop && t.step < o->steps)
        good = step(&t, stop);
    if (good)
        good = finish(&t);
    if (t.losses)
        fclose(t.losses);
    if (t.times)
        fclose(t.times);
    b->destroy(t.own);
    data_close(&t.data);
    return good ? 0 : 1;
}
