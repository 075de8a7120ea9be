/* SPDX-License-Identifier: MIT */
/* plugin.c - aolani-slurm: what libslurm knows of a job, for aolani-run. Optional, and built
 * where Slurm's headers are, for the release that they are of.
 *
 * usage: aolani-slurm job ID        as `scontrol show job -d -o ID` prints it
 *        aolani-slurm --version
 *
 * A program, and no library to be loaded: libslurm ends the process that it is in when its
 * configuration is not right, blocks while a controller does not answer, and may crash where
 * it is not of the release that it was built for. Its user has a run to look after, so it
 * would have to be a process of its own anyway; then there is nothing left to load.
 *
 * The text is libslurm's own (slurm_sprint_job_info), as it is of scontrol: no layout of
 * Slurm's structures is relied upon but where the job stands in the answer, and there is one
 * reader. The name of libslurm has its interface's number in it (libslurm.so.38), which goes
 * up with each release: the system does not start this program with another one, and so says
 * what a check of ours would. Exit status: 0; with the reason on
 * standard error 4 for what Slurm answered (no such job, no controller), 1 for all else (libslurm
 * itself uses it too); 2 usage. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>

enum { FAILED = 1, USAGE = 2, ANSWERED = 4 };

static int say(int status, const char *what)
{
    (void)fprintf(stderr, "aolani-slurm: %s\n", what);
    return status;
}

static int show_job(uint32_t id)
{
    job_info_msg_t *msg = NULL;
    slurm_init(NULL);
    if (slurm_load_job(&msg, id, SHOW_ALL | SHOW_DETAIL) != SLURM_SUCCESS)
        return say(ANSWERED, slurm_strerror(errno));
    for (uint32_t i = 0; i < msg->record_count; i++) {
        char *line = slurm_sprint_job_info(&msg->job_array[i], 1);
        if (!line)
            return say(FAILED, "libslurm has no words for the job");
        (void)fputs(line, stdout);
    }
    slurm_free_job_info_msg(msg);
    return fflush(stdout) == 0 ? 0 : say(FAILED, strerror(errno));
}

static int show_version(void)
{
    const unsigned long v = SLURM_VERSION_NUMBER;
    (void)printf("aolani-slurm " AOLANI_VERSION ", for Slurm %lu.%02lu.%lu\n", v >> 16,
                 v >> 8 & 0xff, v & 0xff);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        return show_version();
    char *end = NULL;
    unsigned long id = argc == 3 ? strtoul(argv[2], &end, 10) : 0;
    if (argc != 3 || strcmp(argv[1], "job") != 0 || *end || id == 0 || id >= UINT32_MAX)
        return say(USAGE, "usage: aolani-slurm job ID | --version");
    return show_job((uint32_t)id);
}
