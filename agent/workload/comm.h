/* SPDX-License-Identifier: MIT */
/* comm - the ranks of the job, for what is no arithmetic: who failed, what rank 0 read. By
 * MPI (comm.c) or by TCP (cuda/comm_tcp.c). Time in these calls is marked as waiting. */
#ifndef WORKLOAD_COMM_H
#define WORKLOAD_COMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct comm {
    int rank, size;
    int local_rank; /* on this node; 0 where nothing says so */
    bool marks;     /* mark time in these calls */
    void *own;      /* of the implementation */
};

/* What goes wrong in here is said on stderr and ends the process; the others then end too. */
void comm_start(struct comm *c, int *argc, char ***argv);
void comm_finish(struct comm *c); /* waits for all */
/* Ends all ranks; does not return. */
void comm_abort(const struct comm *c, int status) __attribute__((noreturn));
/* A rank is gone, so that to wait for its messages is to wait for ever. */
bool comm_is_broken(const struct comm *c);

/* Sum over the ranks in place, the same bits on all of them. */
void comm_sum(const struct comm *c, double *v, size_t n);
void comm_from_first(const struct comm *c, double *v, size_t n); /* rank 0's to all */
/* The lowest rank where it is false, -1: none; on all. */
int comm_first_bad(const struct comm *c, bool good);
bool comm_is_same(const struct comm *c, uint64_t v); /* on all ranks */

#endif
