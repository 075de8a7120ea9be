/* SPDX-License-Identifier: MIT */
/* cgroup.c - see cgroup.h. */
#include "agent/cgroup.h"

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
#include <unistd.h>

#define CGROUP_DEPTH 8 /* groups that ranks made below ours */

struct cgroup {
    char *path;
    int entrance;
};

/* One of the words that commas part. */
static bool cgroup_lists(const char *list, size_t len, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = list, *end = list + len; p < end;) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        const char *stop = comma ? comma : end;
        if ((size_t)(stop - p) == n && memcmp(p, word, n) == 0)
            return true;
        p = stop + 1;
    }
    return false;
}

/* A line: id parent major:minor root mount-point options [tags] - type source options.
 * controller: of version 1; NULL: version 2. */
static bool cgroup_parse_mount(const char *line, const char *controller,
                               char root[PATH_MAX], char at[PATH_MAX])
{
    _Static_assert(PATH_MAX == 4096, "the field widths below");
    if (sscanf(line, "%*s %*s %*s %4095s %4095s", root, at) != 2)
        return false;
    const char *dash = strstr(line, " - ");
    if (!controller)
        return dash && strncmp(dash + 3, "cgroup2 ", 8) == 0;
    if (!dash || strncmp(dash + 3, "cgroup ", 7) != 0)
        return false;
    const char *options = strrchr(dash, ' ') + 1;
    return cgroup_lists(options, strlen(options), controller);
}

/* A line: id:controllers:path; the one of version 2 is "0::path". */
static bool cgroup_parse_own(const char *own, const char *controller,
                             char path[PATH_MAX])
{
    for (const char *p = own; p; p = strchr(p, '\n')) {
        p += *p == '\n';
        const char *list = strchr(p, ':'), *end = list ? strchr(list + 1, ':') : NULL;
        const char *eol = strchr(p, '\n');
        if (!end || (eol && end > eol))
            continue;
        size_t len = (size_t)(end - list - 1);
        bool meant = controller ? cgroup_lists(list + 1, len, controller)
                                : strncmp(p, "0::", 3) == 0;
        if (meant && sscanf(end, ":%4095[^\n]", path) == 1)
            return true;
    }
    return false;
}

int cgroup_locate(const char *mountinfo, const char *own, const char *controller,
                  struct buf *ret)
{
    char path[PATH_MAX], root[PATH_MAX], at[PATH_MAX];
    if (!cgroup_parse_own(own, controller, path))
        return -ENOENT;
    for (const char *line = mountinfo; line && *line;) {
        const char *end = strchr(line, '\n');
        char one[2 * PATH_MAX + 512];
        (void)snprintf(one, sizeof one, "%.*s",
                       end ? (int)(end - line) : (int)strlen(line), line);
        line = end ? end + 1 : NULL;
        if (!cgroup_parse_mount(one, controller, root, at))
            continue;
        /* Only a part of the tree may be mounted: its root is cut off our path. */
        size_t cut = strcmp(root, "/") == 0 ? 0 : strlen(root);
        if (strncmp(path, root, cut) != 0 || (path[cut] && path[cut] != '/'))
            continue;
        const char *rest = path + cut;
        return buf_printf(ret, "%s%s", at, strcmp(rest, "/") == 0 ? "" : rest);
    }
    return -ENOENT;
}

static int cgroup_read(const char *path, size_t max, struct buf *ret)
{
    buf_init(ret, max);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t got;
    int rc;
    char part[4096];
    while ((got = read(fd, part, sizeof part)) > 0) {
        if ((rc = buf_add(ret, part, (size_t)got)) < 0)
            goto out;
    }
    rc = got < 0 ? -errno : buf_add(ret, "", 0);
out:
    close(fd);
    if (rc < 0)
        buf_fini(ret);
    return rc;
}

int cgroup_adopt(const char *path, struct cgroup **ret, struct err *e)
{
    char procs[PATH_MAX];
    struct cgroup *g = calloc(1, sizeof *g);
    if (!g || !(g->path = strdup(path))) {
        free(g);
        return err_sys(e, -ENOMEM, "control group \"%s\"", path);
    }
    (void)snprintf(procs, sizeof procs, "%s/cgroup.procs", path);
    g->entrance = open(procs, O_WRONLY | O_CLOEXEC);
    if (g->entrance < 0) {
        int rc = err_sys(e, -errno, "open \"%s\"", procs);
        cgroup_destroy(g);
        return rc;
    }
    *ret = g;
    return 0;
}

