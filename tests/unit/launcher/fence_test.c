/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/fence.h"
#include "proto/base/limits.h"

/* Four nodes with two ranks each. What the module says is written down as text. */
struct rig {
    struct fences *f;
    char said[4096];
    uint64_t last_id;
};

static void note(struct rig *r, const char *fmt, ...)
{
    va_list ap;
    size_t len = strlen(r->said);
    va_start(ap, fmt);
    (void)vsnprintf(r->said + len, sizeof r->said - len, fmt, ap);
    va_end(ap);
}

static void on_done(void *arg, uint32_t node, const Aolani__FenceDone *m)
{
    note(arg, "%u:%.*s", node, (int)m->key.len, (const char *)m->key.data);
    if (m->status)
        note(arg, "!%d ", m->status);
    else if (m->data.len < 64)
        note(arg, "=%.*s ", (int)m->data.len, (const char *)m->data.data);
    else
        note(arg, "=%zu bytes ", m->data.len);
}

static void on_get(void *arg, uint32_t node, const Aolani__ModexGet *m)
{
    struct rig *r = arg;
    r->last_id = m->request;
    note(r, "%u?%u ", node, m->rank);
}

static void on_got(void *arg, uint32_t node, const Aolani__ModexData *m)
{
    note(arg, "%u<%u", node, (unsigned)m->request);
    if (m->status)
        note(arg, "!%d ", m->status);
    else
        note(arg, "=%.*s ", (int)m->data.len, (const char *)m->data.data);
}

static const struct fence_ops ops = {on_done, on_get, on_got};
static const uint32_t first_rank[] = {0, 2, 4, 6, 8};

static int setup(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    assert_int_equal(fences_create(4, first_rank, &ops, r, &r->f), 0);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;
    fences_destroy(r->f);
    free(r);
    return 0;
}

static int give(struct rig *r, uint32_t node, const char *key, const char *nodes,
                const char *data, int status)
{
    uint32_t list[16];
    Aolani__Fence m = AOLANI__FENCE__INIT;
    m.key.data = (uint8_t *)key;
    m.key.len = strlen(key);
    m.nodes = list;
    for (; nodes[m.n_nodes]; m.n_nodes++)
        list[m.n_nodes] = (uint32_t)(nodes[m.n_nodes] - '0');
    m.data.data = (uint8_t *)data;
    m.data.len = strlen(data);
    m.status = status;
    struct err e;
    return fences_add(r->f, node, &m, &e);
}

/* One row: what happens (0: a part, 'L': lost, 'B': broken, 'F': its part fails), and all
 * that was said until then. NODE_LOST is -10003. */
struct step {
    char what;
    uint32_t node;
    const char *key, *nodes, *data;
    int rc;
    const char *said;
};

