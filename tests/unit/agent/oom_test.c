/* SPDX-License-Identifier: MIT */
/* A folder with a file memory.events stands for the control group; the real kernel is in
 * tests/e2e/35-programs.bats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/folders.h"
#include "agent/oom.h"

static char dir[64];
static struct loop *loop;
static unsigned n_other;

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/aolani-oom-test-XXXXXX");
    return mkdtemp(dir) && loop_create(&loop, NULL) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    loop_destroy(loop);
    return folders_remove_tree(dir, NULL);
}

static void test_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rc;
        uint64_t count;
    } table[] = {
        {"low 0\nhigh 0\nmax 3\noom 2\noom_kill 7\noom_group_kill 1\n", 0, 7},
        {"oom_kill_disable 0\nunder_oom 0\noom_kill 12", 0, 12},
        {"oom_kill 0\n", 0, 0},
        {"oom 2\noom_group_kill 1\n", -ENOENT, 0},
        {"oom_kill x\n", -ENOENT, 0},
        {"", -ENOENT, 0},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        uint64_t count = 99;
        assert_int_equal(oom_parse(table[i].text, &count), table[i].rc);
        assert_int_equal(count, table[i].rc < 0 ? 99 : table[i].count);
    }
}

static void set_count(unsigned n)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/memory.events", dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fprintf(f, "oom 1\noom_kill %u\n", n) > 0);
    assert_int_equal(fclose(f), 0);
}

static void on_other(void *arg, const char *evidence)
{
    (void)arg;
    assert_non_null(strstr(evidence, "memory.events"));
    n_other++;
}

static void test_each_case_is_one_process(void **state)
{
    (void)state;
    struct oom *o;
    char text[OOM_EVIDENCE_BYTES], want[OOM_EVIDENCE_BYTES];
    set_count(3); /* old cases are nobody's reason */
    assert_int_equal(oom_create(loop, dir, on_other, NULL, &o, NULL), 0);
    assert_false(oom_took_rank(o, text));
    set_count(4);
    assert_true(oom_took_rank(o, text));
    (void)snprintf(want, sizeof want,
                   "oom_kill in \"%s/memory.events\" rose from 3 to 4", dir);
    assert_string_equal(text, want);
    assert_false(oom_took_rank(o, text)); /* a second one was killed by somebody */
    set_count(6);
    assert_true(oom_took_rank(o, text));
    assert_true(oom_took_rank(o, text));
    assert_false(oom_took_rank(o, text));
    assert_int_equal(n_other, 0);
    oom_destroy(o);
}

static void test_a_child_of_a_rank(void **state)
{
    (void)state;
    struct oom *o;
    char text[OOM_EVIDENCE_BYTES];
    n_other = 0;
    set_count(1);
    assert_int_equal(oom_create(loop, dir, on_other, NULL, &o, NULL), 0);
    oom_rank_failed(o);
    assert_int_equal(n_other, 0);
    set_count(2);
    oom_rank_failed(o);
    oom_rank_failed(o);
    assert_int_equal(n_other, 1);
    /* The rank itself may still be about to die of the same. */
    assert_true(oom_took_rank(o, text));
    oom_destroy(o);
    assert_false(oom_took_rank(NULL, text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_texts),
                                       cmocka_unit_test(test_each_case_is_one_process),
                                       cmocka_unit_test(test_a_child_of_a_rank)};
    return cmocka_run_group_tests_name("agent/oom", tests, set_up, tear_down);
}
