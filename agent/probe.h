/* SPDX-License-Identifier: MIT */
/* probe - what memory and a way out of the guest cost on this node just now.
 *
 * Three small measurements, each on its own a tenth of a millisecond or a few, one at a turn
 * of the loop and PROBE_PAUSE_MS apart, so that whoever shares the core loses no more at a
 * time:
 *  - bandwidth of memory as one core has it: stores that pass by the caches, then loads of
 *    the same bytes, which for that reason lie in memory alone. A buffer larger than the
 *    last cache (today up to a gigabyte) would take longer than we may. x86 alone has such
 *    stores for programs; elsewhere it is not measured.
 *  - CPUID, which always leaves a guest of x86: the quickest of 200.
 *  - a page fault, of 64 pages.
 * A measurement in which the thread did not run all the time (its CPU clock is behind) is
 * thrown away; after too many of those there is no result.
 *
 * It runs on a CPU of no rank where the agent may use one.
 */
#ifndef AGENT_PROBE_H
#define AGENT_PROBE_H

#include "proto/base/err.h"
#include "proto/base/loop.h"
#include "proto/base/rankset.h"
#include "proto/wire/aolani.pb-c.h"

#define PROBE_PAUSE_MS 20u

/* The CPU to measure on: of a core that `ranks` have nothing of, else outside of `ranks`.
 * -1: there is none, or ranks is empty (not bound: nobody knows where they are). */
int probe_choose_cpu(const struct rankset *allowed, const struct rankset *ranks,
                     Aolani__Core *const *cores, size_t n_cores);

struct probe;
/* NULL: it was not possible; the values are 0 that could not be measured. */
typedef void (*probe_f)(void *arg, const Aolani__Probe *found);
int probe_create(struct loop *l, int cpu, probe_f done, void *arg, struct probe **ret,
                 struct err *e);
void probe_destroy(struct probe *p);
/* done comes once, never from within; not while one is under way. */
void probe_start(struct probe *p);

#endif
