/* SPDX-License-Identifier: MIT */
/* Answers of NCCL's RAS service in the forms of several releases, written for these tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/rassaid.h"

#define HEAD                                                  \
    "NCCL version 2.28.7 compiled with CUDA 12.9\n"           \
    "CUDA runtime version 12090, driver version 13000\n\n"    \
    "Job summary\n===========\n\n"                            \
    "  Nodes  Processes         GPUs  Processes     GPUs\n"   \
    "(total)   per node  per process    (total)  (total)\n"   \
    "      2          8            1         16       16\n\n" \
    "Communicators... (0.00s)\n=============\n\n"
#define TABLE                                                                     \
    "Group     Comms     Nodes     Ranks     Ranks     Ranks    Status  Errors\n" \
    "    #  in group  per comm  per node  per comm  in group\n"
#define ON_A " managed by process 511 on node 10.1.0.7\n"
#define ON_B " managed by process 622 on node fe80::12%eth0\n"

/* "behind 511@10.1.0.7 6/16 AllReduce 90<91; ..." */
static void show(const struct rassaid *r, char *ret, size_t len)
{
    static const char *const names[] = {"dead", "unreachable", "error", "behind",
                                        "status"};
    size_t at = 0;
    ret[0] = '\0';
    for (size_t i = 0; i < r->n; i++) {
        const struct rassaid_one *o = &r->one[i];
        char rank[40] = "", count[60] = "";
        if (o->comm_rank != UINT32_MAX)
            (void)snprintf(rank, sizeof rank, " %u/%u", o->comm_rank, o->comm_size);
        if (o->what == RASSAID_BEHIND)
            (void)snprintf(count, sizeof count, " %llu<%llu", (unsigned long long)o->at,
                           (unsigned long long)o->most);
        at += (size_t)snprintf(ret + at, len - at, "%s%s %lld@%s%s%s%s%s",
                               at ? "; " : "", names[o->what], (long long)o->pid,
                               o->host, rank, o->word[0] ? " " : "", o->word, count);
    }
    (void)snprintf(ret + at, len - at, "%s", r->all_agree ? "all agree" : "");
}

