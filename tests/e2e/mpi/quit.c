/* SPDX-License-Identifier: MIT */
/* quit.c - quit HOW RANK: that rank leaves while the others wait for it in MPI. HOW:
 * before-init, after-init, killed, abort. */
#include <mpi.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "", *number = getenv("PMIX_RANK");
    int me = number && argc > 2 && atoi(number) == atoi(argv[2]);
    if (me && !strcmp(how, "before-init")) {
        (void)sleep(1); /* the others are in MPI_Init by then */
        return 0;
    }
    MPI_Init(&argc, &argv);
    if (me && !strcmp(how, "after-init"))
        _exit(0);
    if (me && !strcmp(how, "killed"))
        (void)raise(SIGKILL);
    if (me && !strcmp(how, "abort"))
        MPI_Abort(MPI_COMM_WORLD, 7);
    MPI_Finalize(); /* waits for all */
    return 0;
}
