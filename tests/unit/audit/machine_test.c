/* SPDX-License-Identifier: MIT */
/* A tree of recorded facts in place of a machine: what it holds, what it refuses, and that
 * nothing outside of it is ever read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/audit/machine.h"
#include "tests/lib/machine_tree.h"

#define ROWS                                                                          \
    "/proc/line   a b \t|second|\n/proc/empty |\n"                                    \
    "/proc/ten 10|\n/proc/hex 0x1f|\n/proc/minus -3|\n"                               \
    "/proc/octal 010|\n/proc/word ten|\n/proc/tail 10 kB|\n"                          \
    "/proc/huge 99999999999999999999|\ndir /sys/d/b\ndir /sys/d/a\n"                  \
    "link /sys/in /sys/d/a\nlink /sys/up ../../../../proc/ten\n"                      \
    "link /sys/out /etc/passwd\nlink /sys/loop /sys/loop\n"                           \
    "/proc/shut 1|\n/proc/fixed 1|\n/sys/under/a 1|\n"                                \
    "/proc/cpuinfo processor\t: 0|model name\t: A  CPU|model\t\t: 7|flags : tsc vme|" \
    "none\t:||processor : 1|last : 1|\n"                                              \
    "facts uid 1000 # who looks\nfacts # nothing\n"                                   \
    "facts errno EACCES proc/shut\nfacts errno-write EROFS /proc/fixed\n"             \
    "facts errno EPERM sys/under\nfacts call fifo EPERM\nfacts call hugepage 0\n"     \
    "facts number clock-ns 21.5\nfacts cpuid 0 0 1f 1 2 3\n"                          \
    "facts cpuid 80000000 0 80000008 0 0 0\nfacts cpuid 1f 1 a b c ffffffff\n"        \
    "facts cpuid 80000009 0 1 1 1 1\nfacts cpuid 20 0 1 1 1 1\n"

struct tree {
    struct machine_tree files;
    struct machine *m;
};

static int setup(void **state)
{
    static struct tree t;
    struct err e = {0};
    machine_tree_make(&t.files, ROWS, "");
    if (machine_open(t.files.dir, &t.m, &e) < 0)
        fail_msg("%s", e.text);
    *state = &t;
    return 0;
}

static int teardown(void **state)
{
    struct tree *t = *state;
    machine_close(t->m);
    machine_tree_end(&t->files);
    return 0;
}

static void test_files(void **state)
{
    const struct machine *m = ((struct tree *)*state)->m;
    char text[16], small[3];
    assert_int_equal(machine_line(m, "/proc/line", text, sizeof text), 0);
    assert_string_equal(text, "a b");
    assert_int_equal(machine_line(m, "/proc/line", small, sizeof small), -E2BIG);
    assert_int_equal(machine_line(m, "/proc/empty", text, sizeof text), 0);
    assert_string_equal(text, "");
    assert_int_equal(machine_read(m, "/proc/line", small, sizeof small), 2);
    assert_int_equal(small[2], 0);
    assert_int_equal(machine_line(m, "/proc/nowhere", text, sizeof text), -ENOENT);
    assert_int_equal(machine_line(m, "/sys/d", text, sizeof text), -EISDIR);
    assert_int_equal(machine_line(m, "/sys/loop", text, sizeof text), -ELOOP);
    assert_true(machine_exists(m, "/sys/d"));
    assert_false(machine_exists(m, "/sys/e"));
    assert_false(machine_is_live(m));
    assert_int_equal(machine_uid(m), 1000);
}

static void test_numbers(void **state)
{
    static const struct {
        const char *path;
        int rc;
        int64_t value;
    } cases[] = {
        {"/proc/ten", 0, 10},        {"/proc/hex", 0, 31},
        {"/proc/minus", 0, -3},      {"/proc/octal", 0, 10},
        {"/proc/word", -EINVAL, 0},  {"/proc/tail", -EINVAL, 0},
        {"/proc/empty", -EINVAL, 0}, {"/proc/huge", -EINVAL, 0},
        {"/proc/no", -ENOENT, 0},
    };
    const struct machine *m = ((struct tree *)*state)->m;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t v = 0;
        if (machine_int(m, cases[i].path, &v) != cases[i].rc || v != cases[i].value)
            fail_msg("%s is %lld", cases[i].path, (long long)v);
    }
}

/* However a link is written, it leads to no other place than the tree. */
static void test_links(void **state)
{
    const struct machine *m = ((struct tree *)*state)->m;
    char text[64], real[64];
    int64_t ten;
    assert_int_equal(machine_real(m, "/sys/in", real, sizeof real), 0);
    assert_string_equal(real, "/sys/d/a");
    assert_int_equal(machine_real(m, "/", real, sizeof real), 0);
    assert_string_equal(real, "/");
    assert_int_equal(machine_real(m, "/sys/in", real, 4), -E2BIG);
    assert_int_equal(machine_link(m, "/sys/in", text, sizeof text), 0);
    assert_string_equal(text, "/sys/d/a");
    assert_true(machine_link(m, "/sys/d", text, sizeof text) < 0);
    assert_int_equal(machine_int(m, "/sys/up", &ten), 0);
    assert_int_equal(ten, 10);
    assert_int_equal(machine_line(m, "/sys/out", text, sizeof text), -ENOENT);
    assert_int_equal(machine_line(m, "/../../etc/passwd", text, sizeof text), -ENOENT);
}

