/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/slurm/facts.h"
#include "proto/base/buf.h"

/* "12 a b RUNNING/ main@test restarts 0 from 5 to 9: n1=4+2 n2=1", seconds; or the error. */
static const char *tell(int rc, const struct slurm_job *j, const struct err *e,
                        struct buf *b)
{
    b->len = 0;
    if (rc < 0) {
        (void)buf_printf(b, "%s", e->text);
        return (char *)b->data;
    }
    (void)buf_printf(b, "%u %s %s/%s %s@%s restarts %u from %llu to %llu:", j->id,
                     j->name, j->state, j->reason, j->partition, j->cluster,
                     j->restarts, (unsigned long long)(j->start_real_ns / 1000000000u),
                     (unsigned long long)(j->end_real_ns / 1000000000u));
    for (size_t i = 0; i < j->n_nodes; i++) {
        (void)buf_printf(b, " %s=%u", j->nodes[i].name, j->nodes[i].cpus);
        if (j->nodes[i].gpus)
            (void)buf_printf(b, "+%u", j->nodes[i].gpus);
    }
    return (char *)b->data;
}

/* ---- environment ---- */

static const char *const names[] = {
    "SLURM_JOB_ID",
    "SLURM_JOBID",
    "SLURM_JOB_NODELIST",
    "SLURM_NODELIST",
    "SLURM_JOB_CPUS_PER_NODE",
    "SLURM_GPUS_PER_NODE",
    "SLURM_GPUS_ON_NODE",
    "SLURM_JOB_GPUS",
    "SLURM_JOB_START_TIME",
    "SLURM_JOB_END_TIME",
    "SLURM_RESTART_COUNT",
    "SLURM_CLUSTER_NAME",
    "SLURM_JOB_PARTITION",
    "SLURM_JOB_NAME",
    "SLURMD_NODENAME",
    "SLURM_HET_SIZE",
};

/* "NAME=value;NAME=value" */
static void set_env(const char *text)
{
    char copy[2048];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        (void)unsetenv(names[i]);
    (void)snprintf(copy, sizeof copy, "%s", text);
    for (char *at = copy, *save, *one; (one = strtok_r(at, ";", &save)); at = NULL) {
        char *eq = strchr(one, '=');
        assert_non_null(eq);
        *eq = '\0';
        (void)setenv(one, eq + 1, 1);
    }
}

#define READ "read the job from the environment: "
#define JOB  "SLURM_JOB_ID=7;SLURM_JOB_NODELIST=n[1-3]"

