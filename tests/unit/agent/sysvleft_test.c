/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/sysvleft.h"

static void test_lines(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        bool ok;
        struct sysvleft want;
    } table[] = {
        {"       key      shmid perms       size  cpid  lpid nattch   uid   gid  cuid  "
         "cgid      atime      dtime      ctime        rss       swap",
         false,
         {0}},
        {"         0     950318   600       4096  4550     0      2  1000    4  1001   "
         "  "
         "5     6     7 1795367763                     0                     0",
         true,
         {950318, 4096, 4550, 2, 1000, 1001, 1795367763}},
        {"-559038737 3 1600 99999999999 1 1 0 0 0 0 0 0 0 9",
         true,
         {3, 99999999999, 1, 0, 0, 0, 9}},
        {"0 950318 600 4096 4550 0 2 1000", false, {0}},
        {"", false, {0}},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct sysvleft got, want = table[i].want;
        assert_int_equal(sysvleft_parse(table[i].line, &got), table[i].ok);
        if (!table[i].ok)
            continue;
        assert_int_equal(got.id, want.id);
        assert_int_equal(got.bytes, want.bytes);
        assert_int_equal(got.maker, want.maker);
        assert_int_equal(got.attached, want.attached);
        assert_int_equal(got.uid, want.uid);
        assert_int_equal(got.maker_uid, want.maker_uid);
        assert_int_equal(got.changed, want.changed);
    }
}

/* Made by a process that is dead; its number is in *ret. */
static int make_segment(pid_t *ret)
{
    int id, end[2];
    assert_int_equal(pipe(end), 0);
    *ret = fork();
    if (*ret == 0) {
        id = shmget(IPC_PRIVATE, 4096, 0600);
        _exit(write(end[1], &id, sizeof id) != (ssize_t)sizeof id);
    }
    assert_int_equal(read(end[0], &id, sizeof id), sizeof id);
    assert_int_equal(waitpid(*ret, NULL, 0), *ret);
    close(end[0]);
    close(end[1]);
    assert_true(id >= 0);
    return id;
}

static bool is_there(int id)
{
    struct shmid_ds s;
    return shmctl(id, IPC_STAT, &s) == 0;
}

static void count(void *arg, const struct sysvleft *s)
{
    (void)s;
    ++*(int *)arg;
}

static void test_only_ours_is_removed(void **state)
{
    (void)state;
    pid_t ours, others, attached;
    int a = make_segment(&ours), b = make_segment(&others), c = make_segment(&attached);
    void *at = shmat(c, NULL, 0);
    assert_true(at != (void *)-1);
    const pid_t pids[] = {ours, attached};
    int64_t since = time(NULL) - 60;
    int n = 0;
    sysvleft_clear(pids, 2, since + 3600, count, &n); /* all are older */
    assert_true(is_there(a) && n == 0);
    sysvleft_clear(pids, 2, since, count, &n);
    assert_true(!is_there(a) && n == 1);
    assert_true(is_there(b));
    assert_true(is_there(c));
    (void)shmdt(at);
    sysvleft_clear(pids, 2, since, count, &n);
    assert_true(!is_there(c) && n == 2);
    (void)shmctl(b, IPC_RMID, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines),
                                       cmocka_unit_test(test_only_ours_is_removed)};
    return cmocka_run_group_tests_name("agent/sysvleft", tests, NULL, NULL);
}