/* The kernel gives up on a way with ".." in it when something is renamed or mounted
 * meanwhile, anywhere on the machine. */
static void test_others_rename(void **state)
{
    const struct tree *t = *state;
    char a[PATH_MAX], b[PATH_MAX];
    int64_t v;
    (void)snprintf(a, sizeof a, "%s/a", t->files.dir);
    (void)snprintf(b, sizeof b, "%s/b", t->files.dir);
    assert_int_equal(mkdir(a, 0700), 0);
    pid_t pid = fork();
    while (pid == 0)
        (void)(rename(a, b), rename(b, a));
    assert_true(pid > 0);
    unsigned failed = 0;
    for (unsigned i = 0; i < 20000; i++)
        failed += machine_int(t->m, "/sys/up", &v) < 0;
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    assert_int_equal(failed, 0);
}

static void test_folders(void **state)
{
    const struct machine *m = ((struct tree *)*state)->m;
    char **names;
    assert_int_equal(machine_list(m, "/sys/d", &names), 2);
    assert_string_equal(names[0], "a");
    assert_string_equal(names[1], "b");
    machine_free_names(names, 2);
    assert_int_equal(machine_list(m, "/sys/d/a", &names), 0);
    machine_free_names(names, 0);
    assert_int_equal(machine_list(m, "/sys/e", &names), -ENOENT);
    assert_int_equal(machine_list(m, "/proc/ten", &names), -ENOTDIR);
    machine_free_names(names, -1);
    assert_int_equal(machine_list(m, "/sys/under", &names), -EPERM);
    machine_free_names(names, -1);
}

static void test_refusals(void **state)
{
    const struct machine *m = ((struct tree *)*state)->m;
    char text[16];
    assert_int_equal(machine_line(m, "/proc/shut", text, sizeof text), -EACCES);
    assert_int_equal(machine_writable(m, "/proc/shut"), -EACCES);
    assert_int_equal(machine_line(m, "/proc/fixed", text, sizeof text), 0);
    assert_int_equal(machine_writable(m, "/proc/fixed"), -EROFS);
    assert_int_equal(machine_line(m, "/sys/under/a", text, sizeof text), -EPERM);
    assert_int_equal(machine_writable(m, "/proc/ten"), 0);
    assert_int_equal(machine_writable(m, "/proc/no"), -ENOENT);
    assert_int_equal(machine_writable(m, "/sys/d"), -EISDIR);
}

static void test_facts(void **state)
{
    const struct machine *m = ((struct tree *)*state)->m;
    uint32_t r[4];
    double ns = 0;
    assert_int_equal(machine_call(m, MACHINE_FIFO), -EPERM);
    assert_int_equal(machine_call(m, MACHINE_HUGEPAGE), 0);
    assert_int_equal(machine_call(m, MACHINE_LATENCY), -ENOSYS);
    assert_true(machine_number(m, "clock-ns", &ns));
    assert_true(ns > 21.4 && ns < 21.6);
    assert_false(machine_number(m, "other", &ns));
    assert_true(machine_cpuid(m, 0x1f, 1, r));
    assert_int_equal(r[0], 0xa);
    assert_true(r[3] == 0xffffffff);
    assert_false(machine_cpuid(m, 0x1f, 0, r));
}

