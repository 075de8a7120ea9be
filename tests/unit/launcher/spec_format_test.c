/* SPDX-License-Identifier: MIT */
/* spec_format_test.c - a spec as text: read again it is the same; every key is shown, and
 * stands in the man page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/spec.h"

static uint32_t next_random(uint32_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 17;
    return *x ^= *x << 5;
}

static void random_string(uint32_t *seed, struct buf *out)
{
    static const char *const bits[] = {
        "a", "Z9",  " ", "\\\"",    "\\\\", "\\n",   "\\t",    "\xc3\xa9",
        "#", "[x]", "'", "\\u0001", "=",    "$HOME", "\\u007f"};
    buf_printf(out, "\"x");
    for (uint32_t n = next_random(seed) % 6; n > 0; n--)
        buf_printf(out, "%s", bits[next_random(seed) % (sizeof bits / sizeof bits[0])]);
    buf_printf(out, "\"");
}

static void random_value(const struct spec_key *k, uint32_t *seed, struct buf *out)
{
    uint32_t r = next_random(seed);
    const char *w;
    size_t n = 0, len;
    double span = k->max - k->min;
    switch (k->type) {
    case SPEC_WORD:
    case SPEC_ENUM:
    case SPEC_ENUM_BOOL:
        while (spec_word(k->words, n, &w))
            n++;
        len = spec_word(k->words, r % n, &w);
        buf_printf(out, "\"%.*s\"", (int)len, w);
        break;
    case SPEC_BOOL:
        buf_printf(out, r % 2 ? "true" : "false");
        break;
    case SPEC_INT:
        if (k->words && r % 3 == 0)
            buf_printf(out, "\"%s\"", k->words);
        else
            buf_printf(out, "%lld",
                       (long long)(k->min + (double)(r % 1000) / 1000 * span));
        break;
    case SPEC_FLOAT:
        buf_printf(out, "%.17g", k->min + (double)r / 7e9 * span + 0.1);
        break;
    case SPEC_DURATION:
        buf_printf(out, "\"%llums\"",
                   (unsigned long long)(k->min + (double)(r % 1000) / 1000 * span));
        break;
    case SPEC_SIZE:
        buf_printf(out, "%llu",
                   (unsigned long long)(k->min + (double)(r % 64) / 64 * span));
        break;
    case SPEC_PORTS:
        buf_printf(out, "\"%u-%u\"", 1 + r % 1000, 1 + r % 1000 + r % 3);
        break;
    case SPEC_HOSTS:
        buf_printf(out, "[\"a[%u-%u]\", \"b\"]", r % 10, r % 10 + 3);
        break;
    case SPEC_ENV:
        buf_printf(out, "{A = ");
        random_string(seed, out);
        buf_printf(out, ", B = %u}", r);
        break;
    case SPEC_NAME:
        buf_printf(out, "\"n%u.x-y_z\"", r);
        break;
    case SPEC_LIST:
    case SPEC_ARGV:
        if (!strcmp(k->name, "forward_env")) {
            buf_printf(out, "[\"auto\", \"N%u_*\"]", r % 100);
            break;
        }
        if (!strcmp(k->name, "skip")) {
            buf_printf(out, "[\"HV%u\", \"KP1\"]", 1 + r % 13);
            break;
        }
        if (!strcmp(k->name, "container")) {
            buf_printf(out, "[\"podman\", \"run\", \"train:%u\"]", r % 100);
            break;
        }
        if (strstr(k->name, "nic")) {
            buf_printf(out, "[\"mlx5_%u\", \"bnxt_*\"]", r % 100);
            break;
        }
        if (!strcmp(k->section, "slurm")) {
            buf_printf(out, "[\"--x=%u\", \"y\"]", r % 100);
            break;
        }
        buf_printf(out, "[");
        for (n = 0; n <= r % 3; n++) {
            random_string(seed, out);
            buf_printf(out, ", ");
        }
        buf_printf(out, "]");
        break;
    case SPEC_STRING:
    case SPEC_PATH:
        if (!strcmp(k->name, "currency")) {
            buf_printf(out, "\"\u20ac%u\"", r % 100);
            break;
        }
        if (!strcmp(k->section, "slurm") || !strcmp(k->section, "schedule")) {
            buf_printf(out, "\"%um\"", 1 + r % 100);
            break;
        }
        random_string(seed, out);
        break;
    }
}

/* Keys that other keys decide about are tried in their own tests. */
static bool is_free(const struct spec_key *k)
{
    return strcmp(k->section, "nodes") && strcmp(k->section, "local") &&
           strcmp(k->name, "min_nodes") && strcmp(k->name, "ranks_per_node") &&
           strcmp(k->name, "output_keep") && strcmp(k->name, "source") &&
           strcmp(k->name, "log_pattern");
}

