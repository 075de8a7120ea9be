/* SPDX-License-Identifier: MIT */
/* pair_test.c - two ends of a pair on this machine's loopback, and whoever else might be at
 * the other end of either. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/audit/pair_impl.h"
#include "agent/audit/pair_listener.h"
#include "proto/base/clock.h"

#define MS 1000000ull

static uint8_t token[PAIR_TOKEN_BYTES] = "these are the 32 bytes we know.";

/* ---- numbers */

static void rates_leave_out_the_start(void **state)
{
    /* 100 ms; a bucket's worth at once, then a steady rate; how much of it there is. */
    static const struct {
        const char *what;
        uint64_t bucket, per_ms;
        unsigned first_ms, last_ms;
        uint64_t mbytes;
    } rows[] = {
        {"100 Mbit/s", 0, 12500, 0, 100, 13},
        {"a bucket of 1 MB before", 1000000, 12500, 0, 100, 13},
        {"ended after a third", 1000000, 12500, 0, 33, 13},
        {"of 2 ms only", 0, 12500, 0, 2, 13},
        {"10 GB/s", 64000, 10000000, 0, 100, 10000},
        {"one moment only", 64000, 0, 0, 0, 0},
        {"nothing after the first", 64000, 0, 0, 100, 1},
        {"1 Mbit/s", 16000, 125, 0, 100, 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pair_rate r;
        uint64_t bytes, ns, total = rows[i].bucket;
        pair_rate_start(&r, 5 * MS, 100 * MS);
        for (unsigned ms = rows[i].first_ms; ms <= rows[i].last_ms; ms++) {
            bool goes_on = pair_rate_add(&r, (5 + ms) * MS, total);
            assert_int_equal(goes_on, ms < 100);
            total += rows[i].per_ms;
        }
        pair_rate_steady(&r, &bytes, &ns);
        if (pair_mbytes(bytes, ns) != rows[i].mbytes)
            fail_msg("%s: %llu MB/s", rows[i].what,
                     (unsigned long long)pair_mbytes(bytes, ns));
    }
    struct pair_rate none;
    uint64_t bytes = 1, ns = 1;
    pair_rate_start(&none, 0, 0);
    pair_rate_steady(&none, &bytes, &ns);
    assert_int_equal(bytes + ns, 0);
    assert_int_equal(pair_mbytes(UINT64_MAX, 1), 1000000000);
}

/* Who was late to look sees more bytes at a later time: the rate is the same. */
static void rates_bear_a_reader_that_waits(void **state)
{
    (void)state;
    struct pair_rate r;
    uint64_t bytes, ns;
    pair_rate_start(&r, 0, 100 * MS);
    for (unsigned ms = 0; ms < 100; ms++)
        if (ms < 38 || ms > 47)
            (void)pair_rate_add(&r, ms * MS, ms * 12500);
    pair_rate_steady(&r, &bytes, &ns);
    assert_int_equal(bytes * MS, 12500 * ns);
}

static void trips_have_quantiles(void **state)
{
    (void)state;
    Aolani__AuditPair p = AOLANI__AUDIT_PAIR__INIT;
    uint64_t ns[200];
    for (unsigned i = 0; i < 200; i++)
        ns[i] = 200 - i;
    pair_trips(ns, 200, &p);
    assert_int_equal(p.trips, 200);
    assert_int_equal(p.p50_ns, 100);
    assert_int_equal(p.p99_ns, 198);
    assert_int_equal(p.max_ns, 200);
    pair_trips(ns, 1, &p);
    assert_int_equal(p.p50_ns, p.max_ns);
    pair_trips(ns, 0, &p);
    assert_int_equal(p.trips, 0);
}

static void records_are_checked(void **state)
{
    (void)state;
    unsigned char bytes[PAIR_RECORD];
    struct pair_record r = {.op = PAIR_DONE, .a = 1ull << 60, .b = 2, .c = 3}, back;
    pair_record_encode(&r, bytes);
    assert_int_equal(pair_record_decode(bytes, &back), 0);
    assert_memory_equal(&r, &back, sizeof r);
    static const struct {
        unsigned at;
        unsigned char value;
    } wrong[] = {{0, 'B'}, {3, 0}, {4, 0}, {4, PAIR_OPS}, {4, 255}, {5, 1}, {7, 128}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        pair_record_encode(&r, bytes);
        bytes[wrong[i].at] = wrong[i].value;
        assert_int_equal(pair_record_decode(bytes, &back), -EPROTO);
    }
}

/* ---- two ends that mean well */

static struct pair_listener *listen_at(const char *address, uint64_t limit_ms,
                                       uint32_t *ret_port)
{
    Aolani__AuditListen ask = AOLANI__AUDIT_LISTEN__INIT;
    struct pair_listener *l = NULL;
    struct err e = {0};
    ask.token = (ProtobufCBinaryData){sizeof token, token};
    ask.address = (char *)address;
    ask.limit_ms = limit_ms;
    if (pair_listen(&ask, &l, ret_port, &e) < 0)
        return NULL;
    assert_in_range(*ret_port, 1, 65535);
    return l;
}

/* Serves in a process of its own, which ends with 0 or 1. */
static pid_t serve(struct pair_listener *l)
{
    struct err e = {0};
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(pair_serve(l, &e) == 0 ? 0 : 1);
    pair_listener_destroy(l);
    return pid;
}

static int status_of(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int reach(const char *address, uint32_t port, uint64_t budget_ms,
                 Aolani__AuditPair **ret, struct err *e)
{
    Aolani__AuditReach ask = AOLANI__AUDIT_REACH__INIT;
    ask.token = (ProtobufCBinaryData){sizeof token, token};
    ask.address = (char *)address;
    ask.port = port;
    ask.budget_ms = budget_ms;
    *e = (struct err){0};
    return pair_reach(&ask, ret, e);
}

static void assert_measured(uint32_t port, const char *address)
{
    Aolani__AuditPair *p = NULL;
    struct err e;
    if (reach(address, port, 60, &p, &e) < 0)
        fail_msg("%s", e.text);
    assert_string_equal(p->transport, "tcp");
    assert_string_equal(p->note, "");
    assert_true(p->trips > 0 && p->p50_ns > 0);
    assert_true(p->p50_ns <= p->p99_ns && p->p99_ns <= p->max_ns);
    assert_true(p->there_mbytes > 0 && p->back_mbytes > 0);
    aolani__audit_pair__free_unpacked(p, NULL);
}

static void a_pair_is_measured(void **state)
{
    static const struct {
        const char *listen, *reach;
    } rows[] = {
        {"127.0.0.1", "127.0.0.1"}, {"", "127.0.0.1"}, {"::1", "::1"}, {"", "::1"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t port, other;
        struct pair_listener *six = listen_at("::1", 1, &other);
        bool has_six = six;
        pair_listener_destroy(six);
        if (!has_six && !strcmp(rows[i].reach, "::1"))
            continue;
        struct pair_listener *l = listen_at(rows[i].listen, 20000, &port);
        assert_non_null(l);
        pid_t pid = serve(l);
        assert_measured(port, rows[i].reach);
        assert_int_equal(status_of(pid), 0);
    }
}

/* ---- others at the listener's door */

static int dial(uint32_t port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&sa, sizeof sa) < 0) {
        close(fd);
        return -errno;
    }
    return fd;
}

static void say(int fd, const void *data, size_t len)
{
    (void)send(fd, data, len, MSG_NOSIGNAL); /* it may be sent away meanwhile */
}

static void comes_with_a_wrong_token(int fd)
{
    uint8_t wrong[PAIR_TOKEN_BYTES];
    char byte;
    memcpy(wrong, token, sizeof wrong);
    wrong[sizeof wrong - 1] ^= 1;
    say(fd, wrong, sizeof wrong);
    assert_true(recv(fd, &byte, 1, 0) <= 0); /* sent away without a word */
}

static void says_half_and_waits(int fd)
{
    say(fd, token, sizeof token / 2);
}

static void says_nothing(int fd)
{
    (void)fd;
}

static void ends_at_once(int fd)
{
    (void)shutdown(fd, SHUT_RDWR);
}

static void floods(int fd)
{
    char *noise = calloc(1, 1 << 20);
    assert_non_null(noise);
    int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
    for (int i = 0; i < 8; i++)
        (void)send(fd, noise, 1 << 20, flags);
    free(noise);
}

static void speaks_another_protocol(int fd)
{
    static const char http[] = "GET / HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n";
    say(fd, http, sizeof http - 1);
}

static void the_right_one_is_waited_for(void **state)
{
    static const struct {
        const char *what;
        void (*act)(int fd);
        unsigned times;
    } rows[] = {
        {"a wrong token", comes_with_a_wrong_token, 1},
        {"half a token, then silence", says_half_and_waits, 1},
        {"silence", says_nothing, 1},
        {"an early end", ends_at_once, 1},
        {"a flood", floods, 1},
        {"another protocol", speaks_another_protocol, 1},
        {"many that are silent", says_half_and_waits, 3 * PAIR_PENDING},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int fds[3 * PAIR_PENDING];
        uint32_t port;
        struct pair_listener *l = listen_at("127.0.0.1", 20000, &port);
        assert_non_null(l);
        pid_t pid = serve(l);
        for (unsigned k = 0; k < rows[i].times; k++) {
            fds[k] = dial(port);
            assert_true(fds[k] >= 0);
            rows[i].act(fds[k]);
        }
        assert_measured(port, "127.0.0.1");
        assert_int_equal(status_of(pid), 0);
        for (unsigned k = 0; k < rows[i].times; k++)
            close(fds[k]);
    }
}

static int come_in(uint32_t port)
{
    unsigned char bytes[PAIR_RECORD];
    struct pair_record r;
    int fd = dial(port);
    assert_true(fd >= 0);
    say(fd, token, sizeof token);
    assert_int_equal(recv(fd, bytes, sizeof bytes, MSG_WAITALL), sizeof bytes);
    assert_int_equal(pair_record_decode(bytes, &r), 0);
    assert_int_equal(r.op, PAIR_WELCOME);
    return fd;
}

/* Not even by who knows the token, and who waited is sent away. */
static void a_second_one_is_not_let_in(void **state)
{
    (void)state;
    uint32_t port;
    char byte;
    struct pair_listener *l = listen_at("127.0.0.1", 20000, &port);
    assert_non_null(l);
    pid_t pid = serve(l);
    int waiting = dial(port);
    assert_true(waiting >= 0);
    int fd = come_in(port);
    assert_true(recv(waiting, &byte, 1, 0) <= 0);
    int second = dial(port);
    assert_int_equal(second, -ECONNREFUSED);
    close(waiting);
    close(fd);
    assert_int_equal(status_of(pid), 1);
}

static void nobody_comes(void **state)
{
    (void)state;
    uint32_t port;
    struct err e = {0};
    struct pair_listener *l = listen_at("127.0.0.1", 50, &port);
    assert_non_null(l);
    int fd = dial(port); /* it connects and says nothing */
    assert_int_equal(pair_serve(l, &e), -ETIMEDOUT);
    assert_non_null(strstr(e.text, "did not come in time"));
    close(fd);
}

/* ---- a partner that has the token, and does not mean well */

static void asks(int fd, enum pair_op op, uint64_t a)
{
    unsigned char bytes[PAIR_RECORD];
    struct pair_record r = {.op = op, .a = a};
    pair_record_encode(&r, bytes);
    say(fd, bytes, sizeof bytes);
}

static void says_nonsense(int fd)
{
    unsigned char noise[PAIR_RECORD];
    memset(noise, 0xa5, sizeof noise);
    say(fd, noise, sizeof noise);
}
static void says_half_a_record(int fd)
{
    say(fd, "AOPR\1", 5);
}
static void wants_a_stream_without_end(int fd)
{
    asks(fd, PAIR_SOURCE, UINT64_MAX);
}
static void announces_a_stream_without_end(int fd)
{
    asks(fd, PAIR_SINK, UINT64_MAX);
    floods(fd);
}
static void says_what_is_said_to_it(int fd)
{
    asks(fd, PAIR_WELCOME, 0);
}
static void asks_for_rdma_without_a_pair(int fd)
{
    asks(fd, PAIR_RDMA_PUSH, UINT64_MAX);
}
static void asks_for_rdma_and_is_silent(int fd)
{
    asks(fd, PAIR_RDMA, 0);
}

static void a_partner_cannot_keep_it(void **state)
{
    static void (*const acts[])(int) = {
        says_nothing,
        says_nonsense,
        says_half_a_record,
        wants_a_stream_without_end,
        announces_a_stream_without_end,
        says_what_is_said_to_it,
        asks_for_rdma_without_a_pair,
        asks_for_rdma_and_is_silent,
        ends_at_once,
    };
    (void)state;
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
        uint32_t port;
        struct pair_listener *l = listen_at("127.0.0.1", 400, &port);
        assert_non_null(l);
        pid_t pid = serve(l);
        int fd = come_in(port);
        acts[i](fd);
        assert_int_equal(status_of(pid), 1); /* by its limit, or sooner */
        close(fd);
    }
}

