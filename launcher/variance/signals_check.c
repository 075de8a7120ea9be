/* SPDX-License-Identifier: MIT */
/* signals_check.c - what a node says of itself, before any of it is believed. A count that
 * is somewhat above what its interval allows comes of two clocks and is cut by the caller;
 * one that nothing could reach is refused. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "launcher/variance/signals_impl.h"

#define LONGEST_NS    (24ull * 3600 * 1000000000)
#define MOST_PER_SEC  1e8 /* interrupts of one CPU */
#define MOST_MBYTES   1000000000ull
#define MOST_PROBE_NS 10000000000ull
#define OF_NODE       "the signals of a node"

static int too_many(const char *what, size_t n, unsigned most, struct err *e)
{
    return err_set(e, ERR_LIMIT, OF_NODE ": %zu %s are more than %u", n, what, most);
}

static int check_sizes(const Aolani__NodeSignals *m, struct err *e)
{
    if (m->n_steal > LIMIT_SIGNALS_CPUS)
        return too_many("CPUs with steal", m->n_steal, LIMIT_SIGNALS_CPUS, e);
    if (m->cpus > LIMIT_CPUS)
        return too_many("CPUs", m->cpus, LIMIT_CPUS, e);
    if (m->n_gpus > LIMIT_SIGNALS_GPUS)
        return too_many("GPUs", m->n_gpus, LIMIT_SIGNALS_GPUS, e);
    if (m->n_ports > LIMIT_SIGNALS_PORTS)
        return too_many("ports", m->n_ports, LIMIT_SIGNALS_PORTS, e);
    if (m->n_links > LIMIT_SIGNALS_PORTS)
        return too_many("changed links", m->n_links, LIMIT_SIGNALS_PORTS, e);
    if (m->n_faults > LIMIT_FAULTS)
        return too_many("errors of GPUs", m->n_faults, LIMIT_FAULTS, e);
    return 0;
}

static int check_time(const Aolani__NodeSignals *m, uint64_t last_ns, struct err *e)
{
    if (m->interval_ns == 0 || m->interval_ns > LONGEST_NS || m->interval_ns > m->t_ns)
        return err_set(e, ERR_PROTO,
                       OF_NODE ": an interval of %llu ns that ends at %llu",
                       (unsigned long long)m->interval_ns, (unsigned long long)m->t_ns);
    if (m->t_ns <= last_ns)
        return err_set(e, ERR_PROTO, OF_NODE ": time goes back from %llu ns to %llu",
                       (unsigned long long)last_ns, (unsigned long long)m->t_ns);
    return 0;
}

static int check_cpus(const Aolani__NodeSignals *m, struct err *e)
{
    for (size_t i = 0; i < m->n_steal; i++) {
        if (m->steal[i]->cpu >= LIMIT_CPUS)
            return err_set(e, ERR_PROTO, OF_NODE ": steal of CPU %u", m->steal[i]->cpu);
        if (i > 0 && m->steal[i]->cpu <= m->steal[i - 1]->cpu)
            return err_set(e, ERR_PROTO, OF_NODE ": steal of CPU %u after CPU %u",
                           m->steal[i]->cpu, m->steal[i - 1]->cpu);
    }
    double most = MOST_PER_SEC * (double)m->interval_ns / 1e9 * (m->cpus ? m->cpus : 1);
    if ((double)m->interrupts > most || (double)m->softirqs > most)
        return err_set(e, ERR_PROTO, OF_NODE ": %llu interrupts in %llu ns",
                       (unsigned long long)m->interrupts,
                       (unsigned long long)m->interval_ns);
    return 0;
}

static int check_name(const char *name, const char *what, struct err *e)
{
    size_t len = name ? strnlen(name, LIMIT_DEVICE_NAME + 1) : 0;
    if (len == 0 || len > LIMIT_DEVICE_NAME)
        return err_set(e, ERR_PROTO, OF_NODE ": a %s with a name of %zu bytes%s", what,
                       len, len > LIMIT_DEVICE_NAME ? " or more" : "");
    return 0;
}

static int check_counts(const char *what, const int64_t *counts, size_t n,
                        struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        if (counts[i] < -1 || counts[i] > LIMIT_SIGNALS_COUNT)
            return err_set(e, ERR_PROTO, OF_NODE ": a count of %lld for \"%s\"",
                           (long long)counts[i], what);
    }
    return 0;
}

