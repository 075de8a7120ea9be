/* SPDX-License-Identifier: MIT */
/* job_binding.c - while ranks run, what they have is read back. A job goes on without. */
#include "agent/job_impl.h"

/* One helper for all who want to know something of the GPUs. */
static void job_watch_gpus(struct job *j)
{
    size_t n = 0;
    for (size_t i = 0; i < j->plan->n_ranks; i++)
        n += j->plan->ranks[i]->n_gpus;
    if (n > 0)
        (void)gpuhelper_create(j->c.loop, j->c.host->describe_helper, GPUHELPER_MS,
                               &j->gpus, NULL);
}

void job_watch_binding(struct job *j)
{
    struct err e;
    job_watch_gpus(j);
    struct readback_config c = {.loop = j->c.loop,
                                .up = j->c.up,
                                .plan = j->plan,
                                .gpus = j->gpus,
                                .sysfs = "/sys",
                                .every_ms = READBACK_EVERY_MS};
    c.tasks = ranks_tasks(j->ranks, &c.n_tasks);
    if (c.n_tasks == 0 || ranks_are_gone(j->ranks))
        return;
    if (readback_create(&c, &j->readback, &e) < 0)
        job_log(j, LOG_WARN_, "the binding is not read back: %s", e.text);
}

void job_unwatch_binding(struct job *j)
{
    readback_destroy(j->readback);
    gpuhelper_destroy(j->gpus);
    j->readback = NULL;
    j->gpus = NULL;
}