static const struct step script[] = {
    /* all give: joined in order of the nodes, not of their coming */
    {0, 2, "a", "012", "z", 0, ""},
    {0, 0, "a", "012", "x", 0, ""},
    {0, 1, "a", "012", "y", 0, "0:a=xyz 1:a=xyz 2:a=xyz "},
    /* the same key again is a new collective; two at once do not mix */
    {0, 0, "a", "02", "", 0, ""},
    {0, 1, "b", "13", "q", 0, ""},
    {0, 2, "a", "02", "w", 0, "0:a=w 2:a=w "},
    {0, 3, "b", "13", "r", 0, "1:b=qr 3:b=qr "},
    /* alone */
    {0, 3, "c", "3", "s", 0, "3:c=s "},
    /* hostile parts */
    {0, 0, "d", "01", "", 0, ""},
    {0, 0, "d", "01", "", ERR_PROTO, ""},
    {0, 1, "d", "12", "", ERR_PROTO, ""},
    {0, 1, "e", "02", "", ERR_PROTO, ""},
    {0, 1, "e", "19", "", ERR_PROTO, ""},
    {0, 1, "e", "31", "", ERR_PROTO, ""},
    {0, 1, "e", "11", "", ERR_PROTO, ""},
    {0, 1, "e", "", "", ERR_PROTO, ""},
    {0, 1, "", "1", "", ERR_PROTO, ""},
    {0, 1, "0123456789012345678901234567890123456789012345678901234567890123x", "1", "",
     ERR_PROTO, ""},
    {0, 1, "d", "01", "", 0, "0:d= 1:d= "},
    /* one cannot give: who waits and who comes later hear the same */
    {0, 0, "g", "012", "x", 0, ""},
    {'F', 1, "g", "012", "", 0, "0:g!-10003 1:g!-10003 "},
    {0, 2, "g", "012", "x", 0, "2:g!-10003 "},
    {0, 0, "g", "012", "x", 0, ""}, /* forgotten by then */
    {0, 1, "g", "012", "x", 0, ""},
    {0, 2, "g", "012", "x", 0, "0:g=xxx 1:g=xxx 2:g=xxx "},
    /* a node that has broken is answered, and is of no use to others */
    {0, 1, "h", "13", "x", 0, ""},
    {'B', 3, NULL, NULL, NULL, 0, "1:h!-10003 "},
    {0, 3, "h", "13", "x", 0, "3:h!-10003 "},
    {0, 0, "i", "03", "x", 0, "0:i!-10003 "},
    {0, 0, "j", "01", "x", 0, ""},
    /* a lost one hears nothing more */
    {'L', 1, NULL, NULL, NULL, 0, "0:j!-10003 "},
    {0, 1, "j", "01", "x", 0, ""},
    {0, 2, "k", "12", "x", 0, "2:k!-10003 "},
    {0, 0, "l", "02", "x", 0, ""},
    {'L', 0, NULL, NULL, NULL, 0, ""},
    {0, 2, "l", "02", "x", 0, "2:l!-10003 "},
};

static void test_script(void **state)
{
    struct rig *r = *state;
    for (size_t i = 0; i < sizeof script / sizeof *script; i++) {
        const struct step *s = &script[i];
        int rc = 0;
        r->said[0] = '\0';
        if (s->what == 'L')
            fences_node_lost(r->f, s->node);
        else if (s->what == 'B')
            rc = give(r, s->node, "", "", "", -1);
        else
            rc = give(r, s->node, s->key, s->nodes, s->data, s->what == 'F');
        if (rc != s->rc || strcmp(r->said, s->said))
            fail_msg("row %zu: %d \"%s\"", i, rc, r->said);
    }
}

static int answer(struct rig *r, uint32_t node, uint64_t id, const char *data)
{
    Aolani__ModexData m = AOLANI__MODEX_DATA__INIT;
    struct err e;
    m.request = id;
    m.data.data = (uint8_t *)data;
    m.data.len = strlen(data);
    return fences_data(r->f, node, &m, &e);
}

static int ask(struct rig *r, uint32_t node, uint32_t rank, uint64_t request)
{
    Aolani__ModexGet m = AOLANI__MODEX_GET__INIT;
    struct err e;
    m.rank = rank;
    m.request = request;
    r->said[0] = '\0';
    return fences_get(r->f, node, &m, &e);
}

static void test_lookups_go_to_the_owner_and_back(void **state)
{
    struct rig *r = *state;
    assert_int_equal(ask(r, 0, 7, 5), 0);
    assert_string_equal(r->said, "3?7 ");
    uint64_t first = r->last_id;
    assert_int_equal(ask(r, 1, 6, 5), 0); /* the same number of another asker */
    assert_string_equal(r->said, "3?6 ");
    uint64_t second = r->last_id;
    assert_int_not_equal(first, second);
    r->said[0] = '\0';
    assert_int_equal(answer(r, 3, second, "six"), 0);
    assert_int_equal(answer(r, 3, first, "seven"), 0);
    assert_string_equal(r->said, "1<5=six 0<5=seven ");
}

