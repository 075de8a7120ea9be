/* SPDX-License-Identifier: MIT */
/* job.c - registration of a job with PMIx's server library.
 *
 * Open MPI 4 asks for the sizes, the local peers and its own place; the node and process
 * maps give it the places of all others. Nodes have the names that the user gave them, not
 * those of the system: several simulated nodes of one host have to differ.
 */
#include "agent/pmix/job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pmix.h>

#include "proto/base/buf.h"
#include "proto/base/limits.h"

static int fail_pmix(struct err *e, pmix_status_t rc, const char *what)
{
    return err_set(e, -EIO, "%s: %s (%d)", what, PMIx_Error_string(rc), rc);
}

static int done_or_fail(pmix_status_t rc, const char *what, struct err *e)
{
    if (rc == PMIX_SUCCESS || rc == PMIX_OPERATION_SUCCEEDED)
        return 0;
    return fail_pmix(e, rc, what);
}

int job_check(const Aolani__PmixSetup *s, struct err *e)
{
    size_t n = s->n_node_names;
    size_t ns = strlen(s->nspace);
    if (ns == 0 || ns > PMIX_MAX_NSLEN)
        return err_set(e, ERR_PROTO, "pmix setup: a job name of %zu bytes", ns);
    if (n == 0 || n > LIMIT_NODES || s->n_first_rank != n + 1 || s->node_index >= n)
        return err_set(e, ERR_PROTO, "pmix setup: node %u of %zu, %zu rank bounds",
                       s->node_index, n, s->n_first_rank);
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(s->node_names[i]);
        if (len == 0 || len > LIMIT_HOST_NAME || strpbrk(s->node_names[i], ",; "))
            return err_set(e, ERR_PROTO, "pmix setup: node %zu has no usable name", i);
        if (s->first_rank[i + 1] < s->first_rank[i] ||
            s->first_rank[i + 1] - s->first_rank[i] > LIMIT_LOCAL_RANKS)
            return err_set(e, ERR_PROTO, "pmix setup: node %zu has ranks %u to %u", i,
                           s->first_rank[i], s->first_rank[i + 1]);
    }
    if (s->first_rank[0] != 0 || s->first_rank[n] > LIMIT_RANKS)
        return err_set(e, ERR_PROTO, "pmix setup: ranks %u to %u", s->first_rank[0],
                       s->first_rank[n]);
    if (s->tmpdir[0] != '/')
        return err_set(e, ERR_PROTO, "pmix setup: folder \"%s\" is not absolute",
                       s->tmpdir);
    return 0;
}

int job_start(const Aolani__PmixSetup *s, pmix_server_module_t *module, struct err *e)
{
    bool no = false;
    pmix_info_t info[7];
    size_t n = sizeof info / sizeof *info;
    PMIX_INFO_LOAD(&info[0], PMIX_SERVER_TMPDIR, s->tmpdir, PMIX_STRING);
    PMIX_INFO_LOAD(&info[1], PMIX_SYSTEM_TMPDIR, s->tmpdir, PMIX_STRING);
    PMIX_INFO_LOAD(&info[2], PMIX_SERVER_TOOL_SUPPORT, &no, PMIX_BOOL);
    PMIX_INFO_LOAD(&info[3], PMIX_SERVER_SYSTEM_SUPPORT, &no, PMIX_BOOL);
    PMIX_INFO_LOAD(&info[4], PMIX_SERVER_REMOTE_CONNECTIONS, &no, PMIX_BOOL);
    PMIX_INFO_LOAD(&info[5], PMIX_HOSTNAME, s->node_names[s->node_index], PMIX_STRING);
    PMIX_INFO_LOAD(&info[6], PMIX_NODEID, &s->node_index, PMIX_UINT32);
    pmix_status_t rc = PMIx_server_init(module, info, n);
    for (size_t i = 0; i < n; i++)
        PMIX_INFO_DESTRUCT(&info[i]);
    return done_or_fail(rc, "start the pmix server", e);
}

void job_stop(void)
{
    (void)PMIx_server_finalize();
}

/* "0,1;2,3": the ranks of each node, or those of this node alone. */
static int print_ranks(struct buf *b, const Aolani__PmixSetup *s, size_t from,
                       size_t to)
{
    int rc = 0;
    for (size_t i = from; i < to && !rc; i++)
        for (uint32_t r = s->first_rank[i]; r < s->first_rank[i + 1] && !rc; r++)
            rc = buf_printf(b, "%u%s", r,
                            r + 1 < s->first_rank[i + 1] ? ","
                            : i + 1 < to                 ? ";"
                                                         : "");
    return rc;
}

