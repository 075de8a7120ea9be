/* SPDX-License-Identifier: MIT */
/* A driver that takes its time, or gives up: gpucopy_run is that of this file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/audit/gpucopy.h"
#include "agent/audit/measure_copies.h"
#include "proto/base/clock.h"
#include "tests/lib/tree.h"

static struct fake {
    unsigned calls;
    uint64_t budget_ms, takes_ms;
    int rc;
} fake;

int gpucopy_run(uint64_t budget_ms, Aolani__AuditCopy ***ret, size_t *ret_n,
                struct err *e)
{
    struct timespec t = {.tv_sec = (time_t)(fake.takes_ms / 1000),
                         .tv_nsec = (long)(fake.takes_ms % 1000) * 1000000};
    fake.calls++;
    fake.budget_ms = budget_ms;
    (void)nanosleep(&t, NULL);
    if (fake.rc < 0)
        return err_set(e, fake.rc, "the driver \033[1m is ill");
    *ret = malloc(sizeof **ret);
    *ret_n = 1;
    (*ret)[0] = malloc(sizeof ***ret);
    aolani__audit_copy__init((*ret)[0]);
    (*ret)[0]->to_mbytes = 55000;
    return 0;
}

static void count(void *arg, const char *what, unsigned percent)
{
    (void)what;
    (void)percent;
    ++*(unsigned *)arg;
}

static Aolani__AuditMeasured *run(const struct machine *m, uint64_t budget_ms,
                                  unsigned *told)
{
    struct measuring r = {.machine = (struct machine *)m,
                          .what = "copies",
                          .progress = count,
                          .arg = told};
    r.began_ns = clock_mono_ns();
    r.end_ns = r.began_ns + 15000000000u;
    r.m = malloc(sizeof *r.m);
    assert_non_null(r.m);
    aolani__audit_measured__init(r.m);
    fake.calls = 0;
    measure_copies(&r, budget_ms);
    return r.m;
}

static void test_copies(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t budget_ms, takes_ms;
        bool driver;
        int rc;
        unsigned calls, told, copies;
        const char *note;
    } table[] = {
        {"at once", 5000, 0, true, 0, 1, 0, 1, NULL},
        {"it takes its time", 5000, 1000, true, 0, 1, 1, 1, NULL},
        {"it gives up", 5000, 0, true, -EIO, 1, 0, 0,
         "copies to GPUs were not measured: the driver ?[1m is ill"},
        {"no time", 500, 0, true, 0, 0, 0, 0,
         "copies to GPUs were not measured: there was no time"},
        {"no time, and no GPU", 500, 0, false, 0, 0, 0, 0, NULL},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char dir[] = "/tmp/aolani-copies-XXXXXX", command[128];
        struct machine *m;
        unsigned told = 0;
        assert_non_null(mkdtemp(dir));
        if (table[i].driver)
            tree_put(dir, "proc/driver/nvidia/version", "NVRM version: 570.86.15\n");
        assert_int_equal(machine_open(dir, &m, NULL), 0);
        fake = (struct fake){.takes_ms = table[i].takes_ms, .rc = table[i].rc};
        Aolani__AuditMeasured *got = run(m, table[i].budget_ms, &told);
        const char *note = got->n_notes ? got->notes[0] : NULL;
        bool same = note && table[i].note ? !strcmp(note, table[i].note)
                                          : note == table[i].note;
        if (fake.calls != table[i].calls || told < table[i].told ||
            got->n_copies != table[i].copies || !same)
            fail_msg("%s: %u calls, told %u times, %zu copies, \"%s\"", table[i].name,
                     fake.calls, told, got->n_copies, note ? note : "");
        if (fake.calls)
            assert_int_equal(fake.budget_ms, table[i].budget_ms);
        aolani__audit_measured__free_unpacked(got, NULL);
        machine_close(m);
        (void)snprintf(command, sizeof command, "rm -rf -- '%s'", dir);
        assert_int_equal(system(command), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_copies)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
