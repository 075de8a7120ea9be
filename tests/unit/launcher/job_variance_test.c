/* SPDX-License-Identifier: MIT */
/* job_variance_test.c - messages of two agents in, journal and summary out. A job as it is
 * while ranks run: planned, with a journal, and a fleet that is nothing but its nodes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher/fleet_impl.h"
#include "launcher/job_impl.h"
#include "proto/base/limits.h"
#include "proto/base/log.h"
#include "proto/wire/colltime.h"
#include "tests/lib/node.h"

#define NODES   2u
#define RANKS   8u /* one for each GPU */
#define STEP_US 10000u

struct fixture {
    struct job *j;
    struct spec spec;
    struct nodes nodes;
    struct fleet fleet;
    struct fleet_node fleet_nodes[NODES];
    struct node *node;
    struct topo *topos[NODES];
    char *names[NODES];
    char dir[40], path[60];
    char said[8000];
    uint64_t t_ns[NODES];
    uint8_t source; /* of records; 0: of a program */
    uint16_t flags;
    bool others; /* of a rank mark as well */
};

static void on_said(enum log_level level, const char *line, void *arg)
{
    struct fixture *f = arg;
    size_t at = strlen(f->said);
    (void)level;
    (void)snprintf(f->said + at, sizeof f->said - at, "%s\n", line);
}

