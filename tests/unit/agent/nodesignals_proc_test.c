/* SPDX-License-Identifier: MIT */
/* Rounds over copied /proc trees: what they add up to, and all that makes them unknown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/folders.h"
#include "agent/nodesignals_proc.h"
#include "tests/lib/tree.h"

#define STEAL NODESIGNALS_STEAL
#define PSI   NODESIGNALS_PSI
#define IRQS  NODESIGNALS_INTERRUPTS

#define CPU(n, steal) "cpu" #n " 10 0 10 500 1 0 2 " #steal " 0 0\n"
#define TAIL(intr, softirq)                                                     \
    "intr " #intr " 0 0 7\nctxt 1\nbtime 2\nprocs_running 1\nsoftirq " #softirq \
    " 1 2 3\n"
#define SOME(total)                                             \
    "some avg10=0.00 avg60=0.00 avg300=0.00 total=" #total "\n" \
    "full avg10=0.00 avg60=0.00 avg300=0.00 total=99\n"

/* A NULL is a file that is not there. */
struct tree {
    const char *stat, *cpu, *memory, *io;
};

static void put(const char *dir, const char *path, const char *text)
{
    char full[256];
    if (text) {
        tree_put(dir, path, text);
        return;
    }
    (void)snprintf(full, sizeof full, "%s/%s", dir, path);
    (void)unlink(full);
}

static void put_tree(const char *dir, const struct tree *t)
{
    put(dir, "stat", t->stat);
    put(dir, "pressure/cpu", t->cpu);
    put(dir, "pressure/memory", t->memory);
    put(dir, "pressure/io", t->io);
}

static const uint32_t two_cpus[] = {0, 2};

static const struct row {
    const char *what;
    struct tree before, after;
    bool told;
    uint32_t known;
    uint64_t steal[2], psi[3], interrupts, softirqs;
} rows[] = {
    {"all of it; interrupts of two of four CPUs",
     {CPU(0, 5) CPU(1, 100) CPU(2, 7) CPU(3, 0) TAIL(1000, 2000), SOME(10), SOME(20),
      SOME(30)},
     {CPU(0, 8) CPU(1, 500) CPU(2, 7) CPU(3, 0) TAIL(1200, 2100), SOME(15), SOME(20),
      SOME(1000030)},
     true,
     STEAL | PSI | IRQS,
     {30000, 0},
     {5, 0, 1000000},
     100,
     50},
    {"no steal, and it is not told: unknown",
     {CPU(0, 0) CPU(2, 0) TAIL(1, 1), NULL, NULL, NULL},
     {CPU(0, 0) CPU(2, 0) TAIL(3, 4), NULL, NULL, NULL},
     false,
     IRQS,
     {0, 0},
     {0, 0, 0},
     2,
     3},
    {"no steal, and it is told: 0",
     {CPU(0, 0) CPU(2, 0) TAIL(1, 1), NULL, NULL, NULL},
     {CPU(0, 0) CPU(2, 0) TAIL(1, 1), NULL, NULL, NULL},
     true,
     STEAL | IRQS,
     {0},
     {0},
     0,
     0},
    {"not told, but some of another CPU was seen",
     {CPU(0, 0) CPU(1, 9) CPU(2, 0) TAIL(1, 1), NULL, NULL, NULL},
     {CPU(0, 0) CPU(1, 9) CPU(2, 4) TAIL(1, 1), NULL, NULL, NULL},
     false,
     STEAL | IRQS,
     {0, 40000},
     {0},
     0,
     0},
    {"steal goes back",
     {CPU(0, 5) CPU(2, 7) TAIL(1, 1), SOME(1), SOME(1), SOME(1)},
     {CPU(0, 9) CPU(2, 6) TAIL(1, 1), SOME(1), SOME(1), SOME(1)},
     true,
     PSI | IRQS,
     {0},
     {0},
     0,
     0},
    {"a CPU goes offline",
     {CPU(0, 5) CPU(2, 7) TAIL(1, 1), NULL, NULL, NULL},
     {CPU(0, 5) TAIL(1, 1), NULL, NULL, NULL},
     true,
     IRQS,
     {0},
     {0},
     0,
     0},
    {"pressure of one kind goes back, of another vanishes",
     {CPU(0, 5) CPU(2, 7) TAIL(1, 1), SOME(10), SOME(1), SOME(1)},
     {CPU(0, 5) CPU(2, 7) TAIL(1, 1), SOME(9), SOME(1), NULL},
     true,
     STEAL | IRQS,
     {0},
     {0},
     0,
     0},
    {"interrupts go back",
     {CPU(0, 5) CPU(2, 7) TAIL(10, 1), NULL, NULL, NULL},
     {CPU(0, 5) CPU(2, 7) TAIL(9, 8), NULL, NULL, NULL},
     true,
     STEAL,
     {0},
     {0},
     0,
     0},
    {"no stat",
     {NULL, SOME(1), SOME(1), SOME(1)},
     {NULL, SOME(3), SOME(4), SOME(5)},
     true,
     PSI,
     {0},
     {2, 3, 4},
     0,
     0},
    {"stat is empty for a moment",
     {CPU(0, 5) CPU(2, 7) TAIL(10, 1), NULL, NULL, NULL},
     {"", NULL, NULL, NULL},
     true,
     0,
     {0},
     {0},
     0,
     0},
    {"negative, too large and no numbers",
     {"cpu0 1 2 3 4 5 6 7 -8 0\ncpu2 1 2 3 4 5 6 7 18446744073709551616 0\n"
      "intr -1\nsoftirq x\n",
      "some avg10=0.00 total=-5\n", "some total\n", "full total=3\n"},
     {"cpu0 1 2 3 4 5 6 7 -8 0\ncpu2 1 2 3 4 5 6 7 18446744073709551616 0\n"
      "intr -1\nsoftirq x\n",
      "some avg10=0.00 total=-5\n", "some total\n", "full total=3\n"},
     true,
     0,
     {0},
     {0},
     0,
     0},
    {"a steal that no microseconds can hold",
     {CPU(0, 0) CPU(2, 0) TAIL(1, 1), NULL, NULL, NULL},
     {CPU(0, 18446744073709551615) CPU(2, 0) TAIL(1, 1), NULL, NULL, NULL},
     true,
     IRQS,
     {0},
     {0},
     0,
     0},
    {"an old kernel's line, without steal",
     {"cpu0 1 2 3 4 5 6 7\ncpu2 1 2 3 4\n" TAIL(1, 1), NULL, NULL, NULL},
     {"cpu0 1 2 3 4 5 6 7\ncpu2 1 2 3 4\n" TAIL(2, 2), NULL, NULL, NULL},
     true,
     IRQS,
     {0},
     {0},
     1,
     1},
    {"binary",
     {"\x01\xff\xfe cpu0\ncpu\ncpu0\ncpuX 1\nintr\n\n\n", "\xff", "some\n", "\n"},
     {"\x01\xff\xfe cpu0\ncpu\ncpu0\ncpuX 1\nintr\n\n\n", "\xff", "some\n", "\n"},
     true,
     0,
     {0},
     {0},
     0,
     0},
};

