/* SPDX-License-Identifier: MIT */
/* nodesignals - what this node sees of itself while ranks run, once a second: time stolen of
 * its CPUs, waiting for CPUs, memory and I/O, throttling by quotas, interrupts, the GPUs and
 * the kernel's words on them, the ports of its network cards; once a minute a probe (see probe.h) and the PCI links.
 *
 * Sent as NODE_SIGNALS. Without credit an interval becomes a part of the next; intervals in
 * which nothing happened are sent five at a time. What cannot be read, went back or vanished
 * is unknown for that interval, never 0.
 *
 * Cost: a round is paid out of 0.05 % of one core, what the GPUs' helper takes for it
 * included. One that takes more makes the next one later, down to one in ten seconds. By
 * tests/bench/signals.sh a round takes 0.01 ms on 2 CPUs and 0.06 ms for 192 CPUs and 8
 * ports; a probe takes 2 ms. Nothing keeps the loop longer than a slice of 2 ms, but for a
 * network card whose firmware hangs, once.
 */
#ifndef AGENT_NODESIGNALS_H
#define AGENT_NODESIGNALS_H

#include "agent/gpuhelper.h"
#include "agent/task.h"
#include "agent/upward.h"
#include "proto/base/err.h"
#include "proto/base/loop.h"
#include "proto/base/rankset.h"
#include "proto/wire/aolani.pb-c.h"

#define NODESIGNALS_EVERY_MS 1000u
#define NODESIGNALS_PROBE_MS 60000u
#define NODESIGNALS_QUIET_MS 5000u

struct nodesignals;
struct nodesignals_config { /* by reference; must outlive the nodesignals */
    struct loop *loop;
    const struct upward *up;
    const Aolani__Prepare *plan;
    const struct task *tasks; /* of the plan's ranks; all settled */
    size_t n_tasks;
    const struct rankset *allowed; /* CPUs of the agent */
    const Aolani__NodeInfo *info;  /* cores and topology */
    struct gpuhelper *gpus;        /* NULL: the plan names no GPU */
    const char *proc, *sys;        /* "/proc", "/sys" */
    const char *kmsg;   /* "/dev/kmsg"; NULL: errors of GPUs are not looked for */
    bool reopen;        /* those are not the kernel's: files may be replaced */
    bool steal_is_told; /* see nodesignals_steal_is_told */
    uint64_t every_ms, probe_ms, quiet_ms;
};

/* What happened before is not counted. */
int nodesignals_create(const struct nodesignals_config *c, struct nodesignals **ret,
                       struct err *e);
/* 0, or why the kernel's log cannot be read: -EPERM. Errors of GPUs are then not known. */
int nodesignals_kernel_error(const struct nodesignals *s);
/* The last interval, up to now, and all that is held back, as far as credit allows. */
void nodesignals_finish(struct nodesignals *s);
void nodesignals_destroy(struct nodesignals *s);

#endif
