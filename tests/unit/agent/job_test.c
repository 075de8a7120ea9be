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
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/folders.h"
#include "agent/job.h"
#include "agent/proc.h"
#include "proto/base/buf.h"
#include "proto/wire/aolani.pb-c.h"
#include "proto/wire/secure.h"

#define RUN "00000000000000ee"
static const uint8_t run_bytes[8] = {0, 0, 0, 0, 0, 0, 0, 0xee};
static char root[64];

/* A job with a recorder in place of the session: what it says is kept, and acknowledged
 * a little later. */
struct bench {
    struct loop *loop;
    struct loop_timer *limit, *poll;
    struct host host;
    struct upward up;
    struct job *job;
    uint64_t seq;
    bool over, timed_out;
    unsigned n[64]; /* of each type */
    unsigned want;  /* stop when this type was sent */
    struct buf text[2];
    Aolani__Prepared *prepared;
    Aolani__RankExit *exits[4];
    Aolani__NodeDone *done;
    Aolani__AuditSaid *audit; /* the last */
    enum phase phase;
};

static int64_t on_send(void *arg, enum message_type type, const ProtobufCMessage *m)
{
    struct bench *b = arg;
    uint8_t *bytes = malloc(protobuf_c_message_get_packed_size(m) + 1);
    size_t len = protobuf_c_message_pack(m, bytes);
    if (type == MSG_PREPARED)
        b->prepared = aolani__prepared__unpack(NULL, len, bytes);
    if (type == MSG_RANK_EXIT && b->n[type] < 4)
        b->exits[b->n[type]] = aolani__rank_exit__unpack(NULL, len, bytes);
    if (type == MSG_AUDIT_SAID) {
        if (b->audit)
            aolani__audit_said__free_unpacked(b->audit, NULL);
        b->audit = aolani__audit_said__unpack(NULL, len, bytes);
    }
    if (type == MSG_NODE_DONE)
        b->done = aolani__node_done__unpack(NULL, len, bytes);
    if (type == MSG_OUTPUT) {
        Aolani__Output *o = aolani__output__unpack(NULL, len, bytes);
        (void)buf_add(&b->text[o->stream], o->data.data, o->data.len);
        aolani__output__free_unpacked(o, NULL);
    }
    free(bytes);
    b->n[type]++;
    return (int64_t)++b->seq;
}

static uint64_t on_credit(void *arg)
{
    (void)arg;
    return 1u << 20;
}

static void on_phase(void *arg, enum phase phase)
{
    struct bench *b = arg;
    b->phase = phase;
}

static void on_attempt(void *arg, uint32_t attempt)
{
    (void)arg;
    assert_int_equal(attempt, 3);
}

static void on_over(void *arg)
{
    struct bench *b = arg;
    b->over = true;
}

static void on_poll(void *arg)
{
    struct bench *b = arg;
    job_acked(b->job, b->seq);
    if (b->over || (b->want && b->n[b->want]))
        loop_stop(b->loop);
}

static void on_limit(void *arg)
{
    struct bench *b = arg;
    b->timed_out = true;
    loop_stop(b->loop);
}

static void begin(struct bench *b, bool recovering)
{
    static const struct job_ops ops = {
        .phase = on_phase, .attempt = on_attempt, .over = on_over};
    memset(b, 0, sizeof *b);
    assert_int_equal(loop_create(&b->loop, NULL), 0);
    b->limit = loop_timer_create(b->loop, on_limit, b);
    b->poll = loop_timer_create(b->loop, on_poll, b);
    loop_timer_start(b->poll, 10, 10);
    buf_init(&b->text[0], 1u << 20);
    buf_init(&b->text[1], 1u << 20);
    assert_int_equal(host_describe("/sys", &b->host, NULL), 0);
    b->up = (struct upward){.send = on_send, .credit = on_credit, .arg = b};
    struct job_config c = {
        .loop = b->loop, .up = &b->up, .host = &b->host, .recovering = recovering};
    memcpy(c.run_id, run_bytes, sizeof c.run_id);
    assert_int_equal(job_create(&c, &ops, b, &b->job, NULL), 0);
}

