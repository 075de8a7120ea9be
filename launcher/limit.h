/* SPDX-License-Identifier: MIT */
/* limit - when a run must save, and when it must end. Pure: times of one clock go in, in
 * milliseconds, the next thing to do comes out; asking Slurm and the timer are
 * limitwatch.h.
 *
 * Two limits there may be: [job] time_limit, after which the ranks get TERM and their
 * grace, and the end of Slurm's allocation, before which all must be over: Slurm sends TERM
 * at the limit and KILL when its KillWait is over. [schedule] signal before the earlier of
 * them the ranks are asked to save.
 */
#ifndef LAUNCHER_LIMIT_H
#define LAUNCHER_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/err.h"

#define LIMIT_NEVER UINT64_MAX

/* [schedule] signal: "none", "auto", "5m", "USR1@5m"; a bare number is seconds. */
struct limit_signal {
    bool automatic;
    uint64_t before_ms; /* 0: none, or automatic */
    int signum;         /* 0: none named */
};
int limit_parse_signal(const char *text, struct limit_signal *ret, struct err *e);
int limit_signum(const char *name); /* "USR1" -> SIGUSR1; "none", or not known: 0 */

struct limit {
    uint64_t job_end_ms;   /* [job] time_limit; LIMIT_NEVER: none */
    uint64_t slurm_end_ms; /* of the allocation; LIMIT_NEVER: none, or not known */
    uint64_t slurm_all_ms; /* how long that limit is in all; 0: not known */
    uint64_t kill_wait_ms; /* Slurm's, between TERM and KILL */
    uint64_t grace_ms;     /* [failure] grace */
    struct limit_signal signal;
    bool continued; /* somebody will go on with the run after Slurm's limit */
};

enum limit_act { LIMIT_WAIT, LIMIT_SAVE, LIMIT_STOP };
enum limit_which { LIMIT_JOB, LIMIT_SLURM };

struct limit_step {
    enum limit_act act;     /* what to do now */
    enum limit_which which; /* the limit it is for; not with WAIT */
    uint64_t left_ms;       /* until that limit */
    uint64_t grace_ms;      /* STOP: that there is time for */
    uint64_t again_ms;      /* when to ask again; LIMIT_NEVER: when something changes */
};
/* saving: that was done already. */
void limit_step(const struct limit *l, uint64_t now_ms, bool saving,
                struct limit_step *ret);

#endif
