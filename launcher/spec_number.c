/* SPDX-License-Identifier: MIT */
/* spec_number.c - numbers, durations, sizes and ports: each read whole or not at all, so
 * that "10x" is never 10. */
#include "launcher/spec_value.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/clock.h"

static bool is_word_for_zero(const struct arrival *a)
{
    const char *t = arrival_text(a);
    return t && a->k->words && !strcmp(t, a->k->words);
}

static int out_of_range(const struct arrival *a, const char *lo, const char *hi)
{
    spec_complain(a->src, a->v->pos, "out of range: [%s] %s is between %s and %s",
                  a->k->section, a->k->name, lo, hi);
    return 1;
}

static bool within(const struct spec_key *k, double x)
{
    return (k->min == 0 && k->max == 0) || (x >= k->min && x <= k->max);
}

int spec_set_int(const struct arrival *a)
{
    int64_t i = 0;
    char what[80] = "an integer";
    if (a->k->words)
        snprintf(what, sizeof what, "an integer or \"%s\"", a->k->words);
    if (is_word_for_zero(a)) {
        *(int64_t *)a->at = 0;
        return 0;
    }
    if (arrival_is_text(a)) {
        char *end;
        errno = 0;
        i = strtoll(a->v->u.string.data, &end, 10);
        if (*end || end == a->v->u.string.data ||
            isspace((unsigned char)*a->v->u.string.data))
            return spec_expected(a, what);
        if (errno)
            i = INT64_MAX;
    } else if (a->v->type == TOML_INTEGER) {
        i = a->v->u.integer;
    } else {
        return spec_expected(a, what);
    }
    if (!within(a->k, (double)i)) {
        char lo[32], hi[32];
        snprintf(lo, sizeof lo, "%.0f", a->k->min);
        snprintf(hi, sizeof hi, "%.0f", a->k->max);
        return out_of_range(a, lo, hi);
    }
    *(int64_t *)a->at = i;
    return 0;
}

int spec_set_float(const struct arrival *a)
{
    double x = 0;
    if (arrival_is_text(a)) {
        char *end;
        x = strtod(a->v->u.string.data, &end);
        if (*end || end == a->v->u.string.data)
            return spec_expected(a, "a number");
    } else if (a->v->type == TOML_FLOAT) {
        x = a->v->u.number;
    } else if (a->v->type == TOML_INTEGER) {
        x = (double)a->v->u.integer;
    } else {
        return spec_expected(a, "a number");
    }
    if (!isfinite(x) || !within(a->k, x)) {
        char lo[32], hi[32];
        snprintf(lo, sizeof lo, "%g", a->k->min);
        snprintf(hi, sizeof hi, "%g", a->k->max);
        return out_of_range(a, lo, hi);
    }
    *(double *)a->at = x;
    return 0;
}

