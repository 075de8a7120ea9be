/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "proto/base/limits.h"
#include "tests/lib/topo_gen.h"

/* Two packages; NUMA node 0: a switch with a GPU and a NIC, one more NIC at the bridge. */
#define MACHINE "2x1x2x2t2 b0 s g i u i b1 s g s i b-  i m"

/* ---- what is refused ---- */

static void bad_set(struct topo_gen *g)
{
    g->package[0].cpus = "0-";
}
static void not_allowed(struct topo_gen *g)
{
    g->l3[1].cpus = "2-3,99";
}
static void huge_cpu(struct topo_gen *g)
{
    g->m.allowed_cpus = "0-8192";
}
static void no_cpu(struct topo_gen *g)
{
    g->m.allowed_cpus = "";
}
static void no_core(struct topo_gen *g)
{
    g->m.n_cores = 0;
}
static void empty_core(struct topo_gen *g)
{
    g->core[2].n_pus = 0;
}
static void core_twice(struct topo_gen *g)
{
    g->pus[3][0] = 0;
}
static void core_not_allowed(struct topo_gen *g)
{
    g->pus[3][0] = 77;
}
static void packages_overlap(struct topo_gen *g)
{
    g->package[1].cpus = g->package[0].cpus;
}
static void numa_twice(struct topo_gen *g)
{
    g->numa[1].os_index = 0;
}
static void numa_huge(struct topo_gen *g)
{
    g->numa[1].os_index = LIMIT_NUMA;
}
static void numa_package(struct topo_gen *g)
{
    g->numa[1].package = 3;
}
static void bridge_at_gpu_memory(struct topo_gen *g)
{
    g->numa_of[0][0] = g->numa[2].os_index;
}
static void bridge_nowhere(struct topo_gen *g)
{
    g->numa_of[0][0] = 7;
}
static void pci_kind(struct topo_gen *g)
{
    g->pci[2].kind = (Aolani__PciNode__Kind)9;
}
static void pci_orphan(struct topo_gen *g)
{
    g->pci[2].parent = 0;
}
static void pci_later_parent(struct topo_gen *g)
{
    g->pci[2].parent = 3;
}
static void pci_below_device(struct topo_gen *g)
{
    g->pci[5].parent = 5;
}
static void pci_bus_id(struct topo_gen *g)
{
    g->pci[2].bus_id = "0000:1g:00.0";
}
static void gpu_past_end(struct topo_gen *g)
{
    g->gpu[1].pci = (uint32_t)g->m.n_pci + 1;
}
static void gpu_is_bridge(struct topo_gen *g)
{
    g->gpu[1].pci = 1;
}
static void gpu_uuid(struct topo_gen *g)
{
    g->gpu[1].uuid = "GPU-1,GPU-2";
}
static void gpu_model(struct topo_gen *g)
{
    g->gpu[1].model = "H200\033[2J";
}
static void nic_no_name(struct topo_gen *g)
{
    g->nic[0].name = "";
}
static void nic_name(struct topo_gen *g)
{
    g->nic[0].name = "mlx5_0:1";
}
static void nic_long_name(struct topo_gen *g)
{
    g->nic[0].name = "a-name-of-sixty-four-bytes-is-one-more-than-any-device-can-have.";
}
static void nic_no_port(struct topo_gen *g)
{
    g->nic[0].n_ports = 0;
}
static void nic_port(struct topo_gen *g)
{
    g->port[0].number = 256;
}
static void too_many(struct topo_gen *g)
{
    g->m.n_pci = LIMIT_PCI + 1;
}

