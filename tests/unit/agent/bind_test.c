/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/bind.h"
#include "proto/base/limits.h"
#include "tests/lib/skipped.h"

/* A plan with one rank. */
struct fixture {
    Aolani__Prepare plan;
    Aolani__RankPlan rank, *ranks[1];
    Aolani__KeyValue kv, *env[LIMIT_BIND_ENV + 1];
    uint32_t numa[LIMIT_NUMA + 1];
    char *gpus[LIMIT_GPUS + 1];
};

static void set_up(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    aolani__prepare__init(&f->plan);
    aolani__rank_plan__init(&f->rank);
    aolani__key_value__init(&f->kv);
    f->ranks[0] = &f->rank;
    f->plan.ranks = f->ranks;
    f->plan.n_ranks = 1;
    f->rank.rank = 7;
    f->rank.numa = f->numa;
    f->rank.gpus = f->gpus;
    f->kv.key = (char *)"NAME";
    f->kv.value = (char *)"=mlx5_0:1";
    for (size_t i = 0; i <= LIMIT_BIND_ENV; i++)
        f->env[i] = &f->kv;
    for (size_t i = 0; i <= LIMIT_GPUS; i++)
        f->gpus[i] = (char *)"GPU-1";
    f->plan.bind_env = f->rank.bind_env = f->env;
}

static void test_bounds(void **state)
{
    (void)state;
    char *name = calloc(1, LIMIT_DEVICE_NAME + 2),
         *value = calloc(1, LIMIT_BIND_VALUE + 2);
    assert_non_null(name);
    assert_non_null(value);
    memset(name, 'n', LIMIT_DEVICE_NAME + 1);
    memset(value, 'v', LIMIT_BIND_VALUE + 1);
    const struct {
        const char *nic, *gpu, *key, *value;
        size_t n_numa, n_gpus, n_env, n_rank_env;
        uint32_t numa;
        int memory;
        bool good;
    } table[] = {
        {"mlx5_0", "GPU-1", "N", "=v", 1, 1, 1, 1, 0, 1, true},
        {"", "", "N", "", LIMIT_NUMA, LIMIT_GPUS, LIMIT_BIND_ENV, LIMIT_BIND_ENV,
         LIMIT_NUMA - 1, 2, true},
        {name + 1, name + 1, name + 1, value + 1, 1, 1, 1, 1, 0, 0, true},
        {name, "", "N", "v", 1, 1, 1, 1, 0, 0, false},
        {"", name, "N", "v", 1, 1, 1, 1, 0, 0, false},
        {"", "", name, "v", 1, 1, 1, 1, 0, 0, false},
        {"", "", "N", value, 1, 1, 1, 1, 0, 0, false},
        {"a\033[1m", "", "N", "v", 1, 1, 1, 1, 0, 0, false},
        {"", "a b", "N", "v", 1, 1, 1, 1, 0, 0, false},
        {"", "", "N", "a\nb", 1, 1, 1, 1, 0, 0, false},
        {"", "", "", "v", 1, 1, 0, 1, 0, 0, false},
        {"", "", "N=M", "v", 1, 1, 1, 0, 0, 0, false},
        {"", "", "N", "v", LIMIT_NUMA + 1, 1, 1, 1, 0, 0, false},
        {"", "", "N", "v", 1, LIMIT_GPUS + 1, 1, 1, 0, 0, false},
        {"", "", "N", "v", 1, 1, LIMIT_BIND_ENV + 1, 1, 0, 0, false},
        {"", "", "N", "v", 1, 1, 1, LIMIT_BIND_ENV + 1, 0, 0, false},
        {"", "", "N", "v", 1, 1, 1, 1, LIMIT_NUMA, 0, false},
        {"", "", "N", "v", 1, 1, 1, 1, 0, 3, false},
        {"", "", "N", "v", 1, 1, 1, 1, 0, -1, false},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct fixture f;
        struct err e = {0};
        set_up(&f);
        f.rank.nic = (char *)table[i].nic;
        f.gpus[0] = (char *)table[i].gpu;
        f.kv.key = (char *)table[i].key;
        f.kv.value = (char *)table[i].value;
        f.numa[0] = table[i].numa;
        f.rank.n_numa = table[i].n_numa;
        f.rank.n_gpus = table[i].n_gpus;
        f.rank.n_bind_env = table[i].n_rank_env;
        f.plan.n_bind_env = table[i].n_env;
        f.plan.memory = (Aolani__MemoryPolicy)table[i].memory;
        int rc = bind_check(&f.plan, &e);
        if (rc != (table[i].good ? 0 : ERR_PROTO))
            fail_msg("row %zu: %d %s", i, rc, e.text);
    }
    free(name);
    free(value);
}

