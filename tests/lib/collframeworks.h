/* SPDX-License-Identifier: MIT */
/* collframeworks - jobs as frameworks run them, several patterns at once: PyTorch,
 * DeepSpeed, Megatron, reinforcement learning. What is told apart elsewhere by its
 * communicator is here in one, what is once a step there is here in each part, and steps
 * are as long as the data. */
#ifndef TESTS_LIB_COLLFRAMEWORKS_H
#define TESTS_LIB_COLLFRAMEWORKS_H

#include "tests/lib/collcalls.h"

enum { I32 = 2, I64 = 4 };

static inline void buckets(struct collstream *s, double share, uint64_t comm,
                           unsigned func, unsigned type)
{
    for (unsigned i = 0; i < s->buckets; i++) {
        uint64_t bytes = i == 0 ? 1 * MIB : i + 1 == s->buckets ? s->bytes : 25 * MIB;
        collstream_call(s, share / s->buckets, comm, func, type, bytes);
    }
}

/* find_unused_parameters, buffers of the model told before each forward; one communicator
 * for all, as nearly every program has it. */
static inline void step_unused(struct collstream *s)
{
    collstream_call(s, 0.01, WORLD, COLL_BROADCAST, F32, 40 * KIB);
    collstream_pause(s, 0.3);
    buckets(s, 0.6, WORLD, COLL_ALLREDUCE, F32);
    collstream_call(s, 0.01, WORLD, COLL_ALLREDUCE, I32, 5000);
    collstream_pause(s, 0.08);
}

/* A mean in each layer's forward, gradients of it in its backward, of four widths. */
static inline void step_sync_batch_norm(struct collstream *s)
{
    unsigned n = s->layers;
    for (unsigned i = 0; i < n; i++)
        collstream_call(s, 0.3 / n, WORLD, COLL_ALLGATHER, F32,
                        4 * ((128ull << i * 4 / n) + 1));
    for (unsigned i = n; i-- > 0;) {
        collstream_call(s, 0.5 / n, WORLD, COLL_ALLREDUCE, F32, 512ull << i * 4 / n);
        if (i % (n / 4) == 0)
            collstream_call(s, 0, WORLD, COLL_ALLREDUCE, F32,
                            i == 0 ? 1 * MIB : 25 * MIB);
    }
    collstream_pause(s, 0.2);
}

/* Steps are as long as the sequences in them: some are three times others. */
static inline void varies(struct collstream *s)
{
    s->pace *= collstream_lognormal(s, 0.5);
}

static inline void step_ddp_lengths(struct collstream *s)
{
    double pace = s->pace;
    varies(s);
    collstream_pause(s, 0.3);
    buckets(s, 0.6, WORLD, COLL_ALLREDUCE, F32);
    collstream_pause(s, 0.1);
    s->pace = pace;
}

static inline void step_fsdp_lengths(struct collstream *s)
{
    double pace = s->pace;
    varies(s);
    fsdp_micro(s, 0.9);
    small_all_reduce(s, DP);
    collstream_pause(s, 0.08);
    s->pace = pace;
}

/* So are the sizes of what tensor parallel layers exchange. */
static inline void step_tensor_lengths(struct collstream *s)
{
    double pace = s->pace, length = collstream_lognormal(s, 0.5);
    uint64_t bytes = (uint64_t)(length * (double)(16 * MIB));
    s->pace *= length;
    for (unsigned i = 0; i < 4 * s->layers; i++)
        collstream_call(s, 0.2 / s->layers, TP, COLL_ALLREDUCE, BF16, bytes);
    buckets(s, 0.1, DP, COLL_ALLREDUCE, F32);
    small_all_reduce(s, WORLD);
    collstream_pause(s, 0.08);
    s->pace = pace;
}

