/* SPDX-License-Identifier: MIT */
/* options_runs.c - the options of the verbs that make runs to be begun later, and ask after
 * them: submit, status, logs, stop. */
#include "launcher/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/limits.h"

static int set_number(const char *name, const char *value, long long least,
                      int64_t *ret, struct err *e)
{
    char *end;
    errno = 0;
    long long n = strtoll(value, &end, 10);
    if (errno || *end || end == value || n < least || n > INT32_MAX)
        return err_set(e, ERR_USAGE, "--%s \"%s\": expected a number, %lld at least",
                       name, value, least);
    *ret = n;
    return 0;
}

static int set_ranks(struct options_runs *r, const char *name, const char *value,
                     struct err *e)
{
    struct rankset more = {0};
    struct err why;
    int rc = rankset_parse(&more, value, &why);
    if (rc == 0 && rankset_count(&more) == 0)
        rc = err_set(&why, ERR_PARSE, "it names no rank");
    if (rc == 0)
        rc = rankset_merge(&r->ranks, &more);
    rankset_fini(&more);
    if (rc == -ENOMEM)
        return err_sys(e, rc, "read the options");
    if (rc == 0)
        return 0;
    err_set(e, ERR_USAGE, "--%s \"%s\": %s", name, value, why.text);
    return err_hint(e, "for example --ranks 0-7,12");
}

static int set_rank(struct options_runs *r, const char *value, struct err *e)
{
    int64_t rank;
    int rc = set_number("rank", value, 0, &rank, e);
    if (rc == 0 && rank >= LIMIT_RANKS)
        rc = err_set(e, ERR_USAGE, "--rank \"%s\": there are no more than %u ranks",
                     value, LIMIT_RANKS);
    if (rc == 0 && (rc = rankset_add(&r->ranks, (uint32_t)rank)))
        rc = err_sys(e, rc, "read the options");
    return rc;
}

int options_runs_set(struct options_runs *r, const char *name, const char *value,
                     struct err *e)
{
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {
        {"print", &r->print},       {"prepare", &r->prepare}, {"over", &r->over},
        {"follow", &r->follow},     {"out", &r->only[0]},     {"err", &r->only[1]},
        {"launcher", &r->launcher}, {"now", &r->now},         {"force", &r->force}};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (!strcmp(name, flags[i].name)) {
            *flags[i].flag = true;
            return 0;
        }
    if (!strcmp(name, "lines"))
        return set_number(name, value, 0, &r->lines, e);
    if (!strcmp(name, "attempt"))
        return set_number(name, value, 1, &r->attempt, e);
    if (!strcmp(name, "rank"))
        return set_rank(r, value, e);
    return set_ranks(r, name, value, e);
}

void options_runs_fini(struct options_runs *r)
{
    strlist_fini(&r->runs);
    rankset_fini(&r->ranks);
}
