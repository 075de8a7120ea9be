/* SPDX-License-Identifier: MIT */
/* measure_pool - a thread on each CPU that is measured, standing there for as long as it
 * lasts, and doing the same thing at the same time as the others.
 *
 * Threads, and not a process moved from CPU to CPU: what all of them do at once is what a
 * job will do, and it takes the same time on 2 CPUs and on 256.
 */
#ifndef AGENT_AUDIT_MEASURE_POOL_H
#define AGENT_AUDIT_MEASURE_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"

#define MEASURE_POOL_TICK_MS 300u /* between calls while waiting */

struct measure_pool;

/* What a worker does from start to end (CLOCK_MONOTONIC); it is called before start, so
 * that it can wait for it, and returns soon after end. */
typedef void (*measure_job)(void *arg, size_t worker, uint64_t start_ns,
                            uint64_t end_ns);
typedef void (*measure_tick)(void *arg);

/* A CPU where no thread can stand is left out. -errno: there is none where one can. */
int measure_pool_create(const uint32_t *cpus, size_t n, struct measure_pool **ret,
                        struct err *e);
/* No job may be under way. Takes NULL. */
void measure_pool_destroy(struct measure_pool *p);

size_t measure_pool_n(const struct measure_pool *p);
uint32_t measure_pool_cpu(const struct measure_pool *p, size_t worker);

/* The job on each worker that `who` has (NULL: all), for that long; until the last is done.
 * One that does not get its CPU for a second more is not asked again.
 * tick (or NULL): every MEASURE_POOL_TICK_MS meanwhile. */
void measure_pool_run(struct measure_pool *p, const bool *who, measure_job job,
                      void *arg, uint64_t span_ns, measure_tick tick, void *tick_arg);

/* How long after its end a job ended, at most: where CPUs are dear, the next one will too. */
uint64_t measure_pool_late_ns(const struct measure_pool *p);

#endif
