/* SPDX-License-Identifier: MIT */
/* signals_over.c - asking the signals about a stretch of time: means over the intervals
 * that it touches, weighted by how much of each lies in it. Nothing is allocated. */
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/variance/signals_impl.h"

/* A probe once a minute; an older one says nothing of now. */
#define PROBE_OLD_NS 180000000000ull
/* Of the ticks in a second: an idle port's usual is 0, and nothing is a multiple of that. */
#define WAIT_SLACK  1000.0
#define WAIT_KNOWN  8u /* values, before a usual means something */
#define TRIAD_KNOWN 3u
/* Of a stretch, that may lie between two intervals without its being uncovered. */
#define GAP 0.01

struct piece { /* an interval that the stretch touches */
    const struct interval *v;
    double weight; /* ns */
};

struct stretch {
    const struct node_signals *n;
    uint64_t from_ns, to_ns;
    struct piece pieces[SIGNALS_KEPT];
    size_t n_pieces;
};

static void cut(struct stretch *st)
{
    for (size_t i = 0; i < st->n->kept; i++) {
        /* Oldest first. */
        const struct interval *v = st->n->ring[(st->n->next + i) % st->n->kept];
        if (!v || v->to_ns <= st->from_ns || v->from_ns >= st->to_ns)
            continue;
        uint64_t from = v->from_ns > st->from_ns ? v->from_ns : st->from_ns;
        uint64_t to = v->to_ns < st->to_ns ? v->to_ns : st->to_ns;
        if (to > from)
            st->pieces[st->n_pieces++] = (struct piece){v, (double)(to - from)};
    }
}

static bool covered(const struct stretch *st)
{
    double sum = 0;
    for (size_t i = 0; i < st->n_pieces; i++)
        sum += st->pieces[i].weight;
    return st->n->last_ns >= st->to_ns &&
           sum >= (1 - GAP) * (double)(st->to_ns - st->from_ns);
}

static double mean(double sum, double weight)
{
    return weight > 0 ? sum / weight : NAN;
}

static double mean_share(double sum, double weight)
{
    return weight > 0 ? fmin(sum / weight, 1) : NAN; /* rounded */
}

/* ---- CPUs ---- */

/* Whether "0-3,8" has it; NULL and "" have all. */
static bool has_cpu(const char *list, unsigned cpu)
{
    if (!list || !*list)
        return true;
    while (*list) {
        char *end;
        unsigned long from = strtoul(list, &end, 10), to = from;
        if (*end == '-')
            to = strtoul(end + 1, &end, 10);
        if (end == list)
            return false;
        if (cpu >= from && cpu <= to)
            return true;
        list = end + (*end == ',');
    }
    return false;
}

/* The lists of all pieces are walked at once, since each is in order: the share of one CPU
 * over the stretch, then the next CPU. */
static double steal(const struct stretch *st, const char *cpus)
{
    unsigned at[SIGNALS_KEPT] = {0};
    double weight = 0, most = 0;
    for (size_t i = 0; i < st->n_pieces; i++) {
        if (st->pieces[i].v->known & AOLANI__NODE_SIGNALS__KNOWN__STEAL)
            weight += st->pieces[i].weight;
    }
    for (;;) {
        unsigned cpu = UINT_MAX;
        double sum = 0;
        for (size_t i = 0; i < st->n_pieces; i++) {
            const struct interval *v = st->pieces[i].v;
            if (at[i] < v->n_cpus && v->cpus[at[i]].cpu < cpu)
                cpu = v->cpus[at[i]].cpu;
        }
        if (cpu == UINT_MAX)
            return mean_share(most, weight);
        for (size_t i = 0; i < st->n_pieces; i++) {
            const struct interval *v = st->pieces[i].v;
            if (at[i] == v->n_cpus || v->cpus[at[i]].cpu != cpu)
                continue;
            sum += st->pieces[i].weight * v->cpus[at[i]++].share / SHARE_WHOLE;
        }
        if (sum > most && has_cpu(cpus, cpu))
            most = sum;
    }
}