static void test_env(void **state)
{
    (void)state;
    static const struct {
        const char *env, *says;
    } rows[] = {
        {JOB, "7  RUNNING/ @ restarts 0 from 0 to 0: n1=0 n2=0 n3=0"},
        {"SLURM_JOBID=7;SLURM_NODELIST=n1",
         "7  RUNNING/ @ restarts 0 from 0 to 0: n1=0"},
        {JOB ";SLURM_JOB_NAME=a b;SLURM_JOB_PARTITION=gpu;SLURM_CLUSTER_NAME=big;"
             "SLURM_RESTART_COUNT=2;SLURM_JOB_START_TIME=1767225600;"
             "SLURM_JOB_END_TIME=1767229200",
         "7 a b RUNNING/ gpu@big restarts 2 from 1767225600 to 1767229200: n1=0 n2=0 "
         "n3=0"},
        {"SLURM_JOB_ID=7;SLURM_JOB_NODELIST=n[1-2]x[01-02],m7;"
         "SLURM_JOB_CPUS_PER_NODE=4(x3),2,8",
         "7  RUNNING/ @ restarts 0 from 0 to 0: n1x01=4 n1x02=4 n2x01=4 n2x02=2 m7=8"},
        {JOB ";SLURM_JOB_CPUS_PER_NODE=4(x3);SLURM_GPUS_PER_NODE=2",
         "7  RUNNING/ @ restarts 0 from 0 to 0: n1=4+2 n2=4+2 n3=4+2"},
        {JOB ";SLURM_GPUS_PER_NODE=volta:3,kepler:1;SLURMD_NODENAME=n2;"
             "SLURM_GPUS_ON_NODE=3",
         "7  RUNNING/ @ restarts 0 from 0 to 0: n1=0+4 n2=0+3 n3=0+4"},
        {JOB ";SLURMD_NODENAME=n2;SLURM_GPUS_ON_NODE=3;SLURM_JOB_GPUS=junk",
         "7  RUNNING/ @ restarts 0 from 0 to 0: n1=0 n2=0+3 n3=0"},
        {JOB ";SLURMD_NODENAME=n3;SLURM_JOB_GPUS=0,2-4",
         "7  RUNNING/ @ restarts 0 from 0 to 0: n1=0 n2=0 n3=0+4"},
        {JOB ";SLURMD_NODENAME=elsewhere;SLURM_GPUS_ON_NODE=3",
         "7  RUNNING/ @ restarts 0 from 0 to 0: n1=0 n2=0 n3=0"},
        {JOB ";SLURM_JOB_NAME=\x1b[2Jx\n",
         "7 ?[2Jx  RUNNING/ @ restarts 0 from 0 to 0: "
         "n1=0 n2=0 n3=0"},

        {JOB ";SLURM_HET_SIZE=1",
         "7  RUNNING/ @ restarts 0 from 0 to 0: n1=0 n2=0 n3=0"},
        {JOB ";SLURM_HET_SIZE=2", READ "it is a heterogeneous job of 2 parts"},
        {"SLURM_JOB_NODELIST=n1", READ "SLURM_JOB_ID is not set"},
        {"SLURM_JOB_ID=7", READ "SLURM_JOB_NODELIST is not set"},
        {"SLURM_JOB_ID=;SLURM_JOB_NODELIST=n1", READ "SLURM_JOB_ID is not set"},
        {"SLURM_JOB_ID=0;SLURM_JOB_NODELIST=n1",
         READ "SLURM_JOB_ID=\"0\": expected the number of a job"},
        {"SLURM_JOB_ID=4294967296;SLURM_JOB_NODELIST=n1",
         READ "SLURM_JOB_ID=\"4294967296\": expected the number of a job"},
        {"SLURM_JOBID=7a;SLURM_JOB_NODELIST=n1",
         READ "SLURM_JOBID=\"7a\": expected the number of a job"},
        {"SLURM_JOB_ID=7;SLURM_JOB_NODELIST=n[1",
         "read SLURM_JOB_NODELIST: host list, column 4, after \"n[1\": expected \",\", "
         "\"-\" or \"]\""},
        {"SLURM_JOB_ID=7;SLURM_NODELIST=n1,n1",
         "read SLURM_NODELIST: \"n1\" stands in it twice"},
        {"SLURM_JOB_ID=7;SLURM_NODELIST=n[1-16385]",
         "read SLURM_NODELIST: 16385 nodes; a job has 16384 at most"},
        {JOB ";SLURM_JOB_CPUS_PER_NODE=4(x4)", READ
         "SLURM_JOB_CPUS_PER_NODE=\"4(x4)\": it tells of more nodes than the job has"},
        {JOB ";SLURM_JOB_CPUS_PER_NODE=4(x2)",
         READ "SLURM_JOB_CPUS_PER_NODE=\"4(x2)\": it tells of fewer nodes than the job "
              "has"},
        {JOB ";SLURM_JOB_CPUS_PER_NODE=4(x3",
         READ "SLURM_JOB_CPUS_PER_NODE=\"4(x3\": "
              "expected \"(x\", a number of nodes and \")\""},
        {JOB ";SLURM_JOB_CPUS_PER_NODE=4,,4",
         READ "SLURM_JOB_CPUS_PER_NODE=\"4,,4\": expected a number of CPUs"},
        {JOB ";SLURM_JOB_CPUS_PER_NODE=4 4",
         READ "SLURM_JOB_CPUS_PER_NODE=\"4 4\": expected \",\" or \"(x\""},
        {JOB ";SLURM_JOB_CPUS_PER_NODE=99999999999999999999(x3)", READ
         "SLURM_JOB_CPUS_PER_NODE=\"99999999999999999999(x3)\": expected a number of "
         "CPUs"},
        {JOB ";SLURM_GPUS_PER_NODE=many",
         READ "SLURM_GPUS_PER_NODE=\"many\": expected a number of GPUs"},
        {JOB ";SLURM_GPUS_ON_NODE=-1",
         READ "SLURM_GPUS_ON_NODE=\"-1\": expected a number of GPUs"},
        {JOB ";SLURM_JOB_GPUS=3-1",
         READ "SLURM_JOB_GPUS=\"3-1\": expected numbers of GPUs"},
        {JOB ";SLURM_JOB_GPUS=1,",
         READ "SLURM_JOB_GPUS=\"1,\": expected numbers of GPUs"},
        {JOB ";SLURM_JOB_END_TIME=tomorrow",
         READ "SLURM_JOB_END_TIME=\"tomorrow\": expected seconds since 1970"},
        {JOB ";SLURM_JOB_END_TIME=99999999999",
         READ "SLURM_JOB_END_TIME=\"99999999999\": expected seconds since 1970"},
        {JOB ";SLURM_RESTART_COUNT=-1",
         READ "SLURM_RESTART_COUNT=\"-1\": expected a number"},
    };
    struct buf b;
    buf_init(&b, 1u << 20);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct slurm_job j = {0};
        struct err e = {0};
        set_env(rows[i].env);
        int rc = slurm_job_of_env(&j, &e);
        if (strcmp(tell(rc, &j, &e, &b), rows[i].says) != 0)
            fail_msg("%s\n  gives %s\n  not   %s", rows[i].env, (char *)b.data,
                     rows[i].says);
        assert_true(rc == 0 || rc == ERR_USAGE);
        assert_int_equal(e.code, rc);
        slurm_job_fini(&j);
    }
    buf_fini(&b);
}

