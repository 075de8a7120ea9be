/* SPDX-License-Identifier: MIT */
/* envelope.c - see envelope.h. */
#include "proto/wire/envelope.h"

#include "proto/base/cur.h"

void envelope_encode(const struct envelope *v, uint8_t ret[ENVELOPE_BYTES])
{
    uint8_t *p = ret;
    p = put_u32(p, v->source);
    p = put_u32(p, v->destination);
    p = put_u32(p, v->attempt);
    p = put_u16(p, v->type);
    p = put_u16(p, v->flags);
    p = put_u64(p, v->epoch);
    p = put_u64(p, v->seq);
    (void)put_u64(p, v->ack);
}

int envelope_decode(const void *data, size_t len, struct envelope *ret, struct err *e)
{
    struct cur c = cur_of(data, len);
    struct envelope v = {0};
    v.source = cur_u32(&c);
    v.destination = cur_u32(&c);
    v.attempt = cur_u32(&c);
    v.type = cur_u16(&c);
    v.flags = cur_u16(&c);
    v.epoch = cur_u64(&c);
    v.seq = cur_u64(&c);
    v.ack = cur_u64(&c);
    if (c.bad)
        return err_set(e, ERR_PROTO, "read an envelope: %zu bytes of %d", len,
                       ENVELOPE_BYTES);
    if (v.flags != 0)
        return err_set(e, ERR_PROTO, "read an envelope: unknown flags 0x%04x", v.flags);
    v.payload = c.p;
    v.payload_len = cur_left(&c);
    *ret = v;
    return 0;
}
