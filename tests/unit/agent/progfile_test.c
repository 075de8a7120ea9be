/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "agent/folders.h"
#include "agent/progfile.h"
#include "tests/lib/skipped.h"

static char dir[64], path[128];

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/aolani-progfile-test-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    (void)snprintf(path, sizeof path, "%s/program", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return folders_remove_tree(dir, NULL);
}

static void put(const void *data, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0700);
    assert_true(fd >= 0 && write(fd, data, n) == (ssize_t)n);
    close(fd);
}

static void test_first_lines(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        int rc;
        const char *want;
    } table[] = {
        {"#!/bin/sh\necho", 0, "/bin/sh"},
        {"#! \t/usr/bin/env python3 -u\n", 0, "/usr/bin/env"},
        {"#!/bin/sh\r\n", 0, "/bin/sh\r"},
        {"#!/no/line/end", 0, "/no/line/end"},
        {"#!\n", ERR_PARSE, NULL},
        {"#!", ERR_PARSE, NULL},
        {"#!/a-name-that-is-longer-than-the-room", ERR_PARSE, NULL},
        {"# !/bin/sh\n", 1, NULL},
        {"#", 1, NULL},
        {"", 1, NULL},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char name[24];
        assert_int_equal(progfile_interpreter(table[i].head, strlen(table[i].head),
                                              name, sizeof name),
                         table[i].rc);
        if (table[i].want)
            assert_string_equal(name, table[i].want);
    }
}

static void test_scripts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rc;
        const char *says;
    } table[] = {
        {"#!/bin/sh\n", 0, NULL},
        {"echo no first line\n", 0, NULL},
        {"", 0, NULL},
        {"#!/no/such/python\n", -ENOENT, "its interpreter \"/no/such/python\""},
        {"#!/bin/sh\r\necho\r\n", -ENOENT, "as lines of Windows do"},
        {"#!/etc/passwd\n", -EACCES, "its interpreter \"/etc/passwd\""},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct err e = {0};
        put(table[i].text, strlen(table[i].text));
        assert_int_equal(progfile_check(path, &e), table[i].rc);
        if (table[i].says)
            assert_non_null(strstr(e.text, table[i].says));
        assert_true(progfile_is_text(path));
    }
}

static void test_programs(void **state)
{
    (void)state;
    struct err e = {0};
    struct utsname self;
    Elf64_Ehdr elf = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB}};
    assert_int_equal(uname(&self), 0);
    if (strcmp(self.machine, "x86_64") != 0)
        skip_because("not an x86-64 machine");
    elf.e_machine = EM_X86_64;
    put(&elf, sizeof elf);
    assert_int_equal(progfile_check(path, &e), 0);
    assert_false(progfile_is_text(path));
    put(&elf, 20);
    assert_int_equal(progfile_check(path, &e), -ENOEXEC);
    elf.e_machine = EM_AARCH64;
    put(&elf, sizeof elf);
    int rc = progfile_check(path, &e); /* 0: there is an emulator here */
    assert_true(rc == 0 || (rc == -ENOEXEC && strstr(e.text, "built for aarch64")));
    assert_int_equal(progfile_check("/no/such/file", &e), 0); /* others say so */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_first_lines),
                                       cmocka_unit_test(test_scripts),
                                       cmocka_unit_test(test_programs)};
    return cmocka_run_group_tests_name("agent/progfile", tests, set_up, tear_down);
}
