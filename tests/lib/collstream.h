/* SPDX-License-Identifier: MIT */
/* collstream - what NCCL would tell of one rank of a training that never ran, on a virtual
 * clock, with the true number of the step beside it; and of programs that have no steps.
 * The same seed gives the same records.
 *
 *     struct collstream s = {.kind = &collstreams[i], .seed = 1, .steps = 300,
 *                            .sink = on_record, .arg = ...};
 *     collstream_run(&s);        in sink: s.step is the step that the record belongs to
 */
#ifndef TESTS_LIB_COLLSTREAM_H
#define TESTS_LIB_COLLSTREAM_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "proto/wire/collrec.h"

#define COLLSTREAM_SEQS 4096u
#define KIB             1024ull
#define MIB             (1024ull * KIB)

enum { F16 = 6, F32 = 7, BF16 = 9 }; /* NCCL's numbers */
/* Communicators: all ranks, data, tensor and expert parallel, and pairs of a pipeline. */
enum { WORLD = 0x77, DP = 0xd9, TP = 0x79, EP = 0xe9, PREV = 0x99, NEXT = 0x9a };

struct collstream {
    const struct collstream_kind *kind;
    uint64_t seed;
    uint32_t steps;
    double sigma; /* of a step's time, logarithm */
    double lost;  /* share of records */
    void (*sink)(void *arg, const struct collrec *r);
    void *arg;
    uint32_t step;
    bool is_settled; /* what comes first and differs is over */
    /* private: */
    double t_ns, unit_ns, pace;
    unsigned layers, buckets, flavour;
    uint64_t bytes;
    struct {
        uint64_t comm;
        uint32_t key, seq;
    } seq[COLLSTREAM_SEQS];
};

struct collstream_kind {
    const char *name;
    void (*step)(struct collstream *s); /* one step, s->unit_ns long or so */
    bool is_random;
};

