/* SPDX-License-Identifier: MIT */
/* The helper as a script: what it answers, every way not to, and several who ask. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/folders.h"
#include "agent/gpuhelper.h"
#include "agent/readback_users.h"

struct fixture {
    struct loop *loop;
    struct gpuhelper *gpu;
    struct gpuhelper_user *user;
    char dir[64], path[128];
    unsigned answers, samples;
    struct readback_gpu_use uses[READBACK_USES];
    size_t n_uses;
    char why[200];
};

static void on_done(void *arg, const Aolani__GpuSample *s, const char *why)
{
    struct fixture *f = arg;
    f->answers++;
    f->samples += s != NULL;
    f->n_uses = s ? readback_users_take(s, f->uses) : 0;
    (void)snprintf(f->why, sizeof f->why, "%s", why ? why : "");
    loop_stop(f->loop);
}

/* $A: a good answer, in printf's octal; $E: one with an error. */
static void start(struct fixture *f, const char *script, unsigned limit_ms)
{
    Aolani__GpuSample s = AOLANI__GPU_SAMPLE__INIT, bad = AOLANI__GPU_SAMPLE__INIT;
    Aolani__GpuSample__Use use = AOLANI__GPU_SAMPLE__USE__INIT, *uses[] = {&use};
    Aolani__GpuSample__Process p = AOLANI__GPU_SAMPLE__PROCESS__INIT, *ps[] = {&p};
    const Aolani__GpuSample *all[] = {&s, &bad};
    p.pid = 4711;
    use.uuid = (char *)"GPU-a";
    use.n_processes = 1;
    use.processes = ps;
    s.n_gpus = 1;
    s.gpus = uses;
    bad.error = (char *)"no driver";
    FILE *out = fopen(f->path, "w");
    assert_non_null(out);
    fprintf(out, "#!/bin/sh\n[ \"$1\" = --gpus ] || exit 9\n");
    for (int i = 0; i < 2; i++) {
        uint8_t bytes[256];
        size_t n = aolani__gpu_sample__pack(all[i], bytes);
        fprintf(out, "%s='\\%03o\\000\\000\\000", i ? "E" : "A", (unsigned)n);
        for (size_t k = 0; k < n; k++)
            fprintf(out, "\\%03o", bytes[k]);
        fprintf(out, "'\n");
    }
    fprintf(out, "%s\n", script);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(chmod(f->path, 0755), 0);
    assert_int_equal(gpuhelper_create(f->loop, f->path, limit_ms, &f->gpu, NULL), 0);
    assert_non_null(f->user = gpuhelper_join(f->gpu, on_done, f, GPUHELPER_PROCESSES));
}

static void ask(struct fixture *f)
{
    unsigned before = f->answers;
    gpuhelper_ask(f->user);
    assert_int_equal(f->answers, before); /* never from within */
    loop_run(f->loop);
    assert_int_equal(f->answers, before + 1);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)strcpy(f->dir, "/tmp/aolani-gpu-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->path, sizeof f->path, "%s/describe", f->dir);
    assert_int_equal(loop_create(&f->loop, NULL), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    gpuhelper_destroy(f->gpu);
    loop_destroy(f->loop);
    assert_int_equal(folders_remove_tree(f->dir, NULL), 0);
    free(f);
    return 0;
}

static void test_one_helper_answers_each_time(void **state)
{
    struct fixture *f = *state;
    start(f, "while read -r x; do printf \"$A\"; done", 20000);
    for (unsigned i = 1; i < 4; i++) {
        ask(f);
        assert_int_equal(f->samples, i);
        assert_int_equal(f->n_uses, 1);
        assert_string_equal(f->uses[0].uuid, "GPU-a");
        assert_int_equal(f->uses[0].pid, 4711);
    }
}

static void test_in_pieces(void **state)
{
    struct fixture *f = *state;
    start(
        f,
        "read -r x; printf \"$A\" | head -c 3; sleep 0.1; printf \"$A\" | tail -c +4; "
        "read -r x",
        20000);
    ask(f);
    assert_int_equal(f->samples, 1);
}

static void test_failures(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *script, *why;
    } table[] = {
        {"while read -r x; do printf \"$E\"; done", "no driver"},
        {"exit 7", "aolani-describe --gpus ended with status 7"},
        {"read -r x; kill -SEGV $$", "aolani-describe --gpus ended by signal 11"},
        {"read -r x; printf '\\001\\000\\000\\000\\377'; read -r x",
         "aolani-describe --gpus said what does not decode"},
        {"read -r x; printf '\\377\\377\\377\\377'; read -r x",
         "aolani-describe --gpus said too much"},
        {"read -r x; printf \"$A$A\"; read -r x",
         "aolani-describe --gpus said too much"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        start(f, table[i].script, 20000);
        ask(f);
        assert_int_equal(f->samples, 0);
        assert_string_equal(f->why, table[i].why);
        gpuhelper_destroy(f->gpu);
        f->gpu = NULL;
    }
}

static void test_started_again_a_few_times(void **state)
{
    struct fixture *f = *state;
    char path[160], script[256];
    (void)snprintf(path, sizeof path, "%s/starts", f->dir);
    (void)snprintf(script, sizeof script, "echo >>%s; read -r x; exit 3", path);
    start(f, script, 20000);
    for (int i = 0; i < 5; i++)
        ask(f);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, GPUHELPER_STARTS);
    assert_string_equal(f->why, "aolani-describe --gpus ended with status 3");
}

