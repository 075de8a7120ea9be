/* SPDX-License-Identifier: MIT */
/* utf8.c - see utf8.h. */
#include "proto/base/utf8.h"

#include <string.h>

bool utf8_is_scalar(uint32_t c)
{
    return c < 0xd800 || (c > 0xdfff && c <= 0x10ffff);
}

size_t utf8_decode(const char *s, size_t len, uint32_t *ret)
{
    static const struct {
        uint8_t mask, lead;
        uint32_t least; /* smaller values are overlong in this many bytes */
    } forms[] = {
        {0x80, 0x00, 0},
        {0xe0, 0xc0, 0x80},
        {0xf0, 0xe0, 0x800},
        {0xf8, 0xf0, 0x10000},
    };
    if (len == 0)
        return 0;
    uint8_t lead = (uint8_t)s[0];
    size_t n = 1;
    while (n <= 4 && (lead & forms[n - 1].mask) != forms[n - 1].lead)
        n++;
    if (n > 4 || n > len)
        return 0;
    uint32_t c = lead & (uint8_t)~forms[n - 1].mask;
    for (size_t i = 1; i < n; i++) {
        if (((uint8_t)s[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | ((uint8_t)s[i] & 0x3f);
    }
    if (c < forms[n - 1].least || !utf8_is_scalar(c))
        return 0;
    *ret = c;
    return n;
}

size_t utf8_encode(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    out[0] = (char)(lead[n] | c);
    return n;
}

unsigned utf8_width(uint32_t c)
{
    /* The ranges that matter in a line of a job file; wcwidth() would need a locale. */
    static const struct {
        uint32_t first, last;
        unsigned width;
    } ranges[] = {
        {0x0300, 0x036f, 0}, {0x1100, 0x115f, 2},   {0x200b, 0x200f, 0},
        {0x20d0, 0x20ff, 0}, {0x2e80, 0x303e, 2},   {0x3041, 0xa4cf, 2},
        {0xac00, 0xd7a3, 2}, {0xf900, 0xfaff, 2},   {0xfe00, 0xfe0f, 0},
        {0xfe30, 0xfe6f, 2}, {0xfeff, 0xfeff, 0},   {0xff00, 0xff60, 2},
        {0xffe0, 0xffe6, 2}, {0x1f300, 0x1faff, 2}, {0x20000, 0x3fffd, 2},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        if (c >= ranges[i].first && c <= ranges[i].last)
            return ranges[i].width;
    }
    return 1;
}

void utf8_make_printable(char *text)
{
    size_t left = strlen(text);
    for (size_t n; left > 0; text += n, left -= n) {
        uint32_t c = 0;
        n = utf8_decode(text, left, &c);
        bool plain = n > 0 && c >= ' ' && (c < 0x7f || c > 0x9f);
        n = n > 0 ? n : 1;
        if (!plain)
            memset(text, *text == '\n' || *text == '\t' ? ' ' : '?', n);
    }
}
