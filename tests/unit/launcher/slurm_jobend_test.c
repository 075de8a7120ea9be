/* SPDX-License-Identifier: MIT */
/* Why a job of Slurm's ends, by what scontrol shows of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "launcher/slurm/jobend.h"

static void test_why(void **state)
{
    static const struct {
        const char *state, *reason;
        uint64_t end_real_ns;
        enum slurm_end_why why;
        const char *text;
    } rows[] = {
        {"RUNNING", "None", 7, SLURM_GOES_ON, "the job goes on"},
        {"CONFIGURING", "None", 0, SLURM_GOES_ON, "the job goes on"},
        {"CANCELLED", "None", 7, SLURM_CANCELLED, "the job was cancelled"},
        {"TIMEOUT", "TimeLimit", 7, SLURM_TIMEOUT, "its time limit was reached"},
        {"PREEMPTED", "None", 7, SLURM_TAKEN, "the job was preempted"},
        {"PENDING", "BeginTime", 0, SLURM_TAKEN, "the job was requeued or preempted"},
        {"REQUEUED", "BeginTime", 0, SLURM_TAKEN, "the job was requeued or preempted"},
        {"NODE_FAIL", "NodeDown", 7, SLURM_TAKEN, "a node of the job failed"},
        {"COMPLETED", "None", 7, SLURM_TAKEN, "it does not say why"},
        /* its processes are being ended */
        {"COMPLETING", "None", 7, SLURM_CANCELLED, "the job was cancelled"},
        {"COMPLETING", "", 7, SLURM_CANCELLED, "the job was cancelled"},
        {"COMPLETING", "None", 0, SLURM_TAKEN, "the job was requeued or preempted"},
        {"COMPLETING", "TimeLimit", 7, SLURM_TIMEOUT, "its time limit was reached"},
        {"COMPLETING", "NodeDown", 7, SLURM_TAKEN, "a node of the job failed"},
        {"COMPLETING", "NonZeroExitCode", 7, SLURM_TAKEN, "it does not say why"},
    };
    (void)state;
    struct slurm_job told = {.state = "RUNNING", .preempted = true};
    struct slurm_end soon;
    slurm_end_of(&told, &soon);
    assert_int_equal(soon.why, SLURM_TAKEN);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct slurm_job job = {.end_real_ns = rows[i].end_real_ns};
        struct slurm_end end;
        (void)snprintf(job.state, sizeof job.state, "%s", rows[i].state);
        (void)snprintf(job.reason, sizeof job.reason, "%s", rows[i].reason);
        slurm_end_of(&job, &end);
        if (end.why != rows[i].why || strcmp(end.text, rows[i].text) != 0)
            fail_msg("%s, %s: %d, \"%s\"", rows[i].state, rows[i].reason, (int)end.why,
                     end.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_why)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
