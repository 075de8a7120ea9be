/* SPDX-License-Identifier: MIT */
/* Audits on a virtual clock, with nodes that answer, are late, lie or die. What holds for
 * every one of them is checked at each message: a node has one question open, nodes that
 * share a machine are neither measured nor paired at once, and both ends of a pair are told
 * the same secret. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/audit/conduct.h"
#include "launcher/tax/random.h"

#define N_MAX 64u

enum kind { NONE, LOOK, MEASURE, LISTEN, REACH };

enum fault {
    FINE,
    NO_LOOK, /* says that it cannot */
    DUMB,    /* never answers that it has looked */
    EMPTY,   /* its last word brings nothing */
    NO_MEASURE,
    DUMB_MEASURE,
    LATE_MEASURE, /* answers when nobody waits any more */
    NO_LISTEN,
    NO_REACH,
    DUMB_LISTEN,
    QUITS_LISTENING, /* says that it failed, while the other one measures */
    DIES_LOOKING,
    DIES_MEASURING,
    DIES_PAIRED,
    CANNOT_BE_ASKED,
    N_FAULTS,
};

struct sim_node {
    enum fault fault;
    bool dead;
    enum kind open; /* its question */
    uint32_t id;
    uint64_t answer_ms, listen_ms; /* UINT64_MAX: never */
    bool listens;                  /* LISTENING was said */
    bool quits;
    uint8_t token[32];
    uint32_t port;
};

struct rig {
    struct audit audit;
    struct conduct *c;
    struct sim_node nodes[N_MAX];
    const char *addresses[N_MAX];
    char names[N_MAX][16];
    const char *machine[N_MAX];
    uint64_t now;
    struct random random;
    unsigned n_asked[5], n_done, last_percent;
    char last_what[120];
    uint64_t budget_sum;   /* of measuring, of the first machine */
    const char *transport; /* of what pairs bring; NULL: TCP */
    uint64_t overhead_ms;  /* of each that is measured */
    char listens_on[N_MAX][16];
};

/* ---- what the conduct asks ---- */

static void check_alone(const struct rig *r, uint32_t node, enum kind what)
{
    for (uint32_t i = 0; i < r->audit.n; i++) {
        const struct sim_node *o = &r->nodes[i];
        if (i == node || o->open == NONE || o->dead || !r->machine[i][0] ||
            strcmp(r->machine[i], r->machine[node]) != 0)
            continue;
        if (what == MEASURE && o->open == MEASURE && o->fault != DUMB_MEASURE &&
            o->fault != LATE_MEASURE)
            fail_msg("%u and %u are measured at once on one machine", node, i);
        if (what == LISTEN && (o->open == LISTEN || o->open == REACH) &&
            o->fault != DUMB_LISTEN)
            fail_msg("%u and %u are in two pairs on one machine", node, i);
    }
}

static void on_reach(struct rig *r, struct sim_node *n, const Aolani__AuditReach *m)
{
    uint32_t partner = m->port - 1000;
    assert_in_range(partner, 0, r->audit.n - 1);
    assert_int_equal(r->nodes[partner].open, LISTEN);
    assert_int_equal(m->token.len, 32);
    assert_memory_equal(m->token.data, r->nodes[partner].token, 32);
    assert_string_equal(m->address, r->addresses[partner]);
    if (strcmp(m->nic, r->listens_on[partner]) != 0)
        fail_msg("\"%s\" is to meet \"%s\"", m->nic, r->listens_on[partner]);
    n->answer_ms = r->now + m->budget_ms + r->overhead_ms;
    if (n->fault != NO_REACH && n->fault != DIES_PAIRED && r->nodes[partner].answer_ms)
        r->nodes[partner].answer_ms = n->answer_ms + 1;
    r->nodes[partner].quits = r->nodes[partner].fault == QUITS_LISTENING;
    if (r->nodes[partner].quits)
        r->nodes[partner].answer_ms = r->now + 1;
}

