/* SPDX-License-Identifier: MIT */
/* job_binding.c - while ranks run, what they have is read back. A job goes on without. */
#include "agent/job_impl.h"

void job_watch_binding(struct job *j)
{
    struct err e;
    struct readback_config c = {.loop = j->c.loop,
                                .up = j->c.up,
                                .plan = j->plan,
                                .describe = j->c.host->describe_helper,
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
    j->readback = NULL;
}
