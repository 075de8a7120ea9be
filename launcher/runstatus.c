/* SPDX-License-Identifier: MIT */
/* runstatus.c - see runstatus.h. */
#include "launcher/runstatus.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "launcher/stallfile.h"

int runstatus_gather(const char *dir, struct runstatus *ret, struct err *e)
{
    *ret = (struct runstatus){.dir = dir};
    int rc = runstate_read(dir, &ret->run, e);
    if (rc == 0)
        rc = chain_read(dir, &ret->chain, e);
    if (rc < 0)
        return rc;
    /* A head that makes no sense is none that could be asked. */
    ret->life = runhead_read(dir, &ret->head, NULL) ? RUNHEAD_UNKNOWN : RUNHEAD_NONE;
    if (ret->life == RUNHEAD_NONE && ret->head.pid)
        ret->life = runhead_life(dir, &ret->head);
    if (ret->run.over || ret->chain.n == 0)
        return 0;
    if (chain_ask(&ret->chain, &ret->unasked))
        return 0;
    for (size_t i = 0; i < ret->chain.n && !chain_running(&ret->chain); i++)
        if (chain_link_waits(&ret->chain.links[i])) {
            ret->has_queue =
                !slurm_queue_now(ret->chain.links[i].id, &ret->queue, NULL);
            break;
        }
    return 0;
}

void runstatus_fini(struct runstatus *s)
{
    runstate_fini(&s->run);
    chain_fini(&s->chain);
}

enum runstatus_word runstatus_word(const struct runstatus *s)
{
    if (s->run.over)
        return RUNSTATUS_ENDED;
    if (s->life == RUNHEAD_ALIVE)
        return RUNSTATUS_RUNNING;
    if (chain_running(&s->chain))
        return s->life == RUNHEAD_NONE ? RUNSTATUS_STARTING : RUNSTATUS_RUNNING;
    if (s->life == RUNHEAD_UNKNOWN || s->unasked.code)
        return RUNSTATUS_UNKNOWN;
    if (chain_n_waiting(&s->chain) > 0)
        return s->run.begun_real_ns ? RUNSTATUS_BETWEEN : RUNSTATUS_QUEUED;
    return s->run.begun_real_ns || s->chain.n > 0 ? RUNSTATUS_CUT_OFF
                                                  : RUNSTATUS_PREPARED;
}

const char *runstatus_word_text(enum runstatus_word w)
{
    static const char *const words[] = {
        [RUNSTATUS_PREPARED] = "prepared",    [RUNSTATUS_QUEUED] = "queued",
        [RUNSTATUS_STARTING] = "starting",    [RUNSTATUS_RUNNING] = "running",
        [RUNSTATUS_BETWEEN] = "between jobs", [RUNSTATUS_ENDED] = "ended",
        [RUNSTATUS_CUT_OFF] = "cut off",      [RUNSTATUS_UNKNOWN] = "unknown",
    };
    return words[w];
}

/* A head that takes over says so in its file before it does in the journal, which until then
 * speaks of the one before. */
const struct runstate_stall *runstatus_stall(const struct runstatus *s)
{
    enum runstatus_word w = runstatus_word(s);
    bool may_last = w == RUNSTATUS_RUNNING || w == RUNSTATUS_UNKNOWN;
    return may_last && s->head.epoch == s->run.epoch ? runstate_stall(&s->run) : NULL;
}

bool runstatus_stall_file(const struct runstatus *s, char *ret, size_t len)
{
    const struct runstate_stall *k = runstatus_stall(s);
    if (!k || k->number > STALLFILE_FILES)
        return false;
    int n = snprintf(ret, len, "%s/attempt-%" PRIu32 "/stall-%" PRIu32 ".txt", s->dir,
                     k->attempt, k->number);
    return n >= 0 && (size_t)n < len;
}

int runstatus_exit(const struct runstatus *s)
{
    switch (runstatus_word(s)) {
    case RUNSTATUS_ENDED:
        return s->run.exit_status ? 1 : 0;
    case RUNSTATUS_CUT_OFF:
        return 3;
    case RUNSTATUS_UNKNOWN:
        return 4;
    default:
        return 0;
    }
}
