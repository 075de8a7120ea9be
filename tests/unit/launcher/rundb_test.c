/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/journal.h"
#include "launcher/rundb.h"
#include "launcher/variance/mechanism.h"
#include "proto/wire/aolani.pb-c.h"
#include "proto/wire/steprec.h"
#include "tests/lib/skipped.h"

struct fixture {
    struct loop *l;
    struct journal *j;
    char dir[40], journal[60], db[60];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    if (!f || loop_create(&f->l, NULL) < 0)
        return -1;
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/rundb_test.XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    (void)snprintf(f->journal, sizeof f->journal, "%s/journal", f->dir);
    (void)snprintf(f->db, sizeof f->db, "%s/run.db", f->dir);
    return journal_open(f->l, f->journal, NULL, NULL, &f->j, NULL);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char cmd[80];
    (void)journal_close(f->j, NULL);
    loop_destroy(f->l);
    (void)snprintf(cmd, sizeof cmd, "rm -rf %s", f->dir);
    assert_int_equal(system(cmd), 0);
    free(f);
    return 0;
}

static void fill(struct fixture *f)
{
    Aolani__JRunStart run = AOLANI__JRUN_START__INIT;
    char *nodes[] = {"gpu1", "gpu2"}, *argv[] = {"python3", "train's.py"};
    run.run_id = "0123456789abcdef";
    run.name = "job";
    run.world_size = 2;
    run.nodes = nodes;
    run.n_nodes = 2;
    run.argv = argv;
    run.n_argv = 2;
    assert_true(journal_append(f->j, JOURNAL_RUN_START, &run.base) > 0);

    Aolani__NodeInfo info = AOLANI__NODE_INFO__INIT;
    info.hostname = "gpu2.example";
    info.mem_bytes = 1ull << 40;
    Aolani__JNode node = AOLANI__JNODE__INIT;
    node.node = 1;
    node.event = "connected";
    node.info = &info;
    assert_true(journal_append(f->j, JOURNAL_NODE, &node.base) > 0);
    Aolani__JNode replaced = AOLANI__JNODE__INIT;
    replaced.event = "replaced";
    replaced.detail = "refused";
    replaced.name = "gpu9";
    assert_true(journal_append(f->j, JOURNAL_NODE, &replaced.base) > 0);

    Aolani__JPhase phase = AOLANI__JPHASE__INIT;
    phase.phase = "run";
    phase.attempt = 1;
    assert_true(journal_append(f->j, JOURNAL_PHASE, &phase.base) > 0);

    for (uint32_t r = 0; r < 2; r++) {
        Aolani__JRank rank = AOLANI__JRANK__INIT;
        rank.rank = rank.node = r;
        rank.attempt = 1;
        rank.event = "started";
        rank.pid = 100 + (int32_t)r;
        rank.cpus = "0-3";
        assert_true(journal_append(f->j, JOURNAL_RANK, &rank.base) > 0);
        rank.event = "exited";
        rank.pid = 0; /* not repeated */
        rank.wait_status = r ? SIGKILL : 3 << 8;
        rank.cpu_user_us = 5;
        rank.ended_by_us = r;
        assert_true(journal_append(f->j, JOURNAL_RANK, &rank.base) > 0);
    }
}

