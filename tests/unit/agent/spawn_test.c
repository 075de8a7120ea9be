/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/spawn.h"
#include "tests/lib/skipped.h"

struct result {
    struct spawn_outcome outcome;
    int status;
    char out[8192];
};

static char *const test_env[] = {"PATH=/usr/bin:/bin", "GREETING=hello", NULL};

static struct spawn_spec spec_of(const char *path, char *const *argv, int out)
{
    return (struct spawn_spec){.path = path,
                               .argv = argv,
                               .env = test_env,
                               .workdir = "/",
                               .fd_in = -1,
                               .fd_out = out,
                               .fd_err = out,
                               .cgroup_entrance = -1,
                               .umask = 027,
                               .oom_score_adj = 500};
}

static int temp_file(void)
{
    char name[] = "/tmp/aolani-spawn-test-XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    (void)unlink(name);
    return fd;
}

static void run(struct spawn_spec *s, struct result *ret)
{
    struct err e;
    pid_t pid;
    int report;
    memset(ret, 0, sizeof *ret);
    assert_int_equal(spawn_start(s, &pid, &report, &e), 0);
    struct pollfd p = {.fd = report, .events = POLLIN};
    while (spawn_outcome_read(report, &ret->outcome) == 0)
        assert_int_equal(poll(&p, 1, 10000), 1);
    close(report);
    assert_int_equal(waitpid(pid, &ret->status, 0), pid);
    ssize_t n = pread(s->fd_out, ret->out, sizeof ret->out - 1, 0);
    assert_true(n >= 0);
    ret->out[n] = '\0';
}

static void run_shell(const char *script, struct result *ret)
{
    char *const argv[] = {"sh", "-c", (char *)script, NULL};
    int out = temp_file();
    struct spawn_spec s = spec_of("/bin/sh", argv, out);
    run(&s, ret);
    assert_int_equal(ret->outcome.call, 0);
    close(out);
}

static void test_the_program_gets_what_was_given(void **state)
{
    (void)state;
    struct result r;
    run_shell("echo $GREETING; pwd; umask; cat; echo words >&2; exit 7", &r);
    assert_string_equal(r.out, "hello\n/\n0027\nwords\n");
    assert_true(WIFEXITED(r.status));
    assert_int_equal(WEXITSTATUS(r.status), 7);
}

static void test_what_cannot_be_executed(void **state)
{
    (void)state;
    static const struct {
        const char *path, *workdir;
        int call, error, status;
    } table[] = {
        {"/no/such/program", "/", SPAWN_EXEC, ENOENT, 127},
        {"/etc/passwd", "/", SPAWN_EXEC, EACCES, 126},
        {"/bin", "/", SPAWN_EXEC, EACCES, 126},
        {"/bin/true", "/no/such/folder", SPAWN_CHDIR, ENOENT, 126},
        {"/bin/true", "/etc/passwd", SPAWN_CHDIR, ENOTDIR, 126},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char *const argv[] = {"x", NULL};
        int out = temp_file();
        struct spawn_spec s = spec_of(table[i].path, argv, out);
        struct result r;
        struct err e;
        s.workdir = table[i].workdir;
        run(&s, &r);
        assert_int_equal(r.outcome.call, table[i].call);
        assert_int_equal(r.outcome.error, table[i].error);
        assert_int_equal(WEXITSTATUS(r.status), table[i].status);
        assert_int_equal(spawn_outcome_err(&r.outcome, &s, &e), -table[i].error);
        assert_non_null(
            strstr(e.text, table[i].call == SPAWN_EXEC ? s.path : s.workdir));
        close(out);
    }
}

static void test_a_script_without_interpreter(void **state)
{
    (void)state;
    char name[] = "/tmp/aolani-spawn-test-XXXXXX";
    int fd = mkstemp(name);
    assert_int_equal(write(fd, "echo $1\n", 8), 8);
    assert_int_equal(fchmod(fd, 0700), 0);
    close(fd);
    char *const argv[] = {name, "one", NULL};
    char *const sh_argv[] = {"sh", name, "one", NULL};
    int out = temp_file();
    struct spawn_spec s = spec_of(name, argv, out);
    struct result r;
    s.sh_argv = sh_argv;
    run(&s, &r);
    assert_string_equal(r.out, "one\n");
    (void)unlink(name);
    close(out);
}

