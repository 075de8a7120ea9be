/* SPDX-License-Identifier: MIT */
/* factor_plan_test.c - the facts of ranks on nodes of one line (tests/lib/topo_gen.h) and
 * on the invented node (tests/lib/node.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tests/lib/job_gen.h"
#include "tests/lib/node.h"

/* ---- on lines: who has a fact ---- */

struct row {
    const char *what, *line;
    uint32_t nodes, per_node; /* per_node 0: one for each GPU */
    enum factor_kind kind;
    const char *value;
    const char *ranks; /* that have it; "" none */
    job_gen_change *change, *plan;
};

static void narrow(struct job_gen *j)
{
    job_gen_narrow(j, 1, j->gens[1]->gpu[0].pci);
    job_gen_narrow(j, 0, j->gens[0]->nic[1].pci);
}

/* A GPU that idles, and a NIC whose link is slow. */
static void slow(struct job_gen *j)
{
    j->link.max_mts = 32000;
    j->link.now_mts = 2500;
    j->link.max_width = j->link.now_width = 16;
    j->gens[0]->pci[j->gens[0]->gpu[0].pci - 1].link = &j->link;
    j->gens[1]->pci[j->gens[1]->nic[0].pci - 1].link = &j->link;
}

/* Nobody knows what is in use, or what could be. */
static void unknown_links(struct job_gen *j)
{
    j->link.max_width = 16;
    j->gens[0]->pci[j->gens[0]->gpu[0].pci - 1].link = &j->link;
}

static void nameless(struct job_gen *j)
{
    j->infos[0] = NULL;
    j->info[1].kernel = "5.15.0";
    j->gens[0]->m.cpu_vendor = "";
    j->gens[1]->m.gpu_driver = "";
}

static void cross(struct job_gen *j)
{
    job_gen_cross(j, 1);
    job_gen_cross(j, 4);
}

/* Two GPUs below a switch with their NICs, on each package. */
#define PAIRS "2x1x1x4 b0 s g i g i b1 s g i g i"

static const struct row rows[] = {
    {"node", PAIRS, 2, 0, FACTOR_NODE, "gpu01", "4-7", NULL, NULL},
    {"NUMA node", PAIRS, 2, 0, FACTOR_NUMA, "gpu00/1", "2-3", NULL, NULL},
    {"the only NUMA node says nothing", "1x1x1x8 b0 g i g i", 2, 0, FACTOR_NUMA,
     "gpu00/0", "", NULL, NULL},
    {"no rank is on one NUMA node", "2x1x1x4", 2, 1, FACTOR_NUMA, "gpu00/0", "", NULL,
     NULL},
    {"cores without GPUs", "2x1x1x4", 2, 4, FACTOR_NUMA, "gpu01/0", "4-5", NULL, NULL},
    {"switch", PAIRS, 2, 0, FACTOR_SWITCH, "gpu00/0000:03:00.0", "0-1", NULL, NULL},
    {"a slot is no switch", "1x1x1x4 b0 g i b0 g i", 1, 0, FACTOR_SWITCH,
     "gpu00/0000:01:00.0", "", NULL, NULL},
    {"NIC", PAIRS, 2, 0, FACTOR_NIC, "gpu01/mlx5_1", "5", NULL, NULL},
    {"rail", PAIRS, 2, 0, FACTOR_RAIL, "mlx5_1", "1,5", NULL, NULL},
    {"one node has no rails", PAIRS, 1, 0, FACTOR_RAIL, "mlx5_1", "", NULL, NULL},
    {"no path across sockets", PAIRS, 2, 0, FACTOR_PATH, "SYS", "", NULL, NULL},
    {"path across sockets", PAIRS, 2, 0, FACTOR_PATH, "SYS", "1,4", NULL, cross},
    {"the NIC is on the other socket", "2x1x1x4 b0 g g b1 g i", 1, 0, FACTOR_PATH,
     "SYS", "0-1", NULL, NULL},
    {"nobody knows where", "2x1x1x4 b- g g b1 g i", 1, 0, FACTOR_PATH, "SYS", "", NULL,
     NULL},
    {"no GPU", "2x1x1x4 b0 i", 1, 2, FACTOR_PATH, "SYS", "", NULL, NULL},
    {"width of a GPU's link", PAIRS, 2, 0, FACTOR_LINK_WIDTH,
     "GPU at x8 instead of x16", "4", narrow, NULL},
    {"width of a NIC's link", PAIRS, 2, 0, FACTOR_LINK_WIDTH,
     "NIC at x8 instead of x16", "1", narrow, NULL},
    {"speed of an idle GPU's link", PAIRS, 2, 0, FACTOR_LINK_WIDTH,
     "GPU at 2.5 GT/s instead of 32 GT/s", "", slow, NULL},
    {"speed of a NIC's link", PAIRS, 2, 0, FACTOR_LINK_WIDTH,
     "NIC at 2.5 GT/s instead of 32 GT/s", "4", slow, NULL},
    {"width that is not known", PAIRS, 2, 0, FACTOR_LINK_WIDTH,
     "GPU at x0 instead of x16", "", unknown_links, NULL},
    {"cores of its own", PAIRS, 2, 0, FACTOR_SHARED_CORES, "yes", "", NULL, NULL},
    {"more ranks than cores", "1x1x1x2", 2, 3, FACTOR_SHARED_CORES, "yes", "0,2-3,5",
     NULL, NULL},
    {"kernel", PAIRS, 2, 0, FACTOR_KERNEL, "5.15.0", "4-7", nameless, NULL},
    {"a node that said nothing", PAIRS, 2, 0, FACTOR_KERNEL, "6.8.0", "", nameless,
     NULL},
    {"driver", PAIRS, 2, 0, FACTOR_DRIVER, "NVIDIA 570.86.15", "0-3", nameless, NULL},
    {"no driver", PAIRS, 2, 0, FACTOR_DRIVER, "", "", nameless, NULL},
    {"CPU", PAIRS, 2, 0, FACTOR_CPU_MODEL, "GenuineIntel family 6 model 143", "4-7",
     nameless, NULL},
};