/* A listener that has no HCA says so, and goes on. */
static void no_rdma_is_no_end(void **state)
{
    (void)state;
    unsigned char bytes[PAIR_RECORD], more[PAIR_MORE] = {0};
    struct pair_record r;
    uint32_t port;
    struct pair_listener *l = listen_at("127.0.0.1", 20000, &port);
    assert_non_null(l);
    pid_t pid = serve(l);
    int fd = come_in(port);
    asks(fd, PAIR_RDMA, 0);
    say(fd, more, sizeof more);
    assert_int_equal(recv(fd, bytes, sizeof bytes, MSG_WAITALL), sizeof bytes);
    assert_int_equal(pair_record_decode(bytes, &r), 0);
    assert_int_equal(r.op, PAIR_NO);
    assert_int_equal(recv(fd, more, sizeof more, MSG_WAITALL), sizeof more);
    assert_string_equal((char *)more, "no HCA is named for it");
    asks(fd, PAIR_ECHO, 7);
    assert_int_equal(recv(fd, bytes, sizeof bytes, MSG_WAITALL), sizeof bytes);
    asks(fd, PAIR_BYE, 0);
    assert_int_equal(status_of(pid), 0);
    close(fd);
}

/* ---- a listener that does not mean well */

static void answers(int fd, enum pair_op op, uint64_t a, uint64_t b)
{
    unsigned char bytes[PAIR_RECORD];
    struct pair_record r = {.op = op, .a = a, .b = b, .c = UINT64_MAX};
    pair_record_encode(&r, bytes);
    say(fd, bytes, sizeof bytes);
}

