/* SPDX-License-Identifier: MIT */
/* runhead.c - see runhead.h.
 *
 * The file is written in place by one small write, so that the lock stays on the file that
 * readers see. The lock alone would do on one machine; across machines a file system may
 * not pass locks on, so a lock that can be had proves nothing there, one that cannot does.
 */
#include "launcher/runhead.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/runclaim.h"
#include "launcher/slurm/ask.h"
#include "launcher/slurm/facts.h"
#include "proto/base/log.h"

#define LINE            512u
#define FIRST_PID_SPACE 0xeffffffcu /* of a machine, outside of all containers */

struct runhead_hold {
    int fd;
    struct runhead self;
};

/* ---- who is this? ---- */

/* A short file whole, without the newline; "" when it cannot be read. */
static void read_text(const char *path, char *ret, size_t len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = fd < 0 ? -1 : read(fd, ret, len - 1);
    ret[n > 0 ? n : 0] = '\0';
    ret[strcspn(ret, "\n")] = '\0';
    if (fd >= 0)
        (void)close(fd);
}

/* 0: there is no such process, it has ended and nobody has asked how, or it cannot be
 * seen. */
static uint64_t start_of(pid_t pid)
{
    char path[64], text[1024];
    uint64_t start = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    read_text(path, text, sizeof text);
    const char *p = strrchr(text, ')'); /* the name may hold anything */
    if (p && p[1] == ' ' && strchr("ZXx", p[2]))
        return 0;
    for (int field = 2; p && field < 22; field++)
        p = strchr(p + 1, ' ');
    if (p)
        (void)sscanf(p, " %" SCNu64, &start);
    return start;
}

static void here(struct runhead *h)
{
    struct stat st;
    *h = (struct runhead){.pid = getpid()};
    if (gethostname(h->host, sizeof h->host - 1) < 0)
        (void)snprintf(h->host, sizeof h->host, "?");
    read_text("/proc/sys/kernel/random/boot_id", h->boot, sizeof h->boot);
    if (stat("/proc/self/ns/pid", &st) == 0)
        h->pid_space = (uint64_t)st.st_ino;
    h->start_ticks = start_of(h->pid);
    const char *job = getenv("SLURM_JOB_ID"), *again = getenv("SLURM_RESTART_COUNT");
    h->slurm_job = job ? (uint32_t)strtoul(job, NULL, 10) : 0;
    h->slurm_restarts = again ? (uint32_t)strtoul(again, NULL, 10) : 0;
    h->on_node = getenv("SLURMD_NODENAME") != NULL; /* not so where salloc is */
}

/* ---- the line ---- */

static int format_line(const struct runhead *h, char line[LINE])
{
    return snprintf(line, LINE,
                    "host=%s boot=%s pidns=%" PRIu64 " pid=%d start=%" PRIu64
                    " slurm_job=%u slurm_restarts=%u epoch=%" PRIu64 " on_node=%d\n",
                    h->host, h->boot[0] ? h->boot : "?", h->pid_space, (int)h->pid,
                    h->start_ticks, h->slurm_job, h->slurm_restarts, h->epoch,
                    h->on_node);
}

int runhead_parse(const char *line, struct runhead *ret)
{
    struct runhead h = {0};
    int pid = 0, on_node = 1; /* not said by the first that wrote such lines */
    if (sscanf(line,
               "host=%255s boot=%39s pidns=%" SCNu64 " pid=%d start=%" SCNu64
               " slurm_job=%u slurm_restarts=%u epoch=%" SCNu64 " on_node=%d",
               h.host, h.boot, &h.pid_space, &pid, &h.start_ticks, &h.slurm_job,
               &h.slurm_restarts, &h.epoch, &on_node) < 8 ||
        pid <= 0)
        return ERR_PARSE;
    h.pid = (pid_t)pid;
    h.on_node = on_node != 0;
    for (char *p = h.host; *p; p++) /* it goes to a terminal */
        *p = *p > ' ' && *p < 127 ? *p : '?';
    *ret = h;
    return 0;
}

static int path_of(const char *dir, char path[PATH_MAX], struct err *e)
{
    if (snprintf(path, PATH_MAX, "%s/head", dir) >= PATH_MAX)
        return err_sys(e, -ENAMETOOLONG, "read who leads the run in \"%.200s\"", dir);
    return 0;
}

static int read_fd(int fd, const char *path, struct runhead *ret, struct err *e)
{
    char line[LINE];
    ssize_t n = pread(fd, line, sizeof line - 1, 0);
    *ret = (struct runhead){0};
    if (n < 0)
        return err_sys(e, -errno, "read \"%s\"", path);
    line[n] = '\0';
    if (n == 0 || runhead_parse(line, ret) == 0)
        return 0;
    return err_set(e, ERR_PARSE, "read \"%s\": it does not say who leads the run",
                   path);
}

