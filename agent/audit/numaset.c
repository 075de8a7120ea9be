/* SPDX-License-Identifier: MIT */
/* numaset.c - see numaset.h. */
#include "agent/audit/numaset.h"

#include <errno.h>
#include <string.h>

/* Digits up to what is no digit. */
static int number(const char **at, unsigned *ret)
{
    unsigned v = 0;
    if (**at < '0' || **at > '9')
        return -EINVAL;
    for (; **at >= '0' && **at <= '9'; (*at)++)
        if ((v = v * 10 + (unsigned)(**at - '0')) >= NUMASET_BITS)
            return -EINVAL;
    *ret = v;
    return 0;
}

int numaset_parse(const char *text, struct numaset *ret)
{
    const char *at = text;
    memset(ret, 0, sizeof *ret);
    while (*at) {
        unsigned from, to;
        if (number(&at, &from) < 0)
            return -EINVAL;
        to = from;
        if (*at == '-') {
            at++;
            if (number(&at, &to) < 0 || to < from)
                return -EINVAL;
        }
        for (unsigned i = from; i <= to; i++)
            ret->word[i / 64] |= UINT64_C(1) << i % 64;
        if (*at == ',' && at[1])
            at++;
        else if (*at)
            return -EINVAL;
    }
    return 0;
}

bool numaset_has(const struct numaset *s, unsigned bit)
{
    return bit < NUMASET_BITS && s->word[bit / 64] >> bit % 64 & 1;
}

unsigned numaset_common(const struct numaset *a, const struct numaset *b)
{
    unsigned n = 0;
    for (unsigned i = 0; i < NUMASET_BITS / 64; i++)
        n += (unsigned)__builtin_popcountll(a->word[i] & b->word[i]);
    return n;
}

unsigned numaset_count(const struct numaset *s)
{
    return numaset_common(s, s);
}
