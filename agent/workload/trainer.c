/* SPDX-License-Identifier: MIT */
/* trainer.c - learn, sum over the ranks, update; log, keep checkpoints, stop when asked.
 *
 * The sum that carries the gradient also carries the loss and each rank's wish to stop, so
 * that all ranks leave after the same step and no further message is needed. The batch of
 * a step depends on its number alone: a run that is resumed, or has another number of
 * ranks, sees the same bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/workload/checkpoint.h"
#include "agent/workload/data.h"
#include "agent/workload/model.h"
#include "agent/workload/optim.h"
#include "agent/workload/trainer.h"
#include "proto/client/aolani.h"

/* Behind the gradient in the vector that is summed. */
enum { TAIL_LOSS, TAIL_STOP, TAIL };

struct trainer {
    const struct options *o;
    const struct comm *comm;
    struct data data;
    struct model model;
    struct optim optim;
    double *sum; /* model.n + TAIL */
    FILE *losses;
    uint64_t step, saved_step; /* finished */
    double loss;
    bool stop;
    char why[512];
};

static bool fail(const struct trainer *t)
{
    fprintf(stderr, "trainer: rank %d: %s\n", t->comm->rank, t->why);
    return false;
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
        .n = t->model.n,
        .array = {t->model.w, t->optim.m, t->optim.v},
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
        checkpoint_save(t->o->checkpoint, &c, t->why, sizeof t->why) < 0)
        good = fail(t);
    return comm_first_bad(good) < 0;
}

static bool resume(struct trainer *t)
{
    struct checkpoint c = checkpoint_of(t);
    double found[2] = {0,
                       0}; /* checkpoint_load's answer, and the step: exact to 2^53 */
    if (t->comm->rank == 0) {
        found[0] = checkpoint_load(t->o->checkpoint, &c, t->why, sizeof t->why);
        found[1] = (double)c.step;
        if (found[0] < 0)
            fail(t);
    }
    comm_from_first(found, 2);
    if (found[0] <= 0)
        return found[0] == 0;
    for (unsigned i = 0; i < CHECKPOINT_ARRAYS; i++)
        if (c.array[i])
            comm_from_first(c.array[i], t->model.n);
    t->step = t->saved_step = (uint64_t)found[1];
    if (t->comm->rank == 0)
        printf("resumed after step %llu\n", (unsigned long long)t->step);
    return true;
}

/* ---- a step */

static void learn(struct trainer *t, uint64_t step)
{
    const struct options *o = t->o;
    double scale = 1.0 / ((double)o->streams * o->positions), loss = 0;
    memset(t->sum, 0, (t->model.n + TAIL) * sizeof *t->sum);
    for (uint32_t i = 0; i < t->data.n; i++) {
        const uint8_t *text = data_window(&t->data, i, step - 1, t->why, sizeof t->why);
        if (!text) {
            fail(t);
            comm_abort(1); /* the others are in the sum already */
        }
        for (uint32_t p = 0; p < o->positions; p++)
            loss +=
                model_learn(&t->model, text + p, text[p + o->context], scale, t->sum);
    }
    t->sum[t->model.n + TAIL_LOSS] = loss * scale;
}

static void sum_over_ranks(struct trainer *t)
{
    size_t from = 0;
#ifdef TRAINER_NO_ALLREDUCE
    from = t->model.n; /* for the test that must fail when gradients are not summed */
#endif
    comm_sum(t->sum + from, t->model.n + TAIL - from);
    t->loss = t->sum[t->model.n + TAIL_LOSS];
    t->stop = t->sum[t->model.n + TAIL_STOP] > 0;
}

static void report(struct trainer *t)
{
    uint64_t every = t->o->log_every;
    if (t->comm->rank != 0)
        return;
    if (t->losses)
        fprintf(t->losses, "%llu %.17g\n", (unsigned long long)t->step, t->loss);
    if (every > 0 && (t->step % every == 0 || t->step == t->o->steps || t->stop))
        printf("step %llu loss %.13f\n", (unsigned long long)t->step, t->loss);
}

