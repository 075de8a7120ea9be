/* SPDX-License-Identifier: MIT */
/* rankplaces.c - see rankplaces.h. */
#include "launcher/rankplaces.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/journal.h"
#include "proto/base/limits.h"
#include "proto/base/utf8.h"
#include "proto/wire/aolani.pb-c.h"

static void drop_nodes(struct rankplaces *p)
{
    for (size_t i = 0; i < p->n_nodes; i++)
        free(p->nodes[i]);
    free(p->nodes);
    p->nodes = NULL;
    p->n_nodes = 0;
}

static char *name_of(const char *text)
{
    char *name = strndup(text, LIMIT_HOST_NAME);
    if (name)
        utf8_make_printable(name);
    return name;
}

static int set_nodes(struct rankplaces *p, char *const *names, size_t n)
{
    if (n == 0 || n > LIMIT_NODES)
        return 0;
    drop_nodes(p);
    if (!(p->nodes = calloc(n, sizeof *p->nodes)))
        return -ENOMEM;
    for (; p->n_nodes < n; p->n_nodes++)
        if (!(p->nodes[p->n_nodes] = name_of(names[p->n_nodes])))
            return -ENOMEM;
    return 0;
}

static int replace_node(struct rankplaces *p, const Aolani__JNode *m)
{
    if (strcmp(m->event, "replaced") != 0 || !*m->name || m->node >= p->n_nodes)
        return 0;
    char *name = name_of(m->name);
    if (!name)
        return -ENOMEM;
    free(p->nodes[m->node]);
    p->nodes[m->node] = name;
    return 0;
}

static int place_rank(struct rankplaces *p, const Aolani__JRank *m)
{
    if (m->rank >= LIMIT_RANKS)
        return 0;
    if (m->rank >= p->n_ranks) {
        size_t n = (size_t)m->rank * 2 + 16;
        uint32_t *more = realloc(p->node_of, n * sizeof *more);
        if (!more)
            return -ENOMEM;
        for (size_t i = p->n_ranks; i < n; i++)
            more[i] = UINT32_MAX;
        p->node_of = more;
        p->n_ranks = n;
    }
    p->node_of[m->rank] = m->node;
    return 0;
}

/* 1: what follows is of a later attempt, whose nodes may be others. */
static int take_phase(struct rankplaces *p, uint32_t attempt, const uint8_t *payload,
                      size_t len)
{
    Aolani__JPhase *m = aolani__jphase__unpack(NULL, len, payload);
    int rc = 0;
    if (m && m->attempt == attempt)
        rc = set_nodes(p, m->nodes, m->n_nodes);
    else if (m && m->attempt > attempt)
        rc = 1;
    if (m)
        aolani__jphase__free_unpacked(m, NULL);
    return rc;
}

static int take(struct rankplaces *p, uint32_t attempt, enum journal_type type,
                const uint8_t *payload, size_t len)
{
    int rc = 0;
    if (type == JOURNAL_PHASE)
        return take_phase(p, attempt, payload, len);
    if (type == JOURNAL_RUN_START) {
        Aolani__JRunStart *m = aolani__jrun_start__unpack(NULL, len, payload);
        rc = m ? set_nodes(p, m->nodes, m->n_nodes) : 0;
        if (m)
            aolani__jrun_start__free_unpacked(m, NULL);
    } else if (type == JOURNAL_NODE) {
        Aolani__JNode *m = aolani__jnode__unpack(NULL, len, payload);
        rc = m ? replace_node(p, m) : 0;
        if (m)
            aolani__jnode__free_unpacked(m, NULL);
    } else if (type == JOURNAL_RANK) {
        Aolani__JRank *m = aolani__jrank__unpack(NULL, len, payload);
        rc = m && m->attempt == attempt ? place_rank(p, m) : 0;
        if (m)
            aolani__jrank__free_unpacked(m, NULL);
    }
    return rc;
}

int rankplaces_read(const char *dir, uint32_t attempt, struct rankplaces *ret,
                    struct err *e)
{
    char path[PATH_MAX];
    struct journal_reader *r;
    enum journal_type type;
    const uint8_t *payload;
    size_t len;
    bool torn;
    *ret = (struct rankplaces){0};
    if (snprintf(path, sizeof path, "%s/journal", dir) >= (int)sizeof path)
        return err_sys(e, -ENAMETOOLONG, "read the journal in \"%.200s\"", dir);
    int rc = journal_reader_open(path, &r, e);
    if (rc < 0)
        return rc;
    while ((rc = journal_reader_next(r, &type, &payload, &len, &torn, e)) > 0) {
        int took = take(ret, attempt, type, payload, len);
        if (took == 0)
            continue;
        rc = took < 0 ? err_sys(e, took, "read the journal in \"%s\"", dir) : 0;
        break;
    }
    journal_reader_close(r);
    return rc;
}

const char *rankplaces_node(const struct rankplaces *p, uint32_t rank)
{
    if (rank >= p->n_ranks || p->node_of[rank] >= p->n_nodes)
        return NULL;
    return p->nodes[p->node_of[rank]];
}

void rankplaces_fini(struct rankplaces *p)
{
    drop_nodes(p);
    free(p->node_of);
    *p = (struct rankplaces){0};
}
