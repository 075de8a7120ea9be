/* SPDX-License-Identifier: MIT */
/* folders.c - see folders.h. /tmp belongs to everybody, so a folder that is already there
 * is believed only after a look at what it really is, without following links. */
#include "agent/folders.h"

#include "agent/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDERS_DEPTH 256 /* one descriptor each */

static char *folders_join(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static char *folders_join(const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    return n < 0 ? NULL : text;
}

static const char *folders_tmp(void)
{
    const char *tmp = getenv("TMPDIR");
    return tmp && tmp[0] == '/' && access(tmp, W_OK | X_OK) == 0 ? tmp : "/tmp";
}

int folders_init(struct folders *f, const char *run_id, uint32_t node, struct err *e)
{
    *f = (struct folders){.owner_fd = -1};
    f->base = folders_join("%s/aolani-%u-%s-n%u", folders_tmp(), (unsigned)getuid(),
                           run_id, node);
    if (!f->base)
        goto fail;
    f->spool = folders_join("%s/spool", f->base);
    f->pmix = folders_join("%s/pmix", f->base);
    f->tmp = folders_join("%s/tmp", f->base);
    f->owner = folders_join("%s/owner", f->base);
    f->pids = folders_join("%s/pids", f->base);
    if (access("/dev/shm", W_OK | X_OK) == 0)
        f->shm = folders_join("/dev/shm/aolani-%s-n%u", run_id, node);
    else
        f->shm = folders_join("%s/shm", f->base);
    if (!f->spool || !f->pmix || !f->tmp || !f->owner || !f->pids || !f->shm)
        goto fail;
    return 0;
fail:
    folders_fini(f);
    return err_sys(e, -ENOMEM, "name the job's folders");
}

void folders_fini(struct folders *f)
{
    if (f->owner_fd >= 0 && f->base)
        close(f->owner_fd);
    free(f->base);
    free(f->spool);
    free(f->pmix);
    free(f->tmp);
    free(f->shm);
    free(f->owner);
    free(f->pids);
    *f = (struct folders){.owner_fd = -1};
}

int folders_make_private(const char *path, struct err *e)
{
    struct stat st;
    if (mkdir(path, 0700) == 0)
        return 0;
    if (errno != EEXIST)
        return err_sys(e, -errno, "make the folder \"%s\"", path);
    if (lstat(path, &st) < 0)
        return err_sys(e, -errno, "look at \"%s\"", path);
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077))
        return err_set(
            e, -EPERM,
            "make the folder \"%s\": what is there is not a private folder of "
            "this user",
            path);
    return 0;
}

/* A lock of the open file: it ends with us, however we end, and unlike flock(2) it can be
 * asked after without being taken, so that a look never keeps an owner out. */
static int folders_lock(int fd, int command, short *type)
{
    struct flock l = {.l_type = *type, .l_whence = SEEK_SET};
    if (fcntl(fd, command, &l) < 0)
        return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
    *type = l.l_type;
    return 0;
}

static bool folders_is_locked(int fd)
{
    short type = F_RDLCK;
    return folders_lock(fd, F_OFD_GETLK, &type) == 0 && type != F_UNLCK;
}

/* Write who we are and lock it. */
static int folders_own(struct folders *f, const char *cgroup, struct err *e)
{
    struct proc_stat self = {0};
    (void)proc_stat_read(getpid(), &self);
    int fd = f->owner_fd;
    if (fd < 0)
        fd = open(f->owner, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_sys(e, -errno, "open \"%s\"", f->owner);
    f->owner_fd = fd;
    short type = F_WRLCK;
    int rc = folders_lock(fd, F_OFD_SETLK, &type);
    if (rc < 0)
        return err_sys(e, rc, "lock \"%s\"", f->owner);
    char text[PATH_MAX + 64];
    int n = snprintf(text, sizeof text, "%d %llu %s\n", (int)getpid(),
                     (unsigned long long)self.start, cgroup);
    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)n, 0) != n)
        return err_sys(e, -errno, "write \"%s\"", f->owner);
    return 0;
}

int folders_set_cgroup(struct folders *f, const char *cgroup)
{
    return folders_own(f, cgroup, NULL);
}

int folders_read_owner(const struct folders *f, struct folders_owner *ret,
                       struct err *e)
{
    int fd = open(f->owner, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_sys(e, -errno, "open \"%s\"", f->owner);
    char text[PATH_MAX + 64];
    ssize_t n = read(fd, text, sizeof text - 1);
    struct folders_owner o = {.alive = folders_is_locked(fd)};
    close(fd);
    if (n < 0)
        return err_sys(e, -errno, "read \"%s\"", f->owner);
    text[n] = '\0';
    int pid;
    unsigned long long start;
    if (sscanf(text, "%d %llu %4095[^\n]", &pid, &start, o.cgroup) < 2)
        return err_set(e, ERR_PARSE, "read \"%s\": it does not name an agent",
                       f->owner);
    o.pid = pid;
    o.start = start;
    *ret = o;
    return 0;
}

int folders_make(struct folders *f, struct err *e)
{
    struct folders_owner old;
    struct stat st;
    if (lstat(f->base, &st) == 0) {
        if (folders_read_owner(f, &old, NULL) == 0 && old.alive)
            return err_set(
                e, -EBUSY,
                "make the folder \"%s\": the agent with process id %d uses it", f->base,
                (int)old.pid);
        int rc =
            folders_make_private(f->base, e); /* ours, before anything is removed */
        if (rc < 0 || (rc = folders_remove(f, e)) < 0)
            return rc;
    }
    const char *const all[] = {f->base, f->spool, f->pmix, f->tmp, f->shm};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        int rc = folders_make_private(all[i], e);
        if (rc < 0)
            return rc;
    }
    return folders_own(f, "", e);
}

int folders_take_over(struct folders *f, struct err *e)
{
    return folders_own(f, "", e);
}

char *folders_swept_path(const struct folders *f, pid_t agent)
{
    return folders_join("%s/swept.%d", f->base, (int)agent);
}

/* A program may have left folders that not even we may read or change. */
static int folders_open_to_remove(int parent, const char *name)
{
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(parent, name, flags);
    if (fd < 0 && errno == EACCES && fchmodat(parent, name, 0700, 0) == 0)
        fd = openat(parent, name, flags);
    if (fd >= 0)
        (void)fchmod(fd, 0700);
    return fd;
}

static int folders_remove_at(int parent, const char *name, int depth)
{
    int fd = folders_open_to_remove(parent, name);
    if (fd < 0)
        return errno == ENOENT ? 0 : unlinkat(parent, name, 0) < 0 ? -errno : 0;
    DIR *dir = depth > 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        close(fd);
        return -ELOOP;
    }
    int rc = 0;
    const struct dirent *entry;
    while ((entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        int one = folders_remove_at(fd, entry->d_name, depth - 1);
        if (one < 0 && rc == 0)
            rc = one;
    }
    closedir(dir);
    if (unlinkat(parent, name, AT_REMOVEDIR) < 0 && rc == 0 && errno != ENOENT)
        rc = -errno;
    return rc;
}

int folders_remove_tree(const char *path, struct err *e)
{
    int rc = folders_remove_at(AT_FDCWD, path, FOLDERS_DEPTH);
    return rc < 0 ? err_sys(e, rc, "remove \"%s\"", path) : 0;
}

int folders_remove(struct folders *f, struct err *e)
{
    int shm = folders_remove_tree(f->shm, e);
    int base = folders_remove_tree(f->base, shm < 0 ? NULL : e);
    return shm < 0 ? shm : base;
}