static int setup(void **state)
{
    static char n0[] = "gpu1", n1[] = "gpu2", auto_source[] = "auto";
    struct fixture *f = calloc(1, sizeof *f);
    struct job *j = calloc(1, sizeof *j);
    struct err e;
    *state = f;
    if (!f || !j)
        return -1;
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/job_variance_test.XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    (void)snprintf(f->path, sizeof f->path, "%s/journal", f->dir);
    f->names[0] = n0;
    f->names[1] = n1;
    f->nodes = (struct nodes){.names = f->names, .n = NODES};
    f->spec = (struct spec){.bind.cores = true, .bind.gpu = "all"};
    f->spec.steps.warmup = 5;
    f->spec.steps.keep = 10;
    f->spec.steps.source = auto_source;
    f->fleet = (struct fleet){.nodes = f->fleet_nodes, .n_nodes = NODES};
    f->node = node_make(2);
    for (uint32_t i = 0; i < NODES; i++) {
        f->topos[i] = node_topo(f->node);
        f->t_ns[i] = (i + 1) * 1000000000000ull; /* clocks of their own */
    }
    f->j = j;
    j->n_nodes = NODES;
    j->config.spec = &f->spec;
    j->config.nodes = &f->nodes;
    j->config.attempt = 1;
    j->fleet = &f->fleet;
    j->nodes = calloc(NODES, sizeof *j->nodes);
    j->ranks = calloc(RANKS, sizeof *j->ranks);
    j->node_of_rank = calloc(RANKS, sizeof *j->node_of_rank);
    ledger_init(&j->ledger);
    if (loop_create(&j->loop, &e) < 0 ||
        journal_open(j->loop, f->path, NULL, NULL, &j->config.journal, &e) < 0 ||
        place(&f->spec, false, f->names, f->topos, NODES, &j->plan, &e) < 0 ||
        fences_create(NODES, j->plan.first_rank, &job_fence_ops, j, &j->fences) < 0)
        return -1;
    assert_int_equal(j->plan.world_size, RANKS);
    for (uint32_t i = 0; i < RANKS; i++)
        j->node_of_rank[i] = f->names[j->plan.ranks[i].node];
    log_setup("test", LOG_NOTE_, on_said, f);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    struct job *j = f->j;
    char command[80];
    log_setup("test", LOG_NOTE_, NULL, NULL);
    steps_destroy(j->steps);
    job_variance_destroy(j->variance);
    stepsource_fini(&j->source);
    if (j->config.journal)
        (void)journal_close(j->config.journal, NULL);
    fences_destroy(j->fences);
    plan_fini(&j->plan);
    loop_destroy(j->loop);
    for (size_t i = 0; i < j->n_warnings; i++)
        free(j->warnings[i]);
    free(j->warnings);
    free(j->nodes);
    free(j->ranks);
    free(j->node_of_rank);
    free(j);
    for (uint32_t i = 0; i < NODES; i++)
        topo_destroy(f->topos[i]);
    free(f->node);
    (void)snprintf(command, sizeof command, "rm -rf %s", f->dir);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

static int tell(struct fixture *f, uint32_t node, enum message_type type,
                const ProtobufCMessage *m)
{
    struct err e;
    uint8_t *data = malloc(protobuf_c_message_get_packed_size(m) + 1);
    struct envelope v = {.type = (uint16_t)type, .payload = data};
    v.payload_len = protobuf_c_message_pack(m, data);
    int rc = job_message(f->j, node, &v, &e);
    free(data);
    return rc;
}

static int tell_signals(struct fixture *f, uint32_t node, const Aolani__NodeSignals *m)
{
    return tell(f, node, MSG_NODE_SIGNALS, &m->base);
}

/* So many records of a kind; *ret (if not NULL) the last. */
static unsigned journaled(struct fixture *f, enum journal_type type,
                          const ProtobufCMessageDescriptor *d, ProtobufCMessage **ret)
{
    struct journal_reader *r;
    enum journal_type kind;
    const uint8_t *payload;
    size_t len;
    bool torn;
    unsigned n = 0;
    if (f->j->config.journal)
        assert_int_equal(journal_close(f->j->config.journal, NULL), 0);
    f->j->config.journal = NULL;
    assert_int_equal(journal_reader_open(f->path, &r, NULL), 0);
    while (journal_reader_next(r, &kind, &payload, &len, &torn, NULL) == 1) {
        if (kind != type)
            continue;
        n++;
        if (ret && *ret)
            protobuf_c_message_free_unpacked(*ret, NULL);
        if (ret)
            assert_non_null(*ret = protobuf_c_message_unpack(d, NULL, len, payload));
    }
    journal_reader_close(r);
    return n;
}

/* ---- signals of nodes ---- */

static void test_absurd_signals_are_a_breach(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(job_variance_create(f->j), 0);
    Aolani__GpuSignal gpu = AOLANI__GPU_SIGNAL__INIT, *gpus[LIMIT_SIGNALS_GPUS + 1];
    Aolani__PortSignal port = AOLANI__PORT_SIGNAL__INIT, *ports[] = {&port};
    Aolani__CpuTime cpu = AOLANI__CPU_TIME__INIT, *cpus[LIMIT_SIGNALS_CPUS + 1];
    char *links[] = {(char *)"nothing that is a link"};
    char name[LIMIT_DEVICE_NAME + 2];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    for (size_t i = 0; i < sizeof gpus / sizeof *gpus; i++)
        gpus[i] = &gpu;
    for (size_t i = 0; i < sizeof cpus / sizeof *cpus; i++)
        cpus[i] = &cpu;
    gpu.uuid = (char *)"GPU-1";
    port.nic = name;

    const Aolani__NodeSignals good = {
        .base = {&aolani__node_signals__descriptor, 0, NULL},
        .t_ns = 50000000000ull,
        .interval_ns = 1000000000ull,
        .cpus = 4};
    Aolani__NodeSignals bad[9];
    for (size_t i = 0; i < 9; i++)
        bad[i] = good;
    bad[0].interval_ns = 0;
    bad[1].interval_ns = bad[1].t_ns + 1;
    bad[2].interrupts = UINT64_MAX;
    bad[3].n_gpus = LIMIT_SIGNALS_GPUS + 1, bad[3].gpus = gpus;
    bad[4].n_ports = 1, bad[4].ports = ports;
    bad[5].n_steal = LIMIT_SIGNALS_CPUS + 1, bad[5].steal = cpus;
    bad[6].n_links = 1, bad[6].links = links;
    bad[7].cpus = UINT32_MAX;
    bad[8].n_steal = 2, bad[8].steal = cpus; /* one CPU twice */
    for (size_t i = 0; i < 9; i++)
        assert_int_equal(tell_signals(f, 0, &bad[i]), ERR_PROTO);

    Aolani__NodeSignals m = good;
    assert_int_equal(tell_signals(f, 1, &m), 0);
    assert_int_equal(tell_signals(f, 1, &m), ERR_PROTO); /* the same time again */
    m.t_ns += 1000000000;
    assert_int_equal(tell_signals(f, 1, &m), 0);
    job_variance_finish(f->j, 0);

    ProtobufCMessage *last = NULL;
    assert_int_equal(
        journaled(f, JOURNAL_SIGNALS, &aolani__jsignals__descriptor, &last), 1);
    const Aolani__JSignals *js = (const void *)last;
    assert_int_equal(js->node, 1);
    assert_int_equal(js->signals->interval_ns, 2000000000);
    protobuf_c_message_free_unpacked(last, NULL);
}

/* A node that speaks as fast as it can takes no more of the journal than any other. */
static void test_a_talkative_node(void **state)
{
    struct fixture *f = *state;
    Aolani__NodeSignals m = AOLANI__NODE_SIGNALS__INIT;
    assert_int_equal(job_variance_create(f->j), 0);
    for (uint64_t i = 1; i <= 100000; i++) {
        m.t_ns = i * 1000;
        m.interval_ns = 1000;
        assert_int_equal(tell_signals(f, 0, &m), 0);
        if (i % 1000 == 0)
            job_variance_tick(f->j, loop_now_ms(f->j->loop));
    }
    job_variance_finish(f->j, 0);
    assert_int_equal(journaled(f, JOURNAL_SIGNALS, NULL, NULL), 1);
}

/* ---- steps ---- */

/* The next attempt, with a journal of its own. */
static void anew(struct fixture *f)
{
    struct job *j = f->j;
    steps_destroy(j->steps);
    job_variance_destroy(j->variance);
    stepsource_fini(&j->source);
    j->steps = NULL;
    j->variance = NULL;
    j->has_step = false;
    j->uncounted = STEPREC_NONE;
    if (j->config.journal)
        assert_int_equal(journal_close(j->config.journal, NULL), 0);
    assert_int_equal(unlink(f->path), 0);
    assert_int_equal(
        journal_open(j->loop, f->path, NULL, NULL, &j->config.journal, NULL), 0);
}

/* One step of all ranks; that one rank does more work. */
static void step(struct fixture *f, uint32_t number, uint32_t slow, uint32_t more_us)
{
    uint32_t wall = STEP_US + more_us + 500;
    for (uint32_t r = 0; r < RANKS; r++) {
        uint8_t data[STEPREC_BYTES];
        uint32_t node = f->j->plan.ranks[r].node;
        uint32_t busy = STEP_US + number * 7 % 13 + (r == slow ? more_us : 0);
        struct steprec rec = {.rank = r,
                              .step = number,
                              .t_end_ns = f->t_ns[node] + wall * 1000ull * number,
                              .wall_us = wall,
                              .wait_us = wall - busy,
                              .cpu_us = busy,
                              .flags = f->flags,
                              .source = f->source};
        steprec_encode(&rec, data);
        Aolani__Steps m = AOLANI__STEPS__INIT;
        m.rank = r;
        m.records.data = data;
        m.records.len = sizeof data;
        m.others = f->others && r >= 3;
        assert_int_equal(tell(f, node, MSG_STEPS, &m.base), 0);
    }
}

static void test_a_slow_rank_is_journaled_and_said(void **state)
{
    struct fixture *f = *state;
    struct job *j = f->j;
    struct summary s = {0};
    assert_int_equal(job_variance_create(j), 0);
    for (uint32_t i = 1; i <= 600; i++)
        step(f, i, 5, i > 300 && i <= 400 ? 4000 : 0);
    for (uint32_t i = 601; i <= 700; i++)
        step(f, i, 6, 3000);
    job_variance_tick(j, loop_now_ms(j->loop) + 2 * ATTRIBUTE_WAIT_MS);
    assert_string_equal(job_why_slow(j, 6, 700), mech_phrase(MECH_WORK));
    assert_null(job_why_slow(j, 1, 700));
    job_variance_finish(j, loop_now_ms(j->loop));
    job_variance_fill(j, &s);

    assert_int_equal(s.variance->steps, 695);
    assert_int_equal(s.variance->n_spells, 2);
    assert_int_equal(s.n_spells, 2);
    assert_string_equal(s.spells[0].common, "");
    assert_true(s.variance->spells[0].over);
    assert_false(s.variance->spells[1].over);
    assert_true(s.variance->loss_us[MECH_WORK] > 0.9 * (100 * 4000 + 100 * 3000));
    assert_int_equal(s.series->n, 695);
    assert_int_equal(s.cost.devices, 8);
    assert_false(s.cost.ranks);
    assert_non_null(strstr(f->said, "rank 6 on gpu2 is 30 % slow since step 60"));
    assert_non_null(
        strstr(f->said, "own work or a slower core (3.0 ms of 3.0 ms a step)"));
    assert_non_null(strstr(f->said, "rank 5 on gpu2 was 40 % slow from step 30"));

    ProtobufCMessage *last = NULL;
    assert_int_equal(journaled(f, JOURNAL_STEPS, NULL, NULL), RANKS * 10);
    assert_in_range(journaled(f, JOURNAL_CULPRIT, &aolani__jculprit__descriptor, &last),
                    195, 201);
    const Aolani__JCulprit *c = (const void *)last;
    assert_int_equal(c->attempt, 1);
    assert_int_equal(c->rank, 6);
    assert_int_equal(c->step, 700);
    assert_string_equal(c->what, "own work");
    assert_int_equal(c->n_part_us, MECH_N);
    assert_in_range(c->part_us[MECH_WORK], 2980, 3020);
    protobuf_c_message_free_unpacked(last, NULL);
    last = NULL;
    assert_in_range(journaled(f, JOURNAL_SPELL, &aolani__jspell__descriptor, &last), 4,
                    5);
    assert_false(((const Aolani__JSpell *)(const void *)last)->over);
    protobuf_c_message_free_unpacked(last, NULL);
}

/* Numbers and times of another source are others: they are not mixed. */
static void test_a_better_source_begins_anew(void **state)
{
    static char pattern[] = "step ([0-9]+)";
    struct fixture *f = *state;
    struct job *j = f->j;
    struct steps_job all;
    f->spec.steps.log_pattern = pattern;
    j->config.done_steps = 8;
    assert_int_equal(job_variance_create(j), 0);
    f->source = STEPREC_LOG;
    for (uint32_t i = 1; i <= 50; i++)
        step(f, i, 5, 4000);
    steps_job(j->steps, &all);
    assert_int_equal(all.closed, 45);
    assert_int_equal(j->last_step, 50);
    uint64_t before = j->ledger.us[LEDGER_PRODUCTIVE];
    assert_true(j->ledger.us[LEDGER_ROLLED_BACK] > 0);

    f->source = STEPREC_CLIENT;
    for (uint32_t i = 101; i <= 160; i++)
        step(f, i, 6, 0);
    f->source = STEPREC_LOG; /* which goes on, and is not listened to any more */
    for (uint32_t i = 51; i <= 60; i++)
        step(f, i, 5, 4000);
    job_variance_finish(j, loop_now_ms(j->loop));
    steps_job(j->steps, &all);
    assert_int_equal(all.closed, 54); /* the last rank made it count, in step 101 */
    assert_true(all.max < STEP_US + 1000);
    assert_int_equal(j->first_step, 102);
    assert_int_equal(j->last_step, 160);
    assert_true(j->ledger.us[LEDGER_PRODUCTIVE] > before + 50 * STEP_US);
    assert_non_null(strstr(f->said,
                           "steps: lines of the output that match log_pattern; "
                           "the program marks none itself, and "));
    assert_non_null(strstr(f->said, "steps: marked by the program (libaolani)\n"));

    struct summary s = {0};
    job_steps_fill(j, &s);
    assert_string_equal(s.step_source, "client");
    assert_string_equal(s.step_source_why, "");
    ProtobufCMessage *last = NULL;
    assert_int_equal(
        journaled(f, JOURNAL_STEP_SOURCE, &aolani__jstep_source__descriptor, &last), 2);
    assert_string_equal(((const Aolani__JStepSource *)(const void *)last)->source,
                        "client");
    protobuf_c_message_free_unpacked(last, NULL);
}

/* Collectives are numbered from each start: that says nothing of how far it has come. */
static void test_steps_of_nccl_are_no_progress(void **state)
{
    struct fixture *f = *state;
    f->j->config.done_steps = 100;
    assert_int_equal(job_variance_create(f->j), 0);
    f->source = STEPREC_NCCL;
    for (uint32_t i = 1; i <= 20; i++)
        step(f, i, 5, 0);
    for (uint32_t i = 1; i <= 10; i++) /* another communicator: counted anew */
        step(f, i, 5, 0);
    job_variance_finish(f->j, loop_now_ms(f->j->loop));
    assert_false(f->j->has_step);
    assert_int_equal(f->j->uncounted, STEPREC_NCCL);
    assert_int_equal(f->j->ledger.us[LEDGER_ROLLED_BACK], 0);
    assert_true(f->j->ledger.us[LEDGER_PRODUCTIVE] > 0);
}

static void propose(struct fixture *f, uint32_t key, uint64_t period_ns)
{
    Aolani__CollAnchors__Candidate c = AOLANI__COLL_ANCHORS__CANDIDATE__INIT,
                                   *list = &c;
    Aolani__CollAnchors m = AOLANI__COLL_ANCHORS__INIT;
    c.key = key;
    c.n_ranks = RANKS;
    c.period_ns = period_ns;
    m.n_candidates = 1;
    m.candidates = &list;
    m.profiler = 5;
    for (m.rank = 0; m.rank < RANKS; m.rank++)
        assert_int_equal(
            tell(f, f->j->plan.ranks[m.rank].node, MSG_COLL_ANCHORS, &m.base), 0);
}

/* What was taken for a step was the micro-batch: its times are not those of steps. */
static void test_another_collective_begins_anew(void **state)
{
    static const struct {
        uint64_t ago_ms;                 /* that it was chosen */
        uint64_t closed;                 /* of 20 steps more */
    } table[] = {{10000, 15}, {100, 0}}; /* by then nobody tells of the former ones */
    struct fixture *f = *state;
    struct job *j = f->j;
    struct steps_job all;
    for (size_t t = 0; t < sizeof table / sizeof *table; t++) {
        uint64_t at = loop_now_ms(j->loop) - table[t].ago_ms - 10000;
        assert_int_equal(job_variance_create(j), 0);
        f->source = STEPREC_NCCL;
        propose(f, 0x10100, 10000000);
        job_variance_tick(j, at);
        job_variance_tick(j, at + 1000);
        for (uint32_t i = 1; i <= 50; i++)
            step(f, i, 5, 0);
        steps_job(j->steps, &all);
        assert_int_equal(all.closed, 45);
        propose(f, 0x10200, 80000000);
        job_variance_tick(j, at + 5000);
        steps_job(j->steps, &all);
        assert_int_equal(all.closed, 45);
        job_variance_tick(j, at + 10000);
        for (uint32_t i = 1; i <= 20; i++)
            step(f, i, 5, 70000);
        steps_job(j->steps, &all);
        assert_int_equal(all.closed, table[t].closed);
        assert_true(all.closed == 0 || all.p50 > 70000);
        assert_non_null(strstr(f->said,
                               "steps: from NCCL's collectives (each AllReduce "
                               "among 8 ranks, profiler v5)"));
        anew(f);
    }
    assert_int_equal(job_variance_create(j), 0);
}

static void test_several_processes_of_a_rank(void **state)
{
    static const char *const said =
        "rank 3: steps are marked by more than one process; those of the first count";
    static char pattern[] = "step ([0-9]+)";
    struct fixture *f = *state;
    f->spec.steps.log_pattern = pattern;
    assert_int_equal(job_variance_create(f->j), 0);
    f->others = true;
    f->source = STEPREC_LOG; /* what they mark is not looked at */
    for (uint32_t i = 1; i <= 10; i++)
        step(f, i, 5, 0);
    assert_null(strstr(f->said, said));
    f->source = STEPREC_CLIENT;
    for (uint32_t i = 1; i <= 10; i++) {
        f->others = i > 5;
        step(f, i, 5, 0);
    }
    assert_non_null(strstr(f->said, said));
    assert_null(strstr(strstr(f->said, said) + strlen(said), "more than one process"));
    assert_int_equal(f->j->n_warnings, 1);
}

/* What was waited is known only when all ranks have told what their collectives took. */
static void test_waits_of_deep_steps_are_journaled(void **state)
{
    struct fixture *f = *state;
    ProtobufCMessage *last = NULL;
    uint8_t time[COLLTIME_BYTES];
    struct steprec r;
    assert_int_equal(job_variance_create(f->j), 0);
    f->source = STEPREC_NCCL;
    f->flags = STEPREC_HOST_PACED;
    step(f, 1, 5, 0);
    f->flags |= STEPREC_DEEP;
    step(f, 2, 5, 0);
    for (uint32_t k = 0; k < RANKS; k++) {
        struct colltime t = {7, 1, 5, (1 + k) * 100000, RANKS};
        Aolani__CollTimes m = AOLANI__COLL_TIMES__INIT;
        colltime_encode(&t, time);
        m.rank = k;
        m.step = 2;
        m.records.data = time;
        m.records.len = sizeof time;
        assert_int_equal(tell(f, f->j->plan.ranks[k].node, MSG_COLL_TIMES, &m.base), 0);
    }
    assert_int_equal(journaled(f, JOURNAL_STEPS, &aolani__jsteps__descriptor, &last),
                     2 * RANKS);
    const Aolani__Steps *s = ((const Aolani__JSteps *)(const void *)last)->steps;
    assert_int_equal(s->records.len, STEPREC_BYTES);
    steprec_decode(s->records.data, &r);
    assert_int_equal(r.rank, RANKS - 1);
    assert_int_equal(r.flags, STEPREC_DEEP);
    assert_int_equal(r.wait_us, (RANKS - 1) * 100);
    protobuf_c_message_free_unpacked(last, NULL);
    f->flags = 0;
}

/* Where lines are numbered anew in each epoch, their numbers do not say what an earlier
 * attempt has done, from when that is known on. */
static void test_numbers_of_lines_that_fell(void **state)
{
    static const struct {
        bool before;   /* in an earlier attempt */
        uint32_t from; /* this step on, they have fallen; 0: never */
        unsigned uncounted;
        unsigned repeated, said;
    } table[] = {
        {false, 0, 0, 29, 0},
        {false, 21, STEPREC_LOG, 15, 1},
        {true, 0, STEPREC_LOG, 0, 0}, /* this one was short */
        {true, 21, STEPREC_LOG, 0, 0},
    };
    static char log[] = "log", pattern[] = "step ([0-9]+)";
    struct fixture *f = *state;
    struct job *j = f->j;
    f->spec.steps.log_pattern = pattern;
    f->spec.steps.source = log;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        ProtobufCMessage *last = NULL;
        const Aolani__JProgress *m;
        f->said[0] = '\0';
        f->source = STEPREC_LOG;
        f->flags = 0;
        ledger_init(&j->ledger);
        j->config.done_steps = 35;
        j->config.renumbered = table[i].before;
        assert_int_equal(job_variance_create(j), 0);
        for (uint32_t k = 1; k <= 40; k++) {
            f->flags = table[i].from && k >= table[i].from ? STEPREC_RENUMBERED : 0;
            step(f, k, 5, 0);
        }
        job_variance_finish(j, loop_now_ms(j->loop));
        assert_int_equal(j->uncounted, table[i].uncounted);
        assert_int_equal(j->has_step, table[i].uncounted == 0);
        assert_in_range(j->ledger.us[LEDGER_ROLLED_BACK],
                        table[i].repeated * (uint64_t)STEP_US,
                        table[i].repeated * (STEP_US + 600ull) + STEP_US * 6);
        assert_int_equal(strstr(f->said, "fall within an attempt") != NULL,
                         table[i].said);
        if (table[i].uncounted) {
            assert_true(journaled(f, JOURNAL_PROGRESS, &aolani__jprogress__descriptor,
                                  &last) > 0);
            m = (const void *)last;
            assert_int_equal(m->uncounted, STEPREC_LOG);
            assert_true(m->last_step < m->first_step);
            protobuf_c_message_free_unpacked(last, NULL);
        }
        anew(f);
    }
}

