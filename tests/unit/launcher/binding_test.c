/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/binding.h"
#include "proto/base/err.h"

enum { U, OK, D }; /* as Aolani__Binding__State */

struct message { /* of a state of "cpus" and of "gpu"; -1: no such check */
    Aolani__Binding m;
    Aolani__Binding__Check checks[LIMIT_BINDING_CHECKS + 2];
    Aolani__Binding__Check *list[LIMIT_BINDING_CHECKS + 2];
};

static void add(struct message *m, const char *what, int state, const char *text)
{
    Aolani__Binding__Check *c = &m->checks[m->m.n_checks];
    aolani__binding__check__init(c);
    c->what = (char *)what;
    c->state = (Aolani__Binding__State)state;
    c->text = (char *)text;
    m->list[m->m.n_checks++] = c;
    m->m.checks = m->list;
}

static void fill(struct message *m, int cpus, int gpu, const char *text)
{
    aolani__binding__init(&m->m);
    m->m.applied_cpus = (char *)"1";
    m->m.cpus = (char *)"0-1";
    m->m.threads = 4;
    if (cpus >= 0)
        add(m, "cpus", cpus, text);
    if (gpu >= 0)
        add(m, "gpu", gpu, text);
}

static void test_when_drift_begins_and_ends(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        struct {
            int cpus, gpu;
        } seen[6]; /* one a second; -2 ends */
        const char *drifts;
    } table[] = {
        {"never", {{OK, OK}, {OK, OK}, {-2, 0}}, ""},
        {"from the first", {{D, OK}, {OK, OK}, {-2, 0}}, "cpus 0-1 "},
        {"and not over", {{OK, OK}, {D, OK}, {D, OK}, {-2, 0}}, "cpus 1- "},
        {"twice",
         {{D, -1}, {OK, -1}, {D, -1}, {OK, -1}, {-2, 0}},
         "cpus 0-1 cpus 2-3 "},
        {"both", {{D, D}, {OK, D}, {OK, OK}, {-2, 0}}, "cpus 0-1 gpu 0-2 "},
        {"then unverified", {{OK, D}, {OK, U}, {-2, 0}}, "gpu 0-1 "},
        {"a state of a later version", {{77, OK}, {-2, 0}}, ""},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct binding *b = binding_create();
        char got[200] = "";
        size_t begins = 0, ends = 0;
        for (unsigned k = 0; table[i].seen[k].cpus != -2; k++) {
            struct message *m = calloc(1, sizeof *m);
            struct binding_news news;
            fill(m, table[i].seen[k].cpus, table[i].seen[k].gpu, "text");
            assert_int_equal(binding_take(b, &m->m, 1000 * k, &news), 0);
            for (size_t n = 0; n < news.n; n++) {
                bool lost = !news.list[n].begins && table[i].seen[k].gpu == U;
                assert_int_equal(news.list[n].unverified != NULL, lost);
                *(news.list[n].begins ? &begins : &ends) += 1;
            }
            free(m);
        }
        size_t over = 0;
        for (size_t k = 0; k < b->n_drifts; k++) {
            const struct binding_drift *d = &b->drifts[k];
            size_t n = strlen(got);
            over += d->over;
            if (d->over)
                (void)snprintf(got + n, sizeof got - n, "%s %u-%u ", d->what,
                               (unsigned)(d->from_ms / 1000),
                               (unsigned)(d->to_ms / 1000));
            else
                (void)snprintf(got + n, sizeof got - n, "%s %u- ", d->what,
                               (unsigned)(d->from_ms / 1000));
        }
        print_message("%s\n", table[i].what);
        assert_string_equal(got, table[i].drifts);
        assert_int_equal(begins, b->n_drifts);
        assert_int_equal(ends, over);
        assert_int_equal(binding_drifting(b) != NULL, over < b->n_drifts);
        binding_destroy(b);
    }
}