static void fill_steps(struct fixture *f)
{
    uint8_t records[2 * STEPREC_BYTES + 7] = {0}; /* with a piece that is no record */
    for (uint32_t i = 0; i < 2; i++) {
        struct steprec r = {.rank = 1,
                            .step = i,
                            .wall_us = 1000 + i,
                            .wait_us = 400,
                            .minflt16 = 2,
                            .flags = i == 0 ? STEPREC_HOST_PACED : STEPREC_SPECIAL};
        steprec_encode(&r, records + i * STEPREC_BYTES);
    }
    Aolani__Steps steps = AOLANI__STEPS__INIT;
    Aolani__JSteps js = AOLANI__JSTEPS__INIT;
    steps.rank = 1;
    steps.dropped = 9;
    steps.records.data = records;
    steps.records.len = sizeof records;
    js.attempt = 1;
    js.steps = &steps;
    assert_true(journal_append(f->j, JOURNAL_STEPS, &js.base) > 0);
    js.steps = NULL;
    assert_true(journal_append(f->j, JOURNAL_STEPS, &js.base) > 0);

    Aolani__Binding binding = AOLANI__BINDING__INIT;
    Aolani__Binding__Check check = AOLANI__BINDING__CHECK__INIT, *checks[] = {&check};
    Aolani__JBinding jb = AOLANI__JBINDING__INIT;
    check.what = (char *)"cpus";
    check.state = AOLANI__BINDING__STATE__DRIFT;
    check.text = (char *)"thread 5";
    binding.rank = 1;
    binding.cpus = (char *)"0-1";
    binding.n_checks = 1;
    binding.checks = checks;
    jb.attempt = 1;
    jb.t_head_ns = 77;
    jb.binding = &binding;
    assert_true(journal_append(f->j, JOURNAL_BINDING, &jb.base) > 0);

    Aolani__JSummary summary = AOLANI__JSUMMARY__INIT;
    summary.run_json.data = (uint8_t *)"{}";
    summary.run_json.len = 2;
    assert_true(journal_append(f->j, JOURNAL_SUMMARY, &summary.base) > 0);
    Aolani__JStepSource source = AOLANI__JSTEP_SOURCE__INIT;
    source.attempt = 2;
    source.source = "log";
    source.words = "lines";
    source.why = "it marks none";
    source.t_real_ns = 77;
    assert_true(journal_append(f->j, JOURNAL_STEP_SOURCE, &source.base) > 0);
    Aolani__JEnd end = AOLANI__JEND__INIT;
    end.exit_status = 3;
    end.sentence = "rank 0 on gpu1 ended with status 3";
    assert_true(journal_append(f->j, JOURNAL_END, &end.base) > 0);
    assert_true(journal_append(f->j, (enum journal_type)99, &end.base) > 0);
}

static void fill_variance(struct fixture *f)
{
    uint64_t parts[MECH_N] = {0}; /* each column's own number */
    for (size_t i = 0; i < MECH_N; i++)
        parts[i] = i + 1;
    Aolani__JCulprit c = AOLANI__JCULPRIT__INIT;
    c.attempt = 1;
    c.rank = 3;
    c.step = 70;
    c.busy_us = 900;
    c.excess_us = 91;
    c.loss_us = 80;
    c.what = (char *)"mixed";
    c.n_part_us = MECH_N;
    c.part_us = parts;
    assert_true(journal_append(f->j, JOURNAL_CULPRIT, &c.base) > 0);
    c.step = 71;
    c.n_part_us = 2; /* by a version with fewer mechanisms */
    assert_true(journal_append(f->j, JOURNAL_CULPRIT, &c.base) > 0);

    Aolani__JSpell s = AOLANI__JSPELL__INIT;
    s.attempt = 1;
    s.rank = 3;
    s.first_step = 60;
    s.last_step = 70;
    s.percent = 41.5;
    s.what = (char *)"mixed";
    s.n_part_us = MECH_N;
    s.part_us = parts;
    s.common = (char *)"";
    s.t_head_ns = 5;
    assert_true(journal_append(f->j, JOURNAL_SPELL, &s.base) > 0);
    s.over = true;
    s.last_step = 99;
    s.common = (char *)"node n1";
    assert_true(journal_append(f->j, JOURNAL_SPELL, &s.base) > 0);
}

static void fill_signals(struct fixture *f)
{
    char *links[] = {"0000:18:00.0 x16 -> x8"};
    Aolani__GpuSignal gpu = AOLANI__GPU_SIGNAL__INIT, *gpus[] = {&gpu};
    Aolani__PortSignal port = AOLANI__PORT_SIGNAL__INIT, *ports[] = {&port};
    Aolani__Probe probe = AOLANI__PROBE__INIT;
    Aolani__NodeSignals n = AOLANI__NODE_SIGNALS__INIT;
    Aolani__JSignals js = AOLANI__JSIGNALS__INIT;
    js.attempt = 1;
    js.node = 1;
    assert_true(journal_append(f->j, JOURNAL_SIGNALS, &js.base) > 0);
    js.signals = &n;
    n.t_ns = 60;
    n.interval_ns = 50;
    n.known = AOLANI__NODE_SIGNALS__KNOWN__STEAL;
    n.steal_us = 7;
    n.psi_cpu_us = 8; /* not known, whatever stands there */
    assert_true(journal_append(f->j, JOURNAL_SIGNALS, &js.base) > 0);
    n.t_ns = 120;
    n.known = AOLANI__NODE_SIGNALS__KNOWN__PSI;
    probe.exit_ns = 760;
    n.probe = &probe;
    gpu.uuid = (char *)"GPU-1";
    gpu.heat_us = 9;
    gpu.sm_mhz = gpu.celsius = -1;
    gpu.power_us = -1;
    n.n_gpus = 1;
    n.gpus = gpus;
    port.nic = (char *)"mlx5_0";
    port.port = 1;
    port.xmit_wait = 33;
    port.marks = -1;
    n.n_ports = 1;
    n.ports = ports;
    n.n_links = 1;
    n.links = links;
    assert_true(journal_append(f->j, JOURNAL_SIGNALS, &js.base) > 0);
}