static void holders(const struct factors *f, uint32_t world_size, enum factor_kind kind,
                    const char *value, struct buf *out)
{
    struct rankset have = {0};
    for (uint32_t i = 0; i < world_size; i++) {
        if (factors_has(f, i, kind, value))
            assert_int_equal(rankset_add(&have, i), 0);
    }
    assert_int_equal(rankset_format(&have, out), 0);
    rankset_fini(&have);
}

static void test_lines(void **state)
{
    static struct job_gen j;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *r = &rows[i];
        struct buf have;
        buf_init(&have, 1 << 16);
        job_gen_make(&j, r->line, r->nodes, r->per_node, r->change, r->plan);
        holders(j.factors, j.plan.world_size, r->kind, r->value, &have);
        const char *is = have.len ? (const char *)have.data : "";
        if (strcmp(is, r->ranks) != 0)
            fail_msg("%s: \"%s\", not \"%s\"", r->what, is, r->ranks);
        buf_fini(&have);
        job_gen_fini(&j);
    }
}

/* ---- on the invented node ---- */

static void test_node(void **state)
{
    struct node *n = node_make(2);
    struct topo *t = node_topo(n), *topos[2] = {t, t};
    char *names[] = {"a", "b"};
    struct spec s = {.bind.cores = true, .bind.gpu = "all"};
    struct plan plan = {0};
    struct factors *f;
    struct err e;
    (void)state;
    assert_int_equal(place(&s, false, names, topos, 2, &plan, &e), 0);
    assert_int_equal(factors_of_plan(&plan, names, NULL, &f), 0);
    assert_true(factors_has(f, 0, FACTOR_SWITCH, "a/0000:11:00.0"));
    assert_true(factors_has(f, 7, FACTOR_SWITCH, "b/0000:71:00.0"));
    assert_true(factors_has(f, 7, FACTOR_GPU_MODEL, "NVIDIA H100 80GB HBM3"));
    assert_true(factors_has(f, 6, FACTOR_NUMA, "b/1"));
    assert_true(factors_has(f, 6, FACTOR_RAIL, "mlx5_2"));
    assert_false(factors_has(f, 6, FACTOR_KERNEL, "6.8.0"));
    assert_false(factors_has(f, 8, FACTOR_NODE, "b"));
    factors_destroy(f);
    plan_fini(&plan);
    topo_destroy(t);
    free(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
