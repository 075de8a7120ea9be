/* SPDX-License-Identifier: MIT */
/* describe - what a machine is made of, as one Topology message.
 *
 * Of this machine, of one whose /proc and /sys lie below a folder, or of one that hwloc has
 * exported as XML. Changes the environment (hwloc's settings).
 */
#ifndef AGENT_DESCRIBE_DESCRIBE_H
#define AGENT_DESCRIBE_DESCRIBE_H

#include <stdbool.h>

#include "proto/base/err.h"
#include "proto/wire/aolani.pb-c.h"

struct describe_from {
    const char *xml;  /* a file; NULL: none */
    const char *root; /* a folder with proc/ and sys/; NULL: none */
    const char
        *sysfs; /* a folder laid out like /sys that is believed rather than xml */
};

/* A message also when it cannot be read: its error and hint say why. NULL: -ENOMEM. The
 * caller frees it with aolani__topology__free_unpacked. */
Aolani__Topology *describe(const struct describe_from *from);

/* Of this machine itself, and not of a file? */
bool describe_is_live(const struct describe_from *from);

#endif