static void check(const struct row *r, const struct nodesignals_sum *s)
{
    assert_int_equal(s->known, r->known);
    if (r->known & STEAL)
        for (size_t i = 0; i < 2; i++)
            assert_int_equal(s->steal_us[i], r->steal[i]);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(s->psi_us[i], r->psi[i]);
    assert_int_equal(s->interrupts, r->interrupts);
    assert_int_equal(s->softirqs, r->softirqs);
}

static void try_row(const struct row *r, bool reopen)
{
    char dir[] = "/tmp/aolani-proc-XXXXXX";
    struct nodesignals_proc *p;
    struct nodesignals_sum s;
    struct nodesignals_proc_config c = {.proc = dir,
                                        .reopen = reopen,
                                        .steal_is_told = r->told,
                                        .cpus = two_cpus,
                                        .n_cpus = 2};
    assert_non_null(mkdtemp(dir));
    put_tree(dir, &r->before);
    assert_int_equal(nodesignals_sum_init(&s, two_cpus, 2), 0);
    assert_int_equal(nodesignals_proc_create(&c, &p), 0);
    nodesignals_proc_read(p, &s);
    assert_int_equal(s.known, 0); /* the first look only begins */
    nodesignals_sum_clear(&s);
    put_tree(dir, &r->after);
    nodesignals_proc_read(p, &s);
    check(r, &s);
    nodesignals_sum_fini(&s);
    nodesignals_proc_destroy(p);
    assert_int_equal(folders_remove_tree(dir, NULL), 0);
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        print_message("%s\n", rows[i].what);
        try_row(&rows[i], true);
    }
    /* With the descriptor kept a file of the kernel never vanishes. */
    try_row(&rows[0], false);
}

