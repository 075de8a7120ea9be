/* SPDX-License-Identifier: MIT */
/* page_measured.c - numbers, with their units and what would be good: of one node as they
 * are, of several the usual one and the worst, and whose that is. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/audit/audit_compare.h"
#include "launcher/audit/audit_page.h"
#include "launcher/audit/audit_units.h"
#include "launcher/audit/spread.h"
#include "proto/base/limits.h"

#define WHERE      3 /* its column, which is cut where the page would be too wide */
#define WHERE_LONG 20u

enum unit { UNIT_SHARE, UNIT_NS, UNIT_MBYTES, UNIT_COUNT };

static const char *format(enum unit u, double v, char ret[UNIT_TEXT])
{
    if (u == UNIT_SHARE)
        return unit_share(v, ret);
    uint64_t n = v < 1e18 ? (uint64_t)(v + .5) : (uint64_t)1e18;
    if (u == UNIT_NS)
        return unit_ns(n, ret);
    if (u == UNIT_MBYTES)
        return unit_mbytes(n, ret);
    snprintf(ret, UNIT_TEXT, "%llu", (unsigned long long)n);
    return ret;
}

/* Of a node; negative: not known. */
typedef double (*value_f)(const struct audit_node *n);

static double lost(const struct audit_node *n)
{
    struct noise x = noise_of(n);
    return x.n ? x.lost : -1;
}

static double stolen(const struct audit_node *n)
{
    struct noise x = noise_of(n);
    return x.n ? x.stolen : -1;
}

static double preempted(const struct audit_node *n)
{
    struct noise x = noise_of(n);
    return x.n ? x.preempted : -1;
}

static double longest(const struct audit_node *n)
{
    struct noise x = noise_of(n);
    return x.n ? (double)x.longest_ns : -1;
}

static double interrupts(const struct audit_node *n)
{
    struct noise x = noise_of(n);
    return x.n ? (double)x.interrupts : -1;
}

static double or_unknown(uint64_t v)
{
    return v > 0 ? (double)v : -1;
}

static double of_cost(const Aolani__AuditCost *c)
{
    return c && c->median > 0 ? (double)c->median : -1;
}

static double leaving(const struct audit_node *n)
{
    return n->measured ? of_cost(n->measured->exit) : -1;
}

static double reading_clock(const struct audit_node *n)
{
    return n->measured ? of_cost(n->measured->clock) : -1;
}

static double ticks(const struct audit_node *n)
{
    return n->measured ? or_unknown(n->measured->ticks) : -1;
}

static double memory_one(const struct audit_node *n)
{
    return or_unknown(memory_of(n).one);
}

static double memory_all(const struct audit_node *n)
{
    return or_unknown(memory_of(n).all);
}

/* The slowest GPU of the node. */
static double slowest(const struct audit_node *n, size_t way)
{
    uint64_t least = 0;
    for (size_t i = 0; n->measured && i < n->measured->n_copies && i < LIMIT_GPUS;
         i++) {
        const Aolani__AuditCopy *c = n->measured->copies[i];
        uint64_t v[] = {c->to_mbytes, c->from_mbytes, c->within_mbytes,
                        c->rated_mbytes};
        if (v[way] > 0 && (least == 0 || v[way] < least))
            least = v[way];
    }
    return or_unknown(least);
}

static double copy_to(const struct audit_node *n)
{
    return slowest(n, 0);
}
static double copy_from(const struct audit_node *n)
{
    return slowest(n, 1);
}
static double copy_within(const struct audit_node *n)
{
    return slowest(n, 2);
}
static double copy_rated(const struct audit_node *n)
{
    return slowest(n, 3);
}

struct row {
    const char *what, *good;
    value_f of;
    enum unit unit;
    bool less_is_worse;
};

