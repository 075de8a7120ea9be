/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/ncclseen.h"

#define AREA "7f0000000000-7f0000001000 r-xp 00000000 08:01 4711    "
#define LIB  "/usr/lib/libnccl.so."

static void test_lines(void **state)
{
    static const struct {
        const char *line;
        bool is_used;
        uint32_t version;
    } t[] = {
        {AREA LIB "2.20.5", false, 22005},
        {AREA LIB "2.28.9 (deleted)", false, 22809},
        {AREA "/opt/a/b c/libnccl.so.2.8.4", false, 20804},
        {AREA LIB "2", false, 0},
        {AREA LIB "2.20", false, 0},
        {AREA LIB "2.20.5.bak", false, 0},
        {AREA LIB "999.20.5", false, 0},
        {AREA LIB "-1.20.5", false, 0},
        {AREA "/usr/lib/libnccl-net.so.2.20.5", false, 0},
        {AREA "/usr/lib/libnccl.so.2.20.5/libc.so", false, 0},
        {AREA "/dev/shm/nccl-Ab12Cd", true, 0},
        {AREA "/dev/shm/nccl-Ab12Cd (deleted)", true, 0},
        {AREA "/dev/shm/ncclx", false, 0},
        {AREA "/tmp/dev/shm/nccl-Ab12Cd", false, 0},
        {AREA "[heap]", false, 0},
        {AREA, false, 0},
        {"/", false, 0},
        {"", false, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        struct ncclseen s = {0};
        ncclseen_line(&s, t[i].line);
        if (s.is_used != t[i].is_used || s.version != t[i].version)
            fail_msg("\"%s\": %d %u", t[i].line, s.is_used, s.version);
    }
}

static void test_a_process(void **state)
{
    char path[] = "/dev/shm/nccl-XXXXXX";
    struct ncclseen s;
    (void)state;
    assert_int_equal(ncclseen_look(getpid(), &s), 0);
    assert_false(s.is_used);
    int fd = mkstemp(path);
    if (fd < 0)
        skip();
    assert_int_equal(ftruncate(fd, 4096), 0);
    void *at = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    assert_true(at != MAP_FAILED);
    unlink(path);
    close(fd);
    assert_int_equal(ncclseen_look(getpid(), &s), 0);
    assert_true(s.is_used);
    munmap(at, 4096);
    assert_int_equal(ncclseen_look(INT32_MAX, &s), -ENOENT);
    assert_false(s.is_used);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_a_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
