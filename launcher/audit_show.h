/* SPDX-License-Identifier: MIT */
/* audit_show - an audit while it lasts, and the ends of it that are the same for hosts and
 * for this machine: its name, the line at the foot of the terminal. */
#ifndef LAUNCHER_AUDIT_SHOW_H
#define LAUNCHER_AUDIT_SHOW_H

#include "launcher/audit/conduct.h"
#include "launcher/live.h"

/* Of measuring and pairs together. */
#define AUDIT_BUDGET_MS 12000u

struct audit_wish { /* by reference */
    bool measure, pair;
    const char *const *skip; /* ids of probes, NULL-ended; NULL: none */
};

/* Room for n nodes, an id, the time. -ENOMEM. */
int audit_begin(struct audit *a, size_t n, struct err *e);
/* The line, with percent and seconds since start. */
void audit_show_progress(struct live *v, const char *what, unsigned percent,
                         uint64_t took_ms);

#endif
