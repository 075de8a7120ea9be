/* SPDX-License-Identifier: MIT */
/* bootscript - what ssh is asked to run on a node: one line that any login shell (sh,
 * bash, csh, fish) hands on to sh unchanged. It holds no secret.
 *
 * It answers on standard output, after whatever a start-up file may have printed:
 *   AOLANI-HAVE            the agent is in the cache and is being started
 *   AOLANI-NEED <arch>     send the agent's bytes, then the rest of the bundle
 *   AOLANI-FAIL <reason>
 * and the agent itself says AOLANI-READY when it waits for its key.
 */
#ifndef LAUNCHER_BOOTSCRIPT_H
#define LAUNCHER_BOOTSCRIPT_H

#include "launcher/bundle.h"

int bootscript_format(const struct bundle *b, struct buf *out);

#endif
