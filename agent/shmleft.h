/* SPDX-License-Identifier: MIT */
/* shmleft - shared memory that killed processes leave behind, found and removed.
 *
 * A process that is killed cannot remove its files in /dev/shm and its System V segments,
 * and the node's memory stays taken until somebody does. What a process holds is looked
 * up when it is about to be killed, never while it computes: reading /proc/<pid>/maps
 * takes a lock of its address space. Removed is, after the end of all processes of the
 * job, what is this user's, what no process of any job has open or mapped (the kernel is
 * asked, by a lease), and
 *   - is named as a library names its files (shmname), and was held by one of ours, or
 *     carries the process id of one, or is of no use to anyone once nobody holds it;
 *   - or is a System V segment that one of ours has made, and nobody has attached.
 * Other files that ours held are left, and told: people stage data there.
 */
#ifndef AGENT_SHMLEFT_H
#define AGENT_SHMLEFT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/base/err.h"

struct shmleft;
struct shmleft_found { /* a line for people each; "": nothing */
    char removed[512], sysv[256], left[512];
};

/* dir: "/dev/shm"; own: a folder in it that is not looked into. since: the start of the
 * job's first agent in ticks, as in proc_stat; nothing older is touched. */
int shmleft_create(const char *dir, const char *own, uint64_t since,
                   struct shmleft **ret, struct err *e);
void shmleft_destroy(struct shmleft *s);

/* These take NULL, and do nothing then. */
void shmleft_look(struct shmleft *s, pid_t pid); /* it is about to be killed */
/* The same for every process in the sessions and process groups of these leaders. Takes
 * half a second at most, so that the signal which follows is not late. */
void shmleft_look_sessions(struct shmleft *s, const pid_t *leaders, size_t n);
/* A process of the job that ended badly, or was killed, had this number. */
void shmleft_add_pid(struct shmleft *s, pid_t pid);
/* Numbers kept in a file, for who comes after this agent. */
int shmleft_save_pids(const char *path, const pid_t *pids, size_t n, struct err *e);
int shmleft_load_pids(struct shmleft *s, const char *path, struct err *e);

/* After the processes' end. Does nothing where every process has ended well. */
void shmleft_clear(struct shmleft *s, struct shmleft_found *ret);

#endif