static inline uint64_t collstream_random(struct collstream *s)
{
    uint64_t z = s->seed += 0x9e3779b97f4a7c15u; /* splitmix64 */
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline double collstream_uniform(struct collstream *s)
{
    return (double)(collstream_random(s) >> 11) / 9007199254740992.0;
}

static inline unsigned collstream_below(struct collstream *s, unsigned n)
{
    return (unsigned)(collstream_random(s) % n);
}

static inline double collstream_lognormal(struct collstream *s, double sigma)
{
    double u = collstream_uniform(s), v = collstream_uniform(s);
    double z = sqrt(-2 * log(u > 0 ? u : 1e-300)) * cos(6.283185307179586 * v);
    return exp(sigma * z - sigma * sigma / 2); /* of mean 1 */
}

static inline uint32_t *collstream_seq(struct collstream *s, uint64_t comm,
                                       uint32_t key)
{
    size_t i = (size_t)(comm * 31 + key) * 2654435761u % COLLSTREAM_SEQS;
    while (s->seq[i].comm != 0 && (s->seq[i].comm != comm || s->seq[i].key != key))
        i = (i + 1) % COLLSTREAM_SEQS;
    s->seq[i].comm = comm;
    s->seq[i].key = key;
    return &s->seq[i].seq;
}

/* A call after `share` of a step's time. */
static inline void collstream_call(struct collstream *s, double share, uint64_t comm,
                                   unsigned func, unsigned type, uint64_t bytes)
{
    static const uint16_t ranks[] = {64, 8, 4, 16, 2};
    s->t_ns += s->unit_ns * s->pace * share * collstream_lognormal(s, s->sigma / 4);
    struct collrec r = {.t_ns = (uint64_t)s->t_ns,
                        .comm = comm,
                        .bytes = bytes,
                        .kind = COLLREC_CALL,
                        .sig = collsig_of(func, type, bytes)};
    r.n_ranks = ranks[comm == WORLD ? 0
                      : comm == DP  ? 1
                      : comm == TP  ? 2
                      : comm == EP  ? 3
                                    : 4];
    r.seq = (*collstream_seq(s, comm, collsig_key(r.sig)))++;
    if (s->lost > 0 && collstream_uniform(s) < s->lost)
        return;
    s->sink(s->arg, &r);
}

static inline void collstream_pause(struct collstream *s, double share)
{
    s->t_ns += s->unit_ns * s->pace * share * collstream_lognormal(s, s->sigma / 4);
}

/* ---- parts of steps; what they take of a step's time comes first */

static inline void small_all_reduce(struct collstream *s, uint64_t comm)
{
    collstream_call(s, 0.01, comm, COLL_ALLREDUCE, F32, 4);
}

/* Gradients in buckets, the first a small one, as DistributedDataParallel has them. */
static inline void ddp_backward(struct collstream *s, double share, unsigned type)
{
    collstream_pause(s, share / 3);
    for (unsigned i = 0; i < s->buckets; i++) {
        uint64_t bytes = i == 0 ? 1 * MIB : i + 1 == s->buckets ? s->bytes : 25 * MIB;
        collstream_call(s, share * 2 / 3 / s->buckets, DP, COLL_ALLREDUCE, type, bytes);
    }
}

static inline void fsdp_micro(struct collstream *s, double share)
{
    double one = share / 3 / s->layers;
    collstream_call(s, 0, DP, COLL_ALLGATHER, BF16, 4 * s->bytes);
    for (unsigned i = 0; i < s->layers; i++)
        collstream_call(s, one, DP, COLL_ALLGATHER, BF16, 100 * MIB);
    for (unsigned i = 0; i < s->layers; i++) {
        collstream_call(s, one, DP, COLL_ALLGATHER, BF16, 100 * MIB);
        collstream_call(s, one, DP, COLL_REDUCESCATTER, BF16, 100 * MIB);
    }
    collstream_call(s, 0, DP, COLL_REDUCESCATTER, BF16, 4 * s->bytes);
}

static inline void fsdp_eval(struct collstream *s, unsigned batches)
{
    for (unsigned b = 0; b < batches; b++) {
        collstream_call(s, 0, DP, COLL_ALLGATHER, BF16, 4 * s->bytes);
        for (unsigned i = 0; i < s->layers; i++)
            collstream_call(s, 0.3 / s->layers, DP, COLL_ALLGATHER, BF16, 100 * MIB);
    }
}

static inline void checkpoint(struct collstream *s)
{
    small_all_reduce(s, WORLD); /* a barrier is one */
    collstream_call(s, 2, WORLD, COLL_BROADCAST, F32, 64 * KIB);
    collstream_call(s, 1, WORLD, COLL_ALLGATHER, F32, 1 * MIB);
    small_all_reduce(s, WORLD);
}

/* ---- programs */

static inline void step_ddp(struct collstream *s)
{
    ddp_backward(s, 0.9, F32);
    small_all_reduce(s, WORLD);
    collstream_pause(s, 0.09);
}

static inline void step_ddp_alone(struct collstream *s)
{
    ddp_backward(s, 0.9, F32);
    collstream_pause(s, 0.1);
}

static inline void step_ddp_one_bucket(struct collstream *s)
{
    collstream_call(s, 0.8, DP, COLL_ALLREDUCE, F32, 10 * MIB);
    collstream_pause(s, 0.2);
}

static inline void step_ddp_hooks(struct collstream *s)
{
    ddp_backward(s, 0.9, s->flavour % 2 ? BF16 : F16);
    collstream_call(s, 0.01, DP, COLL_ALLGATHER, F32, 3 * KIB);
    collstream_pause(s, 0.09);
}

static inline void step_ddp_accumulates(struct collstream *s)
{
    for (unsigned i = 0; i < 8; i++)
        small_all_reduce(s, WORLD), collstream_pause(s, 0.1);
    ddp_backward(s, 0.1, F32);
    collstream_pause(s, 0.1);
}

static inline void step_fsdp(struct collstream *s)
{
    fsdp_micro(s, 0.9);
    small_all_reduce(s, DP);
    collstream_pause(s, 0.08);
}

static inline void step_fsdp_accumulates(struct collstream *s)
{
    static const unsigned parts[] = {2, 4, 8, 16};
    unsigned n = parts[s->flavour % 4];
    for (unsigned i = 0; i < n; i++)
        fsdp_micro(s, 0.95 / n);
    small_all_reduce(s, DP);
    collstream_pause(s, 0.04);
}

static inline void step_zero2_accumulates(struct collstream *s)
{
    for (unsigned i = 0; i < 4; i++) {
        collstream_pause(s, 0.1);
        for (unsigned k = 0; k < s->buckets; k++)
            collstream_call(s, 0.1 / s->buckets, DP, COLL_REDUCE, F16,
                            k == 0 ? 3 * MIB : 50 * MIB);
    }
    collstream_call(s, 0.01, WORLD, COLL_ALLREDUCE, F32, 8);
    small_all_reduce(s, WORLD);
    collstream_call(s, 0.1, DP, COLL_ALLGATHER, F16, 400 * MIB);
}

/* Layers of two sizes, so that neither comes in each. */
static inline void step_zero3_accumulates(struct collstream *s)
{
    for (unsigned part = 0; part < 4; part++) {
        for (unsigned i = 0; i < s->layers; i++)
            collstream_call(s, 0.08 / s->layers, DP, COLL_ALLGATHER, BF16,
                            (60 + i % 5) * MIB);
        for (unsigned i = 0; i < s->layers; i++) {
            collstream_call(s, 0.07 / s->layers, DP, COLL_ALLGATHER, BF16,
                            (60 + i % 5) * MIB);
            collstream_call(s, 0.07 / s->layers, DP, COLL_REDUCESCATTER, BF16,
                            (60 + i % 5) * MIB);
        }
    }
    collstream_call(s, 0.01, WORLD, COLL_ALLREDUCE, F32, 8);
    small_all_reduce(s, WORLD);
    collstream_pause(s, 0.05);
}

/* Sharded within a node, reduced between nodes. */
static inline void step_hybrid(struct collstream *s)
{
    for (unsigned i = 0; i < 2 * s->layers; i++)
        collstream_call(s, 0.3 / s->layers, TP, COLL_ALLGATHER, BF16, 100 * MIB);
    for (unsigned i = 0; i < s->layers; i++) {
        collstream_call(s, 0.2 / s->layers, TP, COLL_REDUCESCATTER, BF16, 100 * MIB);
        collstream_call(s, 0.05 / s->layers, DP, COLL_ALLREDUCE, BF16, 12 * MIB);
    }
    small_all_reduce(s, WORLD);
    collstream_pause(s, 0.05);
}

static inline void step_moe(struct collstream *s)
{
    for (unsigned i = 0; i < 4 * s->layers; i++)
        collstream_call(s, 0.8 / 4 / s->layers, EP, COLL_ALLTOALL, BF16,
                        1 + collstream_random(s) % (64 * MIB));
    ddp_backward(s, 0.1, BF16);
    small_all_reduce(s, WORLD);
    collstream_pause(s, 0.08);
}

/* One forward, one backward: a warm-up of forwards, then in turn. */
static inline void pipeline(struct collstream *s, bool first, bool last, bool tensor)
{
    unsigned n = 8 << s->flavour % 3, ahead = 3;
    double f = 0.28 / n;
    for (unsigned i = 0; i < n + ahead; i++) {
        if (i < n && !first)
            collstream_call(s, f, PREV, COLL_RECV, BF16, 8 * MIB);
        for (unsigned k = 0; tensor && i < n && k < 4; k++)
            collstream_call(s, f / 4, TP, COLL_ALLREDUCE, BF16, 32 * MIB);
        if (i < n && !last)
            collstream_call(s, f, NEXT, COLL_SEND, BF16, 8 * MIB);
        if (i >= ahead && !last)
            collstream_call(s, f, NEXT, COLL_RECV, BF16, 8 * MIB);
        for (unsigned k = 0; tensor && i >= ahead && k < 4; k++)
            collstream_call(s, f / 2, TP, COLL_ALLREDUCE, BF16, 32 * MIB);
        if (i >= ahead && !first)
            collstream_call(s, f, PREV, COLL_SEND, BF16, 8 * MIB);
    }
    for (unsigned i = 0; i < s->buckets; i++)
        collstream_call(s, 0.1 / s->buckets, DP, COLL_ALLREDUCE, F32, 80 * MIB);
}

static inline void step_pipeline_first(struct collstream *s)
{
    pipeline(s, true, false, false);
    small_all_reduce(s, WORLD);
    collstream_pause(s, 0.03);
}

static inline void step_pipeline_middle(struct collstream *s)
{
    pipeline(s, false, false, false);
    small_all_reduce(s, WORLD);
    collstream_pause(s, 0.03);
}

static inline void step_pipeline_last(struct collstream *s)
{
    pipeline(s, false, true, false);
    small_all_reduce(s, WORLD);
    collstream_pause(s, 0.03);
}

/* No norm of the gradients; they are reduced in buckets of one size. */
static inline void step_pipeline_alone(struct collstream *s)
{
    pipeline(s, true, false, false);
    collstream_call(s, 0.02, DP, COLL_ALLGATHER, BF16, 300 * MIB);
    collstream_pause(s, 0.03);
}

static inline void step_tensor(struct collstream *s)
{
    for (unsigned i = 0; i < 2 * s->layers; i++) /* after attention, after the rest */
        collstream_call(s, (i % 2 ? 0.2 : 0.1) / s->layers, TP, COLL_ALLREDUCE, BF16,
                        32 * MIB);
    for (unsigned i = 0; i < 3; i++) /* cross entropy over a vocabulary in parts */
        collstream_call(s, 0.001, TP, COLL_ALLREDUCE, F32, 32 * KIB);
    for (unsigned i = 0; i < 2 * s->layers; i++)
        collstream_call(s, (i % 2 ? 0.2 : 0.4) / s->layers, TP, COLL_ALLREDUCE, BF16,
                        32 * MIB);
    collstream_call(s, 0.05, DP, COLL_REDUCESCATTER, F32, 700 * MIB);
    small_all_reduce(s, WORLD);
    collstream_call(s, 0.05, DP, COLL_ALLGATHER, BF16, 350 * MIB);
}

static inline void step_three_ways(struct collstream *s)
{
    pipeline(s, false, false, true);
    small_all_reduce(s, WORLD);
    collstream_pause(s, 0.03);
}

static inline void step_eval(struct collstream *s)
{
    step_ddp_alone(s);
    if (s->step % 10 != 9)
        return;
    for (unsigned i = 0; i < 5; i++)
        collstream_pause(s, 0.3);
    collstream_call(s, 0.01, WORLD, COLL_ALLREDUCE, F32, 16);
    collstream_call(s, 0.01, WORLD, COLL_ALLREDUCE, F32, 64);
}

static inline void step_eval_with_loss(struct collstream *s)
{
    step_ddp(s);
    for (unsigned i = 0; s->step % 10 == 9 && i < 6; i++) {
        collstream_pause(s, 0.3);
        small_all_reduce(s, WORLD);
    }
}

static inline void step_eval_silent(struct collstream *s)
{
    step_ddp(s);
    collstream_pause(s, s->step % 10 == 9 ? 2 : 0);
}

static inline void step_eval_fsdp(struct collstream *s)
{
    step_fsdp(s);
    if (s->step % 10 != 9)
        return;
    fsdp_eval(s, 5);
    collstream_call(s, 0.01, WORLD, COLL_ALLREDUCE, F32, 8);
}

static inline void step_checkpoint(struct collstream *s)
{
    step_fsdp(s);
    if (s->step % 20 == 19)
        checkpoint(s);
}

static inline void step_checkpoint_alone(struct collstream *s)
{
    step_ddp_one_bucket(s);
    if (s->step % 20 == 19)
        checkpoint(s);
}

static inline void step_all_sorts(struct collstream *s)
{
    step_fsdp_accumulates(s);
    if (s->step % 10 == 9)
        fsdp_eval(s, 4);
    if (s->step % 25 == 24)
        checkpoint(s);
}

static inline void step_warmup(struct collstream *s)
{
    s->is_settled = s->step >= 12;
    if (s->is_settled) {
        step_ddp(s);
        return;
    }
    collstream_pause(s, 3); /* compiles; buckets are not what they will be */
    for (unsigned i = 0; i < 2 + s->step % 3; i++)
        collstream_call(s, 0.2, DP, COLL_ALLREDUCE, F32, 40 * MIB);
    small_all_reduce(s, WORLD);
}

static inline void step_drift(struct collstream *s)
{
    s->pace *= 1 + 1.0 / s->steps;
    step_ddp(s);
}

/* The host runs ahead until it is to print a line. */
static inline void step_host_paced(struct collstream *s)
{
    double pace = s->pace;
    s->pace = pace * 0.15;
    step_fsdp(s);
    s->pace = pace;
    collstream_pause(s, s->step % 10 == 9 ? 8.5 : 0);
}

static inline void step_gan(struct collstream *s)
{
    ddp_backward(s, 0.4, F32); /* critic */
    collstream_pause(s, 0.1);
    collstream_call(s, 0.3, DP, COLL_ALLREDUCE, F32, 1 * MIB);
    collstream_call(s, 0.2, DP, COLL_ALLREDUCE, F32, 9 * MIB);
}

static inline void step_critics(struct collstream *s)
{
    for (unsigned i = 0; i < 5; i++)
        for (unsigned k = 0; k < 3; k++)
            collstream_call(s, 0.04, DP, COLL_ALLREDUCE, F32, (1ull << 2 * k) * MIB);
    collstream_call(s, 0.2, DP, COLL_ALLREDUCE, F32, 30 * MIB);
    collstream_call(s, 0.1, DP, COLL_ALLREDUCE, F32, 120 * MIB);
}

static inline void step_rate(struct collstream *s)
{
    step_ddp(s);
    if (s->step % 100 == 99)
        collstream_call(s, 0, WORLD, COLL_BROADCAST, F32, 8);
}

static inline void step_log(struct collstream *s)
{
    fsdp_micro(s, 0.95);
    collstream_pause(s, 0.05);
    if (s->step % 10 == 9)
        small_all_reduce(s, WORLD);
}

/* Another part of the model, other sizes, half as long again. */
static inline void step_phases(struct collstream *s)
{
    s->is_settled = s->step < s->steps / 2 || s->step > s->steps / 2 + 60;
    if (s->step < s->steps / 2) {
        step_ddp(s);
        return;
    }
    collstream_pause(s, 0.5);
    step_fsdp(s);
}

/* ---- programs without steps; a "step" is so much time */

static inline void random_signatures(struct collstream *s)
{
    for (unsigned i = 0; i < 8; i++)
        collstream_call(s, -0.125 * log(1 - collstream_uniform(s)), DP,
                        COLL_ALLREDUCE + collstream_below(s, 5), F32,
                        1ull << (2 + collstream_below(s, 6 * (s->flavour % 4 + 1))));
}

static inline void random_ticks(struct collstream *s)
{
    unsigned kinds = 2 + s->flavour % 30;
    for (unsigned i = 0; i < 8; i++)
        collstream_call(s, 0.125, DP, COLL_ALLREDUCE, F32,
                        1ull << collstream_below(s, kinds));
}

static inline void random_poisson(struct collstream *s)
{
    collstream_call(s, -log(1 - collstream_uniform(s)), DP, COLL_ALLREDUCE, F32, MIB);
}

static inline void random_renewal(struct collstream *s)
{
    static const double sigma[] = {0.4, 0.5, 0.7, 1};
    collstream_call(s, collstream_lognormal(s, sigma[s->flavour % 4]), DP,
                    COLL_ALLREDUCE, F32, MIB);
}

static inline void random_uniform(struct collstream *s)
{
    collstream_call(s, 0.5 + collstream_uniform(s), DP, COLL_ALLREDUCE, F32, MIB);
}

/* Several timers of which none knows of another: the next of them all is due. */
static inline void timers(struct collstream *s, unsigned n, double sigma)
{
    double due[8], end = s->t_ns + 1e6 * s->unit_ns;
    for (unsigned i = 0; i < n; i++)
        due[i] = s->t_ns + s->unit_ns * collstream_uniform(s);
    uint32_t calls = 8 * s->steps;
    while (s->t_ns < end && calls-- > 0) {
        unsigned k = 0;
        for (unsigned i = 1; i < n; i++)
            k = due[i] < due[k] ? i : k;
        s->t_ns = due[k];
        due[k] += s->unit_ns * (1 + k * 0.377) * collstream_lognormal(s, sigma);
        collstream_call(s, 0, DP + k, COLL_ALLREDUCE, F32, MIB);
    }
    s->step = s->steps;
}

static inline void random_renewals(struct collstream *s)
{
    timers(s, 3 + s->flavour % 6, 0.3);
}

/* A barrier by a timer, and whatever comes between. */
static inline void random_heartbeat(struct collstream *s)
{
    double left = 1;
    while (left > 0) {
        double d = -log(1 - collstream_uniform(s)) / (1 + 2 * (s->flavour % 6));
        if (d >= left)
            break;
        left -= d;
        collstream_call(s, d, DP, COLL_ALLREDUCE + collstream_below(s, 3), F32,
                        1ull << (10 + collstream_below(s, 4)));
    }
    collstream_call(s, left, WORLD, COLL_ALLREDUCE, F32, 4);
}

static inline void random_bursts(struct collstream *s)
{
    unsigned n = 1 + collstream_below(s, 12);
    collstream_pause(s, -2 * log(1 - collstream_uniform(s)));
    for (unsigned i = 0; i < n; i++)
        collstream_call(s, 0.01, DP, COLL_ALLREDUCE, F32, 25 * MIB);
}

static const struct collstream_kind collstreams[] = {
    {"DDP", step_ddp, false},
    {"DDP, buckets only", step_ddp_alone, false},
    {"DDP, one bucket", step_ddp_one_bucket, false},
    {"DDP, compressing hooks", step_ddp_hooks, false},
    {"DDP, accumulating", step_ddp_accumulates, false},
    {"FSDP", step_fsdp, false},
    {"FSDP, accumulating", step_fsdp_accumulates, false},
    {"ZeRO 2, accumulating", step_zero2_accumulates, false},
    {"ZeRO 3, two sizes of layer", step_zero3_accumulates, false},
    {"hybrid sharding", step_hybrid, false},
    {"mixture of experts", step_moe, false},
    {"pipeline, first stage", step_pipeline_first, false},
    {"pipeline, middle", step_pipeline_middle, false},
    {"pipeline, last stage", step_pipeline_last, false},
    {"pipeline, no norm", step_pipeline_alone, false},
    {"tensor parallel", step_tensor, false},
    {"tensor, pipeline, data", step_three_ways, false},
    {"DDP, evaluation every 10", step_eval, false},
    {"same, loss reduced in it", step_eval_with_loss, false},
    {"same, no collective in it", step_eval_silent, false},
    {"FSDP, evaluation every 10", step_eval_fsdp, false},
    {"FSDP, checkpoint every 20", step_checkpoint, false},
    {"one bucket, checkpoint", step_checkpoint_alone, false},
    {"accumulation, both of these", step_all_sorts, false},
    {"a warm-up that differs", step_warmup, false},
    {"drift to 2.7 times", step_drift, false},
    {"host runs ahead of the GPU", step_host_paced, false},
    {"two models in turn", step_gan, false},
    {"five critics, a generator", step_critics, false},
    {"rate told every 100", step_rate, false},
    {"loss told every 10", step_log, false},
    {"another model half way", step_phases, false},
    {"random signatures", random_signatures, true},
    {"random, on a clock's tick", random_ticks, true},
    {"Poisson", random_poisson, true},
    {"renewal", random_renewal, true},
    {"renewal, uniform", random_uniform, true},
    {"several renewals", random_renewals, true},
    {"heartbeat amid traffic", random_heartbeat, true},
    {"random bursts", random_bursts, true},
};
#define N_COLLSTREAMS (sizeof collstreams / sizeof *collstreams)

static inline void collstream_run(struct collstream *s)
{
    static const double sigmas[] = {0.05, 0.1, 0.2};
    memset(s->seq, 0, sizeof s->seq);
    s->flavour = (unsigned)(s->seed % 997);
    s->sigma = sigmas[s->flavour % 3];
    s->layers = 8 + collstream_below(s, 56);
    s->buckets = 3 + collstream_below(s, 6);
    s->bytes = (2 + collstream_below(s, 6)) * MIB;
    s->unit_ns = 1e7 * pow(500, collstream_uniform(s)); /* 10 ms to 5 s */
    s->t_ns = 1e9 * (1 + 1e6 * collstream_uniform(s));
    s->is_settled = true;
    double pace = 1;
    s->pace = 1;
    for (s->step = 0; s->step < s->steps; s->step++) {
        double noise = collstream_lognormal(s, s->sigma);
        s->pace = pace * noise;
        s->kind->step(s);
        pace = s->pace / noise;
    }
}

#endif
