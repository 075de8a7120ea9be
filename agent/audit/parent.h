/* SPDX-License-Identifier: MIT */
/* parent - who asked for the audit is still there, or we end. */
#ifndef AGENT_AUDIT_PARENT_H
#define AGENT_AUDIT_PARENT_H

#include "proto/base/err.h"

/* From now on the process ends, with all that it has started where it leads a session, as
 * soon as its parent has died, nobody writes to `in` any more, or nobody reads `out`; also
 * in the middle of a measurement. */
int parent_watch(int in, int out, struct err *e);

#endif
