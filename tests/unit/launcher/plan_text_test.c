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
        uint32_t max_mts, max_width, now_mts, now_width;
        uint64_t now_mbytes;
        const char *want;
    } cases[] = {
        {32000, 16, 32000, 16, 0, "gen5 x16"},
        {32000, 16, 2500, 16, 0, "gen5 x16, now gen1 x16"},
        {16000, 16, 0, 8, 0, "gen4 x16, now x8"},
        {25000, 0, 0, 0, 0, "25 GT/s"},
        {0, 0, 8000, 4, 0, "gen3 x4"},
        {0, 0, 0, 0, 31508, "31.5 GB/s"},
        {0, 0, 0, 0, 0, ""},
    };
    char text[PLAN_TEXT];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Aolani__PciLink l = AOLANI__PCI_LINK__INIT;
        l.max_mts = cases[i].max_mts, l.max_width = cases[i].max_width;
        l.now_mts = cases[i].now_mts, l.now_width = cases[i].now_width;
        l.now_mbytes = cases[i].now_mbytes;
        assert_string_equal(plan_link_now(&l, text), cases[i].want);
    }
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
