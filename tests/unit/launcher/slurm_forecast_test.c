/* SPDX-License-Identifier: MIT */
/* What sbatch --test-only says: words of Slurm 22.05. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "launcher/slurm/forecast.h"

#define NOW 1795417175ull

static const struct {
    const char *said;
    int rc;
    const char *words; /* of the forecast, or a part of the error */
} table[] = {
    {"sbatch: Job 13 to start at 1795417175 using 2 processors on nodes n[1-2] in "
     "partition main\nstatus 0\n",
     0, "Slurm would start it now, on n[1-2] of partition \"main\""},
    {"sbatch: Job 13 to start at 1795420775 using 2 processors on nodes n1 in "
     "partition "
     "main\nstatus 0\n",
     0,
     "Slurm would start it at 2026-11-23 07:59, in 1 h 00 m, on n1 of partition "
     "\"main\""},
    /* a Slurm that gives its time in words */
    {"sbatch: Job 13 to start at 2026-11-23T06:46:19 using 2 processors on nodes n1 in "
     "partition main\nstatus 0\n",
     0, "Slurm would start it at 2026-11-23T06:46:19, on n1 of partition \"main\""},
    {"a word of the site's\nsbatch: Job 13 to start at 1795417175\nstatus 0\n", 0,
     "Slurm would start it now"},
    {"status 0\n", 0, "Slurm would take it"},
    {"sbatch: Job 13 to start at 1 on nodes \x1b[2J in\nstatus 0\n", 0,
     "Slurm would start it now, on ?[2J"},
    {"allocation failure: Requested node configuration is not available\nstatus 1\n",
     ERR_USAGE, "Requested node configuration is not available"},
    {"sbatch: error: invalid partition specified: nope\n"
     "allocation failure: Invalid partition name specified\nstatus 1\n",
     ERR_USAGE, "ask Slurm for nodes: invalid partition specified: nope"},
    {"allocation failure: the site says no\nstatus 1\n", ERR_USAGE,
     "ask Slurm for nodes: the site says no"},
    {"sh: 1: sbatch: not found\nstatus 127\n", ERR_BOOT, "sbatch: not found"},
    {"Job 13 to start at 1795417175 status 0 on\nstatus 1\n", ERR_BOOT, "Job 13"},
    {"status 1\n", ERR_BOOT, "did not say why"},
    {"", ERR_BOOT, "did not say why"},
};

static void test_words(void **state)
{
    (void)state;
    setenv("TZ", "UTC", 1);
    tzset();
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct buf out;
        struct err e = {0};
        buf_init(&out, 1000);
        int rc = forecast_words(table[i].said, NOW * 1000000000ull, &out, &e);
        assert_int_equal(buf_add(&out, "", 1), 0);
        assert_int_equal(rc, table[i].rc);
        if (rc == 0)
            assert_string_equal((const char *)out.data, table[i].words);
        else if (!strstr(e.text, table[i].words))
            fail_msg("\"%s\" is not in \"%s\"", table[i].words, e.text);
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_words)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
