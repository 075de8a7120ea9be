/* SPDX-License-Identifier: MIT */
/* The trainer is a program of its own, so its sources are included here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "agent/workload/data.c"

enum { STREAMS = 8, CONTEXT = 3, POSITIONS = 5, LENGTH = 8 * 40 + 3 };

static char path[64];

static int setup(void **state)
{
    (void)state;
    strcpy(path, "/tmp/aolani-data-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    for (unsigned i = 0; i < LENGTH; i++) {
        uint8_t byte = (uint8_t)(i * 37 + i / 40);
        assert_int_equal(write(fd, &byte, 1), 1);
    }
    close(fd);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

static void test_any_world_sees_the_same_batch(void **state)
{
    (void)state;
    char why[256];
    struct data one, part;
    assert_int_equal(
        data_open(&one, path, STREAMS, CONTEXT, POSITIONS, 0, 1, why, sizeof why), 0);
    for (uint32_t world = 2; world <= 8; world *= 2) {
        for (uint32_t s = 0; s < STREAMS; s++) {
            uint32_t rank = s / (STREAMS / world);
            assert_int_equal(data_open(&part, path, STREAMS, CONTEXT, POSITIONS, rank,
                                       world, why, sizeof why),
                             0);
            for (uint64_t step = 0; step < 30; step++) {
                const uint8_t *a = data_window(&one, s, step, why, sizeof why);
                const uint8_t *b =
                    data_window(&part, s - part.first, step, why, sizeof why);
                assert_memory_equal(a, b, CONTEXT + POSITIONS);
            }
            data_close(&part);
        }
    }
    data_close(&one);
}

static void test_windows_stay_in_their_part_and_cover_it(void **state)
{
    (void)state;
    char why[256];
    struct data d;
    assert_int_equal(
        data_open(&d, path, STREAMS, CONTEXT, POSITIONS, 1, 2, why, sizeof why), 0);
    assert_int_equal(d.first, 4);
    assert_int_equal(d.n, 4);
    assert_int_equal(d.part_len, 40);
    for (uint64_t step = 0; step < 20; step++) {
        uint32_t at = 5 * 40 + (uint32_t)(step % 7) * POSITIONS;
        const uint8_t *w = data_window(&d, 1, step, why, sizeof why);
        for (uint32_t i = 0; i < CONTEXT + POSITIONS; i++)
            assert_int_equal(w[i], (uint8_t)((at + i) * 37 + (at + i) / 40));
        assert_true(at + CONTEXT + POSITIONS <= 6 * 40);
    }
    data_close(&d);
}

static void test_failures(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        uint32_t streams, context;
        const char *says;
    } cases[] = {
        {"/nonexistent", 8, 3, "--text \"/nonexistent\": No such file"},
        {path, 8, 36, "323 bytes are too few for 8 streams"},
        {path, 64, 3, "too few for 64 streams"},
    };
    char why[256];
    struct data d;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(data_open(&d, cases[i].file, cases[i].streams,
                                   cases[i].context, POSITIONS, 0, 1, why, sizeof why),
                         -1);
        assert_non_null(strstr(why, cases[i].says));
    }
    assert_int_equal(data_open(&d, path, 8, 3, 5, 0, 1, why, sizeof why), 0);
    assert_int_equal(truncate(path, 10), 0);
    assert_null(data_window(&d, 3, 0, why, sizeof why));
    assert_non_null(strstr(why, "byte 120: the file became shorter"));
    data_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_world_sees_the_same_batch),
        cmocka_unit_test(test_windows_stay_in_their_part_and_cover_it),
        cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
