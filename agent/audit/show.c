/* SPDX-License-Identifier: MIT */
/* show.c - see show.h. */
#include "agent/audit/show.h"

#include <string.h>

#include "proto/wire/auditlist.h"

static int show_finding(const Aolani__AuditFinding *a, const struct audit_probe_info *p,
                        struct buf *out)
{
    int rc =
        buf_printf(out, "  %-7s  %-4s  %s\n",
                   audit_verdict_name((enum audit_verdict)a->verdict), p->id, p->title);
    if (rc == 0)
        rc = buf_printf(out, "                 %s (%s)\n", a->evidence, a->source);
    if (rc == 0 && a->more[0])
        rc = buf_printf(out, "                 more is known with: %s\n", a->more);
    return rc;
}

/* In the order of the list, not of looking. */
static int show_topic(const Aolani__AuditFindings *m, enum audit_topic t,
                      struct buf *out)
{
    int rc = buf_printf(out, "%s\n", audit_topic_name(t));
    for (int p = 0; p < AUDIT_N_PROBES; p++) {
        const struct audit_probe_info *info = audit_probe_info((enum audit_probe)p);
        for (size_t i = 0; i < m->n_findings && info->topic == t && rc == 0; i++)
            if (!strcmp(m->findings[i]->id, info->id))
                rc = show_finding(m->findings[i], info, out);
    }
    return rc;
}

int show_findings(const Aolani__AuditFindings *m, struct buf *out)
{
    int rc = 0;
    for (int t = 0; t < AUDIT_TOPICS && rc == 0; t++)
        rc = show_topic(m, (enum audit_topic)t, out);
    return rc == 0 ? buf_printf(out, "looked as user %u\n", m->uid) : rc;
}

/* ---- measurements ---- */

static int show_cores(const Aolani__AuditMeasured *m, struct buf *out)
{
    int rc = 0;
    for (size_t i = 0; i < m->n_cores && rc == 0; i++) {
        const Aolani__AuditCore *c = m->cores[i];
        double part =
            c->window_ns ? 100.0 * (double)c->lost_ns / (double)c->window_ns : 0;
        rc = buf_printf(
            out, "  cpu %-5u lost %.3f %% in %llu gaps, the longest %.1f us", c->cpu,
            part, (unsigned long long)c->gaps, (double)c->longest_ns / 1e3);
        if (rc == 0 && c->stolen_ns >= 0)
            rc = buf_printf(out, ", stolen %.1f us", (double)c->stolen_ns / 1e3);
        if (rc == 0 && c->preempted_ns >= 0)
            rc = buf_printf(out, ", preempted %.1f us", (double)c->preempted_ns / 1e3);
        if (rc == 0)
            rc = buf_printf(out, ", %llu interrupts\n",
                            (unsigned long long)c->interrupts);
    }
    return rc;
}

static int show_memory(const Aolani__AuditMeasured *m, struct buf *out)
{
    int rc = 0;
    for (size_t i = 0; i < m->n_memory && rc == 0; i++) {
        const Aolani__AuditMemory *n = m->memory[i];
        rc = buf_printf(out, "  numa %-4u %llu MB/s one core, %llu MB/s %u cores\n",
                        n->numa, (unsigned long long)n->one_mbytes,
                        (unsigned long long)n->all_mbytes, n->cores);
    }
    return rc;
}

static int show_cost(const char *what, const Aolani__AuditCost *c, struct buf *out)
{
    if (!c)
        return 0;
    return buf_printf(out, "  %-9s %llu ns, least %llu, of 100 one takes %llu\n", what,
                      (unsigned long long)c->median, (unsigned long long)c->least,
                      (unsigned long long)c->p99);
}

static int show_copies(const Aolani__AuditMeasured *m, struct buf *out)
{
    int rc = 0;
    for (size_t i = 0; i < m->n_copies && rc == 0; i++) {
        const Aolani__AuditCopy *c = m->copies[i];
        if (c->error[0])
            rc = buf_printf(out, "  gpu %s %s\n", c->bus_id, c->error);
        else
            rc =
                buf_printf(out,
                           "  gpu %s to %llu, from %llu, within %llu MB/s; its link is "
                           "rated %llu\n",
                           c->bus_id, (unsigned long long)c->to_mbytes,
                           (unsigned long long)c->from_mbytes,
                           (unsigned long long)c->within_mbytes,
                           (unsigned long long)c->rated_mbytes);
    }
    return rc;
}

static int show_others(const Aolani__AuditMeasured *m, struct buf *out)
{
    int rc = 0;
    for (size_t i = 0; i < m->n_busy && rc == 0; i++)
        rc = buf_printf(out, "  busy      %s (pid %d, user %u) wants %u %% of a CPU\n",
                        m->busy[i]->name, m->busy[i]->pid, m->busy[i]->uid,
                        m->busy[i]->percent);
    for (size_t i = 0; i < m->n_notes && rc == 0; i++)
        rc = buf_printf(out, "  note      %s\n", m->notes[i]);
    return rc;
}

int show_measured(const Aolani__AuditMeasured *m, struct buf *out)
{
    int rc = buf_printf(out, "measured\n");
    if (rc == 0)
        rc = show_cores(m, out);
    if (rc == 0)
        rc = show_memory(m, out);
    if (rc == 0)
        rc = show_cost("cpuid", m->exit, out);
    if (rc == 0)
        rc = show_cost("clock", m->clock, out);
    if (rc == 0 && m->clocksource[0])
        rc = buf_printf(out, "  source    %s\n", m->clocksource);
    if (rc == 0 && m->ticks)
        rc = buf_printf(out, "  ticks     %u in a second\n", m->ticks);
    if (rc == 0)
        rc = show_copies(m, out);
    return rc == 0 ? show_others(m, out) : rc;
}
