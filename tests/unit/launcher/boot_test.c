/* SPDX-License-Identifier: MIT */
/* One start, with a script in the place of ssh: what is tried again, what is told, and
 * how often. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/boot.h"
#include "launcher/bootfail.h"
#include "proto/wire/secure.h"

#define DROPPED \
    "echo kex_exchange_identification: Connection closed by remote host >&2; exit 255"

static char dir[64], script[100], count[100];

struct start {
    struct loop *loop;
    struct boot *boot;
    struct loop_timer *guard, *act;
    struct loop_stream *io;
    struct err e;
    unsigned ready, failed, ended;
    bool destroy; /* act: destroy, else kill */
    bool silent;  /* no end will come */
    bool stall;   /* act: as if all of us were stopped, for longer than the start has */
};

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/aolani-boot-test-XXXXXX");
    if (secure_init(NULL) < 0 || !mkdtemp(dir))
        return -1;
    (void)snprintf(script, sizeof script, "%s/ssh", dir);
    (void)snprintf(count, sizeof count, "%s/count", dir);
    return setenv("BOOT_TEST_COUNT", count, 1);
}

static int tear_down(void **state)
{
    (void)state;
    (void)unlink(script);
    (void)unlink(count);
    return rmdir(dir);
}

static void on_ready(void *arg, struct loop_stream *io, bool copied)
{
    struct start *s = arg;
    (void)copied;
    s->ready++;
    s->io = io;
}

static void on_failed(void *arg, const struct err *e)
{
    struct start *s = arg;
    s->failed++;
    s->e = *e;
}

static int on_pack(void *arg, void *const *nodes, size_t n, struct buf *out)
{
    (void)arg;
    (void)nodes;
    assert_int_equal(n, 1);
    return buf_add(out, "blob", 4);
}

static void on_ended(void *arg, enum boot_end what, int ws, const char *words)
{
    struct start *s = arg;
    (void)what;
    (void)ws;
    (void)words;
    s->ended++;
    loop_stop(s->loop);
}

static void on_guard(void *arg)
{
    struct start *s = arg;
    assert_true(s->silent); /* else: no end after 20 s */
    loop_stop(s->loop);
}

static void on_act(void *arg)
{
    struct start *s = arg;
    if (s->stall) {
        sleep(4);
    } else if (s->destroy) {
        boot_destroy(s->boot);
        s->boot = NULL;
    } else {
        boot_kill(s->boot, SIGTERM);
    }
}

static void write_script(const char *body)
{
    FILE *f = fopen(script, "w");
    assert_non_null(f);
    assert_true(fprintf(f,
                        "#!/bin/sh\necho x >>\"$BOOT_TEST_COUNT\"\n"
                        "n=$(wc -l <\"$BOOT_TEST_COUNT\")\n%s\n",
                        body) > 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(script, 0700), 0);
    (void)unlink(count);
}

static unsigned tries(void)
{
    FILE *f = fopen(count, "r");
    unsigned n = 0;
    for (int c; f && (c = getc(f)) != EOF;)
        n += c == '\n';
    if (f)
        fclose(f);
    return n;
}

/* act_ms: when to act, 0: never. */
static void run(struct start *s, const char *body, uint64_t timeout_ms, uint64_t act_ms)
{
    static const struct boot_ops ops = {
        .pack = on_pack, .ready = on_ready, .failed = on_failed, .ended = on_ended};
    struct spec spec = {.ssh.connect_timeout_ms = timeout_ms};
    struct bundle bundle = {.id = "0123456789abcdef"};
    struct boot_config c = {.spec = &spec, .bundle = &bundle, .ops = &ops};
    struct boot_node node = {.name = "n1", .arg = s};
    write_script(body);
    assert_int_equal(loop_create(&s->loop, NULL), 0);
    assert_int_equal(strlist_add(&spec.ssh.command, script), 0);
    s->guard = loop_timer_create(s->loop, on_guard, s);
    s->act = loop_timer_create(s->loop, on_act, s);
    assert_int_equal(boot_ssh.start(s->loop, &c, &node, 1, &s->e), 0);
    s->boot = node.boot;
    loop_timer_start(s->guard, s->silent ? 1500 : 20000, 0);
    if (act_ms > 0)
        loop_timer_start(s->act, act_ms, 0);
    loop_run(s->loop);
    loop_stream_destroy(s->io);
    boot_destroy(s->boot);
    loop_timer_destroy(s->guard);
    loop_timer_destroy(s->act);
    loop_destroy(s->loop);
    strlist_fini(&spec.ssh.command);
}

