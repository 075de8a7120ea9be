/* SPDX-License-Identifier: MIT */
/* comm.c - MPI, in pieces: a library copies or pipelines a piece at a time, and its counts
 * are ints. */
#include <limits.h>
#include <mpi.h>
#include <stdlib.h>

#include "agent/workload/comm.h"
#include "proto/client/aolani.h"

#define PIECE ((size_t)1 << 16) /* numbers: 512 KiB */

void comm_start(struct comm *c, int *argc, char ***argv)
{
    MPI_Init(argc, argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &c->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &c->size);
}

void comm_finish(struct comm *c)
{
    (void)c;
    MPI_Finalize();
}

void comm_abort(int status)
{
    MPI_Abort(MPI_COMM_WORLD, status);
    _Exit(status);
}

void comm_sum(double *v, size_t n)
{
    aolani_wait_begin();
    for (size_t at = 0; at < n; at += PIECE) {
        int len = (int)(n - at < PIECE ? n - at : PIECE);
        MPI_Allreduce(MPI_IN_PLACE, v + at, len, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    }
    aolani_wait_end();
}

void comm_from_first(double *v, size_t n)
{
    aolani_wait_begin();
    for (size_t at = 0; at < n; at += PIECE) {
        int len = (int)(n - at < PIECE ? n - at : PIECE);
        MPI_Bcast(v + at, len, MPI_DOUBLE, 0, MPI_COMM_WORLD);
    }
    aolani_wait_end();
}

int comm_first_bad(bool good)
{
    int rank, first;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    first = good ? INT_MAX : rank;
    aolani_wait_begin();
    MPI_Allreduce(MPI_IN_PLACE, &first, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
    aolani_wait_end();
    return first == INT_MAX ? -1 : first;
}

bool comm_is_same(uint64_t v)
{
    uint64_t ends[2] = {v, ~v}; /* the least, and the complement of the greatest */
    aolani_wait_begin();
    MPI_Allreduce(MPI_IN_PLACE, ends, 2, MPI_UINT64_T, MPI_MIN, MPI_COMM_WORLD);
    aolani_wait_end();
    return ends[0] == ~ends[1];
}

void comm_barrier(void)
{
    aolani_wait_begin();
    MPI_Barrier(MPI_COMM_WORLD);
    aolani_wait_end();
}
