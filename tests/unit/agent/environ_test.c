/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "agent/environ.h"

static Aolani__KeyValue kv_of(const char *key, const char *value)
{
    Aolani__KeyValue kv = AOLANI__KEY_VALUE__INIT;
    kv.key = (char *)key;
    kv.value = (char *)value;
    return kv;
}

/* Rank 5 of 8, second of the three on node 1. */
struct fixture {
    Aolani__Prepare plan;
    Aolani__RankPlan rank;
    Aolani__RankPlan *ranks[3];
    struct environ_spec spec;
};

static void set_up(struct fixture *f)
{
    static char *const base[] = {"PATH=/mod:/bin", "HOME=/home/u",
                                 "PWD=/elsewhere", "LD_LIBRARY_PATH=/site/lib",
                                 "RANK=77",        NULL};
    memset(f, 0, sizeof *f);
    aolani__prepare__init(&f->plan);
    aolani__rank_plan__init(&f->rank);
    f->plan.run_id = (char *)"0123456789abcdef";
    f->plan.node_index = 1;
    f->plan.n_nodes = 2;
    f->plan.restarts = 1;
    f->plan.world_size = 8;
    f->plan.n_ranks = 3;
    f->plan.ranks = f->ranks;
    f->rank.rank = 5;
    f->rank.local_rank = 1;
    f->rank.cpus = (char *)"4-7";
    f->spec = (struct environ_spec){.base = base,
                                    .plan = &f->plan,
                                    .rank = &f->rank,
                                    .attempt = 2,
                                    .workdir = "/a b",
                                    .master_addr = "10.0.0.1",
                                    .master_port = 4711,
                                    .step_path = "/dev/shm/x/rank-5",
                                    .library = "/cache/libaolani.so",
                                    .python = "/cache/aolani.py",
                                    .agent_dir = "/cache",
                                    .tmp_dir = "/tmp/job/tmp",
                                    .shm_dir = "/dev/shm/job",
                                    .omp_threads = 4};
}

static char **build(const struct fixture *f)
{
    char **env = NULL;
    assert_int_equal(environ_build(&f->spec, &env, NULL), 0);
    return env;
}

static void check(char **env, const char *name, const char *want)
{
    const char *got = NULL;
    for (size_t i = 0; env[i]; i++) {
        if (strncmp(env[i], name, strlen(name)) == 0 && env[i][strlen(name)] == '=')
            got = env[i] + strlen(name) + 1;
    }
    if (!want && !got)
        return;
    if (!want || !got || strcmp(got, want) != 0)
        fail_msg("%s is \"%s\", not \"%s\"", name, got ? got : "(unset)",
                 want ? want : "(unset)");
}