static void test_outcomes(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        uint64_t timeout_ms;
        unsigned tries, ready;
        const char *text, *hint;
    } table[] = {
        {"echo AOLANI-READY " AOLANI_VERSION "; cat >/dev/null & sleep 0.1", 5000, 1, 1,
         "", ""},
        {"echo hello; echo AOLANI-READY " AOLANI_VERSION, 5000, 1, 1, "", ""},
        {"[ $n -ge 3 ] || { " DROPPED "; }; echo AOLANI-READY " AOLANI_VERSION, 9000, 3,
         1, "", ""},
        /* a wait would outlast the time: this was the only try */
        {DROPPED, 100, 1, 0, "sshd dropped the connection before the login",
         "MaxStartups"},
        {"echo 'ssh: connect to host n1 port 22: Connection refused' >&2; exit 255",
         9000, 1, 0, "connection refused", "sshd"},
        {"echo 'n1: Permission denied (publickey).' >&2; exit 255", 9000, 1, 0,
         "permission denied, no key of yours is accepted; it takes publickey",
         "ssh-add"},
        /* the far side's own status is no matter of ssh's */
        {"echo kex_exchange_identification: Connection closed by remote host >&2; exit "
         "1",
         9000, 1, 0, "kex_exchange_identification: Connection closed by remote host",
         ""},
        {"echo This account is currently not available.; exit 1", 9000, 1, 0,
         "it does not let you log in: the account is not available", "administrator"},
        {"printf 'no newline at the end' >&2; exit 3", 9000, 1, 0,
         "no newline at the end", ""},
        {"echo warning of a start-up file >&2; sleep 0.3; "
         "echo AOLANI-FAIL no place for the agent: here; sleep 9",
         9000, 1, 0, "no place for the agent: here", "AOLANI_CACHE"},
        {"echo AOLANI-READY 9.9; sleep 9", 9000, 1, 0,
         "the agent is version 9.9, aolani-run is " AOLANI_VERSION, ""},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct start s = {0};
        run(&s, table[i].body, table[i].timeout_ms, 0);
        if (s.ended != 1 || s.ready != table[i].ready || s.failed != 1 - s.ready ||
            tries() != table[i].tries ||
            (s.failed && strcmp(s.e.text, table[i].text) != 0) ||
            (s.failed && !strstr(s.e.hint, table[i].hint)))
            fail_msg("row %zu: %u tries, %u ready, %u failed, %u ended: %s (%s)", i,
                     tries(), s.ready, s.failed, s.ended, s.e.text, s.e.hint);
    }
}

/* Dropped at once, every time: the second try is at 125 ms at the earliest. */
static void test_a_wait_can_be_ended(void **state)
{
    (void)state;
    struct start killed = {0};
    run(&killed, DROPPED, 60000, 700);
    assert_int_equal(killed.failed, 1);
    assert_int_equal(killed.ended, 1);
    struct start destroyed = {.destroy = true, .silent = true};
    run(&destroyed, DROPPED, 60000, 700);
    assert_int_equal(destroyed.failed, 0);
    assert_int_equal(destroyed.ended, 0);
    unsigned n = tries();
    assert_true(n >= 1 && n < 7);
}

/* Its time is over when the wait ends late: the next try has little, not all the time
 * that there is. */
static void test_a_late_try_is_not_for_ever(void **state)
{
    (void)state;
    struct start s = {.stall = true};
    run(&s, "[ $n -ge 2 ] || { " DROPPED "; }; exec sleep 60", 600, 60);
    assert_int_equal(s.failed, 1);
    assert_int_equal(s.ended, 1);
}

static void test_waits_grow_and_end(void **state)
{
    (void)state;
    struct said said;
    char why[300];
    said_init(&said);
    said_keep(&said, "kex_exchange_identification: Connection closed by remote host");
    struct bootfail f = {.starter = "ssh", .said = &said, .greeting = ""};
    uint64_t sum_low = 0, sum_high = 0;
    for (f.tries = 1; f.tries < 7; f.tries++) {
        uint64_t low = bootfail_retry_ms(&f, 255 << 8, 0, why, sizeof why);
        uint64_t high = bootfail_retry_ms(&f, 255 << 8, UINT16_MAX, why, sizeof why);
        assert_true(low > 0 && high == 3 * low);
        sum_low += low;
        sum_high += high;
        assert_string_equal(why, "sshd dropped the connection before the login");
        assert_int_equal(bootfail_retry_ms(&f, 1 << 8, 0, why, sizeof why), 0);
        assert_int_equal(bootfail_retry_ms(&f, SIGTERM, 0, why, sizeof why), 0);
    }
    assert_int_equal(bootfail_retry_ms(&f, 255 << 8, 0, why, sizeof why), 0);
    assert_true(sum_low > 4000 && sum_high < 20000);
    f = (struct bootfail){.local = true, .said = &said, .greeting = "", .tries = 1};
    assert_int_equal(bootfail_retry_ms(&f, 255 << 8, 0, why, sizeof why), 0);
    said_fini(&said);
}

static void keep_line(void *arg, const char *line)
{
    said_keep(arg, line);
}

static void test_said(void **state)
{
    (void)state;
    struct said s;
    said_init(&s);
    said_add(&s, (const uint8_t *)"a\x1b[1mb\r\n\n\0c\n\x7f\nta\tb", 18, keep_line, &s);
    assert_string_equal(said_kept(&s), "a[1mb\nc\n");
    said_end(&s, keep_line, &s);
    assert_string_equal(s.last, "ta b");
    said_forget(&s);
    assert_string_equal(said_kept(&s), "");
    assert_string_equal(s.last, "");
    /* More than is kept: the oldest lines go, whole; lines are cut. */
    for (unsigned i = 0; i < 9000; i++) {
        char line[40];
        int n = snprintf(line, sizeof line, "line %u\n", i);
        said_add(&s, (const uint8_t *)line, (size_t)n, keep_line, &s);
    }
    assert_true(strlen(said_kept(&s)) <= LIMIT_SAID_KEPT);
    assert_int_equal(strncmp(said_kept(&s), "line ", 5), 0);
    assert_string_equal(s.last, "line 8999");
    for (unsigned i = 0; i < 3 * LIMIT_SAID_LINE; i++)
        said_add(&s, (const uint8_t *)"y", 1, keep_line, &s);
    said_add(&s, (const uint8_t *)"\n", 1, keep_line, &s);
    assert_int_equal(strlen(s.last), sizeof s.last - 1);
    assert_true(strlen(said_kept(&s)) <= LIMIT_SAID_KEPT);
    said_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outcomes),
        cmocka_unit_test(test_a_wait_can_be_ended),
        cmocka_unit_test(test_a_late_try_is_not_for_ever),
        cmocka_unit_test(test_waits_grow_and_end),
        cmocka_unit_test(test_said),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