static int ask(void *arg, uint32_t node, const Aolani__AuditAsk *m)
{
    struct rig *r = arg;
    struct sim_node *n = &r->nodes[node];
    assert_false(n->dead);
    if (n->fault == CANNOT_BE_ASKED)
        return -1;
    assert_int_equal(n->open, NONE);
    assert_true(m->id > 0);
    n->id = m->id;
    n->listens = n->quits = false;
    switch (m->is_case) {
    case AOLANI__AUDIT_ASK__IS_LOOK:
        n->open = LOOK;
        n->answer_ms = r->now + 100 + random_below(&r->random, 900);
        break;
    case AOLANI__AUDIT_ASK__IS_MEASURE:
        n->open = MEASURE;
        n->answer_ms = r->now + m->measure->budget_ms;
        if (r->machine[0][0] && strcmp(r->machine[node], r->machine[0]) == 0)
            r->budget_sum += m->measure->budget_ms;
        check_alone(r, node, MEASURE);
        break;
    case AOLANI__AUDIT_ASK__IS_LISTEN:
        check_alone(r, node, LISTEN);
        n->open = LISTEN;
        n->listen_ms = r->now + 3;
        n->answer_ms = r->now + m->listen->limit_ms;
        assert_int_equal(m->listen->token.len, 32);
        memcpy(n->token, m->listen->token.data, 32);
        (void)snprintf(r->listens_on[node], sizeof r->listens_on[node], "%s",
                       m->listen->nic);
        break;
    case AOLANI__AUDIT_ASK__IS_REACH:
        n->open = REACH;
        on_reach(r, n, m->reach);
        break;
    default:
        fail_msg("it asks nothing");
    }
    r->n_asked[n->open]++;
    if ((n->open == LOOK && n->fault == DUMB) ||
        (n->open == MEASURE && n->fault == DUMB_MEASURE) ||
        (n->open == LISTEN && n->fault == DUMB_LISTEN))
        n->answer_ms = n->listen_ms = UINT64_MAX;
    if (n->open == MEASURE && n->fault == LATE_MEASURE)
        n->answer_ms = r->now + 60000;
    return 0;
}

static void progress(void *arg, const char *what, unsigned percent)
{
    struct rig *r = arg;
    assert_in_range(percent, 0, 100);
    assert_true(strlen(what) < sizeof r->last_what);
    (void)snprintf(r->last_what, sizeof r->last_what, "%s", what);
    r->last_percent = percent;
}

static void token(void *arg, uint8_t ret[32])
{
    struct rig *r = arg;
    for (size_t i = 0; i < 32; i++)
        ret[i] = (uint8_t)random_below(&r->random, 256);
}

static void done(void *arg)
{
    struct rig *r = arg;
    r->n_done++;
}

/* ---- what the nodes answer ---- */

static void bring(const struct rig *r, const struct sim_node *n, Aolani__AuditSaid *m)
{
    if (n->fault == EMPTY)
        return;
    if (n->open == LOOK) {
        m->is_case = AOLANI__AUDIT_SAID__IS_FOUND;
        m->found = malloc(sizeof *m->found);
        aolani__audit_findings__init(m->found);
    } else if (n->open == MEASURE) {
        m->is_case = AOLANI__AUDIT_SAID__IS_MEASURED;
        m->measured = malloc(sizeof *m->measured);
        aolani__audit_measured__init(m->measured);
    } else if (n->open == REACH) {
        m->is_case = AOLANI__AUDIT_SAID__IS_PAIR;
        m->pair = malloc(sizeof *m->pair);
        aolani__audit_pair__init(m->pair);
        if (r->transport)
            assert_non_null(m->pair->transport = strdup(r->transport));
        m->pair->p50_ns = 10000;
        m->pair->there_mbytes = m->pair->back_mbytes = 1000;
    }
}

static bool fails(const struct sim_node *n)
{
    return (n->open == LOOK && n->fault == NO_LOOK) ||
           (n->open == MEASURE && n->fault == NO_MEASURE) ||
           (n->open == LISTEN && (n->fault == NO_LISTEN || n->quits)) ||
           (n->open == REACH && n->fault == NO_REACH);
}

