/* SPDX-License-Identifier: MIT */
/* topology_test.c - helpers that are not there, crash, hang, flood and lie. */
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
#include <sys/wait.h>
#include <unistd.h>

#include "agent/topofacts.h"
#include "agent/topology.h"
#include "proto/base/limits.h"

/* A node with the CPUs 0 to 3 in two cores. */
struct fixture {
    struct host host;
    Aolani__NodeInfo info;
    Aolani__Core cores[2], *list[2];
    uint32_t pus[2][2];
    char dir[64], helper[96], data[96];
    struct loop *loop;
    bool running;
    Aolani__Topology *got;
    unsigned calls;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/aolani-topology-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->helper, sizeof f->helper, "%s/aolani-describe", f->dir);
    (void)snprintf(f->data, sizeof f->data, "%s/data", f->dir);
    aolani__node_info__init(&f->info);
    for (uint32_t i = 0; i < 2; i++) {
        aolani__core__init(&f->cores[i]);
        f->pus[i][0] = 2 * i;
        f->pus[i][1] = 2 * i + 1;
        f->cores[i].pus = f->pus[i];
        f->cores[i].n_pus = 2;
        f->list[i] = &f->cores[i];
    }
    f->info.cores = f->list;
    f->info.n_cores = 2;
    f->info.allowed_cpus = (char *)"0-3";
    f->host.info = &f->info;
    f->host.dir = f->dir;
    f->host.describe_helper = f->helper;
    assert_int_equal(rankset_parse(&f->host.allowed, "0-3", NULL), 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    if (f->got)
        aolani__topology__free_unpacked(f->got, NULL);
    loop_destroy(f->loop);
    rankset_fini(&f->host.allowed);
    (void)unlink(f->helper);
    (void)unlink(f->data);
    (void)rmdir(f->dir);
    free(f);
    return 0;
}

static void write_file(const char *path, const void *bytes, size_t len, mode_t mode)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void on_done(void *arg, Aolani__Topology *t)
{
    struct fixture *f = arg;
    f->calls++;
    f->got = t;
    if (f->running)
        loop_stop(f->loop);
}

static void on_deadline(void *arg)
{
    loop_stop(arg);
}

/* limit_ms 0: hurried before the loop runs. */
static void describe(struct fixture *f, unsigned limit_ms)
{
    struct err e;
    struct topology *t;
    if (f->got)
        aolani__topology__free_unpacked(f->got, NULL);
    f->got = NULL;
    f->calls = 0;
    if (!f->loop)
        assert_int_equal(loop_create(&f->loop, &e), 0);
    struct topology_config c = {
        .loop = f->loop, .host = &f->host, .limit_ms = limit_ms};
    struct loop_timer *deadline = loop_timer_create(f->loop, on_deadline, f->loop);
    loop_timer_start(deadline, 60000, 0);
    assert_int_equal(topology_create(&c, on_done, f, &t, &e), 0);
    assert_int_equal(f->calls, 0);
    f->running = limit_ms > 0;
    if (f->running)
        loop_run(f->loop);
    else
        topology_hurry(t);
    topology_hurry(t); /* done has come: nothing */
    topology_destroy(t);
    loop_timer_destroy(deadline);
    assert_int_equal(f->calls, 1);
    assert_non_null(f->got);
}

static void check_own(const Aolani__Topology *t)
{
    assert_string_equal(t->source, "sysfs");
    assert_string_equal(t->allowed_cpus, "0-3");
    assert_int_equal(t->n_cores, 2);
    assert_int_equal(t->cores[1]->n_pus, 2);
    assert_int_equal(t->cores[1]->pus[1], 3);
    assert_int_equal(t->n_gpus, 0);
}

