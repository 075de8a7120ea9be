/* SPDX-License-Identifier: MIT */
/* hello - the bytes of HELLO and WELCOME, see PROTOCOL.md section 3. A part of secure, which
 * adds and checks the MAC behind them. */
#ifndef PROTO_WIRE_HELLO_H
#define PROTO_WIRE_HELLO_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"
#include "proto/wire/secure.h"

#define HELLO_PUBLIC_BYTES 32
#define HELLO_MAC_BYTES    32
/* magic, kind, version min, version max, zero, run, node, zero, epoch, public key */
#define HELLO_FIXED (4 + 4 + SECURE_RUN_BYTES + 4 + 4 + 8 + HELLO_PUBLIC_BYTES)
#define HELLO_BYTES (HELLO_FIXED + HELLO_MAC_BYTES)
_Static_assert(HELLO_BYTES == 96, "see PROTOCOL.md");

enum hello_kind { HELLO_KIND = 1, WELCOME_KIND = 2 };

struct hello {
    uint8_t kind, version_min, version_max;
    uint8_t run_id[SECURE_RUN_BYTES];
    uint32_t node;
    uint64_t epoch;
    uint8_t public[HELLO_PUBLIC_BYTES];
};

/* All but the MAC. */
void hello_encode(const struct hello *h, uint8_t ret[HELLO_FIXED]);
/* The fixed part of a message that has room for its MAC; what a newer peer may have added
 * between is passed over. ERR_PROTO: something else. */
int hello_decode(const uint8_t *data, size_t len, enum hello_kind kind,
                 struct hello *ret, struct err *e);

#endif
