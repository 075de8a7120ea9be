/* SPDX-License-Identifier: MIT */
/* toml_test.c - the document: errors as users see them, going on after them, limits,
 * files. The rules of the language are in toml_spec_test.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/limits.h"
#include "proto/base/toml.h"

#define MAX (1u << 20)

static struct toml_doc *parse(const char *text, size_t len)
{
    struct toml_doc *d = NULL;
    assert_int_equal(toml_parse("job.toml", text, len, &d, NULL), 0);
    return d;
}

static void assert_errors(struct toml_doc *d, const char *expected)
{
    struct buf b;
    buf_init(&b, MAX);
    assert_int_equal(toml_errors(d, &b), 0);
    assert_string_equal(b.data ? (char *)b.data : "", expected);
    buf_fini(&b);
}

static void test_errors_as_shown(void **state)
{
    (void)state;
    static const struct {
        const char *text, *shown;
    } rows[] = {
        {"a = 1\ntime_limit = 1h # one\n", "job.toml:2:14: cannot read \"1h\": not a "
                                           "number, date or boolean; a string needs "
                                           "quotes\n"
                                           "  2 | time_limit = 1h # one\n"
                                           "    |              ^\n"},
        /* the caret follows what a terminal shows; the column counts characters */
        {"\ta\t= \t]", "job.toml:1:7: expected a value, found \"]\"\n"
                       "  1 |     a   =   ]\n"
                       "    |             ^\n"},
        {"'\xe6\x97\xa5\xe6\x9c\xac' = ]",
         "job.toml:1:8: expected a value, found \"]\"\n"
         "  1 | '\xe6\x97\xa5\xe6\x9c\xac' = ]\n"
         "    |          ^\n"},
        {"'e\xcc\x81' = ]", "job.toml:1:8: expected a value, found \"]\"\n"
                            "  1 | 'e\xcc\x81' = ]\n"
                            "    |       ^\n"},
        {"\n\n\n\n\n\n\n\n\na =",
         "job.toml:10:4: expected a value, found the end of the file\n"
         "  10 | a =\n"
         "     |    ^\n"},
        {"a = [\r\n1 2]\r\n",
         "job.toml:2:3: expected \",\" or \"]\" in the array of line 1, found \"2\"\n"
         "  2 | 1 2]\n"
         "    |   ^\n"},
        /* nothing of the file reaches the terminal as a control */
        {"a = \"\x1b[31m\xff\xc2\x9b\"",
         "job.toml:1:6: a control character must be written as an escape (0x1b)\n"
         "  1 | a = \"?[31m??\"\n"
         "    |      ^\n"},
        {"\"\\u001b[31m\" = 1\n\"\\u001b[31m\" = 2",
         "job.toml:2:1: \"?[31m\" is already set (line 1)\n"
         "  2 | \"\\u001b[31m\" = 2\n"
         "    | ^\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct toml_doc *d = parse(rows[i].text, strlen(rows[i].text));
        assert_errors(d, rows[i].shown);
        toml_destroy(d);
    }
}

static void test_long_lines_are_cut_around_the_caret(void **state)
{
    (void)state;
    static const struct {
        int before, behind;
        const char *shown;
    } rows[] = {
        {3, 100, "  1 | a =  1 x"},
        {100, 100, "  1 | ..."},
        {100, 3, "  1 | ..."},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[300];
        memset(text, 'x', sizeof text);
        int n = snprintf(text, sizeof text, "a =%*s ", rows[i].before, "1");
        text[n] = 'x';
        struct toml_doc *d = parse(text, (size_t)(n + rows[i].behind));
        struct buf b;
        buf_init(&b, MAX);
        assert_int_equal(toml_errors(d, &b), 0);
        char *line = strchr((char *)b.data, '\n') + 1;
        assert_memory_equal(line, rows[i].shown, strlen(rows[i].shown));
        char *under = strchr(line, '\n') + 1;
        assert_true(under - line <= 6 + 72 + 6 + 1);
        assert_int_equal(line[strchr(under, '^') - under], 'x');
        assert_int_equal(line[strchr(under, '^') - under - 1], ' ');
        toml_destroy(d);
        buf_fini(&b);
    }
}

