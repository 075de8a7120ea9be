/* SPDX-License-Identifier: MIT */
/* Whose link is slow: whole audits, simulated, with something planted or nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/audit_sim.h"

static void describe(const struct audit *a, char *ret, size_t len)
{
    size_t at = 0;
    ret[0] = '\0';
    for (size_t i = 0; i < a->n_remarks && at < len; i++) {
        const struct audit_remark *r = &a->remarks[i];
        at += (size_t)snprintf(ret + at, len - at, "%s %u %u: %s\n",
                               audit_remark_name(r->kind), r->a, r->b, r->text);
    }
}

static bool is_exactly(const struct audit *a, enum audit_remark_kind kind, uint32_t x,
                       uint32_t y)
{
    const struct audit_remark *r = a->remarks;
    return a->n_remarks == 1 && r->kind == kind &&
           (x == SIM_NOBODY || (r->a == x && r->b == y) || (r->a == y && r->b == x));
}

static const size_t sizes[] = {2, 3, 4, 5, 7, 8, 9, 15, 16, 33, 64};

/* Nothing is planted: fewer than 1 % of so many audits name anything. */
static void expect_nobody(const struct audit_sim *like, unsigned all, uint64_t salt)
{
    unsigned named = 0;
    char first[4000] = "", what[200];
    for (uint64_t seed = 1; seed <= all; seed++) {
        struct audit_sim s = *like;
        struct audit a;
        s.seed = seed * 977 + salt;
        sim_run(&s, &a);
        if (a.n_remarks > 0 && named++ == 0)
            describe(&a, first, sizeof first);
        audit_fini(&a);
    }
    (void)snprintf(what, sizeof what,
                   "%zu nodes, %u rails of which %u fit, spread %g, transients %g",
                   like->n, like->rails, like->fit, like->spread, like->transient);
    if (getenv("AUDIT_SIM_SAYS"))
        print_message("%s: %u of %u %s", what, named, all, named ? first : "\n");
    else if (100 * named >= all)
        fail_msg("%s: %u of %u audits name something: %s", what, named, all, first);
}

static void test_alike_nodes_name_nobody(void **state)
{
    (void)state;
    static const struct {
        double spread, transient;
    } kinds[] = {{.01, 0}, {.05, 0}, {.12, 0}, {.05, .01}};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            struct audit_sim s = AUDIT_SIM(sizes[i], 0);
            s.spread = kinds[k].spread;
            s.transient = kinds[k].transient;
            expect_nobody(&s, 1000, k);
        }
}

static void expect(const struct audit_sim *s, enum audit_remark_kind kind, uint32_t x,
                   uint32_t y, const char *what, unsigned *missed)
{
    struct audit a;
    char said[4000];
    sim_run(s, &a);
    if (!is_exactly(&a, kind, x, y)) {
        describe(&a, said, sizeof said);
        if (getenv("AUDIT_SIM_SAYS") && *missed < 5)
            print_message("%s of %u, %zu nodes, seed %llu: \"%s\"\n", what, x, s->n,
                          (unsigned long long)s->seed, said);
        ++*missed;
    }
    audit_fini(&a);
}

enum plant {
    PLANT_NODE,
    PLANT_ONE_WAY,
    PLANT_TRIPS,
    PLANT_PAIR,
    PLANT_NOISE,
    PLANT_MEMORY,
    PLANT_END,
    PLANT_RAIL,
    PLANT_PAIR_RAIL,
    PLANTS
};
static const char *const plants[PLANTS] = {
    "slow link",          "slow sending", "slow trips",
    "slow pair",          "noisy node",   "slow memory",
    "slow end of a rail", "slow rail",    "slow pair on a rail"};