static const struct {
    void (*spoil)(struct topo_gen *g);
    const char *want;
} refused[] = {
    {bad_set, "package 0 of a topology: CPUs: "},
    {not_allowed, "L3 cache 1 of a topology has CPUs that are not allowed"},
    {huge_cpu, "the allowed set 0 of a topology has a CPU past 8191"},
    {no_cpu, "a topology has no CPU that is allowed"},
    {no_core, "a topology has no CPU that is allowed"},
    {empty_core, "core 2 of a topology has 0 CPUs"},
    {core_twice, "CPU 0 of a topology is in two cores"},
    {core_not_allowed, "core 3 of a topology has CPU 77, which is not allowed"},
    {packages_overlap, "package 1 of a topology has CPUs of another"},
    {numa_twice, "NUMA node 1 of a topology has the number 0 of another"},
    {numa_huge,
     "NUMA node 1 of a topology has the number 1024 of another, or one past"},
    {numa_package, "NUMA node 1 of a topology is in package 3 of 2"},
    {bridge_at_gpu_memory,
     "PCI node 0 of a topology is at NUMA node 253, which is not"},
    {bridge_nowhere, "PCI node 0 of a topology is at NUMA node 7, which is not there"},
    {pci_kind, "PCI node 2 of a topology is of no known kind"},
    {pci_orphan, "PCI node 2 of a topology hangs on 0"},
    {pci_later_parent, "PCI node 2 of a topology hangs on 3"},
    {pci_below_device, "PCI node 5 of a topology hangs on 5"},
    {pci_bus_id, "PCI node 2 of a topology has no PCI address"},
    {gpu_past_end, "GPU 1 of a topology is no PCI device"},
    {gpu_is_bridge, "GPU 1 of a topology is no PCI device: 1"},
    {gpu_uuid, "GPU 1 of a topology has a name"},
    {gpu_model, "GPU 1 of a topology has a text that cannot be shown"},
    {nic_no_name, "NIC 0 of a topology has no name"},
    {nic_name, "NIC 0 of a topology has a name"},
    {nic_long_name, "NIC 0 of a topology has a name of 64 bytes"},
    {nic_no_port, "NIC 0 of a topology has 0 ports"},
    {nic_port, "NIC 0 of a topology has a port 256"},
    {too_many, "a topology has 8193 PCI nodes; at most 8192"},
};

static struct topo_gen gen;

static void test_what_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct topo *t = NULL;
        struct err e = {0};
        topo_gen_init(&gen, MACHINE);
        refused[i].spoil(&gen);
        int rc = topo_load(&gen.m, &t, &e);
        if (rc != ERR_PROTO || !strstr(e.text, refused[i].want) || t)
            fail_msg("%zu: %d, \"%s\", not \"%s\"", i, rc, e.text, refused[i].want);
        assert_int_equal(topo_load(&gen.m, &t, NULL), ERR_PROTO);
        topo_gen_fini(&gen);
    }
}

/* ---- what is read ---- */

static void test_places(void **state)
{
    (void)state;
    struct topo *t;
    topo_gen_init(&gen, MACHINE);
    assert_int_equal(topo_load(&gen.m, &t, NULL), 0);
    assert_true(t->known);
    assert_int_equal(t->n_cores, 8);
    assert_int_equal(t->cores[2].package, 0);
    assert_int_equal(t->cores[2].l3, 1);
    assert_int_equal(t->cores[4].numa, 1);
    assert_true(rankset_has(&t->cores[4].cpus, 12));
    assert_true(t->gpus[0].place.located);
    assert_int_equal(t->gpus[0].place.node, 0);
    assert_int_equal(t->gpus[1].place.package, 1);
    assert_true(rankset_has(&t->gpus[1].place.cpus, 15));
    assert_false(t->nics[3].place.located);
    assert_int_equal(t->nics[3].place.node, -1);
    assert_true(t->numa[2].of_gpu);
    topo_destroy(t);
    topo_gen_fini(&gen);
}

static void test_paths(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        unsigned gpu, nic;
        const char *name;
        enum topo_level level;
        unsigned bridges;
        bool known;
    } t[] = {
        {"2x1x1x2 b0 s g i", 0, 0, "PIX", TOPO_SWITCH, 3, true},
        {"2x1x1x2 b0 s g s i", 0, 0, "PXB", TOPO_SWITCH, 5, true},
        {"2x1x1x2 b0 s g u i", 0, 0, "PHB", TOPO_PHB, 0, true},
        {"2x1x1x2 b0 g .i", 0, 0, "PHB", TOPO_PHB, 0, true},
        {"2x1x1x2 b0 g b0 i", 0, 0, "NODE", TOPO_NODE, 0, true},
        {"2x2x2x2 bl0 g bl1 i", 0, 0, "NODE", TOPO_NODE, 0, true},
        {"2x2x1x2 b0 g b1 i", 0, 0, "SYS", TOPO_PKG, 0, true},
        {"2x2x1x2 b0 g bp0 i", 0, 0, "SYS", TOPO_PKG, 0, true},
        {"2x1x1x2 bp0 g bp0 i", 0, 0, "NODE", TOPO_NODE, 0, true},
        {"2x1x1x2 b0 g b1 i", 0, 0, "SYS", TOPO_SYS, 0, true},
        {"2x1x1x2 b- g b1 i", 0, 0, "SYS", TOPO_SYS, 0, false},
        {"2x1x1x2 b- s g i", 0, 0, "PIX", TOPO_SWITCH, 3, true},
        /* No CPU of package 1 is allowed, and it is still one place. */
        {"2x1x1x2 =0-1 b1 g b1 i", 0, 0, "NODE", TOPO_NODE, 0, true},
        {"2x2x1x2 =0-1 b2 g b3 i", 0, 0, "SYS", TOPO_PKG, 0, true},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct topo *topo;
        topo_gen_init(&gen, t[i].line);
        assert_int_equal(topo_load(&gen.m, &topo, NULL), 0);
        struct topo_path p = topo_path_gpu_nic(topo, t[i].gpu, t[i].nic);
        if (p.level != t[i].level || p.bridges != t[i].bridges ||
            p.known != t[i].known || strcmp(topo_path_name(&p), t[i].name) != 0)
            fail_msg("%s: %s, level %d, %u bridges", t[i].line, topo_path_name(&p),
                     (int)p.level, p.bridges);
        struct topo_path back = topo_path(topo, topo->nics[0].pci, topo->gpus[0].pci);
        assert_int_equal(topo_path_compare(&p, &back), 0);
        assert_int_equal(topo_path(topo, -1, 0).level, TOPO_SYS);
        topo_destroy(topo);
        topo_gen_fini(&gen);
    }
}