static void fill_faults(struct fixture *f)
{
    Aolani__GpuFault fault = AOLANI__GPU_FAULT__INIT;
    Aolani__JFault m = AOLANI__JFAULT__INIT;
    m.attempt = 1;
    m.node = 1;
    m.t_real_ns = 5;
    assert_true(journal_append(f->j, JOURNAL_FAULT, &m.base) > 0); /* of nothing */
    m.fault = &fault;
    fault.bus_id = (char *)"0000:3b:00.0";
    fault.xid = 79;
    fault.n = 2;
    fault.text = (char *)"fallen";
    assert_true(journal_append(f->j, JOURNAL_FAULT, &m.base) > 0);
}

static void expect_rows(struct fixture *f)
{
    static const struct {
        const char *sql, *value;
    } table[] = {
        {"SELECT run_id || name || world_size FROM run", "0123456789abcdefjob2"},
        {"SELECT group_concat(text, ' ') FROM arg", "python3 train's.py"},
        {"SELECT group_concat(name, ' ') FROM node", "gpu9 gpu2"},
        {"SELECT hostname || mem_bytes FROM node WHERE node = 1",
         "gpu2.example1099511627776"},
        {"SELECT hostname FROM node WHERE node = 0", NULL},
        {"SELECT group_concat(node || event) FROM node_event", "1connected,0replaced"},
        {"SELECT phase || attempt FROM phase", "run1"},
        {"SELECT count(*) FROM rank", "2"},
        {"SELECT exit_code FROM rank WHERE rank = 0", "3"},
        {"SELECT signal FROM rank WHERE rank = 0", NULL},
        {"SELECT exit_code FROM rank WHERE rank = 1", NULL},
        {"SELECT signal || pid || cpus || cpu_user_us || ended_by_us FROM rank"
         " WHERE rank = 1",
         "91010-351"},
        {"SELECT count(*) FROM step", "2"},
        {"SELECT wall_us || ' ' || busy_us || ' ' || minflt || ' ' || flags FROM step"
         " WHERE step = 1",
         "1001 601 32 1"},
        {"SELECT group_concat(coalesce(wait_us || '-' || busy_us, wall_us || ' "
         "unknown'))"
         " FROM step",
         "1000 unknown,400-601"},
        {"SELECT dropped FROM step_dropped WHERE rank = 1", "9"},
        {"SELECT source || words || why || t_real_ns FROM step_source"
         " WHERE attempt = 2",
         "loglinesit marks none77"},
        {"SELECT rank || cpus || t_head_ns FROM binding", "10-177"},
        {"SELECT rank || what || state || text FROM binding_check",
         "1cpusdriftthread 5"},
        {"SELECT group_concat(step) FROM culprit WHERE rank = 3", "70,71"},
        {"SELECT busy_us || ' ' || excess_us || ' ' || loss_us || what FROM culprit"
         " WHERE step = 70",
         "900 91 80mixed"},
        {"SELECT throttled_us || ' ' || preempted_us || ' ' || stolen_us || ' ' ||"
         " stopped_us || ' ' || blocked_us || ' ' || faults_us || ' ' || gpu_us || ' '"
         " || link_us || ' ' || memory_us || ' ' || work_us || ' ' || gpu_slow_us ||"
         " ' ' || network_us || ' ' || unknown_us FROM culprit WHERE step = 70",
         "1 2 3 4 5 6 7 8 9 10 11 12 13"},
        {"SELECT usual_us FROM culprit WHERE step = 70", NULL},
        {"SELECT preempted_us || ' ' || unknown_us FROM culprit WHERE step = 71",
         "2 0"},
        {"SELECT count(*) || ' ' || last_step || ' ' || over || ' ' || percent || ' '"
         " || what || ' ' || common || ' ' || unknown_us FROM spell",
         "1 99 1 41.5 mixed node n1 13"},
        {"SELECT group_concat(coalesce(steal_us, '-')) FROM signal", "7,-"},
        {"SELECT group_concat(coalesce(psi_cpu_us, '-')) FROM signal", "-,8"},
        {"SELECT coalesce(triad_mbytes, '-') || exit_ns FROM signal WHERE t_ns = 120",
         "-760"},
        {"SELECT uuid || heat_us || coalesce(power_us, '-') || coalesce(sm_mhz, '-')"
         " FROM signal_gpu",
         "GPU-19--"},
        {"SELECT nic || port || xmit_wait || coalesce(marks, '-') FROM signal_port",
         "mlx5_0133-"},
        {"SELECT node || text FROM signal_link", "10000:18:00.0 x16 -> x8"},
        {"SELECT node || ' ' || bus || ' ' || xid || ' ' || n || text FROM gpu_fault",
         "1 0000:3b:00.0 79 2fallen"},
        {"SELECT run_json FROM summary", "{}"},
        {"SELECT sentence || exit_status FROM end",
         "rank 0 on gpu1 ended with status 33"},
        {"SELECT records || ' ' || undecoded || ' ' || torn FROM journal", "24 1 0"},
        {"PRAGMA user_version", "1"},
        {"PRAGMA integrity_check", "ok"},
    };
    sqlite3 *db;
    assert_int_equal(sqlite3_open_v2(f->db, &db, SQLITE_OPEN_READONLY, NULL),
                     SQLITE_OK);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        sqlite3_stmt *s;
        assert_int_equal(sqlite3_prepare_v2(db, table[i].sql, -1, &s, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(s), SQLITE_ROW);
        const char *got = (const char *)sqlite3_column_text(s, 0);
        if (table[i].value)
            assert_string_equal(got ? got : "(null)", table[i].value);
        else
            assert_null(got);
        sqlite3_finalize(s);
    }
    sqlite3_close(db);
}

