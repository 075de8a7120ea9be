/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/audit/pcicaps.h"

#define MAX_POKES 12u

/* A configuration space is 0 but for these bytes. */
struct poke {
    unsigned at;
    uint8_t byte;
};
enum is { CUT = 1, BROKEN = 2, EXPRESS = 4, SECOND = 8, ACS = 16, EXTENDED = 32 };

static void make(uint8_t *b, const struct poke *pokes)
{
    memset(b, 0, PCICAPS_WHOLE);
    b[0] = 0x86;
    b[1] = 0x80;
    for (size_t i = 0; i < MAX_POKES && (pokes[i].at || pokes[i].byte); i++)
        b[pokes[i].at] = pokes[i].byte;
}

static unsigned what(const struct pcicaps *c)
{
    return (c->cut ? CUT : 0u) | (c->broken ? BROKEN : 0u) |
           (c->express ? EXPRESS : 0u) | (c->second ? SECOND : 0u) |
           (c->acs ? ACS : 0u) | (c->extended ? EXTENDED : 0u);
}

static void test_lists(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t n;
        struct poke pokes[MAX_POKES];
        unsigned is;
    } table[] = {
        {"nothing", 0, {{0}}, CUT},
        {"half a header", 63, {{0}}, CUT},
        {"a header alone, no list", 64, {{0}}, 0},
        {"what a user reads: the list is beyond", 64, {{6, 0x10}, {0x34, 0x40}}, CUT},
        {"nobody answers", 4096, {{0, 0xff}, {1, 0xff}}, BROKEN},
        {"no list, but a pointer", 256, {{0x34, 0x40}, {0x40, 0x10}}, 0},
        {"express, the old one",
         256,
         {{6, 0x10}, {0x34, 0x40}, {0x40, 0x10}, {0x42, 1}},
         EXPRESS},
        {"express second in the list",
         256,
         {{6, 0x10}, {0x34, 0x50}, {0x50, 1}, {0x51, 0x40}, {0x40, 0x10}, {0x42, 2}},
         EXPRESS | SECOND},
        {"the low bits of a pointer mean nothing",
         256,
         {{6, 0x10}, {0x34, 0x43}, {0x40, 0x10}, {0x42, 2}},
         EXPRESS | SECOND},
        {"a list that bites its tail",
         256,
         {{6, 0x10}, {0x34, 0x40}, {0x40, 1}, {0x41, 0x40}},
         BROKEN},
        {"two that point at each other",
         256,
         {{6, 0x10}, {0x34, 0x40}, {0x40, 1}, {0x41, 0x80}, {0x80, 5}, {0x81, 0x40}},
         BROKEN},
        {"into the header", 256, {{6, 0x10}, {0x34, 0x10}}, BROKEN},
        {"from the list into the header",
         256,
         {{6, 0x10}, {0x34, 0x40}, {0x40, 1}, {0x41, 0x04}},
         BROKEN},
        {"express at the very end",
         256,
         {{6, 0x10}, {0x34, 0xfc}, {0xfc, 0x10}, {0xfe, 2}},
         CUT},
        {"express that ends before its second part",
         256,
         {{6, 0x10}, {0x34, 0xe0}, {0xe0, 0x10}, {0xe2, 2}},
         EXPRESS | CUT},
        {"128 bytes, as of a cardbus bridge",
         128,
         {{6, 0x10}, {0x34, 0x40}, {0x40, 1}, {0x41, 0x80}},
         CUT},
        {"no extended capabilities", 4096, {{0}}, EXTENDED},
        {"extended that nobody answers",
         4096,
         {{0x100, 0xff}, {0x101, 0xff}, {0x102, 0xff}, {0x103, 0xff}},
         EXTENDED},
        {"acs first", 4096, {{0x100, 0x0d}, {0x102, 1}}, EXTENDED | ACS},
        {"acs after another",
         4096,
         {{0x100, 1}, {0x102, 1}, {0x103, 0x20}, {0x200, 0x0d}, {0x202, 1}},
         EXTENDED | ACS},
        {"acs at the very end",
         4096,
         {{0x100, 1}, {0x102, 0xc1}, {0x103, 0xff}, {0xffc, 0x0d}, {0xffe, 1}},
         EXTENDED | CUT},
        {"an extended list that bites its tail",
         4096,
         {{0x100, 1}, {0x102, 0x01}, {0x103, 0x10}},
         EXTENDED | BROKEN},
        {"an extended list into the header",
         4096,
         {{0x100, 1}, {0x102, 0x01}, {0x103, 0x04}},
         EXTENDED | BROKEN},
        {"extended, cut short", 260, {{0x100, 0x0d}, {0x102, 1}}, EXTENDED | CUT},
    };
    uint8_t b[PCICAPS_WHOLE];
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct pcicaps c;
        make(b, table[i].pokes);
        uint8_t *exact = malloc(table[i].n + 1); /* what is read beyond is seen */
        assert_non_null(exact);
        memcpy(exact, b, table[i].n);
        pcicaps_parse(exact, table[i].n, &c);
        if (what(&c) != table[i].is)
            fail_msg("%s: %u, not %u", table[i].name, what(&c), table[i].is);
        free(exact);
    }
}

