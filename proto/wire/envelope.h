/* SPDX-License-Identifier: MIT */
/* envelope - the fixed header around every payload.
 *
 * Little endian: u32 source, u32 destination, u32 attempt, u16 type, u16 flags (0),
 * u64 head epoch, u64 sequence, u64 acknowledgement, then the payload.
 * Addresses: 0 the head, node index + 1 an agent. Sequence 0: not sequenced (CREDIT,
 * PING, PONG and type 0: acknowledgements and the first frame of a link).
 */
#ifndef PROTO_WIRE_ENVELOPE_H
#define PROTO_WIRE_ENVELOPE_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/err.h"

#define ENVELOPE_BYTES 40

struct envelope {
    uint32_t source, destination, attempt;
    uint16_t type, flags;
    uint64_t epoch, seq, ack;
    const uint8_t *payload; /* into the caller's bytes */
    size_t payload_len;
};

void envelope_encode(const struct envelope *v, uint8_t ret[ENVELOPE_BYTES]);
/* ERR_PROTO: too short, or flags that this version does not know. */
int envelope_decode(const void *data, size_t len, struct envelope *ret, struct err *e);

#endif
