/* SPDX-License-Identifier: MIT */
/* audit_nics.c - see audit_nics.h. */
#include "launcher/audit_nics.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/place/fabric.h"
#include "proto/base/limits.h"

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

static const char *choose(const struct fabric *f, const struct topo *t,
                          const Aolani__NodeInfo *info)
{
    enum fabric_verdict verdicts[LIMIT_NICS];
    bool own_model;
    fabric_of_node(f, t, verdicts, &own_model);
    for (size_t i = 0; i < t->n_nics; i++) {
        if (verdicts[i] == FABRIC_USABLE && has_verbs(t->nics[i].m))
            return name_in(info, t->nics[i].m->name);
    }
    return NULL;
}

static int choose_all(const struct spec *s, const Aolani__NodeInfo *const *infos,
                      struct topo *const *topos, const uint32_t *node_of, uint32_t n,
                      const char **ret)
{
    struct fabric f;
    int rc = fabric_choose(s, topos, n, &f);
    if (rc < 0)
        return rc;
    for (uint32_t i = 0; i < n && !f.none; i++)
        ret[node_of[i]] = choose(&f, topos[i], infos[node_of[i]]);
    fabric_fini(&f);
    return 0;
}

int audit_nics(const struct spec *s, const Aolani__NodeInfo *const *infos, uint32_t n,
               const char **ret)
{
    struct topo **topos = calloc(n + 1, sizeof(*topos));
    uint32_t *node_of = calloc(n + 1, sizeof *node_of), known = 0;
    struct err e;
    int rc = topos && node_of ? 0 : -ENOMEM;
    for (uint32_t i = 0; rc == 0 && i < n; i++) {
        ret[i] = NULL;
        if (!infos[i] || topo_of_node(infos[i], &topos[known], &e) < 0)
            continue; /* an unreadable description is none */
        node_of[known++] = i;
    }
    if (rc == 0)
        rc = choose_all(s, infos, topos, node_of, known, ret);
    for (uint32_t i = 0; topos && i < known; i++)
        topo_destroy(topos[i]);
    free(topos);
    free(node_of);
    return rc;
}
