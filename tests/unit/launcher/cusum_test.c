/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "launcher/variance/cusum.h"
#include "tests/lib/stream.h"

struct change {
    uint32_t step;
    double x; /* from there on */
};

struct news {
    uint32_t slow, since, recovered_at, recovered; /* told at, said to be since */
    unsigned n_slow, n_recovered;
    double size;
};

static void run(const struct change *c, size_t n, uint32_t steps, double sigma,
                bool peers, struct news *ret)
{
    struct stream s = {.seed = 11};
    struct cusum k;
    cusum_init(&k, peers);
    *ret = (struct news){0};
    double x = 0;
    for (uint32_t step = 0; step < steps; step++) {
        for (size_t i = 0; i < n; i++)
            if (c[i].step == step && (i == 0 || step > 0))
                x = c[i].x;
        enum cusum_news news = cusum_add(&k, step, x + sigma * stream_normal(&s));
        if (news == CUSUM_SLOW) {
            ret->n_slow++;
            ret->slow = step;
            ret->since = k.since;
            ret->size = k.after - k.before;
        } else if (news == CUSUM_RECOVERED) {
            ret->n_recovered++;
            ret->recovered_at = step;
            ret->recovered = k.recovered;
        }
        assert_true(k.slow == (ret->n_slow > ret->n_recovered));
    }
}

static void test_changes(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        struct change c[4];
        bool peers;
        unsigned slow, recovered;
        uint32_t since, back;
        double size;
    } cases[] = {
        {"nothing", {{0}}, true, 0, 0, 0, 0, 0},
        {"from some step on", {{500, 0.2}}, true, 1, 0, 500, 0, 0.2},
        {"and back", {{500, 0.2}, {800, 0}}, true, 1, 1, 500, 800, 0.2},
        {"alone", {{0, 9}, {500, 9.2}, {800, 9}}, false, 1, 1, 500, 800, 0.2},
        {"from the beginning", {{0, 0.2}}, true, 1, 0, 0, 0, 0.2},
        {"from the beginning, and back", {{0, 0.2}, {600, 0}}, true, 1, 1, 0, 600, 0.2},
        {"alone, who is to say", {{0, 0.2}}, false, 0, 0, 0, 0, 0},
        {"too little", {{500, 0.04}}, true, 0, 0, 0, 0, 0},
        {"six percent", {{500, 0.0583}}, true, 1, 0, 500, 0, 0.0583},
        {"faster", {{500, -0.3}}, true, 0, 0, 0, 0, 0},
        {"as the others at last", {{0, -0.3}, {500, 0}}, true, 0, 0, 0, 0, 0},
        {"slower than the others", {{0, -0.3}, {500, 0.2}}, true, 1, 0, 500, 0, 0.2},
        {"four steps are no slowness", {{500, 2}, {504, 0}}, true, 0, 0, 0, 0, 0},
        {"back by a third", {{500, 0.3}, {800, 0.2}}, true, 1, 0, 500, 0, 0.3},
        {"back by two thirds", {{500, 0.3}, {800, 0.1}}, true, 1, 0, 500, 0, 0.3},
        {"back by most", {{500, 0.3}, {800, 0.03}}, true, 1, 1, 500, 800, 0.3},
        {"even slower", {{500, 0.2}, {700, 0.6}, {900, 0}}, true, 1, 1, 500, 900, 0.2},
        {"a dip", {{500, 0.2}, {600, 0}, {605, 0.2}}, true, 1, 0, 500, 0, 0.2},
        {"twice",
         {{300, 0.2}, {500, 0}, {700, 0.3}, {900, 0}},
         true,
         2,
         2,
         700,
         900,
         0.3},
    };
    static const double sigmas[] = {0, 0.003, 0.02};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t g = 0; g < 3; g++) {
            struct news n;
            uint32_t off = g == 2 ? 2 : 0;
            run(cases[i].c, 4, 1200, sigmas[g], cases[i].peers, &n);
            if (n.n_slow != cases[i].slow || n.n_recovered != cases[i].recovered ||
                abs((int)n.since - (int)cases[i].since) > (int)off ||
                abs((int)n.recovered - (int)cases[i].back) > (int)off ||
                fabs(n.size - cases[i].size) > 3 * sigmas[g] + 1e-3)
                fail_msg("%s, sigma %.3f: slow %u since %u by %.3f, recovered %u at %u",
                         cases[i].what, sigmas[g], n.n_slow, n.since, n.size,
                         n.n_recovered, n.recovered);
            if (n.n_slow > 0 && (n.slow - n.since > (n.size < 0.1 ? 70 : 22) ||
                                 n.recovered_at - n.recovered > 40))
                fail_msg("%s, sigma %.3f: told at %u and %u", cases[i].what, sigmas[g],
                         n.slow, n.recovered_at);
        }
}

static void test_what_is_no_number(void **state)
{
    (void)state;
    struct cusum c;
    cusum_init(&c, true);
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(cusum_add(&c, i, i % 2 ? -INFINITY : NAN), CUSUM_NOTHING);
        assert_int_equal(cusum_add(&c, i, 0), CUSUM_NOTHING);
    }
    for (uint32_t i = 0; i < 100; i++)
        (void)cusum_add(&c, i,
                        i % 3 ? 700 : -700); /* of doubles' logarithms the ends */
    assert_true(isfinite(c.sum) && isfinite(c.usual.median));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_what_is_no_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
