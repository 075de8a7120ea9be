/* SPDX-License-Identifier: MIT */
/* runstatus - how a run stands: what its directory says, and Slurm of its jobs. Gathered by
 * one function; the others are pure. */
#ifndef LAUNCHER_RUNSTATUS_H
#define LAUNCHER_RUNSTATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "launcher/runhead.h"
#include "launcher/runstate.h"
#include "launcher/slurm/chain.h"
#include "launcher/slurm/queue.h"
#include "proto/base/buf.h"
#include "proto/base/err.h"

enum runstatus_word {
    RUNSTATUS_PREPARED, /* made, and nobody was asked to begin it */
    RUNSTATUS_QUEUED,   /* it waits for its first job */
    RUNSTATUS_STARTING, /* its job has begun, and no head is seen yet */
    RUNSTATUS_RUNNING,  /* a head rules */
    RUNSTATUS_BETWEEN,  /* it waits for the next link */
    RUNSTATUS_ENDED,    /* for good */
    RUNSTATUS_CUT_OFF,  /* not ended, and nothing goes on with it */
    RUNSTATUS_UNKNOWN,  /* whoever knows cannot be asked from here */
};

struct runstatus {
    const char *dir; /* borrowed */
    struct runstate run;
    struct runhead head;
    enum runhead_life life;
    struct chain chain;
    struct err unasked; /* why Slurm was not asked of the chain; code 0: it was */
    bool has_queue;     /* of the first job that waits */
    struct slurm_queue queue;
};

/* ret is for runstatus_fini also on failure. May ask Slurm, up to SLURM_ASK_MS each time.
 * ERR_USAGE: it is no run. That Slurm could not be asked is no failure. */
int runstatus_gather(const char *dir, struct runstatus *ret, struct err *e);
void runstatus_fini(struct runstatus *s);

enum runstatus_word runstatus_word(const struct runstatus *s);
const char *runstatus_word_text(enum runstatus_word w); /* "cut off" */
/* It stands still: no rank ends a step. With RUNSTATUS_UNKNOWN: as of run.seen_real_ns.
 * NULL: not known to. */
const struct runstate_stall *runstatus_stall(const struct runstatus *s);
/* Where all is that was found out of it; false: of so many stalls there are no files. */
bool runstatus_stall_file(const struct runstatus *s, char *ret, size_t len);
/* Of the verb: 0, 1 ended badly, 3 cut off, 4 unknown. */
int runstatus_exit(const struct runstatus *s);

/* A screen for people. now: CLOCK_REALTIME. */
int runstatus_text(const struct runstatus *s, uint64_t now_real_ns, struct buf *out);
/* {"runs": [...]}; the schema is in runstatus_json.c. */
int runstatus_json(const struct runstatus *const *s, size_t n, struct buf *out);

#endif
