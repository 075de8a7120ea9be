/* SPDX-License-Identifier: MIT */
/* describe, with helpers that behave and misbehave in its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/describe.h"

static char dir[] = "/tmp/aolani-describe-test-XXXXXX";

static void put(const char *name, const void *bytes, size_t len, mode_t mode)
{
    char path[200];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void put_message(const char *name, const char *product, const char *error,
                        const char *hint)
{
    uint8_t bytes[1000];
    Aolani__Topology m = AOLANI__TOPOLOGY__INIT;
    m.product = (char *)product;
    m.error = (char *)error;
    m.hint = (char *)hint;
    put(name, bytes, aolani__topology__pack(&m, bytes), 0600);
}

/* What it does is in the name of the file that it is given. */
static const char helper[] =
    "#!/bin/sh\n"
    "cd \"${0%/*}\"\n"
    "case $*,${2##*/} in\n"
    ",*) cat good ;;\n"
    "*,good) cat good ;;\n"
    "*,folder) [ \"$1\" = --root ] && cat good ;;\n"
    "*,sysfs*) echo \"$*\" >asked; cat good ;;\n"
    "*,refused) cat refused; exit 1 ;;\n"
    "*,named) cat named; exit 1 ;;\n"
    "*,silent) exit 1 ;;\n"
    "*,odd) echo 'it is\033[2J odd' >&2; echo more >&2; exit 7 ;;\n"
    "*,killed) kill -KILL $$ ;;\n"
    "*,garbage) echo garbage ;;\n"
    "*,empty) ;;\n"
    "*,long) exec yes ;;\n"
    "*,slow) : >started; exec sleep 100 ;;\n"
    "*,holder) sleep 5 & exit 0 ;;\n"
    "*) exit 3 ;;\n"
    "esac\n";

static int setup(void **state)
{
    char path[200];
    (void)state;
    if (!mkdtemp(dir) || setenv("AOLANI_LIBDIR", dir, 1))
        return -1;
    put_message("good", "Cray", "", "");
    put_message("refused", "", "hwloc 3 wrote it\033[2J",
                "export it so that it can be read");
    put_message("named", "", "named is no XML", "");
    put("aolani-describe", helper, sizeof helper - 1, 0755);
    (void)snprintf(path, sizeof path, "%s/folder", dir);
    return mkdir(path, 0755);
}

static int teardown(void **state)
{
    char command[100];
    (void)state;
    (void)snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command);
}

static void test_one(const char *file, uint64_t ms, const char *want, const char *hint)
{
    struct describe_input in = {.file = file};
    struct describe_result r;
    struct err e;
    assert_int_equal(describe_all(&in, 1, ms, &r, &e), 0);
    if (!want) {
        assert_non_null(r.m);
        assert_string_equal(r.m->product, "Cray");
    } else {
        assert_null(r.m);
        assert_int_equal(r.e.code, ERR_USAGE);
        if (strcmp(r.e.text, want) != 0 || !strstr(r.e.hint, hint))
            fail_msg("%s: got \"%s\", \"%s\"", file, r.e.text, r.e.hint);
    }
    describe_free(&r, 1);
}

static void test_answers(void **state)
{
    (void)state;
    test_one(NULL, 0, NULL, "");
    test_one("good", 0, NULL, "");
    test_one("refused", 0, "read the topology \"refused\": hwloc 3 wrote it?[2J",
             "export it so");
    test_one("named", 0, "named is no XML", "");
    test_one("silent", 0,
             "read the topology \"silent\": aolani-describe ended with status 1",
             "lstopo");
    test_one("odd", 0,
             "read the topology \"odd\": aolani-describe ended with status 7: it "
             "is?[2J odd",
             "lstopo");
    test_one("killed", 0,
             "read the topology \"killed\": aolani-describe died reading it (Killed)",
             "lstopo");
    test_one("garbage", 0,
             "read the topology \"garbage\": the answer of aolani-describe is none",
             "");
    test_one("empty", 0,
             "read the topology \"empty\": aolani-describe ended with status 0", "");
    test_one("long", 0,
             "read the topology \"long\": more than 786432 bytes of description came",
             "lstopo");
    test_one("slow", 300, "read the topology \"slow\": not read within 300 ms", "");
}

/* A process that it has left behind may hold its pipe. */
static void test_a_pipe_that_stays_open(void **state)
{
    (void)state;
    test_one("holder", 300, "read the topology \"holder\": not read within 300 ms", "");
}

static void test_folder_and_sysfs(void **state)
{
    char folder[200], text[100];
    (void)state;
    (void)snprintf(folder, sizeof folder, "%s/folder", dir);
    test_one(folder, 0, NULL, "");
    struct describe_input in = {.file = "sysfs1", .sysfs = "/some/where"};
    struct describe_result r;
    struct err e;
    assert_int_equal(describe_all(&in, 1, 0, &r, &e), 0);
    describe_free(&r, 1);
    (void)snprintf(folder, sizeof folder, "%s/asked", dir);
    FILE *f = fopen(folder, "r");
    assert_non_null(f);
    assert_non_null(fgets(text, sizeof text, f));
    fclose(f);
    assert_string_equal(text, "--xml sysfs1 --sysfs /some/where\n");
}

static void test_many(void **state)
{
    enum { N = 100 };
    static const char *const files[] = {"good", "killed", "good", "refused", "good"};
    struct describe_input in[N];
    struct describe_result r[N];
    struct err e;
    (void)state;
    for (size_t i = 0; i < N; i++)
        in[i] = (struct describe_input){.file = files[i % 5]};
    assert_int_equal(describe_all(in, N, 0, r, &e), 0);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(r[i].m != NULL, strcmp(in[i].file, "good") == 0);
        if (!r[i].m)
            assert_non_null(strstr(r[i].e.text, in[i].file));
    }
    describe_free(r, N);
}

static void test_a_signal_ends_it(void **state)
{
    struct describe_input in[3] = {
        {.file = "slow"}, {.file = "slow"}, {.file = "slow"}};
    struct describe_result r[3];
    struct err e;
    char started[200];
    (void)state;
    (void)snprintf(started, sizeof started, "%s/started", dir);
    (void)unlink(started);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        while (access(started, F_OK) < 0)
            usleep(10 * 1000);
        kill(getppid(), SIGTERM);
        _exit(0);
    }
    assert_int_equal(describe_all(in, 3, 0, r, &e), SIGTERM);
    describe_free(r, 3);
}

static void test_no_helper(void **state)
{
    struct describe_input in = {.file = "good"};
    struct describe_result r;
    struct err e;
    (void)state;
    setenv("AOLANI_LIBDIR", "/nowhere", 1);
    assert_int_equal(describe_all(&in, 1, 0, &r, &e), ERR_BOOT);
    setenv("AOLANI_LIBDIR", dir, 1);
    assert_non_null(strstr(e.text, "\"aolani-describe\" in \"/nowhere\""));
    assert_string_not_equal(e.hint, "");
    put("aolani-describe", "\177ELF is no program", sizeof "\177ELF is no program",
        0755);
    assert_int_equal(describe_all(&in, 1, 0, &r, &e), 0);
    assert_null(r.m);
    assert_non_null(strstr(r.e.text, "aolani-describe"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_a_pipe_that_stays_open),
        cmocka_unit_test(test_folder_and_sysfs),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_a_signal_ends_it),
        cmocka_unit_test(test_no_helper),
    };
    return cmocka_run_group_tests_name("describe", tests, setup, teardown);
}
