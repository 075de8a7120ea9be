/* SPDX-License-Identifier: MIT */
/* run_impl - what run.c (life of a run), run_resume.c (a run that is there already),
 * run_attempts.c (one after the other), run_slurm.c (a stop that is Slurm's) and run_end.c
 * (what is kept and shown) share. */
#ifndef LAUNCHER_RUN_IMPL_H
#define LAUNCHER_RUN_IMPL_H

#include "launcher/interrupt.h"
#include "launcher/job.h"
#include "launcher/limitwatch.h"
#include "launcher/restart.h"
#include "launcher/run.h"
#include "launcher/runhead.h"
#include "launcher/runprep.h"
#include "launcher/runstate.h"
#include "launcher/slurm/allocation.h"
#include "launcher/sweep.h"

struct slurm_ask;

struct run {
    struct loop *loop;
    struct spec *spec;
    struct nodes nodes;
    struct rundir dir;
    struct journal *journal;
    struct live *live;
    struct job *job;     /* of the attempt, and in the pause after it; else NULL */
    struct sweep *sweep; /* before the first one, after a head that died */
    struct interrupt *interrupt;
    struct limitwatch *limits;
    struct runhead_hold *hold;
    struct secure_key key;
    char run_id[2 * SECURE_RUN_BYTES + 1];
    uint64_t epoch;
    uint64_t start_real_ns; /* of the run, not of this head */
    uint64_t mark_ns;       /* up to here the time is accounted for */
    uint64_t job_ns;        /* the job of the attempt began */
    uint64_t pause_ns;      /* of it, the pause before it */
    uint64_t former_ns;     /* wall time of former heads */
    uint32_t attempt;       /* from 1 */
    char attempt_dir[PATH_MAX];
    struct runstate state; /* attempts of former heads, then ours as they end */
    unsigned ports;        /* attempts in a row that lost MASTER_PORT */
    /* After the last attempt: */
    enum restart_cause cause;
    struct restart_decision decision;
    uint32_t *lost; /* nodes of it that the next will not have, ascending */
    uint32_t n_lost;
    unsigned fruitless; /* attempts in a row */
    char sentence[1600];
    int exit_status;
    char started[32];     /* what a summary borrows */
    struct ledger ledger; /* likewise: of all attempts */
    struct loop_timer *pause;
    int stop_signum;             /* by which it was stopped; 0: by none */
    bool stopped;                /* the user, or Slurm, wants no further attempt */
    bool time_is_up;             /* nor does a limit */
    bool pausing;                /* before the next attempt */
    const char *limit_what;      /* the limit that ended a wait for an attempt */
    bool former_gone;            /* nothing of a former head can be left on any node */
    struct rlimits limits_found; /* of the user, before we raised ours */

    struct allocation *held;   /* asked for by this head; NULL: none was needed */
    uint32_t slurm_job;        /* in which this head runs; 0: none */
    struct slurm_ask *why_ask; /* why Slurm ends us */
    bool settling;             /* the attempt is over, and how is being learnt */
    bool why_known, awaits_why;
    bool slurm_told; /* job_explain_stop was called */
    enum restart_cause slurm_cause;
};

/* ---- run.c ---- */
/* What new and resumed runs have in common, once there is a spec: nodes and the loop. */
/* > 0: the signal by which the user ended the wait for them. */
int run_open_nodes(struct run *r, struct err *e);
/* Once there is a directory and a journal: words, limits, signals. */
int run_open_rest(struct run *r, struct err *e);
/* No attempt is under way. */
bool run_is_between(const struct run *r);

/* ---- run_resume.c ---- */
/* End what the former head has left, if it may have left anything. */
int run_sweep(struct run *r, struct err *e);

/* ---- run_slurm.c ---- */
/* A signal came that ends the run: is it Slurm's, and why? */
void run_ask_slurm(struct run *r, int signum);
/* Slurm has taken the nodes that this head asked for. */
void run_lose_slurm(struct run *r, const struct err *why, const struct slurm_end *end);
/* An attempt is over: should it have ended that way, see why. */
void run_settle_slurm(struct run *r);
/* The ranks have ended: until Slurm has answered, but not for long. */
void run_await_why(struct run *r);
enum restart_cause run_slurm_cause(const struct run *r, enum restart_cause found);

/* ---- run_end.c ---- */
/* The end of an attempt in the journal, and in r->state; its time ends here. -ENOMEM */
int run_keep_attempt(struct run *r, const struct job_outcome *o, bool is_void);
void run_journal_attempt(struct run *r);
void run_keep_json(struct run *r, const struct summary *s, bool in_journal);
void run_fill_summary(struct run *r, struct summary *s);
void run_journal_end(struct run *r, int exit_status, const char *sentence);

#endif
