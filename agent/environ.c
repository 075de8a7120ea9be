/* SPDX-License-Identifier: MIT */
/* environ.c - see environ.h. */
#include "agent/environ.h"

#include "proto/base/limits.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What another launcher tells its processes: it would make Open MPI, PyTorch or a second
 * aolani-run believe that they belong to that one. Ends in '*': a prefix. */
static const char *const environ_foreign[] = {
    "AOLANI_*",         "PMIX_*",           "PMI_*",
    "PMI2_*",           "OMPI_COMM_*",      "OMPI_APP_*",
    "OMPI_ARGV",        "OMPI_COMMAND",     "OMPI_UNIVERSE_SIZE",
    "OMPI_FIRST_RANKS", "OMPI_NUM_APP_CTX", "OMPI_FILE_LOCATION",
    "OMPI_MCA_orte_*",  "OMPI_MCA_ess*",    "OMPI_MCA_pmix*",
    "PRTE_*",           "MPI_LOCAL*",       "HYDRA_*",
    "TORCHELASTIC_*",   "SLURM_PROCID",     "SLURM_LOCALID",
};

struct environ_list {
    char **v; /* NULL-ended once it holds something */
    size_t n, cap;
};

static size_t environ_name_length(const char *entry)
{
    return strcspn(entry, "=");
}

static bool environ_is_foreign(const char *entry)
{
    size_t n = environ_name_length(entry);
    for (size_t i = 0; i < sizeof environ_foreign / sizeof *environ_foreign; i++) {
        const char *f = environ_foreign[i];
        size_t len = strlen(f);
        if (f[len - 1] == '*' ? n >= len - 1 && memcmp(entry, f, len - 1) == 0
                              : n == len && memcmp(entry, f, len) == 0)
            return true;
    }
    return false;
}

static char **environ_find(const struct environ_list *l, const char *name, size_t n)
{
    for (size_t i = 0; i < l->n; i++) {
        if (strncmp(l->v[i], name, n) == 0 && l->v[i][n] == '=')
            return &l->v[i];
    }
    return NULL;
}

/* Takes entry ("NAME=value"), also on failure; it replaces one of the same name. */
static int environ_take(struct environ_list *l, char *entry)
{
    if (!entry)
        return -ENOMEM;
    char **old = environ_find(l, entry, environ_name_length(entry));
    if (old) {
        free(*old);
        *old = entry;
        return 0;
    }
    if (l->n + 1 >= l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 64;
        char **v = l->n < 4 * LIMIT_ENV ? realloc(l->v, cap * sizeof *v) : NULL;
        if (!v) {
            free(entry);
            return -ENOMEM;
        }
        l->v = v;
        l->cap = cap;
    }
    l->v[l->n++] = entry;
    l->v[l->n] = NULL;
    return 0;
}

static int environ_set(struct environ_list *l, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static int environ_set(struct environ_list *l, const char *fmt, ...)
{
    char *entry = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&entry, fmt, ap);
    va_end(ap);
    return environ_take(l, n < 0 ? NULL : entry);
}

/* An empty name, or one with '=', would become another variable. */
static int environ_set_pairs(struct environ_list *l, Aolani__KeyValue *const *kv,
                             size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!kv[i]->key[0] || strchr(kv[i]->key, '='))
            continue;
        int rc = environ_set(l, "%s=%s", kv[i]->key, kv[i]->value);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int environ_set_base(struct environ_list *l, const struct environ_spec *s)
{
    for (char *const *p = s->base; !s->plan->clean_env && p && *p; p++) {
        if (!strchr(*p, '=') || environ_is_foreign(*p))
            continue;
        int rc = environ_take(l, strdup(*p));
        if (rc < 0)
            return rc;
    }
    if (!s->plan->clean_env)
        return 0;
    /* Without these hardly a program starts. */
    static const char *const kept[] = {"HOME", "USER", "LOGNAME", "SHELL", "TMPDIR"};
    int rc = environ_set(l, "PATH=/usr/local/bin:/usr/bin:/bin");
    for (size_t i = 0; rc == 0 && i < sizeof kept / sizeof *kept; i++) {
        const char *value = environ_get(s->base, kept[i]);
        if (value)
            rc = environ_set(l, "%s=%s", kept[i], value);
    }
    return rc;
}

/* What PyTorch (torchrun's names) and Open MPI tell their processes. */
static int environ_set_ranks(struct environ_list *l, const struct environ_spec *s)
{
    const Aolani__Prepare *p = s->plan;
    const struct {
        const char *name;
        uint32_t value;
    } number[] = {
        {"RANK", s->rank->rank},
        {"WORLD_SIZE", p->world_size},
        {"LOCAL_RANK", s->rank->local_rank},
        {"LOCAL_WORLD_SIZE", (uint32_t)p->n_ranks},
        {"NODE_RANK", p->node_index},
        {"GROUP_RANK", p->node_index},
        {"MASTER_PORT", s->master_port},
        {"TORCHELASTIC_RESTART_COUNT", p->restarts},
        {"TORCHELASTIC_MAX_RESTARTS", 0},
        {"OMPI_COMM_WORLD_SIZE", p->world_size},
        {"OMPI_COMM_WORLD_RANK", s->rank->rank},
        {"OMPI_COMM_WORLD_LOCAL_SIZE", (uint32_t)p->n_ranks},
        {"OMPI_COMM_WORLD_LOCAL_RANK", s->rank->local_rank},
        {"OMPI_COMM_WORLD_NODE_RANK", s->rank->local_rank},
        {"OMPI_UNIVERSE_SIZE", p->world_size},
    };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof number / sizeof *number; i++)
        rc = environ_set(l, "%s=%u", number[i].name, number[i].value);
    if (rc == 0)
        rc = environ_set(l, "MASTER_ADDR=%s", s->master_addr);
    if (rc == 0)
        rc = environ_set(l, "TORCHELASTIC_RUN_ID=%s", p->run_id);
    return rc;
}

