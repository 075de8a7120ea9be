/* SPDX-License-Identifier: MIT */
/* What srun says, and how it is called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "launcher/slurm/srunargs.h"
#include "launcher/slurm/srunwords.h"

static void test_labels(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        long task;
        const char *text;
    } table[] = {
        {"0: hello", 0, "hello"},
        {" 7: hello", 7, "hello"},
        {"63: ", 63, ""},
        {"12:", 12, ""},
        {"1: 2: x", 1, "2: x"},
        {"srun: error: n1: task 0: Killed", -1, "srun: error: n1: task 0: Killed"},
        {"", -1, ""},
        {"12", -1, "12"},
        {":", -1, ":"},
        {"99999999: x", -1, "99999999: x"},
        {"-1: x", -1, "-1: x"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const char *text;
        assert_int_equal(srunwords_label(table[i].line, &text), table[i].task);
        assert_string_equal(text, table[i].text);
    }
}

static void test_words(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        enum srunwords_kind kind;
        const char *nodes, *tasks;
        int wait_status;
        const char *text; /* contained */
        bool hint;
    } table[] = {
        {"srun: error: n3: task 2: Exited with exit code 3", SRUNWORDS_TASKS_ENDED,
         "n3", "2", 3 << 8, "Exited with exit code 3", false},
        {"srun: error: n[1-2]: tasks 0-1,7: Killed", SRUNWORDS_TASKS_ENDED, "n[1-2]",
         "0-1,7", 9, "Killed", false},
        {"srun: error: n1: task 0: Segmentation fault (core dumped)",
         SRUNWORDS_TASKS_ENDED, "n1", "0", 11, "Segmentation fault", false},
        {"srun: error: n1: task 0: Out Of Memory", SRUNWORDS_TASKS_ENDED, "n1", "0", 9,
         "Out Of Memory", false},
        {"srun: error: n1: task 0: unheard of", SRUNWORDS_TASKS_ENDED, "n1", "0",
         1 << 8, "unheard of", false},
        {"srun: error: n1: task x: Killed", SRUNWORDS_OTHER, "", "", 0, "task x",
         false},
        {"srun: error: n1: task 1 Killed", SRUNWORDS_OTHER, "", "", 0, "task 1", false},
        {"srun: error: Task launch for StepId=4.0 failed on node n3: Communication "
         "connection failure",
         SRUNWORDS_REFUSED, "n3", "", 0, "Communication connection failure", true},
        {"srun: error: Task launch for 4.0 failed on node n3", SRUNWORDS_REFUSED, "n3",
         "", 0, "no reason is given", true},
        {"srun: error: Task launch for 4.0 failed on node ", SRUNWORDS_OTHER, "", "", 0,
         "Task launch", false},
        {"srun: error: Application launch failed: Communication connection failure",
         SRUNWORDS_NOISE, "", "", 0, "", false},
        {"srun: Job step aborted: Waiting up to 32 seconds for job step to finish.",
         SRUNWORDS_ABORTED, "", "", 0, "", false},
        {"srun: Force Terminated StepId=4.0", SRUNWORDS_ABORTED, "", "", 0, "", false},
        {"srun: error: Timed out waiting for job step to complete", SRUNWORDS_LINGERS,
         "", "", 0, "", false},
        {"srun: error: Unable to create step for job 6: Requested node configuration "
         "is "
         "not available",
         SRUNWORDS_UNAVAILABLE, "", "", 0, "starts no step there", true},
        {"srun: error: Unable to create step for job 6: Job/step already completing or "
         "completed",
         SRUNWORDS_FATAL, "", "", 0, "job is ending", true},
        {"srun: error: Unable to create step for job 6: Something new", SRUNWORDS_FATAL,
         "", "", 0, "Slurm starts no step: Something new", false},
        {"srun: error: Unable to confirm allocation for job 99: Invalid job id "
         "specified",
         SRUNWORDS_FATAL, "", "", 0, "job is over", true},
        {"srun: Check SLURM_JOB_ID environment variable. Expired or invalid job 99",
         SRUNWORDS_FATAL, "", "", 0, "job is over", true},
        {"srun: Job 6 step creation temporarily disabled, retrying (Requested nodes "
         "are "
         "busy)",
         SRUNWORDS_WAITS, "", "", 0, "Requested nodes are busy", false},
        {"srun: Job 6 step creation still disabled, retrying (Job's prolog is running)",
         SRUNWORDS_WAITS, "", "", 0, "prolog is running", false},
        {"srun: error: Node failure on n3", SRUNWORDS_NODES_LOST, "n3", "", 0, "failed",
         false},
        {"srun: error: Munge encode failed: Failed to access "
         "\"/run/munge/munge.socket.2\": No such file or directory",
         SRUNWORDS_FATAL, "", "", 0, "munge does not answer", true},
        {"srun: cluster configuration lacks support for cpu binding", SRUNWORDS_NOISE,
         "", "", 0, "", false},
        {"srun: error: something else", SRUNWORDS_OTHER, "", "", 0, "something else",
         false},
        {"something else", SRUNWORDS_OTHER, "", "", 0, "something else", false},
        {"", SRUNWORDS_OTHER, "", "", 0, "", false},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct srunwords w;
        srunwords_read(table[i].line, &w);
        if (w.kind != table[i].kind || !strstr(w.text, table[i].text))
            print_error("row %zu: %d \"%s\"\n", i, (int)w.kind, w.text);
        assert_int_equal(w.kind, table[i].kind);
        assert_non_null(strstr(w.text, table[i].text));
        assert_string_equal(w.nodes, table[i].nodes);
        assert_string_equal(w.tasks, table[i].tasks);
        assert_int_equal(w.wait_status, table[i].wait_status);
        assert_int_equal(w.hint[0] != '\0', table[i].hint);
    }
}

