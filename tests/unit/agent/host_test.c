/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/folders.h"
#include "agent/host.h"
#include "agent/plan.h"
#include "agent/rankbase.h"
#include "proto/base/limits.h"

static char sysfs[64];

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(sysfs, sizeof sysfs, "/tmp/aolani-host-test-XXXXXX");
    return mkdtemp(sysfs) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return folders_remove_tree(sysfs, NULL);
}

static void put(unsigned cpu, const char *file, const char *text)
{
    char path[256];
    static const char *const parts[] = {"/devices", "/system", "/cpu"};
    int n = snprintf(path, sizeof path, "%s", sysfs);
    for (size_t i = 0; i < 3; i++) {
        n += snprintf(path + n, sizeof path - (size_t)n, "%s", parts[i]);
        (void)mkdir(path, 0700);
    }
    n += snprintf(path + n, sizeof path - (size_t)n, "/cpu%u", cpu);
    (void)mkdir(path, 0700);
    n += snprintf(path + n, sizeof path - (size_t)n, "/topology");
    (void)mkdir(path, 0700);
    (void)snprintf(path + n, sizeof path - (size_t)n, "/%s", file);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void show(Aolani__Core **cores, size_t n, char *ret, size_t size)
{
    int at = 0;
    ret[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < cores[i]->n_pus; k++)
            at += snprintf(ret + at, size - (size_t)at, "%s%u",
                           k   ? "+"
                           : i ? " "
                               : "",
                           cores[i]->pus[k]);
        aolani__core__free_unpacked(cores[i], NULL);
    }
    free(cores);
}

static void test_cores(void **state)
{
    (void)state;
    static const struct {
        const char *allowed, *want;
    } table[] = {
        {"0-7", "0+4 1+5 2 3 6 7"}, /* 2 and 6 say nothing, 3 and 7 nonsense */
        {"1,4-5", "1+5 4"},         /* the other thread of core 0 is not ours */
        {"5", "5"},
        {"", ""},
    };
    put(0, "core_cpus_list", "0,4\n");
    put(4, "core_cpus_list", "0,4\n");
    put(1, "thread_siblings_list", "1,5\n"); /* before Linux 5.3 */
    put(5, "thread_siblings_list", "1,5\n");
    put(3, "core_cpus_list", "all of them\n");
    put(7, "core_cpus_list", "0-1\n"); /* without itself */
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct rankset allowed = {0};
        Aolani__Core **cores;
        size_t n;
        char got[128];
        assert_int_equal(rankset_parse(&allowed, table[i].allowed, NULL), 0);
        assert_int_equal(host_read_cores(sysfs, &allowed, &cores, &n, NULL), 0);
        show(cores, n, got, sizeof got);
        assert_string_equal(got, table[i].want);
        rankset_fini(&allowed);
    }
}

static void test_adapters(void **state)
{
    (void)state;
    static const struct {
        const char *below;
        bool want;
    } table[] = {{"", false},
                 {"/class", false},
                 {"/class/infiniband", false},
                 {"/class/infiniband/mlx5_0", true}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char path[128];
        struct host h;
        (void)snprintf(path, sizeof path, "%s%s", sysfs, table[i].below);
        assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
        assert_int_equal(host_describe(sysfs, &h, NULL), 0);
        assert_int_equal(h.info->infiniband, table[i].want);
        host_fini(&h);
    }
}

static void test_this_host(void **state)
{
    (void)state;
    struct host h;
    struct err e;
    char too_much[32];
    assert_int_equal(host_describe("/sys", &h, &e), 0);
    assert_true(h.info->n_cores > 0);
    assert_true(h.info->mem_bytes > 0);
    assert_int_equal(h.info->n_limits, RLIMITS_N);
    assert_string_equal(h.info->limits[0]->name, "memlock");
    assert_true(h.info->hostname[0] != '\0');
    assert_int_equal(host_check_cpus(&h, h.info->allowed_cpus, &e), 0);
    assert_int_equal(host_check_cpus(&h, "", &e), 0);
    assert_int_equal(host_count_cores(&h, h.info->allowed_cpus), h.info->n_cores);
    assert_int_equal(host_count_cores(&h, ""), 0);
    (void)snprintf(too_much, sizeof too_much, "%s,8191", h.info->allowed_cpus);
    assert_int_equal(host_check_cpus(&h, too_much, &e), ERR_BIND);
    assert_non_null(strstr(e.text, "8191"));
    assert_int_equal(host_check_cpus(&h, "3-1", &e), ERR_PARSE);
    for (size_t i = 0; i < h.info->n_addresses; i++) {
        assert_int_not_equal(strncmp(h.info->addresses[i], "127.", 4), 0);
        assert_int_not_equal(strncmp(h.info->addresses[i], "fe80:", 5), 0);
    }
    host_fini(&h);
    host_fini(&h);
}

/* ---- the plan that is made from it ---- */

struct fixture {
    Aolani__Prepare plan;
    Aolani__RankPlan rank[2];
    Aolani__RankPlan *ranks[2];
    uint32_t first[3];
    char *argv[2];
};