static void test_lookups_that_are_wrong(void **state)
{
    struct rig *r = *state;
    assert_int_equal(ask(r, 0, 8, 1), ERR_PROTO);
    assert_int_equal(ask(r, 0, 1, 1), 0); /* its own rank */
    assert_string_equal(r->said, "0<1!-10003 ");
    assert_int_equal(ask(r, 0, 2, 1), 0);
    r->said[0] = '\0';
    assert_int_equal(answer(r, 1, 0, "x"), ERR_PROTO);
    assert_int_equal(answer(r, 1, r->last_id + 1, "x"), ERR_PROTO);
    assert_int_equal(answer(r, 2, r->last_id, "x"), ERR_PROTO);
    assert_string_equal(r->said, "");
    assert_int_equal(answer(r, 1, r->last_id, "x"), 0);
    assert_int_equal(answer(r, 1, r->last_id, "x"), 0); /* twice: too late, no harm */
    assert_string_equal(r->said, "0<1=x ");
}

static void test_lookups_of_lost_nodes_fail(void **state)
{
    struct rig *r = *state;
    assert_int_equal(ask(r, 0, 2, 1), 0);
    assert_int_equal(ask(r, 1, 4, 2), 0);
    assert_int_equal(ask(r, 2, 0, 3), 0);
    uint64_t id = r->last_id;
    r->said[0] = '\0';
    fences_node_lost(r->f, 1); /* owner of the first, asker of the second */
    assert_string_equal(r->said, "0<1!-10003 ");
    assert_int_equal(ask(r, 2, 3, 4), 0);
    assert_string_equal(r->said, "2<4!-10003 ");
    r->said[0] = '\0';
    assert_int_equal(give(r, 0, "", "", "", -1), 0); /* broken */
    assert_string_equal(r->said, "2<3!-10003 ");
    assert_int_equal(answer(r, 0, id, "late"), 0);
    assert_string_equal(r->said, "2<3!-10003 ");
}

static void test_more_than_a_frame_fails_for_all(void **state)
{
    struct rig *r = *state;
    size_t half = LIMIT_FRAME / 2;
    char *big = malloc(half + 1);
    memset(big, 'x', half);
    big[half] = '\0';
    assert_int_equal(give(r, 0, "a", "012", big, 0), 0);
    assert_int_equal(give(r, 1, "a", "012", big, 0), 0);
    assert_string_equal(r->said, "0:a!-10010 1:a!-10010 ");
    assert_int_equal(give(r, 2, "a", "012", "x", 0), 0);
    r->said[0] = '\0';
    big[half - 1000] = '\0';
    assert_int_equal(give(r, 0, "a", "01", big, 0), 0);
    assert_int_equal(give(r, 1, "a", "01", big, 0), 0);
    assert_string_equal(r->said, "0:a=8386608 bytes 1:a=8386608 bytes ");
    free(big);
}

static void test_too_many_fences_fail(void **state)
{
    struct rig *r = *state;
    char key[16];
    for (unsigned i = 0; i < LIMIT_FENCES; i++) {
        (void)snprintf(key, sizeof key, "%u", i);
        assert_int_equal(give(r, 0, key, "01", "x", 0), 0);
    }
    assert_string_equal(r->said, "");
    assert_int_equal(give(r, 0, "z", "01", "x", 0), 0);
    assert_string_equal(r->said, "0:z!-10010 ");
    assert_int_equal(give(r, 1, "7", "01", "y", 0),
                     0); /* those under way still complete */
    assert_non_null(strstr(r->said, "0:7=xy 1:7=xy "));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_script),
        TEST(test_lookups_go_to_the_owner_and_back),
        TEST(test_lookups_that_are_wrong),
        TEST(test_lookups_of_lost_nodes_fail),
        TEST(test_more_than_a_frame_fails_for_all),
        TEST(test_too_many_fences_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
