/* SPDX-License-Identifier: MIT */
/* xid - an error of a GPU as NVIDIA's driver writes it into the kernel's log. Pure.
 *
 * A record of /dev/kmsg is "6,1234,5678,-;text": level and facility, number, microseconds,
 * flags. The text is "NVRM: Xid (PCI:0000:3b:00): 79, pid=4711, GPU has fallen off the
 * bus.", of old drivers without "PCI:", of a MIG instance with " GPU-I:05" before the ')'.
 * Only the kernel itself is believed: what processes write there has a facility of theirs,
 * which it does not let them choose to be its own. */
#ifndef AGENT_XID_H
#define AGENT_XID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/limits.h"

struct xid {
    uint32_t number;
    char bus[LIMIT_FAULT_BUS + 1];   /* "0000:3b:00.0" */
    char text[LIMIT_FAULT_TEXT + 1]; /* what follows the number, printable; may be "" */
};

/* One record, without its newline. False: it is no such record. */
bool xid_parse(const char *record, size_t len, struct xid *ret);

#endif
