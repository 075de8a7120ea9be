/* SPDX-License-Identifier: MIT */
/* job_messages.c - what the agents say, one function a message. An agent speaks for its
 * own ranks only; anything else ends its link. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/job_coll.h"
#include "launcher/job_impl.h"
#include "launcher/job_ncclsaid.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/wire/limitwire.h"
#include "proto/wire/wiretext.h"

/* Output that the disk or the reader of our stdout has not taken; what the nodes have
 * credit for may come on top. */
#define BACKLOG_MAX (3 * OUTFILES_LOW_WATER)

int job_check_rank(const struct job *j, uint32_t node, uint32_t rank, struct err *e)
{
    if (j->fences && rank >= j->plan.first_rank[node] &&
        rank < j->plan.first_rank[node + 1])
        return 0;
    return err_set(e, ERR_PROTO, "it speaks for rank %u, which is not its own", rank);
}

static int on_prepared(struct job *j, uint32_t node, const ProtobufCMessage *msg,
                       struct err *e)
{
    const Aolani__Prepared *m = (const void *)msg;
    struct job_node *n = &j->nodes[node];
    (void)e;
    if (n->step != NODE_DESCRIBED) /* it crossed our END */
        return 0;
    n->step = NODE_PREPARED_;
    n->code = m->error[0] ? (m->code ? m->code : -EIO) : 0;
    (void)snprintf(n->error, sizeof n->error, "%s", m->error);
    (void)snprintf(n->hint, sizeof n->hint, "%s", m->hint);
    if (n->code == 0)
        fleet_set_phase(j->fleet, node, PHASE_PREPARED);
    limitwire_read(m->limits, m->n_limits, &n->limits);
    free(n->program);
    n->program = strdup(m->program);
    if (node == 0)
        j->master_port = m->master_port;
    bool failed = false;
    for (uint32_t i = 0; i < j->n_nodes; i++) {
        if (j->nodes[i].step != NODE_PREPARED_)
            return 0;
        failed = failed || j->nodes[i].code != 0;
    }
    if (!failed) {
        job_compare_limits(j);
        job_event(j, j->config.check_only ? JOB_EV_CHECKED : JOB_EV_ALL_PREPARED);
        return 0;
    }
    char text[1000];
    int code = 0;
    for (uint32_t i = 0; i < j->n_nodes && code == 0; i++)
        code = j->nodes[i].code;
    job_group_errors(j, NODE_PREPARED_, text, sizeof text);
    int status = code == -ENOENT ? 127
                 : code == -EACCES || code == -ENOEXEC || code == -E2BIG
                     ? 126
                     : err_exit_status(code);
    job_set_stop(j, STOP_ERROR, status, "the ranks cannot be started: %s", text);
    job_event(j, JOB_EV_FAILED);
    return 0;
}

static int on_started(struct job *j, uint32_t node, const ProtobufCMessage *msg,
                      struct err *e)
{
    const Aolani__Started *m = (const void *)msg;
    for (size_t i = 0; i < m->n_ranks; i++) {
        const Aolani__Started__Rank *r = m->ranks[i];
        int rc = job_check_rank(j, node, r->rank, e);
        if (rc < 0)
            return rc;
        struct job_rank *mine = &j->ranks[r->rank];
        if (mine->cpus) /* once: the journal takes no more of a peer than it must */
            continue;
        mine->cpus = strdup(r->cpus);
        job_journal_rank(j, r->rank, "started", r->pid);
    }
    job_enter_phase(j, JOB_PHASE_RUN);
    return 0;
}

static int on_rank_exit(struct job *j, uint32_t node, const ProtobufCMessage *msg,
                        struct err *e)
{
    const Aolani__RankExit *m = (const void *)msg;
    int rc = job_check_rank(j, node, m->rank, e);
    if (rc < 0)
        return rc;
    struct job_rank *r = &j->ranks[m->rank];
    if (r->v.end == RANK_EXITED || r->v.end == RANK_EXEC_FAILED)
        return 0;
    r->v.end = m->exec_errno ? RANK_EXEC_FAILED : RANK_EXITED;
    r->v.wait_status = m->wait_status;
    r->v.exec_errno = m->exec_errno;
    r->v.ended_by_us = m->ended_by_us;
    r->v.oom_killed = m->oom_killed;
    if (m->aborted && !r->v.aborted) {
        r->v.aborted = true;
        r->v.abort_status = m->abort_status;
    }
    r->v.t_ns = clocksync_to_head(fleet_clock(j->fleet, node), m->t_ns, clock_mono_ns(),
                                  &r->v.t_error_ns);
    r->cpu_user_us = m->cpu_user_us;
    r->cpu_sys_us = m->cpu_sys_us;
    r->max_rss_kib = m->max_rss_kib;
    job_journal_rank(j, m->rank, "exited", 0);
    bool failed = m->exec_errno || m->wait_status;
    if (failed && m->port_taken && node == 0)
        j->port_taken = true;
    if (failed && !m->ended_by_us) {
        char end[120];
        verdict_rank_end(&r->v, end, sizeof end);
        log_info("rank %u on %s: %s", m->rank, job_node_name(j, node), end);
        job_set_stop(j, STOP_RANK, 0, "rank %u: %s", m->rank, end);
        job_event(j, JOB_EV_FAILED);
    }
    job_check_ended(j);
    return 0;
}

