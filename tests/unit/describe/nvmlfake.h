/* SPDX-License-Identifier: MIT */
/* nvmlfake.h - for tests: a process in which tests/lib/nvml_fake.c is the driver's library.
 *
 * The loader reads LD_LIBRARY_PATH when a program starts: nvmlfake_start is the first call of
 * main and begins the program anew, with a folder of its own there. */
#ifndef TESTS_UNIT_DESCRIBE_NVMLFAKE_H
#define TESTS_UNIT_DESCRIBE_NVMLFAKE_H

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NVMLFAKE_DIR "NVML_FAKE_DIR"

static inline void nvmlfake_path(char *ret, size_t size, const char *name)
{
    (void)snprintf(ret, size, "%s/%s", getenv(NVMLFAKE_DIR), name);
}

static inline int nvmlfake_start(char **argv)
{
    char dir[] = "/tmp/aolani-nvml-XXXXXX", path[PATH_MAX], facts[64];
    if (getenv(NVMLFAKE_DIR))
        return 0;
    const char *before = getenv("LD_LIBRARY_PATH");
    if (!mkdtemp(dir))
        return -1;
    (void)snprintf(path, sizeof path, "%s%s%s", dir, before ? ":" : "",
                   before ? before : "");
    (void)snprintf(facts, sizeof facts, "%s/facts", dir);
    if (setenv(NVMLFAKE_DIR, dir, 1) < 0 || setenv("LD_LIBRARY_PATH", path, 1) < 0 ||
        setenv("NVML_FAKE", facts, 1) < 0)
        return -1;
    (void)execv("/proc/self/exe", argv);
    return -1;
}

static inline void nvmlfake_end(void)
{
    char path[PATH_MAX];
    nvmlfake_path(path, sizeof path, "facts");
    (void)unlink(path);
    nvmlfake_path(path, sizeof path, "libnvidia-ml.so.1");
    (void)unlink(path);
    (void)rmdir(getenv(NVMLFAKE_DIR));
}

/* The library of this driver from now on: "570"; NULL: a file that is none. */
static inline int nvmlfake_driver(const char *era)
{
    char self[PATH_MAX], path[PATH_MAX], so[PATH_MAX + 64];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0)
        return -1;
    self[n] = '\0';
    for (int up = 0; up < 3; up++) /* tests/unit/describe/x_test */
        *strrchr(self, '/') = '\0';
    (void)snprintf(so, sizeof so, "%s/lib/nvml-%s/libnvidia-ml.so.1", self, era);
    nvmlfake_path(path, sizeof path, "libnvidia-ml.so.1");
    (void)unlink(path);
    if (era)
        return symlink(so, path);
    FILE *f = fopen(path, "w");
    return f ? fclose(f) : -1;
}

static inline int nvmlfake_facts(const char *text)
{
    char path[PATH_MAX];
    nvmlfake_path(path, sizeof path, "facts");
    FILE *f = fopen(path, "w");
    if (!f)
        return -1;
    int rc = fputs(text, f) < 0 ? -1 : 0;
    return fclose(f) < 0 ? -1 : rc;
}

#endif