void spec_duration_text(uint64_t ms, char *out, size_t len)
{
    static const struct {
        uint64_t ms;
        const char *unit;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
    size_t i = ms ? 0 : 3;
    while (ms % units[i].ms)
        i++;
    snprintf(out, len, "%" PRIu64 "%s", ms / units[i].ms, units[i].unit);
}

int spec_set_duration(const struct arrival *a)
{
    char what[120], number[32];
    struct err e;
    uint64_t ms;
    snprintf(what, sizeof what, "a duration such as \"90s\", \"5m\" or \"1h30m\"%s%s%s",
             a->k->words ? ", or \"" : "", a->k->words ? a->k->words : "",
             a->k->words ? "\"" : "");
    if (is_word_for_zero(a)) {
        *(uint64_t *)a->at = 0;
        return 0;
    }
    const char *t = arrival_text(a);
    if (!arrival_is_text(a) && a->v->type == TOML_INTEGER) {
        snprintf(number, sizeof number, "%" PRId64, a->v->u.integer);
        t = number; /* seconds, as on the command line */
    }
    if (!t)
        return spec_expected(a, what);
    int rc = clock_parse_duration(t, &ms, &e);
    if (rc && rc != -ERANGE) {
        spec_complain(a->src, a->v->pos, "expected %s, found \"%.80s\"", what, t);
        return 1;
    }
    if (rc || !within(a->k, (double)ms)) {
        char lo[32], hi[32];
        spec_duration_text((uint64_t)a->k->min, lo, sizeof lo);
        spec_duration_text((uint64_t)a->k->max, hi, sizeof hi);
        return out_of_range(a, lo, hi);
    }
    *(uint64_t *)a->at = ms;
    return 0;
}

int spec_parse_size(const char *text, uint64_t *ret)
{
    static const char units[] = "KMGT";
    char *end;
    if (!isdigit((unsigned char)*text))
        return -EINVAL;
    errno = 0;
    uint64_t n = strtoull(text, &end, 10);
    if (errno)
        return -ERANGE;
    const char *u = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
    unsigned shift = 0;
    if (u) {
        shift = 10 * (unsigned)(u - units + 1);
        end++;
        if (*end == 'i')
            end++;
    }
    if (*end == 'B')
        end++;
    if (*end)
        return -EINVAL;
    if (n > UINT64_MAX >> shift)
        return -ERANGE;
    *ret = n << shift;
    return 0;
}

int spec_set_size(const struct arrival *a)
{
    char what[80];
    const char *t = arrival_text(a);
    uint64_t n = 0;
    int rc = 0;
    snprintf(what, sizeof what, "a size such as \"64M\" or \"1G\"%s%s%s",
             a->k->words ? ", or \"" : "", a->k->words ? a->k->words : "",
             a->k->words ? "\"" : "");
    if (is_word_for_zero(a)) {
        *(uint64_t *)a->at = 0;
        return 0;
    }
    if (!arrival_is_text(a) && a->v->type == TOML_INTEGER)
        n = a->v->u.integer < 0 ? UINT64_MAX : (uint64_t)a->v->u.integer;
    else if (!t)
        return spec_expected(a, what);
    else
        rc = spec_parse_size(t, &n);
    if (rc == -EINVAL) {
        spec_complain(a->src, a->v->pos, "expected %s, found \"%.80s\"", what, t);
        return 1;
    }
    if (rc || !within(a->k, (double)n)) {
        char lo[32], hi[32];
        bool small = a->k->min < 1 << 20;
        snprintf(lo, sizeof lo, "%.0f%c", a->k->min / (small ? 1 << 10 : 1 << 20),
                 small ? 'K' : 'M');
        snprintf(hi, sizeof hi, "%.0fM", a->k->max / (1 << 20));
        return out_of_range(a, lo, hi);
    }
    *(uint64_t *)a->at = n;
    return 0;
}

int spec_set_ports(const struct arrival *a)
{
    static const char what[] = "a port or a range such as \"5000-5100\"";
    const char *t = arrival_text(a);
    char number[32], *end;
    if (!arrival_is_text(a) && a->v->type == TOML_INTEGER) {
        snprintf(number, sizeof number, "%" PRId64, a->v->u.integer);
        t = number;
    }
    if (!t)
        return spec_expected(a, what);
    unsigned long lo = strtoul(t, &end, 10), hi = lo;
    if (*end == '-' && isdigit((unsigned char)end[1]))
        hi = strtoul(end + 1, &end, 10);
    if (!isdigit((unsigned char)*t) || *end) {
        spec_complain(a->src, a->v->pos, "expected %s, found \"%.80s\"", what, t);
        return 1;
    }
    if (!within(a->k, (double)lo) || !within(a->k, (double)hi))
        return out_of_range(a, "1", "65535");
    if (lo > hi) {
        spec_complain(a->src, a->v->pos, "the range ends before it begins: \"%.80s\"",
                      t);
        return 1;
    }
    ((int64_t *)a->at)[0] = (int64_t)lo;
    ((int64_t *)a->at)[1] = (int64_t)hi;
    return 0;
}