static void join(const struct strlist *l, char *ret, size_t len)
{
    ret[0] = '\0';
    for (size_t i = 0, at = 0; i < l->n && at < len; i++)
        at += (size_t)snprintf(ret + at, len - at, "%s%s", i ? "|" : "", l->items[i]);
}

static void test_argv(void **state)
{
    (void)state;
    static const char *const nodes[] = {"n3", "n1", "n2", "gpu07"};
    struct strlist argv = {0};
    char text[4096];
    assert_int_equal(srunargs_argv(nodes, 4, "echo 'x'", &argv), 0);
    join(&argv, text, sizeof text);
    assert_non_null(strstr(text, "|--nodes=4|--ntasks=4|"));
    assert_non_null(strstr(text, "|--nodelist=gpu07,n[1-3]|"));
    assert_non_null(strstr(text, "|--overlap|"));
    assert_non_null(strstr(text, "|--propagate=NONE|"));
    assert_non_null(strstr(text, "|--mpi=none|"));
    assert_string_equal(argv.items[0], "srun");
    assert_string_equal(argv.items[argv.n - 1], "echo 'x'");
    assert_string_equal(argv.items[argv.n - 2], "-c");
    strlist_fini(&argv);
}

/* Options of srun by the environment do not reach it; the job's facts do. */
static void test_env(void **state)
{
    (void)state;
    static char *const env[] = {
        (char *)"HOME=/h",           (char *)"SLURM_NTASKS=8",
        (char *)"SLURM_JOB_ID=3",    (char *)"SLURM_STDOUTMODE=/x",
        (char *)"SLURM_CONF=/c",     (char *)"SRUN_CPUS_PER_TASK=4",
        (char *)"SLURM_TIMELIMIT=1", (char *)"SLURM_JOB_NODELIST=n1",
        (char *)"SLURMD_DEBUG=3",    (char *)"SLURM_MPI_TYPE=pmix",
        (char *)"SLURMX=1",          (char *)"SLURM_ARRAY_TASK_ID=4",
        (char *)"SBATCH_EXCLUSIVE=", NULL};
    struct strlist kept = {0};
    char text[1024];
    assert_int_equal(srunargs_env(env, &kept), 0);
    join(&kept, text, sizeof text);
    assert_string_equal(text, "HOME=/h|SLURM_JOB_ID=3|SLURM_CONF=/c|"
                              "SLURM_JOB_NODELIST=n1|SLURMX=1|SLURM_ARRAY_TASK_ID=4|"
                              "SBATCH_EXCLUSIVE=");
    strlist_fini(&kept);
    /* for a step of another job */
    static const char *const cluster[] = {"HOME=/h", "SLURM_CONF=/c", "SLURMX=1",
                                          "SBATCH_EXCLUSIVE="};
    size_t n = 0;
    for (size_t i = 0; env[i]; i++) {
        if (srunargs_is_of_our_job(env[i]))
            continue;
        assert_true(n < sizeof cluster / sizeof *cluster);
        assert_string_equal(env[i], cluster[n++]);
    }
    assert_int_equal(n, sizeof cluster / sizeof *cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_argv),
        cmocka_unit_test(test_env),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
