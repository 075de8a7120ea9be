/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "agent/shmname.h"

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *name, *library; /* NULL: not known */
        pid_t pid;
        bool is_held;
    } table[] = {
        {"nccl-aB3xYz", "NCCL", 0, true},
        {"nccl-", NULL, 0, false},
        {"nccl", NULL, 0, false},
        {"my-nccl-aB3xYz", NULL, 0, false},
        {"vader_segment.n1.20077.3fb50001.0", "Open MPI", 0, true},
        {"ucx_shm_posix_7f2a", "UCX", 0, true},
        {"torch_4242_99_0", "PyTorch", 4242, false},
        {"torch_x_99_0", NULL, 0, false},
        {"torch_4242_", NULL, 0, false},
        {"torch_99999999999999999999_1", NULL, 0, false},
        {"torch_-7_1", NULL, 0, false},
        {"psm_84d623f5", "Python", 0, false},
        {"sem.mp-3l_2mmf", "Python", 0, false},
        {"sem.mine", NULL, 0, false},
        {"__KMP_REGISTERED_LIB_77_20077", "OpenMP", 77, false},
        {"__KMP_REGISTERED_LIB_77", NULL, 0, false},
        {"cuda.shm.0.1f.3", "CUDA", 0x1f, false},
        {"cuda.shm.0..3", NULL, 0, false},
        {"cuda.shm.0", NULL, 0, false},
        {"data.bin", NULL, 0, false},
        {"", NULL, 0, false},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct shmname got = {0};
        assert_int_equal(shmname_parse(table[i].name, &got), table[i].library != NULL);
        if (!table[i].library)
            continue;
        assert_string_equal(got.library, table[i].library);
        assert_int_equal(got.pid, table[i].pid);
        assert_int_equal(got.is_held, table[i].is_held);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names)};
    return cmocka_run_group_tests_name("agent/shmname", tests, NULL, NULL);
}
