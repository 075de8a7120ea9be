/* SPDX-License-Identifier: MIT */
/* signals.c - see signals.h. One block of memory an interval, taken again when the ring has
 * gone round; what a node has not got takes no room. Totals and the usual are brought up to
 * date as intervals come, so that nothing is lost when they leave the ring. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/variance/signals_impl.h"

/* Rates of shorter stretches say little: the last interval of a job may have any length. */
#define RATE_LEAST_NS 100000000ull

/* Together no more than of 16384 nodes with SIGNALS_KEPT_LEAST. */
#define KEPT_ALL (16384u * SIGNALS_KEPT_LEAST)

static unsigned kept_of(uint32_t n_nodes)
{
    unsigned kept = n_nodes ? KEPT_ALL / n_nodes : SIGNALS_KEPT;
    if (kept > SIGNALS_KEPT)
        return SIGNALS_KEPT;
    return kept > SIGNALS_KEPT_LEAST ? kept : SIGNALS_KEPT_LEAST;
}

int signals_create(uint32_t n_nodes, struct signals **ret)
{
    struct signals *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    s->n_nodes = n_nodes;
    s->kept = kept_of(n_nodes);
    s->nodes = calloc(n_nodes ? n_nodes : 1, sizeof(struct node_signals *));
    if (!s->nodes) {
        free(s);
        return -ENOMEM;
    }
    *ret = s;
    return 0;
}

static void forget_intervals(struct node_signals *n)
{
    for (size_t i = 0; i < n->kept; i++) {
        free(n->ring[i]);
        n->ring[i] = NULL;
    }
    n->next = 0;
    n->last_ns = 0;
}

static void forget_devices(struct node_signals *n)
{
    for (size_t i = 0; i < n->n_gpus; i++)
        free(n->gpus[i].uuid);
    for (size_t i = 0; i < n->n_ports; i++)
        free(n->ports[i].nic);
    for (size_t i = 0; i < n->n_devices; i++) {
        free(n->devices[i].name);
        free(n->devices[i].bus);
    }
    free(n->gpus);
    free(n->ports);
    free(n->links);
    free(n->devices);
    n->gpus = NULL;
    n->ports = NULL;
    n->links = NULL;
    n->devices = NULL;
    n->n_gpus = n->n_ports = n->n_links = n->n_devices = 0;
}

void signals_destroy(struct signals *s)
{
    if (!s)
        return;
    for (uint32_t i = 0; s->nodes && i < s->n_nodes; i++) {
        if (!s->nodes[i])
            continue;
        forget_intervals(s->nodes[i]);
        forget_devices(s->nodes[i]);
        free(s->nodes[i]);
    }
    free(s->nodes);
    free(s);
}

struct node_signals *signals_of_node(struct signals *s, uint32_t node)
{
    struct node_signals *n = s->nodes[node];
    if (n)
        return n;
    n = calloc(1, sizeof *n + s->kept * sizeof(struct interval *));
    if (!n)
        return NULL;
    n->kept = s->kept;
    usual_init(&n->triad);
    usual_init(&n->exit);
    usual_init(&n->fault);
    n->triad_last = n->triad_lowest = n->fault_last = NAN;
    n->totals.throttled_us = n->totals.gpu_throttle_us = n->totals.link_errors = NAN;
    return s->nodes[node] = n;
}

/* ---- names; a node tells its devices in the same order nearly always ---- */

static int gpu_index(struct node_signals *n, const char *uuid, size_t guess)
{
    if (guess < n->n_gpus && strcmp(n->gpus[guess].uuid, uuid) == 0)
        return (int)guess;
    for (size_t i = 0; i < n->n_gpus; i++) {
        if (strcmp(n->gpus[i].uuid, uuid) == 0)
            return (int)i;
    }
    if (n->n_gpus == LIMIT_SIGNALS_GPUS)
        return ERR_LIMIT;
    struct gpu_known *more = signals_one_more(n->gpus, n->n_gpus, sizeof *more);
    if (!more)
        return -ENOMEM;
    n->gpus = more;
    signals_gpu_init(more + n->n_gpus);
    if (!(more[n->n_gpus].uuid = strdup(uuid)))
        return -ENOMEM;
    return (int)n->n_gpus++;
}

