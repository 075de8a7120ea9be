/* SPDX-License-Identifier: MIT */
/* measure_noise - what each CPU loses while all of them do nothing but look at their
 * counter: how often, how long, and to whom.
 *
 * All at once, hardware threads of one core too. The loop touches no memory, and its step
 * of some ten ns is twice as long at most beside another one, while a gap has at least a
 * microsecond; so they do not disturb each other. An idle CPU, however, would take the work
 * of others away from those that are measured, and a job leaves none idle.
 */
#ifndef AGENT_AUDIT_MEASURE_NOISE_H
#define AGENT_AUDIT_MEASURE_NOISE_H

#include "agent/audit/measure_impl.h"

/* Until then. Fills cores and ticks. */
void measure_noise(struct measuring *r, uint64_t end_ns);

#endif
