/* SPDX-License-Identifier: MIT */
/* xid.c - see xid.h. */
#include "agent/xid.h"

#include <stdio.h>
#include <string.h>

#define KERNEL_LEVELS \
    8u /* of its facility, 0; another is a multiple added to the level */
#define DIGITS_MOST 6u
#define DOMAIN_MOST 8u

struct rest {
    const char *at, *end;
};

static bool starts(struct rest *r, const char *with)
{
    size_t n = strlen(with);
    if ((size_t)(r->end - r->at) < n || memcmp(r->at, with, n) != 0)
        return false;
    r->at += n;
    return true;
}

static bool number(struct rest *r, uint32_t *ret)
{
    uint32_t v = 0;
    size_t n = 0;
    for (; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++) {
        if (++n > DIGITS_MOST)
            return false;
        v = 10 * v + (uint32_t)(*r->at - '0');
    }
    *ret = v;
    return n > 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = c >= 'A' && c <= 'F' ? (char)(c + 'a' - 'A') : c;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool hex(struct rest *r, size_t most, uint32_t *ret)
{
    uint32_t v = 0;
    size_t n = 0;
    for (; r->at < r->end && hex_digit(*r->at) >= 0; r->at++) {
        if (++n > most)
            return false;
        v = 16 * v + (uint32_t)hex_digit(*r->at);
    }
    *ret = v;
    return n > 0;
}

/* "0000:3b:00" or "00000000:3b:00.0" */
static bool bus(struct rest *r, char ret[LIMIT_FAULT_BUS + 1])
{
    uint32_t domain, number_, device, function = 0;
    if (!hex(r, DOMAIN_MOST, &domain) || !starts(r, ":") || !hex(r, 2, &number_) ||
        !starts(r, ":") || !hex(r, 2, &device))
        return false;
    if (starts(r, ".") && !hex(r, 1, &function))
        return false;
    (void)snprintf(ret, LIMIT_FAULT_BUS + 1, "%04x:%02x:%02x.%x", domain, number_,
                   device, function);
    return true;
}

static void copy_text(struct rest *r, char ret[LIMIT_FAULT_TEXT + 1])
{
    size_t n = 0;
    for (; r->at < r->end && n < LIMIT_FAULT_TEXT; r->at++)
        ret[n++] = *r->at >= ' ' && *r->at <= '~' ? *r->at : '?';
    ret[n] = '\0';
}

bool xid_parse(const char *record, size_t len, struct xid *ret)
{
    struct rest r = {record, record + len};
    struct xid x = {0};
    uint32_t level;
    if (!number(&r, &level) || level >= KERNEL_LEVELS || !starts(&r, ","))
        return false;
    const char *text = memchr(r.at, ';', (size_t)(r.end - r.at));
    if (!text)
        return false;
    r.at = text + 1;
    if (!starts(&r, "NVRM: Xid ("))
        return false;
    (void)starts(&r, "PCI:");
    if (!bus(&r, x.bus))
        return false;
    const char *close = memchr(r.at, ')', (size_t)(r.end - r.at));
    if (!close || (close != r.at && *r.at != ' '))
        return false;
    r.at = close + 1;
    if (!starts(&r, ": ") || !number(&r, &x.number))
        return false;
    if (starts(&r, ", "))
        copy_text(&r, x.text);
    else if (r.at != r.end)
        return false;
    *ret = x;
    return true;
}
