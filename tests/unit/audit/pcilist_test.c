/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>

#include "agent/audit/pcilist.h"
#include "agent/audit/pcinote.h"
#include "tests/lib/pci_tree.h"

#define TEXT_MAX 16384

static void read_list(const char *text, char *dir, struct machine **m,
                      struct pcilist *l)
{
    struct err e = {0};
    pci_tree_make(dir, &text, 1);
    if (machine_open(dir, m, &e) < 0)
        fail_msg("%s", e.text);
    assert_int_equal(pcilist_read(*m, l), 0);
}

static void forget(const char *dir, struct machine *m, struct pcilist *l)
{
    pcilist_fini(l);
    machine_close(m);
    pci_tree_remove(dir);
}

static void test_kinds(void **state)
{
    (void)state;
    static const struct {
        const char *numbers; /* class vendor device */
        enum pcilist_kind kind;
    } table[] = {
        {"030000 10de 2684", PCILIST_GPU}, /* with a screen */
        {"030200 10de 2330", PCILIST_GPU},
        {"038000 1002 740c", PCILIST_GPU},
        {"030000 1002 744c", PCILIST_GPU},
        {"120000 1002 74a1", PCILIST_GPU},
        {"120000 10ee 5000", PCILIST_OTHER}, /* an accelerator of somebody else */
        {"068000 10de 22a3", PCILIST_OTHER}, /* an NVSwitch */
        {"040300 10de 22bc", PCILIST_OTHER}, /* sound */
        {"030000 1a03 2000", PCILIST_OTHER}, /* the screens of servers */
        {"030000 1002 515e", PCILIST_OTHER},
        {"030000 1002 4752", PCILIST_OTHER},
        {"030000 8086 9bc8", PCILIST_OTHER},
        {"020000 15b3 1017", PCILIST_NIC},
        {"020700 15b3 1021", PCILIST_NIC},
        {"020800 8086 24f0", PCILIST_NIC}, /* Omni-Path */
        {"028000 15b3 1003", PCILIST_NIC},
        {"028000 8086 2723", PCILIST_OTHER}, /* wireless */
        {"060400 8086 352a", PCILIST_BRIDGE},
        {"060000 8086 09a2", PCILIST_OTHER},
        {"010802 144d a80a", PCILIST_OTHER},
        {"nonsense 10de 2330", PCILIST_OTHER},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char dir[] = "/tmp/aolani-pci-XXXXXX", text[128];
        struct machine *m = NULL;
        struct pcilist l;
        (void)snprintf(text, sizeof text, "pci0000:00/0000:00:01.0 %s\n",
                       table[i].numbers);
        read_list(text, dir, &m, &l);
        bool there = table[i].kind != PCILIST_OTHER;
        if (l.n != (there ? 1u : 0u) || (there && l.d[0].kind != table[i].kind))
            fail_msg("%s", table[i].numbers);
        forget(dir, m, &l);
    }
}

static void test_places(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
        const char *of, *host; /* of the device that is asked for */
        unsigned depth;
    } table[] = {
        {"on the root bus", "pci0000:00/0000:00:05.0 020000 8086 1572\n",
         "0000:00:05.0", "pci0000:00", 0},
        {"below two bridges",
         "pci0000:00/0000:00:01.0 060400 8086 352a\n"
         "pci0000:00/0000:00:01.0/0000:01:00.0 060400 1000 c030\n"
         "pci0000:00/0000:00:01.0/0000:01:00.0/0000:02:00.0 020000 8086 1572\n",
         "0000:02:00.0", "pci0000:00", 2},
        {"a host bridge that is a device of another",
         "pci0000:00/0000:00:0e.0 010400 8086 28c0\n"
         "pci0000:00/0000:00:0e.0/pci10000:00/10000:00:01.0 060400 8086 352a\n"
         "pci0000:00/0000:00:0e.0/pci10000:00/10000:00:01.0/10000:01:00.0 020000 8086 "
         "1572\n",
         "10000:01:00.0", "pci10000:00", 1},
        {"below what is no PCI",
         "platform/40000000.pcie/pci0001:00/0001:00:00.0 060400 10de 22b2\n"
         "platform/40000000.pcie/pci0001:00/0001:00:00.0/0001:01:00.0 030200 10de "
         "2342\n",
         "0001:01:00.0", "pci0001:00", 1},
        {"nowhere that says so", "virtual/0000:01:00.0 020000 8086 1572\n",
         "0000:01:00.0", "", 0},
        {"below bridges that do not say what they are",
         "pci0000:00/0000:00:01.0/0000:01:00.0 020000 8086 1572\n", "0000:01:00.0", "",
         0},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char dir[] = "/tmp/aolani-pci-XXXXXX";
        struct machine *m = NULL;
        struct pcilist l;
        const struct pcilist_device *d = NULL;
        read_list(table[i].text, dir, &m, &l);
        for (size_t k = 0; k < l.n; k++)
            if (!strcmp(l.d[k].name, table[i].of))
                d = &l.d[k];
        if (!d || strcmp(d->host, table[i].host) != 0 || d->depth != table[i].depth)
            fail_msg("%s: \"%s\" %u", table[i].name, d ? d->host : "none",
                     d ? d->depth : 0);
        forget(dir, m, &l);
    }
}

