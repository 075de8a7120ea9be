/* SPDX-License-Identifier: MIT */
/* audit_sim - audits of nodes that never were: everything alike but for a spread, and what a
 * test plants. Seeded, so a failure can be repeated. Included after cmocka by test files. */
#ifndef TESTS_LIB_AUDIT_SIM_H
#define TESTS_LIB_AUDIT_SIM_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/audit/audit.h"
#include "launcher/audit/rounds.h"
#include "launcher/tax/random.h"

#define SIM_NOBODY UINT32_MAX

struct audit_sim {
    size_t n;
    uint64_t seed;
    double spread; /* standard deviation of the logarithm of what is measured */
    double
        transient; /* share of pairs' measurements that are thrice as slow, by chance */
    double mbytes, trip_ns;
    uint32_t slow_node, slow_a, slow_b, noisy, slow_memory; /* SIM_NOBODY */
    uint32_t slow_below; /* the links of so many nodes are slow, those of the first */
    double factor;       /* how much slower */
    bool one_way;        /* slow_node only sends slowly */
    bool trips;          /* it is the round trips that are slow */
    uint32_t dies;       /* after the first round */
    unsigned rounds;     /* at most; 0: all */
    bool one_machine;    /* all nodes are on it */
    uint32_t rails;      /* 0: TCP */
    uint32_t slow_rail;  /* of what is slow; of all, where no node and no pair is */
    uint32_t fit;        /* rails of a pair into a round; 0: all */
};

#define AUDIT_SIM(nodes, with_seed)                                           \
    {                                                                         \
        .n = nodes, .seed = with_seed, .spread = .05, .mbytes = 1200,         \
        .trip_ns = 30000, .slow_node = SIM_NOBODY, .slow_a = SIM_NOBODY,      \
        .slow_b = SIM_NOBODY, .noisy = SIM_NOBODY, .slow_memory = SIM_NOBODY, \
        .factor = 4, .dies = SIM_NOBODY, .slow_rail = SIM_NOBODY              \
    }

static char *sim_text(const char *text)
{
    char *copy = strdup(text);
    assert_non_null(copy);
    return copy;
}

static double sim_normal(struct random *r)
{
    return sqrt(-2 * log(random_unit(r))) * cos(2 * 3.141592653589793 * random_unit(r));
}

static double sim_near(struct random *r, double x, double spread)
{
    return x * exp(spread * sim_normal(r));
}

static void sim_cores(struct random *r, const struct audit_sim *s, uint32_t i,
                      Aolani__AuditMeasured *m)
{
    m->n_cores = 4;
    m->cores = calloc(m->n_cores, sizeof *m->cores);
    for (size_t k = 0; k < m->n_cores; k++) {
        Aolani__AuditCore *c = calloc(1, sizeof *c);
        aolani__audit_core__init(c);
        c->cpu = (uint32_t)k;
        c->window_ns = 250000000;
        /* Noise has a long tail: more by far than bandwidth. */
        c->lost_ns =
            (uint64_t)sim_near(r, 500000, s->spread < .07 ? 10 * s->spread : .7);
        c->longest_ns = 60000;
        c->interrupts = 250;
        if (i == s->noisy) {
            c->lost_ns = 110000000;
            c->preempted_ns = 105000000;
        }
        m->cores[k] = c;
    }
}

static void sim_memory(struct random *r, const struct audit_sim *s, uint32_t i,
                       Aolani__AuditMeasured *m)
{
    m->n_memory = 2;
    m->memory = calloc(m->n_memory, sizeof *m->memory);
    for (size_t k = 0; k < m->n_memory; k++) {
        Aolani__AuditMemory *x = calloc(1, sizeof *x);
        aolani__audit_memory__init(x);
        x->numa = (uint32_t)k;
        x->one_mbytes = (uint64_t)sim_near(r, 14000, s->spread);
        x->all_mbytes = (uint64_t)sim_near(r, 210000, s->spread);
        x->cores = 2;
        if (i == s->slow_memory && k == 1)
            x->all_mbytes = 95000;
        m->memory[k] = x;
    }
}

static void sim_make(const struct audit_sim *s, struct random *r, struct audit *a)
{
    *a = (struct audit){.id = "00112233445566aa",
                        .t_real_s = 1790000000,
                        .took_s = 12.3,
                        .n = s->n,
                        .measured = true,
                        .paired = true};
    a->nodes = calloc(s->n, sizeof *a->nodes);
    assert_non_null(a->nodes);
    for (uint32_t i = 0; i < s->n; i++) {
        struct audit_node *n = &a->nodes[i];
        char host[32], machine[32];
        (void)snprintf(host, sizeof host, "gpu-%03u", i + 1);
        (void)snprintf(machine, sizeof machine, "boot-%u", s->one_machine ? 0 : i);
        n->host = sim_text(host);
        n->machine = sim_text(machine);
        n->kernel = sim_text("6.1.0");
        n->product = sim_text("Planet R8");
        n->cpus = 4;
        n->mem_bytes = 64ull << 30;
        n->measured = calloc(1, sizeof *n->measured);
        aolani__audit_measured__init(n->measured);
        sim_cores(r, s, i, n->measured);
        sim_memory(r, s, i, n->measured);
        n->n_rails = s->rails;
        n->rails = calloc(s->rails + 1, sizeof *n->rails);
        for (uint32_t k = 0; k < s->rails; k++) {
            (void)snprintf(host, sizeof host, "mlx5_%u", k);
            n->rails[k] = sim_text(host);
        }
    }
}

