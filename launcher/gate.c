/* SPDX-License-Identifier: MIT */
/* gate.c - see gate.h. */
#include "launcher/gate.h"

#include <string.h>

static void refill(struct gate *g, uint64_t now_ms)
{
    uint64_t back = (now_ms - g->since_ms) / LIMIT_HELLO_EVERY_MS;
    if (back == 0)
        return;
    g->since_ms += back * LIMIT_HELLO_EVERY_MS;
    g->spent -= back < g->spent ? (unsigned)back : g->spent;
}

bool gate_hello(struct gate *g, const uint8_t point[HELLO_PUBLIC_BYTES],
                uint64_t now_ms)
{
    for (unsigned i = 0; i < g->n; i++) {
        if (memcmp(g->seen[i], point, HELLO_PUBLIC_BYTES) == 0)
            return false;
    }
    refill(g, now_ms);
    if (g->spent >= LIMIT_HELLO_BURST)
        return false;
    g->spent++;
    memcpy(g->seen[g->next], point, HELLO_PUBLIC_BYTES);
    g->next = (g->next + 1) % LIMIT_HELLOS_KEPT;
    g->n += g->n < LIMIT_HELLOS_KEPT;
    return true;
}
