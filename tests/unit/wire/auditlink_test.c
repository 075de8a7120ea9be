/* SPDX-License-Identifier: MIT */
/* The helper as a script: what it answers, every way not to, and that it leaves nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/wire/auditlink.h"

struct fixture {
    struct loop *loop;
    struct auditlink *link;
    char dir[64], path[128], note[128];
    unsigned n_said;
    uint32_t ask_next; /* from within the last answer; 0: stop there */
    Aolani__AuditSaid last;
    char error[500], hint[300];
    unsigned percent;
};

static int ask(struct fixture *f, uint32_t id)
{
    Aolani__AuditLook look = AOLANI__AUDIT_LOOK__INIT;
    Aolani__AuditAsk m = AOLANI__AUDIT_ASK__INIT;
    m.id = id;
    m.is_case = AOLANI__AUDIT_ASK__IS_LOOK;
    m.look = &look;
    return auditlink_ask(f->link, &m, NULL);
}

static void on_said(void *arg, Aolani__AuditSaid *m)
{
    struct fixture *f = arg;
    f->n_said++;
    if (m->is_case == AOLANI__AUDIT_SAID__IS_PROGRESS)
        f->percent = m->progress->percent;
    if (!m->last)
        return;
    f->last = *m;
    (void)snprintf(f->error, sizeof f->error, "%s", m->error);
    (void)snprintf(f->hint, sizeof f->hint, "%s", m->hint);
    assert_false(auditlink_is_busy(f->link));
    if (f->ask_next) {
        assert_int_equal(ask(f, f->ask_next), 0);
        f->ask_next = 0;
        return;
    }
    loop_stop(f->loop);
}

/* A frame in printf's octal. */
static void write_frame(FILE *out, const char *name, const Aolani__AuditSaid *m)
{
    struct buf b;
    buf_init(&b, 4096);
    assert_int_equal(auditlink_frame(&b, &m->base, 4000), 0);
    fprintf(out, "%s='", name);
    for (size_t i = 0; i < b.len; i++)
        fprintf(out, "\\%03o", b.data[i]);
    fprintf(out, "'\n");
    buf_fini(&b);
}

/* $P: progress, 42 of 100; $A, $B: the last answers to questions 1 and 2; ask: waits for a
 * question. */
static void start(struct fixture *f, const char *script)
{
    Aolani__AuditProgress progress = AOLANI__AUDIT_PROGRESS__INIT;
    Aolani__AuditSaid m = AOLANI__AUDIT_SAID__INIT;
    FILE *out = fopen(f->path, "w");
    assert_non_null(out);
    fprintf(out,
            "#!/bin/sh\n[ \"$1\" = --serve ] || exit 9\nnote=%s\n"
            "ask() { head -c 6 >/dev/null; n=$(head -c 2 | wc -c); [ $n = 2 ]; }\n",
            f->note);
    m.id = 1;
    m.is_case = AOLANI__AUDIT_SAID__IS_PROGRESS;
    m.progress = &progress;
    progress.percent = 42;
    write_frame(out, "P", &m);
    m.is_case = AOLANI__AUDIT_SAID__IS__NOT_SET;
    m.last = true;
    write_frame(out, "A", &m);
    m.id = 2;
    write_frame(out, "B", &m);
    fprintf(out, "%s\n", script);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(chmod(f->path, 0755), 0);
    struct auditlink_config c = {.loop = f->loop, .path = f->path};
    assert_int_equal(auditlink_create(&c, on_said, f, &f->link, NULL), 0);
}

