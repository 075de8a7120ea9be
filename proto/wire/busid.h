/* SPDX-License-Identifier: MIT */
/* busid - PCI addresses as texts of messages have them: "0000:18:00.0", of a root bus
 * "0000:18"; a domain may have up to eight digits. */
#ifndef PROTO_WIRE_BUSID_H
#define PROTO_WIRE_BUSID_H

#include <stdbool.h>
#include <stdint.h>

#define BUSID_FUNCTION 0x07u /* bits of the number: of its card, */
#define BUSID_SLOT     0xffu /* of its bus */

/* A number in the order of buses: domain, bus (8 bits), device (5), function (3), as the
 * kernel packs them. false: not an address. */
bool busid_read(const char *text, uint64_t *ret);

#endif