static bool plant(struct audit_sim *s, enum plant what, struct random *r, uint32_t *x,
                  uint32_t *y, enum audit_remark_kind *kind)
{
    struct random probe;
    *x = *y = random_below(r, (uint32_t)s->n);
    *kind = REMARK_LINK;
    switch (what) {
    case PLANT_NODE:
    case PLANT_ONE_WAY:
    case PLANT_TRIPS:
        s->slow_node = *x;
        s->one_way = what == PLANT_ONE_WAY;
        s->trips = what == PLANT_TRIPS;
        return s->n > 2;
    case PLANT_END:
        s->slow_node = *x;
        s->slow_rail = random_below(r, s->rails);
        return s->n > 2;
    case PLANT_RAIL:
        s->slow_rail = random_below(r, s->rails);
        *kind = REMARK_RAIL;
        *x = *y = SIM_NOBODY;
        return s->n > 2;
    case PLANT_NOISE:
        s->noisy = *x;
        *kind = REMARK_NOISY;
        return true;
    case PLANT_MEMORY:
        s->slow_memory = *x;
        *kind = REMARK_MEMORY;
        return true;
    default:
        break;
    }
    /* A pair that the first rounds try: nobody looks at all of them. */
    struct audit_node *nodes = calloc(s->n, sizeof *nodes);
    struct audit a = {.n = s->n, .nodes = nodes};
    bool *usable = malloc(s->n);
    struct rounds_pair *pairs = calloc(s->n, sizeof *pairs);
    memset(usable, 1, s->n);
    random_init(&probe, s->seed);
    size_t n = rounds_next(&a, usable, random_below(&probe, 2), s->seed, pairs);
    size_t k = n ? random_below(r, (uint32_t)n) : 0;
    *x = s->slow_a = pairs[k].a;
    *y = s->slow_b = pairs[k].b;
    *kind = REMARK_PAIR;
    free(usable);
    free(pairs);
    free(nodes);
    if (what == PLANT_PAIR_RAIL)
        s->slow_rail = random_below(r, s->rails);
    return (s->n > 2 || what == PLANT_PAIR_RAIL) && n > 0;
}

static void test_what_is_planted_is_named_alone(void **state)
{
    (void)state;
    enum { SEEDS = 200 };
    for (int what = 0; what < PLANT_END; what++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            unsigned missed = 0;
            for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                struct audit_sim s = AUDIT_SIM(sizes[i], seed * 131);
                struct random r;
                uint32_t x, y;
                enum audit_remark_kind kind;
                random_init(&r, seed);
                if (plant(&s, (enum plant)what, &r, &x, &y, &kind))
                    expect(&s, kind, x, y, plants[what], &missed);
            }
            if (getenv("AUDIT_SIM_SAYS"))
                print_message("%s, %zu nodes: %u of %d missed\n", plants[what],
                              sizes[i], missed, SEEDS);
            else if (missed > SEEDS / 100)
                fail_msg("%s, %zu nodes: %u of %d not named, or not alone",
                         plants[what], sizes[i], missed, SEEDS);
        }
}

/* "mlx5_3" is named where one rail is planted, and none where it is all of them. */
static bool names_the_rail(const struct audit_sim *s, const struct audit *a)
{
    char name[40];
    const char *text = a->n_remarks ? a->remarks[0].text : "";
    (void)snprintf(name, sizeof name, "mlx5_%u ", s->slow_rail);
    if (s->slow_rail != SIM_NOBODY && a->remarks[0].kind == REMARK_RAIL)
        (void)snprintf(name, sizeof name, "mlx5_%u: all nodes", s->slow_rail);
    if (s->slow_rail != SIM_NOBODY)
        return strstr(text, name) != NULL;
    return s->slow_node == SIM_NOBODY ||
           strstr(text, s->fit == 3 ? ", on all " : ", on all 8 rails") != NULL;
}

static void expect_rails(const struct audit_sim *s, enum audit_remark_kind kind,
                         uint32_t x, uint32_t y, const char *what, unsigned *missed)
{
    struct audit a;
    char said[4000];
    sim_run(s, &a);
    if (!is_exactly(&a, kind, x, y) || !names_the_rail(s, &a)) {
        describe(&a, said, sizeof said);
        if (getenv("AUDIT_SIM_SAYS") && *missed < 3)
            print_message("%s %u of %u, %zu nodes, seed %llu: \"%s\"\n", what,
                          s->slow_rail, x, s->n, (unsigned long long)s->seed, said);
        ++*missed;
    }
    audit_fini(&a);
}

static const size_t rail_sizes[] = {2, 3, 4, 8, 64};

static void test_rails_that_are_slow(void **state)
{
    (void)state;
    enum { SEEDS = 100 };
    static const enum plant rail_plants[] = {PLANT_NODE,  PLANT_ONE_WAY,  PLANT_PAIR,
                                             PLANT_TRIPS, PLANT_NOISE,    PLANT_END,
                                             PLANT_RAIL,  PLANT_PAIR_RAIL};
    static const uint32_t fits[] = {0, 4, 3};
    for (size_t f = 0; f < sizeof fits / sizeof *fits; f++)
        for (size_t k = 0; k < sizeof rail_plants / sizeof *rail_plants; k++)
            for (size_t i = 0; i < sizeof rail_sizes / sizeof *rail_sizes; i++) {
                enum plant what = rail_plants[k];
                unsigned missed = 0;
                for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                    struct audit_sim s = AUDIT_SIM(rail_sizes[i], seed * 131);
                    struct random r;
                    uint32_t x, y;
                    enum audit_remark_kind kind;
                    random_init(&r, seed);
                    s.rails = 8;
                    s.fit = fits[f];
                    s.mbytes = 48000;
                    s.trip_ns = 4000;
                    if (fits[f] && (s.n < 4 || what == PLANT_PAIR_RAIL))
                        continue;
                    if (plant(&s, what, &r, &x, &y, &kind))
                        expect_rails(&s, kind, x, y, plants[what], &missed);
                }
                if (getenv("AUDIT_SIM_SAYS"))
                    print_message("%s, %zu nodes, %u rails fit: %u of %d missed\n",
                                  plants[what], rail_sizes[i], fits[f], missed, SEEDS);
                else if (missed > SEEDS / 100)
                    fail_msg("%s, %zu nodes, %u rails fit: %u of %d not named, or not "
                             "alone",
                             plants[what], rail_sizes[i], fits[f], missed, SEEDS);
            }
}

