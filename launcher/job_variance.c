/* SPDX-License-Identifier: MIT */
/* job_variance.c - from step records and what nodes say of themselves to who was late by
 * what: the pure parts of launcher/variance in a row, and what comes out of them into the
 * journal, the words on the terminal and the summary.
 *
 * A record and the signals around it are of one node, so both keep that node's clock. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/job_coll.h"
#include "launcher/job_impl.h"
#include "launcher/spelllines.h"
#include "launcher/variance/attribute.h"
#include "launcher/variance/factor_plan.h"
#include "launcher/variance/factor_spells.h"
#include "launcher/variance/series.h"
#include "launcher/variance/signals.h"
#include "launcher/variance/signalsum.h"
#include "launcher/variance/usual.h"
#include "proto/base/limits.h"
#include "proto/base/log.h"

#define LATELY 128u /* steps that the live line speaks of */

struct node_sum {
    struct signalsum sum;
    uint64_t since_ms;
    uint32_t written;
};

struct job_variance {
    struct job *job;
    struct signals *signals;
    struct factors *factors;
    struct attribute *attribute;
    struct series series;
    struct usual t; /* the time of a step, us */
    struct node_sum *sums;
    struct spelllines lines;
    uint64_t culprits;
    struct attribution result;
    char **commons; /* of result.spells */
    struct summary_spell *spells;
    size_t n_spells;
};

/* ---------------------------------------------------------------- what is found */

static void on_culprit(void *arg, const struct culprit *c)
{
    struct job_variance *v = arg;
    if (v->culprits++ < LIMIT_CULPRITS)
        job_journal_culprit(v->job, c);
}

static void on_spell(void *arg, const struct spell *s)
{
    struct job_variance *v = arg;
    job_journal_spell(v->job, s, "");
    spelllines_add(&v->lines, s, loop_now_ms(v->job->loop));
}

static void on_where(void *arg, uint32_t rank, uint32_t *ret_node,
                     const char **ret_cpus, const char **ret_gpu, const char **ret_nic)
{
    const struct job_variance *v = arg;
    const struct job *j = v->job;
    const struct plan_rank *p = &j->plan.ranks[rank];
    const struct topo *t = j->plan.nodes[p->node].topo;
    if (ret_node)
        *ret_node = p->node;
    if (ret_cpus)
        *ret_cpus = j->ranks[rank].cpus ? j->ranks[rank].cpus : p->cpus;
    if (ret_gpu)
        *ret_gpu = p->n_gpus > 0 ? t->gpus[p->gpus[0]].m->uuid : NULL;
    if (ret_nic)
        *ret_nic = p->n_nics > 0 ? t->nics[p->nics[0]].m->name : NULL;
}

static void on_record(void *arg, const struct steprec *r, uint32_t attempt)
{
    struct job_variance *v = arg;
    attribute_record(v->attribute, r, attempt);
}

static void on_closed(void *arg, const struct steps_closed *c)
{
    struct job_variance *v = arg;
    attribute_step(v->attribute, c);
    if (c->counted) {
        series_add(&v->series, c->t);
        usual_add(&v->t, c->t);
    }
    struct steps_closed own = *c;
    bool counted = job_steps_are_counted(v->job);
    own.repeated = c->repeated && counted;
    ledger_step(&v->job->ledger, &own, v->t.n ? v->t.median : 0);
    if (c->enough && counted)
        job_step_done(v->job, c->step);
    else if (c->enough)
        job_step_uncounted(v->job);
}

/* ---------------------------------------------------------------- its life */

static int read_factors(struct job_variance *v)
{
    struct job *j = v->job;
    const Aolani__NodeInfo **infos = calloc(j->n_nodes, sizeof *infos);
    if (!infos)
        return -ENOMEM;
    for (uint32_t i = 0; i < j->n_nodes; i++)
        infos[i] = fleet_info(j->fleet, i);
    int rc = factors_of_plan(&j->plan, j->config.nodes->names, infos, &v->factors);
    free(infos);
    return rc;
}