static const struct row rows[] = {
    {"CPU time lost to interruptions", "below 0.1 %", lost, UNIT_SHARE, false},
    {"  of it, taken by a hypervisor (steal)", "0 %", stolen, UNIT_SHARE, false},
    {"  of it, taken by other processes", "0 %", preempted, UNIT_SHARE, false},
    {"longest interruption", "below 100 us", longest, UNIT_NS, false},
    {"interrupts a second on a CPU", "below 1100", interrupts, UNIT_COUNT, false},
    {"timer interrupts a second", "1000 or fewer", ticks, UNIT_COUNT, false},
    {"one CPUID (in a guest: an exit to the host)", "below 200 ns", leaving, UNIT_NS,
     false},
    {"reading the clock", "below 100 ns", reading_clock, UNIT_NS, false},
    {"memory, one core alone", "as on like nodes", memory_one, UNIT_MBYTES, true},
    {"memory, all cores of a NUMA node", "as on like nodes", memory_all, UNIT_MBYTES,
     true},
    {"copies to a GPU", "80 % of its link", copy_to, UNIT_MBYTES, true},
    {"copies from a GPU", "80 % of its link", copy_from, UNIT_MBYTES, true},
    {"  its link as it is rated", "as on like nodes", copy_rated, UNIT_MBYTES, true},
    {"copies within a GPU", "as on like nodes", copy_within, UNIT_MBYTES, true},
};

struct seen { /* one row over all nodes, or one of pairs */
    double usual, worst;
    char where[160]; /* of the worst */
    size_t n;
};

static void print_row(struct table *t, const char *what, enum unit u, const char *good,
                      const struct seen *s, bool several)
{
    char text[UNIT_TEXT];
    table_cell(t, "%s", what);
    table_cell(t, "%s", format(u, s->usual, text));
    if (several) {
        table_cell(t, "%s", format(u, s->worst, text));
        table_cell(t, "%s", s->worst == s->usual ? "" : s->where);
    }
    table_cell(t, "%s", good);
}

static struct seen look_row(const struct audit *a, const struct row *r, double *room)
{
    struct seen s = {0};
    size_t worst = 0;
    for (size_t i = 0; i < a->n; i++) {
        double v = r->of(&a->nodes[i]);
        if (v < 0)
            continue;
        if (s.n == 0 || (r->less_is_worse ? v < s.worst : v > s.worst)) {
            s.worst = v;
            worst = i;
        }
        room[s.n++] = v;
    }
    s.usual = spread_median(room, s.n);
    if (s.n > 0)
        page_clean(a->nodes[worst].host, s.where, 40);
    return s;
}

static void table_heads(struct table *t, bool several, const char *what)
{
    table_init(t, several ? "lrrll" : "lrl");
    table_cell(t, "%s", what);
    table_cell(t, several ? "usual" : "here");
    if (several) {
        table_cell(t, "worst");
        table_cell(t, "where");
    }
    table_cell(t, "good is");
}

static void page_nodes(struct page *p, const struct audit *a, double *room)
{
    struct table t;
    size_t n = 0;
    bool several = a->n > 1;
    table_heads(&t, several, "");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct seen s = look_row(a, &rows[i], room);
        if (s.n > 0)
            print_row(&t, rows[i].what, rows[i].unit, rows[i].good, &s, several);
        n += s.n;
    }
    if (n > 0) {
        page_printf(p, "\nMeasured%s\n", several ? " on each node" : "");
        table_print(&t, p, several ? WHERE : 0);
    }
    table_fini(&t);
}

/* ---- between nodes */

typedef double (*pair_f)(const Aolani__AuditPair *p);

static double trip_p50(const Aolani__AuditPair *p)
{
    return or_unknown(p->p50_ns);
}
static double trip_p99(const Aolani__AuditPair *p)
{
    return or_unknown(p->p99_ns);
}
static double trip_max(const Aolani__AuditPair *p)
{
    return or_unknown(p->max_ns);
}
/* The slower way of the two. */
static double speed(const Aolani__AuditPair *p)
{
    uint64_t v = p->there_mbytes;
    return or_unknown(p->back_mbytes > 0 && p->back_mbytes < v ? p->back_mbytes : v);
}

/* Without their domains, where they would take too much of the line. */
static void name_pair(const struct audit *a, const struct audit_pair *p, char *ret,
                      size_t len)
{
    char x[41], y[41], rail[21];
    page_clean(a->nodes[p->a].host, x, 40);
    page_clean(a->nodes[p->b].host, y, 40);
    if (strlen(x) + strlen(y) > WHERE_LONG && strspn(x, "0123456789.") < strlen(x)) {
        x[strcspn(x, ".")] = '\0';
        y[strcspn(y, ".")] = '\0';
    }
    bool railed = page_rail_count(a) > 1 && p->p && !strcmp(p->p->transport, "rdma");
    if (railed) /* first: the column may be cut */
        page_clean(page_rail_name(a, p->rail), rail, 20);
    snprintf(ret, len, "%s%s%s, %s", railed ? rail : "", railed ? ": " : "", x, y);
}

