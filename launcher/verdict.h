/* SPDX-License-Identifier: MIT */
/* verdict - which rank failed first, said in one sentence, and the exit status. Pure.
 *
 * Ranks that ended after our TERM or KILL are victims, never the cause, but for one that
 * had called MPI_Abort: that is why we ended it. Among the others that failed the earliest
 * on the head's clock is the cause; another whose time differs by less than the two
 * clocks' errors cannot be told from it, and the sentence says so. Of those, one that the
 * kernel killed for want of memory comes first.
 */
#ifndef LAUNCHER_VERDICT_H
#define LAUNCHER_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rank_end {
    RANK_NOT_STARTED,
    RANK_ALIVE,
    RANK_EXITED,
    RANK_EXEC_FAILED,
    RANK_LOST
};

struct verdict_rank {
    enum rank_end end;
    unsigned wait_status; /* RANK_EXITED: as of waitpid(2) */
    int exec_errno;       /* RANK_EXEC_FAILED */
    bool ended_by_us;
    bool oom_killed;           /* by the kernel, for want of memory */
    bool aborted;              /* it called MPI_Abort */
    int abort_status;          /* ... with this */
    uint64_t t_ns, t_error_ns; /* on the head's clock */
    const char *node;
};

enum stop_cause {
    STOP_NONE,   /* the ranks ended by themselves */
    STOP_RANK,   /* a rank failed */
    STOP_SIGNAL, /* the user: .signum */
    STOP_TIME_LIMIT,
    STOP_NODE_LOST, /* .text says which and why */
    STOP_ERROR,     /* boot, prepare, placement: .text, .status */
};

struct verdict_stop {
    enum stop_cause cause;
    int signum;
    int status; /* STOP_ERROR; STOP_SIGNAL with .why, unless 0 */
    const char
        *text;    /* STOP_NODE_LOST, STOP_ERROR; STOP_TIME_LIMIT: "the time limit" */
    bool unclean; /* a node could not prove that nothing is left */
    const char
        *saving; /* the ranks were asked to save and to end, before this ("the time
                           limit"); NULL: they were not */
    const char
        *why; /* STOP_SIGNAL: not the user but Slurm, because of this; NULL: no */
};

/* Returns the exit status; the sentence (no newline, no full stop) into text. */
int verdict(const struct verdict_rank *ranks, size_t n, const struct verdict_stop *stop,
            const char *program, char *text, size_t len);

/* "exit 3", "signal 9 (Killed)", "signal 9 (Killed), out of memory", "lost", "not
 * started". */
void verdict_rank_end(const struct verdict_rank *r, char *text, size_t len);

#endif
