/* SPDX-License-Identifier: MIT */
/* teardown - end every process of a job on this node, and prove it.
 *
 * Three means look at the same time: the control group (where there is one), our own
 * children (we are the subreaper), and the mark in /proc. What ends by itself within a
 * moment is left to it; then SIGKILL, again and again, until all three find nothing or 5
 * s have passed.
 */
#ifndef AGENT_TEARDOWN_H
#define AGENT_TEARDOWN_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/cgroup.h"
#include "agent/shmleft.h"
#include "proto/base/loop.h"
#include "proto/wire/aolani.pb-c.h"

struct teardown;
struct teardown_config {
    const char *mark;            /* "AOLANI_MARK=..." */
    const struct cgroup *cgroup; /* NULL: none */
    struct shmleft *shm;         /* told of what is killed; NULL: nothing */
    pid_t helper; /* a child of ours that is no leftover of the job; 0: none */
    /* After the death of another agent its ranks' children are not ours: then processes
     * of this user that cannot be looked into and are not older than `since` (ticks as
     * in proc_stat) leave the proof open. */
    bool recovering;
    uint64_t since;
    /* Then too: the file by which the old agent's keeper says that it has ended all of
     * them (keeper.h). With neither this nor a control group a process that has dropped
     * its environment would not be seen. NULL: no rank was ever started. */
    const char *swept;
};

/* done comes once, never from within create. */
int teardown_create(struct loop *l, const struct teardown_config *c,
                    void (*done)(void *arg), void *arg, struct teardown **ret,
                    struct err *e);
void teardown_destroy(struct teardown *t);
/* After done; valid until destroy. teardown_note adds a line of evidence, and takes the
 * proof back with unproven. */
const Aolani__NodeDone *teardown_result(const struct teardown *t);
void teardown_note(struct teardown *t, bool unproven, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
