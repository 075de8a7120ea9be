/* SPDX-License-Identifier: MIT */
/* nodes.c - see nodes.h. */
#include "launcher/nodes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <string.h>

#include "proto/base/hostlist.h"
#include "proto/base/limits.h"

/* Takes the list: the first `count`, and behind them the spares. */
static int take_nodes(const struct spec *s, struct hostlist l,
                      enum spec_backend backend, struct nodes *ret, struct err *e)
{
    bool slurm = backend == BACKEND_SLURM;
    int rc = 0;
    size_t spares = s->nodes.spares > 0 ? (size_t)s->nodes.spares : 0;
    size_t all = l.n > spares ? l.n - spares : 1;
    size_t want = s->nodes.count > 0 ? (size_t)s->nodes.count : all;
    if (rc == 0 && (l.n == 0 || want + spares > l.n)) {
        rc = err_set(e, ERR_USAGE, "the job asks for %zu nodes%s, %s has %zu",
                     want + spares, spares ? " and spares" : "",
                     slurm ? "Slurm's allocation" : "the host list", l.n);
        err_hint(e, slurm ? "ask Slurm for more (--nodes), or set [nodes] count and "
                            "spares to what there is"
                          : "set [nodes] hosts or hostfile, or use -H LIST");
    }
    if (rc == 0 && want > LIMIT_NODES)
        rc =
            err_set(e, ERR_USAGE, "%zu nodes are more than the %u that one head serves",
                    want, LIMIT_NODES);
    uint32_t *n_replaced = NULL;
    if (rc == 0 && spares > 0 && !(n_replaced = calloc(want, sizeof *n_replaced)))
        rc = err_sys(e, -ENOMEM, "keep spare hosts");
    if (rc < 0) {
        hostlist_fini(&l);
        return rc;
    }
    for (size_t i = want + spares; i < l.n; i++)
        free(l.names[i]);
    *ret = (struct nodes){.backend = backend,
                          .names = l.names,
                          .n = want,
                          .spares = l.names + want,
                          .n_spares = spares,
                          .n_replaced = n_replaced};
    return 0;
}

/* The hosts that the user has named; none: an empty list. */
static int named_hosts(const struct spec *s, struct hostlist *ret, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; i < s->nodes.hosts.n && rc == 0; i++)
        rc = hostlist_parse(ret, s->nodes.hosts.items[i], e);
    if (rc < 0)
        hostlist_fini(ret);
    return rc;
}

static int resolve_hosts(const struct spec *s, struct nodes *ret, struct err *e)
{
    struct hostlist l = {0};
    int rc = named_hosts(s, &l, e);
    return rc < 0 ? rc : take_nodes(s, l, BACKEND_SSH, ret, e);
}

/* ---- nodes of a job of Slurm's ---- */

static const struct slurm_node *find_node(const struct slurm_job *job, const char *name)
{
    for (size_t i = 0; i < job->n_nodes; i++) {
        if (strcmp(job->nodes[i].name, name) == 0)
            return &job->nodes[i];
    }
    return NULL;
}

static int all_of_job(const struct slurm_job *job, struct hostlist *ret, struct err *e)
{
    ret->names = calloc(job->n_nodes + 1, sizeof *ret->names);
    for (size_t i = 0; ret->names && i < job->n_nodes; i++) {
        if (!(ret->names[i] = strdup(job->nodes[i].name)))
            break;
        ret->n++;
    }
    if (ret->names && ret->n == job->n_nodes)
        return 0;
    hostlist_fini(ret);
    return err_sys(e, -ENOMEM, "list the nodes of Slurm's job %u", job->id);
}

static int check_named(const struct slurm_job *job, const struct hostlist *l,
                       struct err *e)
{
    for (size_t i = 0; i < l->n; i++) {
        if (find_node(job, l->names[i]))
            continue;
        err_set(e, ERR_USAGE, "host \"%.80s\" is no node of Slurm's job %u",
                l->names[i], job->id);
        return err_hint(e, "leave the hosts out to run on the nodes that the job has, "
                           "or reach others over ssh: [nodes] backend = \"ssh\"");
    }
    return 0;
}