/* Each layer by itself; what is fetched ahead changes places with what is reduced. */
static inline void fsdp2_micro(struct collstream *s, double share, bool reduces)
{
    double one = share / 3 / s->layers;
    unsigned behind = 0;
    for (unsigned i = 0; i <= s->layers; i++)
        collstream_call(s, one, DP, COLL_ALLGATHER, BF16, i ? 90 * MIB : 4 * s->bytes);
    for (unsigned i = 0; i < s->layers; i++) {
        if (i + 1 < s->layers)
            collstream_call(s, one, DP, COLL_ALLGATHER, BF16, 90 * MIB);
        collstream_pause(s, one);
        behind += reduces;
        for (; behind > collstream_below(s, 2); behind--)
            collstream_call(s, 0, DP, COLL_REDUCESCATTER, F32, 180 * MIB);
    }
    for (; behind > 0; behind--)
        collstream_call(s, 0, DP, COLL_REDUCESCATTER, F32, 180 * MIB);
    if (reduces)
        collstream_call(s, 0, DP, COLL_REDUCESCATTER, F32, 8 * s->bytes);
}

static inline void step_fsdp2(struct collstream *s)
{
    fsdp2_micro(s, 0.9, true);
    small_all_reduce(s, DP);
    collstream_pause(s, 0.08);
}

/* set_requires_gradient_sync(False) but for the last of them. */
static inline void step_fsdp2_unsynced(struct collstream *s)
{
    static const unsigned parts[] = {2, 5, 10, 20};
    unsigned n = parts[s->flavour % 4];
    for (unsigned i = 0; i < n; i++)
        fsdp2_micro(s, 0.9 / n, i + 1 == n);
    small_all_reduce(s, DP);
    collstream_pause(s, 0.08);
}

/* The loss scale is too high at first and now and then: no parameters are told. */
static inline void step_overflows(struct collstream *s)
{
    collstream_pause(s, 0.3);
    buckets(s, 0.4, WORLD, COLL_REDUCESCATTER, F16);
    small_all_reduce(s, WORLD);
    if (s->step >= 9 && s->step % 90 != 89) {
        small_all_reduce(s, WORLD);
        collstream_call(s, 0.1, WORLD, COLL_ALLGATHER, F16, 400 * MIB);
    }
    collstream_pause(s, 0.15);
}

/* Gradients are reduced as soon as two layers have them, between what the layers exchange. */
static inline void step_tensor_overlaps(struct collstream *s)
{
    unsigned n = s->layers & ~1u;
    for (unsigned i = 0; i < 2 * n; i++)
        collstream_call(s, 0.15 / n, TP, COLL_ALLREDUCE, BF16, 32 * MIB);
    for (unsigned i = 0; i < 2 * n; i++) {
        collstream_call(s, 0.27 / n, TP, COLL_ALLREDUCE, BF16, 32 * MIB);
        if (i % 4 == 3)
            collstream_call(s, 0, DP, COLL_REDUCESCATTER, F32, 300 * MIB);
    }
    collstream_call(s, 0.02, DP, COLL_REDUCESCATTER, F32, 100 * MIB);
    small_all_reduce(s, WORLD);
    for (unsigned i = 0; i < n / 2; i++)
        collstream_call(s, 0.1 / n, DP, COLL_ALLGATHER, BF16, 150 * MIB);
}

/* Interleaved stages, sequence parallel, a distributed optimizer. */
static inline void megatron_layers(struct collstream *s, double share, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        collstream_call(s, share / n / 2, TP, COLL_ALLGATHER, BF16, 32 * MIB);
        collstream_call(s, share / n / 2, TP, COLL_REDUCESCATTER, BF16, 32 * MIB);
    }
}

static inline void megatron_loss(struct collstream *s)
{
    for (unsigned k = 0; k < 3; k++)
        collstream_call(s, 0, TP, COLL_ALLREDUCE, F32, 32 * KIB);
    small_all_reduce(s, DP);
}