static bool dies(const struct sim_node *n)
{
    return (n->open == LOOK && n->fault == DIES_LOOKING) ||
           (n->open == MEASURE && n->fault == DIES_MEASURING) ||
           ((n->open == LISTEN || n->open == REACH) && n->fault == DIES_PAIRED);
}

static void say(struct rig *r, uint32_t node, Aolani__AuditSaid *m)
{
    struct err e;
    if (conduct_said(r->c, node, m, r->now, &e) < 0)
        fail_msg("node %u: %s", node, e.text);
    if (m->is_case == AOLANI__AUDIT_SAID__IS_FOUND)
        aolani__audit_findings__free_unpacked(m->found, NULL);
    if (m->is_case == AOLANI__AUDIT_SAID__IS_MEASURED)
        aolani__audit_measured__free_unpacked(m->measured, NULL);
    if (m->is_case == AOLANI__AUDIT_SAID__IS_PAIR)
        aolani__audit_pair__free_unpacked(m->pair, NULL);
}

static void answer(struct rig *r, uint32_t node)
{
    struct sim_node *n = &r->nodes[node];
    Aolani__AuditSaid m = AOLANI__AUDIT_SAID__INIT;
    if (dies(n)) {
        n->dead = true;
        n->open = NONE;
        conduct_lost(r->c, node, "its agent died", "", r->now);
        return;
    }
    m.id = n->id;
    m.last = true;
    if (fails(n))
        m.error = (char *)"it cannot";
    else
        bring(r, n, &m);
    n->open = NONE;
    say(r, node, &m);
}

static void listening(struct rig *r, uint32_t node)
{
    struct sim_node *n = &r->nodes[node];
    Aolani__AuditSaid m = AOLANI__AUDIT_SAID__INIT;
    Aolani__AuditListening l = AOLANI__AUDIT_LISTENING__INIT;
    n->listens = true;
    if (fails(n)) {
        answer(r, node);
        return;
    }
    m.id = n->id;
    m.is_case = AOLANI__AUDIT_SAID__IS_LISTENING;
    l.port = 1000 + node;
    m.listening = &l;
    say(r, node, &m);
}

static void step(struct rig *r)
{
    r->now += 1;
    for (uint32_t i = 0; i < r->audit.n; i++) {
        struct sim_node *n = &r->nodes[i];
        if (n->dead || n->open == NONE)
            continue;
        if (n->open == LISTEN && !n->listens && n->listen_ms <= r->now)
            listening(r, i);
        else if (n->answer_ms <= r->now)
            answer(r, i);
    }
    if (r->now % 100 == 0)
        conduct_tick(r->c, r->now);
}

/* ---- an audit ---- */

