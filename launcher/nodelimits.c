/* SPDX-License-Identifier: MIT */
/* nodelimits.c - see nodelimits.h. */
#include "launcher/nodelimits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/hostlist.h"

#define TEXT_MAX    800u
#define NAMES_SHOWN 160
#define KINDS_SHOWN 8u
#define MEMLOCK_LOW (1ull << 30) /* NCCL and MPI register buffers of this order */

typedef bool (*alike_f)(const struct nodelimits *a, const struct nodelimits *b,
                        enum rlimits_name which);

static bool is_alike(const struct nodelimits *a, const struct nodelimits *b,
                     enum rlimits_name which)
{
    return a->limits->known[which] == b->limits->known[which] &&
           (!a->limits->known[which] ||
            a->limits->v[which].rlim_cur == b->limits->v[which].rlim_cur);
}

static bool is_alike_in_all(const struct nodelimits *a, const struct nodelimits *b,
                            enum rlimits_name which)
{
    (void)which;
    for (int i = 0; i < RLIMITS_N; i++) {
        if (!is_alike(a, b, (enum rlimits_name)i))
            return false;
    }
    return true;
}

/* The nodes that are like this one, folded. */
static void names_alike(const struct nodelimits *all, size_t n, size_t like,
                        alike_f alike, enum rlimits_name which, char *text, size_t len)
{
    struct hostlist l = {.names = calloc(n, sizeof *l.names)};
    struct buf names;
    buf_init(&names, 1u << 24);
    for (size_t i = 0; l.names && i < n; i++) {
        if (alike(&all[i], &all[like], which))
            l.names[l.n++] = (char *)all[i].name;
    }
    text[0] = '\0';
    if (l.n > 0 && hostlist_format(&l, &names) == 0)
        (void)snprintf(text, len, "%.*s%s", NAMES_SHOWN, (char *)names.data,
                       names.len > NAMES_SHOWN ? "..." : "");
    buf_fini(&names);
    free(l.names);
}

/* The first node of each kind; those past KINDS_SHOWN are not told apart. */
static size_t find_kinds(const struct nodelimits *all, size_t n, alike_f alike,
                         enum rlimits_name which, size_t ret[KINDS_SHOWN])
{
    size_t kinds = 0;
    for (size_t i = 0; i < n && kinds < KINDS_SHOWN; i++) {
        size_t k = 0;
        while (k < kinds && !alike(&all[ret[k]], &all[i], which))
            k++;
        if (k == kinds)
            ret[kinds++] = i;
    }
    return kinds;
}

static rlim_t soft_of(const struct nodelimits *n, enum rlimits_name which)
{
    return n->limits->known[which] ? n->limits->v[which].rlim_cur : 0;
}

/* Lowest first: it is what somebody will have to look at. */
static void sort_kinds(const struct nodelimits *all, enum rlimits_name which,
                       size_t *kinds, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        for (size_t k = i; k > 0 && soft_of(&all[kinds[k]], which) <
                                        soft_of(&all[kinds[k - 1]], which);
             k--) {
            size_t t = kinds[k];
            kinds[k] = kinds[k - 1];
            kinds[k - 1] = t;
        }
    }
}

static void compare_one(const struct nodelimits *all, size_t n, enum rlimits_name which,
                        void (*warn)(void *arg, const char *text), void *arg)
{
    size_t kinds[KINDS_SHOWN];
    size_t n_kinds = find_kinds(all, n, is_alike, which, kinds);
    char text[TEXT_MAX];
    if (n_kinds < 2)
        return;
    sort_kinds(all, which, kinds, n_kinds);
    int at = snprintf(text, sizeof text, "%s differs:", rlimits_text(which));
    for (size_t i = 0; i < n_kinds && at < (int)sizeof text; i++) {
        char names[NAMES_SHOWN + 8], value[RLIMITS_VALUE];
        const struct nodelimits *node = &all[kinds[i]];
        names_alike(all, n, kinds[i], is_alike, which, names, sizeof names);
        at += snprintf(text + at, sizeof text - (size_t)at, "%s %s on %s",
                       i > 0 ? "," : "",
                       node->limits->known[which]
                           ? rlimits_value(which, soft_of(node, which), value)
                           : "not known",
                       names);
    }
    warn(arg, text);
}

