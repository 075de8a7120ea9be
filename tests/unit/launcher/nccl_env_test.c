/* SPDX-License-Identifier: MIT */
/* What changes NCCL's choice for the first GPU: its variables, a port that is down, other
 * switches, facts that are missing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/lib/nccl_machines.h"

static struct nccl_choice first_gpu(const struct machine *m, const char *env,
                                    void (*change)(struct node *), char *ret_nic)
{
    struct node *n = calloc(1, sizeof *n);
    struct err e;
    struct topo *t;
    fill(n, m);
    if (change)
        change(n);
    if (topo_load(&n->m, &t, &e) < 0)
        fail_msg("%s", e.text);
    struct nccl_choice c[8];
    struct nccl_env v = nccl_env_default;
    nccl_env_set(&v, env);
    uint32_t nics[32], gpus[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    size_t n_nics = allowed(t, m->never, nics);
    assert_int_equal(nccl_predict(t, &v, nics, n_nics, gpus, t->n_gpus, c, NULL), 0);
    join(t, c[0].fused, c[0].n_fused, '+', ret_nic, 100);
    struct nccl_choice ret = c[0];
    ret.candidates = NULL;
    for (size_t g = 0; g < t->n_gpus; g++)
        nccl_choice_fini(&c[g]);
    topo_destroy(t);
    free(n);
    return ret;
}

static void first_nic_down(struct node *n)
{
    n->port[0].state = 1;
}
static void amd(struct node *n)
{
    for (size_t i = 0; i < n->m.n_gpus; i++)
        n->gpu[i].vendor = "AMD";
}
/* Broadcom's Gen4 switches in base mode: the two levels are one switch. */
static void broadcom(struct node *n)
{
    for (size_t i = 0; i < n->m.n_pci; i++) {
        n->pci[i].vendor = n->pci[i].kind == AOLANI__PCI_NODE__KIND__BRIDGE
                               ? 0x1000
                               : n->pci[i].vendor;
        n->pci[i].device = n->pci[i].vendor == 0x1000 ? 0xc010 : n->pci[i].device;
        n->pci[i].subsystem = 0x1000a024;
    }
}
/* Nothing is known of links but what hwloc exports: Gen4 x16. */
static void only_mbytes(struct node *n)
{
    for (size_t i = 0; i < n->m.n_pci; i++)
        n->link[i] = (Aolani__PciLink){.base = n->link[i].base, .now_mbytes = 31507};
}

static void what_changes_it(void **state)
{
    (void)state;
    enum { DGX_A100 = 0, OCI_H100 = 1, AZURE = 2, GB200 = 7, ONE_BUS = 13 };
    static const struct {
        const char *env;
        void (*change)(struct node *);
        const char *nic;
        size_t machine;
        enum nccl_path path;
        double bandwidth;
        bool gdr, known;
    } cases[] = {
        {"OTHER=1", NULL, "mlx5_0", DGX_A100, NCCL_PATH_PXB, 24, true, true},
        {"NCCL_NET_GDR_LEVEL=PIX", NULL, "mlx5_0", DGX_A100, NCCL_PATH_PHB, 24, false,
         true},
        {"NCCL_NET_GDR_LEVEL=1", NULL, "mlx5_0", DGX_A100, NCCL_PATH_PHB, 24, false,
         true},
        {"NCCL_NET_GDR_LEVEL=silly", NULL, "mlx5_0", DGX_A100, NCCL_PATH_PXB, 24, true,
         true},
        {"NCCL_NET_GDR_LEVEL=SYS", NULL, "ib0", AZURE, NCCL_PATH_PHB, 48, true, true},
        {"NCCL_NET_GDR_LEVEL=9", NULL, "ib0", AZURE, NCCL_PATH_PHB, 48, true, true},
        {"NCCL_NET_GDR_C2C=0", NULL, "mlx5_0", GB200, NCCL_PATH_P2C, 48, false, true},
        {"NCCL_NET_GDR_C2C=", NULL, "mlx5_0", GB200, NCCL_PATH_P2C, 48, true, true},
        {"NCCL_NET_GDR_C2C=yes", NULL, "mlx5_0", GB200, NCCL_PATH_P2C, 48, true, true},
        {"NCCL_IB_MERGE_NICS=0", NULL, "mlx5_0", OCI_H100, NCCL_PATH_PXB, 25, true,
         true},
        {"NCCL_NET_MERGE_LEVEL=LOC", NULL, "mlx5_0", OCI_H100, NCCL_PATH_PXB, 25, true,
         true},
        {"NCCL_IB_MERGE_VFS=0", NULL, "mlx5_0", ONE_BUS, NCCL_PATH_PHB, 25, false,
         true},
        {"", first_nic_down, "mlx5_1", DGX_A100, NCCL_PATH_PXB, 24, true, true},
        /* 25 of its own card are less than another's 48 through that one's GPU. */
        {"", first_nic_down, "mlx5_3+mlx5_4", OCI_H100, NCCL_PATH_PXN, 48, true, true},
        {"", broadcom, "mlx5_0", DGX_A100, NCCL_PATH_PIX, 24, true, true},
        {"", only_mbytes, "mlx5_0+mlx5_1", OCI_H100, NCCL_PATH_PXB, 24, true, true},
        {"", amd, "", DGX_A100, NCCL_PATH_DIS, 0, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char nic[100];
        const struct machine *m = &machines[cases[i].machine];
        struct nccl_choice c = first_gpu(m, cases[i].env, cases[i].change, nic);
        if (strcmp(nic, cases[i].nic) != 0 || c.path != cases[i].path ||
            c.bandwidth != cases[i].bandwidth || c.gdr != cases[i].gdr ||
            c.known != cases[i].known)
            fail_msg("%zu: %s with \"%s\": %s, %s, %g, %d (%s)", i, m->name,
                     cases[i].env, nic, nccl_path_name(c.path), c.bandwidth, c.gdr,
                     c.why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_changes_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
