/* SPDX-License-Identifier: MIT */
/* measure_impl - what the parts of measure_run share: where they measure, until when, and
 * the message that is filled. */
#ifndef AGENT_AUDIT_MEASURE_IMPL_H
#define AGENT_AUDIT_MEASURE_IMPL_H

#include "agent/audit/machine.h"
#include "agent/audit/measure.h"
#include "agent/audit/measure_pool.h"

struct measuring {
    struct machine *machine;
    struct measure_pool *pool;
    uint64_t began_ns, end_ns;
    measure_progress progress;
    void *arg;
    const char *what; /* that is measured right now */
    Aolani__AuditMeasured *m;
};

/* Says how far it is. */
void measure_tell(void *measuring);
/* What could not be measured, and why. */
void measure_note(struct measuring *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
