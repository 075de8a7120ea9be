/* SPDX-License-Identifier: MIT */
/* Ports and PCI links as copied /sys trees: what they count, and what may become of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/folders.h"
#include "agent/nodesignals_links.h"
#include "agent/nodesignals_ports.h"
#include "tests/lib/tree.h"

#define IB(nic, port, file) "class/infiniband/" nic "/ports/" port "/" file

struct fixture {
    char dir[64];
    struct nodesignals_ports *ports;
    struct nodesignals_sum sum;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    (void)strcpy(f->dir, "/tmp/aolani-ports-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    assert_int_equal(nodesignals_sum_init(&f->sum, NULL, 0), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    nodesignals_ports_destroy(f->ports);
    nodesignals_sum_fini(&f->sum);
    assert_int_equal(folders_remove_tree(f->dir, NULL), 0);
    free(f);
    return 0;
}

static void begin(struct fixture *f, size_t most_files, uint64_t slow_ns)
{
    struct nodesignals_ports_config c = {
        .sys = f->dir, .reopen = true, .most_files = most_files, .slow_ns = slow_ns};
    assert_int_equal(nodesignals_ports_create(&c, &f->ports), 0);
    nodesignals_ports_scan(f->ports, NULL, 0);
}

static void look(struct fixture *f)
{
    nodesignals_sum_clear(&f->sum);
    nodesignals_ports_begin(f->ports);
    while (!nodesignals_ports_step(f->ports, 0, &f->sum))
        ; /* no time at all: one port each */
}

static const struct nodesignals_port *port(struct fixture *f, const char *nic,
                                           uint32_t number)
{
    for (size_t i = 0; i < f->sum.n_ports; i++)
        if (strcmp(f->sum.ports[i].nic, nic) == 0 && f->sum.ports[i].number == number)
            return &f->sum.ports[i];
    return NULL;
}

static void put(struct fixture *f, const char *path, const char *text)
{
    tree_put(f->dir, path, text);
}

static void take_away(struct fixture *f, const char *path)
{
    char full[256];
    (void)snprintf(full, sizeof full, "%s/%s", f->dir, path);
    assert_int_equal(folders_remove_tree(full, NULL), 0);
}

static void test_counts(void **state)
{
    struct fixture *f = *state;
    put(f, IB("mlx5_0", "1", "counters/port_xmit_wait"), "100\n");
    put(f, IB("mlx5_0", "1", "counters/port_xmit_data"), "1000\n");
    put(f, IB("mlx5_0", "1", "counters/symbol_error"), "1\n");
    put(f, IB("mlx5_0", "1", "counters/port_rcv_errors"), "2\n");
    put(f, IB("mlx5_0", "1", "counters/link_downed"), "0\n");
    put(f, IB("mlx5_0", "1", "hw_counters/packet_seq_err"), "5\n");
    put(f, IB("mlx5_0", "1", "hw_counters/out_of_sequence"), "6\n");
    put(f, IB("mlx5_0", "1", "hw_counters/lifespan"), "10\n");
    put(f, IB("mlx5_0", "1", "counters/link_error_recovery"), "N/A (no PMA)\n");
    put(f, IB("efa_0", "1", "hw_counters/tx_bytes"), "7\n");
    put(f, IB("efa_0", "1", "hw_counters/retrans_pkts"), "1\n");
    begin(f, NODESIGNALS_PORT_FILES, 1000000000);
    assert_int_equal(nodesignals_ports_n(f->ports), 2);
    look(f);
    assert_int_equal(f->sum.known, 0); /* the first look only begins */
    assert_int_equal(f->sum.n_ports, 0);
    put(f, IB("mlx5_0", "1", "counters/port_xmit_wait"), "150\n");
    put(f, IB("mlx5_0", "1", "counters/port_xmit_data"), "1010\n");
    put(f, IB("mlx5_0", "1", "counters/symbol_error"), "3\n");
    put(f, IB("mlx5_0", "1", "counters/port_rcv_errors"), "5\n");
    put(f, IB("mlx5_0", "1", "hw_counters/packet_seq_err"), "6\n");
    put(f, IB("efa_0", "1", "hw_counters/tx_bytes"), "9\n");
    look(f);
    assert_int_equal(f->sum.known, NODESIGNALS_PORTS);
    static const int64_t expected[PORT_COUNTS] = {50, 40, -1, 5, -1, 0, 1, -1};
    static const int64_t of_efa[PORT_COUNTS] = {-1, 2, -1, -1, -1, -1, 0, -1};
    assert_memory_equal(port(f, "mlx5_0", 1)->count, expected, sizeof expected);
    assert_memory_equal(port(f, "efa_0", 1)->count, of_efa, sizeof of_efa);
}

