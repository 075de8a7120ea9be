/* SPDX-License-Identifier: MIT */
/* signals_impl - how signals keeps them: shares as sixteen bits of the interval, names once
 * a node. A node with 8 GPUs and 10 ports takes 13 kB in a job of 16384, each CPU that has
 * steal 64 B more: all of them 190 MB, with steal on all of 192 CPUs 390 MB. Of fewer nodes
 * as much is kept, until it is four times that of each. A peer that lies can make its node
 * 1 MB, or 4.
 */
#ifndef LAUNCHER_VARIANCE_SIGNALS_IMPL_H
#define LAUNCHER_VARIANCE_SIGNALS_IMPL_H

#include "launcher/variance/signals.h"
#include "launcher/variance/usual.h"
#include "proto/base/limits.h"

#include <stddef.h>

#define SHARE_UNKNOWN 0xffffu
#define SHARE_WHOLE   0xfffeu
#define SIGNALS_LINKS 64u /* of a node, that run below what they did */

enum gpu_reason { GPU_POWER, GPU_HEAT, GPU_BRAKE, GPU_OTHER, GPU_REASONS };
enum link_error { /* of a GPU the first two, of a port the others */
                  ERROR_REPLAYS,
                  ERROR_NVLINK,
                  ERROR_SYMBOLS,
                  ERROR_RECOVERIES,
                  ERROR_DOWNS,
                  LINK_ERRORS,
};
#define GPU_ERRORS  2u
#define PORT_ERRORS 3u

struct gpu_kept {
    uint16_t index; /* in gpus */
    uint16_t mhz;   /* 0: not known */
    uint16_t share[GPU_REASONS];
    uint32_t errors[GPU_ERRORS];
};

struct port_kept {
    uint16_t index; /* in ports */
    float wait;     /* a second; NAN */
    uint32_t errors[PORT_ERRORS];
};

struct cpu_kept {
    uint16_t cpu, share;
};

struct interval {
    uint64_t from_ns, to_ns;
    uint32_t known;
    uint16_t psi[3]; /* CPU, memory, I/O */
    uint16_t n_gpus, n_ports, n_cpus;
    uint32_t bytes; /* of the block, to be used again */
    struct gpu_kept *gpus;
    struct port_kept *ports;
    struct cpu_kept *cpus; /* ascending */
    uint64_t room[];
};

struct port_known {
    char *nic;
    uint32_t port;
    struct usual wait;
};

struct link_changed { /* and has not come back */
    char bus[LIMIT_DEVICE_NAME + 1];
    char was[LIMIT_DEVICE_NAME + 1];
    char text[3 * LIMIT_DEVICE_NAME + 8];
    uint64_t since_ns;
};

struct device_known {
    char *name, *bus;
};

struct signals_totals {
    double seconds, steal_us, steal_cpu_us, interrupts, interrupt_cpu_s;
    double psi_us[3], psi_of_us;
    double throttled_us, gpu_throttle_us, link_errors; /* NAN: not once known */
};

struct gpu_known {
    char *uuid;
    struct signals_gpu sum;    /* watts and celsius: sums over */
    double watts_s, celsius_s; /* so many seconds */
};

struct node_signals {
    unsigned next; /* in the ring: to be written */
    unsigned kept; /* of the ring: its length */
    uint64_t last_ns;
    struct gpu_known *gpus;
    struct port_known *ports;
    struct link_changed *links;
    struct device_known *devices;
    size_t n_gpus, n_ports, n_links, n_devices;
    struct usual triad, exit, fault;
    double triad_last, triad_lowest, fault_last; /* NAN */
    uint64_t probe_ns;
    struct signals_totals totals;
    struct interval *ring[];
};

struct signals {
    uint32_t n_nodes;
    unsigned kept;               /* of each node */
    struct node_signals **nodes; /* NULL: it has not spoken */
};

/* NULL: no memory. Made when it first speaks, or is spoken of. */
struct node_signals *signals_of_node(struct signals *s, uint32_t node);
/* Room for one more in an array of n, which grows by doubling; NULL: no memory, and it is as
 * it was. */
void *signals_one_more(void *items, size_t n, size_t size);
/* It changed after since_ns. What is more than SIGNALS_LINKS, or memory has no room for, is
 * not told. */
void signals_take_link(struct node_signals *n, const char *text, uint64_t since_ns);
/* signals_gpu.c: nothing is known yet; one more interval. */
void signals_gpu_init(struct gpu_known *k);
void signals_gpu_take(struct gpu_known *k, const Aolani__GpuSignal *g, double us);
/* ERR_LIMIT, ERR_PROTO. last_ns: end of the interval before; 0: none. */
int signals_check(const Aolani__NodeSignals *m, uint64_t last_ns, struct err *e);
/* "0000:18:00.0 x16 -> x8"; false: it does not say so. Each of bus, was, now has room for
 * LIMIT_DEVICE_NAME + 1. */
bool signals_read_link(const char *text, char *bus, char *was, char *now);

#endif