static void random_job(uint32_t seed, struct buf *out)
{
    static const char *const nodes[] = {"hosts = [\"c[1-9]\", \"d\"]\ncount = 3\n",
                                        "backend = \"local\"\ncount = 2\n",
                                        "hosts = \"e\"\nbackend = \"ssh\"\n", ""};
    const char *section = "";
    buf_printf(out, "[nodes]\n%s", nodes[next_random(&seed) % 4]);
    for (size_t i = 0; i < spec_n_keys; i++) {
        const struct spec_key *k = &spec_keys[i];
        if (strcmp(section, k->section) && strcmp(k->section, "nodes"))
            buf_printf(out, "[%s]\n", section = k->section);
        if (!is_free(k) || (next_random(&seed) % 2 && strcmp(k->name, "command")))
            continue;
        buf_printf(out, "%s = ", k->name);
        random_value(k, &seed, out);
        buf_printf(out, "\n");
    }
}

static char *format(const struct spec *s)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    assert_int_equal(spec_format(s, &b), 0);
    char *text = strdup(text_of(&b));
    buf_fini(&b);
    return text;
}

static void compare_values(const struct spec *a, const struct spec *b)
{
    for (size_t i = 0; i < spec_n_keys; i++) {
        struct buf x, y;
        buf_init(&x, 1 << 16);
        buf_init(&y, 1 << 16);
        assert_int_equal(spec_format_value(a, &spec_keys[i], &x), 0);
        assert_int_equal(spec_format_value(b, &spec_keys[i], &y), 0);
        assert_string_equal(text_of(&x), text_of(&y));
        buf_fini(&x);
        buf_fini(&y);
    }
}

static void test_round_trip(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 300; seed++) {
        struct buf text;
        struct spec *a, *b;
        char *diag;
        buf_init(&text, 1 << 20);
        random_job(seed * 2654435761u, &text);
        int rc = load_with(text_of(&text), NULL, NULL, 0, NULL, &a, &diag);
        if (rc)
            print_message("seed %u\n%s\n%s", seed, (char *)text.data, diag);
        assert_int_equal(rc, 0);
        char *first = format(a);
        assert_int_equal(load(first, &b), 0);
        char *second = format(b);
        assert_string_equal(first, second);
        compare_values(a, b);
        free(first);
        free(second);
        free(diag);
        spec_destroy(a);
        spec_destroy(b);
        buf_fini(&text);
    }
}

static void assert_shown(const char *text, const char *key, const char *value,
                         const char *by)
{
    const char *line = strstr(text, key);
    assert_non_null(line);
    line += strlen(key);
    line += strspn(line, " ");
    assert_memory_equal(line, value, strlen(value));
    line += strlen(value);
    assert_true(*line == ' ');
    line += strspn(line, " ");
    assert_memory_equal(line, by, strlen(by));
    assert_true(line[strlen(by)] == '\n');
}

static void test_show_names_all_keys(void **state)
{
    (void)state;
    struct spec *s;
    struct buf b;
    buf_init(&b, 1 << 20);
    assert_int_equal(
        load("[job]\ncommand=[\"true\", \"a b\"]\ntime_limit=\"90m\"\n", &s), 0);
    assert_int_equal(spec_show(s, &b), 0);
    char *text = text_of(&b);
    assert_shown(text, "\njob.command ", "[\"true\", \"a b\"]", "job.toml:2");
    assert_shown(text, "\njob.time_limit ", "\"90m\"", "job.toml:3");
    assert_shown(text, "\nhead.address ", "-", "default");
    size_t lines = 0;
    for (const char *p = text; *p; p++)
        lines += *p == '\n';
    assert_int_equal(lines, spec_n_keys);
    buf_fini(&b);
    spec_destroy(s);
}

static void test_man_page_has_all_keys(void **state)
{
    (void)state;
    static char page[200000];
    read_expected("doc/aolani-run.1.scd", page, sizeof page);
    for (size_t i = 0; i < spec_n_keys; i++) {
        char name[64];
        snprintf(name, sizeof name, "*%s*", spec_keys[i].name);
        if (!strstr(page, name))
            print_message("%s is not in the man page\n", name);
        assert_non_null(strstr(page, name));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_show_names_all_keys),
        cmocka_unit_test(test_man_page_has_all_keys),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