static void test_one_count_goes_back(void **state)
{
    struct fixture *f = *state;
    put(f, IB("mlx5_0", "1", "counters/symbol_error"), "9\n");
    put(f, IB("mlx5_0", "1", "counters/port_rcv_errors"), "9\n");
    put(f, IB("mlx5_0", "1", "counters/link_downed"), "1\n");
    begin(f, NODESIGNALS_PORT_FILES, 1000000000);
    look(f);
    put(f, IB("mlx5_0", "1", "counters/symbol_error"), "0\n");
    put(f, IB("mlx5_0", "1", "counters/port_rcv_errors"), "12\n");
    put(f, IB("mlx5_0", "1", "counters/link_downed"), "2\n");
    look(f);
    assert_int_equal(port(f, "mlx5_0", 1)->count[PORT_SYMBOL_ERRORS], -1);
    assert_int_equal(port(f, "mlx5_0", 1)->count[PORT_DOWNS], 1);
    put(f, IB("mlx5_0", "1", "counters/symbol_error"), "4\n");
    look(f);
    assert_int_equal(port(f, "mlx5_0", 1)->count[PORT_SYMBOL_ERRORS], 4);
}

/* Counters of the first InfiniBand are narrow and stay at their end. */
static void test_one_is_at_its_end(void **state)
{
    struct fixture *f = *state;
    put(f, IB("mlx5_0", "1", "counters/port_xmit_wait"), "4294967295\n");
    put(f, IB("mlx5_0", "1", "counters/port_xmit_data"), "4294967295\n");
    put(f, IB("mlx5_0", "1", "counters/symbol_error"), "65535\n");
    put(f, IB("mlx5_0", "1", "counters/port_rcv_errors"), "3\n");
    put(f, IB("mlx5_0", "1", "counters/link_error_recovery"), "255\n");
    put(f, IB("mlx5_0", "1", "counters/link_downed"), "254\n");
    put(f, IB("mlx5_0", "1", "counters/port_rcv_data"), "255\n");
    begin(f, NODESIGNALS_PORT_FILES, 1000000000);
    look(f);
    put(f, IB("mlx5_0", "1", "counters/port_xmit_data"), "4294967300\n");
    put(f, IB("mlx5_0", "1", "counters/port_rcv_errors"), "5\n");
    put(f, IB("mlx5_0", "1", "counters/link_downed"), "255\n");
    look(f);
    static const int64_t expected[2][PORT_COUNTS] = {
        [0] = {-1, -1, 0, 2, -1, -1, -1, -1}, [1] = {-1, 0, 0, 0, -1, -1, -1, -1}};
    assert_memory_equal(port(f, "mlx5_0", 1)->count, expected[0], sizeof expected[0]);
    look(f);
    assert_memory_equal(port(f, "mlx5_0", 1)->count, expected[1], sizeof expected[1]);
    assert_false(nodesignals_ports_lost(f->ports));
    /* Somebody has set it back. */
    put(f, IB("mlx5_0", "1", "counters/port_xmit_wait"), "0\n");
    look(f);
    put(f, IB("mlx5_0", "1", "counters/port_xmit_wait"), "9\n");
    look(f);
    assert_int_equal(port(f, "mlx5_0", 1)->count[PORT_XMIT_WAIT], 9);
}

static void test_hostile(void **state)
{
    struct fixture *f = *state;
    static const char *const texts[] = {
        "",
        "-5\n",
        "18446744073709551616\n",
        "12 13\n",
        "0x10\n",
        "\xff\xfe\n",
        "1\n2\n",
        "99999999999999999999999999999999999999999999999999999999999999999999999999\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        bool fine = i == 6; /* the first line */
        put(f, IB("mlx5_0", "1", "counters/symbol_error"), "1\n");
        begin(f, NODESIGNALS_PORT_FILES, 1000000000);
        look(f);
        put(f, IB("mlx5_0", "1", "counters/symbol_error"), texts[i]);
        look(f);
        assert_int_equal(f->sum.n_ports, fine);
        nodesignals_ports_destroy(f->ports);
        f->ports = NULL;
    }
    /* As many in one second as no wire carries. */
    put(f, IB("mlx5_0", "1", "counters/port_xmit_data"), "0\n");
    begin(f, NODESIGNALS_PORT_FILES, 1000000000);
    look(f);
    put(f, IB("mlx5_0", "1", "counters/port_xmit_data"), "18446744073709551615\n");
    look(f);
    assert_int_equal(f->sum.n_ports, 0);
}

