/* SPDX-License-Identifier: MIT */
/* golden - pages against files of tests/golden. Run from the top of the source tree, with
 * UPDATE_GOLDEN=1 to write them anew; then read the diff. Included after cmocka by test
 * files. */
#ifndef TESTS_LIB_GOLDEN_H
#define TESTS_LIB_GOLDEN_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/report_table.h"
#include "proto/base/buf.h"

static void golden_check(const char *folder, const char *name, const char *kind,
                         const struct buf *got)
{
    char path[128];
    static char want[1 << 20];
    (void)snprintf(path, sizeof path, "tests/golden/%s/%s.%s", folder, name, kind);
    if (getenv("UPDATE_GOLDEN")) {
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        fwrite(got->data, 1, got->len, f);
        fclose(f);
    }
    FILE *f = fopen(path, "r");
    if (!f)
        fail_msg("no golden file \"%s\": run from the top of the source tree", path);
    want[fread(want, 1, sizeof want - 1, f)] = '\0';
    fclose(f);
    assert_string_equal((const char *)got->data, want);
}

/* Of a page for people: no line is wider than one, or ends in blanks. */
static void golden_check_width(const char *page)
{
    char line[1024];
    for (const char *at = page; *at; at += strcspn(at, "\n") + 1) {
        (void)snprintf(line, sizeof line, "%.*s", (int)strcspn(at, "\n"), at);
        if (text_columns(line) > PAGE_COLUMNS)
            fail_msg("wider than %u columns: %s", PAGE_COLUMNS, line);
        if (*line && line[strlen(line) - 1] == ' ')
            fail_msg("blanks at the end: \"%s\"", line);
    }
}

#endif
