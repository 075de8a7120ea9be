/* SPDX-License-Identifier: MIT */
/* shmleft.c - see shmleft.h. */
#include "agent/shmleft.h"

#include "agent/proc.h"
#include "agent/shmname.h"
#include "agent/sysvleft.h"
#include "proto/base/clock.h"
#include "proto/base/size.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SHMLEFT_FILES   1024 /* held by the job's processes; more are not remembered */
#define SHMLEFT_PIDS    4096
#define SHMLEFT_LINES   100000 /* of one process's maps */
#define SHMLEFT_LOOK_MS 500
#define SHMLEFT_NAMED   6 /* in one line for people */

struct shmleft_file {
    char *name; /* below dir */
    ino_t ino;
};

struct shmleft {
    char *dir, *own;
    int64_t since; /* seconds since 1970 */
    struct shmleft_file files[SHMLEFT_FILES];
    size_t n_files;
    pid_t pids[SHMLEFT_PIDS];
    size_t n_pids;
};

static int64_t shmleft_seconds_of(uint64_t ticks)
{
    struct timespec boot, real;
    long hz = sysconf(_SC_CLK_TCK);
    if (clock_gettime(CLOCK_BOOTTIME, &boot) < 0 ||
        clock_gettime(CLOCK_REALTIME, &real) < 0 || hz <= 0)
        return INT64_MAX; /* nothing is young enough */
    int64_t age = (int64_t)boot.tv_sec - (int64_t)(ticks / (uint64_t)hz);
    return (int64_t)real.tv_sec - age - 1;
}

int shmleft_create(const char *dir, const char *own, uint64_t since,
                   struct shmleft **ret, struct err *e)
{
    struct shmleft *s = calloc(1, sizeof *s);
    if (!s || !(s->dir = strdup(dir)) || !(s->own = strdup(own))) {
        shmleft_destroy(s);
        return err_sys(e, -ENOMEM, "watch over shared memory");
    }
    s->since = shmleft_seconds_of(since);
    *ret = s;
    return 0;
}

void shmleft_destroy(struct shmleft *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_files; i++)
        free(s->files[i].name);
    free(s->dir);
    free(s->own);
    free(s);
}

/* ---- what a process holds ---- */

static void shmleft_remember(struct shmleft *s, const char *path, ino_t ino)
{
    size_t dir = strlen(s->dir), own = strlen(s->own);
    if (strncmp(path, s->dir, dir) != 0 || path[dir] != '/' || !path[dir + 1])
        return;
    if (own && strncmp(path, s->own, own) == 0 && (path[own] == '/' || !path[own]))
        return;
    const char *name = path + dir + 1;
    for (size_t i = 0; i < s->n_files; i++) {
        if (s->files[i].ino == ino && strcmp(s->files[i].name, name) == 0)
            return;
    }
    if (s->n_files == SHMLEFT_FILES)
        return;
    char *copy = strdup(name);
    if (copy)
        s->files[s->n_files++] = (struct shmleft_file){copy, ino};
}

static bool shmleft_ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static void shmleft_look_at_maps(struct shmleft *s, pid_t pid)
{
    char path[64];
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    (void)snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *f = fopen(path, "re");
    for (int i = 0; f && i < SHMLEFT_LINES && (len = getline(&line, &room, f)) > 0;
         i++) {
        unsigned long ino;
        int at = 0;
        line[len - 1] = '\0';
        /* address perms offset device inode path */
        if (sscanf(line, "%*s %*s %*s %*s %lu %n", &ino, &at) != 1 || !at ||
            line[at] != '/' || shmleft_ends_with(line, " (deleted)"))
            continue;
        shmleft_remember(s, line + at, (ino_t)ino);
    }
    free(line);
    if (f)
        (void)fclose(f);
}