static bool is_port(const struct port_known *k, const Aolani__PortSignal *p)
{
    return k->port == p->port && strcmp(k->nic, p->nic) == 0;
}

static int port_index(struct node_signals *n, const Aolani__PortSignal *p, size_t guess)
{
    if (guess < n->n_ports && is_port(&n->ports[guess], p))
        return (int)guess;
    for (size_t i = 0; i < n->n_ports; i++) {
        if (is_port(&n->ports[i], p))
            return (int)i;
    }
    if (n->n_ports == LIMIT_SIGNALS_PORTS)
        return ERR_LIMIT;
    struct port_known *more = signals_one_more(n->ports, n->n_ports, sizeof *more);
    if (!more)
        return -ENOMEM;
    n->ports = more;
    more += n->n_ports;
    *more = (struct port_known){.nic = strdup(p->nic), .port = p->port};
    if (!more->nic)
        return -ENOMEM;
    usual_init(&more->wait);
    return (int)n->n_ports++;
}

/* Before anything of the message is taken. */
static int learn_names(struct node_signals *n, const Aolani__NodeSignals *m,
                       struct err *e)
{
    int rc = 0;
    for (size_t i = 0; rc >= 0 && i < m->n_gpus; i++)
        rc = gpu_index(n, m->gpus[i]->uuid, i);
    for (size_t i = 0; rc >= 0 && i < m->n_ports; i++)
        rc = port_index(n, m->ports[i], i);
    if (rc == ERR_LIMIT)
        return err_set(e, rc, "the signals of a node name ever more GPUs or ports");
    return rc < 0 ? err_sys(e, rc, "cannot keep the signals of a node") : 0;
}

/* ---- an interval ---- */

static uint16_t share_of(double us, double of_us)
{
    double share = us / of_us;
    return (uint16_t)((share < 1 ? share : 1) * SHARE_WHOLE + 0.5);
}

/* NAN is a total of which nothing is known yet. */
static void total_add(double *total, double more)
{
    *total = isnan(*total) ? more : *total + more;
}

/* count: as it was told, -1: not known. */
static void total_add_errors(double *total, int64_t count)
{
    if (count >= 0)
        total_add(total, (double)count);
}

static uint32_t count_of(int64_t count)
{
    return count < 0 ? 0 : count > UINT32_MAX ? UINT32_MAX : (uint32_t)count;
}

static struct interval *interval_get(struct node_signals *n,
                                     const Aolani__NodeSignals *m)
{
    struct interval *v = n->ring[n->next];
    size_t bytes = sizeof *v + m->n_gpus * sizeof *v->gpus +
                   m->n_ports * sizeof *v->ports + m->n_steal * sizeof *v->cpus;
    /* A block is used again unless it has become far too large. */
    if (!v || v->bytes < bytes || v->bytes / 4 > bytes) {
        struct interval *other = malloc(bytes);
        if (!other)
            return NULL;
        free(v);
        n->ring[n->next] = v = other;
    } else {
        bytes = v->bytes;
    }
    *v = (struct interval){.from_ns = m->t_ns - m->interval_ns,
                           .to_ns = m->t_ns,
                           .known = m->known,
                           .bytes = (uint32_t)bytes};
    v->gpus = (struct gpu_kept *)v->room;
    v->ports = (struct port_kept *)(v->gpus + m->n_gpus);
    v->cpus = (struct cpu_kept *)(v->ports + m->n_ports);
    return v;
}

