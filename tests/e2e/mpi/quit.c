/* SPDX-License-Identifier: MIT */
/* quit.c - the last rank leaves in the way that the argument says, while the others wait
 * for it in MPI: before-init, after-init, killed, abort. */
#include <mpi.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int leaves_early(void)
{
    const char *rank = getenv("PMIX_RANK");
    return rank && atoi(rank) == 1; /* the last of a node with two */
}

int main(int argc, char **argv)
{
    int rank, size;
    const char *how = argc > 1 ? argv[1] : "";
    if (!strcmp(how, "before-init") && leaves_early()) {
        (void)sleep(1); /* the others are in MPI_Init by then */
        return 0;
    }
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (rank == size - 1) {
        if (!strcmp(how, "after-init"))
            _exit(0);
        if (!strcmp(how, "killed"))
            (void)raise(SIGKILL);
        if (!strcmp(how, "abort"))
            MPI_Abort(MPI_COMM_WORLD, 7);
    }
    MPI_Finalize(); /* waits for all */
    return 0;
}