int cgroup_own(const char *controller, struct buf *ret)
{
    struct buf mounts = {0}, own = {0};
    int rc = cgroup_read("/proc/self/mountinfo", 8u << 20, &mounts);
    if (rc == 0)
        rc = cgroup_read("/proc/self/cgroup", 1u << 20, &own);
    if (rc == 0)
        rc = cgroup_locate((const char *)mounts.data, (const char *)own.data,
                           controller, ret);
    buf_fini(&mounts);
    buf_fini(&own);
    return rc;
}

int cgroup_create(const char *name, struct cgroup **ret, struct err *e)
{
    struct buf path;
    buf_init(&path, PATH_MAX);
    int rc = cgroup_own(NULL, &path);
    if (rc == 0)
        rc = buf_printf(&path, "/%s", name);
    if (rc < 0) {
        err_sys(e, rc, "look for a control group (version 2)");
        goto out;
    }
    if (mkdir((const char *)path.data, 0755) < 0 && errno != EEXIST) {
        rc = err_sys(e, -errno, "make the control group \"%s\"",
                     (const char *)path.data);
        goto out;
    }
    rc = cgroup_adopt((const char *)path.data, ret, e);
    if (rc < 0)
        (void)rmdir((const char *)path.data);
out:
    buf_fini(&path);
    return rc;
}

void cgroup_destroy(struct cgroup *g)
{
    if (!g)
        return;
    if (g->entrance >= 0)
        close(g->entrance);
    free(g->path);
    free(g);
}

const char *cgroup_path(const struct cgroup *g)
{
    return g->path;
}

int cgroup_entrance(const struct cgroup *g)
{
    return g->entrance;
}

int cgroup_is_empty(const struct cgroup *g)
{
    char path[PATH_MAX];
    struct buf text;
    (void)snprintf(path, sizeof path, "%s/cgroup.events", g->path);
    int rc = cgroup_read(path, 4096, &text);
    if (rc == -ENOENT || rc == -ENODEV)
        return 1;
    if (rc < 0)
        return rc;
    rc = strstr((const char *)text.data, "populated 0") != NULL;
    buf_fini(&text);
    return rc;
}

void cgroup_each(const struct cgroup *g, void (*each)(void *arg, pid_t pid), void *arg)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/cgroup.procs", g->path);
    FILE *f = fopen(path, "re");
    int pid;
    while (f && fscanf(f, "%d", &pid) == 1)
        each(arg, pid);
    if (f)
        fclose(f);
}

/* 0: a process of another PID namespace; -1 would be everybody. */
static void cgroup_kill_one(void *arg, pid_t pid)
{
    (void)arg;
    if (pid > 1)
        (void)kill(pid, SIGKILL);
}

int cgroup_kill(const struct cgroup *g)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/cgroup.kill", g->path);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        /* Before Linux 5.14. What forks meanwhile is met by the next call: the caller
         * repeats until the group is empty. */
        cgroup_each(g, cgroup_kill_one, NULL);
        return 0;
    }
    if (fd < 0)
        return -errno;
    int rc = write(fd, "1", 1) == 1 ? 0 : -errno;
    close(fd);
    return rc;
}

static int cgroup_remove_below(const char *path, int depth)
{
    DIR *dir = depth > 0 ? opendir(path) : NULL;
    const struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        char child[PATH_MAX];
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
            continue;
        int n = snprintf(child, sizeof child, "%s/%s", path, entry->d_name);
        if (n > 0 && (size_t)n < sizeof child)
            (void)cgroup_remove_below(child, depth - 1);
    }
    if (dir)
        closedir(dir);
    return rmdir(path) < 0 && errno != ENOENT ? -errno : 0;
}

int cgroup_remove(const struct cgroup *g)
{
    return cgroup_remove_below(g->path, CGROUP_DEPTH);
}
