/* SPDX-License-Identifier: MIT */
/* runstate - what the journal of a run says of it, whether a head writes it at this moment
 * or none does any more. Reads only, and only the run directory: a journal that is torn at
 * its end, or grows meanwhile, is read up to its last whole record. Which head rules, if
 * any: runhead.h.
 *
 * Times are nanoseconds of the wall clock of the machine that wrote them.
 */
#ifndef LAUNCHER_RUNSTATE_H
#define LAUNCHER_RUNSTATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "launcher/variance/ledger.h"
#include "proto/base/err.h"

struct runstate_attempt {
    uint32_t attempt;       /* from 1 */
    bool ended;             /* false: cut off, or under way while a head lives */
    bool again;             /* ended: another may follow */
    bool spent;             /* ended: and is one of [failure] max_restarts */
    int exit_status;        /* ended */
    char *sentence;         /* ended; else NULL */
    char cause[24];         /* ended: see restart.h; "" not known */
    char phase[16];         /* the last it entered: "connect" ... "end" */
    uint64_t start_real_ns; /* 0: not known */
    uint64_t end_real_ns;   /* ended, or the last that is known of it */
    bool has_step;          /* some step was ended by all ranks, as far as is known */
    uint64_t first_step;    /* the lowest of these, as the program counts, */
    uint64_t last_step;     /* and the highest */
    unsigned uncounted;     /* steps were ended, but their numbers are not counted from
                             * the run's beginning: not has_step; whence they came (enum
                             * steprec_source). 0: none of these */
    uint32_t world_size;    /* ranks that were started */
    uint64_t wall_ns;       /* ended: of it, and of what its head did before it */
    struct ledger ledger;   /* ended: where that went */
    bool ours;              /* of this process */
};

/* What was written last of a time in which no rank ended a step; see job_stall.h. */
struct runstate_stall {
    uint32_t attempt;       /* 0: there was none */
    uint32_t number;        /* in its attempt */
    uint32_t heads;         /* of the run, when it was written */
    uint32_t step;          /* the last before it, of any rank */
    uint64_t since_real_ns; /* when that was, about; 0: not known */
    bool over;              /* steps went on */
    char *ranks, *text;     /* who stands out, and how, or what all do; may be "" */
};

struct runstate {
    char *run_id;           /* 16 hexadecimal digits */
    char *name, *version;   /* of the job; of who made the run */
    uint64_t made_real_ns;  /* the run directory was made */
    uint64_t begun_real_ns; /* by the first head; 0: none came yet (submitted) */
    uint64_t seen_real_ns;  /* of the last record that has a time */
    uint64_t epoch;         /* of the last head; 0: none came yet */
    uint32_t heads;         /* how many there were */
    uint32_t slurm_job;     /* in which the last head ran; 0: none */
    char **nodes;           /* of the last attempt; before one: as the job file says */
    size_t n_nodes;
    struct runstate_attempt *attempts; /* in order */
    size_t n_attempts;
    struct runstate_stall stall; /* the latest; see runstate_stall */
    bool over;                   /* ended for good: no attempt follows */
    int exit_status;    /* over: of the run; else of the last attempt that ended */
    char *sentence;     /* likewise; NULL: no attempt ended */
    uint64_t wall_ns;   /* of all heads; of one without an end: up to what is known */
    bool torn;          /* its end is not whole: the head died, or is writing */
    uint64_t undecoded; /* records that are damaged */
};

/* dir: a run directory. ret is for runstate_fini also on failure. ERR_USAGE: there is no
 * journal, or it is of no run; -errno. */
int runstate_read(const char *dir, struct runstate *ret, struct err *e);
int runstate_read_file(const char *journal, struct runstate *ret, struct err *e);
void runstate_fini(struct runstate *r);

/* The last attempt; NULL: none yet. */
const struct runstate_attempt *runstate_last(const struct runstate *r);
/* The stall that lasts, as far as was written: its attempt goes on, under the head that told
 * of it. NULL: none. */
const struct runstate_stall *runstate_stall(const struct runstate *r);
/* The highest step that all ranks ended in any attempt. False: not known. */
bool runstate_best_step(const struct runstate *r, uint64_t *ret);
/* How many of the last attempts that started ranks ended no step that was not ended
 * before. 0 where no attempt of the run ever marked a step: then nothing is known. One
 * with steps that are not counted is never taken for fruitless. */
unsigned runstate_fruitless(const struct runstate *r);
/* With one more that has just ended; ran: it started ranks. Of a: its steps alone. */
unsigned runstate_fruitless_with(const struct runstate *r, bool ran,
                                 const struct runstate_attempt *a);
/* The numbers that log_pattern finds fell within some attempt. */
bool runstate_renumbered(const struct runstate *r);
/* The highest step of attempts whose time is known in detail: of those cut off it is not,
 * so that what they did is not done before. False: none. */
bool runstate_done_step(const struct runstate *r, uint64_t *ret);
/* Keep an attempt, its sentence taken; one of this number is replaced. -ENOMEM. */
int runstate_add(struct runstate *r, const struct runstate_attempt *a);
/* Where the time of all attempts went, former_ns that of heads before this one; what of
 * theirs no attempt accounts for was cut off. Returns all of it, ns. */
uint64_t runstate_ledger(const struct runstate *r, uint64_t former_ns,
                         struct ledger *ret);
/* How many of [failure] max_restarts are used. */
unsigned runstate_restarts(const struct runstate *r);

#endif
