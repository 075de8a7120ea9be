/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/xid.h"

#define AT "6,1234,5678,-;"

static void test_records(void **state)
{
    static const struct {
        const char *record, *want; /* "bus number text"; NULL: it is none */
    } table[] = {
        {"3,1234,5678,-;NVRM: Xid (PCI:0000:3b:00): 79, pid=4711, name=python3, GPU "
         "has "
         "fallen off the bus.",
         "0000:3b:00.0 79 pid=4711, name=python3, GPU has fallen off the bus."},
        {AT "NVRM: Xid (0000:03:00): 14, Channel 00000001",
         "0000:03:00.0 14 Channel 00000001"},
        {AT "NVRM: Xid (PCI:00010000:AF:1f.1): 31, x", "10000:af:1f.1 31 x"},
        {AT "NVRM: Xid (PCI:0000:3b:00 GPU-I:05): 94, contained",
         "0000:3b:00.0 94 contained"},
        {AT "NVRM: Xid (PCI:0000:3b:00): 63", "0000:3b:00.0 63 "},
        {"4,1,2,c,caller=T1;NVRM: Xid (PCI:0000:3b:00): 13, y", "0000:3b:00.0 13 y"},
        {AT "NVRM: Xid (PCI:0000:3b:00): 13, a\x01\xff%s", "0000:3b:00.0 13 a??%s"},
        /* A process has written it, with whatever level. */
        {"14,1234,5678,-;NVRM: Xid (PCI:0000:3b:00): 79, x", NULL},
        {"8,1234,5678,-;NVRM: Xid (PCI:0000:3b:00): 79, x", NULL},
        {"4294967302,1,2,-;NVRM: Xid (PCI:0000:3b:00): 79, x", NULL},
        {"NVRM: Xid (PCI:0000:3b:00): 79, x", NULL},
        {AT " NVRM: Xid (PCI:0000:3b:00): 79, x", NULL},
        {AT "say: NVRM: Xid (PCI:0000:3b:00): 79, x", NULL},
        {AT "NVRM: Xid (PCI:0000:3b:00): x", NULL},
        {AT "NVRM: Xid (PCI:0000:3b:00): 79x", NULL},
        {AT "NVRM: Xid (PCI:0000:3b:00): 1234567, x", NULL},
        {AT "NVRM: Xid (PCI:0000:3b:00)", NULL},
        {AT "NVRM: Xid (PCI:0000:3b:00", NULL},
        {AT "NVRM: Xid (PCI:0000:3b): 79, x", NULL},
        {AT "NVRM: Xid (PCI:0000:3b:00x): 79, x", NULL},
        {AT "NVRM: Xid (PCI:123456789:3b:00): 79, x", NULL},
        {AT "NVRM: Xid (PCI::3b:00): 79, x", NULL},
        {AT "NVRM: GPU 0000:3b:00.0: GPU has fallen off the bus.", NULL},
        {AT, NULL},
        {"6,1234,5678,-", NULL},
        {" SUBSYSTEM=pci", NULL},
        {"", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        size_t len = strlen(table[i].record);
        char got[400] = "", *exact = malloc(len ? len : 1);
        struct xid x;
        assert_non_null(exact);
        memcpy(exact, table[i].record, len); /* without an end */
        bool is_one = xid_parse(exact, len, &x);
        free(exact);
        if (is_one)
            (void)snprintf(got, sizeof got, "%s %u %s", x.bus, x.number, x.text);
        if (is_one != (table[i].want != NULL) ||
            (is_one && strcmp(got, table[i].want) != 0))
            fail_msg("\"%s\": \"%s\"", table[i].record, got);
    }
}

static void test_long_text(void **state)
{
    char record[4096] = AT "NVRM: Xid (PCI:0000:3b:00): 13, ";
    struct xid x;
    (void)state;
    size_t at = strlen(record);
    memset(record + at, 'a', sizeof record - at);
    assert_true(xid_parse(record, sizeof record, &x));
    assert_int_equal(strlen(x.text), LIMIT_FAULT_TEXT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_long_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
