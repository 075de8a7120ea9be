/* SPDX-License-Identifier: MIT */
/* job_audit.c - a job that requires something of its nodes asks them before anything of it is
 * prepared. They only look: nothing is measured, and a node takes a second for it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/audit/conduct.h"
#include "launcher/audit_info.h"
#include "launcher/audit_require.h"
#include "launcher/audit_show.h"
#include "launcher/job_impl.h"
#include "proto/base/log.h"

struct job_audit {
    struct audit audit;
    struct conduct *conduct;
    char text[1000]; /* what the nodes are, for the report */
};

static void fail(struct job *j, int status, const char *text)
{
    job_set_stop(j, STOP_ERROR, status, "%s", text);
    job_event(j, JOB_EV_FAILED);
}

static void say(void *arg, const char *names, const char *error, const char *hint)
{
    struct err e;
    (void)arg;
    err_set(&e, ERR_REFUSED, "%s: %s", names, error);
    if (hint[0])
        err_hint(&e, "%s", hint);
    log_err(&e);
}

/* What is wrong with each is also kept: in the journal, and in the report's list of nodes. */
static void refuse(struct job *j, const struct audit_unmet *u)
{
    uint32_t n_bad = 0, at = 0;
    char text[200];
    for (uint32_t i = 0; i < j->n_nodes; i++) {
        bool bad = false;
        for (; at < u->n && u->all[at].name == j->audit->audit.nodes[i].host; at++) {
            job_journal_node(j, i, "refused", u->all[at].error, NULL);
            size_t len = bad ? strlen(j->nodes[i].detail) : 0;
            (void)snprintf(j->nodes[i].detail + len, sizeof j->nodes[i].detail - len,
                           "%s%s", bad ? "; " : "", u->all[at].error);
            bad = true;
        }
        n_bad += bad;
    }
    failures_each(u->all, u->n, say, NULL);
    (void)snprintf(text, sizeof text,
                   "refused before any rank was started: %u of %u node%s %s not what "
                   "[audit] requires",
                   n_bad, j->n_nodes, j->n_nodes == 1 ? "" : "s",
                   n_bad == 1 ? "is" : "are");
    fail(j, err_exit_status(ERR_REFUSED), text);
}

/* "gpu[01-08]: bare-metal (topology pass, numa pass, tunables warn, network pass)" */
static void describe(struct job_audit *a)
{
    struct failure *all = calloc(a->audit.n + 1, sizeof *all);
    char(*texts)[160] = calloc(a->audit.n + 1, sizeof *texts);
    for (size_t i = 0; all && texts && i < a->audit.n; i++) {
        const struct audit_node *n = &a->audit.nodes[i];
        size_t len = (size_t)snprintf(texts[i], sizeof texts[i], "%s (",
                                      audit_machine_name(n->verdict));
        for (unsigned q = 0; q < AUDIT_QUESTIONS && len < sizeof texts[i]; q++)
            len += (size_t)snprintf(
                texts[i] + len, sizeof texts[i] - len, "%s %s%s", audit_topic_name(q),
                audit_verdict_name(n->tests[q]), q + 1 < AUDIT_QUESTIONS ? ", " : ")");
        all[i] = (struct failure){n->host, texts[i], ""};
    }
    if (all && texts)
        failures_format(all, a->audit.n, a->text, sizeof a->text);
    free(texts);
    free(all);
}

const char *job_audit_text(const struct job *j)
{
    return j->audit ? j->audit->text : "";
}

static int on_ask(void *arg, uint32_t node, const Aolani__AuditAsk *m)
{
    struct job *j = arg;
    return fleet_send(j->fleet, node, MSG_AUDIT_ASK, j->config.attempt, &m->base);
}

static void on_done(void *arg)
{
    struct job *j = arg;
    struct audit_unmet u;
    if (j->state != JOB_AUDITING) /* a node was lost meanwhile, or the user ended it */
        return;
    audit_judge(&j->audit->audit);
    describe(j->audit);
    if (audit_require(j->config.spec, &j->audit->audit, &u) < 0) {
        fail(j, 1, "audit the nodes: there is no memory for it");
        return;
    }
    if (u.n > 0)
        refuse(j, &u);
    else
        job_event(j, JOB_EV_AUDITED);
    audit_unmet_fini(&u);
}

