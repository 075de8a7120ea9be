/* SPDX-License-Identifier: MIT */
/* srunargs.c - see srunargs.h. Tried with 22.05; all of it is taken since 20.11. */
#include "launcher/slurm/srunargs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/hostlist.h"
#include "proto/base/limits.h"

/* Of Slurm's variables: what finds the cluster and the job, and what tells of the job
 * and is no option of srun. The rest would be taken as options, or is written anew for the
 * step. */
static const char *const of_cluster[] = {"SLURM_CONF*", "SLURM_JWT", "SLURM_CLUSTER*",
                                         "SLURM_WORKING_CLUSTER"};
static const char *const of_job[] = {"SLURM_JOB_*", "SLURM_JOBID", "SLURM_ARRAY_*",
                                     "SLURM_SUBMIT_*", "SLURM_RESTART_COUNT"};
static const char *const of_slurm[] = {"SLURM_*", "SLURMD_*", "SRUN_*"};

static bool matches(const char *entry, size_t len, const char *pattern)
{
    size_t n = strlen(pattern);
    if (n > 0 && pattern[n - 1] == '*')
        return len >= n - 1 && strncmp(entry, pattern, n - 1) == 0;
    return len == n && strncmp(entry, pattern, n) == 0;
}

static bool is_in(const char *entry, const char *const *table, size_t n)
{
    size_t len = strcspn(entry, "=");
    for (size_t i = 0; i < n; i++) {
        if (matches(entry, len, table[i]))
            return true;
    }
    return false;
}

bool srunargs_is_of_our_job(const char *entry)
{
    return is_in(entry, of_slurm, sizeof of_slurm / sizeof *of_slurm) &&
           !is_in(entry, of_cluster, sizeof of_cluster / sizeof *of_cluster);
}

static bool is_option(const char *entry)
{
    return srunargs_is_of_our_job(entry) &&
           !is_in(entry, of_job, sizeof of_job / sizeof *of_job);
}

int srunargs_env(char *const *env, struct strlist *ret)
{
    int rc = 0;
    for (char *const *p = env; p && *p && rc == 0; p++) {
        if (!is_option(*p))
            rc = strlist_add(ret, *p);
    }
    return rc;
}

static int add_list(const char *const *nodes, size_t n, struct strlist *ret)
{
    /* Borrowed: hostlist_format_slurm reads alone. */
    struct hostlist l = {.names = (char **)(uintptr_t)nodes, .n = n};
    struct buf text;
    buf_init(&text, n * (LIMIT_HOST_NAME + 1) + 64);
    int rc = buf_printf(&text, "--nodelist=");
    if (rc == 0)
        rc = hostlist_format_slurm(&l, &text);
    if (rc == 0)
        rc = strlist_add(ret, (char *)text.data);
    buf_fini(&text);
    return rc;
}

int srunargs_argv(const char *const *nodes, size_t n, const char *script,
                  struct strlist *ret)
{
    /* Beside the batch script and other steps; as many CPUs, GPUs and as much memory as
     * the job has there. A node or a task that fails ends nothing but itself. The ranks'
     * limits and binding are ours, and so is PMIx. */
    static const char *const fixed[] = {"srun",
                                        "--overlap",
                                        "--input=all",
                                        "--label",
                                        "--export=ALL",
                                        "--propagate=NONE",
                                        "--cpu-bind=none",
                                        "--mpi=none",
                                        "--no-kill",
                                        "--kill-on-bad-exit=0",
                                        "--wait=0",
                                        "--chdir=/"};
    char nodes_of[40], tasks[40];
    (void)snprintf(nodes_of, sizeof nodes_of, "--nodes=%zu", n);
    (void)snprintf(tasks, sizeof tasks, "--ntasks=%zu", n);
    const char *const counted[] = {nodes_of, tasks};
    const char *const program[] = {"/bin/sh", "-c", script};
    int rc = 0;
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed && rc == 0; i++)
        rc = strlist_add(ret, fixed[i]);
    for (size_t i = 0; i < sizeof counted / sizeof *counted && rc == 0; i++)
        rc = strlist_add(ret, counted[i]);
    if (rc == 0)
        rc = add_list(nodes, n, ret);
    for (size_t i = 0; i < sizeof program / sizeof *program && rc == 0; i++)
        rc = strlist_add(ret, program[i]);
    return rc;
}
