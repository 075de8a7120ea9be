/* SPDX-License-Identifier: MIT */
/* rankhost - what the host gave to a rank's process in some interval: readings of a few of
 * its threads in, figures of a step out. For steps that the agent makes itself (from NCCL's
 * collectives, from lines of the output); a program that marks its own measures itself.
 * Pure: times come from outside.
 *
 * The figures are those of one thread, never a sum: of the threads that were read at both
 * ends the one that wanted a CPU longest (CPU time and run delay together). Threads wait for
 * each other or work side by side, and the sum of their run delays is nothing that a step
 * took longer by. So cpu + rundelay + asleep = the interval, as for a step that a program
 * marks. Where the work goes from thread to thread within a step, what the others lost is
 * left out: rather too little is said than too much.
 *
 * Counters are taken to grow evenly between two readings. An interval with RANKHOST_DIRECT
 * readings in it is measured by itself. A shorter one gets the mean of the RANKHOST_MEAN
 * readings before its end, for as long as this rank's intervals have been of late: what
 * one long step took longer than those around it, no mean explains.
 *
 * Unknown is not 0: without readings around both ends no figures are given at all. */
#ifndef AGENT_RANKHOST_H
#define AGENT_RANKHOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/wire/steprec.h"

#define RANKHOST_THREADS 4u   /* that are followed at a time */
#define RANKHOST_KEPT    128u /* readings; then those of long ago are thinned out */
#define RANKHOST_DIRECT  3u
#define RANKHOST_MEAN    10u
#define RANKHOST_AFTER_NS \
    60000000u /* an interval may end so much after the last reading */

struct rankhost_thread { /* counters since it began */
    int32_t tid;
    uint64_t start; /* with it, what a number is given to again is another thread */
    uint64_t cpu_ns, delay_ns, turns, minflt, majflt; /* turns: times it got a CPU */
};
struct rankhost_reading {
    uint64_t t_ns;         /* CLOCK_MONOTONIC */
    uint64_t process;      /* another number: another process, nothing joins the two */
    uint64_t throttled_ns; /* of its control groups, from any zero */
    uint32_t n;
    struct rankhost_thread thread[RANKHOST_THREADS];
};

struct rankhost { /* zeroed is empty */
    uint32_t n;
    uint64_t usual_ns; /* length of an interval of late */
    struct rankhost_reading at[RANKHOST_KEPT];
};

struct rankhost_figures {
    bool direct;                             /* of this interval, not a mean */
    uint64_t length_ns;                      /* that the others are of */
    uint64_t cpu_ns, delay_ns, throttled_ns; /* throttled: a part of the delay */
    uint64_t turns, minflt, majflt;
};

/* A reading that contradicts those before it (its time or a counter went back, another
 * process) begins anew. */
void rankhost_add(struct rankhost *h, const struct rankhost_reading *r);
void rankhost_clear(struct rankhost *h);
/* False: not known. */
bool rankhost_over(struct rankhost *h, uint64_t from_ns, uint64_t to_ns,
                   struct rankhost_figures *ret);
/* The host's part of a record, which is then SAMPLED. n: f is of so many records alike. */
void rankhost_fill(const struct rankhost_figures *f, uint32_t n, struct steprec *r);
/* And what the thread slept was waiting for the other ranks: the record can be compared. */
void rankhost_fill_waits(const struct rankhost_figures *f, uint32_t n,
                         struct steprec *r);

#endif