static void test_what_every_rank_gets(void **state)
{
    (void)state;
    static const struct {
        const char *name, *want;
    } table[] = {
        {"RANK", "5"},
        {"WORLD_SIZE", "8"},
        {"LOCAL_RANK", "1"},
        {"LOCAL_WORLD_SIZE", "3"},
        {"NODE_RANK", "1"},
        {"GROUP_RANK", "1"},
        {"MASTER_ADDR", "10.0.0.1"},
        {"MASTER_PORT", "4711"},
        {"TORCHELASTIC_RUN_ID", "0123456789abcdef"},
        {"TORCHELASTIC_RESTART_COUNT", "1"},
        {"TORCHELASTIC_MAX_RESTARTS", "0"},
        {"OMPI_COMM_WORLD_SIZE", "8"},
        {"OMPI_COMM_WORLD_RANK", "5"},
        {"OMPI_COMM_WORLD_LOCAL_SIZE", "3"},
        {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
        {"OMPI_COMM_WORLD_NODE_RANK", "1"},
        {"OMPI_UNIVERSE_SIZE", "8"},
        {"OMPI_MCA_hwloc_base_binding_policy", "none"},
        {"PRTE_MCA_hwloc_default_binding_policy", "none"},
        {"MV2_ENABLE_AFFINITY", "0"},
        {"I_MPI_PIN", "off"},
        {"SLURM_CPU_BIND", "none"},
        {"SLURM_GPU_BIND", "none"},
        {"OMPI_MCA_btl_vader_backing_directory", "/dev/shm/job"},
        {"OMPI_MCA_orte_tmpdir_base", "/tmp/job/tmp"},
        {"OMPI_MCA_mpi_yield_when_idle", NULL},
        {"OMPI_MCA_btl_tcp_if_include", NULL},
        {"AOLANI_RUN_ID", "0123456789abcdef"},
        {"AOLANI_NODE", "1"},
        {"AOLANI_ATTEMPT", "2"},
        {"AOLANI_STEP_PATH", "/dev/shm/x/rank-5"},
        {"AOLANI_MARK", "0123456789abcdef.1"},
        {"AOLANI_LIBRARY", "/cache/libaolani.so"},
        {"LD_LIBRARY_PATH", "/site/lib:/cache"},
        {"OMP_NUM_THREADS", "4"},
        {"PATH", "/mod:/bin"},
        {"PWD", "/a b"},
        {"HOME", "/home/u"},
    };
    struct fixture f;
    set_up(&f);
    char **env = build(&f);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        check(env, table[i].name, table[i].want);
    environ_free(env);
}

static void test_what_the_user_set_wins(void **state)
{
    (void)state;
    Aolani__KeyValue node[] = {kv_of("OMP_NUM_THREADS", "1"),
                               kv_of("MASTER_PORT", "99"),
                               kv_of("A", "node"),
                               kv_of("AOLANI_MARK", "forged"),
                               kv_of("", "nameless"),
                               kv_of("X=Y", "two")};
    Aolani__KeyValue *node_list[] = {&node[0], &node[1], &node[2],
                                     &node[3], &node[4], &node[5]};
    Aolani__KeyValue own = kv_of("A", "rank"), pmix = kv_of("PMIX_RANK", "5");
    Aolani__KeyValue *own_list[] = {&own}, *pmix_list[] = {&pmix};
    struct fixture f;
    set_up(&f);
    f.plan.env = node_list;
    f.plan.n_env = 6;
    f.rank.env = own_list;
    f.rank.n_env = 1;
    f.spec.pmix = pmix_list;
    f.spec.n_pmix = 1;
    char **env = build(&f);
    check(env, "OMP_NUM_THREADS", "1");
    check(env, "MASTER_PORT", "99");
    check(env, "A", "rank");
    check(env, "AOLANI_MARK", "0123456789abcdef.1"); /* what we look for must be true */
    check(env, "PMIX_RANK", "5");
    check(env, "X", NULL);
    for (size_t i = 0; env[i]; i++) {
        assert_true(env[i][0] != '=');
        for (size_t k = 0; k < i; k++) { /* no name twice */
            size_t n = strcspn(env[i], "=") + 1;
            assert_true(strncmp(env[i], env[k], n) != 0);
        }
    }
    environ_free(env);
}

static void test_what_depends(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    f.plan.oversubscribed = true;
    f.spec.only_loopback = true;
    f.spec.step_path = NULL;
    f.spec.library = NULL;
    f.spec.python = NULL;
    f.spec.omp_threads = 0;
    f.rank.cpus = (char *)""; /* not bound: whoever wants to may */
    char **env = build(&f);
    check(env, "MV2_ENABLE_AFFINITY", NULL);
    check(env, "I_MPI_PIN", NULL);
    check(env, "SLURM_CPU_BIND", NULL);
    check(env, "SLURM_GPU_BIND", NULL);
    check(env, "OMPI_MCA_mpi_yield_when_idle", "1");
    check(env, "OMPI_MCA_btl_tcp_if_include", "lo");
    check(env, "AOLANI_STEP_PATH", NULL);
    check(env, "AOLANI_LIBRARY", NULL);
    check(env, "LD_LIBRARY_PATH", "/site/lib");
    check(env, "PYTHONPATH", NULL);
    check(env, "PYTHONUNBUFFERED", NULL);
    check(env, "OMP_NUM_THREADS", NULL);
    environ_free(env);
}

/* What aolani-run brings along for Python is found, and hides nothing of the user's. */
static void test_python(void **state)
{
    static const struct {
        const char *pattern, *set, *path, *unbuffered;
    } rows[] = {
        {"", NULL, "/cache", NULL},
        {"", "PYTHONPATH=/mine:/too", "/mine:/too:/cache", NULL},
        {"", "PYTHONPATH=", "/cache", NULL},
        {"step ([0-9]+)", NULL, "/cache", "1"},
        {"step ([0-9]+)", "PYTHONUNBUFFERED=", "/cache", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fixture f;
        Aolani__KeyValue kv = AOLANI__KEY_VALUE__INIT, *list[] = {&kv};
        char name[32] = "";
        set_up(&f);
        f.plan.step_pattern = (char *)rows[i].pattern;
        if (rows[i].set) {
            snprintf(name, sizeof name, "%.*s", (int)strcspn(rows[i].set, "="),
                     rows[i].set);
            kv.key = name;
            kv.value = strchr(rows[i].set, '=') + 1;
            f.plan.env = list;
            f.plan.n_env = 1;
        }
        char **env = build(&f);
        check(env, "PYTHONPATH", rows[i].path);
        check(env, "PYTHONUNBUFFERED", rows[i].unbuffered);
        environ_free(env);
    }
}

static void test_profiler(void **state)
{
    static const struct {
        const char *theirs, *chain; /* as the user has set them */
        const char *plugin, *chained, *path;
    } rows[] = {
        {NULL, NULL, "/cache/ours.so", NULL, "/dev/shm/x/coll-5"},
        {"", NULL, "/cache/ours.so", NULL, "/dev/shm/x/coll-5"},
        {"/their.so", NULL, "/their.so", NULL, NULL},
        {"none", NULL, "none", NULL, NULL},
        {"/their.so", "0", "/their.so", "0", NULL},
        {"/their.so", "1", "/cache/ours.so", "/their.so", "/dev/shm/x/coll-5"},
        {NULL, "1", "/cache/ours.so", NULL, "/dev/shm/x/coll-5"},
        {NULL, "/their.so", "/cache/ours.so", "/their.so", "/dev/shm/x/coll-5"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fixture f;
        Aolani__KeyValue plugin = kv_of("NCCL_PROFILER_PLUGIN", rows[i].theirs);
        Aolani__KeyValue chain = kv_of("AOLANI_NCCL_CHAIN", rows[i].chain);
        Aolani__KeyValue *list[2];
        set_up(&f);
        f.spec.coll_path = "/dev/shm/x/coll-5";
        f.spec.profiler = "/cache/ours.so";
        f.plan.env = list;
        if (rows[i].theirs)
            list[f.plan.n_env++] = &plugin;
        if (rows[i].chain)
            list[f.plan.n_env++] = &chain;
        char **env = build(&f);
        check(env, "NCCL_PROFILER_PLUGIN", rows[i].plugin);
        check(env, "AOLANI_NCCL_CHAIN", rows[i].chained);
        check(env, "AOLANI_COLL_PATH", rows[i].path);
        environ_free(env);
        f.spec.coll_path = NULL; /* not followed: nothing is touched */
        env = build(&f);
        check(env, "NCCL_PROFILER_PLUGIN", rows[i].theirs);
        check(env, "AOLANI_COLL_PATH", NULL);
        environ_free(env);
    }
}

static void test_words_of_nccl(void **state)
{
    static const struct {
        const char *name, *value; /* as the user has set it */
        bool ours;
    } rows[] = {
        {NULL, NULL, true},
        {"NCCL_IB_HCA", "mlx5", true},
        {"NCCL_DEBUG", "WARN", false},
        {"NCCL_DEBUG", "", false},
        {"NCCL_DEBUG_SUBSYS", "ALL", false},
        {"NCCL_DEBUG_FILE", "/tmp/%h", false},
    };
    static const char *const names[] = {"NCCL_DEBUG", "NCCL_DEBUG_SUBSYS",
                                        "NCCL_DEBUG_FILE"};
    static const char *const ours[] = {"INFO", "INIT,NET", "/dev/shm/x/said-5.%p"};
    (void)state;
    for (size_t i = 0; i < 2 * (sizeof rows / sizeof *rows); i++) {
        struct fixture f;
        const char *name = rows[i / 2].name;
        Aolani__KeyValue kv = kv_of(name, rows[i / 2].value), *list[] = {&kv};
        set_up(&f);
        f.spec.nccl_file = i % 2 ? NULL : "/dev/shm/x/said-5.%p";
        f.plan.env = list;
        f.plan.n_env = name ? 1 : 0;
        char **env = build(&f);
        for (size_t k = 0; k < 3; k++) {
            const char *theirs =
                name && strcmp(name, names[k]) == 0 ? rows[i / 2].value : NULL;
            check(env, names[k], i % 2 == 0 && rows[i / 2].ours ? ours[k] : theirs);
        }
        environ_free(env);
    }
}

static void test_ras_has_an_address_of_the_job(void **state)
{
    static const struct {
        const char *ours, *theirs, *want;
    } rows[] = {
        {"127.0.0.1:4000", NULL, "127.0.0.1:4000"},
        {"127.0.0.1:4000", "localhost:28028", "localhost:28028"},
        {NULL, NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fixture f;
        Aolani__KeyValue kv = kv_of("NCCL_RAS_ADDR", rows[i].theirs), *list[] = {&kv};
        set_up(&f);
        f.spec.ras_address = rows[i].ours;
        f.plan.env = list;
        f.plan.n_env = rows[i].theirs ? 1 : 0;
        char **env = build(&f);
        check(env, "NCCL_RAS_ADDR", rows[i].want);
        environ_free(env);
    }
}

static void test_no_second_binding(void **state)
{
    (void)state;
    static char *const base[] = {"SLURM_CPU_BIND=quiet,mask_cpu:0x1", "I_MPI_PIN=on",
                                 NULL};
    Aolani__KeyValue kv = kv_of("SLURM_GPU_BIND", "closest"), *list[] = {&kv};
    struct fixture f;
    set_up(&f);
    f.spec.base = base;
    f.plan.env = list;
    f.plan.n_env = 1;
    char **env = build(&f);
    check(env, "SLURM_CPU_BIND", "none"); /* an outer srun's */
    check(env, "I_MPI_PIN", "on");
    check(env, "SLURM_GPU_BIND", "closest");
    environ_free(env);
}

static void test_the_user_and_the_setup_text(void **state)
{
    (void)state;
    static const struct {
        bool after_setup;
        const char *value, *want;
    } table[] = {
        {false, "/bin", "/bin"}, /* the base is the node's: the user wins */
        {true, "/bin", "/mod:/bin"},
        {true, "/mod", "/mod:/bin"},
        {true, "/mo", "/mo"},
        {true, "/other", "/other"},
        {true, "", ""},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        Aolani__KeyValue kv = kv_of("PATH", table[i].value), *list[] = {&kv};
        struct fixture f;
        set_up(&f);
        f.plan.env = list;
        f.plan.n_env = 1;
        f.spec.after_setup = table[i].after_setup;
        char **env = build(&f);
        check(env, "PATH", table[i].want);
        environ_free(env);
    }
}

static void test_mark(void **state)
{
    (void)state;
    char mark[ENVIRON_MARK_BYTES];
    environ_mark("ffffffffffffffff", UINT32_MAX, mark);
    assert_string_equal(mark, "AOLANI_MARK=ffffffffffffffff.4294967295");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_every_rank_gets),
        cmocka_unit_test(test_what_the_user_set_wins),
        cmocka_unit_test(test_what_depends),
        cmocka_unit_test(test_python),
        cmocka_unit_test(test_profiler),
        cmocka_unit_test(test_words_of_nccl),
        cmocka_unit_test(test_ras_has_an_address_of_the_job),
        cmocka_unit_test(test_no_second_binding),
        cmocka_unit_test(test_the_user_and_the_setup_text),
        cmocka_unit_test(test_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