static void setup_rig(struct rig *r, uint32_t n, uint32_t per_machine, uint64_t seed)
{
    static const char *const boots[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    memset(r, 0, sizeof *r);
    random_init(&r->random, seed);
    r->audit.n = n;
    r->audit.nodes = calloc(n + 1, sizeof *r->audit.nodes);
    for (uint32_t i = 0; i < n; i++) {
        (void)snprintf(r->names[i], sizeof r->names[i], "n%u", i);
        r->machine[i] = per_machine ? boots[i / per_machine % 8] : "";
        r->audit.nodes[i].host = strdup(r->names[i]);
        r->audit.nodes[i].machine = strdup(r->machine[i]);
        r->addresses[i] = r->names[i];
    }
}

static void run_rig(struct rig *r, bool measure, bool pair, uint64_t budget_ms)
{
    static const struct conduct_ops ops = {
        .ask = ask, .progress = progress, .token = token, .done = done};
    struct err e;
    struct conduct_config c = {.audit = &r->audit,
                               .measure = measure,
                               .pair = pair,
                               .addresses = r->addresses,
                               .budget_ms = budget_ms,
                               .seed = 7};
    assert_int_equal(conduct_create(&c, &ops, r, &r->c, &e), 0);
    conduct_start(r->c, r->now);
    while (!r->n_done && r->now < 300000)
        step(r);
    if (!r->n_done)
        fail_msg("not over after 300 s: %s", r->last_what);
    for (int i = 0; i < 1000; i++) /* whoever is late is no trouble any more */
        step(r);
    assert_int_equal(r->n_done, 1);
}

static void end_rig(struct rig *r)
{
    conduct_destroy(r->c);
    audit_fini(&r->audit);
}

/* ---- tests ---- */

static void test_all_answer(void **state)
{
    static const struct {
        uint32_t n, per_machine;
    } table[] = {{1, 0}, {2, 0}, {2, 2}, {8, 0}, {8, 8}, {16, 16}, {9, 2}, {64, 8}};
    (void)state;
    for (size_t t = 0; t < sizeof table / sizeof *table; t++) {
        struct rig r;
        uint32_t n = table[t].n;
        setup_rig(&r, n, table[t].per_machine, t);
        run_rig(&r, true, true, 12000);
        assert_int_equal(r.n_asked[LOOK], n);
        assert_int_equal(r.n_asked[MEASURE], n);
        assert_int_equal(r.n_asked[LISTEN], r.n_asked[REACH]);
        assert_int_equal(r.n_asked[LISTEN], r.audit.n_pairs);
        for (uint32_t i = 0; i < n; i++) {
            assert_non_null(r.audit.nodes[i].found);
            assert_non_null(r.audit.nodes[i].measured);
            assert_null(r.audit.nodes[i].error);
        }
        for (size_t i = 0; i < r.audit.n_pairs; i++)
            assert_non_null(r.audit.pairs[i].p);
        if (n > 1)
            assert_true(r.audit.n_pairs >= n / 2);
        assert_true(r.budget_sum <= 12000);
        if (r.audit.took_s > 16.0)
            fail_msg("%u nodes, %u on a machine: %.1f s", n, table[t].per_machine,
                     r.audit.took_s);
        end_rig(&r);
    }
}

static void give_rails(struct rig *r, uint32_t n_rails, uint32_t gap)
{
    for (uint32_t i = 0; i < r->audit.n; i++) {
        struct audit_node *n = &r->audit.nodes[i];
        n->rails = calloc(n_rails, sizeof *n->rails);
        n->n_rails = n_rails;
        for (uint32_t k = 0; k < n_rails; k++) {
            char name[24];
            (void)snprintf(name, sizeof name, "mlx5_%u", k);
            n->rails[k] = i == 1 && k == gap ? NULL : strdup(name);
        }
    }
}

/* All rails of a pair, in its round; as many as there is time for; no more than two where
 * none goes by RDMA, or where nothing comes at all. */
static void test_rails(void **state)
{
    static const struct {
        const char *name;
        uint32_t n, per_machine, rails, gap;
        const char *transport;
        enum fault fault; /* of all nodes */
        uint64_t overhead_ms;
        uint32_t a_pair, fit; /* in the first round, between nodes 0 and 2 */
        uint32_t all;         /* rails that were measured at all */
    } table[] = {
        {"eight", 3, 0, 8, 9, "rdma", FINE, 10, 8, 0, 8},
        {"a gap", 3, 0, 8, 3, "rdma", FINE, 10, 8, 0, 8},
        {"one", 3, 0, 1, 9, "rdma", FINE, 10, 1, 0, 1},
        {"no RDMA", 3, 0, 8, 9, "tcp", FINE, 10, 2, 0, 2},
        {"nothing comes", 3, 0, 8, 9, "rdma", NO_REACH, 10, 1, 4, 2},
        {"little time", 8, 8, 8, 9, "rdma", FINE, 10, 2, 2, 8},
        {"slow to begin", 8, 0, 8, 9, "rdma", FINE, 250, 5, 4, 8},
    };
    (void)state;
    for (size_t t = 0; t < sizeof table / sizeof *table; t++) {
        struct rig r;
        uint32_t seen = 0, most = 0;
        setup_rig(&r, table[t].n, table[t].per_machine, t);
        give_rails(&r, table[t].rails, table[t].gap);
        r.transport = table[t].transport;
        r.overhead_ms = table[t].overhead_ms;
        for (uint32_t i = 0; i < table[t].n; i++)
            r.nodes[i].fault = table[t].fault;
        run_rig(&r, true, true, 12000);
        for (size_t i = 0; i < r.audit.n_pairs; i++) {
            const struct audit_pair *p = &r.audit.pairs[i];
            uint32_t n = 0;
            seen |= 1u << p->rail;
            for (size_t k = 0; k < r.audit.n_pairs; k++) {
                const struct audit_pair *q = &r.audit.pairs[k];
                n += q->a == p->a && q->b == p->b && q->round == p->round;
                assert_false(i != k && q->a == p->a && q->b == p->b &&
                             q->round == p->round && q->rail == p->rail &&
                             p->round < 2);
            }
            most = n > most && p->round == 0 ? n : most;
            if ((p->a == 1 || p->b == 1) && p->rail == table[t].gap)
                fail_msg("%s: a rail that node 1 has not", table[t].name);
        }
        if (table[t].gap > 8 && most != table[t].a_pair)
            fail_msg("%s: %u rails in a round, fit %u", table[t].name, most,
                     r.audit.rails_fit);
        if (r.audit.rails_fit != table[t].fit ||
            (uint32_t)__builtin_popcount(seen) != table[t].all)
            fail_msg("%s: %u fit, %x seen", table[t].name, r.audit.rails_fit, seen);
        if (r.audit.took_s > (table[t].fault ? 25.0 : 16.0))
            fail_msg("%s: %.1f s", table[t].name, r.audit.took_s);
        end_rig(&r);
    }
}

static void test_look_only(void **state)
{
    struct rig r;
    (void)state;
    setup_rig(&r, 4, 0, 1);
    run_rig(&r, false, false, 12000);
    assert_int_equal(r.n_asked[LOOK], 4);
    assert_int_equal(r.n_asked[MEASURE] + r.n_asked[LISTEN], 0);
    assert_false(r.audit.measured);
    assert_false(r.audit.paired);
    assert_true(r.audit.took_s < 1.2);
    end_rig(&r);
}

/* One node of six has the fault; all others are audited as if it were not there. */
static void test_one_fault(void **state)
{
    static const struct {
        const char *name;
        bool error, measure_error;
        double most_s;
    } wanted[N_FAULTS] = {
        [FINE] = {"fine", false, false, 15},
        [NO_LOOK] = {"cannot look", true, false, 15},
        [DUMB] = {"never looks", true, false, 45},
        [EMPTY] = {"says nothing", true, false, 15},
        [NO_MEASURE] = {"cannot measure", false, true, 15},
        [DUMB_MEASURE] = {"never measures", false, true, 40},
        [LATE_MEASURE] = {"measures late", false, true, 40},
        [NO_LISTEN] = {"cannot listen", false, false, 15},
        [NO_REACH] = {"cannot reach", false, false, 30},
        [DUMB_LISTEN] = {"never listens", false, false, 30},
        [QUITS_LISTENING] = {"quits listening", false, false, 15},
        [DIES_LOOKING] = {"dies looking", true, false, 15},
        [DIES_MEASURING] = {"dies measuring", true, true, 15},
        [DIES_PAIRED] = {"dies in a pair", true, false, 30},
        [CANNOT_BE_ASKED] = {"cannot be asked", true, false, 15},
    };
    (void)state;
    for (int f = 0; f < N_FAULTS; f++) {
        for (uint32_t shared = 0; shared <= 6; shared += 3) {
            struct rig r;
            setup_rig(&r, 6, shared, (uint64_t)f);
            r.nodes[2].fault = (enum fault)f;
            run_rig(&r, true, true, 10000);
            const struct audit_node *n = &r.audit.nodes[2];
            if ((n->error != NULL) != wanted[f].error || (!n->error && !n->found) ||
                (n->measure_error != NULL) != wanted[f].measure_error ||
                r.audit.took_s > wanted[f].most_s)
                fail_msg("%s: error \"%s\", measure error \"%s\", %.1f s",
                         wanted[f].name, n->error ? n->error : "",
                         n->measure_error ? n->measure_error : "", r.audit.took_s);
            for (uint32_t i = 0; i < 6; i++) {
                if (i != 2 && (!r.audit.nodes[i].found || !r.audit.nodes[i].measured))
                    fail_msg("%s: node %u is not audited", wanted[f].name, i);
            }
            size_t with_others = 0;
            for (size_t i = 0; i < r.audit.n_pairs; i++) {
                const struct audit_pair *p = &r.audit.pairs[i];
                bool bad = p->a == 2 || p->b == 2;
                if (!bad && !p->p)
                    fail_msg("%s: %u and %u: %s", wanted[f].name, p->a, p->b, p->error);
                assert_true(!p->p == (p->error != NULL));
                with_others += !bad;
            }
            if (with_others < 2)
                fail_msg("%s, %u on a machine: %zu pairs", wanted[f].name, shared,
                         with_others);
            end_rig(&r);
        }
    }
}

static void test_random_faults(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct rig r;
        setup_rig(&r, 2 + (uint32_t)seed % 15, (uint32_t)seed % 4, seed);
        for (uint32_t i = 0; i < r.audit.n; i++) {
            if (random_below(&r.random, 3) == 0)
                r.nodes[i].fault = (enum fault)random_below(&r.random, N_FAULTS);
        }
        run_rig(&r, true, true, 8000);
        for (uint32_t i = 0; i < r.audit.n; i++) {
            const struct audit_node *n = &r.audit.nodes[i];
            assert_true(n->found || n->error);
            assert_true(n->error || !n->measured == (n->measure_error != NULL));
        }
        end_rig(&r);
    }
}