/* Nodes without ranks are in no map: PMIx takes an empty field for an error. */
static int print_names(struct buf *b, const Aolani__PmixSetup *s, uint32_t *ret_n)
{
    int rc = 0;
    *ret_n = 0;
    for (size_t i = 0; i < s->n_node_names && !rc; i++)
        if (s->first_rank[i + 1] > s->first_rank[i])
            rc = buf_printf(b, "%s%s", (*ret_n)++ > 0 ? "," : "", s->node_names[i]);
    return rc;
}

/* Adding cannot fail but for memory, which the library does not survive either. */
static void add(void *list, const char *key, const void *value, pmix_data_type_t type)
{
    (void)PMIx_Info_list_add(list, key, value, type);
}

static int add_maps(void *list, const Aolani__PmixSetup *s, struct err *e)
{
    struct buf names, ranks, peers;
    char *node_map = NULL, *proc_map = NULL;
    uint32_t n_nodes;
    buf_init(&names, (size_t)LIMIT_NODES * (LIMIT_HOST_NAME + 1));
    buf_init(&ranks, (size_t)LIMIT_RANKS * 8);
    buf_init(&peers, (size_t)LIMIT_LOCAL_RANKS * 8);
    int rc = print_names(&names, s, &n_nodes);
    if (!rc)
        rc = print_ranks(&ranks, s, 0, s->n_node_names);
    if (!rc)
        rc = print_ranks(&peers, s, s->node_index, s->node_index + 1);
    if (rc) {
        err_sys(e, rc, "list the ranks for pmix");
        goto out;
    }
    rc = done_or_fail(PMIx_generate_regex((char *)names.data, &node_map),
                      "map the nodes", e);
    if (!rc)
        rc = done_or_fail(PMIx_generate_ppn((char *)ranks.data, &proc_map),
                          "map the ranks", e);
    if (!rc) {
        add(list, PMIX_NODE_MAP, node_map, PMIX_REGEX);
        add(list, PMIX_PROC_MAP, proc_map, PMIX_REGEX);
        add(list, PMIX_LOCAL_PEERS, peers.data, PMIX_STRING);
        add(list, PMIX_NUM_NODES, &n_nodes, PMIX_UINT32);
    }
out:
    free(node_map);
    free(proc_map);
    buf_fini(&names);
    buf_fini(&ranks);
    buf_fini(&peers);
    return rc;
}

static void add_job(void *list, const Aolani__PmixSetup *s)
{
    bool yes = true;
    uint32_t one = 1, world = s->first_rank[s->n_node_names];
    pmix_rank_t leader = s->first_rank[s->node_index];
    uint32_t local = s->first_rank[s->node_index + 1] - leader;
    add(list, PMIX_JOBID, s->nspace, PMIX_STRING);
    add(list, PMIX_UNIV_SIZE, &world, PMIX_UINT32);
    add(list, PMIX_JOB_SIZE, &world, PMIX_UINT32);
    add(list, PMIX_MAX_PROCS, &world, PMIX_UINT32);
    add(list, PMIX_JOB_NUM_APPS, &one, PMIX_UINT32);
    add(list, PMIX_LOCAL_SIZE, &local, PMIX_UINT32);
    add(list, PMIX_NODE_SIZE, &local, PMIX_UINT32);
    add(list, PMIX_LOCALLDR, &leader, PMIX_PROC_RANK);
    /* Scratch of the ranks goes where we clean up; they need not. */
    add(list, PMIX_TMPDIR, s->tmpdir, PMIX_STRING);
    add(list, PMIX_NSDIR, s->tmpdir, PMIX_STRING);
    add(list, PMIX_TDIR_RMCLEAN, &yes, PMIX_BOOL);
}

static void add_rank(void *list, const Aolani__PmixSetup *s, pmix_rank_t rank)
{
    uint32_t app = 0;
    uint16_t local = (uint16_t)(rank - s->first_rank[s->node_index]);
    void *one = PMIx_Info_list_start();
    pmix_data_array_t array = {.type = PMIX_INFO};
    add(one, PMIX_RANK, &rank, PMIX_PROC_RANK);
    add(one, PMIX_GLOBAL_RANK, &rank, PMIX_PROC_RANK);
    add(one, PMIX_APP_RANK, &rank, PMIX_PROC_RANK);
    add(one, PMIX_APPNUM, &app, PMIX_UINT32);
    add(one, PMIX_LOCAL_RANK, &local, PMIX_UINT16);
    add(one, PMIX_NODE_RANK, &local, PMIX_UINT16);
    add(one, PMIX_NODEID, &s->node_index, PMIX_UINT32);
    add(one, PMIX_HOSTNAME, s->node_names[s->node_index], PMIX_STRING);
    if (PMIx_Info_list_convert(one, &array) == PMIX_SUCCESS)
        add(list, PMIX_PROC_DATA, &array, PMIX_DATA_ARRAY);
    PMIX_DATA_ARRAY_DESTRUCT(&array);
    PMIx_Info_list_release(one);
}

