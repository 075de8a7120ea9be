/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "launcher/fleet_address.h"
#include "proto/base/limits.h"

#define NODES 4

/* "10.0.0.1/24 fd00::1/64" */
static void fill(Aolani__NodeInfo *m, const char *text, char *copy, char **addresses,
                 uint32_t *bits)
{
    aolani__node_info__init(m);
    m->addresses = addresses;
    m->address_bits = bits;
    strcpy(copy, text);
    for (char *p = strtok(copy, " "); p; p = strtok(NULL, " ")) {
        char *slash = strchr(p, '/');
        if (slash) {
            *slash = '\0';
            bits[m->n_address_bits++] = (uint32_t)atoi(slash + 1);
        }
        addresses[m->n_addresses++] = p;
    }
}

static void test_table(void **state)
{
    static const struct {
        const char *what, *nodes[NODES], *seen, *want;
    } table[] = {
        {"one network", {"10.0.0.1/24", "10.0.0.2/24"}, "10.0.0.1", "10.0.0.1"},
        {"two networks for all: as the head sees it",
         {"10.0.0.1/24 10.1.0.1/24", "10.0.0.2/24 10.1.0.2/24"},
         "10.1.0.1",
         "10.1.0.1"},
        {"two networks for all, over the channel: the first",
         {"10.0.0.1/24 10.1.0.1/24", "10.0.0.2/24 10.1.0.2/24"},
         "",
         "10.0.0.1"},
        {"the head's network is not the nodes'",
         {"192.168.0.1/24 10.1.0.1/24", "10.1.0.2/24", "10.1.0.3/24"},
         "192.168.0.1",
         "10.1.0.1"},
        {"the one that most are in",
         {"10.0.0.1/24 10.1.0.1/24", "10.0.0.2/24", "10.1.0.2/24", "10.1.0.3/24"},
         "10.0.0.1",
         "10.1.0.1"},
        {"the head is node 0 itself",
         {"10.0.0.1/24", "10.0.0.2/24"},
         "127.0.0.1",
         "10.0.0.1"},
        {"a router that translates",
         {"10.9.0.1/24 10.0.0.1/24", "10.0.0.2/24"},
         "203.0.113.7",
         "10.0.0.1"},
        {"routed: no common network, what the head sees",
         {"10.0.1.1/24 10.8.1.1/24", "10.0.2.1/24 10.8.2.1/24"},
         "10.8.1.1",
         "10.8.1.1"},
        {"/32, as in some clouds",
         {"10.0.0.1/32", "10.0.0.2/32"},
         "10.0.0.1",
         "10.0.0.1"},
        {"a bridge for containers, the same everywhere",
         {"172.17.0.1/16 10.0.0.1/24", "172.17.0.1/16 10.0.0.2/24"},
         "",
         "10.0.0.1"},
        {"nothing but such a bridge", {"172.17.0.1/16", "172.17.0.1/16"}, "", NULL},
        {"another size of network is another network",
         {"10.0.5.1/16 10.1.0.1/24", "10.0.9.1/24 10.1.0.2/24"},
         "10.0.5.1",
         "10.1.0.1"},
        {"bits within a byte",
         {"10.0.0.33/27 10.0.0.65/27", "10.0.0.70/27"},
         "10.0.0.33",
         "10.0.0.65"},
        {"IPv6 alone", {"fd00:1::1/64", "fd00:1::2/64"}, "fd00:1::1", "fd00:1::1"},
        {"both kinds: as the head sees it",
         {"10.0.0.1/24 fd00:1::1/64", "10.0.0.2/24 fd00:1::2/64"},
         "fd00:1::1",
         "fd00:1::1"},
        {"one node has IPv6 alone",
         {"10.0.0.1/24 fd00:1::1/64", "10.0.0.2/24 fd00:1::2/64", "fd00:1::3/64"},
         "10.0.0.1",
         "fd00:1::1"},
        {"a link's own address, with its scope, says nothing",
         {"10.0.0.1/24 10.1.0.1/24", "10.1.0.2/24"},
         "fe80::1%eth0",
         "10.1.0.1"},
        {"one node", {"10.0.0.1/24 10.1.0.1/24"}, "10.1.0.1", "10.1.0.1"},
        {"no address at all", {""}, "127.0.0.1", NULL},
        {"no size known", {"10.0.0.1 10.1.0.1", "10.0.0.2"}, "10.1.0.1", "10.1.0.1"},
        {"sizes that cannot be", {"10.0.0.1/99", "10.0.0.2/99"}, "", "10.0.0.1"},
        {"what is no address is passed over", {"x/8 10.0.0.1/8"}, "", "10.0.0.1"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        Aolani__NodeInfo m[NODES];
        const Aolani__NodeInfo *infos[NODES] = {0};
        char copy[NODES][200], *addresses[NODES][8];
        uint32_t bits[NODES][8];
        size_t n = 0;
        for (; n < NODES && table[i].nodes[n]; n++) {
            fill(&m[n], table[i].nodes[n], copy[n], addresses[n], bits[n]);
            infos[n] = &m[n];
        }
        const char *got = fleet_pick_address(infos, n, 0, table[i].seen);
        if ((got == NULL) != (table[i].want == NULL) ||
            (got && strcmp(got, table[i].want) != 0))
            fail_msg("%s: %s", table[i].what, got ? got : "none");
    }
    const Aolani__NodeInfo *nobody[1] = {NULL};
    assert_null(fleet_pick_address(nobody, 1, 0, "10.0.0.1"));
}

/* What two nodes name beyond the bound is not compared: it would take minutes. */
static void test_no_more_than_a_node_may_have(void **state)
{
    static char *addresses[100000];
    static char *mine[LIMIT_ADDRESSES + 1];
    (void)state;
    for (size_t i = 0; i < 100000; i++)
        addresses[i] = "10.1.0.2";
    for (size_t i = 0; i < LIMIT_ADDRESSES; i++)
        mine[i] = "no address";
    mine[LIMIT_ADDRESSES] = "10.0.0.1";
    Aolani__NodeInfo m[2];
    aolani__node_info__init(&m[0]);
    aolani__node_info__init(&m[1]);
    m[0].addresses = mine;
    m[0].n_addresses = LIMIT_ADDRESSES + 1;
    m[1].addresses = addresses;
    m[1].n_addresses = 100000;
    const Aolani__NodeInfo *infos[] = {&m[0], &m[1]};
    assert_null(fleet_pick_address(infos, 2, 0, ""));
    assert_string_equal(fleet_pick_address(infos, 2, 1, ""), "10.1.0.2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_no_more_than_a_node_may_have)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
