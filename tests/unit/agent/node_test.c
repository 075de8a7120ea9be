/* SPDX-License-Identifier: MIT */
/* An agent in a process of its own that Slurm tells to end, and a head on this side: what
 * the head still says in time holds, and one that is gone is not waited for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/node.h"
#include "proto/base/limits.h"
#include "proto/base/loop.h"
#include "proto/wire/conn.h"
#include "proto/wire/secure.h"

#define TICK_MS 10u
#define NEVER   UINT32_MAX

/* ms since the head has heard of the node */
struct row {
    const char *name;
    uint32_t cut, back; /* the link; until then nobody is let in */
    uint32_t told;      /* the agent, by Slurm */
    uint32_t stop, end; /* the head says STOP, END */
    bool done;          /* the agent obeys, and says so; else it ends by itself: */
    uint32_t from, to;
};

struct bench {
    const struct row *row;
    struct loop *loop;
    struct loop_timer *tick;
    struct loop_listener *listener;
    struct secure_key key;
    struct secure_config head;
    struct session *session;
    struct conn *link;
    pid_t agent;
    uint64_t began_ms; /* 0: the node is not heard of yet */
    uint32_t passed;
    unsigned done, told;
    bool cut, signalled, stopped, ended;
};

/* ---- the head ---- */

static const struct secure_key *on_key(void *arg, uint32_t node)
{
    struct bench *b = arg;
    return node == 0 ? &b->key : NULL;
}

static struct session *on_session(void *arg, struct conn *c, uint32_t node,
                                  uint64_t epoch)
{
    struct bench *b = arg;
    (void)node;
    (void)epoch;
    b->link = c;
    return b->session;
}

static void on_closed(void *arg, struct conn *c, const struct err *e)
{
    struct bench *b = arg;
    (void)e;
    if (b->link == c)
        b->link = NULL;
}

static void on_accept(void *arg, struct loop_stream *s, const struct sockaddr *from)
{
    static const struct conn_ops ops = {
        .key = on_key, .session = on_session, .closed = on_closed};
    struct bench *b = arg;
    struct conn *c;
    (void)from;
    if (b->cut && b->passed < b->row->back)
        loop_stream_destroy(s);
    else
        (void)conn_create(b->loop, s, &b->head, &ops, b, 10000, &c, NULL);
}

static void on_output(void *arg, const void *frame, size_t len)
{
    struct bench *b = arg;
    if (b->link)
        conn_output(b->link, frame, len);
}

static int on_message(void *arg, const struct envelope *v, struct err *e)
{
    struct bench *b = arg;
    (void)e;
    if (v->type == MSG_NODE_INFO) {
        b->began_ms = loop_now_ms(b->loop);
        session_set_phase(b->session, PHASE_READY);
    }
    b->told += v->type == MSG_TOLD_TO_END;
    b->done += v->type == MSG_NODE_DONE;
    return 0;
}

static void say_end(struct bench *b)
{
    Aolani__End m = AOLANI__END__INIT;
    uint8_t bytes[32];
    size_t len = aolani__end__pack(&m, bytes);
    session_set_phase(b->session, PHASE_ENDING);
    (void)session_send(b->session, loop_now_ms(b->loop), MSG_END, 0, bytes, len, NULL);
    b->ended = true;
}

static void say_stop(struct bench *b)
{
    Aolani__Stop m = AOLANI__STOP__INIT;
    uint8_t bytes[32];
    size_t len = aolani__stop__pack(&m, bytes);
    (void)session_send(b->session, loop_now_ms(b->loop), MSG_STOP, 0, bytes, len, NULL);
    b->stopped = true;
}

static void cut(struct bench *b)
{
    conn_destroy(b->link);
    b->link = NULL;
    b->cut = true;
}

static void on_tick(void *arg)
{
    struct bench *b = arg;
    int status;
    if (b->began_ms)
        b->passed = (uint32_t)(loop_now_ms(b->loop) - b->began_ms);
    if (b->began_ms && !b->cut && b->passed >= b->row->cut)
        cut(b);
    if (b->began_ms && !b->signalled && b->passed >= b->row->told)
        b->signalled = kill(b->agent, SIGTERM) == 0;
    if (b->began_ms && !b->stopped && b->passed >= b->row->stop)
        say_stop(b);
    if (b->began_ms && !b->ended && b->passed >= b->row->end)
        say_end(b);
    if (waitpid(b->agent, &status, WNOHANG) != b->agent)
        return;
    b->agent = 0;
    loop_stop(b->loop);
}