static void test_bus_ids(void **state)
{
    (void)state;
    static const char *const in_order[] = {"0000:02:00.0",
                                           "0000:02:00.1",
                                           "0000:02:1f.7",
                                           "0000:0a:00.0",
                                           "0000:2a:00.0",
                                           "0001:00:00.0",
                                           "10000:00:00.0",
                                           "",
                                           "x"};
    size_t n = sizeof in_order / sizeof *in_order;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n; k++) {
            int c = topo_compare_bus_ids(in_order[i], in_order[k]);
            assert_int_equal(c < 0 ? -1 : c > 0, i < k ? -1 : i > k);
        }
    }
}

static void test_ports(void **state)
{
    (void)state;
    static const struct {
        uint32_t state[3];
        uint64_t rate[3];
        int want;
    } t[] = {
        {{4, 1, 1}, {0, 0, 0}, 1},     {{1, 4, 4}, {0, 100, 200}, 3},
        {{1, 4, 4}, {0, 200, 200}, 2}, {{1, 2, 3}, {9, 9, 9}, -1},
        {{0, 1, 0}, {1, 0, 2}, 3},     {{0, 4, 0}, {9, 1, 9}, 2},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        Aolani__NicPort ports[3], *list[3];
        Aolani__Nic nic = AOLANI__NIC__INIT;
        struct topo_nic n = {.m = &nic};
        for (size_t k = 0; k < 3; k++) {
            aolani__nic_port__init(list[k] = &ports[k]);
            ports[k].number = (uint32_t)k + 1;
            ports[k].state = t[i].state[k];
            ports[k].rate_mbits = t[i].rate[k];
        }
        nic.ports = list;
        nic.n_ports = 3;
        assert_int_equal(topo_nic_port(&n), t[i].want);
    }
}

/* ---- a node without a description that can be used ---- */

static void test_cores_alone(void **state)
{
    (void)state;
    static const struct {
        const char *error, *hint, *why;
        bool bad, known;
    } t[] = {
        {NULL, NULL, NULL, false, false},
        {"no hwloc", "install it", "no hwloc", false, false},
        {"", "", "CPU 0 of a topology is in two cores", true, false},
        {"", "", NULL, false, true},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        Aolani__NodeInfo info = AOLANI__NODE_INFO__INIT;
        struct topo *topo;
        topo_gen_init(&gen, MACHINE);
        Aolani__Topology empty = AOLANI__TOPOLOGY__INIT;
        info.allowed_cpus = gen.m.allowed_cpus;
        info.cores = gen.cores;
        info.n_cores = gen.m.n_cores;
        Aolani__Core twice = gen.core[0], *cores[] = {&twice, &twice};
        info.topology = !t[i].error ? NULL : *t[i].error ? &empty : &gen.m;
        empty.error = (char *)t[i].error;
        empty.hint = (char *)t[i].hint;
        if (t[i].bad) {
            gen.m.cores = cores;
            gen.m.n_cores = 2;
        }
        assert_int_equal(topo_of_node(&info, &topo, NULL), 0);
        assert_int_equal(topo->known, t[i].known);
        assert_int_equal(topo->n_cores, 8);
        assert_int_equal(topo->n_gpus, t[i].known ? 2 : 0);
        if (t[i].why)
            assert_string_equal(topo->why, t[i].why);
        else
            assert_null(topo->why);
        topo_destroy(topo);
        topo_gen_fini(&gen);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_refused), cmocka_unit_test(test_places),
        cmocka_unit_test(test_paths),           cmocka_unit_test(test_bus_ids),
        cmocka_unit_test(test_ports),           cmocka_unit_test(test_cores_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
