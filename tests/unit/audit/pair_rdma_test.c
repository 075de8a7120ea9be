/* SPDX-License-Identifier: MIT */
/* pair_rdma_test.c - a pair by RDMA, with tests/lib/verbs_fake.c for libibverbs: both ends
 * in this process, and what can fail on the way, at each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/audit/pair_impl.h"
#include "agent/audit/verbs.h"
#include "proto/base/clock.h"

static uint8_t token[PAIR_TOKEN_BYTES] = "these are the 32 bytes we know.";

static void *serve(void *arg)
{
    struct err e = {0};
    return pair_serve(arg, &e) < 0 ? "failed" : NULL;
}

static int measure(const char *listener_nic, const char *nic, Aolani__AuditPair **ret,
                   struct err *e)
{
    Aolani__AuditListen listen = AOLANI__AUDIT_LISTEN__INIT;
    Aolani__AuditReach reach = AOLANI__AUDIT_REACH__INIT;
    ProtobufCBinaryData t = {sizeof token, token};
    struct pair_listener *l;
    pthread_t thread;
    listen.token = reach.token = t;
    listen.address = reach.address = "127.0.0.1";
    listen.nic = (char *)listener_nic;
    listen.limit_ms = 30000;
    assert_int_equal(pair_listen(&listen, &l, &reach.port, e), 0);
    assert_int_equal(pthread_create(&thread, NULL, serve, l), 0);
    reach.nic = (char *)nic;
    reach.budget_ms = 60;
    int rc = pair_reach(&reach, ret, e);
    assert_int_equal(pthread_join(thread, NULL), 0);
    return rc;
}

static void a_pair_goes_by_rdma(void **state)
{
    static const struct {
        const char *listener, *reacher;
    } rows[] = {{"fake_1", "fake_0"}, {"fake_1:1", "fake_0:1"}, {"fake_2", "fake_2"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Aolani__AuditPair *p = NULL;
        struct err e = {0};
        if (measure(rows[i].listener, rows[i].reacher, &p, &e) < 0)
            fail_msg("%s", e.text);
        if (*p->note)
            fail_msg("%s", p->note);
        assert_string_equal(p->transport, "rdma");
        assert_string_equal(p->nic, rows[i].reacher);
        assert_memory_equal(p->peer_nic, rows[i].listener, 6);
        assert_true(p->trips > 0 && p->p50_ns > 0 && p->p50_ns <= p->max_ns);
        assert_true(p->there_mbytes > 0 && p->back_mbytes > 0);
        aolani__audit_pair__free_unpacked(p, NULL);
    }
}

/* Whatever keeps RDMA from working, TCP is measured, and the note says why. */
static void tcp_takes_over(void **state)
{
    static const struct {
        const char *fake, *listener, *reacher, *note;
    } rows[] = {
        {"", "fake_0", "absent", "\"absent\": it is not there"},
        {"", "fake_0", "fake_0:9", "no port of it is active"},
        {"", "fake_0", "fake_0:x", "none of such a name"},
        {"", "fake_0", ":1", "none of such a name"},
        {"", "", "fake_0", "the other end: no HCA is named"},
        {"", "absent", "fake_0", "the other end: use the HCA \"absent\""},
        {"", "fake_2", "fake_0", "one is InfiniBand, the other one Ethernet"},
        {"", "fake_3", "fake_2",
         "the other end: use the HCA \"fake_3\": it has no addr"},
        {"down", "fake_0", "fake_1", "no port of it is active"},
        {"open_device", "fake_0", "fake_1", "Permission denied"},
        {"alloc_pd", "fake_0", "fake_1", "make a protection domain"},
        {"reg_mr", "fake_0", "fake_1", "register memory"},
        {"create_cq", "fake_0", "fake_1", "make a completion queue"},
        {"create_qp", "fake_0", "fake_1", "make a queue pair"},
        {"modify_qp", "fake_0", "fake_1", "connect a queue pair"},
        {"broken", "fake_0", "fake_1", "the work failed"},
        {"lost", "fake_0", "fake_1", "timed out"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Aolani__AuditPair *p = NULL;
        struct err e = {0};
        assert_int_equal(setenv("VERBS_FAKE", rows[i].fake, 1), 0);
        if (measure(rows[i].listener, rows[i].reacher, &p, &e) < 0)
            fail_msg("%s %s: %s", rows[i].fake, rows[i].reacher, e.text);
        assert_string_equal(p->transport, "tcp");
        if (strncmp(p->note, "rdma was tried first: ", 22) != 0 ||
            !strcasestr(p->note, rows[i].note))
            fail_msg("%s %s: %s", rows[i].fake, rows[i].reacher, p->note);
        assert_true(p->trips > 0 && p->there_mbytes > 0 && p->back_mbytes > 0);
        aolani__audit_pair__free_unpacked(p, NULL);
    }
    assert_int_equal(unsetenv("VERBS_FAKE"), 0);
}

/* Where the first trips take all of the time, one is timed all the same: none at all would
 * be no time at all. */
static void slow_trips_are_timed(void **state)
{
    (void)state;
    Aolani__AuditPair *p = NULL;
    struct err e = {0};
    assert_int_equal(setenv("VERBS_FAKE", "slow", 1), 0);
    if (measure("fake_1", "fake_0", &p, &e) < 0)
        fail_msg("%s", e.text);
    assert_int_equal(unsetenv("VERBS_FAKE"), 0);
    assert_string_equal(p->transport, "rdma");
    assert_true(p->trips > 0 && p->p50_ns >= 5000000);
    aolani__audit_pair__free_unpacked(p, NULL);
}

/* Anything may be in the other one's card. */
static void cards_are_checked(void **state)
{
    static const struct {
        unsigned at;
        unsigned char value;
        int rc;
    } rows[] = {
        {3, 1, ERR_PROTO},  /* a number that no queue pair has */
        {7, 1, ERR_PROTO},  /* nor packet */
        {12, 0, ERR_PROTO}, /* packets of no length */
        {12, 6, ERR_PROTO}, /* or longer than there are */
        {15, 255, ERR_PROTO}, {18, 9, -EPROTOTYPE}, /* another kind of link */
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        unsigned char card[VERBS_CARD];
        struct verbs *v;
        struct err e = {0};
        assert_int_equal(verbs_open("fake_0", &v, &e), 0);
        verbs_card(v, card);
        card[rows[i].at] = rows[i].value;
        assert_int_equal(verbs_connect(v, card, &e), rows[i].rc);
        verbs_close(v);
    }
}

/* Names of the other end are shown to people. */
static void names_are_printable(void **state)
{
    (void)state;
    unsigned char card[VERBS_CARD];
    struct verbs *v;
    struct err e = {0};
    assert_int_equal(verbs_open("fake_0", &v, &e), 0);
    verbs_card(v, card);
    memset(card + 48, 'x', VERBS_CARD - 48);
    memcpy(card + 48, "\033[2J", 4);
    assert_int_equal(verbs_connect(v, card, &e), 0);
    assert_int_equal(strlen(verbs_peer(v)), VERBS_NAME - 1);
    assert_null(strchr(verbs_peer(v), '\033'));
    verbs_close(v);
}

static struct pair_record tell(const struct pair_link *l, enum pair_op op, uint64_t a,
                               unsigned char *more)
{
    struct pair_record r = {.op = op, .a = a};
    assert_int_equal(pair_send_record(l, &r), 0);
    if (op == PAIR_RDMA)
        assert_int_equal(pair_send(l, more, PAIR_MORE), 0);
    assert_int_equal(pair_recv_record(l, &r), 0);
    if (r.op != PAIR_DONE)
        assert_int_equal(pair_recv(l, more, PAIR_MORE), 0);
    return r;
}

/* Let in by a listener that has fake_0 and that much time, and connected with its HCA. */
static void come_in(uint64_t limit_ms, struct pair_link *l, struct verbs **ret,
                    pthread_t *thread)
{
    Aolani__AuditListen ask = AOLANI__AUDIT_LISTEN__INIT;
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct pair_listener *listener;
    struct pair_record r;
    struct err e = {0};
    unsigned char card[PAIR_MORE];
    uint32_t port;
    ask.token = (ProtobufCBinaryData){sizeof token, token};
    ask.address = "127.0.0.1";
    ask.nic = "fake_0";
    ask.limit_ms = limit_ms;
    assert_int_equal(pair_listen(&ask, &listener, &port, &e), 0);
    assert_int_equal(pthread_create(thread, NULL, serve, listener), 0);
    sa.sin_port = htons((uint16_t)port);
    l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(l->fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(pair_send(l, token, sizeof token), 0);
    assert_int_equal(pair_recv_record(l, &r), 0);
    assert_int_equal(verbs_open("fake_1", ret, &e), 0);
    verbs_card(*ret, card);
    assert_int_equal(tell(l, PAIR_RDMA, 0, card).op, PAIR_RDMA);
    assert_int_equal(verbs_connect(*ret, card, &e), 0);
}

/* A partner asks for windows of 10 s of a listener that has little more than one. */
static void windows_end_with_the_pair(void **state)
{
    static const struct {
        enum pair_op asked, answer;
    } rows[] = {{PAIR_RDMA_ECHO, PAIR_NO}, {PAIR_RDMA_PUSH, PAIR_DONE}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pair_link l = {.until_ns = clock_mono_ns() + 8000000000};
        unsigned char more[PAIR_MORE];
        struct verbs *v;
        pthread_t thread;
        come_in(1200, &l, &v, &thread);
        struct pair_record r = tell(&l, rows[i].asked, 10000, more);
        assert_int_equal(r.op, rows[i].answer);
        close(l.fd);
        assert_int_equal(pthread_join(thread, NULL), 0);
        verbs_close(v);
    }
}

/* An rkey or an address that is not the other one's: an error, not a crash. */
static void writes_elsewhere_fail(void **state)
{
    (void)state;
    unsigned char card[VERBS_CARD];
    struct verbs *v;
    struct err e = {0};
    uint64_t bytes, ns;
    assert_int_equal(verbs_open("fake_0", &v, &e), 0);
    verbs_card(v, card);
    card[31] ^= 0x40;
    assert_int_equal(verbs_connect(v, card, &e), 0);
    assert_int_equal(verbs_push(v, 10, &bytes, &ns, &e), -EIO);
    assert_non_null(strstr(e.text, "the work failed"));
    verbs_close(v);
}

static int load_fake(void **state)
{
    char self[PATH_MAX], so[PATH_MAX + 64];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    (void)state;
    if (n < 0)
        return -1;
    self[n] = '\0';
    for (int up = 0; up < 3; up++) /* tests/unit/audit/x_test */
        *strrchr(self, '/') = '\0';
    (void)snprintf(so, sizeof so, "%s/lib/verbs/libibverbs.so.1", self);
    /* What is loaded under a name is what that name stands for from now on. */
    if (dlopen(so, RTLD_NOW | RTLD_GLOBAL))
        return 0;
    (void)fprintf(stderr, "%s\n", dlerror());
    return -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pair_goes_by_rdma),
        cmocka_unit_test(tcp_takes_over),
        cmocka_unit_test(slow_trips_are_timed),
        cmocka_unit_test(cards_are_checked),
        cmocka_unit_test(names_are_printable),
        cmocka_unit_test(writes_elsewhere_fail),
        cmocka_unit_test(windows_end_with_the_pair),
    };
    return cmocka_run_group_tests(tests, load_fake, NULL);
}
