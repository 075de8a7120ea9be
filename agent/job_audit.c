/* SPDX-License-Identifier: MIT */
/* job_audit.c - AUDIT_ASK: passed on to aolani-audit, whose answers go to the head. Before
 * there is a plan, so that nothing of a job is measured with it; the helper is ended when
 * one comes. */
#include "agent/job_impl.h"

static void job_send_audit(void *arg, Aolani__AuditSaid *m)
{
    struct job *j = arg;
    (void)j->c.up->send(j->c.up->arg, MSG_AUDIT_SAID, &m->base);
}

int job_on_audit(struct job *j, const struct envelope *v, ProtobufCMessage *msg,
                 struct err *e)
{
    const struct auditlink_config c = {.loop = j->c.loop,
                                       .path = j->c.host->audit_helper};
    (void)v;
    if (j->state != JOB_IDLE)
        return err_set(e, ERR_PROTO, "audit this node: the job is %s",
                       jobstate_name(j->state));
    int rc = j->audit ? 0 : auditlink_create(&c, job_send_audit, j, &j->audit, e);
    return rc < 0 ? rc : auditlink_ask(j->audit, (const Aolani__AuditAsk *)msg, e);
}

void job_end_audit(struct job *j)
{
    auditlink_destroy(j->audit);
    j->audit = NULL;
}