static void finish(struct bench *b)
{
    job_destroy(b->job);
    for (size_t i = 0; i < 4; i++) {
        if (b->exits[i])
            aolani__rank_exit__free_unpacked(b->exits[i], NULL);
    }
    if (b->prepared)
        aolani__prepared__free_unpacked(b->prepared, NULL);
    if (b->audit)
        aolani__audit_said__free_unpacked(b->audit, NULL);
    if (b->done)
        aolani__node_done__free_unpacked(b->done, NULL);
    host_fini(&b->host);
    buf_fini(&b->text[0]);
    buf_fini(&b->text[1]);
    loop_timer_destroy(b->limit);
    loop_timer_destroy(b->poll);
    loop_destroy(b->loop);
}

/* Until a message of this type, or (0) until the job is over. */
static void run(struct bench *b, unsigned want)
{
    b->want = want;
    loop_timer_start(b->limit, 15000, 0);
    loop_run(b->loop);
    assert_false(b->timed_out);
}

static int give(struct bench *b, enum message_type type, const ProtobufCMessage *m)
{
    uint8_t bytes[4096];
    size_t len = protobuf_c_message_pack(m, bytes);
    struct envelope v = {.type = (uint16_t)type,
                         .attempt = 3,
                         .seq = 1,
                         .payload = bytes,
                         .payload_len = len};
    return job_message(b->job, &v, NULL);
}

static int give_prepare(struct bench *b, const char *run_id, const char *script)
{
    Aolani__Prepare m = AOLANI__PREPARE__INIT;
    Aolani__RankPlan rank[2] = {AOLANI__RANK_PLAN__INIT, AOLANI__RANK_PLAN__INIT};
    Aolani__RankPlan *ranks[2] = {&rank[0], &rank[1]};
    uint32_t first[2] = {0, 2};
    char *argv[] = {(char *)"sh", (char *)"-c", (char *)script};
    char *missing[] = {(char *)"no-such-program"};
    rank[1].rank = rank[1].local_rank = 1;
    m.run_id = (char *)run_id;
    m.n_nodes = 1;
    m.world_size = 2;
    m.n_ranks = 2;
    m.ranks = ranks;
    m.n_first_rank = 2;
    m.first_rank = first;
    m.n_argv = script ? 3 : 1;
    m.argv = script ? argv : missing;
    m.workdir = root;
    m.mpi = (char *)"none";
    m.grace_ms = 300;
    m.spool_bytes = 1u << 20;
    return give(b, MSG_PREPARE, &m.base);
}

static int give_start(struct bench *b)
{
    Aolani__Start m = AOLANI__START__INIT;
    m.master_addr = (char *)"127.0.0.1";
    return give(b, MSG_START, &m.base);
}

static int give_stop(struct bench *b, uint64_t grace_ms)
{
    Aolani__Stop m = AOLANI__STOP__INIT;
    m.grace_ms = grace_ms;
    return give(b, MSG_STOP, &m.base);
}

static int give_end(struct bench *b)
{
    Aolani__End m = AOLANI__END__INIT;
    return give(b, MSG_END, &m.base);
}

static void start(struct bench *b, const char *script)
{
    assert_int_equal(give_prepare(b, RUN, script), 0);
    run(b, MSG_PREPARED);
    assert_string_equal(b->prepared->error, "");
    assert_int_equal(b->phase, PHASE_PREPARED);
    assert_int_equal(give_start(b), 0);
    run(b, MSG_STARTED);
}

static void wait_for_exits(struct bench *b)
{
    while (b->n[MSG_RANK_EXIT] < 2) {
        b->n[MSG_LOG] = 0;
        loop_timer_start(b->limit, 100, 0);
        loop_run(b->loop);
    }
    b->timed_out = false;
}

/* Until the ranks have written this. */
static void run_until_said(struct bench *b, const char *words)
{
    while (!b->text[0].data || !strstr((char *)b->text[0].data, words)) {
        b->n[MSG_OUTPUT] = 0;
        run(b, MSG_OUTPUT);
    }
}