static void test_all_mistakes_of_a_file_at_once(void **state)
{
    (void)state;
    static const char text[] = "[job]\n"
                               "command = [\"a\", \"b\"\n"
                               "ranks = 08\n"
                               "[nodes\n"
                               "count = 1\n"
                               "count = 2\n"
                               "[ok]\n"
                               "x = yes\n";
    struct toml_doc *d = parse(text, sizeof text - 1);
    assert_int_equal(toml_n_errors(d), 5);
    assert_errors(
        d,
        "job.toml:3:1: expected \",\" or \"]\" in the array of line 2, found "
        "\"ranks\"\n"
        "  3 | ranks = 08\n"
        "    | ^\n"
        "job.toml:3:9: cannot read \"08\": a number cannot start with 0\n"
        "  3 | ranks = 08\n"
        "    |         ^\n"
        "job.toml:4:7: expected \"]\" after a table's name, found the end of the line\n"
        "  4 | [nodes\n"
        "    |       ^\n"
        "job.toml:6:1: \"count\" is already set (line 5)\n"
        "  6 | count = 2\n"
        "    | ^\n"
        "job.toml:8:5: cannot read \"yes\": not a number, date or boolean; a string "
        "needs "
        "quotes\n"
        "  8 | x = yes\n"
        "    |     ^\n");
    /* What could be read is there, so that its meaning is checked too. */
    const struct toml_node *job = toml_get(toml_root(d), "job");
    assert_int_equal(toml_get(job, "command")->u.first->next->u.string.data[0], 'b');
    assert_string_equal(toml_get(job, "ranks")->u.string.data, "08");
    assert_int_equal(toml_get(toml_get(toml_root(d), "nodes"), "count")->u.integer, 1);
    toml_destroy(d);
}

static void test_complaints_of_the_reader(void **state)
{
    (void)state;
    static const char text[] = "a = 1h\n[t]\nb = 2\n";
    struct toml_doc *d = parse(text, sizeof text - 1);
    const struct toml_node *t = toml_get(toml_root(d), "t"), *b = toml_get(t, "b");
    assert_int_equal(t->pos.line, 2);
    assert_int_equal(t->pos.col, 1);
    assert_int_equal(t->key_pos.col, 2);
    assert_int_equal(b->key_pos.col, 1);
    toml_complain(d, b->pos, "expected %s, found %s", toml_type_name(TOML_ARRAY),
                  toml_type_name(b->type));
    toml_complain(d, toml_get(toml_root(d), "a")->pos, "said already: it has no value");
    toml_complain(d, (struct toml_pos){0, 0}, "no [job]");
    toml_complain(d, (struct toml_pos){0, 0}, "no [nodes]");
    toml_complain(d, (struct toml_pos){99, 7}, "past the end\x1b");
    assert_int_equal(toml_n_errors(d), 5);
    assert_errors(d,
                  "job.toml: no [job]\n"
                  "job.toml: no [nodes]\n"
                  "job.toml:1:5: cannot read \"1h\": not a number, date or boolean; a "
                  "string needs quotes\n"
                  "  1 | a = 1h\n"
                  "    |     ^\n"
                  "job.toml:3:5: expected an array, found an integer\n"
                  "  3 | b = 2\n"
                  "    |     ^\n"
                  "job.toml:99:7: past the end?\n"
                  "  99 | \n"
                  "     | ^\n");
    toml_destroy(d);
}

