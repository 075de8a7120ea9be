/* SPDX-License-Identifier: MIT */
/* rundb.c - the journal's records as rows of an SQLite file, for people and notebooks.
 *
 * The schema (PRAGMA user_version 1; times in the unit that the name says; *_real_ns since
 * the epoch, UTC; t_end_ns of a step is its node's monotonic clock; NULL: not known):
 *
 *   run           identity and job file
 *   head          one row for each process that led the run
 *   attempt       one row an attempt that ended; one that is cut off has none
 *   arg           the program's arguments, by position
 *   node          one row a node of the last attempt: what its agent said of it
 *   node_event    what happened to nodes, in order
 *   phase         the phases of the run, in order
 *   rank          one row a rank and attempt; exit_code or signal once it has ended
 *   binding       what a rank was seen with, in order: when it was first known, and when
 *                 it changed
 *   binding_check and how each check of it went
 *   step          one row a step of a rank that was kept; see steprec.h for the columns
 *   step_dropped  per rank: records lost on the way to the head
 *   culprit       one row a late step of a rank, and of what its excess was made
 *   spell         one row a stretch of time in which a rank was slow
 *   signal        one row a node and minute: what it saw of itself; longer ones after a day
 *   signal_gpu    the same of its GPUs,
 *   signal_port   of its network ports,
 *   signal_link   and of PCI links that changed
 *   summary       run.json
 *   end           how it ended, or how its last attempt did, which is to be continued; no
 *                 row: the head died
 *   journal       records read, records that could not be decoded, and whether its end is
 *                 torn
 *
 * All goes into a new file in one transaction without any journal of SQLite's own, then
 * that file takes the place of the old one: an interrupted build leaves nothing behind
 * that looks like a result. No locks are taken (unix-none), so NFS and Lustre will do.
 */
#include "launcher/rundb.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launcher/journal.h"
#include "launcher/rundb_impl.h"
#include "proto/wire/aolani.pb-c.h"
#include "proto/wire/steprec.h"

static const char schema[] =
    "PRAGMA journal_mode = OFF;"
    "PRAGMA synchronous = OFF;"
    "PRAGMA user_version = 1;"
    "BEGIN;"
    "CREATE TABLE run (run_id TEXT, name TEXT, version TEXT, start_real_ns INTEGER,"
    " world_size INTEGER, epoch INTEGER, spec_toml TEXT);"
    "CREATE TABLE arg (position INTEGER PRIMARY KEY, text TEXT);"
    "CREATE TABLE node (node INTEGER PRIMARY KEY, name TEXT, hostname TEXT,"
    " agent_version TEXT, arch TEXT, kernel TEXT, boot_id TEXT, allowed_cpus TEXT,"
    " cores INTEGER, mem_bytes INTEGER);"
    "CREATE TABLE node_event (node INTEGER, event TEXT, detail TEXT,"
    " t_real_ns INTEGER);"
    "CREATE TABLE phase (attempt INTEGER, phase TEXT, t_real_ns INTEGER,"
    " t_mono_ns INTEGER);"
    "CREATE TABLE rank (attempt INTEGER, rank INTEGER, node INTEGER, pid INTEGER,"
    " cpus TEXT, exit_code INTEGER, signal INTEGER, t_head_ns INTEGER,"
    " t_error_ns INTEGER, cpu_user_us INTEGER, cpu_sys_us INTEGER, max_rss_kib INTEGER,"
    " ended_by_us INTEGER, event TEXT, PRIMARY KEY (attempt, rank)) WITHOUT ROWID;"
    "CREATE TABLE binding (attempt INTEGER, rank INTEGER, t_head_ns INTEGER,"
    " applied_cpus TEXT, cpus TEXT, processes INTEGER, threads INTEGER,"
    " cgroup_cpus TEXT, cgroup_quota_percent INTEGER, cgroup_memory INTEGER);"
    "CREATE TABLE binding_check (attempt INTEGER, rank INTEGER, t_head_ns INTEGER,"
    " what TEXT, state TEXT, text TEXT);"
    "CREATE TABLE step (attempt INTEGER, rank INTEGER, step INTEGER, t_end_ns INTEGER,"
    " wall_us INTEGER, wait_us INTEGER, busy_us INTEGER, n_coll INTEGER,"
    " payload_kib INTEGER, cpu_us INTEGER, rundelay_us INTEGER, throttled_us INTEGER,"
    " blocked_us INTEGER, stolen_us INTEGER, gpu_throttle_us INTEGER, nvcsw INTEGER,"
    " nivcsw INTEGER, majflt INTEGER, minflt INTEGER, gpu_event_mask INTEGER,"
    " sm_mhz_min INTEGER, flags INTEGER, source INTEGER, confidence INTEGER);"
    "CREATE TABLE step_dropped (attempt INTEGER, rank INTEGER, dropped INTEGER,"
    " PRIMARY KEY (attempt, rank)) WITHOUT ROWID;"
    "CREATE TABLE step_source (attempt INTEGER, source TEXT, words TEXT, why TEXT,"
    " t_real_ns INTEGER);"
    "CREATE TABLE head (epoch INTEGER, host TEXT, why TEXT, slurm_job INTEGER,"
    " slurm_restarts INTEGER, t_real_ns INTEGER);"
    "CREATE TABLE attempt (attempt INTEGER PRIMARY KEY, exit_status INTEGER,"
    " cause TEXT, sentence TEXT, again INTEGER, first_step INTEGER, last_step INTEGER,"
    " wall_ns INTEGER, t_real_ns INTEGER);"
    "CREATE TABLE summary (run_json TEXT);"
    "CREATE TABLE end (exit_status INTEGER, sentence TEXT, t_real_ns INTEGER);"
    "CREATE TABLE journal (records INTEGER, undecoded INTEGER, torn INTEGER);";

