/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/readback_judge.h"

enum { UNVERIFIED, AS_ASKED, DRIFT, NONE };

static void expect(const struct readback_check *c, int state, const char *text)
{
    assert_int_equal(c->there, state != NONE);
    if (state == NONE)
        return;
    assert_int_equal((int)c->state, state);
    assert_string_equal(c->text, text);
}

static void test_cpus(void **state)
{
    (void)state;
    static const struct {
        const char *asked, *off;
        unsigned n_off, threads, unseen;
        int state;
        const char *text;
    } table[] = {
        {"1", "", 0, 4, 0, AS_ASKED, ""},
        {"", "", 0, 4, 0, NONE, ""},
        {"1", "0-1", 1, 4, 0, DRIFT,
         "thread 4711 (python3) of pid 4700 may run on 0-1, asked 1"},
        {"1", "0-1", 2, 4, 0, DRIFT,
         "thread 4711 (python3) of pid 4700 may run on 0-1, asked 1 (and 1 more "
         "thread)"},
        {"1", "0-1", 4, 4, 9, DRIFT,
         "thread 4711 (python3) of pid 4700 may run on 0-1, asked 1 (and 3 more "
         "threads)"},
        {"1", "", 0, 0, 0, UNVERIFIED, "its threads could not be looked at"},
        {"1", "", 0, 4, 7, UNVERIFIED, "7 threads not looked at: there are too many"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct readback_threads t = {.bound = table[i].asked[0] != '\0',
                                     .threads = table[i].threads,
                                     .unseen = table[i].unseen,
                                     .n_off = table[i].n_off,
                                     .off_tid = 4711,
                                     .off_pid = 4700,
                                     .off_name = "python3"};
        struct readback_check c;
        assert_int_equal(readback_cpus_parse(table[i].asked, &t.asked, NULL), 0);
        assert_int_equal(readback_cpus_parse(table[i].off, &t.first_off, NULL), 0);
        t.off = t.first_off;
        readback_judge_cpus(&t, &c);
        expect(&c, table[i].state, table[i].text);
    }
}

static void test_memory(void **state)
{
    (void)state;
    static const struct {
        bool asked;
        const char *numa, *nodes;
        int rc;
        struct readback_pages pages;
        int state;
        const char *text;
    } table[] = {
        {false, "0", "0-1", 0, {{{1, 400}}, 1, 400}, NONE, ""},
        {true, "", "0-1", 0, {{{1, 400}}, 1, 400}, NONE, ""},
        {true, "0", "0", 0, {{{0, 400}}, 1, 400}, UNVERIFIED, "one NUMA node"},
        {true,
         "0",
         "0-1",
         -EPERM,
         {.n = 0},
         UNVERIFIED,
         "its pages cannot be looked at: Operation not permitted"},
        {true,
         "0",
         "0-1",
         0,
         {{{1, 63}}, 1, 63},
         UNVERIFIED,
         "a sample of its memory met 63 pages, too few"},
        {true, "0", "0-1", 0, {{{0, 90}, {1, 10}}, 2, 100}, AS_ASKED, ""},
        {true,
         "0",
         "0-1",
         0,
         {{{0, 300}, {1, 100}}, 2, 400},
         DRIFT,
         "25 % of 400 sampled pages are far, most on NUMA node 1, asked 0"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct rankset numa = {0}, nodes = {0};
        struct readback_check c;
        assert_int_equal(rankset_parse(&numa, table[i].numa, NULL), 0);
        assert_int_equal(rankset_parse(&nodes, table[i].nodes, NULL), 0);
        struct readback_memory_seen m = {.asked = table[i].asked,
                                         .numa = &numa,
                                         .nodes = &nodes,
                                         .rc = table[i].rc,
                                         .pages = &table[i].pages};
        readback_judge_memory(&m, &c);
        expect(&c, table[i].state, table[i].text);
        rankset_fini(&numa);
        rankset_fini(&nodes);
    }
}

static void test_gpu(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        struct readback_gpu_use uses[3];
        size_t n;
        const char *why;
        int state;
        const char *text;
    } table[] = {
        {"its own",
         {{"GPU-a", 10, READBACK_RANK, 0, "python3"}},
         1,
         NULL,
         AS_ASKED,
         ""},
        {"none yet",
         {{"GPU-b", 20, READBACK_RANK, 1, "python3"}},
         1,
         NULL,
         UNVERIFIED,
         "it has no memory on a GPU"},
        {"also another's",
         {{"GPU-a", 10, READBACK_RANK, 0, "python3"},
          {"GPU-b", 10, READBACK_RANK, 0, "python3"}},
         2,
         NULL,
         DRIFT,
         "pid 10 (python3) of the rank has memory on GPU-b, which is not its own"},
        {"another rank on it",
         {{"GPU-a", 10, READBACK_RANK, 0, "python3"},
          {"GPU-a", 20, READBACK_RANK, 1, "python3"}},
         2,
         NULL,
         AS_ASKED,
         ""},
        {"a stranger on it",
         {{"GPU-a", 10, READBACK_RANK, 0, "python3"},
          {"GPU-a", 99, READBACK_FOREIGN, -1, "blender"}},
         2,
         NULL,
         DRIFT,
         "pid 99 (blender), which is not of the job, has memory on its GPU GPU-a"},
        {"a stranger elsewhere",
         {{"GPU-a", 10, READBACK_RANK, 0, "python3"},
          {"GPU-b", 99, READBACK_FOREIGN, -1, "blender"}},
         2,
         NULL,
         AS_ASKED,
         ""},
        {"the job's on it",
         {{"GPU-a", 10, READBACK_RANK, 0, "python3"},
          {"GPU-a", 30, READBACK_JOB, -1, "python3"}},
         2,
         NULL,
         AS_ASKED,
         ""},
        {"somebody unseen",
         {{"GPU-a", 10, READBACK_RANK, 0, "python3"},
          {"GPU-a", 4, READBACK_HIDDEN, -1, ""}},
         2,
         NULL,
         UNVERIFIED,
         "a process that cannot be seen from here has memory on its GPU"},
        {"MPS",
         {{"GPU-a", 5, READBACK_MPS, -1, "nvidia-cuda-mps"}},
         1,
         NULL,
         UNVERIFIED,
         "an MPS server holds its GPU, for whom is not told"},
        {"no answer",
         {{"", 0, READBACK_HIDDEN, -1, ""}},
         0,
         "no NVML",
         UNVERIFIED,
         "no NVML"},
    };
    char *own[] = {(char *)"GPU-a"};
    struct readback_check c;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        print_message("%s\n", table[i].what);
        readback_judge_gpu(table[i].uses, table[i].n, table[i].why, 0, own, 1, &c);
        expect(&c, table[i].state, table[i].text);
    }
    readback_judge_gpu(table[2].uses, 2, NULL, 0, NULL, 0, &c);
    expect(&c, NONE, ""); /* a plan without GPUs */
}

