/* SPDX-License-Identifier: MIT */
/* factor_test.c - what is named, and how rarely something that is not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tests/lib/job_gen.h"

#define MOST 1024u

/* ---- small jobs, by hand ---- */

struct small {
    const char *what;
    uint32_t ranks;
    const char *facts; /* "6a=0-3 6b=4-7": kind, value, ranks */
    const char *slow;
    const char *found; /* "a b" values, "" none */
};

static const struct small smalls[] = {
    {"the only node of two", 64, "6a=0-1 6b=2-9 6c=10-17 6d=18-40 6e=41-63", "0-1",
     "a"},
    {"four ranks say nothing", 4, "6a=0-1 6b=2-3", "0-1", ""},
    {"two nodes of four say nothing", 8, "6a=0-3 6b=4-7", "0-3", ""},
    {"three nodes of four", 12, "6a=0-3 6b=4-7 6c=8-11", "4-7", "b"},
    {"one of a node", 64, "6a=0-7 6b=8-15", "3", ""},
    {"all ranks", 16, "6a=0-15", "0-15", ""},
    {"what holds for all", 16, "6a=0-15 7r=0-3", "0-3", "r"},
    {"the part of a node", 64, "6n=0-7 4m=0-3 4k=4-7 6o=8-15", "0-3", "m"},
    {"the node, not its part", 64, "6n=0-7 4m=0-3 4k=4-7 6o=8-15", "0-7", "n"},
    {"equal sets, the most telling first", 64, "6n=0-7 2c=0-7 4m=0-7 7r=8-15", "0-7",
     "c m n"},
    {"one is missed", 64, "6n=0-3 6o=4-7", "0-3,40", "n"},
    {"one of them is well", 64, "6n=0-3 6o=4-7", "0-2", "n"},
    {"most of them are well", 64, "6n=0-15 6o=16-31", "0-6", ""},
    {"two are missed of six", 64, "6n=0-3 6o=4-7", "0-3,40,50", "n"},
    {"three are missed of seven", 64, "6n=0-3 6o=4-7", "0-3,40,50,60", ""},
    {"scattered", 64, "6n=0-7 6o=8-15 6p=16-23 6q=24-31", "1,9,17,25", ""},
    {"half of all ranks", 64, "6n=0-31 6o=32-63", "0-31", "n"},
    {"a rank that is not there", 8, "6a=0-3", "0-3,9", ""},
    {"no facts", 64, "", "0-3", ""},
};

static size_t list(const char *text, uint32_t *ret)
{
    struct rankset s = {0};
    size_t n = 0;
    assert_int_equal(rankset_parse(&s, text, NULL), 0);
    for (int64_t i = rankset_next(&s, 0); i >= 0; i = rankset_next(&s, (uint32_t)i + 1))
        ret[n++] = (uint32_t)i;
    rankset_fini(&s);
    return n;
}

static void add_facts(struct factors *f, const char *text)
{
    char copy[200], *save;
    uint32_t ranks[MOST];
    snprintf(copy, sizeof copy, "%s", text);
    for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
        char value[2] = {w[1], '\0'};
        for (size_t n = list(w + 3, ranks); n-- > 0;) {
            assert_int_equal(factors_add(f, ranks[n], w[0] - '0', value), 0);
            assert_int_equal(factors_add(f, ranks[n], w[0] - '0', value), 0);
            assert_true(factors_has(f, ranks[n], w[0] - '0', value));
        }
    }
}

static void test_small(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof smalls / sizeof *smalls; i++) {
        const struct small *s = &smalls[i];
        struct factors *f;
        struct factor_found found[4];
        uint32_t slow[MOST];
        char text[100] = "";
        assert_int_equal(factors_create(s->ranks, &f), 0);
        add_facts(f, s->facts);
        size_t n = factors_find(f, slow, list(s->slow, slow), found, 4);
        for (size_t k = 0; k < n; k++) {
            strcat(strcat(text, k ? " " : ""), found[k].value);
            assert_true(found[k].p < 0.01 && found[k].p >= 0);
        }
        if (strcmp(text, s->found) != 0)
            fail_msg("%s: \"%s\", not \"%s\"", s->what, text, s->found);
        factors_destroy(f);
    }
}

