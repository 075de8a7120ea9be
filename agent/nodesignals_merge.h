/* SPDX-License-Identifier: MIT */
/* nodesignals_merge - an interval of one node, and how two become one. A part of
 * nodesignals.
 *
 * Counts are added; of a GPU's clocks the lowest and of its heat and power the highest
 * stay; a count that one of both does not know is not known. */
#ifndef AGENT_NODESIGNALS_MERGE_H
#define AGENT_NODESIGNALS_MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/upward.h"
#include "agent/xid.h"
#include "proto/base/limits.h"
#include "proto/wire/aolani.pb-c.h"

#define NODESIGNALS_STEAL      AOLANI__NODE_SIGNALS__KNOWN__STEAL
#define NODESIGNALS_PSI        AOLANI__NODE_SIGNALS__KNOWN__PSI
#define NODESIGNALS_QUOTA      AOLANI__NODE_SIGNALS__KNOWN__QUOTA
#define NODESIGNALS_INTERRUPTS AOLANI__NODE_SIGNALS__KNOWN__INTERRUPTS
#define NODESIGNALS_GPUS       AOLANI__NODE_SIGNALS__KNOWN__GPUS
#define NODESIGNALS_PORTS      AOLANI__NODE_SIGNALS__KNOWN__PORTS

enum { NODESIGNALS_CPU, NODESIGNALS_MEMORY, NODESIGNALS_IO, NODESIGNALS_PRESSURES };

enum nodesignals_port_count {
    PORT_XMIT_WAIT,
    PORT_XMIT_BYTES,
    PORT_RCV_BYTES,
    PORT_SYMBOL_ERRORS,
    PORT_RECOVERIES,
    PORT_DOWNS,
    PORT_RETRANSMITS,
    PORT_MARKS,
    PORT_COUNTS
};

struct nodesignals_port {
    char nic[LIMIT_DEVICE_NAME + 1];
    uint32_t number;
    int64_t count[PORT_COUNTS]; /* -1: not known */
};
struct nodesignals_gpu {
    char uuid[LIMIT_DEVICE_NAME + 1];
    Aolani__GpuSignal s; /* its uuid is not used */
};
#define NODESIGNALS_LINKS 64u /* that changed in one interval */

struct nodesignals_link {
    char text[LIMIT_DEVICE_NAME]; /* "0000:18:00.0 x16 -> x8" */
};

struct nodesignals_fault {
    struct xid x; /* the first */
    uint64_t n;   /* so many of this GPU and number */
};

struct nodesignals_sum {
    uint64_t from_ns, to_ns;
    uint32_t known;
    bool holds; /* an interval; else all else is empty */
    /* The CPUs that the job may use, and what was stolen of each. */
    const uint32_t *cpus; /* borrowed, ascending */
    size_t n_cpus;
    uint64_t *steal_us;
    uint64_t psi_us[NODESIGNALS_PRESSURES];
    uint64_t throttled_us, interrupts, softirqs;
    bool probed;
    Aolani__Probe probe;
    struct nodesignals_gpu *gpus;
    size_t n_gpus, cap_gpus;
    struct nodesignals_port *ports;
    size_t n_ports, cap_ports;
    struct nodesignals_link *links;
    size_t n_links, cap_links;
    struct nodesignals_fault *faults;
    size_t n_faults, cap_faults;
};

int nodesignals_sum_init(struct nodesignals_sum *s, const uint32_t *cpus,
                         size_t n_cpus);              /* -ENOMEM */
void nodesignals_sum_fini(struct nodesignals_sum *s); /* takes a zeroed one */
void nodesignals_sum_clear(struct nodesignals_sum *s);
/* -ENOMEM, ERR_LIMIT: it is not added. */
int nodesignals_sum_gpu(struct nodesignals_sum *s, const Aolani__GpuSignal *g);
int nodesignals_sum_port(struct nodesignals_sum *s, const struct nodesignals_port *p);
int nodesignals_sum_link(struct nodesignals_sum *s, const char *text);
/* n of them. One there is no room for is not told. */
void nodesignals_sum_fault(struct nodesignals_sum *s, const struct xid *x, uint64_t n);
/* The one after it, of the same CPUs, becomes a part of `into`. What there is no room for
 * makes its kind unknown. */
void nodesignals_sum_merge(struct nodesignals_sum *into,
                           const struct nodesignals_sum *later);
/* Both know the same of as many devices. Else one that has vanished would be told as known
 * to the end: they are better not merged. */
bool nodesignals_sum_is_alike(const struct nodesignals_sum *a,
                              const struct nodesignals_sum *b);
/* Nothing in it a step could be late by: no news until there is some. */
bool nodesignals_sum_is_quiet(const struct nodesignals_sum *s);
/* 0, or as upward's send, or -ENOMEM. */
int nodesignals_sum_send(const struct nodesignals_sum *s, const struct upward *up);

#endif
