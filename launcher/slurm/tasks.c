/* SPDX-License-Identifier: MIT */
/* tasks.c - see tasks.h. */
#include "launcher/slurm/tasks.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>

#include "proto/base/limits.h"

/* A number at the beginning, within reason; 0: none. */
static int64_t number(const char *text, const char **ret_end)
{
    char *end = NULL;
    long n = isdigit((unsigned char)text[0]) ? strtol(text, &end, 10) : 0;
    *ret_end = end ? end : text;
    return n > 0 && n <= (long)LIMIT_LOCAL_RANKS ? n : 0;
}

/* "(x4)" */
static bool pass_times(const char **at)
{
    const char *end;
    if ((*at)[1] != 'x' || number(*at + 2, &end) == 0 || *end != ')')
        return false;
    *at = end + 1;
    return true;
}

int64_t slurm_tasks_asked(const char *per_node, const char *all, const char *shares)
{
    const char *end;
    if (per_node && *per_node) {
        int64_t n = number(per_node, &end);
        return *end ? 0 : n;
    }
    if (!all || !*all || !shares)
        return 0;
    int64_t n = number(shares, &end);
    if (n > 0 && *end == '(')
        n = pass_times(&end) ? n : 0;
    return *end == ',' ? SLURM_TASKS_UNEQUAL : *end ? 0 : n;
}