static int register_job(const Aolani__PmixSetup *s, struct err *e)
{
    uint32_t first = s->first_rank[s->node_index];
    uint32_t end = s->first_rank[s->node_index + 1];
    void *list = PMIx_Info_list_start();
    pmix_data_array_t all = {.type = PMIX_INFO};
    add_job(list, s);
    int rc = add_maps(list, s, e);
    for (uint32_t r = first; r < end && !rc; r++)
        add_rank(list, s, r);
    if (!rc)
        rc = done_or_fail(PMIx_Info_list_convert(list, &all), "describe the job", e);
    if (!rc)
        rc = done_or_fail(PMIx_server_register_nspace(s->nspace, (int)(end - first),
                                                      all.array, all.size, NULL, NULL),
                          "register the job", e);
    PMIX_DATA_ARRAY_DESTRUCT(&all);
    PMIx_Info_list_release(list);
    return rc;
}

int job_register(const Aolani__PmixSetup *s, struct err *e)
{
    int rc = register_job(s, e);
    for (uint32_t r = s->first_rank[s->node_index];
         !rc && r < s->first_rank[s->node_index + 1]; r++) {
        pmix_proc_t proc;
        PMIX_LOAD_PROCID(&proc, s->nspace, r);
        rc = done_or_fail(
            PMIx_server_register_client(&proc, s->uid, s->gid, NULL, NULL, NULL),
            "register a rank", e);
    }
    return rc;
}

/* What Open MPI 4 needs beside PMIx. A rank that no daemon of its own has started takes
 * itself for a job of one; the daemon is only asked whether it exists. Binding is ours. */
static const char *const open_mpi[] = {
    "OMPI_MCA_orte_local_daemon_uri=0.0;tcp://127.0.0.1:1",
    "OMPI_MCA_orte_bound_at_launch=1",
};

static int add_variable(Aolani__PmixRankEnv *env, const char *text)
{
    const char *eq = strchr(text, '=');
    if (!eq)
        return -EINVAL;
    Aolani__KeyValue *kv = malloc(sizeof *kv);
    if (!kv)
        return -ENOMEM;
    aolani__key_value__init(kv);
    kv->key = strndup(text, (size_t)(eq - text));
    kv->value = strdup(eq + 1);
    env->env[env->n_env++] = kv;
    return kv->key && kv->value ? 0 : -ENOMEM;
}

int job_env(const Aolani__PmixSetup *s, uint32_t rank, Aolani__PmixRankEnv *ret,
            struct err *e)
{
    size_t n = 0, n_extra = sizeof open_mpi / sizeof *open_mpi;
    char **vars = NULL;
    pmix_proc_t proc;
    PMIX_LOAD_PROCID(&proc, s->nspace, rank);
    aolani__pmix_rank_env__init(ret);
    ret->rank = rank;
    int rc = done_or_fail(PMIx_server_setup_fork(&proc, &vars), "set up a rank", e);
    if (rc)
        return rc;
    while (vars && vars[n])
        n++;
    ret->env = calloc(n + n_extra, sizeof *ret->env);
    rc = ret->env ? 0 : -ENOMEM;
    for (size_t i = 0; i < n && !rc; i++)
        rc = add_variable(ret, vars[i]);
    for (size_t i = 0; i < n_extra && !rc; i++)
        rc = add_variable(ret, open_mpi[i]);
    for (size_t i = 0; i < n; i++)
        free(vars[i]);
    free(vars);
    if (!rc)
        return 0;
    job_env_destroy(ret);
    return err_sys(e, rc, "set up a rank");
}

void job_env_destroy(Aolani__PmixRankEnv *env)
{
    for (size_t i = 0; i < env->n_env; i++) {
        free(env->env[i]->key);
        free(env->env[i]->value);
        free(env->env[i]);
    }
    free(env->env);
    env->env = NULL;
    env->n_env = 0;
}