static void ask_and_wait(struct fixture *f, uint32_t id)
{
    unsigned before = f->n_said;
    assert_int_equal(ask(f, id), 0);
    assert_int_equal(f->n_said, before); /* never from within */
    loop_run(f->loop);
    assert_true(f->n_said > before);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)strcpy(f->dir, "/tmp/aolani-auditlink-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->path, sizeof f->path, "%s/aolani-audit", f->dir);
    (void)snprintf(f->note, sizeof f->note, "%s/note", f->dir);
    assert_int_equal(loop_create(&f->loop, NULL), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    auditlink_destroy(f->link);
    loop_destroy(f->loop);
    (void)unlink(f->path);
    (void)unlink(f->note);
    assert_int_equal(rmdir(f->dir), 0);
    free(f);
    return 0;
}

static void test_progress_then_the_last(void **state)
{
    struct fixture *f = *state;
    start(f, "ask && printf \"$P$P$A\"; ask");
    ask_and_wait(f, 1);
    assert_int_equal(f->n_said, 3);
    assert_int_equal(f->percent, 42);
    assert_string_equal(f->error, "");
}

static void test_the_next_from_within_the_last(void **state)
{
    struct fixture *f = *state;
    start(f, "ask && printf \"$A\"; ask && printf \"$B\"; ask");
    f->ask_next = 2;
    ask_and_wait(f, 1);
    assert_int_equal(f->n_said, 2);
    assert_int_equal(f->last.id, 2);
    assert_string_equal(f->error, "");
}

static void test_in_pieces(void **state)
{
    struct fixture *f = *state;
    start(f, "ask; printf \"$P$A\" | head -c 3; sleep 0.1; printf \"$P$A\" | tail -c "
             "+4; ask");
    ask_and_wait(f, 1);
    assert_int_equal(f->n_said, 2);
    assert_string_equal(f->error, "");
}

static void test_failures(void **state)
{
    static const struct {
        const char *script, *error, *hint;
    } rows[] = {
        {"exit 7", "aolani-audit ended with status 7", "--text"},
        {"ask; echo first >&2; echo why >&2; exit 1",
         "aolani-audit ended with status 1: why", "--text"},
        {"ask; printf \"$P\"; kill -SEGV $$",
         "aolani-audit ended by signal 11 (Segmentation fault)", "--text"},
        {"ask; printf 'no\\001\\002m\\033' >&2; exit 127",
         "aolani-audit ended with status 127: no?", "libc"},
        {"ask; printf '\\003\\000\\000\\000abc'; ask",
         "aolani-audit said what does not decode", ""},
        {"ask; printf '\\377\\377\\377\\377'; ask", "aolani-audit said too much", ""},
        {"ask; printf \"$B\"; ask", "aolani-audit answered what was not asked", ""},
        {"ask; while printf \"$P$P$P$P$P$P$P$P\"; do :; done",
         "aolani-audit said too much", ""},
        {"ask; exec >&-; sleep 60", "aolani-audit says nothing more", "--text"},
        /* what it started holds its output open */
        {"ask; sleep 60 & exit 3", "aolani-audit ended with status 3", "--text"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        start(f, rows[i].script);
        ask_and_wait(f, 1);
        assert_int_equal(f->last.id, 1);
        if (strncmp(f->error, rows[i].error, strlen(rows[i].error)) != 0)
            fail_msg("row %zu: \"%s\"", i, f->error);
        if (!strstr(f->hint, rows[i].hint))
            fail_msg("row %zu: hint \"%s\"", i, f->hint);
        auditlink_destroy(f->link);
        f->link = NULL;
    }
}

static void test_one_that_is_not_there(void **state)
{
    struct fixture *f = *state;
    struct auditlink_config c = {.loop = f->loop};
    assert_int_equal(auditlink_create(&c, on_said, f, &f->link, NULL), 0);
    ask_and_wait(f, 1);
    assert_string_equal(f->error, "the helper \"aolani-audit\" is not there");
}

static void test_the_next_question_starts_it_again(void **state)
{
    struct fixture *f = *state;
    start(f, "[ -e $note ] || { : >$note; exit 1; }; ask; printf \"$B\"; ask");
    ask_and_wait(f, 1);
    assert_string_equal(f->error, "aolani-audit ended with status 1");
    ask_and_wait(f, 2);
    assert_string_equal(f->error, "");
}

static void on_time(void *arg)
{
    loop_stop(arg);
}

/* Between two questions its end is nobody's matter, nor what it says without being asked. */
static void test_an_end_unasked(void **state)
{
    static const char *const scripts[] = {"[ -e $note ] || { : >$note; ask; printf "
                                          "\"$A\"; exit 1; }; ask; printf \"$B\"; ask",
                                          "[ -e $note ] || { : >$note; ask; printf "
                                          "\"$A\"; sleep 0.1; printf \"$A\"; ask; }; "
                                          "ask; printf \"$B\"; ask"};
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        start(f, scripts[i]);
        ask_and_wait(f, 1);
        struct loop_timer *t = loop_timer_create(f->loop, on_time, f->loop);
        loop_timer_start(t, 300, 0);
        loop_run(f->loop);
        loop_timer_destroy(t);
        assert_int_equal(f->n_said, 1);
        ask_and_wait(f, 2);
        assert_string_equal(f->error, "");
        auditlink_destroy(f->link);
        f->link = NULL;
        f->n_said = 0;
        (void)unlink(f->note);
    }
}

static void test_one_question_at_a_time(void **state)
{
    struct fixture *f = *state;
    start(f, "ask; printf \"$A\"; ask");
    assert_int_equal(ask(f, 1), 0);
    assert_int_equal(ask(f, 2), ERR_PROTO);
    loop_run(f->loop);
    assert_int_equal(ask(f, 1), ERR_PROTO); /* it had this id */
}

/* It and what it has started are gone with the link. */
static void test_ends_with_its_processes(void **state)
{
    struct fixture *f = *state;
    pid_t pid = 0;
    start(f, "ask; sleep 600 & echo $! >$note; printf \"$P\"; wait");
    assert_int_equal(ask(f, 1), 0);
    struct loop_timer *t = loop_timer_create(f->loop, on_time, f->loop);
    while (f->n_said == 0) {
        loop_timer_start(t, 20, 0);
        loop_run(f->loop);
    }
    FILE *note = fopen(f->note, "r");
    assert_non_null(note);
    assert_int_equal(fscanf(note, "%d", &pid), 1);
    fclose(note);
    assert_int_equal(kill(pid, 0), 0);
    auditlink_destroy(f->link);
    f->link = NULL;
    char stat[64], state_of = 'R'; /* killed is enough: who reaps it is no matter */
    (void)snprintf(stat, sizeof stat, "/proc/%d/stat", pid);
    for (int i = 0; i < 500 && state_of != 'Z'; i++) {
        FILE *s = fopen(stat, "r");
        if (!s || fscanf(s, "%*d %*s %c", &state_of) != 1)
            state_of = 'Z';
        if (s)
            fclose(s);
        usleep(20000);
    }
    assert_int_equal(state_of, 'Z');
    loop_timer_destroy(t);
}

static void test_frames(void **state)
{
    static const uint8_t bytes[] = {2, 0, 0, 0, 'a', 'b', 9, 0, 0, 0};
    const uint8_t *at;
    size_t len;
    struct buf b;
    (void)state;
    buf_init(&b, 100);
    assert_int_equal(auditlink_next(&b, 10, &at, &len), 0);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(auditlink_next(&b, 10, &at, &len), 0);
        assert_int_equal(buf_add(&b, bytes + i, 1), 0);
    }
    assert_int_equal(auditlink_next(&b, 10, &at, &len), 1);
    assert_int_equal(len, 2);
    assert_memory_equal(at, "ab", 2);
    buf_consume(&b, 6);
    assert_int_equal(buf_add(&b, bytes + 6, 4), 0);
    assert_int_equal(auditlink_next(&b, 9, &at, &len), 0);
    assert_int_equal(auditlink_next(&b, 8, &at, &len), ERR_LIMIT);
    Aolani__AuditSaid m = AOLANI__AUDIT_SAID__INIT;
    m.error = (char *)"a text of some length";
    size_t before = b.len;
    assert_int_equal(auditlink_frame(&b, &m.base, 8), ERR_LIMIT);
    assert_int_equal(b.len, before);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_progress_then_the_last, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_next_from_within_the_last, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_in_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_that_is_not_there, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_next_question_starts_it_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_an_end_unasked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_question_at_a_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ends_with_its_processes, setup, teardown),
        cmocka_unit_test(test_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