/* ---- the ledger ---- */

static void test_the_ledger_is_the_wall_time(void **state)
{
    static const struct {
        uint64_t phase[JOB_PHASES], earlier, before, wall;
        uint64_t start, end, restart;
    } table[] = {
        {{20, 30, 10, 8000, 0, 15}, 0, 5, 8090, 65, 25, 0},   /* as it should be */
        {{20, 30, 0, 0, 0, 15}, 0, 5, 70, 55, 15, 0},         /* no rank was started */
        {{20, 0, 0, 0, 0, 0}, 0, 0, 19, 19, 0, 0},            /* rounded */
        {{20, 30, 10, 700, 900, 15}, 0, 0, 1675, 60, 915, 0}, /* Ctrl-C */
        {{20, 30, 10, 100, 0, 15}, 500, 5, 680, 65, 15, 500}, /* a second attempt */
        {{0}, 0, 0, 0, 0, 0, 0},
    };
    struct fixture *f = *state;
    struct job *j = f->j;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct summary s = {0};
        uint64_t all = 0;
        ledger_init(&j->ledger);
        memcpy(j->phase_ms, table[i].phase, sizeof j->phase_ms);
        job_close_ledger(j, table[i].earlier, table[i].before, table[i].wall);
        job_variance_fill(j, &s);
        assert_non_null(s.ledger);
        assert_null(s.variance);
        for (int r = 0; r < LEDGER_ROWS; r++)
            all += s.ledger->us[r];
        assert_int_equal(all, table[i].wall * 1000);
        assert_int_equal(s.ledger->us[LEDGER_START], table[i].start * 1000);
        assert_int_equal(s.ledger->us[LEDGER_END], table[i].end * 1000);
        assert_int_equal(s.ledger->us[LEDGER_RESTART], table[i].restart * 1000);
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_absurd_signals_are_a_breach),
        T(test_a_talkative_node),
        T(test_a_slow_rank_is_journaled_and_said),
        T(test_a_better_source_begins_anew),
        T(test_waits_of_deep_steps_are_journaled),
        T(test_steps_of_nccl_are_no_progress),
        T(test_numbers_of_lines_that_fell),
        T(test_another_collective_begins_anew),
        T(test_several_processes_of_a_rank),
        T(test_the_ledger_is_the_wall_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
