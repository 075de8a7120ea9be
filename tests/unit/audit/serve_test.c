/* SPDX-License-Identifier: MIT */
/* Questions over pipes, of a machine of which only facts are there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/audit/serve.h"
#include "proto/wire/auditlink.h"
#include "proto/wire/auditlist.h"
#include "tests/lib/tree.h"

#define ANSWERS 16u

static char dir[64];

struct talk {
    struct buf asked, said;
    Aolani__AuditSaid *answers[ANSWERS];
    size_t n;
    int rc;
    struct err e;
};

static int setup(void **state)
{
    struct talk *t = calloc(1, sizeof *t);
    buf_init(&t->asked, 1u << 20);
    buf_init(&t->said, 4u << 20);
    (void)strcpy(dir, "/tmp/aolani-serve-XXXXXX");
    *state = t;
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    struct talk *t = *state;
    char command[128];
    for (size_t i = 0; i < t->n; i++)
        aolani__audit_said__free_unpacked(t->answers[i], NULL);
    buf_fini(&t->asked);
    buf_fini(&t->said);
    free(t);
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static void ask(struct talk *t, const Aolani__AuditAsk *m)
{
    assert_int_equal(auditlink_frame(&t->asked, &m->base, 1u << 16), 0);
}

static void ask_look(struct talk *t, uint32_t id)
{
    Aolani__AuditLook look = AOLANI__AUDIT_LOOK__INIT;
    Aolani__AuditAsk m = AOLANI__AUDIT_ASK__INIT;
    m.id = id;
    m.is_case = AOLANI__AUDIT_ASK__IS_LOOK;
    m.look = &look;
    ask(t, &m);
}

/* Through files: nobody has to wait for anybody. */
static void serve(struct talk *t, const struct machine *m, const struct err *why)
{
    char path[128];
    const uint8_t *frame;
    size_t len;
    (void)snprintf(path, sizeof path, "%s/asked", dir);
    int in = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    (void)snprintf(path, sizeof path, "%s/said", dir);
    int out = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(in, t->asked.data, t->asked.len), t->asked.len);
    assert_int_equal(lseek(in, 0, SEEK_SET), 0);
    t->rc = serve_run(m, why, in, out, &t->e);
    assert_int_equal(lseek(out, 0, SEEK_SET), 0);
    assert_int_equal(buf_read(&t->said, out), 0);
    close(in);
    close(out);
    while (auditlink_next(&t->said, AUDITLINK_SAID, &frame, &len) == 1) {
        assert_true(t->n < ANSWERS);
        t->answers[t->n] = aolani__audit_said__unpack(NULL, len, frame);
        assert_non_null(t->answers[t->n++]);
        buf_consume(&t->said, 4 + len);
    }
    assert_int_equal(t->said.len, 0);
}

static void serve_tree(struct talk *t)
{
    struct machine *m;
    struct err why = {0};
    tree_put(dir, "facts", "uid 7\n");
    assert_int_equal(machine_open(dir, &m, &why), 0);
    serve(t, m, &why);
    machine_close(m);
}

static void test_a_look(void **state)
{
    struct talk *t = *state;
    ask_look(t, 5);
    ask_look(t, 6);
    serve_tree(t);
    assert_int_equal(t->rc, 0);
    size_t last = 0;
    for (size_t i = 0; i < t->n; i++) {
        assert_int_equal(t->answers[i]->id, last ? 6 : 5);
        if (!t->answers[i]->last) {
            assert_int_equal(t->answers[i]->is_case, AOLANI__AUDIT_SAID__IS_PROGRESS);
            continue;
        }
        assert_int_equal(t->answers[i]->is_case, AOLANI__AUDIT_SAID__IS_FOUND);
        assert_int_equal(t->answers[i]->found->n_findings, AUDIT_N_PROBES);
        assert_int_equal(t->answers[i]->found->uid, 7);
        assert_string_equal(t->answers[i]->error, "");
        last++;
    }
    assert_int_equal(last, 2);
}

