/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "launcher/live.h"

static const struct steps_now usual = {.step = 1240,
                                       .closed = 1240,
                                       .rate = 52.34,
                                       .p50 = 19120,
                                       .p99 = 240400,
                                       .slowest_rank = 3,
                                       .slowest_percent = 23.4};

static const struct live_slowest known = {"gpu2", "other processes on its core"},
                                 nobody;

static void test_the_line_fits_and_keeps_what_matters(void **state)
{
    (void)state;
    static const struct {
        unsigned columns;
        const char *want;
    } cases[] = {
        {200, "step 1240  52.3 steps/s  p50 19.1 ms  p99 240 ms  slowest rank 3 +23 % "
              "on gpu2: other processes on its core"},
        {100, "step 1240  52.3 steps/s  p50 19.1 ms  p99 240 ms  slowest rank 3 +23 % "
              "on gpu2"},
        {75, "step 1240  52.3 steps/s  p50 19.1 ms  p99 240 ms  slowest rank 3 +23 %"},
        {60, "step 1240  52.3 steps/s  p50 19.1 ms  p99 240 ms"},
        {24, "step 1240  52.3 steps/s"},
        {9, "step 1240"},
        {5, ""},
    };
    char out[200];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = live_format_steps(&usual, &known, out, sizeof out, cases[i].columns);
        assert_string_equal(out, cases[i].want);
        assert_int_equal(n, strlen(out));
        assert_true(n <= cases[i].columns);
    }
    assert_int_equal(live_format_steps(&usual, &known, out, 10, 100), 9);
    assert_int_equal(live_format_steps(&usual, &known, out, 0, 100), 0);
}

static void test_slow_steps_and_nobody_slowest(void **state)
{
    (void)state;
    char out[200];
    struct steps_now slow = usual;
    slow.rate = 0.25;
    slow.p50 = 4000000;
    slow.p99 = 900;
    slow.slowest_rank = -1;
    live_format_steps(&slow, &known, out, sizeof out, 100);
    assert_string_equal(out, "step 1240  15.0 steps/min  p50 4.00 s  p99 900 us");
}

static void test_without_a_terminal_nothing_is_written(void **state)
{
    (void)state;
    int fd[2];
    char byte;
    assert_int_equal(pipe2(fd, O_NONBLOCK), 0);
    struct live *v = live_create(fd[1]);
    assert_false(live_is_active(v));
    live_status(v, "starting");
    live_steps(v, &usual, &nobody);
    live_hide(v);
    live_show(v);
    live_destroy(v);
    assert_true(read(fd[0], &byte, 1) < 0);
    close(fd[0]);
    close(fd[1]);
    live_destroy(NULL);
    assert_false(live_is_active(NULL));
}

/* ---- on a pseudo terminal */

struct terminal {
    int master, slave;
};

static struct terminal terminal_open(unsigned short columns)
{
    struct terminal t = {.master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK)};
    assert_true(t.master >= 0);
    assert_int_equal(grantpt(t.master), 0);
    assert_int_equal(unlockpt(t.master), 0);
    t.slave = open(ptsname(t.master), O_RDWR | O_NOCTTY);
    struct winsize w = {.ws_row = 24, .ws_col = columns};
    assert_int_equal(ioctl(t.slave, TIOCSWINSZ, &w), 0);
    return t;
}

static const char *terminal_read(struct terminal *t, char *out, size_t len)
{
    ssize_t n = read(t->master, out, len - 1);
    out[n > 0 ? n : 0] = '\0';
    return out;
}

static void test_rewritten_hidden_and_taken_away(void **state)
{
    (void)state;
    char out[1000];
    struct terminal t = terminal_open(40);
    setenv("TERM", "xterm", 1);
    setenv("NO_COLOR", "1", 1);
    struct live *v = live_create(t.slave);
    assert_true(live_is_active(v));
    live_status(v, "starting agents 1/4");
    assert_string_equal(terminal_read(&t, out, sizeof out),
                        "\rstarting agents 1/4\033[K");
    live_status(v, "starting agents 2/4"); /* too soon */
    assert_string_equal(terminal_read(&t, out, sizeof out), "");
    live_hide(v);
    assert_string_equal(terminal_read(&t, out, sizeof out), "\r\033[K");
    live_status(v, "starting agents 3/4");
    assert_string_equal(terminal_read(&t, out, sizeof out), "");
    live_show(v);
    assert_string_equal(terminal_read(&t, out, sizeof out),
                        "\rstarting agents 3/4\033[K");
    struct timespec quarter = {.tv_nsec = 260000000};
    nanosleep(&quarter, NULL);
    live_steps(v, &usual, &known);
    assert_string_equal(terminal_read(&t, out, sizeof out),
                        "\rstep 1240  52.3 steps/s  p50 19.1 ms\033[K");
    live_destroy(v);
    assert_string_equal(terminal_read(&t, out, sizeof out), "\r\033[K");
    close(t.slave);
    close(t.master);
}

static void test_text_is_cut_and_tamed(void **state)
{
    (void)state;
    char out[1000];
    struct terminal t = terminal_open(8);
    setenv("TERM", "xterm", 1);
    unsetenv("NO_COLOR");
    struct live *v = live_create(t.slave);
    live_status(v, "a\033]0;\xc3\xa4"
                   "bcdefgh"); /* 7 columns: a ? ] 0 ; ae b */
    assert_string_equal(terminal_read(&t, out, sizeof out), "\r\033[2ma?]0;\xc3\xa4"
                                                            "b\033[0m\033[K");
    live_destroy(v);
    setenv("TERM", "dumb", 1);
    v = live_create(t.slave);
    assert_false(live_is_active(v));
    live_destroy(v);
    close(t.slave);
    close(t.master);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_line_fits_and_keeps_what_matters),
        cmocka_unit_test(test_slow_steps_and_nobody_slowest),
        cmocka_unit_test(test_without_a_terminal_nothing_is_written),
        cmocka_unit_test(test_rewritten_hidden_and_taken_away),
        cmocka_unit_test(test_text_is_cut_and_tamed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