static void take_gpus(struct node_signals *n, const Aolani__NodeSignals *m,
                      struct interval *v, double us)
{
    for (size_t i = 0; i < m->n_gpus; i++) {
        const Aolani__GpuSignal *g = m->gpus[i];
        const int64_t slowed[GPU_REASONS] = {g->power_us, g->heat_us, g->brake_us,
                                             g->other_us};
        struct gpu_kept *k = &v->gpus[v->n_gpus++];
        double all = 0;
        bool any = false;
        *k = (struct gpu_kept){
            .index = (uint16_t)gpu_index(n, g->uuid, i),
            .mhz = (uint16_t)(g->sm_mhz < 0 ? 0 : g->sm_mhz),
            .errors = {count_of(g->pcie_replays), count_of(g->nvlink_errors)}};
        for (int r = 0; r < GPU_REASONS; r++) {
            k->share[r] =
                slowed[r] < 0 ? SHARE_UNKNOWN : share_of((double)slowed[r], us);
            all += slowed[r] < 0 ? 0 : (double)slowed[r];
            any = any || slowed[r] >= 0;
        }
        signals_gpu_take(&n->gpus[k->index], g, us);
        if (any)
            total_add(&n->totals.gpu_throttle_us, fmin(all, us));
        total_add_errors(&n->totals.link_errors, g->pcie_replays);
        total_add_errors(&n->totals.link_errors, g->nvlink_errors);
    }
}

static void take_ports(struct node_signals *n, const Aolani__NodeSignals *m,
                       struct interval *v, double us)
{
    for (size_t i = 0; i < m->n_ports; i++) {
        const Aolani__PortSignal *p = m->ports[i];
        struct port_kept *k = &v->ports[v->n_ports++];
        *k =
            (struct port_kept){.index = (uint16_t)port_index(n, p, i),
                               .wait = NAN,
                               .errors = {count_of(p->symbol_errors),
                                          count_of(p->recoveries), count_of(p->downs)}};
        total_add_errors(&n->totals.link_errors, p->symbol_errors);
        total_add_errors(&n->totals.link_errors, p->recoveries);
        total_add_errors(&n->totals.link_errors, p->downs);
        if (p->xmit_wait >= 0 && m->interval_ns >= RATE_LEAST_NS) {
            k->wait = (float)((double)p->xmit_wait / us * 1e6);
            usual_add(&n->ports[k->index].wait, (double)k->wait);
        }
    }
}

static void take_cpus(struct node_signals *n, const Aolani__NodeSignals *m,
                      struct interval *v, double us)
{
    double cpus = m->cpus ? m->cpus : 1, all = us * cpus;
    struct signals_totals *t = &n->totals;
    bool told = (m->known & AOLANI__NODE_SIGNALS__KNOWN__STEAL) != 0;
    for (size_t i = 0; told && i < m->n_steal; i++)
        v->cpus[v->n_cpus++] = (struct cpu_kept){(uint16_t)m->steal[i]->cpu,
                                                 share_of((double)m->steal[i]->us, us)};
    if (told) {
        t->steal_us += fmin((double)m->steal_us, all);
        t->steal_cpu_us += all;
    }
    if (m->known & AOLANI__NODE_SIGNALS__KNOWN__INTERRUPTS) {
        t->interrupts += (double)m->interrupts;
        t->interrupt_cpu_s += all / 1e6;
    }
    if (m->known & AOLANI__NODE_SIGNALS__KNOWN__QUOTA)
        total_add(&t->throttled_us, fmin((double)m->throttled_us, all));
}

static void take_psi(struct node_signals *n, const Aolani__NodeSignals *m,
                     struct interval *v, double us)
{
    const uint64_t waited[3] = {m->psi_cpu_us, m->psi_memory_us, m->psi_io_us};
    bool known = (m->known & AOLANI__NODE_SIGNALS__KNOWN__PSI) != 0;
    for (int i = 0; i < 3; i++) {
        v->psi[i] = known ? share_of((double)waited[i], us) : SHARE_UNKNOWN;
        n->totals.psi_us[i] += known ? fmin((double)waited[i], us) : 0;
    }
    n->totals.psi_of_us += known ? us : 0;
}

