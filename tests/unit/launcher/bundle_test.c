/* SPDX-License-Identifier: MIT */
/* The bundle and the script that asks for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/bootscript.h"
#include "launcher/bundle.h"

static char dir[] = "/tmp/aolani-bundle-test-XXXXXX";

static void put(const char *name, const char *text, mode_t mode)
{
    char path[200];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void take(const char *name)
{
    char path[200];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    (void)unlink(path);
}

static int setup(void **state)
{
    (void)state;
    return mkdtemp(dir) ? setenv("AOLANI_LIBDIR", dir, 1) : -1;
}

static int teardown(void **state)
{
    (void)state;
    take("aolani-agent");
    take("aolani-pmix");
    return rmdir(dir);
}

static void test_no_agent(void **state)
{
    struct bundle b;
    struct err e;
    (void)state;
    assert_int_equal(bundle_load(&b, &e), ERR_BOOT);
    assert_non_null(strstr(e.text, dir));
    assert_string_not_equal(e.hint, "");
    put("aolani-agent", "not executable", 0600);
    assert_int_equal(bundle_load(&b, &e), ERR_BOOT);
}

static void test_id_follows_content(void **state)
{
    struct bundle a, b, c;
    struct err e;
    (void)state;
    put("aolani-agent", "agent", 0700);
    assert_int_equal(bundle_load(&a, &e), 0);
    assert_int_equal(bundle_load(&b, &e), 0);
    assert_string_equal(a.id, b.id);
    assert_int_equal(a.agent.len, 5);
    assert_memory_equal(a.rest.data, "AOLP\1\0\0\0", 8);
    put("aolani-pmix", "helper", 0700);
    assert_int_equal(bundle_load(&c, &e), 0);
    assert_string_not_equal(a.id, c.id);
    assert_memory_equal(c.rest.data, "AOLP\2\0\0\0", 8);
    assert_memory_equal(c.rest.data + c.rest.len - 6, "helper", 6);
    bundle_fini(&a);
    bundle_fini(&b);
    bundle_fini(&c);
    bundle_fini(&c);
}

/* csh and fish read some characters even within single quotes. */
static void test_script_is_safe_to_quote(void **state)
{
    struct bundle b;
    struct err e;
    struct buf text;
    (void)state;
    put("aolani-agent", "agent", 0700);
    assert_int_equal(bundle_load(&b, &e), 0);
    buf_init(&text, 8192);
    assert_int_equal(bootscript_format(&b, &text), 0);
    const char *script = (char *)text.data;
    assert_int_equal(strncmp(script, "sh -c '", 7), 0);
    assert_int_equal(strcspn(script + 7, "'!\\\n"), text.len - 8);
    assert_non_null(strstr(script, b.id));
    assert_non_null(strstr(script, "head -c 5 "));
    assert_true(text.len < 4096); /* csh: "Word too long" from 8 KB on */

    struct buf other; /* hosts that share a home must not share temporary names */
    buf_init(&other, 8192);
    assert_int_equal(bootscript_format(&b, &other), 0);
    assert_int_equal(other.len, text.len);
    assert_memory_not_equal(other.data, text.data, text.len);
    buf_fini(&other);
    buf_fini(&text);
    bundle_fini(&b);
}

/* For srun: the node's name comes first, by either way, and temporary names differ. */
static void test_script_for_a_group(void **state)
{
    struct bundle b;
    struct err e;
    struct buf text;
    (void)state;
    put("aolani-agent", "agent", 0700);
    assert_int_equal(bundle_load(&b, &e), 0);
    buf_init(&text, 8192);
    assert_int_equal(bootscript_group(&b, &text), 0);
    const char *script = (char *)text.data, *first = strstr(script, "AOLANI-NODE ");
    char skip[60];
    assert_non_null(first);
    assert_non_null(strstr(first + 1, "AOLANI-NODE "));
    assert_true(first < strstr(script, "AOLANI-HAVE"));
    (void)snprintf(skip, sizeof skip, "--stdio %zu;", b.agent.len + b.rest.len);
    assert_non_null(strstr(script, skip));
    assert_non_null(strstr(script, ".$SLURM_PROCID;"));
    buf_fini(&text);
    bundle_fini(&b);
}

static size_t index_of(const struct strlist *v, const char *word)
{
    size_t i = 0;
    while (i < v->n && strcmp(v->items[i], word) != 0)
        i++;
    return i;
}

static void test_argv(void **state)
{
    struct bundle b = {.id = "0123456789abcdef"};
    struct spec s = {.ssh.connect_timeout_ms = 2500};
    struct strlist v = {0};
    (void)state;
    assert_int_equal(strlist_add(&s.ssh.command, "myssh"), 0);
    assert_int_equal(strlist_add(&s.ssh.options, "-p2222"), 0);
    assert_int_equal(bootscript_argv(&s, &b, "u@host", &v), 0);
    assert_string_equal(v.items[0], "myssh");
    assert_string_equal(v.items[v.n - 2], "u@host");
    assert_true(index_of(&v, "-oConnectTimeout=3") < v.n);
    assert_true(index_of(&v, "-oControlMaster=no") < v.n);
    /* The user's words win: of two -o the first counts, of two flags the last. */
    size_t own = index_of(&v, "-p2222");
    assert_true(own > index_of(&v, "-x") && own > index_of(&v, "-T"));
    assert_true(own < index_of(&v, "-oBatchMode=yes"));
    assert_true(own < index_of(&v, "-oConnectTimeout=3"));
    strlist_fini(&v);
    strlist_fini(&s.ssh.command);
    strlist_fini(&s.ssh.options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_agent), cmocka_unit_test(test_id_follows_content),
        cmocka_unit_test(test_script_is_safe_to_quote),
        cmocka_unit_test(test_script_for_a_group), cmocka_unit_test(test_argv)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
