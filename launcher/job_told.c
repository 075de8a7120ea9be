/* SPDX-License-Identifier: MIT */
/* job_told.c - Slurm has told a node to end (scancel, a time limit, preemption): all do, as
 * if the user had asked. It tells the ranks there, too; one that has ended by that has not
 * failed, though its exit may be known here first. */
#include <string.h>
#include <sys/wait.h>

#include "launcher/job_impl.h"
#include "proto/base/log.h"

#define ECHO_NS \
    2000000000ull /* between a rank's end by Slurm's signal and our notice */

static bool is_victim(const struct job *j, const struct verdict_rank *v, int signum)
{
    uint64_t now = loop_now_ms(j->loop) * 1000000;
    return v->end == RANK_EXITED && WIFSIGNALED(v->wait_status) &&
           (int)WTERMSIG(v->wait_status) == signum && v->t_ns + ECHO_NS >= now;
}

static bool has_failed(const struct verdict_rank *v)
{
    return v->end == RANK_EXEC_FAILED ||
           (v->end == RANK_EXITED && v->wait_status && !v->ended_by_us);
}

static void forgive_victims(struct job *j, int signum)
{
    bool failed = false;
    for (uint32_t i = 0; j->ranks && i < j->plan.world_size; i++) {
        struct verdict_rank *v = &j->ranks[i].v;
        v->ended_by_us = v->ended_by_us || is_victim(j, v, signum);
        failed = failed || has_failed(v);
    }
    if (j->stop.cause == STOP_RANK && !failed)
        j->stop.cause = STOP_NONE;
}

int job_on_told(struct job *j, uint32_t node, const ProtobufCMessage *msg,
                struct err *e)
{
    const Aolani__ToldToEnd *m = (const void *)msg;
    if (m->signum <= 0 || m->signum > 64)
        return err_set(e, ERR_PROTO, "it was told to end by signal %d", m->signum);
    if (j->state >= JOB_ENDING)
        return 0;
    if (!j->told)
        log_note("Slurm ends the job: %s on %s", strsignal(m->signum),
                 job_node_name(j, node));
    if (!j->told && j->config.told)
        j->config.told(j->config.arg, m->signum);
    j->told = true;
    forgive_victims(j, m->signum);
    job_set_stop(j, STOP_SIGNAL, m->signum, "Slurm has sent %s to node \"%s\"",
                 strsignal(m->signum), job_node_name(j, node));
    job_stop(j, m->signum, false);
    return 0;
}