static double psi(const struct stretch *st, int which)
{
    double sum = 0, weight = 0;
    for (size_t i = 0; i < st->n_pieces; i++) {
        const struct piece *p = &st->pieces[i];
        if (p->v->psi[which] == SHARE_UNKNOWN)
            continue;
        sum += p->weight * p->v->psi[which] / SHARE_WHOLE;
        weight += p->weight;
    }
    return mean_share(sum, weight);
}

/* ---- the GPU ---- */

static const struct gpu_kept *gpu_in(const struct stretch *st, const struct interval *v,
                                     const char *uuid)
{
    for (size_t i = 0; i < v->n_gpus; i++) {
        if (strcmp(st->n->gpus[v->gpus[i].index].uuid, uuid) == 0)
            return &v->gpus[i];
    }
    return NULL;
}

static void gpu_slowed(const struct gpu_kept *g, double weight,
                       double sums[GPU_REASONS], double *all, double *known)
{
    double here = 0;
    bool any = false;
    for (int r = 0; r < GPU_REASONS; r++) {
        if (g->share[r] == SHARE_UNKNOWN)
            continue;
        any = true;
        sums[r] += weight * g->share[r] / SHARE_WHOLE;
        here += (double)g->share[r] / SHARE_WHOLE;
    }
    *all += weight * fmin(here, 1); /* reasons may hold at once */
    *known += any ? weight : 0;
}

static void see_gpu(const struct stretch *st, const char *uuid,
                    uint64_t errors[LINK_ERRORS], struct signals_seen *ret)
{
    static const char *const why[GPU_REASONS] = {[GPU_POWER] = "power",
                                                 [GPU_HEAT] = "heat",
                                                 [GPU_BRAKE] = "power brake",
                                                 [GPU_OTHER] = "hardware"};
    double sums[GPU_REASONS] = {0}, all = 0, known = 0, most = 0;
    for (size_t i = 0; i < st->n_pieces; i++) {
        const struct gpu_kept *g = gpu_in(st, st->pieces[i].v, uuid);
        if (!g)
            continue;
        gpu_slowed(g, st->pieces[i].weight, sums, &all, &known);
        if (g->mhz && !(ret->gpu_mhz <= g->mhz))
            ret->gpu_mhz = g->mhz;
        for (unsigned r = 0; r < GPU_ERRORS; r++)
            errors[ERROR_REPLAYS + r] += g->errors[r];
    }
    ret->gpu_throttle = mean_share(all, known);
    for (int r = 0; r < GPU_REASONS; r++) {
        if (sums[r] > most) {
            most = sums[r];
            ret->gpu_why = why[r];
        }
    }
}

/* ---- the NIC ---- */

struct port_sum {
    double ticks, weight;
    uint64_t *errors; /* LINK_ERRORS */
};

static void add_port(const struct piece *p, size_t port, struct port_sum *sum)
{
    for (size_t i = 0; i < p->v->n_ports; i++) {
        const struct port_kept *k = &p->v->ports[i];
        if (k->index != port)
            continue;
        for (unsigned r = 0; r < PORT_ERRORS; r++)
            sum->errors[ERROR_SYMBOLS + r] += k->errors[r];
        sum->ticks += isnan(k->wait) ? 0 : p->weight * (double)k->wait;
        sum->weight += isnan(k->wait) ? 0 : p->weight;
    }
}

/* Of all its ports, each against its own usual: the most. */
static void see_nic(const struct stretch *st, const char *nic,
                    uint64_t errors[LINK_ERRORS], struct signals_seen *ret)
{
    for (size_t k = 0; k < st->n->n_ports; k++) {
        const struct port_known *port = &st->n->ports[k];
        struct port_sum sum = {.errors = errors};
        if (strcmp(port->nic, nic) != 0)
            continue;
        for (size_t i = 0; i < st->n_pieces; i++)
            add_port(&st->pieces[i], k, &sum);
        double rate = mean(sum.ticks, sum.weight);
        double against = (rate + WAIT_SLACK) / (port->wait.median + WAIT_SLACK);
        if (port->wait.n >= WAIT_KNOWN && !isnan(against) &&
            !(ret->xmit_wait >= against))
            ret->xmit_wait = against;
    }
}