static inline void megatron(struct collstream *s, bool first, bool last)
{
    unsigned micros = 8 << s->flavour % 2, n = 2 * micros, ahead = 5;
    double one = 0.28 / n;
    buckets(s, 0.05, DP, COLL_ALLGATHER, BF16);
    for (unsigned i = 0; i < n + ahead; i++) {
        if (i < n && !(first && i % 8 < 4))
            collstream_call(s, 0, PREV, COLL_RECV, BF16, 8 * MIB);
        if (i < n)
            megatron_layers(s, one, 4);
        if (i < n && last && i % 8 >= 4)
            megatron_loss(s);
        else if (i < n)
            collstream_call(s, 0, NEXT, COLL_SEND, BF16, 8 * MIB);
        if (i < ahead)
            continue;
        if (!(last && (i - ahead) % 8 < 4))
            collstream_call(s, 0, NEXT, COLL_RECV, BF16, 8 * MIB);
        megatron_layers(s, 2 * one, 4);
        if (!(first && (i - ahead) % 8 >= 4))
            collstream_call(s, 0, PREV, COLL_SEND, BF16, 8 * MIB);
    }
    buckets(s, 0.05, DP, COLL_REDUCESCATTER, BF16);
    if (first || last)
        collstream_call(s, 0.01, SHARED, COLL_ALLREDUCE, BF16, 200 * MIB);
    small_all_reduce(s, MP);
    if (s->step % 100 == 99) /* the times of all, for the log */
        collstream_call(s, 0, WORLD, COLL_ALLGATHER, F32, 4 * KIB);
}

static inline void step_megatron_first(struct collstream *s)
{
    megatron(s, true, false);
}

static inline void step_megatron_middle(struct collstream *s)
{
    megatron(s, false, false);
}

static inline void step_megatron_last(struct collstream *s)
{
    megatron(s, false, true);
}

/* Experts: how many tokens go where, the tokens there and back, and a number that balances
 * them; in each layer, forth and back. Their gradients have ranks of their own. */
static inline void step_experts(struct collstream *s)
{
    for (unsigned i = 0; i < 2 * s->layers; i++) {
        collstream_call(s, 0.2 / s->layers, EP, COLL_ALLGATHER, I64, 2 * KIB);
        for (unsigned k = 0; k < 2; k++)
            collstream_call(s, 0.05 / s->layers, EP, COLL_ALLTOALL, BF16,
                            1 + collstream_random(s) % (64 * MIB));
        if (i < s->layers)
            collstream_call(s, 0.05 / s->layers, TP, COLL_ALLREDUCE, F32, 4);
    }
    buckets(s, 0.1, DP, COLL_REDUCESCATTER, F32);
    buckets(s, 0.05, SHARED, COLL_REDUCESCATTER, F32);
    small_all_reduce(s, WORLD);
    buckets(s, 0.1, DP, COLL_ALLGATHER, BF16);
}

/* Blocks of a long sequence go round a ring, and nothing is told but by pairs, until the
 * gradients are reduced in one piece. */
static inline void step_ring(struct collstream *s)
{
    for (unsigned i = 0; i < 3 * s->layers; i++)
        for (unsigned k = 0; k < 7; k++) {
            collstream_call(s, 0.26 / s->layers / 7, NEXT, COLL_SEND, BF16, 8 * MIB);
            collstream_call(s, 0, PREV, COLL_RECV, BF16, 8 * MIB);
        }
    collstream_call(s, 0.1, DP, COLL_REDUCESCATTER, F32, 700 * MIB);
    collstream_call(s, 0.1, DP, COLL_ALLGATHER, BF16, 350 * MIB);
}