static void shmleft_look_at_fds(struct shmleft *s, pid_t pid)
{
    char path[64], target[PATH_MAX];
    struct stat st;
    const struct dirent *entry;
    (void)snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *dir = opendir(path);
    for (int i = 0; dir && i < SHMLEFT_PIDS && (entry = readdir(dir)); i++) {
        ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof target - 1);
        if (n <= 0 || strncmp(target, s->dir, strlen(s->dir)) != 0)
            continue;
        target[n] = '\0';
        if (!shmleft_ends_with(target, " (deleted)") &&
            fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 && S_ISREG(st.st_mode))
            shmleft_remember(s, target, st.st_ino);
    }
    if (dir)
        closedir(dir);
}

void shmleft_look(struct shmleft *s, pid_t pid)
{
    if (!s)
        return;
    shmleft_add_pid(s, pid);
    /* A thread that hangs in the kernel may hold the lock that the list of mappings
     * needs: the look would hang with it. */
    if (!proc_has_stuck_thread(pid))
        shmleft_look_at_maps(s, pid);
    shmleft_look_at_fds(s, pid);
}

struct shmleft_sessions {
    struct shmleft *s;
    const pid_t *leaders;
    size_t n;
    uint64_t end_ns;
};

static bool shmleft_look_at(void *arg, pid_t pid)
{
    struct shmleft_sessions *all = arg;
    struct proc_stat st;
    if (proc_stat_read(pid, &st) < 0 || st.state == 'Z')
        return true;
    for (size_t i = 0; i < all->n; i++) {
        if (st.session == all->leaders[i] || st.group == all->leaders[i]) {
            shmleft_look(all->s, pid);
            break;
        }
    }
    return clock_mono_ns() < all->end_ns;
}

void shmleft_look_sessions(struct shmleft *s, const pid_t *leaders, size_t n)
{
    struct shmleft_sessions all = {
        s, leaders, n, clock_mono_ns() + SHMLEFT_LOOK_MS * UINT64_C(1000000)};
    if (s && n)
        (void)proc_each(shmleft_look_at, &all);
}

/* ---- process ids ---- */

static bool shmleft_has_pid(const struct shmleft *s, pid_t pid)
{
    for (size_t i = 0; i < s->n_pids; i++) {
        if (s->pids[i] == pid)
            return true;
    }
    return false;
}

void shmleft_add_pid(struct shmleft *s, pid_t pid)
{
    if (s && pid > 0 && s->n_pids < SHMLEFT_PIDS && !shmleft_has_pid(s, pid))
        s->pids[s->n_pids++] = pid;
}

int shmleft_save_pids(const char *path, const pid_t *pids, size_t n, struct err *e)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
    int rc = f ? 0 : -errno;
    if (!f && fd >= 0)
        close(fd);
    for (size_t i = 0; f && i < n; i++)
        (void)fprintf(f, "%d\n", (int)pids[i]);
    if (f && (ferror(f) || fflush(f) == EOF))
        rc = -EIO;
    if (f)
        (void)fclose(f);
    return rc < 0 ? err_sys(e, rc, "write \"%s\"", path) : 0;
}

int shmleft_load_pids(struct shmleft *s, const char *path, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
    int pid;
    if (!f) {
        int rc = -errno;
        if (fd >= 0)
            close(fd);
        return err_sys(e, rc, "read \"%s\"", path);
    }
    while (fscanf(f, "%d", &pid) == 1)
        shmleft_add_pid(s, pid);
    (void)fclose(f);
    return 0;
}

/* ---- removing ---- */

struct shmleft_list {
    char *text;
    size_t room, at, n;
    uint64_t bytes;
};

static void shmleft_list_add(struct shmleft_list *l, const char *name, uint64_t bytes)
{
    l->bytes += bytes;
    if (l->n++ >= SHMLEFT_NAMED)
        return;
    int n = snprintf(l->text + l->at, l->room - l->at, "%s%.60s", l->n > 1 ? ", " : "",
                     name);
    if (n > 0 && (size_t)n < l->room - l->at)
        l->at += (size_t)n;
}

