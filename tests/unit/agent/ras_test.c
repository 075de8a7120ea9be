/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/ras.h"
#include "proto/base/limits.h"

/* ---- who answers, in a thread of its own: as NCCL's RAS does, or as it should not */

struct server {
    const char *greeting; /* NULL: says nothing */
    const char *answer;   /* NULL: says nothing more and hangs up */
    size_t times;         /* the answer, over and over */
    bool stays;           /* does not end the connection */
    unsigned deaf;        /* connections that are taken and never greeted */
    int fd;
    uint16_t port;
    pthread_t thread;
    _Atomic bool over;
    char asked[256]; /* all that the client said */
};

static void hear(struct server *s, int fd, const char *until)
{
    while (!strstr(s->asked, until)) {
        size_t n = strlen(s->asked);
        ssize_t got = read(fd, s->asked + n, sizeof s->asked - 1 - n);
        if (got <= 0)
            return;
    }
}

static void serve(struct server *s, int fd)
{
    if (!s->greeting)
        return;
    hear(s, fd, "\n");
    (void)send(fd, s->greeting, strlen(s->greeting), MSG_NOSIGNAL);
    if (!s->answer)
        return;
    hear(s, fd, "STATUS\n");
    for (size_t i = 0; i < s->times; i++)
        if (send(fd, s->answer, strlen(s->answer), MSG_NOSIGNAL) < 0)
            return;
}

static void *run_server(void *arg)
{
    struct server *s = arg;
    int kept[8];
    unsigned n = 0;
    while (!s->over) {
        struct pollfd p = {.fd = s->fd, .events = POLLIN};
        int fd = poll(&p, 1, 20) > 0 ? accept(s->fd, NULL, NULL) : -1;
        if (fd < 0)
            continue;
        bool is_deaf = n < s->deaf;
        if (!is_deaf)
            serve(s, fd);
        if ((is_deaf || s->stays) && n < 8)
            kept[n++] = fd;
        else
            close(fd);
    }
    while (n > 0)
        close(kept[--n]);
    return NULL;
}

static void server_start(struct server *s)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&at, len), 0);
    assert_int_equal(listen(s->fd, 8), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&at, &len), 0);
    s->port = ntohs(at.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, run_server, s), 0);
}

static void server_end(struct server *s)
{
    s->over = true;
    pthread_join(s->thread, NULL);
    close(s->fd);
}

/* ---- who asks */

struct heard {
    struct loop *loop;
    struct ras *ras;
    unsigned n;
    bool has_text, cut;
    size_t len;
    char text[64];
    struct err error;
};

static void on_done(void *arg, const struct ras_answer *a)
{
    struct heard *h = arg;
    h->n++;
    h->has_text = a->text != NULL;
    h->len = a->len;
    h->cut = a->cut;
    h->error = a->error;
    if (a->text)
        (void)snprintf(h->text, sizeof h->text, "%.*s", (int)a->len, a->text);
    ras_destroy(h->ras);
    loop_stop(h->loop);
}

static void ask(const char *address, struct heard *h)
{
    *h = (struct heard){0};
    assert_int_equal(loop_create(&h->loop, NULL), 0);
    assert_int_equal(ras_ask(h->loop, address, on_done, h, &h->ras, NULL), 0);
    assert_int_equal(h->n, 0); /* never from within */
    loop_run(h->loop);
    assert_int_equal(h->n, 1);
    loop_destroy(h->loop);
}

#define GREETING "SERVER PROTOCOL 2\n"

