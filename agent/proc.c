/* SPDX-License-Identifier: MIT */
/* proc.c - see proc.h. Files of /proc are read with plain open and read: their size is
 * not known beforehand and they can vanish at any call. */
#include "agent/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PROC_ENVIRON_MAX (8u << 20) /* above Linux's own limit on a default stack */

ssize_t proc_read_file(const char *path, char *buf, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    buf[0] = '\0';
    if (fd < 0)
        return -errno;
    size_t n = 0;
    while (n < size - 1) {
        ssize_t got = read(fd, buf + n, size - 1 - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            int rc = -errno;
            buf[0] = '\0';
            close(fd);
            return rc;
        }
        if (got == 0)
            break;
        n += (size_t)got;
    }
    close(fd);
    buf[n] = '\0';
    return (ssize_t)n;
}

int proc_stat_parse(const char *text, struct proc_stat *ret)
{
    const char *open_at = strchr(text, '(');
    const char *close_at = strrchr(text, ')');
    if (!open_at || !close_at || close_at < open_at)
        return ERR_PARSE;
    struct proc_stat s = {0};
    size_t n = (size_t)(close_at - open_at - 1);
    if (n >= sizeof s.name)
        n = sizeof s.name - 1;
    memcpy(s.name, open_at + 1, n);
    int ppid, group, session;
    unsigned long long start, minflt, majflt, user, system;
    /* state ppid group session; minflt is the 10th of the line, utime the 14th, threads the
     * 20th, starttime the 22nd */
    int got = sscanf(close_at + 1,
                     " %c %d %d %d %*s %*s %*s %llu %*s %llu %*s %llu %llu %*s %*s %*s "
                     "%*s %u %*s %llu",
                     &s.state, &ppid, &group, &session, &minflt, &majflt, &user,
                     &system, &s.threads, &start);
    if (got != 10)
        return ERR_PARSE;
    s.ppid = ppid;
    s.group = group;
    s.session = session;
    s.start = start;
    s.minflt = minflt;
    s.majflt = majflt;
    s.cpu = user + system;
    *ret = s;
    return 0;
}

int proc_stat_read(pid_t pid, struct proc_stat *ret)
{
    char path[64], text[1024];
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    ssize_t n = proc_read_file(path, text, sizeof text);
    if (n <= 0)
        return -ESRCH;
    return proc_stat_parse(text, ret) < 0 ? -ESRCH : 0;
}

/* The owner of /proc/<pid> is root for processes that do not let themselves be dumped, so
 * whose it really is stands in the status file. */
static bool proc_read_uids(pid_t pid, uid_t *ret_real, uid_t *ret_effective)
{
    char path[64], text[2048];
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    if (proc_read_file(path, text, sizeof text) <= 0)
        return false;
    const char *at = strstr(text, "\nUid:");
    return at && sscanf(at + 5, "%u %u", ret_real, ret_effective) == 2;
}

static bool proc_is_ours(pid_t pid)
{
    uid_t real, effective;
    return proc_read_uids(pid, &real, &effective) &&
           (real == getuid() || effective == geteuid());
}

int64_t proc_user(pid_t pid)
{
    uid_t real, effective;
    return proc_read_uids(pid, &real, &effective) ? (int64_t)real : -1;
}

bool proc_has_stuck_thread(pid_t pid)
{
    char path[64], text[1024];
    struct proc_stat st;
    bool stuck = false;
    const struct dirent *entry;
    (void)snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *dir = opendir(path);
    while (dir && !stuck && (entry = readdir(dir))) {
        int n = snprintf(path, sizeof path, "/proc/%d/task/%.20s/stat", (int)pid,
                         entry->d_name);
        stuck = n > 0 && proc_read_file(path, text, sizeof text) > 0 &&
                proc_stat_parse(text, &st) == 0 && st.state == 'D';
    }
    if (dir)
        closedir(dir);
    return stuck;
}

static bool proc_text_has_entry(const char *text, size_t len, const char *entry)
{
    size_t want = strlen(entry) + 1; /* its NUL too: not a longer value */
    for (const char *p = text, *end = text + len; p < end;) {
        const char *nul = memchr(p, '\0', (size_t)(end - p));
        size_t n = nul ? (size_t)(nul - p) + 1 : (size_t)(end - p);
        if (n == want && nul && memcmp(p, entry, want) == 0)
            return true;
        p += n;
    }
    return false;
}

enum proc_mark proc_has_mark(pid_t pid, const char *mark)
{
    char path[64], small[16384];
    (void)snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    ssize_t n = proc_read_file(path, small, sizeof small);
    if (n == -EACCES || n == -EPERM)
        return proc_is_ours(pid) ? PROC_MARK_UNREADABLE : PROC_MARK_NO;
    if (n <= 0)
        return PROC_MARK_NO;
    if ((size_t)n < sizeof small - 1)
        return proc_text_has_entry(small, (size_t)n, mark) ? PROC_MARK_YES
                                                           : PROC_MARK_NO;

    char *big = malloc(PROC_ENVIRON_MAX);
    if (!big)
        return PROC_MARK_UNREADABLE;
    n = proc_read_file(path, big, PROC_ENVIRON_MAX);
    bool has = n > 0 && proc_text_has_entry(big, (size_t)n, mark);
    free(big);
    return has ? PROC_MARK_YES : PROC_MARK_NO;
}

int proc_each(bool (*each)(void *arg, pid_t pid), void *arg)
{
    DIR *dir = opendir("/proc");
    if (!dir)
        return -errno;
    const struct dirent *entry;
    while ((entry = readdir(dir))) {
        char *end;
        long pid = strtol(entry->d_name, &end, 10);
        if (*end || pid <= 0 || pid == getpid())
            continue;
        if (!each(arg, (pid_t)pid))
            break;
    }
    closedir(dir);
    return 0;
}

int proc_kill(pid_t pid, uint64_t start)
{
    /* The descriptor names the process; once it is open, the look at its start time says
     * whether it is the one that was meant. */
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0 && errno != ENOSYS)
        return -errno;
    int rc = 0;
    struct proc_stat now;
    if (proc_stat_read(pid, &now) < 0 || now.start != start)
        rc = -ESRCH;
    else if (fd >= 0 ? syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) < 0
                     : kill(pid, SIGKILL) < 0)
        rc = -errno;
    if (fd >= 0)
        close(fd);
    return rc;
}