/* aolani-run(1) lists every table and column: people write queries by it. */
static void test_manual_has_the_schema(void **state)
{
    struct fixture *f = *state;
    struct err e;
    static char text[1 << 18];
    FILE *man = fopen("doc/aolani-run.1.scd", "r");
    if (!man)
        skip_because("not run from the top of the source tree");
    text[fread(text, 1, sizeof text - 1, man)] = '\0';
    fclose(man);
    char *page = strstr(text, "# RUN.DB"), *end = strstr(text, "# EXAMPLES");
    assert_true(page && end > page);
    *end = '\0';
    fill(f);
    assert_int_equal(journal_close(f->j, &e), 0);
    f->j = NULL;
    assert_int_equal(rundb_build(f->journal, f->db, &e), 0);
    sqlite3 *db;
    sqlite3_stmt *s;
    unsigned n = 0;
    assert_int_equal(sqlite3_open_v2(f->db, &db, SQLITE_OPEN_READONLY, NULL),
                     SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(db,
                           "SELECT m.name, c.name FROM sqlite_master m,"
                           " pragma_table_info(m.name) c WHERE m.type = 'table'",
                           -1, &s, NULL),
        SQLITE_OK);
    for (; sqlite3_step(s) == SQLITE_ROW; n++) {
        const char *table = (const char *)sqlite3_column_text(s, 0),
                   *column = (const char *)sqlite3_column_text(s, 1);
        char head[80];
        (void)snprintf(head, sizeof head, "\n*%s*\n", table);
        char *at = strstr(page, head), *next = at ? strstr(at + 2, "\n*") : NULL,
             *found = at ? strstr(at, column) : NULL;
        if (!found || (next && found > next))
            fail_msg("the manual's section RUN.DB does not say %s.%s", table, column);
    }
    assert_true(n > 60);
    sqlite3_finalize(s);
    sqlite3_close(db);
}

