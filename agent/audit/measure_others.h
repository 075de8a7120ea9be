/* SPDX-License-Identifier: MIT */
/* measure_others - who else was busy: from before the first measurement to after the last. */
#ifndef AGENT_AUDIT_MEASURE_OTHERS_H
#define AGENT_AUDIT_MEASURE_OTHERS_H

#include "agent/audit/measure_busy.h"
#include "agent/audit/measure_impl.h"

struct measure_others {
    struct measure_look look;
    uint64_t at_ns, own_ticks, all_ticks; /* all: of the whole machine */
};

/* Looking at 10,000 processes takes 0.1 s: not after end_ns. */
void measure_others_begin(struct measure_others *o, struct measuring *r,
                          uint64_t end_ns);
/* Fills busy; frees what the first look kept. */
void measure_others_end(struct measure_others *o, struct measuring *r, uint64_t end_ns);

#endif
