/* SPDX-License-Identifier: MIT */
/* What becomes of agents that have their keys, with scripts in the place of Slurm's
 * commands: whose end is known, and what is said of it. */
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

#include "launcher/slurm/srunboot.h"
#include "proto/wire/secure.h"

#define READY " AOLANI-READY " AOLANI_VERSION "; "
#define NODE  " AOLANI-NODE $(uname -m) "
#define SERVED                                                            \
    "echo 0:" NODE "n1; echo 1:" NODE "n2; echo 0:" READY "echo 1:" READY \
    "cat >/dev/null; "
#define ABORTED \
    "srun: Job step aborted: Waiting up to 7 seconds for job step to finish."
#define ENDING(task) #task ": aolani-agent: ending: Slurm asks for it"

static char dir[64];

struct node {
    struct start *of;
    struct boot *boot;
    unsigned ready, failed, ended;
    enum boot_end what;
    char words[300];
};
struct start {
    struct loop *loop;
    struct loop_timer *guard;
    struct node nodes[2];
    unsigned enough; /* ends that are waited for */
};

static void path_of(const char *name, char *ret, size_t len)
{
    assert_true(snprintf(ret, len, "%s/%s", dir, name) < (int)len);
}

static void write_script(const char *name, const char *body)
{
    char path[128];
    path_of(name, path, sizeof path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fprintf(f, "#!/bin/sh\n%s\n", body) > 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, 0700), 0);
}

static int set_up(void **state)
{
    (void)state;
    char path[4096];
    (void)snprintf(dir, sizeof dir, "/tmp/aolani-srunboot-test-XXXXXX");
    if (secure_init(NULL) < 0 || !mkdtemp(dir))
        return -1;
    path_of("0123456789abcdef", path, sizeof path); /* as if seeded */
    if (mkdir(path, 0700) < 0)
        return -1;
    write_script("0123456789abcdef/aolani-agent", "");
    (void)snprintf(path, sizeof path, "%s:%s", dir, getenv("PATH"));
    return setenv("PATH", path, 1) || setenv("AOLANI_CACHE", dir, 1) ||
           setenv("SLURM_JOB_ID", "7", 1) || setenv("SLURM_JOB_NODELIST", "n[1-2]", 1);
}

static int tear_down(void **state)
{
    static const char *const names[] = {"0123456789abcdef/aolani-agent",
                                        "0123456789abcdef", "srun", "scontrol"};
    char path[128];
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        path_of(names[i], path, sizeof path);
        (void)remove(path);
    }
    return rmdir(dir);
}

static int on_pack(void *arg, void *const *nodes, size_t n, struct buf *out)
{
    (void)arg;
    (void)nodes;
    assert_int_equal(n, 2);
    return buf_add(out, "blob", 4);
}

static void on_ready(void *arg, struct loop_stream *io, bool copied)
{
    struct node *n = arg;
    (void)copied;
    assert_null(io);
    n->ready++;
}

static void on_failed(void *arg, const struct err *e)
{
    struct node *n = arg;
    (void)e;
    n->failed++;
}

static void on_ended(void *arg, enum boot_end what, int ws, const char *words)
{
    struct node *n = arg;
    (void)ws;
    n->ended++;
    n->what = what;
    (void)snprintf(n->words, sizeof n->words, "%s", words);
    if (n->of->nodes[0].ended + n->of->nodes[1].ended == n->of->enough)
        loop_stop(n->of->loop);
}

static void on_guard(void *arg)
{
    (void)arg;
    fail_msg("no end after 20 s");
}

