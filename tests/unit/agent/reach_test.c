/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/masterport.h"
#include "agent/reach.h"
#include "proto/wire/secure.h"

struct answer {
    struct loop *loop;
    unsigned n;
    char text[200];
};

static void on_done(void *arg, const char *error)
{
    struct answer *a = arg;
    a->n++;
    (void)snprintf(a->text, sizeof a->text, "%s", error);
    loop_stop(a->loop);
}

static void test_answers(void **state)
{
    (void)state;
    static const struct {
        const char *what, *address;
        bool listening;
        const char *want; /* in the answer; "": none */
    } rows[] = {
        {"somebody listens", "127.0.0.1", true, ""},
        {"nobody does", "127.0.0.1", false, "Connection refused"},
        {"a name is not for us", "n1.site", false, ""},
        {"what is too long is not tried",
         "1111111111111111111111111111111111111111111111111111111111111111", false, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct answer a = {0};
        struct masterport p;
        struct reach *r = NULL;
        assert_int_equal(loop_create(&a.loop, NULL), 0);
        assert_int_equal(masterport_reserve(&p, NULL), 0);
        if (rows[i].listening)
            assert_int_equal(masterport_listen(&p, NULL), 0);
        assert_int_equal(
            reach_create(a.loop, rows[i].address, p.port, on_done, &a, &r, NULL), 0);
        assert_int_equal(a.n, 0); /* never from within */
        loop_run(a.loop);
        if (a.n != 1 || !strstr(a.text, rows[i].want) || !rows[i].want[0] != !a.text[0])
            fail_msg("%s: %u answers, \"%s\"", rows[i].what, a.n, a.text);
        reach_destroy(r);
        masterport_release(&p);
        loop_destroy(a.loop);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_answers)};
    if (secure_init(NULL) < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