static void test_get(void **state)
{
    (void)state;
    struct toml_doc *d = parse("a = 1\nb = 'x'\n\"c\\u0000d\" = 2", 26);
    const struct toml_node *root = toml_root(d);
    assert_int_equal(toml_get(root, "a")->u.integer, 1);
    assert_null(toml_get(root, "c")); /* no prefix of a key with a NUL in it */
    assert_null(toml_get(root, "z"));
    assert_null(toml_get(toml_get(root, "b"), "z"));
    assert_null(toml_get(NULL, "z"));
    toml_destroy(d);
    toml_destroy(NULL);
}

static void test_errors_have_a_limit(void **state)
{
    (void)state;
    char text[4 * (LIMIT_TOML_ERRORS + 7)];
    for (size_t i = 0; i < sizeof text; i += 4)
        memcpy(text + i, "a =\n", 4);
    struct toml_doc *d = parse(text, sizeof text);
    /* the first line lacks its value; each other one also repeats the key */
    size_t all = 2 * (LIMIT_TOML_ERRORS + 7) - 1;
    assert_int_equal(toml_n_errors(d), all);
    struct buf b;
    buf_init(&b, MAX);
    assert_int_equal(toml_errors(d, &b), 0);
    char last[80];
    int n = snprintf(last, sizeof last, "job.toml: %zu more errors are not shown\n",
                     all - LIMIT_TOML_ERRORS);
    assert_string_equal((char *)b.data + b.len - n, last);
    buf_fini(&b);
    buf_init(&b, 100);
    assert_int_equal(toml_errors(d, &b), ERR_LIMIT);
    buf_fini(&b);
    toml_destroy(d);
}

/* n times `open`, then as often `close`. */
static size_t n_errors_of_nest(const char *open, const char *mid, const char *close,
                               size_t n)
{
    struct buf b;
    buf_init(&b, MAX);
    buf_printf(&b, "a = ");
    for (size_t i = 0; i < n; i++)
        buf_printf(&b, "%s", open);
    buf_printf(&b, "%s", mid);
    for (size_t i = 0; i < n; i++)
        buf_printf(&b, "%s", close);
    struct toml_doc *d = parse((char *)b.data, b.len);
    size_t errors = toml_n_errors(d);
    toml_destroy(d);
    buf_fini(&b);
    return errors;
}

static void test_depth_has_a_limit(void **state)
{
    (void)state;
    assert_int_equal(n_errors_of_nest("[", "", "]", LIMIT_TOML_DEPTH), 0);
    assert_int_equal(n_errors_of_nest("[", "", "]", LIMIT_TOML_DEPTH + 1), 1);
    assert_int_equal(n_errors_of_nest("[", "", "", 100000), 1);
    assert_int_equal(n_errors_of_nest("{b=", "1", "}", LIMIT_TOML_DEPTH - 1), 0);
    assert_int_equal(n_errors_of_nest("{b=", "1", "}", LIMIT_TOML_DEPTH), 1);
    assert_int_equal(n_errors_of_nest("", "1\na", ".b", LIMIT_TOML_DEPTH), 1);
    assert_int_equal(n_errors_of_nest("", "1\nb.c = 1\n[b", ".b", 100000), 2);
    assert_int_equal(n_errors_of_nest("", "1\n[b", ".b]\n", 1), 0);
}

