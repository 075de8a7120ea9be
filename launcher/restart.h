/* SPDX-License-Identifier: MIT */
/* restart - does another attempt follow, and on which nodes? Pure: how an attempt ended and
 * what the user allows go in, a decision and its reason come out.
 *
 * A row for each cause (restart.c). Restarts that [failure] max_restarts allows are of the
 * whole run, whoever leads it. What Slurm or a limit ended is no failure of the program and
 * spends none: the run is left open, for `aolani-run resume` or the next job of its chain.
 */
#ifndef LAUNCHER_RESTART_H
#define LAUNCHER_RESTART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X (NAME, in files and words) */
#define RESTART_CAUSES(X)                                                             \
    X(SUCCESS, "success")                                                             \
    X(NO_MORE, "no restart wanted") /* 93 */                                          \
    X(USER, "stopped")              /* by a signal, or scancel */                     \
    X(USAGE, "usage")               /* job file, program not found */                 \
    X(REFUSED, "refused")           /* by the audit */                                \
    X(BINDING, "binding")           /* impossible */                                  \
    X(PORT, "port")                 /* MASTER_PORT was somebody else's */             \
    X(SAVED, "saved")               /* before a limit, as asked */                    \
    X(LIMIT, "limit")               /* the time was over */                           \
    X(SLURM, "Slurm")               /* it took the nodes away: preempted, requeued */ \
    X(RANK, "rank failed")                                                            \
    X(NODE, "node lost")                                                              \
    X(BOOT, "not started")  /* agents could not be */                                 \
    X(ERROR, "error")       /* anything else */                                       \
    X(UNCLEAN, "not clean") /* all ended well, but something may be left */

#define RESTART_CAUSE_ENUM(name, words) RESTART_##name,
enum restart_cause { RESTART_CAUSES(RESTART_CAUSE_ENUM) RESTART_N_CAUSES };

const char *restart_cause_name(enum restart_cause c);

#define RESTART_FRUITLESS 3u /* attempts in a row without a new step */
#define RESTART_PORTS     3u /* a port that is lost so often is lost to something else */
#define RESTART_STATUS    93 /* of a program that wants no restart */
/* The pause after the first failure; each further one in a row doubles it, up to the last. */
#define RESTART_PAUSE_MS      1000u
#define RESTART_LAST_PAUSE_MS 60000u

struct restart_facts {
    enum restart_cause cause;
    bool ran;             /* ranks were started */
    bool asked_to_save;   /* the limit was near when it ended */
    bool unclean;         /* on a node that is not lost something may still run */
    uint32_t n_lost;      /* nodes that cannot be used any more */
    uint32_t n_spares;    /* hosts that could take their places */
    uint32_t n_nodes;     /* of the attempt, with the lost */
    int64_t min_nodes;    /* 0: all are needed */
    int64_t max_restarts; /* of the run */
    unsigned restarts;    /* used */
    unsigned ports;       /* lost in a row */
    unsigned fruitless;   /* attempts in a row, with this one; 0 also: not known */
    unsigned in_row; /* failures in a row, with this one, since there was a new step */
    bool later;      /* a chain or requeue may go on with the run by itself */
    uint64_t lease_ms; /* after which what is left on a lost node has ended */
};

enum restart_act {
    RESTART_END,     /* for good */
    RESTART_OPEN,    /* not by this head: to be continued */
    RESTART_AGAIN,   /* on the same nodes */
    RESTART_SPARE,   /* spares take the places of the lost nodes */
    RESTART_WITHOUT, /* without them */
};

struct restart_decision {
    enum restart_act act;
    bool spends;       /* one of max_restarts */
    uint64_t delay_ms; /* before the next attempt */
    bool fruitless;    /* END or OPEN because nothing new came of it for too long */
    bool unproven;     /* END though a restart is left: see restart_facts.unclean */
    bool exhausted;    /* END because no restart is left (and some were allowed) */
};

void restart_decide(const struct restart_facts *f, struct restart_decision *ret);

#endif