static void test_helpers_that_fail(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *script; /* NULL: no such file */
        unsigned limit_ms;
        const char *error, *hint;
    } table[] = {
        {"#!/bin/sh\nkill -SEGV $$", 60000,
         "aolani-describe ended by signal 11 (Segmentation fault)", "--text"},
        {"#!/bin/sh\necho first >&2; echo >&2; printf 'last\\033[1m\\n\\n' >&2; "
         "kill -ABRT $$",
         60000, "ended by signal 6 (Aborted): last?[1m", "--text"},
        {"#!/bin/sh\necho 'x: error while loading shared libraries: libudev.so.1' >&2\n"
         "exit 127",
         60000, "ended with status 127: x: error while loading shared libraries: libud",
         "it lacks a library"},
        {"#!/bin/sh\nhead -c 100000 /dev/zero | tr '\\0' x >&2\nexit 2", 60000,
         "ended with status 2: xxxx", "--text"},
        {"#!/bin/sh\nexit 0", 60000, "aolani-describe said nothing", "--text"},
        {"#!/bin/sh\necho why >&2; exit 1", 60000, "said nothing: why", "--text"},
        {"#!/bin/sh\nsleep 1000 & sleep 1000", 200,
         "did not answer within 0 s and was ended", "nvidia-smi"},
        {"#!/bin/sh\nwhile :; do cat /proc/self/exe; done", 60000,
         "said more than the 768 KiB that are taken", "cores alone"},
        {"#!/bin/sh\necho hello, this is no message", 60000, "it does not decode",
         "--text"},
        {"#!/bin/sh\nprintf '\\062\\0030-1'", 60000,
         "it does not say what it describes", "--text"},
        {"#!/bin/sh\nprintf '\\012\\004live\\072\\006\\022\\0040-1x'", 60000,
         "what aolani-describe said cannot be used", "--text"},
        {"#!/no/such/interpreter\n", 60000, "No such file or directory",
         "another C library"},
        {"\177ELF and no more", 60000, "ended with status 127",
         "for another architecture"},
        {"#!/bin/sh\nsleep 1000", 0, "was ended with the job", "next start"},
        {NULL, 60000, "the helper \"aolani-describe\" is not beside the agent",
         "libhwloc-dev"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (table[i].script)
            write_file(f->helper, table[i].script, strlen(table[i].script), 0700);
        else
            f->host.describe_helper = NULL;
        describe(f, table[i].limit_ms);
        check_own(f->got);
        if (!strstr(f->got->error, table[i].error) ||
            !strstr(f->got->hint, table[i].hint))
            fail_msg("row %zu: \"%s\" (%s)", i, f->got->error, f->got->hint);
    }
    /* Nothing that was ended is left: every child has been, or can be waited for. */
    loop_destroy(f->loop);
    f->loop = NULL;
    for (unsigned i = 0; i < 1000 && waitpid(-1, NULL, WNOHANG) >= 0; i++)
        (void)usleep(10000);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

/* ---- what it says ---- */

struct said { /* a message about CPUs 0 to 7 in four cores, with a GPU */
    Aolani__Topology t;
    Aolani__CpuGroup package, *packages[1];
    Aolani__NumaNode numa, *numas[1];
    Aolani__Core cores[4], *list[4];
    Aolani__Gpu gpu, *gpus[1];
    uint32_t pus[4][2];
};

static void say(struct said *s)
{
    memset(s, 0, sizeof *s);
    aolani__topology__init(&s->t);
    aolani__cpu_group__init(&s->package);
    aolani__numa_node__init(&s->numa);
    aolani__gpu__init(&s->gpu);
    s->t.source = (char *)"live";
    s->t.allowed_cpus = (char *)"0-7";
    s->package.cpus = (char *)"0-7";
    s->numa.cpus = (char *)"4-7";
    s->gpu.cpus = (char *)"2-5";
    s->gpu.uuid = (char *)"GPU-1";
    for (uint32_t i = 0; i < 4; i++) { /* siblings as on most machines: i and i + 4 */
        aolani__core__init(&s->cores[i]);
        s->pus[i][0] = i;
        s->pus[i][1] = i + 4;
        s->cores[i].pus = s->pus[i];
        s->cores[i].n_pus = 2;
        s->list[i] = &s->cores[3 - i]; /* in an order of its own */
    }
    s->t.packages = s->packages;
    s->t.numa = s->numas;
    s->t.cores = s->list;
    s->t.gpus = s->gpus;
    s->packages[0] = &s->package;
    s->numas[0] = &s->numa;
    s->gpus[0] = &s->gpu;
    s->t.n_packages = s->t.n_numa = s->t.n_gpus = 1;
    s->t.n_cores = 4;
}

static int read_said(struct fixture *f, struct said *s, struct err *e)
{
    size_t len = aolani__topology__get_packed_size(&s->t);
    uint8_t *bytes = malloc(len + 1);
    assert_non_null(bytes);
    (void)aolani__topology__pack(&s->t, bytes);
    if (f->got)
        aolani__topology__free_unpacked(f->got, NULL);
    f->got = NULL;
    int rc = topofacts_read(bytes, len, &f->host, &f->got, e);
    free(bytes);
    return rc;
}

static void test_what_may_be_used_is_the_agents_word(void **state)
{
    struct fixture *f = *state;
    struct said s;
    struct err e;
    say(&s);
    assert_int_equal(read_said(f, &s, &e), 0);
    assert_string_equal(f->got->allowed_cpus, "0-3");
    assert_string_equal(f->got->packages[0]->cpus, "0-3");
    assert_string_equal(f->got->numa[0]->cpus, "");
    assert_string_equal(f->got->gpus[0]->cpus, "2-3");
    assert_string_equal(f->got->gpus[0]->uuid, "GPU-1");
    assert_int_equal(f->got->n_cores, 4); /* its own are whole: in its order */
    assert_int_equal(f->got->cores[0]->n_pus, 1);
    assert_int_equal(f->got->cores[0]->pus[0], 3);
    assert_int_equal(f->got->n_notes, 1);
    assert_string_equal(f->got->notes[0], "the CPUs 0-7 were described, but those that "
                                          "may be used here are 0-3");

    s.t.n_cores = 3; /* CPU 0 is in none */
    assert_int_equal(read_said(f, &s, &e), 0);
    assert_int_equal(f->got->n_cores, 2);
    assert_int_equal(f->got->cores[0]->pus[1], 1);
    s.t.n_cores = 0;
    assert_int_equal(read_said(f, &s, &e), 0);
    assert_int_equal(f->got->n_cores, 2);

    say(&s);
    s.t.allowed_cpus = (char *)"0,1-3";
    assert_int_equal(read_said(f, &s, &e), 0);
    assert_int_equal(f->got->n_notes, 0);
}

static void test_what_cannot_be(void **state)
{
    struct fixture *f = *state;
    struct said s;
    struct err e;
    say(&s);
    s.gpu.cpus = (char *)"3-1";
    assert_int_equal(read_said(f, &s, &e), ERR_PARSE);
    assert_null(f->got);

    Aolani__Gpu gpu = AOLANI__GPU__INIT, *many[LIMIT_GPUS + 1];
    for (size_t i = 0; i <= LIMIT_GPUS; i++)
        many[i] = &gpu;
    say(&s);
    s.t.gpus = many;
    s.t.n_gpus = LIMIT_GPUS + 1;
    assert_int_equal(read_said(f, &s, &e), ERR_LIMIT);
    assert_string_equal(e.text, "it has 257 GPUs, and at most 256 are taken");
}

static void test_an_answer_and_its_status(void **state)
{
    struct fixture *f = *state;
    struct said s;
    uint8_t bytes[4096];
    char script[256];
    say(&s);
    size_t len = aolani__topology__pack(&s.t, bytes);
    write_file(f->data, bytes, len, 0600);
    (void)snprintf(script, sizeof script, "#!/bin/sh\necho noise >&2\nexec cat '%s'\n",
                   f->data);
    write_file(f->helper, script, strlen(script), 0700);
    describe(f, 60000);
    assert_string_equal(f->got->source, "live");
    assert_string_equal(f->got->error, "");
    assert_int_equal(f->got->n_gpus, 1);

    /* Status 1: it says itself why there is little. */
    aolani__topology__init(&s.t);
    s.t.source = (char *)"live";
    s.t.error = (char *)"read /sys: permission denied";
    len = aolani__topology__pack(&s.t, bytes);
    write_file(f->data, bytes, len, 0600);
    (void)snprintf(script, sizeof script, "#!/bin/sh\ncat '%s'; exit 1\n", f->data);
    write_file(f->helper, script, strlen(script), 0700);
    describe(f, 60000);
    assert_string_equal(f->got->error, "read /sys: permission denied");
    assert_int_equal(f->got->n_cores, 2);
    assert_string_equal(f->got->allowed_cpus, "0-3");

    /* One that has ended, with its output kept open by another. */
    (void)snprintf(script, sizeof script, "#!/bin/sh\ncat '%s'; sleep 2 & exit 1\n",
                   f->data);
    write_file(f->helper, script, strlen(script), 0700);
    describe(f, 60000);
    assert_string_equal(f->got->error, "read /sys: permission denied");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_helpers_that_fail, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_may_be_used_is_the_agents_word,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_cannot_be, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_answer_and_its_status, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
