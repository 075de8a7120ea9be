/* SPDX-License-Identifier: MIT */
/* envlist - an environment in the making: "NAME=value" entries, each name once. */
#ifndef AGENT_ENVLIST_H
#define AGENT_ENVLIST_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/wire/aolani.pb-c.h"

struct envlist {
    char **v; /* NULL-ended once it holds something; one allocation per entry */
    size_t n, cap;
};

/* 0 or -ENOMEM. An entry replaces the one of its name. */
int envlist_take(struct envlist *l,
                 char *entry); /* owned from here on; NULL: -ENOMEM */
int envlist_set(struct envlist *l, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Of what holds each name once: no look for an older one. */
int envlist_copy(struct envlist *l, char *const *env);
/* What has an empty name, or one with '=', would be another variable: left out. */
int envlist_set_pairs(struct envlist *l, Aolani__KeyValue *const *kv, size_t n);
const char *envlist_value(const struct envlist *l,
                          const char *name); /* NULL: not set */
void envlist_remove(struct envlist *l, const char *name);
void envlist_fini(struct envlist *l);

size_t envlist_name_length(const char *entry);
/* Is the name one of a table's, where '*' at the end stands for the rest? */
bool envlist_matches(const char *name, size_t len, const char *const *table, size_t n);

#endif
