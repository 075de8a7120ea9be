/* SPDX-License-Identifier: MIT */
/* collprograms - what training programs call in a step, each pattern by itself. */
#ifndef TESTS_LIB_COLLPROGRAMS_H
#define TESTS_LIB_COLLPROGRAMS_H

#include "tests/lib/collcalls.h"

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

#endif
