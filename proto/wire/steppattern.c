/* SPDX-License-Identifier: MIT */
/* steppattern.c - see steppattern.h. */
#include "proto/wire/steppattern.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define GROUPS_MAX  9u
#define REPEATS_MAX 1000u /* all upper bounds {n,m} of a pattern, multiplied */

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

/* The larger bound of "{2,5}" at p; 1: it has none, or is no interval. */
static unsigned interval_bound(const char *p)
{
    unsigned most = 1, v = 0;
    for (p++; isdigit((unsigned char)*p) || *p == ','; p++) {
        v = *p == ',' ? 0 : v * 10 + (unsigned)(*p - '0');
        v = v < REPEATS_MAX ? v : REPEATS_MAX + 1;
        most = v > most ? v : most;
    }
    return *p == '}' ? most : 1;
}

/* What regcomp takes and we do not. */
static int check_cost(const char *text, struct err *e)
{
    unsigned repeats = 1;
    for (const char *p = text; *p;) {
        if (*p == '\\' && p[1] >= '1' && p[1] <= '9')
            return err_set(e, ERR_USAGE,
                           "\"\\%c\" refers back to a group, which can take very long",
                           p[1]);
        if (*p == '{')
            repeats *= interval_bound(p);
        if (repeats > REPEATS_MAX)
            return err_set(e, ERR_USAGE, "its repeats come to more than %u in all",
                           REPEATS_MAX);
        p = *p == '[' ? after_bracket(p) : p + (*p == '\\' && p[1] ? 2 : 1);
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
