/* SPDX-License-Identifier: MIT */
/* chain - the jobs of Slurm's that were submitted for a run: the file `slurm` of its run
 * directory, an id a line in the order of their submission, and what squeue says of them.
 *
 * Asking and cancelling block, up to SLURM_ASK_MS each.
 */
#ifndef LAUNCHER_SLURM_CHAIN_H
#define LAUNCHER_SLURM_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"

#define CHAIN_MAX      10000u /* jobs of one run; more in its file are passed over */
#define CHAIN_NO_LIMIT UINT64_MAX /* of left_s */

struct chain_link {
    uint32_t id;
    char state[32]; /* Slurm's word; "": it is over, or not known to Slurm (any more) */
    char reason[96]; /* Slurm's word, why it waits */
    char nodes[200]; /* as Slurm folds them; a longer list ends with "..." */
    uint64_t left_s; /* of its time limit; CHAIN_NO_LIMIT: none, or not known */
};

struct chain {
    struct chain_link *links; /* owned */
    size_t n;
    bool asked; /* states are known */
};

/* No file: an empty chain. ret is for chain_fini also on failure. */
int chain_read(const char *dir, struct chain *ret, struct err *e);
void chain_fini(struct chain *c);
int chain_add(struct chain *c, uint32_t id); /* -ENOMEM, ERR_LIMIT */
bool chain_has(const struct chain *c, uint32_t id);
/* The file anew, with these links. */
int chain_write(const char *dir, const struct chain *c, struct err *e);

/* What Slurm says of all of them now. */
int chain_ask(struct chain *c, struct err *e);
/* The lines of `squeue -o CHAIN_FORMAT`; the states of links without a line become "".
 * Lines of other jobs, or that make no sense, are passed over. */
#define CHAIN_FORMAT "%A|%T|%L|%r|%N"
void chain_of_squeue(const char *text, struct chain *c);

bool chain_link_waits(const struct chain_link *l); /* it has not begun, or will again */
bool chain_link_runs(const struct chain_link *l);
/* NULL: none. */
const struct chain_link *chain_running(const struct chain *c);
size_t chain_n_waiting(const struct chain *c);

/* Those that wait, whatever was asked before; one that has begun meanwhile goes on. */
int chain_cancel_waiting(const struct chain *c, struct err *e);
int chain_cancel(const struct chain *c, struct err *e); /* whatever they do */
/* SIGTERM to the batch script of a job, which tells its head. */
int chain_tell(uint32_t id, struct err *e);
/* SIGKILL to all of the job, which is then cancelled. */
int chain_kill(uint32_t id, struct err *e);

#endif
