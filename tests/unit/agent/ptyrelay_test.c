/* SPDX-License-Identifier: MIT */
/* ptyrelay_test.c - real pseudo-terminals: every byte arrives unchanged, the end comes with
 * the last writer, and a full disk loses nothing that it could take later. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/ptyrelay.h"
#include "tests/lib/skipped.h"

struct rig {
    struct loop *loop;
    struct loop_timer *poll;
    struct ptyrelay *relay;
    int file; /* the spool, to look at */
    off_t want;
    unsigned turns, warned;
};

static void on_warn(void *arg, const struct err *e)
{
    struct rig *r = arg;
    print_message("%s\n", e->text);
    r->warned++;
}

static off_t size_of(int fd)
{
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    return st.st_size;
}

static void on_poll(void *arg)
{
    struct rig *r = arg;
    if ((r->want && size_of(r->file) >= r->want) || --r->turns == 0)
        loop_stop(r->loop);
}

/* *ret_slave: what a rank would have as its standard output. */
static void begin(struct rig *r, int *ret_slave)
{
    char name[] = "/tmp/ptyrelay-XXXXXX";
    *r = (struct rig){0};
    assert_int_equal(loop_create(&r->loop, NULL), 0);
    r->poll = loop_timer_create(r->loop, on_poll, r);
    r->file = mkstemp(name);
    int spool = open(name, O_WRONLY | O_APPEND | O_CLOEXEC);
    (void)unlink(name);
    assert_int_equal(ptyrelay_create(r->loop, 1, on_warn, r, &r->relay, NULL), 0);
    *ret_slave = spool;
    assert_int_equal(ptyrelay_open_rank(r->relay, 0, ret_slave, NULL), 0);
}

static void run(struct rig *r, off_t want, unsigned turns)
{
    r->want = want;
    r->turns = turns;
    loop_timer_start(r->poll, 5, 5);
    loop_run(r->loop);
    loop_timer_stop(r->poll);
}

static void finish(struct rig *r)
{
    ptyrelay_destroy(r->relay);
    loop_timer_destroy(r->poll);
    loop_destroy(r->loop);
    close(r->file);
}

static void need_ptys(void)
{
    int fd = open("/dev/ptmx", O_RDWR | O_NOCTTY);
    if (fd < 0)
        skip_because("no pseudo-terminals on this machine");
    close(fd);
}

static void test_every_byte_unchanged(void **state)
{
    (void)state;
    need_ptys();
    struct rig r;
    int slave;
    enum { ALL = 300000 };
    begin(&r, &slave);
    assert_int_equal(isatty(slave), 1);
    struct winsize size;
    assert_int_equal(ioctl(slave, TIOCGWINSZ, &size), 0);
    assert_int_equal(size.ws_col, 80);
    pid_t pid = fork();
    if (pid == 0) {
        for (int i = 0; i < ALL; i++) {
            uint8_t c = (uint8_t)i;
            if (write(slave, &c, 1) != 1)
                _exit(1);
        }
        _exit(0);
    }
    close(slave);
    run(&r, ALL, 20000);
    (void)waitpid(pid, NULL, 0);
    assert_true(ptyrelay_finish(r.relay));
    assert_int_equal(size_of(r.file), ALL);
    uint8_t *all = malloc(ALL);
    assert_int_equal(pread(r.file, all, ALL, 0), ALL);
    for (int i = 0; i < ALL; i++)
        assert_int_equal(all[i], (uint8_t)i);
    free(all);
    assert_int_equal(r.warned, 0);
    finish(&r);
}

/* Nothing was read while they wrote: the terminal has it, and finish brings it. */
static void test_the_last_words_of_the_dead(void **state)
{
    (void)state;
    need_ptys();
    struct rig r;
    int slave;
    begin(&r, &slave);
    pid_t pid = fork();
    if (pid == 0) {
        if (fork() == 0) /* a child that outlives the rank */
            (void)usleep(50000);
        _exit(write(slave, "0123456789", 10) != 10);
    }
    (void)waitpid(pid, NULL, 0);
    close(slave);
    (void)usleep(200000);
    for (int i = 0; i < 100 && size_of(r.file) < 20; i++)
        run(&r, 20, 20);
    assert_true(ptyrelay_finish(r.relay));
    assert_int_equal(size_of(r.file), 20);
    finish(&r);
}

static void test_a_living_writer_does_not_hold_the_end(void **state)
{
    (void)state;
    need_ptys();
    struct rig r;
    int slave;
    begin(&r, &slave);
    assert_int_equal(write(slave, "abc", 3), 3);
    assert_true(ptyrelay_finish(r.relay));
    assert_int_equal(size_of(r.file), 3);
    assert_true(write(slave, "d", 1) < 0 && errno == EIO);
    close(slave);
    finish(&r);
}

/* A limit of file size stands for the full disk. */
static void test_a_full_disk(void **state)
{
    (void)state;
    need_ptys();
    struct rig r;
    struct rlimit was, little;
    int slave;
    begin(&r, &slave);
    (void)getrlimit(RLIMIT_FSIZE, &was);
    little = was;
    little.rlim_cur = 1000;
    (void)setrlimit(RLIMIT_FSIZE, &little);
    char text[1500];
    memset(text, 'x', sizeof text);
    assert_int_equal(write(slave, text, sizeof text), sizeof text);
    close(slave);
    run(&r, 1001, 60);
    assert_int_equal(size_of(r.file), 1000);
    assert_int_equal(r.warned, 1);
    assert_false(ptyrelay_finish(r.relay)); /* it waits for room */
    (void)setrlimit(RLIMIT_FSIZE, &was);
    assert_true(ptyrelay_finish(r.relay));
    assert_int_equal(size_of(r.file), 1500);
    assert_int_equal(r.warned, 1);
    finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_byte_unchanged),
        cmocka_unit_test(test_the_last_words_of_the_dead),
        cmocka_unit_test(test_a_living_writer_does_not_hold_the_end),
        cmocka_unit_test(test_a_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
