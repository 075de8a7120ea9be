/* SPDX-License-Identifier: MIT */
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
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/folders.h"
#include "agent/proc.h"

static char root[64];

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof root, "/tmp/aolani-folders-test-XXXXXX");
    return mkdtemp(root) && setenv("TMPDIR", root, 1) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return folders_remove_tree(root, NULL);
}

static void make_file(const char *dir, const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static void test_made_private_and_removed_whole(void **state)
{
    (void)state;
    struct folders f;
    struct err e;
    struct stat st;
    assert_int_equal(folders_init(&f, "00000000000000f1", 3, &e), 0);
    assert_int_equal(strncmp(f.base, root, strlen(root)), 0);
    assert_int_equal(folders_make(&f, &e), 0);
    const char *const all[] = {f.base, f.spool, f.pmix, f.tmp, f.shm};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        assert_int_equal(stat(all[i], &st), 0);
        assert_int_equal(st.st_mode & 0777, 0700);
        make_file(all[i], "file");
    }
    /* A link out of the folder is removed, what it names is not. */
    char link[512], outside[128];
    (void)snprintf(outside, sizeof outside, "%s/outside", root);
    assert_int_equal(mkdir(outside, 0700), 0);
    make_file(outside, "precious");
    (void)snprintf(link, sizeof link, "%s/link", f.tmp);
    assert_int_equal(symlink(outside, link), 0);
    assert_int_equal(folders_remove(&f, &e), 0);
    assert_int_equal(access(f.base, F_OK), -1);
    assert_int_equal(access(f.shm, F_OK), -1);
    (void)snprintf(link, sizeof link, "%s/precious", outside);
    assert_int_equal(access(link, F_OK), 0);
    assert_int_equal(folders_remove(&f, &e), 0); /* again: nothing to do */
    folders_fini(&f);
    folders_fini(&f);
}

static void test_what_others_put_there_is_refused(void **state)
{
    (void)state;
    struct folders f;
    struct err e;
    char elsewhere[128];
    (void)snprintf(elsewhere, sizeof elsewhere, "%s/elsewhere", root);
    assert_int_equal(mkdir(elsewhere, 0700), 0);
    make_file(elsewhere, "precious");
    assert_int_equal(folders_init(&f, "00000000000000f2", 0, &e), 0);
    assert_int_equal(symlink(elsewhere, f.base), 0); /* a trap */
    assert_int_equal(folders_make(&f, &e), -EPERM);
    assert_non_null(strstr(e.text, f.base));
    assert_int_equal(unlink(f.base), 0);
    assert_int_equal(mkdir(f.base, 0777), 0); /* open to all */
    assert_int_equal(chmod(f.base, 0777), 0);
    assert_int_equal(folders_make(&f, &e), -EPERM);
    assert_int_equal(rmdir(f.base), 0);
    make_file(root, "x");
    folders_fini(&f);
}

static void test_the_owner_and_its_death(void **state)
{
    (void)state;
    struct folders mine, other;
    struct folders_owner o;
    struct proc_stat self;
    struct err e;
    int ready[2];
    char c;
    assert_int_equal(folders_init(&mine, "00000000000000f3", 0, &e), 0);
    assert_int_equal(folders_read_owner(&mine, &o, &e), -ENOENT);
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (folders_init(&other, "00000000000000f3", 0, &e) < 0 ||
            folders_make(&other, &e) < 0 || folders_set_cgroup(&other, "/c g/x") < 0)
            _exit(1);
        make_file(other.spool, "rank-0000.out");
        (void)!write(ready[1], "x", 1);
        (void)pause();
        _exit(0);
    }
    assert_int_equal(read(ready[0], &c, 1), 1);
    assert_int_equal(folders_make(&mine, &e), -EBUSY);
    assert_int_equal(folders_read_owner(&mine, &o, &e), 0);
    assert_true(o.alive);
    assert_int_equal(o.pid, pid);
    assert_string_equal(o.cgroup, "/c g/x");
    assert_int_equal(proc_stat_read(pid, &self), 0);
    assert_int_equal(o.start, self.start);

    assert_int_equal(proc_kill(o.pid, o.start), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(folders_read_owner(&mine, &o, &e), 0);
    assert_false(o.alive);
    assert_int_equal(folders_take_over(&mine, &e), 0);
    char spooled[512];
    (void)snprintf(spooled, sizeof spooled, "%s/rank-0000.out", mine.spool);
    assert_int_equal(access(spooled, F_OK), 0); /* to be delivered yet */
    assert_int_equal(folders_read_owner(&mine, &o, &e), 0);
    assert_true(o.alive);
    assert_int_equal(o.pid, getpid());
    assert_int_equal(folders_remove(&mine, &e), 0);
    folders_fini(&mine);
    close(ready[0]);
    close(ready[1]);
}

