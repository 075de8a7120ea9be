/* SPDX-License-Identifier: MIT */
/* The list of a run's jobs, what squeue says of them, and where a job came from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher/slurm/chain.h"
#include "launcher/slurm/jobplace.h"
#include "launcher/slurm/submit.h"

static char folder[] = "/tmp/chain_test.XXXXXX";

static int setup(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    char command[64];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static void write_file(const char *text)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/slurm", folder);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    fclose(f);
}

static void test_file(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } t[] = {
        {"", ""},
        {"12\n", "12 "},
        {"12\n13\n14\n", "12 13 14 "},
        {"12\n13\n14", "12 13 "}, /* torn: it may be of 145 */
        {"12", ""},
        {"12\n12\n", "12 "},
        {"12x\n-3\n0\n\n4294967296\n7\n", "7 "},
        {"99999999999999999999999\n5\n", "5 "},
    };
    struct chain c;
    assert_int_equal(chain_read(folder, &c, NULL), 0);
    assert_int_equal(c.n, 0);
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        char got[200] = "";
        write_file(t[i].text);
        assert_int_equal(chain_read(folder, &c, NULL), 0);
        for (size_t k = 0; k < c.n; k++)
            snprintf(got + strlen(got), sizeof got - strlen(got), "%u ", c.links[k].id);
        assert_string_equal(got, t[i].want);
        struct chain again;
        assert_int_equal(chain_write(folder, &c, NULL), 0);
        assert_int_equal(chain_read(folder, &again, NULL), 0);
        assert_int_equal(again.n, c.n);
        chain_fini(&again);
        chain_fini(&c);
    }
}

static void test_squeue(void **state)
{
    (void)state;
    struct chain c = {0};
    for (uint32_t id = 10; id < 16; id++)
        assert_int_equal(chain_add(&c, id), 0);
    chain_of_squeue("11|RUNNING|4:13|None|n[1-4]\n"
                    "nonsense\n"
                    "12|PENDING|UNLIMITED|Dependency|\n"
                    "99|RUNNING|1:00|None|n9\n"
                    "13|COMPLETING|0:00|None|n1|more\n"
                    "14|PEN\x1b[1mDING|INVALID|a\tb\n"
                    "15|REQUEUE_HOLD|1-02:03:04|JobHeldUser|",
                    &c);
    static const struct {
        const char *state, *reason, *nodes;
        uint64_t left_s;
        bool waits, runs;
    } want[] = {
        {"", "", "", CHAIN_NO_LIMIT, false, false},
        {"RUNNING", "None", "n[1-4]", 253, false, true},
        {"PENDING", "Dependency", "", CHAIN_NO_LIMIT, true, false},
        {"COMPLETING", "None", "n1", 0, false, true},
        {"PEN?[1mDING", "a?b", "", CHAIN_NO_LIMIT, false, false},
        {"REQUEUE_HOLD", "JobHeldUser", "", 93784, true, false},
    };
    assert_true(c.asked);
    assert_int_equal(c.n, 6);
    for (size_t i = 0; i < c.n; i++) {
        const struct chain_link *l = &c.links[i];
        assert_string_equal(l->state, want[i].state);
        assert_string_equal(l->reason, want[i].reason);
        assert_string_equal(l->nodes, want[i].nodes);
        assert_int_equal(l->left_s, want[i].left_s);
        assert_int_equal(chain_link_waits(l), want[i].waits);
        assert_int_equal(chain_link_runs(l), want[i].runs);
    }
    assert_int_equal(chain_running(&c)->id, 11);
    assert_int_equal(chain_n_waiting(&c), 2);
    chain_of_squeue("", &c);
    assert_null(chain_running(&c));
    chain_fini(&c);
}

static void test_long_fields(void **state)
{
    (void)state;
    char text[2000];
    struct chain c = {0};
    assert_int_equal(chain_add(&c, 1), 0);
    memset(text, 'n', sizeof text);
    memcpy(text, "1|RUNNING|1:00|None|", 20);
    text[sizeof text - 1] = '\0';
    chain_of_squeue(text, &c);
    assert_int_equal(strlen(c.links[0].nodes), sizeof c.links[0].nodes - 1);
    assert_string_equal(c.links[0].nodes + sizeof c.links[0].nodes - 4, "...");
    chain_fini(&c);
}

static void test_submitted(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t id; /* 0: refused */
        const char *cluster;
    } t[] = {
        {"12\n", 12, ""},
        {"12;big-2_a.b\n", 12, "big-2_a.b"},
        {"12;big", 12, "big"},
        {"4294967295", UINT32_MAX, ""},
        {"", 0, ""},
        {"0\n", 0, ""},
        {"4294967296\n", 0, ""},
        {"-1\n", 0, ""},
        {"12 more\n", 0, ""},
        {"Submitted batch job 12\n", 0, ""},
        {" 12\n", 0, ""},
        {"12;\n", 0, ""},
        {"12;-f\n", 0, ""},
        {"12;a b\n", 0, ""},
        {"12;0123456789012345678901234567890123456789012345678901234567890123", 0, ""}};
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        uint32_t id = 0;
        struct err e;
        char cluster[SUBMIT_CLUSTER] = "";
        int rc = submit_parse_id(t[i].text, &id, cluster, &e);
        assert_int_equal(rc, t[i].id ? 0 : ERR_PROTO);
        assert_int_equal(id, t[i].id);
        assert_string_equal(cluster, t[i].cluster);
    }
}

static void test_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *command, *folder;
    } t[] = {
        {"JobId=7 JobName=a Command=/x\n   Command=/w/runs/a b/batch.sh\n   "
         "WorkDir=/w\n",
         "/w/runs/a b/batch.sh", "/w"},
        {"   Command=(null)\n   WorkDir=relative\n", "", ""},
        {"", "", ""},
        {"Command=/a\nWorkDir=/b", "/a", "/b"},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        static struct jobplace p;
        jobplace_of_scontrol(t[i].text, &p);
        assert_string_equal(p.command, t[i].command);
        assert_string_equal(p.folder, t[i].folder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file),        cmocka_unit_test(test_squeue),
        cmocka_unit_test(test_long_fields), cmocka_unit_test(test_submitted),
        cmocka_unit_test(test_place),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
