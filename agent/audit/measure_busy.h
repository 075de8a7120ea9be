/* SPDX-License-Identifier: MIT */
/* measure_busy - processes that are not of the audit and wanted CPU while it measured: two
 * looks at all of them, and what each used between, or waited for. What they get depends on
 * who else is there, and the audit itself is; what they want does not. */
#ifndef AGENT_AUDIT_MEASURE_BUSY_H
#define AGENT_AUDIT_MEASURE_BUSY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/audit/machine.h"

#define MEASURE_BUSY_NAME \
    64u /* of a kernel thread, with its end; others have 15 bytes */
#define MEASURE_BUSY_MOST 32u

struct measure_proc {
    int32_t pid, parent;
    uint64_t used, began;         /* ticks; since the kernel started */
    uint64_t waited;              /* ticks of its first thread, runnable, for a CPU */
    char name[MEASURE_BUSY_NAME]; /* as it is: any byte */
};

struct measure_look {
    struct measure_proc *procs; /* ascending by pid */
    size_t n;
    bool whole; /* there was time and memory for all of them */
};

/* A /proc/PID/stat. false: it is none. */
bool measure_busy_parse(const char *text, struct measure_proc *ret);
/* Until end_ns. Nothing of it is kept where /proc cannot be listed. */
void measure_busy_look(struct measure_look *l, const struct machine *m,
                       uint64_t end_ns);
void measure_busy_fini(struct measure_look *l); /* takes a zeroed one */

struct measure_used {
    const struct measure_proc *proc; /* of the second look */
    uint64_t wanted;                 /* ticks that it used or waited */
};
/* What wanted `least` ticks or more between two looks, the largest first, but for `self` and
 * its descendants: their number, at most MEASURE_BUSY_MOST. *ret_all: the ticks that all who
 * were not of us used. */
size_t measure_busy_rank(const struct measure_look *before,
                         const struct measure_look *after, int32_t self, uint64_t least,
                         struct measure_used ret[MEASURE_BUSY_MOST], uint64_t *ret_all);

#endif