static void test_is_inside(void **state)
{
    (void)state;
    static const struct {
        const char *env;
        bool is;
    } rows[] = {
        {"", false},
        {JOB, true},
        {"SLURM_JOBID=7;SLURM_NODELIST=n1", true},
        {"SLURM_JOB_ID=7", false},
        {"SLURM_JOB_NODELIST=n1", false},
        {"SLURM_JOB_ID=;SLURM_JOB_NODELIST=n1", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        set_env(rows[i].env);
        assert_int_equal(slurm_is_inside(), rows[i].is);
    }
}

/* ---- scontrol ---- */

#define BAD "read what scontrol says of job 12: "
#define ON                                                                            \
    "JobId=12 JobName=train UserId=me(1000) JobState=RUNNING Reason=None Restarts=1 " \
    "StartTime=5 EndTime=9 Partition=main "
#define SAYS "12 train RUNNING/ main@ restarts 1 from 5 to 9:"
#define NAME(name)                                                                     \
    "JobId=12 JobName=" name                                                           \
    " UserId=me(1) JobState=RUNNING Reason=None StartTime=5 EndTime=9 Partition=main " \
    "NodeList=n1"

static const struct {
    const char *text, *says;
} lines[] = {
    /* As 22.05 prints it, but for the times and what is of no interest. */
    {"JobId=1 JobName=a b=c UserId=rider(20077) GroupId=rider(20077) MCS_label=N/A "
     "Priority=4294901759 Nice=0 Account=(null) QOS=(null) JobState=RUNNING "
     "Reason=None "
     "Dependency=(null) Requeue=1 Restarts=0 BatchFlag=1 Reboot=0 ExitCode=0:0 "
     "RunTime=00:00:05 TimeLimit=00:05:00 TimeMin=N/A SubmitTime=1795415934 "
     "StartTime=1795415934 EndTime=1795416234 Deadline=N/A SuspendTime=None "
     "Partition=main AllocNode:Sid=head:0 ReqNodeList=(null) ExcNodeList=(null) "
     "NodeList=n[1-3] BatchHost=n1 NumNodes=3 NumCPUs=5 NumTasks=5 CPUs/Task=1 "
     "TRES=cpu=5,node=3,billing=5 JOB_GRES=gpu:3   Nodes=n1 CPU_IDs=0-2 Mem=0 "
     "GRES=gpu:1(IDX:0)   Nodes=n[2-3] CPU_IDs=0 Mem=0 GRES=gpu:1(IDX:0) MinCPUsNode=1 "
     "Features=(null) Command=/srv/share/job.sh WorkDir=/srv Power= "
     "TresPerNode=gres:gpu:1 \n",
     "1 a b=c RUNNING/ main@ restarts 0 from 1795415934 to 1795416234: n1=3+1 n2=1+1 "
     "n3=1+1"},
    {"JobId=2 JobName=job.sh UserId=rider(20077) JobState=PENDING Reason=Resources "
     "Restarts=0 StartTime=1795416234 EndTime=1795416534 Partition=main "
     "ReqNodeList=(null) ExcNodeList=(null) NodeList= SchedNodeList=n[1-4] "
     "NumNodes=4-4 ",
     "2 job.sh PENDING/Resources main@ restarts 0 from 1795416234 to 0:"},
    {"JobId=5 ArrayJobId=5 ArrayTaskId=1-4%1 JobName=job.sh UserId=rider(20077) "
     "JobState=PENDING Reason=Priority StartTime=Unknown EndTime=Unknown "
     "Partition=main "
     "NodeList=(null)",
     "5 job.sh PENDING/Priority main@ restarts 0 from 0 to 0:"},
    {ON "NodeList=n1 Nodes=n1 CPU_IDs=0-1,4,6-7 GRES=gpu:tesla:2(IDX:0-1),nic:1,"
        "gpu:k80:1(IDX:3,5)",
     SAYS " n1=5+3"},
    {ON "NodeList=n1 Nodes=n1 CPU_IDs=0 GRES=(null)", SAYS " n1=1"},
    {ON "NodeList=n1 Nodes=n1 CPU_IDs= GRES=", SAYS " n1=0"},
    {ON
     "NodeList=n[1-2],m Nodes=m CPU_IDs=0 GRES= Nodes=n2 CPU_IDs=0-1 GRES=gpu:2(CNT:2)",
     SAYS " n1=0 n2=2+2 m=1"},
    /* Requeued, and being ended; and ended for good. */
    {"JobId=12 JobName=x UserId=y JobState=COMPLETING Reason=None Restarts=1 "
     "RunTime=00:00:00 StartTime=5 EndTime=305 Partition=p NodeList=n1",
     "12 x COMPLETING/ p@ restarts 1 from 5 to 0: n1=0"},
    {"JobId=12 JobName=x UserId=y JobState=COMPLETING Reason=None Restarts=1 "
     "RunTime=00:00:03 StartTime=5 EndTime=8 Partition=p NodeList=n1",
     "12 x COMPLETING/ p@ restarts 1 from 5 to 8: n1=0"},
    {"JobId=12 JobName=x UserId=y JobState=COMPLETING Reason=None "
     "RunTime=00:00:00 StartTime=5 EndTime=5 Partition=p NodeList=n1",
     "12 x COMPLETING/ p@ restarts 0 from 5 to 5: n1=0"},
    /* n2 is done with it: its share is still told. */
    {"JobId=12 JobName=x UserId=y JobState=COMPLETING Reason=None RunTime=00:00:00 "
     "StartTime=5 EndTime=5 Partition=p NodeList=n1,n3 Nodes=n[1-3] CPU_IDs=0-1 Mem=0 "
     "GRES=",
     "12 x COMPLETING/ p@ restarts 0 from 5 to 5: n1=2 n3=2"},
    /* The user's own words. */
    {NAME("a JobState=x NodeList=evil"),
     "12 a JobState=x NodeList=evil RUNNING/ main@ restarts 0 from 5 to 9: n1=0"},
    {NAME("x HetJobIdSet=16-17"), "12 x RUNNING/ main@ restarts 0 from 5 to 9: n1=0"},
    {NAME(""), "12  RUNNING/ main@ restarts 0 from 5 to 9: n1=0"},
    {NAME("\x1b]0;x\x07"), "12 ?]0;x? RUNNING/ main@ restarts 0 from 5 to 9: n1=0"},
    {ON "NodeList=n1 Nodes=n1 CPU_IDs=0 GRES= Command=x Nodes=n2 CPU_IDs=0 GRES=",
     SAYS " n1=1"},
    /* Not one. */
    {"", "read what scontrol says of a job: it does not begin with \"JobId=\" and a "
         "number"},
    {"slurm_load_jobs error: Invalid job id specified",
     "read what scontrol says of a job: it does not begin with \"JobId=\" and a "
     "number"},
    {"JobId=0 JobName=x UserId=y", "read what scontrol says of a job: it does not "
                                   "begin with \"JobId=\" and a number"},
    {"JobId=12,13 ", "read what scontrol says of a job: it does not begin with "
                     "\"JobId=\" and a number"},
    {"JobId=12 UserId=me", BAD "no JobName"},
    {"JobId=12 JobName=x", BAD "no UserId"},
    {"JobId=12 JobName=x UserId=y Reason=None", BAD "no JobState"},
    {"JobId=12 JobName=x UserId=y JobState= Reason=None", BAD "no JobState"},
    {"JobId=12 JobName=x UserId=y JobState=RUNNING Partition=main", BAD "no Reason"},
    {"JobId=12 JobName=x UserId=y JobState=RUNNING Reason=None Partition=main "
     "EndTime=9",
     BAD "no StartTime"},
    {"JobId=12 JobName=x UserId=y JobState=RUNNING Reason=None Partition=main "
     "StartTime=soon EndTime=9",
     BAD "StartTime is \"soon\""},
    {ON, BAD "no NodeList"},
    {ON "NodeList=n1 Restarts=x", SAYS " n1=0"}, /* the first of a key counts */
    {ON "NodeList=n1,n1", "read NodeList of scontrol: \"n1\" stands in it twice"},
    {ON "NodeList=n1 Nodes=n1 GRES=", BAD "no CPU_IDs"},
    {ON "NodeList=n1 Nodes=n1 CPU_IDs=0", BAD "no GRES"},
    {ON "NodeList=n1 Nodes=n1 CPU_IDs=1-0 GRES=", BAD "CPU_IDs is \"1-0\""},
    {ON "NodeList=n1 Nodes=n1 CPU_IDs=0-9999999999 GRES=",
     BAD "CPU_IDs is \"0-9999999999\""},
    {ON "NodeList=n1 Nodes=n1 CPU_IDs=0 GRES=gpu:x", BAD "GRES is \"gpu:x\""},
    {ON "NodeList=n1 Nodes=n1 CPU_IDs=0 GRES=gpu:99999999",
     BAD "GRES is \"gpu:99999999\""},
    {ON "NodeList=n1 Nodes=n2 CPU_IDs=0 GRES=", BAD "Nodes is \"n2\""},
    {ON "NodeList=n1 Nodes= CPU_IDs=0 GRES=", BAD "Nodes is \"\""},
    {ON "NodeList=n1 Nodes=n1 CPU_IDs=0 GRES= Nodes=n1 CPU_IDs=0 GRES=",
     BAD "Nodes is \"n1\""},
};

static void test_scontrol(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1u << 20);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct slurm_job j = {0};
        struct err e = {0};
        int rc = slurm_job_of_scontrol(lines[i].text, &j, &e);
        if (strcmp(tell(rc, &j, &e, &b), lines[i].says) != 0)
            fail_msg("%s\n  gives %s\n  not   %s", lines[i].text, (char *)b.data,
                     lines[i].says);
        assert_true(rc == 0 || rc == ERR_PROTO);
        assert_int_equal(e.code, rc);
        slurm_job_fini(&j);
    }
    buf_fini(&b);
}

