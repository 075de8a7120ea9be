/* SPDX-License-Identifier: MIT */
/* nodesignals_merge.c - see nodesignals_merge.h. */
#include "agent/nodesignals_merge.h"

#include "proto/base/err.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Waiting for less of an interval than this part of it delays no step to speak of. */
#define QUIET_PART 100u

int nodesignals_sum_init(struct nodesignals_sum *s, const uint32_t *cpus, size_t n_cpus)
{
    *s = (struct nodesignals_sum){.cpus = cpus, .n_cpus = n_cpus};
    s->steal_us = calloc(n_cpus + 1, sizeof *s->steal_us);
    return s->steal_us ? 0 : -ENOMEM;
}

void nodesignals_sum_fini(struct nodesignals_sum *s)
{
    free(s->steal_us);
    free(s->gpus);
    free(s->ports);
    free(s->links);
    free(s->faults);
    *s = (struct nodesignals_sum){0};
}

void nodesignals_sum_clear(struct nodesignals_sum *s)
{
    memset(s->steal_us, 0, s->n_cpus * sizeof *s->steal_us);
    memset(s->psi_us, 0, sizeof s->psi_us);
    s->from_ns = s->to_ns = s->throttled_us = s->interrupts = s->softirqs = 0;
    s->known = 0;
    s->holds = s->probed = false;
    s->n_gpus = s->n_ports = s->n_links = s->n_faults = 0;
}

/* ---- lists ---- */

static int sum_room(void **items, size_t n, size_t *cap, size_t size, size_t most)
{
    if (n == most)
        return ERR_LIMIT;
    if (n < *cap)
        return 0;
    size_t more = *cap ? 2 * *cap : 8;
    void *moved = realloc(*items, more * size);
    if (!moved)
        return -ENOMEM;
    *items = moved;
    *cap = more;
    return 0;
}

/* What a broken driver may say and nobody believes: the head would refuse the message, and
 * the node with it. */
static int64_t sum_believed(int64_t count)
{
    return count < 0 || count > LIMIT_SIGNALS_COUNT ? -1 : count;
}

static int32_t sum_believed_mhz(int32_t mhz)
{
    return mhz < 0 || mhz > LIMIT_SIGNALS_MHZ ? -1 : mhz;
}

/* Of two that were believed. */
static int64_t sum_count(int64_t a, int64_t b)
{
    return a < 0 || b < 0 ? -1 : sum_believed(a + b);
}

