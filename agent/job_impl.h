/* SPDX-License-Identifier: MIT */
/* job_impl - what job.c (messages and states), job_prepare.c and job_end.c share. */
#ifndef AGENT_JOB_IMPL_H
#define AGENT_JOB_IMPL_H

#include "agent/cgroup.h"
#include "agent/collrelay.h"
#include "agent/ncclhear.h"
#include "agent/ncclwatch.h"
#include "agent/environ.h"
#include "agent/folders.h"
#include "agent/heads.h"
#include "agent/job.h"
#include "agent/jobstate.h"
#include "agent/masterport.h"
#include "agent/nodesignals.h"
#include "agent/oom.h"
#include "agent/output.h"
#include "agent/plan.h"
#include "agent/pmixlink.h"
#include "agent/rankbase.h"
#include "agent/rankhosts.h"
#include "agent/ranks.h"
#include "agent/ras.h"
#include "agent/reach.h"
#include "agent/readback.h"
#include "agent/recover.h"
#include "agent/shmleft.h"
#include "agent/steplog.h"
#include "agent/steprelay.h"
#include "agent/teardown.h"
#include "proto/base/log.h"
#include "proto/wire/auditlink.h"

struct job {
    struct job_config c;
    const struct job_ops *ops;
    void *arg;
    enum job_state state;
    char run_id[17];
    char mark[ENVIRON_MARK_BYTES];
    uint32_t attempt;

    Aolani__Prepare *plan;
    struct folders folders;
    bool folders_made;
    struct cgroup *cgroup;
    struct rankbase base;
    struct setup *setup; /* NULL: no text; kept until the end */
    bool wants_pmix;
    struct program program;
    struct masterport port;  /* on node 0 */
    struct reach *reach;     /* NULL: not asked for */
    struct auditlink *audit; /* NULL: likewise */
    bool port_looked_at;     /* whether another has it: at the first failure */
    struct reap *reap;
    struct output *output;
    struct ptyrelay *ptys;   /* with -u */
    struct stdinpipe *input; /* of the rank that reads the head's, if it is here */
    struct steprelay *steps;
    struct steplog *steplog;      /* NULL: no steps are looked for in the output */
    struct collrelay *coll;       /* NULL: nor in NCCL's collectives */
    struct ncclwatch *ncclwatch;  /* with coll, while there are ranks */
    struct ncclhear *hear;        /* NULL: what NCCL says goes elsewhere */
    struct ras *ras;              /* NULL: it is not asked */
    char ras_address[HEADS_TEXT]; /* where its NCCL listens; "": nowhere */
    uint32_t look;                /* at a stall: the last that was asked for */
    struct rankhosts *hosts;      /* NULL: no step that a rank has not marked itself */
    struct pmixlink *pmix;
    struct upward pmix_up; /* ours, to see MPI_Abort go by */
    pid_t pmix_pid;        /* of the helper; 0: none */
    bool pmix_ready;
    struct ranks *ranks;
    struct oom *oom;           /* NULL: not running */
    struct shmleft *shm;       /* NULL: no process to look at */
    struct gpuhelper *gpus;    /* NULL: the plan names none */
    struct readback *readback; /* NULL: no rank runs */
    struct nodesignals *signals;

    /* Ending. */
    bool abandoned;      /* without the head */
    uint64_t give_up_ms; /* abandoned: deliver no longer than to here */
    bool end_asked;      /* End has come: NodeDone is owed */
    struct recover *recover;
    uint64_t recover_since;
    char *swept; /* see keeper.h */
    bool recover_failed;
    struct teardown *teardown;
    bool cleared;              /* the teardown has given its result */
    bool finishing, delivered; /* the output */
    uint64_t done_seq;         /* of NODE_DONE; 0: not sent */
    uint64_t acked_seq;
    bool over;
    struct loop_timer *step; /* look again whether the next thing can be done */
};

void job_event(struct job *j, enum job_event ev);
void job_log(struct job *j, enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- job_prepare.c ---- */
void job_prepare(struct job *j);      /* READY or UNFIT follows, now or later */
void job_prepare_pmix(struct job *j); /* the last part of it */
void job_unfit(struct job *j, int code, const struct err *e);
int job_start(struct job *j, const Aolani__Start *m, struct err *e);
int job_open_shmleft(struct job *j, uint64_t since, struct err *e);
int job_open_output(struct job *j, uint64_t spool_bytes, struct err *e);

/* ---- job_coll.c ---- */
void job_follow_nccl(struct job *j); /* for steps, before the ranks start */
void job_drain_coll(struct job *j);  /* before steps are sent */
int job_on_coll_anchor(struct job *j, const struct envelope *v, ProtobufCMessage *msg,
                       struct err *e);

bool job_has_gpus(void); /* the node */

/* ---- job_hear.c ---- */
void job_hear_nccl(struct job *j); /* before the ranks start */
void job_hear_tick(struct job *j, bool is_last);

/* ---- job_rankhost.c ---- */
void job_sample_ranks(struct job *j); /* ten times a second, before steps are made */
void job_forget_ranks(struct job *j); /* before the ranks are */
/* A step of its own; or n steps between two lines, of which r is one. */
void job_fill_host(struct job *j, uint32_t rank, struct steprec *r);
void job_fill_lines(struct job *j, uint32_t rank, uint64_t from_ns, uint64_t to_ns,
                    uint32_t n, struct steprec *r);

/* ---- job_stall.c ---- */
void job_choose_ras(struct job *j); /* before the ranks start */
int job_on_stall_ask(struct job *j, const struct envelope *v, ProtobufCMessage *msg,
                     struct err *e);
void job_forget_stall(struct job *j); /* an answer that is owed is not given */

/* ---- job_steplog.c ---- */
void job_watch_output(struct job *j); /* for steps; its parts are open */
/* Its ranks are gone: what they wrote last. */
void job_unwatch_output(struct job *j);

/* ---- job_environ.c ---- */
int job_make_base(struct job *j, struct err *e);
/* What ranks find in a variable that the agent would set. NULL: nothing. */
const char *job_their_value(const struct job *j, const char *name);
int job_run_setup(struct job *j,
                  struct err *e); /* job_prepare_pmix or job_unfit follows */

/* ---- job_binding.c ---- */
void job_watch_binding(struct job *j); /* the ranks are executed */
void job_unwatch_binding(struct job *j);

/* ---- job_signals.c ---- */
void job_watch_signals(struct job *j); /* after the binding: its helper serves both */
void job_unwatch_signals(struct job *j);

/* ---- job_reach.c ---- */
int job_on_reach(struct job *j, const struct envelope *v, ProtobufCMessage *msg,
                 struct err *e);

/* ---- job_audit.c ---- */
int job_on_audit(struct job *j, const struct envelope *v, ProtobufCMessage *msg,
                 struct err *e);
void job_end_audit(struct job *j); /* its helper; an answer that is owed is not given */

/* ---- job_end.c ---- */
void job_end(struct job *j);      /* begin: entering JOB_ENDING */
void job_end_step(struct job *j); /* something has happened: go on if possible */
void job_end_teardown(struct job *j);

#endif