static void test_answers(void **state)
{
    static const struct {
        const char *what;
        struct server s;
        const char *want, *error; /* NULL: the other */
        size_t len;               /* 0: not asked */
        bool cut;
    } rows[] = {
        {"an answer ends with the connection",
         {.greeting = GREETING, .answer = "Job summary\n", .times = 2},
         "Job summary\nJob summary\n",
         NULL,
         24,
         false},
        {"a later version is asked the same",
         {.greeting = "Server Protocol 17\n", .answer = "x", .times = 1},
         "x",
         NULL,
         1,
         false},
        {"another service has the port",
         {.greeting = "HTTP/1.1 400 Bad Request\r\n\r\n", .answer = "x", .times = 1},
         NULL,
         "another service answers",
         0,
         false},
        {"nor one that ends no line",
         {.greeting = "SERVER PROTOCOL 2222222222222222222222222222222222222222222222",
          .answer = "x",
          .times = 1},
         NULL,
         "another service answers",
         0,
         false},
        {"it hangs up", {.greeting = GREETING}, NULL, "Connection reset", 0, false},
        {"it never ends",
         {.greeting = GREETING, .answer = "0123456789abcdef", .times = 1u << 20},
         NULL,
         NULL,
         LIMIT_RAS_TEXT,
         true},
        {"two that share its port are stopped, one is not",
         {.greeting = GREETING, .answer = "alive", .times = 1, .deaf = 2},
         "alive",
         NULL,
         5,
         false},
        {"all are stopped",
         {.greeting = GREETING, .deaf = 8},
         NULL,
         "timed out",
         0,
         false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct server s = rows[i].s;
        struct heard h;
        char address[64];
        server_start(&s);
        (void)snprintf(address, sizeof address, "%s:%u",
                       i % 2 ? "localhost" : "127.0.0.1", s.port);
        ask(address, &h);
        server_end(&s);
        if (h.has_text != (rows[i].error == NULL))
            fail_msg("%s: %s", rows[i].what, h.error.text);
        if (rows[i].want)
            assert_string_equal(h.text, rows[i].want);
        if (rows[i].error && !strcasestr(h.error.text, rows[i].error))
            fail_msg("%s: %s", rows[i].what, h.error.text);
        if (rows[i].len)
            assert_int_equal(h.len, rows[i].len);
        assert_int_equal(h.cut, rows[i].cut);
        if (!rows[i].error)
            assert_string_equal(s.asked, "CLIENT PROTOCOL 2\nVERBOSE STATUS\n");
    }
}

static void test_nobody_listens(void **state)
{
    struct heard h;
    char address[32];
    (void)state;
    uint16_t port = ras_free_port();
    assert_int_not_equal(port, 0);
    (void)snprintf(address, sizeof address, "127.0.0.1:%u", port);
    ask(address, &h);
    assert_false(h.has_text);
    assert_int_equal(h.error.code, -ECONNREFUSED);
    assert_non_null(strstr(h.error.hint, "NCCL 2.24"));
}

static void test_what_is_no_address(void **state)
{
    static const char *const rows[] = {
        "",
        "localhost",
        "localhost:",
        "localhost:x",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "gpu07:28028",
        "127.0.0.1:1 2",
        "11111111111111111111111111111111111111111111111111111111111111111111:1"};
    struct loop *l;
    struct err e;
    struct ras *r = NULL;
    (void)state;
    assert_int_equal(loop_create(&l, NULL), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(ras_ask(l, rows[i], on_done, NULL, &r, &e), ERR_PARSE);
        assert_null(r);
    }
    loop_destroy(l);
}

static void test_the_question_is_taken_back(void **state)
{
    struct server s = {.greeting = GREETING, .deaf = 8};
    struct heard h = {0};
    char address[32];
    (void)state;
    server_start(&s);
    (void)snprintf(address, sizeof address, "127.0.0.1:%u", s.port);
    assert_int_equal(loop_create(&h.loop, NULL), 0);
    assert_int_equal(ras_ask(h.loop, address, on_done, &h, &h.ras, NULL), 0);
    ras_destroy(h.ras);
    loop_run(h.loop); /* nothing is left that could happen */
    assert_int_equal(h.n, 0);
    loop_destroy(h.loop);
    server_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_what_is_no_address),
        cmocka_unit_test(test_the_question_is_taken_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
