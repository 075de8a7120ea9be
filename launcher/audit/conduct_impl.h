/* SPDX-License-Identifier: MIT */
/* conduct_impl - what conduct.c (questions and answers), conduct_stages.c (what is next) and
 * conduct_pairs.c (who meets whom) share. */
#ifndef LAUNCHER_AUDIT_CONDUCT_IMPL_H
#define LAUNCHER_AUDIT_CONDUCT_IMPL_H

#include "launcher/audit/conduct.h"
#include "launcher/audit/rounds.h"

#define CONDUCT_ROUNDS (ROUNDS_FIRST + ROUNDS_REGROUP)
#define CONDUCT_NONE   UINT32_MAX
#define MEASURE_SHARE  60u /* percent of the budget, where pairs come after it */

enum conduct_stage { STAGE_IDLE, STAGE_LOOK, STAGE_MEASURE, STAGE_PAIRS, STAGE_DONE };

enum conduct_ask { ASK_NONE, ASK_LOOK, ASK_MEASURE, ASK_LISTEN, ASK_REACH };

struct conduct_seat {     /* of a node */
    enum conduct_ask ask; /* whose answer is awaited */
    uint32_t id;          /* of the last ask; 0: nothing was asked */
    bool open;            /* the last word on it has not come, also when nobody waits */
    bool usable;          /* may be asked for more */
    bool answered;        /* the ask that is awaited, but for the last word */
    uint64_t deadline_ms;
    uint32_t machine; /* index; nodes that share one have the same */
    unsigned percent; /* of its measuring */
    uint32_t meeting; /* at which it is; CONDUCT_NONE */
};

struct conduct_machine {
    uint32_t first, n;  /* of conduct.order */
    uint32_t next;      /* of these: whose turn to be measured is next */
    uint64_t budget_ms; /* of each of them */
    bool busy;
};

struct conduct_meeting { /* of two nodes, under way */
    bool taken;
    struct rounds_pair who;
    uint32_t next;   /* of its rails */
    uint32_t failed; /* rails in a row of which nothing came */
    uint32_t by_tcp; /* rails that were meant for RDMA */
    uint64_t began_ms;
    /* Of the rail under way: */
    bool heard;      /* that the partner listens */
    unsigned n_open; /* ends that are not done */
    size_t index;    /* of audit.pairs */
    uint8_t token[32];
};

struct conduct {
    struct conduct_config config;
    struct conduct_ops ops;
    void *arg;
    struct audit *audit;
    enum conduct_stage stage;
    uint64_t now_ms, start_ms, looked_ms, pairs_ms; /* when stages began, and ended */
    uint32_t next_id;
    bool in_step;

    struct conduct_seat *seats;
    uint32_t n_awaited;   /* seats whose answer is awaited */
    uint32_t n_over;      /* of this stage */
    uint32_t n_of;        /* of this stage in all */
    unsigned sum_percent; /* of those that are measured now */

    struct conduct_machine *machines;
    uint32_t n_machines;
    uint32_t *order; /* nodes, those of a machine together */

    uint32_t round;
    bool began;                /* the first round */
    struct rounds_pair *queue; /* of this round; taken ones have a == b */
    size_t n_queue, n_left;    /* left: not begun */
    uint64_t pair_ms;          /* of two nodes, for all rails of a round */
    uint64_t pair_budget_ms;   /* of one of them */
    uint32_t rails_fit;
    bool by_rdma;                     /* something was measured so */
    struct conduct_meeting *meetings; /* n / 2 */
    uint32_t n_meetings;              /* under way */
};

/* conduct.c */
int conduct_ask(struct conduct *c, uint32_t node, enum conduct_ask what,
                Aolani__AuditAsk *m, uint64_t limit_ms);
void conduct_close(struct conduct *c, uint32_t node); /* its ask is over */
void conduct_text(char **ret, const char *text);      /* no memory: NULL */

/* conduct_stages.c */
int conduct_group(struct conduct *c);
void conduct_step(struct conduct *c);
void conduct_tell(struct conduct *c, const char *now_at);
void conduct_measured(struct conduct *c, uint32_t node);

/* conduct_pairs.c */
bool conduct_pairs_step(struct conduct *c); /* false: there is nothing more to try */
void conduct_listening(struct conduct *c, uint32_t node, uint32_t port);
/* What it measured; taken. */
void conduct_pair_result(struct conduct *c, uint32_t node, Aolani__AuditPair *p);
/* An end is over; error: why it came to nothing, or NULL. */
void conduct_pair_over(struct conduct *c, uint32_t node, const char *error);

#endif
