/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "agent/heads.h"
#include "proto/base/err.h"

static void show(const struct sockaddr_storage *at, char *ret, size_t size)
{
    char host[64];
    const struct sockaddr_in *v4 = (const void *)at;
    const struct sockaddr_in6 *v6 = (const void *)at;
    bool is4 = at->ss_family == AF_INET;
    (void)inet_ntop(at->ss_family,
                    is4 ? (const void *)&v4->sin_addr : (const void *)&v6->sin6_addr,
                    host, sizeof host);
    (void)snprintf(ret, size, "%s %u", host, ntohs(is4 ? v4->sin_port : v6->sin6_port));
}

static void test_parse(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } table[] = {
        {"10.0.0.1:4000", "10.0.0.1 4000"},
        {"[2001:db8::1]:65535", "2001:db8::1 65535"},
        {"[fe80::1%lo]:1", "fe80::1 1"},
        {"2001:db8::1:4000", NULL}, /* where does the port begin? */
        {"10.0.0.1", NULL},
        {"10.0.0.1:", NULL},
        {"10.0.0.1:0", NULL},
        {"10.0.0.1:65536", NULL},
        {"10.0.0.1:-1", NULL},
        {"10.0.0.1: 1", NULL},
        {"10.0.0.1:1x", NULL},
        {"10.0.0.1:99999999999999999999", NULL},
        {"host.example:4000", NULL},
        {"[10.0.0.1:4000", NULL},
        {"[]:4000", NULL},
        {":4000", NULL},
        {"[fe80::1%nosuchinterface0]:1", NULL},
        {"1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.17.18.19.20.21.22.23.24.25.26.27:1",
         NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct sockaddr_storage at;
        char got[128];
        int rc = heads_parse(table[i].text, &at);
        if ((rc == 0) != (table[i].want != NULL))
            fail_msg("\"%s\": %d", table[i].text, rc);
        if (rc < 0) {
            assert_int_equal(rc, ERR_PARSE);
            continue;
        }
        show(&at, got, sizeof got);
        assert_string_equal(got, table[i].want);
    }
}

static void test_collect(void **state)
{
    (void)state;
    char *list[] = {(char *)"10.0.0.1:4000", (char *)"nonsense",
                    (char *)"10.0.0.1:4000", (char *)"10.0.0.2:4000"};
    Aolani__Boot boot = AOLANI__BOOT__INIT;
    struct heads h;
    char got[128];
    boot.heads = list;
    boot.n_heads = 4;
    boot.head_port = 4000;
    heads_collect(&boot, "10.0.0.2 50022 10.0.0.9 22", &h);
    assert_int_equal(h.n, 2); /* not asked to */
    boot.prefer_peer = true;
    heads_collect(&boot, "10.0.0.2 50022 10.0.0.9 22", &h);
    assert_int_equal(h.n, 2);
    show(&h.at[0], got, sizeof got);
    assert_string_equal(got, "10.0.0.2 4000");
    heads_collect(&boot, "2001:db8::7 50022 2001:db8::9 22", &h);
    show(&h.at[0], got, sizeof got);
    assert_string_equal(got, "2001:db8::7 4000");
    assert_int_equal(h.n, 3);
    heads_collect(&boot, NULL, &h);
    assert_int_equal(h.n, 2);
    heads_collect(&boot, "", &h);
    assert_int_equal(h.n, 2);
}

static void test_too_many(void **state)
{
    (void)state;
    static char text[HEADS_MAX + 9][32], *list[HEADS_MAX + 9];
    Aolani__Boot boot = AOLANI__BOOT__INIT;
    struct heads h;
    for (size_t i = 0; i < HEADS_MAX + 9; i++) {
        (void)snprintf(text[i], sizeof text[i], "10.0.%zu.1:4000", i);
        list[i] = text[i];
    }
    boot.heads = list;
    boot.n_heads = HEADS_MAX + 9;
    heads_collect(&boot, NULL, &h);
    assert_int_equal(h.n, HEADS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_collect),
        cmocka_unit_test(test_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
