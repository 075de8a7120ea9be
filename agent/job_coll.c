/* SPDX-License-Identifier: MIT */
/* job_coll.c - steps that are looked for in NCCL's collectives: whether, and what the head
 * has chosen. */
#include <string.h>
#include <unistd.h>

#include "agent/job_impl.h"
#include "proto/base/clock.h"

static int on_add(void *arg, uint32_t rank, const struct steprec *rec)
{
    struct job *j = arg;
    struct steprec whole = *rec;
    job_fill_host(j, rank, &whole);
    return steprelay_add(j->steps, rank, &whole); /* what it loses it counts */
}

bool job_has_gpus(void)
{
    return access("/dev/nvidiactl", F_OK) == 0 || access("/dev/kfd", F_OK) == 0;
}

/* NCCL loads one profiler alone; as in environ.c. True: ours is none. */
static bool yields(struct job *j)
{
    const char *theirs = job_their_value(j, "NCCL_PROFILER_PLUGIN");
    const char *chain = job_their_value(j, "AOLANI_NCCL_CHAIN");
    if (!theirs || !theirs[0] || (chain && strcmp(chain, "1") == 0))
        return false;
    if (j->c.node == 0) /* the others would say the same */
        job_log(j, LOG_WARN_,
                "NCCL_PROFILER_PLUGIN is \"%s\" and stays so: NCCL tells us nothing "
                "(AOLANI_NCCL_CHAIN=1 in job.env lets it tell both)",
                theirs);
    return true;
}

void job_follow_nccl(struct job *j)
{
    struct collrelay_config c = {.dir = j->folders.shm,
                                 .up = *j->c.up,
                                 .world_size = j->plan->world_size,
                                 .add = on_add,
                                 .arg = j};
    Aolani__CollWish wish = j->plan->collectives;
    struct err e;
    /* Without a GPU there is no NCCL, and its files would take memory for nothing. */
    if (wish == AOLANI__COLL_WISH__COLL_NO ||
        (wish == AOLANI__COLL_WISH__COLL_WHERE_GPUS && !job_has_gpus()))
        return;
    if (!j->c.host->profiler) {
        job_log(
            j, wish == AOLANI__COLL_WISH__COLL_YES ? LOG_WARN_ : LOG_INFO_,
            "NCCL is not followed: libnccl-profiler-aolani.so does not lie in \"%s\"",
            j->c.host->dir);
        return;
    }
    if (!yields(j) && collrelay_create(&c, &j->coll, &e) < 0)
        job_log(j, LOG_WARN_, "NCCL is not followed: %s", e.text);
}

/* Without memory for it nothing is known of NCCL without a profiler. */
static void watch_nccl(struct job *j, uint64_t now_ns)
{
    size_t n;
    const struct task *tasks = ranks_tasks(j->ranks, &n);
    if (!j->ncclwatch && ncclwatch_create(j->coll, n, &j->ncclwatch) < 0)
        return;
    ncclwatch_tick(j->ncclwatch, tasks, now_ns);
}

void job_drain_coll(struct job *j)
{
    bool gone = j->ranks && ranks_are_gone(j->ranks);
    uint64_t now_ns = clock_mono_ns();
    if (!j->coll)
        return;
    if (j->ranks && !gone)
        watch_nccl(j, now_ns);
    collrelay_drain(j->coll, now_ns, gone);
}

int job_on_coll_anchor(struct job *j, const struct envelope *v, ProtobufCMessage *msg,
                       struct err *e)
{
    (void)v;
    return j->coll ? collrelay_choose(j->coll, (const Aolani__CollAnchor *)msg, e) : 0;
}
