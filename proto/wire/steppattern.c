/* SPDX-License-Identifier: MIT */
/* steppattern.c - see steppattern.h. */
#include "proto/wire/steppattern.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define GROUPS_MAX  9u
#define GROUPS_DEEP 16u   /* within each other */
#define PARTS_MAX   2000u /* with repeats written out */

/* The byte after the bracket expression that begins at p. */
static const char *after_bracket(const char *p)
{
    p += p[1] == '^' ? 2 : 1;
    p += *p == ']';
    while (*p && *p != ']') {
        const char *end = NULL;
        if (*p == '[' && p[1] && strchr(":.=", p[1])) {
            char close[3] = {p[1], ']', '\0'};
            end = strstr(p + 2, close);
        }
        p = end ? end + 2 : p + 1;
    }
    return *p ? p + 1 : p;
}

static bool in_count(const char *p)
{
    p += *p == '\\'; /* which regcomp passes over here */
    return isdigit((unsigned char)*p) || *p == ',';
}

/* How often "{2,5}", "+" at p repeats what is before it; 1: as often as it stands there, or
 * no repeat. *ret_end: after it. */
static unsigned repeat_at(const char *p, const char **ret_end)
{
    unsigned most = 1, v = 0;
    bool open = false;
    *ret_end = p + 1;
    if (*p == '+')
        return 2;
    if (*p != '{')
        return 1;
    for (p++; in_count(p); p++) {
        p += *p == '\\';
        open = *p == ',';
        v = open ? 0 : v * 10 + (unsigned)(*p - '0');
        v = v < PARTS_MAX ? v : PARTS_MAX;
        most = v > most ? v : most;
    }
    if (*p != '}')
        return 1;
    *ret_end = p + 1;
    return most + open;
}

/* What a group, or the whole, comes to when repeats are written out, as regcomp does. */
struct parts {
    uint64_t all, last; /* last: of what a repeat would repeat */
};

static void parts_add(struct parts *g, uint64_t n)
{
    g->all += n;
    g->last = n;
}

/* One part of the pattern from p on; the byte after it. */
static const char *parts_take(struct parts g[], unsigned *depth, const char *p)
{
    const char *end = p + 1;
    if (*p == '(') {
        g[++*depth] = (struct parts){0};
    } else if (*p == ')' && *depth > 0) {
        (*depth)--;
        parts_add(&g[*depth], g[*depth + 1].all + 1);
    } else if (*p == '+' || *p == '{') {
        uint64_t more = g[*depth].last * (repeat_at(p, &end) - 1);
        g[*depth].all += more;
        g[*depth].last += more;
    } else if (*p != '*' && *p != '?') {
        end = *p == '[' ? after_bracket(p) : p + (*p == '\\' && p[1] ? 2 : 1);
        parts_add(&g[*depth], 1);
    }
    return end;
}

/* What regcomp takes and we do not. */
static int check_cost(const char *text, struct err *e)
{
    struct parts g[GROUPS_DEEP + 2] = {0};
    unsigned depth = 0;
    for (const char *p = text; *p;) {
        if (*p == '\\' && p[1] >= '1' && p[1] <= '9')
            return err_set(e, ERR_USAGE,
                           "\"\\%c\" refers back to a group, which can take very long",
                           p[1]);
        p = parts_take(g, &depth, p);
        if (depth > GROUPS_DEEP)
            return err_set(e, ERR_USAGE, "more than %u groups within each other",
                           GROUPS_DEEP);
        if (g[depth].all > PARTS_MAX)
            return err_set(e, ERR_USAGE, "its repeats come to more than %u parts",
                           PARTS_MAX);
    }
    return 0;
}

int steppattern_compile(struct steppattern *p, const char *text, struct err *e)
{
    struct steppattern made = {0};
    char why[120];
    if (strlen(text) > STEPPATTERN_MAX)
        return err_set(e, ERR_USAGE, "it is longer than %u bytes", STEPPATTERN_MAX);
    int rc = check_cost(text, e);
    if (rc < 0)
        return rc;
    rc = regcomp(&made.re, text, REG_EXTENDED);
    if (rc == REG_ESPACE)
        return err_sys(e, -ENOMEM, "compile the pattern");
    if (rc != 0) {
        (void)regerror(rc, &made.re, why, sizeof why);
        return err_set(e, ERR_USAGE, "it is no POSIX extended regular expression: %s",
                       why);
    }
    made.n_groups = made.re.re_nsub < GROUPS_MAX ? made.re.re_nsub : GROUPS_MAX;
    if (made.n_groups == 0) {
        regfree(&made.re);
        return err_set(e, ERR_USAGE,
                       "it has no group for the number of the step: \"step ([0-9]+)\"");
    }
    *p = made;
    return 0;
}

void steppattern_fini(struct steppattern *p)
{
    if (p->n_groups > 0)
        regfree(&p->re);
    p->n_groups = 0;
}

static bool number_of(const char *from, const char *end, uint32_t *ret)
{
    uint64_t v = 0;
    bool is_number = from < end;
    for (; from < end && is_number; from++) {
        v = v * 10 + (uint64_t)(*from - '0');
        is_number = isdigit((unsigned char)*from) && v <= UINT32_MAX;
    }
    if (is_number)
        *ret = (uint32_t)v;
    return is_number;
}

bool steppattern_match(const struct steppattern *p, const char *line,
                       uint32_t *ret_step)
{
    regmatch_t at[1 + GROUPS_MAX];
    if (regexec(&p->re, line, 1 + p->n_groups, at, 0) != 0)
        return false;
    for (size_t i = 1; i <= p->n_groups; i++)
        if (at[i].rm_so >= 0 &&
            number_of(line + at[i].rm_so, line + at[i].rm_eo, ret_step))
            return true;
    return false;
}
