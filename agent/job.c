/* SPDX-License-Identifier: MIT */
/* job.c - a job on one node: what the head says becomes an event, the event a state, the
 * state an action. See job.h; jobstate.c has the table. */
#include "agent/job_impl.h"

#include "proto/base/limits.h"
#include "proto/base/log.h"
#include "proto/wire/secure.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define JOB_ABANDON_GRACE_MS \
    3000                    /* nobody waits for a checkpoint of an abandoned job */
#define JOB_DELIVER_MS 2000 /* for its output, where the head can be reached */

void job_log(struct job *j, enum log_level level, const char *fmt, ...)
{
    char text[2048];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    Aolani__Log m = AOLANI__LOG__INIT;
    m.level = level;
    m.text = text;
    (void)j->c.up->send(j->c.up->arg, MSG_LOG, &m.base);
}

/* What is to be done on the way into a state. */
void job_event(struct job *j, enum job_event ev)
{
    enum job_state from = j->state;
    int to = jobstate_next(from, ev);
    if (to < 0) {
        log_warn("%s while %s: not expected", jobstate_event_name(ev),
                 jobstate_name(from));
        return;
    }
    j->state = (enum job_state)to;
    if (from != j->state)
        log_debug("job is %s", jobstate_name(j->state));
    if (j->state == JOB_ENDING && from != JOB_ENDING)
        job_end(j);
    else if (j->state == JOB_ENDING)
        job_end_step(j);
    else if (j->state == JOB_DRAINED && j->abandoned)
        job_event(j, JOB_EV_LOST);
}

/* ---- messages ---- */

static int job_on_prepare(struct job *j, const struct envelope *v, ProtobufCMessage *m,
                          struct err *e)
{
    int rc = plan_check((const Aolani__Prepare *)m, j->run_id, j->c.node, e);
    if (rc < 0)
        return rc;
    if (jobstate_next(j->state, JOB_EV_PREPARE) < 0)
        return err_set(e, ERR_PROTO, "take a plan: the job is %s",
                       jobstate_name(j->state));
    if (j->audit && auditlink_is_busy(j->audit))
        return err_set(e, ERR_PROTO, "take a plan: the audit is under way");
    job_end_audit(j);
    j->plan = aolani__prepare__unpack(NULL, v->payload_len, v->payload);
    if (!j->plan)
        return err_sys(e, -ENOMEM, "take a plan");
    j->attempt = v->attempt;
    j->ops->attempt(j->arg, v->attempt);
    job_event(j, JOB_EV_PREPARE);
    job_prepare(j);
    return 0;
}

static int job_on_start(struct job *j, const struct envelope *v, ProtobufCMessage *m,
                        struct err *e)
{
    (void)v;
    if (jobstate_next(j->state, JOB_EV_START) < 0)
        return err_set(e, ERR_PROTO, "start the ranks: the job is %s",
                       jobstate_name(j->state));
    j->ops->phase(j->arg, PHASE_RUNNING);
    job_event(j, JOB_EV_START);
    job_follow_nccl(j);
    job_hear_nccl(j);
    job_choose_ras(j);
    return job_start(j, (const Aolani__Start *)m, e);
}

static int job_on_signal(struct job *j, const struct envelope *v, ProtobufCMessage *msg,
                         struct err *e)
{
    const Aolani__Signal *m = (const Aolani__Signal *)msg;
    (void)v;
    if (m->signum < 1 || m->signum >= NSIG)
        return err_set(e, ERR_PROTO, "send signal %d: there is none", m->signum);
    if (m->signum == SIGTERM && j->steps)
        steprelay_request_stop(j->steps);
    if (j->ranks)
        ranks_signal(j->ranks, m->signum, m->ranks, m->n_ranks);
    return 0;
}

static void job_stop_ranks(struct job *j, uint64_t grace_ms)
{
    if (j->steps)
        steprelay_request_stop(j->steps);
    if (j->ranks)
        ranks_stop(j->ranks, grace_ms);
}

static int job_on_stdin(struct job *j, const struct envelope *v, ProtobufCMessage *m,
                        struct err *e)
{
    (void)v;
    if (!j->input)
        return err_set(e, ERR_PROTO, "take standard input: no rank of this node reads");
    return stdinpipe_message(j->input, (const Aolani__Stdin *)m, e);
}