/* Beyond the last leaf there is nothing, whatever the CPU answers. */
static void test_leaves(void **state)
{
    const struct machine *m = ((struct tree *)*state)->m;
    uint32_t r[4];
    assert_true(machine_leaf(m, 0x1f, 1, r) && r[0] == 0xa);
    assert_true(machine_leaf(m, 0, 0, r) && r[0] == 0x1f);
    assert_true(machine_leaf(m, 0x20, 0, r) && !(r[0] | r[1] | r[2] | r[3]));
    assert_true(machine_leaf(m, 0x80000009, 0, r) && !(r[0] | r[1] | r[2] | r[3]));
    assert_false(machine_leaf(m, 2, 0, r));
}

static void test_cpuinfo(void **state)
{
    const struct machine *m = ((struct tree *)*state)->m;
    char text[32];
    assert_int_equal(machine_cpuinfo(m, "model name", text, sizeof text), 0);
    assert_string_equal(text, "A  CPU");
    assert_int_equal(machine_cpuinfo(m, "model", text, sizeof text), 0);
    assert_string_equal(text, "7");
    assert_int_equal(machine_cpuinfo(m, "none", text, sizeof text), 0);
    assert_string_equal(text, "");
    assert_int_equal(machine_cpuinfo(m, "processor", text, sizeof text), 0);
    assert_string_equal(text, "0");
    assert_int_equal(machine_cpuinfo(m, "last", text, sizeof text), -ENODATA);
    assert_int_equal(machine_cpuinfo(m, "model name", text, 3), -E2BIG);
    assert_int_equal(machine_flag(m, "vme"), 1);
    assert_int_equal(machine_flag(m, "vm"), 0);
}

static void test_text(void **state)
{
    const struct machine *m = ((struct tree *)*state)->m;
    int rc;
    char *text = machine_text(m, "/proc/ten", 3, &rc);
    assert_non_null(text);
    assert_string_equal(text, "10\n");
    free(text);
    assert_null(machine_text(m, "/proc/ten", 2, &rc));
    assert_int_equal(rc, -E2BIG);
    assert_null(machine_text(m, "/proc/no", 2, &rc));
    assert_int_equal(rc, -ENOENT);
}

static void test_words(void **state)
{
    (void)state;
    assert_true(machine_has_word("tsc hpet", "hpet"));
    assert_true(machine_has_word(" \thpet\n", "hpet"));
    assert_false(machine_has_word("hpetx xhpet", "hpet"));
    assert_false(machine_has_word("", "hpet"));
    char ret[8];
    assert_true(machine_choice("always [madvise] never", ret, sizeof ret));
    assert_string_equal(ret, "madvise");
    assert_false(machine_choice("[madvised]", ret, sizeof ret));
    assert_false(machine_choice("a ]b[ c", ret, sizeof ret));
}

/* Lines that are no facts; each is named. */
static void test_no_facts(void **state)
{
    static const char *const bad[] = {
        "what 1",
        "uid",
        "uid -1",
        "uid nobody",
        "uid 4294967295",
        "errno EACCES",
        "errno EWHAT proc/a",
        "errno 0 proc/a",
        "errno-read EACCES proc/a",
        "call fifo",
        "call dance 0",
        "call fifo EWHAT",
        "number ns",
        "number ns many",
        "number ns 1x",
        "number ns nan",
        "number ns inf",
        "cpuid 1 0 0 0 0",
        "cpuid 1 0 0 0 0 x",
        "cpuid 1 0 0 0 0 123456789",
        "cpuid 1 0 0 0 0 -1",
        "uid 1 2",
        "errno EACCES proc/a proc/b",
        "cpuid 1 0 0 0 0 0 0",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct machine_tree t;
        struct machine *m = NULL;
        struct err e = {0};
        char rows[256];
        (void)snprintf(rows, sizeof rows, "facts uid 0\nfacts %s\n", bad[i]);
        machine_tree_make(&t, rows, "");
        int rc = machine_open(t.dir, &m, &e);
        if (rc != ERR_USAGE || !strstr(e.text, "facts:2: ") || !strstr(e.text, bad[i]))
            fail_msg("\"%s\" is taken for a fact: %s", bad[i], e.text);
        machine_tree_end(&t);
    }
}

