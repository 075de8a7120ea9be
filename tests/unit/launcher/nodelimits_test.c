/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "launcher/nodelimits.h"

#define INF   RLIM_INFINITY
#define KIB   1024ull
#define NODES 4

static void collect(void *arg, const char *text)
{
    strcat(arg, text);
    strcat(arg, "\n");
}

static void test_compare(void **state)
{
    (void)state;
    static const struct {
        rlim_t memlock[NODES], nofile[NODES];
        const char *infiniband; /* of n1..n4 */
        const char *want;
    } table[] = {
        {{INF, INF, INF, INF}, {1024, 1024, 1024, 1024}, "1111", ""},
        {{INF, INF, 64 * KIB, INF},
         {1024, 1024, 1024, 1024},
         "0000",
         "memlock differs: 64 KiB on n3, unlimited on n[1-2,4]\n"},
        {{INF, 64 * KIB, INF, 8192 * KIB},
         {4096, 1024, 4096, 1024},
         "0000",
         "memlock differs: 64 KiB on n2, 8 MiB on n4, unlimited on n[1,3]\n"
         "nofile differs: 1024 on n[2,4], 4096 on n[1,3]\n"},
        {{64 * KIB, 64 * KIB, 64 * KIB, 64 * KIB},
         {1024, 1024, 1024, 1024},
         "1010",
         "memlock is 64 KiB on n[1,3], which has InfiniBand: NCCL and MPI will fail to "
         "register memory with it (raise it in /etc/security/limits.conf, or for sshd "
         "with LimitMEMLOCK=infinity)\n"},
        {{1ull << 30, 1ull << 30, 1ull << 30, 1ull << 30},
         {1024, 1024, 1024, 1024},
         "1111",
         ""},
    };
    static const char *const names[] = {"n1", "n2", "n3", "n4"};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct rlimits limits[NODES] = {0};
        struct nodelimits all[NODES];
        char got[2000] = "";
        for (size_t k = 0; k < NODES; k++) {
            limits[k].known[RLIMITS_MEMLOCK] = limits[k].known[RLIMITS_NOFILE] = true;
            limits[k].v[RLIMITS_MEMLOCK].rlim_cur = table[i].memlock[k];
            limits[k].v[RLIMITS_NOFILE].rlim_cur = table[i].nofile[k];
            all[k] = (struct nodelimits){.name = names[k],
                                         .limits = &limits[k],
                                         .infiniband = table[i].infiniband[k] == '1'};
        }
        nodelimits_compare(all, NODES, collect, got);
        if (strcmp(got, table[i].want) != 0)
            fail_msg("case %zu: %s", i, got);
    }
}

static void test_list_and_text(void **state)
{
    (void)state;
    struct rlimits a = {0}, b, none = {0};
    for (int i = 0; i < RLIMITS_N; i++) {
        a.known[i] = true;
        a.v[i] = (struct rlimit){1024, INF};
    }
    a.v[RLIMITS_MEMLOCK].rlim_cur = INF;
    b = a;
    b.v[RLIMITS_CORE].rlim_cur = 0;
    struct nodelimits all[] = {{.name = "x1", .limits = &a},
                               {.name = "x2", .limits = &b},
                               {.name = "x3", .limits = &a},
                               {.name = "y", .limits = &none}};
    char got[2000] = "", text[NODELIMITS_TEXT];
    nodelimits_list(all, 4, collect, got);
    assert_string_equal(
        got, "memlock unlimited, stack 1 KiB, core 1 KiB, nofile 1024 on x[1,3]\n"
             "memlock unlimited, stack 1 KiB, core 0, nofile 1024 on x2\n");
    got[0] = '\0';
    nodelimits_compare(all + 2, 2, collect, got); /* an agent that does not say */
    assert_non_null(strstr(got, "memlock differs: not known on y, unlimited on x3\n"));
    nodelimits_text(&b, text);
    assert_string_equal(text, "memlock=unlimited stack=1024 core=0 nofile=1024");
    nodelimits_text(&none, text);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_list_and_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
