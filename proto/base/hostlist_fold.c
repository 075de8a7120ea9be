/* SPDX-License-Identifier: MIT */
/* hostlist_fold.c - names back to "gpu[001-016,020],login".
 *
 * The last number of a name varies; names that are equal around it and are neighbours
 * in the sorted order share one bracket. Two numbers make a range only when reading the
 * range gives the second one's text, zeros included: so that reading the folded form
 * gives exactly the names back.
 */
#include "proto/base/hostlist.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct split {
    const char *name;
    size_t prefix; /* bytes before the number */
    size_t digits; /* 0: the name has no number */
    uint64_t value;
    const char *suffix;
};

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static struct split split_name(const char *name)
{
    size_t end = strlen(name);
    struct split s = {.name = name, .prefix = end, .suffix = name + end};
    while (end > 0 && !is_digit(name[end - 1]))
        end--;
    size_t from = end;
    while (from > 0 && is_digit(name[from - 1]))
        from--;
    if (from == end ||
        end - from > 18) /* longer ones are not numbers to hostlist_parse */
        return s;
    s.prefix = from;
    s.digits = end - from;
    s.suffix = name + end;
    for (size_t i = from; i < end; i++)
        s.value = s.value * 10 + (uint64_t)(name[i] - '0');
    return s;
}

/* All of it before the number that it does not have. */
static void join_split(struct split *s)
{
    s->prefix = strlen(s->name);
    s->digits = 0;
    s->value = 0;
    s->suffix = s->name + s->prefix;
}

static int compare_around(const struct split *a, const struct split *b)
{
    size_t n = a->prefix < b->prefix ? a->prefix : b->prefix;
    int c = memcmp(a->name, b->name, n);
    if (c == 0 && a->prefix != b->prefix)
        c = a->prefix < b->prefix ? -1 : 1;
    if (c == 0)
        c = strcmp(a->suffix, b->suffix);
    if (c == 0)
        c = (a->digits > 0) - (b->digits > 0);
    return c;
}

static int compare(const void *x, const void *y)
{
    const struct split *a = x, *b = y;
    int c = compare_around(a, b);
    if (c == 0)
        c = (a->value > b->value) - (a->value < b->value);
    if (c == 0)
        c = (a->digits > b->digits) - (a->digits < b->digits);
    return c;
}

/* Would "[first-b]" read b as it is written? Neighbours are looked at in order. */
static int continues(const struct split *first, const struct split *a,
                     const struct split *b)
{
    if (b->value != a->value + 1)
        return 0;
    /* as wide as the first, or wider because the number is */
    return b->digits == first->digits ||
           (b->digits > first->digits && b->name[b->prefix] != '0');
}

/* From *at to the end of a group of n: one number or range. */
static int put_range(const struct split *s, size_t n, size_t *at, struct buf *out)
{
    size_t first = *at, last = first;
    while (last + 1 < n && continues(&s[first], &s[last], &s[last + 1]))
        last++;
    *at = last + 1;
    const struct split *a = &s[first], *b = &s[last];
    int rc = buf_add(out, a->name + a->prefix, a->digits);
    if (rc == 0 && last > first)
        rc = buf_printf(out, "-%.*s", (int)b->digits, b->name + b->prefix);
    return rc;
}

static int put_group(const struct split *s, size_t n, struct buf *out)
{
    if (n == 1)
        return buf_printf(out, "%s", s->name);
    int rc = buf_printf(out, "%.*s[", (int)s->prefix, s->name);
    for (size_t at = 0; rc == 0 && at < n;) {
        rc = at ? buf_add(out, ",", 1) : 0;
        if (rc == 0)
            rc = put_range(s, n, &at, out);
    }
    return rc < 0 ? rc : buf_printf(out, "]%s", s->suffix);
}

static size_t drop_duplicates(struct split *s, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || compare(&s[kept - 1], &s[i]) != 0)
            s[kept++] = s[i];
    }
    return kept;
}

/* at_end: only names that end with their number share a bracket. */
static int format(const struct hostlist *l, bool at_end, struct buf *out)
{
    size_t len = out->len;
    int rc = buf_add(out, "", 0); /* an empty list is a text too */
    if (rc < 0 || l->n == 0)
        return rc;
    struct split *s = calloc(l->n, sizeof *s);
    if (!s)
        return -ENOMEM;
    for (size_t i = 0; i < l->n; i++) {
        s[i] = split_name(l->names[i]);
        if (at_end && *s[i].suffix)
            join_split(&s[i]);
    }
    qsort(s, l->n, sizeof *s, compare);
    size_t n = drop_duplicates(s, l->n);
    for (size_t i = 0, j; rc == 0 && i < n; i = j) {
        for (j = i + 1; j < n && compare_around(&s[i], &s[j]) == 0;)
            j++;
        if (i > 0)
            rc = buf_add(out, ",", 1);
        if (rc == 0)
            rc = put_group(&s[i], j - i, out);
    }
    free(s);
    if (rc < 0)
        out->len = len;
    return rc;
}

int hostlist_format(const struct hostlist *l, struct buf *out)
{
    return format(l, false, out);
}

int hostlist_format_slurm(const struct hostlist *l, struct buf *out)
{
    return format(l, true, out);
}
