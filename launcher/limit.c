/* SPDX-License-Identifier: MIT */
/* limit.c - see limit.h. */
#include "launcher/limit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/clock.h"

#define AUTO_MS   120000u
#define AUTO_PART 5u     /* of a short limit */
#define SPARE_MS  10000u /* for the teardown, the journal and the report */

/* ---- words ---- */

static const struct {
    const char *name;
    int signum;
} signals[] = {{"USR1", SIGUSR1},
               {"USR2", SIGUSR2},
               {"TERM", SIGTERM},
               {"HUP", SIGHUP},
               {"INT", SIGINT}};

int limit_signum(const char *name)
{
    for (size_t i = 0; name && i < sizeof signals / sizeof *signals; i++) {
        if (strcmp(signals[i].name, name) == 0)
            return signals[i].signum;
    }
    return 0;
}

static int bad(const char *text, const char *why, struct err *e)
{
    err_set(e, ERR_PARSE, "read \"%.60s\": %s", text, why);
    return err_hint(e, "\"5m\", \"USR1@5m\", \"auto\" or \"none\"");
}

int limit_parse_signal(const char *text, struct limit_signal *ret, struct err *e)
{
    struct limit_signal s = {0};
    const char *at = strchr(text, '@');
    char name[8] = "";
    if (strcmp(text, "auto") == 0 || strcmp(text, "none") == 0) {
        s.automatic = *text == 'a';
        *ret = s;
        return 0;
    }
    if (at) {
        const char *from = strncmp(text, "SIG", 3) == 0 ? text + 3 : text;
        if (at < from || at - from >= (int)sizeof name)
            return bad(text, "there is no such signal", e);
        memcpy(name, from, (size_t)(at - from));
        if ((s.signum = limit_signum(name)) == 0)
            return bad(text, "the signals are USR1, USR2, TERM, HUP and INT", e);
    }
    if (clock_parse_duration(at ? at + 1 : text, &s.before_ms, NULL) < 0)
        return bad(text, "how long before the limit?", e);
    if (s.before_ms == 0)
        return bad(text, "that is too late", e);
    *ret = s;
    return 0;
}

/* ---- times ---- */

static uint64_t back(uint64_t from, uint64_t by)
{
    return from > by ? from - by : 0;
}

/* When the ranks must get TERM so that all is over in time. */
static uint64_t stop_at(const struct limit *l, enum limit_which w)
{
    uint64_t need = l->grace_ms + SPARE_MS;
    if (w == LIMIT_JOB)
        return l->job_end_ms;
    uint64_t before = back(need, l->kill_wait_ms);
    return back(l->slurm_end_ms, before > SPARE_MS ? before : SPARE_MS);
}

static uint64_t save_before(const struct limit *l, enum limit_which w)
{
    if (!l->signal.automatic)
        return l->signal.before_ms;
    if (w == LIMIT_JOB || !l->continued)
        return 0;
    uint64_t part = l->slurm_all_ms / AUTO_PART;
    return part > 0 && part < AUTO_MS ? part : AUTO_MS;
}

struct when {
    uint64_t save, stop, end;
};

static struct when times_of(const struct limit *l, enum limit_which w)
{
    struct when t = {LIMIT_NEVER, LIMIT_NEVER,
                     w == LIMIT_JOB ? l->job_end_ms : l->slurm_end_ms};
    uint64_t before = save_before(l, w);
    if (t.end == LIMIT_NEVER)
        return t;
    t.stop = stop_at(l, w);
    if (before > 0) {
        t.save = back(t.end, before);
        uint64_t half = t.save + (t.end - t.save) / 2;
        t.stop = t.stop > half ? t.stop : half; /* they need a chance to do it */
    }
    return t;
}

/* What there is time for, of the grace that the user allows. */
static uint64_t grace_of(const struct limit *l, enum limit_which w, uint64_t now_ms)
{
    uint64_t killed = l->slurm_end_ms + l->kill_wait_ms;
    if (w == LIMIT_JOB)
        return l->grace_ms;
    uint64_t room = killed > now_ms + SPARE_MS ? killed - SPARE_MS - now_ms : 0;
    room = room > 1000 ? room : 1000;
    return l->grace_ms < room ? l->grace_ms : room;
}

void limit_step(const struct limit *l, uint64_t now_ms, bool saving,
                struct limit_step *ret)
{
    struct when job = times_of(l, LIMIT_JOB), slurm = times_of(l, LIMIT_SLURM);
    enum limit_which stop = slurm.stop < job.stop ? LIMIT_SLURM : LIMIT_JOB;
    enum limit_which save = slurm.save < job.save ? LIMIT_SLURM : LIMIT_JOB;
    uint64_t stop_ms = slurm.stop < job.stop ? slurm.stop : job.stop;
    uint64_t save_ms = slurm.save < job.save ? slurm.save : job.save;
    struct limit_step s = {.act = LIMIT_WAIT, .again_ms = stop_ms};
    if (now_ms >= stop_ms) {
        s.act = LIMIT_STOP;
        s.which = stop;
        s.grace_ms = grace_of(l, stop, now_ms);
        s.again_ms = LIMIT_NEVER;
    } else if (!saving && now_ms >= save_ms) {
        s.act = LIMIT_SAVE;
        s.which = save;
    } else if (!saving && save_ms < stop_ms) {
        s.again_ms = save_ms;
    }
    uint64_t end = s.which == LIMIT_JOB ? job.end : slurm.end;
    s.left_ms = s.act == LIMIT_WAIT || end < now_ms ? 0 : end - now_ms;
    *ret = s;
}
