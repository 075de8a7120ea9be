/* SPDX-License-Identifier: MIT */
/* Files as NCCL writes them: opened once, written on at their own place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/ncclhear.h"
#include "proto/wire/aolani.pb-c.h"

#define S   1000000000ull
#define P   "h:1:2 [0] NCCL INFO "
#define NET P "Using network "

struct fixture {
    char dir[64];
    struct ncclhear *h;
    uint64_t now_ns;
    unsigned n; /* messages */
    uint32_t rank;
    char network[32], warnings[200];
    bool refuses;
};

static int64_t on_send(void *arg, enum message_type type, const ProtobufCMessage *msg)
{
    struct fixture *x = arg;
    const Aolani__NcclSaid *m = (const void *)msg;
    assert_int_equal(type, MSG_NCCL_SAID);
    if (x->refuses)
        return -EAGAIN;
    x->n++;
    x->rank = m->rank;
    (void)snprintf(x->network, sizeof x->network, "%s", m->network);
    x->warnings[0] = '\0';
    for (size_t i = 0; i < m->n_warnings; i++)
        (void)snprintf(x->warnings + strlen(x->warnings),
                       sizeof x->warnings - strlen(x->warnings), "%s;", m->warnings[i]);
    return 1;
}

/* Ranks 4 to 6. */
static void begin(struct fixture *x)
{
    struct upward up = {.send = on_send, .arg = x};
    *x = (struct fixture){.dir = "/dev/shm/ncclhear-XXXXXX", .now_ns = S};
    assert_non_null(mkdtemp(x->dir));
    assert_int_equal(ncclhear_create(x->dir, 4, 3, &up, &x->h, NULL), 0);
}

static void finish(struct fixture *x)
{
    char command[128];
    ncclhear_destroy(x->h);
    (void)snprintf(command, sizeof command, "rm -rf %s", x->dir);
    assert_int_equal(system(command), 0);
}

static int file(const struct fixture *x, uint32_t rank, unsigned pid)
{
    char pattern[100], path[120];
    assert_int_equal(ncclhear_path(x->h, rank, pattern, sizeof pattern), 0);
    char *at = strstr(pattern, "%p");
    assert_non_null(at);
    *at = '\0';
    (void)snprintf(path, sizeof path, "%s%u", pattern, pid);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void seconds(struct fixture *x, unsigned n)
{
    for (unsigned i = 0; i < 10 * n; i++, x->now_ns += S / 10)
        ncclhear_tick(x->h, x->now_ns, false);
}

static void test_what_is_new_is_told_once(void **state)
{
    struct fixture x;
    (void)state;
    begin(&x);
    seconds(&x, 2);
    assert_int_equal(x.n, 0);
    int fd = file(&x, 5, 100);
    say(fd, P "Bootstrap: Using eth0\n" NET "IB\nNCCL WA");
    seconds(&x, 3);
    assert_int_equal(x.n, 1);
    assert_int_equal(x.rank, 5);
    assert_string_equal(x.network, "IB");
    say(fd, "RN it is slow\n" P "nothing new\n");
    seconds(&x, 3);
    assert_int_equal(x.n, 2);
    assert_string_equal(x.warnings, "it is slow;");
    say(fd, NET "IB\nNCCL WARN it is slow\n");
    seconds(&x, 3);
    assert_int_equal(x.n, 2);
    close(fd);
    finish(&x);
}

/* Lines of two processes come between each other; those of another rank are its own. */
static void test_processes(void **state)
{
    struct fixture x;
    (void)state;
    begin(&x);
    int a = file(&x, 4, 100), b = file(&x, 4, 101), c = file(&x, 6, 100);
    say(a, NET "So");
    say(b, "NCCL WARN of b\n");
    seconds(&x, 3);
    assert_int_equal(x.n, 1);
    assert_string_equal(x.network, "");
    say(a, "cket\n");
    seconds(&x, 3);
    assert_int_equal(x.n, 2);
    assert_string_equal(x.network, "Socket");
    assert_string_equal(x.warnings, "of b;");
    say(c, NET "IB\n");
    ncclhear_tick(x.h, x.now_ns, true); /* as a rank ends: at once */
    assert_int_equal(x.n, 3);
    assert_int_equal(x.rank, 6);
    assert_string_equal(x.network, "IB");
    close(a);
    close(b);
    close(c);
    finish(&x);
}

static void test_a_queue_that_is_full(void **state)
{
    struct fixture x;
    (void)state;
    begin(&x);
    int fd = file(&x, 4, 1);
    say(fd, NET "IB\n");
    x.refuses = true;
    seconds(&x, 4);
    assert_int_equal(x.n, 0);
    x.refuses = false;
    seconds(&x, 2);
    assert_int_equal(x.n, 1);
    close(fd);
    finish(&x);
}

/* What was read takes no memory; of what comes faster than it is read the end counts. */
static void test_a_flood(void **state)
{
    struct fixture x;
    struct stat st;
    static char noise[1 << 20];
    (void)state;
    begin(&x);
    int fd = file(&x, 4, 1);
    memset(noise, 'x', sizeof noise);
    noise[sizeof noise - 1] = '\n';
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(write(fd, noise, sizeof noise), sizeof noise);
    seconds(&x, 1);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, 8 * sizeof noise);
    assert_true(st.st_blocks * 512 <= 4096);
    say(fd, NET "IB\n");
    seconds(&x, 3);
    assert_string_equal(x.network, "IB");
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(write(fd, noise, sizeof noise), sizeof noise);
    say(fd, NET "Socket\n");
    seconds(&x, 16); /* 256 KiB of it each second */
    assert_string_equal(x.network, "Socket");
    assert_int_equal(fstat(fd, &st), 0);
    assert_true(st.st_blocks * 512 <= 4096);
    close(fd);
    finish(&x);
}

