/* SPDX-License-Identifier: MIT */
/* collrec - what NCCL tells of one collective of one rank, and the file that carries it from
 * the rank (the profiler plug-in, libnccl-profiler-aolani.so) to its agent.
 *
 * A record is 40 bytes, little endian, fixed. Which collective it is, all ranks of the
 * communicator know by the same name: comm, sig and seq. seq counts the collectives with
 * this signature in this communicator since it was made, from 0; the plug-in counts where
 * NCCL calls it, so a record that is lost moves no number.
 */
#ifndef PROTO_WIRE_COLLREC_H
#define PROTO_WIRE_COLLREC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COLLREC_BYTES 40
/* What the head is told where nobody knows: there 0 ranks are no communicator. */
#define COLLREC_RANKS_UNKNOWN UINT16_MAX

enum collrec_kind {
    COLLREC_CALL = 1, /* the program has called it: t_ns is then, dur_ns is 0 */
    COLLREC_DONE =
        2, /* the GPU has done it: dur_ns is what it took, t_ns when we heard */
    COLLREC_COMM = 3, /* a communicator was made: comm and n_ranks */
};
enum collrec_flag {
    COLLREC_CAPTURED = 1, /* into a CUDA graph: nothing has run yet */
    COLLREC_GAP = 2,      /* records of this lane before this one were lost */
};
enum coll_func {
    COLL_OTHER,
    COLL_ALLREDUCE,
    COLL_ALLGATHER,
    COLL_REDUCESCATTER,
    COLL_BROADCAST,
    COLL_REDUCE,
    COLL_ALLTOALL,
    COLL_SEND,
    COLL_RECV,
    COLL_N,
};

/* What makes two collectives of one communicator alike. size_class: the binary logarithm of
 * the payload in bytes, rounded down; always 0 for ALLTOALL, SEND and RECV, whose sizes
 * follow the data. */
struct collsig {
    uint8_t func, datatype, size_class; /* datatype: NCCL's number */
};

struct collrec {
    uint64_t t_ns;  /* CLOCK_MONOTONIC of the node */
    uint64_t comm;  /* NCCL's id of the communicator, the same on all of its ranks */
    uint64_t bytes; /* SEND and RECV: of the first; those of a group are one record */
    uint32_t seq;
    uint32_t dur_ns;  /* saturates */
    uint16_t n_ranks; /* of the communicator; saturates; 0: not known (tables 1 to 3) */
    uint8_t kind, flags;
    struct collsig sig;
    uint8_t pad; /* 0 */
};

void collrec_encode(const struct collrec *r, uint8_t ret[COLLREC_BYTES]);
/* False: of no kind or function that there is. */
bool collrec_decode(const uint8_t data[COLLREC_BYTES], struct collrec *ret);
/* "AllReduce"; never NULL. */
const char *coll_func_name(unsigned func);
struct collsig collsig_of(unsigned func, unsigned datatype, uint64_t bytes);
static inline uint32_t collsig_key(struct collsig s)
{
    return (uint32_t)s.func << 16 | (uint32_t)s.datatype << 8 | s.size_class;
}

/* ---- the file: COLLFILE_BYTES on tmpfs, mode 0600, made by the agent, mapped by the rank
 * (AOLANI_COLL_PATH). NCCL calls the plug-in from several threads: each writes into a lane
 * that nobody else is writing into just then, and never waits; a full lane counts a drop, a
 * thread that finds every lane taken counts it in the header. The agent reads the file by
 * system calls, as it reads the step ring, and trusts nothing in it but the bytes' being
 * there. */
#define COLLFILE_MAGIC   0x314c4c4f43414f41ull /* "AOACOLL1" */
#define COLLFILE_VERSION 1u
#define COLL_LANES       8u
#define COLL_RECORDS     4096u /* of a lane; a power of two */

/* How much NCCL is to tell: CALLS costs two short calls a collective, DEEP asks the GPU for
 * times, in some steps only. */
enum coll_depth {
    COLL_DEPTH_NONE,
    COLL_DEPTH_CALLS,
    COLL_DEPTH_ENQUEUED,
    COLL_DEPTH_DEEP
};

/* Why no collective is timed, whatever the agent wants. */
enum coll_no_times {
    COLL_TIMES_GOOD,
    COLL_NO_TIMES_ASKED,  /* the program's environment asks for less */
    COLL_NO_TIMES_SLOWED, /* this NCCL loses too much by it */
    COLL_NO_TIMES_N,
};

/* What the agent wants; gen is odd while it is being written. DEEP is switched on by the
 * plug-in itself as the anchor of a step is called, so that all ranks do so in the same
 * steps: those with anchor seq % deep_every < deep_n. */
struct collwish {
    _Atomic uint32_t gen;
    uint32_t depth;              /* enum coll_depth, outside of deep steps */
    uint32_t deep_every, deep_n; /* deep_every 0: never */
    uint64_t anchor_comm;
    uint32_t anchor_key; /* collsig_key */
    uint8_t pad[36];
};

struct colllane {
    _Atomic uint64_t head;    /* producer */
    _Atomic uint64_t dropped; /* producer */
    uint8_t pad0[48];
    _Atomic uint64_t tail; /* consumer */
    uint8_t pad1[56];
    uint8_t record[COLL_RECORDS][COLLREC_BYTES];
};

struct collfile {
    uint64_t magic;
    uint32_t version, lanes;
    uint8_t pad0[48];
    /* of the plug-in */
    _Atomic uint32_t n_lanes; /* that were ever written into: the first ones */
    _Atomic uint32_t
        nccl_version; /* of the table that NCCL has loaded: 5 to 1; 0: none yet */
    _Atomic uint64_t homeless; /* records of threads that found no lane */
    _Atomic uint64_t odd;      /* callbacks that made no sense and were let pass */
    _Atomic uint64_t untimed;  /* collectives of deep steps that nobody could time */
    _Atomic uint32_t owner;    /* pid of who writes, in its namespace; 0: none yet */
    _Atomic uint32_t library;  /* NCCL's own version, 22809 for 2.28.9; 0: not known */
    _Atomic uint32_t no_times; /* enum coll_no_times */
    uint8_t pad1[20];
    struct collwish wish;
    struct colllane lane[COLL_LANES];
};
_Static_assert(sizeof(struct collwish) == 64, "a cache line");
_Static_assert(offsetof(struct collfile, wish) == 128, "layout");
_Static_assert(sizeof(struct colllane) == 128 + COLL_RECORDS * COLLREC_BYTES, "layout");
#define COLLFILE_BYTES sizeof(struct collfile)

/* Over zeroed memory. Until the agent wishes otherwise: CALLS. */
void collfile_init(struct collfile *f);
/* 0, or -ENOSPC: full, counted. By one thread at a time for each lane. */
int colllane_push(struct colllane *l, const uint8_t rec[COLLREC_BYTES]);

#endif