static void take_probe(struct node_signals *n, const Aolani__NodeSignals *m)
{
    const Aolani__Probe *p = m->probe;
    if (!p)
        return;
    if (p->triad_mbytes > 0) {
        n->triad_last = (double)p->triad_mbytes;
        n->triad_lowest = fmin(n->triad_last, n->triad_lowest); /* NAN is no number */
        n->probe_ns = m->t_ns;
        usual_add(&n->triad, n->triad_last);
    }
    if (p->exit_ns > 0)
        usual_add(&n->exit, (double)p->exit_ns);
    if (p->fault_ns > 0) {
        n->fault_last = (double)p->fault_ns;
        usual_add(&n->fault, n->fault_last);
    }
}

int signals_add(struct signals *s, uint32_t node, const Aolani__NodeSignals *m,
                struct err *e)
{
    if (node >= s->n_nodes)
        return err_set(e, ERR_PROTO, "signals of node %u, which the job has not", node);
    struct node_signals *n = signals_of_node(s, node);
    if (!n)
        return err_sys(e, -ENOMEM, "cannot keep the signals of a node");
    int rc = signals_check(m, n->last_ns, e);
    if (rc == 0)
        rc = learn_names(n, m, e);
    if (rc < 0)
        return rc;
    struct interval *v = interval_get(n, m);
    if (!v)
        return err_sys(e, -ENOMEM, "cannot keep the signals of a node");
    /* Of two clocks, or two readings: no moment is counted twice. */
    v->from_ns = v->from_ns < n->last_ns ? n->last_ns : v->from_ns;
    double us = (double)m->interval_ns / 1e3;
    take_gpus(n, m, v, us);
    take_ports(n, m, v, us);
    take_cpus(n, m, v, us);
    take_psi(n, m, v, us);
    take_probe(n, m);
    for (size_t i = 0; i < m->n_links; i++)
        signals_take_link(n, m->links[i], v->from_ns);
    n->totals.seconds += us / 1e6;
    n->last_ns = m->t_ns;
    n->next = (n->next + 1) % n->kept;
    return 0;
}

static double ratio(double part, double whole)
{
    return whole > 0 ? part / whole : NAN;
}

void signals_node(const struct signals *s, uint32_t node, struct signals_node *ret)
{
    const struct node_signals *n = node < s->n_nodes ? s->nodes[node] : NULL;
    *ret = (struct signals_node){.steal_share = NAN,
                                 .exits_per_second = NAN,
                                 .exit_ns = NAN,
                                 .triad_mbytes = NAN,
                                 .triad_lowest = NAN,
                                 .fault_ns = NAN,
                                 .psi_cpu = NAN,
                                 .psi_memory = NAN,
                                 .psi_io = NAN,
                                 .throttled_us = NAN,
                                 .gpu_throttle_us = NAN,
                                 .link_errors = NAN};
    if (!n)
        return;
    const struct signals_totals *t = &n->totals;
    ret->seconds = (uint64_t)(t->seconds + 0.5);
    ret->steal_share = ratio(t->steal_us, t->steal_cpu_us);
    ret->exits_per_second = ratio(t->interrupts, t->interrupt_cpu_s);
    ret->exit_ns = n->exit.n ? n->exit.median : NAN;
    ret->triad_mbytes = n->triad.n ? n->triad.median : NAN;
    ret->triad_lowest = n->triad_lowest;
    ret->fault_ns = n->fault.n ? n->fault.median : NAN;
    ret->psi_cpu = ratio(t->psi_us[0], t->psi_of_us);
    ret->psi_memory = ratio(t->psi_us[1], t->psi_of_us);
    ret->psi_io = ratio(t->psi_us[2], t->psi_of_us);
    ret->throttled_us = t->throttled_us;
    ret->gpu_throttle_us = t->gpu_throttle_us;
    ret->link_errors = t->link_errors;
}