static void expect_nothing_left(void)
{
    struct folders f;
    assert_int_equal(folders_init(&f, RUN, 0, NULL), 0);
    assert_int_equal(access(f.base, F_OK), -1);
    assert_int_equal(access(f.shm, F_OK), -1);
    folders_fini(&f);
}

static void test_a_job_from_plan_to_end(void **state)
{
    (void)state;
    struct bench b;
    begin(&b, false);
    start(&b, "echo $RANK $AOLANI_ATTEMPT; echo words >&2; exit $RANK");
    assert_int_equal(b.phase, PHASE_RUNNING);
    assert_in_range(b.prepared->master_port, 1, 65535);
    wait_for_exits(&b);
    assert_int_equal(give_end(&b), 0);
    assert_int_equal(b.phase, PHASE_ENDING);
    run(&b, 0);
    assert_int_equal(b.n[MSG_OUTPUT_END], 4);
    assert_non_null(strstr((char *)b.text[0].data, "0 3\n"));
    assert_non_null(strstr((char *)b.text[0].data, "1 3\n"));
    assert_string_equal((char *)b.text[1].data, "words\nwords\n");
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(WEXITSTATUS(b.exits[i]->wait_status), b.exits[i]->rank);
        assert_false(b.exits[i]->ended_by_us);
    }
    assert_int_equal(b.done->result, AOLANI__TEARDOWN__CLEAN);
    assert_true(b.done->proven);
    expect_nothing_left();
    finish(&b);
}

static void test_what_cannot_be_prepared(void **state)
{
    (void)state;
    struct bench b;
    begin(&b, false);
    assert_int_equal(give_prepare(&b, RUN, NULL), 0);
    run(&b, MSG_PREPARED);
    assert_int_equal(b.prepared->code, -ENOENT);
    assert_non_null(strstr(b.prepared->error, "no-such-program"));
    assert_int_equal(give_start(&b), ERR_PROTO);
    assert_int_equal(give_end(&b), 0);
    run(&b, 0);
    assert_int_equal(b.done->result, AOLANI__TEARDOWN__CLEAN);
    expect_nothing_left();
    finish(&b);
}

static void test_what_a_head_must_not_say(void **state)
{
    (void)state;
    struct bench b;
    begin(&b, false);
    Aolani__Signal sig = AOLANI__SIGNAL__INIT;
    static const int32_t wrong[] = {0, -1, 65, INT32_MAX};
    for (size_t i = 0; i < 4; i++) {
        sig.signum = wrong[i];
        assert_int_equal(give(&b, MSG_SIGNAL, &sig.base), ERR_PROTO);
    }
    struct envelope v = {.type = MSG_PREPARE,
                         .payload = (const uint8_t *)"\377\377\377",
                         .payload_len = 3};
    assert_int_equal(job_message(b.job, &v, NULL), ERR_PROTO);
    assert_int_equal(give_start(&b), ERR_PROTO);
    assert_int_equal(give_prepare(&b, "00000000000000ef", "true"), ERR_PROTO);
    assert_int_equal(give_stop(&b, 0), 0);
    assert_int_equal(give_end(&b), 0); /* at any time */
    assert_int_equal(give_end(&b), 0);
    run(&b, 0);
    assert_int_equal(b.n[MSG_NODE_DONE], 1);
    finish(&b);
}

static int give_audit(struct bench *b, uint32_t id)
{
    Aolani__AuditLook look = AOLANI__AUDIT_LOOK__INIT;
    Aolani__AuditAsk m = AOLANI__AUDIT_ASK__INIT;
    m.id = id;
    m.is_case = AOLANI__AUDIT_ASK__IS_LOOK;
    m.look = &look;
    return give(b, MSG_AUDIT_ASK, &m.base);
}