static void run(struct start *s, const char *srun, const char *scontrol)
{
    static const struct boot_ops ops = {
        .pack = on_pack, .ready = on_ready, .failed = on_failed, .ended = on_ended};
    struct spec spec = {0};
    struct bundle bundle = {.id = "0123456789abcdef"};
    struct boot_config c = {.spec = &spec, .bundle = &bundle, .ops = &ops};
    struct boot_node nodes[2] = {{.name = "n1", .arg = &s->nodes[0]},
                                 {.name = "n2", .arg = &s->nodes[1]}};
    struct err e;
    write_script("srun", srun);
    write_script("scontrol", scontrol);
    assert_int_equal(loop_create(&s->loop, NULL), 0);
    s->guard = loop_timer_create(s->loop, on_guard, s);
    s->nodes[0].of = s->nodes[1].of = s;
    assert_int_equal(boot_srun.start(s->loop, &c, nodes, 2, &e), 0);
    loop_timer_start(s->guard, 20000, 0);
    loop_run(s->loop);
    for (size_t i = 0; i < 2; i++) {
        unsigned patience_ms = 0;
        boot_kill(nodes[i].boot, SIGTERM);
        boot_await_end(nodes[i].boot, &patience_ms);
        boot_destroy(nodes[i].boot);
    }
    loop_timer_destroy(s->guard);
    loop_destroy(s->loop);
}

static void test_ends(void **state)
{
    (void)state;
    static const char over[] = "echo 'slurm_load_jobs error: Invalid job id specified' "
                               ">&2; exit 1",
                      lives[] = "echo 'JobId=7 JobName=x JobState=RUNNING NumNodes=2 "
                                "NodeList=n[1-2]'",
                      away[] = "exit 1";
    static const struct {
        const char *srun, *scontrol;
        unsigned ends;
        enum boot_end what;
        const char *words; /* of n1 */
    } table[] = {
        /* of an agent that ends well srun says nothing */
        {SERVED "{ echo '" ABORTED "'; echo '" ENDING(0) "'; } >&2", over, 2,
         BOOT_END_AGENT, "Slurm's job is over"},
        {SERVED "{ echo '" ABORTED "'; echo '" ENDING(0) "'; } >&2", lives, 2,
         BOOT_END_AGENT, "ending: Slurm asks for it"},
        {SERVED "{ echo '" ABORTED "'; echo '" ENDING(0) "'; } >&2", away, 2,
         BOOT_END_AGENT, "ending: Slurm asks for it"},
        /* what starts an agent is killed before it is one, and srun is late to say why */
        {SERVED "{ echo 'srun: error: n[1-2]: tasks 0-1: Terminated'; sleep 0.1; echo "
                "'" ABORTED "'; } >&2; exit 143",
         over, 2, BOOT_END_AGENT, "Slurm's job is over"},
        {SERVED "{ echo '" ABORTED "'; echo 'srun: error: n1: task 0: Exited with exit "
                "code 143'; } >&2; exit 143",
         over, 2, BOOT_END_AGENT, "Slurm's job is over"},
        /* it gives up before they have ended */
        {SERVED "{ echo '" ABORTED
                "'; echo 'srun: error: Timed out waiting for job step "
                "to complete'; } >&2; exit 143",
         over, 2, BOOT_END_UNKNOWN, "Slurm's job is over"},
        /* one of them, of its own */
        {SERVED "echo 'srun: error: n1: task 0: Killed' >&2; exec sleep 60", lives, 1,
         BOOT_END_AGENT, "Killed"},
        {SERVED
         "echo 'srun: error: n1: task 0: Exited with exit code 3' >&2; exec sleep "
         "60",
         lives, 1, BOOT_END_AGENT, "Exited with exit code 3"},
        {SERVED "echo 'srun: error: n[1-2]: tasks 0-1: Killed' >&2; exit 137", lives, 2,
         BOOT_END_AGENT, "Killed"},
        /* srun alone */
        {SERVED "echo 'srun: error: lost' >&2; kill -KILL $$", lives, 2,
         BOOT_END_UNKNOWN, "lost"},
        {SERVED, lives, 2, BOOT_END_UNKNOWN, ""},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct start s = {.enough = table[i].ends};
        run(&s, table[i].srun, table[i].scontrol);
        const struct node *n = &s.nodes[0];
        if (n->ready != 1 || n->failed || n->ended != 1 || n->what != table[i].what ||
            strcmp(n->words, table[i].words) != 0)
            fail_msg("row %zu: %u ready, %u failed, %u ended, the agent %d: %s", i,
                     n->ready, n->failed, n->ended, n->what == BOOT_END_AGENT,
                     n->words);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ends)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
