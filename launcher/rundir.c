/* SPDX-License-Identifier: MIT */
/* rundir.c - see rundir.h. */
#include "launcher/rundir.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Every missing folder of the path, with the user's umask: these are not ours alone. */
static int make_parents(const char *path, struct err *e)
{
    char part[PATH_MAX];
    if (snprintf(part, sizeof part, "%s", path) >= (int)sizeof part)
        return err_sys(e, -ENAMETOOLONG, "make folder \"%.200s...\"", path);
    for (char *p = part + 1;; p++) {
        if (*p != '/' && *p != '\0')
            continue;
        char was = *p;
        *p = '\0';
        if (mkdir(part, 0777) < 0 && errno != EEXIST)
            return err_sys(e, -errno, "make folder \"%s\"", part);
        *p = was;
        if (was == '\0')
            return 0;
    }
}

static void clean_name(const char *name, char *ret, size_t len)
{
    size_t n = 0;
    for (; name[n] && n < len - 1; n++) {
        unsigned char c = (unsigned char)name[n];
        ret[n] = isalnum(c) || strchr("._-", c) ? (char)c : '_';
    }
    ret[n] = '\0';
    if (ret[0] == '.')
        ret[0] = '_';
}

/* A link made under another name and renamed: `latest` always leads somewhere. */
static void point_latest(const char *output, const char *folder, const char *id)
{
    char link[PATH_MAX], temp[PATH_MAX];
    if (snprintf(link, sizeof link, "%s/latest", output) >= (int)sizeof link ||
        snprintf(temp, sizeof temp, "%s/.latest-%s", output, id) >= (int)sizeof temp)
        return;
    if (symlink(folder, temp) < 0)
        return;
    if (rename(temp, link) < 0)
        (void)unlink(temp);
}

int rundir_create(const char *output, const char *name, uint64_t real_ns,
                  const char *id, struct rundir *ret, struct err *e)
{
    char base[PATH_MAX], safe[128], when[32];
    int rc = make_parents(output, e);
    if (rc < 0)
        return rc;
    if (!realpath(output, base))
        return err_sys(e, -errno, "find folder \"%s\"", output);
    time_t t = (time_t)(real_ns / 1000000000u);
    struct tm tm;
    (void)strftime(when, sizeof when, "%Y%m%dT%H%M%SZ", gmtime_r(&t, &tm));
    clean_name(name, safe, sizeof safe);
    for (size_t digits = 4; digits <= strlen(id); digits += 4) {
        struct rundir d;
        char folder[256];
        (void)snprintf(folder, sizeof folder, "%s-%s-%.*s", safe, when, (int)digits,
                       id);
        if (snprintf(d.path, sizeof d.path, "%s/%s", base, folder) >=
            (int)sizeof d.path)
            return err_sys(e, -ENAMETOOLONG, "make a run directory in \"%.200s\"",
                           base);
        if (mkdir(d.path, 0700) == 0) {
            point_latest(base, folder, id);
            *ret = d;
            return 0;
        }
        if (errno != EEXIST)
            return err_sys(e, -errno, "make run directory \"%s\"", d.path);
    }
    return err_sys(e, -EEXIST, "make a run directory in \"%s\"", base);
}

int rundir_path(const struct rundir *d, const char *file, char *ret, size_t len,
                struct err *e)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/%s", d->path, file);
    if (n >= (int)sizeof path || (size_t)n >= len)
        return err_sys(e, -ENAMETOOLONG, "name \"%s\" in the run directory", file);
    memcpy(ret, path, (size_t)n + 1);
    return 0;
}

int rundir_attempt(const struct rundir *d, uint32_t attempt, char *ret, size_t len,
                   struct err *e)
{
    char name[32];
    (void)snprintf(name, sizeof name, "attempt-%u", attempt);
    int rc = rundir_path(d, name, ret, len, e);
    if (rc == 0 && mkdir(ret, 0700) < 0)
        rc = err_sys(e, -errno, "make folder \"%s\"", ret);
    return rc;
}

static int write_all(int fd, const uint8_t *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        data += n;
        len -= (size_t)n;
    }
    return fsync(fd) < 0 ? -errno : 0;
}

int rundir_write(const char *path, const void *data, size_t len, mode_t mode,
                 struct err *e)
{
    char temp[PATH_MAX];
    if (snprintf(temp, sizeof temp, "%s.%ld", path, (long)getpid()) >= (int)sizeof temp)
        return err_sys(e, -ENAMETOOLONG, "write \"%s\"", path);
    int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return err_sys(e, -errno, "write \"%s\"", path);
    int rc = write_all(fd, data, len);
    if (close(fd) < 0 && rc == 0)
        rc = -errno;
    if (rc == 0 && rename(temp, path) < 0)
        rc = -errno;
    if (rc < 0) {
        (void)unlink(temp);
        return err_sys(e, rc, "write \"%s\"", path);
    }
    return 0;
}
