/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "launcher/plan_text.h"

static void test_cpus(void **state)
{
    static const struct {
        const char *set, *want;
    } cases[] = {
        {"", ""},
        {"5", "5"},
        {"0-7", "0-7"},
        {"0-7,64-71", "0-7,64-71"},
        {"0,2,4,6", "0-6:2"},
        {"1,3,5,7,65,67,69,71", "1-7:2,65-71:2"},
        {"0,4,8,12,13", "0-12:4,13"},
        {"3,9", "3,9"},
        {"3,9,10", "3,9-10"},
        {"0,2,4-9", "0-4:2,5-9"},
        {"0-1,8-9", "0-1,8-9"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rankset s = {0};
        struct buf out;
        buf_init(&out, 1000);
        assert_int_equal(rankset_parse(&s, cases[i].set, NULL), 0);
        assert_int_equal(plan_cpus(&s, &out), 0);
        assert_string_equal(out.len ? (char *)out.data : "", cases[i].want);
        buf_fini(&out);
        rankset_fini(&s);
    }
}

static void test_links(void **state)
{
    static const struct {
        Aolani__PciLink l;
        const char *want;
    } cases[] = {
        {{.max_mts = 32000, .max_width = 16, .now_mts = 32000, .now_width = 16},
         "gen5 x16"},
        {{.max_mts = 32000, .max_width = 16, .now_mts = 2500, .now_width = 16},
         "gen5 x16, now gen1 x16"},
        {{.max_mts = 16000, .max_width = 16, .now_width = 8}, "gen4 x16, now x8"},
        {{.max_mts = 25000}, "25 GT/s"},
        {{.now_mts = 8000, .now_width = 4}, "gen3 x4"},
        {{.now_mbytes = 31508}, "31.5 GB/s"},
        {{0}, ""},
    };
    char text[PLAN_TEXT];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(plan_link_now(&cases[i].l, text), cases[i].want);
    assert_string_equal(plan_link_now(NULL, text), "");
}

static void test_models(void **state)
{
    static const struct {
        const char *model, *vendor, *want;
    } cases[] = {
        {"NVIDIA H100 80GB HBM3", "NVIDIA", "H100 80GB HBM3"},
        {"NVIDIA Corporation GH100 [H100 SXM5 80GB]", "NVIDIA", "H100 SXM5 80GB"},
        {"", "AMD", "AMD"},
        {"NVIDIA ", "NVIDIA", "NVIDIA "},
        {"odd []", "", "odd []"},
        {"odd ][", "", "odd ]["},
    };
    char text[PLAN_TEXT];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Aolani__Gpu m = AOLANI__GPU__INIT;
        struct topo_gpu g = {.m = &m};
        m.model = (char *)cases[i].model;
        m.vendor = (char *)cases[i].vendor;
        assert_string_equal(plan_model(&g, text), cases[i].want);
    }
}

static void test_others(void **state)
{
    char text[PLAN_TEXT];
    (void)state;
    assert_string_equal(plan_bus("0000:18:00.0"), "18:00.0");
    assert_string_equal(plan_bus("0001:00:00.0"), "0001:00:00.0");
    assert_string_equal(plan_bus("00000000:18:00.0"), "18:00.0");
    assert_string_equal(plan_bus(""), "");
    assert_string_equal(plan_rate(400000, text), "400 Gb/s");
    assert_string_equal(plan_rate(2500, text), "2.5 Gb/s");
    assert_string_equal(plan_rate(100, text), "100 Mb/s");
    assert_string_equal(plan_rate(0, text), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cpus),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_models),
        cmocka_unit_test(test_others),
    };
    return cmocka_run_group_tests_name("plan_text", tests, NULL, NULL);
}
