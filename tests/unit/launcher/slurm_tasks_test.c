/* SPDX-License-Identifier: MIT */
/* How many tasks on a node were asked for, from what Slurm says of a job. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "launcher/slurm/tasks.h"

static void test_table(void **state)
{
    (void)state;
    static const struct {
        const char *per_node, *all, *shares;
        int64_t want;
    } table[] = {
        {NULL, NULL, NULL, 0},
        {NULL, NULL, "1(x4)", 0}, /* as Slurm would share out, had anybody asked */
        {"2", "8", "2(x4)", 2},
        {"2", NULL, NULL, 2},
        {"1024", NULL, NULL, 1024},
        {NULL, "8", "2(x4)", 2},
        {NULL, "3", "3", 3},
        {NULL, "4", "3,1", SLURM_TASKS_UNEQUAL},
        {NULL, "8", "4,2,1(x2)", SLURM_TASKS_UNEQUAL},
        {NULL, "8", "2(x3),1", SLURM_TASKS_UNEQUAL},
        {"", "8", "2(x4)", 2},
        {"1025", NULL, NULL, 0},
        {"-2", NULL, NULL, 0},
        {"2x", NULL, NULL, 0},
        {"99999999999999999999", NULL, NULL, 0},
        {NULL, "8", "", 0},
        {NULL, "8", "x", 0},
        {NULL, "8", "2(x", 0},
        {NULL, "8", "2(x4", 0},
        {NULL, "8", "2(y4)", 0},
        {NULL, "8", "2(x4)x", 0},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        int64_t got =
            slurm_tasks_asked(table[i].per_node, table[i].all, table[i].shares);
        if (got != table[i].want)
            print_error("row %zu: %ld\n", i, (long)got);
        assert_int_equal(got, table[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_table)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
