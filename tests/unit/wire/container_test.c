/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "proto/wire/container.h"

#define MAX 16

/* "a b c" into words. */
static size_t split(char *text, char **words)
{
    size_t n = 0;
    for (char *p = strtok(text, " "); p; p = strtok(NULL, " "))
        words[n++] = p;
    return n;
}

static void test_check(void **state)
{
    (void)state;
    static const struct {
        const char *words, *says; /* NULL: nothing is wrong */
    } rows[] = {
        {"podman run train:7", NULL},
        {"/opt/bin/podman --log-level=error run --rm -v /a:/b train:7", NULL},
        {"apptainer exec --nv train.sif", NULL},
        {"singularity exec train.sif", NULL},
        {"enroot start train", NULL},
        {"", "\"\": it is none of podman"},
        {"docker run train:7", "\"docker\": it is none of podman"},
        {"podmann run train:7", "\"podmann\": it is none of podman"},
        {"podman train:7", "podman: its words have no \"run\""},
        {"apptainer run train.sif", "apptainer: its words have no \"exec\""},
        {"podman run", "podman: the last word is no image"},
        {"podman run --rm", "podman: the last word is no image"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[128], *words[MAX];
        struct err e = {0};
        (void)snprintf(text, sizeof text, "%s", rows[i].words);
        int rc = container_check(words, split(text, words), &e);
        assert_int_equal(rc, rows[i].says ? ERR_USAGE : 0);
        if (rows[i].says)
            assert_non_null(strstr(e.text, rows[i].says));
    }
}

static void test_argv(void **state)
{
    (void)state;
    char *env[] = {"RANK=3", "SECRET=s3cret", "PATH=/bin", "LD_LIBRARY_PATH=/x",
                   "_=x",    "XDG_DATA=1",    "a-b=1",     NULL};
    static const struct {
        const char *words;
        bool is_root;
        const char *argv; /* of them, and of "train --fast" */
    } rows[] = {
        {"podman run --rm img", false,
         "podman run --network=host --ipc=host --pid=host --cgroups=no-conmon "
         "--interactive --userns=keep-id --volume /shm/r:/shm/r:rw --volume "
         "/cache:/cache:ro --volume /work:/work:rw --workdir /work --env RANK --env "
         "SECRET --rm img train --fast"},
        {"podman --root /r run img", true,
         "podman --root /r run --network=host --ipc=host --pid=host "
         "--cgroups=no-conmon --interactive --volume /shm/r:/shm/r:rw --volume "
         "/cache:/cache:ro --volume /work:/work:rw --workdir /work --env RANK --env "
         "SECRET img train --fast"},
        {"apptainer exec --nv a.sif", false,
         "apptainer exec --bind /shm/r:/shm/r:rw --bind /cache:/cache:ro --bind "
         "/work:/work:rw --pwd /work --nv a.sif train --fast"},
        {"enroot start a", false,
         "enroot start --mount /shm/r:/shm/r:x-create=dir,rbind,rw --mount "
         "/cache:/cache:x-create=dir,rbind,ro --mount "
         "/work:/work:x-create=dir,rbind,rw --env RANK --env SECRET a train --fast"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[128], got[1024] = "", *words[MAX], **argv;
        char *command[] = {"train", "--fast"};
        struct err e = {0};
        struct container_lets lets = {
            .folder = {{"/shm/r", true}, {"/cache", false}},
            .n_folders = 2,
            .workdir = "/work",
            .env = env,
            .is_root = rows[i].is_root,
        };
        (void)snprintf(text, sizeof text, "%s", rows[i].words);
        size_t n = split(text, words);
        assert_int_equal(container_argv(words, n, &lets, command, 2, &argv, &e), 0);
        for (char **p = argv; *p; p++)
            (void)snprintf(got + strlen(got), sizeof got - strlen(got), "%s%s",
                           p == argv ? "" : " ", *p);
        assert_string_equal(got, rows[i].argv);
        container_free(argv);
    }
}

static void test_folders_that_cannot_be_named(void **state)
{
    (void)state;
    static const char *const bad[] = {"/a:b", "/a,b", "relative", ""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *words[] = {"podman", "run", "img"}, *env[] = {NULL}, **argv = NULL;
        struct err e = {0};
        struct container_lets lets = {.workdir = bad[i], .env = env};
        assert_int_equal(container_argv(words, 3, &lets, words, 1, &argv, &e),
                         ERR_USAGE);
        assert_non_null(strstr(e.text, bad[i]));
        assert_null(argv);
    }
}

static void test_the_root_stays_the_containers(void **state)
{
    (void)state;
    char *words[] = {"podman", "run", "img"}, *env[] = {NULL}, **argv = NULL;
    struct err e = {0};
    struct container_lets lets = {.workdir = "/", .env = env};
    unsigned entered = 0;
    assert_int_equal(container_argv(words, 3, &lets, words, 1, &argv, &e), 0);
    for (char **p = argv; *p; p++) {
        assert_string_not_equal(*p, "--volume");
        entered += strcmp(*p, "--workdir") == 0 && strcmp(p[1], "/") == 0;
    }
    assert_int_equal(entered, 1);
    container_free(argv);
}

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool lets;
    } rows[] = {
        {"RANK", true},        {"NCCL_DEBUG", true},   {"PATH", false},
        {"PATHS", true},       {"LD_PRELOAD", false},  {"XDG_RUNTIME_DIR", false},
        {"", false},           {"9A", false},          {"_", false},
        {"_CE_CONDA", true},   {"A B", false},         {"BASH_FUNC_m%%", false},
        {"PYTHONPATH", true},  {"TMPDIR", false},      {"AOLANI_MARK", true},
        {"PYTHONHOME", false}, {"VIRTUAL_ENV", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(container_lets_name(rows[i].name, strlen(rows[i].name)),
                         rows[i].lets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_argv),
        cmocka_unit_test(test_folders_that_cannot_be_named),
        cmocka_unit_test(test_the_root_stays_the_containers),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
