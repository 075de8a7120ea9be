/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/masterport.h"
#include "agent/reach.h"
#include "proto/wire/secure.h"

struct answer {
    struct loop *loop;
    unsigned n;
    char text[200];
};

static void on_done(void *arg, const char *error)
{
    struct answer *a = arg;
    a->n++;
    (void)snprintf(a->text, sizeof a->text, "%s", error);
    loop_stop(a->loop);
}

static void test_answers(void **state)
{
    (void)state;
    static const struct {
        const char *what, *address;
        bool listening;
        const char *want; /* in the answer; "": none */
    } rows[] = {
        {"somebody listens", "127.0.0.1", true, ""},
        {"nobody does", "127.0.0.1", false, "Connection refused"},
        {"a name is not for us", "n1.site", false, ""},
        {"what is too long is not tried",
         "1111111111111111111111111111111111111111111111111111111111111111", false, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct answer a = {0};
        struct masterport p;
        struct reach *r = NULL, *other = NULL;
        assert_int_equal(loop_create(&a.loop, NULL), 0);
        assert_int_equal(masterport_reserve(&p, NULL), 0);
        if (rows[i].listening)
            assert_int_equal(reach_answer(a.loop, p.fd, &other, NULL), 0);
        assert_int_equal(
            reach_create(a.loop, rows[i].address, p.port, on_done, &a, &r, NULL), 0);
        assert_int_equal(a.n, 0); /* never from within */
        loop_run(a.loop);
        if (a.n != 1 || !strstr(a.text, rows[i].want) || !rows[i].want[0] != !a.text[0])
            fail_msg("%s: %u answers, \"%s\"", rows[i].what, a.n, a.text);
        reach_destroy(r);
        reach_destroy(other);
        masterport_release(&p);
        loop_destroy(a.loop);
    }
}

/* ---- more nodes than a queue of the kernel holds ---- */

#define MANY 8

static void on_one_of_many(void *arg, const char *error)
{
    struct answer *a = arg;
    a->n += error[0] == '\0';
    if (a->n == MANY)
        loop_stop(a->loop);
}

static void on_limit(void *arg)
{
    loop_stop(arg);
}

/* A network of its own in which only one connection may wait for its accept. */
static bool enter_small_network(void)
{
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
        return false;
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    int fd = open("/proc/sys/net/core/somaxconn", O_WRONLY);
    return s >= 0 && fd >= 0 && ioctl(s, SIOCSIFFLAGS, &lo) == 0 &&
           write(fd, "1", 1) == 1;
}

static unsigned count_who_get_in(void)
{
    struct answer a = {0};
    struct masterport p;
    struct reach *door, *r[MANY] = {NULL};
    if (loop_create(&a.loop, NULL) < 0 || masterport_reserve(&p, NULL) < 0 ||
        reach_answer(a.loop, p.fd, &door, NULL) < 0)
        return 0;
    for (size_t i = 0; i < MANY; i++)
        (void)reach_create(a.loop, "127.0.0.1", p.port, on_one_of_many, &a, &r[i],
                           NULL);
    struct loop_timer *limit = loop_timer_create(a.loop, on_limit, a.loop);
    loop_timer_start(limit, 20000, 0);
    loop_run(a.loop);
    return a.n;
}

static void test_more_nodes_than_may_wait(void **state)
{
    (void)state;
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(enter_small_network() ? (int)count_who_get_in() : 100);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WEXITSTATUS(status) == 100) {
        print_message("no network of its own may be made here\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), MANY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_answers),
                                       cmocka_unit_test(test_more_nodes_than_may_wait)};
    if (secure_init(NULL) < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