static void test_affinity(void **state)
{
    (void)state;
    char *const argv[] = {"sh", "-c", "grep Cpus_allowed_list /proc/self/status", NULL};
    cpu_set_t all, one;
    char want[64];
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    int last = -1;
    for (int i = 0; i < CPU_SETSIZE; i++) {
        if (CPU_ISSET((size_t)i, &all))
            last = i;
    }
    CPU_ZERO(&one);
    CPU_SET((size_t)last, &one);
    int out = temp_file();
    struct spawn_spec s = spec_of("/bin/sh", argv, out);
    struct result r;
    s.cpus = &one;
    s.cpus_bytes = sizeof one;
    run(&s, &r);
    (void)snprintf(want, sizeof want, "Cpus_allowed_list:\t%d\n", last);
    assert_string_equal(r.out, want);
    assert_false(r.outcome.other_cpus);

    CPU_SET(CPU_SETSIZE - 1,
            &one); /* one that is not there is no error to the kernel */
    run(&s, &r);
    assert_int_equal(r.outcome.call, 0);
    assert_int_equal(r.outcome.other_cpus, last != CPU_SETSIZE - 1);

    CPU_ZERO(&one); /* no CPU at all */
    run(&s, &r);
    assert_int_equal(r.outcome.call, SPAWN_AFFINITY);
    assert_int_equal(r.outcome.error, EINVAL);
    close(out);
}

static void test_nothing_else_is_open(void **state)
{
    (void)state;
    struct result r;
    int stray = open("/dev/null", O_RDONLY); /* without close-on-exec */
    assert_true(stray >= 0);
    int high = fcntl(stray, F_DUPFD, 200);
    assert_true(high >= 200);
    /* The descriptor of the listing itself is 3. */
    run_shell("ls /proc/self/fd | tr '\\n' ' '", &r);
    assert_string_equal(r.out, "0 1 2 3 ");
    close(stray);
    close(high);
}

static void test_limit_of_descriptors(void **state)
{
    (void)state;
    struct rlimits low = {.v[RLIMITS_NOFILE] = {32, 64}, .known[RLIMITS_NOFILE] = true};
    char *argv[] = {(char *)"sh", (char *)"-c", (char *)"ulimit -Sn; ulimit -Hn", NULL};
    struct result r;
    int out = fcntl(temp_file(), F_DUPFD, 100); /* above the limit */
    struct spawn_spec s = spec_of("/bin/sh", argv, out);
    s.limits = &low;
    run(&s, &r);
    assert_int_equal(r.outcome.call, 0);
    assert_string_equal(r.out, "32\n64\n");
    close(out);
}

static void test_signals_session_and_oom_score(void **state)
{
    (void)state;
    struct result r;
    sigset_t some, old;
    sigemptyset(&some);
    sigaddset(&some, SIGUSR1);
    sigaddset(&some, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &some, &old);
    (void)signal(SIGPIPE, SIG_IGN);
    /* Signals 32 and 33 are the C library's own and cannot be set. */
    run_shell("exec sed -En '/^Sig(Blk|Ign)/s/0000000[01]80000000|0{16}/none/p' "
              "/proc/self/status",
              &r);
    (void)sigprocmask(SIG_SETMASK, &old, NULL);
    assert_string_equal(r.out, "SigBlk:\tnone\nSigIgn:\tnone\n");
    run_shell("test $(cut -d' ' -f6 /proc/$$/stat) = $$", &r);
    assert_int_equal(r.status, 0);
    run_shell("cat /proc/self/oom_score_adj", &r);
    assert_true(atoi(r.out) >= 500);
}