/* The ranks end by themselves, so the job's state stays as it is. */
static int job_on_save(struct job *j, const Aolani__Stop *m, struct err *e)
{
    if (m->signum < 0 || m->signum >= NSIG)
        return err_set(e, ERR_PROTO, "send signal %d: there is none", m->signum);
    log_debug("the ranks are asked to save: %s", m->reason);
    if (j->steps)
        steprelay_request_stop(j->steps);
    if (j->ranks && m->signum > 0)
        ranks_signal(j->ranks, m->signum, NULL, 0);
    return 0;
}

static int job_on_stop(struct job *j, const struct envelope *v, ProtobufCMessage *msg,
                       struct err *e)
{
    const Aolani__Stop *m = (const Aolani__Stop *)msg;
    (void)v;
    if (m->save)
        return job_on_save(j, m, e);
    log_debug("stop within %llu ms: %s", (unsigned long long)m->grace_ms, m->reason);
    job_event(j, JOB_EV_STOP);
    job_stop_ranks(j, m->grace_ms);
    return 0;
}

static int job_on_end(struct job *j, const struct envelope *v, ProtobufCMessage *m,
                      struct err *e)
{
    (void)m;
    (void)e;
    j->end_asked = true;
    j->ops->attempt(j->arg, v->attempt);
    j->ops->phase(j->arg, PHASE_ENDING);
    job_event(j, JOB_EV_END);
    return 0;
}

static int job_on_pmix(struct job *j, const struct envelope *v, ProtobufCMessage *m,
                       struct err *e)
{
    (void)e;
    if (j->pmix)
        pmixlink_message(j->pmix, (enum message_type)v->type, m);
    return 0;
}

int job_message(struct job *j, const struct envelope *v, struct err *e)
{
    static const struct {
        enum message_type type;
        const ProtobufCMessageDescriptor *descriptor;
        int (*act)(struct job *j, const struct envelope *v, ProtobufCMessage *m,
                   struct err *e);
    } handlers[] = {
        {MSG_PREPARE, &aolani__prepare__descriptor, job_on_prepare},
        {MSG_START, &aolani__start__descriptor, job_on_start},
        {MSG_SIGNAL, &aolani__signal__descriptor, job_on_signal},
        {MSG_REACH, &aolani__reach__descriptor, job_on_reach},
        {MSG_AUDIT_ASK, &aolani__audit_ask__descriptor, job_on_audit},
        {MSG_COLL_ANCHOR, &aolani__coll_anchor__descriptor, job_on_coll_anchor},
        {MSG_STALL_ASK, &aolani__stall_ask__descriptor, job_on_stall_ask},
        {MSG_STDIN, &aolani__stdin__descriptor, job_on_stdin},
        {MSG_STOP, &aolani__stop__descriptor, job_on_stop},
        {MSG_END, &aolani__end__descriptor, job_on_end},
        {MSG_FENCE_DONE, &aolani__fence_done__descriptor, job_on_pmix},
        {MSG_MODEX_GET, &aolani__modex_get__descriptor, job_on_pmix},
        {MSG_MODEX_DATA, &aolani__modex_data__descriptor, job_on_pmix},
    };
    for (size_t i = 0; i < sizeof handlers / sizeof *handlers; i++) {
        if (handlers[i].type != (enum message_type)v->type)
            continue;
        ProtobufCMessage *m = protobuf_c_message_unpack(handlers[i].descriptor, NULL,
                                                        v->payload_len, v->payload);
        if (!m)
            return err_set(e, ERR_PROTO, "read a %s: it does not decode",
                           message_rule(v->type)->name);
        int rc = handlers[i].act(j, v, m, e);
        protobuf_c_message_free_unpacked(m, NULL);
        return rc;
    }
    return 0; /* PONG, and whatever a newer head may say that is legal here */
}

void job_acked(struct job *j, uint64_t seq)
{
    if (j->output)
        output_acked(j->output, seq);
    j->acked_seq = seq;
    if (j->done_seq && seq >= j->done_seq)
        loop_timer_start(j->step, 0, 0);
}

void job_credit(struct job *j)
{
    if (j->output)
        output_credit(j->output);
    if (j->state == JOB_ENDING)
        loop_timer_start(j->step, 0, 0);
}

