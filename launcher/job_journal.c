/* SPDX-License-Identifier: MIT */
/* job_journal.c - what a job writes into the journal. */
#include "launcher/job_impl.h"
#include "launcher/variance/mechanism.h"
#include "proto/base/clock.h"

/* A check keeps nothing. */
static int64_t append(struct job *j, enum journal_type type, const ProtobufCMessage *m)
{
    return j->config.journal ? journal_append(j->config.journal, type, m) : 0;
}

int64_t job_journal_phase(struct job *j, const char *phase)
{
    Aolani__JPhase m = AOLANI__JPHASE__INIT;
    m.phase = (char *)phase;
    m.t_real_ns = clock_real_ns();
    m.t_mono_ns = clock_mono_ns();
    m.attempt = j->config.attempt;
    if (j->state == JOB_BOOTING) {
        m.nodes = j->config.nodes->names;
        m.n_nodes = j->n_nodes;
    }
    return append(j, JOURNAL_PHASE, &m.base);
}

void job_journal_progress(struct job *j)
{
    Aolani__JProgress m = AOLANI__JPROGRESS__INIT;
    m.attempt = j->config.attempt;
    m.first_step = j->has_step ? j->first_step : 1;
    m.last_step = j->has_step ? j->last_step : 0;
    m.uncounted = j->uncounted;
    m.t_real_ns = clock_real_ns();
    (void)append(j, JOURNAL_PROGRESS, &m.base);
}

void job_journal_node(struct job *j, uint32_t node, const char *event,
                      const char *detail, const Aolani__NodeInfo *info)
{
    Aolani__JNode m = AOLANI__JNODE__INIT;
    m.node = node;
    m.event = (char *)event;
    m.detail = (char *)detail;
    m.t_real_ns = clock_real_ns();
    m.info = (Aolani__NodeInfo *)info;
    (void)append(j, JOURNAL_NODE, &m.base);
}

void job_journal_replaced(struct job *j, const struct job_replaced *r)
{
    Aolani__JNode m = AOLANI__JNODE__INIT;
    m.node = r->node;
    m.event = "replaced";
    m.detail = (char *)r->why;
    m.name = (char *)r->by;
    m.t_real_ns = clock_real_ns();
    (void)append(j, JOURNAL_NODE, &m.base);
}

void job_journal_rank(struct job *j, uint32_t rank, const char *event, int32_t pid)
{
    const struct job_rank *r = &j->ranks[rank];
    Aolani__JRank m = AOLANI__JRANK__INIT;
    m.rank = rank;
    m.node = j->plan.ranks[rank].node;
    m.attempt = j->config.attempt;
    m.event = (char *)event;
    m.pid = pid;
    m.wait_status = r->v.wait_status;
    m.t_head_ns = r->v.t_ns;
    m.t_error_ns = r->v.t_error_ns;
    m.cpus = r->cpus ? r->cpus : "";
    m.cpu_user_us = r->cpu_user_us;
    m.cpu_sys_us = r->cpu_sys_us;
    m.max_rss_kib = r->max_rss_kib;
    m.ended_by_us = r->v.ended_by_us;
    (void)append(j, JOURNAL_RANK, &m.base);
}

/* Raw records are bounded by [steps] keep; the statistics go on without. */
void job_journal_steps(struct job *j, const Aolani__Steps *m)
{
    struct job_rank *r = &j->ranks[m->rank];
    uint64_t n = m->records.len / STEPREC_BYTES;
    uint64_t room = (uint64_t)j->config.spec->steps.keep - r->kept;
    Aolani__Steps part = *m;
    if (n > room)
        part.records.len = room * STEPREC_BYTES;
    if (part.records.len == 0)
        return;
    r->kept += n < room ? n : room;
    Aolani__JSteps js = AOLANI__JSTEPS__INIT;
    js.attempt = j->config.attempt;
    js.steps = &part;
    (void)append(j, JOURNAL_STEPS, &js.base);
}

