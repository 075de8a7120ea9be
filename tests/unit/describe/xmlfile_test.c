/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/describe/xmlfile.h"
#include "proto/base/limits.h"

static void files_are_known_by_their_beginning_and_end(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error; /* NULL: good */
    } files[] = {
        {"<topology></topology>", NULL},
        {"<topology version=\"2.0\">\n</topology>\n\n", NULL},
        {"\xef\xbb\xbf<?xml version=\"1.0\"?><!DOCTYPE topology SYSTEM "
         "\"hwloc2.dtd\">\r\n"
         "<!-- <topology version=\"3.0\"> --><topology version=\"2.1\"></topology>",
         NULL},
        {"<topology>\n<object version=\"3.0\"/></topology>", NULL},
        {"<topology version=\"3.0\"></topology>", "hwloc 3"},
        {"<topology version='4.0'></topology>", "hwloc 3"},
        {"<topology version=\"2.0\">", "ends in the middle"},
        {"<topology", "no topology"},
        {"<topologydiff></topologydiff>", "difference"},
        {"<!-- NVIDIA --><system version=\"1\"></system>", "NCCL"},
        {"<html></html>", "no topology"},
        {"<!-- never ends <topology></topology>", "no topology"},
        {"{\"gpu\": 1}", "no topology"},
        {"", "empty"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct err e = {0};
        size_t root = 0;
        int rc = xmlfile_check(files[i].text, strlen(files[i].text), &root, &e);
        assert_int_equal(rc, files[i].error ? ERR_PARSE : 0);
        if (files[i].error)
            assert_non_null(strstr(e.text, files[i].error));
        else
            assert_memory_equal(files[i].text + root, "<topology", 9);
    }
    assert_int_equal(xmlfile_check("<topology\0></topology>", 22, NULL, NULL),
                     ERR_PARSE);
}

static int read_one(const char *text, size_t len, off_t size, struct buf *ret,
                    struct err *e)
{
    char path[] = "/tmp/aolani-xmlfile-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), len);
    if (size)
        assert_int_equal(ftruncate(fd, size), 0);
    int rc = xmlfile_read(path, ret, e);
    close(fd);
    (void)unlink(path);
    return rc;
}

static void what_hwloc_does_not_read_is_taken_out(void **state)
{
    (void)state;
    static const char text[] = "<?xml version=\"1.0\"?>\r\n<topology>\r<!-- a\nb -->"
                               "<object/></topology>";
    struct buf b;
    struct err e = {0};
    assert_int_equal(read_one(text, sizeof text - 1, 0, &b, &e), 0);
    assert_string_equal((char *)b.data, "<topology>             <object/></topology>");
    assert_int_equal(b.len, strlen((char *)b.data));
    buf_fini(&b);
}

static void size_has_a_limit(void **state)
{
    (void)state;
    struct buf b;
    struct err e = {0};
    assert_int_equal(read_one("x", 1, (off_t)LIMIT_XML_BYTES + 1, &b, &e), ERR_LIMIT);
    assert_string_equal(e.text, "it has more than 16 MiB");
    buf_fini(&b);
    assert_int_equal(read_one("x", 1, (off_t)LIMIT_XML_BYTES, &b, &e), ERR_PARSE);
    buf_fini(&b);
    assert_int_equal(xmlfile_read("/dev/zero", &b, &e), ERR_LIMIT); /* it has no size */
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_known_by_their_beginning_and_end),
        cmocka_unit_test(what_hwloc_does_not_read_is_taken_out),
        cmocka_unit_test(size_has_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