static void warn_missing(struct job *j, uint32_t node, uint32_t rank, int stream,
                         uint64_t offset, uint64_t n, const char *why)
{
    job_warn(j,
             "rank %u on %s: %llu bytes of its %s from offset %llu on are missing: %s",
             rank, job_node_name(j, node), (unsigned long long)n,
             stream ? "stderr" : "stdout", (unsigned long long)offset, why);
}

static int on_output(struct job *j, uint32_t node, const ProtobufCMessage *msg,
                     struct err *e)
{
    const Aolani__Output *m = (const void *)msg;
    int rc = job_check_rank(j, node, m->rank, e);
    if (rc < 0)
        return rc;
    int stream = m->stream == AOLANI__STREAM__STDERR;
    struct job_rank *r = &j->ranks[m->rank];
    if (m->offset + m->data.len > r->bytes[stream])
        r->bytes[stream] = m->offset + m->data.len;
    uint64_t hole = outfiles_hole(j->outfiles, m->rank, stream, m->offset);
    if (hole > 0)
        warn_missing(j, node, m->rank, stream, m->offset - hole, hole,
                     "the agent that had them is gone");
    job_watch_net(j, m->rank, stream, m->data.data, m->data.len);
    outfiles_write(j->outfiles, m->rank, stream, m->offset, m->data.data, m->data.len);
    if (!j->held && outfiles_backlog(j->outfiles) > BACKLOG_MAX) {
        j->held = true;
        fleet_hold(j->fleet, true);
    }
    return 0;
}

static int on_output_gap(struct job *j, uint32_t node, const ProtobufCMessage *msg,
                         struct err *e)
{
    const Aolani__OutputGap *m = (const void *)msg;
    int rc = job_check_rank(j, node, m->rank, e);
    if (rc < 0)
        return rc;
    int stream = m->stream == AOLANI__STREAM__STDERR;
    if (!outfiles_gap(j->outfiles, m->rank, stream, m->offset, m->length))
        return 0;
    j->ranks[m->rank].bytes[stream] = m->offset + m->length;
    warn_missing(j, node, m->rank, stream, m->offset, m->length,
                 "the node's space for output was used up");
    return 0;
}

static int on_output_end(struct job *j, uint32_t node, const ProtobufCMessage *msg,
                         struct err *e)
{
    const Aolani__OutputEnd *m = (const void *)msg;
    int rc = job_check_rank(j, node, m->rank, e);
    if (rc == 0)
        outfiles_end(j->outfiles, m->rank, m->stream == AOLANI__STREAM__STDERR);
    return rc;
}

static int on_log(struct job *j, uint32_t node, const ProtobufCMessage *msg,
                  struct err *e)
{
    const Aolani__Log *m = (const void *)msg;
    (void)e;
    if (m->level <= LOG_WARN_)
        job_warn(j, "%s: %s", job_node_name(j, node), m->text);
    else
        log_info("%s: %s", job_node_name(j, node), m->text);
    return 0;
}

static int on_node_done(struct job *j, uint32_t node, const ProtobufCMessage *msg,
                        struct err *e)
{
    static const char *const names[] = {"not proven", "clean", "forced", "not clean"};
    const Aolani__NodeDone *m = (const void *)msg;
    struct job_node *n = &j->nodes[node];
    (void)e;
    unsigned result =
        m->result <= AOLANI__TEARDOWN__NOT_CLEAN ? (unsigned)m->result : 0;
    n->teardown =
        m->proven || result == AOLANI__TEARDOWN__NOT_CLEAN ? names[result] : names[0];
    size_t at = 0;
    bool tell = result != AOLANI__TEARDOWN__CLEAN || !m->proven;
    for (size_t i = 0; tell && i < m->n_evidence && at < sizeof n->detail - 1; i++)
        at += (size_t)snprintf(n->detail + at, sizeof n->detail - at, "%s%s",
                               i ? "; " : "", m->evidence[i]);
    if (!m->proven || result == AOLANI__TEARDOWN__NOT_CLEAN) {
        j->stop.unclean = true;
        job_warn(j, "%s: the teardown is %s: %s", job_node_name(j, node), n->teardown,
                 n->detail);
    }
    n->step = NODE_FINISHED;
    fleet_release(j->fleet, node);
    job_journal_node(j, node, "done", n->teardown, NULL);
    job_check_done(j);
    return 0;
}

static int on_fence(struct job *j, uint32_t node, const ProtobufCMessage *msg,
                    struct err *e)
{
    return j->fences ? fences_add(j->fences, node, (const void *)msg, e) : 0;
}

static int on_modex_get(struct job *j, uint32_t node, const ProtobufCMessage *msg,
                        struct err *e)
{
    return j->fences ? fences_get(j->fences, node, (const void *)msg, e) : 0;
}