static int begin(struct job *j, struct err *e)
{
    static const struct conduct_ops ops = {.ask = on_ask, .done = on_done};
    struct job_audit *a = calloc(1, sizeof *a);
    if (!(j->audit = a))
        return err_sys(e, -ENOMEM, "audit the nodes");
    int rc = audit_begin(&a->audit, j->n_nodes, e);
    for (uint32_t i = 0; i < j->n_nodes && rc == 0; i++) {
        rc = audit_info_fill(job_node_name(j, i), fleet_info(j->fleet, i),
                             &a->audit.nodes[i]);
        if (rc < 0)
            err_sys(e, rc, "audit the nodes");
    }
    struct conduct_config c = {
        .audit = &a->audit,
        .skip = (const char *const *)j->config.spec->audit.skip.items};
    return rc < 0 ? rc : conduct_create(&c, &ops, j, &a->conduct, e);
}

void job_audit_begin(struct job *j)
{
    struct err e;
    if (!audit_requires(j->config.spec)) {
        job_event(j, JOB_EV_AUDITED);
        return;
    }
    log_info("asking %u node%s whether they are what [audit] requires", j->n_nodes,
             j->n_nodes == 1 ? "" : "s");
    int rc = begin(j, &e);
    if (rc < 0)
        fail(j, err_exit_status(rc), e.text);
    else
        conduct_start(j->audit->conduct, loop_now_ms(j->loop));
}

void job_audit_tick(struct job *j, uint64_t now_ms)
{
    if (j->state == JOB_AUDITING && j->audit && j->audit->conduct)
        conduct_tick(j->audit->conduct, now_ms);
}

/* What it brings is taken out of it, which its decoder's owner knows nothing of: the texts
 * and lists of a message are of one allocator, so a part that is gone is simply not there. */
int job_on_audit_said(struct job *j, uint32_t node, const ProtobufCMessage *msg,
                      struct err *e)
{
    if (j->state == JOB_ENDING) /* it crossed our END */
        return 0;
    if (!j->audit || !j->audit->conduct)
        return err_set(e, ERR_PROTO, "it answers an audit that nobody asked for");
    return conduct_said(j->audit->conduct, node, (Aolani__AuditSaid *)msg,
                        loop_now_ms(j->loop), e);
}

static void on_fault(struct job *j, uint32_t rank, enum netproof_fault found)
{
    if (found == NETPROOF_NONE)
        return;
    const struct plan_node *n = &j->plan.nodes[j->plan.ranks[rank].node];
    if (!audit_requires_net(j->config.spec)) {
        if (n->n_nics > 0)
            job_warn(j, "rank %u on %s: %s, though the node has %s", rank,
                     job_node_name(j, j->plan.ranks[rank].node),
                     netproof_fault_text(found), n->topo->nics[n->nics[0]].m->name);
        return;
    }
    job_set_stop(j, STOP_ERROR, err_exit_status(ERR_REFUSED),
                 "rank %u on %s: %s, and [audit] require_net is \"%s\"", rank,
                 job_node_name(j, j->plan.ranks[rank].node), netproof_fault_text(found),
                 j->config.spec->audit.require_net);
    job_event(j, JOB_EV_FAILED);
}

void job_watch_net(struct job *j, uint32_t rank, int stream, const void *data,
                   size_t len)
{
    if (j->netwatch && j->state == JOB_RUNNING)
        on_fault(j, rank, netwatch_add(j->netwatch, rank, stream, data, len));
}

void job_judge_net(struct job *j, uint32_t rank, const struct ncclsaid *s)
{
    if (j->netwatch && j->state == JOB_RUNNING)
        on_fault(j, rank, netwatch_said(j->netwatch, s));
}

void job_audit_destroy(struct job_audit *a)
{
    if (!a)
        return;
    conduct_destroy(a->conduct);
    audit_fini(&a->audit);
    free(a);
}
