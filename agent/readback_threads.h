/* SPDX-License-Identifier: MIT */
/* readback_threads - on which CPUs every thread of a rank may run. A part of readback.
 *
 * A rank is its first process and what descends from it, found by what the kernel lists as
 * the children of each thread. An orphan has become the agent's child and is known by its
 * process group or session; one that left both is nobody's. Where the kernel keeps no such
 * lists, one pass over /proc finds the parents instead.
 *
 * The affinity comes from sched_getaffinity(2): a tenth of the cost of opening a status
 * file, of which there would be thousands. One walk takes a bounded number of threads,
 * and goes on from the loop in slices: a rank with a hundred thousand threads costs it no
 * more than one with a few thousand.
 */
#ifndef AGENT_READBACK_THREADS_H
#define AGENT_READBACK_THREADS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/base/buf.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"

#define READBACK_THREADS   32768u /* looked at in one walk: 0.3 s of a core */
#define READBACK_PROCESSES 8192u  /* likewise; each is a folder to open */

struct readback_cpus {
    uint64_t words[LIMIT_CPUS / 64];
};
/* The text of a plan ("0-3"); "": none. ERR_PARSE, ERR_LIMIT. */
int readback_cpus_parse(const char *text, struct readback_cpus *ret, struct err *e);
/* As text; cut at a comma, with "...", where it would be too long for a message. */
int readback_cpus_format(const struct readback_cpus *c, struct buf *out);
bool readback_cpus_within(const struct readback_cpus *a, const struct readback_cpus *b);
unsigned readback_cpus_count(const struct readback_cpus *c);
void readback_cpus_add(struct readback_cpus *to, const struct readback_cpus *c);
int readback_cpus_of(pid_t tid, struct readback_cpus *ret); /* 0 or -errno */

struct readback_threads {
    /* asked */
    pid_t pid; /* 0: no such process, leave it out */
    uint64_t
        start; /* of it, as proc_stat has it: not one that was given its number since */
    bool bound;
    struct readback_cpus asked;
    /* seen */
    struct readback_cpus cpus; /* of all its threads */
    struct readback_cpus off;  /* of those that may leave `asked` */
    struct readback_cpus first_off;
    pid_t off_tid, off_pid; /* the first of those */
    char off_name[16];
    uint32_t n_off;
    uint32_t processes, threads, unseen; /* unseen: for want of time */
};

struct readback_walk;
/* by_parents: as where the kernel lists no children (for tests). */
int readback_walk_create(bool by_parents, struct readback_walk **ret, struct err *e);
void readback_walk_destroy(struct readback_walk *w);
/* Forget what was seen and begin; the ranks stay the caller's until the walk is over. */
void readback_walk_begin(struct readback_walk *w, struct readback_threads *ranks,
                         size_t n);
/* Go on until then (clock_mono_ns); true: all is seen. */
bool readback_walk_step(struct readback_walk *w, uint64_t until_ns);
/* Which of the ranks a process belonged to in the last walk; -1: none. */
int readback_walk_owner(const struct readback_walk *w, pid_t pid);

#endif