/* Before anything starts: later the ranks would share CPUs without anybody's wish. */
static int check_cpus(const struct spec *s, const struct slurm_job *job,
                      const struct nodes *n, struct err *e)
{
    for (size_t i = 0; s->bind.cores && i < n->n + n->n_spares; i++) {
        const struct slurm_node *node = find_node(job, n->names[i]);
        if (node->cpus == 0 || s->job.ranks_per_node <= (int64_t)node->cpus)
            continue;
        err_set(e, ERR_USAGE,
                "the job asks for %lld ranks on a node, but has %u CPU%s on \"%.80s\"",
                (long long)s->job.ranks_per_node, node->cpus,
                node->cpus == 1 ? "" : "s", node->name);
        return err_hint(e, "ask Slurm for more CPUs (--ntasks-per-node, "
                           "--cpus-per-task, --exclusive), start fewer ranks, or let "
                           "them share: [bind] cpu = \"none\"");
    }
    return 0;
}

int nodes_of_slurm(const struct spec *s, const struct slurm_job *job, struct nodes *ret,
                   struct err *e)
{
    struct hostlist l = {0};
    struct nodes n = {0};
    int rc = named_hosts(s, &l, e);
    if (rc == 0 && l.n > 0)
        rc = check_named(job, &l, e);
    else if (rc == 0)
        rc = all_of_job(job, &l, e);
    if (rc < 0) {
        hostlist_fini(&l);
        return rc;
    }
    if ((rc = take_nodes(s, l, BACKEND_SLURM, &n, e)) < 0)
        return rc;
    if ((rc = check_cpus(s, job, &n, e)) < 0)
        nodes_fini(&n);
    else
        *ret = n;
    return rc;
}

static int resolve_slurm(const struct spec *s, struct nodes *ret, struct err *e)
{
    struct slurm_job job = {0};
    int rc = slurm_job_of_env(&job, e);
    if (rc < 0)
        return rc;
    rc = nodes_of_slurm(s, &job, ret, e);
    slurm_job_fini(&job);
    return rc;
}

static int resolve_local(const struct spec *s, struct nodes *ret, struct err *e)
{
    size_t n = s->local.nodes > 0 ? (size_t)s->local.nodes : 1;
    struct nodes made = {.backend = BACKEND_LOCAL};
    made.names = calloc(n, sizeof *made.names);
    if (!made.names)
        return err_sys(e, -ENOMEM, "name the local nodes");
    for (; made.n < n; made.n++) {
        if (asprintf(&made.names[made.n], "local%zu", made.n) < 0) {
            made.names[made.n] = NULL;
            nodes_fini(&made);
            return err_sys(e, -ENOMEM, "name the local nodes");
        }
    }
    *ret = made;
    return 0;
}

int nodes_resolve(const struct spec *s, struct nodes *ret, struct err *e)
{
    if (s->nodes.backend == BACKEND_SSH)
        return resolve_hosts(s, ret, e);
    if (s->nodes.backend == BACKEND_LOCAL)
        return resolve_local(s, ret, e);
    return resolve_slurm(s, ret, e);
}

const char *nodes_take_spare(struct nodes *n, size_t node)
{
    if (n->next_spare == n->n_spares)
        return NULL;
    char **spare = &n->spares[n->next_spare++], *gone = n->names[node];
    n->names[node] = *spare;
    *spare = gone;
    n->n_replaced[node]++;
    return gone;
}

void nodes_drop(struct nodes *n, size_t node)
{
    size_t behind = n->n + n->n_spares - node - 1;
    free(n->names[node]);
    memmove(n->names + node, n->names + node + 1, behind * sizeof *n->names);
    if (n->n_replaced)
        memmove(n->n_replaced + node, n->n_replaced + node + 1,
                (n->n - node - 1) * sizeof *n->n_replaced);
    n->n--;
    if (n->spares)
        n->spares--;
}

void nodes_enlist_spares(struct nodes *n)
{
    n->n += n->n_spares;
    n->spares = NULL;
    n->n_spares = 0;
    free(n->n_replaced); /* per node, and there are more of them now */
    n->n_replaced = NULL;
}

void nodes_fini(struct nodes *n)
{
    for (size_t i = 0; i < n->n + n->n_spares; i++)
        free(n->names[i]);
    free(n->names);
    free(n->n_replaced);
    *n = (struct nodes){0};
}