/* An index is built faster over rows that are there. */
static const char finish[] =
    "INSERT INTO end SELECT exit_status, sentence, t_real_ns FROM attempt"
    " WHERE NOT EXISTS (SELECT 1 FROM end)"
    " AND attempt = (SELECT max(attempt) FROM phase);"
    "CREATE INDEX step_by_rank ON step (attempt, rank, step);"
    "COMMIT;";

/* A later record of the same thing adds to what is known or replaces it. */
static const char *const put_sql[N_OWN_PUT] = {
    [PUT_RUN] = "INSERT INTO run VALUES (?,?,?,?,?,?,?)",
    [PUT_ARG] = "INSERT OR REPLACE INTO arg VALUES (?,?)",
    [PUT_NODE_NAME] = "INSERT INTO node (node, name) VALUES (?,?)"
                      " ON CONFLICT (node) DO UPDATE SET name = excluded.name",
    [PUT_NODE_COUNT] = "DELETE FROM node WHERE node >= ?",
    [PUT_NODE_INFO] = "INSERT INTO node (node, hostname, agent_version, arch, kernel,"
                      " boot_id, allowed_cpus, cores, mem_bytes)"
                      " VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9)"
                      " ON CONFLICT (node) DO UPDATE SET hostname = ?2,"
                      " agent_version = ?3, arch = ?4, kernel = ?5, boot_id = ?6,"
                      " allowed_cpus = ?7, cores = ?8, mem_bytes = ?9",
    [PUT_NODE_EVENT] = "INSERT INTO node_event VALUES (?,?,?,?)",
    [PUT_PHASE] = "INSERT INTO phase VALUES (?,?,?,?)",
    [PUT_RANK] = "INSERT INTO rank (attempt, rank, node, event, pid, cpus)"
                 " VALUES (?1,?2,?3,?4,nullif(?5,0),?6)"
                 " ON CONFLICT (attempt, rank) DO UPDATE SET node = ?3, event = ?4,"
                 " pid = coalesce(nullif(?5,0), pid), cpus = ?6",
    [PUT_RANK_END] = "UPDATE rank SET exit_code = ?3, signal = ?4, t_head_ns = ?5,"
                     " t_error_ns = ?6, cpu_user_us = ?7, cpu_sys_us = ?8,"
                     " max_rss_kib = ?9, ended_by_us = ?10"
                     " WHERE attempt = ?1 AND rank = ?2",
    [PUT_BINDING] = "INSERT INTO binding VALUES (?,?,?,?,?,?,?,?,?,?)",
    [PUT_CHECK] = "INSERT INTO binding_check VALUES (?,?,?,?,?,?)",
    [PUT_STEP] =
        "INSERT INTO step VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [PUT_DROPPED] = "INSERT OR REPLACE INTO step_dropped VALUES (?,?,?)",
    [PUT_SOURCE] = "INSERT INTO step_source VALUES (?,?,?,?,?)",
    [PUT_SUMMARY] = "INSERT OR REPLACE INTO summary (rowid, run_json) VALUES (1,?)",
    [PUT_END] = "INSERT OR REPLACE INTO end (rowid, exit_status, sentence, t_real_ns)"
                " VALUES (1,?,?,?)",
    [PUT_NO_END] = "DELETE FROM end",
    [PUT_HEAD] = "INSERT INTO head VALUES (?,?,?,nullif(?,0),?,?)",
    [PUT_ATTEMPT] = "INSERT OR REPLACE INTO attempt VALUES (?,?,?,?,?,?,?,?,?)",
    [PUT_JOURNAL] = "INSERT INTO journal VALUES (?,?,?)",
};