static void test_what_the_kernel_takes(void **state)
{
    (void)state;
    static const struct {
        int memory;
        bool strict;
        size_t n_numa;
        uint32_t numa[2];
        int mode;
        bool must;
    } table[] = {
        {AOLANI__MEMORY_POLICY__MEMORY_ANY, true, 1, {0}, 0, false},
        {AOLANI__MEMORY_POLICY__MEMORY_PREFER, false, 0, {0}, 0, false},
        {AOLANI__MEMORY_POLICY__MEMORY_BIND, false, 0, {0}, 0, false},
        {AOLANI__MEMORY_POLICY__MEMORY_PREFER, false, 1, {8}, 1, false},
        {AOLANI__MEMORY_POLICY__MEMORY_PREFER, true, 1, {8}, 1, true},
        {AOLANI__MEMORY_POLICY__MEMORY_PREFER, false, 2, {0, 65}, 5, false},
        {AOLANI__MEMORY_POLICY__MEMORY_BIND, false, 1, {1023}, 2, true},
        {AOLANI__MEMORY_POLICY__MEMORY_BIND, false, 2, {0, 64}, 2, true},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct fixture f;
        struct bind b;
        set_up(&f);
        f.plan.memory = (Aolani__MemoryPolicy)table[i].memory;
        f.plan.bind_strict = table[i].strict;
        f.rank.n_numa = table[i].n_numa;
        memcpy(f.numa, table[i].numa, sizeof table[i].numa);
        f.rank.cpus = (char *)(i % 2 ? "1,3-4" : "");
        assert_int_equal(bind_read(&f.plan, &f.rank, &b, NULL), 0);
        assert_int_equal(b.memory.mode, table[i].mode);
        assert_int_equal(b.memory.must, table[i].must);
        size_t bits = 0;
        for (size_t k = 0; k < LIMIT_NUMA; k++)
            bits += b.memory.nodes[k / SPAWN_NUMA_BITS] >> k % SPAWN_NUMA_BITS & 1;
        assert_int_equal(bits, table[i].mode ? table[i].n_numa : 0);
        for (size_t k = 0; table[i].mode && k < table[i].n_numa; k++) {
            uint32_t n = table[i].numa[k];
            assert_true(b.memory.nodes[n / SPAWN_NUMA_BITS] >> n % SPAWN_NUMA_BITS & 1);
        }
        assert_int_equal(b.cpus != NULL, i % 2);
        if (b.cpus) {
            assert_int_equal(CPU_COUNT_S(b.cpus_bytes, b.cpus), 3);
            assert_true(CPU_ISSET_S(4, b.cpus_bytes, b.cpus));
        }
        bind_fini(&b);
    }
}

static void test_what_fits(void **state)
{
    (void)state;
    static const struct {
        const char *cpus, *allowed; /* NUMA nodes; "": not known */
        uint32_t numa;
        int memory, rc;
        const char *text;
    } table[] = {
        {"0", "0", 0, AOLANI__MEMORY_POLICY__MEMORY_PREFER, 0, ""},
        {"0", "0", 0, AOLANI__MEMORY_POLICY__MEMORY_BIND, 0, ""},
        {"", "", 0, AOLANI__MEMORY_POLICY__MEMORY_BIND, 0, ""},
        {"1", "0", 0, AOLANI__MEMORY_POLICY__MEMORY_PREFER, ERR_BIND,
         "CPU 1 may not be used"},
        {"0", "0", 1, AOLANI__MEMORY_POLICY__MEMORY_BIND, ERR_BIND,
         "bind memory to NUMA node 1: it is not there, or may not be used"},
        /* Only preferred: the rank says so and runs. */
        {"0", "0", 1, AOLANI__MEMORY_POLICY__MEMORY_PREFER, 0, ""},
        {"0", "0", 1, AOLANI__MEMORY_POLICY__MEMORY_ANY, 0, ""},
        {"0", "", 1023, AOLANI__MEMORY_POLICY__MEMORY_PREFER, 0, ""},
        {"0", "", 1023, AOLANI__MEMORY_POLICY__MEMORY_BIND, ERR_BIND,
         "bind the memory of rank 7 to its NUMA nodes: Invalid argument"},
    };
    int before, after;
    if (syscall(SYS_get_mempolicy, &before, NULL, 0ul, NULL, 0ul) < 0)
        skip_because("no NUMA memory policies here");
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct fixture f;
        struct host h = {0};
        Aolani__NodeInfo info = AOLANI__NODE_INFO__INIT;
        struct err e = {0};
        set_up(&f);
        h.info = &info;
        info.allowed_cpus = (char *)"0";
        assert_int_equal(rankset_parse(&h.allowed, "0", NULL), 0);
        assert_int_equal(rankset_parse(&h.memory, table[i].allowed, NULL), 0);
        f.plan.memory = (Aolani__MemoryPolicy)table[i].memory;
        f.rank.cpus = (char *)table[i].cpus;
        f.rank.n_numa = 1;
        f.numa[0] = table[i].numa;
        int rc = bind_fit(&f.plan, &f.rank, &h, &e);
        if (rc != table[i].rc || !strstr(e.text, table[i].text))
            fail_msg("row %zu: %d %s", i, rc, e.text);
        rankset_fini(&h.allowed);
        rankset_fini(&h.memory);
    }
    /* It was tried on this process, which is as it was. */
    assert_int_equal(syscall(SYS_get_mempolicy, &after, NULL, 0ul, NULL, 0ul), 0);
    assert_int_equal(after, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_what_the_kernel_takes),
        cmocka_unit_test(test_what_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