/* ---- links ---- */

static bool is_at(const struct node_signals *n, const char *device, const char *bus)
{
    for (size_t i = 0; device && i < n->n_devices; i++) {
        if (strcmp(n->devices[i].name, device) == 0 &&
            strcmp(n->devices[i].bus, bus) == 0)
            return true;
    }
    return false;
}

/* Where nobody has said where the devices are, a link may be any's. */
static const struct link_changed *link_of(const struct stretch *st, const char *gpu,
                                          const char *nic)
{
    for (size_t i = 0; (gpu || nic) && i < st->n->n_links; i++) {
        const struct link_changed *l = &st->n->links[i];
        if (l->since_ns < st->to_ns &&
            (st->n->n_devices == 0 || is_at(st->n, gpu, l->bus) ||
             is_at(st->n, nic, l->bus)))
            return l;
    }
    return NULL;
}

static void see_links(const struct stretch *st, const char *gpu, const char *nic,
                      const uint64_t errors[LINK_ERRORS], struct signals_seen *ret)
{
    static const char *const why[LINK_ERRORS] = {[ERROR_REPLAYS] = "PCIe replays",
                                                 [ERROR_NVLINK] = "NVLink errors",
                                                 [ERROR_SYMBOLS] = "symbol errors",
                                                 [ERROR_RECOVERIES] = "link recoveries",
                                                 [ERROR_DOWNS] = "link downs"};
    const struct link_changed *l = link_of(st, gpu, nic);
    uint64_t most = 0;
    for (int r = 0; r < LINK_ERRORS; r++) {
        ret->link_errors += errors[r];
        if (errors[r] > most) {
            most = errors[r];
            ret->link_why = why[r];
        }
    }
    if (l) { /* a narrow link explains more than some errors on it */
        ret->link_errors += 1;
        ret->link_why = l->text;
    }
}

static void see_probes(const struct stretch *st, struct signals_seen *ret)
{
    const struct node_signals *n = st->n;
    uint64_t apart = n->probe_ns > st->to_ns     ? n->probe_ns - st->to_ns
                     : n->probe_ns < st->from_ns ? st->from_ns - n->probe_ns
                                                 : 0;
    if (n->triad.n >= TRIAD_KNOWN && apart <= PROBE_OLD_NS && n->triad.median > 0)
        ret->memory_ratio = n->triad_last / n->triad.median;
    ret->fault_ns = n->fault_last;
}

void signals_nothing(struct signals_seen *ret)
{
    *ret = (struct signals_seen){.steal = NAN,
                                 .psi_cpu = NAN,
                                 .psi_memory = NAN,
                                 .psi_io = NAN,
                                 .gpu_throttle = NAN,
                                 .gpu_mhz = NAN,
                                 .xmit_wait = NAN,
                                 .memory_ratio = NAN,
                                 .fault_ns = NAN};
}

void signals_over(const struct signals *s, uint32_t node, uint64_t from_ns,
                  uint64_t to_ns, const char *cpus, const char *gpu, const char *nic,
                  struct signals_seen *ret)
{
    uint64_t errors[LINK_ERRORS] = {0};
    struct stretch st = {.from_ns = from_ns, .to_ns = to_ns};
    signals_nothing(ret);
    st.n = node < s->n_nodes ? s->nodes[node] : NULL;
    if (!st.n || to_ns <= from_ns)
        return;
    cut(&st);
    ret->covered = covered(&st);
    ret->steal = steal(&st, cpus);
    ret->psi_cpu = psi(&st, 0);
    ret->psi_memory = psi(&st, 1);
    ret->psi_io = psi(&st, 2);
    if (gpu)
        see_gpu(&st, gpu, errors, ret);
    if (nic)
        see_nic(&st, nic, errors, ret);
    see_links(&st, gpu, nic, errors, ret);
    see_probes(&st, ret);
}