static void test_they_come_and_go(void **state)
{
    struct fixture *f = *state;
    put(f, IB("mlx5_0", "1", "counters/link_downed"), "1\n");
    put(f, IB("mlx5_1", "1", "counters/link_downed"), "1\n");
    put(f, IB("mlx5_1", "2", "counters/link_downed"), "1\n");
    put(f, IB("mlx5_1", "x", "counters/link_downed"), "1\n");
    begin(f, NODESIGNALS_PORT_FILES, 1000000000);
    assert_int_equal(nodesignals_ports_n(f->ports), 3);
    look(f);
    take_away(f, "class/infiniband/mlx5_1");
    look(f);
    assert_non_null(port(f, "mlx5_0", 1));
    assert_null(port(f, "mlx5_1", 1));
    assert_true(nodesignals_ports_lost(f->ports));
    nodesignals_ports_scan(f->ports, NULL, 0);
    assert_false(nodesignals_ports_lost(f->ports));
    assert_int_equal(nodesignals_ports_n(f->ports), 1);
    put(f, IB("mlx5_1", "1", "counters/link_downed"), "7\n");
    nodesignals_ports_scan(f->ports, NULL, 0);
    assert_int_equal(nodesignals_ports_n(f->ports), 2);
    look(f); /* what it counted before it came is not of this interval */
    assert_null(port(f, "mlx5_1", 1));
    look(f);
    assert_int_equal(port(f, "mlx5_1", 1)->count[PORT_DOWNS], 0);
    take_away(f, "class/infiniband");
    nodesignals_ports_scan(f->ports, NULL, 0);
    look(f);
    assert_int_equal(f->sum.known, 0);
}

/* A driver that was loaded anew: the same name, and nothing behind the open files. */
static void test_one_is_made_anew(void **state)
{
    struct fixture *f = *state;
    char path[256], other[300];
    (void)snprintf(path, sizeof path, "%s/%s", f->dir,
                   IB("mlx5_0", "1", "counters/link_downed"));
    (void)snprintf(other, sizeof other, "%s.new", path);
    put(f, IB("mlx5_0", "1", "counters/link_downed"), "1\n");
    struct nodesignals_ports_config c = {
        .sys = f->dir, .most_files = NODESIGNALS_PORT_FILES, .slow_ns = 1000000000};
    assert_int_equal(nodesignals_ports_create(&c, &f->ports), 0);
    nodesignals_ports_scan(f->ports, NULL, 0);
    look(f);
    put(f, IB("mlx5_0", "1", "counters/link_downed.new"), "7\n");
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(rename(other, path), 0);
    look(f);
    assert_true(nodesignals_ports_lost(f->ports));
    nodesignals_ports_scan(f->ports, NULL, 0);
    assert_int_equal(nodesignals_ports_n(f->ports), 1);
    look(f);
    assert_false(nodesignals_ports_lost(f->ports));
    look(f);
    assert_non_null(port(f, "mlx5_0", 1));
    assert_int_equal(port(f, "mlx5_0", 1)->count[PORT_DOWNS], 0);
}

/* Files are few: the job's own cards come first. */
static void test_bounded(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < 40; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, IB("mlx5_%u", "1", "counters/link_downed"),
                       i);
        put(f, path, "1\n");
    }
    struct nodesignals_ports_config c = {
        .sys = f->dir, .reopen = true, .most_files = 24, .slow_ns = 1000000000};
    static const char *const first[] = {"mlx5_33", "", "../x", NULL, "mlx5_7"};
    assert_int_equal(nodesignals_ports_create(&c, &f->ports), 0);
    nodesignals_ports_scan(f->ports, first, 5);
    assert_true(nodesignals_ports_n(f->ports) < 24);
    look(f);
    look(f);
    assert_non_null(port(f, "mlx5_33", 1));
    assert_non_null(port(f, "mlx5_7", 1));
}

/* Any look takes longer than no time. */
static void test_a_slow_one_is_given_up(void **state)
{
    struct fixture *f = *state;
    put(f, IB("mlx5_0", "1", "counters/link_downed"), "1\n");
    begin(f, NODESIGNALS_PORT_FILES, 1000000000);
    nodesignals_ports_destroy(f->ports);
    begin(f, NODESIGNALS_PORT_FILES, 0);
    look(f);
    look(f);
    assert_int_equal(f->sum.n_ports, 0);
    nodesignals_ports_scan(f->ports, NULL, 0);
    look(f);
    assert_int_equal(f->sum.n_ports, 0);
}

