/* SPDX-License-Identifier: MIT */
/* job_stall_test.c - what two agents answer on a stall: what is said of it, and what ends
 * their link. A job as it is while ranks run, and a fleet that is nothing but its nodes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "launcher/fleet_impl.h"
#include "launcher/job_stall_impl.h"
#include "proto/base/log.h"
#include "tests/lib/node.h"

#define NODES 2u
#define RANKS 8u /* one for each GPU */
#define EACH  4u

struct fixture {
    struct job *j;
    struct spec spec;
    struct nodes nodes;
    struct fleet fleet;
    struct fleet_node fleet_nodes[NODES];
    struct node *node;
    struct topo *topos[NODES];
    char *names[NODES];
    char said[4000];
};

static void on_said(enum log_level level, const char *line, void *arg)
{
    struct fixture *f = arg;
    size_t at = strlen(f->said);
    (void)level;
    (void)snprintf(f->said + at, sizeof f->said - at, "%s\n", line);
}

static int setup(void **state)
{
    static char n0[] = "gpu1", n1[] = "gpu2";
    struct fixture *f = calloc(1, sizeof *f);
    struct job *j = calloc(1, sizeof *j);
    struct err e;
    *state = f;
    if (!f || !j)
        return -1;
    f->names[0] = n0;
    f->names[1] = n1;
    f->nodes = (struct nodes){.names = f->names, .n = NODES};
    f->spec = (struct spec){.bind.cores = true, .bind.gpu = "all"};
    f->fleet = (struct fleet){.nodes = f->fleet_nodes, .n_nodes = NODES};
    f->node = node_make(2);
    for (uint32_t i = 0; i < NODES; i++)
        f->topos[i] = node_topo(f->node);
    f->j = j;
    j->n_nodes = NODES;
    j->config.spec = &f->spec;
    j->config.nodes = &f->nodes;
    j->config.attempt = 1;
    j->fleet = &f->fleet;
    j->state = JOB_RUNNING;
    j->nodes = calloc(NODES, sizeof *j->nodes);
    j->ranks = calloc(RANKS, sizeof *j->ranks);
    j->node_of_rank = calloc(RANKS, sizeof *j->node_of_rank);
    if (loop_create(&j->loop, &e) < 0 ||
        place(&f->spec, false, f->names, f->topos, NODES, &j->plan, &e) < 0 ||
        fences_create(NODES, j->plan.first_rank, &job_fence_ops, j, &j->fences) < 0 ||
        steps_create(RANKS, 0, NULL, &j->steps) < 0 || job_stall_create(j) < 0)
        return -1;
    for (uint32_t i = 0; i < RANKS; i++)
        j->ranks[i].v.end = RANK_ALIVE;
    for (uint32_t i = 0; i < RANKS; i++)
        j->node_of_rank[i] = f->names[j->plan.ranks[i].node];
    log_setup("test", LOG_NOTE_, on_said, f);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    struct job *j = f->j;
    log_setup("test", LOG_NOTE_, NULL, NULL);
    steps_destroy(j->steps);
    job_stall_destroy(j->stall);
    fences_destroy(j->fences);
    plan_fini(&j->plan);
    loop_destroy(j->loop);
    for (size_t i = 0; i < j->n_warnings; i++)
        free(j->warnings[i]);
    free(j->warnings);
    free(j->nodes);
    free(j->ranks);
    free(j->node_of_rank);
    free(j);
    for (uint32_t i = 0; i < NODES; i++)
        topo_destroy(f->topos[i]);
    free(f->node);
    free(f);
    return 0;
}

/* ---- a message ---- */

struct seen {
    Aolani__StallSeen m;
    Aolani__StallSeen__Rank ranks[EACH + 1], *list[EACH + 1];
    uint32_t pids[LIMIT_STALL_PIDS + 1];
};

static void seen_init(struct seen *s, uint32_t node)
{
    static char sleeps[] = "S";
    memset(s, 0, sizeof *s);
    aolani__stall_seen__init(&s->m);
    s->m.look = 1;
    s->m.ranks = s->list;
    s->m.n_ranks = EACH;
    for (uint32_t i = 0; i <= EACH; i++) {
        Aolani__StallSeen__Rank *r = &s->ranks[i];
        aolani__stall_seen__rank__init(r);
        s->list[i] = r;
        r->rank = node * EACH + i;
        r->state = sleeps;
        r->pid = 100 + i;
        s->pids[0] = 100;
        r->pids = s->pids;
        r->n_pids = 1;
    }
}

