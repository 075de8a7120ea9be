/* SPDX-License-Identifier: MIT */
/* toml_scalar.c - numbers and booleans; what looks like a date goes to toml_date.c.
 *
 * The characters that may belong together are taken as one word and judged as a whole,
 * so that a bad one ("1h", "0x", "1__0") is one error and reading goes on behind it.
 */
#include "proto/base/toml_internal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct word {
    const char *s, *end;
};

static bool is_digit(char c, unsigned base)
{
    if (base == 16 && (c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return true;
    return c >= '0' && c <= '9' && (unsigned)(c - '0') < base;
}

static bool is_word(char c)
{
    return is_digit(c, 16) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' ||
           c == '+' || c == '-' || c == '.' || c == ':';
}

static bool word_is(struct word w, const char *text)
{
    size_t n = strlen(text);
    return (size_t)(w.end - w.s) == n && memcmp(w.s, text, n) == 0;
}

/* Digits with single underscores between them: past them, NULL when there are none. */
static const char *digits(const char *s, const char *end, unsigned base)
{
    if (s == end || !is_digit(*s, base))
        return NULL;
    for (s++; s < end; s++) {
        bool joint = *s == '_' && s + 1 < end && is_digit(s[1], base);
        if (!joint && !is_digit(*s, base))
            break;
    }
    return s;
}

static const char *const past_range = "this integer does not fit in 64 bits";

static const char *sum_digits(struct word w, unsigned base, bool minus, int64_t *ret)
{
    uint64_t max = (uint64_t)INT64_MAX + (minus ? 1 : 0), v = 0;
    for (; w.s < w.end; w.s++) {
        if (*w.s == '_')
            continue;
        unsigned d = is_digit(*w.s, 10) ? (unsigned)(*w.s - '0')
                                        : (unsigned)((*w.s | 0x20) - 'a' + 10);
        if (v > (max - d) / base)
            return past_range;
        v = v * base + d;
    }
    *ret = minus ? (int64_t)(~v + 1) : (int64_t)v;
    return NULL;
}

static const char *read_based(struct word w, struct toml_node *node)
{
    unsigned base = w.s[1] == 'x' ? 16 : w.s[1] == 'o' ? 8 : 2;
    w.s += 2;
    if (digits(w.s, w.end, base) != w.end)
        return base == 16
                   ? "0x needs hexadecimal digits, with single \"_\" between them"
               : base == 8 ? "0o needs digits 0 to 7, with single \"_\" between them"
                           : "0b needs digits 0 and 1, with single \"_\" between them";
    node->type = TOML_INTEGER;
    return sum_digits(w, base, false, &node->u.integer);
}

/* w has the form of a float. No program of ours calls setlocale, so that strtod reads
 * a point as a point. */
static const char *read_float(struct toml_parser *p, struct word w,
                              struct toml_node *node)
{
    char *copy = toml_alloc(p, (size_t)(w.end - w.s) + 1), *to = copy;
    if (!copy)
        return NULL;
    for (; w.s < w.end; w.s++) {
        if (*w.s != '_')
            *to++ = *w.s;
    }
    node->type = TOML_FLOAT;
    node->u.number = strtod(copy, NULL);
    return isinf(node->u.number) ? "this number is too large; write inf for infinity"
                                 : NULL;
}

static const char *read_number(struct toml_parser *p, struct word w,
                               struct toml_node *node)
{
    const char *no_number = "not a number, date or boolean; a string needs quotes";
    struct word all = w;
    bool minus = *w.s == '-';
    if (*w.s == '+' || *w.s == '-')
        w.s++;
    if (word_is(w, "inf") || word_is(w, "nan")) {
        node->type = TOML_FLOAT;
        node->u.number = *w.s == 'i' ? (double)INFINITY : (double)NAN;
        if (minus)
            node->u.number = -node->u.number;
        return NULL;
    }
    if (w.s == all.s && w.end - w.s >= 2 && *w.s == '0' && strchr("xob", w.s[1]))
        return read_based(w, node);
    const char *at = digits(w.s, w.end, 10);
    if (!at)
        return no_number;
    bool zero = *w.s == '0' && at - w.s > 1;
    bool whole = at == w.end;
    if (!whole && *at == '.')
        at = digits(at + 1, w.end, 10);
    if (at && at < w.end && (*at | 0x20) == 'e') {
        at++;
        if (at < w.end && (*at == '+' || *at == '-'))
            at++;
        at = digits(at, w.end, 10);
    }
    if (at != w.end)
        return no_number;
    if (zero)
        return "a number cannot start with 0";
    if (!whole)
        return read_float(p, all, node);
    node->type = TOML_INTEGER;
    return sum_digits(w, 10, minus, &node->u.integer);
}

/* Keep the raw text of a value that was complained of, so that the key is not missing.
 */
static int keep_text(struct toml_parser *p, struct word w, struct toml_node *node)
{
    size_t n = (size_t)(w.end - w.s);
    node->u.string.data = toml_alloc(p, n + 1);
    if (!node->u.string.data)
        return -1;
    memcpy(node->u.string.data, w.s, n);
    node->u.string.len = n;
    return 0;
}

/* After a word that is no value: can what follows still be read? */
static bool value_ends(const char *s)
{
    while (*s == ' ' || *s == '\t')
        s++;
    return *s == '\0' || strchr(",]}\n#", *s);
}

static const char *read_word(struct toml_parser *p, struct word w,
                             struct toml_node *node)
{
    if (word_is(w, "true") || word_is(w, "false")) {
        node->type = TOML_BOOLEAN;
        node->u.boolean = *w.s == 't';
        return NULL;
    }
    return read_number(p, w, node);
}

int toml_read_scalar(struct toml_parser *p, struct toml_node *node)
{
    struct word w = {p->at, p->at};
    while (w.end < p->end && is_word(*w.end))
        w.end++;
    if (w.s == w.end) {
        char buf[48];
        return toml_fail(p, p->at, "expected a value, found %s",
                         toml_found(p, p->at, buf));
    }
    const char *four = digits(w.s, w.end, 10);
    const char *why;
    bool date =
        four && four < w.end &&
        ((*four == '-' && four - w.s == 4) || (*four == ':' && four - w.s == 2));
    if (date) {
        size_t n = toml_date(w.s, p->end, &why);
        if (n) {
            node->type = TOML_DATETIME;
            why = is_word(w.s[n]) ? "text after a date or time" : NULL;
            w.end = w.s + n > w.end ? w.s + n : w.end;
        }
    } else {
        why = read_word(p, w, node);
    }
    p->at = w.end;
    if (!why)
        return date ? keep_text(p, w, node) : 0;
    int n = w.end - w.s > 40 ? 40 : (int)(w.end - w.s);
    toml_fail(p, w.s, "cannot read \"%.*s\": %s", n, w.s, why);
    node->type = TOML_STRING;
    if (keep_text(p, w, node) < 0 || !value_ends(p->at))
        return -1;
    return 0;
}
