/* SPDX-License-Identifier: MIT */
/* jobend.c - see jobend.h. */
#include "launcher/slurm/jobend.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *word; /* of the state or the reason; its beginning */
    enum slurm_end_why why;
    const char *text;
} rows[] = {
    {"CANCELLED", SLURM_CANCELLED, "the job was cancelled"},
    {"TIMEOUT", SLURM_TIMEOUT, "its time limit was reached"},
    {"TimeLimit", SLURM_TIMEOUT, "its time limit was reached"},
    {"PREEMPTED", SLURM_TAKEN, "the job was preempted"},
    {"Preempt", SLURM_TAKEN, "the job was preempted"},
    {"NODE_FAIL", SLURM_TAKEN, "a node of the job failed"},
    {"NodeDown", SLURM_TAKEN, "a node of the job failed"},
    /* One that was preempted looks the same when it is to begin again. */
    {"REQUEUE", SLURM_TAKEN, "the job was requeued or preempted"},
    {"PENDING", SLURM_TAKEN, "the job was requeued or preempted"},
    {"DEADLINE", SLURM_TIMEOUT, "its deadline was reached"},
    {"OUT_OF_MEMORY", SLURM_TAKEN, "the job ran out of memory"},
    {"BOOT_FAIL", SLURM_TAKEN, "a node of the job failed"},
};

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* While its processes are being ended scontrol does not show a job's state. One that was
 * requeued has no end then; of the others only a cancelled one has no reason. */
static const char *state_of(const struct slurm_job *job)
{
    bool has_reason = job->reason[0] && strcmp(job->reason, "None") != 0;
    if (!begins(job->state, "COMPLETING") || has_reason)
        return job->state;
    return job->end_real_ns ? "CANCELLED" : "REQUEUED";
}

void slurm_end_of(const struct slurm_job *job, struct slurm_end *ret)
{
    struct slurm_end end = {.why = SLURM_TAKEN, .text = "it does not say why"};
    const char *state = job->preempted ? "PREEMPTED" : state_of(job);
    if (begins(state, "RUNNING") || begins(state, "SUSPENDED") ||
        begins(state, "CONFIGURING"))
        end = (struct slurm_end){.why = SLURM_GOES_ON, .text = "the job goes on"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows && end.why == SLURM_TAKEN; i++) {
        if (!begins(state, rows[i].word) && !begins(job->reason, rows[i].word))
            continue;
        end.why = rows[i].why;
        (void)snprintf(end.text, sizeof end.text, "%s", rows[i].text);
        break;
    }
    *ret = end;
}