/* ---- PCI links */

static void test_links(void **state)
{
    struct fixture *f = *state;
    struct nodesignals_links *l;
    Aolani__Topology t = AOLANI__TOPOLOGY__INIT;
    Aolani__Gpu gpu[2] = {AOLANI__GPU__INIT, AOLANI__GPU__INIT},
                *gpus[] = {&gpu[0], &gpu[1]};
    Aolani__Nic nic[2] = {AOLANI__NIC__INIT, AOLANI__NIC__INIT},
                *nics[] = {&nic[0], &nic[1]};
    Aolani__RankPlan rank = AOLANI__RANK_PLAN__INIT, *ranks[] = {&rank};
    Aolani__Prepare plan = AOLANI__PREPARE__INIT;
    char *uuids[] = {(char *)"GPU-a"};
    gpu[0].uuid = uuids[0];
    gpu[0].bus_id = (char *)"0000:18:00.0";
    gpu[1].uuid = (char *)"GPU-of-others";
    gpu[1].bus_id = (char *)"0000:19:00.0";
    nic[0].name = rank.nic = (char *)"mlx5_0";
    nic[0].bus_id = (char *)"0000:1a:00.0";
    nic[1].name = (char *)"mlx5_1";
    nic[1].bus_id = (char *)"../../x";
    rank.gpus = uuids;
    rank.n_gpus = 1;
    plan.ranks = ranks;
    plan.n_ranks = 1;
    t.gpus = gpus;
    t.nics = nics;
    t.n_gpus = t.n_nics = 2;
    static const struct {
        const char *gpu_width, *gpu_speed, *nic_width, *nic_speed;
        size_t n;
        const char *told[2];
    } looks[] = {
        {"16\n", "2.5 GT/s PCIe\n", "16\n", "32.0 GT/s PCIe\n", 0, {0}},
        {"16\n", "32.0 GT/s PCIe\n", "16\n", "32.0 GT/s PCIe\n", 0, {0}},
        {"8\n",
         "32.0 GT/s PCIe\n",
         "16\n",
         "16.0 GT/s PCIe\n",
         2,
         {"0000:18:00.0 x16 -> x8", "0000:1a:00.0 32.0 GT/s -> 16.0 GT/s"}},
        {"8\n", "2.5 GT/s PCIe\n", "0\n", "Unknown\n", 0, {0}},
        {"16\n",
         "2.5 GT/s PCIe\n",
         "16\n",
         "32.0 GT/s PCIe\n",
         2,
         {"0000:18:00.0 x8 -> x16", "0000:1a:00.0 16.0 GT/s -> 32.0 GT/s"}},
        {"255\n", "", "-1\n", "99999999999999999999999999999999999999999\n", 0, {0}},
    };
    assert_int_equal(nodesignals_links_create(f->dir, &t, &plan, &l), 0);
    nodesignals_links_look(l, &f->sum); /* no such files */
    put(f, "bus/pci/devices/0000:19:00.0/current_link_width", "16\n");
    for (size_t i = 0; i < sizeof looks / sizeof *looks; i++) {
        put(f, "bus/pci/devices/0000:18:00.0/current_link_width", looks[i].gpu_width);
        put(f, "bus/pci/devices/0000:18:00.0/current_link_speed", looks[i].gpu_speed);
        put(f, "bus/pci/devices/0000:1a:00.0/current_link_width", looks[i].nic_width);
        put(f, "bus/pci/devices/0000:1a:00.0/current_link_speed", looks[i].nic_speed);
        nodesignals_sum_clear(&f->sum);
        nodesignals_links_look(l, &f->sum);
        assert_int_equal(f->sum.n_links, looks[i].n);
        for (size_t k = 0; k < looks[i].n; k++)
            assert_string_equal(f->sum.links[k].text, looks[i].told[k]);
        put(f, "bus/pci/devices/0000:19:00.0/current_link_width", "8\n");
    }
    nodesignals_links_destroy(l);
    assert_int_equal(nodesignals_links_create(f->dir, NULL, &plan, &l), 0);
    nodesignals_links_destroy(l);
    nodesignals_links_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_count_goes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_is_at_its_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hostile, setup, teardown),
        cmocka_unit_test_setup_teardown(test_they_come_and_go, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_is_made_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_slow_one_is_given_up, setup, teardown),
        cmocka_unit_test_setup_teardown(test_links, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
