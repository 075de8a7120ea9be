/* SPDX-License-Identifier: MIT */
/* main.c - aolani-run: the verb does the work. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "launcher/verbs.h"
#include "proto/base/err.h"
#include "proto/base/log.h"

/* A descriptor that we were started without must not be taken by a file of ours: what is
 * said there would go into it. */
static int fill_descriptors(void)
{
    int fd;
    while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd <= STDERR_FILENO)
        ;
    return fd < 0 ? -1 : close(fd);
}

/* What was printed has to arrive, or the status must not be 0. */
static int flush_stdout(void)
{
    struct err e;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    err_set(&e, -1, "print to standard output: it could not be written");
    log_err(&e);
    return 1;
}

int main(int argc, char **argv)
{
    if (fill_descriptors() < 0)
        return 1;
    /* Who started us may not want to know how children end; we do. */
    (void)signal(SIGCHLD, SIG_DFL);
    log_setup("aolani-run", LOG_NOTE_, NULL, NULL);
    int status = verbs_main(argc, argv);
    int printed = flush_stdout();
    return status ? status : printed;
}