static void test_registers(void **state)
{
    (void)state;
    uint8_t b[PCICAPS_WHOLE] = {0x86, 0x80, [6] = 0x10, [0x34] = 0x40};
    struct pcicaps c;
    b[0x40] = 0x10;
    b[0x42] = 0x42; /* version 2, a root port */
    b[0x44] = 0x02; /* 512 bytes can be */
    b[0x48] = 0x30; /* 256 are; relaxed */
    b[0x49] = 0x50; /* reads of 4096 */
    b[0x50] = 0x02; /* L1 */
    b[0x64] = 0xc0;
    b[0x65] = 0x01; /* routes, 32 and 64 bits */
    b[0x68] = 0xc0; /* asks, blocks */
    b[0x100] = 0x0d;
    b[0x106] = 0x1d;
    pcicaps_parse(b, sizeof b, &c);
    assert_true(c.express && c.relaxed && c.second && c.acs);
    assert_int_equal(c.payload_most, 512);
    assert_int_equal(c.payload, 256);
    assert_int_equal(c.aspm, 2);
    assert_true(c.routes && c.completes && c.requests && c.blocks);
    assert_int_equal(c.acs_control, PCICAPS_SOURCE_VALID | PCICAPS_REDIRECT_REQUEST |
                                        PCICAPS_REDIRECT_COMPLETION |
                                        PCICAPS_FORWARD_UP);
    b[0x44] = 0x07; /* reserved */
    b[0x48] = 0xe0;
    b[0x65] = 0; /* 32 bits alone are not enough */
    pcicaps_parse(b, sizeof b, &c);
    assert_int_equal(c.payload_most, 0);
    assert_int_equal(c.payload, 0);
    assert_false(c.relaxed || c.completes);
}

/* Any bytes, of any length: it ends, and reads nothing else. */
static void test_any_bytes(void **state)
{
    (void)state;
    unsigned seed = 20261123;
    for (unsigned i = 0; i < 4000; i++) {
        size_t n = (size_t)rand_r(&seed) % (PCICAPS_WHOLE + 1);
        n = i % 3 ? n : (size_t[]){0, 64, 256, 4096}[i % 4];
        uint8_t *b = malloc(n + 1);
        struct pcicaps c;
        assert_non_null(b);
        for (size_t k = 0; k < n; k++)
            b[k] = (uint8_t)(i % 2 ? rand_r(&seed) : rand_r(&seed) & 0x4d);
        if (n > 0x34) {
            b[6] = 0x10;
            b[0x34] = (uint8_t)(0x40 + (unsigned)rand_r(&seed) % 0xc0);
        }
        pcicaps_parse(b, n, &c);
        assert_true(!c.second || c.express);
        assert_true(n >= PCICAPS_HEADER || c.cut);
        free(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_registers),
        cmocka_unit_test(test_any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