static void drinks(int fd, uint64_t ms)
{
    char sip[4096];
    uint64_t until = clock_mono_ns() + ms * MS;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (clock_mono_ns() < until && poll(&p, 1, 10) >= 0)
        if ((p.revents & POLLIN) && recv(fd, sip, sizeof sip, 0) <= 0)
            return;
}

/* Echoes until something else is asked for. */
static void echoes(int fd)
{
    unsigned char bytes[PAIR_RECORD];
    struct pair_record r = {.op = PAIR_ECHO};
    while (recv(fd, bytes, sizeof bytes, MSG_WAITALL) == sizeof bytes &&
           pair_record_decode(bytes, &r) == 0 && r.op == PAIR_ECHO)
        say(fd, bytes, sizeof bytes);
}

static void sends_away(int fd)
{
    (void)fd;
}
static void is_silent(int fd)
{
    drinks(fd, 60000); /* until the other one gives up */
}
static void greets_wrongly(int fd)
{
    answers(fd, PAIR_BYE, 0, 0);
    is_silent(fd);
}
static void greets_in_another_protocol(int fd)
{
    for (int i = 0; i < 4; i++)
        say(fd, "220 mail.example.com ESMTP ready\r\n", 34);
    is_silent(fd);
}
static void answers_another_trip(int fd)
{
    answers(fd, PAIR_WELCOME, 0, 0);
    answers(fd, PAIR_ECHO, 99, 0);
    is_silent(fd);
}
static void ends_in_the_stream(int fd)
{
    answers(fd, PAIR_WELCOME, 0, 0);
    echoes(fd);
}
static void never_says_what_came(int fd)
{
    answers(fd, PAIR_WELCOME, 0, 0);
    echoes(fd);
    is_silent(fd);
}
static void stops_reading(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLRDHUP};
    answers(fd, PAIR_WELCOME, 0, 0);
    echoes(fd);
    (void)poll(&p, 1, 60000);
}