/* Answers that nobody asked for end the link. */
static void test_breaches(void **state)
{
    static const struct conduct_ops ops = {.ask = ask, .done = done};
    struct err e;
    struct rig r;
    Aolani__AuditSaid m = AOLANI__AUDIT_SAID__INIT;
    Aolani__AuditListening l = AOLANI__AUDIT_LISTENING__INIT;
    (void)state;
    setup_rig(&r, 2, 0, 3);
    struct conduct_config c = {.audit = &r.audit};
    assert_int_equal(conduct_create(&c, &ops, &r, &r.c, &e), 0);
    m.id = 1;
    assert_int_equal(conduct_said(r.c, 0, &m, 0, &e), ERR_PROTO); /* not begun */
    conduct_start(r.c, 0);
    m.id = r.nodes[1].id;
    assert_int_equal(conduct_said(r.c, 0, &m, 0, &e), ERR_PROTO); /* of another */
    m.id = r.nodes[0].id;
    m.is_case = AOLANI__AUDIT_SAID__IS_LISTENING;
    m.listening = &l;
    assert_int_equal(conduct_said(r.c, 0, &m, 0, &e), ERR_PROTO);
    answer(&r, 0);
    m.id = r.nodes[0].id;
    m.is_case = AOLANI__AUDIT_SAID__IS__NOT_SET;
    assert_int_equal(conduct_said(r.c, 0, &m, 0, &e),
                     ERR_PROTO); /* a second last word */
    answer(&r, 1);
    assert_int_equal(r.n_done, 1);
    end_rig(&r);
}

static void test_progress(void **state)
{
    static const struct conduct_ops ops = {
        .ask = ask, .progress = progress, .token = token, .done = done};
    struct err e;
    struct rig r;
    unsigned before = 0;
    (void)state;
    setup_rig(&r, 8, 0, 5);
    struct conduct_config c = {.audit = &r.audit,
                               .measure = true,
                               .pair = true,
                               .addresses = r.addresses,
                               .budget_ms = 6000};
    assert_int_equal(conduct_create(&c, &ops, &r, &r.c, &e), 0);
    conduct_start(r.c, 0);
    while (!r.n_done && r.now < 60000) {
        step(&r);
        if (r.last_percent < before)
            fail_msg("%u %% after %u %% (%s)", r.last_percent, before, r.last_what);
        before = r.last_percent;
    }
    assert_true(before > 60);
    end_rig(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_answer),    cmocka_unit_test(test_rails),
        cmocka_unit_test(test_look_only),     cmocka_unit_test(test_one_fault),
        cmocka_unit_test(test_random_faults), cmocka_unit_test(test_breaches),
        cmocka_unit_test(test_progress),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