/* A PCI link that trains down is told of the device that is plugged in there. */
static int locate_devices(struct job_variance *v)
{
    int rc = 0;
    for (uint32_t i = 0; i < v->job->n_nodes; i++) {
        const struct topo *t = v->job->plan.nodes[i].topo;
        for (size_t k = 0; rc == 0 && k < t->n_gpus; k++)
            rc =
                signals_locate(v->signals, i, t->gpus[k].m->uuid, t->gpus[k].m->bus_id);
        for (size_t k = 0; rc == 0 && k < t->n_nics; k++)
            rc =
                signals_locate(v->signals, i, t->nics[k].m->name, t->nics[k].m->bus_id);
    }
    return rc;
}

static bool ranks_share_cores(const struct plan *p)
{
    bool shared = false;
    for (uint32_t i = 0; i < p->n_nodes; i++)
        shared = shared || p->nodes[i].oversubscribed;
    return shared;
}

/* What compares steps: made anew when other steps are to be compared. */
static int make_statistics(struct job_variance *v, struct attribute **ret_attribute,
                           struct steps **ret_steps)
{
    const struct job *j = v->job;
    const struct attribute_ops found = {.culprit = on_culprit,
                                        .spell = on_spell,
                                        .where = on_where,
                                        .arg = v,
                                        .shared_cores = ranks_share_cores(&j->plan)};
    const struct steps_ops ops = {.record = on_record, .closed = on_closed, .arg = v};
    uint32_t n = j->plan.world_size, warmup = (uint32_t)j->config.spec->steps.warmup;
    int rc = attribute_create(n, v->signals, &found, ret_attribute);
    return rc < 0 ? rc : steps_create(n, warmup, &ops, ret_steps);
}

int job_variance_create(struct job *j)
{
    struct job_variance *v = calloc(1, sizeof *v);
    if (!v)
        return -ENOMEM;
    j->variance = v;
    v->job = j;
    series_init(&v->series);
    usual_init(&v->t);
    int rc = -ENOMEM;
    if ((v->sums = calloc(j->n_nodes, sizeof *v->sums)))
        rc = signals_create(j->n_nodes, &v->signals);
    if (rc == 0)
        rc = locate_devices(v);
    if (rc == 0)
        rc = read_factors(v);
    if (rc == 0)
        rc = make_statistics(v, &v->attribute, &j->steps);
    if (rc == 0)
        rc = job_coll_create(j);
    if (rc == 0)
        rc = job_steps_create(j);
    if (rc == 0)
        rc = job_stall_create(j);
    return rc; /* the job destroys what there is */
}

void job_variance_destroy(struct job_variance *v)
{
    if (!v)
        return;
    for (uint32_t i = 0; v->sums && i < v->job->n_nodes; i++)
        signalsum_fini(&v->sums[i].sum);
    for (size_t i = 0; i < v->n_spells; i++)
        free(v->commons[i]);
    attribute_destroy(v->attribute);
    factors_destroy(v->factors);
    signals_destroy(v->signals);
    free(v->commons);
    free(v->spells);
    free(v->sums);
    job_coll_destroy(v->job->coll);
    v->job->coll = NULL;
    job_stall_destroy(v->job->stall);
    v->job->stall = NULL;
    free(v);
}

/* ---------------------------------------------------------------- signals of nodes */

static void write_sum(struct job_variance *v, uint32_t node)
{
    struct node_sum *s = &v->sums[node];
    const Aolani__NodeSignals *m = signalsum_get(&s->sum);
    if (!m)
        return;
    job_journal_signals(v->job, node, m);
    s->written++;
    signalsum_fini(&s->sum);
}

