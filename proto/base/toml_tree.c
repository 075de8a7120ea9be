/* SPDX-License-Identifier: MIT */
/* toml_tree.c - tables: finding keys, and the rules of who may add to what.
 *
 * Keys are found through one hash of (table, key) for the whole document, so that a
 * file of a hundred thousand keys takes no more than its share of time.
 */
#include "proto/base/toml_internal.h"

#include <stdlib.h>
#include <string.h>

static struct toml_inner *inner(struct toml_node *n)
{
    return (struct toml_inner *)n;
}

void *toml_alloc(struct toml_parser *p, size_t size)
{
    struct toml_block *b = calloc(1, sizeof *b + size);
    if (!b) {
        p->no_memory = true;
        return NULL;
    }
    b->next = p->d->blocks;
    p->d->blocks = b;
    return b->data;
}

struct toml_node *toml_new_node(struct toml_parser *p)
{
    struct toml_inner *n = toml_alloc(p, sizeof *n);
    return n ? &n->node : NULL;
}

static struct toml_inner **bucket(struct toml_doc *d, const struct toml_node *table,
                                  const struct toml_node *key)
{
    uint64_t h = (uint64_t)(uintptr_t)table * 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < key->key_len; i++)
        h = (h ^ (unsigned char)key->key[i]) * 0x100000001b3u;
    return &d->hash[(h ^ h >> 29) % TOML_HASH];
}

static struct toml_node *find(struct toml_parser *p, const struct toml_node *table,
                              const struct toml_node *key)
{
    for (struct toml_inner *i = *bucket(p->d, table, key); i; i = i->chain) {
        const struct toml_node *n = &i->node;
        if (n->parent == table && n->key_len == key->key_len &&
            memcmp(n->key, key->key, key->key_len) == 0)
            return &i->node;
    }
    return NULL;
}

int toml_attach(struct toml_parser *p, struct toml_node *into, struct toml_node *node)
{
    node->parent = into;
    node->next = NULL;
    inner(node)->depth = inner(into)->depth + 1;
    if (inner(node)->depth > LIMIT_TOML_DEPTH) {
        const char *why = "nested more than %u levels deep";
        if (!node->key)
            return toml_fail(p, p->at, why, LIMIT_TOML_DEPTH);
        toml_complain(p->d, node->key_pos, why, LIMIT_TOML_DEPTH);
        return -1;
    }
    if (inner(into)->last)
        inner(into)->last->next = node;
    else
        into->u.first = node;
    inner(into)->last = node;
    if (node->key) {
        struct toml_inner **b = bucket(p->d, into, node);
        inner(node)->chain = *b;
        *b = inner(node);
    }
    return 0;
}

/* An error about a key: at the key, not where reading has come to. */
static int refuse(struct toml_parser *p, const struct toml_node *key, const char *why,
                  const struct toml_node *old)
{
    int n = key->key_len > 64 ? 64 : (int)key->key_len;
    unsigned line = old->key ? old->key_pos.line : old->pos.line;
    toml_complain(p->d, key->key_pos, "\"%.*s\" %s (line %u)", n, key->key, why, line);
    return -1;
}

static const char *why_closed(const struct toml_node *old, bool header)
{
    if (old->type == TOML_ARRAY)
        return old->flags & TOML_F_TABLES ? "is already an array of tables"
                                          : "is already an array of values";
    if (old->type != TOML_TABLE)
        return "already has a value, which is no table";
    if (old->flags & TOML_F_INLINE)
        return "is an inline table, which nothing can be added to";
    if (header)
        return "is already a table";
    return "is a table with a header of its own, which dotted keys cannot add to";
}

/* The table that one part of a dotted path names inside `table`, made if need be. */
static struct toml_node *descend(struct toml_parser *p, struct toml_node *table,
                                 struct toml_node *part, bool header)
{
    struct toml_node *old = find(p, table, part);
    if (!old) {
        part->type = TOML_TABLE;
        part->pos = part->key_pos;
        part->flags = header ? TOML_F_IMPLICIT : TOML_F_DOTTED;
        return toml_attach(p, table, part) < 0 ? NULL : part;
    }
    if (header && old->type == TOML_ARRAY && old->flags & TOML_F_TABLES)
        return inner(old)->last;
    unsigned open = header ? TOML_F_IMPLICIT | TOML_F_DOTTED | TOML_F_HEADER
                           : TOML_F_IMPLICIT | TOML_F_DOTTED;
    if (old->type != TOML_TABLE || !(old->flags & open)) {
        refuse(p, part, why_closed(old, header), old);
        return NULL;
    }
    if (!header)
        old->flags = TOML_F_DOTTED; /* it is defined now: [a.b] comes too late */
    return old;
}

/* Go down all parts but the last. */
static struct toml_node *descend_all(struct toml_parser *p, struct toml_node *table,
                                     struct toml_node *keys, bool header,
                                     struct toml_node **ret_last)
{
    while (keys->next) {
        struct toml_node *next = keys->next; /* attaching a part cuts it off */
        if (table)
            table = descend(p, table, keys, header);
        keys = next;
    }
    *ret_last = keys;
    return table;
}

int toml_place_pair(struct toml_parser *p, struct toml_node *table,
                    struct toml_node *keys, struct toml_node **ret_last)
{
    struct toml_node *last;
    struct toml_node *into = descend_all(p, table, keys, false, &last);
    *ret_last = last;
    if (into) {
        struct toml_node *old = find(p, into, last);
        if (!old)
            return toml_attach(p, into, last);
        refuse(p, last, "is already set", old);
    }
    /* Read the value all the same: it may be wrong too. */
    last->parent = table;
    inner(last)->depth = inner(table)->depth + 1;
    return 0;
}

/* The array of tables that `last` names in `into`. */
static struct toml_node *array_of(struct toml_parser *p, struct toml_node *into,
                                  struct toml_node *last, struct toml_pos pos)
{
    struct toml_node *array = find(p, into, last);
    if (array) {
        if (array->type == TOML_ARRAY && array->flags & TOML_F_TABLES)
            return array;
        refuse(p, last, why_closed(array, true), array);
        return NULL;
    }
    last->type = TOML_ARRAY;
    last->pos = pos;
    last->flags = TOML_F_TABLES;
    return toml_attach(p, into, last) < 0 ? NULL : last;
}

struct toml_node *toml_place_header(struct toml_parser *p, struct toml_node *keys,
                                    struct toml_pos pos, bool array)
{
    struct toml_node *last;
    struct toml_node *into = descend_all(p, p->d->root, keys, true, &last);
    if (!into)
        return NULL;
    struct toml_node *table = last;
    if (array) {
        into = array_of(p, into, last, pos);
        table = into ? toml_new_node(p) : NULL;
        if (!table)
            return NULL;
    } else {
        struct toml_node *old = find(p, into, last);
        if (old && old->type == TOML_TABLE && old->flags & TOML_F_IMPLICIT) {
            old->flags = TOML_F_HEADER;
            old->pos = pos;
            old->key_pos = last->key_pos;
            return old;
        }
        if (old) {
            refuse(p, last, why_closed(old, true), old);
            return old->flags & TOML_F_HEADER ? old : NULL;
        }
    }
    table->type = TOML_TABLE;
    table->pos = pos;
    table->flags = TOML_F_HEADER;
    return toml_attach(p, into, table) < 0 ? NULL : table;
}