/* What comes of it, with such a listener. */
static int reach_one_that(void (*act)(int), Aolani__AuditPair **ret, struct err *e)
{
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    uint8_t got[PAIR_TOKEN_BYTES];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    assert_int_equal(listen(fd, 1), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int in = accept(fd, NULL, NULL);
        if (in >= 0 && recv(in, got, sizeof got, MSG_WAITALL) == sizeof got)
            act(in);
        _exit(0);
    }
    int rc = reach("127.0.0.1", ntohs(sa.sin_port), 50, ret, e);
    (void)kill(pid,
               SIGKILL); /* what it has not read keeps it from hearing of the end */
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    close(fd);
    return rc;
}

static void a_listener_cannot_keep_it(void **state)
{
    static const struct {
        void (*act)(int);
        int rc;
        const char *text;
    } rows[] = {
        {sends_away, ERR_AUTH, "does not take our token"},
        {is_silent, -ETIMEDOUT, "be let in"},
        {greets_wrongly, -EPROTO, "be let in"},
        {greets_in_another_protocol, -EPROTO, "be let in"},
        {answers_another_trip, -EPROTO, "measure the way"},
        {ends_in_the_stream, -ECONNRESET, "measure the way"},
        {never_says_what_came, -ETIMEDOUT, "measure the way"},
        {stops_reading, -ETIMEDOUT, "measure the way"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Aolani__AuditPair *p = NULL;
        struct err e;
        int rc = reach_one_that(rows[i].act, &p, &e);
        if (rc != rows[i].rc || !strstr(e.text, rows[i].text))
            fail_msg("row %zu: %d %s", i, rc, e.text);
    }
}

/* Nothing more goes through once it has said what came: as on a way of 1 Mbit/s. */
static void says_what_came_and_stops(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLRDHUP};
    answers(fd, PAIR_WELCOME, 0, 0);
    echoes(fd);
    answers(fd, PAIR_DONE, 12500, 100 * MS);
    (void)poll(&p, 1, 60000);
}