int job_on_signals(struct job *j, uint32_t node, const ProtobufCMessage *msg,
                   struct err *e)
{
    const Aolani__NodeSignals *m = (const void *)msg;
    struct job_variance *v = j->variance;
    if (!v)
        return 0;
    int rc = signals_add(v->signals, node, m, e);
    if (rc == -ENOMEM)
        return 0; /* which is no fault of the node's */
    if (rc < 0)
        return ERR_PROTO;
    job_take_faults(j, node, m);
    struct node_sum *s = &v->sums[node];
    if (!signalsum_get(&s->sum))
        s->since_ms = loop_now_ms(j->loop);
    (void)signalsum_add(&s->sum, m);
    return 0;
}

/* ---------------------------------------------------------------- meanwhile */

static void on_common(void *arg, const struct spell *s, struct buf *out)
{
    const struct job_variance *v = arg;
    for (size_t i = v->result.n_spells; i > 0; i--) {
        const struct spell *have = &v->result.spells[i - 1];
        if (have->rank != s->rank || have->attempt != s->attempt ||
            have->first_step != s->first_step)
            continue;
        (void)factor_common(v->factors, v->result.spells, v->result.n_spells, i - 1,
                            out);
        return;
    }
}

static void on_line(void *arg, bool is_warning, const char *text)
{
    (void)arg;
    if (is_warning)
        log_warn("%s", text);
    else
        log_note("%s", text);
}

static void say_spells(struct job_variance *v, uint64_t now_ms, bool last)
{
    if (!spelllines_due(&v->lines, now_ms, last))
        return;
    attribute_result(v->attribute, &v->result);
    const struct spelllines_words words = {.node_of_rank = v->job->node_of_rank,
                                           .now = &v->result,
                                           .common = on_common,
                                           .say = on_line,
                                           .arg = v};
    spelllines_say(&v->lines, &words, now_ms);
}

int job_variance_anew(struct job *j)
{
    struct job_variance *v = j->variance;
    struct attribute *attribute = NULL;
    struct steps *steps = NULL;
    int rc = make_statistics(v, &attribute, &steps);
    if (rc < 0) {
        attribute_destroy(attribute);
        return rc;
    }
    uint64_t now_ms = loop_now_ms(j->loop);
    steps_finish(j->steps);
    attribute_finish(v->attribute, now_ms);
    say_spells(v, now_ms, true);
    steps_destroy(j->steps);
    attribute_destroy(v->attribute);
    j->steps = steps;
    v->attribute = attribute;
    v->result = (struct attribution){0};
    series_init(&v->series);
    usual_init(&v->t);
    j->has_step = false;
    j->uncounted = STEPREC_NONE;
    job_stall_anew(j);
    return 0;
}

void job_variance_tick(struct job *j, uint64_t now_ms)
{
    struct job_variance *v = j->variance;
    if (!v)
        return;
    job_coll_tick(j, now_ms);
    job_stall_tick(j, now_ms);
    steps_tick(j->steps, now_ms);
    attribute_tick(v->attribute, now_ms);
    say_spells(v, now_ms, false);
    for (uint32_t i = 0; i < j->n_nodes; i++) {
        struct node_sum *s = &v->sums[i];
        if (signalsum_get(&s->sum) &&
            now_ms - s->since_ms >= signalsum_every_ms(j->n_nodes, s->written))
            write_sum(v, i);
    }
}

bool job_variance_is_uneasy(const struct job *j)
{
    return j->variance && attribute_is_uneasy(j->variance->attribute);
}

static bool is_telling(enum mechanism m)
{
    return m != MECH_MIXED && m != MECH_UNKNOWN;
}