static void test_alike_rails_name_nobody(void **state)
{
    (void)state;
    static const struct {
        double spread, transient;
        uint32_t fit;
    } kinds[] = {{.05, 0, 0}, {.12, 0, 0}, {.05, .01, 0}, {.05, .01, 3}};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (size_t i = 0; i < sizeof rail_sizes / sizeof *rail_sizes; i++) {
            struct audit_sim s = AUDIT_SIM(rail_sizes[i], 0);
            s.spread = kinds[k].spread;
            s.transient = kinds[k].transient;
            s.fit = kinds[k].fit;
            s.rails = 8;
            s.mbytes = 48000;
            s.trip_ns = 4000;
            /* Of many nodes fewer: sanitized it takes a minute. */
            expect_nobody(&s, s.n > 16 ? 300 : 1000, k);
        }
}

static void test_a_thousand_nodes(void **state)
{
    (void)state;
    for (int what = 0; what < PLANTS; what++) {
        struct audit_sim s = AUDIT_SIM(1000, 5 + (uint64_t)what);
        struct random r;
        uint32_t x, y;
        enum audit_remark_kind kind;
        unsigned missed = 0;
        s.rails = what < PLANT_END ? 0 : 8;
        s.trip_ns = s.rails ? 4000 : s.trip_ns;
        random_init(&r, s.seed);
        assert_true(plant(&s, (enum plant)what, &r, &x, &y, &kind));
        expect(&s, kind, x, y, plants[what], &missed);
        if (missed)
            fail_msg("%s of node %u was not named, or not alone", plants[what], x);
    }
}

/* Of many with slow links 97 % are named, and few audits name anybody else: a node that met
 * others of them only is not told from a pair by everyone. */
static void test_many_slow_nodes(void **state)
{
    (void)state;
    static const struct {
        size_t n;
        uint32_t slow;
        unsigned most; /* of 200 audits */
    } cases[] = {{8, 2, 0}, {16, 4, 6}, {32, 8, 20}, {64, 16, 40}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned others = 0, missed = 0;
        for (uint64_t seed = 1; seed <= 200; seed++) {
            struct audit_sim s = AUDIT_SIM(cases[i].n, seed * 977);
            struct audit a;
            s.slow_below = cases[i].slow;
            sim_run(&s, &a);
            bool other = false;
            uint32_t named = 0;
            for (size_t k = 0; k < a.n_remarks; k++) {
                const struct audit_remark *r = &a.remarks[k];
                bool right = r->kind == REMARK_LINK && r->a < s.slow_below;
                named += right;
                other = other || !right;
            }
            others += other;
            missed += s.slow_below - named;
            audit_fini(&a);
        }
        if (getenv("AUDIT_SIM_SAYS"))
            print_message("%u slow of %zu: %u of 200 name others, %u missed\n",
                          cases[i].slow, cases[i].n, others, missed);
        else if (others > cases[i].most || missed > 6 * cases[i].slow)
            fail_msg("%u slow of %zu: %u of 200 name others, %u missed", cases[i].slow,
                     cases[i].n, others, missed);
    }
}

