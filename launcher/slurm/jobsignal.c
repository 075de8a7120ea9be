/* SPDX-License-Identifier: MIT */
/* jobsignal.c - see jobsignal.h. */
#include "launcher/slurm/jobsignal.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "launcher/slurm/ask.h"

struct place {
    char nodes[32], tasks[32];
    char which
        [300]; /* the node; or, for all of them, that one which fails is no matter */
};

/* A node is most often called as its host, with a domain or without. */
static bool is_called(const char *node, const char *host)
{
    size_t n = strcspn(node, ".");
    return n == strcspn(host, ".") && strncmp(node, host, n) == 0;
}

/* Where a site calls nodes otherwise, each of them looks for itself. */
static void find_place(uint32_t job, const char *host, struct place *ret)
{
    struct slurm_job j = {0};
    const char *node = NULL;
    bool known = slurm_job_now(job, &j, NULL) == 0 && j.n_nodes > 0;
    for (size_t i = 0; i < j.n_nodes && !node; i++)
        if (is_called(j.nodes[i].name, host))
            node = j.nodes[i].name;
    size_t n = known && !node ? j.n_nodes : 1;
    (void)snprintf(ret->nodes, sizeof ret->nodes, "--nodes=%zu", n);
    (void)snprintf(ret->tasks, sizeof ret->tasks, "--ntasks=%zu", n);
    if (node)
        (void)snprintf(ret->which, sizeof ret->which, "--nodelist=%s", node);
    else if (known)
        (void)snprintf(ret->which, sizeof ret->which, "--no-kill");
    else
        (void)snprintf(ret->which, sizeof ret->which, "--nodelist=%.*s",
                       (int)strcspn(host, "."), host);
    slurm_job_fini(&j);
}

int jobsignal(uint32_t job, const char *host, pid_t pid, uint64_t ticks, int signum,
              struct err *e)
{
    /* The 22nd word of stat is the start; the second is a name in brackets, which may hold
     * anything. */
    char script[] = "[ \"$(uname -n)\" = \"$4\" ] || exit 0; echo here; "
                    "read -r s 2>/dev/null <\"/proc/$1/stat\" || exit 0; "
                    "p=$1 t=$2 n=$3; set -- ${s##*) }; shift 19; "
                    "[ \"$1\" != \"$t\" ] || kill -s \"$n\" \"$p\"";
    char jobid[32], process[16], start[24], number[16], name[256];
    struct place at;
    struct buf out;
    find_place(job, host, &at);
    (void)snprintf(jobid, sizeof jobid, "--jobid=%" PRIu32, job);
    (void)snprintf(process, sizeof process, "%d", (int)pid);
    (void)snprintf(start, sizeof start, "%" PRIu64, ticks);
    (void)snprintf(number, sizeof number, "%d", signum);
    (void)snprintf(name, sizeof name, "%s", host);
    char *argv[] = {"srun",         jobid,        "--overlap",
                    at.nodes,       at.tasks,     "--quiet",
                    "--input=none", "--mpi=none", "--export=NONE",
                    "--chdir=/",    at.which,     "/bin/sh",
                    "-c",           script,       "sh",
                    process,        start,        number,
                    name,           NULL};
    buf_init(&out, 64u << 10);
    int rc = slurm_run_now(argv, NULL, &out, e);
    if (rc == 0 && out.len == 0)
        rc = err_set(e, ERR_USAGE,
                     "signal process %d on %.80s: no node of Slurm's job %" PRIu32
                     " is called so",
                     (int)pid, host, job);
    buf_fini(&out);
    return rc;
}
