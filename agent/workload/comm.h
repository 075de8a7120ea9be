/* SPDX-License-Identifier: MIT */
/* comm - the ranks of the job. Time in these calls is marked as waiting. */
#ifndef WORKLOAD_COMM_H
#define WORKLOAD_COMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct comm {
    int rank, size;
};

void comm_start(struct comm *c, int *argc, char ***argv);
void comm_finish(struct comm *c);
/* Ends all ranks; does not return. */
void comm_abort(int status) __attribute__((noreturn));

/* Sum over the ranks in place, the same bits on all of them. */
void comm_sum(double *v, size_t n);
void comm_from_first(double *v, size_t n); /* rank 0's values to all */
int comm_first_bad(bool good); /* the lowest rank where it is false, -1: none; on all */
bool comm_is_same(uint64_t v); /* on all ranks */
void comm_barrier(void);

#endif
