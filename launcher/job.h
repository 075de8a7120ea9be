/* SPDX-License-Identifier: MIT */
/* job - one attempt of a job, from the first agent to the last proof that nothing is left.
 *
 * Owns the fleet and all that is per attempt; the run directory, the journal and the
 * terminal are the caller's. `finished` comes once, on the loop; then job_verdict and
 * job_summary say how it went, until job_destroy.
 */
#ifndef LAUNCHER_JOB_H
#define LAUNCHER_JOB_H

#include "launcher/journal.h"
#include "launcher/live.h"
#include "launcher/nodes.h"
#include "launcher/placereport.h"
#include "launcher/restart.h"
#include "launcher/spec.h"
#include "launcher/summary.h"
#include "proto/base/rlimits.h"
#include "proto/wire/aolani.pb-c.h"
#include "proto/wire/secure.h"

struct job;
struct topo;
struct job_config { /* all by reference */
    const struct spec *spec;
    struct nodes *nodes;     /* spares take the places of hosts that cannot be used */
    struct journal *journal; /* NULL: with check_only */
    struct live *live;
    const char *attempt_dir; /* exists; NULL: with check_only */
    bool check_only;         /* prepare all, start no rank, prove the teardown */
    bool describe_only; /* with check_only: prepare nothing, but ask what nodes are */
    const char *run_id; /* 16 hexadecimal digits */
    struct secure_key job_key;
    struct rlimits limits; /* of the user: the ranks get as much where they may */
    uint64_t epoch;
    uint32_t attempt;
    uint32_t restarts; /* of [failure] max_restarts that are used */
    uint64_t
        done_steps;  /* earlier attempts have done those below; 0: none, or not known */
    bool renumbered; /* the numbers of log_pattern fell within an earlier attempt */
    void (*running)(void *arg); /* the ranks are about to be started; may be NULL */
    /* Slurm has sent a node the signal, and the job stops; may be NULL */
    void (*told)(void *arg, int signum);
    void (*finished)(void *arg);
    void *arg;
};

/* ERR_USAGE: --stdin names a rank that the job has not. */
int job_check_stdin(const struct spec *s, uint64_t world_size, struct err *e);
int job_create(struct loop *l, const struct job_config *c, struct job **ret,
               struct err *e);
void job_start(struct job *j);
/* The user wants it to end: TERM and the grace; again (or kill): KILL. signum: what to
 * name as the reason. */
void job_stop(struct job *j, int signum, bool kill);
/* Not the user: Slurm takes the nodes. Said before or after job_stop: why, in words ("the
 * job was preempted"), and status, 0: that of the signal. Copied. */
void job_explain_stop(struct job *j, const char *why, int status);
/* From TERM to KILL, should it be stopped: no more than this. */
void job_shorten_grace(struct job *j, uint64_t grace_ms);
/* Its time is over: the ranks have `grace_ms` to end. what: "the time limit of 2 h". */
void job_reach_limit(struct job *j, uint64_t grace_ms, const char *what);
/* Its time is nearly over ("before the time limit"): ranks are asked to save and to end by themselves
 * (aolani_stop_requested), and get signum unless 0. Before there are ranks: as
 * job_reach_limit. */
void job_save(struct job *j, int signum, const char *what);
/* The user waits no longer: `finished` follows at once. What is not yet proven gone ends
 * when its lease is over. */
void job_leave(struct job *j);
void job_signal(struct job *j, int signum); /* pass on to all ranks */
void job_print_status(const struct job *j); /* a screen of words, by log_answer */
/* After finished. The summary borrows from the job; its run_id, dir, version, times and
 * name are the caller's to fill. */
void job_summary(struct job *j, struct summary *ret);
/* After finished: the job's time goes into the ledger of the summary. earlier: of attempts
 * that came to nothing; before: what the launcher did before job_start; wall: of all, which
 * the rows then sum up to. */
void job_close_ledger(struct job *j, uint64_t earlier_ms, uint64_t before_ms,
                      uint64_t wall_ms);
/* After finished: what was found on each node, borrowed from the job. *ret is to be freed.
 * -ENOMEM. */
int job_place(const struct job *j, struct place_node **ret);
/* What a node's agent has said of it; NULL: never connected. Borrowed from the job. */
const Aolani__NodeInfo *job_node_info(const struct job *j, uint32_t node);
/* What every node is made of, once all have described themselves; else NULL. Borrowed. */
struct topo *const *job_topos(const struct job *j);
/* After finished: the attempt came to nothing because a program that is not of the job had
 * MASTER_PORT before rank 0, and is proven to be over. The port, else 0; *ret_node: whose. */
uint32_t job_lost_port(const struct job *j, const char **ret_node);

struct job_outcome { /* borrowed from the job */
    enum restart_cause cause;
    int exit_status;
    const char *sentence;
    bool ran;           /* ranks were started */
    bool asked_to_save; /* or told that its time is over */
    bool unclean;       /* on a node that is not lost something may be left */
    uint32_t *lost;     /* nodes that cannot be used any more, ascending; to be freed */
    uint32_t n_lost;
    bool has_step; /* all ranks ended some step */
    uint64_t first_step, last_step;
    unsigned uncounted;          /* see runstate.h */
    const struct ledger *ledger; /* after job_close_ledger */
};
/* After finished. -ENOMEM. */
int job_outcome(const struct job *j, struct job_outcome *ret);
void job_destroy(struct job *j);

#endif