static int32_t sum_lowest(int32_t a, int32_t b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

static int32_t sum_highest(int32_t a, int32_t b)
{
    return b > a ? b : a;
}

static int64_t sum_reasons(int64_t a, int64_t b)
{
    return a < 0 ? b : b < 0 ? a : a | b;
}

static void sum_add_gpu(Aolani__GpuSignal *to, const Aolani__GpuSignal *g)
{
    to->power_us = sum_count(to->power_us, g->power_us);
    to->heat_us = sum_count(to->heat_us, g->heat_us);
    to->brake_us = sum_count(to->brake_us, g->brake_us);
    to->other_us = sum_count(to->other_us, g->other_us);
    to->pcie_replays = sum_count(to->pcie_replays, g->pcie_replays);
    to->nvlink_errors = sum_count(to->nvlink_errors, g->nvlink_errors);
    to->ecc_errors = sum_count(to->ecc_errors, g->ecc_errors);
    to->sm_mhz = sum_lowest(to->sm_mhz, g->sm_mhz);
    to->mem_mhz = sum_lowest(to->mem_mhz, g->mem_mhz);
    to->sync_us = sum_count(to->sync_us, g->sync_us);
    to->board_us = sum_count(to->board_us, g->board_us);
    to->reliability_us = sum_count(to->reliability_us, g->reliability_us);
    to->energy_mj = sum_count(to->energy_mj, g->energy_mj);
    to->ecc_corrected = sum_count(to->ecc_corrected, g->ecc_corrected);
    to->remapped_rows = sum_count(to->remapped_rows, g->remapped_rows);
    to->reasons = sum_reasons(to->reasons, g->reasons);
    to->mem_celsius = sum_highest(to->mem_celsius, g->mem_celsius);
    to->celsius = sum_highest(to->celsius, g->celsius);
    to->milliwatts = sum_highest(to->milliwatts, g->milliwatts);
    to->sm_max_mhz = sum_highest(to->sm_max_mhz, g->sm_max_mhz);
}

static Aolani__GpuSignal sum_believed_gpu(const Aolani__GpuSignal *g)
{
    Aolani__GpuSignal b = *g;
    b.uuid = NULL;
    b.power_us = sum_believed(b.power_us);
    b.heat_us = sum_believed(b.heat_us);
    b.brake_us = sum_believed(b.brake_us);
    b.other_us = sum_believed(b.other_us);
    b.pcie_replays = sum_believed(b.pcie_replays);
    b.nvlink_errors = sum_believed(b.nvlink_errors);
    b.ecc_errors = sum_believed(b.ecc_errors);
    b.sync_us = sum_believed(b.sync_us);
    b.board_us = sum_believed(b.board_us);
    b.reliability_us = sum_believed(b.reliability_us);
    b.energy_mj = sum_believed(b.energy_mj);
    b.ecc_corrected = sum_believed(b.ecc_corrected);
    b.remapped_rows = sum_believed(b.remapped_rows);
    b.reasons = sum_believed(b.reasons);
    b.sm_mhz = sum_believed_mhz(b.sm_mhz);
    b.mem_mhz = sum_believed_mhz(b.mem_mhz);
    b.sm_max_mhz = sum_believed_mhz(b.sm_max_mhz);
    return b;
}

static int sum_gpu(struct nodesignals_sum *s, const char *uuid,
                   const Aolani__GpuSignal *g)
{
    if (!uuid[0] || strlen(uuid) > LIMIT_DEVICE_NAME)
        return -EINVAL;
    for (size_t i = 0; i < s->n_gpus; i++) {
        if (strcmp(s->gpus[i].uuid, uuid) == 0) {
            sum_add_gpu(&s->gpus[i].s, g);
            return 0;
        }
    }
    int rc = sum_room((void **)&s->gpus, s->n_gpus, &s->cap_gpus, sizeof *s->gpus,
                      LIMIT_SIGNALS_GPUS);
    if (rc < 0)
        return rc;
    struct nodesignals_gpu *at = &s->gpus[s->n_gpus++];
    (void)snprintf(at->uuid, sizeof at->uuid, "%s", uuid);
    at->s = *g;
    return 0;
}

int nodesignals_sum_gpu(struct nodesignals_sum *s, const Aolani__GpuSignal *g)
{
    Aolani__GpuSignal b = sum_believed_gpu(g);
    return sum_gpu(s, g->uuid, &b);
}

int nodesignals_sum_port(struct nodesignals_sum *s, const struct nodesignals_port *p)
{
    for (size_t i = 0; i < s->n_ports; i++) {
        struct nodesignals_port *at = &s->ports[i];
        if (at->number != p->number || strcmp(at->nic, p->nic) != 0)
            continue;
        for (int k = 0; k < PORT_COUNTS; k++)
            at->count[k] = sum_count(at->count[k], sum_believed(p->count[k]));
        return 0;
    }
    int rc = sum_room((void **)&s->ports, s->n_ports, &s->cap_ports, sizeof *s->ports,
                      LIMIT_SIGNALS_PORTS);
    if (rc < 0)
        return rc;
    struct nodesignals_port *at = &s->ports[s->n_ports++];
    *at = *p;
    for (int k = 0; k < PORT_COUNTS; k++)
        at->count[k] = sum_believed(p->count[k]);
    return 0;
}

int nodesignals_sum_link(struct nodesignals_sum *s, const char *text)
{
    int rc = sum_room((void **)&s->links, s->n_links, &s->cap_links, sizeof *s->links,
                      NODESIGNALS_LINKS);
    if (rc < 0)
        return rc;
    struct nodesignals_link *at = &s->links[s->n_links++];
    (void)snprintf(at->text, sizeof at->text, "%s", text);
    return 0;
}

void nodesignals_sum_fault(struct nodesignals_sum *s, const struct xid *x, uint64_t n)
{
    for (size_t i = 0; i < s->n_faults; i++) {
        struct nodesignals_fault *at = &s->faults[i];
        if (at->x.number == x->number && strcmp(at->x.bus, x->bus) == 0) {
            at->n += n;
            return;
        }
    }
    if (sum_room((void **)&s->faults, s->n_faults, &s->cap_faults, sizeof *s->faults,
                 LIMIT_FAULTS) == 0)
        s->faults[s->n_faults++] = (struct nodesignals_fault){.x = *x, .n = n};
}

/* ---- two become one ---- */

static void sum_merge_lists(struct nodesignals_sum *into,
                            const struct nodesignals_sum *later)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < later->n_gpus; i++)
        rc = sum_gpu(into, later->gpus[i].uuid, &later->gpus[i].s);
    if (rc < 0)
        into->known &= ~(uint32_t)NODESIGNALS_GPUS;
    rc = 0;
    for (size_t i = 0; rc == 0 && i < later->n_ports; i++)
        rc = nodesignals_sum_port(into, &later->ports[i]);
    if (rc < 0)
        into->known &= ~(uint32_t)NODESIGNALS_PORTS;
    for (size_t i = 0; i < later->n_links; i++)
        (void)nodesignals_sum_link(into, later->links[i].text);
    for (size_t i = 0; i < later->n_faults; i++)
        nodesignals_sum_fault(into, &later->faults[i].x, later->faults[i].n);
}

