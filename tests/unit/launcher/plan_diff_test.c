/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "launcher/plan_diff.h"
#include "tests/lib/node.h"

/* ---- what can be otherwise */

static void nothing(struct node *n)
{
    (void)n;
}
static void other_product(struct node *n)
{
    n->m.product = "Test 5";
}
static void other_driver(struct node *n)
{
    n->m.gpu_driver = "NVIDIA 550.1";
}
static void fewer_cpus(struct node *n)
{
    for (unsigned i = 0; i < NODE_CORES; i++)
        n->core[i].n_pus = 1;
    for (unsigned i = 0; i < 2; i++)
        n->package[i].cpus = n->numa[i].cpus = i ? "8-15" : "0-7";
    n->l3[0].cpus = "0-3", n->l3[1].cpus = "4-7";
    n->l3[2].cpus = "8-11", n->l3[3].cpus = "12-15";
    for (unsigned i = 0; i < NODE_UNITS; i++)
        n->gpu[i].cpus = n->nic[i].cpus = n->pci[7 * i].cpus = n->numa[i / 2].cpus;
    n->m.allowed_cpus = "0-15";
}
static void less_memory(struct node *n)
{
    n->numa[1].mem_bytes /= 2;
}
static void hardly_less_memory(struct node *n)
{
    n->numa[1].mem_bytes -= 8ull << 30;
}
static void no_gpu_2(struct node *n)
{
    node_drop_gpu(n, 2);
}
static void other_gpu_2(struct node *n)
{
    n->gpu[2].model = "NVIDIA H200";
}
static void gpus_in_instances(struct node *n)
{
    n->gpu[1].parent_uuid = "GPU-1";
    n->gpu[1].uuid = "MIG-1";
}
static void other_order(struct node *n)
{
    n->gpus[0] = &n->gpu[1];
    n->gpus[1] = &n->gpu[0];
}
static void other_addresses(struct node *n)
{
    for (unsigned i = 0; i < NODE_UNITS; i++)
        n->pci[7 * i + 4].bus_id = n->gpu[i].bus_id = node_text(n, "0001:%02x:00.0", i);
}
static void narrow_gpu_2(struct node *n)
{
    n->link[7 * 2 + 4].now_width = 8;
}
static void idle_gpu_2(struct node *n)
{
    n->link[7 * 2 + 4].now_mts = 2500;
}
static void older_gpu_2(struct node *n)
{
    n->link[7 * 2 + 4].max_mts = n->link[7 * 2 + 4].now_mts = 16000;
    n->link[7 * 2 + 4].now_width = 4;
}
static void far_gpu_2(struct node *n)
{
    n->gpu[2].numa = &n->near[0];
    n->gpu[2].cpus = n->numa[0].cpus;
}
static void nic_3_down(struct node *n)
{
    n->port[3].state = 1;
    n->port[3].rate_mbits = 10000;
}
static void no_nic_3(struct node *n)
{
    node_drop_nic(n, 3);
}
static void slow_nic_3(struct node *n)
{
    n->port[3].rate_mbits = 200000;
}
static void other_nic_3(struct node *n)
{
    n->pci[7 * 3 + 6].device = 0x101b;
    n->nic[3].kind = AOLANI__NIC__KIND__ROCE;
}
static void slow_link_3(struct node *n)
{
    n->link[7 * 3 + 6].now_mts = 8000;
    n->link[7 * 3 + 6].now_width = 8;
}
/* All that an export of hwloc says. */
static void exported(struct node *n)
{
    for (size_t i = 0; i < NODE_PCI; i++) {
        aolani__pci_link__init(&n->link[i]);
        n->link[i].now_mbytes = 63015;
    }
}
static void exported_slow_link_3(struct node *n)
{
    exported(n);
    n->link[7 * 3 + 6].now_mbytes = 31508;
}
static void exported_idle_gpu_2(struct node *n)
{
    exported(n);
    n->link[7 * 2 + 4].now_mbytes = 3938;
}
static void ethernet_down(struct node *n)
{
    nic_3_down(n);
    n->nic[3].kind = AOLANI__NIC__KIND__ETHERNET;
}
static void served_by_mps(struct node *n)
{
    n->m.mps = true;
    n->m.hidden_gpus = 4;
}
static void two_things(struct node *n)
{
    nic_3_down(n);
    no_gpu_2(n);
}