struct rundb {
    sqlite3 *db;
    sqlite3_stmt *put[N_PUT];
    int rc; /* SQLITE_OK until something failed; sticky */
};

static int bind_known(sqlite3_stmt *s, int at, int64_t value)
{
    return value < 0 ? sqlite3_bind_null(s, at) : sqlite3_bind_int64(s, at, value);
}

void rundb_put(struct rundb *b, enum put which, const char *kinds, ...)
{
    sqlite3_stmt *s = b->put[which];
    va_list ap;
    if (b->rc != SQLITE_OK)
        return;
    va_start(ap, kinds);
    for (int i = 1; kinds[i - 1] && b->rc == SQLITE_OK; i++) {
        switch (kinds[i - 1]) {
        case 'i':
            b->rc = sqlite3_bind_int64(s, i, va_arg(ap, int64_t));
            break;
        case 's':
            b->rc =
                sqlite3_bind_text(s, i, va_arg(ap, const char *), -1, SQLITE_STATIC);
            break;
        case 'j': {
            const char *text = va_arg(ap, const char *);
            b->rc = sqlite3_bind_text64(s, i, text ? text : "", va_arg(ap, size_t),
                                        SQLITE_STATIC, SQLITE_UTF8);
            break;
        }
        case 'u':
            b->rc = bind_known(s, i, va_arg(ap, int64_t));
            break;
        case 'd':
            b->rc = sqlite3_bind_double(s, i, va_arg(ap, double));
            break;
        default:
            b->rc = sqlite3_bind_null(s, i);
        }
    }
    va_end(ap);
    if (b->rc == SQLITE_OK && (b->rc = sqlite3_step(s)) == SQLITE_DONE)
        b->rc = SQLITE_OK;
    (void)sqlite3_reset(s);
}

/* ---- one function a kind of record ---- */

static void put_run(struct rundb *b, const ProtobufCMessage *base)
{
    const Aolani__JRunStart *m = (const Aolani__JRunStart *)base;
    rundb_put(b, PUT_RUN, "sssiiis", m->run_id, m->name, m->version,
              (int64_t)m->t_real_ns, (int64_t)m->world_size, (int64_t)m->epoch,
              m->spec_toml);
    if (m->epoch > 0)
        rundb_put(b, PUT_HEAD, "issiii", (int64_t)m->epoch, m->host, "begun",
                  (int64_t)m->slurm_job, (int64_t)0, (int64_t)m->t_real_ns);
    for (size_t i = 0; i < m->n_argv; i++)
        rundb_put(b, PUT_ARG, "is", (int64_t)i, m->argv[i]);
    for (size_t i = 0; i < m->n_nodes; i++)
        rundb_put(b, PUT_NODE_NAME, "is", (int64_t)i, m->nodes[i]);
}

static void put_resume(struct rundb *b, const ProtobufCMessage *base)
{
    const Aolani__JResume *m = (const Aolani__JResume *)base;
    rundb_put(b, PUT_HEAD, "issiii", (int64_t)m->epoch, m->host, m->why,
              (int64_t)m->slurm_job, (int64_t)m->slurm_restarts, (int64_t)m->t_real_ns);
    rundb_put(b, PUT_NO_END, ""); /* it goes on, with --force */
}

