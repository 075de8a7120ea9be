/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "launcher/placereport.h"

static const struct rlimits usual = {.v = {[RLIMITS_MEMLOCK] = {65536, 65536},
                                           [RLIMITS_STACK] = {8u << 20, RLIM_INFINITY},
                                           [RLIMITS_CORE] = {0, RLIM_INFINITY},
                                           [RLIMITS_NOFILE] = {1024, 4096}},
                                     .known = {true, true, true, true}};

static struct place_node node(const char *name, const char *hostname)
{
    return (struct place_node){.name = name,
                               .hostname = hostname,
                               .link = "direct",
                               .link_why = "",
                               .agent = "there",
                               .cores = 8,
                               .mem_bytes = 33ull << 30,
                               .limits = usual,
                               .program = "/usr/bin/train",
                               .error = "",
                               .hint = ""};
}

static struct place_node unreached(const char *name, const char *error)
{
    return (struct place_node){.name = name,
                               .hostname = "",
                               .link_why = "",
                               .error = error,
                               .hint = "",
                               .program = ""};
}

static void check(const struct place_node *nodes, size_t n, int problems,
                  const char *want)
{
    struct buf out;
    buf_init(&out, 1u << 20);
    assert_int_equal(placereport_text(nodes, n, &out), problems);
    if (strcmp((char *)out.data, want) != 0)
        fail_msg("got:\n%s", (char *)out.data);
    buf_fini(&out);
}

static void test_alike_nodes_are_one_line(void **state)
{
    (void)state;
    struct place_node nodes[] = {node("gpu1", "gpu1"), node("gpu2", "gpu2"),
                                 node("mo@gpu3", "gpu3.site")};
    check(nodes, 3, 0,
          "  node              host                path    agent  cores    memory  "
          "memlock  files  stack  core\n"
          "  gpu[1-2],mo@gpu3  gpu[1-2],gpu3.site  direct  there      8  33.0 GiB   "
          "64 KiB   1024  8 MiB     0\n"
          "  program  /usr/bin/train on gpu[1-2],mo@gpu3\n");
}

static void test_what_differs_is_seen(void **state)
{
    (void)state;
    struct place_node nodes[] = {node("a", "a"),
                                 node("b", "b"),
                                 node("c", "c"),
                                 unreached("d", "d: connection refused"),
                                 unreached("e", "e: connection refused"),
                                 node("f", "f")};
    nodes[1].limits.v[RLIMITS_NOFILE].rlim_cur = 256;
    nodes[2].program = "";
    nodes[2].error = "find the program \"train\": not in PATH";
    nodes[2].hint = "give its full path";
    check(nodes, 6, 2,
          "  node   host         path    agent  cores    memory  memlock  files  "
          "stack  core\n"
          "  a,c,f  a,c,f        direct  there      8  33.0 GiB   64 KiB   1024  "
          "8 MiB     0\n"
          "  b      b            direct  there      8  33.0 GiB   64 KiB    256  "
          "8 MiB     0\n"
          "  d,e    not reached  -       -          -         -        -      -      "
          "-     -\n"
          "  program  /usr/bin/train on a,b,f\n"
          "\n"
          "c: find the program \"train\": not in PATH\n"
          "    hint: give its full path\n"
          "d,e: <host>: connection refused\n");
}

static void test_why_a_node_is_not_direct(void **state)
{
    (void)state;
    struct place_node nodes[] = {node("a", "a"), node("b", "b"), node("c", "c")};
    for (size_t i = 1; i < 3; i++) {
        nodes[i].link = "over ssh";
        nodes[i].link_why = "10.0.0.1:4100: connection refused";
    }
    check(
        nodes, 3, 0,
        "  node  host  path      agent  cores    memory  memlock  files  stack  core\n"
        "  a     a     direct    there      8  33.0 GiB   64 KiB   1024  8 MiB     0\n"
        "  b,c   b,c   over ssh  there      8  33.0 GiB   64 KiB   1024  8 MiB     0\n"
        "  not direct  10.0.0.1:4100: connection refused on b,c\n"
        "  program  /usr/bin/train on a,b,c\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alike_nodes_are_one_line),
        cmocka_unit_test(test_what_differs_is_seen),
        cmocka_unit_test(test_why_a_node_is_not_direct),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
