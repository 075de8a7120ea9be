/* SPDX-License-Identifier: MIT */
/* envbase.c - see envbase.h. */
#include "agent/envbase.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* execve(2): one string, all strings and their pointers, whatever the stack limit is. */
#define ENVBASE_ONE_MAX   ((128u << 10) - 1)
#define ENVBASE_ALL_MAX   (6u << 20)
#define ENVBASE_ALL_MIN   (128u << 10)
#define ENVBASE_ALL_SLACK 4096u /* the program's path, and what the kernel adds */

/* What another launcher tells its processes: it would make Open MPI, PyTorch or a second
 * aolani-run believe that they belong to that one. Ends in '*': a prefix. */
static const char *const envbase_foreign[] = {
    "AOLANI_*",
    "PMIX_*",
    "PMI_*",
    "PMI2_*",
    "OMPI_COMM_*",
    "OMPI_APP_*",
    "OMPI_ARGV",
    "OMPI_COMMAND",
    "OMPI_UNIVERSE_SIZE",
    "OMPI_FIRST_RANKS",
    "OMPI_NUM_APP_CTX",
    "OMPI_FILE_LOCATION",
    "OMPI_MCA_orte_*",
    "OMPI_MCA_ess*",
    "OMPI_MCA_pmix*",
    "PRTE_*",
    "MPI_LOCAL*",
    "HYDRA_*",
    "TORCHELASTIC_*",
    /* Of the step of Slurm's that started the agents: one task to a node, which is not the
     * layout of the ranks. PyTorch Lightning, JAX and others would take these numbers for
     * theirs; Open MPI, MPICH and PSM2 would take a rank for a task of srun's. What tells
     * of the job (SLURM_JOB_*, SLURM_CPUS_PER_TASK) stays. Keep the man page alike. */
    "SLURM_PROCID",
    "SLURM_LOCALID",
    "SLURM_NODEID",
    "SLURM_GTIDS",
    "SLURM_TASK_PID",
    "SLURM_NTASKS*",
    "SLURM_NPROCS",
    "SLURM_NNODES",
    "SLURM_TASKS_PER_NODE",
    "SLURM_STEP*",
    "SLURM_DIST*",
    "SLURM_SRUN_*",
    "SLURM_LAUNCH_*",
    /* The plug-ins of MPI that srun had, and of its own options: those of the agents. */
    "SLURM_MPI_TYPE",
    "SLURM_PMIX*",
    "SLURM_PMI*",
    "SLURM_CPU_BIND*",
    "SLURM_MEM_BIND*",
    "SLURM_GPU_BIND",
    "SLURM_EXPORT_ENV",
    "SLURM_UMASK",
    "SLURM_PRIO_PROCESS",
    "SLURM_RLIMIT_*",
    "SLURM_LABELIO",
    "SRUN_DEBUG",
};
/* Of the setup's shell, not of what it has set up; ours are set anew. */
static const char *const envbase_of_shell[] = {"AOLANI_*", "_", "SHLVL", "OLDPWD",
                                               "PWD"};

#define ENVBASE_HAS(table, name, len) \
    envlist_matches(name, len, table, sizeof table / sizeof *table)

static bool envbase_is_foreign(const char *entry)
{
    return ENVBASE_HAS(envbase_foreign, entry, envlist_name_length(entry));
}

bool envbase_is_path(const char *name)
{
    return strcmp(name, "PATH") == 0 || strcmp(name, "LD_LIBRARY_PATH") == 0;
}

/* ---- search paths ---- */

static bool envbase_has_part(const char *list, const char *part, size_t len)
{
    for (const char *p = list;; p++) {
        size_t n = strcspn(p, ":");
        if (n == len && memcmp(p, part, len) == 0)
            return true;
        p += n;
        if (!*p)
            return false;
    }
}

char *envbase_join(const char *first, const char *then)
{
    char *all = malloc(strlen(first) + strlen(then) + 2);
    if (!all)
        return NULL;
    size_t at = strlen(first);
    memcpy(all, first, at + 1);
    for (const char *p = then; *p;) {
        size_t n = strcspn(p, ":");
        if (n > 0 && !envbase_has_part(all, p, n)) {
            if (at > 0)
                all[at++] = ':';
            memcpy(all + at, p, n);
            all[at += n] = '\0';
        }
        p += n;
        p += *p == ':';
    }
    return all;
}

bool envbase_extends(const char *now, const char *old)
{
    size_t n = strlen(old);
    for (const char *p = now; n > 0; p++) {
        if (strncmp(p, old, n) == 0 && (p[n] == '\0' || p[n] == ':'))
            return true;
        p += strcspn(p, ":");
        if (!*p)
            break;
    }
    return false;
}

