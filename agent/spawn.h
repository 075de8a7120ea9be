/* SPDX-License-Identifier: MIT */
/* spawn - fork one rank and say what became of it.
 *
 * To be called from the main thread only: the parent-death signal that takes ranks along
 * when the agent dies belongs to the thread that forked. Between fork and exec the child
 * makes system calls only. What fails there comes back through a pipe that exec closes,
 * so neither a slow file system nor a program that cannot be executed stops the agent:
 * watch the descriptor and call spawn_outcome_read when it is readable.
 */
#ifndef AGENT_SPAWN_H
#define AGENT_SPAWN_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/base/rlimits.h"

/* set_mempolicy(2). The kernel's own mask: bit n of it is NUMA node n. */
#define SPAWN_NUMA_BITS (8 * sizeof(unsigned long))
struct spawn_memory {
    int mode; /* 0: as ours */
    bool
        must; /* else a program whose memory could not be bound is executed all the same */
    unsigned long nodes[LIMIT_NUMA / SPAWN_NUMA_BITS];
};

struct spawn_spec {
    const char *path; /* of the program, found before */
    char *const *argv;
    char *const
        *sh_argv; /* for a script without "#!": "sh", path, arguments; or NULL */
    char *const *env;
    const char *workdir;
    const cpu_set_t *cpus; /* NULL: not bound */
    size_t cpus_bytes;
    struct spawn_memory memory;
    int fd_in;           /* becomes 0; -1: /dev/null */
    int fd_out, fd_err;  /* become 1 and 2; none of the three is closed here */
    bool on_terminal;    /* fd_out is one, and must not become a controlling one */
    int cgroup_entrance; /* -1: none */
    mode_t umask;
    int oom_score_adj;            /* raised to this where that is allowed */
    const struct rlimits *limits; /* NULL: as ours */
};

enum spawn_call {
    SPAWN_EXEC = 1,
    SPAWN_PDEATHSIG,
    SPAWN_AFFINITY,
    SPAWN_CHDIR,
    SPAWN_STDIO,
    SPAWN_MEMORY,
    /* Not reasons to give up: the program runs outside the group, its memory anywhere,
     * on a part of the CPUs. */
    SPAWN_CGROUP,
    SPAWN_MEMORY_FREE,
    SPAWN_OTHER_CPUS,
};

struct spawn_outcome {
    int call;         /* enum spawn_call that failed, 0: the program was executed */
    int error;        /* errno of it */
    int cgroup_error; /* not 0: could not enter the group */
    int memory_error; /* not 0: its memory is not bound, and need not be */
    bool other_cpus;  /* the kernel gave it others than it was asked for */
};

/* *ret_fd: non-blocking, to be closed by the caller. */
int spawn_start(const struct spawn_spec *s, pid_t *ret_pid, int *ret_fd, struct err *e);
/* 1: known now, *o is filled; 0: not yet. *o starts zeroed and is kept between calls. */
int spawn_outcome_read(int fd, struct spawn_outcome *o);
/* "could not execute \"python\"", for people. */
int spawn_outcome_err(const struct spawn_outcome *o, const struct spawn_spec *s,
                      struct err *e);

#endif