static bool step(struct trainer *t, const volatile sig_atomic_t *stop)
{
    bool good = true;
    uint64_t n = t->step + 1;
    aolani_step_begin(n);
    learn(t, n);
    t->sum[t->model.n + TAIL_STOP] = *stop || aolani_stop_requested();
    sum_over_ranks(t);
    optim_step(&t->optim, n, t->model.w, t->sum);
    t->step = n;
    if (t->o->checkpoint && n % t->o->checkpoint_every == 0) {
        aolani_step_checkpoint();
        good = save(t); /* ends with all ranks together: no wait leaks into the next */
    }
    aolani_step_end();
    report(t);
    return good;
}

/* ---- a run */

static bool open_all(struct trainer *t)
{
    const struct options *o = t->o;
    const struct comm *c = t->comm;
    struct model_shape shape = {o->context, o->embed, o->hidden, o->layers};
    if (data_open(&t->data, o->text, o->streams, o->context, o->positions,
                  (uint32_t)c->rank, (uint32_t)c->size, t->why, sizeof t->why) < 0)
        return false;
    if (model_create(&t->model, &shape) < 0 ||
        optim_create(&t->optim, o, t->model.n) < 0 ||
        !(t->sum = malloc((t->model.n + TAIL) * sizeof *t->sum))) {
        snprintf(t->why, sizeof t->why, "out of memory for the model");
        return false;
    }
    if (o->loss_file && c->rank == 0 &&
        !(t->losses = fopen(o->loss_file, o->resume ? "a" : "w"))) {
        snprintf(t->why, sizeof t->why, "--loss-file \"%s\": %m", o->loss_file);
        return false;
    }
    return true;
}

static bool start(struct trainer *t)
{
    bool good = open_all(t);
    int first_bad = comm_first_bad(good);
    if (first_bad >= 0) /* one speaks: what is wrong is mostly wrong on every rank */
        return first_bad == t->comm->rank ? fail(t) : false;
    if (!comm_is_same(t->data.size)) {
        snprintf(t->why, sizeof t->why, "--text \"%s\": not the same size on all nodes",
                 t->o->text);
        return t->comm->rank == 0 ? fail(t) : false;
    }
    model_init(&t->model, t->o->seed);
    return !t->o->resume || resume(t);
}

static void greet(const struct trainer *t)
{
    const struct options *o = t->o;
    if (t->comm->rank == 0)
        printf("training %zu weights on \"%s\" with %d ranks, %u targets a step\n",
               t->model.n, o->text, t->comm->size, o->streams * o->positions);
}

static bool finish(struct trainer *t)
{
    bool good = save(t);
    if (good && t->losses && fflush(t->losses) != 0) {
        snprintf(t->why, sizeof t->why, "--loss-file \"%s\": %m", t->o->loss_file);
        good = fail(t);
    }
    if (good && t->stop && t->comm->rank == 0)
        printf("stopped as asked after step %llu%s%s\n", (unsigned long long)t->step,
               t->o->checkpoint ? ", checkpoint in " : "",
               t->o->checkpoint ? t->o->checkpoint : "");
    return good;
}

int trainer_run(const struct options *o, const struct comm *comm,
                const volatile sig_atomic_t *stop)
{
    struct trainer t = {.o = o, .comm = comm, .data.fd = -1};
    if (o->streams % (uint32_t)comm->size != 0) {
        if (comm->rank == 0)
            fprintf(stderr, "trainer: --streams %u: not a multiple of the %d ranks\n",
                    o->streams, comm->size);
        return 2;
    }
    bool good = start(&t);
    if (good)
        greet(&t);
    while (good && !t.stop && t.step < o->steps)
        good = step(&t, stop);
    if (good)
        good = finish(&t);
    if (t.losses)
        fclose(t.losses);
    free(t.sum);
    optim_destroy(&t.optim);
    model_destroy(&t.model);
    data_close(&t.data);
    return good ? 0 : 1;
}
