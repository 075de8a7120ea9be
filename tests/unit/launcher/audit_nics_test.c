/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/audit_nics.h"

#define N    3u
#define NICS 3u

struct node {
    Aolani__NodeInfo info;
    Aolani__Topology topo;
    Aolani__Core core, *cores[1];
    Aolani__Nic nics[NICS], *nic_list[NICS];
    Aolani__NicPort ports[NICS], *port_list[NICS];
    uint32_t pus[1];
};

static char *word_auto[] = {(char *)"auto", NULL},
            *word_second[] = {(char *)"mlx5_1", NULL};

/* states: of mlx5_0 and so on; 0: there is none; more than 10: the same with another name.
 * They come in the order of their bus ids, which is not that of the description. */
static void make_node(struct node *n, const unsigned states[NICS],
                      Aolani__Nic__Kind kind)
{
    static const char *const names[] = {"mlx5_0", "mlx5_1", "mlx5_2",
                                        "hca_0",  "hca_1",  "hca_2"};
    static const char *const buses[] = {"0000:18:00.0", "0000:3b:00.0", "0000:5d:00.0"};
    memset(n, 0, sizeof *n);
    aolani__node_info__init(&n->info);
    aolani__topology__init(&n->topo);
    aolani__core__init(&n->core);
    n->core.pus = n->pus;
    n->core.n_pus = 1;
    n->cores[0] = &n->core;
    n->info.cores = n->topo.cores = n->cores;
    n->info.n_cores = n->topo.n_cores = 1;
    n->info.allowed_cpus = n->topo.allowed_cpus = (char *)"0";
    n->info.topology = &n->topo;
    n->topo.nics = n->nic_list;
    for (size_t i = NICS; i-- > 0;) {
        if (!states[i])
            continue;
        aolani__nic__init(&n->nics[i]);
        aolani__nic_port__init(&n->ports[i]);
        n->ports[i].number = 1;
        n->ports[i].state = states[i] % 10;
        n->ports[i].layer = (char *)(kind ? "InfiniBand" : "Ethernet");
        n->ports[i].rate_mbits = 400000;
        n->port_list[i] = &n->ports[i];
        n->nics[i].name = (char *)names[states[i] > 10 ? i + NICS : i];
        n->nics[i].bus_id = (char *)buses[i];
        n->nics[i].kind = kind;
        n->nics[i].ports = &n->port_list[i];
        n->nics[i].n_ports = 1;
        n->nic_list[n->topo.n_nics++] = &n->nics[i];
    }
}

static void test_choice(void **state)
{
    static const struct {
        unsigned states[N][NICS]; /* 9: the node never connected */
        Aolani__Nic__Kind kind;
        char **list, **exclude;
        const char *wanted[N]; /* "-": it lacks this one; NULL: it has none */
    } table[] = {
        {{{4, 4}, {4, 4}, {4, 4}},
         AOLANI__NIC__KIND__INFINIBAND,
         word_auto,
         NULL,
         {"mlx5_0 mlx5_1", "mlx5_0 mlx5_1", "mlx5_0 mlx5_1"}},
        {{{4, 4, 4}, {4, 1, 4}, {0, 0, 0}},
         AOLANI__NIC__KIND__INFINIBAND,
         word_auto,
         NULL,
         {"mlx5_0 mlx5_1 mlx5_2", "mlx5_0 - mlx5_2", NULL}},
        {{{0, 4, 4}, {4, 4, 4}, {0, 14, 14}},
         AOLANI__NIC__KIND__INFINIBAND,
         word_auto,
         NULL,
         {"- mlx5_1 mlx5_2", "mlx5_0 mlx5_1 mlx5_2", "hca_1 hca_2 -"}},
        {{{4, 4}, {9, 9}, {4, 0}},
         AOLANI__NIC__KIND__ROCE,
         word_second,
         NULL,
         {"mlx5_1", NULL, NULL}},
        {{{4, 4}, {4, 4}, {4, 4}},
         AOLANI__NIC__KIND__ETHERNET,
         word_auto,
         NULL,
         {NULL, NULL, NULL}},
    };
    (void)state;
    for (size_t t = 0; t < sizeof table / sizeof *table; t++) {
        struct node nodes[N];
        const Aolani__NodeInfo *infos[N];
        struct audit a = {.n = N};
        struct spec s = {.bind = {.nic = {table[t].list, 1}}};
        assert_non_null(a.nodes = calloc(N, sizeof *a.nodes));
        for (size_t i = 0; i < N; i++) {
            make_node(&nodes[i], table[t].states[i], table[t].kind);
            infos[i] = table[t].states[i][0] == 9 ? NULL : &nodes[i].info;
        }
        assert_int_equal(audit_nics(&s, infos, &a), 0);
        for (size_t i = 0; i < N; i++) {
            const char *wanted = table[t].wanted[i] ? table[t].wanted[i] : "";
            char got[120] = "";
            for (uint32_t k = 0; k < a.nodes[i].n_rails; k++) {
                const char *name = a.nodes[i].rails[k] ? a.nodes[i].rails[k] : "-";
                (void)snprintf(got + strlen(got), sizeof got - strlen(got), "%s%s",
                               k ? " " : "", name);
            }
            if (strcmp(wanted, got) != 0)
                fail_msg("row %zu: node %zu has \"%s\", not \"%s\"", t, i, got, wanted);
        }
        audit_fini(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_choice)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
