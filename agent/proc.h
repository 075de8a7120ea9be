/* SPDX-License-Identifier: MIT */
/* proc - what /proc says about processes, and the mark by which those of a job are found.
 *
 * The mark is the variable AOLANI_MARK=<run id>.<node> in a process's first environment:
 * children inherit it, whoever adopts them. Zombies have no environment and are not
 * found; they hold nothing. All of it is a snapshot: look again before acting.
 */
#ifndef AGENT_PROC_H
#define AGENT_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/base/err.h"

/* A file of the kernel, which has no size: read until its end or until buf is full, and
 * ended by a NUL. Bytes, or -errno: buf is "" then. */
ssize_t proc_read_file(const char *path, char *buf, size_t size);

struct proc_stat {
    char name[16];
    char state; /* 'R', 'S', 'D', 'Z', ... */
    pid_t ppid, group, session;
    uint32_t threads;
    uint64_t start;               /* clock ticks since boot */
    uint64_t minflt, majflt, cpu; /* cpu: user and system, clock ticks */
};

/* Parse the text of /proc/<pid>/stat, or of a thread's; the name may hold anything, ") "
 * included. */
int proc_stat_parse(const char *text, struct proc_stat *ret);
int proc_stat_read(pid_t pid, struct proc_stat *ret); /* -ESRCH: gone */
int64_t proc_user(pid_t pid);                         /* its real user; -1: not known */
/* One of its threads waits in the kernel in a way that nothing can interrupt. */
bool proc_has_stuck_thread(pid_t pid);

enum proc_mark { PROC_MARK_NO, PROC_MARK_YES, PROC_MARK_UNREADABLE };
/* mark: "AOLANI_MARK=...", compared as a whole entry. Unreadable: it is a process of our
 * user whose environment the kernel does not show. */
enum proc_mark proc_has_mark(pid_t pid, const char *mark);

/* Every process that can be seen, but not this one. False stops. -errno: no /proc. */
int proc_each(bool (*each)(void *arg, pid_t pid), void *arg);

/* SIGKILL to exactly the process that started at `start`: never to one that was given
 * its number since. -ESRCH: it is gone. */
int proc_kill(pid_t pid, uint64_t start);

#endif
