/* SPDX-License-Identifier: MIT */
/* jobsignal.c - see jobsignal.h. */
#include "launcher/slurm/jobsignal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "launcher/slurm/ask.h"

int jobsignal(uint32_t job, const char *host, pid_t pid, uint64_t ticks, int signum,
              struct err *e)
{
    /* The 22nd word of stat is the start; the second is a name in brackets, which may hold
     * anything. */
    char script[] = "read -r s 2>/dev/null <\"/proc/$1/stat\" || exit 0; "
                    "p=$1 t=$2 n=$3; set -- ${s##*) }; shift 19; "
                    "[ \"$1\" != \"$t\" ] || kill -s \"$n\" \"$p\"";
    char jobid[32], node[300], process[16], start[24], number[16];
    struct buf out;
    (void)snprintf(jobid, sizeof jobid, "--jobid=%" PRIu32, job);
    /* A node's name is most often the host's without its domain. */
    (void)snprintf(node, sizeof node, "--nodelist=%.*s", (int)strcspn(host, "."), host);
    (void)snprintf(process, sizeof process, "%d", (int)pid);
    (void)snprintf(start, sizeof start, "%" PRIu64, ticks);
    (void)snprintf(number, sizeof number, "%d", signum);
    char *argv[] = {
        "srun",      jobid,     "--overlap",    "--nodes=1",  "--ntasks=1",
        node,        "--quiet", "--input=none", "--mpi=none", "--export=NONE",
        "--chdir=/", "/bin/sh", "-c",           script,       "sh",
        process,     start,     number,         NULL};
    buf_init(&out, 64u << 10);
    int rc = slurm_run_now(argv, NULL, &out, e);
    buf_fini(&out);
    return rc;
}
