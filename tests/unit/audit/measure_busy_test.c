/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/audit/measure_busy.h"
#include "proto/base/clock.h"

#define SELF 100

static void test_parse(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
        bool good;
        int32_t pid, parent;
        uint64_t used, began;
        const char *comm;
    } table[] = {
        {"a process",
         "7 (sh) S 1 7 7 0 -1 4194304 1 2 3 4 50 60 8 9 20 0 1 0 1234 99 1 2\n", true,
         7, 1, 110, 1234, "sh"},
        {"nothing after the beginning",
         "7 (sh) S 1 7 7 0 -1 4 1 2 3 4 5 6 8 9 20 0 1 0 12", true, 7, 1, 11, 12, "sh"},
        {"a name with blanks and brackets",
         "7 (a) S 9 (b) R 1 7 7 0 -1 4 1 2 3 4 5 6 8 9 20 0 1 0 12 9", true, 7, 1, 11,
         12, "a) S 9 (b"},
        {"a name without letters", "7 () R 1 7 7 0 -1 4 1 2 3 4 5 6 8 9 20 0 1 0 12 9",
         true, 7, 1, 11, 12, ""},
        {"a name with the end of a line",
         "7 (a\nb) R 1 7 7 0 -1 4 1 2 3 4 5 6 8 9 20 0 1 0 12 9", true, 7, 1, 11, 12,
         "a\nb"},
        {"the parent is beyond our namespace",
         "7 (x) R 0 7 7 0 -1 4 1 2 3 4 5 6 8 9 20 0 1 0 12 9", true, 7, 0, 11, 12, "x"},
        {"a priority below zero", "7 (x) R 1 7 7 0 -1 4 1 2 3 4 5 6 8 9 -51 0 1 0 12 9",
         true, 7, 1, 11, 12, "x"},
        {"empty", "", false, 0, 0, 0, 0, ""},
        {"no name", "7 S 1 7 7", false, 0, 0, 0, 0, ""},
        {"a name that does not end", "7 (sh S 1 7", false, 0, 0, 0, 0, ""},
        {"brackets the wrong way", "7 )sh( S 1 7", false, 0, 0, 0, 0, ""},
        {"no number", "x (sh) S 1 7", false, 0, 0, 0, 0, ""},
        {"a number below zero", "-7 (sh) S 1 7", false, 0, 0, 0, 0, ""},
        {"a number that is none of a process", "99999999999 (sh) S 1 7", false, 0, 0, 0,
         0, ""},
        {"it ends after the name", "7 (sh)", false, 0, 0, 0, 0, ""},
        {"it ends after the state", "7 (sh) S", false, 0, 0, 0, 0, ""},
        {"cut before the beginning", "7 (sh) S 1 7 7 0 -1 4 1 2 3 4 5 6 8 9 20 0 1 0",
         false, 0, 0, 0, 0, ""},
        {"a word among numbers", "7 (sh) S 1 7 7 0 -1 4 1 2 x 4 5 6 8 9 20 0 1 0 12",
         false, 0, 0, 0, 0, ""},
        {"time below zero", "7 (sh) S 1 7 7 0 -1 4 1 2 3 4 -5 6 8 9 20 0 1 0 12", false,
         0, 0, 0, 0, ""},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct measure_proc p = {0};
        bool good = measure_busy_parse(table[i].text, &p);
        bool same = !good || (p.pid == table[i].pid && p.parent == table[i].parent &&
                              p.used == table[i].used && p.began == table[i].began &&
                              !strcmp(p.name, table[i].comm));
        if (good != table[i].good || !same)
            fail_msg("%s: %d %d %llu %llu \"%s\"", table[i].name, p.pid, p.parent,
                     (unsigned long long)p.used, (unsigned long long)p.began, p.name);
    }
}

