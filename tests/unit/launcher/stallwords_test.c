/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/stallwords.h"

#define RANKS 8u /* on two nodes */

static const char *const nodes[RANKS] = {"n1", "n1", "n1", "n1",
                                         "n2", "n2", "n2", "n2"};

static void on_line(void *arg, const char *text)
{
    char *log = arg;
    size_t at = strlen(log);
    (void)snprintf(log + at, 2000 - at, "%s%s", at ? "\n" : "", text);
}

static bool is_at(void *arg, uint32_t rank, const char *address)
{
    (void)arg;
    return strcmp(address, rank < 4 ? "10.0.0.1" : "10.0.0.2") == 0;
}

/* A letter a rank: of /proc, '-' no process, '?' its node says nothing, '.' it has ended,
 * 'H' runs hard, 'L' hardly runs, 'g' is traced; after it how many steps it is behind, 'n' none known. */
static void set(struct stallrank ranks[RANKS], const char *script)
{
    for (unsigned i = 0; i < RANKS; i++) {
        struct stallrank *r = &ranks[i];
        char c = *script++;
        uint8_t told = r->told;
        *r = (struct stallrank){.runs = c != '.',
                                .answered = c != '?',
                                .pids = {4, 100 + i % 4},
                                .n_pids = 2,
                                .told = told,
                                .traced = c == 'g',
                                .state = c};
        if (c == '-' || c == '?')
            r->state = '\0';
        r->has_cores = c == 'H' || c == 'L';
        r->cores = c == 'H' ? 1 : 0;
        if (r->has_cores || c == 'g')
            r->state = 'S';
        if (c == 'D' || c == 'S')
            (void)snprintf(r->wait_channel, sizeof r->wait_channel, "some_wait");
        r->ended = 1000;
        if (*script == 'n')
            r->ended = 0;
        else if (*script >= '0' && *script <= '9')
            r->ended -= (uint64_t)(*script - '0');
        else
            continue;
        script++;
    }
    assert_string_equal(script, "");
}

static const struct {
    const char *looks[3]; /* of one stall */
    const char *want[3];
    const char *named;
} cases[] = {
    {{"SSSSSSSS"}, {"all 8 ranks sleep; none is behind or stopped"}, ""},
    {{"RRRRRRRR"}, {"all 8 ranks run; none is behind or stopped"}, ""},
    {{"RSRSRSRS", "HHHHHHHH"},
     {"all 8 ranks sleep or run; none is behind or stopped", ""},
     ""},
    /* one is stopped */
    {{"SSSSST3SS", "LLLLLT3LL", "LLLLLT3LL"},
     {"rank 5 on n2 is stopped by a signal (state T) and is 3 steps behind; the other "
      "7 "
      "sleep",
      "", ""},
     "5"},
    {{"SSSSST1RR"},
     {"rank 5 on n2 is stopped by a signal (state T) and is 1 step behind; the other 7 "
      "sleep or run"},
     "5"},
    /* it goes on, and the job does not */
    {{"SSSSSTSS", "LLLLLLLL"},
     {"rank 5 on n2 is stopped by a signal (state T); the other 7 sleep",
      "rank 5 on n2 now sleeps"},
     ""},
    /* each for another reason */
    {{"-TtgZDSS"},
     {"rank 0 on n1 has no process any more\n"
      "rank 1 on n1 is stopped by a signal (state T)\n"
      "rank 2 on n1 is held by a debugger (state t)\n"
      "rank 3 on n1 is traced by a debugger\n"
      "rank 4 on n2 has ended and is not waited for (state Z)\n"
      "rank 5 on n2 waits in the kernel, as for a disk or a device (state D) (in "
      "some_wait); the other 2 sleep"},
     "0-5"},
    /* a node says nothing: one line for all its ranks */
    {{"SSSS????"},
     {"ranks 4-7 (4) are not known of: their nodes have not answered; the other 4 "
      "sleep"},
     "4-7"},
    {{"DDDDDDDD"},
     {"ranks 0-7 (8) wait in the kernel, as for a disk or a device (state D)"},
     "0-7"},
    /* those behind, when they are few; of ranks that mark none nothing is known */
    {{"SSSSSS2SS"},
     {"rank 5 on n2 sleeps (in some_wait) and is 2 steps behind; the other 7 sleep"},
     "5"},
    {{"S1S1S1S2SSSS"},
     {"ranks 0-3 (4) are behind, rank 3 by 2 steps; the other 4 sleep"},
     "0-3"},
    {{"S1S1S1S1S2SSS"}, {"all 8 ranks sleep; 3 are ahead of the others"}, ""},
    {{"SSnSnSnSnSnSnSn"}, {"all 8 ranks sleep; none is behind or stopped"}, ""},
    /* the second look knows who works and who waits */
    {{"SSSSSSSS", "HHHHHLHH"},
     {"all 8 ranks sleep; none is behind or stopped",
      "rank 5 on n2 sleeps; the other 7 run hard"},
     "5"},
    {{"SSSSSSSS", "LLHLLLLL"},
     {"all 8 ranks sleep; none is behind or stopped",
      "rank 2 on n1 runs hard; the other 7 sleep"},
     "2"},
    {{"SSSSSSSS", "LLHLLHLH"},
     {"all 8 ranks sleep; none is behind or stopped", ""},
     ""},
    /* who has ended is not waited for here */
    {{".......S"}, {"1 rank sleeps; none is behind or stopped"}, ""},
    {{"......ST"},
     {"rank 7 on n2 is stopped by a signal (state T); the other one sleeps"},
     "7"},
    {{"........"}, {""}, ""},
};

