/* SPDX-License-Identifier: MIT */
/* mechanism - by what a rank's step was longer than usual. The order is that in which a
 * late step is filled: what was measured comes before what is only left over, and each part
 * takes no more than what is still unexplained. */
#ifndef LAUNCHER_VARIANCE_MECHANISM_H
#define LAUNCHER_VARIANCE_MECHANISM_H

enum mechanism {
    MECH_THROTTLED, /* a CPU quota of its control group */
    MECH_PREEMPTED, /* runnable, while other processes had its core, be they of this job or not */
    MECH_STOLEN,  /* a hypervisor ran something else */
    MECH_STOPPED, /* by a signal */
    MECH_BLOCKED, /* asleep: input, output, a lock, a timer */
    MECH_FAULTS,  /* page faults */
    MECH_GPU,     /* its GPU was slowed down: power, heat */
    MECH_LINK,    /* errors on a link of its GPU or NIC */
    MECH_MEMORY,  /* memory bandwidth taken by others */
    MECH_WORK, /* more CPU time, nothing else to see: of its own, or its core is slower */
    MECH_GPU_SLOW, /* GPU time, and no reason to see */
    MECH_NETWORK,  /* of all ranks: the collective itself took longer */
    MECH_UNKNOWN,  /* not explained by what could be measured */
    MECH_N,
    MECH_MIXED = MECH_N, /* as a class of a whole: no part is half of it */
};

/* Who is behind it. The first three are those by which virtualization is said to cost. */
enum mech_kind {
    KIND_HYPERVISOR, /* VM exits and steal */
    KIND_BANDWIDTH,  /* contention for memory and links */
    KIND_NEIGHBOUR,  /* other processes on its cores */
    KIND_LIMIT,      /* quotas and signals somebody set */
    KIND_GPU,
    KIND_NETWORK,
    KIND_OWN, /* the program itself */
    KIND_UNKNOWN,
    KIND_N,
};

const char *mech_name(enum mechanism m); /* "preempted", "mixed": in files */
/* NULL-safe reverse; -1: no such name. */
int mech_find(const char *name);
/* For a sentence, after "rank 3 was 2.1 ms slower: ": "other processes on its core". */
const char *mech_phrase(enum mechanism m);
enum mech_kind mech_kind(enum mechanism m);
const char *mech_kind_phrase(
    enum mech_kind k); /* "other processes on the cores": in tables */

#endif
