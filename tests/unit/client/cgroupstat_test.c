/* SPDX-License-Identifier: MIT */
/* The parsers on texts; the whole on a real quota, where this machine lets us make one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "proto/client/cgroupstat.c"

static struct lines lines_of(const char *text, size_t len)
{
    struct lines l = {.fd = memfd_create("lines", MFD_CLOEXEC), .left = 1u << 20};
    assert_true(l.fd >= 0);
    assert_int_equal(write(l.fd, text, len), (ssize_t)len);
    assert_int_equal(lseek(l.fd, 0, SEEK_SET), 0);
    return l;
}

static void test_lines_of_any_length(void **state)
{
    char text[8192];
    (void)state;
    for (size_t len = 2030; len < 2060; len++) {
        memset(text, 'x', len);
        strcpy(text + len, "\nshort\n\nunended");
        struct lines l = lines_of(text, strlen(text));
        char *line = lines_next(&l);
        if (len < sizeof l.text - 1) {
            assert_int_equal(strlen(line), len);
            line = lines_next(&l);
        }
        assert_string_equal(line, "short");
        assert_string_equal(lines_next(&l), "");
        assert_null(lines_next(&l));
        assert_null(lines_next(&l));
        close(l.fd);
    }
}

static void test_own_group(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"0::/user.slice/a\n", "2/user.slice/a"},
        {"5:memory:/m\n4:cpu,cpuacct:/c\n0::/u\n", "1/c"},
        {"0::/u\n4:cpuacct,cpu:/c\n", "1/c"},
        {"2:cpuacct:/a\n3:cpuset:/s\n0::/u\n", "2/u"}, /* the CPU is in version 2 */
        {"1:name=systemd:/s\n", ""},
        {"0::/a:b\n", "2/a:b"},
        {"0::/../outside\n", ""}, /* of our namespace */
        {"", ""},
        {"rubbish\n::\n:\n", ""},
        {"0::/u\n1:cpu:/../outside\n", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char got[64];
        struct lines l = lines_of(cases[i].text, strlen(cases[i].text));
        own_parse(&l, got, sizeof got);
        assert_string_equal(got, cases[i].want);
        close(l.fd);
    }
}

static void test_own_group_of_a_long_name_is_none(void **state)
{
    char text[1024] = "0::/", got[512];
    (void)state;
    memset(text + 4, 'n', 600);
    strcpy(text + 604, "\n");
    struct lines l = lines_of(text, strlen(text));
    own_parse(&l, got, sizeof got);
    assert_string_equal(got, "");
    close(l.fd);
}