void nodesignals_sum_merge(struct nodesignals_sum *into,
                           const struct nodesignals_sum *later)
{
    if (!later->holds)
        return;
    into->known = into->holds ? into->known & later->known : later->known;
    into->from_ns = into->holds ? into->from_ns : later->from_ns;
    into->to_ns = later->to_ns;
    into->holds = true;
    for (size_t i = 0; i < into->n_cpus; i++)
        into->steal_us[i] += later->steal_us[i];
    for (int i = 0; i < NODESIGNALS_PRESSURES; i++)
        into->psi_us[i] += later->psi_us[i];
    into->throttled_us += later->throttled_us;
    into->interrupts += later->interrupts;
    into->softirqs += later->softirqs;
    if (later->probed) {
        into->probed = true;
        into->probe = later->probe;
    }
    sum_merge_lists(into, later);
}

/* ---- quiet ---- */

bool nodesignals_sum_is_alike(const struct nodesignals_sum *a,
                              const struct nodesignals_sum *b)
{
    return a->known == b->known && a->n_gpus == b->n_gpus && a->n_ports == b->n_ports;
}

static bool sum_gpu_is_quiet(const Aolani__GpuSignal *g, int64_t little_us)
{
    return g->power_us <= little_us && g->heat_us <= little_us &&
           g->brake_us <= little_us && g->other_us <= little_us &&
           g->pcie_replays <= 0 && g->nvlink_errors <= 0 && g->ecc_errors <= 0 &&
           g->remapped_rows <= 0;
}

/* What a port sent, and how long it waited to, says something only against its usual: a
 * mean of five seconds serves that as well. */
static bool sum_port_is_quiet(const struct nodesignals_port *p)
{
    static const enum nodesignals_port_count bad[] = {
        PORT_SYMBOL_ERRORS, PORT_RECOVERIES, PORT_DOWNS, PORT_RETRANSMITS, PORT_MARKS};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (p->count[bad[i]] > 0)
            return false;
    return true;
}

bool nodesignals_sum_is_quiet(const struct nodesignals_sum *s)
{
    uint64_t little_us = (s->to_ns - s->from_ns) / 1000 / QUIET_PART;
    if (s->probed || s->n_links > 0 || s->n_faults > 0 || s->throttled_us > 0)
        return false;
    for (size_t i = 0; i < s->n_cpus; i++)
        if (s->steal_us[i] > 0)
            return false;
    for (int i = 0; i < NODESIGNALS_PRESSURES; i++)
        if (s->psi_us[i] > little_us)
            return false;
    for (size_t i = 0; i < s->n_gpus; i++)
        if (!sum_gpu_is_quiet(&s->gpus[i].s, (int64_t)little_us))
            return false;
    for (size_t i = 0; i < s->n_ports; i++)
        if (!sum_port_is_quiet(&s->ports[i]))
            return false;
    return true;
}

/* ---- as a message, which borrows from the sum ---- */

struct sum_lists { /* one block of memory */
    Aolani__CpuTime *steal, **steal_list;
    Aolani__GpuSignal *gpus, **gpu_list;
    Aolani__PortSignal *ports, **port_list;
    Aolani__GpuFault *faults, **fault_list;
    char **links;
};

static void *sum_take(char **at, size_t n, size_t size)
{
    void *here = *at;
    *at += n * size;
    return here;
}

/* Pointers after structures of 8 bytes' multiples: all are aligned. */
static void *sum_make_lists(const struct nodesignals_sum *s, struct sum_lists *l)
{
    size_t bytes = s->n_cpus * (sizeof *l->steal + sizeof(void *)) +
                   s->n_gpus * (sizeof *l->gpus + sizeof(void *)) +
                   s->n_ports * (sizeof *l->ports + sizeof(void *)) +
                   s->n_faults * (sizeof *l->faults + sizeof(void *)) +
                   s->n_links * sizeof(void *);
    char *block = malloc(bytes + 1), *at = block;
    if (!block)
        return NULL;
    l->steal = sum_take(&at, s->n_cpus, sizeof *l->steal);
    l->gpus = sum_take(&at, s->n_gpus, sizeof *l->gpus);
    l->ports = sum_take(&at, s->n_ports, sizeof *l->ports);
    l->faults = sum_take(&at, s->n_faults, sizeof *l->faults);
    l->steal_list = sum_take(&at, s->n_cpus, sizeof(void *));
    l->gpu_list = sum_take(&at, s->n_gpus, sizeof(void *));
    l->port_list = sum_take(&at, s->n_ports, sizeof(void *));
    l->fault_list = sum_take(&at, s->n_faults, sizeof(void *));
    l->links = sum_take(&at, s->n_links, sizeof(void *));
    return block;
}

