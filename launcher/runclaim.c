/* SPDX-License-Identifier: MIT */
/* runclaim.c - see runclaim.h. To make a file that must not be there yet is one step on the
 * server also where locks are not (NFS 3 without lockd, Lustre without -o flock). */
#include "launcher/runclaim.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

static int path_of(const char *dir, char path[PATH_MAX])
{
    return snprintf(path, PATH_MAX, "%s/head.claim", dir) < PATH_MAX ? 0
                                                                     : -ENAMETOOLONG;
}

int runclaim_take(const char *dir, bool force, struct err *e)
{
    char path[PATH_MAX];
    int rc = path_of(dir, path);
    if (rc < 0)
        return err_sys(e, rc, "lead the run in \"%.200s\"", dir);
    if (force)
        (void)unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0) {
        (void)close(fd);
        return 0;
    }
    if (errno != EEXIST)
        return err_sys(e, -errno, "make \"%s\"", path);
    err_set(
        e, -EBUSY,
        "lead the run in \"%.200s\": another head begins, or was cut off as it began; "
        "the file system has no locks that would tell",
        dir);
    return err_hint(e, "if no other begins: --force, which removes \"head.claim\"");
}

void runclaim_end(const char *dir)
{
    char path[PATH_MAX];
    if (path_of(dir, path) == 0)
        (void)unlink(path);
}
