/* SPDX-License-Identifier: MIT */
/* machine_tree - machines that never were, for the probes of the audit: a row each, which is
 *
 *   /proc/a/b TEXT         a file; '|' is the end of a line
 *   hex /sys/a/b 00 1f     a file of bytes
 *   dir /sys/a/b           a folder
 *   link /sys/a/b TARGET   a symbolic link
 *   gone /sys/a/b          not there, nor what is below it, though another row made it
 *   facts uid 1000         a line of the file "facts"
 *
 * Included after cmocka.
 */
#ifndef TESTS_LIB_MACHINE_TREE_H
#define TESTS_LIB_MACHINE_TREE_H

#include <ftw.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/lib/tree.h"

/* Nothing can be set by a normal user. */
#define MACHINE_TREE_USER             \
    "facts uid 1000\n"                \
    "facts errno-write EACCES proc\n" \
    "facts errno-write EACCES sys\n"

struct machine_tree {
    char dir[64];
    FILE *facts;
};

static int machine_tree_unlink(const char *path, const struct stat *st, int kind,
                               struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    return remove(path);
}

static void machine_tree_end(struct machine_tree *t)
{
    (void)nftw(t->dir, machine_tree_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

static void machine_tree_bytes(const char *full, const char *words)
{
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    for (char *end; *words; words = end) {
        unsigned long v = strtoul(words, &end, 16);
        if (end == words)
            break;
        (void)fputc((int)v, f);
    }
    assert_int_equal(fclose(f), 0);
}

static void machine_tree_row(struct machine_tree *t, char *row, bool facts)
{
    char full[PATH_MAX], *kind = row[0] == '/' ? NULL : strsep(&row, " ");
    if (kind && !strcmp(kind, "facts")) {
        if (facts)
            (void)fprintf(t->facts, "%s\n", row);
        return;
    }
    if (facts)
        return;
    char *path = strsep(&row, " "), *text = row ? row : (char[]){""};
    for (char *bar = text; kind == NULL && (bar = strchr(bar, '|'));)
        *bar = '\n';
    (void)snprintf(full, sizeof full, "%s%s", t->dir, path);
    if (kind && !strcmp(kind, "gone")) {
        (void)nftw(full, machine_tree_unlink, 16, FTW_DEPTH | FTW_PHYS);
        return;
    }
    tree_put(t->dir, path + 1, text);
    if (kind)
        assert_int_equal(unlink(full), 0);
    if (kind && !strcmp(kind, "hex"))
        machine_tree_bytes(full, text);
    else if (kind && !strcmp(kind, "dir"))
        assert_int_equal(mkdir(full, 0700), 0);
    else if (kind)
        assert_int_equal(symlink(text, full), 0);
}

static void machine_tree_rows(struct machine_tree *t, const char *rows, bool facts)
{
    char *all = strdup(rows), *at = all;
    assert_non_null(all);
    for (char *row; (row = strsep(&at, "\n"));)
        if (*row)
            machine_tree_row(t, row, facts);
    free(all);
}

/* Files of what is different come last, its facts first: so both count more. */
static void machine_tree_make(struct machine_tree *t, const char *base,
                              const char *more)
{
    char facts[PATH_MAX];
    (void)snprintf(t->dir, sizeof t->dir, "/tmp/aolani-machine-XXXXXX");
    assert_non_null(mkdtemp(t->dir));
    (void)snprintf(facts, sizeof facts, "%s/facts", t->dir);
    assert_non_null(t->facts = fopen(facts, "w"));
    machine_tree_rows(t, base, false);
    machine_tree_rows(t, more, false);
    machine_tree_rows(t, more, true);
    machine_tree_rows(t, base, true);
    assert_int_equal(fclose(t->facts), 0);
}

#endif
