/* SPDX-License-Identifier: MIT */
/* nodes.c - see nodes.h. */
#include "launcher/nodes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/hostlist.h"
#include "proto/base/limits.h"

static int resolve_hosts(const struct spec *s, struct nodes *ret, struct err *e)
{
    struct hostlist l = {0};
    int rc = 0;
    for (size_t i = 0; i < s->nodes.hosts.n && rc == 0; i++)
        rc = hostlist_parse(&l, s->nodes.hosts.items[i], e);
    size_t spares = s->nodes.spares > 0 ? (size_t)s->nodes.spares : 0;
    size_t all = l.n > spares ? l.n - spares : 1;
    size_t want = s->nodes.count > 0 ? (size_t)s->nodes.count : all;
    if (rc == 0 && (l.n == 0 || want + spares > l.n)) {
        rc =
            err_set(e, ERR_USAGE, "the job asks for %zu nodes%s, the host list has %zu",
                    want + spares, spares ? " and spares" : "", l.n);
        err_hint(e, "set [nodes] hosts or hostfile, or use -H LIST");
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
    *ret = (struct nodes){.backend = BACKEND_SSH,
                          .names = l.names,
                          .n = want,
                          .spares = l.names + want,
                          .n_spares = spares,
                          .n_replaced = n_replaced};
    return 0;
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
    err_set(e, ERR_USAGE, "the slurm back end is not in this version");
    return err_hint(e,
                    "inside an allocation, give the hosts: -H \"$SLURM_JOB_NODELIST\"");
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