static void shmleft_list_end(struct shmleft_list *l)
{
    char size[SIZE_TEXT];
    if (l->n > SHMLEFT_NAMED)
        l->at += (size_t)snprintf(l->text + l->at, l->room - l->at, " and %zu more",
                                  l->n - SHMLEFT_NAMED);
    if (l->n > 0 && l->at < l->room)
        (void)snprintf(l->text + l->at, l->room - l->at, ", %s",
                       size_text(l->bytes, size));
}

/* 1: removed, 0: somebody has it, or it is another's. */
static int shmleft_remove(int dir, const char *name)
{
    struct stat st;
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    int rc = 0;
    /* A lease is given only to the one who alone has the file open or mapped, on the
     * whole machine. Should anybody open it meanwhile we would be told by SIGIO, which
     * ends a process; SIGURG does nothing. */
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid())
        rc = 0;
    else if (fcntl(fd, F_SETSIG, SIGURG) < 0 || fcntl(fd, F_SETLEASE, F_WRLCK) < 0)
        rc = errno == EAGAIN ? 0 : -errno;
    else
        rc = unlinkat(dir, name, 0) < 0 ? -errno : 1;
    close(fd);
    return rc;
}

/* It was there before the job: somebody has put it there for more than one. */
static bool shmleft_is_older(const struct shmleft *s, const struct stat *st)
{
    return st->st_ctim.tv_sec < s->since;
}

static void shmleft_clear_held(const struct shmleft *s, int dir,
                               struct shmleft_list *removed, struct shmleft_list *left)
{
    struct shmname known;
    struct stat st;
    for (size_t i = 0; i < s->n_files; i++) {
        const struct shmleft_file *f = &s->files[i];
        if (fstatat(dir, f->name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_ino != f->ino)
            continue;
        uint64_t bytes = (uint64_t)st.st_blocks * 512;
        if (!shmname_parse(f->name, &known) || shmleft_is_older(s, &st))
            shmleft_list_add(left, f->name, bytes);
        else if (shmleft_remove(dir, f->name) == 1)
            shmleft_list_add(removed, f->name, bytes);
    }
}

static bool shmleft_is_named_ours(const struct shmleft *s, const char *name)
{
    struct shmname known;
    return shmname_parse(name, &known) &&
           (known.is_held || (known.pid && shmleft_has_pid(s, known.pid)));
}

static void shmleft_clear_named(const struct shmleft *s, int dir,
                                struct shmleft_list *removed)
{
    const struct dirent *entry;
    struct stat st;
    int copy = fcntl(dir, F_DUPFD_CLOEXEC, 3);
    DIR *all = copy < 0 ? NULL : fdopendir(copy);
    if (!all && copy >= 0)
        close(copy);
    while (all && (entry = readdir(all))) {
        if (!shmleft_is_named_ours(s, entry->d_name) ||
            fstatat(dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            shmleft_is_older(s, &st))
            continue;
        if (shmleft_remove(dir, entry->d_name) == 1)
            shmleft_list_add(removed, entry->d_name, (uint64_t)st.st_blocks * 512);
    }
    if (all)
        closedir(all);
}

static void shmleft_on_sysv(void *arg, const struct sysvleft *v)
{
    char name[32];
    (void)snprintf(name, sizeof name, "%d", v->id);
    shmleft_list_add(arg, name, v->bytes);
}

void shmleft_clear(struct shmleft *s, struct shmleft_found *ret)
{
    *ret = (struct shmleft_found){0};
    struct shmleft_list removed = {ret->removed, sizeof ret->removed, 0, 0, 0};
    struct shmleft_list sysv = {ret->sysv, sizeof ret->sysv, 0, 0, 0};
    struct shmleft_list left = {ret->left, sizeof ret->left, 0, 0, 0};
    if (!s || s->n_pids == 0)
        return;
    int dir = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir >= 0) {
        shmleft_clear_held(s, dir, &removed, &left);
        shmleft_clear_named(s, dir, &removed);
        close(dir);
    }
    sysvleft_clear(s->pids, s->n_pids, s->since, shmleft_on_sysv, &sysv);
    shmleft_list_end(&removed);
    shmleft_list_end(&sysv);
    shmleft_list_end(&left);
}
