/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/masterport.h"
#include "proto/wire/secure.h"

/* A socket at the port as a program would make it. -errno. */
static int take(int family, uint32_t port, bool reuse, bool listening)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at = {.any.sa_family = (sa_family_t)family};
    int one = 1, fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (family == AF_INET6)
        at.v6.sin6_port = htons((uint16_t)port);
    else
        at.v4.sin_port = htons((uint16_t)port);
    if (family == AF_INET6)
        assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one),
                         0);
    if (reuse)
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), 0);
    if (bind(fd, &at.any, sizeof at) == 0 && (!listening || listen(fd, 1) == 0))
        return fd;
    int rc = -errno;
    close(fd);
    return rc;
}

static void test_candidates(void **state)
{
    (void)state;
    static const struct {
        const char *range, *reserved;
        size_t n;
        uint32_t first, is, is_not;
    } rows[] = {
        {"32768\t60999", "", 65535 - 1024 - 28232, 1025, 61000, 32768},
        {"32768\t60999", "29500,1025-1030", 65535 - 1024 - 28232 - 7, 1031, 29501,
         29500},
        {"1024\t65535", "", 0, 0, 0, 2000},
        {"1024\t65000", "", 535, 65001, 65535, 65000},
        {"", "", 64511, 1025, 40000, 1024},
        {"x", "y", 64511, 1025, 65535, 80},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rankset s = {0};
        assert_int_equal(masterport_candidates(rows[i].range, rows[i].reserved, &s), 0);
        if (rankset_count(&s) != rows[i].n || rankset_has(&s, rows[i].is_not) ||
            (rows[i].n > 0 &&
             (rankset_next(&s, 0) != rows[i].first || !rankset_has(&s, rows[i].is))))
            fail_msg("row %zu: %zu ports", i, rankset_count(&s));
        rankset_fini(&s);
    }
}

static void test_held_until_released(void **state)
{
    (void)state;
    struct masterport p;
    assert_int_equal(masterport_reserve(&p, NULL), 0);
    assert_true(p.port > 1024 && p.port < 65536);
    for (int reuse = 0; reuse < 2; reuse++) {
        assert_int_equal(take(AF_INET, p.port, reuse, true), -EADDRINUSE);
        int rc = take(AF_INET6, p.port, reuse, true);
        assert_true(rc == -EADDRINUSE || rc == -EAFNOSUPPORT);
    }
    assert_false(masterport_is_taken(p.port)); /* held is not listened on */
    masterport_release(&p);
    int fd = take(AF_INET, p.port, false, true);
    assert_true(fd >= 0);
    close(fd);
    masterport_release(&p);
}

static void test_what_is_in_use_is_passed_over(void **state)
{
    (void)state;
    static const int families[] = {AF_INET, AF_INET6};
    struct rankset two = {0};
    struct masterport a, b, c;
    struct err e;
    assert_int_equal(masterport_reserve(&a, NULL), 0);
    assert_int_equal(masterport_reserve(&b, NULL), 0);
    masterport_release(&a);
    masterport_release(&b);
    assert_int_equal(rankset_add(&two, a.port), 0);
    assert_int_equal(rankset_add(&two, b.port), 0);
    for (size_t i = 0; i < 2; i++) {
        int fd = take(families[i], a.port, true, false);
        if (fd == -EAFNOSUPPORT)
            continue;
        assert_true(fd >= 0);
        for (uint32_t seed = 0; seed < 4; seed++) { /* also round the end */
            assert_int_equal(masterport_reserve_of(&two, seed, &c, &e), 0);
            assert_int_equal(c.port, b.port);
            masterport_release(&c);
        }
        assert_int_equal(masterport_reserve_of(&two, 0, &c, &e), 0);
        assert_false(c.ephemeral);
        struct masterport d;
        assert_int_equal(masterport_reserve_of(&two, 0, &d, &e), 0);
        assert_true(d.ephemeral);
        assert_true(d.port != a.port && d.port != b.port);
        masterport_release(&d);
        masterport_release(&c);
        close(fd);
    }
    rankset_fini(&two);
}

static void test_spread(void **state)
{
    (void)state;
    struct rankset all = {0};
    uint32_t lowest = UINT32_MAX, highest = 0;
    size_t after_gap = 0;
    assert_int_equal(masterport_candidates("32768 60999", "", &all), 0);
    for (uint32_t i = 0; i < 64; i++) {
        struct masterport p;
        assert_int_equal(masterport_reserve_of(&all, i * 0x9e3779b1u, &p, NULL), 0);
        lowest = p.port < lowest ? p.port : lowest;
        highest = p.port > highest ? p.port : highest;
        after_gap += p.port >= 61000 && p.port < 61100;
        masterport_release(&p);
    }
    assert_true(lowest < 8000 && highest > 61000 && after_gap < 16);
    rankset_fini(&all);
}

static void test_lines(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        uint64_t inode;
    } rows[] = {
        {"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt  "
         " "
         "uid  timeout inode",
         0},
        {"   0: 00000000:1234 00000000:0000 0A 00000000:00000000 00:00000000 00000000  "
         "   0        0 4711 1 0000000000000000 100 0 0 10 0",
         4711},
        {"   1: 00000000:1234 0100007F:0050 01 00000000:00000000 00:00000000 00000000  "
         "   0        0 4712 1 0000000000000000 100 0 0 10 0",
         0},
        {"   2: 0100007F:1235 00000000:0000 0A 00000000:00000000 00:00000000 00000000  "
         "   0        0 4713 1 0000000000000000 100 0 0 10 0",
         0},
        {"   3: 00000000000000000000000000000000:1234 "
         "00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 "
         "00000000  1000        0 4714 1 0000000000000000 100 0 0 10 0",
         4714},
        {"", 0},
        {"   4: 00000000:1234", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(masterport_listener(rows[i].line, 0x1234), rows[i].inode);
}

/* A process that listens; it is ours, or has been handed to init. */
static pid_t listen_elsewhere(uint32_t port, bool ours)
{
    int up[2];
    pid_t pid = -1;
    assert_int_equal(pipe(up), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (!ours && fork() > 0)
            _exit(0);
        pid_t self = getpid();
        if (take(AF_INET, port, false, true) < 0)
            self = -1;
        (void)!write(up[1], &self, sizeof self);
        (void)pause();
        _exit(0);
    }
    if (!ours)
        assert_int_equal(waitpid(child, NULL, 0), child);
    close(up[1]);
    assert_int_equal(read(up[0], &pid, sizeof pid), sizeof pid);
    close(up[0]);
    assert_true(pid > 0);
    return pid;
}

static void test_whose_listener(void **state)
{
    (void)state;
    for (int ours = 0; ours < 2; ours++) {
        struct masterport p;
        assert_int_equal(masterport_reserve(&p, NULL), 0);
        masterport_release(&p);
        pid_t pid = listen_elsewhere(p.port, ours);
        assert_int_equal(masterport_is_taken(p.port), !ours);
        assert_int_equal(kill(pid, SIGKILL), 0);
        if (ours)
            assert_int_equal(waitpid(pid, NULL, 0), pid);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_candidates),
        cmocka_unit_test(test_held_until_released),
        cmocka_unit_test(test_what_is_in_use_is_passed_over),
        cmocka_unit_test(test_spread),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_whose_listener),
    };
    if (secure_init(NULL) < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