static void test_long_facts(void **state)
{
    struct machine_tree t;
    struct machine *m = NULL;
    struct err e = {0};
    char path[PATH_MAX];
    (void)state;
    machine_tree_make(&t, "", "");
    (void)snprintf(path, sizeof path, "%s/facts", t.dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    (void)fprintf(f, "errno EACCES %0600d\n", 1);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(machine_open(t.dir, &m, &e), ERR_USAGE);
    f = fopen(path, "w");
    assert_non_null(f);
    for (int i = 0; i < 2000; i++)
        (void)fprintf(f, "number a%d 1\n", i);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(machine_open(t.dir, &m, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "facts:1025: "));
    machine_tree_end(&t);
    assert_int_equal(machine_open("/no/such/tree", &m, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "\"/no/such/tree\""));
    machine_close(NULL);
}

/* A line that does not fit is not told as a shorter one. */
static void test_long_line(void **state)
{
    static char line[8192], rows[16384], text[8192];
    struct machine_tree t;
    struct machine *m = NULL;
    struct err e = {0};
    (void)state;
    memset(line, '1', sizeof line - 1);
    (void)snprintf(rows, sizeof rows, "/proc/long %s\n/proc/edge %.4094s|x\n", line,
                   line);
    machine_tree_make(&t, rows, "");
    assert_int_equal(machine_open(t.dir, &m, &e), 0);
    assert_int_equal(machine_line(m, "/proc/long", text, sizeof text), -E2BIG);
    assert_int_equal(machine_line(m, "/proc/edge", text, sizeof text), 0);
    assert_int_equal(strlen(text), 4094);
    machine_close(m);
    machine_tree_end(&t);
}

/* What is no file is not waited for; what leads out of the tree is not there. */
static void test_odd_facts(void **state)
{
    struct machine_tree t;
    struct machine *m = NULL;
    struct err e = {0};
    char path[PATH_MAX];
    (void)state;
    machine_tree_make(&t, "facts uid 7\n", "");
    (void)snprintf(path, sizeof path, "%s/facts", t.dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    (void)alarm(60);
    assert_int_equal(machine_open(t.dir, &m, &e), ERR_USAGE);
    (void)alarm(0);
    assert_non_null(strstr(e.text, "facts\""));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(machine_open(t.dir, &m, &e), ERR_USAGE);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_int_equal(machine_open(t.dir, &m, &e), 0);
    assert_int_equal(machine_uid(m), 0);
    machine_close(m);
    machine_tree_end(&t);
}

/* What is tried on the machine itself leaves it as it was. */
static void test_this_machine(void **state)
{
    struct machine *m;
    struct err e = {0};
    double v;
    (void)state;
    assert_int_equal(machine_open(NULL, &m, &e), 0);
    assert_true(machine_is_live(m));
    assert_int_equal(machine_uid(m), geteuid());
    assert_false(machine_number(m, "clock-ns", &v));
    for (int i = 0; i < MACHINE_CALLS; i++)
        assert_true(machine_call(m, (enum machine_call)i) <= 0);
    assert_true(machine_exists(m, "/proc/self/stat"));
    assert_int_equal(machine_writable(m, "/dev/null"), -EINVAL);
    machine_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_numbers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_links, setup, teardown),
        cmocka_unit_test_setup_teardown(test_others_rename, setup, teardown),
        cmocka_unit_test_setup_teardown(test_folders, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_facts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_leaves, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cpuinfo, setup, teardown),
        cmocka_unit_test_setup_teardown(test_text, setup, teardown),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_no_facts),
        cmocka_unit_test(test_long_facts),
        cmocka_unit_test(test_long_line),
        cmocka_unit_test(test_odd_facts),
        cmocka_unit_test(test_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
