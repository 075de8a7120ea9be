/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/envbind.h"

enum { MOST = 4 };

struct pairs {
    Aolani__KeyValue kv[MOST], *list[MOST];
    char text[MOST][64];
    size_t n;
};

/* "A=1 B=2" */
static void split(const char *text, struct pairs *p)
{
    memset(p, 0, sizeof *p);
    for (const char *at = text; *at; p->n++) {
        size_t len = strcspn(at, " ");
        char *copy = p->text[p->n];
        memcpy(copy, at, len);
        aolani__key_value__init(&p->kv[p->n]);
        copy[strcspn(copy, "=")] = '\0';
        p->kv[p->n].key = copy;
        p->kv[p->n].value = copy + strlen(copy) + 1;
        p->list[p->n] = &p->kv[p->n];
        at += len + (at[len] == ' ');
    }
}

static void on_conflict(void *arg, const struct envbind_conflict *c)
{
    char *said = arg;
    size_t at = strlen(said);
    (void)snprintf(said + at, 256 - at, "%s%s: %s %s %s by %s", at ? "; " : "", c->name,
                   c->ours, c->by, c->theirs, c->by_setup ? "setup" : "node");
}

#define CVD  "CUDA_VISIBLE_DEVICES"
#define ROCR "ROCR_VISIBLE_DEVICES"
#define HIP  "HIP_VISIBLE_DEVICES"

static void test_who_wins(void **state)
{
    (void)state;
    static const struct {
        const char *own, *base, *forwarded, *job_env; /* the agent's, then the ranks' */
        const char *node, *rank;                      /* of the binding */
        const char *want;                             /* before [job] env */
        const char *conflicts;
    } table[] = {
        {"", "", "", "", "A=1", "B=2", "B=2 A=1", ""},
        {"", "", "", "", "A=1", "A=2", "A=2", ""},
        {"A=x", "A=x", "", "", "A=1", "", "A=x", "A: 1 A x by node"},
        {"A=1", "A=1", "", "", "A=1", "", "A=1", ""},
        {"", "A=x", "", "", "A=1", "", "A=x", "A: 1 A x by setup"},
        {"A=y", "A=x", "", "", "A=1", "", "A=x", "A: 1 A x by setup"},
        {"", "B=x", "", "", "A=1", "B=2", "B=x A=1", "B: 2 B x by setup"},
        /* what the head knows it says itself */
        {"", "A=x", "A=x", "", "A=1", "", "A=x", ""},
        {"", "A=z", "A=x", "", "A=1", "", "A=z", "A: 1 A z by setup"},
        {"A=x", "A=x", "", "A=j", "A=1", "", "A=x", ""},
        /* a filter that the site gave the agent is looked through */
        {CVD "=2,3", CVD "=2,3", "", "", CVD "=GPU-a", "", CVD "=GPU-a", ""},
        {CVD "=2,3", CVD "=2,3", "", "", "A=1", "", CVD "=2,3 A=1", ""},
        {CVD "=2,3", CVD "=2,3", "", "", "", CVD "=GPU-a", CVD "=GPU-a", ""},
        {CVD "=2,3", CVD "=0", "", "", CVD "=GPU-a", "", CVD "=0",
         CVD ": GPU-a " CVD " 0 by setup"},
        {"", CVD "=0", "", "", CVD "=GPU-a", "", CVD "=0",
         CVD ": GPU-a " CVD " 0 by setup"},
        {CVD "=0", CVD "=0", CVD "=0", "", CVD "=GPU-a", "", CVD "=0", ""},
        {"CUDA_DEVICE_ORDER=FASTEST_FIRST", "CUDA_DEVICE_ORDER=FASTEST_FIRST", "", "",
         "CUDA_DEVICE_ORDER=PCI_BUS_ID", "", "CUDA_DEVICE_ORDER=FASTEST_FIRST",
         "CUDA_DEVICE_ORDER: PCI_BUS_ID CUDA_DEVICE_ORDER FASTEST_FIRST by node"},
        /* AMD's filters count one behind the other */
        {HIP "=1", HIP "=1 A=0", "", "", ROCR "=GPU-a", "", "A=0 " ROCR "=GPU-a", ""},
        {CVD "=1 " ROCR "=0", CVD "=1 " ROCR "=0", "", "", ROCR "=GPU-a", "",
         ROCR "=GPU-a", ""},
        {"", HIP "=1", "", "", ROCR "=GPU-a", "", HIP "=1",
         ROCR ": GPU-a " HIP " 1 by setup"},
        {"", "", "", HIP "=1", ROCR "=GPU-a", "", "", ""},
        {"", "", "", ROCR "=1", ROCR "=GPU-a", "", ROCR "=GPU-a", ""},
        {"", HIP "=1", "", "", CVD "=GPU-a", "", HIP "=1 " CVD "=GPU-a", ""},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct pairs own, base, forwarded, env, node, rank;
        Aolani__Prepare plan = AOLANI__PREPARE__INIT;
        Aolani__RankPlan r = AOLANI__RANK_PLAN__INIT, *ranks[] = {&r};
        char *own_list[MOST + 1] = {0}, own_text[MOST][80], got[256] = "",
                              said[256] = "";
        struct envlist l = {0};
        split(table[i].own, &own);
        split(table[i].base, &base);
        split(table[i].forwarded, &forwarded);
        split(table[i].job_env, &env);
        split(table[i].node, &node);
        split(table[i].rank, &rank);
        for (size_t k = 0; k < own.n; k++) {
            (void)snprintf(own_text[k], sizeof own_text[k], "%s=%s", own.kv[k].key,
                           own.kv[k].value);
            own_list[k] = own_text[k];
        }
        assert_int_equal(envlist_set_pairs(&l, base.list, base.n), 0);
        plan.forwarded = forwarded.list;
        plan.n_forwarded = forwarded.n;
        plan.env = env.list;
        plan.n_env = env.n;
        plan.bind_env = node.list;
        plan.n_bind_env = node.n;
        plan.ranks = ranks;
        plan.n_ranks = 1;
        r.bind_env = rank.list;
        r.n_bind_env = rank.n;
        struct envbind b = {.plan = &plan, .own = own_list};
        envbind_conflicts(&b, &l, on_conflict, said);
        assert_int_equal(envbind_set(&b, &r, &l), 0);
        for (size_t k = 0; k < l.n; k++) {
            size_t at = strlen(got);
            (void)snprintf(got + at, sizeof got - at, "%s%s", k ? " " : "", l.v[k]);
        }
        if (strcmp(got, table[i].want) != 0 || strcmp(said, table[i].conflicts) != 0)
            fail_msg("row %zu: \"%s\", \"%s\"", i, got, said);
        assert_true(l.n == 0 || !l.v[l.n]);
        envlist_fini(&l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_who_wins)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
