/* SPDX-License-Identifier: MIT */
/* run.c - see run.h. */
#include "launcher/run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "launcher/interrupt.h"
#include "launcher/job.h"
#include "launcher/report.h"
#include "launcher/rundb.h"
#include "launcher/rundir.h"
#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/log.h"
#include "proto/wire/aolani.pb-c.h"

#define PORT_RETRIES 3u /* a port that is lost so often is lost to something else */

struct run {
    struct loop *loop;
    struct spec *spec;
    struct nodes nodes;
    struct rundir dir;
    struct journal *journal;
    struct live *live;
    struct job *job;
    struct interrupt *interrupt;
    struct secure_key key;
    char run_id[2 * SECURE_RUN_BYTES + 1];
    uint64_t start_ns, start_real_ns;
    uint64_t attempt_ns, job_ns; /* of the last: when it began, and its job */
    uint32_t attempt;            /* from 1 */
    char attempt_dir[PATH_MAX];
    uint32_t port_retries;
    struct rlimits limits; /* of the user, before we raised ours */
};

void run_raise_limits(enum spec_backend backend, struct rlimits *ret_found)
{
    rlimits_read(ret_found);
    struct rlimit r;
    if (backend == BACKEND_LOCAL || getrlimit(RLIMIT_NOFILE, &r) < 0 ||
        r.rlim_cur == r.rlim_max)
        return;
    r.rlim_cur = r.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &r);
}

static void on_journal_error(void *arg, const struct err *e)
{
    (void)arg;
    log_warn("the journal is incomplete: %s", e->text);
}

/* The job's key, for a head that may one day take over; its holder rules the job. */
static int write_key(struct run *r, struct err *e)
{
    char path[PATH_MAX];
    char hex[2 * SECURE_KEY_BYTES + 2];
    secure_hex(r->key.b, sizeof r->key.b, hex);
    hex[sizeof hex - 2] = '\n';
    int rc = rundir_path(&r->dir, "key", path, sizeof path, e);
    if (rc == 0)
        rc = rundir_write(path, hex, sizeof hex - 1, 0600, e);
    secure_wipe(hex, sizeof hex);
    return rc;
}

static int journal_start(struct run *r, struct err *e)
{
    char path[PATH_MAX];
    struct buf toml;
    buf_init(&toml, LIMIT_JOURNAL_RECORD / 2); /* it goes into a record */
    int rc = spec_format(r->spec, &toml);
    if (rc < 0) {
        buf_fini(&toml);
        return err_sys(e, rc, "write the resolved job file");
    }
    rc = rundir_path(&r->dir, "spec.toml", path, sizeof path, e);
    if (rc == 0)
        rc = rundir_write(path, toml.data, toml.len, 0600, e);
    if (rc == 0)
        rc = rundir_path(&r->dir, "journal", path, sizeof path, e);
    if (rc == 0)
        rc = journal_open(r->loop, path, on_journal_error, r, &r->journal, e);
    Aolani__JRunStart m = AOLANI__JRUN_START__INIT;
    m.run_id = r->run_id;
    m.name = r->spec->job.name;
    m.version = (char *)AOLANI_VERSION;
    m.t_real_ns = r->start_real_ns;
    m.spec_toml = (char *)toml.data;
    m.nodes = r->nodes.names;
    m.n_nodes = r->nodes.n;
    m.epoch = 1;
    m.argv = r->spec->job.command.items;
    m.n_argv = r->spec->job.command.n;
    int64_t number =
        rc == 0 ? journal_append(r->journal, JOURNAL_RUN_START, &m.base) : 0;
    buf_fini(&toml);
    return number < 0 ? err_sys(e, (int)number, "begin the journal") : rc;
}

static void on_finished(void *arg)
{
    struct run *r = arg;
    loop_stop(r->loop);
}

static int run_open(struct run *r, struct err *e)
{
    uint8_t id[SECURE_RUN_BYTES];
    int rc = secure_init(e);
    if (rc < 0)
        return rc;
    secure_random(id, sizeof id);
    secure_hex(id, sizeof id, r->run_id);
    secure_random(&r->key, sizeof r->key);
    r->start_ns = clock_mono_ns();
    r->start_real_ns = clock_real_ns();
    int64_t per_node = r->spec->job.ranks_per_node; /* 0: only the nodes know */
    if ((rc = nodes_resolve(r->spec, &r->nodes, e)) < 0 ||
        (per_node > 0 &&
         (rc = job_check_stdin(r->spec, (uint64_t)per_node * r->nodes.n, e)) < 0) ||
        (rc = loop_create(&r->loop, e)) < 0)
        return rc;
    run_raise_limits(r->nodes.backend, &r->limits);
    if ((rc = rundir_create(r->spec->job.output, r->spec->job.name, r->start_real_ns,
                            r->run_id, &r->dir, e)) < 0)
        return e->hint[0] ? rc : err_hint(e, "choose another folder for runs: -o DIR");
    if ((rc = write_key(r, e)) < 0 || (rc = journal_start(r, e)) < 0)
        return rc;
    if (!(r->live = live_create(STDERR_FILENO)))
        return err_sys(e, -ENOMEM, "start the run");
    log_setup("aolani-run", log_level(), live_log_sink, r->live);
    log_info("run directory: %s", r->dir.path);
    return 0;
}