/* What is no plant of one node: the text says who, in the words of describe(). */
static void test_other_courses(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct audit_sim sim;
        const char *want; /* the first remark begins so; "": there is none */
        size_t n;         /* remarks */
    } cases[] = {
        {"all slow alike", {.mbytes = 3, .trip_ns = 9e6}, "", 0},
        {"noise all over one machine", {.noisy = 3, .one_machine = true}, "", 0},
        {"slow memory of a moment", {.slow_memory = 3, .one_machine = true}, "", 0},
        {"dies between rounds", {.dies = 5}, "", 0},
        {"dies, another is slow",
         {.dies = 5, .slow_node = 2},
         "link 2 2: link runs at ",
         1},
        {"one round only", {.rounds = 1}, "", 0},
        {"a slow node, one round only",
         {.rounds = 1, .slow_node = 2},
         "pair 6 2: link runs at ",
         1},
        {"two rounds", {.rounds = 2, .slow_node = 2}, "link 2 2: link runs at ", 1},
        {"busy node, which explains its link",
         {.noisy = 2, .slow_node = 2, .factor = 3},
         "noisy 2 2: CPUs lose 44 % of their time (others ",
         1},
        {"busy node with a link that no load explains",
         {.noisy = 2, .slow_node = 2, .factor = 12},
         "noisy 2 2: CPUs lose 44 % of their time (others ",
         2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct audit_sim s = AUDIT_SIM(8, 4), c = cases[i].sim;
        struct audit a;
        char said[4000];
        s.mbytes = c.mbytes > 0 ? c.mbytes : s.mbytes;
        s.trip_ns = c.trip_ns > 0 ? c.trip_ns : s.trip_ns;
        s.factor = c.factor > 0 ? c.factor : s.factor;
        s.noisy = c.noisy ? c.noisy : SIM_NOBODY;
        s.slow_memory = c.slow_memory ? c.slow_memory : SIM_NOBODY;
        s.slow_node = c.slow_node ? c.slow_node : SIM_NOBODY;
        s.dies = c.dies ? c.dies : SIM_NOBODY;
        s.rounds = c.rounds;
        s.one_machine = c.one_machine;
        sim_run(&s, &a);
        describe(&a, said, sizeof said);
        bool good = *cases[i].want
                        ? !strncmp(said, cases[i].want, strlen(cases[i].want))
                        : a.n_remarks == 0;
        if (!good)
            fail_msg("%s: \"%s\"", cases[i].name, said);
        audit_fini(&a);
    }
}

/* Measurements that nobody can compare, and those that are no numbers. */
static void test_strange_pairs(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *transport[4], *error[4];
        uint64_t there[4], back[4], p50[4];
        const char *want;
    } cases[] = {
        {"one fast pair", {"tcp"}, {0}, {900}, {910}, {30000}, ""},
        {"one pair, slow one way",
         {"tcp"},
         {0},
         {900},
         {90},
         {30000},
         "pair 1 0: link sends at 90 MB/s (others 900 MB/s), measured once\n"},
        {"nothing measured", {"tcp"}, {0}, {0}, {0}, {0}, ""},
        {"absurd numbers",
         {"tcp", "tcp", "tcp", "tcp"},
         {0},
         {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX},
         {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX},
         {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX},
         ""},
        {"nobody is reached", {0}, {"a", "b", "c", "d"}, {0}, {0}, {0}, ""},
        {"one falls back to TCP",
         {"rdma", "rdma", "tcp", "rdma"},
         {0},
         {24000, 24000, 900, 24000},
         {24000, 24000, 900, 24000},
         {3000, 3000, 30000, 3000},
         "pair 2 3: runs over TCP (others RDMA), measured once\n"},
    };
    static const uint32_t ends[4][2] = {{0, 1}, {1, 2}, {2, 3}, {3, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct audit a = {.n = 4};
        char said[4000];
        a.nodes = calloc(a.n, sizeof *a.nodes);
        a.pairs = calloc(4, sizeof *a.pairs);
        for (size_t k = 0; k < 4; k++) {
            if (!cases[i].transport[k] && !cases[i].error[k])
                continue;
            struct audit_pair *x = &a.pairs[a.n_pairs++];
            *x = (struct audit_pair){.a = ends[k][0], .b = ends[k][1]};
            if (cases[i].error[k]) {
                x->error = sim_text(cases[i].error[k]);
                continue;
            }
            x->p = calloc(1, sizeof *x->p);
            aolani__audit_pair__init(x->p);
            x->p->transport = sim_text(cases[i].transport[k]);
            x->p->there_mbytes = cases[i].there[k];
            x->p->back_mbytes = cases[i].back[k];
            x->p->p50_ns = cases[i].p50[k];
        }
        assert_int_equal(audit_compare(&a), 0);
        describe(&a, said, sizeof said);
        if (cases[i].want && strcmp(said, cases[i].want) != 0)
            fail_msg("%s: \"%s\"", cases[i].name, said);
        audit_fini(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alike_nodes_name_nobody),
        cmocka_unit_test(test_what_is_planted_is_named_alone),
        cmocka_unit_test(test_rails_that_are_slow),
        cmocka_unit_test(test_alike_rails_name_nobody),
        cmocka_unit_test(test_a_thousand_nodes),
        cmocka_unit_test(test_many_slow_nodes),
        cmocka_unit_test(test_other_courses),
        cmocka_unit_test(test_strange_pairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