static void says_who_stands_out(void **state)
{
    unsigned wrong = 0;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct stallrank ranks[RANKS] = {0};
        char log[2000];
        struct rankset named = {0};
        struct buf text;
        struct stallwords w = {.ranks = ranks,
                               .n = RANKS,
                               .node_of_rank = nodes,
                               .say = on_line,
                               .is_at = is_at,
                               .arg = log};
        for (unsigned k = 0; k < 3 && cases[i].looks[k]; k++) {
            set(ranks, cases[i].looks[k]);
            log[0] = '\0';
            rankset_fini(&named);
            named = (struct rankset){0};
            unsigned n = stallwords_ranks(&w, k == 0, &named);
            const char *want = cases[i].want[k] ? cases[i].want[k] : "";
            if (strcmp(log, want) != 0 || (n > 0) != (log[0] != '\0')) {
                print_error("case %zu, look %u\n  have \"%s\"\n  want \"%s\"\n", i, k,
                            log, want);
                wrong++;
            }
        }
        buf_init(&text, 1000);
        assert_int_equal(rankset_format(&named, &text), 0);
        assert_string_equal(text.data ? (const char *)text.data : "", cases[i].named);
        buf_fini(&text);
        rankset_fini(&named);
    }
    assert_int_equal(wrong, 0);
}

static const struct {
    struct rassaid said;
    const char *want;
} nccl[] = {
    {{.n = 0}, "it names nobody"},
    {{.all_agree = true}, "every rank answers, and all have launched the same"},
    {{.n = 1,
      .one = {{.what = RASSAID_UNREACHABLE,
               .pid = 101,
               .host = "10.0.0.2",
               .comm_rank = 21,
               .comm_size = 32}}},
     "rank 5 (process 101 on 10.0.0.2) does not answer"},
    /* in a container: whose it is cannot be told */
    {{.n = 1,
      .one = {{.what = RASSAID_DEAD,
               .pid = 7,
               .host = "10.0.0.2",
               .comm_rank = 21,
               .comm_size = 32}}},
     "process 7 on 10.0.0.2, rank 21 of a communicator of 32, is given up for dead"},
    {{.n = 2,
      .one = {{.what = RASSAID_BEHIND,
               .pid = 100,
               .host = "10.0.0.1",
               .word = "AllReduce",
               .at = 8,
               .most = 9},
              {.what = RASSAID_STATUS, .pid = -1, .comm_rank = 3, .word = "FINALIZE"}}},
     "rank 0 (process 100 on 10.0.0.1) is at AllReduce 8, others at 9; some process, "
     "rank "
     "3 of a communicator, is in state FINALIZE, unlike others"},
    {{.n = 5,
      .more = 2,
      .one = {{.what = RASSAID_ERROR, .pid = 1, .host = "a", .comm_rank = UINT32_MAX},
              {.what = RASSAID_ERROR,
               .pid = 2,
               .host = "a",
               .comm_rank = UINT32_MAX,
               .word = "ncclRemoteError"},
              {.what = RASSAID_BEHIND,
               .pid = 3,
               .host = "a",
               .comm_rank = UINT32_MAX,
               .at = 1,
               .most = 2}}},
     "process 1 on a reports an error; process 2 on a reports ncclRemoteError; process "
     "3 on "
     "a is at collective 1, others at 2; and 4 more"},
};

static void says_what_nccl_says(void **state)
{
    struct stallrank ranks[RANKS] = {0};
    struct stallwords w = {
        .ranks = ranks, .n = RANKS, .node_of_rank = nodes, .is_at = is_at};
    char have[STALLWORDS_TEXT];
    (void)state;
    set(ranks, "SSSSSSSS");
    for (size_t i = 0; i < sizeof nccl / sizeof *nccl; i++) {
        stallwords_nccl(&w, &nccl[i].said, have, sizeof have);
        assert_string_equal(have, nccl[i].want);
    }
}

static void finds_the_rank_of_a_process(void **state)
{
    static const struct {
        int64_t pid;
        const char *host;
        int64_t want;
    } pids[] = {
        {100, "10.0.0.1", 0}, {100, "10.0.0.2", 4}, {100, "192.168.0.9", -1},
        {103, "10.0.0.2", 7}, {4, "ib0", -1},       {104, "10.0.0.2", -1},
        {-1, "10.0.0.2", -1}, {777, "ib0", 2},      {777, "10.0.0.2", -1},
        {777, "10.0.0.1", 2},
    };
    struct stallrank ranks[RANKS] = {0};
    struct stallwords w = {.ranks = ranks, .n = RANKS, .is_at = is_at};
    (void)state;
    set(ranks, "SSSSSSSS");
    ranks[2].pids[1] = 777;
    for (size_t i = 0; i < sizeof pids / sizeof *pids; i++)
        assert_int_equal(stallwords_rank_of(&w, pids[i].pid, pids[i].host),
                         pids[i].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_who_stands_out),
        cmocka_unit_test(says_what_nccl_says),
        cmocka_unit_test(finds_the_rank_of_a_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
