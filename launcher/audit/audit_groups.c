/* SPDX-License-Identifier: MIT */
/* audit_groups.c - see audit_groups.h. Nodes are sorted by their verdicts as text. */
#include "launcher/audit/audit_groups.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/audit/audit_judge.h"
#include "proto/base/hostlist.h"

struct entry {
    char key[AUDIT_N_PROBES + 4];
    const char *error; /* "" */
    uint32_t node;
};

static void make_entry(const struct audit_node *n, uint32_t i, struct entry *ret)
{
    size_t k = 0;
    ret->key[k++] = n->found ? 'f' : 'n';
    ret->key[k++] = (char)('0' + n->verdict);
    for (int p = 0; n->found && p < AUDIT_N_PROBES; p++)
        ret->key[k++] = (char)('0' + (int)judge_probe(n, (enum audit_probe)p));
    ret->key[k] = '\0';
    ret->error = n->error ? n->error : "";
    ret->node = i;
}

static int same(const struct entry *p, const struct entry *q)
{
    int c = strcmp(p->key, q->key);
    return c ? c : strcmp(p->error, q->error);
}

static int by_key(const void *x, const void *y)
{
    const struct entry *p = x, *q = y;
    int c = same(p, q);
    return c ? c : (p->node > q->node) - (p->node < q->node);
}

static int by_first(const void *x, const void *y)
{
    const struct audit_group *p = x, *q = y;
    return (p->nodes[0] > q->nodes[0]) - (p->nodes[0] < q->nodes[0]);
}

int audit_groups_make(const struct audit *a, struct audit_groups *ret)
{
    size_t room = a->n ? a->n : 1;
    struct entry *list = calloc(room, sizeof *list);
    struct audit_groups g = {.groups = calloc(room, sizeof *g.groups),
                             .list = calloc(room, sizeof *g.list)};
    if (!list || !g.groups || !g.list) {
        free(list);
        audit_groups_fini(&g);
        return -ENOMEM;
    }
    for (size_t i = 0; i < a->n; i++)
        make_entry(&a->nodes[i], (uint32_t)i, &list[i]);
    qsort(list, a->n, sizeof *list, by_key);
    for (size_t i = 0; i < a->n; i++) {
        g.list[i] = list[i].node;
        if (i == 0 || same(&list[i - 1], &list[i]) != 0)
            g.groups[g.n++].nodes = &g.list[i];
        g.groups[g.n - 1].n++;
    }
    free(list);
    if (g.n > 1)
        qsort(g.groups, g.n, sizeof *g.groups, by_first);
    *ret = g;
    return 0;
}

void audit_groups_fini(struct audit_groups *g)
{
    free(g->groups);
    free(g->list);
    *g = (struct audit_groups){0};
}

int audit_groups_hosts(const struct audit *a, const uint32_t *nodes, size_t n,
                       struct buf *out)
{
    struct hostlist l = {.names = calloc(n ? n : 1, sizeof *l.names)};
    if (!l.names)
        return -ENOMEM;
    for (; l.n < n; l.n++)
        l.names[l.n] = a->nodes[nodes[l.n]].host;
    int rc = hostlist_format(&l, out);
    free(l.names);
    return rc;
}
