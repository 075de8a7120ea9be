/* SPDX-License-Identifier: MIT */
/* verb - run a verb of aolani-run within a test, in a folder of its own, its words caught.
 * Included after cmocka by the one test file of a verb. */
#ifndef TESTS_LIB_VERB_H
#define TESTS_LIB_VERB_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char root[4096], folder[] = "/tmp/verb_test.XXXXXX";
static char out[65536], words[65536]; /* of the last run: stdout, stderr */

static int setup(void **state)
{
    (void)state;
    setenv("AOLANI_SITE", "/dev/null", 1);
    return getcwd(root, sizeof root) && mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    char command[100];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return chdir(root) ? -1 : system(command);
}

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(name, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void read_file(const char *name, char *text, size_t len)
{
    FILE *f = fopen(name, "r");
    assert_non_null(f);
    text[fread(text, 1, len - 1, f)] = '\0';
    fclose(f);
}

/* The verb with these arguments, its words caught; its exit status. */
static int run(int (*verb)(int, char **), char **argv)
{
    int argc = 0, saved[2], status;
    static const char *const names[] = {"stdout", "stderr"};
    while (argv[argc])
        argc++;
    fflush(stdout);
    for (int i = 0; i < 2; i++) {
        int fd = open(names[i], O_WRONLY | O_CREAT | O_TRUNC, 0600);
        saved[i] = dup(i + 1);
        assert_true(fd >= 0 && saved[i] >= 0 && dup2(fd, i + 1) == i + 1);
        close(fd);
    }
    status = verb(argc, argv);
    fflush(stdout);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(dup2(saved[i], i + 1), i + 1);
        close(saved[i]);
    }
    read_file("stdout", out, sizeof out);
    read_file("stderr", words, sizeof words);
    return status;
}

#endif
