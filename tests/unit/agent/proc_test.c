/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/proc.h"

static void test_stat_lines(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rc;
        const char *name;
        char st;
        pid_t ppid, group, session;
        uint64_t start;
    } table[] = {
        {"1 (init) S 0 5 6 0 -1 4 5 6 7 8 9 10 11 12 20 0 1 0 4242 1", 0, "init", 'S',
         0, 5, 6, 4242},
        {"7 (a) b) (c) D 3 1 1 0 -1 4 5 6 7 8 9 10 11 12 20 0 1 0 99 1", 0, "a) b) (c",
         'D', 3, 1, 1, 99},
        {"7 () Z 3 1 1 0 -1 4 5 6 7 8 9 10 11 12 20 0 1 0 99 1", 0, "", 'Z', 3, 1, 1,
         99},
        {"7 (a-name-longer-than-fits) R 3 1 1 0 -1 4 5 6 7 8 9 10 11 12 20 0 1 0 9 1",
         0, "a-name-longer-t", 'R', 3, 1, 1, 9},
        {"7 (cut) R 3 1 1 0", ERR_PARSE, NULL, 0, 0, 0, 0, 0},
        {"no brackets", ERR_PARSE, NULL, 0, 0, 0, 0, 0},
        {")(", ERR_PARSE, NULL, 0, 0, 0, 0, 0},
        {"", ERR_PARSE, NULL, 0, 0, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct proc_stat st;
        assert_int_equal(proc_stat_parse(table[i].text, &st), table[i].rc);
        if (table[i].rc < 0)
            continue;
        assert_string_equal(st.name, table[i].name);
        assert_int_equal(st.state, table[i].st);
        assert_int_equal(st.ppid, table[i].ppid);
        assert_int_equal(st.group, table[i].group);
        assert_int_equal(st.session, table[i].session);
        assert_int_equal(st.start, table[i].start);
        assert_int_equal(st.minflt, 5);
        assert_int_equal(st.majflt, 7);
        assert_int_equal(st.cpu, 19);
    }
}

static pid_t start_marked(char *const *env)
{
    int ready[2];
    char c;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char *const argv[] = {"sh", "-c", "echo; exec sleep 60", NULL};
        (void)dup2(ready[1], 1);
        execve("/bin/sh", argv, env);
        _exit(127);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &c, 1), 1);
    close(ready[0]);
    return pid;
}

struct search {
    const char *mark;
    pid_t found;
    unsigned n;
};

static bool search_one(void *arg, pid_t pid)
{
    struct search *s = arg;
    if (proc_has_mark(pid, s->mark) == PROC_MARK_YES) {
        s->found = pid;
        s->n++;
    }
    return true;
}

static void test_marked_processes_are_found(void **state)
{
    (void)state;
    static char big[60000] = "BIG="; /* the mark lies beyond the first read */
    memset(big + 4, 'x', sizeof big - 5);
    char *const plain[] = {"PATH=/bin:/usr/bin", "AOLANI_MARK=proctest.1", NULL};
    char *const far[] = {"PATH=/bin:/usr/bin", big, "AOLANI_MARK=proctest.2", NULL};
    char *const longer[] = {"PATH=/bin:/usr/bin", "AOLANI_MARK=proctest.11",
                            "Y=AOLANI_MARK=proctest.1", NULL};
    pid_t a = start_marked(plain), b = start_marked(far), c = start_marked(longer);
    struct search s = {.mark = "AOLANI_MARK=proctest.1"};
    assert_int_equal(proc_each(search_one, &s), 0);
    assert_int_equal(s.n, 1); /* neither a longer value nor a value in a value */
    assert_int_equal(s.found, a);
    s = (struct search){.mark = "AOLANI_MARK=proctest.2"};
    assert_int_equal(proc_each(search_one, &s), 0);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.found, b);
    pid_t all[] = {a, b, c};
    for (size_t i = 0; i < 3; i++) {
        (void)kill(all[i], SIGKILL);
        (void)waitpid(all[i], NULL, 0);
    }
    assert_int_equal(proc_has_mark(a, "AOLANI_MARK=proctest.1"), PROC_MARK_NO);
}

static void test_only_the_meant_process_is_killed(void **state)
{
    (void)state;
    char *const env[] = {"PATH=/bin:/usr/bin", NULL};
    pid_t pid = start_marked(env);
    struct proc_stat st;
    int status;
    assert_int_equal(proc_stat_read(pid, &st), 0);
    assert_int_equal(st.ppid, getpid());
    assert_int_equal(proc_kill(pid, st.start + 1),
                     -ESRCH); /* its number, another life */
    assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
    assert_int_equal(proc_kill(pid, st.start), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WTERMSIG(status), SIGKILL);
    assert_int_equal(proc_kill(pid, st.start), -ESRCH);
    assert_int_equal(proc_stat_read(pid, &st), -ESRCH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stat_lines),
        cmocka_unit_test(test_marked_processes_are_found),
        cmocka_unit_test(test_only_the_meant_process_is_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
