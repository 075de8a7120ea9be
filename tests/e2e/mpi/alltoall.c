/* SPDX-License-Identifier: MIT */
/* alltoall.c - every rank to every other: an all-to-all, an all-reduce, and non-blocking
 * messages of several sizes between all pairs at once; each byte is checked. Knows only
 * mpi.h. */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 4096, VALUES = 10000 };

/* Below and above the size at which MPI changes from eager messages to a handshake. */
static const int sizes[] = {1, 333, 4096, 70000, 1 << 20};

static uint8_t byte_of(int from, int to, int tag, size_t i)
{
    return (uint8_t)((uint32_t)from * 131u + (uint32_t)to * 17u + (uint32_t)tag * 7u +
                     (uint32_t)i + (uint32_t)(i >> 8));
}

static void fill(uint8_t *p, int from, int to, int tag, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = byte_of(from, to, tag, i);
}

static int check(const uint8_t *p, int from, int to, int tag, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != byte_of(from, to, tag, i)) {
            fprintf(stderr,
                    "alltoall: rank %d: byte %zu of %zu from rank %d is wrong\n", to, i,
                    n, from);
            return 1;
        }
    return 0;
}

static void *get(size_t n)
{
    void *p = malloc(n);
    if (!p)
        MPI_Abort(MPI_COMM_WORLD, 9);
    return p;
}

static int all_to_all(int rank, int size)
{
    uint8_t *out = get((size_t)size * BLOCK), *in = get((size_t)size * BLOCK);
    int bad = 0;
    for (int r = 0; r < size; r++)
        fill(out + (size_t)r * BLOCK, rank, r, 100, BLOCK);
    memset(in, 0, (size_t)size * BLOCK);
    MPI_Alltoall(out, BLOCK, MPI_BYTE, in, BLOCK, MPI_BYTE, MPI_COMM_WORLD);
    for (int r = 0; r < size; r++)
        bad |= check(in + (size_t)r * BLOCK, r, rank, 100, BLOCK);
    free(out);
    free(in);
    return bad;
}

static int all_reduce(int rank, int size)
{
    int64_t *out = get(VALUES * sizeof *out), *in = get(VALUES * sizeof *in);
    int bad = 0;
    for (int64_t i = 0; i < VALUES; i++)
        out[i] = i * size + rank;
    MPI_Allreduce(out, in, VALUES, MPI_INT64_T, MPI_SUM, MPI_COMM_WORLD);
    for (int64_t i = 0; i < VALUES && !bad; i++)
        bad = in[i] != i * size * size + (int64_t)size * (size - 1) / 2;
    if (bad)
        fprintf(stderr, "alltoall: rank %d: the sum is wrong\n", rank);
    free(out);
    free(in);
    return bad;
}

static int all_pairs(int rank, int size, int tag, int n)
{
    uint8_t *out = get((size_t)size * (size_t)n), *in = get((size_t)size * (size_t)n);
    MPI_Request *req = get(2 * (size_t)size * sizeof *req);
    int bad = 0;
    memset(in, 0, (size_t)size * (size_t)n);
    for (int r = 0; r < size; r++)
        MPI_Irecv(in + (size_t)r * (size_t)n, n, MPI_BYTE, r, tag, MPI_COMM_WORLD,
                  &req[r]);
    for (int r = 0; r < size; r++) {
        fill(out + (size_t)r * (size_t)n, rank, r, tag, (size_t)n);
        MPI_Isend(out + (size_t)r * (size_t)n, n, MPI_BYTE, r, tag, MPI_COMM_WORLD,
                  &req[size + r]);
    }
    MPI_Waitall(2 * size, req, MPI_STATUSES_IGNORE);
    for (int r = 0; r < size; r++)
        bad |= check(in + (size_t)r * (size_t)n, r, rank, tag, (size_t)n);
    free(out);
    free(in);
    free(req);
    return bad;
}

int main(int argc, char **argv)
{
    int rank, size, bad = 0, all_bad = 0;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    bad |= all_to_all(rank, size);
    bad |= all_reduce(rank, size);
    for (int i = 0; i < (int)(sizeof sizes / sizeof *sizes); i++)
        bad |= all_pairs(rank, size, i, sizes[i]);
    MPI_Allreduce(&bad, &all_bad, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
    if (rank == 0)
        printf("alltoall: %d ranks, messages up to %d bytes: %s\n", size,
               sizes[sizeof sizes / sizeof *sizes - 1], all_bad ? "WRONG" : "ok");
    MPI_Finalize();
    return all_bad;
}
