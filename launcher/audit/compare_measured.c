/* SPDX-License-Identifier: MIT */
/* compare_measured.c - nodes whose CPUs lose more, or whose memory gives less, than those
 * that are like them.
 *
 * Nodes that share a machine share its CPUs and memory, and are measured one after another:
 * how they differ says something of moments, not of nodes. Of a machine the best counts.
 * What is a node's own there is a process that only it sees. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/audit/audit_compare.h"
#include "launcher/audit/audit_units.h"
#include "proto/base/limits.h"

#define NOISE_FACTOR  3.0
#define NOISE_LEAST   0.01 /* share of the time of all CPUs; less hardly matters */
#define BUSY_FACTOR   3.0
#define BUSY_LEAST    25u /* percent of one CPU */
#define MEMORY_FACTOR 1.3 /* a missing DIMM costs as much */
#define BUSY_MOST     64u

static double share(uint64_t part, uint64_t whole)
{
    double s = whole > 0 ? (double)part / (double)whole : 0;
    return s < 1 ? s : 1;
}

static unsigned busy_of(const Aolani__AuditMeasured *m)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < m->n_busy && i < BUSY_MOST; i++)
        sum += m->busy[i]->percent;
    return sum < LIMIT_CPUS * 100u ? (unsigned)sum : LIMIT_CPUS * 100u;
}

struct sums {
    double window, lost, stolen, preempted, interrupts;
};

static void add_core(struct noise *r, struct sums *s, const Aolani__AuditCore *c)
{
    double lost = share(c->lost_ns, c->window_ns), window = (double)c->window_ns;
    r->n++;
    s->window += window;
    s->lost += lost * window;
    s->interrupts += (double)c->interrupts;
    if (c->stolen_ns > 0)
        s->stolen += share((uint64_t)c->stolen_ns, c->window_ns) * window;
    if (c->preempted_ns > 0)
        s->preempted += share((uint64_t)c->preempted_ns, c->window_ns) * window;
    if (c->stolen_ns < 0)
        r->stolen = -1;
    if (c->preempted_ns < 0)
        r->preempted = -1;
    if (lost > r->worst) {
        r->worst = lost;
        r->worst_cpu = c->cpu;
    }
    if (c->longest_ns > r->longest_ns)
        r->longest_ns = c->longest_ns;
}

struct noise noise_of(const struct audit_node *n)
{
    struct noise r = {0};
    struct sums s = {0};
    if (!n->measured)
        return r;
    r.busy = busy_of(n->measured);
    for (size_t i = 0; i < n->measured->n_cores && i < LIMIT_CPUS; i++)
        if (n->measured->cores[i]->window_ns > 0)
            add_core(&r, &s, n->measured->cores[i]);
    if (r.n == 0)
        return r;
    r.lost = s.lost / s.window;
    r.stolen = r.stolen < 0 ? -1 : s.stolen / s.window;
    r.preempted = r.preempted < 0 ? -1 : s.preempted / s.window;
    /* Each CPU has its window at its own time: their mean second. */
    r.interrupts = (uint64_t)(s.interrupts * 1e9 / s.window);
    return r;
}

static void note_least(uint64_t *least, uint64_t v)
{
    if (v > 0 && (*least == 0 || v < *least))
        *least = v;
}

struct memory memory_of(const struct audit_node *n)
{
    struct memory r = {0};
    for (size_t i = 0; n->measured && i < n->measured->n_memory && i < LIMIT_NUMA;
         i++) {
        const Aolani__AuditMemory *m = n->measured->memory[i];
        uint64_t all = m->all_mbytes < UNITS_MOST ? m->all_mbytes : UNITS_MOST;
        note_least(&r.one, m->one_mbytes);
        if (all > 0 && (r.all == 0 || all < r.all)) {
            r.all = all;
            r.all_numa = m->numa;
        }
        r.sum += all;
    }
    return r;
}

/* ---- noise */

static const Aolani__AuditBusy *busiest(const struct audit_node *n)
{
    const Aolani__AuditBusy *b = NULL;
    for (size_t i = 0; n->measured && i < n->measured->n_busy && i < BUSY_MOST; i++)
        if (!b || n->measured->busy[i]->percent > b->percent)
            b = n->measured->busy[i];
    return b;
}

static void say_busy(const struct audit_node *n, unsigned percent, double usual,
                     char *ret, size_t len)
{
    const Aolani__AuditBusy *b = busiest(n);
    bool one = n->measured->n_busy == 1;
    snprintf(ret, len,
             "other programs want %u %% of a CPU (others %.0f %%): %s%.40s, process %d "
             "of user %u",
             percent, usual, one ? "" : "most by ", b && b->name ? b->name : "?",
             b ? (int)b->pid : 0, b ? b->uid : 0);
}

static void say_lost(const struct noise *x, double usual, char *ret, size_t len)
{
    const char *by = "interrupts, or the firmware";
    if (x->stolen > x->lost / 2)
        by = "the hypervisor";
    else if (x->preempted > x->lost / 2)
        by = "other processes";
    else if (x->stolen < 0 && x->preempted < 0)
        by = "something that the kernel does not count";
    char here[UNIT_TEXT], others[UNIT_TEXT], worst[UNIT_TEXT];
    snprintf(ret, len, "CPUs lose %s of their time (others %s), most to %s; CPU %u %s",
             unit_share(x->lost, here), unit_share(usual, others), by, x->worst_cpu,
             unit_share(x->worst, worst));
}

/* A program is seen by all that share its processes: it is a node's own where the others,
 * on the same machine as well, do not see as much. */
