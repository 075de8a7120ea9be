/* SPDX-License-Identifier: MIT */
/* cur - a bounded little-endian reader with a sticky error.
 *
 * Read all fields, then check `bad` once. A read past the end gives zeros and sets
 * it. The bytes stay the caller's. The put functions write into a place that the
 * caller has sized.
 */
#ifndef PROTO_BASE_CUR_H
#define PROTO_BASE_CUR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cur {
    const uint8_t *p;
    const uint8_t *end;
    bool bad;
};

struct cur cur_of(const void *data, size_t len);
size_t cur_left(const struct cur *c);
uint8_t cur_u8(struct cur *c);
uint16_t cur_u16(struct cur *c);
uint32_t cur_u32(struct cur *c);
uint64_t cur_u64(struct cur *c);
/* Copy exactly len bytes; dst is zeroed when they are not there. */
void cur_bytes(struct cur *c, void *dst, size_t len);
/* len bytes in place, NULL when they are not there. */
const uint8_t *cur_take(struct cur *c, size_t len);

uint8_t *put_u8(uint8_t *p, uint8_t v);
uint8_t *put_u16(uint8_t *p, uint16_t v);
uint8_t *put_u32(uint8_t *p, uint32_t v);
uint8_t *put_u64(uint8_t *p, uint64_t v);

#endif
