/* SPDX-License-Identifier: MIT */
/* What comes of a job that Slurm ends: its exit status and cause, in whatever order it is
 * learnt that it does and why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/job_impl.h"

#define TAKEN   "the job was preempted"
#define TIMEOUT "its time limit was reached"

struct row {
    const char *what;
    bool explained_first;
    enum stop_cause cause;
    int number; /* of it */
    const char *why;
    int why_status;
    int status;
    enum restart_cause outcome;
    const char *sentence;
};

static void check(const struct row *row)
{
    char *words[] = {(char[]){"train"}, NULL};
    struct spec spec = {.job.command = {.items = words, .n = 1}};
    struct job_node node = {.step = NODE_FINISHED, .teardown = "clean"};
    struct job *j = calloc(1, sizeof *j);
    struct job_outcome o;
    assert_non_null(j);
    j->config.spec = &spec;
    j->nodes = &node;
    j->n_nodes = 1;
    j->state = JOB_ENDING;
    if (row->explained_first)
        job_explain_stop(j, row->why, row->why_status);
    job_set_stop(j, row->cause, row->number, "refused");
    if (!row->explained_first)
        job_explain_stop(j, row->why, row->why_status);
    job_conclude(j);
    assert_int_equal(job_outcome(j, &o), 0);
    if (o.exit_status != row->status || o.cause != row->outcome ||
        !strstr(o.sentence, row->sentence))
        fail_msg("%s: status %d, cause %s: %s", row->what, o.exit_status,
                 restart_cause_name(o.cause), o.sentence);
    free(o.lost);
    free(j);
}

static void test_slurm_ends_it(void **state)
{
    static const struct row rows[] = {
        {"a signal, then why", false, STOP_SIGNAL, SIGTERM, TAKEN, 0, 143, RESTART_USER,
         "stopped by Slurm: " TAKEN},
        {"why, then the signal", true, STOP_SIGNAL, SIGTERM, TAKEN, 0, 143,
         RESTART_USER, "stopped by Slurm: " TAKEN},
        {"a signal, then the limit", false, STOP_SIGNAL, SIGTERM, TIMEOUT, 124, 124,
         RESTART_USER, "stopped by Slurm: " TIMEOUT},
        {"the limit, then the signal", true, STOP_SIGNAL, SIGTERM, TIMEOUT, 124, 124,
         RESTART_USER, "stopped by Slurm: " TIMEOUT},
        {"agents that did not start are Slurm's doing", false, STOP_ERROR, 80, TAKEN, 0,
         143, RESTART_USER, "stopped by Slurm: " TAKEN},
        {"an audit that refused is not", false, STOP_ERROR, 82, TAKEN, 0, 82,
         RESTART_REFUSED, "refused"},
        {"nor a binding, at the limit", false, STOP_ERROR, 83, TIMEOUT, 124, 83,
         RESTART_BINDING, "refused"},
        {"an audit that refused after Slurm's word", true, STOP_ERROR, 82, TAKEN, 0, 82,
         RESTART_REFUSED, "refused"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check(&rows[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slurm_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
