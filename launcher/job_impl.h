/* SPDX-License-Identifier: MIT */
/* job_impl - what job.c (the states), job_fleet.c (nodes that come and go),
 * job_messages.c (what agents say), job_plan.c (which rank runs where), job_bind.c (what is
 * told of it), job_start.c (start messages), job_stdin.c (--stdin), job_progress.c (what is
 * told meanwhile), job_variance.c (who was late by what), job_outcome.c (limits, and what
 * came of it), job_summary.c and job_place.c (at the end) share. */
#ifndef LAUNCHER_JOB_IMPL_H
#define LAUNCHER_JOB_IMPL_H

#include "launcher/fence.h"
#include "launcher/fleet.h"
#include "launcher/gpufaults.h"
#include "launcher/job.h"
#include "launcher/job_binding.h"
#include "launcher/job_checks.h"
#include "launcher/job_journal.h"
#include "launcher/job_stall.h"
#include "launcher/job_start.h"
#include "launcher/jobstate.h"
#include "launcher/netwatch.h"
#include "launcher/nodelimits.h"
#include "launcher/outfiles.h"
#include "launcher/place/place.h"
#include "launcher/stdinfeed.h"
#include "launcher/variance/attribute.h"
#include "launcher/variance/ledger.h"
#include "launcher/variance/steps.h"
#include "launcher/variance/stepsource.h"
#include "launcher/verdict.h"

enum node_step { /* how far a node has come */
                 NODE_AWAITED,
                 NODE_DESCRIBED,
                 NODE_REFUSED,   /* its agent could not start */
                 NODE_PREPARED_, /* or failed to: .error */
                 NODE_ENDING,    /* END was sent */
                 NODE_FINISHED,  /* NODE_DONE came, or it was given up */
};

struct job_node {
    enum node_step step;
    bool recovering;
    bool lost;  /* at some time */
    bool tried; /* it has said whether it reaches MASTER_PORT */
    char error[sizeof((struct err *)0)->text];
    char hint[sizeof((struct err *)0)->hint];
    int code;
    struct rlimits limits; /* of its ranks */
    char limits_text[NODELIMITS_TEXT];
    char *program;        /* as found there; NULL: not known */
    const char *teardown; /* as in summary_node */
    char detail[240];
    uint64_t end_sent_ms;
};

/* A host whose place a spare has taken. Names are those of struct nodes. */
struct job_replaced {
    const char *host, *by;
    const char *agent; /* as in summary_replaced */
    uint32_t node;
    char why[sizeof((struct err *)0)->text];
    char hint[sizeof((struct err *)0)->hint];
};

struct job_rank {
    struct verdict_rank v;
    char *cpus;
    char end[120];
    uint64_t cpu_user_us, cpu_sys_us, max_rss_kib, kept;
    uint64_t steps_dropped; /* as last told */
    uint64_t bytes[2];
    struct binding *binding; /* NULL: not asked for yet */
    unsigned n_bindings;     /* messages */
};

#define JOB_PHASES    6 /* connect, prepare, start, run, stop, teardown */
#define JOB_PHASE_RUN 3

struct job_variance;
struct job_coll;
struct job_audit;

struct job {
    struct loop *loop;
    struct job_config config;
    struct fleet *fleet;
    struct fences *fences;
    struct outfiles *outfiles;
    struct steps *steps;
    struct job_variance *variance; /* with steps */
    struct job_coll *coll;         /* likewise */
    struct job_stall *stall;       /* likewise */
    struct ledger ledger;
    struct stdinfeed *input; /* with --stdin, while ranks run */
    bool sent_input;         /* which no other attempt can have again */
    struct topo **topos; /* of every node, once planned; the plan points into them */
    struct plan plan;
    enum job_state state;
    struct verdict_stop stop;
    char stop_text[1100], sentence[1200];
    char stop_why[200], stop_what[120];
    uint64_t grace_ms; /* between TERM and KILL, when it is stopped */
    bool ran;          /* ranks were started */
    bool has_step;     /* all ranks ended some step: */
    uint64_t first_step, last_step, journaled_step;
    unsigned uncounted; /* see runstate.h */
    bool said_others;   /* that a rank's steps are marked by several processes */
    bool renumbered;    /* the numbers of log_pattern fell, in this attempt or before */
    uint64_t progress_ms; /* when the journal was last told of it */
    struct job_node *nodes;
    struct job_replaced *replaced; /* in order */
    size_t n_replaced;
    struct job_rank *ranks; /* plan.world_size, once planned */
    const char **node_of_rank;
    uint32_t n_nodes;
    uint32_t master_port;
    bool saw_steps, held;
    struct stepsource source; /* with steps */
    char nccl_steps[320]; /* what NCCL's go by, or why there are none; "" not known */
    char source_words[STEPSOURCE_TEXT], source_why[STEPSOURCE_TEXT]; /* once chosen */
    struct driftlines drifts;
    struct job_audit *audit;   /* where something is required of the nodes */
    struct netwatch *netwatch; /* where a network is required, or sockets would be slow,
                                  while ranks run */
    struct job_ncclsaid *ncclsaid; /* NULL: agents have heard nothing of NCCL */
    struct gpufaults faults;
    bool compared_nccl;
    char nccl[200];        /* what it did, in words; "" not known */
    struct netproof *nets; /* of each node, once compared; NULL: not known */
    bool told;             /* Slurm has told a node to end */
    bool port_taken;       /* a rank of node 0 failed, and a stranger had MASTER_PORT */
    int exit_status;
    uint64_t phase_start_ms[JOB_PHASES], phase_ms[JOB_PHASES];
    int phase;
    uint64_t said_ms;
    struct loop_timer *grace, *tick;
    char **warnings;
    size_t n_warnings;
    struct summary_phase *sum_phases;
    struct summary_node *sum_nodes;
    struct summary_replaced *sum_replaced;
    struct summary_rank *sum_ranks;
    bool finished;
    struct summary_output *sum_outputs;
    size_t n_sum_outputs, cap_sum_outputs;
};

