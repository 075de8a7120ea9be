/* SPDX-License-Identifier: MIT */
/* recover - become the owner of what a dead agent of this node left: its folders and its
 * control group. One that only seems dead (it hangs, or is cut off) is killed first, and
 * with it its ranks. */
#ifndef AGENT_RECOVER_H
#define AGENT_RECOVER_H

#include <stdint.h>
#include <sys/types.h>

#include "agent/cgroup.h"
#include "agent/folders.h"
#include "proto/base/loop.h"

struct recover;
struct recover_found {
    bool folders;          /* ours now */
    struct cgroup *cgroup; /* the caller's to destroy; NULL: there is none */
    pid_t agent;           /* the old one; 0: not known */
    uint64_t since;        /* start of the old agent, in ticks; UINT64_MAX: not known */
};
/* done comes once, never from within create: what was found, or status < 0 and why. */
int recover_create(struct loop *l, struct folders *f,
                   void (*done)(void *arg, const struct recover_found *found,
                                int status, const struct err *e),
                   void *arg, struct recover **ret, struct err *e);
void recover_destroy(struct recover *r);

#endif
