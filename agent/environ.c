/* SPDX-License-Identifier: MIT */
/* environ.c - see environ.h. */
#include "agent/environ.h"

#include "agent/envbase.h"
#include "agent/envbind.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What PyTorch (torchrun's names) and Open MPI tell their processes. */
static int environ_set_ranks(struct envlist *l, const struct environ_spec *s)
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
        {"TORCHELASTIC_MAX_RESTARTS", p->max_restarts},
        {"OMPI_COMM_WORLD_SIZE", p->world_size},
        {"OMPI_COMM_WORLD_RANK", s->rank->rank},
        {"OMPI_COMM_WORLD_LOCAL_SIZE", (uint32_t)p->n_ranks},
        {"OMPI_COMM_WORLD_LOCAL_RANK", s->rank->local_rank},
        {"OMPI_COMM_WORLD_NODE_RANK", s->rank->local_rank},
        {"OMPI_UNIVERSE_SIZE", p->world_size},
    };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof number / sizeof *number; i++)
        rc = envlist_set(l, "%s=%u", number[i].name, number[i].value);
    if (rc == 0)
        rc = envlist_set(l, "MASTER_ADDR=%s", s->master_addr);
    if (rc == 0)
        rc = envlist_set(l, "TORCHELASTIC_RUN_ID=%s", p->run_id);
    return rc;
}

/* Files of shared memory and of the session are named after the host by Open MPI, so two
 * nodes on one host meet in them unless each has folders of its own. Binding is ours. */
static int environ_set_open_mpi(struct envlist *l, const struct environ_spec *s)
{
    int rc = envlist_set(l, "OMPI_MCA_hwloc_base_binding_policy=none");
    if (rc == 0)
        rc = envlist_set(l, "PRTE_MCA_hwloc_default_binding_policy=none");
    if (rc == 0)
        rc = envlist_set(l, "OMPI_MCA_btl_vader_backing_directory=%s", s->shm_dir);
    if (rc == 0)
        rc = envlist_set(l, "OMPI_MCA_btl_sm_backing_directory=%s", s->shm_dir);
    if (rc == 0)
        rc = envlist_set(l, "OMPI_MCA_orte_tmpdir_base=%s", s->tmp_dir);
    if (rc == 0)
        rc = envlist_set(l, "PRTE_MCA_prte_tmpdir_base=%s", s->tmp_dir);
    if (rc == 0 && s->plan->oversubscribed)
        rc = envlist_set(l, "OMPI_MCA_mpi_yield_when_idle=1");
    if (rc == 0 && s->only_loopback)
        rc = envlist_set(l, "OMPI_MCA_btl_tcp_if_include=lo");
    return rc;
}

/* A rank that is bound shall not be bound a second time, within its cores, by a library
 * (MVAPICH2, Intel MPI) or by srun, which a program may call and which takes over what an
 * outer srun has left in the environment. Whoever sets the libraries' switches means it. */
static int environ_set_no_second_binding(struct envlist *l,
                                         const struct environ_spec *s)
{
    static const char *const off[][2] = {{"MV2_ENABLE_AFFINITY", "0"},
                                         {"I_MPI_PIN", "off"}};
    int rc = 0;
    if (!s->rank->cpus[0])
        return 0;
    for (size_t i = 0; rc == 0 && i < sizeof off / sizeof *off; i++) {
        if (!envlist_value(l, off[i][0]))
            rc = envlist_set(l, "%s=%s", off[i][0], off[i][1]);
    }
    if (rc == 0)
        rc = envlist_set(l, "SLURM_CPU_BIND=none");
    if (rc == 0)
        rc = envlist_set(l, "SLURM_GPU_BIND=none");
    return rc;
}

static int environ_set_identity(struct envlist *l, const struct environ_spec *s)
{
    char mark[ENVIRON_MARK_BYTES];
    environ_mark(s->plan->run_id, s->plan->node_index, mark);
    int rc = envlist_set(l, "%s", mark);
    if (rc == 0 && s->workdir)
        rc = envlist_set(l, "PWD=%s", s->workdir);
    if (rc == 0)
        rc = envlist_set(l, "AOLANI_RUN_ID=%s", s->plan->run_id);
    if (rc == 0)
        rc = envlist_set(l, "AOLANI_NODE=%u", s->plan->node_index);
    if (rc == 0)
        rc = envlist_set(l, "AOLANI_ATTEMPT=%u", s->attempt);
    if (rc == 0 && s->step_path)
        rc = envlist_set(l, "AOLANI_STEP_PATH=%s", s->step_path);
    if (rc == 0 && s->library)
        rc = envlist_set(l, "AOLANI_LIBRARY=%s", s->library);
    return rc;
}

/* What the user set; but a search path that the setup text has made longer stays so. */
static int environ_set_user(struct envlist *l, const struct environ_spec *s)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < s->plan->n_env; i++) {
        const Aolani__KeyValue *kv = s->plan->env[i];
        const char *now = s->after_setup ? envlist_value(l, kv->key) : NULL;
        if (!now || !envbase_extends(now, kv->value))
            rc = envlist_set_pairs(l, &s->plan->env[i], 1);
    }
    return rc == 0 && s->rank ? envlist_set_pairs(l, s->rank->env, s->rank->n_env) : rc;
}