/* Files of shared memory and of the session are named after the host by Open MPI, so two
 * nodes on one host meet in them unless each has folders of its own. Binding is ours. */
static int environ_set_open_mpi(struct environ_list *l, const struct environ_spec *s)
{
    int rc = environ_set(l, "OMPI_MCA_hwloc_base_binding_policy=none");
    if (rc == 0)
        rc = environ_set(l, "OMPI_MCA_btl_vader_backing_directory=%s", s->shm_dir);
    if (rc == 0)
        rc = environ_set(l, "OMPI_MCA_btl_sm_backing_directory=%s", s->shm_dir);
    if (rc == 0)
        rc = environ_set(l, "OMPI_MCA_orte_tmpdir_base=%s", s->tmp_dir);
    if (rc == 0)
        rc = environ_set(l, "PRTE_MCA_prte_tmpdir_base=%s", s->tmp_dir);
    if (rc == 0 && s->plan->oversubscribed)
        rc = environ_set(l, "OMPI_MCA_mpi_yield_when_idle=1");
    if (rc == 0 && s->only_loopback)
        rc = environ_set(l, "OMPI_MCA_btl_tcp_if_include=lo");
    return rc;
}

static int environ_set_identity(struct environ_list *l, const struct environ_spec *s)
{
    char mark[ENVIRON_MARK_BYTES];
    environ_mark(s->plan->run_id, s->plan->node_index, mark);
    int rc = environ_set(l, "%s", mark);
    if (rc == 0)
        rc = environ_set(l, "AOLANI_RUN_ID=%s", s->plan->run_id);
    if (rc == 0)
        rc = environ_set(l, "AOLANI_NODE=%u", s->plan->node_index);
    if (rc == 0)
        rc = environ_set(l, "AOLANI_ATTEMPT=%u", s->attempt);
    if (rc == 0 && s->step_path)
        rc = environ_set(l, "AOLANI_STEP_PATH=%s", s->step_path);
    if (rc == 0 && s->library)
        rc = environ_set(l, "AOLANI_LIBRARY=%s", s->library);
    return rc;
}

/* After the user's: appended, so that it is found and hides nothing. */
static int environ_add_library_path(struct environ_list *l,
                                    const struct environ_spec *s)
{
    if (!s->library)
        return 0;
    const char *old = l->v ? environ_get(l->v, "LD_LIBRARY_PATH") : NULL;
    /* An empty part would mean the working directory. */
    return old && old[0] ? environ_set(l, "LD_LIBRARY_PATH=%s:%s", old, s->agent_dir)
                         : environ_set(l, "LD_LIBRARY_PATH=%s", s->agent_dir);
}

int environ_build(const struct environ_spec *s, char ***ret, struct err *e)
{
    struct environ_list l = {0};
    int rc = environ_set_base(&l, s);
    if (rc == 0)
        rc = environ_set_ranks(&l, s);
    if (rc == 0)
        rc = environ_set_open_mpi(&l, s);
    if (rc == 0 && s->omp_threads && !environ_find(&l, "OMP_NUM_THREADS", 15))
        rc = environ_set(&l, "OMP_NUM_THREADS=%u", s->omp_threads);
    if (rc == 0)
        rc = environ_set_pairs(&l, s->plan->env, s->plan->n_env);
    if (rc == 0)
        rc = environ_set_pairs(&l, s->rank->env, s->rank->n_env);
    if (rc == 0)
        rc = environ_set_pairs(&l, s->pmix, s->n_pmix);
    if (rc == 0)
        rc = environ_set_identity(&l, s);
    if (rc == 0)
        rc = environ_add_library_path(&l, s);
    if (rc < 0) {
        environ_free(l.v);
        return err_sys(e, rc, "build the environment of rank %u", s->rank->rank);
    }
    *ret = l.v;
    return 0;
}

void environ_free(char **env)
{
    for (size_t i = 0; env && env[i]; i++)
        free(env[i]);
    free(env);
}

const char *environ_get(char *const *env, const char *name)
{
    size_t n = strlen(name);
    for (char *const *p = env; p && *p; p++) {
        if (strncmp(*p, name, n) == 0 && (*p)[n] == '=')
            return *p + n + 1;
    }
    return NULL;
}

void environ_mark(const char *run_id, uint32_t node, char ret[ENVIRON_MARK_BYTES])
{
    (void)snprintf(ret, ENVIRON_MARK_BYTES, "AOLANI_MARK=%s.%u", run_id, node);
}
