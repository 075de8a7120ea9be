/* SPDX-License-Identifier: MIT */
/* steplog - the steps of ranks that are known by lines of their output alone. Pure: bytes
 * and the time come from outside.
 *
 * A step reaches from one matching line to the next of its rank; what is known is when the
 * last line of a reading was written. Where the numbers rise by more than one between two
 * readings (a line every 10 steps, or several lines in one reading) all steps between get
 * the mean of that time; of none of them a time of its own is claimed. Records say that
 * they are partial, and that waiting is in them, unless `fill` knows better.
 *
 * Numbers that fall begin anew (as in each epoch of many programs), and steps are counted
 * on from there: within an attempt no step comes twice. Of what lies between two such lines,
 * an evaluation maybe, nothing is told. From then on a step's number is not the one that
 * the program means, nor one to be compared with that of another attempt: records say so
 * (STEPREC_RENUMBERED).
 *
 * Lines are cut to STEPLOG_LINE, and matching may take STEPLOG_SHARE of the time: lines
 * beyond it are passed over and counted. That widens a range and breaks nothing. */
#ifndef AGENT_STEPLOG_H
#define AGENT_STEPLOG_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"
#include "proto/wire/steprec.h"

#define STEPLOG_LINE     1024u /* of a line, from its beginning */
#define STEPLOG_RANGE    1000u /* numbers that rise by more: not told of */
#define STEPLOG_SHARE    0.05  /* of one CPU */
#define STEPLOG_SAVE_NS  50e6  /* of it may be saved up */
#define STEPLOG_RENEW_NS 200e6 /* of matching, then the pattern is compiled anew */

struct steplog_config {
    const char *pattern; /* steppattern.h; borrowed for the call */
    uint32_t first_rank, n_ranks;
    uint64_t (*now_ns)(void); /* CLOCK_MONOTONIC; to see what matching takes */
    void (*step)(void *arg, uint32_t rank, const struct steprec *rec);
    /* What the host gave to the rank meanwhile; may be NULL. rec is one of the n steps. */
    void (*fill)(void *arg, uint32_t rank, uint64_t from_ns, uint64_t to_ns, uint32_t n,
                 struct steprec *rec);
    void *arg;
};
struct steplog;

int steplog_create(const struct steplog_config *c, struct steplog **ret, struct err *e);
void steplog_destroy(struct steplog *l);
/* A rank has written these bytes to its standard output (0) or error (1), the last of
 * them at t_ns. len 0: some were missed here. */
void steplog_add(struct steplog *l, uint32_t rank, unsigned stream, const void *data,
                 size_t len, uint64_t t_ns);
uint64_t steplog_skipped(const struct steplog *l); /* lines, for want of time */

#endif
