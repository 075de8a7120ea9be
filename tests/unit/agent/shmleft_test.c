/* SPDX-License-Identifier: MIT */
/* The folder of the test stands for /dev/shm; it has to be on a tmpfs or a disk that knows
 * leases, which both do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/folders.h"
#include "agent/proc.h"
#include "agent/shmleft.h"

static char dir[64];

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/dev/shm/aolani-shmleft-test-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return folders_remove_tree(dir, NULL);
}

static const char *path_of(const char *name)
{
    static char paths[2][512]; /* the last two stay good */
    static unsigned turn;
    char *path = paths[turn++ % 2];
    (void)snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

static bool is_there(const char *name)
{
    return access(path_of(name), F_OK) == 0;
}

static int make(const char *name)
{
    int fd = open(path_of(name), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0 && ftruncate(fd, 4096) == 0);
    return fd;
}

static void *map(const char *name)
{
    int fd = make(name);
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(p != MAP_FAILED);
    close(fd);
    return p;
}

/* A process that has these mapped (the last one only open), until it is killed. lead: how
 * it leaves our group: setsid, or setpgid as ranks on a terminal do. */
static pid_t start_leader(const char *const *names, size_t n, void (*lead)(void))
{
    int ready[2];
    char c;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        lead();
        for (size_t i = 0; i + 1 < n; i++)
            (void)map(names[i]);
        (void)make(names[n - 1]);
        if (write(ready[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    assert_int_equal(read(ready[0], &c, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static void lead_session(void)
{
    (void)setsid();
}

static void lead_group(void)
{
    (void)setpgid(0, 0);
}

static pid_t start_holder(const char *const *names, size_t n)
{
    return start_leader(names, n, lead_session);
}

static void end(pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static struct shmleft *open_now(void)
{
    struct shmleft *s;
    struct proc_stat self;
    assert_int_equal(proc_stat_read(getpid(), &self), 0);
    assert_int_equal(shmleft_create(dir, path_of("own"), self.start, &s, NULL), 0);
    return s;
}

static void test_what_a_killed_process_held(void **state)
{
    (void)state;
    static const char *const names[] = {"psm_aaaa", "psm_shared", "data.bin",
                                        "own/psm_b", "sem.mp-open"};
    assert_int_equal(mkdir(path_of("own"), 0700), 0);
    close(make("psm_not-ours"));
    struct shmleft *s = open_now();
    struct shmleft_found found;
    pid_t pid = start_holder(names, 5);
    shmleft_look_sessions(s, &pid, 1);
    void *other = map("psm_shared"); /* of another job, which lives */
    end(pid);
    shmleft_clear(s, &found);
    assert_false(is_there("psm_aaaa"));
    assert_false(is_there("sem.mp-open"));
    assert_true(is_there("psm_shared"));
    assert_true(is_there("psm_not-ours"));
    assert_true(is_there("own/psm_b"));
    assert_string_equal(found.removed, "psm_aaaa, sem.mp-open, 0 B");
    assert_string_equal(found.left, "data.bin, 0 B");
    (void)munmap(other, 4096);
    shmleft_clear(s, &found);
    assert_false(is_there("psm_shared"));
    shmleft_destroy(s);
}

static void test_leaders_of_mere_groups(void **state)
{
    (void)state;
    static const char *const names[] = {"psm_group", "psm_open"};
    struct shmleft *s = open_now();
    struct shmleft_found found;
    pid_t pid = start_leader(names, 2, lead_group);
    shmleft_look_sessions(s, &pid, 1);
    end(pid);
    shmleft_clear(s, &found);
    assert_false(is_there("psm_group"));
    assert_false(is_there("psm_open"));
    shmleft_destroy(s);
}

static void test_a_name_given_again_is_another_file(void **state)
{
    (void)state;
    static const char *const names[] = {"psm_again", "psm_open"};
    struct shmleft *s = open_now();
    struct shmleft_found found;
    pid_t pid = start_holder(names, 2);
    shmleft_look(s, pid);
    close(make("keep-inode-busy"));
    assert_int_equal(rename(path_of("keep-inode-busy"), path_of("psm_again")), 0);
    end(pid);
    shmleft_clear(s, &found);
    assert_true(is_there("psm_again"));
    assert_int_equal(unlink(path_of("psm_again")), 0);
    shmleft_destroy(s);
}

static void test_what_names_say(void **state)
{
    (void)state;
    struct shmleft *s = open_now();
    struct shmleft_found found;
    struct stat st;
    close(make("torch_1234_5_0"));
    close(make("torch_1235_5_0"));
    close(make("nccl-nobody"));
    int held = make("nccl-held");
    assert_int_equal(symlink(path_of("torch_1235_5_0"), path_of("nccl-link")), 0);
    shmleft_clear(s, &found); /* all have ended well */
    assert_true(is_there("torch_1234_5_0") && is_there("nccl-nobody"));
    shmleft_add_pid(s, 1234);
    shmleft_clear(s, &found);
    assert_false(is_there("torch_1234_5_0"));
    assert_true(is_there("torch_1235_5_0"));
    assert_false(is_there("nccl-nobody"));
    assert_true(is_there("nccl-held"));
    assert_true(lstat(path_of("nccl-link"), &st) == 0);
    close(held);
    shmleft_destroy(s);
}

static void test_nothing_older_is_touched(void **state)
{
    (void)state;
    struct shmleft *s;
    struct shmleft_found found;
    struct proc_stat self;
    static const char *const names[] = {"psm_staged", "psm_open"};
    close(make("nccl-old"));
    pid_t pid = start_holder(names, 2); /* stands for a rank that uses what was there */
    assert_int_equal(proc_stat_read(getpid(), &self), 0);
    uint64_t later = self.start + 3600u * (uint64_t)sysconf(_SC_CLK_TCK);
    assert_int_equal(shmleft_create(dir, "", later, &s, NULL), 0);
    shmleft_look(s, pid);
    end(pid);
    shmleft_clear(s, &found);
    assert_true(is_there("nccl-old"));
    assert_true(is_there("psm_staged") && is_there("psm_open"));
    assert_string_equal(found.left, "psm_staged, psm_open, 0 B");
    shmleft_destroy(s);
}

static void test_pids_in_a_file(void **state)
{
    (void)state;
    static const pid_t pids[] = {4321, 0, 77};
    char path[512];
    (void)snprintf(path, sizeof path, "%s", path_of("pids"));
    struct shmleft *s = open_now();
    struct shmleft_found found;
    assert_int_equal(shmleft_save_pids(path, pids, 3, NULL), 0);
    assert_int_equal(shmleft_load_pids(s, path, NULL), 0);
    assert_true(shmleft_load_pids(s, path_of("none"), NULL) < 0);
    close(make("torch_77_x"));
    close(make("torch_0_x"));
    shmleft_clear(s, &found);
    assert_false(is_there("torch_77_x"));
    assert_true(is_there("torch_0_x"));
    shmleft_destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_killed_process_held),
        cmocka_unit_test(test_leaders_of_mere_groups),
        cmocka_unit_test(test_a_name_given_again_is_another_file),
        cmocka_unit_test(test_what_names_say),
        cmocka_unit_test(test_nothing_older_is_touched),
        cmocka_unit_test(test_pids_in_a_file),
    };
    return cmocka_run_group_tests_name("agent/shmleft", tests, set_up, tear_down);
}
