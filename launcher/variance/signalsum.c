/* SPDX-License-Identifier: MIT */
/* signalsum.c - see signalsum.h. A node names its devices in the same order every time: the
 * one in the same place is looked at first, and then all. */
#include "launcher/variance/signalsum.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/limits.h"

#define EVERY_MS   60000u
#define EVERY_MOST (30ull * 24 * 3600 * 1000)
#define DAY        1440u /* records; after them every half as many take twice as long */

static uint64_t sum(uint64_t a, uint64_t b)
{
    return b > UINT64_MAX - a ? UINT64_MAX : a + b;
}

/* -1: not known. */
static int64_t count(int64_t a, int64_t b)
{
    if (a < 0 || b < 0)
        return -1;
    return b > INT64_MAX - a ? INT64_MAX : a + b;
}

static int32_t lowest(int32_t a, int32_t b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

static int32_t highest(int32_t a, int32_t b)
{
    return b > a ? b : a;
}

static int64_t reasons(int64_t a, int64_t b)
{
    return a < 0 ? b : b < 0 ? a : a | b;
}

/* Room for one more in a list of pointers; it grows by doubling, from n alone. */
static void **grown(void *list, size_t n)
{
    return n & (n - 1) ? list : realloc(list, (n ? 2 * n : 1) * sizeof(void *));
}

/* ---- GPUs ---- */

static Aolani__GpuSignal *gpu_new(Aolani__NodeSignals *to, const Aolani__GpuSignal *g)
{
    void **list = grown(to->gpus, to->n_gpus);
    if (!list)
        return NULL;
    to->gpus = (Aolani__GpuSignal **)list;
    Aolani__GpuSignal *mine = calloc(1, sizeof *mine);
    if (!mine)
        return NULL;
    *mine = *g;
    if (!(mine->uuid = strdup(g->uuid))) {
        free(mine);
        return NULL;
    }
    return to->gpus[to->n_gpus++] = mine;
}

static int gpu_add(Aolani__NodeSignals *to, size_t at, const Aolani__GpuSignal *g)
{
    Aolani__GpuSignal *mine = NULL;
    if (at < to->n_gpus && strcmp(to->gpus[at]->uuid, g->uuid) == 0)
        mine = to->gpus[at];
    for (size_t i = 0; i < to->n_gpus && !mine; i++)
        mine = strcmp(to->gpus[i]->uuid, g->uuid) == 0 ? to->gpus[i] : NULL;
    if (!mine && to->n_gpus == LIMIT_SIGNALS_GPUS)
        return 0;
    if (!mine)
        return gpu_new(to, g) ? 0 : -ENOMEM;
    mine->power_us = count(mine->power_us, g->power_us);
    mine->heat_us = count(mine->heat_us, g->heat_us);
    mine->brake_us = count(mine->brake_us, g->brake_us);
    mine->other_us = count(mine->other_us, g->other_us);
    mine->pcie_replays = count(mine->pcie_replays, g->pcie_replays);
    mine->nvlink_errors = count(mine->nvlink_errors, g->nvlink_errors);
    mine->ecc_errors = count(mine->ecc_errors, g->ecc_errors);
    mine->sync_us = count(mine->sync_us, g->sync_us);
    mine->board_us = count(mine->board_us, g->board_us);
    mine->reliability_us = count(mine->reliability_us, g->reliability_us);
    mine->energy_mj = count(mine->energy_mj, g->energy_mj);
    mine->ecc_corrected = count(mine->ecc_corrected, g->ecc_corrected);
    mine->remapped_rows = count(mine->remapped_rows, g->remapped_rows);
    mine->reasons = reasons(mine->reasons, g->reasons);
    mine->mem_celsius = highest(mine->mem_celsius, g->mem_celsius);
    mine->sm_mhz = lowest(mine->sm_mhz, g->sm_mhz);
    mine->mem_mhz = lowest(mine->mem_mhz, g->mem_mhz);
    mine->sm_max_mhz = highest(mine->sm_max_mhz, g->sm_max_mhz);
    mine->celsius = highest(mine->celsius, g->celsius);
    mine->milliwatts = highest(mine->milliwatts, g->milliwatts);
    return 0;
}

/* ---- ports ---- */

static bool port_is(const Aolani__PortSignal *a, const Aolani__PortSignal *b)
{
    return a->port == b->port && strcmp(a->nic, b->nic) == 0;
}

static Aolani__PortSignal *port_new(Aolani__NodeSignals *to,
                                    const Aolani__PortSignal *p)
{
    void **list = grown(to->ports, to->n_ports);
    if (!list)
        return NULL;
    to->ports = (Aolani__PortSignal **)list;
    Aolani__PortSignal *mine = calloc(1, sizeof *mine);
    if (!mine)
        return NULL;
    *mine = *p;
    if (!(mine->nic = strdup(p->nic))) {
        free(mine);
        return NULL;
    }
    return to->ports[to->n_ports++] = mine;
}

static int port_add(Aolani__NodeSignals *to, size_t at, const Aolani__PortSignal *p)
{
    Aolani__PortSignal *mine = NULL;
    if (at < to->n_ports && port_is(to->ports[at], p))
        mine = to->ports[at];
    for (size_t i = 0; i < to->n_ports && !mine; i++)
        mine = port_is(to->ports[i], p) ? to->ports[i] : NULL;
    if (!mine && to->n_ports == LIMIT_SIGNALS_PORTS)
        return 0;
    if (!mine)
        return port_new(to, p) ? 0 : -ENOMEM;
    mine->xmit_wait = count(mine->xmit_wait, p->xmit_wait);
    mine->xmit_bytes = count(mine->xmit_bytes, p->xmit_bytes);
    mine->rcv_bytes = count(mine->rcv_bytes, p->rcv_bytes);
    mine->symbol_errors = count(mine->symbol_errors, p->symbol_errors);
    mine->recoveries = count(mine->recoveries, p->recoveries);
    mine->downs = count(mine->downs, p->downs);
    mine->retransmits = count(mine->retransmits, p->retransmits);
    mine->marks = count(mine->marks, p->marks);
    return 0;
}

/* ---- the node ---- */

static int link_add(Aolani__NodeSignals *to, const char *text)
{
    if (to->n_links == SIGNALSUM_LINKS)
        return 0;
    void **list = grown(to->links, to->n_links);
    if (!list)
        return -ENOMEM;
    to->links = (char **)list;
    char *mine = strdup(text);
    if (mine)
        to->links[to->n_links++] = mine;
    return mine ? 0 : -ENOMEM;
}

static void probe_add(struct signalsum *s, const Aolani__Probe *p)
{
    if (!s->m.probe)
        aolani__probe__init(&s->probe);
    s->m.probe = &s->probe;
    s->probe.triad_mbytes = p->triad_mbytes ? p->triad_mbytes : s->probe.triad_mbytes;
    s->probe.exit_ns = p->exit_ns ? p->exit_ns : s->probe.exit_ns;
    s->probe.fault_ns = p->fault_ns ? p->fault_ns : s->probe.fault_ns;
}

int signalsum_add(struct signalsum *s, const Aolani__NodeSignals *m)
{
    Aolani__NodeSignals *to = &s->m;
    int rc = 0;
    if (!s->any) {
        aolani__node_signals__init(to);
        to->known = m->known;
        s->any = true;
    }
    to->known &= m->known;
    to->t_ns = m->t_ns;
    to->cpus = m->cpus;
    to->interval_ns = sum(to->interval_ns, m->interval_ns);
    to->steal_us = sum(to->steal_us, m->steal_us);
    to->psi_cpu_us = sum(to->psi_cpu_us, m->psi_cpu_us);
    to->psi_memory_us = sum(to->psi_memory_us, m->psi_memory_us);
    to->psi_io_us = sum(to->psi_io_us, m->psi_io_us);
    to->throttled_us = sum(to->throttled_us, m->throttled_us);
    to->interrupts = sum(to->interrupts, m->interrupts);
    to->softirqs = sum(to->softirqs, m->softirqs);
    if (m->probe)
        probe_add(s, m->probe);
    for (size_t i = 0; i < m->n_gpus && rc == 0; i++)
        rc = gpu_add(to, i, m->gpus[i]);
    for (size_t i = 0; i < m->n_ports && rc == 0; i++)
        rc = port_add(to, i, m->ports[i]);
    for (size_t i = 0; i < m->n_links && rc == 0; i++)
        rc = link_add(to, m->links[i]);
    return rc;
}

const Aolani__NodeSignals *signalsum_get(const struct signalsum *s)
{
    return s->any ? &s->m : NULL;
}

void signalsum_fini(struct signalsum *s)
{
    for (size_t i = 0; i < s->m.n_gpus; i++) {
        free(s->m.gpus[i]->uuid);
        free(s->m.gpus[i]);
    }
    for (size_t i = 0; i < s->m.n_ports; i++) {
        free(s->m.ports[i]->nic);
        free(s->m.ports[i]);
    }
    for (size_t i = 0; i < s->m.n_links; i++)
        free(s->m.links[i]);
    free(s->m.gpus);
    free(s->m.ports);
    free(s->m.links);
    *s = (struct signalsum){0};
}

uint64_t signalsum_every_ms(uint32_t n_nodes, uint32_t written)
{
    uint32_t share = n_nodes / SIGNALSUM_NODES + (n_nodes % SIGNALSUM_NODES != 0);
    share = share ? share : 1;
    uint32_t day = DAY / share > 2 ? DAY / share : 2;
    uint64_t ms = (uint64_t)EVERY_MS * share;
    for (; written >= day && ms < EVERY_MOST; written -= day / 2)
        ms *= 2;
    return ms;
}
