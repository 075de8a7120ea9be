/* SPDX-License-Identifier: MIT */
/* gate - how much of the head's time a peer may take up before it has proved itself. Pure.
 *
 * A HELLO under a node's key costs an exchange. Whoever has recorded one can send it again
 * and again, but not make another: so a HELLO that came before is refused, and one node's
 * HELLOs are no more than a node needs that calls again and again. Other nodes pay nothing
 * for it.
 */
#ifndef LAUNCHER_GATE_H
#define LAUNCHER_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/limits.h"
#include "proto/wire/hello.h"

struct gate { /* of one node; zeroes to begin with */
    uint8_t seen[LIMIT_HELLOS_KEPT][HELLO_PUBLIC_BYTES];
    unsigned n, next;
    unsigned spent; /* of LIMIT_HELLO_BURST */
    uint64_t since_ms;
};
/* The node's key has signed this; point: its fresh key. False: do nothing for it. */
bool gate_hello(struct gate *g, const uint8_t point[HELLO_PUBLIC_BYTES],
                uint64_t now_ms);

#endif