/* A file that is begun anew is read anew. */
static void test_begun_anew(void **state)
{
    struct fixture x;
    (void)state;
    begin(&x);
    int fd = file(&x, 4, 1);
    say(fd, P "a long line that stands before the rest\n" NET "IB\n");
    seconds(&x, 3);
    close(fd);
    fd = file(&x, 4, 1);
    say(fd, NET "Socket\n");
    seconds(&x, 3);
    assert_string_equal(x.network, "Socket");
    close(fd);
    finish(&x);
}

/* Names that are none of its files, and what is no file. */
static void test_hostile(void **state)
{
    static const char *const names[] = {"said-",      "said-4",   "said-4.",
                                        "said-4.1.2", "said-4.x", "said-4.-1",
                                        "said-3.1",   "said-7.1", "said-99999999999.1",
                                        "said-4.1 2", "steps-4",  "said- 4.7x"};
    struct fixture x;
    char path[160];
    (void)state;
    begin(&x);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", x.dir, names[i]);
        int fd = open(path, O_WRONLY | O_CREAT, 0600);
        assert_true(fd >= 0);
        say(fd, NET "IB\n");
        close(fd);
    }
    (void)snprintf(path, sizeof path, "%s/said-4.1", x.dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    (void)snprintf(path, sizeof path, "%s/said-4.2", x.dir);
    assert_int_equal(symlink("said-3.1", path), 0);
    (void)snprintf(path, sizeof path, "%s/said-4.3", x.dir);
    assert_int_equal(mkdir(path, 0700), 0);
    seconds(&x, 3);
    assert_int_equal(x.n, 0);
    finish(&x);
}

static const struct timespec long_ago = {.tv_sec = 1000};

/* Its memory is given back, which is a change of it. */
static bool is_read(const struct fixture *x, uint32_t rank, unsigned pid)
{
    char path[120];
    struct stat st;
    (void)snprintf(path, sizeof path, "%s/said-%u.%u", x->dir, rank, pid);
    assert_int_equal(stat(path, &st), 0);
    return st.st_mtim.tv_sec != long_ago.tv_sec;
}

static void fill(const struct fixture *x, uint32_t rank, unsigned pid, size_t len)
{
    static char lines[1 << 20];
    int fd = file(x, rank, pid);
    memset(lines, '\n', sizeof lines);
    assert_int_equal(write(fd, lines, len), len);
    assert_int_equal(futimens(fd, (struct timespec[]){long_ago, long_ago}), 0);
    close(fd);
}

static unsigned count_read(const struct fixture *x, uint32_t rank, unsigned n)
{
    unsigned ret = 0;
    for (unsigned pid = 1; pid <= n; pid++)
        ret += is_read(x, rank, pid);
    return ret;
}

/* Of more processes than are followed some are not heard. */
static void test_many_processes(void **state)
{
    struct fixture x;
    (void)state;
    begin(&x);
    for (unsigned pid = 1; pid <= 400; pid++)
        fill(&x, 5, pid, 1);
    seconds(&x, 3);
    assert_int_equal(count_read(&x, 5, 400), 256);
    finish(&x);
}

/* However much there is to read, the agent is soon back at its other work, and no process is
 * kept from being heard by others. */
static void test_a_tick_is_short(void **state)
{
    struct fixture x;
    (void)state;
    begin(&x);
    for (unsigned pid = 1; pid <= 32; pid++)
        fill(&x, 4, pid, 1 << 20);
    ncclhear_tick(x.h, x.now_ns, true);
    assert_int_equal(count_read(&x, 4, 32), 4); /* 256 KiB of each */
    for (unsigned i = 1; i < 8; i++)
        ncclhear_tick(x.h, x.now_ns, true);
    assert_int_equal(count_read(&x, 4, 32), 32);
    finish(&x);
}

static void test_paths(void **state)
{
    struct fixture x;
    struct ncclhear *odd;
    struct upward up = {.send = on_send, .arg = &x};
    char path[100];
    (void)state;
    begin(&x);
    assert_int_equal(ncclhear_path(x.h, 4, path, 20), -ENAMETOOLONG);
    assert_int_equal(ncclhear_create("/tmp/100%p", 0, 1, &up, &odd, NULL), 0);
    assert_int_equal(ncclhear_path(odd, 0, path, sizeof path), -EINVAL);
    ncclhear_destroy(odd);
    ncclhear_destroy(NULL);
    finish(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_new_is_told_once),
        cmocka_unit_test(test_processes),
        cmocka_unit_test(test_a_queue_that_is_full),
        cmocka_unit_test(test_a_flood),
        cmocka_unit_test(test_begun_anew),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_many_processes),
        cmocka_unit_test(test_a_tick_is_short),
        cmocka_unit_test(test_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
