/* SPDX-License-Identifier: MIT */
/* clock.c - see clock.h. */
#include "proto/base/clock.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* No run lasts longer; below it, sums of a few durations in ms or ns cannot overflow. */
static const uint64_t longest_ms = 3650ull * 86400 * 1000;

static const struct unit {
    const char *name;
    uint64_t ms;
} units[] = {
    /* from long to short: the order in which they may be combined */
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1},
};
#define N_UNITS (sizeof units / sizeof *units)

static uint64_t now_ns(clockid_t id)
{
    struct timespec t;
    int rc = clock_gettime(id, &t);
    assert(rc == 0); /* both clocks are in every Linux */
    (void)rc;
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t clock_mono_ns(void)
{
    return now_ns(CLOCK_MONOTONIC);
}

uint64_t clock_real_ns(void)
{
    return now_ns(CLOCK_REALTIME);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int bad_form(const char *text, struct err *e)
{
    err_set(e, -EINVAL, "\"%.40s\" is not a duration", text);
    err_hint(e,
             "write whole numbers with d, h, m, s or ms, as in \"90s\" or \"1h30m\"");
    return -EINVAL;
}

/* Add the number at *at to the sum; a number past `longest_ms` stays past it. */
static bool read_number(const char **at, uint64_t *ret)
{
    uint64_t v = 0;
    const char *s = *at;
    for (; is_digit(*s); s++) {
        if (v <= longest_ms)
            v = v * 10 + (uint64_t)(*s - '0');
    }
    bool any = s != *at;
    *at = s;
    *ret = v;
    return any;
}

/* Index of the unit whose name is the letters at *at, from `least` on; -1 for none. */
static int read_unit(const char **at, size_t least)
{
    size_t n = strspn(*at, "dhms");
    for (size_t i = least; i < N_UNITS; i++) {
        if (strlen(units[i].name) == n && memcmp(units[i].name, *at, n) == 0) {
            *at += n;
            return (int)i;
        }
    }
    return -1;
}

int clock_parse_duration(const char *text, uint64_t *ret_ms, struct err *e)
{
    uint64_t sum = 0, v;
    size_t next = 0; /* the longest unit that may still come */
    const char *s = text;
    do {
        if (!read_number(&s, &v))
            return bad_form(text, e);
        uint64_t ms = 1000;
        if (*s != '\0' || next > 0) {
            int i = read_unit(&s, next);
            if (i < 0)
                return bad_form(text, e);
            ms = units[i].ms;
            next = (size_t)i + 1;
        }
        if (sum <= longest_ms) /* the rest is still read: its form may be wrong too */
            sum = v > longest_ms / ms ? longest_ms + 1 : sum + v * ms;
    } while (*s != '\0');
    if (sum > longest_ms)
        return err_set(e, -ERANGE, "\"%.40s\" is longer than 10 years", text);
    *ret_ms = sum;
    return 0;
}

const char *clock_format_duration(uint64_t ms, char *buf, size_t len)
{
    unsigned long long s = ms / 1000, m = s / 60, h = m / 60, d = h / 24;
    if (ms < 1000)
        (void)snprintf(buf, len, "%llu ms", (unsigned long long)ms);
    else if (s < 60)
        (void)snprintf(buf, len, "%llu.%llu s", s,
                       (unsigned long long)(ms % 1000 / 100));
    else if (m < 60)
        (void)snprintf(buf, len, "%llu m %02llu s", m, s % 60);
    else if (h < 24)
        (void)snprintf(buf, len, "%llu h %02llu m", h, m % 60);
    else
        (void)snprintf(buf, len, "%llu d %02llu h", d, h % 24);
    return buf;
}
