/* SPDX-License-Identifier: MIT */
/* toml_date.c - the form and the ranges of dates and times (RFC 3339, with TOML's local
 * forms). The text itself is the value: this project computes with none of them. */
#include "proto/base/toml_internal.h"

struct scan {
    const char *p, *end;
    const char *why;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool digits_at(const struct scan *s, long from, long n)
{
    if (s->end - s->p < from + n)
        return false;
    for (long i = from; i < from + n; i++) {
        if (!is_digit(s->p[i]))
            return false;
    }
    return true;
}

static bool take(struct scan *s, char c)
{
    if (s->why || s->p == s->end || *s->p != c)
        return false;
    s->p++;
    return true;
}

static unsigned number(struct scan *s, long n, unsigned lo, unsigned hi,
                       const char *why)
{
    unsigned v = 0;
    if (s->why)
        return 0;
    if (!digits_at(s, 0, n)) {
        s->why = why;
        return 0;
    }
    for (long i = 0; i < n; i++)
        v = v * 10 + (unsigned)(*s->p++ - '0');
    if (v < lo || v > hi)
        s->why = why;
    return v;
}

static void need(struct scan *s, char c, const char *why)
{
    if (!s->why && !take(s, c))
        s->why = why;
}

static void date(struct scan *s)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30,
                                         31, 31, 30, 31, 30, 31};
    const char *form = "a date is written 2025-01-31";
    unsigned year = number(s, 4, 0, 9999, form);
    need(s, '-', form);
    unsigned month = number(s, 2, 1, 12, "the month is 01 to 12");
    need(s, '-', form);
    unsigned day = number(s, 2, 1, 31, "the day is 01 to 31");
    if (s->why)
        return;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (day > days[month - 1] + (month == 2 && leap ? 1u : 0u))
        s->why = "this month has no such day";
}

static void time_of_day(struct scan *s)
{
    const char *form = "a time is written 07:32:00";
    number(s, 2, 0, 23, "the hour is 00 to 23");
    need(s, ':', form);
    number(s, 2, 0, 59, "the minute is 00 to 59");
    need(s, ':', form);
    number(s, 2, 0, 60, "the second is 00 to 60"); /* 60: a leap second */
    if (!take(s, '.'))
        return;
    number(s, 1, 0, 9, "a fraction of a second needs a digit");
    while (!s->why && s->p < s->end && is_digit(*s->p))
        s->p++;
}

static void offset(struct scan *s)
{
    if (take(s, 'Z') || take(s, 'z') || !(take(s, '+') || take(s, '-')))
        return;
    number(s, 2, 0, 23, "the hours of an offset are 00 to 23");
    need(s, ':', "an offset is written +01:00");
    number(s, 2, 0, 59, "the minutes of an offset are 00 to 59");
}

size_t toml_date(const char *at, const char *end, const char **ret_why)
{
    struct scan s = {.p = at, .end = end};
    if (digits_at(&s, 0, 2) && end - at > 2 && at[2] == ':') {
        time_of_day(&s);
    } else {
        date(&s);
        bool spaced =
            digits_at(&s, 1, 2) && end - s.p > 3 && *s.p == ' ' && s.p[3] == ':';
        if (take(&s, 'T') || take(&s, 't') || (spaced && take(&s, ' '))) {
            time_of_day(&s);
            offset(&s);
        }
    }
    *ret_why = s.why;
    return s.why ? 0 : (size_t)(s.p - at);
}