/* Bridges one below the other without end, names that are none, and a link to itself. */
static void test_hostile(void **state)
{
    (void)state;
    char dir[] = "/tmp/aolani-pci-XXXXXX", text[8192] = "", way[2048] = "pci0000:00";
    struct machine *m = NULL;
    struct pcilist l;
    static const char *const names[] = {
        "0000:00:05.8", "0000:00:05", "0000:g0:05.0",  "000000000:00:05.0",
        "..x",          "0:0:0.0",    "0000:00:05.00", "0000:0005.0"};
    for (unsigned i = 1; i < 24; i++) {
        size_t len = strlen(way);
        (void)snprintf(way + len, sizeof way - len, "/0000:%02x:00.0", i);
        len = strlen(text);
        (void)snprintf(text + len, sizeof text - len, "%s %s\n", way,
                       i < 23 ? "060400 8086 1" : "020000 8086 1");
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t len = strlen(text);
        (void)snprintf(text + len, sizeof text - len,
                       "/sys/bus/pci/devices/%s/class 0x020000\n", names[i]);
    }
    read_list(text, dir, &m, &l);
    assert_int_equal(l.n, 23);
    assert_int_equal(l.nics, 1);
    assert_int_equal(l.d[15].depth, 15);
    assert_int_equal(pcilist_common(&l.d[15], &l.d[15]), 15);
    assert_int_equal(l.d[22].depth, 0); /* too deep to be told */
    assert_string_equal(l.d[22].host, "");
    assert_int_equal(pcilist_common(&l.d[22], &l.d[22]), -1);
    forget(dir, m, &l);
}

static void test_functions(void **state)
{
    (void)state;
    char text[TEXT_MAX] = "pci0000:00/0000:00:01.0 060400 8086 352a\n"
                          "pci0000:00/0000:00:01.0/0000:01:00.0 020000 15b3 1021\n";
    char dir[] = "/tmp/aolani-pci-XXXXXX", count[64];
    struct machine *m = NULL;
    struct pcilist l;
    for (unsigned i = 1; i < 64; i++) {
        size_t len = strlen(text);
        (void)snprintf(text + len, sizeof text - len,
                       "pci0000:00/0000:00:01.0/0000:%02x:%02x.%u 020000 15b3 101e "
                       "physfn=0000:01:00.0\n",
                       1 + i / 256, i / 8, i % 8);
    }
    read_list(text, dir, &m, &l);
    assert_int_equal(l.n, 65);
    assert_int_equal(l.nics, 1);
    assert_string_equal(pcilist_count(&l, count), "0 gpus, 1 nic");
    assert_false(l.guest || l.flat);
    forget(dir, m, &l);
}

static void test_guest(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool guest;
    } table[] = {
        {PCI_TREE_GUEST, true},
        {PCI_TREE_METAL, false},
        {"", false},
        {"/proc/device-tree/hypervisor/compatible linux,kvm\n", true},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char dir[] = "/tmp/aolani-pci-XXXXXX";
        struct machine *m = NULL;
        struct pcilist l;
        read_list(table[i].text, dir, &m, &l);
        assert_int_equal(l.guest, table[i].guest);
        assert_int_equal(l.error, -ENOENT);
        forget(dir, m, &l);
    }
}

static void test_note(void **state)
{
    (void)state;
    struct pcinote p = {0}, empty = {0};
    char text[1000];
    assert_string_equal(pcinote_text(&empty), "");
    pcinote_add(&p, "%s", "a");
    for (int i = 0; i < 5; i++)
        pcinote_add(&p, "%d", i);
    assert_string_equal(pcinote_text(&p), "a, 0, 1, 2 and 2 more");
    assert_string_equal(pcinote_text(&p), "a, 0, 1, 2 and 2 more");
    assert_int_equal(p.n, 6);
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    memset(&p, 0, sizeof p);
    for (int i = 0; i < 6; i++)
        pcinote_add(&p, "%s", text);
    assert_true(strlen(pcinote_text(&p)) < sizeof p.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),   cmocka_unit_test(test_places),
        cmocka_unit_test(test_hostile), cmocka_unit_test(test_functions),
        cmocka_unit_test(test_guest),   cmocka_unit_test(test_note),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
