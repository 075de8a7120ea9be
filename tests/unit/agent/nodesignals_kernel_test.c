/* SPDX-License-Identifier: MIT */
/* A file that grows, and a FIFO, stand for /dev/kmsg. */
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

#include "agent/folders.h"
#include "agent/nodesignals_kernel.h"

#define XID(bus, n) "3,1,2,-;NVRM: Xid (PCI:" bus "): " n ", first\n"

static char dir[64], path[96];
static struct nodesignals_sum sum;

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/aolani-kmsg-test-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    (void)snprintf(path, sizeof path, "%s/kmsg", dir);
    return nodesignals_sum_init(&sum, NULL, 0);
}

static int tear_down(void **state)
{
    (void)state;
    nodesignals_sum_fini(&sum);
    return folders_remove_tree(dir, NULL);
}

static void say(const char *text, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), len);
    close(fd);
}

/* What the next look finds: "bus number times;..." */
static void expect(struct nodesignals_kernel *k, const char *want)
{
    char got[400] = "";
    size_t n = 0;
    nodesignals_kernel_read(k, &sum);
    for (size_t i = 0; i < sum.n_faults; i++)
        n += (size_t)snprintf(got + n, sizeof got - n, "%s %u %llu;",
                              sum.faults[i].x.bus, sum.faults[i].x.number,
                              (unsigned long long)sum.faults[i].n);
    assert_string_equal(got, want);
    nodesignals_sum_clear(&sum);
}

static void test_from_now_on(void **state)
{
    static const char text[] = XID("0000:3b:00", "79") XID("0000:3b:00", "13")
        XID("0000:3b:00", "79") " SUBSYSTEM=pci\n" XID(
            "0000:af:00", "79") "3,1,2,-;NVRM: Xid (PCI:0000:3b:";
    struct nodesignals_kernel *k;
    (void)state;
    say(text, sizeof text - 1); /* before: not ours */
    say("\n", 1);
    assert_int_equal(nodesignals_kernel_open(path, &k), 0);
    expect(k, "");
    say(text, sizeof text - 1);
    expect(k, "0000:3b:00.0 79 2;0000:3b:00.0 13 1;0000:af:00.0 79 1;");
    expect(k, "");
    say("00): 48, x\n", 11);
    expect(k, "0000:3b:00.0 48 1;");
    nodesignals_kernel_close(k);
}

static void test_fifo_and_noise(void **state)
{
    static char noise[40000];
    struct nodesignals_kernel *k;
    (void)state;
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(nodesignals_kernel_open(path, &k), 0);
    expect(k, ""); /* nobody writes */
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    memset(noise, 'x', sizeof noise);
    assert_int_equal(write(fd, noise, sizeof noise), sizeof noise);
    expect(k, "");
    say("\n" XID("0000:3b:00", "31"), sizeof XID("0000:3b:00", "31"));
    expect(k, "0000:3b:00.0 31 1;");
    close(fd);
    nodesignals_kernel_close(k);
}

static void test_more_than_there_is_room_for(void **state)
{
    struct nodesignals_kernel *k;
    char text[80];
    (void)state;
    say("", 0);
    assert_int_equal(nodesignals_kernel_open(path, &k), 0);
    for (unsigned i = 0; i < LIMIT_FAULTS + 5; i++)
        say(text, (size_t)snprintf(text, sizeof text,
                                   "3,1,2,-;NVRM: Xid (0000:01:00): %u\n", i));
    nodesignals_kernel_read(k, &sum);
    assert_int_equal(sum.n_faults, LIMIT_FAULTS);
    nodesignals_kernel_close(k);
}

static void test_unreadable(void **state)
{
    struct nodesignals_kernel *k = NULL;
    (void)state;
    assert_int_equal(nodesignals_kernel_open(path, &k), -ENOENT);
    assert_null(k);
    nodesignals_kernel_read(NULL, &sum);
    nodesignals_kernel_close(NULL);
    assert_int_equal(sum.n_faults, 0);
}

int main(void)
{
#define CASE(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_from_now_on),
        CASE(test_fifo_and_noise),
        CASE(test_more_than_there_is_room_for),
        CASE(test_unreadable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
