/* SPDX-License-Identifier: MIT */
/* conduct - one audit, from the first question to the last answer: who is asked what, and
 * when. Sends and time are the caller's: agents behind a fleet, or a helper of our own.
 *
 * All nodes look at once. Then they are measured, one after another where several share a
 * machine, with a budget that keeps the whole under its limit; then come the rounds of
 * pairs, in which two nodes measure the rails that both have one after another. A node that
 * is lost or does not answer in time has an error and is left out of what follows; the
 * others wait for it no longer than its answer has time.
 */
#ifndef LAUNCHER_AUDIT_CONDUCT_H
#define LAUNCHER_AUDIT_CONDUCT_H

#include "launcher/audit/audit.h"

struct conduct;
struct conduct_ops {
    /* 0 or negative: it cannot be asked (any more). */
    int (*ask)(void *arg, uint32_t node, const Aolani__AuditAsk *m);
    /* For people: "measuring, 3 of 8 nodes"; percent of the whole. May come often. */
    void (*progress)(void *arg, const char *what, unsigned percent);
    /* 32 bytes that nobody can guess; NULL where there are no pairs. */
    void (*token)(void *arg, uint8_t ret[32]);
    void (*done)(void *arg); /* once, from within a call; nothing is asked any more */
};
struct conduct_config {
    struct audit *audit; /* hosts, machines, rails and n are set; borrowed, filled in */
    bool measure, pair;
    const char *const *addresses; /* of each node, for pairs; NULL entries: cannot */
    const char *const *skip;      /* ids of probes, NULL-ended; NULL: none */
    uint64_t budget_ms;           /* of measuring and pairs together */
    uint64_t seed;
};

int conduct_create(const struct conduct_config *c, const struct conduct_ops *ops,
                   void *arg, struct conduct **ret, struct err *e);
void conduct_destroy(struct conduct *c); /* takes NULL */
void conduct_start(struct conduct *c, uint64_t now_ms);
/* ERR_PROTO: it answers what was not asked; the caller ends the link. m is taken apart. */
int conduct_said(struct conduct *c, uint32_t node, Aolani__AuditSaid *m,
                 uint64_t now_ms, struct err *e);
void conduct_lost(struct conduct *c, uint32_t node, const char *why, const char *hint,
                  uint64_t now_ms);
/* At least every 100 ms. */
void conduct_tick(struct conduct *c, uint64_t now_ms);

#endif
