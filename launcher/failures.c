/* SPDX-License-Identifier: MIT */
/* failures.c - see failures.h. Most nodes fail alike, so a few comparisons find the first
 * of their kind. */
#include "launcher/failures.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/hostlist.h"

#define NAMES_SHOWN 160u /* of the nodes that failed alike */
#define ERROR_KINDS 64u  /* further ones stand alone */
#define ERROR_TEXT  480u
#define MORE_TEXT   40u /* room for how many are left out */

/* The error with the host's own name taken out: "ssh: Could not resolve hostname <host>". */
static void anonymous_error(const struct failure *f, char *text, size_t len)
{
    const char *at = strchr(f->name, '@'), *name = at ? at + 1 : f->name;
    const char *p = f->error;
    size_t n = strlen(name), out = 0;
    while (*p && out + 7 < len) {
        if (n > 0 && strncmp(p, name, n) == 0 && !isalnum((unsigned char)p[n]) &&
            (p == f->error || !isalnum((unsigned char)p[-1]))) {
            memcpy(text + out, "<host>", 6);
            out += 6;
            p += n;
        } else {
            text[out++] = *p++;
        }
    }
    text[out] = '\0';
}

/* Of each failure, the index of the first that is like it; NULL: no memory. */
static size_t *find_alike(const struct failure *all, size_t n)
{
    size_t *like = calloc(n + 1, sizeof *like);
    size_t kinds[ERROR_KINDS], n_kinds = 0;
    char(*texts)[ERROR_TEXT] = calloc(ERROR_KINDS, sizeof *texts);
    for (size_t i = 0; like && texts && i < n; i++) {
        char mine[ERROR_TEXT];
        size_t k = 0;
        like[i] = i;
        anonymous_error(&all[i], mine, sizeof mine);
        while (k < n_kinds && strcmp(texts[k], mine) != 0)
            k++;
        if (k < n_kinds) {
            like[i] = kinds[k];
        } else if (n_kinds < ERROR_KINDS) {
            kinds[n_kinds] = i;
            memcpy(texts[n_kinds++], mine, sizeof mine);
        }
    }
    if (!texts) {
        free(like);
        like = NULL;
    }
    free(texts);
    return like;
}

/* The first n names, folded; false: too long. */
static bool fold(char **names, size_t n, char *text, size_t len)
{
    struct hostlist l = {.names = names, .n = n};
    struct buf b;
    buf_init(&b, 1u << 24);
    bool fits = hostlist_format(&l, &b) == 0 && b.len < len;
    if (fits) {
        memcpy(text, b.data, b.len);
        text[b.len] = '\0';
    }
    buf_fini(&b);
    return fits;
}

/* "n[1-3,7] and 90 more": as many of the names as fit, never half of one. */
static void fold_bounded(char **names, size_t n, char *text, size_t len)
{
    size_t low = 0, high = n;
    if (fold(names, n, text, len))
        return;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (fold(names, middle, text, len))
            low = middle;
        else
            high = middle;
    }
    if (low == 0) {
        (void)snprintf(text, len, "%.*s...", (int)len - 4, names[0]);
        low = 1;
    } else {
        (void)fold(names, low, text, len);
    }
    size_t at = strlen(text);
    if (low < n)
        (void)snprintf(text + at, MORE_TEXT, " and %zu more", n - low);
}

struct group {
    char names[NAMES_SHOWN + MORE_TEXT], error[ERROR_TEXT];
    const char *hint;
};

/* The failures that are like the one at `first`; returns how many. */
static size_t make_group(const struct failure *all, size_t n, const size_t *like,
                         size_t first, struct group *g)
{
    char **list = calloc(n, sizeof *list);
    size_t found = 0;
    for (size_t i = first; list && i < n; i++) {
        if (like[i] == first)
            list[found++] = (char *)all[i].name;
    }
    if (list)
        fold_bounded(list, found, g->names, NAMES_SHOWN);
    else
        (void)snprintf(g->names, sizeof g->names, "%.*s", (int)NAMES_SHOWN,
                       all[first].name);
    free(list);
    if (found > 1)
        anonymous_error(&all[first], g->error, sizeof g->error);
    else
        (void)snprintf(g->error, sizeof g->error, "%s", all[first].error);
    g->hint = all[first].hint;
    return found > 0 ? found : 1;
}

void failures_format(const struct failure *all, size_t n, char *text, size_t len)
{
    size_t at = 0, more = 0;
    size_t *like = find_alike(all, n);
    text[0] = '\0';
    for (size_t i = 0; like && i < n; i++) {
        char group[sizeof(struct group) + 300];
        struct group g;
        if (like[i] != i)
            continue;
        size_t count = make_group(all, n, like, i, &g);
        if (strstr(text, g.hint)) /* the way out of another failure too: said once */
            g.hint = "";
        (void)snprintf(group, sizeof group, "%s: %s%s%s%s", g.names, g.error,
                       g.hint[0] ? " (" : "", g.hint, g.hint[0] ? ")" : "");
        if (at + strlen(group) + 2 + MORE_TEXT > len && at > 0)
            more += count;
        else
            at += (size_t)snprintf(text + at, len - at, "%s%s", at ? "; " : "", group);
        at = at < len ? at : len - 1;
    }
    if (more > 0 && at < len)
        (void)snprintf(text + at, len - at, "; %zu more nodes failed", more);
    free(like);
}

void failures_each(const struct failure *all, size_t n,
                   void (*each)(void *arg, const char *names, const char *error,
                                const char *hint),
                   void *arg)
{
    size_t *like = find_alike(all, n);
    for (size_t i = 0; like && i < n; i++) {
        struct group g;
        if (like[i] != i)
            continue;
        (void)make_group(all, n, like, i, &g);
        each(arg, g.names, g.error, g.hint);
    }
    free(like);
}