static void expect_only_db(struct fixture *f, bool db)
{
    char cmd[160];
    (void)snprintf(cmd, sizeof cmd, "test \"$(ls %s | tr '\\n' ' ')\" = 'journal %s'",
                   f->dir, db ? "run.db " : "");
    assert_int_equal(system(cmd), 0);
}

static void test_rows(void **state)
{
    struct fixture *f = *state;
    struct err e;
    fill(f);
    fill_variance(f);
    fill_signals(f);
    fill_faults(f);
    fill_steps(f);
    assert_int_equal(journal_close(f->j, &e), 0);
    f->j = NULL;
    for (int i = 0; i < 2; i++) { /* the second takes the place of the first */
        assert_int_equal(rundb_build(f->journal, f->db, &e), 0);
        expect_rows(f);
        expect_only_db(f, true);
    }
}

static void test_torn_and_empty(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    assert_int_equal(rundb_build(f->journal, f->db, NULL), 0);
    fill(f);
    assert_int_equal(journal_close(f->j, NULL), 0);
    f->j = NULL;
    assert_int_equal(stat(f->journal, &st), 0);
    assert_int_equal(truncate(f->journal, st.st_size - 1), 0);
    assert_int_equal(rundb_build(f->journal, f->db, NULL), 0);
    sqlite3 *db;
    sqlite3_stmt *s;
    assert_int_equal(sqlite3_open(f->db, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(db, "SELECT torn, records FROM journal", -1, &s, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(s, 0), 1);
    assert_int_equal(sqlite3_column_int(s, 1), 7);
    sqlite3_finalize(s);
    sqlite3_close(db);
}

static void test_failures_leave_nothing(void **state)
{
    struct fixture *f = *state;
    struct err e;
    struct rlimit r;
    fill(f);
    assert_int_equal(journal_close(f->j, NULL), 0);
    f->j = NULL;
    assert_int_equal(rundb_build("/no/such/journal", f->db, &e), -ENOENT);
    assert_int_equal(rundb_build(f->journal, "/no/such/run.db", &e), -EIO);
    assert_string_equal(e.text,
                        "build \"/no/such/run.db\": unable to open database file");
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &r), 0);
    r.rlim_cur = 4096;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &r), 0);
    assert_int_equal(rundb_build(f->journal, f->db, &e), -EIO);
    r.rlim_cur = RLIM_INFINITY;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &r), 0);
    expect_only_db(f, false);
}

/* A run that had ended, was resumed with --force, and is to be continued. */
static void test_an_end_that_was_none(void **state)
{
    struct fixture *f = *state;
    struct err e;
    Aolani__JResume resume = AOLANI__JRESUME__INIT;
    Aolani__JPhase phase = AOLANI__JPHASE__INIT;
    Aolani__JAttempt attempt = AOLANI__JATTEMPT__INIT;
    fill(f);
    fill_steps(f);
    resume.epoch = 2;
    assert_true(journal_append(f->j, JOURNAL_RESUME, &resume.base) > 0);
    phase.phase = "connect";
    phase.attempt = attempt.attempt = 2;
    assert_true(journal_append(f->j, JOURNAL_PHASE, &phase.base) > 0);
    attempt.exit_status = 124;
    attempt.again = true;
    attempt.sentence = "to be continued";
    assert_true(journal_append(f->j, JOURNAL_ATTEMPT, &attempt.base) > 0);
    assert_int_equal(journal_close(f->j, &e), 0);
    f->j = NULL;
    assert_int_equal(rundb_build(f->journal, f->db, &e), 0);
    sqlite3 *db;
    sqlite3_stmt *s;
    assert_int_equal(sqlite3_open(f->db, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(db, "SELECT exit_status, sentence FROM end", -1, &s, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(s, 0), 124);
    assert_string_equal((const char *)sqlite3_column_text(s, 1), "to be continued");
    assert_int_equal(sqlite3_step(s), SQLITE_DONE);
    sqlite3_finalize(s);
    sqlite3_close(db);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_rows),
        T(test_manual_has_the_schema),
        T(test_torn_and_empty),
        T(test_an_end_that_was_none),
        T(test_failures_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