static void put_attempt(struct rundb *b, const ProtobufCMessage *base)
{
    const Aolani__JAttempt *m = (const Aolani__JAttempt *)base;
    int64_t none = -1, first = (int64_t)m->first_step, last = (int64_t)m->last_step;
    rundb_put(b, PUT_ATTEMPT, "iissiuuii", (int64_t)m->attempt, (int64_t)m->exit_status,
              m->cause, m->sentence, (int64_t)m->again, m->has_step ? first : none,
              m->has_step ? last : none, (int64_t)m->wall_ns, (int64_t)m->t_real_ns);
}

static void put_node(struct rundb *b, const ProtobufCMessage *base)
{
    const Aolani__JNode *m = (const Aolani__JNode *)base;
    const Aolani__NodeInfo *n = m->info;
    rundb_put(b, PUT_NODE_EVENT, "issi", (int64_t)m->node, m->event, m->detail,
              (int64_t)m->t_real_ns);
    if (m->name[0])
        rundb_put(b, PUT_NODE_NAME, "is", (int64_t)m->node, m->name);
    if (n)
        rundb_put(b, PUT_NODE_INFO, "issssssii", (int64_t)m->node, n->hostname,
                  n->agent_version, n->arch, n->kernel, n->boot_id, n->allowed_cpus,
                  (int64_t)n->n_cores, (int64_t)n->mem_bytes);
}

static void put_phase(struct rundb *b, const ProtobufCMessage *base)
{
    const Aolani__JPhase *m = (const Aolani__JPhase *)base;
    rundb_put(b, PUT_PHASE, "isii", (int64_t)m->attempt, m->phase,
              (int64_t)m->t_real_ns, (int64_t)m->t_mono_ns);
    for (size_t i = 0; i < m->n_nodes; i++)
        rundb_put(b, PUT_NODE_NAME, "is", (int64_t)i, m->nodes[i]);
    if (m->n_nodes > 0)
        rundb_put(b, PUT_NODE_COUNT, "i", (int64_t)m->n_nodes);
}

static void put_rank(struct rundb *b, const ProtobufCMessage *base)
{
    const Aolani__JRank *m = (const Aolani__JRank *)base;
    int status = (int)m->wait_status;
    bool signalled = WIFSIGNALED(status);
    rundb_put(b, PUT_RANK, "iiisis", (int64_t)m->attempt, (int64_t)m->rank,
              (int64_t)m->node, m->event, (int64_t)m->pid, m->cpus);
    if (strcmp(m->event, "exited") != 0)
        return;
    /* The same argument is bound as the exit code or as the signal. */
    rundb_put(b, PUT_RANK_END, signalled ? "iiniiiiiii" : "iiiniiiiii",
              (int64_t)m->attempt, (int64_t)m->rank,
              (int64_t)(signalled ? WTERMSIG(status) : WEXITSTATUS(status)),
              (int64_t)m->t_head_ns, (int64_t)m->t_error_ns, (int64_t)m->cpu_user_us,
              (int64_t)m->cpu_sys_us, (int64_t)m->max_rss_kib, (int64_t)m->ended_by_us);
}

static void put_binding(struct rundb *b, const ProtobufCMessage *base)
{
    static const char *const states[] = {"unverified", "as asked", "drift"};
    const Aolani__JBinding *m = (const Aolani__JBinding *)base;
    const Aolani__Binding *k = m->binding;
    if (!k)
        return;
    rundb_put(b, PUT_BINDING, "iiissiisii", (int64_t)m->attempt, (int64_t)k->rank,
              (int64_t)m->t_head_ns, k->applied_cpus, k->cpus, (int64_t)k->processes,
              (int64_t)k->threads, k->cgroup_cpus, (int64_t)k->cgroup_quota_percent,
              (int64_t)k->cgroup_memory);
    for (size_t i = 0; i < k->n_checks; i++) {
        unsigned state = (unsigned)k->checks[i]->state;
        rundb_put(b, PUT_CHECK, "iiisss", (int64_t)m->attempt, (int64_t)k->rank,
                  (int64_t)m->t_head_ns, k->checks[i]->what,
                  states[state > 2 ? 0 : state], k->checks[i]->text);
    }
}