static void test_many_drifts_are_counted(void **state)
{
    (void)state;
    struct binding *b = binding_create();
    for (unsigned k = 0; k < 100; k++) {
        struct message *m = calloc(1, sizeof *m);
        struct binding_news news;
        fill(m, k % 2 ? OK : D, -1, "text");
        assert_int_equal(binding_take(b, &m->m, 1000 * k, &news), 0);
        assert_int_equal(news.n, 1);
        free(m);
    }
    assert_int_equal(b->n_drifts, BINDING_DRIFTS);
    assert_int_equal(b->more_drifts, 50 - BINDING_DRIFTS);
    assert_int_equal(b->drifts[0].from_ms, 0);
    assert_int_equal(b->drifts[BINDING_DRIFTS - 1].from_ms, 98000);
    struct binding *copy = binding_copy(b);
    assert_int_equal(copy->n_drifts, b->n_drifts);
    assert_int_equal(copy->more_drifts, b->more_drifts);
    assert_string_equal(copy->seen_cpus, "0-1");
    assert_string_equal(copy->drifts[3].text, "text");
    binding_destroy(copy);
    binding_destroy(b);
}

/* All places are taken: the one that ends with this message is still to be told of. */
static void test_one_ends_as_another_begins(void **state)
{
    (void)state;
    struct binding *b = binding_create();
    struct binding_news news;
    for (unsigned k = 0; k < 2 * BINDING_DRIFTS; k++) {
        struct message *m = calloc(1, sizeof *m);
        bool last = k == 2 * BINDING_DRIFTS - 1;
        fill(m, k % 2 ? OK : D, last ? D : OK, "text");
        assert_int_equal(binding_take(b, &m->m, 1000 * k, &news), 0);
        free(m);
    }
    assert_int_equal(news.n, 2);
    for (size_t i = 0; i < news.n; i++) {
        const struct binding_drift *d = news.list[i].drift;
        assert_string_equal(d->what, news.list[i].begins ? "gpu" : "cpus");
        assert_int_equal(d->over, !news.list[i].begins);
        if (d->over)
            assert_int_equal(d->to_ms - d->from_ms, 1000);
    }
    binding_destroy(b);
}

static void test_hostile_messages(void **state)
{
    (void)state;
    struct binding *b = binding_create();
    struct binding_news news;
    static char long_text[60000];
    memset(long_text, 'x', sizeof long_text - 1);
    for (int i = 0; i < 5; i++) {
        struct message *m = calloc(1, sizeof *m);
        fill(m, OK, -1, "");
        if (i == 0) { /* too many checks */
            for (unsigned k = 0; k < LIMIT_BINDING_CHECKS; k++)
                add(m, "x", OK, "");
        } else if (i == 1) { /* the same twice */
            add(m, "cpus", D, "");
        } else if (i == 2) {
            add(m, long_text, OK, "");
        } else if (i == 3) {
            m->m.n_gpus = LIMIT_GPUS + 1;
        } else {
            m->m.n_pages = LIMIT_NUMA + 1;
        }
        assert_int_equal(binding_take(b, &m->m, 0, &news), ERR_LIMIT);
        assert_false(b->read);
        free(m);
    }
    struct message *m = calloc(1, sizeof *m);
    fill(m, D, -1, long_text);
    m->m.cpus = long_text;
    assert_int_equal(binding_take(b, &m->m, 0, &news), 0);
    assert_int_equal(strlen(b->checks[0].text), 400);
    assert_true(strlen(b->seen_cpus) < 13000);
    m->checks[0].text = (char *)"odd \033[31m \xff \xc3";
    assert_int_equal(binding_take(b, &m->m, 0, &news), 0);
    assert_string_equal(b->checks[0].text, "odd ?[31m ? ?");
    free(m);
    binding_destroy(b);
    binding_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_when_drift_begins_and_ends),
        cmocka_unit_test(test_many_drifts_are_counted),
        cmocka_unit_test(test_one_ends_as_another_begins),
        cmocka_unit_test(test_hostile_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