void job_abandon(struct job *j, bool linked)
{
    /* A head that can be reached still gets the output; it has little time. */
    j->abandoned = true;
    uint64_t grace = JOB_ABANDON_GRACE_MS;
    if (j->plan && j->plan->grace_ms < grace)
        grace = j->plan->grace_ms;
    j->give_up_ms = loop_now_ms(j->c.loop) + (linked ? grace + JOB_DELIVER_MS : 0);
    job_stop_ranks(j, grace);
    job_event(j, JOB_EV_LOST);
    loop_timer_start(j->step, 0, 0);
}

/* ---- life ---- */

static void job_on_rank_exit(void *arg, pid_t pid, int status,
                             const struct rusage *usage)
{
    struct job *j = arg;
    if (!setup_exited(j->setup, pid, status) && j->ranks)
        ranks_exited(j->ranks, pid, status, usage);
}

static void job_on_rank_stop(void *arg, pid_t pid, uint64_t from_ns, uint64_t to_ns)
{
    struct job *j = arg;
    if (j->ranks && j->steps) /* one that could not be ended outlives them */
        ranks_stopped(j->ranks, pid, from_ns, to_ns);
}

static void job_on_step(void *arg)
{
    job_end_step(arg);
}

static void job_on_recovered(void *arg, const struct recover_found *found, int status,
                             const struct err *e)
{
    struct job *j = arg;
    if (status < 0)
        log_error("%s", e->text);
    j->folders_made = found->folders;
    j->cgroup = found->cgroup;
    j->recover_since = found->since;
    if (found->folders)
        j->swept = folders_swept_path(&j->folders, found->agent);
    j->recover_failed = status < 0;
    if (found->folders && job_open_shmleft(j, found->since, NULL) == 0)
        (void)shmleft_load_pids(j->shm, j->folders.pids, NULL);
    job_end_teardown(j);
}

static int job_create_parts(struct job *j, struct err *e)
{
    int rc = folders_init(&j->folders, j->run_id, j->c.node, e);
    if (rc == 0)
        rc = reap_create(j->c.loop, job_on_rank_exit, j, &j->reap, e);
    if (rc < 0)
        return rc;
    reap_watch_stops(j->reap, job_on_rank_stop);
    j->step = loop_timer_create(j->c.loop, job_on_step, j);
    if (!j->step)
        return err_sys(e, -ENOMEM, "make room for a job");
    if (!j->c.recovering)
        return 0;
    return recover_create(j->c.loop, &j->folders, job_on_recovered, j, &j->recover, e);
}

int job_create(const struct job_config *c, const struct job_ops *ops, void *arg,
               struct job **ret, struct err *e)
{
    struct job *j = calloc(1, sizeof *j);
    if (!j)
        return err_sys(e, -ENOMEM, "make room for a job");
    j->c = *c;
    j->ops = ops;
    j->arg = arg;
    j->port.fd = -1;
    secure_hex(c->run_id, sizeof c->run_id, j->run_id);
    environ_mark(j->run_id, c->node, j->mark);
    int rc = job_create_parts(j, e);
    if (rc < 0) {
        job_destroy(j);
        return rc;
    }
    *ret = j;
    return 0;
}

void job_destroy(struct job *j)
{
    if (!j)
        return;
    job_end_audit(j);
    recover_destroy(j->recover);
    teardown_destroy(j->teardown);
    pmixlink_destroy(j->pmix);
    nodesignals_destroy(j->signals);
    job_unwatch_binding(j);
    job_forget_stall(j);
    job_forget_ranks(j);
    ranks_destroy(j->ranks);
    oom_destroy(j->oom);
    shmleft_destroy(j->shm);
    steplog_destroy(j->steplog);
    ncclwatch_destroy(j->ncclwatch);
    collrelay_destroy(j->coll);
    ncclhear_destroy(j->hear);
    steprelay_destroy(j->steps);
    stdinpipe_destroy(j->input);
    ptyrelay_destroy(j->ptys);
    output_destroy(j->output);
    reap_destroy(j->reap);
    cgroup_destroy(j->cgroup);
    setup_destroy(j->setup);
    rankbase_fini(&j->base);
    program_fini(&j->program);
    folders_fini(&j->folders);
    free(j->swept);
    reach_destroy(j->reach);
    masterport_release(&j->port);
    if (j->plan)
        aolani__prepare__free_unpacked(j->plan, NULL);
    loop_timer_destroy(j->step);
    free(j);
}
