/* SPDX-License-Identifier: MIT */
/* hello.c - see hello.h. */
#include "proto/wire/hello.h"

#include <string.h>

#include "proto/base/cur.h"

void hello_encode(const struct hello *h, uint8_t ret[HELLO_FIXED])
{
    uint8_t *p = ret;
    memcpy(p, "AOLS", 4);
    p = put_u8(p + 4, h->kind);
    p = put_u8(p, h->version_min);
    p = put_u8(p, h->version_max);
    p = put_u8(p, 0);
    memcpy(p, h->run_id, SECURE_RUN_BYTES);
    p = put_u32(p + SECURE_RUN_BYTES, h->node);
    p = put_u32(p, 0);
    p = put_u64(p, h->epoch);
    memcpy(p, h->public, HELLO_PUBLIC_BYTES);
}

int hello_decode(const uint8_t *data, size_t len, enum hello_kind kind,
                 struct hello *ret, struct err *e)
{
    struct cur c = cur_of(data, len);
    uint8_t magic[4];
    cur_bytes(&c, magic, sizeof magic);
    ret->kind = cur_u8(&c);
    ret->version_min = cur_u8(&c);
    ret->version_max = cur_u8(&c);
    (void)cur_u8(&c);
    cur_bytes(&c, ret->run_id, sizeof ret->run_id);
    ret->node = cur_u32(&c);
    (void)cur_u32(&c);
    ret->epoch = cur_u64(&c);
    cur_bytes(&c, ret->public, sizeof ret->public);
    if (c.bad || cur_left(&c) < HELLO_MAC_BYTES || memcmp(magic, "AOLS", 4) != 0 ||
        ret->kind != kind)
        return err_set(e, ERR_PROTO, "read a handshake: not a %s",
                       kind == HELLO_KIND ? "hello" : "welcome");
    return 0;
}
