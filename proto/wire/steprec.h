/* SPDX-License-Identifier: MIT */
/* steprec - the record of one step of one rank, and the ring that carries it from the
 * rank to its agent.
 *
 * A record is 72 bytes, little endian, fixed. Microseconds saturate, never wrap. It says:
 * wall = busy + waiting; cpu, run delay, blocked and stolen are parts of the busy time as
 * the thread that ended the step saw them; throttled is a part of the run delay.
 */
#ifndef PROTO_WIRE_STEPREC_H
#define PROTO_WIRE_STEPREC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define STEPREC_BYTES 72

enum steprec_flag {
    STEPREC_SPECIAL = 1, /* evaluation, checkpoint: not in the variance */
    STEPREC_HOST_PACED = 2,
    STEPREC_PARTIAL = 4, /* some fields were not available: see sources */
    STEPREC_DEEP = 8,
    STEPREC_GAP = 16,        /* records before this one were lost */
    STEPREC_STOPPED = 32,    /* a signal stopped the process within it (by its agent) */
    STEPREC_CHECKPOINT = 64, /* with SPECIAL: of this kind */
    STEPREC_EVALUATION = 128,
    STEPREC_RENUMBERED = 256, /* of STEPREC_LOG: its numbers fell, and are counted on */
    STEPREC_SAMPLED = 512, /* PARTIAL, but the agent has sampled what the host gave it:
                            * CPU, run delay, throttled, blocked or waiting, faults; nvcsw
                            * is how often a thread got a CPU, and stolen is not known */
};
/* Who marked the step, the best first: a program's own marks (libaolani, aolani.py),
 * its collectives as NCCL tells of them, a line that it wrote. */
enum steprec_source {
    STEPREC_NONE,
    STEPREC_CLIENT,
    STEPREC_NCCL,
    STEPREC_LOG,
    STEPREC_FLOW, /* counters of its network card: not yet */
};

struct steprec {
    uint32_t rank, step;
    uint64_t t_end_ns; /* CLOCK_MONOTONIC of the node */
    uint32_t wall_us, wait_us, n_coll, payload_kib;
    uint32_t cpu_us, rundelay_us, throttled_us, blocked_us, stolen_us, gpu_throttle_us;
    uint16_t nvcsw, nivcsw, majflt, minflt16; /* minflt16: minor faults / 16 */
    uint16_t gpu_event_mask, sm_mhz_min, flags;
    uint8_t source, confidence;
};

/* Of a step that its program has marked what was measured is known, of others what was
 * sampled. The fields of one that is not known are 0, which means nothing. */
static inline bool steprec_is_marked(const struct steprec *r)
{
    return !(r->flags & STEPREC_PARTIAL) ||
           (r->source != STEPREC_NCCL && r->source != STEPREC_LOG);
}
static inline bool steprec_knows_host(const struct steprec *r)
{
    return steprec_is_marked(r) || r->flags & STEPREC_SAMPLED;
}

void steprec_encode(const struct steprec *r, uint8_t ret[STEPREC_BYTES]);
void steprec_decode(const uint8_t data[STEPREC_BYTES], struct steprec *ret);
static inline uint32_t steprec_busy_us(const struct steprec *r)
{
    return r->wall_us > r->wait_us ? r->wall_us - r->wait_us : 0;
}

/* ---- the ring: a file of RING_BYTES in memory, one producer, one consumer ----
 * The agent makes the file (mode 0600) and reads it without mapping it, which the rank
 * could truncate under its feet; the rank maps it by its path in AOLANI_STEP_PATH. Of
 * several processes that producer is the one that holds the file locked (flock), which the
 * first one that begins a step does until it ends: so it is told across PID namespaces,
 * and by no number that another process may have later. The producer never waits: when the
 * ring is full it counts a drop. Each side owns its own cache line. The consumer trusts
 * nothing in it but the bytes' being there: head and tail are masked, and impossible
 * distances resynchronise and count. */
#define RING_MAGIC   0x31474e4952414f41ull /* "AOARING1" */
#define RING_VERSION 1u
#define RING_RECORDS 4096u /* a power of two; part of the format, so not in limits.h */

struct ring {
    uint64_t magic;
    uint32_t version, records;
    uint8_t pad0[48];
    _Atomic uint64_t head;    /* next record to write; producer */
    _Atomic uint64_t dropped; /* producer */
    _Atomic uint32_t others;  /* 1: the steps of another process do not count */
    uint8_t pad1[44];
    _Atomic uint64_t tail; /* next record to read; consumer */
    _Atomic uint32_t
        stop_requested; /* set by the agent, read by aolani_stop_requested */
    uint8_t pad2[52];
    uint8_t record[RING_RECORDS][STEPREC_BYTES];
};
_Static_assert(sizeof(struct ring) == 192 + RING_RECORDS * STEPREC_BYTES,
               "ring layout");
#define RING_BYTES sizeof(struct ring)

void ring_init(struct ring *r); /* over zeroed memory */
/* 0, or -ENOSPC: full, counted. */
int ring_push(struct ring *r, const uint8_t rec[STEPREC_BYTES]);
/* Copy up to max records out; returns how many. *ret_lost (may be NULL): records that were
 * found to be lost since the last call because the producer wrote rubbish into head; those
 * that it dropped itself are in r->dropped and not counted here. */
unsigned ring_pop(struct ring *r, uint8_t (*out)[STEPREC_BYTES], unsigned max,
                  uint64_t *ret_lost);

#endif