const char *job_why_slow(const struct job *j, uint32_t rank, uint32_t step)
{
    struct job_variance *v = j->variance;
    struct attribution *a = &v->result;
    attribute_result(v->attribute, a);
    for (size_t i = a->n_spells; i > 0; i--) {
        const struct spell *s = &a->spells[i - 1];
        if (s->rank == rank && !s->over && s->steps > 0 && is_telling(s->what))
            return mech_phrase(s->what);
    }
    for (size_t i = 0; i < a->n_blames; i++) {
        const struct blame *b = &a->blames[i];
        if (b->rank == rank && is_telling(b->what) && b->last_step <= step &&
            step - b->last_step < LATELY)
            return mech_phrase(b->what);
    }
    return NULL;
}

/* ---------------------------------------------------------------- the end */

/* What is common to spells, and the last word on each for the journal. */
static void keep_spells(struct job_variance *v)
{
    const struct attribution *a = &v->result;
    v->commons = calloc(a->n_spells + 1, sizeof *v->commons);
    v->spells = calloc(a->n_spells + 1, sizeof *v->spells);
    for (size_t i = 0; v->commons && v->spells && i < a->n_spells; i++) {
        struct buf words;
        buf_init(&words, 1u << 16);
        if (factor_common(v->factors, a->spells, a->n_spells, i, &words) == 0 &&
            words.len > 0)
            v->commons[i] = strndup((const char *)words.data, words.len);
        buf_fini(&words);
        v->spells[i].common = v->commons[i] ? v->commons[i] : "";
        v->n_spells = i + 1;
        job_journal_spell(v->job, &a->spells[i], v->spells[i].common);
    }
}

void job_variance_finish(struct job *j, uint64_t now_ms)
{
    struct job_variance *v = j->variance;
    if (!v)
        return;
    job_stall_finish(j);
    job_coll_finish(j);
    steps_finish(j->steps);
    attribute_finish(v->attribute, now_ms);
    say_spells(v, now_ms, true);
    attribute_result(v->attribute, &v->result);
    keep_spells(v);
    for (uint32_t i = 0; i < j->n_nodes; i++)
        write_sum(v, i);
    if (v->culprits > LIMIT_CULPRITS)
        job_warn(j, "run.db has the first %u of %llu late steps", LIMIT_CULPRITS,
                 (unsigned long long)v->culprits);
}

static void fill_cost(const struct job *j, struct summary *s)
{
    const struct spec *spec = j->config.spec;
    for (uint32_t i = 0; j->plan.nodes && i < j->plan.n_nodes; i++)
        s->cost.devices += (uint32_t)j->plan.nodes[i].n_gpus;
    s->cost.ranks = s->cost.devices == 0;
    if (s->cost.ranks)
        s->cost.devices = j->plan.world_size;
    s->cost.device_hour = spec->cost.gpu_hour;
    (void)snprintf(s->cost.currency, sizeof s->cost.currency, "%s",
                   spec->cost.currency ? spec->cost.currency : "");
}

void job_variance_fill(struct job *j, struct summary *s)
{
    struct job_variance *v = j->variance;
    fill_cost(j, s);
    s->ledger = &j->ledger;
    if (!v)
        return;
    s->signals = v->signals;
    if (!j->saw_steps)
        return;
    struct steps_job all;
    steps_job(j->steps, &all);
    s->series = &v->series;
    if (all.closed > 0 && all.uncompared == all.closed)
        return; /* that no rank was late is not known either */
    s->variance = &v->result;
    s->spells = v->spells;
    s->n_spells = v->n_spells;
}

static uint64_t take(uint64_t *left, uint64_t want)
{
    uint64_t got = want < *left ? want : *left;
    *left -= got;
    return got;
}

void job_close_ledger(struct job *j, uint64_t earlier_ms, uint64_t before_ms,
                      uint64_t wall_ms)
{
    uint64_t left = wall_ms;
    uint64_t earlier = take(&left, earlier_ms);
    uint64_t start =
        take(&left, before_ms + j->phase_ms[0] + j->phase_ms[1] + j->phase_ms[2]);
    uint64_t run = take(&left, j->phase_ms[JOB_PHASE_RUN]);
    ledger_close(&j->ledger, start, run, left, earlier);
}