/* No shape of a file of the largest size takes more than its share of time. */
static void test_large_files(void **state)
{
    (void)state;
    static const struct {
        const char *fmt;
        bool bad;
    } rows[] = {
        {"k%u = 1\n", false},   {"[t%u]\n", false},     {"[[t]]\n", false},
        {"[t.k%u]\n", false},   {"t.k%u = 1\n", false}, {"a = [ # %u\n", true},
        {"a = 1 # %u\n", true}, {"\xff\n", true},       {"\"\\u00e9%u\" = {}\n", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf b;
        buf_init(&b, LIMIT_TOML_BYTES);
        for (unsigned k = 0; buf_printf(&b, rows[i].fmt, k) == 0; k++)
            ;
        struct toml_doc *d = parse((char *)b.data, b.len);
        assert_int_equal(toml_n_errors(d) > 0, rows[i].bad);
        toml_destroy(d);
        buf_fini(&b);
    }
}

static void test_half_a_million_values(void **state)
{
    (void)state;
    char *text = malloc(LIMIT_TOML_BYTES);
    assert_non_null(text);
    memset(text, '1', LIMIT_TOML_BYTES);
    for (size_t i = 4; i < LIMIT_TOML_BYTES; i += 2)
        text[i] = ',';
    memcpy(text, "a=[", 3);
    text[LIMIT_TOML_BYTES - 1] = ']';
    struct toml_doc *d = parse(text, LIMIT_TOML_BYTES);
    assert_int_equal(toml_n_errors(d), 0);
    toml_destroy(d);
    free(text);
}

static void test_size_has_a_limit(void **state)
{
    (void)state;
    struct err e;
    struct toml_doc *d = NULL;
    char *text = malloc(LIMIT_TOML_BYTES + 1);
    assert_non_null(text);
    memset(text, '\n', LIMIT_TOML_BYTES + 1);
    assert_int_equal(toml_parse("f", text, LIMIT_TOML_BYTES + 1, &d, &e), ERR_LIMIT);
    assert_null(d);
    assert_string_equal(e.text, "read \"f\": larger than 1024 KiB");
    assert_int_equal(toml_parse("f", text, LIMIT_TOML_BYTES, &d, &e), 0);
    toml_destroy(d);
    free(text);
}

static void test_other_encodings(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t len;
        int rc;
    } cases[] = {
        {"\xff\xfe#\0", 4, ERR_PARSE},
        {"\xfe\xff\0#", 4, ERR_PARSE},
        {"#\0\n\0", 4, ERR_PARSE},
        {"\0#\0\n", 4, ERR_PARSE},
        {"\xef\xbb\xbf#", 4, 0},
        {"#", 1, 0},
        {"", 0, 0},
        {"\0\0", 2, 0}, /* a complaint, with its place */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err e;
        struct toml_doc *d = NULL;
        assert_int_equal(toml_parse("f", cases[i].text, cases[i].len, &d, &e),
                         cases[i].rc);
        if (cases[i].rc < 0) {
            assert_string_equal(e.text, "read \"f\": it is UTF-16 text");
            assert_string_equal(e.hint, "save it as UTF-8");
        }
        toml_destroy(d);
    }
}

static void test_files(void **state)
{
    (void)state;
    struct err e;
    struct toml_doc *d = NULL;
    assert_int_equal(toml_parse_file("/nonexistent/f", &d, &e), -ENOENT);
    assert_string_equal(e.text, "open \"/nonexistent/f\": No such file or directory");
    assert_int_equal(toml_parse_file("/", &d, &e), -EISDIR);
    assert_string_equal(e.text, "read \"/\": Is a directory");
    assert_int_equal(toml_parse_file("/dev/zero", &d, &e), ERR_LIMIT);
    assert_int_equal(toml_parse_file("/dev/null", &d, &e), 0);
    assert_null(toml_root(d)->u.first);
    toml_destroy(d);

    char path[] = "/tmp/toml_test.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "a = ", 4), 4);
    for (int i = 0; i < 2000; i++)
        assert_int_equal(write(fd, "1000", 4), 4);
    close(fd);
    assert_int_equal(toml_parse_file(path, &d, &e), 0);
    assert_int_equal(toml_n_errors(d), 1);
    toml_destroy(d);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors_as_shown),
        cmocka_unit_test(test_long_lines_are_cut_around_the_caret),
        cmocka_unit_test(test_all_mistakes_of_a_file_at_once),
        cmocka_unit_test(test_complaints_of_the_reader),
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_errors_have_a_limit),
        cmocka_unit_test(test_depth_has_a_limit),
        cmocka_unit_test(test_large_files),
        cmocka_unit_test(test_half_a_million_values),
        cmocka_unit_test(test_size_has_a_limit),
        cmocka_unit_test(test_other_encodings),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
