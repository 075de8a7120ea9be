/* SPDX-License-Identifier: MIT */
/* job_steps.c - step records as they come: from which source they are taken
 * (stepsource.h), which is said once, and on to the statistics. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "launcher/job_coll.h"
#include "launcher/job_impl.h"
#include "proto/base/log.h"

int job_steps_create(struct job *j)
{
    const struct spec *s = j->config.spec;
    j->renumbered = j->config.renumbered;
    return stepsource_init(&j->source, s->steps.source, s->steps.log_pattern != NULL,
                           j->plan.world_size);
}

/* ---- which source */

void job_steps_say(struct job *j)
{
    char words[STEPSOURCE_TEXT];
    stepsource_words(j->source.chosen, j->nccl_steps, words);
    stepsource_why(&j->source, j->nccl_steps, j->source_why);
    (void)snprintf(j->source_words, sizeof j->source_words, "%s", words);
    log_note("steps: %s%s%s", words, j->source_why[0] ? "; " : "", j->source_why);
    job_coll_said(j);
    job_journal_source(j);
}

/* False: these records are not taken. */
static bool take_from(struct job *j, uint32_t rank, unsigned source, uint64_t n)
{
    enum stepsource_verdict v = stepsource_see(&j->source, rank, source, n);
    if (v == STEPSOURCE_DROP)
        return false;
    if (v == STEPSOURCE_ANEW && job_variance_anew(j) < 0)
        log_warn("the statistics of two kinds of steps are mixed: no memory");
    if (v != STEPSOURCE_TAKE) {
        steps_done_before(j->steps,
                          job_steps_are_counted(j) ? j->config.done_steps : 0);
        job_steps_say(j);
    }
    return true;
}

/* Collectives are counted from each start, and anew by another anchor and in another
 * communicator; lines, where their numbers fall, from somewhere. */
void job_steps_anew(struct job *j)
{
    if (j->source.chosen != STEPREC_NCCL)
        return;
    if (job_variance_anew(j) < 0)
        log_warn("the statistics of two kinds of steps are mixed: no memory");
    job_steps_say(j);
}

bool job_steps_are_counted(const struct job *j)
{
    return j->source.chosen != STEPREC_NCCL &&
           !(j->source.chosen == STEPREC_LOG && j->renumbered);
}

static void find_renumbered(struct job *j, const struct steprec *r)
{
    if (r->source != STEPREC_LOG || !(r->flags & STEPREC_RENUMBERED))
        return;
    if (!j->renumbered)
        log_note("steps: the numbers that log_pattern finds fall within an attempt, as "
                 "where each epoch begins at its own first step: steps are counted on, "
                 "and whether an attempt repeats what another has done is not known");
    j->renumbered = true;
    job_step_uncounted(j);
}

/* ---- records */

/* Of NCCL's some may have been held, and another source chosen since. */
void job_steps_add(struct job *j, const struct steprec *r, uint64_t now_ms)
{
    if (r->source == j->source.chosen)
        steps_add(j->steps, r, now_ms);
}

static void add_records(struct job *j, const Aolani__Steps *m)
{
    uint64_t now = loop_now_ms(j->loop);
    for (size_t at = 0; at < m->records.len; at += STEPREC_BYTES) {
        struct steprec r;
        steprec_decode(m->records.data + at, &r);
        r.rank = m->rank; /* what the rank itself wrote there counts for nothing */
        r.source = (uint8_t)stepsource_of(r.source);
        find_renumbered(j, &r);
        if (r.source == STEPREC_NCCL)
            job_coll_record(j, &r, now);
        else
            job_steps_add(j, &r, now);
        job_stall_news(j, r.rank, r.step);
        j->saw_steps = true;
    }
    if (j->source.chosen == STEPREC_NCCL)
        job_coll_journal(j);
    else
        job_journal_steps(j, m);
}

static unsigned source_at(const Aolani__Steps *m, size_t at)
{
    struct steprec r;
    steprec_decode(m->records.data + at, &r);
    return stepsource_of(r.source);
}

int job_on_steps(struct job *j, uint32_t node, const ProtobufCMessage *msg,
                 struct err *e)
{
    const Aolani__Steps *m = (const void *)msg;
    int rc = job_check_rank(j, node, m->rank, e);
    if (rc < 0)
        return rc;
    if (m->records.len % STEPREC_BYTES != 0)
        return err_set(e, ERR_PROTO, "a batch of step records is cut");
    for (size_t at = 0, end; at < m->records.len; at = end) {
        unsigned source = source_at(m, at);
        for (end = at + STEPREC_BYTES; end < m->records.len; end += STEPREC_BYTES)
            if (source_at(m, end) != source)
                break;
        Aolani__Steps part = *m;
        part.records.data += at;
        part.records.len = end - at;
        j->ranks[m->rank].steps_dropped = m->dropped;
        if (take_from(j, m->rank, source, (end - at) / STEPREC_BYTES))
            add_records(j, &part);
    }
    steps_dropped(j->steps, m->rank, m->dropped);
    if (m->others && j->source.chosen == STEPREC_CLIENT && !j->said_others) {
        job_warn(j,
                 "rank %u: steps are marked by more than one process; those of the "
                 "first count",
                 m->rank);
        j->said_others = true;
    }
    return 0;
}

/* ---- the end */

void job_steps_end(struct job *j)
{
    char text[STEPSOURCE_TEXT];
    /* Of NCCL more may be known by now than when steps began. */
    stepsource_why(&j->source, j->nccl_steps, j->source_why);
    if (j->ran && j->exit_status == 0 && j->steps &&
        stepsource_missing(&j->source, j->nccl_steps, text))
        job_warn(j, "%s", text);
}

void job_steps_fill(const struct job *j, struct summary *s)
{
    s->step_source = stepsource_name(j->source.chosen);
    s->step_source_words = j->source_words;
    s->step_source_why = j->source_why;
}