static bool lacks_memlock(const struct nodelimits *node)
{
    return node->infiniband && node->limits->known[RLIMITS_MEMLOCK] &&
           node->limits->v[RLIMITS_MEMLOCK].rlim_cur < MEMLOCK_LOW;
}

static bool is_alike_lacking(const struct nodelimits *a, const struct nodelimits *b,
                             enum rlimits_name which)
{
    return lacks_memlock(a) && lacks_memlock(b) && is_alike(a, b, which);
}

static void check_memlock(const struct nodelimits *all, size_t n,
                          void (*warn)(void *arg, const char *text), void *arg)
{
    size_t i = 0;
    char text[TEXT_MAX], names[NAMES_SHOWN + 8], value[RLIMITS_VALUE];
    while (i < n && !lacks_memlock(&all[i]))
        i++;
    if (i == n)
        return;
    names_alike(all, n, i, is_alike_lacking, RLIMITS_MEMLOCK, names, sizeof names);
    (void)snprintf(
        text, sizeof text,
        "memlock is %s on %s, which has InfiniBand: NCCL and MPI will fail to "
        "register memory with it (raise it in /etc/security/limits.conf, or "
        "for sshd with LimitMEMLOCK=infinity)",
        rlimits_value(RLIMITS_MEMLOCK, all[i].limits->v[RLIMITS_MEMLOCK].rlim_cur,
                      value),
        names);
    warn(arg, text);
}

void nodelimits_compare(const struct nodelimits *all, size_t n,
                        void (*warn)(void *arg, const char *text), void *arg)
{
    for (int i = 0; i < RLIMITS_N; i++)
        compare_one(all, n, (enum rlimits_name)i, warn, arg);
    check_memlock(all, n, warn, arg);
}

void nodelimits_list(const struct nodelimits *all, size_t n,
                     void (*say)(void *arg, const char *text), void *arg)
{
    size_t kinds[KINDS_SHOWN];
    size_t n_kinds = find_kinds(all, n, is_alike_in_all, RLIMITS_MEMLOCK, kinds);
    for (size_t i = 0; i < n_kinds; i++) {
        char text[TEXT_MAX], names[NAMES_SHOWN + 8], value[RLIMITS_VALUE];
        int at = 0;
        for (int k = 0; k < RLIMITS_N; k++) {
            enum rlimits_name which = (enum rlimits_name)k;
            if (all[kinds[i]].limits->known[k])
                at += snprintf(
                    text + at, sizeof text - (size_t)at, "%s%s %s", at ? ", " : "",
                    rlimits_text(which),
                    rlimits_value(which, all[kinds[i]].limits->v[k].rlim_cur, value));
        }
        names_alike(all, n, kinds[i], is_alike_in_all, RLIMITS_MEMLOCK, names,
                    sizeof names);
        if (at > 0) {
            (void)snprintf(text + at, sizeof text - (size_t)at, " on %s", names);
            say(arg, text);
        }
    }
}

void nodelimits_text(const struct rlimits *l, char ret[NODELIMITS_TEXT])
{
    size_t at = 0;
    ret[0] = '\0';
    for (int i = 0; i < RLIMITS_N; i++) {
        char value[24] = "unlimited";
        if (!l->known[i])
            continue;
        if (l->v[i].rlim_cur != RLIM_INFINITY)
            (void)snprintf(value, sizeof value, "%llu",
                           (unsigned long long)l->v[i].rlim_cur);
        at += (size_t)snprintf(ret + at, NODELIMITS_TEXT - at, "%s%s=%s", at ? " " : "",
                               rlimits_text((enum rlimits_name)i), value);
    }
}
