/* SPDX-License-Identifier: MIT */
/* job_hear.c - what NCCL says of its networks: heard in files of its own, unless the user
 * wants it said elsewhere, or not. */
#include <limits.h>
#include <stdio.h>

#include "agent/job_impl.h"
#include "agent/ncclconf.h"
#include "proto/base/clock.h"

static const char debug[] = "NCCL_DEBUG"; /* and _FILE, _SUBSYS, ... */

/* As NCCL finds it: an empty name is none, another may be relative to the ranks' folder. */
static bool user_has_conf(const struct job *j)
{
    const char *own = job_their_value(j, "NCCL_CONF_FILE");
    const char *home = job_their_value(j, "HOME");
    bool named = own && own[0];
    const char *folder = named ? j->base.workdir : home;
    char path[PATH_MAX];
    if (named && own[0] == '/')
        return ncclconf_sets(own, debug);
    return folder &&
           snprintf(path, sizeof path, "%s/%s", folder, named ? own : ".nccl.conf") <
               (int)sizeof path &&
           ncclconf_sets(path, debug);
}

/* What the environment has is left alone as well, by environ.c. */
void job_hear_nccl(struct job *j)
{
    struct err e;
    bool has = job_has_gpus() || j->plan->collectives == AOLANI__COLL_WISH__COLL_YES;
    if (has && !user_has_conf(j) && !ncclconf_sets("/etc/nccl.conf", debug) &&
        ncclhear_create(j->folders.shm, j->plan->first_rank[j->c.node],
                        (uint32_t)j->plan->n_ranks, j->c.up, &j->hear, &e) < 0)
        log_err(&e);
}

void job_hear_tick(struct job *j, bool is_last)
{
    if (j->hear)
        ncclhear_tick(j->hear, clock_mono_ns(), is_last);
}