static int on_modex_data(struct job *j, uint32_t node, const ProtobufCMessage *msg,
                         struct err *e)
{
    return j->fences ? fences_data(j->fences, node, (const void *)msg, e) : 0;
}

static int on_abort(struct job *j, uint32_t node, const ProtobufCMessage *msg,
                    struct err *e)
{
    const Aolani__Abort *m = (const void *)msg;
    int rc = job_check_rank(j, node, m->rank, e);
    if (rc < 0)
        return rc;
    j->ranks[m->rank].v.aborted = true;
    j->ranks[m->rank].v.abort_status = m->status;
    log_info("rank %u on %s called MPI_Abort(%d)%s%s", m->rank, job_node_name(j, node),
             m->status, m->text[0] ? ": " : "", m->text);
    job_set_stop(j, STOP_RANK, 0, "rank %u called MPI_Abort", m->rank);
    job_event(j, JOB_EV_FAILED);
    return 0;
}

/* ---------------------------------------------------------------- to the fences */

static void fence_done(void *arg, uint32_t node, const Aolani__FenceDone *m)
{
    struct job *j = arg;
    (void)fleet_send(j->fleet, node, MSG_FENCE_DONE, j->config.attempt, &m->base);
}

static void fence_get(void *arg, uint32_t node, const Aolani__ModexGet *m)
{
    struct job *j = arg;
    (void)fleet_send(j->fleet, node, MSG_MODEX_GET, j->config.attempt, &m->base);
}

static void fence_got(void *arg, uint32_t node, const Aolani__ModexData *m)
{
    struct job *j = arg;
    (void)fleet_send(j->fleet, node, MSG_MODEX_DATA, j->config.attempt, &m->base);
}

const struct fence_ops job_fence_ops = {
    .done = fence_done, .get = fence_get, .got = fence_got};

/* ---------------------------------------------------------------- dispatch */

static const struct {
    enum message_type type;
    const ProtobufCMessageDescriptor *descriptor;
    int (*act)(struct job *j, uint32_t node, const ProtobufCMessage *m, struct err *e);
} handlers[] = {
    {MSG_PREPARED, &aolani__prepared__descriptor, on_prepared},
    {MSG_REACHED, &aolani__reached__descriptor, job_on_reached},
    {MSG_STARTED, &aolani__started__descriptor, on_started},
    {MSG_RANK_EXIT, &aolani__rank_exit__descriptor, on_rank_exit},
    {MSG_OUTPUT, &aolani__output__descriptor, on_output},
    {MSG_OUTPUT_GAP, &aolani__output_gap__descriptor, on_output_gap},
    {MSG_OUTPUT_END, &aolani__output_end__descriptor, on_output_end},
    {MSG_STEPS, &aolani__steps__descriptor, job_on_steps},
    {MSG_COLL_ANCHORS, &aolani__coll_anchors__descriptor, job_on_coll_anchors},
    {MSG_COLL_TIMES, &aolani__coll_times__descriptor, job_on_coll_times},
    {MSG_STALL_SEEN, &aolani__stall_seen__descriptor, job_on_stall_seen},
    {MSG_NCCL_SAID, &aolani__nccl_said__descriptor, job_on_nccl_said},
    {MSG_BINDING, &aolani__binding__descriptor, job_on_binding},
    {MSG_NODE_SIGNALS, &aolani__node_signals__descriptor, job_on_signals},
    {MSG_AUDIT_SAID, &aolani__audit_said__descriptor, job_on_audit_said},
    {MSG_TOLD_TO_END, &aolani__told_to_end__descriptor, job_on_told},
    {MSG_LOG, &aolani__log__descriptor, on_log},
    {MSG_NODE_DONE, &aolani__node_done__descriptor, on_node_done},
    {MSG_STDIN_TAKEN, &aolani__stdin_taken__descriptor, job_on_stdin_taken},
    {MSG_FENCE, &aolani__fence__descriptor, on_fence},
    {MSG_MODEX_GET, &aolani__modex_get__descriptor, on_modex_get},
    {MSG_MODEX_DATA, &aolani__modex_data__descriptor, on_modex_data},
    {MSG_ABORT, &aolani__abort__descriptor, on_abort},
};

int job_message(struct job *j, uint32_t node, const struct envelope *v, struct err *e)
{
    if (j->nodes[node].step == NODE_FINISHED) /* or it could keep us from ending */
        return 0;
    for (size_t i = 0; i < sizeof handlers / sizeof *handlers; i++) {
        if (handlers[i].type != (enum message_type)v->type)
            continue;
        ProtobufCMessage *m = protobuf_c_message_unpack(handlers[i].descriptor, NULL,
                                                        v->payload_len, v->payload);
        if (!m)
            return err_set(e, ERR_PROTO, "a message of type %u does not decode",
                           v->type);
        wiretext_make_printable(m);
        int rc = handlers[i].act(j, node, m, e);
        protobuf_c_message_free_unpacked(m, NULL);
        return rc;
    }
    return err_set(e, ERR_PROTO, "a message of type %u is not expected", v->type);
}