/* Of those who start us, some have given up more than we ask for. */
static void test_oom_score_is_only_raised(void **state)
{
    (void)state;
    int status;
    pid_t child = fork(); /* not every user can take it back */
    if (child == 0) {
        struct result r;
        int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, "900", 3) != 3)
            _exit(2);
        close(fd);
        run_shell("cat /proc/self/oom_score_adj", &r);
        _exit(strcmp(r.out, "900\n") != 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static bool is_gone_within(pid_t pid, int ms)
{
    for (; ms > 0; ms -= 10) {
        if (kill(pid, 0) < 0 && errno == ESRCH)
            return true;
        (void)waitpid(pid, NULL, WNOHANG);
        (void)usleep(10000);
    }
    return false;
}

/* An agent that is killed takes its ranks along, even one that ignores TERM. */
static void test_death_of_the_parent(void **state)
{
    (void)state;
    int up[2];
    pid_t rank;
    assert_int_equal(pipe(up), 0);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid_t agent = fork();
    if (agent == 0) {
        char *const argv[] = {"sh", "-c", "trap '' TERM; sleep 60", NULL};
        struct spawn_spec s = spec_of("/bin/sh", argv, 1);
        int report;
        if (spawn_start(&s, &rank, &report, NULL) < 0 ||
            write(up[1], &rank, sizeof rank) != (ssize_t)sizeof rank)
            _exit(1);
        (void)pause();
        _exit(0);
    }
    assert_int_equal(read(up[0], &rank, sizeof rank), sizeof rank);
    (void)usleep(50000);
    assert_int_equal(kill(rank, 0), 0);
    assert_int_equal(kill(agent, SIGKILL), 0);
    assert_int_equal(waitpid(agent, NULL, 0), agent);
    assert_true(is_gone_within(rank, 5000));
    close(up[0]);
    close(up[1]);
}

static void test_a_group_that_cannot_be_entered_is_no_failure(void **state)
{
    (void)state;
    char *const argv[] = {"true", NULL};
    int out = temp_file(), full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    struct spawn_spec s = spec_of("/bin/true", argv, out);
    struct result r;
    s.cgroup_entrance = full;
    run(&s, &r);
    assert_int_equal(r.outcome.call, 0);
    assert_int_equal(r.outcome.cgroup_error, ENOSPC);
    assert_int_equal(r.status, 0);
    close(out);
    close(full);
}

static void test_memory(void **state)
{
    (void)state;
    static const struct {
        struct spawn_memory memory;
        int call, error, memory_error;
        const char *policy; /* as numa_maps has it */
    } table[] = {
        {{0}, 0, 0, 0, "default"},
        {{.mode = 1, .nodes = {1}}, 0, 0, 0, "prefer:0"},
        {{.mode = 1, .must = true, .nodes = {1}}, 0, 0, 0, "prefer:0"},
        {{.mode = 2, .must = true, .nodes = {1}}, 0, 0, 0, "bind:0"},
        {{.mode = 2, .must = true, .nodes = {[15] = 1}}, SPAWN_MEMORY, EINVAL, 0, ""},
        {{.mode = 2, .nodes = {[15] = 1}}, 0, 0, EINVAL, "default"},
        {{.mode = 99, .nodes = {1}}, 0, 0, EINVAL, "default"},
    };
    if (access("/proc/self/numa_maps", R_OK) < 0)
        skip_because("no /proc/self/numa_maps");
    char *const argv[] = {
        "sh", "-c", "sed -n '1s/^[^ ]* //; 1s/ .*//p' /proc/self/numa_maps", NULL};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        int out = temp_file();
        struct spawn_spec s = spec_of("/bin/sh", argv, out);
        struct result r;
        struct err e;
        s.memory = table[i].memory;
        run(&s, &r);
        if (table[i].error == 0 && r.outcome.memory_error == EPERM)
            skip_because("a container forbids memory policies");
        assert_int_equal(r.outcome.call, table[i].call);
        assert_int_equal(r.outcome.error, table[i].error);
        assert_int_equal(r.outcome.memory_error, table[i].memory_error);
        r.out[strcspn(r.out, "\n")] = '\0';
        assert_string_equal(r.out, table[i].policy);
        if (table[i].call) {
            assert_int_equal(spawn_outcome_err(&r.outcome, &s, &e), -EINVAL);
            assert_string_equal(e.text, "bind its memory to the chosen NUMA nodes: "
                                        "Invalid argument");
        }
        close(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_program_gets_what_was_given),
        cmocka_unit_test(test_what_cannot_be_executed),
        cmocka_unit_test(test_a_script_without_interpreter),
        cmocka_unit_test(test_affinity),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_nothing_else_is_open),
        cmocka_unit_test(test_limit_of_descriptors),
        cmocka_unit_test(test_signals_session_and_oom_score),
        cmocka_unit_test(test_oom_score_is_only_raised),
        cmocka_unit_test(test_death_of_the_parent),
        cmocka_unit_test(test_a_group_that_cannot_be_entered_is_no_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
