/* SPDX-License-Identifier: MIT */
/* envbind.c - see envbind.h. */
#include "agent/envbind.h"

#include <errno.h>
#include <string.h>

/* Each shows a process only some GPUs. Those of AMD count in what the one before them has
 * left, ROCR's first: with two of them set by different hands nothing may be left. */
static const char *const envbind_filters[] = {
    "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL",
    "CUDA_VISIBLE_DEVICES"};
#define ENVBIND_FILTERS (sizeof envbind_filters / sizeof *envbind_filters)

static bool envbind_is_filter(const char *name)
{
    return envlist_matches(name, strlen(name), envbind_filters, ENVBIND_FILTERS);
}

static bool envbind_is_amd(const char *name)
{
    return strcmp(name, envbind_filters[0]) == 0;
}

static const char *envbind_own_value(char *const *own, const char *name)
{
    size_t n = strlen(name);
    for (char *const *p = own; p && *p; p++) {
        if (strncmp(*p, name, n) == 0 && (*p)[n] == '=')
            return *p + n + 1;
    }
    return NULL;
}

static const char *envbind_pair_value(Aolani__KeyValue *const *kv, size_t n,
                                      const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(kv[i]->key, name) == 0)
            return kv[i]->value;
    }
    return NULL;
}

/* The filter that the agent was started with, untouched since. */
static bool envbind_is_sites(const struct envbind *b, const char *name,
                             const char *value)
{
    const char *own = envbind_own_value(b->own, name);
    return envbind_is_filter(name) && own && strcmp(own, value) == 0 &&
           !envbind_pair_value(b->plan->forwarded, b->plan->n_forwarded, name);
}

/* The name that keeps `name` from being set; NULL: none. */
static const char *envbind_taken(const struct envbind *b, const struct envlist *l,
                                 const char *name)
{
    for (size_t i = 0; i < (envbind_is_amd(name) ? ENVBIND_FILTERS : 1); i++) {
        const char *by = envbind_is_amd(name) ? envbind_filters[i] : name;
        const char *value = envlist_value(l, by);
        if (value && !envbind_is_sites(b, by, value))
            return by;
        /* [job] env comes later and wins; but not over another name. */
        if (strcmp(by, name) != 0 &&
            envbind_pair_value(b->plan->env, b->plan->n_env, by))
            return by;
    }
    return NULL;
}

static bool envbind_sets_filter(Aolani__KeyValue *const *kv, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (envbind_is_filter(kv[i]->key))
            return true;
    }
    return false;
}

static void envbind_drop_sites(const struct envbind *b, struct envlist *l)
{
    for (size_t i = 0; i < ENVBIND_FILTERS; i++) {
        const char *value = envlist_value(l, envbind_filters[i]);
        if (value && envbind_is_sites(b, envbind_filters[i], value))
            envlist_remove(l, envbind_filters[i]);
    }
}

static int envbind_set_pairs(const struct envbind *b, Aolani__KeyValue **kv, size_t n,
                             struct envlist *l)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (!envbind_taken(b, l, kv[i]->key))
            rc = envlist_set_pairs(l, &kv[i], 1);
    }
    return rc;
}

/* A rank's own before its node's. */
int envbind_set(const struct envbind *b, const Aolani__RankPlan *rank,
                struct envlist *l)
{
    if (envbind_sets_filter(b->plan->bind_env, b->plan->n_bind_env) ||
        envbind_sets_filter(rank->bind_env, rank->n_bind_env))
        envbind_drop_sites(b, l);
    int rc = envbind_set_pairs(b, rank->bind_env, rank->n_bind_env, l);
    return rc == 0 ? envbind_set_pairs(b, b->plan->bind_env, b->plan->n_bind_env, l)
                   : rc;
}

/* ---- conflicts ---- */

static bool envbind_find_conflict(const struct envbind *b, const struct envlist *base,
                                  const Aolani__KeyValue *kv,
                                  struct envbind_conflict *ret)
{
    const Aolani__Prepare *p = b->plan;
    const char *by = envbind_taken(b, base, kv->key);
    const char *theirs = by ? envlist_value(base, by) : NULL;
    const char *sent = by ? envbind_pair_value(p->forwarded, p->n_forwarded, by) : NULL;
    if (!theirs || envbind_pair_value(p->env, p->n_env, by) ||
        (sent && strcmp(sent, theirs) == 0) ||
        (strcmp(by, kv->key) == 0 && strcmp(theirs, kv->value) == 0))
        return false;
    const char *own = envbind_own_value(b->own, by);
    *ret = (struct envbind_conflict){.name = kv->key,
                                     .ours = kv->value,
                                     .by = by,
                                     .theirs = theirs,
                                     .by_setup = !own || strcmp(own, theirs) != 0};
    return true;
}

/* Of ranks the first that has one speaks for all: that the user's value is one and ours
 * are many is seen from it. */
void envbind_conflicts(const struct envbind *b, const struct envlist *base,
                       void (*each)(void *arg, const struct envbind_conflict *c),
                       void *arg)
{
    const Aolani__Prepare *p = b->plan;
    struct envbind_conflict c;
    for (size_t i = 0; i < p->n_bind_env; i++) {
        if (envbind_find_conflict(b, base, p->bind_env[i], &c))
            each(arg, &c);
    }
    for (size_t i = 0; p->n_ranks > 0 && i < p->ranks[0]->n_bind_env; i++) {
        if (envbind_find_conflict(b, base, p->ranks[0]->bind_env[i], &c))
            each(arg, &c);
    }
}