/* NCCL loads one profiler. The user's stays, or is called by ours where that is asked for. */
static int environ_set_profiler(struct envlist *l, const struct environ_spec *s)
{
    int rc = 0;
    if (!s->coll_path)
        return 0;
    const char *theirs = envlist_value(l, "NCCL_PROFILER_PLUGIN");
    const char *chain = envlist_value(l, "AOLANI_NCCL_CHAIN");
    bool chained = chain && strcmp(chain, "1") == 0;
    if (theirs && theirs[0] && !chained)
        return 0;
    if (chained && theirs && theirs[0])
        rc = envlist_set(l, "AOLANI_NCCL_CHAIN=%s", theirs);
    else if (chained)
        envlist_remove(l, "AOLANI_NCCL_CHAIN");
    if (rc == 0)
        rc = envlist_set(l, "AOLANI_COLL_PATH=%s", s->coll_path);
    return rc == 0 ? envlist_set(l, "NCCL_PROFILER_PLUGIN=%s", s->profiler) : rc;
}

/* Whoever sets one of them wants to read it himself, or not to. */
static int environ_set_nccl_words(struct envlist *l, const struct environ_spec *s)
{
    static const char *const theirs[] = {"NCCL_DEBUG", "NCCL_DEBUG_FILE",
                                         "NCCL_DEBUG_SUBSYS"};
    for (size_t i = 0; i < sizeof theirs / sizeof *theirs; i++) {
        if (!s->nccl_file || envlist_value(l, theirs[i]))
            return 0;
    }
    int rc = envlist_set(l, "NCCL_DEBUG=INFO");
    if (rc == 0)
        rc = envlist_set(l, "NCCL_DEBUG_SUBSYS=INIT,NET");
    return rc == 0 ? envlist_set(l, "NCCL_DEBUG_FILE=%s", s->nccl_file) : rc;
}

/* After the user's: appended, so that it is found and hides nothing. */
static int append_path(struct envlist *l, const char *name, const char *folder)
{
    const char *old = envlist_value(l, name);
    /* An empty part would mean the working directory. */
    return old && old[0] ? envlist_set(l, "%s=%s:%s", name, old, folder)
                         : envlist_set(l, "%s=%s", name, folder);
}

static int environ_add_paths(struct envlist *l, const struct environ_spec *s)
{
    int rc = s->library ? append_path(l, "LD_LIBRARY_PATH", s->agent_dir) : 0;
    return rc == 0 && s->python ? append_path(l, "PYTHONPATH", s->agent_dir) : rc;
}

int environ_build(const struct environ_spec *s, char ***ret, struct err *e)
{
    struct envlist l = {0};
    struct envbind binding = {.plan = s->plan, .own = s->own};
    int rc = envlist_copy(&l, s->base);
    if (rc == 0)
        rc = envbind_set(&binding, s->rank, &l);
    if (rc == 0)
        rc = environ_set_ranks(&l, s);
    if (rc == 0)
        rc = environ_set_open_mpi(&l, s);
    if (rc == 0)
        rc = environ_set_no_second_binding(&l, s);
    if (rc == 0 && s->omp_threads && !envlist_value(&l, "OMP_NUM_THREADS"))
        rc = envlist_set(&l, "OMP_NUM_THREADS=%u", s->omp_threads);
    /* A line that waits in Python's buffer says nothing of when its step ended. */
    if (rc == 0 && s->plan->step_pattern[0] && !envlist_value(&l, "PYTHONUNBUFFERED"))
        rc = envlist_set(&l, "PYTHONUNBUFFERED=1");
    if (rc == 0 && s->ras_address && !envlist_value(&l, "NCCL_RAS_ADDR"))
        rc = envlist_set(&l, "NCCL_RAS_ADDR=%s", s->ras_address);
    if (rc == 0)
        rc = environ_set_user(&l, s);
    if (rc == 0)
        rc = envlist_set_pairs(&l, s->pmix, s->n_pmix);
    if (rc == 0)
        rc = environ_set_identity(&l, s);
    if (rc == 0)
        rc = environ_set_profiler(&l, s);
    if (rc == 0)
        rc = environ_set_nccl_words(&l, s);
    if (rc == 0)
        rc = environ_add_paths(&l, s);
    if (rc < 0) {
        envlist_fini(&l);
        return err_sys(e, rc, "build the environment of rank %u", s->rank->rank);
    }
    *ret = l.v;
    return 0;
}

int environ_build_setup(const struct environ_spec *s, char ***ret, struct err *e)
{
    struct envlist l = {0};
    int rc = envlist_copy(&l, s->base);
    if (rc == 0)
        rc = environ_set_user(&l, s);
    if (rc == 0)
        rc = environ_set_identity(&l, s);
    if (rc < 0) {
        envlist_fini(&l);
        return err_sys(e, rc, "build the environment of job.setup");
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

void environ_mark(const char *run_id, uint32_t node, char ret[ENVIRON_MARK_BYTES])
{
    (void)snprintf(ret, ENVIRON_MARK_BYTES, "AOLANI_MARK=%s.%u", run_id, node);
}
