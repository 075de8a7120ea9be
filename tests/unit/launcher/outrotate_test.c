/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "launcher/outrotate.h"
#include "proto/base/buf.h"

#define N(a) (sizeof(a) / sizeof *(a))

/* All pieces of a chunk as text: "segment:at+len ...". */
static void test_pieces(void **state)
{
    (void)state;
    static const struct {
        uint64_t size, offset;
        size_t len;
        const char *pieces;
    } rows[] = {
        {0, 0, 5, "0:0+5 "},
        {0, 1ull << 40, 7, "0:1099511627776+7 "},
        {10, 0, 10, "0:0+10 "},
        {10, 0, 11, "0:0+10 1:0+1 "},
        {10, 9, 1, "0:9+1 "},
        {10, 10, 1, "1:0+1 "},
        {10, 7, 30, "0:7+3 1:0+10 2:0+10 3:0+7 "},
        {10, (1ull << 62) + 6, 3, "461168601842738791:0+3 "},
        {10, 3, 0, ""},
    };
    for (size_t i = 0; i < N(rows); i++) {
        struct outrotate r = {.size = rows[i].size};
        char text[128] = "";
        uint64_t at = rows[i].offset;
        for (size_t left = rows[i].len; left > 0;) {
            struct outpiece p = outrotate_piece(&r, at, left);
            size_t n = strlen(text);
            assert_true(p.len > 0 && p.len <= left);
            snprintf(text + n, sizeof text - n, "%llu:%llu+%zu ",
                     (unsigned long long)p.segment, (unsigned long long)p.at, p.len);
            at += p.len;
            left -= p.len;
        }
        assert_string_equal(text, rows[i].pieces);
    }
}

static void test_which_are_kept(void **state)
{
    (void)state;
    static const struct {
        uint64_t size, keep, newest;
        const char *kept; /* of segments 0 to newest */
    } rows[] = {
        {10, 0, 5, "012345"}, {10, 2, 0, "0"},       {10, 2, 1, "01"},
        {10, 2, 2, "02"},     {10, 2, 7, "07"},      {10, 3, 2, "012"},
        {10, 3, 3, "023"},    {10, 3, 7, "067"},     {10, 9, 8, "012345678"},
        {0, 2, 0, "0"},       {10, 1000, 3, "0123"},
    };
    for (size_t i = 0; i < N(rows); i++) {
        struct outrotate r = {.size = rows[i].size, .keep = rows[i].keep};
        char kept[16] = "";
        for (uint64_t s = 0; s <= rows[i].newest; s++) {
            if (outrotate_keeps(&r, rows[i].newest, s))
                kept[strlen(kept)] = (char)('0' + s);
        }
        assert_string_equal(kept, rows[i].kept);
    }
    struct outrotate r = {.size = 1 << 16, .keep = 3};
    assert_true(outrotate_kept_from(&r, 1ull << 40) == (1ull << 40) - 1);
}

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool ours;
        uint32_t rank;
        int stream;
        uint64_t segment;
    } rows[] = {
        {"rank-0000.out", true, 0, 0, 0},
        {"rank-0007.err", true, 7, 1, 0},
        {"rank-12345.out.000002", true, 12345, 0, 2},
        {"rank-0007.out.1234567", true, 7, 0, 1234567},
        {"rank-0007.out.000000", false, 0, 0, 0},
        {"rank-0007.out.2", false, 0, 0, 0},
        {"rank-7.out", false, 0, 0, 0},
        {"rank-0007.log", false, 0, 0, 0},
        {"rank-0007.out.gz", false, 0, 0, 0},
        {"rank-0007.out.000002.gz", false, 0, 0, 0},
        {"rank-0007.out~", false, 0, 0, 0},
        {"rank--007.out", false, 0, 0, 0},
        {"rank-99999999999.out", false, 0, 0, 0},
        {"rank-0007.out.99999999999999999999", false, 0, 0, 0},
        {"", false, 0, 0, 0},
    };
    for (size_t i = 0; i < N(rows); i++) {
        uint32_t rank = 0;
        int stream = 0;
        uint64_t segment = 0;
        if (outrotate_parse(rows[i].name, &rank, &stream, &segment) != rows[i].ours)
            fail_msg("\"%s\"", rows[i].name);
        if (!rows[i].ours)
            continue;
        assert_int_equal(rank, rows[i].rank);
        assert_int_equal(stream, rows[i].stream);
        assert_int_equal(segment, rows[i].segment);
    }
}

/* A script of "+from-to" and "-from-to", errno 28 unless "n" is before; the result as
 * "from-to(bytes) ...". */
static void test_ranges(void **state)
{
    (void)state;
    static const struct {
        const char *script, *result;
    } rows[] = {
        {"+5-9", "5-9(4) "},
        {"+5-5", ""},
        {"+5-9 +9-12", "5-12(7) "},
        {"+9-12 +5-9", "5-12(7) "},
        {"+5-9 n9-12", "5-9(4) 9-12(3)n "},
        {"+5-9 +1-3", "1-3(2) 5-9(4) "},
        {"+5-9 +7-20", "5-20(15) "},
        {"+5-9 +12-14 +6-13", "5-14(9) "},
        {"+5-9 +5-9", "5-9(4) "},
        {"+5-20 -8-10", "5-8(3) 10-20(10) "},
        {"+5-20 -1-8", "8-20(12) "},
        {"+5-20 -8-30", "5-8(3) "},
        {"+5-20 -1-30", ""},
        {"+5-20 -20-30", "5-20(15) "},
        {"+0-1 +10-11 +20-21 +30-31 +40-41 +50-51 +60-61 +70-71",
         "0-1(1) 10-11(1) 20-21(1) 30-31(1) 40-41(1) 50-51(1) 60-61(1) 70-71(1) "},
        /* one too many: the nearest become one that knows how much is missing */
        {"+0-1 +10-11 +20-21 +30-31 +40-41 +45-46 +60-61 +70-71 +90-91",
         "0-1(1) 10-11(1) 20-21(1) 30-31(1) 40-46(2) 60-61(1) 70-71(1) 90-91(1) "},
        {"+0-9 +10-19 +20-29 +30-39 +40-49 +50-59 +60-69 +70-79 -3-5",
         "0-9(7) 10-19(9) 20-29(9) 30-39(9) 40-49(9) 50-59(9) 60-69(9) 70-79(9) "},
    };
    for (size_t i = 0; i < N(rows); i++) {
        struct outranges s = {0};
        struct buf out;
        buf_init(&out, 1000);
        assert_int_equal(buf_add(&out, "", 0), 0);
        char op;
        unsigned from, to;
        int used;
        for (const char *p = rows[i].script;
             sscanf(p, " %c%u-%u%n", &op, &from, &to, &used) == 3; p += used) {
            if (op == '-')
                outranges_remove(&s, from, to);
            else
                outranges_add(&s, from, to, op == 'n' ? 0 : -ENOSPC);
        }
        uint64_t bytes = 0;
        for (unsigned k = 0; k < s.n; k++) {
            bytes += s.r[k].bytes;
            assert_int_equal(buf_printf(&out, "%u-%u(%u)%s ", (unsigned)s.r[k].from,
                                        (unsigned)s.r[k].to, (unsigned)s.r[k].bytes,
                                        s.r[k].why ? "" : "n"),
                             0);
        }
        assert_string_equal(out.data ? (char *)out.data : "", rows[i].result);
        assert_int_equal(outranges_bytes(&s), bytes);
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_which_are_kept),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