static bool sim_is_slow(const struct audit_sim *s, uint32_t a, uint32_t b,
                        uint32_t rail)
{
    if (s->slow_rail != SIM_NOBODY && rail != s->slow_rail)
        return false;
    if (s->slow_node == SIM_NOBODY && s->slow_a == SIM_NOBODY && s->slow_below == 0)
        return s->slow_rail != SIM_NOBODY;
    return a == s->slow_node || b == s->slow_node || a < s->slow_below ||
           b < s->slow_below || (a == s->slow_a && b == s->slow_b) ||
           (a == s->slow_b && b == s->slow_a);
}

static Aolani__AuditPair *sim_pair(const struct audit_sim *s, struct random *r,
                                   uint32_t a, uint32_t b, uint32_t rail)
{
    Aolani__AuditPair *p = calloc(1, sizeof *p);
    aolani__audit_pair__init(p);
    p->transport = sim_text(s->rails ? "rdma" : "tcp");
    double there = sim_near(r, s->mbytes, s->spread);
    double back = sim_near(r, s->mbytes, s->spread);
    double trip = sim_near(r, s->trip_ns, s->spread);
    if (random_unit(r) < s->transient) {
        there /= 3;
        back /= 3;
    }
    if (sim_is_slow(s, a, b, rail)) {
        trip *= s->trips ? s->factor : 1;
        there /= s->trips || (s->one_way && a != s->slow_node) ? 1 : s->factor;
        back /= s->trips || (s->one_way && b != s->slow_node) ? 1 : s->factor;
    }
    p->trips = 500;
    p->p50_ns = (uint64_t)trip;
    p->p99_ns = (uint64_t)(trip * 1.8);
    p->max_ns = (uint64_t)(trip * 9);
    p->there_mbytes = (uint64_t)(there + 1);
    p->back_mbytes = (uint64_t)(back + 1);
    return p;
}

static void sim_measure_pair(const struct audit_sim *s, struct random *r,
                             struct audit *a, const struct rounds_pair *q,
                             uint32_t round)
{
    uint32_t n = q->n_rails;
    n = n == 0 ? 1 : s->fit && s->fit < n ? s->fit : n;
    a->pairs = realloc(a->pairs, (a->n_pairs + n) * sizeof *a->pairs);
    assert_non_null(a->pairs);
    for (uint32_t i = 0; i < n; i++) {
        struct audit_pair *p = &a->pairs[a->n_pairs++];
        *p = (struct audit_pair){.a = q->a, .b = q->b, .round = round};
        p->rail = q->n_rails ? q->rails[i] : 0;
        if (round > 0 && (p->a == s->dies || p->b == s->dies))
            p->error = sim_text("the connection was refused");
        else
            p->p = sim_pair(s, r, p->a, p->b, p->rail);
    }
}

static void sim_measure(const struct audit_sim *s, struct random *r, struct audit *a,
                        const struct rounds_pair *pairs, size_t n, uint32_t round)
{
    for (size_t i = 0; i < n; i++)
        sim_measure_pair(s, r, a, &pairs[i], round);
}

/* In a round a node is in one pair at most, with another one, and only if it is usable. */
static void sim_check_round(const struct audit_sim *s, const bool *usable,
                            const struct rounds_pair *pairs, size_t n)
{
    bool *in = calloc(s->n, sizeof *in);
    assert_true(n <= s->n / 2);
    for (size_t i = 0; i < n; i++) {
        assert_true(pairs[i].a < s->n && pairs[i].b < s->n && pairs[i].a != pairs[i].b);
        assert_true(usable[pairs[i].a] && usable[pairs[i].b]);
        assert_false(in[pairs[i].a] || in[pairs[i].b]);
        in[pairs[i].a] = in[pairs[i].b] = true;
    }
    free(in);
}

/* The whole audit, up to its remarks. */
static inline void sim_run(const struct audit_sim *s, struct audit *a)
{
    struct random r;
    random_init(&r, s->seed);
    sim_make(s, &r, a);
    bool *usable = malloc(s->n * sizeof *usable);
    struct rounds_pair *pairs = calloc(s->n / 2 + 1, sizeof *pairs);
    assert_true(usable && pairs);
    memset(usable, 1, s->n * sizeof *usable);
    for (uint32_t round = 0; s->rounds == 0 || round < s->rounds; round++) {
        size_t n = rounds_next(a, usable, round, s->seed, pairs);
        if (n == 0)
            break;
        assert_true(round < ROUNDS_FIRST + ROUNDS_REGROUP);
        sim_check_round(s, usable, pairs, n);
        sim_measure(s, &r, a, pairs, n, round);
        if (s->dies != SIM_NOBODY && round > 0) {
            usable[s->dies] = false;
            if (!a->nodes[s->dies].error)
                a->nodes[s->dies].error = sim_text("the node was lost");
        }
    }
    free(usable);
    free(pairs);
    assert_int_equal(audit_compare(a), 0);
}

#endif