/* The helper as a script; what it writes first is an answer to question 1. */
static void put_audit_helper(struct bench *b, const char *script)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/aolani-audit", root);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "#!/bin/sh\n%s\n", script);
    fclose(f);
    assert_int_equal(chmod(path, 0755), 0);
    free(b->host.audit_helper);
    b->host.audit_helper = strdup(path);
}

static void test_the_audit(void **state)
{
    (void)state;
    struct bench b;
    begin(&b, false);
    put_audit_helper(&b, "head -c 6 >/dev/null; printf "
                         "'\\004\\000\\000\\000\\010\\001\\020\\001'; exec cat");
    assert_int_equal(give_audit(&b, 1), 0);
    assert_int_equal(give_audit(&b, 2), ERR_PROTO); /* one at a time */
    assert_int_equal(give_prepare(&b, RUN, "true"), ERR_PROTO);
    run(&b, MSG_AUDIT_SAID);
    assert_true(b.audit->last && b.audit->id == 1);
    assert_string_equal(b.audit->error, "");

    /* With the plan the helper ends, and the node is not asked any more. */
    start(&b, "true");
    assert_int_equal(give_audit(&b, 2), ERR_PROTO);
    wait_for_exits(&b);
    assert_int_equal(give_end(&b), 0);
    run(&b, 0);
    assert_int_equal(b.done->result, AOLANI__TEARDOWN__CLEAN);
    expect_nothing_left();
    finish(&b);
}

static void test_an_audit_without_an_answer(void **state)
{
    (void)state;
    struct bench b;
    begin(&b, false);
    free(b.host.audit_helper);
    b.host.audit_helper = NULL;
    assert_int_equal(give_audit(&b, 1), 0);
    run(&b, MSG_AUDIT_SAID);
    assert_true(b.audit->last);
    assert_string_equal(b.audit->error, "the helper \"aolani-audit\" is not there");
    assert_int_equal(give_end(&b), 0);
    run(&b, 0);
    finish(&b);

    /* One that hangs is ended with the job; a head that ends it wants no answer. */
    begin(&b, false);
    put_audit_helper(&b, "sleep 600 & echo $! >\"${0%/*}/pid\"; wait");
    assert_int_equal(give_audit(&b, 1), 0);
    char path[128];
    pid_t pid = 0;
    (void)snprintf(path, sizeof path, "%s/pid", root);
    for (int i = 0; i < 1000 && pid == 0; i++) {
        FILE *f = fopen(path, "r");
        if (f && fscanf(f, "%d", &pid) != 1)
            pid = 0;
        if (f)
            fclose(f);
        usleep(10000);
    }
    assert_int_equal(kill(pid, 0), 0);
    assert_int_equal(give_end(&b), 0);
    run(&b, 0);
    assert_int_equal(b.n[MSG_AUDIT_SAID], 0);
    assert_int_equal(b.done->result, AOLANI__TEARDOWN__CLEAN);
    struct proc_stat stat;
    assert_true(kill(pid, 0) < 0 || proc_stat_read(pid, &stat) < 0 ||
                stat.state == 'Z');
    finish(&b);
}

static void test_stop_with_grace(void **state)
{
    (void)state;
    struct bench b;
    begin(&b, false);
    /* Rank 0 saves and ends; rank 1 will not hear. */
    start(
        &b,
        "if [ $RANK = 0 ]; then trap 'echo saved; exit 0' TERM; else trap '' TERM; fi; "
        "echo up; while :; do sleep 0.05; done");
    run_until_said(&b, "up\nup\n");
    assert_int_equal(give_stop(&b, 2000), 0);
    wait_for_exits(&b);
    for (size_t i = 0; i < 2; i++) {
        assert_true(b.exits[i]->ended_by_us);
        if (b.exits[i]->rank == 0)
            assert_int_equal(b.exits[i]->wait_status, 0);
        else
            assert_int_equal(WTERMSIG(b.exits[i]->wait_status), SIGKILL);
    }
    assert_int_equal(give_end(&b), 0);
    run(&b, 0);
    assert_non_null(strstr((char *)b.text[0].data, "saved"));
    expect_nothing_left();
    finish(&b);
}

