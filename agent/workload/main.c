/* SPDX-License-Identifier: MIT */
/* main.c - the reference training program, one process per rank: trainer-cpu or
 * trainer-cuda, as it is linked. Flags: options.c. Exit status: 0 trained, or stopped as
 * asked; 1 could not; 2 wrong flags. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/workload/backend.h"
#include "agent/workload/trainer.h"

static volatile sig_atomic_t stop_signal;

static void on_term(int signum)
{
    (void)signum;
    stop_signal = 1;
}

/* Known before the ranks have met, so that a wrong flag ends all ranks at once with one message. */
static bool is_first_rank(void)
{
    static const char *const names[] = {"RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK",
                                        "PMI_RANK"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *v = getenv(names[i]);
        if (v)
            return strcmp(v, "0") == 0;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct options o;
    struct comm comm;
    struct why why;
    const struct backend *b = &backend_linked;
    const struct options_program program = {b->program, b->gpu};
    enum options_result r = options_parse(argc, argv, &program, is_first_rank(), &o);
    if (r != OPTIONS_RUN)
        return r == OPTIONS_EXIT_OK ? 0 : 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (b->probe && b->probe(&why) < 0) {
        fprintf(stderr, "%s: %s\n", b->program, why.text);
        return 1;
    }
    comm_start(&comm, &argc, &argv);
    comm.marks = !o.no_marks;
    /* After MPI and CUDA, which may set handlers of its own. */
    struct sigaction sa = {.sa_handler = on_term, .sa_flags = SA_RESTART};
    sigaction(SIGTERM, &sa, NULL);
    int status = trainer_run(&o, b, &comm, &stop_signal);
    comm_finish(&comm);
    return status;
}
