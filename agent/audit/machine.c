/* SPDX-License-Identifier: MIT */
/* machine.c - files, of this machine or of a tree. A tree is opened below its folder by
 * openat2 with RESOLVE_IN_ROOT, so that absolute links in it lead to itself. */
#include "agent/audit/machine_impl.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OPEN_TRIES 1000u /* each a few microseconds */

/* "." for the root itself: openat2 takes no empty path. */
static const char *relative(const char *path)
{
    while (*path == '/')
        path++;
    return *path ? path : ".";
}

static int open_below(const struct machine *m, const char *path, int flags)
{
    /* openat2, unlike open, refuses flags that mean nothing to O_PATH. */
    flags |= O_CLOEXEC | (flags & O_PATH ? 0 : O_NONBLOCK | O_NOCTTY);
    struct open_how how = {.flags = (uint64_t)flags,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    if (m->root_fd < 0) {
        int live = open(path, flags);
        return live < 0 ? -errno : live;
    }
    /* With a ".." on the way it gives up when anything is renamed or mounted meanwhile. */
    int fd = -1;
    for (unsigned i = 0; fd < 0 && (i == 0 || errno == EAGAIN) && i < OPEN_TRIES; i++)
        fd = (int)syscall(SYS_openat2, m->root_fd, relative(path), &how, sizeof how);
    return fd < 0 ? -errno : fd;
}

/* A file or a folder; what else might wait, or do something when it is opened. */
static int open_kind(const struct machine *m, const char *path, int flags, mode_t kind)
{
    struct stat st;
    int fd = open_below(m, path, O_PATH);
    if (fd < 0)
        return fd;
    int rc = fstat(fd, &st) < 0 ? -errno : 0;
    close(fd);
    if (rc < 0)
        return rc;
    if ((st.st_mode & S_IFMT) != kind)
        return S_ISDIR(st.st_mode) ? -EISDIR : kind == S_IFDIR ? -ENOTDIR : -EINVAL;
    return open_below(m, path, flags);
}

ssize_t machine_read(const struct machine *m, const char *path, void *ret, size_t size)
{
    int denied = facts_errno(m, path, false);
    if (denied)
        return denied;
    int fd = open_kind(m, path, O_RDONLY, S_IFREG);
    size_t len = 0;
    ssize_t n = 1;
    if (fd < 0)
        return fd;
    while (n > 0 && len + 1 < size) {
        n = read(fd, (char *)ret + len, size - 1 - len);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n > 0)
            len += (size_t)n;
    }
    int rc = n < 0 ? -errno : 0;
    close(fd);
    ((char *)ret)[len] = '\0';
    return rc < 0 && len == 0 ? rc : (ssize_t)len;
}

int machine_line(const struct machine *m, const char *path, char *ret, size_t size)
{
    char text[4096];
    ssize_t n = machine_read(m, path, text, sizeof text);
    if (n < 0)
        return (int)n;
    if ((size_t)n == sizeof text - 1 && !memchr(text, '\n', (size_t)n))
        return -E2BIG;
    text[strcspn(text, "\n")] = '\0';
    char *from = text + strspn(text, " \t\r"), *to = from + strlen(from);
    while (to > from && isspace((unsigned char)to[-1]))
        *--to = '\0';
    if ((size_t)(to - from) >= size)
        return -E2BIG;
    memcpy(ret, from, (size_t)(to - from) + 1);
    return 0;
}

int machine_int(const struct machine *m, const char *path, int64_t *ret)
{
    char text[32], *end;
    int rc = machine_line(m, path, text, sizeof text);
    if (rc < 0)
        return rc;
    errno = 0;
    bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    long long v = strtoll(text, &end, hex ? 16 : 10);
    if (end == text || *end || errno)
        return -EINVAL;
    *ret = v;
    return 0;
}

bool machine_exists(const struct machine *m, const char *path)
{
    int fd = open_below(m, path, O_PATH);
    if (fd < 0)
        return false;
    close(fd);
    return true;
}

