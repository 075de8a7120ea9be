/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "proto/base/hostlist.h"
#include "proto/base/limits.h"

#define MAX (32u << 20)

static void join(const struct hostlist *l, struct buf *out)
{
    buf_add(out, "", 0);
    for (size_t i = 0; i < l->n; i++)
        buf_printf(out, "%s%s", i ? " " : "", l->names[i]);
}

static void test_parse(void **state)
{
    (void)state;
    static const struct {
        const char *text, *names, *folded;
    } rows[] = {
        {"login", "login", "login"},
        {"b,a,b", "b a b", "a,b"},
        {"gpu[001-003,20],login", "gpu001 gpu002 gpu003 gpu20 login",
         "gpu[001-003,20],login"},
        {"n[9-11]", "n9 n10 n11", "n[9-11]"},
        {"n[08-10]", "n08 n09 n10", "n[08-10]"},
        {"n[98-101]", "n98 n99 n100 n101", "n[98-101]"},
        {"n[098-101]", "n098 n099 n100 n101", "n[098-101]"},
        {"n[3,1,2]", "n3 n1 n2", "n[1-3]"},
        {"n[1,01,2]", "n1 n01 n2", "n[1,01,2]"},
        {"n[0]", "n0", "n0"},
        {"r[1-2]n[1-2]", "r1n1 r1n2 r2n1 r2n2", "r1n[1-2],r2n[1-2]"},
        {"[1-2]", "1 2", "[1-2]"},
        {"[1-2][3-4]", "13 14 23 24", "[13-14,23-24]"},
        {"n[1-2]-ib0,n3-ib0", "n1-ib0 n2-ib0 n3-ib0", "n1-ib0,n2-ib0,n3-ib0"},
        {"n[1-2].x", "n1.x n2.x", "n[1-2].x"},
        {"10.0.0.[9-10]", "10.0.0.9 10.0.0.10", "10.0.0.[9-10]"},
        {"root@n1,me@n[1-2]", "root@n1 me@n1 me@n2", "me@n[1-2],root@n1"},
        {"fe80::1%eth0,::1", "fe80::1%eth0 ::1", "::1,fe80::1%eth0"},
        {"n1-,a_b", "n1- a_b", "a_b,n1-"},
        {"n123456789012345678901,n123456789012345678902",
         "n123456789012345678901 n123456789012345678902",
         "n123456789012345678901,n123456789012345678902"},
        {"n[999999999999999998-999999999999999999]",
         "n999999999999999998 n999999999999999999",
         "n[999999999999999998-999999999999999999]"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err e = {0};
        struct hostlist l = {0};
        struct buf b;
        buf_init(&b, MAX);
        if (hostlist_parse(&l, rows[i].text, &e) < 0)
            fail_msg("%s: %s", rows[i].text, e.text);
        join(&l, &b);
        assert_string_equal((char *)b.data, rows[i].names);
        b.len = 0;
        assert_int_equal(hostlist_format(&l, &b), 0);
        assert_string_equal((char *)b.data, rows[i].folded);
        hostlist_fini(&l);
        buf_fini(&b);
    }
}

/* Slurm calls "n[1-2]-ib" an invalid list of hosts. */
static void test_slurm(void **state)
{
    (void)state;
    static const struct {
        const char *text, *folded;
    } rows[] = {
        {"n[1-2]-ib,n3-ib", "n1-ib,n2-ib,n3-ib"},
        {"gpu[09-11].site.org", "gpu09.site.org,gpu10.site.org,gpu11.site.org"},
        {"c1n2,c1n1", "c1n[1-2]"},
        {"r[1-2]n[01-02]", "r1n[01-02],r2n[01-02]"},
        {"n2a,n[1-2],n1a,n2a,login", "login,n[1-2],n1a,n2a"},
        {"[001-002]", "[001-002]"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct hostlist l = {0};
        struct buf b;
        buf_init(&b, MAX);
        assert_int_equal(hostlist_parse(&l, rows[i].text, NULL), 0);
        assert_int_equal(hostlist_format_slurm(&l, &b), 0);
        assert_string_equal((char *)b.data, rows[i].folded);
        hostlist_fini(&l);
        buf_fini(&b);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rc;
        const char *why;
    } rows[] = {
        {"", ERR_PARSE, "host list, column 1: expected a host's name"},
        {",", ERR_PARSE, "host list, column 1: expected a host's name"},
        {"a,", ERR_PARSE, "host list, column 3, after \"a,\": expected a host's name"},
        {"a,,b", ERR_PARSE,
         "host list, column 3, after \"a,\": expected a host's name"},
        {"a, b", ERR_PARSE,
         "host list, column 3, after \"a,\": expected a host's name"},
        {"a b", ERR_PARSE,
         "host list, column 2, after \"a\": this character is in no host's name"},
        {"a;b", ERR_PARSE,
         "host list, column 2, after \"a\": this character is in no host's name"},
        {"a\x1b[1m", ERR_PARSE,
         "host list, column 2, after \"a\": this character is in no host's name"},
        {"a\xc3\xa9", ERR_PARSE,
         "host list, column 2, after \"a\": this character is in no host's name"},
        {"-oProxyCommand=x", ERR_PARSE,
         "host list, column 1: a name cannot start with \"-\""},
        {"a,-b", ERR_PARSE,
         "host list, column 3, after \"a,\": a name cannot start with \"-\""},
        {"me@-b", ERR_PARSE,
         "host list, column 4, after \"me@\": a name cannot start with \"-\""},
        {"n[", ERR_PARSE, "host list, column 3, after \"n[\": expected a number"},
        {"n[]", ERR_PARSE, "host list, column 3, after \"n[\": expected a number"},
        {"n[1", ERR_PARSE,
         "host list, column 4, after \"n[1\": expected \",\", \"-\" or \"]\""},
        {"n[1,", ERR_PARSE, "host list, column 5, after \"n[1,\": expected a number"},
        {"n[1-", ERR_PARSE, "host list, column 5, after \"n[1-\": expected a number"},
        {"n[1-2-3]", ERR_PARSE,
         "host list, column 6, after \"n[1-2\": expected \",\", \"-\" or \"]\""},
        {"n[a-b]", ERR_PARSE, "host list, column 3, after \"n[\": expected a number"},
        {"n[3-1]", ERR_PARSE,
         "host list, column 5, after \"n[3-\": the range runs backwards"},
        {"n[1-010]", ERR_PARSE,
         "host list, column 5, after \"n[1-\": both ends of a range need the same "
         "number of "
         "digits"},
        {"n1]", ERR_PARSE, "host list, column 3, after \"n1\": \"]\" without \"[\""},
        {"n[[1]]", ERR_PARSE, "host list, column 3, after \"n[\": expected a number"},
        {"n[1234567890123456789]", ERR_PARSE,
         "host list, column 3, after \"n[\": this number has more than 18 digits"},
        {"n[1-1234567890123456789]", ERR_PARSE,
         "host list, column 5, after \"n[1-\": this number has more than 18 digits"},
        {"n[0-65536]", ERR_LIMIT,
         "host list, column 11, after \"n[0-65536]\": more than 65536 names"},
        {"n[0-255][0-256]", ERR_LIMIT,
         "host list, column 16, after \"n[0-255][0-256]\": more than 65536 names"},
        {"n[0-999999999999999999][0-999999999999999999]", ERR_LIMIT, NULL},
        {"a,n[1-65536]", ERR_LIMIT, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err e = {0};
        struct hostlist l = {0};
        assert_int_equal(hostlist_parse(&l, "first", NULL), 0);
        assert_int_equal(hostlist_parse(&l, rows[i].text, &e), rows[i].rc);
        if (rows[i].why)
            assert_string_equal(e.text, rows[i].why);
        assert_int_equal(l.n, 1);
        assert_string_equal(l.names[0], "first");
        hostlist_fini(&l);
    }
}

static void test_limits(void **state)
{
    (void)state;
    struct hostlist l = {0};
    assert_int_equal(hostlist_parse(&l, "n[1-65536]", NULL), 0);
    assert_int_equal(l.n, LIMIT_HOSTS);
    assert_string_equal(l.names[LIMIT_HOSTS - 1], "n65536");
    assert_int_equal(hostlist_parse(&l, "n", NULL), ERR_LIMIT);
    struct buf b;
    buf_init(&b, MAX);
    assert_int_equal(hostlist_format(&l, &b), 0);
    assert_string_equal((char *)b.data, "n[1-65536]");
    b.max = b.len + 5; /* nothing half written stays */
    assert_int_equal(hostlist_format(&l, &b), ERR_LIMIT);
    assert_string_not_equal((char *)b.data, "");
    assert_int_equal(b.len, strlen("n[1-65536]"));
    hostlist_fini(&l);
    hostlist_fini(&l);

    char name[LIMIT_HOST_NAME + 2];
    memset(name, 'a', sizeof name);
    name[LIMIT_HOST_NAME + 1] = '\0';
    struct err e;
    assert_int_equal(hostlist_parse(&l, name, &e), ERR_PARSE);
    assert_non_null(strstr(e.text, "longer than 255"));
    name[LIMIT_HOST_NAME] = '\0';
    assert_int_equal(hostlist_parse(&l, name, &e), 0);
    memcpy(name + LIMIT_HOST_NAME - 5, "[9-9]", 6);
    assert_int_equal(hostlist_parse(&l, name, &e), 0);
    assert_int_equal(strlen(l.names[1]), LIMIT_HOST_NAME - 4);
    hostlist_fini(&l);
    b.len = 0;
    b.max = MAX;
    assert_int_equal(hostlist_format(&l, &b), 0);
    assert_int_equal(b.len, 0);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_slurm),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