static void test_cgroup(void **state)
{
    (void)state;
    static const struct {
        const char *asked;
        bool known;
        const char *cpus;
        unsigned quota, need;
        int state;
        const char *text;
    } table[] = {
        {"4-7", true, "0-7", 0, 4, AS_ASKED, ""},
        {"4-7", true, "", 0, 4, AS_ASKED, ""},
        {"", true, "0-3", 10, 0, NONE, ""},
        {"4-7", false, "", 0, 4, UNVERIFIED, "its control group cannot be seen"},
        {"4-7", true, "0-3", 0, 4, DRIFT, "the cgroup allows the CPUs 0-3, asked 4-7"},
        {"4-7", true, "0-7", 150, 4, DRIFT,
         "the cgroup allows 150 % of a CPU for 4 CPUs"},
        {"4-7", true, "0-7", 400, 4, AS_ASKED, ""},
        {"4-7", true, "0-7", 400, 8, DRIFT,
         "the cgroup allows 400 % of a CPU for the 8 CPUs of its ranks"},
        {"4", true, "0-7", 99, 1, DRIFT, "the cgroup allows 99 % of a CPU for 1 CPU"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct readback_cgroup *g = calloc(1, sizeof *g);
        struct readback_cpus asked;
        struct readback_check c;
        g->known = table[i].known;
        g->quota_percent = table[i].quota;
        (void)snprintf(g->cpus, sizeof g->cpus, "%s", table[i].cpus);
        assert_int_equal(readback_cpus_parse(table[i].asked, &asked, NULL), 0);
        readback_judge_cgroup(g, table[i].asked[0], &asked, table[i].need, &c);
        expect(&c, table[i].state, table[i].text);
        free(g);
    }
}

/* What is news to the head, and what is not. */
static void test_substance(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        int check, to_state;
        const char *key, *text, *cpus, *gpu;
        unsigned threads_class;
        bool news;
    } table[] = {
        {"nothing", 0, AS_ASKED, "", "", "0", "GPU-a", 3, false},
        {"another text alone", 0, AS_ASKED, "", "tid 5", "0", "GPU-a", 3, false},
        {"drift", 0, DRIFT, "0-1", "tid 5", "0-1", "GPU-a", 3, true},
        {"drift of the cgroup", READBACK_CGROUP, DRIFT, "q", "", "0", "GPU-a", 3, true},
        {"another reason", READBACK_GPU, UNVERIFIED, "no NVML", "", "0", "GPU-a", 3,
         true},
        {"narrower", 0, AS_ASKED, "", "", "", "GPU-a", 3, true},
        {"another GPU", 0, AS_ASKED, "", "", "0", "GPU-b", 3, true},
        {"twice the threads", 0, AS_ASKED, "", "", "0", "GPU-a", 4, true},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        uint64_t seen[2];
        for (int after = 0; after < 2; after++) {
            struct readback_check c[READBACK_CHECKS] = {0};
            Aolani__Binding m = AOLANI__BINDING__INIT;
            char *gpus[] = {(char *)(after ? table[i].gpu : "GPU-a")};
            for (size_t k = 0; k < READBACK_CHECKS; k++) {
                c[k].there = true;
                c[k].state = AOLANI__BINDING__STATE__AS_ASKED;
            }
            if (after) {
                c[table[i].check].state = (Aolani__Binding__State)table[i].to_state;
                (void)strcpy(c[table[i].check].key, table[i].key);
                (void)strcpy(c[table[i].check].text, table[i].text);
            }
            m.cpus = (char *)(after ? table[i].cpus : "0");
            m.gpus = gpus;
            m.n_gpus = 1;
            seen[after] = readback_substance(c, &m, after ? table[i].threads_class : 3);
        }
        print_message("%s\n", table[i].what);
        assert_int_equal(seen[0] != seen[1], table[i].news);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cpus),      cmocka_unit_test(test_memory),
        cmocka_unit_test(test_gpu),       cmocka_unit_test(test_cgroup),
        cmocka_unit_test(test_substance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
