/* SPDX-License-Identifier: MIT */
/* facts_env.c - the job that the environment tells of, as sbatch, salloc and srun set it.
 *
 * It says how many CPUs each node gives, but of GPUs only how many the node has on which
 * the program runs, unless so many were asked for of each; `scontrol` knows the rest. */
#include "launcher/slurm/facts.h"

#include <stdlib.h>
#include <string.h>

#include "launcher/slurm/facts_impl.h"
#include "proto/base/limits.h"

/* The first of two names that is set to anything; *ret_name says which. */
static const char *either(const char *a, const char *b, const char **ret_name)
{
    const char *v = getenv(a);
    *ret_name = a;
    if ((!v || !*v) && (v = getenv(b)) && *v)
        *ret_name = b;
    return v && *v ? v : NULL;
}

static const char *job_id(const char **ret_name)
{
    return either("SLURM_JOB_ID", "SLURM_JOBID", ret_name);
}

static const char *node_list(const char **ret_name)
{
    return either("SLURM_JOB_NODELIST", "SLURM_NODELIST", ret_name);
}

bool slurm_is_inside(void)
{
    const char *name;
    return job_id(&name) && node_list(&name);
}

static int bad(const char *name, const char *value, const char *why, struct err *e)
{
    char text[100];
    facts_text(text, sizeof text, value, strlen(value));
    err_set(e, ERR_USAGE, "read the job from the environment: %s=\"%s\": %s", name,
            text, why);
    return err_hint(e, "Slurm sets it; do not set it by hand, or unset SLURM_JOB_ID to "
                       "run outside the job");
}

/* "4(x3),2": 4 on each of three nodes, then 2. */
static const char *read_cpus(const char *at, struct slurm_job *j)
{
    size_t node = 0;
    for (;;) {
        uint64_t cpus = 0, times = 1;
        if (!facts_number(&at, SLURM_MAX_COUNT, &cpus))
            return "expected a number of CPUs";
        if (strncmp(at, "(x", 2) == 0) {
            at += 2;
            if (!facts_number(&at, LIMIT_NODES + 1, &times) || *at++ != ')')
                return "expected \"(x\", a number of nodes and \")\"";
        }
        if (times > j->n_nodes - node)
            return "it tells of more nodes than the job has";
        for (; times > 0; times--)
            j->nodes[node++].cpus = (uint32_t)cpus;
        if (*at == '\0')
            break;
        if (*at++ != ',')
            return "expected \",\" or \"(x\"";
    }
    return node < j->n_nodes ? "it tells of fewer nodes than the job has" : NULL;
}

static int cpus_of_env(struct slurm_job *j, struct err *e)
{
    static const char name[] = "SLURM_JOB_CPUS_PER_NODE";
    const char *text = getenv(name);
    const char *why = text && *text ? read_cpus(text, j) : NULL;
    return why ? bad(name, text, why, e) : 0;
}

/* "0,1,4-7": how many. */
static bool count_ids(const char *at, uint32_t *ret)
{
    uint64_t n = 0;
    do {
        uint64_t lo = 0;
        if (!facts_number(&at, SLURM_MAX_COUNT, &lo))
            return false;
        uint64_t hi = lo;
        if (*at == '-') {
            at++;
            if (!facts_number(&at, SLURM_MAX_COUNT, &hi) || hi < lo)
                return false;
        }
        n += hi - lo + 1;
    } while (*at++ == ',' && n < SLURM_MAX_COUNT);
    if (at[-1] != '\0' || n >= SLURM_MAX_COUNT)
        return false;
    *ret = (uint32_t)n;
    return true;
}

static struct slurm_node *this_node(struct slurm_job *j)
{
    const char *self = getenv("SLURMD_NODENAME");
    for (size_t i = 0; self && i < j->n_nodes; i++) {
        if (strcmp(j->nodes[i].name, self) == 0)
            return &j->nodes[i];
    }
    return NULL;
}

