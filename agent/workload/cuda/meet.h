/* SPDX-License-Identifier: MIT */
/* meet - the ranks find each other over TCP: rank 0 listens on MASTER_PORT, every other one
 * connects to MASTER_ADDR and says who it is. No MPI, no PMIx. */
#ifndef CUDA_MEET_H
#define CUDA_MEET_H

#include <stddef.h>
#include <stdint.h>

struct meeting {
    int rank, size, local_rank;
    const char *address, *port; /* NULL: not said */
    int limit_ms;               /* for all of them to come */
};

/* From the variables of the environment, ours or those of Open MPI or Slurm; nothing said
 * is one rank alone. 0, or -1 and a text. */
int meet_plan(struct meeting *m, char *why, size_t len);
/* peers[size]: on rank 0 a connection to each other rank; elsewhere peers[0] to rank 0; the
 * rest is -1. All are the caller's. 0, or -1 and a text, and nothing is open. */
int meet_all(const struct meeting *m, int *peers, char *why, size_t len);

#endif
