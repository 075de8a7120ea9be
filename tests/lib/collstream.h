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

#include "tests/lib/collframeworks.h"
#include "tests/lib/collprograms.h"
#include "tests/lib/collrandom.h"

static const struct collstream_kind collstreams[] = {
    {"DDP", step_ddp, STEPS, 8},
    {"DDP, buckets only", step_ddp_alone, STEPS, 8},
    {"DDP, one bucket", step_ddp_one_bucket, STEPS, 8},
    {"DDP, compressing hooks", step_ddp_hooks, STEPS, 8},
    {"DDP, accumulating", step_ddp_accumulates, STEPS, 8},
    {"FSDP", step_fsdp, STEPS, 8},
    {"FSDP, accumulating", step_fsdp_accumulates, STEPS, 8},
    {"ZeRO 2, accumulating", step_zero2_accumulates, STEPS, 8},
    {"ZeRO 3, two sizes of layer", step_zero3_accumulates, STEPS, 8},
    {"hybrid sharding", step_hybrid, STEPS, 32},
    {"mixture of experts", step_moe, STEPS, 8},
    {"pipeline, first stage", step_pipeline_first, STEPS, 16},
    {"pipeline, middle", step_pipeline_middle, STEPS, 16},
    {"pipeline, last stage", step_pipeline_last, STEPS, 16},
    {"pipeline, no norm", step_pipeline_alone, STEPS, 16},
    {"tensor parallel", step_tensor, STEPS, 32},
    {"tensor, pipeline, data", step_three_ways, STEPS, 64},
    {"DDP, evaluation every 10", step_eval, STEPS, 8},
    {"same, loss reduced in it", step_eval_with_loss, STEPS, 8},
    {"same, no collective in it", step_eval_silent, STEPS, 8},
    {"FSDP, evaluation every 10", step_eval_fsdp, STEPS, 8},
    {"FSDP, checkpoint every 20", step_checkpoint, STEPS, 8},
    {"one bucket, checkpoint", step_checkpoint_alone, STEPS, 8},
    {"accumulation, both of these", step_all_sorts, STEPS, 8},
    {"a warm-up that differs", step_warmup, STEPS, 8},
    {"drift to 2.7 times", step_drift, STEPS, 8},
    {"host runs ahead of the GPU", step_host_paced, STEPS, 8},
    {"two models in turn", step_gan, STEPS, 8},
    {"five critics, a generator", step_critics, STEPS, 8},
    {"rate told every 100", step_rate, STEPS, 8},
    {"loss told every 10", step_log, STEPS, 8},
    {"another model half way", step_phases, STEPS, 8},
    {"DDP, unused parameters", step_unused, STEPS, 8},
    {"synchronized batch norm", step_sync_batch_norm, STEPS, 8},
    {"DDP, lengths vary", step_ddp_lengths, STEPS, 8},
    {"FSDP, lengths vary", step_fsdp_lengths, STEPS, 8},
    {"tensor, lengths vary", step_tensor_lengths, STEPS, 32},
    {"tensor, reduced early", step_tensor_overlaps, STEPS, 32},
    {"FSDP 2", step_fsdp2, STEPS, 8},
    {"FSDP 2, reduced at last", step_fsdp2_unsynced, STEPS, 8},
    {"hybrid, reduced at last", step_hybrid_unsynced, STEPS, 32},
    {"fp16, overflows", step_overflows, STEPS, 8},
    {"Megatron, first stage", step_megatron_first, STEPS, 64},
    {"Megatron, middle", step_megatron_middle, STEPS, 64},
    {"Megatron, last stage", step_megatron_last, STEPS, 64},
    {"experts, balanced", step_experts, STEPS, 32},
    {"ring attention", step_ring, STEPS, 8},
    {"reinforcement", step_answers, HIDDEN_STEPS, 8},
    {"weights averaged every 20", step_averages, STEPS, 8},
    {"evaluations of any length", step_evaluations, STEPS, 8},
    {"communicators made anew", step_elastic, STEPS, 8},
    {"regularized now and then", step_regularized, HIDDEN_STEPS, 8},
    {"adapters", step_adapters, STEPS, 8},
    {"random signatures", random_signatures, NO_STEPS, 0},
    {"random, on a clock's tick", random_ticks, NO_STEPS, 0},
    {"Poisson", random_poisson, NO_STEPS, 0},
    {"renewal", random_renewal, NO_STEPS, 0},
    {"renewal, uniform", random_uniform, NO_STEPS, 0},
    {"several renewals", random_renewals, NO_STEPS, 0},
    {"several timers", random_timers, NO_STEPS, 0},
    {"heartbeat amid traffic", random_heartbeat, NO_STEPS, 0},
    {"random bursts", random_bursts, NO_STEPS, 0},
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
    s->renamed = 0;
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