int runhead_read(const char *dir, struct runhead *ret, struct err *e)
{
    char path[PATH_MAX];
    *ret = (struct runhead){0};
    int rc = path_of(dir, path, e);
    if (rc < 0)
        return rc;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? 0 : err_sys(e, -errno, "read \"%s\"", path);
    rc = read_fd(fd, path, ret, e);
    (void)close(fd);
    return rc;
}

/* ---- does it live? ---- */

/* 1: it is, 0: it is not; negative: the file system does not say. */
static int is_locked_in(const char *dir)
{
    char path[PATH_MAX];
    struct flock k = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int rc = path_of(dir, path, NULL);
    int fd = rc < 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (fd < 0)
        return rc < 0 ? rc : -errno;
    rc = fcntl(fd, F_OFD_GETLK, &k) < 0 ? -errno : k.l_type != F_UNLCK;
    (void)close(fd);
    return rc;
}

static enum runhead_life ask_slurm(const struct runhead *h, const struct runhead *self)
{
    struct slurm_job job = {0};
    struct err e;
    /* Slurm begins a job anew only once all of its former run is gone. */
    if (h->slurm_job == self->slurm_job && self->slurm_restarts > h->slurm_restarts)
        return RUNHEAD_NONE;
    int rc = slurm_job_now(h->slurm_job, &job, &e);
    if (rc == ERR_USAGE) /* Slurm has forgotten it already */
        return RUNHEAD_NONE;
    if (rc < 0)
        return RUNHEAD_UNKNOWN;
    bool gone = slurm_job_is_over(&job) || job.restarts > h->slurm_restarts;
    slurm_job_fini(&job);
    return gone ? RUNHEAD_NONE : RUNHEAD_UNKNOWN;
}

bool runhead_is_gone_with_slurm(const struct runhead *h)
{
    struct runhead self;
    here(&self);
    if (h->slurm_job == 0 ||
        (h->slurm_job == self.slurm_job && h->slurm_restarts == self.slurm_restarts))
        return false;
    return ask_slurm(h, &self) == RUNHEAD_NONE;
}

/* This machine, before it was started anew. In a container a name proves little, and
 * "localhost" none. */
static bool is_rebooted(const struct runhead *h, const struct runhead *self)
{
    return strcmp(h->host, self->host) == 0 && strncmp(h->host, "localhost", 9) != 0 &&
           h->pid_space == FIRST_PID_SPACE && self->pid_space == FIRST_PID_SPACE;
}

enum runhead_life runhead_life(const char *dir, const struct runhead *h)
{
    struct runhead self;
    if (h->pid == 0)
        return RUNHEAD_NONE;
    int locked = is_locked_in(dir);
    if (locked > 0)
        return RUNHEAD_ALIVE;
    here(&self);
    if (strcmp(h->boot, self.boot) == 0 && h->pid_space == self.pid_space) {
        uint64_t start = start_of(h->pid);
        return start != 0 && start == h->start_ticks ? RUNHEAD_ALIVE : RUNHEAD_NONE;
    }
    if (strcmp(h->boot, self.boot) == 0 && locked == 0) /* it would hold the lock */
        return RUNHEAD_NONE;
    if (is_rebooted(h, &self))
        return RUNHEAD_NONE;
    return h->slurm_job && h->on_node ? ask_slurm(h, &self) : RUNHEAD_UNKNOWN;
}

void runhead_text(const struct runhead *h, char *ret, size_t len)
{
    if (h->pid == 0)
        (void)snprintf(ret, len, "no process");
    else if (h->slurm_job)
        (void)snprintf(ret, len, "process %d on %s, in Slurm job %u", (int)h->pid,
                       h->host, h->slurm_job);
    else
        (void)snprintf(ret, len, "process %d on %s", (int)h->pid, h->host);
}

/* ---- becoming it ---- */

static int refuse(const char *dir, const struct runhead *h, enum runhead_life life,
                  struct err *e)
{
    char who[400];
    runhead_text(h, who, sizeof who);
    if (life == RUNHEAD_ALIVE) {
        err_set(e, -EBUSY, "lead the run in \"%.150s\": %s leads it", dir, who);
        return err_hint(e, "aolani-run stop ends it; one run has one head");
    }
    err_set(
        e, -EBUSY,
        "lead the run in \"%.150s\": %s led it, and whether it lives cannot be seen "
        "from here",
        dir, who);
    return err_hint(e,
                    "resume it there, or, if you know that it is gone, with --force");
}