/* After an interval that was unknown the next is known again. */
static void test_it_recovers(void **state)
{
    (void)state;
    char dir[] = "/tmp/aolani-proc-XXXXXX";
    struct nodesignals_proc *p;
    struct nodesignals_sum s;
    struct nodesignals_proc_config c = {.proc = dir,
                                        .reopen = true,
                                        .steal_is_told = true,
                                        .cpus = two_cpus,
                                        .n_cpus = 2};
    static const struct {
        const char *stat;
        uint32_t known;
        uint64_t steal;
    } looks[] = {{CPU(0, 5) CPU(2, 7) TAIL(1, 1), 0, 0},
                 {CPU(0, 4) CPU(2, 7) TAIL(2, 2), IRQS, 0},
                 {CPU(0, 6) CPU(2, 7) TAIL(3, 3), STEAL | IRQS, 20000},
                 {NULL, 0, 0},
                 {CPU(0, 9) CPU(2, 7) TAIL(9, 9), 0, 0},
                 {CPU(0, 10) CPU(2, 7) TAIL(9, 9), STEAL | IRQS, 10000}};
    assert_non_null(mkdtemp(dir));
    put(dir, "stat", looks[0].stat);
    assert_int_equal(nodesignals_sum_init(&s, two_cpus, 2), 0);
    assert_int_equal(nodesignals_proc_create(&c, &p), 0);
    for (size_t i = 0; i < sizeof looks / sizeof *looks; i++) {
        put(dir, "stat", looks[i].stat);
        nodesignals_sum_clear(&s);
        nodesignals_proc_read(p, &s);
        assert_int_equal(s.known, looks[i].known);
        if (s.known & STEAL)
            assert_int_equal(s.steal_us[0], looks[i].steal);
    }
    nodesignals_sum_fini(&s);
    nodesignals_proc_destroy(p);
    assert_int_equal(folders_remove_tree(dir, NULL), 0);
}

/* 3000 CPUs: longer than what is read at first. */
static void test_a_long_file(void **state)
{
    (void)state;
    char dir[] = "/tmp/aolani-proc-XXXXXX";
    struct nodesignals_proc *p;
    struct nodesignals_sum s;
    uint32_t last = 2999;
    struct nodesignals_proc_config c = {
        .proc = dir, .steal_is_told = true, .cpus = &last, .n_cpus = 1};
    assert_non_null(mkdtemp(dir));
    for (unsigned round = 0; round < 2; round++) {
        char *text = NULL;
        size_t n = 0;
        FILE *f = open_memstream(&text, &n);
        for (unsigned i = 0; i < 3000; i++)
            fprintf(f, "cpu%u 1 2 3 4 5 6 7 %u 0 0\n", i, round * i);
        fprintf(f, "intr %u\nsoftirq %u\n", round * 6000, round * 3000);
        assert_int_equal(fclose(f), 0);
        put(dir, "stat", text);
        free(text);
        if (round == 0) {
            assert_int_equal(nodesignals_sum_init(&s, &last, 1), 0);
            assert_int_equal(nodesignals_proc_create(&c, &p), 0);
        }
        nodesignals_sum_clear(&s);
        nodesignals_proc_read(p, &s);
    }
    assert_int_equal(s.known, STEAL | IRQS);
    assert_int_equal(s.steal_us[0], 29990000);
    assert_int_equal(s.interrupts, 2);
    assert_int_equal(s.softirqs, 1);
    nodesignals_sum_fini(&s);
    nodesignals_proc_destroy(p);
    assert_int_equal(folders_remove_tree(dir, NULL), 0);
}

static void test_the_kernel_can_be_told_not_to_listen(void **state)
{
    (void)state;
    static const char *const off[] = {"no-steal-acc", "no-steal-acc\n",
                                      "a no-steal-acc b", "xno-steal-acc no-steal-acc"};
    static const char *const other[] = {"", "xno-steal-acc", "no-steal-acc=1",
                                        "no-steal-accx quiet"};
    bool here = nodesignals_steal_is_told("");
    for (size_t i = 0; i < 4; i++) {
        assert_false(nodesignals_steal_is_told(off[i]));
        assert_int_equal(nodesignals_steal_is_told(other[i]), here);
    }
}

static void test_this_machine(void **state)
{
    (void)state;
    struct nodesignals_proc *p;
    struct nodesignals_sum s;
    uint32_t first = 0;
    struct nodesignals_proc_config c = {.proc = "/proc", .cpus = &first, .n_cpus = 1};
    assert_int_equal(nodesignals_sum_init(&s, &first, 1), 0);
    assert_int_equal(nodesignals_proc_create(&c, &p), 0);
    nodesignals_proc_read(p, &s);
    nodesignals_sum_clear(&s);
    usleep(50000);
    nodesignals_proc_read(p, &s);
    assert_true(s.known & IRQS);
    assert_int_equal((s.known & PSI) != 0, access("/proc/pressure/cpu", R_OK) == 0);
    nodesignals_sum_fini(&s);
    nodesignals_proc_destroy(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_it_recovers),
        cmocka_unit_test(test_a_long_file),
        cmocka_unit_test(test_the_kernel_can_be_told_not_to_listen),
        cmocka_unit_test(test_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