/* 32 nodes of two ranks: two ranks of one are found by chance in 1.6 of 100 cases. */
static void test_pairs(void **state)
{
    const uint32_t slow[] = {6, 7};
    struct factors *f;
    struct factor_found found;
    char name[16];
    (void)state;
    for (uint32_t pairs = 8; pairs <= 64; pairs *= 2) {
        assert_int_equal(factors_create(2 * pairs, &f), 0);
        for (uint32_t i = 0; i < 2 * pairs; i++) {
            snprintf(name, sizeof name, "n%u", i / 2);
            assert_int_equal(factors_add(f, i, FACTOR_NODE, name), 0);
        }
        size_t n = factors_find(f, slow, 2, &found, 1);
        assert_int_equal(n, 1.0 / (2 * pairs - 1) < 0.01);
        factors_destroy(f);
    }
}

/* The tail, by counting: 4 of 10 ranks are slow, 3 or more of the 4 that share a fact. */
static void test_p(void **state)
{
    const uint32_t slow[] = {0, 1, 2, 9};
    struct factors *f;
    struct factor_found found;
    double outcomes = 0, all = 0;
    (void)state;
    for (unsigned m = 0; m < 1u << 20; m++) {
        if (__builtin_popcount(m) != 4)
            continue;
        all++;
        outcomes += __builtin_popcount(m & 15) >= 3;
    }
    assert_int_equal(factors_create(20, &f), 0);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(factors_add(f, i, FACTOR_NODE, "a"), 0);
    assert_int_equal(factors_find(f, slow, 4, &found, 1), 0); /* 1.3 % */
    assert_int_equal(factors_find(f, (uint32_t[]){0, 1, 2, 3}, 4, &found, 1), 1);
    assert_true(found.p * all > 0.999999 && found.p * all < 1.000001);
    assert_true(outcomes / all > 0.01);
    assert_true(found.holds == 4 && found.slow == 4);
    factors_destroy(f);
}

static void test_phrases(void **state)
{
    static const struct {
        enum factor_kind kind;
        const char *value, *phrase;
    } rows[] = {
        {FACTOR_LINK_WIDTH, "GPU at x8 instead of x16",
         "PCI link of the GPU at x8 instead of x16"},
        {FACTOR_PATH, "SYS", "GPU and NIC on different sockets"},
        {FACTOR_NIC, "gpu07/mlx5_3", "NIC mlx5_3 of node gpu07"},
        {FACTOR_SWITCH, "gpu07/0000:15:00.0", "PCI switch 0000:15:00.0 of node gpu07"},
        {FACTOR_NUMA, "gpu07/1", "NUMA node 1 of node gpu07"},
        {FACTOR_SHARED_CORES, "yes", "cores shared with other ranks"},
        {FACTOR_NODE, "gpu07", "node gpu07"},
        {FACTOR_RAIL, "mlx5_3", "NIC mlx5_3 of every node"},
        {FACTOR_GPU_MODEL, "NVIDIA A100", "GPU model NVIDIA A100"},
        {FACTOR_CPU_MODEL, "GenuineIntel family 6 model 143",
         "CPU model GenuineIntel family 6 model 143"},
        {FACTOR_DRIVER, "NVIDIA 535.1", "GPU driver NVIDIA 535.1"},
        {FACTOR_KERNEL, "5.15.0", "kernel 5.15.0"},
    };
    (void)state;
    assert_int_equal(sizeof rows / sizeof *rows, FACTOR_KINDS);
    for (size_t i = 0; i < FACTOR_KINDS; i++) {
        struct factor_found found = {.kind = rows[i].kind, .value = rows[i].value};
        struct buf b;
        buf_init(&b, 1000);
        assert_int_equal(factor_phrase(&found, &b), 0);
        assert_string_equal((char *)b.data, rows[i].phrase);
        buf_fini(&b);
    }
}

/* ---- planted in a job of 64 ranks ---- */

static void slow_links(struct job_gen *j)
{
    job_gen_narrow(j, 1, j->gens[1]->gpu[2].pci);
    job_gen_narrow(j, 3, j->gens[3]->gpu[6].pci);
    job_gen_narrow(j, 3, j->gens[3]->gpu[7].pci);
    job_gen_narrow(j, 6, j->gens[6]->gpu[3].pci);
}