/* The answer of node 1, which was asked for NCCL's. */
static void nccl_says(struct seen *s, const char *text)
{
    seen_init(s, 1);
    s->m.nccl_asked = true;
    s->m.nccl_text.data = (uint8_t *)text;
    s->m.nccl_text.len = strlen(text);
}

/* As after STALL_ASK to both nodes, for NCCL to the second. */
static struct job_stall *asked(struct fixture *f)
{
    struct job_stall *s = f->j->stall;
    for (uint32_t i = 0; i < RANKS; i++)
        for (uint32_t step = 0; step < 3; step++)
            job_stall_news(f->j, i, step);
    s->ranks = calloc(RANKS, sizeof *s->ranks);
    assert_non_null(s->ranks);
    s->look = 1;
    s->look_ms = loop_now_ms(f->j->loop);
    s->first = true;
    s->n = 1;
    s->core.looks = 1;
    s->awaited[0] = s->awaited[1] = true;
    s->n_awaited = 2;
    for (uint32_t i = 0; i < RANKS; i++)
        s->ranks[i].ended = s->ended[i];
    return s;
}

static void ask_nccl(struct job_stall *s, uint32_t node)
{
    s->tried[s->n_tried++] = node;
    s->asks_nccl = true;
    s->nccl_ms = s->look_ms;
}

static int tell(struct fixture *f, uint32_t node, struct seen *s)
{
    struct err e;
    return job_on_stall_seen(f->j, node, &s->m.base, &e);
}

/* ---- what is said ---- */

static void names_who_is_stopped(void **state)
{
    static char stopped[] = "T";
    struct fixture *f = *state;
    struct job_stall *s = asked(f);
    struct seen m;
    seen_init(&m, 0);
    assert_int_equal(tell(f, 0, &m), 0);
    assert_string_equal(f->said, "");
    seen_init(&m, 1);
    m.ranks[1].state = stopped;
    assert_int_equal(tell(f, 1, &m), 0);
    assert_string_equal(
        f->said, "test: warning: no rank has ended a step for 0 ms (the last was "
                 "step 2)\n"
                 "test:   rank 5 on gpu2 is stopped by a signal (state T); the "
                 "other 7 sleep\n");
    assert_string_equal(s->all[0].ranks, "5");
    assert_int_equal(s->look_ms, 0);
    /* answers that come too late, twice, or to no question */
    f->said[0] = '\0';
    assert_int_equal(tell(f, 1, &m), 0);
    m.m.look = 7;
    assert_int_equal(tell(f, 0, &m), ERR_PROTO); /* ranks of the other node */
    assert_string_equal(f->said, "");
}

static void says_what_nccl_says(void **state)
{
    static char text[] = "INCOMPLETE\n  Process 100 on node 10.9.9.9 managing GPU 5\n";
    static char address[] = "127.0.0.1:1";
    struct fixture *f = *state;
    struct job_stall *s = asked(f);
    struct seen m;
    ask_nccl(s, 1);
    for (uint32_t i = 0; i < NODES; i++) {
        seen_init(&m, i);
        m.pids[0] = 7;
        assert_int_equal(tell(f, i, &m), 0);
    }
    assert_string_equal(f->said, ""); /* it waits for NCCL */
    nccl_says(&m, text);
    m.m.nccl_address = address;
    /* The other node has not been asked. */
    m.m.n_ranks = 0;
    assert_int_equal(tell(f, 0, &m), 0);
    assert_string_equal(f->said, "");
    assert_int_equal(tell(f, 1, &m), 0);
    assert_non_null(strstr(f->said, "all 8 ranks sleep; none is behind or stopped\n"));
    assert_non_null(strstr(
        f->said, "NCCL, asked on gpu2: process 100 on 10.9.9.9 does not answer\n"));
    assert_int_equal(s->look_ms, 0);
}