/* ---- job.c ---- */
void job_event(struct job *j, enum job_event ev);
/* The reason for the end, if none is known yet. */
void job_set_stop(struct job *j, enum stop_cause cause, int number, const char *fmt,
                  ...) __attribute__((format(printf, 4, 5)));
void job_warn(struct job *j, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
const char *job_node_name(const struct job *j, uint32_t node);
void job_check_ended(struct job *j); /* ALL_ENDED when no rank is alive */
void job_check_done(struct job *j);  /* ALL_DONE when no node is awaited */
void job_enter_phase(struct job *j, int phase);
void job_finish_once(struct job *j); /* CLOSED, and maybe all is written now */

/* ---- job_fleet.c ---- */
extern const struct fleet_ops job_fleet_ops;
void job_send_end(struct job *j, uint32_t node);
/* While ENDING: the node has not yet answered, and may. */
bool job_awaits(const struct job *j, uint32_t node);
void job_give_up(struct job *j, uint32_t node, const char *why);
void job_watch_ending(struct job *j, uint64_t now_ms);
/* What went wrong on the nodes at this step, grouped (failures.h); with NODE_REFUSED also
 * on the hosts that were replaced. */
void job_group_errors(const struct job *j, enum node_step step, char *text, size_t len);

/* ---- job_outcome.c ---- */
void job_step_done(struct job *j, uint64_t step); /* by all ranks */
void job_step_uncounted(struct job *j); /* of no number that counts in the run */
void job_progress_tick(struct job *j, uint64_t now_ms);

/* ---- job_progress.c ---- */
void job_show_progress(struct job *j, uint64_t now_ms);

/* ---- job_plan.c ---- */
int job_plan(struct job *j, struct err *e);
void job_plan_fini(struct job *j);

/* ---- job_told.c ---- */
int job_on_told(struct job *j, uint32_t node, const ProtobufCMessage *m, struct err *e);

/* ---- job_stdin.c ---- */
void job_begin_stdin(struct job *j); /* after START */
int job_on_stdin_taken(struct job *j, uint32_t node, const ProtobufCMessage *msg,
                       struct err *e);
void job_end_stdin(struct job *j);

/* ---- job_steps.c ---- */
int job_steps_create(struct job *j); /* -ENOMEM; source may be finished all the same */
int job_on_steps(struct job *j, uint32_t node, const ProtobufCMessage *msg,
                 struct err *e);
/* On to the statistics, when nothing about it waits any more. */
void job_steps_add(struct job *j, const struct steprec *r, uint64_t now_ms);
void job_steps_say(struct job *j); /* which source was chosen, and why */
/* Steps have the program's own numbers. */
bool job_steps_are_counted(const struct job *j);
/* Steps of NCCL, where they come from it, are other ones from now on. */
void job_steps_anew(struct job *j);
void job_steps_end(
    struct job *j); /* concluded: none came, and a source was asked for */
void job_steps_fill(const struct job *j, struct summary *s);

/* ---- job_variance.c ---- */
int job_variance_create(struct job *j); /* and steps; once there are ranks. -ENOMEM */
void job_variance_destroy(struct job_variance *v);
/* Steps come from another source: with those before they are not compared. What was
 * written stays, and so does the ledger. -ENOMEM: all goes on as it was. */
int job_variance_anew(struct job *j);
int job_on_signals(struct job *j, uint32_t node, const ProtobufCMessage *msg,
                   struct err *e);
void job_variance_tick(struct job *j, uint64_t now_ms);
void job_variance_finish(struct job *j, uint64_t now_ms); /* no record follows */
/* By what the rank is slow, in words; NULL: not known. There are steps. */
const char *job_why_slow(const struct job *j, uint32_t rank, uint32_t step);
void job_variance_fill(struct job *j, struct summary *s);
bool job_variance_is_uneasy(const struct job *j); /* some rank is slow, or near it */

/* ---- job_limits.c ---- */
void job_compare_limits(struct job *j);

/* ---- job_messages.c ---- */
int job_check_rank(const struct job *j, uint32_t node, uint32_t rank, struct err *e);
int job_message(struct job *j, uint32_t node, const struct envelope *v, struct err *e);
extern const struct fence_ops job_fence_ops;

/* ---- job_place.c ---- */
void job_try_port(struct job *j); /* TRIED or FAILED follows, now or later */
int job_on_reached(struct job *j, uint32_t node, const ProtobufCMessage *msg,
                   struct err *e);

/* ---- job_summary.c ---- */
void job_summary_fini(struct job *j);
void job_conclude(struct job *j); /* exit status and sentence */

#endif