static void put_step(struct rundb *b, int64_t attempt, const uint8_t *data)
{
    struct steprec r;
    steprec_decode(data, &r);
    bool known = !(r.flags & STEPREC_HOST_PACED);
    rundb_put(b, PUT_STEP, "iiiiiuuiiiiiiiiiiiiiiiii", attempt, (int64_t)r.rank,
              (int64_t)r.step, (int64_t)r.t_end_ns, (int64_t)r.wall_us,
              known ? (int64_t)r.wait_us : (int64_t)-1,
              known ? (int64_t)steprec_busy_us(&r) : (int64_t)-1, (int64_t)r.n_coll,
              (int64_t)r.payload_kib, (int64_t)r.cpu_us, (int64_t)r.rundelay_us,
              (int64_t)r.throttled_us, (int64_t)r.blocked_us, (int64_t)r.stolen_us,
              (int64_t)r.gpu_throttle_us, (int64_t)r.nvcsw, (int64_t)r.nivcsw,
              (int64_t)r.majflt, (int64_t)r.minflt16 * 16, (int64_t)r.gpu_event_mask,
              (int64_t)r.sm_mhz_min, (int64_t)r.flags, (int64_t)r.source,
              (int64_t)r.confidence);
}

static void put_steps(struct rundb *b, const ProtobufCMessage *base)
{
    const Aolani__JSteps *m = (const Aolani__JSteps *)base;
    const Aolani__Steps *s = m->steps;
    if (!s)
        return;
    for (size_t at = 0; at + STEPREC_BYTES <= s->records.len; at += STEPREC_BYTES)
        put_step(b, (int64_t)m->attempt, s->records.data + at);
    if (s->dropped > 0)
        rundb_put(b, PUT_DROPPED, "iii", (int64_t)m->attempt, (int64_t)s->rank,
                  (int64_t)s->dropped);
}

static void put_step_source(struct rundb *b, const ProtobufCMessage *base)
{
    const Aolani__JStepSource *m = (const Aolani__JStepSource *)base;
    rundb_put(b, PUT_SOURCE, "isssi", (int64_t)m->attempt, m->source, m->words, m->why,
              (int64_t)m->t_real_ns);
}

static void put_summary(struct rundb *b, const ProtobufCMessage *base)
{
    const Aolani__JSummary *m = (const Aolani__JSummary *)base;
    rundb_put(b, PUT_SUMMARY, "j", (const char *)m->run_json.data, m->run_json.len);
}

static void put_end(struct rundb *b, const ProtobufCMessage *base)
{
    const Aolani__JEnd *m = (const Aolani__JEnd *)base;
    rundb_put(b, PUT_END, "isi", (int64_t)m->exit_status, m->sentence,
              (int64_t)m->t_real_ns);
}

/* What the steps themselves say better. */
static void put_nothing(struct rundb *b, const ProtobufCMessage *base)
{
    (void)b;
    (void)base;
}

static const struct {
    enum journal_type type;
    const ProtobufCMessageDescriptor *message;
    void (*put)(struct rundb *b, const ProtobufCMessage *m);
} kinds[] = {
    {JOURNAL_RUN_START, &aolani__jrun_start__descriptor, put_run},
    {JOURNAL_RESUME, &aolani__jresume__descriptor, put_resume},
    {JOURNAL_ATTEMPT, &aolani__jattempt__descriptor, put_attempt},
    {JOURNAL_PROGRESS, &aolani__jprogress__descriptor, put_nothing},
    {JOURNAL_NODE, &aolani__jnode__descriptor, put_node},
    {JOURNAL_PHASE, &aolani__jphase__descriptor, put_phase},
    {JOURNAL_RANK, &aolani__jrank__descriptor, put_rank},
    {JOURNAL_STEPS, &aolani__jsteps__descriptor, put_steps},
    {JOURNAL_STEP_SOURCE, &aolani__jstep_source__descriptor, put_step_source},
    {JOURNAL_SUMMARY, &aolani__jsummary__descriptor, put_summary},
    {JOURNAL_END, &aolani__jend__descriptor, put_end},
    {JOURNAL_BINDING, &aolani__jbinding__descriptor, put_binding},
    {JOURNAL_CULPRIT, &aolani__jculprit__descriptor, rundb_put_culprit},
    {JOURNAL_SPELL, &aolani__jspell__descriptor, rundb_put_spell},
    {JOURNAL_FAULT, &aolani__jfault__descriptor, rundb_put_fault},
    {JOURNAL_STALL, &aolani__jstall__descriptor, rundb_put_stall},
    {JOURNAL_SIGNALS, &aolani__jsignals__descriptor, rundb_put_signals},
};