/* ---- building ---- */

static int envbase_set_clean(struct envlist *l, char *const *own)
{
    /* Without these hardly a program starts. */
    static const char *const kept[] = {"HOME", "USER", "LOGNAME", "SHELL", "TMPDIR"};
    int rc = envlist_set(l, "PATH=/usr/local/bin:/usr/bin:/bin");
    for (char *const *p = own; rc == 0 && p && *p; p++) {
        if (ENVBASE_HAS(kept, *p, envlist_name_length(*p)))
            rc = envlist_take(l, strdup(*p));
    }
    return rc;
}

static int envbase_set_own(struct envlist *l, char *const *own)
{
    int rc = 0;
    for (char *const *p = own; rc == 0 && p && *p; p++) {
        if (strchr(*p, '=') && !envbase_is_foreign(*p))
            rc = envlist_take(l, strdup(*p));
    }
    return rc;
}

static int envbase_forward(struct envlist *l, Aolani__KeyValue *kv)
{
    if (envbase_is_foreign(kv->key))
        return 0;
    const char *here = envbase_is_path(kv->key) ? envlist_value(l, kv->key) : NULL;
    if (!here)
        return envlist_set_pairs(l, &kv, 1);
    char *joined = envbase_join(kv->value, here);
    int rc = joined ? envlist_set(l, "%s=%s", kv->key, joined) : -ENOMEM;
    free(joined);
    return rc;
}

int envbase_build(char *const *own, const Aolani__Prepare *p, struct envlist *ret,
                  struct err *e)
{
    struct envlist l = {0};
    int rc = p->clean_env ? envbase_set_clean(&l, own) : envbase_set_own(&l, own);
    for (size_t i = 0; rc == 0 && i < p->n_forwarded; i++)
        rc = envbase_forward(&l, p->forwarded[i]);
    if (rc < 0) {
        envlist_fini(&l);
        return err_sys(e, rc, "build the environment of the ranks");
    }
    *ret = l;
    return 0;
}

int envbase_from_dump(const char *dump, size_t len, struct envlist *ret, struct err *e)
{
    struct envlist l = {0};
    int rc = 0;
    for (size_t at = 0; rc == 0 && at < len;) {
        size_t n = strnlen(dump + at, len - at);
        const char *entry = dump + at;
        if (at + n < len && strchr(entry, '=') &&
            !ENVBASE_HAS(envbase_of_shell, entry, envlist_name_length(entry)))
            rc = envlist_take(&l, strdup(entry));
        at += n + 1;
    }
    if (rc < 0) {
        envlist_fini(&l);
        return err_sys(e, rc, "take the environment that job.setup has made");
    }
    *ret = l;
    return 0;
}

/* ---- what execve takes ---- */

static size_t envbase_bytes(char *const *v, size_t *ret_n)
{
    size_t bytes = 0;
    for (*ret_n = 0; v && v[*ret_n]; (*ret_n)++)
        bytes += strlen(v[*ret_n]) + 1;
    return bytes;
}

int envbase_fits(char *const *env, char *const *argv, size_t stack, struct err *e)
{
    size_t n_env, n_argv, most = 0;
    size_t all = envbase_bytes(env, &n_env) + envbase_bytes(argv, &n_argv);
    all += (n_env + n_argv) * sizeof(char *) + ENVBASE_ALL_SLACK;
    for (size_t i = 1; i < n_env; i++) {
        if (strlen(env[i]) > strlen(env[most]))
            most = i;
    }
    if (n_env > 0 && strlen(env[most]) > ENVBASE_ONE_MAX) {
        err_set(e, -E2BIG,
                "start the program: the variable \"%.*s\" has %zu bytes, and Linux "
                "takes %u at most",
                (int)envlist_name_length(env[most]), env[most], strlen(env[most]),
                ENVBASE_ONE_MAX);
        err_hint(e, "put the value into a file and its name into the variable");
        return -E2BIG;
    }
    size_t limit = stack / 4 < ENVBASE_ALL_MAX ? stack / 4 : ENVBASE_ALL_MAX;
    if (limit < ENVBASE_ALL_MIN)
        limit = ENVBASE_ALL_MIN;
    if (all <= limit || n_env == 0)
        return 0;
    err_set(e, -E2BIG,
            "start the program: its arguments and variables have %zu bytes, and Linux "
            "takes %zu here; \"%.*s\" alone has %zu",
            all, limit, (int)envlist_name_length(env[most]), env[most],
            strlen(env[most]));
    return err_hint(e, "forward fewer variables (job.forward_env), or raise the stack "
                       "limit, of which this is a quarter");
}