static void slow_nic(struct job_gen *j)
{
    job_gen_narrow(j, 5, j->gens[5]->nic[2].pci);
}

static void crossing(struct job_gen *j)
{
    job_gen_cross(j, 5);
    job_gen_cross(j, 12);
    job_gen_cross(j, 44);
    job_gen_cross(j, 59);
}

static void share_cores(struct job_gen *j)
{
    static const uint32_t pairs[][2] = {{2, 3}, {20, 23}, {50, 51}};
    for (size_t i = 0; i < 3; i++) {
        free(j->plan.ranks[pairs[i][0]].cpus);
        j->plan.ranks[pairs[i][0]].cpus = strdup(j->plan.ranks[pairs[i][1]].cpus);
    }
}

static void other_software(struct job_gen *j)
{
    for (uint32_t i = 0; i < 2; i++) {
        j->gens[1 + i]->m.gpu_driver = "NVIDIA 535.1";
        j->info[3 + i].kernel = "5.15.0";
        j->gens[5 + i]->m.cpu_model = 106;
        for (size_t k = 0; k < 8; k++)
            j->gens[i]->gpu[k].model = "NVIDIA A100";
    }
}

static const struct planted {
    enum factor_kind kind;
    const char *value;
    job_gen_change *nodes, *plan;
    uint32_t holds;
} planteds[] = {
    {FACTOR_LINK_WIDTH, "GPU at x8 instead of x16", slow_links, NULL, 4},
    {FACTOR_LINK_WIDTH, "NIC at x8 instead of x16", slow_nic, NULL, 4},
    {FACTOR_PATH, "SYS", NULL, crossing, 4},
    {FACTOR_NIC, "gpu03/mlx5_0", NULL, NULL, 3},
    {FACTOR_NIC, "gpu03/mlx5_2", NULL, NULL, 4},
    {FACTOR_SWITCH, "gpu06/0000:03:00.0", NULL, NULL, 3},
    {FACTOR_NUMA, "gpu06/0", NULL, NULL, 4},
    {FACTOR_SHARED_CORES, "yes", NULL, share_cores, 6},
    {FACTOR_NODE, "gpu02", NULL, NULL, 8},
    {FACTOR_RAIL, "mlx5_0", NULL, NULL, 24},
    {FACTOR_RAIL, "mlx5_1", NULL, NULL, 8},
    {FACTOR_GPU_MODEL, "NVIDIA A100", other_software, NULL, 16},
    {FACTOR_CPU_MODEL, "GenuineIntel family 6 model 106", other_software, NULL, 16},
    {FACTOR_DRIVER, "NVIDIA 535.1", other_software, NULL, 16},
    {FACTOR_KERNEL, "5.15.0", other_software, NULL, 16},
};

static uint32_t below(uint64_t *seed, uint32_t n)
{
    return topo_gen_next(seed) % n;
}

static bool listed(const uint32_t *ranks, size_t n, uint32_t rank)
{
    for (size_t i = 0; i < n; i++) {
        if (ranks[i] == rank)
            return true;
    }
    return false;
}

/* Who has it. */
static uint32_t holders(const struct job_gen *j, enum factor_kind kind,
                        const char *value, uint32_t *ret)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < j->plan.world_size; i++) {
        if (factors_has(j->factors, i, kind, value))
            ret[n++] = i;
    }
    return n;
}

/* What is found must be planted, or mean the same ranks. */
static void expect_only(const struct job_gen *j, const struct planted *p,
                        const uint32_t *slow, size_t n_slow, const char *how)
{
    struct factor_found found[8];
    uint32_t theirs[MOST], others[MOST], n = holders(j, p->kind, p->value, theirs);
    size_t n_found = factors_find(j->factors, slow, n_slow, found, 8);
    bool named = false;
    for (size_t i = 0; i < n_found; i++) {
        named = named ||
                (found[i].kind == p->kind && strcmp(found[i].value, p->value) == 0);
        if (holders(j, found[i].kind, found[i].value, others) != n ||
            memcmp(theirs, others, n * sizeof *theirs) != 0)
            fail_msg("\"%s\", %s: \"%s\" is named", p->value, how, found[i].value);
    }
    if (!named)
        fail_msg("\"%s\", %s: is not named", p->value, how);
}