static void test_one_that_hangs(void **state)
{
    struct fixture *f = *state;
    start(f, "read -r x; exec sleep 1000", 50);
    for (int i = 0; i < 3; i++) {
        ask(f);
        assert_int_equal(f->samples, 0);
        assert_non_null(strstr(f->why, "gives no answer"));
    }
}

static void test_a_late_answer_is_not_the_next(void **state)
{
    struct fixture *f = *state;
    start(
        f,
        "read -r x; sleep 0.3; printf \"$E\"; while read -r x; do printf \"$A\"; done",
        50);
    ask(f);
    assert_int_equal(f->samples, 0);
    while (f->samples == 0 && f->answers < 200) {
        usleep(20000);
        ask(f);
        assert_string_not_equal(f->why, "no driver");
    }
    assert_int_equal(f->samples, 1);
}

static void test_there_is_none(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(gpuhelper_create(f->loop, NULL, 1000, &f->gpu, NULL), 0);
    assert_non_null(f->user = gpuhelper_join(f->gpu, on_done, f, GPUHELPER_PROCESSES));
    ask(f);
    assert_string_equal(f->why, "aolani-describe is not there");
}

/* ---- several users of one helper */

struct other {
    struct fixture *f;
    struct gpuhelper_user *user;
    unsigned answers, samples;
    bool leaves, stops;
};

static void on_other(void *arg, const Aolani__GpuSample *s, const char *why)
{
    struct other *o = arg;
    assert_true((s == NULL) == (why != NULL));
    o->answers++;
    o->samples += s != NULL;
    if (o->leaves) {
        gpuhelper_leave(o->user);
        o->user = NULL;
    }
    if (o->stops)
        loop_stop(o->f->loop);
}

static void test_one_question_for_two(void **state)
{
    struct fixture *f = *state;
    struct other o = {.f = f};
    /* One answer only: a second question would have none. */
    start(f, "read -r x; sleep 0.1; printf \"$A\"; exec sleep 1000", 20000);
    assert_non_null(o.user = gpuhelper_join(f->gpu, on_other, &o, GPUHELPER_PROCESSES));
    gpuhelper_ask(o.user);
    ask(f);
    assert_int_equal(f->samples, 1);
    assert_int_equal(o.samples, 1);
    assert_int_equal(o.answers, 1);
}

static void test_who_adds_up_hears_every_answer(void **state)
{
    struct fixture *f = *state;
    struct other every = {.f = f}, asking = {.f = f};
    start(f, "while read -r x; do printf \"$A\"; done", 20000);
    assert_non_null(every.user =
                        gpuhelper_join(f->gpu, on_other, &every, GPUHELPER_COUNTS));
    assert_non_null(asking.user =
                        gpuhelper_join(f->gpu, on_other, &asking, GPUHELPER_PROCESSES));
    ask(f);
    ask(f);
    assert_int_equal(every.samples, 2);
    assert_int_equal(asking.answers, 0);
    gpuhelper_leave(every.user);
    gpuhelper_leave(asking.user);
    gpuhelper_leave(NULL);
    ask(f);
    assert_int_equal(every.answers, 2);
}

/* Counts are not kept waiting by processes, nor answered twice; processes are asked for
 * although a question for counts is under way. */
static void test_two_kinds_of_questions(void **state)
{
    struct fixture *f = *state;
    struct other counts = {.f = f};
    start(f,
          "while read -r x; do echo \"$x.\" >>$0.asked; sleep 0.1; printf \"$A\"; done",
          20000);
    assert_non_null(counts.user =
                        gpuhelper_join(f->gpu, on_other, &counts, GPUHELPER_COUNTS));
    gpuhelper_ask(counts.user);
    ask(f);
    assert_int_equal(f->samples, 1);
    assert_int_equal(counts.samples, 2);
    gpuhelper_ask(f->user);
    gpuhelper_ask(counts.user); /* joins */
    loop_run(f->loop);
    assert_int_equal(f->samples, 2);
    assert_int_equal(counts.samples, 3);
    char path[160], text[16] = "";
    (void)snprintf(path, sizeof path, "%s.asked", f->path);
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    assert_int_equal(fread(text, 1, sizeof text - 1, in), 7);
    (void)fclose(in);
    assert_string_equal(text, "s.\n.\n.\n");
    assert_true(gpuhelper_cpu_ns(f->gpu) > 0);
}

