/* SPDX-License-Identifier: MIT */
/* job_signals.c - while ranks run, the node tells what it sees of itself. A job goes on
 * without.
 *
 * Steal and the ports of network cards cannot be provoked on a machine that has neither: for
 * tests, AOLANI_TEST_PROC and AOLANI_TEST_SYS in the agent's own environment name copies of
 * /proc and /sys that stand in, and AOLANI_TEST_KMSG a file for /dev/kmsg, to which no process
 * can write as the kernel. They are read as the user that the agent is, and all that
 * comes of them is numbers in the user's own report. */
#include "agent/job_impl.h"

#include "agent/nodesignals_proc.h"
#include "agent/proc.h"

#include <stdlib.h>
#include <string.h>

void job_watch_signals(struct job *j)
{
    struct err e;
    char cmdline[4096];
    const char *proc = getenv("AOLANI_TEST_PROC"), *sys = getenv("AOLANI_TEST_SYS");
    const char *kmsg = getenv("AOLANI_TEST_KMSG");
    struct nodesignals_config c = {.loop = j->c.loop,
                                   .up = j->c.up,
                                   .plan = j->plan,
                                   .allowed = &j->c.host->allowed,
                                   .info = j->c.host->info,
                                   .gpus = j->gpus,
                                   .proc = proc ? proc : "/proc",
                                   .sys = sys ? sys : "/sys",
                                   .kmsg = !j->gpus ? NULL
                                           : kmsg   ? kmsg
                                                    : "/dev/kmsg",
                                   .reopen = proc || sys,
                                   .every_ms = NODESIGNALS_EVERY_MS,
                                   .probe_ms = NODESIGNALS_PROBE_MS,
                                   .quiet_ms = NODESIGNALS_QUIET_MS};
    (void)proc_read_file("/proc/cmdline", cmdline, sizeof cmdline);
    c.steal_is_told = nodesignals_steal_is_told(cmdline);
    c.tasks = ranks_tasks(j->ranks, &c.n_tasks);
    if (c.n_tasks == 0 || ranks_are_gone(j->ranks))
        return;
    if (nodesignals_create(&c, &j->signals, &e) < 0)
        job_log(j, LOG_WARN_, "no signals of this node: %s", e.text);
    else if (nodesignals_kernel_error(j->signals) < 0)
        job_log(j, LOG_INFO_,
                "errors of GPUs (Xid) are not seen: %s cannot be read: %s", c.kmsg,
                strerror(-nodesignals_kernel_error(j->signals)));
}

void job_unwatch_signals(struct job *j)
{
    if (j->signals)
        nodesignals_finish(j->signals);
    nodesignals_destroy(j->signals);
    j->signals = NULL;
}
