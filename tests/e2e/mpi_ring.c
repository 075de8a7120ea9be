/* SPDX-License-Identifier: MIT */
/* mpi_ring.c - an MPI program that knows nothing of us: a token around the ring, then an
 * all-to-all, every value checked. Prints one line on rank 0; any wrong value aborts. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

static int rank, size;

static void check(int got, int want, const char *what)
{
    if (got == want)
        return;
    fprintf(stderr, "rank %d: %s: got %d, expected %d\n", rank, what, got, want);
    MPI_Abort(MPI_COMM_WORLD, 3);
}

/* Each rank adds its number to what comes from the left. */
static void ring(void)
{
    int token = 0, left = (rank + size - 1) % size, right = (rank + 1) % size;
    if (rank == 0)
        MPI_Send(&token, 1, MPI_INT, right, 1, MPI_COMM_WORLD);
    MPI_Recv(&token, 1, MPI_INT, left, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    if (rank > 0) {
        check(token, rank * (rank - 1) / 2, "ring");
        token += rank;
        MPI_Send(&token, 1, MPI_INT, right, 1, MPI_COMM_WORLD);
    } else {
        check(token, size * (size - 1) / 2, "ring");
    }
}

static void all_to_all(int count)
{
    size_t n = (size_t)size * (size_t)count;
    int *out = malloc(n * sizeof *out), *in = malloc(n * sizeof *in);
    if (!out || !in)
        MPI_Abort(MPI_COMM_WORLD, 4);
    for (size_t i = 0; i < n; i++)
        out[i] = rank * 1000 + (int)(i / (size_t)count);
    MPI_Alltoall(out, count, MPI_INT, in, count, MPI_INT, MPI_COMM_WORLD);
    for (size_t i = 0; i < n; i++)
        check(in[i], (int)(i / (size_t)count) * 1000 + rank, "all-to-all");
    free(out);
    free(in);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (size > 1)
        ring();
    all_to_all(1);
    all_to_all(20000); /* beyond what a transport sends eagerly */
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0)
        printf("ring and all-to-all over %d ranks\n", size);
    MPI_Finalize();
    return 0;
}
