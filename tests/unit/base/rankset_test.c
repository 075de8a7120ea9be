/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "proto/base/rankset.h"

#define MAX (8u << 20)

static void test_parse_and_format(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rc;
        size_t count;
        const char *folded; /* or the error */
    } rows[] = {
        {"", 0, 0, ""},
        {"0", 0, 1, "0"},
        {"5-5", 0, 1, "5"},
        {"0-7,12", 0, 9, "0-7,12"},
        {"12,0-7", 0, 9, "0-7,12"},
        {"1,0,2", 0, 3, "0-2"},
        {"0-3,2-5,5", 0, 6, "0-5"},
        {"007", 0, 1, "7"},
        {"62-65,127,128", 0, 6, "62-65,127-128"},
        {"0-1048575", 0, 1048576, "0-1048575"},
        {"1048576", ERR_LIMIT, 0,
         "set of numbers, column 1: this number is past 1048575"},
        {"1,0-99999999999999999999", ERR_LIMIT, 0,
         "set of numbers, column 5, after \"1,0-\": this number is past 1048575"},
        {"3-0", ERR_PARSE, 0,
         "set of numbers, column 3, after \"3-\": the range runs backwards"},
        {"1,,2", ERR_PARSE, 0,
         "set of numbers, column 3, after \"1,\": expected a number"},
        {"1,", ERR_PARSE, 0,
         "set of numbers, column 3, after \"1,\": expected a number"},
        {",1", ERR_PARSE, 0, "set of numbers, column 1: expected a number"},
        {"1-", ERR_PARSE, 0,
         "set of numbers, column 3, after \"1-\": expected a number"},
        {"-1", ERR_PARSE, 0, "set of numbers, column 1: expected a number"},
        {"1-2-3", ERR_PARSE, 0,
         "set of numbers, column 4, after \"1-2\": expected \",\" or \"-\""},
        {"1 ", ERR_PARSE, 0,
         "set of numbers, column 2, after \"1\": expected \",\" or \"-\""},
        {" 1", ERR_PARSE, 0, "set of numbers, column 1: expected a number"},
        {"0x1", ERR_PARSE, 0,
         "set of numbers, column 2, after \"0\": expected \",\" or \"-\""},
        {"a", ERR_PARSE, 0, "set of numbers, column 1: expected a number"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err e;
        struct buf b;
        struct rankset s = {0};
        buf_init(&b, MAX);
        assert_int_equal(rankset_add(&s, 77), 0); /* replaced, or kept on failure */
        int rc = rankset_parse(&s, rows[i].text, &e);
        assert_int_equal(rc, rows[i].rc);
        if (rc < 0) {
            assert_string_equal(e.text, rows[i].folded);
            assert_int_equal(rankset_count(&s), 1);
            assert_true(rankset_has(&s, 77));
        } else {
            assert_int_equal(rankset_count(&s), rows[i].count);
            assert_int_equal(rankset_format(&s, &b), 0);
            assert_string_equal((char *)b.data, rows[i].folded);
        }
        rankset_fini(&s);
        buf_fini(&b);
    }
}

/* The set against an array of flags, through random changes. */
static void test_against_a_model(void **state)
{
    (void)state;
    enum { N = 700 };
    bool model[N] = {false};
    struct rankset s = {0}, back = {0};
    srandom(1);
    for (int step = 0; step < 20000; step++) {
        uint32_t id = (uint32_t)random() % N;
        model[id] = random() % 2;
        if (model[id])
            assert_int_equal(rankset_add(&s, id), 0);
        else
            rankset_remove(&s, id);
    }
    size_t count = 0;
    int64_t next = -1;
    for (uint32_t i = N; i-- > 0;) {
        next = model[i] ? (int64_t)i : next;
        count += model[i];
        assert_int_equal(rankset_has(&s, i), model[i]);
        assert_int_equal(rankset_next(&s, i), next);
    }
    assert_int_equal(rankset_count(&s), count);
    struct buf b;
    buf_init(&b, MAX);
    assert_int_equal(rankset_format(&s, &b), 0);
    assert_int_equal(rankset_parse(&back, (char *)b.data, NULL), 0);
    for (uint32_t i = 0; i < N; i++)
        assert_int_equal(rankset_has(&back, i), model[i]);
    rankset_fini(&s);
    rankset_fini(&back);
    buf_fini(&b);
}

static void test_two_sets(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b, *both;
        bool meet, has;
    } t[] = {
        {"", "", "", false, true},           {"3", "", "3", false, true},
        {"", "3", "3", false, false},        {"0-7", "2,5", "0-7", true, true},
        {"2,5", "0-7", "0-7", true, false},  {"0-3", "4-7", "0-7", false, false},
        {"1,900", "1", "1,900", true, true}, {"1", "1,900", "1,900", true, false},
        {"900", "1", "1,900", false, false}, {"63", "64", "63-64", false, false},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct rankset a = {0}, b = {0};
        struct buf text;
        buf_init(&text, MAX);
        assert_int_equal(rankset_parse(&a, t[i].a, NULL), 0);
        assert_int_equal(rankset_parse(&b, t[i].b, NULL), 0);
        assert_int_equal(rankset_intersects(&a, &b), t[i].meet);
        assert_int_equal(rankset_intersects(&b, &a), t[i].meet);
        assert_int_equal(rankset_contains(&a, &b), t[i].has);
        /* Words of nothing but zeros do not count. */
        assert_int_equal(rankset_add(&b, 5000), 0);
        rankset_remove(&b, 5000);
        assert_int_equal(rankset_contains(&a, &b), t[i].has);
        assert_int_equal(rankset_merge(&a, &b), 0);
        assert_int_equal(rankset_format(&a, &text), 0);
        assert_string_equal((char *)text.data, t[i].both);
        rankset_fini(&a);
        rankset_fini(&b);
        buf_fini(&text);
    }
}

static void test_bounds(void **state)
{
    (void)state;
    struct rankset s = {0};
    assert_false(rankset_has(&s, 0));
    assert_int_equal(rankset_next(&s, 0), -1);
    assert_int_equal(rankset_next(&s, UINT32_MAX), -1);
    rankset_remove(&s, UINT32_MAX);
    assert_int_equal(rankset_add(&s, 1u << 20), ERR_LIMIT);
    assert_int_equal(s.n_words, 0);
    assert_int_equal(rankset_add(&s, (1u << 20) - 1), 0);
    assert_int_equal(rankset_next(&s, 0), (1u << 20) - 1);
    assert_int_equal(rankset_next(&s, 1u << 20), -1);
    struct buf b;
    buf_init(&b, 3);
    assert_int_equal(buf_add(&b, "x", 1), 0);
    assert_int_equal(rankset_format(&s, &b), ERR_LIMIT);
    assert_int_equal(b.len, 1);
    buf_fini(&b);
    rankset_fini(&s);
    rankset_fini(&s);
}

static void test_shown(void **state)
{
    static const struct {
        const char *list;
        size_t most, shown;
    } t[] = {
        {"", 4, 0},         {"1,2", 3, 3},      {"1,10240", 4, 1}, {"1-3,7,10", 6, 5},
        {"1-3,7,10", 5, 5}, {"1-3,7,10", 3, 3}, {"10240", 3, 3},   {"10240,1", 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++)
        assert_int_equal(rankset_shown(t[i].list, t[i].most), t[i].shown);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_and_format),
        cmocka_unit_test(test_against_a_model),
        cmocka_unit_test(test_two_sets),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
