/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/describe/nccltopo.h"
#include "proto/base/limits.h"

#define NONE "(none)" /* of `text`: the file is not there */

struct example {
    const char *text; /* NULL: a fifo */
    size_t repeat;
    bool as_default; /* NCCL_TOPO_FILE is not set; this is where NCCL looks */
    bool is_named;   /* in the description */
    size_t len;      /* of its text there */
    const char *note;
};

static void check(const struct example *x)
{
    char path[] = "/tmp/aolani-nccl-XXXXXX";
    struct err e;
    Aolani__Topology *t = malloc(sizeof *t);
    assert_non_null(t);
    aolani__topology__init(t);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    if (!x->text || strcmp(x->text, NONE) == 0)
        assert_int_equal(unlink(path), 0);
    if (!x->text)
        assert_int_equal(mkfifo(path, 0600), 0);
    for (size_t i = 0; x->text && i < x->repeat; i++)
        assert_int_equal(write(fd, x->text, strlen(x->text) + (*x->text == '\0')),
                         strlen(x->text) + (*x->text == '\0'));
    (void)close(fd);
    assert_int_equal(nccltopo_annotate(t, x->as_default ? "" : path,
                                       x->as_default ? path : "/nowhere", &e),
                     0);
    assert_string_equal(t->nccl_topo_file, x->is_named ? path : "");
    assert_int_equal(strlen(t->nccl_topo_text), x->len);
    if (x->note)
        assert_true(t->n_notes == 1 && strstr(t->notes[0], x->note));
    else
        assert_int_equal(t->n_notes, 0);
    aolani__topology__free_unpacked(t, NULL);
    (void)unlink(path);
}

static void test_file(void **state)
{
    (void)state;
    static const struct example table[] = {
        {"<system>\n</system>\n", 1, false, true, 19, NULL},
        {"<system>\n</system>\n", 1, true, true, 19, NULL},
        {NONE, 0, false, true, 0, "No such file"},
        {NONE, 0, true, false, 0, NULL},
        {"", 0, false, true, 0, "holds no text"},
        {"", 9, false, true, 0, "holds no text"}, /* NULs */
        {NULL, 0, false, true, 0, "holds no text"},
        {"0123456789abcdef", LIMIT_NCCL_TOPO / 16, false, true, LIMIT_NCCL_TOPO, NULL},
        {"0123456789abcdef", LIMIT_NCCL_TOPO / 16 + 1, false, true, 0, "longer"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        check(&table[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_file)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
