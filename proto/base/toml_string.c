/* SPDX-License-Identifier: MIT */
/* toml_string.c - the four kinds of strings, and quoted keys.
 *
 * First the end is found, then the text between is decoded: no escape grows when it is
 * decoded, so the raw length bounds the memory. The text is clean already
 * (toml_text.c).
 */
#include "proto/base/toml_internal.h"
#include "proto/base/utf8.h"

#include <string.h>

struct quoted {
    const char *open;      /* at the first quote */
    const char *from, *to; /* what is between the quotes */
    const char *after;     /* past the last quote */
    bool basic, multi;
};

/* Find the closing quotes; false when there are none. */
static bool find_end(struct quoted *q, const char *end)
{
    char quote = *q->open;
    for (const char *s = q->from; s < end;) {
        if (*s == '\n' && !q->multi)
            return false;
        if (*s == '\\' && q->basic) {
            if (s + 1 < end && s[1] == '\n' && !q->multi)
                return false;
            s += 2;
            continue;
        }
        size_t run = 0;
        while (s + run < end && s[run] == quote)
            run++;
        if (run && !q->multi) {
            q->to = s;
            q->after = s + 1;
            return true;
        }
        if (run >= 3) { /* up to two quotes may stand before the closing three */
            q->to = s + (run > 5 ? 2 : run - 3);
            q->after = q->to + 3;
            return true;
        }
        s += run ? run : 1;
    }
    return false;
}

static bool quoted_open(struct quoted *q, const char *at, const char *end,
                        bool may_multi)
{
    *q = (struct quoted){.open = at, .from = at + 1, .basic = *at == '"'};
    if (may_multi && end - at >= 3 && at[1] == *at && at[2] == *at) {
        q->multi = true;
        q->from = at + 3;
        if (q->from < end && *q->from == '\n')
            q->from++;
    }
    return find_end(q, end);
}

static bool hex_value(const char *s, const char *end, size_t n, uint32_t *ret)
{
    if ((size_t)(end - s) < n)
        return false;
    uint32_t v = 0;
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        uint32_t d;
        if (c >= '0' && c <= '9')
            d = (uint32_t)(c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            d = (uint32_t)((c | 0x20) - 'a' + 10);
        else
            return false;
        v = v << 4 | d;
    }
    *ret = v;
    return true;
}

/* A backslash, spaces and a line end swallow all white space that follows. */
static const char *skip_line_end(const char *s, const char *end)
{
    const char *t = s;
    while (t < end && (*t == ' ' || *t == '\t'))
        t++;
    if (t == end || *t != '\n')
        return NULL;
    while (t < end && (*t == ' ' || *t == '\t' || *t == '\n'))
        t++;
    return t;
}

/* The escape whose backslash is at s, into *out; returns past it, NULL with why. */
static const char *decode_escape(const char *s, const char *end, char **out,
                                 const char **why)
{
    static const char names[] = "btnfr\"\\", values[] = "\b\t\n\f\r\"\\";
    const char *found = s + 1 < end ? memchr(names, s[1], sizeof names - 1) : NULL;
    if (found) {
        *(*out)++ = values[found - names];
        return s + 2;
    }
    size_t n = s + 1 >= end ? 0 : s[1] == 'u' ? 4 : s[1] == 'U' ? 8 : 0;
    uint32_t c;
    if (n == 0)
        *why =
            "no such escape; for text with backslashes use '...' in place of \"...\"";
    else if (!hex_value(s + 2, end, n, &c))
        *why = n == 4 ? "\\u needs 4 hexadecimal digits"
                      : "\\U needs 8 hexadecimal digits";
    else if (!utf8_is_scalar(c))
        *why = "this number is no Unicode character";
    else {
        *out += utf8_encode(c, *out);
        return s + 2 + n;
    }
    return NULL;
}

static int decode(struct toml_parser *p, const struct quoted *q, char **ret,
                  size_t *ret_len)
{
    char *out = toml_alloc(p, (size_t)(q->to - q->from) + 1);
    if (!out)
        return -1;
    *ret = out;
    bool told = false; /* a Windows path has a bad escape at each step: one will do */
    for (const char *s = q->from; s < q->to;) {
        if (*s != '\\' || !q->basic) {
            *out++ = *s++;
            continue;
        }
        const char *why = NULL;
        const char *next = q->multi ? skip_line_end(s + 1, q->to) : NULL;
        if (!next)
            next = decode_escape(s, q->to, &out, &why);
        if (why && !told)
            toml_fail(p, s, "%s", why);
        told = told || why;
        if (why)
            *out++ = *s;
        s = why ? s + 1 : next;
    }
    *ret_len = (size_t)(out - *ret);
    return 0;
}

int toml_read_string(struct toml_parser *p, struct toml_node *node)
{
    struct quoted q;
    if (!quoted_open(&q, p->at, p->end, true)) {
        toml_fail(p, p->at, "this string is never closed");
        if (q.multi)
            p->at = p->end;
        return -1;
    }
    node->type = TOML_STRING;
    int rc = decode(p, &q, &node->u.string.data, &node->u.string.len);
    p->at = q.after;
    return rc;
}

int toml_read_quoted_key(struct toml_parser *p, char **ret, size_t *ret_len)
{
    struct quoted q;
    if (p->end - p->at >= 3 && p->at[1] == *p->at && p->at[2] == *p->at)
        return toml_fail(p, p->at, "a key cannot be a string of several lines");
    if (!quoted_open(&q, p->at, p->end, false))
        return toml_fail(p, p->at, "this key's quote is never closed");
    int rc = decode(p, &q, ret, ret_len);
    p->at = q.after;
    return rc;
}
