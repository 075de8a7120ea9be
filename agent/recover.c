/* SPDX-License-Identifier: MIT */
/* recover.c - see recover.h. The lock on the owner file says whether the old agent lives;
 * the kernel gives it up with the process. */
#include "agent/recover.h"

#include "agent/proc.h"

#include <errno.h>
#include <stdlib.h>

#define RECOVER_TICK_MS  50
#define RECOVER_LIMIT_MS 5000

struct recover {
    struct loop *loop;
    struct folders *folders;
    void (*done)(void *arg, const struct recover_found *found, int status,
                 const struct err *e);
    void *arg;
    struct loop_timer *timer;
    uint64_t began_ms;
};

static void recover_finish(struct recover *r, const struct recover_found *found,
                           int status, const struct err *e)
{
    loop_timer_stop(r->timer);
    r->done(r->arg, found, status, e);
}

static void recover_on_tick(void *arg)
{
    struct recover *r = arg;
    struct recover_found found = {.since = UINT64_MAX};
    struct folders_owner owner;
    struct err e;
    int rc = folders_read_owner(r->folders, &owner, &e);
    if (rc == -ENOENT || rc == -ENOTDIR) {
        recover_finish(r, &found, 0, NULL);
        return;
    }
    if (rc == 0 && owner.alive) {
        rc = proc_kill(owner.pid, owner.start);
        if ((rc == 0 || rc == -ESRCH) &&
            loop_now_ms(r->loop) - r->began_ms < RECOVER_LIMIT_MS)
            return; /* until its lock is gone */
        rc = err_set(&e, -EBUSY, "end the agent with process id %d: it does not die",
                     (int)owner.pid);
    }
    if (rc == 0)
        rc = folders_take_over(r->folders, &e);
    if (rc < 0) {
        recover_finish(r, &found, rc, &e);
        return;
    }
    found.folders = true;
    found.agent = owner.pid;
    found.since = owner.start;
    if (owner.cgroup[0] && cgroup_adopt(owner.cgroup, &found.cgroup, NULL) == 0)
        (void)folders_set_cgroup(r->folders, owner.cgroup);
    recover_finish(r, &found, 0, NULL);
}

int recover_create(struct loop *l, struct folders *f,
                   void (*done)(void *arg, const struct recover_found *found,
                                int status, const struct err *e),
                   void *arg, struct recover **ret, struct err *e)
{
    struct recover *r = calloc(1, sizeof *r);
    if (!r || !(r->timer = loop_timer_create(l, recover_on_tick, r))) {
        free(r);
        return err_sys(e, -ENOMEM, "take up what an agent left");
    }
    r->loop = l;
    r->folders = f;
    r->done = done;
    r->arg = arg;
    r->began_ms = loop_now_ms(l);
    loop_timer_start(r->timer, 0, RECOVER_TICK_MS);
    *ret = r;
    return 0;
}

void recover_destroy(struct recover *r)
{
    if (!r)
        return;
    loop_timer_destroy(r->timer);
    free(r);
}