/* Other ranks, of nodes that have nothing of it where there are such. */
static size_t add_others(const struct job_gen *j, const uint32_t *theirs, size_t n,
                         size_t more, uint64_t *seed, uint32_t *slow)
{
    size_t n_slow = n;
    memcpy(slow, theirs, n * sizeof *slow);
    for (uint32_t tries = 0; n_slow < n + more; tries++) {
        uint32_t rank = below(seed, j->plan.world_size);
        bool near = false;
        for (size_t i = 0; tries < 1000 && i < n; i++)
            near = near || theirs[i] / 8 == rank / 8;
        if (!near && !listed(slow, n_slow, rank))
            slow[n_slow++] = rank;
    }
    return n_slow;
}

static void test_planted(void **state)
{
    static struct job_gen j;
    uint32_t theirs[MOST], slow[MOST];
    uint64_t seed = 5;
    (void)state;
    for (size_t i = 0; i < sizeof planteds / sizeof *planteds; i++) {
        const struct planted *p = &planteds[i];
        job_gen_make(&j, JOB_GEN_LINE, 8, 0, p->nodes, p->plan);
        uint32_t n = holders(&j, p->kind, p->value, theirs);
        if (n != p->holds)
            fail_msg("\"%s\": %u ranks, not %u", p->value, n, p->holds);
        for (int turn = 0; turn < 200; turn++) {
            expect_only(&j, p, theirs, n, "alone");
            expect_only(&j, p, slow, add_others(&j, theirs, n, 1, &seed, slow),
                        "another is slow");
            if (n < 4) /* three of five are not nearly all; one of three is not sure */
                continue;
            expect_only(&j, p, slow, add_others(&j, theirs, n, 2, &seed, slow),
                        "two others are slow");
            memcpy(slow, theirs, n * sizeof *slow);
            /* Not the fourth of a NUMA node: those left would be a switch. */
            slow[below(&seed, 3)] = slow[n - 1];
            expect_only(&j, p, slow, n - 1, "one is well");
        }
        job_gen_fini(&j);
    }
}

/* ---- nothing planted ---- */

static void all_changes(struct job_gen *j)
{
    if (j->n_nodes == 8) {
        slow_links(j);
        other_software(j);
    }
}

static void all_plans(struct job_gen *j)
{
    if (j->n_nodes == 8) {
        crossing(j);
        share_cores(j);
    }
}

static size_t draw(uint32_t world_size, uint32_t most, uint64_t *seed, uint32_t *slow)
{
    size_t n = 1 + below(seed, most < world_size ? most : world_size - 1), got = 0;
    while (got < n) {
        uint32_t rank = below(seed, world_size);
        if (!listed(slow, got, rank))
            slow[got++] = rank;
    }
    return n;
}

static void test_nothing_planted(void **state)
{
    static const struct {
        uint32_t nodes, per_node, runs;
    } rows[] = {{1, 8, 10000}, {2, 4, 10000}, {4, 2, 10000},  {2, 8, 10000},
                {4, 4, 10000}, {8, 8, 10000}, {32, 2, 10000}, {64, 8, 1000}};
    static struct job_gen j;
    uint64_t seed = 20;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct factor_found found;
        uint32_t slow[MOST], named = 0;
        job_gen_make(&j, JOB_GEN_LINE, rows[i].nodes, rows[i].per_node, all_changes,
                     all_plans);
        for (uint32_t run = 0; run < rows[i].runs; run++) {
            size_t n = draw(j.plan.world_size, 16, &seed, slow);
            named += factors_find(j.factors, slow, n, &found, 1) > 0;
        }
        print_message("%u nodes of %u ranks: %u of %u random runs name something\n",
                      rows[i].nodes, rows[i].per_node, named, rows[i].runs);
        assert_true(named * 100 < rows[i].runs);
        job_gen_fini(&j);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small),   cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_p),       cmocka_unit_test(test_phrases),
        cmocka_unit_test(test_planted), cmocka_unit_test(test_nothing_planted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