/* ---- the agent ---- */

static pid_t start_agent(const struct bench *b, uint16_t port)
{
    char address[64], *heads[] = {address};
    uint8_t run[SECURE_RUN_BYTES] = {0};
    Aolani__Boot boot = AOLANI__BOOT__INIT;
    struct err e;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)snprintf(address, sizeof address, "127.0.0.1:%u", port);
    boot.run_id.data = run;
    boot.run_id.len = sizeof run;
    boot.key.data = (uint8_t *)(uintptr_t)b->key.b;
    boot.key.len = sizeof b->key.b;
    boot.n_nodes = 1;
    boot.n_group = 1; /* by srun */
    boot.lease_ms = 60000;
    boot.epoch = 7;
    boot.heads = heads;
    boot.n_heads = 1;
    _exit(node_run(&boot, -1, -1, &e) < 0);
}

/* ---- */

static void run(struct bench *b, const struct row *row)
{
    static const struct session_ops ops = {.output = on_output, .message = on_message};
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct session_config c = {.role = ROLE_HEAD,
                               .self = 0,
                               .peer = 1,
                               .epoch = 7,
                               .heartbeat_ms = 1000,
                               .silence_ms = 15000,
                               .initial_credit = SESSION_INITIAL_CREDIT,
                               .incarnation = 5,
                               .queue_bytes = LIMIT_SEND_QUEUE};
    uint16_t port;
    *b = (struct bench){.row = row, .head = {.role = ROLE_HEAD, .epoch = 7}};
    secure_random(&b->key, sizeof b->key);
    assert_int_equal(loop_create(&b->loop, NULL), 0);
    assert_int_equal(loop_listen(b->loop, (struct sockaddr *)&at, on_accept, b,
                                 &b->listener, &port, NULL),
                     0);
    assert_int_equal(session_create(&c, &ops, b, &b->session, NULL), 0);
    b->agent = start_agent(b, port);
    b->tick = loop_timer_create(b->loop, on_tick, b);
    loop_timer_start(b->tick, TICK_MS, TICK_MS);
    loop_run(b->loop);
    conn_destroy(b->link);
    loop_listener_destroy(b->listener);
    session_destroy(b->session);
    loop_timer_destroy(b->tick);
    loop_destroy(b->loop);
}

static void test_told_to_end(void **state)
{
    static const struct row rows[] = {
        {"an answer", NEVER, 0, 100, NEVER, 1100, true, 1100, 10000},
        {"no answer", NEVER, 0, 100, NEVER, NEVER, false, 2000, 4000},
        {"cut for good", 200, NEVER, 100, NEVER, NEVER, false, 700, 2000},
        {"cut for good before", 100, NEVER, 150, NEVER, NEVER, false, 600, 2000},
        {"cut, and an answer", 200, 200, 100, NEVER, 1400, true, 1400, 10000},
        {"cut, and no answer", 200, 200, 100, NEVER, NEVER, false, 2000, 5000},
        {"cut before, and an answer", 100, 200, 150, NEVER, 1400, true, 1400, 10000},
        {"stopped, and an answer", NEVER, 0, 150, 100, 3000, true, 3000, 10000},
        {"stopped, and cut for good", 200, NEVER, 150, 100, NEVER, false, 700, 4000},
        {"stopped, and cut before", 200, NEVER, 300, 100, NEVER, false, 800, 4000},
    };
    unsigned bad = 0;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bench b;
        const struct row *r = &rows[i];
        run(&b, r);
        if (b.done == r->done && b.passed >= r->from && b.passed <= r->to &&
            (r->back == NEVER || b.told == 1))
            continue;
        print_error("%s: %u ms, done %u, told %u\n", r->name, b.passed, b.done, b.told);
        bad++;
    }
    assert_int_equal(bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_told_to_end)};
    alarm(120);
    return secure_init(NULL) < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