static int find_busy(const struct audit *a, const uint32_t *likes, double **ret,
                     double **usual)
{
    double *cost = calloc(a->n ? a->n : 1, sizeof *cost);
    uint32_t *alone = calloc(a->n ? a->n : 1, sizeof *alone);
    int rc = -ENOMEM;
    for (uint32_t i = 0; cost && alone && i < a->n; i++) {
        alone[i] = i;
        /* One percent more: nothing at all would have no logarithm. */
        if (a->nodes[i].measured)
            cost[i] = busy_of(a->nodes[i].measured) + 1;
    }
    if (cost && alone)
        rc = compare_costs(a, cost, likes, alone, BUSY_FACTOR, BUSY_LEAST, ret, usual);
    free(cost);
    free(alone);
    return rc;
}

static int find_lost(const struct audit *a, const uint32_t *likes,
                     const uint32_t *machines, double **ret, double **usual)
{
    double *cost = calloc(a->n ? a->n : 1, sizeof *cost);
    if (!cost)
        return -ENOMEM;
    for (uint32_t i = 0; i < a->n; i++) {
        struct noise x = noise_of(&a->nodes[i]);
        cost[i] = x.n > 0 ? x.lost + 1e-5 : 0; /* a floor: there is always some */
    }
    int rc =
        compare_costs(a, cost, likes, machines, NOISE_FACTOR, NOISE_LEAST, ret, usual);
    free(cost);
    return rc;
}

int compare_noise(struct audit *a, const uint32_t *likes, const uint32_t *machines)
{
    double *busy = NULL, *busy_usual = NULL, *lost = NULL, *lost_usual = NULL;
    struct compare_found *f = calloc(a->n ? a->n : 1, sizeof *f);
    size_t n = 0;
    int rc = f ? find_busy(a, likes, &busy, &busy_usual) : -ENOMEM;
    if (rc == 0)
        rc = find_lost(a, likes, machines, &lost, &lost_usual);
    for (uint32_t i = 0; rc == 0 && i < a->n; i++) {
        struct noise x = noise_of(&a->nodes[i]);
        if (busy[i] <= 0 && (lost[i] <= 0 || x.n == 0))
            continue;
        f[n].node = i;
        f[n].factor = busy[i] > lost[i] ? busy[i] : lost[i];
        if (busy[i] > 0)
            say_busy(&a->nodes[i], x.busy, busy_usual[i] - 1, f[n].text,
                     sizeof f[n].text);
        else
            say_lost(&x, lost_usual[i], f[n].text, sizeof f[n].text);
        n++;
    }
    if (rc == 0)
        rc = compare_say(a, REMARK_NOISY, f, n);
    free(f);
    free(busy);
    free(busy_usual);
    free(lost);
    free(lost_usual);
    return rc;
}

/* ---- memory */

static uint64_t memory_part(const struct memory *m, int part)
{
    return part == 0 ? m->all : part == 1 ? m->sum : m->one;
}

static void say_memory(const struct memory *m, int part, double usual, char *ret,
                       size_t len)
{
    char here[UNIT_TEXT], others[UNIT_TEXT], where[40] = "";
    if (part == 0)
        snprintf(where, sizeof where, "memory of NUMA node %u", m->all_numa);
    else
        snprintf(where, sizeof where, "%s",
                 part == 1 ? "memory, all cores," : "memory, one core alone,");
    snprintf(ret, len, "%s gives %s (others %s)", where,
             unit_mbytes(memory_part(m, part), here),
             unit_mbytes((uint64_t)(usual + .5), others));
}

/* part: the slowest NUMA node, all of them, one core alone. The first that stands out is
 * said. */
static int find_memory(const struct audit *a, const uint32_t *likes,
                       const uint32_t *machines, int part, const bool *noisy,
                       struct compare_found *f)
{
    double *cost = calloc(a->n ? a->n : 1, sizeof *cost), *worse = NULL, *usual = NULL;
    if (!cost)
        return -ENOMEM;
    for (uint32_t i = 0; i < a->n; i++) {
        struct memory m = memory_of(&a->nodes[i]);
        uint64_t v = memory_part(&m, part);
        cost[i] = v > 0 && !noisy[i] ? 1 / (double)v : 0;
    }
    int rc = compare_costs(a, cost, likes, machines, MEMORY_FACTOR, 0, &worse, &usual);
    for (uint32_t i = 0; rc == 0 && i < a->n; i++) {
        struct memory m = memory_of(&a->nodes[i]);
        if (worse[i] <= 0 || cost[i] <= 0 || f[i].factor > 0)
            continue;
        f[i].node = i;
        f[i].factor = worse[i];
        say_memory(&m, part, 1 / usual[i], f[i].text, sizeof f[i].text);
    }
    free(cost);
    free(worse);
    free(usual);
    return rc;
}

int compare_memory(struct audit *a, const uint32_t *likes, const uint32_t *machines,
                   const bool *noisy)
{
    struct compare_found *f = calloc(a->n ? a->n : 1, sizeof *f);
    size_t n = 0;
    int rc = f ? 0 : -ENOMEM;
    for (int part = 0; part < 3 && rc == 0; part++)
        rc = find_memory(a, likes, machines, part, noisy, f);
    for (size_t i = 0; rc == 0 && i < a->n; i++)
        if (f[i].factor > 0)
            f[n++] = f[i];
    if (rc == 0)
        rc = compare_say(a, REMARK_MEMORY, f, n);
    free(f);
    return rc;
}
