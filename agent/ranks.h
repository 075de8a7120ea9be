/* SPDX-License-Identifier: MIT */
/* ranks - all ranks of this node: started together, signalled, stopped, and told of. */
#ifndef AGENT_RANKS_H
#define AGENT_RANKS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/cgroup.h"
#include "agent/collrelay.h"
#include "agent/folders.h"
#include "agent/host.h"
#include "agent/ncclhear.h"
#include "agent/output.h"
#include "agent/pmixlink.h"
#include "agent/program.h"
#include "agent/rankbase.h"
#include "agent/ptyrelay.h"
#include "agent/reap.h"
#include "agent/shmleft.h"
#include "agent/stdinpipe.h"
#include "agent/steprelay.h"
#include "agent/task.h"
#include "proto/wire/aolani.pb-c.h"

struct ranks;
struct ranks_ops {
    void (*settled)(void *arg); /* of every rank it is known whether it was executed */
    void (*failed)(void *arg, const struct task *t,
                   const struct err *e); /* it was not */
    void (*exited)(void *arg, const struct task *t);
    void (*gone)(void *arg); /* the last has exited */
};
struct ranks_config { /* all by reference; must outlive the ranks */
    struct loop *loop;
    struct reap *reap;
    const Aolani__Prepare *plan;
    const struct host *host;
    const struct rankbase *base;
    const struct program *program;
    const struct folders *folders;
    const struct cgroup *cgroup; /* NULL: none */
    struct output *output;
    struct ptyrelay *ptys;   /* NULL: ranks write to the spool files */
    struct stdinpipe *input; /* NULL: no rank of this node reads */
    struct steprelay *steps;
    struct collrelay *coll;      /* NULL: NCCL is not followed */
    struct shmleft *shm;         /* told of what is ended; NULL: nothing */
    const struct pmixlink *pmix; /* NULL: none */
    struct ncclhear *hear;       /* NULL: what NCCL says is not ours to hear */
    const char *ras_address;     /* NULL: NCCL_RAS_ADDR is not set */
    uint32_t attempt;
};

int ranks_create(const struct ranks_config *c, const struct ranks_ops *ops, void *arg,
                 struct ranks **ret, struct err *e);
void ranks_destroy(struct ranks *r); /* ends no process */
/* Start them all, some now and the others from the loop. One that cannot be started is
 * told of as failed and exited; one that ranks_stop comes before, as ended by us. */
int ranks_start(struct ranks *r, const char *master_addr, uint32_t master_port,
                struct err *e);
void ranks_exited(struct ranks *r, pid_t pid, int wait_status,
                  const struct rusage *usage);
/* From reap: a signal has stopped it; see reap_stop_f. */
void ranks_stopped(struct ranks *r, pid_t pid, uint64_t from_ns, uint64_t to_ns);
/* which: of these ranks; n 0: of all. */
void ranks_signal(struct ranks *r, int signum, const uint32_t *which, size_t n);
/* TERM, then KILL after the grace; 0: KILL at once. A shorter grace replaces a longer. */
void ranks_stop(struct ranks *r, uint64_t grace_ms);
void ranks_aborted(struct ranks *r, uint32_t rank,
                   int status); /* it called MPI_Abort */
bool ranks_are_gone(const struct ranks *r);
/* Could every rank enter the control group? */
bool ranks_are_in_cgroup(const struct ranks *r);
/* 0: all memory is bound as planned; else an errno, of one rank. */
int ranks_memory_error(const struct ranks *r);
const struct task *ranks_tasks(const struct ranks *r, size_t *ret_n);

#endif