void job_journal_source(struct job *j)
{
    Aolani__JStepSource m = AOLANI__JSTEP_SOURCE__INIT;
    m.attempt = j->config.attempt;
    m.source = (char *)stepsource_name(j->source.chosen);
    m.words = j->source_words;
    m.why = j->source_why;
    m.t_real_ns = clock_real_ns();
    (void)append(j, JOURNAL_STEP_SOURCE, &m.base);
}

void job_journal_binding(struct job *j, const Aolani__Binding *m)
{
    Aolani__JBinding b = AOLANI__JBINDING__INIT;
    b.attempt = j->config.attempt;
    b.binding = (Aolani__Binding *)m;
    b.t_head_ns = clocksync_to_head(fleet_clock(j->fleet, j->plan.ranks[m->rank].node),
                                    m->t_ns, clock_mono_ns(), &(uint64_t){0});
    (void)append(j, JOURNAL_BINDING, &b.base);
}

static uint64_t whole(double us)
{
    return us > 0 ? (uint64_t)(us < 1e18 ? us + 0.5 : 1e18) : 0;
}

static void whole_parts(const double part[MECH_N], uint64_t ret[MECH_N])
{
    for (int i = 0; i < MECH_N; i++)
        ret[i] = whole(part[i]);
}

void job_journal_culprit(struct job *j, const struct culprit *c)
{
    uint64_t parts[MECH_N];
    Aolani__JCulprit m = AOLANI__JCULPRIT__INIT;
    m.attempt = j->config.attempt;
    m.rank = c->rank;
    m.step = c->step;
    m.t_end_ns = c->t_end_ns;
    m.busy_us = c->busy_us;
    m.usual_us = c->usual_us;
    m.loss_us = whole(c->loss_us);
    m.excess_us = whole(c->excess.us);
    m.what = (char *)mech_name(c->excess.what);
    m.n_part_us = MECH_N;
    m.part_us = parts;
    whole_parts(c->excess.part, parts);
    (void)append(j, JOURNAL_CULPRIT, &m.base);
}

void job_journal_spell(struct job *j, const struct spell *s, const char *common)
{
    uint64_t parts[MECH_N];
    Aolani__JSpell m = AOLANI__JSPELL__INIT;
    m.attempt = j->config.attempt;
    m.rank = s->rank;
    m.first_step = s->first_step;
    m.last_step = s->last_step;
    m.over = s->over;
    m.percent = s->percent;
    m.what = (char *)mech_name(s->what);
    m.excess_us = whole(s->excess_us);
    m.loss_us = whole(s->loss_us);
    m.common = (char *)common;
    m.n_part_us = MECH_N;
    m.part_us = parts;
    m.t_head_ns = s->from_ms * 1000000u;
    whole_parts(s->part, parts);
    (void)append(j, JOURNAL_SPELL, &m.base);
}

void job_journal_fault(struct job *j, uint32_t node, const Aolani__GpuFault *f)
{
    Aolani__JFault m = AOLANI__JFAULT__INIT;
    m.attempt = j->config.attempt;
    m.node = node;
    m.t_real_ns = clock_real_ns();
    m.fault = (Aolani__GpuFault *)f;
    (void)append(j, JOURNAL_FAULT, &m.base);
}

void job_journal_stall(struct job *j, const struct summary_stall *s)
{
    Aolani__JStall m = AOLANI__JSTALL__INIT;
    m.attempt = s->attempt;
    m.number = s->number;
    m.step = s->step;
    m.from_ms = s->from_ms;
    m.ms = s->ms;
    m.over = s->over;
    m.ranks = s->ranks ? s->ranks : "";
    m.text = s->text ? s->text : "";
    m.t_real_ns = clock_real_ns();
    (void)append(j, JOURNAL_STALL, &m.base);
}

void job_journal_signals(struct job *j, uint32_t node, const Aolani__NodeSignals *m)
{
    Aolani__JSignals s = AOLANI__JSIGNALS__INIT;
    s.attempt = j->config.attempt;
    s.node = node;
    s.signals = (Aolani__NodeSignals *)m;
    (void)append(j, JOURNAL_SIGNALS, &s.base);
}
