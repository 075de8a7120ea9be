/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "launcher/place/place.h"
#include "proto/base/rankset.h"

#define MAX_CORES 16

struct machine {
    Aolani__NodeInfo info;
    Aolani__Core cores[MAX_CORES];
    Aolani__Core *list[MAX_CORES];
    uint32_t pus[MAX_CORES][2];
};

/* Core i has the hardware threads i and, with smt, i + n. */
static void machine_init(struct machine *m, size_t n, bool smt)
{
    aolani__node_info__init(&m->info);
    for (size_t i = 0; i < n; i++) {
        aolani__core__init(&m->cores[i]);
        m->pus[i][0] = (uint32_t)i;
        m->pus[i][1] = (uint32_t)(i + n);
        m->cores[i].pus = m->pus[i];
        m->cores[i].n_pus = smt ? 2 : 1;
        m->list[i] = &m->cores[i];
    }
    m->info.cores = m->list;
    m->info.n_cores = n;
    m->info.allowed_cpus = "0-31";
}

struct row {
    const char *what;
    size_t cores;
    bool smt, shared, bind, strict;
    int64_t per_node, housekeeping;
    uint32_t nodes;
    int rc;
    const char *cpus; /* of all ranks, separated by blanks; "-" not bound */
    size_t warnings;
};

static const struct row rows[] = {
    {"even", 8, false, false, true, true, 4, 0, 1, 0, "0-1 2-3 4-5 6-7", 0},
    {"uneven shares differ by one", 5, false, false, true, true, 2, 0, 1, 0, "0-1 2-4",
     0},
    {"threads of a core stay together", 4, true, false, true, true, 2, 0, 1, 0,
     "0-1,4-5 2-3,6-7", 0},
    {"housekeeping", 4, false, false, true, true, 3, 1, 1, 0, "1 2 3", 0},
    {"each host has its own cores", 2, false, false, true, true, 2, 0, 2, 0, "0 1 0 1",
     0},
    {"simulated nodes share", 4, false, true, true, true, 2, 0, 2, 0, "0 1 2 3", 0},
    {"more ranks than cores", 2, false, false, true, false, 3, 0, 1, 0, "0 1 0", 1},
    {"more nodes than cores", 1, false, true, true, false, 1, 0, 2, 0, "0 0", 0},
    {"strict refuses", 2, false, false, true, true, 3, 0, 1, ERR_BIND, "", 0},
    {"not bound", 2, false, false, false, false, 3, 0, 1, 0, "- - -", 0},
    {"gpu without GPUs", 2, false, false, true, false, 0, 0, 1, ERR_BIND, "", 0},
    {"too many", 2, false, false, true, false, 5000, 0, 1, ERR_BIND, "", 0},
};

static void check_row(const struct row *row)
{
    static struct machine m;
    machine_init(&m, row->cores, row->smt);
    struct topo *t;
    assert_int_equal(topo_of_node(&m.info, &t, NULL), 0);
    struct topo *topos[4] = {t, t, t, t};
    char *names[] = {"a", "b", "c", "d"};
    struct spec s = {0};
    s.job.ranks_per_node = row->per_node;
    s.bind.cores = row->bind;
    s.bind.strict = row->strict;
    s.bind.housekeeping_cores = row->housekeeping;
    struct plan p = {0};
    struct err e;
    int rc = place(&s, row->shared, names, topos, row->nodes, &p, &e);
    if (rc != row->rc)
        fail_msg("%s: %d", row->what, rc);
    char got[200] = "";
    for (uint32_t i = 0; i < p.world_size; i++) {
        const char *cpus = p.ranks[i].cpus[0] ? p.ranks[i].cpus : "-";
        size_t at = strlen(got);
        (void)snprintf(got + at, sizeof got - at, "%s%s", i ? " " : "", cpus);
        assert_int_equal(p.ranks[i].rank, i);
    }
    if (strcmp(got, row->cpus) != 0 || p.n_notes != row->warnings)
        fail_msg("%s: \"%s\", %zu warnings", row->what, got, p.n_notes);
    plan_fini(&p);
    topo_destroy(t);
}

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_row(&rows[i]);
}

/* With cores enough, no core is given twice and every usable one is given. */
static void test_no_overlap_and_all_used(void **state)
{
    (void)state;
    static struct machine m;
    char *names[] = {"a"};
    for (size_t cores = 1; cores <= MAX_CORES; cores++) {
        for (int64_t ranks = 1; ranks <= (int64_t)cores; ranks++) {
            machine_init(&m, cores, false);
            struct topo *t;
            assert_int_equal(topo_of_node(&m.info, &t, NULL), 0);
            struct spec s = {.job.ranks_per_node = ranks, .bind.cores = true};
            struct plan p = {0};
            struct rankset all = {0};
            size_t sum = 0;
            assert_int_equal(place(&s, false, names, &t, 1, &p, NULL), 0);
            for (uint32_t i = 0; i < p.world_size; i++) {
                struct rankset one = {0};
                assert_int_equal(rankset_parse(&one, p.ranks[i].cpus, NULL), 0);
                sum += rankset_count(&one);
                for (int64_t c = rankset_next(&one, 0); c >= 0;
                     c = rankset_next(&one, (uint32_t)c + 1))
                    assert_int_equal(rankset_add(&all, (uint32_t)c), 0);
                rankset_fini(&one);
            }
            assert_int_equal(sum, cores);
            assert_int_equal(rankset_count(&all), cores);
            rankset_fini(&all);
            plan_fini(&p);
            topo_destroy(t);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_no_overlap_and_all_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