static void look_for_ever(const char *run_id)
{
    struct folders f;
    struct folders_owner owner;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (folders_init(&f, run_id, 0, NULL) < 0)
        _exit(1);
    for (;;)
        (void)folders_read_owner(&f, &owner, NULL);
}

/* The keeper of a dead agent looks whether another has come just as one does. */
static void test_a_look_does_not_keep_an_owner_out(void **state)
{
    (void)state;
    static const char run_id[] = "00000000000000f5";
    struct folders f;
    struct err e;
    pid_t looker = fork(); /* first: the lock is of the open file, which fork shares */
    if (looker == 0)
        look_for_ever(run_id);
    assert_int_equal(folders_init(&f, run_id, 0, &e), 0);
    assert_int_equal(folders_make(&f, &e), 0);
    for (int i = 0; i < 20000; i++) {
        struct folders next;
        folders_fini(&f);
        assert_int_equal(folders_init(&next, run_id, 0, &e), 0);
        assert_int_equal(folders_take_over(&next, &e), 0);
        f = next;
    }
    assert_int_equal(kill(looker, SIGKILL), 0);
    assert_int_equal(waitpid(looker, NULL, 0), looker);
    assert_int_equal(folders_remove(&f, &e), 0);
    folders_fini(&f);
}

static void test_what_a_dead_agent_left_is_replaced(void **state)
{
    (void)state;
    struct folders f;
    struct err e;
    assert_int_equal(folders_init(&f, "00000000000000f4", 0, &e), 0);
    assert_int_equal(mkdir(f.base, 0700), 0);
    make_file(f.base, "stale");
    assert_int_equal(folders_make(&f, &e), 0);
    char stale[512];
    (void)snprintf(stale, sizeof stale, "%s/stale", f.base);
    assert_int_equal(access(stale, F_OK), -1);
    assert_int_equal(folders_remove(&f, &e), 0);
    folders_fini(&f);
}

/* As a user whom modes stop. Exit status of the child: what failed. */
static int remove_as_nobody(void)
{
    char top[128], at[2048];
    (void)snprintf(top, sizeof top, "%s/left", root);
    (void)snprintf(at, sizeof at, "%s", top);
    if (geteuid() == 0 && setuid(65534) < 0)
        return 1;
    for (int i = 0; i < 100; i++) {
        if (mkdir(at, 0700) < 0)
            return 2;
        (void)snprintf(at + strlen(at), sizeof at - strlen(at), "/deep");
    }
    (void)snprintf(at, sizeof at, "%s/deep/read-only", top);
    if (mkdir(at, 0700) < 0)
        return 3;
    make_file(at, "file");
    if (chmod(at, 0500) < 0)
        return 4;
    (void)snprintf(at, sizeof at, "%s/closed", top);
    if (mkdir(at, 0) < 0)
        return 5;
    return folders_remove_tree(top, NULL) == 0 && access(top, F_OK) < 0 ? 0 : 6;
}

static void test_what_a_program_made_hard_to_remove(void **state)
{
    (void)state;
    int status;
    assert_int_equal(chmod(root, 0777), 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(remove_as_nobody());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_made_private_and_removed_whole),
        cmocka_unit_test(test_what_others_put_there_is_refused),
        cmocka_unit_test(test_the_owner_and_its_death),
        cmocka_unit_test(test_a_look_does_not_keep_an_owner_out),
        cmocka_unit_test(test_what_a_dead_agent_left_is_replaced),
        cmocka_unit_test(test_what_a_program_made_hard_to_remove),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
