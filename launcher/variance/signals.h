/* SPDX-License-Identifier: MIT */
/* signals - what the nodes said of themselves in the last minutes, to be asked when a step
 * was late. Pure; memory is bounded (SIGNALS_KEPT intervals a node, at most). Times are the
 * node's CLOCK_MONOTONIC. What was not measured is not known, never zero. */
#ifndef LAUNCHER_VARIANCE_SIGNALS_H
#define LAUNCHER_VARIANCE_SIGNALS_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/err.h"
#include "proto/wire/aolani.pb-c.h"

/* Intervals of a second or more: a step of a minute is covered; of very many nodes fewer. */
#define SIGNALS_KEPT       64u
#define SIGNALS_KEPT_LEAST 16u

struct signals;

/* Of a stretch of time on one node; of its GPU and NIC where they are given. NAN: not
 * known. Shares are of the stretch, 0 to 1. */
struct signals_seen {
    bool covered; /* the node has spoken of all of it */
    double steal; /* of one CPU, the most of those asked for */
    double psi_cpu, psi_memory, psi_io;
    double gpu_throttle; /* all reasons but idle */
    const char
        *gpu_why; /* the largest: "power", "heat", "power brake", "hardware"; or NULL */
    double gpu_mhz; /* lowest */
    uint64_t
        link_errors; /* of the GPU's PCIe and NVLink, the NIC's ports; 0 also when not known */
    const char *link_why; /* "PCIe replays", "0000:18:00.0 x16 -> x8"; NULL: none. Until
                             the node's next signals */
    double xmit_wait;     /* of the NIC's ports, against its own usual; NAN */
    double memory_ratio;  /* last probe of bandwidth / the node's usual; NAN */
    double fault_ns;      /* cost of a page fault there; NAN */
};

void signals_nothing(struct signals_seen *ret); /* all of it not known */

int signals_create(uint32_t n_nodes, struct signals **ret);
void signals_destroy(struct signals *s);
/* Where a GPU (UUID) or NIC (name) is plugged in, so that a PCI link that changes is told of
 * its own device; on a node of which none is told it may be any's. -ENOMEM, -EINVAL: there
 * is no such node, ERR_LIMIT. */
int signals_locate(struct signals *s, uint32_t node, const char *device,
                   const char *bus_id);
/* ERR_LIMIT, ERR_PROTO (times that go back, absurd counts), -ENOMEM: nothing is taken. A
 * PCI link that runs below what it did counts as an error until it comes back. */
int signals_add(struct signals *s, uint32_t node, const Aolani__NodeSignals *m,
                struct err *e);
/* cpus: OS indexes "0-3", NULL or "": all; gpu: UUID or NULL; nic: name or NULL. The stretch
 * may be shorter than an interval: shares are then those of the interval around it. */
void signals_over(const struct signals *s, uint32_t node, uint64_t from_ns,
                  uint64_t to_ns, const char *cpus, const char *gpu, const char *nic,
                  struct signals_seen *ret);

/* Of the whole run, for the report. */
struct signals_node {
    uint64_t seconds;        /* covered */
    double steal_share;      /* of the CPUs' time; NAN: the kernel does not say */
    double exits_per_second; /* interrupts per second and CPU; NAN */
    double exit_ns, triad_mbytes, triad_lowest,
        fault_ns; /* medians of the probes; NAN */
    double psi_cpu, psi_memory, psi_io;
    double throttled_us; /* of the job's control group; NAN: not once known */
    double gpu_throttle_us, link_errors;
};
void signals_node(const struct signals *s, uint32_t node, struct signals_node *ret);

/* Of one GPU; NAN: not once known. */
struct signals_gpu {
    const char *uuid; /* the signals' */
    double seconds;   /* that it was told of */
    double watts, watts_most, celsius, celsius_most,
        mem_celsius_most; /* means, highest */
    double sm_mhz_least, sm_max_mhz;
    double power_us, heat_us, brake_us, sync_us, board_us,
        reliability_us; /* slowed by */
    double ecc_corrected, ecc_errors, remapped_rows, pcie_replays, nvlink_errors;
    uint32_t reasons; /* GPU_REASON_...: held at some look; 0: none, or not known */
};
enum { /* of NVML's bits those that slow a GPU down */
       GPU_REASON_POWER = 0x4,
       GPU_REASON_HARDWARE = 0x8,
       GPU_REASON_SYNC = 0x10,
       GPU_REASON_HEAT = 0x20 | 0x40,
       GPU_REASON_BRAKE = 0x80,
};
/* How many have been told of on this node, and the i-th. */
size_t signals_n_gpus(const struct signals *s, uint32_t node);
void signals_gpu(const struct signals *s, uint32_t node, size_t i,
                 struct signals_gpu *ret);

#endif
