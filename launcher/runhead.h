/* SPDX-License-Identifier: MIT */
/* runhead - which head rules a run: the file `head` in the run directory, one line. A head
 * holds it, locked (see runclaim.h where there are no locks), for its life; a file that is
 * empty, or not there, says that none does.
 *
 * Whether the head that is named there lives can be seen on its own machine (the lock, its
 * process and when that was started). Elsewhere Slurm may know: a job that is over or was
 * begun anew has no head of before on its nodes.
 */
#ifndef LAUNCHER_RUNHEAD_H
#define LAUNCHER_RUNHEAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/base/err.h"

struct runhead {
    char host[256];       /* as gethostname(2) says */
    char boot[40];        /* of its kernel */
    uint64_t pid_space;   /* which process ids it means */
    pid_t pid;            /* 0: no head */
    uint64_t start_ticks; /* since boot: when it was started */
    uint32_t slurm_job;   /* in which it runs, or whose nodes it uses; 0: none */
    uint32_t slurm_restarts;
    bool on_node; /* of that job, with which it ends; else it may outlive it */
    uint64_t epoch;
};

enum runhead_life {
    RUNHEAD_NONE, /* no head, or it is proven to be gone */
    RUNHEAD_ALIVE,
    RUNHEAD_UNKNOWN, /* it is on a machine that cannot be asked from here */
};

/* What the file of this run directory says; no file: pid 0. ERR_PARSE: it makes no sense. */
int runhead_read(const char *dir, struct runhead *ret, struct err *e);
/* A line of that file. ERR_PARSE. */
int runhead_parse(const char *line, struct runhead *ret);
/* Does it live? From its own machine at once; for a head inside a job of Slurm's elsewhere
 * Slurm is asked, which may take up to SLURM_ASK_MS. */
enum runhead_life runhead_life(const char *dir, const struct runhead *h);
/* It ran in a job of Slurm's that is over, or was begun anew since, and with it all that it
 * had started. May ask Slurm. */
bool runhead_is_gone_with_slurm(const struct runhead *h);
/* "process 4711 on login1", "... in Slurm job 81". */
void runhead_text(const struct runhead *h, char *ret, size_t len);

struct runhead_hold;
/* Become the head. -EBUSY: another one rules or may rule, e says which, with a hint; with
 * force one that only may is passed over, one that lives never is. */
int runhead_take(const char *dir, bool force, struct runhead_hold **ret, struct err *e);
/* What readers shall see of us from now. */
int runhead_say(struct runhead_hold *h, uint64_t epoch, struct err *e);
/* No head any more. Takes NULL. */
void runhead_release(struct runhead_hold *h);

#endif
