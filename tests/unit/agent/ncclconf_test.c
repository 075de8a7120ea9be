/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/ncclconf.h"

static void test_table(void **state)
{
    static const struct {
        const char *text;
        bool sets;
    } rows[] = {
        {"", false},
        {"NCCL_DEBUG=WARN", true},
        {"# ours\nNCCL_IB_HCA=mlx5\nNCCL_DEBUG_FILE=/tmp/x\n", true},
        {"NCCL_IB_HCA=NCCL_DEBUG\n", false},
        {"#NCCL_DEBUG=WARN\n", false},
        {"\n\n\nNCCL_DEBUG=\n", true},
        {"NCCL_DEBU", false},
    };
    char path[] = "/tmp/ncclconf-XXXXXX";
    int fd = mkstemp(path);
    (void)state;
    assert_true(fd >= 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t len = strlen(rows[i].text);
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(pwrite(fd, rows[i].text, len, 0), len);
        if (ncclconf_sets(path, "NCCL_DEBUG") != rows[i].sets)
            fail_msg("%s", rows[i].text);
    }
    close(fd);
    unlink(path);
}

/* What is no file, or one without an end, keeps nobody waiting. */
static void test_no_file(void **state)
{
    char path[] = "/tmp/ncclconf-XXXXXX", fifo[64];
    (void)state;
    assert_false(ncclconf_sets("/tmp/there is no such file", "NCCL_DEBUG"));
    assert_false(ncclconf_sets("/dev/zero", "NCCL_DEBUG"));
    assert_non_null(mkdtemp(path));
    assert_false(ncclconf_sets(path, "NCCL_DEBUG"));
    (void)snprintf(fifo, sizeof fifo, "%s/f", path);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_false(ncclconf_sets(fifo, "NCCL_DEBUG"));
    unlink(fifo);
    rmdir(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
