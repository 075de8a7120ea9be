/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/words.h"

/* Nobody reads: what does not go at once is dropped, and what did is whole lines. */
static void test_nobody_reads(void **state)
{
    (void)state;
    char line[1000], got[2048];
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\0';
    for (int sockets = 0; sockets < 2; sockets++) {
        int fd[2];
        if (sockets)
            assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
        else
            assert_int_equal(pipe(fd), 0);
        (void)alarm(20); /* instead of hanging for ever */
        words_say(LOG_NOTE_, "short", &fd[1]);
        for (int i = 0; i < 5000; i++)
            words_say(LOG_NOTE_, line, &fd[1]);
        (void)alarm(0);
        assert_int_equal(read(fd[0], got, 6), 6);
        assert_memory_equal(got, "short\n", 6);
        assert_int_equal(read(fd[0], got, sizeof line), sizeof line);
        assert_int_equal(got[sizeof line - 1], '\n');
        close(fd[0]);
        close(fd[1]);
    }
}

static void test_odd_ends(void **state)
{
    (void)state;
    static char line[3 * PIPE_BUF], got[2 * PIPE_BUF];
    int fd[2], none = -1;
    memset(line, 'x', sizeof line - 1);
    assert_int_equal(pipe(fd), 0);
    words_say(LOG_NOTE_, line, &fd[1]);
    ssize_t n = read(fd[0], got, sizeof got);
    assert_true(n > 0 && n <= PIPE_BUF);
    assert_int_equal(got[n - 1], '\n');
    close(fd[0]);
    (void)signal(SIGPIPE, SIG_IGN); /* as the agent does */
    words_say(LOG_NOTE_, "gone", &fd[1]);
    close(fd[1]);
    words_say(LOG_NOTE_, "closed", &none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_reads),
        cmocka_unit_test(test_odd_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
