/* SPDX-License-Identifier: MIT */
/* readback - what each rank of this node really has: the CPUs of its threads, where its
 * pages lie, which GPU it is on, what its control group allows.
 *
 * Looked at right after the ranks were executed, a second later (programs start their
 * threads then, and set their own affinity), and then every 30 s. The head hears of a rank
 * when it is first known and when something changed in substance. Nothing here stops,
 * signals or moves a rank; what cannot be seen is unverified, with the reason.
 *
 * Cost, measured with 8 ranks of 100 threads: 4 to 7 ms of a core for a round, and 0.5 ms
 * a rank where pages are sampled: under 0.04 %. A round goes on from the loop in slices of
 * 2 ms.
 */
#ifndef AGENT_READBACK_H
#define AGENT_READBACK_H

#include "agent/gpuhelper.h"
#include "agent/task.h"
#include "agent/upward.h"
#include "proto/base/err.h"
#include "proto/base/loop.h"
#include "proto/base/rankset.h"
#include "proto/wire/aolani.pb-c.h"

/* Drift costs a job for as long as it goes on: half a minute of that is cheap, and so is
 * looking twice a minute. */
#define READBACK_EVERY_MS 30000u
#define READBACK_SOON_MS  1000u

struct readback;
struct readback_config { /* by reference; must outlive the readback */
    struct loop *loop;
    const struct upward *up;
    const Aolani__Prepare *plan;
    const struct task *tasks; /* of the plan's ranks, in its order; all settled */
    size_t n_tasks;
    struct gpuhelper *gpus; /* NULL: the plan names no GPU */
    const char *sysfs;      /* "/sys" */
    uint64_t every_ms;      /* READBACK_EVERY_MS */
};

/* The first look comes from the loop, at once. */
int readback_create(const struct readback_config *c, struct readback **ret,
                    struct err *e);
void readback_destroy(struct readback *r);

#endif
