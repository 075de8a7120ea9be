/* SPDX-License-Identifier: MIT */
/* ring.c - tokens go around all ranks, several at once, several times: an MPI program
 * that knows only mpi.h. Each rank checks what came and puts its own mark on it. */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { ROUNDS = 20, TOKENS = 4, WORDS = 1024 };

/* What word `w` of a token is after `hops` ranks have added their mark. */
static uint32_t expected(uint32_t token, uint32_t w, uint32_t hops, uint32_t size)
{
    uint32_t v = token * 2654435761u + w;
    for (uint32_t h = 0; h < hops; h++)
        v = v * 31u + h % size;
    return v;
}

static int check_and_mark(uint32_t *words, int token, uint32_t hops, int rank, int size)
{
    for (uint32_t w = 0; w < WORDS; w++) {
        /* The whole sum is dear: the ends and one word between, another one each time. */
        if (w == 0 || w == WORDS - 1 || w == hops % WORDS)
            if (words[w] != expected((uint32_t)token, w, hops, (uint32_t)size)) {
                fprintf(stderr,
                        "ring: rank %d: token %d, word %u is wrong after %u hops\n",
                        rank, token, w, hops);
                return 1;
            }
        words[w] = words[w] * 31u + (uint32_t)rank;
    }
    return 0;
}

static void make_token(uint32_t *words, int token)
{
    for (uint32_t w = 0; w < WORDS; w++)
        words[w] = expected((uint32_t)token, w, 0, 1);
}

int main(int argc, char **argv)
{
    static uint32_t token[TOKENS][WORDS], in[WORDS];
    MPI_Request sent[TOKENS];
    int rank, size, bad = 0;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    int next = (rank + 1) % size, last = (rank + size - 1) % size;

    for (int t = 0; t < TOKENS; t++) {
        sent[t] = MPI_REQUEST_NULL;
        if (rank > 0)
            continue;
        make_token(token[t], t);
        bad |= check_and_mark(token[t], t, 0, 0, size);
        MPI_Isend(token[t], WORDS, MPI_UINT32_T, next, t, MPI_COMM_WORLD, &sent[t]);
    }
    for (int i = 0; i < ROUNDS * TOKENS; i++) {
        int t = i % TOKENS, round = i / TOKENS;
        uint32_t hops = (uint32_t)(round * size + (rank ? rank : size));
        MPI_Recv(in, WORDS, MPI_UINT32_T, last, t, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        MPI_Wait(&sent[t], MPI_STATUS_IGNORE); /* only then is the token's place free */
        memcpy(token[t], in, sizeof in);
        bad |= check_and_mark(token[t], t, hops, rank, size);
        if (rank || round + 1 < ROUNDS) /* rank 0 has sent once before */
            MPI_Isend(token[t], WORDS, MPI_UINT32_T, next, t, MPI_COMM_WORLD, &sent[t]);
    }
    MPI_Waitall(TOKENS, sent, MPI_STATUSES_IGNORE);

    int all_bad = 0;
    MPI_Allreduce(&bad, &all_bad, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
    if (rank == 0)
        printf("ring: %d ranks, %d tokens, %d rounds: %s\n", size, TOKENS, ROUNDS,
               all_bad ? "WRONG" : "ok");
    MPI_Finalize();
    return all_bad;
}
