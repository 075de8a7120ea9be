/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "launcher/label.h"
#include "proto/base/err.h"

static void test_pieces(void **state)
{
    static const struct {
        const char *label;
        const char *in[4];
        const char *out, *flushed;
    } table[] = {
        {"n:0: ", {"one\ntwo\n"}, "n:0: one\nn:0: two\n", ""},
        {"n:0: ", {"hel", "lo\n"}, "n:0: hello\n", ""},
        {"n:0: ", {"\n\n"}, "n:0: \nn:0: \n", ""},
        {"n:0: ", {"no end"}, "", "n:0: no end\n"},
        {"n:0: ", {"a\nb", "c", "\nd"}, "n:0: a\nn:0: bc\n", "n:0: d\n"},
        {"n:0: ", {"\033[1mred\033[0m\r\n"}, "n:0: \033[1mred\033[0m\r\n", ""},
        {"", {"one\ntw", "o\nthree"}, "one\ntwo\n", "three"},
        {"n:0: ", {NULL}, "", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct label l;
        struct buf out;
        buf_init(&out, 1u << 20);
        assert_int_equal(label_init(&l, table[i].label), 0);
        for (int k = 0; k < 4 && table[i].in[k]; k++)
            assert_int_equal(
                label_feed(&l, table[i].in[k], strlen(table[i].in[k]), &out), 0);
        assert_int_equal(out.len, strlen(table[i].out));
        assert_memory_equal(out.len ? (char *)out.data : "", table[i].out, out.len);
        out.len = 0;
        assert_int_equal(label_flush(&l, &out), 0);
        assert_int_equal(out.len, strlen(table[i].flushed));
        assert_memory_equal(out.len ? (char *)out.data : "", table[i].flushed, out.len);
        label_fini(&l);
        buf_fini(&out);
    }
}

static void test_endless_line_goes_out_in_pieces(void **state)
{
    static const struct {
        const char *label;
        size_t step, per_piece;
    } table[] = {
        {"x: ", 1000, LABEL_HOLD + 4},
        {"x: ", 4 * LABEL_HOLD, LABEL_HOLD + 4},
        {"", 1000, LABEL_HOLD},
    };
    (void)state;
    char *big = malloc(4 * LABEL_HOLD);
    memset(big, 'a', 4 * LABEL_HOLD);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct label l;
        struct buf out;
        buf_init(&out, 1u << 20);
        assert_int_equal(label_init(&l, table[i].label), 0);
        for (size_t at = 0; at < 4 * LABEL_HOLD;) {
            size_t n = table[i].step < 4 * LABEL_HOLD - at ? table[i].step
                                                           : 4 * LABEL_HOLD - at;
            assert_int_equal(label_feed(&l, big + at, n, &out), 0);
            at += n;
            assert_true(l.held.len < LABEL_HOLD);
        }
        assert_int_equal(out.len, 4 * table[i].per_piece);
        assert_memory_equal(out.data, table[i].label, strlen(table[i].label));
        label_fini(&l);
        buf_fini(&out);
    }
    free(big);
}

static void test_full_output_is_told(void **state)
{
    (void)state;
    struct label l;
    struct buf out;
    buf_init(&out, 8);
    assert_int_equal(label_init(&l, "n:0: "), 0);
    assert_int_equal(label_feed(&l, "long line\n", 10, &out), ERR_LIMIT);
    label_fini(&l);
    label_fini(&l);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_endless_line_goes_out_in_pieces),
        cmocka_unit_test(test_full_output_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