static void check_error(struct talk *t, const char *text)
{
    assert_int_equal(t->rc, 0);
    assert_int_equal(t->n, 1);
    assert_true(t->answers[0]->last);
    assert_int_equal(t->answers[0]->is_case, AOLANI__AUDIT_SAID__IS__NOT_SET);
    if (!strstr(t->answers[0]->error, text))
        fail_msg("not \"%s\": \"%s\"", text, t->answers[0]->error);
}

static void test_the_machine_cannot_be_opened(void **state)
{
    struct talk *t = *state;
    struct err why = {0};
    err_set(&why, ERR_USAGE, "look at the machine in \"x\": gone");
    ask_look(t, 1);
    serve(t, NULL, &why);
    check_error(t, "look at the machine in \"x\": gone");
}

static void test_facts_are_not_measured(void **state)
{
    struct talk *t = *state;
    Aolani__AuditMeasure measure = AOLANI__AUDIT_MEASURE__INIT;
    Aolani__AuditAsk m = AOLANI__AUDIT_ASK__INIT;
    m.is_case = AOLANI__AUDIT_ASK__IS_MEASURE;
    m.measure = &measure;
    ask(t, &m);
    serve_tree(t);
    check_error(t, "only facts");
}

static void test_a_question_of_a_newer_head(void **state)
{
    struct talk *t = *state;
    Aolani__AuditAsk m = AOLANI__AUDIT_ASK__INIT;
    m.id = 3;
    ask(t, &m);
    serve_tree(t);
    check_error(t, "not known to this version");
}

static void test_ends_of_pairs_that_cannot_be(void **state)
{
    static const struct {
        size_t token;
        const char *address, *nic;
        uint32_t port;
        const char *error;
    } rows[] = {
        {31, "127.0.0.1", "", 1, "token"},
        {32, "127.0.0.1", "../../etc", 1, "HCA"},
        {32, "127.0.0.1", "", 0, "port 0"},
        {32, "127.0.0.1", "", 65536, "port 65536"},
        {32,
         "0000000000000000000000000000000000000000000000000000000000000000000000000000",
         "", 1, "address"},
    };
    struct talk *t = *state;
    uint8_t token[64] = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Aolani__AuditReach reach = AOLANI__AUDIT_REACH__INIT;
        Aolani__AuditAsk m = AOLANI__AUDIT_ASK__INIT;
        m.is_case = AOLANI__AUDIT_ASK__IS_REACH;
        m.reach = &reach;
        reach.token = (ProtobufCBinaryData){rows[i].token, token};
        reach.address = (char *)rows[i].address;
        reach.nic = (char *)rows[i].nic;
        reach.port = rows[i].port;
        ask(t, &m);
        serve_tree(t);
        check_error(t, rows[i].error);
        aolani__audit_said__free_unpacked(t->answers[0], NULL);
        t->n = 0;
        t->asked.len = 0;
    }
}

static void test_what_is_no_question(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        int code;
    } rows[] = {
        {"\1\0", 2, ERR_PARSE},                 /* half a length */
        {"\4\0\0\0ab", 6, ERR_PARSE},           /* half a frame */
        {"\3\0\0\0\xff\xff\xff", 7, ERR_PARSE}, /* does not decode */
        {"\1\20\0\0", 4, ERR_LIMIT},            /* 4097 bytes */
        {"\377\377\377\377", 4, ERR_LIMIT},
    };
    struct talk *t = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        t->asked.len = 0;
        assert_int_equal(buf_add(&t->asked, rows[i].bytes, rows[i].len), 0);
        serve_tree(t);
        assert_int_equal(t->rc, rows[i].code);
        assert_int_equal(t->n, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_look, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_machine_cannot_be_opened, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_facts_are_not_measured, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_question_of_a_newer_head, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_ends_of_pairs_that_cannot_be, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_what_is_no_question, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