static void test_the_lease_is_over(void **state)
{
    (void)state;
    struct bench b;
    begin(&b, false);
    start(&b, "trap '' TERM; sleep 300");
    job_abandon(b.job, false);
    run(&b, 0);
    assert_int_equal(b.n[MSG_RANK_EXIT], 2);
    assert_int_equal(b.n[MSG_NODE_DONE], 0); /* nobody asked */
    expect_nothing_left();
    finish(&b);

    begin(&b, false); /* before there was a job */
    job_abandon(b.job, false);
    run(&b, 0);
    finish(&b);
}

static unsigned marked;

static bool count_marked(void *arg, pid_t pid)
{
    (void)arg;
    marked += proc_has_mark(pid, "AOLANI_MARK=" RUN ".0") == PROC_MARK_YES;
    return true;
}

static void await_file(const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", root, name);
    while (access(path, F_OK) < 0)
        (void)usleep(10000);
}

/* An agent is killed: the next one ends what its ranks had started, and delivers what
 * they had written. */
static void test_recovery(void **state)
{
    (void)state;
    struct bench b;
    int ready[2];
    char c;
    assert_int_equal(pipe(ready), 0);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 0);
    pid_t pid = fork();
    if (pid == 0) {
        begin(&b, false);
        start(&b,
              "setsid sleep 300 & echo last words of $RANK; echo >ready.$RANK; wait");
        await_file("ready.0");
        await_file("ready.1");
        (void)!write(ready[1], "x", 1);
        (void)pause(); /* it does not send them */
        _exit(0);
    }
    assert_int_equal(read(ready[0], &c, 1), 1);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);

    begin(&b, true);
    marked = 1;
    for (int i = 0; i < 40 && marked > 0; i++) { /* without a word from the head */
        loop_timer_start(b.limit, 500, 0);
        loop_run(b.loop);
        marked = 0;
        assert_int_equal(proc_each(count_marked, NULL), 0);
    }
    b.timed_out = false;
    assert_int_equal(marked, 0);
    assert_int_equal(b.n[MSG_OUTPUT], 0); /* the head has not asked yet */
    assert_int_equal(give_end(&b), 0);
    run(&b, 0);
    assert_non_null(b.text[0].data);
    assert_non_null(strstr((char *)b.text[0].data, "last words of 0\n"));
    assert_non_null(strstr((char *)b.text[0].data, "last words of 1\n"));
    assert_int_equal(b.done->result, AOLANI__TEARDOWN__FORCED);
    assert_true(b.done->killed >= 2);
    /* No keeper has spoken: then only a control group could have proven it. */
    bool grouped = false;
    for (size_t i = 0; i < b.done->n_evidence; i++)
        grouped = grouped || strcmp(b.done->evidence[i], "control group empty") == 0;
    assert_int_equal(b.done->proven, grouped);
    expect_nothing_left();
    finish(&b);
    close(ready[0]);
    close(ready[1]);
}

static void test_recovery_of_nothing(void **state)
{
    (void)state;
    struct bench b;
    begin(&b, true);
    assert_int_equal(give_end(&b), 0); /* before the look is over */
    run(&b, 0);
    assert_int_equal(b.done->result, AOLANI__TEARDOWN__CLEAN);
    finish(&b);
}

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof root, "/tmp/aolani-job-test-XXXXXX");
    return secure_init(NULL) == 0 && mkdtemp(root) && setenv("TMPDIR", root, 1) == 0
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return folders_remove_tree(root, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_job_from_plan_to_end),
        cmocka_unit_test(test_what_cannot_be_prepared),
        cmocka_unit_test(test_what_a_head_must_not_say),
        cmocka_unit_test(test_the_audit),
        cmocka_unit_test(test_an_audit_without_an_answer),
        cmocka_unit_test(test_stop_with_grace),
        cmocka_unit_test(test_the_lease_is_over),
        cmocka_unit_test(test_recovery),
        cmocka_unit_test(test_recovery_of_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
