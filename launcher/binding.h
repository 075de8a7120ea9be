/* SPDX-License-Identifier: MIT */
/* binding - what a rank was asked to have, what it was given and what it was seen with;
 * and since when it had something else. Pure. All texts are owned by the struct.
 *
 * Drift is a stretch of time: it begins with a message in which a check drifts, and is over
 * with the first in which it does not. What is still open at the end lasted until then.
 */
#ifndef LAUNCHER_BINDING_H
#define LAUNCHER_BINDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/limits.h"
#include "proto/wire/aolani.pb-c.h"

#define BINDING_DRIFTS 16u /* of a rank that are kept; more are counted */
#define BINDING_PAGES  16u /* NUMA nodes that are told apart */

struct binding_check {
    char *what;  /* "cpus", "memory", "gpu", "cgroup" */
    char *state; /* "as asked", "drift", "unverified" */
    char *text;  /* drift: what; unverified: why; else "" */
};

struct binding_drift {
    char *what, *text;       /* as it began */
    uint64_t from_ms, to_ms; /* after the start; to_ms means something when over */
    bool over;
};

struct binding_pages {
    uint32_t numa;
    uint64_t pages;
};

struct binding {
    /* asked */
    char *cpus, *numa; /* "": not bound */
    char **gpus;       /* UUIDs, or bus ids where there are none */
    size_t n_gpus;
    char *nic; /* "": none */
    /* The rest means something when it was read back. */
    bool read;
    char *applied; /* CPUs right after exec */
    char *seen_cpus;
    uint32_t processes, threads;
    struct binding_pages pages[BINDING_PAGES];
    size_t n_pages;
    char **seen_gpus;
    size_t n_seen_gpus;
    char *cgroup_cpus;
    uint32_t cgroup_quota_percent;
    uint64_t cgroup_memory;
    struct binding_check checks[LIMIT_BINDING_CHECKS];
    size_t n_checks;
    struct binding_drift drifts[BINDING_DRIFTS];
    size_t n_drifts;
    uint64_t more_drifts;
};

/* What a message changes; pointers into the binding, until the next one. */
struct binding_news {
    struct {
        const struct binding_drift *drift;
        bool begins;
        const char *unverified; /* it ends because nothing can be seen: why; or NULL */
    } list[2 * LIMIT_BINDING_CHECKS];
    size_t n;
};

/* All texts there and empty. NULL: no memory. */
struct binding *binding_create(void);
void binding_destroy(struct binding *b); /* takes NULL and half-built ones */
struct binding *binding_copy(const struct binding *b);
/* Replace a text. -ENOMEM. */
int binding_set(char **to, const char *text);
int binding_add(char ***list, size_t *n, const char *text);
int binding_add_check(struct binding *b, const char *what, const char *state,
                      const char *text); /* also ERR_LIMIT */
int binding_add_drift(struct binding *b, const struct binding_drift *d); /* copied */
/* Take over what an agent has seen at that time. ERR_LIMIT: more than there can be;
 * -ENOMEM: what is there is a part of it. */
int binding_take(struct binding *b, const Aolani__Binding *m, uint64_t at_ms,
                 struct binding_news *ret);
/* The first check that drifts now; NULL: none. */
const struct binding_check *binding_drifting(const struct binding *b);
const struct binding_check *binding_check_of(const struct binding *b, const char *what);

#endif