static void test_mounts(void **state)
{
#define V1 "33 31 0:30 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu"
#define V2 "41 31 0:38 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate"
    static const struct {
        const char *line, *own, *want; /* NULL: not this one */
        size_t top;
    } cases[] = {
        {V1, "1/a/b", "/sys/fs/cgroup/cpu/a/b", 18},
        {V1, "1/", "/sys/fs/cgroup/cpu", 18},
        {V1 "acct", "1/a", NULL, 0},
        {V1 ",cpuacct", "1/a", "/sys/fs/cgroup/cpu/a", 18},
        {V1, "2/a", NULL, 0},
        {V2, "2/a", "/sys/fs/cgroup/a", 14},
        {V2, "1/a", NULL, 0},
        {"1 2 0:3 /docker/f00 /c rw - cgroup2 none rw", "2/docker/f00/in", "/c/in", 2},
        {"1 2 0:3 /docker/f00 /c rw - cgroup2 none rw", "2/docker/f00", "/c", 2},
        {"1 2 0:3 /docker/f00 /c rw - cgroup2 none rw", "2/docker/f00d", NULL, 0},
        {"1 2 0:3 / /c rw", "2/a", NULL, 0},
        {"1 2 - cgroup2", "2/a", NULL, 0},
        {"1 2 - cgroup2 none rw", "2/a", NULL, 0},
        {"", "2/a", NULL, 0},
        {"1 2 0:3 / /a-mount-point-of-a-long-name-indeed/it/is rw - cgroup2 none rw",
         "2/a", NULL, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[256], got[32];
        size_t top;
        strcpy(line, cases[i].line);
        bool found = mount_parse(line, cases[i].own, got, sizeof got, &top);
        assert_int_equal(found, cases[i].want != NULL);
        if (found) {
            assert_string_equal(got, cases[i].want);
            assert_int_equal(top, cases[i].top);
        }
    }
}

static void test_counters(void **state)
{
    static const struct {
        const char *text;
        bool good;
        uint64_t ns;
    } cases[] = {
        {"nr_periods 5\nnr_throttled 2\nthrottled_time 123456789\n", true, 123456789},
        {"usage_usec 1\nnr_throttled 2\nthrottled_usec 17\nnr_bursts 0\n", true, 17000},
        {"throttled_usec 0\n", true, 0},
        {"usage_usec 1\nuser_usec 1\n", false, 0}, /* no controller in this group */
        {"nr_throttled 7\n", false, 0},
        {"throttled_usec -1\n", false, 0},
        {"throttled_days 1\n", false, 0},
        {"not_throttled_usec 1\n", false, 0},
        {"throttled_usec", false, 0},
        {"", false, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t ns = 0;
        assert_int_equal(stat_parse(cases[i].text, &ns), cases[i].good);
        assert_int_equal(ns, cases[i].ns);
    }
}

/* ---- files that stand in for a group's */

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void test_growth(void **state)
{
    char a[] = "/tmp/aolani-cgroupstat-a-XXXXXX",
         b[] = "/tmp/aolani-cgroupstat-b-XXXXXX";
    struct cgroupstat g = {0};
    (void)state;
    close(mkstemp(a));
    close(mkstemp(b));
    put(a, "throttled_usec 500\n");
    put(b, "throttled_usec 0\n");
    for (int i = 0; i < 2; i++) {
        struct cgroupstat_level *v = &g.level[g.n++];
        assert_true(keptfd_open(&v->file, i ? b : a));
        assert_true(level_read(v, &v->last_ns));
    }
    assert_int_equal(cgroupstat_read(&g, 0), 0); /* old history is no growth */
    put(a, "throttled_usec 600\n");
    assert_int_equal(cgroupstat_read(&g, 50000), 0); /* not worth a look */
    assert_int_equal(cgroupstat_read(&g, 100000), 100000);
    put(a, "throttled_usec 607\n"); /* this one is looked at always now */
    put(b, "throttled_usec 1\n");
    assert_int_equal(cgroupstat_read(&g, 100000), 107000);
    assert_int_equal(cgroupstat_read(&g, 200000), 108000);
    put(a,
        "throttled_usec 3\n"); /* it fell: not a huge number, and goes on from there */
    assert_int_equal(cgroupstat_read(&g, 200000), 108000);
    put(a, "throttled_usec 5\n");
    assert_int_equal(cgroupstat_read(&g, 200000), 110000);
    close(g.level[0].file.fd); /* the program closed it: no growth, no fall */
    assert_int_equal(cgroupstat_read(&g, 400000), 110000);
    put(a, "throttled_usec 500\n");
    assert_int_equal(cgroupstat_read(&g, 800000), 110000);
    cgroupstat_close(&g);
    assert_int_equal(g.n, 0);
    unlink(a);
    unlink(b);
}

/* ---- a real quota */

struct quota {
    char group[256], inner[272];
};

static bool try_put(const char *folder, const char *name, const char *text)
{
    char path[320];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool good = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return good;
}

/* 4 ms in 20: below the root, which processes of version 2 must not be beside. */
static bool quota_make(struct quota *q)
{
    static const char *const tops[] = {"/sys/fs/cgroup/cpu",
                                       "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup"};
    for (size_t i = 0; i < sizeof tops / sizeof *tops; i++) {
        snprintf(q->group, sizeof q->group, "%s/aolani-test-%d", tops[i],
                 (int)getpid());
        snprintf(q->inner, sizeof q->inner, "%s/in", q->group);
        if (mkdir(q->group, 0755) < 0)
            continue;
        if (mkdir(q->inner, 0755) == 0 &&
            ((try_put(q->group, "cpu.cfs_period_us", "20000") &&
              try_put(q->group, "cpu.cfs_quota_us", "4000")) ||
             try_put(q->group, "cpu.max", "4000 20000")))
            return true;
        rmdir(q->inner);
        rmdir(q->group);
    }
    return false;
}

static uint64_t clock_of(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t delay_of(int schedstat)
{
    char text[128] = "";
    unsigned long long delay = 0;
    if (pread(schedstat, text, sizeof text - 1, 0) > 0)
        (void)sscanf(text, "%*u %llu", &delay);
    return delay;
}

/* In the inner group, which has no quota of its own: exit status 0, or the line. */
static int throttled_child(const struct quota *q)
{
    struct cgroupstat g = {0};
    int schedstat = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    cgroupstat_look(&g);
    if (!try_put(q->inner, "cgroup.procs", "0"))
        return 2;
    cgroupstat_look(&g); /* we have been moved */
    if (!strstr(g.own, "/in") || g.n == 0)
        return 3;
    uint64_t wall = clock_of(CLOCK_MONOTONIC), cpu = clock_of(CLOCK_THREAD_CPUTIME_ID);
    uint64_t delay = delay_of(schedstat), from = cgroupstat_read(&g, delay);
    while (clock_of(CLOCK_THREAD_CPUTIME_ID) - cpu < 30000000u)
        ;
    wall = clock_of(CLOCK_MONOTONIC) - wall;
    uint64_t rose = delay_of(schedstat) - delay;
    uint64_t throttled = cgroupstat_read(&g, delay + rose) - from;
    if (schedstat >= 0 && rose < throttled / 10 * 9)
        return 4; /* the run delay does not contain it */
    /* 30 ms of CPU in at most 8 periods of 20 ms: most of the others were throttled,
     * unless the machine gave us no CPU to be throttled with. */
    return throttled > 40000000u || wall - 30000000u - throttled > throttled ? 0 : 5;
}

static void test_a_real_quota_of_a_group_above(void **state)
{
    struct quota q;
    int status;
    (void)state;
    if (!quota_make(&q)) {
        print_message("skipped: no CPU quota can be set here\n");
        skip();
    }
    pid_t pid = fork();
    if (pid == 0)
        _exit(throttled_child(&q));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    for (int i = 0; rmdir(q.inner) < 0 && errno == EBUSY && i < 100; i++)
        usleep(1000);
    rmdir(q.group);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_of_any_length),
        cmocka_unit_test(test_own_group),
        cmocka_unit_test(test_own_group_of_a_long_name_is_none),
        cmocka_unit_test(test_mounts),
        cmocka_unit_test(test_counters),
        cmocka_unit_test(test_growth),
        cmocka_unit_test(test_a_real_quota_of_a_group_above),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
