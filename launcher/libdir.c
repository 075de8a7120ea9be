/* SPDX-License-Identifier: MIT */
/* libdir.c - see libdir.h. */
#include "launcher/libdir.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int own_folder(char *ret, size_t len, struct err *e)
{
    ssize_t n = readlink("/proc/self/exe", ret, len - 1);
    if (n < 0)
        return err_sys(e, -errno, "find the folder of aolani-run");
    ret[n] = '\0';
    char *slash = strrchr(ret, '/');
    if (slash)
        *slash = '\0';
    return 0;
}

int libdir_find(const char *file, const char *what, char *ret, size_t len,
                struct err *e)
{
    char own[PATH_MAX];
    int rc = own_folder(own, sizeof own, e);
    if (rc < 0)
        return rc;
    const char *given = getenv("AOLANI_LIBDIR");
    for (size_t i = 0; i < 2; i++) {
        char path[PATH_MAX + 64];
        if (i == 0)
            (void)snprintf(ret, len, "%s", given ? given : own);
        else
            (void)snprintf(ret, len, "%s/../lib/aolani", own);
        (void)snprintf(path, sizeof path, "%s/%s", ret, file);
        if (access(path, X_OK) == 0)
            return 0;
    }
    err_set(e, ERR_BOOT, "find %s: there is no \"%s\" in \"%s\", nor in \"%s\"", what,
            file, given ? given : own, ret);
    return err_hint(e, given ? "set AOLANI_LIBDIR to its folder"
                             : "build it (make), or set AOLANI_LIBDIR to its folder");
}
