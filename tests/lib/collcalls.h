/* SPDX-License-Identifier: MIT */
/* collcalls - a virtual clock, and the collectives of which a collstream's steps are made. */
#ifndef TESTS_LIB_COLLCALLS_H
#define TESTS_LIB_COLLCALLS_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "proto/wire/collrec.h"

#define COLLSTREAM_SEQS 4096u
#define KIB             1024ull
#define MIB             (1024ull * KIB)

enum { F16 = 6, F32 = 7, BF16 = 9 }; /* NCCL's numbers */
/* Communicators: all ranks, data, tensor and expert parallel, tensor and pipeline together,
 * pairs of a pipeline, and the two stages that share the embedding. */
enum {
    WORLD = 0x77,
    DP = 0xd9,
    TP = 0x79,
    EP = 0xe9,
    MP = 0x39,
    PREV = 0x99,
    NEXT = 0x9a,
    SHARED = 0x5a
};

struct collstream {
    const struct collstream_kind *kind;
    uint64_t seed;
    uint32_t steps;
    double sigma;     /* of a step's time, logarithm */
    double lost;      /* share of records */
    uint16_t n_ranks; /* told of each communicator, if not 0 */
    void (*sink)(void *arg, const struct collrec *r);
    void *arg;
    uint32_t step;
    bool is_settled;  /* what comes first and differs is over */
    uint64_t renamed; /* added to communicators */
    /* private: */
    double t_ns, unit_ns, pace;
    unsigned layers, buckets, flavour;
    uint64_t bytes;
    struct {
        uint64_t comm;
        uint32_t key, seq;
    } seq[COLLSTREAM_SEQS];
};

/* HIDDEN_STEPS: nobody can tell them; none is to be found rather than a wrong one. */
enum collstream_truth { STEPS, HIDDEN_STEPS, NO_STEPS };

struct collstream_kind {
    const char *name;
    void (*step)(struct collstream *s); /* one step, s->unit_ns long or so */
    enum collstream_truth truth;
    uint32_t world; /* ranks; 0: nobody knows */
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

static inline uint16_t collstream_ranks(const struct collstream *s, uint64_t comm)
{
    static const struct {
        uint64_t comm;
        uint16_t n;
    } known[] = {{DP, 8}, {TP, 4}, {EP, 8}, {MP, 8}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].comm == comm)
            return known[i].n;
    return comm != WORLD ? 2 : s->kind->world ? (uint16_t)s->kind->world : 64;
}

/* A call after `share` of a step's time. */
static inline void collstream_call(struct collstream *s, double share, uint64_t comm,
                                   unsigned func, unsigned type, uint64_t bytes)
{
    s->t_ns += s->unit_ns * s->pace * share * collstream_lognormal(s, s->sigma / 4);
    struct collrec r = {.t_ns = (uint64_t)s->t_ns,
                        .comm = comm + s->renamed,
                        .bytes = bytes,
                        .kind = COLLREC_CALL,
                        .sig = collsig_of(func, type, bytes)};
    r.n_ranks = s->n_ranks ? s->n_ranks : collstream_ranks(s, comm);
    r.seq = (*collstream_seq(s, r.comm, collsig_key(r.sig)))++;
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

#endif
