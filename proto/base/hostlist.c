/* SPDX-License-Identifier: MIT */
/* hostlist.c - see hostlist.h.
 *
 * Each item is read twice: once to check it and to count what it expands to, so that a
 * few characters ("n[0-999999999]") cannot ask for the memory of a million names, and
 * once to expand it, which then fails for want of memory only.
 */
#include "proto/base/hostlist.h"

#include "proto/base/limits.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DIGITS 18 /* of a number in a name: what fits in 64 bits, and is a number */

struct expansion {
    struct hostlist list;
    size_t cap;
    char name[LIMIT_HOST_NAME + 1];
};

struct range {
    uint64_t lo, hi;
    int width; /* "%0*u" */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name(char c)
{
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
           (c && strchr("._:@%-", c));
}

void hostlist_fini(struct hostlist *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->names[i]);
    free(l->names);
    *l = (struct hostlist){0};
}

/* What stands before `at` was read and is safe to show. */
static int bad_text(const char *text, const char *at, int code, const char *why,
                    struct err *e)
{
    size_t n = (size_t)(at - text), shown = n > 40 ? 40 : n;
    if (n == 0)
        return err_set(e, code, "host list, column 1: %s", why);
    return err_set(e, code, "host list, column %zu, after \"%.*s\": %s", n + 1,
                   (int)shown, at - shown, why);
}

static size_t read_number(const char *s, uint64_t *ret)
{
    size_t n = 0;
    uint64_t v = 0;
    for (; is_digit(s[n]) && n <= MAX_DIGITS; n++)
        v = v * 10 + (uint64_t)(s[n] - '0');
    *ret = v;
    return n;
}

/* "7" or "001-016"; moves *at past it, or to what is wrong, with why. */
static const char *read_range(const char **at, struct range *r)
{
    size_t n = read_number(*at, &r->lo);
    if (n == 0)
        return "expected a number";
    if (n > MAX_DIGITS)
        return "this number has more than 18 digits";
    *at += n;
    r->hi = r->lo;
    r->width = (int)n;
    if (**at != '-')
        return NULL;
    ++*at;
    size_t m = read_number(*at, &r->hi);
    if (m == 0)
        return "expected a number";
    if (m > MAX_DIGITS)
        return "this number has more than 18 digits";
    if (r->hi < r->lo)
        return "the range runs backwards";
    if (**at == '0' && m > 1 && m != n)
        return "both ends of a range need the same number of digits";
    *at += m;
    return NULL;
}

static size_t digits_of(uint64_t v)
{
    size_t n = 1;
    while (v >= 10) {
        v /= 10;
        n++;
    }
    return n;
}

/* A bracket group from '[' on: how many values it has and how long the longest is. */
static const char *check_group(const char **at, uint64_t *n, size_t *len)
{
    uint64_t values = 0;
    size_t longest = 0;
    do {
        struct range r;
        ++*at; /* '[' or ',' */
        const char *why = read_range(at, &r);
        if (why)
            return why;
        size_t digits = digits_of(r.hi);
        if (digits < (size_t)r.width)
            digits = (size_t)r.width;
        longest = digits > longest ? digits : longest;
        values += r.hi - r.lo + 1;
        if (values > LIMIT_HOSTS)
            values = LIMIT_HOSTS + 1;
    } while (**at == ',');
    if (**at != ']')
        return "expected \",\", \"-\" or \"]\"";
    ++*at;
    *n = *n * values > LIMIT_HOSTS ? LIMIT_HOSTS + 1 : *n * values;
    *len += longest;
    return NULL;
}

/* One item up to ',' or the end: is it right, and how many names is it? */
static const char *check_item(const char **at, uint64_t *ret_n)
{
    uint64_t n = 1;
    size_t len = 0;
    const char *from = *at;
    for (;;) {
        bool first = *at == from || (*at)[-1] == '@';
        if (**at == '[') {
            const char *why = check_group(at, &n, &len);
            if (why)
                return why;
        } else if (**at == '-' && first) {
            return "a name cannot start with \"-\"";
        } else if (is_name(**at)) {
            ++*at;
            len++;
        } else {
            break;
        }
        if (len > LIMIT_HOST_NAME)
            return "this name is longer than 255 characters";
    }
    if (*at == from)
        return "expected a host's name";
    if (**at != ',' && **at != '\0')
        return **at == ']' ? "\"]\" without \"[\""
                           : "this character is in no host's name";
    *ret_n = n;
    return NULL;
}

static int add_name(struct expansion *x, size_t len)
{
    struct hostlist *l = &x->list;
    if (l->n == x->cap) {
        size_t cap = x->cap ? x->cap * 2 : 16;
        char **names = realloc(l->names, cap * sizeof *names);
        if (!names)
            return -ENOMEM;
        l->names = names;
        x->cap = cap;
    }
    char *name = strndup(x->name, len);
    if (!name)
        return -ENOMEM;
    l->names[l->n++] = name;
    return 0;
}

static size_t write_number(char *to, uint64_t v, int width)
{
    size_t n = digits_of(v);
    if (n < (size_t)width)
        n = (size_t)width;
    for (size_t i = n; i-- > 0; v /= 10)
        to[i] = (char)('0' + v % 10);
    return n;
}

/* The names of a checked item whose first `len` characters are written. Recursion is as
 * deep as the item has groups: at most one for each character of a name. */
static int expand(struct expansion *x, const char *at, size_t len)
{
    for (; is_name(*at); at++)
        x->name[len++] = *at;
    if (*at != '[')
        return add_name(x, len);
    const char *end = strchr(at, ']') + 1;
    do {
        struct range r;
        at++;
        (void)read_range(&at, &r);
        for (uint64_t v = r.lo; v <= r.hi; v++) {
            int rc = expand(x, end, len + write_number(x->name + len, v, r.width));
            if (rc < 0)
                return rc;
        }
    } while (*at == ',');
    return 0;
}

static int append(struct hostlist *l, struct hostlist *more)
{
    char **names = realloc(l->names, (l->n + more->n) * sizeof *names);
    if (!names)
        return -ENOMEM;
    memcpy(names + l->n, more->names, more->n * sizeof *names);
    l->names = names;
    l->n += more->n;
    more->n = 0; /* the names have a new owner */
    return 0;
}

int hostlist_parse(struct hostlist *l, const char *text, struct err *e)
{
    struct expansion x = {0};
    const char *at = text;
    int rc = 0;
    for (;;) {
        uint64_t n = 0;
        const char *from = at;
        const char *why = check_item(&at, &n);
        if (why) {
            rc = bad_text(text, at, ERR_PARSE, why, e);
            goto out;
        }
        if (n + x.list.n + l->n > LIMIT_HOSTS) {
            rc = bad_text(text, at, ERR_LIMIT, "more than 65536 names", e);
            goto out;
        }
        rc = expand(&x, from, 0);
        if (rc < 0 || *at == '\0')
            break;
        at++; /* the comma */
    }
    if (rc == 0)
        rc = append(l, &x.list);
    if (rc < 0)
        err_sys(e, rc, "host list");
out:
    hostlist_fini(&x.list);
    return rc;
}
