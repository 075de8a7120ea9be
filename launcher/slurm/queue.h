/* SPDX-License-Identifier: MIT */
/* queue - where a job that waits stands: what is before it, and why it waits.
 *
 * Counted are the pending jobs of its partition that this user may see (a site may hide the
 * jobs of others: PrivateData); an array of jobs that has not begun counts as one.
 */
#ifndef LAUNCHER_SLURM_QUEUE_H
#define LAUNCHER_SLURM_QUEUE_H

#include <stdint.h>

#include "launcher/slurm/ask.h"
#include "proto/base/buf.h"
#include "proto/base/err.h"
#include "proto/base/loop.h"

struct slurm_queue {
    uint32_t id;
    char state[32]; /* Slurm's word: "PENDING", "RUNNING", ...; "" when it is gone */
    char partition[64]; /* "a,b" when it asks for either */
    char reason[96];    /* Slurm's word: "Priority", "AssocGrpCpuLimit", ... */
    uint32_t position;  /* of those pending in its partition, by priority; 1: the next;
                           0: it does not wait, or not known */
    uint32_t n_pending; /* in its partition, itself among them; 0: not known */
    uint64_t start_real_ns; /* when Slurm expects to start it (or did); 0: not known */
};

/* What a reason means, for people, as the end of "it waits: ..."; the reason itself when it
 * is not known. Never empty: "" gives "Slurm has not said why". */
const char *slurm_reason_words(const char *reason);

/* "position 3 of 17 in \"gpu\": jobs of higher priority are before it (Priority); expected to
 * start at 2026-03-01 14:05 (in 2 h 10 m)", for a line to the user; of a job that does not
 * wait what Slurm calls it. now: CLOCK_REALTIME in ns. -ENOMEM, ERR_LIMIT. */
int slurm_queue_format(const struct slurm_queue *q, uint64_t now_real_ns,
                       struct buf *out);

/* ---- asked on the loop, each command within SLURM_ASK_MS ---- */
struct slurm_queue_ask;
/* q: NULL when it could not be learnt (e says why; ERR_USAGE: Slurm knows no such job);
 * borrowed, until the return. Called once, never from within slurm_queue_ask, never after
 * slurm_queue_ask_destroy. */
typedef void (*slurm_queue_done)(void *arg, const struct slurm_queue *q,
                                 const struct err *e);
int slurm_queue_ask(struct loop *l, uint32_t id, slurm_queue_done done, void *arg,
                    struct slurm_queue_ask **ret, struct err *e);
/* Ends it if it is under way; also from within its `done`. Takes NULL. */
void slurm_queue_ask_destroy(struct slurm_queue_ask *a);

/* ---- for verbs without a loop: blocks ---- */
int slurm_queue_now(uint32_t id, struct slurm_queue *ret, struct err *e);

/* ---- the pure part: what squeue prints in our formats ---- */
#define SLURM_QUEUE_JOB_FORMAT  "%A|%T|%Q|%P|%S|%r" /* of the job itself */
#define SLURM_QUEUE_LIST_FORMAT "%A|%Q|%P"          /* of all that are pending */
/* priority: for slurm_queue_count. ERR_USAGE: the job is not in it; ERR_PROTO. */
int slurm_queue_of_job(const char *text, uint32_t id, struct slurm_queue *ret,
                       uint64_t *ret_priority, struct err *e);
/* Sets position and n_pending; lines that make no sense are passed over. */
void slurm_queue_count(const char *text, uint64_t priority, struct slurm_queue *q);

#endif
