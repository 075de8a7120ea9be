/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "launcher/restart.h"

#define END     RESTART_END
#define OPEN    RESTART_OPEN
#define AGAIN   RESTART_AGAIN
#define SPARE   RESTART_SPARE
#define WITHOUT RESTART_WITHOUT

static void test_table(void **state)
{
    (void)state;
    /* 4 nodes, ranks ran, unless the row says otherwise. */
#define B(...)                                       \
    {                                                \
        .n_nodes = 4, .lease_ms = 60000, __VA_ARGS__ \
    }
#define F(...) B(.ran = true, __VA_ARGS__)
#define C(x)   .cause = RESTART_##x
    static const struct {
        const char *what;
        struct restart_facts f;
        enum restart_act act;
        bool spends;
        uint64_t delay_ms;
    } rows[] = {
        {"success", F(C(SUCCESS), .max_restarts = 5), END, false, 0},
        {"success after much in vain", F(C(SUCCESS), .fruitless = 9), END, false, 0},
        {"93", F(C(NO_MORE), .max_restarts = 5), END, false, 0},
        {"the user", F(C(USER), .max_restarts = 5, .later = true), END, false, 0},
        {"usage", F(C(USAGE), .max_restarts = 5, .later = true), END, false, 0},
        {"audit", F(C(REFUSED), .max_restarts = 5), END, false, 0},
        {"binding", F(C(BINDING), .max_restarts = 5), END, false, 0},
        {"some error", F(C(ERROR), .max_restarts = 5), END, false, 0},
        {"not clean", F(C(UNCLEAN), .max_restarts = 5), END, false, 0},

        {"a port", F(C(PORT), .ports = 1), AGAIN, false, 0},
        {"a port, the third time", F(C(PORT), .ports = 3), AGAIN, false, 0},
        {"a port, once more", F(C(PORT), .ports = 4), END, false, 0},

        {"saved", F(C(SAVED)), OPEN, false, 0},
        {"saved, the third link without a step", F(C(SAVED), .fruitless = 3), END,
         false, 0},
        {"the limit", F(C(LIMIT), .fruitless = 2), OPEN, false, 0},
        {"the limit, in vain", F(C(LIMIT), .fruitless = 3, .later = true), END, false,
         0},
        {"preempted", F(C(SLURM)), OPEN, false, 0},
        {"preempted before every step", F(C(SLURM), .fruitless = 7), OPEN, false, 0},

        {"a rank, none allowed", F(C(RANK)), END, false, 0},
        {"a rank, none allowed, in a chain", F(C(RANK), .later = true), END, false, 0},
        {"a rank", F(C(RANK), .max_restarts = 2), AGAIN, true, 1000},
        {"the second in a row",
         F(C(RANK), .max_restarts = 2, .restarts = 1, .in_row = 2), AGAIN, true, 2000},
        {"the sixth", F(C(RANK), .max_restarts = 9, .in_row = 6), AGAIN, true, 32000},
        {"the hundredth", F(C(RANK), .max_restarts = 999, .in_row = 100), AGAIN, true,
         60000},
        {"a rank, none left", F(C(RANK), .max_restarts = 2, .restarts = 2), END, false,
         0},
        {"a rank, in vain", F(C(RANK), .max_restarts = 9, .fruitless = 3), END, false,
         0},
        {"a rank while it saved", F(C(RANK), .asked_to_save = true), OPEN, false, 0},
        {"a rank, and something is left",
         F(C(RANK), .max_restarts = 2, .unclean = true), END, false, 0},

        {"a node, none allowed", F(C(NODE), .n_lost = 1, .n_spares = 1), END, false, 0},
        {"a node, none allowed, in a chain", F(C(NODE), .n_lost = 1, .later = true),
         OPEN, false, 0},
        {"an agent died, its node answers", F(C(NODE), .max_restarts = 1), AGAIN, true,
         1000},
        {"a node and a spare",
         F(C(NODE), .max_restarts = 1, .n_lost = 1, .n_spares = 1), SPARE, true, 60000},
        {"a node, and no other", F(C(NODE), .max_restarts = 1, .n_lost = 1), END, false,
         0},
        {"a node, and fewer will do",
         F(C(NODE), .max_restarts = 1, .n_lost = 1, .min_nodes = 3), WITHOUT, true,
         60000},
        {"two nodes, a spare, and fewer will do",
         F(C(NODE), .max_restarts = 1, .n_lost = 2, .n_spares = 1, .min_nodes = 3),
         WITHOUT, true, 60000},
        {"two nodes are too many",
         F(C(NODE), .max_restarts = 1, .n_lost = 2, .min_nodes = 3), END, false, 0},
        {"all nodes", F(C(NODE), .max_restarts = 1, .n_lost = 4, .min_nodes = 1), END,
         false, 0},
        {"more than all", F(C(NODE), .max_restarts = 1, .n_lost = 9, .min_nodes = 1),
         END, false, 0},

        {"no agent at first", B(C(BOOT), .max_restarts = 5, .n_lost = 1, .n_spares = 0),
         END, false, 0},
        {"no agent at first, in a chain", B(C(BOOT), .n_lost = 1, .later = true), OPEN,
         false, 0},
        {"no agent at first, fewer will do", B(C(BOOT), .n_lost = 1, .min_nodes = 3),
         WITHOUT, false, 0},
        {"no agent after a failure", F(C(BOOT), .max_restarts = 5, .n_lost = 1), END,
         false, 0},
        {"no agent after a failure, fewer will do",
         F(C(BOOT), .max_restarts = 5, .n_lost = 1, .min_nodes = 1), WITHOUT, true,
         60000},
    };
#undef F
#undef B
#undef C
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct restart_decision d;
        restart_decide(&rows[i].f, &d);
        if (d.act != rows[i].act || d.spends != rows[i].spends ||
            d.delay_ms != rows[i].delay_ms)
            fail_msg("%s: act %d, spends %d, delay %llu", rows[i].what, d.act, d.spends,
                     (unsigned long long)d.delay_ms);
    }
}

static void test_reasons(void **state)
{
    (void)state;
    struct restart_decision d;
    struct restart_facts f = {.cause = RESTART_RANK, .n_nodes = 1, .ran = true};
    restart_decide(&f, &d);
    assert_false(d.exhausted); /* none was ever promised */
    f.max_restarts = f.restarts = 2;
    restart_decide(&f, &d);
    assert_true(d.exhausted);
    assert_false(d.fruitless);
    f.fruitless = RESTART_FRUITLESS;
    restart_decide(&f, &d);
    assert_true(d.fruitless);
}

static void test_names(void **state)
{
    (void)state;
    for (int i = 0; i < RESTART_N_CAUSES; i++)
        assert_true(restart_cause_name((enum restart_cause)i)[0] != '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