static void test_both_answers_at_once(void **state)
{
    struct fixture *f = *state;
    struct other counts = {.f = f};
    start(f, "read -r x; read -r x; printf \"$A$A\"; exec sleep 1000", 20000);
    assert_non_null(counts.user =
                        gpuhelper_join(f->gpu, on_other, &counts, GPUHELPER_COUNTS));
    gpuhelper_ask(counts.user);
    ask(f);
    assert_int_equal(f->samples, 1);
    assert_int_equal(counts.samples, 2);
}

static void test_a_failure_is_for_those_who_asked(void **state)
{
    struct fixture *f = *state;
    struct other every = {.f = f};
    start(f, "read -r x; exit 7", 20000);
    assert_non_null(every.user =
                        gpuhelper_join(f->gpu, on_other, &every, GPUHELPER_COUNTS));
    ask(f);
    assert_int_equal(f->samples, 0);
    assert_int_equal(every.answers, 0);
}

static void test_leaving_from_within(void **state)
{
    struct fixture *f = *state;
    struct other o = {.f = f, .leaves = true, .stops = true};
    start(f, "while read -r x; do printf \"$A\"; done", 20000);
    assert_non_null(o.user = gpuhelper_join(f->gpu, on_other, &o, GPUHELPER_PROCESSES));
    gpuhelper_ask(o.user);
    loop_run(f->loop);
    assert_int_equal(o.samples, 1);
    ask(f);
    assert_int_equal(f->samples, 1);
}

static void test_users_are_few(void **state)
{
    struct fixture *f = *state;
    start(f, "exit 0", 1000);
    for (unsigned i = 1; i < GPUHELPER_USERS; i++)
        assert_non_null(gpuhelper_join(f->gpu, on_done, f, GPUHELPER_PROCESSES));
    assert_null(gpuhelper_join(f->gpu, on_done, f, GPUHELPER_PROCESSES));
}

/* ---- whose they are */

static void test_users(void **state)
{
    (void)state;
    struct readback_walk *w;
    struct readback_threads none = {0};
    int hold[2];
    assert_int_equal(pipe(hold), 0);
    pid_t job = fork();
    if (job == 0) {
        (void)close(hold[1]);
        (void)dup2(hold[0], 0);
        (void)setenv("AOLANI_MARK", "00112233445566aa.1", 1);
        (void)execlp("cat", "cat", (char *)NULL);
        _exit(1);
    }
    pid_t gone = fork();
    if (gone == 0)
        _exit(0);
    (void)waitpid(gone, NULL, 0);
    assert_int_equal(readback_walk_create(false, &w, NULL), 0);
    readback_walk_begin(w, &none, 1);
    struct readback_gpu_use uses[] = {
        {.pid = job}, {.pid = getpid()}, {.pid = gone}, {.pid = -1}};
    for (int i = 0; i < 500; i++) { /* until it is cat */
        readback_users_tell(uses, 4, w, "00112233445566aa", true);
        if (uses[0].user == READBACK_JOB)
            break;
        usleep(10000);
    }
    assert_int_equal(uses[0].user, READBACK_JOB);
    assert_int_equal(uses[1].user, READBACK_FOREIGN);
    assert_int_equal(uses[2].user, READBACK_HIDDEN);
    assert_int_equal(uses[3].user, READBACK_HIDDEN);
    readback_users_tell(uses, 2, w, "ffff233445566aa", true);
    assert_int_equal(uses[0].user, READBACK_FOREIGN);
    readback_users_tell(uses, 2, w, "00112233445566aa", false);
    assert_int_equal(uses[1].user, READBACK_HIDDEN);
    readback_walk_destroy(w);
    (void)close(hold[1]);
    (void)close(hold[0]);
    (void)waitpid(job, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_helper_answers_each_time, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_in_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
        cmocka_unit_test_setup_teardown(test_started_again_a_few_times, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_one_that_hangs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_late_answer_is_not_the_next, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_there_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_question_for_two, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_adds_up_hears_every_answer, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_two_kinds_of_questions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_both_answers_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_failure_is_for_those_who_asked, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_leaving_from_within, setup, teardown),
        cmocka_unit_test_setup_teardown(test_users_are_few, setup, teardown),
        cmocka_unit_test(test_users),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