static void a_very_slow_way_is_told(void **state)
{
    (void)state;
    Aolani__AuditPair *p = NULL;
    struct err e;
    assert_int_equal(reach_one_that(says_what_came_and_stops, &p, &e), 0);
    assert_int_equal(p->there_mbytes, 1);
    assert_int_equal(p->back_mbytes, 0);
    assert_string_equal(p->note, "too slow for the way back to be measured");
    aolani__audit_pair__free_unpacked(p, NULL);
}

/* ---- what cannot be at all */

static void wrong_asks_are_refused(void **state)
{
    static const struct {
        const char *address;
        size_t token;
        int rc;
        const char *text;
    } rows[] = {
        {"127.0.0.1", 31, ERR_PROTO, "31 bytes"},
        {"127.0.0.1", 0, ERR_PROTO, "0 bytes"},
        {"localhost", 32, -EINVAL, "\"localhost\""},
        {"192.0.2.77", 32, -EADDRNOTAVAIL, "\"192.0.2.77\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Aolani__AuditListen ask = AOLANI__AUDIT_LISTEN__INIT;
        struct pair_listener *l = NULL;
        uint32_t port = 0;
        struct err e = {0};
        ask.token = (ProtobufCBinaryData){rows[i].token, token};
        ask.address = (char *)rows[i].address;
        ask.limit_ms = 1000;
        assert_int_equal(pair_listen(&ask, &l, &port, &e), rows[i].rc);
        assert_non_null(strstr(e.text, rows[i].text));
        assert_null(l);
    }
    Aolani__AuditPair *p = NULL;
    struct err e;
    assert_int_equal(reach("127.0.0.1", 65536, 50, &p, &e), -EINVAL);
    assert_int_equal(reach("nowhere.example", 1, 50, &p, &e), -EINVAL);
    assert_int_equal(reach("", 1, 50, &p, &e), -EINVAL);
}

static void nobody_listens(void **state)
{
    (void)state;
    uint32_t port;
    Aolani__AuditPair *p = NULL;
    struct err e;
    struct pair_listener *l = listen_at("127.0.0.1", 1000, &port);
    assert_non_null(l);
    pair_listener_destroy(l);
    assert_int_equal(reach("127.0.0.1", port, 50, &p, &e), -ECONNREFUSED);
    assert_non_null(strstr(e.text, "reach \"127.0.0.1\""));
    assert_non_null(strstr(e.hint, "ip_local_port_range"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_leave_out_the_start),
        cmocka_unit_test(rates_bear_a_reader_that_waits),
        cmocka_unit_test(trips_have_quantiles),
        cmocka_unit_test(records_are_checked),
        cmocka_unit_test(a_pair_is_measured),
        cmocka_unit_test(the_right_one_is_waited_for),
        cmocka_unit_test(a_second_one_is_not_let_in),
        cmocka_unit_test(nobody_comes),
        cmocka_unit_test(a_partner_cannot_keep_it),
        cmocka_unit_test(no_rdma_is_no_end),
        cmocka_unit_test(a_listener_cannot_keep_it),
        cmocka_unit_test(a_very_slow_way_is_told),
        cmocka_unit_test(wrong_asks_are_refused),
        cmocka_unit_test(nobody_listens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