static struct seen look_pairs(const struct audit *a, pair_f of, bool less_is_worse,
                              double *room)
{
    struct seen s = {0};
    const struct audit_pair *worst = NULL;
    for (size_t i = 0; i < a->n_pairs; i++) {
        double v = a->pairs[i].p ? of(a->pairs[i].p) : -1;
        if (v < 0)
            continue;
        if (!worst || (less_is_worse ? v < s.worst : v > s.worst)) {
            s.worst = v;
            worst = &a->pairs[i];
        }
        room[s.n++] = v;
    }
    s.usual = spread_median(room, s.n);
    if (worst)
        name_pair(a, worst, s.where, sizeof s.where);
    return s;
}

static void count_pairs(const struct audit *a, size_t *done, size_t *rdma,
                        size_t *failed)
{
    *done = *rdma = *failed = 0;
    for (size_t i = 0; i < a->n_pairs; i++) {
        const Aolani__AuditPair *p = a->pairs[i].p;
        *done += p != NULL;
        *failed += !p;
        *rdma += p && p->transport && !strcmp(p->transport, "rdma");
    }
}

/* With the words of the first. */
static void page_unmeasured(struct page *p, const struct audit *a, size_t failed,
                            const char *head)
{
    char text[400], x[41], y[41], why[201];
    size_t i = 0;
    while (i < a->n_pairs && a->pairs[i].p)
        i++;
    if (i == a->n_pairs)
        return;
    if (*head)
        page_printf(p, "%s\n", head);
    snprintf(text, sizeof text, "%zu could not be measured%s %s and %s: %s", failed,
             failed > 1 ? ", the first between" : ":",
             page_clean(a->nodes[a->pairs[i].a].host, x, 40),
             page_clean(a->nodes[a->pairs[i].b].host, y, 40),
             page_clean(a->pairs[i].error ? a->pairs[i].error : "it is not known why",
                        why, 200));
    page_wrap(p, "  ", text);
}

static void page_pairs(struct page *p, const struct audit *a, double *room)
{
    static const struct {
        const char *what, *tcp, *rdma;
        pair_f of;
        enum unit unit;
        bool less_is_worse;
    } kinds[] = {
        {"round trip, median", "below 60 us", "below 6 us", trip_p50, UNIT_NS, false},
        {"round trip, 99 of 100 below", "below 3 times the median",
         "below 2 times the median", trip_p99, UNIT_NS, false},
        {"round trip, longest", "below 5 ms", "below 1 ms", trip_max, UNIT_NS, false},
        {"bandwidth, the slower way", "90 % of the NICs", "90 % of the NICs", speed,
         UNIT_MBYTES, true},
    };
    struct table t;
    size_t done, rdma, failed;
    count_pairs(a, &done, &rdma, &failed);
    if (done + failed == 0)
        return;
    if (done == 0) {
        page_unmeasured(p, a, failed, "\nBetween nodes: nothing could be measured");
        return;
    }
    page_printf(p, "\nBetween nodes: %zu measurement%s%s", done, done == 1 ? "" : "s",
                rdma == done ? " by RDMA"
                : rdma == 0  ? " by TCP"
                             : "");
    if (rdma > 0 && rdma < done)
        page_printf(p, ", %zu by RDMA", rdma);
    page_printf(p, "\n");
    table_heads(&t, true, "");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct seen s = look_pairs(a, kinds[i].of, kinds[i].less_is_worse, room);
        if (s.n > 0)
            print_row(&t, kinds[i].what, kinds[i].unit,
                      rdma * 2 > done ? kinds[i].rdma : kinds[i].tcp, &s, true);
    }
    table_print(&t, p, WHERE);
    if (failed > 0)
        page_unmeasured(p, a, failed, "");
    page_rails(p, a, room);
    table_fini(&t);
}

void page_measured(struct page *p, const struct audit *a)
{
    size_t most = a->n > a->n_pairs ? a->n : a->n_pairs;
    double *room = calloc(most + 1, sizeof *room);
    if (!room) {
        p->rc = p->rc ? p->rc : -ENOMEM;
        return;
    }
    page_nodes(p, a, room);
    page_notes(p, a);
    page_pairs(p, a, room);
    free(room);
}
