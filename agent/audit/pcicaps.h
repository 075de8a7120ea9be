/* SPDX-License-Identifier: MIT */
/* pcicaps - what the configuration space of a PCI device says of ordering, payload, power,
 * atomic operations and access control. Pure: the bytes may be anything. */
#ifndef AGENT_AUDIT_PCICAPS_H
#define AGENT_AUDIT_PCICAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PCICAPS_HEADER 64u /* all that an ordinary user may read */
#define PCICAPS_BASIC  256u
#define PCICAPS_WHOLE  4096u /* with the extended capabilities */

enum pcicaps_acs { /* bits of the ACS control register */
                   PCICAPS_SOURCE_VALID = 1 << 0,
                   PCICAPS_REDIRECT_REQUEST = 1 << 2,
                   PCICAPS_REDIRECT_COMPLETION = 1 << 3,
                   PCICAPS_FORWARD_UP = 1 << 4,
};

struct pcicaps {
    bool cut;      /* the bytes end before what its lists point to: ask as root */
    bool broken;   /* it does not answer, or its lists loop or lead nowhere */
    bool extended; /* there were bytes where extended capabilities are */
    bool express;  /* what follows is known */
    unsigned payload, payload_most;           /* bytes; 0: a reserved value */
    bool relaxed;                             /* ordering allowed */
    unsigned aspm;                            /* 1: L0s, 2: L1, 3: both */
    bool second;                              /* the next are known */
    bool routes, completes, requests, blocks; /* atomic operations: passes on what
              others ask, does 32 and 64 bits, asks itself, lets none out */
    bool acs;
    uint16_t acs_control;
};

void pcicaps_parse(const uint8_t *bytes, size_t n, struct pcicaps *ret);

#endif