/* Whoever has the port may have answered; the file is to be read on a terminal. */
static void keeps_no_terminals_orders_of_nccl(void **state)
{
    static char text[] = "OK\n\tJob\033]0;x\007 done\n\302\233H\r\n";
    struct fixture *f = *state;
    struct job_stall *s = asked(f);
    struct seen m;
    ask_nccl(s, 1);
    nccl_says(&m, text);
    assert_int_equal(tell(f, 1, &m), 0);
    assert_int_equal(buf_add(&s->page, "", 1), 0);
    assert_non_null(strstr((const char *)s->page.data, "OK\n Job?]0;x? done\n??H?\n"));
}

/* NCCL may answer before the node does whose process it names. */
static void names_the_rank_of_a_node_that_answers_late(void **state)
{
    static char text[] = "INCOMPLETE\n  Process 7777 on node 10.9.9.9 managing GPU 5\n";
    struct fixture *f = *state;
    struct job_stall *s = asked(f);
    struct seen m;
    ask_nccl(s, 1);
    nccl_says(&m, text);
    assert_int_equal(tell(f, 1, &m), 0);
    assert_string_equal(f->said, "");
    seen_init(&m, 0);
    m.ranks[2].pids = (uint32_t[]){7777};
    assert_int_equal(tell(f, 0, &m), 0);
    assert_non_null(strstr(
        f->said,
        "NCCL, asked on gpu2: rank 2 (process 7777 on 10.9.9.9) does not answer\n"));
}

/* An agent that could not look at its ranks answers for NCCL alone. */
static void calls_no_rank_gone_that_was_not_looked_at(void **state)
{
    static char text[] = "NCCL version 2.28.7\n";
    struct fixture *f = *state;
    struct job_stall *s = asked(f);
    struct seen m;
    ask_nccl(s, 1);
    seen_init(&m, 0);
    assert_int_equal(tell(f, 0, &m), 0);
    nccl_says(&m, text);
    m.m.n_ranks = 0;
    assert_int_equal(tell(f, 1, &m), 0);
    assert_true(s->awaited[1]);
    for (unsigned i = 1; i < 8; i++)
        job_stall_tick(f->j, s->core.at_ms + 1000);
    assert_non_null(strstr(f->said, "ranks 4-7 (4) are not known of"));
    assert_null(strstr(f->said, "no process"));
}

static void says_that_nccl_says_nothing(void **state)
{
    static char why[] = "ask NCCL's RAS: connection refused";
    struct fixture *f = *state;
    struct job_stall *s = asked(f);
    struct seen m;
    ask_nccl(s, 0);
    for (uint32_t i = 0; i < NODES; i++) {
        seen_init(&m, 1 - i);
        m.m.nccl_asked = i == 1;
        m.m.nccl_error = why;
        assert_int_equal(tell(f, 1 - i, &m), 0);
    }
    assert_non_null(strstr(f->said, "NCCL, asked on gpu1: no answer: ask NCCL's RAS"));
}

static void says_that_steps_go_on(void **state)
{
    struct fixture *f = *state;
    struct job_stall *s = asked(f);
    struct seen m;
    char words[40];
    for (uint32_t i = 0; i < NODES; i++) {
        seen_init(&m, i);
        assert_int_equal(tell(f, i, &m), 0);
    }
    assert_true(job_stall_words(f->j, words, sizeof words));
    assert_string_equal(words, "no step for 0 ms");
    f->said[0] = '\0';
    f->j->state = JOB_STOPPING;
    job_stall_news(f->j, 3, 3);
    assert_string_equal(f->said, "");
    f->j->state = JOB_RUNNING;
    job_stall_news(f->j, 3, 3);
    assert_string_equal(f->said, "test: steps go on after 0 ms\n");
    assert_true(s->all[0].over);
    assert_null(s->all[0].ranks);
    assert_false(job_stall_words(f->j, words, sizeof words));
}

/* A communicator that is made anew, or an epoch, begins at its own first number; and of the
 * collective that ended steps before another did some are still told. */