/* -ENOLCK: the file system has no locks. */
static int lock(int fd)
{
    struct flock k = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_OFD_SETLK, &k) == 0)
        return 0;
    return errno == EAGAIN || errno == EACCES ? -EBUSY : -ENOLCK;
}

static int open_head(const char *path, int *ret_fd, struct err *e)
{
    *ret_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW, 0600);
    return *ret_fd < 0 ? err_sys(e, -errno, "open \"%s\"", path) : 0;
}

static bool is_same(const struct runhead *a, const struct runhead *b)
{
    return a->pid == b->pid && a->epoch == b->epoch &&
           a->start_ticks == b->start_ticks && strcmp(a->host, b->host) == 0;
}

static int busy(const char *dir, struct err *e)
{
    return err_set(e, -EBUSY, "lead the run in \"%.200s\": another head begins", dir);
}

/* What another has written since we looked is seen after a new open, as NFS has it. */
static int take_turn(struct runhead_hold *h, const char *dir, const char *path,
                     const struct runhead *old, bool force, struct err *e)
{
    struct runhead now;
    log_info(
        "the file system of \"%.200s\" has no locks: \"head.claim\" stands for one",
        dir);
    int rc = runclaim_take(dir, force, e);
    if (rc < 0)
        return rc;
    (void)close(h->fd);
    rc = open_head(path, &h->fd, e);
    if (rc == 0 &&
        (read_fd(h->fd, path, &now, NULL) < 0 ? !force : !is_same(&now, old)))
        rc = busy(dir, e);
    if (rc == 0)
        rc = runhead_say(h, 0, e);
    runclaim_end(dir);
    return rc;
}

/* Two that begin at once: the file system's lock tells them apart where it has any. */
static int begin(struct runhead_hold *h, const char *dir, const char *path,
                 const struct runhead *old, bool force, struct err *e)
{
    int rc = lock(h->fd);
    if (rc == -EBUSY)
        return busy(dir, e);
    return rc == 0 ? runhead_say(h, 0, e) : take_turn(h, dir, path, old, force, e);
}

static int check_former(const char *dir, int fd, const char *path, bool force,
                        struct runhead *ret, struct err *e)
{
    struct runhead old;
    int rc = read_fd(fd, path, &old, e);
    *ret = old;
    if (rc == ERR_PARSE && force)
        return 0;
    if (rc < 0)
        return rc == ERR_PARSE ? err_hint(e, "if nobody leads it: --force") : rc;
    enum runhead_life life = runhead_life(dir, &old);
    if (life == RUNHEAD_NONE || (life == RUNHEAD_UNKNOWN && force))
        return 0;
    return refuse(dir, &old, life, e);
}

int runhead_take(const char *dir, bool force, struct runhead_hold **ret, struct err *e)
{
    char path[PATH_MAX];
    struct runhead old;
    int rc = path_of(dir, path, e);
    struct runhead_hold *h = rc == 0 ? calloc(1, sizeof *h) : NULL;
    if (rc < 0 || !h)
        return rc < 0 ? rc : err_sys(e, -ENOMEM, "lead a run");
    rc = open_head(path, &h->fd, e);
    if (rc == 0)
        rc = check_former(dir, h->fd, path, force, &old, e);
    if (rc == 0)
        rc = begin(h, dir, path, &old, force, e);
    if (rc < 0) {
        if (h->fd >= 0)
            (void)close(h->fd);
        free(h);
        return rc;
    }
    *ret = h;
    return 0;
}

int runhead_say(struct runhead_hold *h, uint64_t epoch, struct err *e)
{
    char line[LINE];
    here(&h->self); /* an allocation may have come since */
    h->self.epoch = epoch;
    int n = format_line(&h->self, line);
    if (n >= (int)sizeof line)
        return err_sys(e, -ENAMETOOLONG, "write who leads the run");
    ssize_t written = pwrite(h->fd, line, (size_t)n, 0);
    if (written == n && ftruncate(h->fd, n) == 0 && fsync(h->fd) == 0)
        return 0;
    return err_sys(e, written >= 0 && written < n ? -ENOSPC : -errno,
                   "write who leads the run");
}

/* Who was taken for dead, with force, does not speak for the one who leads now. */
static bool is_ours(const struct runhead_hold *h)
{
    struct runhead now;
    return read_fd(h->fd, "head", &now, NULL) == 0 && is_same(&now, &h->self);
}

void runhead_release(struct runhead_hold *h)
{
    if (!h)
        return;
    if (is_ours(h) && ftruncate(h->fd, 0) < 0)
        log_debug("the file of the head: %s", strerror(errno));
    (void)close(h->fd);
    free(h);
}
