/* SPDX-License-Identifier: MIT */
/* backend_cpu.c - one target after the other in double precision, MPI between the ranks.
 *
 * The sum that carries the gradient also carries the loss and each rank's wish to stop, so
 * that all ranks leave after the same step and no further message is needed. */
#include <stdlib.h>
#include <string.h>

#include "agent/workload/backend.h"
#include "agent/workload/model.h"
#include "agent/workload/optim.h"

/* Behind the gradient in the vector that is summed. */
enum { TAIL_LOSS, TAIL_STOP, TAIL };

struct cpu {
    const struct options *o;
    const struct comm *comm;
    struct model model;
    struct optim optim;
    double *sum; /* model.n + TAIL */
    double loss; /* of the streams so far */
};

static void cpu_destroy(void *b)
{
    struct cpu *c = b;
    if (!c)
        return;
    free(c->sum);
    optim_destroy(&c->optim);
    model_destroy(&c->model);
    free(c);
}

static int cpu_create(void **ret, const struct options *o, const struct comm *comm,
                      struct why *why)
{
    struct model_shape shape = {o->context, o->embed, o->hidden, o->layers};
    struct cpu *c = calloc(1, sizeof *c);
    if (!c || model_create(&c->model, &shape) < 0 ||
        optim_create(&c->optim, o, c->model.n) < 0 ||
        !(c->sum = calloc(c->model.n + TAIL, sizeof *c->sum))) {
        cpu_destroy(c);
        return why_set(why, "out of memory for the model");
    }
    c->o = o;
    c->comm = comm;
    model_init(&c->model, o->seed);
    *ret = c;
    return 0;
}

static int cpu_join(void *b, struct why *why)
{
    (void)b;
    (void)why;
    return 0;
}

static size_t cpu_size(const void *b)
{
    return ((const struct cpu *)b)->model.n;
}

static double batch_scale(const struct options *o)
{
    return 1.0 / ((double)o->streams * o->positions);
}

static void cpu_learn(void *b, uint64_t step, uint32_t i, const uint8_t *text)
{
    struct cpu *c = b;
    const struct options *o = c->o;
    (void)step;
    if (i == 0) {
        memset(c->sum, 0, (c->model.n + TAIL) * sizeof *c->sum);
        c->loss = 0;
    }
    for (uint32_t p = 0; p < o->positions; p++)
        c->loss += model_learn(&c->model, text + p, text[p + o->context],
                               batch_scale(o), c->sum);
}

static int cpu_finish(void *b, uint64_t step, bool stop, struct step_result *ret,
                      struct why *why)
{
    struct cpu *c = b;
    double *tail = c->sum + c->model.n;
    size_t from = 0;
    (void)why;
#ifdef TRAINER_NO_ALLREDUCE
    from = c->model.n; /* for the test that must fail when gradients are not summed */
#endif
    tail[TAIL_LOSS] = c->loss * batch_scale(c->o);
    tail[TAIL_STOP] = stop;
    comm_sum(c->comm, c->sum + from, c->model.n + TAIL - from);
    optim_step(&c->optim, step, c->model.w, c->sum);
    *ret = (struct step_result){tail[TAIL_LOSS], tail[TAIL_STOP] > 0};
    return 0;
}

static double *array_of(const struct cpu *c, unsigned array)
{
    return array == 0 ? c->model.w : array == 1 ? c->optim.m : c->optim.v;
}

static unsigned cpu_arrays(const void *b)
{
    return array_of(b, 2) ? 3 : 2;
}

static int cpu_get(void *b, unsigned array, size_t at, double *piece, size_t n)
{
    memcpy(piece, array_of(b, array) + at, n * sizeof *piece);
    return 0;
}

static int cpu_put(void *b, unsigned array, size_t at, const double *piece, size_t n)
{
    memcpy(array_of(b, array) + at, piece, n * sizeof *piece);
    return 0;
}

static int cpu_share(void *b, struct why *why)
{
    struct cpu *c = b;
    (void)why;
    for (unsigned i = 0; i < cpu_arrays(b); i++)
        comm_from_first(c->comm, array_of(c, i), c->model.n);
    return 0;
}

static void cpu_describe(const void *b, double seconds, char *text, size_t len)
{
    (void)b;
    (void)seconds;
    if (len > 0)
        *text = '\0';
}

const struct backend backend_linked = {
    .program = "trainer",
    .create = cpu_create,
    .join = cpu_join,
    .destroy = cpu_destroy,
    .size = cpu_size,
    .learn = cpu_learn,
    .finish = cpu_finish,
    .arrays = cpu_arrays,
    .get = cpu_get,
    .put = cpu_put,
    .share = cpu_share,
    .describe = cpu_describe,
};
