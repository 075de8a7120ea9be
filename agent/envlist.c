/* SPDX-License-Identifier: MIT */
/* envlist.c - see envlist.h. */
#include "agent/envlist.h"

#include "proto/base/limits.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t envlist_name_length(const char *entry)
{
    return strcspn(entry, "=");
}

bool envlist_matches(const char *name, size_t len, const char *const *table, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t want = strlen(table[i]);
        bool prefix = table[i][want - 1] == '*';
        want -= prefix;
        if ((prefix ? len >= want : len == want) && memcmp(name, table[i], want) == 0)
            return true;
    }
    return false;
}

static char **envlist_find(const struct envlist *l, const char *name, size_t n)
{
    for (size_t i = 0; i < l->n; i++) {
        if (strncmp(l->v[i], name, n) == 0 && l->v[i][n] == '=')
            return &l->v[i];
    }
    return NULL;
}

static int envlist_append(struct envlist *l, char *entry)
{
    if (!entry)
        return -ENOMEM;
    if (l->n + 1 >= l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 64;
        char **v = l->n < 4 * LIMIT_ENV ? realloc(l->v, cap * sizeof *v) : NULL;
        if (!v) {
            free(entry);
            return -ENOMEM;
        }
        l->v = v;
        l->cap = cap;
    }
    l->v[l->n++] = entry;
    l->v[l->n] = NULL;
    return 0;
}

int envlist_take(struct envlist *l, char *entry)
{
    char **old = entry ? envlist_find(l, entry, envlist_name_length(entry)) : NULL;
    if (!old)
        return envlist_append(l, entry);
    free(*old);
    *old = entry;
    return 0;
}

int envlist_set(struct envlist *l, const char *fmt, ...)
{
    char *entry = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&entry, fmt, ap);
    va_end(ap);
    return envlist_take(l, n < 0 ? NULL : entry);
}

int envlist_copy(struct envlist *l, char *const *env)
{
    int rc = 0;
    for (char *const *p = env; rc == 0 && p && *p; p++)
        rc = envlist_append(l, strdup(*p));
    return rc;
}

int envlist_set_pairs(struct envlist *l, Aolani__KeyValue *const *kv, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!kv[i]->key[0] || strchr(kv[i]->key, '='))
            continue;
        int rc = envlist_set(l, "%s=%s", kv[i]->key, kv[i]->value);
        if (rc < 0)
            return rc;
    }
    return 0;
}

const char *envlist_value(const struct envlist *l, const char *name)
{
    size_t n = strlen(name);
    char **at = envlist_find(l, name, n);
    return at ? *at + n + 1 : NULL;
}

void envlist_remove(struct envlist *l, const char *name)
{
    char **at = envlist_find(l, name, strlen(name));
    if (!at)
        return;
    free(*at);
    l->n--;
    memmove(at, at + 1, (size_t)(l->v + l->n + 1 - at) * sizeof *at);
}

void envlist_fini(struct envlist *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->v[i]);
    free(l->v);
    *l = (struct envlist){0};
}