static int check_gpu(const Aolani__GpuSignal *g, struct err *e)
{
    const int64_t counts[] = {g->power_us,       g->heat_us,      g->brake_us,
                              g->other_us,       g->pcie_replays, g->nvlink_errors,
                              g->ecc_errors,     g->sync_us,      g->board_us,
                              g->reliability_us, g->energy_mj,    g->ecc_corrected,
                              g->remapped_rows,  g->reasons};
    int rc = check_name(g->uuid, "GPU", e);
    if (rc == 0)
        rc = check_counts(g->uuid, counts, sizeof counts / sizeof *counts, e);
    if (rc == 0 && (g->sm_mhz < -1 || g->sm_mhz > LIMIT_SIGNALS_MHZ))
        rc =
            err_set(e, ERR_PROTO, OF_NODE ": %d MHz of GPU \"%s\"", g->sm_mhz, g->uuid);
    return rc;
}

static int check_port(const Aolani__PortSignal *p, struct err *e)
{
    const int64_t counts[] = {p->xmit_wait,     p->xmit_bytes, p->rcv_bytes,
                              p->symbol_errors, p->recoveries, p->downs,
                              p->retransmits,   p->marks};
    int rc = check_name(p->nic, "NIC", e);
    return rc < 0 ? rc
                  : check_counts(p->nic, counts, sizeof counts / sizeof *counts, e);
}

static int check_probe(const Aolani__Probe *p, struct err *e)
{
    if (!p || (p->triad_mbytes <= MOST_MBYTES && p->exit_ns <= MOST_PROBE_NS &&
               p->fault_ns <= MOST_PROBE_NS))
        return 0;
    return err_set(e, ERR_PROTO, OF_NODE ": a probe of %llu MB/s, %llu and %llu ns",
                   (unsigned long long)p->triad_mbytes, (unsigned long long)p->exit_ns,
                   (unsigned long long)p->fault_ns);
}

bool signals_read_link(const char *text, char *bus, char *was, char *now)
{
    const char *blank = text ? strchr(text, ' ') : NULL;
    const char *arrow = blank ? strstr(blank + 1, " -> ") : NULL;
    if (!arrow || blank == text || arrow == blank + 1 || !arrow[4] ||
        strnlen(text, LIMIT_DEVICE_NAME + 1) > LIMIT_DEVICE_NAME)
        return false;
    snprintf(bus, LIMIT_DEVICE_NAME + 1, "%.*s", (int)(blank - text), text);
    snprintf(was, LIMIT_DEVICE_NAME + 1, "%.*s", (int)(arrow - blank - 1), blank + 1);
    snprintf(now, LIMIT_DEVICE_NAME + 1, "%s", arrow + 4);
    return true;
}

static int check_links(const Aolani__NodeSignals *m, struct err *e)
{
    char bus[LIMIT_DEVICE_NAME + 1], was[LIMIT_DEVICE_NAME + 1],
        now[LIMIT_DEVICE_NAME + 1];
    for (size_t i = 0; i < m->n_links; i++) {
        if (!signals_read_link(m->links[i], bus, was, now))
            return err_set(e, ERR_PROTO, OF_NODE ": a changed link \"%.100s\"",
                           m->links[i] ? m->links[i] : "");
    }
    return 0;
}

static bool is_printable(const char *text, size_t most)
{
    size_t len = text ? strnlen(text, most + 1) : most + 1;
    for (size_t i = 0; i < len && len <= most; i++) {
        if (text[i] < ' ' || text[i] > '~')
            return false;
    }
    return len <= most;
}

static int check_fault(const Aolani__GpuFault *f, struct err *e)
{
    if (!is_printable(f->bus_id, LIMIT_FAULT_BUS) || !f->bus_id[0])
        return err_set(e, ERR_PROTO, OF_NODE ": an error of a GPU without a place");
    if (!is_printable(f->text, LIMIT_FAULT_TEXT))
        return err_set(e, ERR_PROTO, OF_NODE ": an error of a GPU in no words");
    if (f->n == 0 || f->n > LIMIT_SIGNALS_COUNT)
        return err_set(e, ERR_PROTO, OF_NODE ": %llu errors of a GPU",
                       (unsigned long long)f->n);
    return 0;
}

int signals_check(const Aolani__NodeSignals *m, uint64_t last_ns, struct err *e)
{
    int rc = check_sizes(m, e);
    if (rc == 0)
        rc = check_time(m, last_ns, e);
    if (rc == 0)
        rc = check_cpus(m, e);
    if (rc == 0)
        rc = check_probe(m->probe, e);
    for (size_t i = 0; rc == 0 && i < m->n_gpus; i++)
        rc = check_gpu(m->gpus[i], e);
    for (size_t i = 0; rc == 0 && i < m->n_ports; i++)
        rc = check_port(m->ports[i], e);
    for (size_t i = 0; rc == 0 && i < m->n_faults; i++)
        rc = check_fault(m->faults[i], e);
    return rc < 0 ? rc : check_links(m, e);
}