static void follows_numbers_that_fall(void **state)
{
    struct fixture *f = *state;
    struct job_stall *s = asked(f);
    s->core.looks = 0;
    s->look_ms = 0;
    for (uint32_t i = 0; i < RANKS; i++)
        job_stall_news(f->j, i, 5000);
    for (uint32_t step = 1; step < 4; step++)
        for (uint32_t i = 0; i < RANKS; i++)
            job_stall_news(f->j, i, step);
    assert_int_equal(s->core.step, 3);
    job_stall_anew(f->j);
    for (uint32_t i = 0; i < RANKS; i++)
        job_stall_news(f->j, i, 5000);
    assert_int_equal(s->core.n, 1);
    for (uint32_t step = 1; step < 4; step++)
        for (uint32_t i = 0; i < RANKS; i++)
            job_stall_news(f->j, i, step);
    assert_int_equal(s->core.step, 3);
    assert_true(s->core.n > 1);
}

/* While the launcher was suspended nobody could answer it. */
static void waits_on_after_it_was_suspended(void **state)
{
    struct fixture *f = *state;
    struct job_stall *s = asked(f);
    uint64_t now_ms = s->look_ms + 3600000;
    job_stall_tick(f->j, now_ms);
    job_stall_tick(f->j, now_ms + 1000);
    assert_string_equal(f->said, "");
    assert_int_not_equal(s->look_ms, 0);
    for (unsigned i = 2; i < 8; i++)
        job_stall_tick(f->j, now_ms + 1000 * i);
    assert_non_null(strstr(f->said, "have not answered"));
}

/* Steps that come from elsewhere are steps, too. */
static void another_source_ends_a_stall(void **state)
{
    struct fixture *f = *state;
    struct job_stall *s = asked(f);
    struct seen m;
    for (uint32_t i = 0; i < NODES; i++) {
        seen_init(&m, i);
        assert_int_equal(tell(f, i, &m), 0);
    }
    f->said[0] = '\0';
    job_stall_anew(f->j);
    assert_string_equal(f->said, "test: steps go on after 0 ms\n");
    assert_true(s->all[0].over);
    f->said[0] = '\0';
    job_stall_anew(f->j);
    assert_string_equal(f->said, "");
}

/* ---- what ends a link ---- */

static void refuses(void **state)
{
    static char two[] = "TT", digit[] = "7", latin[] = "\xc3\xa4", none[] = "";
    static char wide[LIMIT_WAIT_CHANNEL + 2], most[LIMIT_WAIT_CHANNEL + 1];
    struct fixture *f = *state;
    struct seen m;
    memset(wide, 'w', sizeof wide - 1);
    memset(most, 'w', sizeof most - 1);
    (void)asked(f);
    for (unsigned i = 0; i < 10; i++) {
        seen_init(&m, 0);
        m.m.look = 2; /* nobody asked: it is looked at all the same */
        if (i == 0)
            m.m.n_ranks = EACH + 1;
        else if (i == 1)
            m.ranks[3].rank = EACH;
        else if (i == 2)
            m.ranks[3].rank = UINT32_MAX;
        else if (i == 3)
            m.ranks[0].state = two;
        else if (i == 4)
            m.ranks[0].state = digit;
        else if (i == 5)
            m.ranks[0].state = latin;
        else if (i == 6)
            m.ranks[0].wait_channel = wide;
        else if (i == 7)
            m.ranks[0].n_pids = LIMIT_STALL_PIDS + 1;
        else if (i == 8)
            m.m.nccl_text.len = LIMIT_RAS_TEXT + 1;
        else {
            m.ranks[0].state = none;
            m.ranks[0].wait_channel = most;
            m.ranks[0].n_pids = LIMIT_STALL_PIDS;
            m.m.nccl_text.len = LIMIT_RAS_TEXT;
        }
        assert_int_equal(tell(f, 0, &m), i < 9 ? ERR_PROTO : 0);
    }
    assert_string_equal(f->said, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names_who_is_stopped, setup, teardown),
        cmocka_unit_test_setup_teardown(says_what_nccl_says, setup, teardown),
        cmocka_unit_test_setup_teardown(keeps_no_terminals_orders_of_nccl, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(names_the_rank_of_a_node_that_answers_late,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(calls_no_rank_gone_that_was_not_looked_at,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(says_that_nccl_says_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(says_that_steps_go_on, setup, teardown),
        cmocka_unit_test_setup_teardown(follows_numbers_that_fall, setup, teardown),
        cmocka_unit_test_setup_teardown(waits_on_after_it_was_suspended, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(another_source_ends_a_stall, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
