/* SPDX-License-Identifier: MIT */
/* tree - copies of what a kernel shows, made by tests. Included after cmocka. */
#ifndef TESTS_LIB_TREE_H
#define TESTS_LIB_TREE_H

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* A file below dir, with the folders above it. */
static void tree_put(const char *dir, const char *path, const char *text)
{
    char full[PATH_MAX];
    (void)snprintf(full, sizeof full, "%s/%s", dir, path);
    for (char *at = full + strlen(dir) + 1; (at = strchr(at, '/')); *at++ = '/') {
        *at = '\0';
        (void)mkdir(full, 0700);
    }
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0 && fclose(f) == 0);
}

#endif