static void make_plan(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    aolani__prepare__init(&f->plan);
    f->plan.run_id = (char *)"00000000000000aa";
    f->plan.node_index = 1;
    f->plan.n_nodes = 2;
    f->plan.world_size = 4;
    f->first[1] = 2;
    f->first[2] = 4;
    f->plan.first_rank = f->first;
    f->plan.n_first_rank = 3;
    for (uint32_t i = 0; i < 2; i++) {
        aolani__rank_plan__init(&f->rank[i]);
        f->rank[i].rank = 2 + i;
        f->rank[i].local_rank = i;
        f->ranks[i] = &f->rank[i];
    }
    f->plan.ranks = f->ranks;
    f->plan.n_ranks = 2;
    f->argv[0] = (char *)"true";
    f->plan.argv = f->argv;
    f->plan.n_argv = 1;
    f->plan.workdir = (char *)"/";
    f->plan.mpi = (char *)"auto";
}

static void test_plans_that_are_refused(void **state)
{
    (void)state;
    for (int i = 0; i < 12; i++) {
        struct fixture f;
        make_plan(&f);
        switch (i) {
        case 1:
            f.plan.run_id = (char *)"00000000000000ab";
            break;
        case 2:
            f.plan.node_index = 0;
            break;
        case 3:
            f.plan.n_first_rank = 2;
            break;
        case 4:
            f.plan.n_argv = 0;
            break;
        case 5:
            f.rank[1].rank = 4; /* beyond the world */
            break;
        case 6:
            f.rank[1].rank = 2; /* twice */
            break;
        case 7:
            f.rank[0].rank = 0; /* of another node */
            break;
        case 8:
            f.plan.n_ranks = LIMIT_LOCAL_RANKS + 1;
            break;
        case 9:
            f.plan.world_size = UINT32_MAX;
            break;
        case 10:
            f.plan.n_nodes = 1; /* without us */
            f.plan.n_first_rank = 2;
            break;
        case 11:
            f.plan.n_env = LIMIT_ENV + 1;
            break;
        default:
            break;
        }
        int rc = plan_check(&f.plan, "00000000000000aa", 1, NULL);
        if (rc != (i == 0 ? 0 : ERR_PROTO))
            fail_msg("case %d: %d", i, rc);
    }
}

static void test_what_fits(void **state)
{
    (void)state;
    struct fixture f;
    struct host h;
    struct program p;
    struct err e;
    bool pmix;
    assert_int_equal(host_describe("/sys", &h, &e), 0);
    make_plan(&f);
    assert_int_equal(plan_fit(&f.plan, &h, &e), 0);
    f.rank[1].cpus = (char *)"8000";
    assert_int_equal(plan_fit(&f.plan, &h, &e), ERR_BIND);
    make_plan(&f);
    f.plan.workdir = (char *)"/no/such";
    assert_int_equal(plan_fit(&f.plan, &h, &e), ERR_USAGE);
    make_plan(&f);
    static char huge[200000]; /* more than Linux takes in one variable */
    memset(huge, 'x', sizeof huge - 1);
    Aolani__KeyValue kv = AOLANI__KEY_VALUE__INIT, more = AOLANI__KEY_VALUE__INIT,
                     *list[] = {&kv, &more};
    kv.key = (char *)"PATH";
    kv.value = (char *)"/no/such";
    f.plan.env = list;
    f.plan.n_env = 1;
    more.key = (char *)"HUGE";
    more.value = huge;
    struct rankbase b = {0};
    struct folders folders = {.tmp = (char *)"/tmp/x", .shm = (char *)"/dev/shm/x"};
    assert_int_equal(rankbase_init(&b, &f.plan, &h, &e), 0);
    /* The PATH is that of the rank. */
    assert_int_equal(rankbase_find_program(&b, &f.plan, &h, &folders, &p, &e), -ENOENT);
    kv.value = (char *)"/bin";
    assert_int_equal(rankbase_find_program(&b, &f.plan, &h, &folders, &p, &e), 0);
    program_fini(&p);
    f.plan.n_env = 2;
    assert_int_equal(rankbase_find_program(&b, &f.plan, &h, &folders, &p, &e), -E2BIG);
    rankbase_fini(&b);

    free(h.pmix_helper);
    h.pmix_helper = NULL;
    assert_int_equal(plan_wants_pmix(&f.plan, &h, &pmix, &e), 0);
    assert_false(pmix);
    f.plan.mpi = (char *)"pmix";
    assert_int_equal(plan_wants_pmix(&f.plan, &h, &pmix, &e), ERR_BOOT);
    assert_true(e.hint[0] != '\0');
    h.pmix_helper = strdup("/x/aolani-pmix");
    assert_int_equal(plan_wants_pmix(&f.plan, &h, &pmix, &e), 0);
    assert_true(pmix);
    f.plan.mpi = (char *)"none";
    assert_int_equal(plan_wants_pmix(&f.plan, &h, &pmix, &e), 0);
    assert_false(pmix);
    host_fini(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cores),     cmocka_unit_test(test_adapters),
        cmocka_unit_test(test_this_host), cmocka_unit_test(test_plans_that_are_refused),
        cmocka_unit_test(test_what_fits),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
