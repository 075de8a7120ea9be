/* SPDX-License-Identifier: MIT */
/* spec - job files as texts, loaded in a folder of the test's own. Run from the
 * repository's root. Included after cmocka by test files. */
#ifndef TESTS_LIB_SPEC_H
#define TESTS_LIB_SPEC_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher/spec_table.h"

static char root[4096], folder[] = "/tmp/spec_test.XXXXXX";

static int setup(void **state)
{
    (void)state;
    setenv("AOLANI_SITE", "/dev/null", 1);
    unsetenv("SLURM_JOB_ID");
    return getcwd(root, sizeof root) && mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    char command[100];
    if (chdir(root))
        return -1;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(name, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static char *text_of(struct buf *b)
{
    assert_int_equal(buf_add(b, "", 1), 0);
    return (char *)b->data;
}

static void read_expected(const char *path, char *out, size_t len)
{
    FILE *f = fopen(path, "r");
    out[0] = '\0';
    if (!f)
        return;
    out[fread(out, 1, len - 1, f)] = '\0';
    fclose(f);
}

/* Load a text as job.toml in the test's folder; the diagnostics in *ret_diag (owned). */
static int load_with(const char *text, const char *site, const struct spec_flag *flags,
                     size_t n, char *const *extra, struct spec **ret, char **ret_diag)
{
    struct buf diag;
    struct err e = {0};
    char site_path[100] = "/dev/null";
    assert_int_equal(chdir(folder), 0);
    write_file("job.toml", text);
    if (site) {
        snprintf(site_path, sizeof site_path, "%s/site.toml", folder);
        write_file("site.toml", site);
    }
    *ret = NULL;
    buf_init(&diag, 1 << 20);
    int rc = spec_load("job.toml", site_path, flags, n, extra, ret, &diag, &e);
    assert_int_equal(rc ? e.code : 0, rc);
    char *d = strdup(text_of(&diag));
    buf_fini(&diag);
    assert_int_equal(chdir(root), 0);
    if (ret_diag)
        *ret_diag = d;
    else
        free(d);
    return rc;
}

static int load(const char *text, struct spec **ret)
{
    return load_with(text, NULL, NULL, 0, NULL, ret, NULL);
}

#endif