/* False: a kind that this version does not know, or not what it says. */
static bool put_record(struct rundb *b, enum journal_type type, const uint8_t *payload,
                       size_t len)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (kinds[i].type != type)
            continue;
        ProtobufCMessage *m =
            protobuf_c_message_unpack(kinds[i].message, NULL, len, payload);
        if (!m)
            return false;
        kinds[i].put(b, m);
        protobuf_c_message_free_unpacked(m, NULL);
        return true;
    }
    return false;
}

/* ---- the file ---- */

static int fail_sql(const struct rundb *b, const char *path, struct err *e)
{
    return err_set(e, -EIO, "build \"%s\": %s", path,
                   b->db ? sqlite3_errmsg(b->db) : "out of memory");
}

static void begin(struct rundb *b, const char *temp)
{
    b->rc = sqlite3_open_v2(temp, &b->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                            "unix-none");
    if (b->rc == SQLITE_OK)
        b->rc = sqlite3_exec(b->db, schema, NULL, NULL, NULL);
    if (b->rc == SQLITE_OK)
        b->rc = sqlite3_exec(b->db, rundb_variance_schema, NULL, NULL, NULL);
    for (int i = 0; i < N_PUT && b->rc == SQLITE_OK; i++) {
        const char *sql =
            i < N_OWN_PUT ? put_sql[i] : rundb_variance_sql[i - N_OWN_PUT];
        b->rc = sqlite3_prepare_v2(b->db, sql, -1, &b->put[i], NULL);
    }
}

static void fini(struct rundb *b)
{
    for (int i = 0; i < N_PUT; i++)
        (void)sqlite3_finalize(b->put[i]);
    (void)sqlite3_close(b->db);
    b->db = NULL;
}

static int fill(struct rundb *b, struct journal_reader *r, const char *db_path,
                struct err *e)
{
    enum journal_type type;
    const uint8_t *payload;
    size_t len;
    bool torn = false;
    int64_t records = 0, undecoded = 0;
    int rc;
    while ((rc = journal_reader_next(r, &type, &payload, &len, &torn, e)) == 1) {
        records++;
        if (!put_record(b, type, payload, len))
            undecoded++;
        if (b->rc != SQLITE_OK)
            return fail_sql(b, db_path, e);
    }
    rundb_put(b, PUT_JOURNAL, "iii", records, undecoded, (int64_t)torn);
    if (b->rc == SQLITE_OK)
        b->rc = sqlite3_exec(b->db, rundb_variance_finish, NULL, NULL, NULL);
    if (b->rc == SQLITE_OK)
        b->rc = sqlite3_exec(b->db, finish, NULL, NULL, NULL);
    if (rc == 0 && b->rc != SQLITE_OK)
        rc = fail_sql(b, db_path, e);
    return rc;
}

static int sync_and_rename(const char *temp, const char *path, struct err *e)
{
    int fd = open(temp, O_RDWR | O_CLOEXEC);
    int rc = fd < 0 || fsync(fd) < 0 ? -errno : 0;
    if (fd >= 0)
        (void)close(fd);
    if (rc == 0 && rename(temp, path) < 0)
        rc = -errno;
    return rc < 0 ? err_sys(e, rc, "build \"%s\"", path) : 0;
}

int rundb_build(const char *journal_path, const char *db_path, struct err *e)
{
    struct rundb b = {0};
    struct journal_reader *r = NULL;
    char temp[PATH_MAX];
    if (snprintf(temp, sizeof temp, "%s.%ld", db_path, (long)getpid()) >=
        (int)sizeof temp)
        return err_sys(e, -ENAMETOOLONG, "build \"%s\"", db_path);
    int rc = journal_reader_open(journal_path, &r, e);
    if (rc < 0)
        return rc;
    (void)unlink(temp); /* of a process before us that had our number */
    /* SQLite would make it for all users. */
    int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        (void)close(fd);
    begin(&b, temp);
    rc = b.rc == SQLITE_OK ? fill(&b, r, db_path, e) : fail_sql(&b, db_path, e);
    journal_reader_close(r);
    fini(&b);
    if (rc == 0)
        rc = sync_and_rename(temp, db_path, e);
    if (rc < 0)
        (void)unlink(temp);
    return rc;
}