static void test_long_name(void **state)
{
    (void)state;
    char text[512], name[201];
    struct measure_proc p;
    memset(name, 'k', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    (void)snprintf(text, sizeof text,
                   "7 (%s) S 1 7 7 0 -1 4 1 2 3 4 5 6 8 9 20 0 1 0 12", name);
    assert_true(measure_busy_parse(text, &p));
    assert_int_equal(strlen(p.name), MEASURE_BUSY_NAME - 1);
}

/* What each did between two looks; in both the same row is the same process. */
struct row {
    int pid, parent, before, after; /* ticks; -1: it was not there */
    int waited;                     /* between the looks */
};

static size_t rank(const struct row *rows, size_t n, bool whole, uint64_t least,
                   struct measure_used *ret, uint64_t *ret_all)
{
    static struct measure_proc a[64], b[64];
    struct measure_look before = {.procs = a, .whole = whole};
    struct measure_look after = {.procs = b, .whole = true};
    for (size_t i = 0; i < n; i++) {
        struct measure_proc p = {.pid = rows[i].pid, .parent = rows[i].parent};
        p.began = (uint64_t)rows[i].pid;
        if (rows[i].before >= 0) {
            p.used = (uint64_t)rows[i].before;
            a[before.n++] = p;
        }
        if (rows[i].after >= 0) {
            p.used = (uint64_t)rows[i].after;
            p.waited = (uint64_t)rows[i].waited;
            b[after.n++] = p;
        }
    }
    return measure_busy_rank(&before, &after, SELF, least, ret, ret_all);
}

static void test_rank(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct row rows[8];
        bool part; /* the first look did not see all */
        uint64_t least, all;
        int pids[4]; /* the largest first, up to a 0 */
    } table[] = {
        {"nobody", {{0}}, false, 1, 0, {0}},
        {"the largest first",
         {{5, 1, 10, 20, 0}, {6, 1, 0, 50, 0}, {7, 1, 0, 30, 0}},
         false,
         1,
         90,
         {6, 7, 5}},
        {"what it used before does not count",
         {{5, 1, 1000, 1001, 0}},
         false,
         2,
         1,
         {0}},
        {"not us, and not what we started, however deep",
         {{SELF, 1, 0, 99, 0},
          {101, SELF, 0, 99, 0},
          {102, 101, -1, 99, 0},
          {103, 1, 0, 9, 0}},
         false,
         1,
         9,
         {103}},
        {"who started us is another",
         {{5, 1, 0, 40, 0}, {SELF, 5, 0, 99, 0}},
         false,
         1,
         40,
         {5}},
        {"new since", {{5, 1, -1, 40, 0}}, false, 1, 40, {5}},
        {"perhaps new since", {{5, 1, -1, 40, 0}}, true, 1, 0, {0}},
        {"it ended", {{5, 1, 40, -1, 0}, {6, 1, 0, 3, 0}}, false, 1, 3, {6}},
        {"too little to be named, but counted",
         {{5, 1, 0, 4, 0}, {6, 1, 0, 5, 0}},
         false,
         5,
         9,
         {6}},
        {"time that goes back", {{5, 1, 40, 30, 0}}, false, 1, 0, {0}},
        {"kept waiting for a CPU is busy, too, but uses nothing",
         {{5, 1, 0, 10, 0}, {6, 1, 0, 2, 90}},
         false,
         5,
         12,
         {6, 5}},
        {"a ring of parents", {{5, 6, 0, 4, 0}, {6, 5, 0, 3, 0}}, false, 1, 7, {5, 6}},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct measure_used used[MEASURE_BUSY_MOST];
        uint64_t all;
        size_t rows = 0, want = 0;
        while (rows < 8 && table[i].rows[rows].pid)
            rows++;
        while (want < 4 && table[i].pids[want])
            want++;
        size_t n =
            rank(table[i].rows, rows, !table[i].part, table[i].least, used, &all);
        if (n != want || all != table[i].all)
            fail_msg("%s: %zu processes, %llu ticks", table[i].name, n,
                     (unsigned long long)all);
        for (size_t k = 0; k < n; k++)
            if (used[k].proc->pid != table[i].pids[k])
                fail_msg("%s: %d is number %zu", table[i].name, used[k].proc->pid, k);
    }
}

static void test_number_taken_again(void **state)
{
    (void)state;
    struct measure_proc was = {.pid = 5, .began = 1, .used = 90};
    struct measure_proc is = {.pid = 5, .began = 2, .used = 40};
    struct measure_look before = {.procs = &was, .n = 1, .whole = true};
    struct measure_look after = {.procs = &is, .n = 1, .whole = true};
    struct measure_used used[MEASURE_BUSY_MOST];
    uint64_t all;
    assert_int_equal(measure_busy_rank(&before, &after, SELF, 1, used, &all), 1);
    assert_int_equal(used[0].wanted, 40);
}

/* More than are kept: those that used most are. */
static void test_many(void **state)
{
    (void)state;
    struct row rows[64];
    struct measure_used used[MEASURE_BUSY_MOST];
    uint64_t all;
    for (int i = 0; i < 64; i++)
        rows[i] = (struct row){.pid = 200 + i, .parent = 1, .after = 1 + (i * 37) % 64};
    assert_int_equal(rank(rows, 64, true, 1, used, &all), MEASURE_BUSY_MOST);
    assert_int_equal(all, 64 * 65 / 2);
    for (size_t i = 0; i < MEASURE_BUSY_MOST; i++)
        assert_int_equal(used[i].wanted, 64 - i);
}

static void test_live(void **state)
{
    (void)state;
    struct machine *m;
    struct measure_look l;
    bool seen = false;
    assert_int_equal(machine_open(NULL, &m, NULL), 0);
    measure_busy_look(&l, m, clock_mono_ns() + 60000000000u);
    assert_true(l.whole);
    for (size_t i = 0; i < l.n; i++) {
        assert_true(i == 0 || l.procs[i - 1].pid < l.procs[i].pid);
        if (l.procs[i].pid == getpid()) {
            seen = true;
            assert_int_equal(l.procs[i].parent, getppid());
        }
    }
    assert_true(seen);
    measure_busy_fini(&l);
    measure_busy_look(&l, m, 0); /* no time at all */
    assert_false(l.whole);
    measure_busy_fini(&l);
    measure_busy_fini(&l);
    machine_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse), cmocka_unit_test(test_long_name),
        cmocka_unit_test(test_rank),  cmocka_unit_test(test_number_taken_again),
        cmocka_unit_test(test_many),  cmocka_unit_test(test_live),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
