/* SPDX-License-Identifier: MIT */
/* pcicaps.c - see pcicaps.h. Two linked lists: capabilities from byte 0x40 on, and the
 * extended ones from 0x100 on. A step is taken once per place at most, so that a list in a
 * loop ends. */
#include "agent/audit/pcicaps.h"

#include <string.h>

#define CAP_EXPRESS 0x10u
#define EXT_ACS     0x000du
#define NONE        0xffffu

static uint16_t u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t u32(const uint8_t *p)
{
    return u16(p) | (uint32_t)u16(p + 2) << 16;
}

static unsigned payload_of(unsigned code)
{
    return code < 6 ? 128u << code : 0;
}

/* Where its capability of that id begins, or 0. */
static size_t find(const uint8_t *b, size_t n, unsigned id, struct pcicaps *ret)
{
    size_t most = n < PCICAPS_BASIC ? n : PCICAPS_BASIC;
    size_t at = b[0x34] & ~3u, steps = (PCICAPS_BASIC - PCICAPS_HEADER) / 4;
    if (!(b[0x06] & 0x10u)) /* it has no list */
        return 0;
    for (; at && steps; steps--) {
        if (at < PCICAPS_HEADER) {
            ret->broken = true;
            return 0;
        }
        if (at + 2 > most) {
            ret->cut = true;
            return 0;
        }
        if (b[at] == id)
            return at;
        at = b[at + 1] & ~3u;
    }
    ret->broken |= !steps && at;
    return 0;
}

static void parse_express(const uint8_t *p, size_t n, struct pcicaps *ret)
{
    if (n < 0x14) {
        ret->cut = true;
        return;
    }
    unsigned flags = u16(p + 2), control = u16(p + 8);
    ret->express = true;
    ret->payload_most = payload_of(u32(p + 4) & 7);
    ret->payload = payload_of(control >> 5 & 7);
    ret->relaxed = control & 0x10;
    ret->aspm = u16(p + 0x10) & 3;
    if ((flags & 0xf) < 2)
        return;
    if (n < 0x2a) {
        ret->cut = true;
        return;
    }
    uint32_t can = u32(p + 0x24);
    uint16_t does = u16(p + 0x28);
    ret->second = true;
    ret->routes = can & 0x40;
    ret->completes = (can & 0x180) == 0x180;
    ret->requests = does & 0x40;
    ret->blocks = does & 0x80;
}

static void parse_extended(const uint8_t *b, size_t n, struct pcicaps *ret)
{
    size_t at = PCICAPS_BASIC, steps = (PCICAPS_WHOLE - PCICAPS_BASIC) / 4;
    for (; at && steps; steps--) {
        if (at < PCICAPS_BASIC) {
            ret->broken = true;
            return;
        }
        if (at + 8 > n) {
            ret->cut = true;
            return;
        }
        uint32_t head = u32(b + at);
        if (head == 0 || head == UINT32_MAX) /* an empty list; nothing answers */
            return;
        if ((head & 0xffff) == EXT_ACS) {
            ret->acs = true;
            ret->acs_control = u16(b + at + 6);
            return;
        }
        at = head >> 20 & ~3u;
    }
    ret->broken |= !steps && at;
}

void pcicaps_parse(const uint8_t *bytes, size_t n, struct pcicaps *ret)
{
    memset(ret, 0, sizeof *ret);
    if (n < PCICAPS_HEADER) {
        ret->cut = true;
        return;
    }
    if (u16(bytes) == NONE) {
        ret->broken = true;
        return;
    }
    n = n < PCICAPS_WHOLE ? n : PCICAPS_WHOLE;
    size_t at = find(bytes, n, CAP_EXPRESS, ret),
           most = n < PCICAPS_BASIC ? n : PCICAPS_BASIC;
    if (at)
        parse_express(bytes + at, most - at, ret);
    ret->extended = n > PCICAPS_BASIC;
    if (ret->extended)
        parse_extended(bytes, n, ret);
}