static void sum_fill_steal(const struct nodesignals_sum *s, struct sum_lists *l,
                           Aolani__NodeSignals *m)
{
    if (!(s->known & NODESIGNALS_STEAL))
        return;
    for (size_t i = 0; i < s->n_cpus; i++) {
        if (s->steal_us[i] == 0)
            continue;
        m->steal_us += s->steal_us[i];
        Aolani__CpuTime *t = &l->steal[m->n_steal];
        aolani__cpu_time__init(t);
        t->cpu = s->cpus[i];
        t->us = s->steal_us[i];
        if (m->n_steal < LIMIT_SIGNALS_CPUS)
            l->steal_list[m->n_steal++] = t;
    }
    m->steal = l->steal_list;
}

static void sum_fill_devices(const struct nodesignals_sum *s, struct sum_lists *l,
                             Aolani__NodeSignals *m)
{
    for (size_t i = 0; i < s->n_gpus; i++) {
        l->gpus[i] = s->gpus[i].s;
        l->gpus[i].uuid = s->gpus[i].uuid;
        l->gpu_list[m->n_gpus++] = &l->gpus[i];
    }
    for (size_t i = 0; i < s->n_ports; i++) {
        const int64_t *c = s->ports[i].count;
        Aolani__PortSignal *p = &l->ports[i];
        aolani__port_signal__init(p);
        p->nic = s->ports[i].nic;
        p->port = s->ports[i].number;
        p->xmit_wait = c[PORT_XMIT_WAIT];
        p->xmit_bytes = c[PORT_XMIT_BYTES];
        p->rcv_bytes = c[PORT_RCV_BYTES];
        p->symbol_errors = c[PORT_SYMBOL_ERRORS];
        p->recoveries = c[PORT_RECOVERIES];
        p->downs = c[PORT_DOWNS];
        p->retransmits = c[PORT_RETRANSMITS];
        p->marks = c[PORT_MARKS];
        l->port_list[m->n_ports++] = p;
    }
    for (size_t i = 0; i < s->n_links; i++)
        l->links[m->n_links++] = s->links[i].text;
    for (size_t i = 0; i < s->n_faults; i++) {
        Aolani__GpuFault *f = &l->faults[i];
        aolani__gpu_fault__init(f);
        f->bus_id = s->faults[i].x.bus;
        f->xid = s->faults[i].x.number;
        f->n = s->faults[i].n;
        f->text = s->faults[i].x.text;
        l->fault_list[m->n_faults++] = f;
    }
    m->faults = l->fault_list;
    m->gpus = l->gpu_list;
    m->ports = l->port_list;
    m->links = l->links;
}

static void sum_fill_counts(const struct nodesignals_sum *s, Aolani__NodeSignals *m)
{
    m->t_ns = s->to_ns;
    m->interval_ns = s->to_ns - s->from_ns;
    m->known = s->known;
    m->cpus = (uint32_t)s->n_cpus;
    if (s->known & NODESIGNALS_PSI) {
        m->psi_cpu_us = s->psi_us[NODESIGNALS_CPU];
        m->psi_memory_us = s->psi_us[NODESIGNALS_MEMORY];
        m->psi_io_us = s->psi_us[NODESIGNALS_IO];
    }
    if (s->known & NODESIGNALS_QUOTA)
        m->throttled_us = s->throttled_us;
    if (s->known & NODESIGNALS_INTERRUPTS) {
        m->interrupts = s->interrupts;
        m->softirqs = s->softirqs;
    }
}

int nodesignals_sum_send(const struct nodesignals_sum *s, const struct upward *up)
{
    Aolani__NodeSignals m = AOLANI__NODE_SIGNALS__INIT;
    Aolani__Probe probe = s->probe;
    struct sum_lists l;
    void *block = sum_make_lists(s, &l);
    if (!block)
        return -ENOMEM;
    sum_fill_counts(s, &m);
    sum_fill_steal(s, &l, &m);
    sum_fill_devices(s, &l, &m);
    if (s->probed)
        m.probe = &probe;
    int64_t rc = up->send(up->arg, MSG_NODE_SIGNALS, &m.base);
    free(block);
    return rc < 0 ? (int)rc : 0;
}
