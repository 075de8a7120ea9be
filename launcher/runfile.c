/* SPDX-License-Identifier: MIT */
/* runfile.c - see runfile.h. */
#include "launcher/runfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int runfile_find(const char *run, char **ret, struct err *e)
{
    static const char *const forms[] = {"%s", "%s/run.json", "%s/latest/run.json"};
    struct stat st;
    char *path = NULL;
    if (stat(run, &st))
        return err_set(e, ERR_USAGE, "find the run \"%s\": %s", run, strerror(errno));
    for (size_t i = S_ISDIR(st.st_mode) ? 1 : 0; i < 3; i++) {
        if (asprintf(&path, forms[i], run) < 0)
            return err_sys(e, -ENOMEM, "find the run \"%s\"", run);
        if (!stat(path, &st) && S_ISREG(st.st_mode)) {
            *ret = path;
            return 0;
        }
        free(path);
    }
    err_set(e, ERR_USAGE, "there is no run.json in \"%s\"", run);
    if (asprintf(&path, "%s/journal", run) < 0)
        return ERR_USAGE;
    bool journal = !access(path, F_OK);
    free(path);
    return err_hint(
        e, journal ? "it is written when the run ends: this one goes on, or its "
                     "launcher died"
                   : "name a run directory, or the folder that holds them");
}

/* A run directory may be somebody else's: a pipe in it is not waited for. */
int runfile_read(const char *path, struct buf *out, struct err *e)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return err_sys(e, -errno, "read \"%s\"", path);
    int rc = fstat(fd, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : -EINVAL;
    if (rc == 0)
        rc = buf_read(out, fd);
    (void)close(fd);
    if (rc == ERR_LIMIT)
        return err_set(e, rc, "read \"%s\": larger than %u MiB", path,
                       RUNFILE_BYTES >> 20);
    return rc ? err_sys(e, rc, "read \"%s\"", path) : 0;
}