static const struct {
    const char *text, *want;
} cases[] = {
    {"", ""},
    {HEAD TABLE
     "    0         1         2         8        16        16   RUNNING      OK\n"
     "\nErrors\n======\n\nWarnings\n========\n\n",
     "all agree"},
    /* a stopped process, as 2.24 (a rank has its number only) and later have it */
    {HEAD TABLE
     "    0         1         2       7-8        16        16   RUNNING  INCOMPLETE\n"
     "\nErrors\n======\n\nINCOMPLETE\n"
     "  Missing communicator data from 1 job process\n"
     "  Process 511 on node 10.1.0.7 managing GPU 5\n\n"
     "#0-0 (00c0ffee00c0ffee) INCOMPLETE\n"
     "  Missing communicator data from 1 rank\n"
     "  The missing rank: 13\n\n"
     "Warnings\n========\n\nTIMEOUT\n"
     "  Encountered 2 communication timeouts while gathering communicator data\n",
     "unreachable 511@10.1.0.7 13/16"},
    {HEAD TABLE
     "    0         1         2       7-8        16        16   RUNNING  INCOMPLETE\n"
     "\nErrors\n======\n\nINCOMPLETE\n"
     "  Missing communicator data from 1 job process\n"
     "  Process 511 on node 10.1.0.7 managing GPU 5\n\n"
     "#0-0 (00c0ffee00c0ffee) INCOMPLETE\n"
     "  Missing communicator data from 1 rank\n"
     "  Rank 13 -- GPU 5" ON_A "\n",
     "unreachable 511@10.1.0.7 13/16"},
    /* two processes: which is which rank is not said; a rank without any process */
    {"INCOMPLETE\n  Process 511 on node 10.1.0.7 managing GPU 5\n"
     "  Process 512 on node 10.1.0.7 managing GPUs 6,7\n"
     "#0-0 (0) INCOMPLETE\n  The missing ranks: 13, 14\n",
     "unreachable 511@10.1.0.7; unreachable 512@10.1.0.7"},
    {TABLE "    0 1 2 7-8 16 16 RUNNING INCOMPLETE\n#0-0 (0) INCOMPLETE\n"
           "  The missing ranks: 13, 14\n",
     "unreachable -1@ 13/16; unreachable -1@ 14/16"},
    {"#0-0 (0) INCOMPLETE\n  Rank 3 -- [process information not found]\n",
     "unreachable -1@ 3/0"},
    /* given up */
    {"DEAD\n  1 job process is considered dead (unreachable via the RAS network)\n"
     "  Process 622 on node fe80::12%eth0 managing GPU 0\n\n",
     "dead 622@fe80::12%eth0"},
    /* counts: a group of outliers; one alone; before 2.26 without a name */
    {TABLE
     "    0         1         2         8        16        16   RUNNING  MISMATCH\n"
     "Warnings\n========\n\n#0-0 (00c0ffee00c0ffee) MISMATCH\n"
     "  Communicator ranks have different AllReduce operation counts\n"
     "  14 ranks have launched up to operation 91\n"
     "  2 ranks have launched up to operation 90\n"
     "  Rank 6 -- GPU 6" ON_A "  Rank 8 -- GPU 0" ON_B,
     "behind 511@10.1.0.7 6/16 AllReduce 90<91; "
     "behind 622@fe80::12%eth0 8/16 AllReduce 90<91"},
    {TABLE
     "    0         1         2         8        16        16   RUNNING  MISMATCH\n"
     "#0-0 (00c0ffee00c0ffee) MISMATCH\n"
     "  Communicator ranks have different Broadcast operation counts\n"
     "  15 ranks have launched up to operation 4\n"
     "  Rank 6 has not launched any operations -- GPU 6" ON_A,
     "behind 511@10.1.0.7 6/16 Broadcast 0<4"},
    {"#0-0 (0) MISMATCH\n  Communicator ranks have different collective operation "
     "counts\n"
     "  26 ranks have launched up to operation 6650\n"
     "  Rank 1 has launched up to operation 6649 -- GPU 1" ON_A,
     "behind 511@10.1.0.7 1/0 6649<6650"},
    /* who is ahead is not behind; of several operations the first */
    {"#0-0 (0) MISMATCH\n  Communicator ranks have different AllGather operation "
     "counts\n"
     "  7 ranks have launched up to operation 5\n"
     "  Rank 1 has launched up to operation 6 -- GPU 1" ON_A "\n"
     "  Communicator ranks have different AllReduce operation counts\n"
     "  7 ranks have launched up to operation 9\n"
     "  Rank 2 has launched up to operation 8 -- GPU 2" ON_B,
     "behind 622@fe80::12%eth0 2/0 AllReduce 8<9"},
    {"#0-0 (0) MISMATCH\n  Communicator ranks have different AllGather operation "
     "counts\n"
     "  7 ranks have launched up to operation 5\n"
     "  Rank 1 has launched up to operation 4 -- GPU 1" ON_A "\n"
     "#1-0 (0) MISMATCH\n  Communicator ranks have different AllReduce operation "
     "counts\n"
     "  3 ranks have launched up to operation 90\n"
     "  Rank 0 has launched up to operation 8 -- GPU 1" ON_A,
     "behind 511@10.1.0.7 1/0 AllGather 4<5"},
    /* states and errors; the worst first */
    {"Errors\n======\n\n#0-0 (0) ERROR\n  Asynchronous error on 1 rank\n"
     "  Rank 9 reported ncclRemoteError -- GPU 1" ON_B "\n"
     "Warnings\n========\n\n#0-0 (0) MISMATCH\n  Communicator ranks have different "
     "status\n"
     "  26 ranks have status RUNNING\n"
     "  Rank 4 has status FINALIZE -- GPU 4" ON_A,
     "error 622@fe80::12%eth0 9/0 ncclRemoteError; status 511@10.1.0.7 4/0 FINALIZE"},
    {"#0-0 (0) MISMATCH\n  Communicator ranks have different status\n"
     "  26 ranks have status UNKNOWN\n  2 ranks have status FINALIZE\n"
     "  Rank 4 -- GPU 4" ON_A
     "INCOMPLETE\n  Process 511 on node 10.1.0.7 managing GPU 4\n",
     "unreachable 511@10.1.0.7"},
    /* what is not of it */
    {"Rank 4 -- GPU 4" ON_A "Process 4 on node x\nThe missing rank: 3\n#9\n#\n# 0-0\n"
     "12 sheep\nGroup \n",
     ""},
    {"INCOMPLETE\n Process 99999999999999999999 on node x\n Process 5 on node \n"
     " Process -1 on node x\n",
     ""},
    {"{\n  \"nccl_version\": \"2.29.1\",\n  \"communicators\": []\n}\n", ""},
};

static void names_whom(void **state)
{
    struct rassaid r;
    char have[1000];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rassaid_read(cases[i].text, strlen(cases[i].text), &r);
        show(&r, have, sizeof have);
        if (strcmp(have, cases[i].want) != 0)
            fail_msg("case %zu:\n%s\n  have \"%s\"\n  want \"%s\"", i, cases[i].text,
                     have, cases[i].want);
    }
}

static void tells_the_version(void **state)
{
    struct rassaid r;
    (void)state;
    rassaid_read(HEAD, strlen(HEAD), &r);
    assert_string_equal(r.version, "2.28.7");
    assert_false(r.all_agree);
}

static void is_bounded(void **state)
{
    struct rassaid r;
    size_t size = 70000, n = 0;
    char *text = malloc(size);
    (void)state;
    assert_non_null(text);
    n += (size_t)snprintf(text, size, "INCOMPLETE\n");
    for (unsigned i = 0; n + 100 < size; i++)
        n += (size_t)snprintf(text + n, size - n, "  Process %u on node 10.0.0.1\n", i);
    rassaid_read(text, n, &r);
    assert_int_equal(r.n, RASSAID_NAMED);
    assert_true(r.more > 1000);
    memset(text, 'R', size);
    rassaid_read(text, size, &r);
    assert_int_equal(r.n, 0);
    memset(text, 0, size);
    rassaid_read(text, size, &r);
    assert_int_equal(r.n, 0);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_whom),
        cmocka_unit_test(tells_the_version),
        cmocka_unit_test(is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
