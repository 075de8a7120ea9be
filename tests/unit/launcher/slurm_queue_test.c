/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/slurm/queue.h"

static void test_of_job(void **state)
{
    (void)state;
    static const char none[] = "ask for job 12: it is not in Slurm's queue";
    static const struct {
        const char *text,
            *says; /* state/partition/reason/start/priority, or the error */
    } rows[] = {
        {"12|PENDING|4294901758|main|1795416234|Resources\n",
         "PENDING/main/Resources/1795416234/4294901758"},
        {"12|RUNNING|0|a,b|N/A|None", "RUNNING/a,b/None/0/0"},
        {"7|RUNNING|1|x|N/A|None\n12|PENDING|2|y|N/A|Priority\n13|PENDING|1|z|N/A|x\n",
         "PENDING/y/Priority/0/2"},
        {"CLUSTER: big\n12|PENDING|5|low|N/A|Nodes required for job are DOWN, DRAINED "
         "or "
         "reserved for jobs in higher priority partitions\n",
         "PENDING/low/Nodes required for job are DOWN, DRAINED or reserved for jobs in "
         "higher priority partitions/0/5"},
        {"12|PENDING|5|low|N/A|a|b", "PENDING/low/a|b/0/5"},
        {"12|PENDING|5|low|N/A|", "PENDING/low//0/5"},
        {"", none},
        {"\n\n", none},
        {"13|PENDING|5|low|N/A|x\n", none},
        {"12|PENDING|5|low|N/A\n", none}, /* too few fields: not a line of ours */
        {"12_3|PENDING|5|low|N/A|x\n", none},
        {"12|PENDING|high|low|N/A|x\n",
         "read what squeue says of job 12: \"12|PENDING|high|low|N/A|x\""},
        {"12|PENDING|5|low|soon|x\nmore",
         "read what squeue says of job 12: \"12|PENDING|5|low|soon|x\""},
        {"12||5|low|N/A|x", "read what squeue says of job 12: \"12||5|low|N/A|x\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct slurm_queue q = {0};
        struct err e = {0};
        uint64_t priority = 0;
        char says[512];
        int rc = slurm_queue_of_job(rows[i].text, 12, &q, &priority, &e);
        (void)snprintf(says, sizeof says, "%s/%s/%s/%llu/%llu", q.state, q.partition,
                       q.reason, (unsigned long long)(q.start_real_ns / 1000000000u),
                       (unsigned long long)priority);
        assert_string_equal(rc < 0 ? e.text : says, rows[i].says);
        assert_int_equal(q.id, rc < 0 ? 0 : 12);
    }
}

static void test_count(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t position, n;
    } rows[] = {
        {"12|5|main\n", 1, 1},
        {"12|5|main", 1, 1},
        {"3|9|main\n12|5|main\n4|1|main\n", 2, 3},
        {"12|5|main\n3|5|main\n13|5|main\n", 2, 3}, /* as old as the number is small */
        {"1|6|m\n2|6|m\n3|6|m\n12|5|m\n", 4, 4},
        {"CLUSTER: big\n1|x|m\n|6|m\n3|6\n12|5|m\n", 1, 1},
        {"3|9|main\n", 0, 0}, /* it began between the two questions */
        {"", 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct slurm_queue q = {.id = 12, .position = 99, .n_pending = 99};
        slurm_queue_count(rows[i].text, 5, &q);
        assert_int_equal(q.position, rows[i].position);
        assert_int_equal(q.n_pending, rows[i].n);
    }
}

static void test_reasons(void **state)
{
    (void)state;
    static const struct {
        const char *reason, *words;
    } rows[] = {
        {"", "Slurm has not said why"},
        {"Priority", "jobs of higher priority are before it"},
        {"Resources", "it is next, as soon as enough nodes are free"},
        {"ReqNodeNotAvail, UnavailableNodes:n1",
         "a node that it needs is down, drained or reserved (for maintenance, "
         "perhaps)"},
        {"ReqNodeNotAvail,_UnavailableNodes:n1",
         "a node that it needs is down, drained or reserved (for maintenance, "
         "perhaps)"},
        {"Nodes required for job are DOWN, DRAINED or reserved for jobs in higher "
         "priority "
         "partitions",
         "nodes that it needs are down, drained, or reserved for others"},
        {"Nodes_required_for_job_are_DOWN,_DRAINED_or_reserved",
         "nodes that it needs are down, drained, or reserved for others"},
        {"QOSMaxJobsPerUserLimit",
         "its user has as many jobs as the QOS allows one user"},
        {"QOSMaxGRESPerUser", "its user has as much as the QOS allows one user"},
        {"QOSMaxCpuPerJobLimit",
         "it asks for more than its QOS allows a job; it will not start"},
        {"QOSGrpGRES", "all users of its QOS together have as much as it allows"},
        {"AssocGrpCpuLimit",
         "all users of its account together have as much as it allows"},
        {"AssocGrpGRESMinutes",
         "all users of its account together have as much as it allows"},
        {"AssocMaxWallDurationPerJobLimit",
         "it asks for more time than its account allows a job; it will not start"},
        {"DependencyNeverSatisfied",
         "the job that it depends on ended in a way that keeps "
         "this one from ever starting"},
        /* What is not known is told as it is. */
        {"PriorityX", "PriorityX"},
        {"Prio", "Prio"},
        {"NewInSlurm30", "NewInSlurm30"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(slurm_reason_words(rows[i].reason), rows[i].words);
}

#define AT 1767225600ull /* 2026-01-01 */

static void test_format(void **state)
{
    (void)state;
    static const struct {
        struct slurm_queue q; /* start in seconds */
        const char *line;
    } rows[] = {
        {{.state = "PENDING",
          .partition = "gpu",
          .reason = "Priority",
          .position = 3,
          .n_pending = 17,
          .start_real_ns = AT + 7800},
         "position 3 of 17 in \"gpu\": jobs of higher priority are before it "
         "(Priority); "
         "expected to start at 2026-01-01 02:10 (in 2 h 10 m)"},
        {{.state = "PENDING", .partition = "gpu", .reason = "Odd"}, "Odd"},
        {{.state = "PENDING", .partition = "gpu", .start_real_ns = AT + 364 * 86400},
         "Slurm has not said why; jobs before it have no time limit"},
        {{.state = "PENDING", .partition = "gpu", .start_real_ns = AT - 5},
         "Slurm has not said why; expected to start at any time"},
        {{.state = "RUNNING",
          .partition = "gpu",
          .reason = "None",
          .start_real_ns = AT - 5},
         "Slurm calls it RUNNING"},
        {{.state = ""}, "Slurm no longer knows it"},
    };
    (void)setenv("TZ", "UTC0", 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct slurm_queue q = rows[i].q;
        struct buf b;
        buf_init(&b, 4096);
        q.start_real_ns *= 1000000000u;
        assert_int_equal(slurm_queue_format(&q, AT * 1000000000u, &b), 0);
        assert_string_equal((char *)b.data, rows[i].line);
        buf_fini(&b);
    }
    (void)unsetenv("TZ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_of_job),
        cmocka_unit_test(test_count),
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
