/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/readback_memory.h"
#include "tests/lib/skipped.h"

static void test_own_pages(void **state)
{
    (void)state;
    const size_t size = 64u << 20;
    struct readback_pages p;
    char *at =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(at, MAP_FAILED);
    for (size_t i = 0; i < size; i += 4096)
        at[i] = 1;
    int rc = readback_pages_sample(getpid(), 1, &p);
    if (rc == -ENOSYS || rc == -EPERM) /* a kernel without NUMA, or a container */
        skip_because("no NUMA memory policies here");
    assert_int_equal(rc, 0);
    assert_true(p.present >= READBACK_LEAST);
    assert_true(p.n >= 1);
    uint32_t sum = 0;
    for (size_t i = 0; i < p.n; i++)
        sum += p.shares[i].pages;
    assert_int_equal(sum, p.present);
    assert_true(p.present <= READBACK_SAMPLE);
    munmap(at, size);
}

/* As garbage collectors and sanitizers do it. */
static void test_a_reservation_hides_nothing(void **state)
{
    (void)state;
    const size_t used = 64u << 20, reserved = (size_t)1 << 42;
    struct readback_pages p = {0};
    char *big = mmap(NULL, reserved, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    char *at =
        mmap(NULL, used, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(at, MAP_FAILED); /* parts the two that follow */
    char *small =
        mmap(NULL, used, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(small, MAP_FAILED);
    if (big == MAP_FAILED)
        skip_because("no memory to map");
    for (size_t i = 0; i < used; i += 4096)
        small[i] = 1;
    int rc = readback_pages_sample(getpid(), 2, &p);
    munmap(big, reserved);
    munmap(at, used);
    munmap(small, used);
    if (rc == -ENOSYS || rc == -EPERM)
        skip_because("no NUMA memory policies here");
    assert_int_equal(rc, 0);
    assert_true(p.present >= READBACK_LEAST);
}

static void test_no_such_process(void **state)
{
    (void)state;
    struct readback_pages p;
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    (void)waitpid(pid, NULL, 0);
    assert_true(readback_pages_sample(pid, 1, &p) < 0);
}

static void test_far(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        struct readback_share shares[4];
        size_t n;
        const char *asked, *counted;
        unsigned percent;
        uint32_t node;
    } table[] = {
        {"all near", {{0, 100}}, 1, "0", "0-1", 0, 99},
        {"a tenth far", {{0, 90}, {1, 10}}, 2, "0", "0-1", 10, 1},
        {"all far", {{1, 10}}, 1, "0", "0-1", 100, 1},
        {"two far ones", {{0, 50}, {1, 20}, {2, 30}}, 3, "0", "0-3", 50, 2},
        {"two near ones", {{0, 50}, {1, 50}}, 2, "0-1", "0-1", 0, 99},
        {"memory of a GPU", {{0, 50}, {8, 500}}, 2, "0", "0-1", 0, 99},
        {"nothing seen", {{0, 0}}, 0, "0", "0-1", 0, 99},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct readback_pages p = {.n = table[i].n};
        struct rankset asked = {0}, counted = {0};
        uint32_t node = 99;
        memcpy(p.shares, table[i].shares, sizeof table[i].shares);
        assert_int_equal(rankset_parse(&asked, table[i].asked, NULL), 0);
        assert_int_equal(rankset_parse(&counted, table[i].counted, NULL), 0);
        print_message("%s\n", table[i].what);
        assert_int_equal(readback_pages_far(&p, &asked, &counted, &node),
                         table[i].percent);
        assert_int_equal(node, table[i].node);
        rankset_fini(&asked);
        rankset_fini(&counted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_pages),
        cmocka_unit_test(test_a_reservation_hides_nothing),
        cmocka_unit_test(test_no_such_process),
        cmocka_unit_test(test_far),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