int machine_writable(const struct machine *m, const char *path)
{
    int denied = facts_errno(m, path, true);
    if (denied)
        return denied;
    int fd = open_kind(m, path, O_WRONLY, S_IFREG);
    if (fd < 0)
        return fd;
    close(fd);
    return 0;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void machine_free_names(char **names, int n)
{
    for (int i = 0; names && i < n; i++)
        free(names[i]);
    free(names);
}

int machine_list(const struct machine *m, const char *path, char ***ret)
{
    *ret = NULL;
    int denied = facts_errno(m, path, false);
    int fd = denied ? denied : open_kind(m, path, O_RDONLY | O_DIRECTORY, S_IFDIR);
    if (fd < 0)
        return fd;
    DIR *d = fdopendir(fd);
    char **names = calloc(MACHINE_NAMES, sizeof *names);
    int n = 0, rc = d && names ? 0 : -ENOMEM;
    for (struct dirent *at; rc == 0 && n < (int)MACHINE_NAMES && (at = readdir(d));) {
        if (!strcmp(at->d_name, ".") || !strcmp(at->d_name, ".."))
            continue;
        if (!(names[n++] = strdup(at->d_name)))
            rc = -ENOMEM;
    }
    if (d)
        closedir(d);
    else
        close(fd);
    if (rc < 0) {
        machine_free_names(names, n);
        return rc;
    }
    qsort(names, (size_t)n, sizeof *names, by_bytes);
    *ret = names;
    return n;
}

/* By the kernel's own name for what was opened, less the root's. */
int machine_real(const struct machine *m, const char *path, char *ret, size_t size)
{
    char link[64], full[4096];
    int fd = open_below(m, path, O_PATH);
    if (fd < 0)
        return fd;
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, full, sizeof full - 1);
    int rc = n < 0 ? -errno : 0;
    close(fd);
    if (rc < 0)
        return rc;
    full[n] = '\0';
    const char *at = full;
    size_t root = m->root ? strlen(m->root) : 0;
    if (root && !strncmp(full, m->root, root))
        at = full[root] ? full + root : "/";
    if (strlen(at) >= size)
        return -E2BIG;
    memcpy(ret, at, strlen(at) + 1);
    return 0;
}

int machine_link(const struct machine *m, const char *path, char *ret, size_t size)
{
    int fd = open_below(m, path, O_PATH | O_NOFOLLOW);
    if (fd < 0)
        return fd;
    ssize_t n = readlinkat(fd, "", ret, size);
    int rc = n < 0 ? -errno : (size_t)n >= size ? -E2BIG : 0;
    close(fd);
    if (rc == 0)
        ret[n] = '\0';
    return rc;
}

bool machine_is_live(const struct machine *m)
{
    return !m->root;
}

uid_t machine_uid(const struct machine *m)
{
    return m->root ? m->uid : geteuid();
}

/* Without openat2 each file would be found missing, which is not what was recorded. */
static int root_try(const struct machine *m, struct err *e)
{
    int fd = open_below(m, "/", O_PATH);
    if (fd == -ENOSYS) {
        err_sys(e, fd, "look at the machine in \"%s\"", m->root);
        (void)err_hint(e, "this takes Linux 5.6 or later");
        return fd;
    }
    if (fd < 0)
        return err_sys(e, fd, "look at the machine in \"%s\"", m->root);
    close(fd);
    return 0;
}

int machine_open(const char *root, struct machine **ret, struct err *e)
{
    struct machine *m = calloc(1, sizeof *m);
    int rc = 0;
    if (!m)
        return err_sys(e, -ENOMEM, "look at a machine");
    m->root_fd = -1;
    if (root) {
        m->root = realpath(root, NULL);
        m->root_fd = m->root ? open(m->root, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
        if (m->root_fd < 0)
            rc = err_set(e, ERR_USAGE, "look at the machine in \"%s\": %s", root,
                         strerror(errno));
        else
            rc = root_try(m, e);
        if (rc == 0)
            rc = facts_read(m, e);
    }
    if (rc < 0) {
        machine_close(m);
        return rc;
    }
    *ret = m;
    return 0;
}

void machine_close(struct machine *m)
{
    if (!m)
        return;
    facts_fini(m);
    if (m->root_fd >= 0)
        close(m->root_fd);
    free(m->root);
    free(m);
}
