/* SPDX-License-Identifier: MIT */
/* gpuchild - asks the GPUs' driver in a child: one that hangs or crashes in there costs
 * what it had not said yet, and no more time than it was given.
 *
 * What the child finds it writes into memory that both see, so that all that was found
 * before a hang is there. Another thread of this process may wait meanwhile, no more.
 */
#ifndef AGENT_AUDIT_GPUCHILD_H
#define AGENT_AUDIT_GPUCHILD_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"

/* Zeroed; NULL: no memory. */
void *gpuchild_memory(size_t size);
void gpuchild_free(void *shared, size_t size); /* takes NULL */

/* 0: ask(shared) returned. -ETIMEDOUT: not in time; the child was killed, but may still
 * write, when the driver lets go of it: copy before looking. -EIO: it crashed. -errno. In
 * the child standard input and output are /dev/null, for libraries print. */
int gpuchild_run(void (*ask)(void *shared), void *shared, uint64_t limit_ms,
                 struct err *e);

#endif
