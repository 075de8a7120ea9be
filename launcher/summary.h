/* SPDX-License-Identifier: MIT */
/* summary - what a run comes to: filled by the job, shown by the report, kept in run.json.
 * Everything is borrowed from the job for the time of the call. Times in milliseconds
 * unless named otherwise. */
#ifndef LAUNCHER_SUMMARY_H
#define LAUNCHER_SUMMARY_H

#include <stdbool.h>
#include <stdint.h>

#include "launcher/binding.h"
#include "launcher/gpufaults.h"
#include "launcher/outrotate.h"
#include "launcher/runstate.h"
#include "launcher/variance/attribute.h"
#include "launcher/variance/cost.h"
#include "launcher/variance/ledger.h"
#include "launcher/variance/series.h"
#include "launcher/variance/signals.h"
#include "launcher/variance/steps.h"
#include "proto/base/buf.h"
#include "proto/base/err.h"

struct summary_phase {
    const char *name; /* "connect", "prepare", "start", "run", "stop", "teardown" */
    uint64_t ms;
};

struct summary_node {
    const char *name;        /* as typed */
    const char *hostname;    /* as the host says; "" when it never connected */
    const char *teardown;    /* "clean", "forced", "not clean", "not proven", "lost" */
    const char *detail;      /* "" or what is left and why */
    int64_t clock_offset_us; /* node minus head */
    uint64_t clock_error_us;
    bool copied;        /* the agent had to be copied there */
    const char *limits; /* of its ranks, see nodelimits.h; "" not known */
    char net[64];       /* NCCL's between nodes, see netproof.h; "" not said */
};

/* A host whose place a spare has taken. */
struct summary_replaced {
    const char *host, *by; /* as typed */
    const char *why;
    const char *agent; /* on that host: "not started", "ended", "not proven" */
    uint32_t node;     /* index */
};

struct summary_rank {
    uint32_t rank, node; /* node: index */
    const char *cpus;    /* as applied; "" not bound */
    const char
        *end; /* "exit 0", "exit 3", "signal 9 (Killed)", "lost", "not started" */
    bool ended_by_us;
    uint64_t cpu_user_ms, cpu_sys_ms, max_rss_kib;
    uint64_t out_bytes, err_bytes; /* written */
    uint64_t out_kept, err_kept;   /* of them in the run directory */
    const struct binding *binding; /* NULL: not known */
};

struct summary_output { /* a stream of which not all is there */
    uint32_t rank;
    bool is_err;
    uint64_t bytes, first, last; /* written; kept at both ends; last 0: not rotated */
    struct outranges missing;
};

struct summary_spell {
    const char
        *common; /* what the ranks that were slow then have in common; "": nothing */
};

struct summary_stall {              /* no rank ended a step for long */
    uint32_t attempt, number, step; /* the last before it */
    uint64_t from_ms, ms;           /* from: since the ranks were started */
    bool over;                      /* steps went on */
    char *ranks, *text; /* who stood out, and how, or what all did; may be NULL */
};

struct summary {
    const char *run_id, *name, *dir, *version, *started_utc;
    int exit_status;
    const char *sentence; /* "all 8 ranks ended with status 0", "rank 3 on gpu2 ..." */
    uint64_t wall_ms;
    uint64_t queued_ms; /* before it, that this head waited for nodes */
    uint32_t attempts;
    const struct runstate_attempt *history; /* of them, in order; NULL: not known */
    size_t n_history;
    const struct summary_phase *phases;
    size_t n_phases;
    const struct summary_node *nodes;
    size_t n_nodes;
    const struct summary_replaced *replaced;
    size_t n_replaced;
    const struct summary_rank *ranks;
    size_t n_ranks;
    struct outrotate rotate;
    const struct summary_output *outputs;
    size_t n_outputs;
    const char *audit; /* what the nodes were found to be; "" or NULL: not asked */
    const char *nccl;  /* which NICs it used, in words; "" or NULL: not known */
    const struct summary_stall *stalls;
    size_t n_stalls;
    const struct gpufault *faults; /* errors of GPUs; node: index */
    size_t n_faults;
    const char *const *warnings;
    size_t n_warnings;
    const struct steps *steps; /* NULL: no rank marked steps */
    /* With steps: "client", "nccl", "log"; that in words; why no better one, "": best. */
    const char *step_source, *step_source_words, *step_source_why;
    /* With steps; each may be NULL. */
    const struct attribution *variance;
    const struct summary_spell *spells; /* what is said of variance->spells, in order */
    size_t n_spells;
    const struct series *series;
    const struct ledger *ledger; /* also without steps */
    const struct signals *signals;
    struct cost cost;
};

#endif