/* A Slurm that does not know SLURM_TIME_FORMAT=%s prints the time of the zone. */
static void test_local_time(void **state)
{
    (void)state;
    static const struct {
        const char *zone, *text;
        uint64_t seconds; /* 0: refused */
    } rows[] = {
        {"UTC0", "2026-01-01T00:00:00", 1767225600},
        {"EET-2", "2026-01-01T02:00:00", 1767225600},
        {"UTC0", "2026-01-01T00:00", 0},
        {"UTC0", "2026-01-01T00:00:00Z", 0},
        {"UTC0", "9026-01-01T00:00:00", 0},
        {"UTC0", "1960-01-01T00:00:00", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[256];
        struct slurm_job j = {0};
        struct err e = {0};
        (void)setenv("TZ", rows[i].zone, 1);
        (void)snprintf(text, sizeof text,
                       "JobId=1 JobName= UserId=x JobState=RUNNING Reason= Partition= "
                       "StartTime=N/A EndTime=%s NodeList=",
                       rows[i].text);
        int rc = slurm_job_of_scontrol(text, &j, &e);
        assert_int_equal(rc, rows[i].seconds ? 0 : ERR_PROTO);
        assert_int_equal(j.end_real_ns, rows[i].seconds * 1000000000u);
        slurm_job_fini(&j);
    }
    (void)unsetenv("TZ");
}

static void test_is_over(void **state)
{
    (void)state;
    static const struct {
        const char *state;
        uint64_t end;
        bool over;
    } rows[] = {
        {"", 0, false},
        {"PENDING", 0, false},
        {"RUNNING", 9, false},
        {"CONFIGURING", 9, false},
        {"SUSPENDED", 9, false},
        {"REQUEUED", 0, false},
        {"RESIZING", 9, false},
        {"STOPPED", 9, false},
        {"SIGNALING", 9, false},
        {"COMPLETED", 9, true},
        {"FAILED", 9, true},
        {"CANCELLED", 9, true},
        {"TIMEOUT", 9, true},
        {"NODE_FAIL", 9, true},
        {"OUT_OF_MEMORY", 9, true},
        {"DEADLINE", 9, true},
        {"PREEMPTED", 9, true},
        {"BOOT_FAIL", 9, true},
        {"REVOKED", 9, true},
        {"anything", 9, false},
        {"COMPLETING", 9, true},
        {"COMPLETING", 0, false}, /* requeued */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct slurm_job j = {.end_real_ns = rows[i].end};
        (void)snprintf(j.state, sizeof j.state, "%s", rows[i].state);
        if (slurm_job_is_over(&j) != rows[i].over)
            fail_msg("%s", rows[i].state);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_env),      cmocka_unit_test(test_is_inside),
        cmocka_unit_test(test_scontrol), cmocka_unit_test(test_local_time),
        cmocka_unit_test(test_is_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
