/* SPDX-License-Identifier: MIT */
/* backend_cuda.c - the table of backend.h on a GPU.
 *
 * The host gives the device a whole step (pass.c) and then waits: first for this rank's own
 * work, then, marked as waiting, for the sums over the ranks, then for the rest. It waits by
 * looking, never in a call that blocks, so that it sees when another rank is gone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/workload/cuda/cuda_impl.h"
#include "agent/workload/cuda/plan.h"
#include "agent/workload/cuda/speed.h"
#include "agent/workload/optim.h"
#include "proto/client/aolani.h"

enum { ABORT_SECONDS = 10 };

/* ---- waiting */

int cuda_wait(struct cuda *c, const uint64_t *flag, uint64_t value, struct why *why)
{
    while (!flag || __atomic_load_n(flag, __ATOMIC_ACQUIRE) != value) {
        if (gpu_is_idle(c->gpu))
            break;
        if (comm_is_broken(c->comm))
            return why_set(why, "another rank is gone; the last step here was %llu",
                           (unsigned long long)c->host.numbers->step);
    }
    const char *error = gpu_error(c->gpu);
    return error ? why_set(why, "%s", error) : 0;
}

int cuda_read(struct cuda *c, const char *array, size_t at, double *to, size_t n,
              struct why *why)
{
    size_t real = gpu_bytes(c->k.real);
    gpu_copy(c->gpu, GPU_COMPUTE, c->stage, array + at * real, n * real);
    if (cuda_wait(c, NULL, 0, why) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        to[i] = real == 8 ? ((double *)c->stage)[i] : (double)((float *)c->stage)[i];
    return 0;
}

static int cuda_write(struct cuda *c, char *array, size_t at, const double *from,
                      size_t n, struct why *why)
{
    size_t real = gpu_bytes(c->k.real);
    for (size_t i = 0; i < n; i++)
        if (real == 8)
            ((double *)c->stage)[i] = from[i];
        else
            ((float *)c->stage)[i] = (float)from[i];
    gpu_copy(c->gpu, GPU_COMPUTE, array + at * real, c->stage, n * real);
    return cuda_wait(c, NULL, 0, why);
}

/* ---- start and end */

static int cuda_probe(struct why *why)
{
    return gpu_probe(why->text, sizeof why->text);
}

static void cuda_destroy(void *b)
{
    struct cuda *c = b;
    if (!c)
        return;
    gpu_close(c->gpu);
    free(c);
}

static void cuda_abort(void *b)
{
    struct cuda *c = b;
    alarm(ABORT_SECONDS); /* this rank must end, even when its end hangs */
    gpu_abort(c->gpu);
}

/* What it will take, before it is taken. */
static int tell_memory(const struct cuda *c, const struct plan *p, struct why *why)
{
    char text[256];
    size_t unused, total;
    gpu_memory(c->gpu, &unused, &total);
    plan_text(p, text, sizeof text);
    if (c->comm->rank == 0)
        printf("on %s: %s\n", gpu_name(c->gpu), text);
    if (p->total <= unused)
        return 0;
    return why_set(why,
                   "the training takes %s, but %s has %.2f of %.2f GiB free: take a "
                   "smaller model, fewer --streams or --positions, more ranks, or "
                   "--precision bf16",
                   text, gpu_name(c->gpu), (double)unused / (1 << 30),
                   (double)total / (1 << 30));
}

static void allocate(struct cuda *c, const struct plan *p)
{
    struct gpu *g = c->gpu;
    gpu_place(g, "the allocation of %.2f GiB", (double)p->total / (1 << 30));
    c->w = gpu_alloc(g, p->weights);
    c->m = gpu_alloc(g, p->weights);
    c->v = c->o->optimizer == OPTIMIZER_ADAMW ? gpu_alloc(g, p->weights) : NULL;
    c->g = gpu_alloc(g, p->gradients);
    c->local = p->local > 0 ? gpu_alloc(g, p->local) : NULL;
    c->copy = p->copy > 0 ? gpu_alloc(g, p->copy) : NULL;
    for (uint32_t l = 0; l <= c->shape.layers; l++)
        c->x[l] = gpu_alloc(g, l == 0 ? p->in : p->hidden);
    c->y = gpu_alloc(g, p->y);
    c->dy = gpu_alloc(g, p->dy);
    c->loss = gpu_alloc(g, p->loss);
    c->partial = gpu_alloc(g, p->partial);
    c->spread = gpu_alloc(g, p->spread);
    c->segments = gpu_alloc(g, p->segments);
    void *block = gpu_alloc(g, p->batch), *block_host = gpu_alloc_host(g, p->batch);
    c->seen = gpu_alloc_host(g, sizeof *c->seen);
    c->stage = gpu_alloc_host(g, STAGE * p->real);
    if (gpu_error(g))
        return;
    batch_lay(&c->host, block_host);
    batch_lay(&c->device, block);
    gpu_zero(g, GPU_COMPUTE, c->m, p->weights);
    if (c->v)
        gpu_zero(g, GPU_COMPUTE, c->v, p->weights);
}

/* The factors of the weights there are. */
static void round_weights(struct cuda *c)
{
    if (c->copy)
        kernel_round(&c->k, c->n, c->w, c->copy);
}

static int first_weights(struct cuda *c, struct why *why)
{
    int rc = 0;
    double *piece = malloc(STAGE * sizeof *piece);
    if (!piece)
        return why_set(why, "out of memory for the first weights");
    gpu_place(c->gpu, "the first weights");
    for (size_t at = 0; rc == 0 && at < c->n; at += STAGE) {
        size_t n = c->n - at < STAGE ? c->n - at : STAGE;
        model_first(&c->shape, c->o->seed, at, piece, n);
        rc = cuda_write(c, c->w, at, piece, n, why);
    }
    free(piece);
    round_weights(c);
    return rc < 0 ? rc : cuda_wait(c, NULL, 0, why);
}

static struct kernels types_of(const struct options *o, struct gpu *g)
{
    enum gpu_type real = o->precision == PRECISION_FP64 ? GPU_F64 : GPU_F32;
    return (struct kernels){g, real, o->precision == PRECISION_BF16 ? GPU_BF16 : real};
}

/* What of the sizes the device's libraries cannot count. */
static int check_sizes(const struct cuda *c, struct why *why)
{
    if (c->rows <= INT32_MAX)
        return 0;
    return why_set(why, "%zu targets a step on one rank are too many; at most %d",
                   c->rows, INT32_MAX);
}

static int open_device(struct cuda *c, struct why *why)
{
    c->gpu = gpu_open(c->comm->local_rank, c->o->precision == PRECISION_TF32, why->text,
                      sizeof why->text);
    if (!c->gpu)
        return -1;
    c->k = types_of(c->o, c->gpu);
    return 0;
}

static int cuda_create(void **ret, const struct options *o, const struct comm *comm,
                       struct why *why)
{
    struct plan plan;
    struct cuda *c = calloc(1, sizeof *c);
    if (!c)
        return why_set(why, "out of memory for the model");
    c->o = o;
    c->comm = comm;
    c->shape = (struct model_shape){o->context, o->embed, o->hidden, o->layers};
    c->scale = 1.0 / ((double)o->streams * o->positions);
    if (!batch_plan(&c->host, o->streams / (uint32_t)comm->size, o->context,
                    o->positions)) {
        cuda_destroy(c);
        return why_set(why, "--streams and --positions: a rank's batch has more than "
                            "2^32 bytes of text");
    }
    c->device = c->host;
    plan_make(&plan, o, &c->host);
    c->n = plan.n;
    c->rows = plan.rows;
    if (check_sizes(c, why) < 0 || open_device(c, why) < 0 ||
        tell_memory(c, &plan, why) < 0)
        goto fail;
    allocate(c, &plan);
    if (gpu_error(c->gpu)) {
        why_set(why, "%s", gpu_error(c->gpu));
        goto fail;
    }
    if (first_weights(c, why) < 0)
        goto fail;
    *ret = c;
    return 0;
fail:
    cuda_destroy(c);
    return -1;
}

static int cuda_join(void *b, struct why *why)
{
    struct cuda *c = b;
    gpu_join(c->gpu, c->comm);
    return cuda_wait(c, NULL, 0, why);
}

/* ---- a step */

static void cuda_learn(void *b, uint64_t step, uint32_t i, const uint8_t *window)
{
    struct cuda *c = b;
    (void)step;
    batch_put(&c->host, i, window);
}

/* Give the device the step: at first call by call, since libraries connect and choose what
 * to do; then, on request, as one graph. */
static void start_step(struct cuda *c)
{
    if (!c->o->graph || c->steps == 0) {
        pass_enqueue(c);
        return;
    }
    if (!c->captured) {
        gpu_capture_begin(c->gpu);
        pass_enqueue(c);
        gpu_capture_end(c->gpu);
        c->captured = true;
    }
    gpu_place(c->gpu, "a step as a graph");
    gpu_replay(c->gpu);
}

static int wait_step(struct cuda *c, uint64_t step, struct why *why)
{
    int rc = cuda_wait(c, &c->seen->worked, step, why);
    if (c->comm->marks)
        aolani_wait_begin();
    if (rc == 0)
        rc = cuda_wait(c, &c->seen->summed, step, why);
    if (c->comm->marks)
        aolani_wait_end();
    return rc < 0 ? rc : cuda_wait(c, NULL, 0, why);
}

static double tail_of(const struct cuda *c, unsigned i)
{
    return c->k.real == GPU_F64 ? c->seen->tail[i]
                                : (double)((const float *)c->seen->tail)[i];
}

static int cuda_finish(void *b, uint64_t step, bool stop, struct step_result *ret,
                       struct why *why)
{
    struct cuda *c = b;
    struct batch_numbers *n = c->host.numbers;
    batch_sort(&c->host);
    *n = (struct batch_numbers){.step = step, .stop = stop};
    optim_fixes(step, &n->fix1, &n->fix2);
    start_step(c);
    if (wait_step(c, step, why) < 0)
        return -1;
    c->steps++;
    *ret = (struct step_result){tail_of(c, TAIL_LOSS), tail_of(c, TAIL_STOP) > 0};
    if (c->local && step % c->o->verify_every == 0)
        return verify_sums(c, step, why);
    return 0;
}

/* ---- checkpoints */

static size_t cuda_size(const void *b)
{
    return ((const struct cuda *)b)->n;
}

static char *array_of(const struct cuda *c, unsigned array)
{
    return array == 0 ? c->w : array == 1 ? c->m : c->v;
}

static unsigned cuda_arrays(const void *b)
{
    return array_of(b, 2) ? 3 : 2;
}

/* One after the other, of pieces that may be larger than ours. */
static int cuda_get(void *b, unsigned array, size_t at, double *piece, size_t n)
{
    struct cuda *c = b;
    struct why why;
    int rc = 0;
    gpu_place(c->gpu, "the reading of a checkpoint's numbers");
    for (size_t i = 0; rc == 0 && i < n; i += STAGE)
        rc = cuda_read(c, array_of(c, array), at + i, piece + i,
                       n - i < STAGE ? n - i : STAGE, &why);
    if (rc < 0)
        fprintf(stderr, "trainer-cuda: rank %d: %s\n", c->comm->rank, why.text);
    return rc;
}

static int cuda_put(void *b, unsigned array, size_t at, const double *piece, size_t n)
{
    struct cuda *c = b;
    struct why why;
    int rc = 0;
    gpu_place(c->gpu, "the writing of a checkpoint's numbers");
    for (size_t i = 0; rc == 0 && i < n; i += STAGE)
        rc = cuda_write(c, array_of(c, array), at + i, piece + i,
                        n - i < STAGE ? n - i : STAGE, &why);
    if (rc < 0)
        fprintf(stderr, "trainer-cuda: rank %d: %s\n", c->comm->rank, why.text);
    return rc;
}

static int cuda_share(void *b, struct why *why)
{
    struct cuda *c = b;
    gpu_place(c->gpu, "the sharing of a checkpoint");
    gpu_order(c->gpu, GPU_COMPUTE, GPU_SUMS);
    for (unsigned i = 0; i < cuda_arrays(b); i++)
        gpu_from_first(c->gpu, array_of(c, i), c->n, c->k.real);
    gpu_order(c->gpu, GPU_SUMS, GPU_COMPUTE);
    round_weights(c);
    return cuda_wait(c, NULL, 0, why);
}

/* ---- how fast */

static void cuda_describe(const void *b, double seconds, char *text, size_t len)
{
    static const char *const names[] = {"fp64", "fp32", "tf32", "bf16"};
    const struct cuda *c = b;
    const struct options *o = c->o;
    double did = speed_flops(&c->shape, c->rows) / seconds * 1e-12;
    double peak = o->peak_tflops > 0 ? o->peak_tflops
                                     : speed_peak(gpu_name(c->gpu), o->precision);
    int n = snprintf(text, len, "%.3f ms a step, %.4g TFLOP/s a GPU in %s",
                     seconds * 1e3, did, names[o->precision]);
    if (n < 0 || (size_t)n >= len)
        return;
    if (peak > 0)
        snprintf(text + n, len - (size_t)n, ", MFU %.2f %% of %.4g", 100 * did / peak,
                 peak);
    else
        snprintf(
            text + n, len - (size_t)n,
            "; no MFU: the peak of \"%s\" is not known here, --peak-tflops tells it",
            gpu_name(c->gpu));
}

const struct backend backend_linked = {
    .program = "trainer-cuda",
    .gpu = true,
    .steps_warm = 3,
    .probe = cuda_probe,
    .create = cuda_create,
    .join = cuda_join,
    .destroy = cuda_destroy,
    .abort = cuda_abort,
    .size = cuda_size,
    .learn = cuda_learn,
    .finish = cuda_finish,
    .arrays = cuda_arrays,
    .get = cuda_get,
    .put = cuda_put,
    .share = cuda_share,
    .describe = cuda_describe,
};