static void journal_end(struct run *r, int exit_status, const char *sentence)
{
    Aolani__JEnd m = AOLANI__JEND__INIT;
    m.exit_status = exit_status;
    m.sentence = (char *)sentence;
    m.t_real_ns = clock_real_ns();
    (void)journal_append(r->journal, JOURNAL_END, &m.base);
}

/* ---- attempts ---- */

static int attempt_open(struct run *r, struct err *e)
{
    int rc =
        rundir_attempt(&r->dir, r->attempt, r->attempt_dir, sizeof r->attempt_dir, e);
    if (rc < 0)
        return rc;
    struct job_config c = {.spec = r->spec,
                           .nodes = &r->nodes,
                           .journal = r->journal,
                           .live = r->live,
                           .attempt_dir = r->attempt_dir,
                           .limits = r->limits,
                           .run_id = r->run_id,
                           .job_key = r->key,
                           .epoch = 1,
                           .attempt = r->attempt,
                           .finished = on_finished,
                           .arg = r};
    rc = job_create(r->loop, &c, &r->job, e);
    secure_wipe(&c.job_key, sizeof c.job_key);
    return rc;
}

/* Shall there be another? Then the user is told why. */
static bool attempt_is_void(struct run *r)
{
    const char *node;
    uint32_t port = job_lost_port(r->job, &node);
    if (port == 0 || interrupt_has_stopped(r->interrupt))
        return false;
    if (r->port_retries == PORT_RETRIES) {
        log_warn("MASTER_PORT %u on %s was taken by another program, as those before "
                 "it: the job is not begun again",
                 port, node);
        return false;
    }
    r->port_retries++;
    log_note("MASTER_PORT %u on %s was taken by another program; attempt %u begins",
             port, node, r->attempt + 1);
    return true;
}

int run_attempts(struct run *r, struct err *e)
{
    bool tty = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
    for (;;) {
        r->attempt++;
        if (r->attempt > 1) /* what precedes the first belongs to its start */
            r->attempt_ns = clock_mono_ns();
        int rc = attempt_open(r, e);
        if (rc < 0) { /* what came before is in the journal, and so is its end */
            journal_end(r, err_exit_status(rc), e->text);
            return rc;
        }
        if (r->interrupt)
            interrupt_watch(r->interrupt, r->job);
        else if (!(r->interrupt = interrupt_create(r->loop, r->job, tty)))
            return err_sys(e, -ENOMEM, "watch for signals");
        r->job_ns = clock_mono_ns();
        job_start(r->job);
        loop_run(r->loop);
        if (!attempt_is_void(r))
            return 0;
        job_destroy(r->job);
        r->job = NULL;
    }
}

/* ---- the end ---- */

/* run.json, and the last records of the journal; failures are said, never fatal: the
 * job has ended, and its status is what counts. */
static void keep_summary(struct run *r, const struct summary *s)
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
    if (journal_append(r->journal, JOURNAL_SUMMARY, &m.base) < 0)
        log_warn("the summary is in run.json alone, not in the journal");
    journal_end(r, s->exit_status, s->sentence);
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

static void close_ledger(struct run *r, uint64_t wall_ms)
{
    uint64_t earlier = r->attempt > 1 ? r->attempt_ns - r->start_ns : 0;
    uint64_t before = r->job_ns - r->start_ns - earlier;
    job_close_ledger(r->job, earlier / 1000000, before / 1000000, wall_ms);
}

int run_conclude(struct run *r)
{
    char started[32];
    time_t t = (time_t)(r->start_real_ns / 1000000000u);
    struct tm tm;
    (void)strftime(started, sizeof started, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
    struct summary s;
    job_summary(r->job, &s);
    s.run_id = r->run_id;
    s.name = r->spec->job.name;
    s.dir = r->dir.path;
    s.version = AOLANI_VERSION;
    s.started_utc = started;
    s.attempts = r->attempt;
    s.wall_ms = (clock_mono_ns() - r->start_ns) / 1000000;
    close_ledger(r, s.wall_ms);
    live_destroy(r->live);
    r->live = NULL;
    log_setup("aolani-run", log_level(), NULL, NULL);
    keep_summary(r, &s);
    print_page(&s);
    derive_db(r);
    return s.exit_status;
}

int run_create(struct spec *spec, struct run **ret, struct err *e)
{
    struct run *r = calloc(1, sizeof *r);
    if (!r) {
        spec_destroy(spec);
        return err_sys(e, -ENOMEM, "start the run");
    }
    r->spec = spec;
    int rc = run_open(r, e);
    if (rc < 0)
        run_destroy(r);
    else
        *ret = r;
    return rc;
}

void run_destroy(struct run *r)
{
    if (!r)
        return;
    log_setup("aolani-run", log_level(), NULL, NULL);
    interrupt_destroy(r->interrupt);
    job_destroy(r->job);
    live_destroy(r->live);
    if (r->journal)
        (void)journal_close(r->journal, NULL);
    if (r->loop)
        loop_destroy(r->loop);
    nodes_fini(&r->nodes);
    secure_wipe(&r->key, sizeof r->key);
    spec_destroy(r->spec);
    free(r);
}
