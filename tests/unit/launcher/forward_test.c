/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/forward.h"
#include "proto/base/limits.h"

static struct strlist policy_of(const char *words)
{
    struct strlist l = {0};
    char text[200], *save = NULL;
    (void)snprintf(text, sizeof text, "%s", words);
    for (char *p = strtok_r(text, " ", &save); p; p = strtok_r(NULL, " ", &save))
        assert_int_equal(strlist_add(&l, p), 0);
    return l;
}

/* A row for each kind of variable; yes: it travels with auto, with all. */
static const struct {
    const char *name;
    bool by_auto, by_all;
} kinds[] = {
    {"PATH", true, true},
    {"LD_LIBRARY_PATH", true, true},
    {"LIBRARY_PATH", true, true},
    {"VIRTUAL_ENV", true, true},
    {"CONDA_PREFIX", true, true},
    {"CONDA_PREFIX_1", true, true},
    {"CONDA_TOKEN", false, true}, /* no prefix of "auto" */
    {"PYTHONPATH", true, true},
    {"PYTHONUNBUFFERED", true, true},
    {"PYTHONSTARTUP", false, false},
    {"NCCL_DEBUG", true, true},
    {"NCCLX", false, true},
    {"UCX_TLS", true, true},
    {"OMPI_MCA_btl", true, true},
    {"OMP_NUM_THREADS", true, true},
    {"MKL_NUM_THREADS", true, true},
    {"CUDA_HOME", true, true},
    {"CUDA_DEVICE_MAX_CONNECTIONS", true, true},
    {"CUDA_VISIBLE_DEVICES", false, false},
    {"CUDA_MPS_PIPE_DIRECTORY", false, false},
    {"HIP_VISIBLE_DEVICES", false, false},
    {"NVIDIA_VISIBLE_DEVICES", false, false},
    {"TORCH_LOGS", true, true},
    {"PYTORCH_CUDA_ALLOC_CONF", true, true},
    {"HF_TOKEN", true, true},
    {"WANDB_API_KEY", true, true},
    {"LANG", true, true},
    {"LC_ALL", true, true},
    {"TZ", true, true},
    {"https_proxy", true, true},
    {"NO_PROXY", true, true},
    {"MY_DATA", false, true},
    {"AWS_SECRET_ACCESS_KEY", false, true},
    {"LD_PRELOAD", false, true},
    {"EDITOR", false, true},
    {"HOME", false, false},
    {"USER", false, false},
    {"SHELL", false, false},
    {"PWD", false, false},
    {"SHLVL", false, false},
    {"HOSTNAME", false, false},
    {"TMPDIR", false, false},
    {"TERM", false, false},
    {"DISPLAY", false, false},
    {"XDG_RUNTIME_DIR", false, false},
    {"DBUS_SESSION_BUS_ADDRESS", false, false},
    {"SSH_AUTH_SOCK", false, false},
    {"BASH_FUNC_module%%", false, false},
    {"BASH_ENV", false, false},
    {"LOADEDMODULES", false, false},
    {"SLURM_JOB_ID", false, false},
    {"PBS_NODEFILE", false, false},
    {"PMIX_RANK", false, false},
    {"OMPI_COMM_WORLD_RANK", false, false},
    {"TORCHELASTIC_RUN_ID", false, false},
    {"AOLANI_JOB_NAME", false, false},
    {"KRB5CCNAME", false, false},
};
#define KINDS (sizeof kinds / sizeof *kinds)

static const char *find(const struct forward *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++) {
        if (strcmp(f->list[i]->key, name) == 0)
            return f->list[i]->value;
    }
    return NULL;
}

static void test_auto_and_all(void **state)
{
    (void)state;
    char entries[KINDS][80], *env[KINDS + 1] = {0};
    struct strlist by_auto = policy_of("auto"), all = policy_of("all");
    struct strlist none = policy_of("none");
    struct forward f[3];
    for (size_t i = 0; i < KINDS; i++) {
        (void)snprintf(entries[i], sizeof entries[i], "%s=v=%zu", kinds[i].name, i);
        env[i] = entries[i];
    }
    assert_int_equal(forward_select(&by_auto, env, &f[0], NULL), 0);
    assert_int_equal(forward_select(&all, env, &f[1], NULL), 0);
    assert_int_equal(forward_select(&none, env, &f[2], NULL), 0);
    for (size_t i = 0; i < KINDS; i++) {
        if ((find(&f[0], kinds[i].name) != NULL) != kinds[i].by_auto ||
            (find(&f[1], kinds[i].name) != NULL) != kinds[i].by_all)
            fail_msg("%s", kinds[i].name);
    }
    assert_string_equal(find(&f[0], "PATH"), "v=0");
    assert_int_equal(f[2].n, 0);
    for (size_t i = 0; i < 3; i++)
        forward_fini(&f[i]);
    assert_true(forward_takes_all(&by_auto) && forward_takes_all(&all));
    assert_false(forward_takes_all(&none));
    strlist_fini(&by_auto);
    strlist_fini(&all);
    strlist_fini(&none);
}

static void test_names_and_prefixes(void **state)
{
    (void)state;
    static char *const env[] = {"AB=1",   "ABC=2",    "B=3",           "SLURM_JOB_ID=4",
                                "PATH=5", "TMPDIR=6", "AOLANI_MARK=7", "=8",
                                "noise",  NULL};
    static const struct {
        const char *policy, *want; /* values, in order */
    } table[] = {
        {"AB", "1"},           {"AB*", "12"},
        {"B AB", "13"},        {"SLURM_JOB_ID", "4"}, /* what is named travels */
        {"auto TMPDIR", "56"}, {"none B", "3"},
        {"NO SUCH", ""},       {"AOLANI_MARK", ""}, /* but for what would lie */
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct strlist l = policy_of(table[i].policy);
        struct forward f;
        char got[32] = "";
        assert_int_equal(forward_select(&l, env, &f, NULL), 0);
        for (size_t k = 0; k < f.n; k++)
            strcat(got, f.list[k]->value);
        if (strcmp(got, table[i].want) != 0)
            fail_msg("%s: %s", table[i].policy, got);
        forward_fini(&f);
        strlist_fini(&l);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"A=1", "A*B", "**", "A-B", "A,B"};
    char *env[] = {NULL};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct strlist l = policy_of(bad[i]);
        struct forward f;
        struct err e;
        assert_int_equal(forward_select(&l, env, &f, &e), ERR_USAGE);
        assert_non_null(strstr(e.text, bad[i]));
        strlist_fini(&l);
    }
    assert_false(forward_is_policy(""));
}

static void test_bounds(void **state)
{
    (void)state;
    struct strlist all = policy_of("all");
    char *big = malloc(LIMIT_ENV_BYTES + 10);
    memset(big, 'x', LIMIT_ENV_BYTES + 9);
    memcpy(big, "BIG=", 4);
    big[LIMIT_ENV_BYTES + 9] = '\0';
    char *env[] = {(char *)"A=1", big, NULL};
    struct forward f;
    struct err e;
    assert_int_equal(forward_select(&all, env, &f, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "\"BIG\" alone has"));
    char **many = calloc(LIMIT_ENV + 2, sizeof *many);
    for (size_t i = 0; i <= LIMIT_ENV; i++)
        assert_true(asprintf(&many[i], "V%zu=", i) > 0);
    assert_int_equal(forward_select(&all, many, &f, &e), ERR_USAGE);
    for (size_t i = 0; i <= LIMIT_ENV; i++)
        free(many[i]);
    free(many);
    free(big);
    strlist_fini(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_auto_and_all),
        cmocka_unit_test(test_names_and_prefixes),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