/* Answers of any length are generated, judged, and learned from in four updates. */
static inline void step_answers(struct collstream *s)
{
    if (s->step % 4 == 0) {
        unsigned tokens = 32 + collstream_below(s, 100);
        for (unsigned t = 0; t < tokens; t++) {
            for (unsigned i = 0; i < 8; i++)
                collstream_call(s, 0.0015, TP, COLL_ALLREDUCE, BF16, 64 * KIB);
            collstream_call(s, 0.001, TP, COLL_ALLGATHER, F32, 256 * KIB);
        }
        fsdp_eval(s, 2);
        collstream_call(s, 0.01, WORLD, COLL_ALLGATHER, F32, 2 * KIB);
    }
    step_fsdp2(s);
}

/* Sharded in each part, with the loss of each part told to all; between replicas in the last
 * one only, in buckets of many sizes. */
static inline void step_hybrid_unsynced(struct collstream *s)
{
    for (unsigned part = 0; part < 4; part++) {
        for (unsigned i = 0; i < s->layers; i++)
            collstream_call(s, 0.1 / s->layers, TP, COLL_ALLGATHER, BF16, 100 * MIB);
        for (unsigned i = 0; i < s->layers; i++)
            collstream_call(s, 0.1 / s->layers, TP, COLL_REDUCESCATTER, F32, 200 * MIB);
        small_all_reduce(s, WORLD);
    }
    for (unsigned i = 0; i < 5; i++)
        collstream_call(s, 0.02, DP, COLL_ALLREDUCE, F32, (2ull << 2 * i) * MIB);
    collstream_pause(s, 0.05);
}

/* Statistics of the model are averaged every 20 steps, in a communicator for that. */
static inline void step_averages(struct collstream *s)
{
    step_fsdp2(s);
    if (s->step % 20 == 19)
        buckets(s, 0.5, WORLD, COLL_ALLREDUCE, F32);
}

/* Evaluations of any length, with the loss reduced as in training. */
static inline void step_evaluations(struct collstream *s)
{
    buckets(s, 0.9, WORLD, COLL_ALLREDUCE, F32);
    small_all_reduce(s, WORLD);
    collstream_pause(s, 0.1);
    if (s->step % 15 != 14)
        return;
    for (unsigned n = 3 + collstream_below(s, 40); n > 0; n--) {
        collstream_pause(s, 0.25);
        small_all_reduce(s, WORLD);
    }
    collstream_call(s, 0.1, WORLD, COLL_ALLGATHER, F32, 3 * KIB);
}

/* After a rank was lost the others go on in new communicators. */
static inline void step_elastic(struct collstream *s)
{
    s->is_settled = s->step < s->steps / 2 || s->step > s->steps / 2 + 40;
    if (s->step == s->steps / 2) {
        s->renamed = 0x5000;
        collstream_pause(s, 30);
    }
    step_fsdp2(s);
}

/* Two optimizers in turn; each second has one collective only, and one in 16 is dear. */
static inline void step_regularized(struct collstream *s)
{
    collstream_call(s, 0.4, WORLD, COLL_ALLREDUCE, F32, 120 * MIB);
    if (s->step % 4 == 3)
        collstream_call(s, 0.5, WORLD, COLL_ALLREDUCE, F32, 120 * MIB);
    collstream_call(s, 0.5, WORLD, COLL_ALLREDUCE, F32, 150 * MIB);
    if (s->step % 16 == 15)
        collstream_call(s, 0.6, WORLD, COLL_ALLREDUCE, F32, 150 * MIB);
    collstream_pause(s, 0.1);
}

/* A few weights of a large model: one bucket, the loss, an evaluation now and then. */
static inline void step_adapters(struct collstream *s)
{
    collstream_call(s, 0.8, WORLD, COLL_ALLREDUCE, F32, 12 * MIB);
    collstream_call(s, 0.1, WORLD, COLL_ALLGATHER, F32, 4);
    collstream_pause(s, 0.1);
    if (s->step % 50 == 49)
        for (unsigned i = 0; i < 12; i++)
            collstream_call(s, 0.3, WORLD, COLL_ALLGATHER, F32, 64);
}

#endif
