/* SPDX-License-Identifier: MIT */
/* measure_copies - copies to and from GPUs, with word of how far it is meanwhile. */
#ifndef AGENT_AUDIT_MEASURE_COPIES_H
#define AGENT_AUDIT_MEASURE_COPIES_H

#include "agent/audit/measure_impl.h"

/* Before there are workers. Fills copies, or notes why not. */
void measure_copies(struct measuring *r, uint64_t budget_ms);

#endif
