/* SPDX-License-Identifier: MIT */
/* audit_nics.c - see audit_nics.h. */
#include "launcher/audit_nics.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/place/fabric.h"
#include "proto/base/limits.h"

struct found { /* of one node; names in its description */
    const char *names[AUDIT_RAILS];
    uint32_t n;
};

static bool has_verbs(const Aolani__Nic *n)
{
    return n->kind == AOLANI__NIC__KIND__INFINIBAND ||
           n->kind == AOLANI__NIC__KIND__ROCE;
}

/* The same name in the description itself, which outlives the topology made of it. */
static const char *name_in(const Aolani__NodeInfo *info, const char *name)
{
    const Aolani__Topology *t = info->topology;
    for (size_t i = 0; t && i < t->n_nics; i++) {
        if (strcmp(t->nics[i]->name, name) == 0)
            return t->nics[i]->name;
    }
    return NULL;
}

static int compare_nics(const struct topo *t, uint32_t a, uint32_t b)
{
    const Aolani__Nic *x = t->nics[a].m, *y = t->nics[b].m;
    int c = topo_compare_bus_ids(x->bus_id, y->bus_id);
    return c ? c : strcmp(x->name, y->name);
}

static void find(const struct fabric *f, const struct topo *t,
                 const Aolani__NodeInfo *info, struct found *ret)
{
    enum fabric_verdict verdicts[LIMIT_NICS];
    uint32_t order[LIMIT_NICS], n = 0;
    bool own_model;
    fabric_of_node(f, t, verdicts, &own_model);
    fabric_of_gpus(t, verdicts, NULL);
    for (uint32_t i = 0; i < t->n_nics; i++) {
        uint32_t at = n;
        if (verdicts[i] != FABRIC_USABLE || !has_verbs(t->nics[i].m))
            continue;
        for (; at > 0 && compare_nics(t, order[at - 1], i) > 0; at--)
            order[at] = order[at - 1];
        order[at] = i;
        n++;
    }
    for (uint32_t i = 0; i < n && ret->n < AUDIT_RAILS; i++) {
        const char *name = name_in(info, t->nics[order[i]].m->name);
        if (name)
            ret->names[ret->n++] = name;
    }
}

static int place_in(const struct found *of, const char *name)
{
    for (uint32_t i = 0; i < of->n; i++)
        if (strcmp(of->names[i], name) == 0)
            return (int)i;
    return -1;
}

/* all: the rails as the node with the most of them has them. */
static int keep(const struct found *all, const struct found *own,
                struct audit_node *ret)
{
    bool alike = true;
    if (own->n == 0)
        return 0;
    for (uint32_t i = 0; i < own->n; i++)
        alike = alike && place_in(all, own->names[i]) >= 0;
    if (!(ret->rails = calloc(all->n, sizeof *ret->rails)))
        return -ENOMEM;
    ret->n_rails = all->n;
    for (uint32_t i = 0; i < own->n; i++) {
        int at = alike ? place_in(all, own->names[i]) : (int)i;
        if (!ret->rails[at] && !(ret->rails[at] = strdup(own->names[i])))
            return -ENOMEM;
    }
    return 0;
}

static int find_all(const struct spec *s, const Aolani__NodeInfo *const *infos,
                    struct topo *const *topos, const uint32_t *node_of, uint32_t n,
                    struct audit *ret)
{
    struct fabric f;
    uint32_t most = 0;
    struct found *found = calloc(n + 1, sizeof *found);
    int rc = found ? fabric_choose(s, topos, n, &f) : -ENOMEM;
    if (rc == 0) {
        for (uint32_t i = 0; i < n && !f.none; i++) {
            find(&f, topos[i], infos[node_of[i]], &found[i]);
            most = found[i].n > found[most].n ? i : most;
        }
        for (uint32_t i = 0; i < n && rc == 0; i++)
            rc = keep(&found[most], &found[i], &ret->nodes[node_of[i]]);
        fabric_fini(&f);
    }
    free(found);
    return rc;
}

int audit_nics(const struct spec *s, const Aolani__NodeInfo *const *infos,
               struct audit *ret)
{
    uint32_t n = (uint32_t)ret->n, known = 0;
    struct topo **topos = calloc(n + 1, sizeof(*topos));
    uint32_t *node_of = calloc(n + 1, sizeof *node_of);
    struct err e;
    int rc = topos && node_of ? 0 : -ENOMEM;
    for (uint32_t i = 0; rc == 0 && i < n; i++) {
        if (!infos[i] || topo_of_node(infos[i], &topos[known], &e) < 0)
            continue; /* an unreadable description is none */
        node_of[known++] = i;
    }
    if (rc == 0)
        rc = find_all(s, infos, topos, node_of, known, ret);
    for (uint32_t i = 0; topos && i < known; i++)
        topo_destroy(topos[i]);
    free(topos);
    free(node_of);
    return rc;
}