static int gpus_of_env(struct slurm_job *j, struct err *e)
{
    const char *each = getenv("SLURM_GPUS_PER_NODE");
    const char *here = getenv("SLURM_GPUS_ON_NODE"), *ids = getenv("SLURM_JOB_GPUS");
    struct slurm_node *self = this_node(j);
    uint32_t n = 0;
    if (each && *each) {
        if (!facts_gpus(each, strlen(each), true, &n))
            return bad("SLURM_GPUS_PER_NODE", each, "expected a number of GPUs", e);
        for (size_t i = 0; i < j->n_nodes; i++)
            j->nodes[i].gpus = n;
    }
    uint64_t v = 0;
    if (here && *here) {
        if (!facts_whole(here, SLURM_MAX_COUNT, &v))
            return bad("SLURM_GPUS_ON_NODE", here, "expected a number of GPUs", e);
        n = (uint32_t)v;
    } else if (ids && *ids && !count_ids(ids, &n)) {
        return bad("SLURM_JOB_GPUS", ids, "expected numbers of GPUs", e);
    }
    if (self)
        self->gpus = n;
    return 0;
}

static int times_of_env(struct slurm_job *j, struct err *e)
{
    static const struct {
        const char *name;
        size_t at;
    } rows[] = {
        {"SLURM_JOB_START_TIME", offsetof(struct slurm_job, start_real_ns)},
        {"SLURM_JOB_END_TIME", offsetof(struct slurm_job, end_real_ns)},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *text = getenv(rows[i].name);
        uint64_t *to = (uint64_t *)((char *)j + rows[i].at);
        if (text && !facts_time(text, to))
            return bad(rows[i].name, text, "expected seconds since 1970", e);
    }
    return 0;
}

static void texts_of_env(struct slurm_job *j)
{
    const struct {
        const char *name;
        char *to;
        size_t size;
    } rows[] = {
        {"SLURM_JOB_NAME", j->name, sizeof j->name},
        {"SLURM_JOB_PARTITION", j->partition, sizeof j->partition},
        {"SLURM_CLUSTER_NAME", j->cluster, sizeof j->cluster},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *text = getenv(rows[i].name);
        if (text)
            facts_text(rows[i].to, rows[i].size, text, strlen(text));
    }
    /* Whoever has this environment is running. */
    (void)strcpy(j->state, "RUNNING");
}

static int numbers_of_env(struct slurm_job *j, struct err *e)
{
    const char *name, *text = job_id(&name);
    uint64_t v = 0;
    if (!text)
        return err_set(e, ERR_USAGE,
                       "read the job from the environment: SLURM_JOB_ID is "
                       "not set");
    if (!facts_whole(text, UINT32_MAX, &v) || v == 0)
        return bad(name, text, "expected the number of a job", e);
    j->id = (uint32_t)v;
    text = getenv("SLURM_RESTART_COUNT");
    if (text && *text && !facts_whole(text, UINT32_MAX, &v))
        return bad("SLURM_RESTART_COUNT", text, "expected a number", e);
    j->restarts = text && *text ? (uint32_t)v : 0;
    return 0;
}

static int nodes_of_env(struct slurm_job *j, struct err *e)
{
    const char *name, *text = node_list(&name);
    if (!text)
        return err_set(e, ERR_USAGE,
                       "read the job from the environment: "
                       "SLURM_JOB_NODELIST is not set");
    return facts_nodes(j, text, name, ERR_USAGE, e);
}

/* A job of several parts, each with options of its own: these variables tell of one part. */
static int check_whole(struct err *e)
{
    const char *parts = getenv("SLURM_HET_SIZE");
    uint64_t n = 0;
    if (!parts || !facts_whole(parts, UINT32_MAX, &n) || n < 2)
        return 0;
    err_set(e, ERR_USAGE,
            "read the job from the environment: it is a heterogeneous job of %u parts",
            (unsigned)n);
    return err_hint(
        e, "ask for all nodes in one part (no \":\" between options), or unset "
           "SLURM_HET_SIZE to use this part alone");
}

int slurm_job_of_env(struct slurm_job *ret, struct err *e)
{
    struct slurm_job j = {0};
    int rc;
    if ((rc = check_whole(e)) < 0 || (rc = numbers_of_env(&j, e)) < 0 ||
        (rc = nodes_of_env(&j, e)) < 0 || (rc = cpus_of_env(&j, e)) < 0 ||
        (rc = gpus_of_env(&j, e)) < 0 || (rc = times_of_env(&j, e)) < 0) {
        slurm_job_fini(&j);
        return rc;
    }
    texts_of_env(&j);
    *ret = j;
    return 0;
}
