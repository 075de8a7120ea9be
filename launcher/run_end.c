/* SPDX-License-Identifier: MIT */
/* run_end.c - what is kept and shown of attempts, and of the run at its end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "launcher/report.h"
#include "launcher/run_impl.h"
#include "launcher/rundb.h"
#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/log.h"
#include "proto/wire/aolani.pb-c.h"

/* ---- an attempt ---- */

static void close_ledger(struct run *r, uint64_t wall_ns, bool is_void)
{
    uint64_t before = r->job_ns > r->mark_ns ? r->job_ns - r->mark_ns : 0;
    uint64_t pause = r->pause_ns < before ? r->pause_ns : before;
    if (is_void) /* as if it had never been: all of it is lost time */
        job_close_ledger(r->job, wall_ns / 1000000, 0, wall_ns / 1000000);
    else
        job_close_ledger(r->job, pause / 1000000, (before - pause) / 1000000,
                         wall_ns / 1000000);
}

int run_keep_attempt(struct run *r, const struct job_outcome *o, bool is_void)
{
    uint64_t now = clock_mono_ns(), wall_ns = now - r->mark_ns;
    struct runstate_attempt a = {.attempt = r->attempt,
                                 .ended = true,
                                 .again = r->decision.act != RESTART_END,
                                 .spent = r->decision.spends,
                                 .exit_status = o->exit_status,
                                 .end_real_ns = clock_real_ns(),
                                 .has_step = o->has_step,
                                 .first_step = o->first_step,
                                 .last_step = o->last_step,
                                 .uncounted = o->uncounted,
                                 .world_size = o->ran ? 1 : 0,
                                 .ours = true,
                                 .wall_ns = wall_ns};
    close_ledger(r, wall_ns, is_void);
    r->mark_ns = now;
    r->pause_ns = 0;
    a.start_real_ns = a.end_real_ns - (wall_ns < a.end_real_ns ? wall_ns : 0);
    a.ledger = *o->ledger;
    (void)snprintf(a.cause, sizeof a.cause, "%s", restart_cause_name(r->cause));
    if (!(a.sentence = strdup(r->sentence)))
        return -ENOMEM;
    int rc = runstate_add(&r->state, &a);
    if (rc < 0)
        free(a.sentence);
    else
        run_journal_attempt(r);
    return rc;
}

void run_journal_attempt(struct run *r)
{
    const struct runstate_attempt *a = runstate_last(&r->state);
    Aolani__JAttempt m = AOLANI__JATTEMPT__INIT;
    m.attempt = a->attempt;
    m.exit_status = a->exit_status;
    m.sentence = a->sentence;
    m.t_real_ns = a->end_real_ns;
    m.has_step = a->has_step;
    m.first_step = a->first_step;
    m.last_step = a->last_step;
    m.uncounted = a->uncounted;
    m.again = a->again;
    m.spent = a->spent;
    m.wall_ns = a->wall_ns;
    m.cause = (char *)a->cause;
    m.ledger_us = (uint64_t *)a->ledger.us;
    m.n_ledger_us = LEDGER_ROWS;
    m.hangs = (uint32_t)a->ledger.hangs;
    if (journal_append(r->journal, JOURNAL_ATTEMPT, &m.base) < 0)
        log_warn("how attempt %u ended is not in the journal", a->attempt);
}

/* ---- the run ---- */

void run_journal_end(struct run *r, int exit_status, const char *sentence)
{
    Aolani__JEnd m = AOLANI__JEND__INIT;
    m.exit_status = exit_status;
    m.sentence = (char *)sentence;
    m.t_real_ns = clock_real_ns();
    (void)journal_append(r->journal, JOURNAL_END, &m.base);
}

static const char *start_text(const struct run *r, char text[32])
{
    time_t t = (time_t)(r->start_real_ns / 1000000000u);
    struct tm tm;
    (void)strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
    return text;
}

void run_fill_summary(struct run *r, struct summary *s)
{
    job_summary(r->job, s);
    s->run_id = r->run_id;
    s->name = r->spec->job.name;
    s->dir = r->dir.path;
    s->version = AOLANI_VERSION;
    s->started_utc = start_text(r, r->started);
    s->attempts = r->attempt;
    s->exit_status = r->exit_status;
    s->sentence = r->sentence;
    uint64_t wall_ns = runstate_ledger(&r->state, r->former_ns, &r->ledger);
    s->wall_ms = wall_ns / 1000000;
    s->ledger = &r->ledger;
    s->queued_ms = allocation_queued_ms(r->held);
    s->history = r->state.attempts;
    s->n_history = r->state.n_attempts;
}

/* Failures are said, never fatal: the job has ended, and its status is what counts. */
void run_keep_json(struct run *r, const struct summary *s, bool in_journal)
{
    struct buf json;
    struct err e;
    char path[PATH_MAX];
    buf_init(&json, 1u << 30);
    int rc = report_json(s, &json);
    if (rc < 0)
        err_sys(&e, rc, "make run.json");
    if (rc == 0)
        rc = rundir_path(&r->dir, "run.json", path, sizeof path, &e);
    if (rc == 0)
        rc = rundir_write(path, json.data, json.len, 0600, &e);
    if (rc < 0)
        log_warn("%s", e.text);
    Aolani__JSummary m = AOLANI__JSUMMARY__INIT;
    m.run_json.data = json.data;
    m.run_json.len = json.len;
    if (in_journal && journal_append(r->journal, JOURNAL_SUMMARY, &m.base) < 0)
        log_warn("the summary is in run.json alone, not in the journal");
    buf_fini(&json);
}

static void derive_db(struct run *r)
{
    char journal[PATH_MAX], db[PATH_MAX];
    struct err e;
    if (journal_close(r->journal, &e) < 0) /* what it does hold is worth having */
        log_warn("%s", e.text);
    r->journal = NULL;
    int rc = rundir_path(&r->dir, "journal", journal, sizeof journal, &e);
    if (rc == 0)
        rc = rundir_path(&r->dir, "run.db", db, sizeof db, &e);
    if (rc == 0)
        rc = rundb_build(journal, db, &e);
    if (rc < 0)
        log_warn("%s", e.text);
}

static void print_page(const struct summary *s)
{
    struct buf page;
    buf_init(&page, 1u << 24);
    if (log_level() >= LOG_NOTE_ && report_text(s, &page) == 0)
        dprintf(STDERR_FILENO, "%s", (char *)page.data);
    else
        log_note("%s", s->sentence);
    buf_fini(&page);
}

int run_conclude(struct run *r)
{
    struct summary s;
    allocation_release(r->held);
    run_fill_summary(r, &s);
    live_destroy(r->live);
    r->live = NULL;
    log_setup("aolani-run", log_level(), NULL, NULL);
    run_keep_json(r, &s, true);
    if (r->decision.act == RESTART_END)
        run_journal_end(r, s.exit_status, s.sentence);
    print_page(&s);
    if (r->decision.act == RESTART_OPEN)
        log_note("to go on with it: aolani-run resume %s", r->dir.path);
    derive_db(r);
    return s.exit_status;
}
