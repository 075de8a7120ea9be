/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/stallfile.h"

static int make_dir(void **state)
{
    char path[] = "/tmp/stallfile-XXXXXX";
    *state = mkdtemp(path) ? strdup(path) : NULL;
    return *state ? 0 : -1;
}

static int remove_dir(void **state)
{
    char command[200];
    (void)snprintf(command, sizeof command, "rm -rf %s", (char *)*state);
    free(*state);
    return system(command);
}

/* -1: there is no such file. */
static long read_file(const char *dir, unsigned number, char *ret, size_t len)
{
    char path[200];
    (void)snprintf(path, sizeof path, "%s/stall-%u.txt", dir, number);
    FILE *f = fopen(path, "r");
    if (!f)
        return -1;
    size_t n = fread(ret, 1, len - 1, f);
    ret[n] = '\0';
    (void)fclose(f);
    return (long)n;
}

static void keeps_what_is_printable(void **state)
{
    char text[100], path[200];
    struct stat st;
    struct stallfile *f = stallfile_create(*state);
    assert_non_null(f);
    assert_true(stallfile_add(f, 1, "a\tb\n\033[2J\0\xff", 10));
    assert_true(stallfile_add(f, 20, "last\n", 5));
    assert_true(stallfile_add(f, 1, "more\n", 5));
    assert_false(stallfile_add(f, 21, "x", 1));
    assert_false(stallfile_add(f, 0, "x", 1));
    stallfile_destroy(f);
    assert_int_equal(read_file(*state, 1, text, sizeof text), 15);
    assert_string_equal(text, "a\tb\n?[2J??more\n");
    assert_int_equal(read_file(*state, 20, text, sizeof text), 5);
    assert_int_equal(read_file(*state, 21, text, sizeof text), -1);
    (void)snprintf(path, sizeof path, "%s/stall-1.txt", (char *)*state);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void is_bounded(void **state)
{
    size_t len = STALLFILE_BYTES / 2 + 5;
    char *text = malloc(len), *read = malloc(2 * len);
    struct stallfile *f = stallfile_create(*state);
    assert_true(text && read && f);
    memset(text, 'x', len);
    for (unsigned i = 0; i < 3; i++)
        assert_true(stallfile_add(f, 2, text, len));
    stallfile_destroy(f);
    assert_int_equal(read_file(*state, 2, read, 2 * len), STALLFILE_BYTES);
    free(read);
    free(text);
}

/* Whoever can write there must not make us write elsewhere, nor anybody wait. */
static void writes_nowhere_else(void **state)
{
    char path[200], other[200], text[10];
    (void)snprintf(path, sizeof path, "%s/stall-3.txt", (char *)*state);
    (void)snprintf(other, sizeof other, "%s/stall-4.txt", (char *)*state);
    assert_int_equal(symlink(other, path), 0);
    struct stallfile *f = stallfile_create(*state);
    assert_true(stallfile_add(f, 3, "x", 1));
    stallfile_destroy(f);
    assert_int_equal(read_file(*state, 4, text, sizeof text), -1);
    f = stallfile_create("/nowhere/at/all");
    assert_true(stallfile_add(f, 1, "x", 1));
    stallfile_destroy(f);
    stallfile_destroy(stallfile_create(*state));
    stallfile_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_is_printable),
        cmocka_unit_test(is_bounded),
        cmocka_unit_test(writes_nowhere_else),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
