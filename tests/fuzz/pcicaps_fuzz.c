/* SPDX-License-Identifier: MIT */
/* pcicaps_fuzz.c - any bytes as a configuration space: it ends, reads none beyond, and says
 * of the same bytes the same. */
#include "agent/audit/pcicaps.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int truth)
{
    if (!truth)
        abort();
}

static int is_payload(unsigned v)
{
    return v == 0 || (v >= 128 && v <= 4096 && !(v & (v - 1)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pcicaps c, again;
    uint8_t *exact = malloc(size ? size : 1); /* so that a byte beyond is seen */
    if (!exact)
        return 0;
    memcpy(exact, data, size);
    memset(&c, 0x5a, sizeof c);
    memset(&again, 0xa5, sizeof again);
    pcicaps_parse(exact, size, &c);
    pcicaps_parse(exact, size, &again);
    check(c.express == again.express && c.acs_control == again.acs_control &&
          c.cut == again.cut && c.broken == again.broken);
    check(!c.second || c.express);
    check(!c.acs || c.extended);
    check(!c.extended || size > PCICAPS_BASIC);
    check(size >= PCICAPS_HEADER || (c.cut && !c.express));
    check(size > PCICAPS_HEADER || !c.express);
    check(is_payload(c.payload) && is_payload(c.payload_most));
    free(exact);
    return 0;
}