/* Three nodes, the second changed; and two, with it the first. */
static void test_one_otherwise(void **state)
{
    static const struct {
        void (*change)(struct node *n);
        const char *want; /* NULL: no difference */
    } cases[] = {
        {nothing, NULL},
        {other_product, "another machine: Test 5 (others Test 4)"},
        {other_driver, "GPU driver NVIDIA 550.1 (others NVIDIA 570.86.15)"},
        {fewer_cpus, "CPUs 0-15 allowed (others 0-31)"},
        {less_memory, "memory 768 GiB (others 1.0 TiB)"},
        {hardly_less_memory, NULL},
        {no_gpu_2, "gpu 2 (53:00.0) missing"},
        {other_gpu_2, "gpu 2 (53:00.0) is H200 (others H100 80GB HBM3)"},
        {gpus_in_instances, "gpu 1 (33:00.0) in 1 MIG instance (others 0)"},
        {other_order, "its GPUs are numbered in another order"},
        {other_addresses, "its GPUs are at other PCI addresses"},
        {narrow_gpu_2, "gpu 2 (53:00.0) link runs at x8 (others x16)"},
        {idle_gpu_2, NULL},
        {older_gpu_2, "gpu 2 (53:00.0) link gen4 x16 (others gen5 x16)"},
        {far_gpu_2, "gpu 2 (53:00.0) at NUMA node 0 (others 1)"},
        {nic_3_down, "mlx5_3 down"},
        {no_nic_3, "mlx5_3 missing"},
        {slow_nic_3, "mlx5_3 at 200 Gb/s (others 400 Gb/s)"},
        {other_nic_3, "mlx5_3 is 15b3:101b (others 15b3:1021), mlx5_3 is Ethernet "
                      "(others InfiniBand)"},
        {slow_link_3, "mlx5_3 link runs at gen3 x8 (others gen5 x16)"},
        {ethernet_down, "mlx5_3 missing"},
        {served_by_mps,
         "an MPS daemon: yes (others no), CUDA_VISIBLE_DEVICES hides 4 (others 0)"},
        {two_things, "gpu 2 (53:00.0) missing, mlx5_3 down"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct node *nodes[3];
        struct topo *topos[3];
        struct plan_diff d;
        struct buf text;
        for (size_t k = 0; k < 3; k++) {
            nodes[k] = node_make(2);
            if (k == 1)
                cases[i].change(nodes[k]);
            topos[k] = node_topo(nodes[k]);
        }
        assert_int_equal(plan_diff(topos, 3, &d), 0);
        if (!cases[i].want) {
            assert_int_equal(d.n_groups, 1);
            assert_int_equal(d.n_differ, 0);
        } else {
            assert_int_equal(d.n_groups, 2);
            assert_int_equal(d.n_differ, 1);
            assert_int_equal(d.groups[0].n_what, 0);
            assert_int_equal(d.groups[0].nodes[1], 2);
            assert_int_equal(d.groups[1].nodes[0], 1);
            buf_init(&text, 10000);
            assert_int_equal(plan_diff_words(&d.groups[1], 100, &text), 0);
            assert_string_equal((char *)text.data, cases[i].want);
            buf_fini(&text);
        }
        plan_diff_fini(&d);
        for (size_t k = 0; k < 3; k++) {
            topo_destroy(topos[k]);
            free(nodes[k]);
        }
    }
}

struct cluster {
    struct node *nodes[64];
    struct topo *topos[64];
    char *names[64];
    size_t n;
};

static void add_nodes(struct cluster *c, size_t n, void (*change)(struct node *n))
{
    while (n--) {
        c->nodes[c->n] = node_make(2);
        change(c->nodes[c->n]);
        c->topos[c->n] = node_topo(c->nodes[c->n]);
        assert_true(asprintf(&c->names[c->n], "gpu%03zu", c->n + 1) > 0);
        c->n++;
    }
}

static void check_cluster(struct cluster *c, const char *want)
{
    struct plan_diff d;
    struct buf text;
    buf_init(&text, 10000);
    assert_int_equal(plan_diff(c->topos, c->n, &d), 0);
    assert_int_equal(plan_diff_format(&d, c->names, &text), 0);
    assert_string_equal(text.len ? (char *)text.data : "", want);
    buf_fini(&text);
    plan_diff_fini(&d);
    for (size_t i = 0; i < c->n; i++) {
        topo_destroy(c->topos[i]);
        free(c->nodes[i]);
        free(c->names[i]);
    }
}

static void test_exported(void **state)
{
    (void)state;
    struct cluster c = {0};
    add_nodes(&c, 2, exported);
    add_nodes(&c, 1, exported_slow_link_3);
    add_nodes(&c, 1, exported_idle_gpu_2);
    check_cluster(&c, "gpu[001-002,004]: same; "
                      "gpu003: mlx5_3 link runs at 31.5 GB/s (others 63.0 GB/s)\n");
    c = (struct cluster){0};
    add_nodes(&c, 2, nothing);
    add_nodes(&c, 1, exported);
    check_cluster(&c, "gpu[001-003]: same\n");
}

static void test_grouped(void **state)
{
    (void)state;
    struct cluster c = {0};
    add_nodes(&c, 1, nothing);
    check_cluster(&c, "");

    c = (struct cluster){0};
    add_nodes(&c, 16, nothing);
    check_cluster(&c, "gpu[001-016]: same\n");

    c = (struct cluster){0};
    add_nodes(&c, 14, nothing);
    add_nodes(&c, 1, nic_3_down);
    add_nodes(&c, 1, nothing);
    check_cluster(&c, "gpu[001-014,016]: same; gpu015: mlx5_3 down\n");

    c = (struct cluster){0};
    add_nodes(&c, 2, no_gpu_2);
    add_nodes(&c, 30, nothing);
    add_nodes(&c, 2, slow_nic_3);
    add_nodes(&c, 1, no_gpu_2);
    check_cluster(&c, "gpu[003-032]: same\n"
                      "gpu[001-002,035]: gpu 2 (53:00.0) missing\n"
                      "gpu[033-034]: mlx5_3 at 200 Gb/s (others 400 Gb/s)\n");
}

/* Of as many on both sides the better is what should be; each thing by itself. */
static void test_even(void **state)
{
    (void)state;
    struct cluster c = {0};
    add_nodes(&c, 1, nic_3_down);
    add_nodes(&c, 1, nothing);
    check_cluster(&c, "gpu002: same; gpu001: mlx5_3 down\n");

    c = (struct cluster){0};
    add_nodes(&c, 1, slow_link_3);
    add_nodes(&c, 1, no_gpu_2);
    check_cluster(&c, "gpu001: mlx5_3 link runs at gen3 x8 (others gen5 x16); "
                      "gpu002: gpu 2 (53:00.0) missing\n");
}

/* In another setting all devices are elsewhere: that is one difference. */
static void test_numa_setting(void **state)
{
    (void)state;
    struct cluster c = {0};
    add_nodes(&c, 2, nothing);
    c.nodes[2] = node_make(4);
    c.topos[2] = node_topo(c.nodes[2]);
    c.names[2] = strdup("gpu003");
    c.n = 3;
    struct plan_diff d;
    assert_int_equal(plan_diff(c.topos, 3, &d), 0);
    assert_int_equal(d.n_differ, 1);
    assert_string_equal(d.groups[1].what[0], "4 NUMA nodes (others 2)");
    assert_int_equal(d.groups[1].n_what, 6);
    plan_diff_fini(&d);
    check_cluster(&c, "gpu[001-002]: same; "
                      "gpu003: 4 NUMA nodes (others 2), no GPU (others 4), mlx5_[0-3] "
                      "missing\n");
}

static void test_no_description(void **state)
{
    (void)state;
    struct cluster c = {0};
    add_nodes(&c, 3, nothing);
    c.topos[1]->known = false;
    c.topos[1]->why = strdup("aolani-describe is missing there");
    check_cluster(&c, "gpu[001,003]: same; gpu002: not described: aolani-describe is "
                      "missing there\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_otherwise), cmocka_unit_test(test_exported),
        cmocka_unit_test(test_grouped),       cmocka_unit_test(test_even),
        cmocka_unit_test(test_numa_setting),  cmocka_unit_test(test_no_description),
    };
    return cmocka_run_group_tests_name("plan_diff", tests, NULL, NULL);
}
