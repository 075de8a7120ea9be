/* SPDX-License-Identifier: MIT */
/* ncclfacts.c - see ncclfacts.h. */
#include "launcher/variance/ncclfacts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TABLES      5u
#define FIRST_NCCL  22300u /* that has profilers */
#define NEWEST_NCCL 999999u
#define NAME_SHOWN  48 /* bytes of a node's name */

struct rank {
    uint8_t table; /* 0: none */
    uint32_t without;
};

struct ncclfacts {
    struct ncclfacts_config c;
    struct rank *ranks;
};

int ncclfacts_create(const struct ncclfacts_config *c, struct ncclfacts **ret)
{
    struct ncclfacts *f = calloc(1, sizeof *f);
    struct rank *ranks = calloc((size_t)c->first_rank[c->n_nodes] + 1, sizeof *ranks);
    if (!f || !ranks) {
        free(f);
        free(ranks);
        return -ENOMEM;
    }
    *f = (struct ncclfacts){*c, ranks};
    *ret = f;
    return 0;
}

void ncclfacts_destroy(struct ncclfacts *f)
{
    if (!f)
        return;
    free(f->ranks);
    free(f);
}

bool ncclfacts_told(struct ncclfacts *f, uint32_t rank, uint32_t profiler,
                    uint32_t without)
{
    struct rank new = {.table = profiler <= TABLES ? (uint8_t)profiler : 0,
                       .without = without <= NEWEST_NCCL ? without : 1};
    if (rank >= f->c.first_rank[f->c.n_nodes])
        return false;
    struct rank *r = &f->ranks[rank];
    bool is_news = r->table != new.table || r->without != new.without;
    *r = new;
    return is_news;
}

/* 0: none of its ranks has one. */
static unsigned table_of(const struct ncclfacts *f, uint32_t node)
{
    unsigned lowest = 0;
    for (uint32_t i = f->c.first_rank[node]; i < f->c.first_rank[node + 1]; i++) {
        unsigned table = f->ranks[i].table;
        if (table && (lowest == 0 || table < lowest))
            lowest = table;
    }
    return lowest;
}

static size_t add(char ret[NCCLFACTS_TEXT], size_t at, const char *text)
{
    int n = snprintf(ret + at, NCCLFACTS_TEXT - at, "%s", text);
    return at + (size_t)n < NCCLFACTS_TEXT ? at + (size_t)n : NCCLFACTS_TEXT - 1;
}

/* "gpu7", "gpu7 and 1 more node" */
static void format_nodes(const struct ncclfacts *f, uint32_t first, uint32_t n,
                         char *ret, size_t len)
{
    const char *name = f->c.name(f->c.arg, first);
    if (n == 1)
        (void)snprintf(ret, len, "%.*s", NAME_SHOWN, name);
    else
        (void)snprintf(ret, len, "%.*s and %u more node%s", NAME_SHOWN, name, n - 1,
                       n == 2 ? "" : "s");
}

void ncclfacts_tables(const struct ncclfacts *f, char ret[NCCLFACTS_TEXT])
{
    uint32_t n[TABLES + 1] = {0}, first[TABLES + 1] = {0};
    unsigned most = TABLES;
    char text[NCCLFACTS_TEXT], nodes[NAME_SHOWN + 32];
    for (uint32_t node = f->c.n_nodes; node-- > 0;) {
        unsigned table = table_of(f, node);
        n[table]++;
        first[table] = node;
    }
    for (unsigned v = TABLES; v > 0; v--)
        if (n[v] > n[most])
            most = v;
    ret[0] = '\0';
    if (n[most] == 0)
        return;
    (void)snprintf(text, sizeof text, "profiler v%u", most);
    size_t at = add(ret, 0, text);
    for (unsigned v = TABLES; v > 0; v--) {
        if (v == most || n[v] == 0)
            continue;
        format_nodes(f, first[v], n[v], nodes, sizeof nodes);
        (void)snprintf(text, sizeof text, ", v%u on %s", v, nodes);
        at = add(ret, at, text);
    }
}

static const struct rank *lacking_rank(const struct ncclfacts *f, uint32_t node)
{
    for (uint32_t i = f->c.first_rank[node]; i < f->c.first_rank[node + 1]; i++)
        if (f->ranks[i].without && f->ranks[i].table == 0)
            return &f->ranks[i];
    return NULL;
}

static void format_reason(uint32_t version, char *ret, size_t len)
{
    unsigned major = version / 10000, minor = version / 100 % 100,
             patch = version % 100;
    if (version < 20000)
        (void)snprintf(ret, len, "it is older than 2.23, or could not load ours");
    else if (version < FIRST_NCCL)
        (void)snprintf(ret, len, "%u.%u.%u has none, 2.23 has", major, minor, patch);
    else
        (void)snprintf(ret, len,
                       "%u.%u.%u did not load ours (NCCL_DEBUG=INFO says why)", major,
                       minor, patch);
}

void ncclfacts_lacking(const struct ncclfacts *f, char ret[NCCLFACTS_TEXT])
{
    uint32_t n = 0, first = 0, version = 0;
    char nodes[NAME_SHOWN + 32], reason[64];
    for (uint32_t node = f->c.n_nodes; node-- > 0;) {
        const struct rank *r = lacking_rank(f, node);
        if (!r)
            continue;
        n++;
        first = node;
        version = r->without;
    }
    ret[0] = '\0';
    if (n == 0)
        return;
    format_nodes(f, first, n, nodes, sizeof nodes);
    format_reason(version, reason, sizeof reason);
    (void)snprintf(ret, NCCLFACTS_TEXT, "no profiler for this NCCL on %s: %s", nodes,
                   reason);
}
