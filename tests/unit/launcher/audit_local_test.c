/* SPDX-License-Identifier: MIT */
/* A helper of our own: where it is looked for, and how it is called. What becomes of one that
 * misbehaves: tests/unit/wire/auditlink_test.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/audit_local.h"

static char dir[64], helper[128];

struct fixture {
    struct loop *loop;
    struct audit_local *local;
    unsigned n;
    char error[500];
};

static void on_said(void *arg, Aolani__AuditSaid *m)
{
    struct fixture *f = arg;
    f->n++;
    (void)snprintf(f->error, sizeof f->error, "%s", m->error);
    assert_true(m->last);
    loop_stop(f->loop);
}

/* Its last word is how it was called. */
static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)strcpy(dir, "/tmp/aolani-local-XXXXXX");
    if (!mkdtemp(dir) || setenv("AOLANI_LIBDIR", dir, 1))
        return -1;
    (void)snprintf(helper, sizeof helper, "%s/aolani-audit", dir);
    FILE *out = fopen(helper, "w");
    fprintf(out, "#!/bin/sh\necho \"called: $*\" >&2\nexit 1\n");
    assert_int_equal(fclose(out), 0);
    assert_int_equal(chmod(helper, 0755), 0);
    assert_int_equal(loop_create(&f->loop, NULL), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    audit_local_destroy(f->local);
    loop_destroy(f->loop);
    free(f);
    (void)unlink(helper);
    return rmdir(dir);
}

static int ask(struct fixture *f, uint32_t id)
{
    Aolani__AuditLook look = AOLANI__AUDIT_LOOK__INIT;
    Aolani__AuditAsk m = AOLANI__AUDIT_ASK__INIT;
    m.id = id;
    m.is_case = AOLANI__AUDIT_ASK__IS_LOOK;
    m.look = &look;
    return audit_local_ask(f->local, &m);
}

static void test_how_it_is_called(void **state)
{
    static const char *const roots[] = {NULL, "/tmp"};
    static const char *const calls[] = {"called: --serve",
                                        "called: --serve --root /tmp"};
    struct fixture *f = *state;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(
            audit_local_create(f->loop, roots[i], on_said, f, &f->local, NULL), 0);
        assert_int_equal(ask(f, 1), 0);
        assert_true(ask(f, 2) < 0); /* one at a time */
        loop_run(f->loop);
        assert_int_equal(f->n, i + 1);
        if (!strstr(f->error, calls[i]))
            fail_msg("\"%s\"", f->error);
        audit_local_destroy(f->local);
        f->local = NULL;
    }
}

static void test_what_is_not_there(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    assert_int_equal(audit_local_create(f->loop, "/no-such", on_said, f, &f->local, &e),
                     ERR_USAGE);
    assert_string_equal(e.text,
                        "audit the machine in \"/no-such\": No such file or directory");
    assert_int_equal(audit_local_create(f->loop, helper, on_said, f, &f->local, &e),
                     ERR_USAGE);
    assert_non_null(strstr(e.text, "it is no folder"));
    assert_int_equal(unlink(helper), 0);
    assert_int_equal(audit_local_create(f->loop, NULL, on_said, f, &f->local, &e),
                     ERR_BOOT);
    assert_non_null(strstr(e.text, "aolani-audit"));
    assert_null(f->local);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_how_it_is_called, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_not_there, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
