/* SPDX-License-Identifier: MIT */
/* comm.c - by MPI, in pieces: a library copies or pipelines a piece at a time, and its counts
 * are ints. */
#include <limits.h>
#include <mpi.h>
#include <stdlib.h>

#include "agent/workload/comm.h"
#include "proto/client/aolani.h"

#define PIECE ((size_t)1 << 16) /* numbers: 512 KiB */

void comm_start(struct comm *c, int *argc, char ***argv)
{
    *c = (struct comm){.marks = true};
    MPI_Init(argc, argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &c->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &c->size);
}

void comm_finish(struct comm *c)
{
    (void)c;
    MPI_Finalize();
}

void comm_abort(const struct comm *c, int status)
{
    (void)c;
    MPI_Abort(MPI_COMM_WORLD, status);
    _Exit(status);
}

/* MPI ends the others itself. */
bool comm_is_broken(const struct comm *c)
{
    (void)c;
    return false;
}

void comm_sum(const struct comm *c, double *v, size_t n)
{
    (void)c;
    aolani_wait_begin();
    for (size_t at = 0; at < n; at += PIECE) {
        int len = (int)(n - at < PIECE ? n - at : PIECE);
        MPI_Allreduce(MPI_IN_PLACE, v + at, len, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    }
    aolani_wait_end();
}

void comm_from_first(const struct comm *c, double *v, size_t n)
{
    (void)c;
    aolani_wait_begin();
    for (size_t at = 0; at < n; at += PIECE) {
        int len = (int)(n - at < PIECE ? n - at : PIECE);
        MPI_Bcast(v + at, len, MPI_DOUBLE, 0, MPI_COMM_WORLD);
    }
    aolani_wait_end();
}

int comm_first_bad(const struct comm *c, bool good)
{
    int first = good ? INT_MAX : c->rank;
    aolani_wait_begin();
    MPI_Allreduce(MPI_IN_PLACE, &first, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
    aolani_wait_end();
    return first == INT_MAX ? -1 : first;
}

bool comm_is_same(const struct comm *c, uint64_t v)
{
    (void)c;
    uint64_t ends[2] = {v, ~v}; /* the least, and the complement of the greatest */
    aolani_wait_begin();
    MPI_Allreduce(MPI_IN_PLACE, ends, 2, MPI_UINT64_T, MPI_MIN, MPI_COMM_WORLD);
    aolani_wait_end();
    return ends[0] == ~ends[1];
}
