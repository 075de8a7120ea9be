/* SPDX-License-Identifier: MIT */
/* cur.c - see cur.h. */
#include "proto/base/cur.h"

#include <string.h>

struct cur cur_of(const void *data, size_t len)
{
    const uint8_t *p = data;
    return (struct cur){.p = p, .end = p ? p + len : p};
}

size_t cur_left(const struct cur *c)
{
    return (size_t)(c->end - c->p);
}

const uint8_t *cur_take(struct cur *c, size_t len)
{
    if (c->bad || cur_left(c) < len) {
        c->bad = true;
        return NULL;
    }
    const uint8_t *at = c->p;
    c->p += len;
    return at;
}

static uint64_t cur_le(struct cur *c, size_t len)
{
    const uint8_t *p = cur_take(c, len);
    uint64_t v = 0;
    if (!p)
        return 0;
    for (size_t i = len; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

uint8_t cur_u8(struct cur *c)
{
    return (uint8_t)cur_le(c, 1);
}

uint16_t cur_u16(struct cur *c)
{
    return (uint16_t)cur_le(c, 2);
}

uint32_t cur_u32(struct cur *c)
{
    return (uint32_t)cur_le(c, 4);
}

uint64_t cur_u64(struct cur *c)
{
    return cur_le(c, 8);
}

void cur_bytes(struct cur *c, void *dst, size_t len)
{
    const uint8_t *p = cur_take(c, len);
    if (p)
        memcpy(dst, p, len);
    else
        memset(dst, 0, len);
}

static uint8_t *put_le(uint8_t *p, uint64_t v, size_t len)
{
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)(v >> (8 * i));
    return p + len;
}

uint8_t *put_u8(uint8_t *p, uint8_t v)
{
    return put_le(p, v, 1);
}

uint8_t *put_u16(uint8_t *p, uint16_t v)
{
    return put_le(p, v, 2);
}

uint8_t *put_u32(uint8_t *p, uint32_t v)
{
    return put_le(p, v, 4);
}

uint8_t *put_u64(uint8_t *p, uint64_t v)
{
    return put_le(p, v, 8);
}
