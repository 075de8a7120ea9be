/* SPDX-License-Identifier: MIT */
/* runstop.c - see runstop.h.
 *
 * The head gets one SIGTERM, and stops the ranks with their grace; a second one would kill
 * them. So each job (or process) is told once, and once more with `now`.
 */
#include "launcher/runstop.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "launcher/journal.h"
#include "launcher/runhead.h"
#include "launcher/runstate.h"
#include "launcher/runstatus.h"
#include "launcher/slurm/chain.h"
#include "launcher/slurm/jobsignal.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/wire/aolani.pb-c.h"

#define POLL_MS   300u
#define ASK_MS    3000u  /* between questions to Slurm */
#define SAY_MS    15000u /* between words to the user */
#define AGAIN_MS  2500u  /* with `now`: from the first SIGTERM to the second */
#define KILL_MS   20000u /* ... and to SIGKILL */
#define NO_STATUS 143    /* of a run that was stopped before a head could say */

struct stop {
    const char *dir;
    bool now;
    struct chain chain;
    struct runhead head;
    enum runhead_life life;
    unsigned told; /* how often the one below was: 0 to 2; 3: killed */
    uint32_t job;  /* 0: a process here */
    uint64_t told_ms, asked_ms, said_ms, begun_ms;
};

static uint64_t now_ms(void)
{
    return clock_mono_ns() / 1000000;
}

/* ---- the head as a process of this machine ---- */

static bool is_here(const struct runhead *h)
{
    char host[256] = "";
    struct stat st;
    (void)gethostname(host, sizeof host - 1);
    return !strcmp(host, h->host) &&
           (stat("/proc/self/ns/pid", &st) || (uint64_t)st.st_ino == h->pid_space);
}

/* By a descriptor, so that no other process can have taken its number meanwhile. */
static int signal_process(const struct stop *s, int signum, struct err *e)
{
    pid_t pid = s->head.pid;
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    int rc =
        fd < 0 && errno != ENOSYS ? -errno : 0; /* before Linux 5.3: by its number */
    if (rc == 0 && runhead_life(s->dir, &s->head) == RUNHEAD_ALIVE &&
        (fd >= 0 ? syscall(SYS_pidfd_send_signal, fd, signum, NULL, 0) < 0
                 : kill(pid, signum) < 0))
        rc = -errno;
    if (fd >= 0)
        (void)close(fd);
    if (rc == 0 || rc == -ESRCH)
        return 0;
    return err_sys(e, rc, "signal the head of the run, process %d", (int)pid);
}

/* ---- whom to tell ---- */

static int refuse(const struct stop *s, struct err *e)
{
    char who[400];
    runhead_text(&s->head, who, sizeof who);
    err_set(e, ERR_USAGE, "the run is led by %s, which cannot be told from here", who);
    return err_hint(e, "aolani-run stop on %s", s->head.host);
}

static bool is_due_to_ask(const struct stop *s)
{
    return !s->asked_ms || now_ms() - s->asked_ms >= ASK_MS;
}

/* Of a head elsewhere only Slurm may know. */
static void look_for_head(struct stop *s)
{
    if (runhead_read(s->dir, &s->head, NULL))
        s->life = RUNHEAD_UNKNOWN;
    else if (!s->head.pid)
        s->life = RUNHEAD_NONE;
    else if (is_here(&s->head) || is_due_to_ask(s))
        s->life = runhead_life(s->dir, &s->head);
}

/* Its state, and the chain's. What Slurm does not say now it may say at the next question. */
static int look(struct stop *s, struct err *e)
{
    struct err why;
    look_for_head(s);
    if (!is_due_to_ask(s))
        return 0;
    bool first = !s->asked_ms;
    int rc = s->chain.n > 0 ? chain_ask(&s->chain, &why) : 0;
    if (rc == 0 && chain_n_waiting(&s->chain) > 0)
        rc = chain_cancel_waiting(&s->chain, &why);
    s->asked_ms = now_ms();
    if (rc && first) {
        if (e)
            *e = why;
        return rc;
    }
    if (rc)
        log_info("%s", why.text);
    return 0;
}

/* Through its batch script, as a process of this machine, or as one of a job that has no
 * script of ours. */
enum way { BY_SCRIPT, BY_PROCESS, BY_STEP };

struct target {
    enum way way;
    uint32_t job; /* BY_SCRIPT, BY_STEP */
};

static int tell_one(const struct stop *s, const struct target *t, unsigned level,
                    struct err *e)
{
    const struct runhead *h = &s->head;
    int signum = level < 3 ? SIGTERM : SIGKILL;
    if (t->way == BY_PROCESS)
        return signal_process(s, signum, e);
    if (t->way == BY_STEP)
        return jobsignal(t->job, h->host, h->pid, h->start_ticks, signum, e);
    return level < 3 ? chain_tell(t->job, e) : chain_kill(t->job, e);
}

/* False: there is nobody to tell, or none that can be. */
static bool find_target(const struct stop *s, struct target *ret)
{
    const struct chain_link *l = chain_running(&s->chain);
    bool lives = s->life != RUNHEAD_NONE && s->head.pid;
    if (lives && s->life == RUNHEAD_ALIVE && is_here(&s->head))
        *ret = (struct target){BY_PROCESS, 0};
    else if (l)
        *ret = (struct target){BY_SCRIPT, l->id};
    else if (lives && s->head.slurm_job)
        *ret = (struct target){BY_STEP, s->head.slurm_job};
    else
        return false;
    return true;
}

/* Once; with `now` a second time, and then without mercy. */
static bool is_due(const struct stop *s)
{
    uint64_t since = now_ms() - s->told_ms;
    return s->told == 0 || (s->now && ((s->told == 1 && since >= AGAIN_MS) ||
                                       (s->told == 2 && since >= KILL_MS)));
}

static int tell(struct stop *s, struct err *e)
{
    struct err why;
    struct target t;
    if (!find_target(s, &t))
        return s->life == RUNHEAD_NONE || s->told ? 0 : refuse(s, e);
    if (s->told && s->job != t.job)
        s->told = 0; /* another link has begun meanwhile */
    if (!is_due(s))
        return 0;
    int rc = tell_one(s, &t, s->told + 1, &why);
    if (rc == 0) {
        s->told++;
        s->told_ms = now_ms();
        s->job = t.job;
        return 0;
    }
    if (t.way == BY_SCRIPT) { /* one that is just beginning cannot be told yet */
        log_info("%s", why.text);
        return 0;
    }
    if (t.way == BY_STEP) /* it may have asked for its job from outside */
        err_hint(&why, "aolani-run stop on %s", s->head.host);
    if (e)
        *e = why;
    return rc;
}

/* ---- until the end ---- */

static bool goes_on(const struct stop *s)
{
    return s->life != RUNHEAD_NONE || chain_running(&s->chain) ||
           chain_n_waiting(&s->chain) > 0;
}

static void say(struct stop *s)
{
    char who[400] = "its job", took[24];
    uint64_t now = now_ms();
    if (s->said_ms && now - s->said_ms < SAY_MS)
        return;
    if (s->head.pid && s->life != RUNHEAD_NONE)
        runhead_text(&s->head, who, sizeof who);
    if (!s->said_ms)
        log_note("%s; waiting for %s", s->now ? "killing the run" : "stopping the run",
                 who);
    else
        log_note("still waiting for %s, %s", who,
                 clock_format_duration(now - s->begun_ms, took, sizeof took));
    s->said_ms = now;
}

static int wait_for_end(struct stop *s, struct err *e)
{
    uint64_t limit = s->now ? RUNSTOP_NOW_MS : RUNSTOP_WAIT_MS;
    for (;;) {
        int rc = look(s, e);
        if (rc || !goes_on(s))
            return rc;
        if ((rc = tell(s, e)))
            return rc;
        say(s);
        if (now_ms() - s->begun_ms >= limit) {
            err_set(e, -ETIMEDOUT, "stop the run in \"%s\": it has not ended", s->dir);
            return err_hint(e, s->now ? "aolani-run status says what is left"
                                      : "it may still do so; --now kills it");
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000}, NULL);
    }
}

/* Nobody was there to write it: the run is not to be taken up again. */
static int write_end(const char *dir, struct err *e)
{
    char path[PATH_MAX];
    struct runhead_hold *hold = NULL;
    struct loop *l = NULL;
    struct journal *j = NULL;
    int rc = snprintf(path, sizeof path, "%s/journal", dir) < (int)sizeof path
                 ? runhead_take(dir, false, &hold, e)
                 : err_sys(e, -ENAMETOOLONG, "end the run");
    if (rc == 0)
        rc = loop_create(&l, e);
    if (rc == 0)
        rc = journal_open(l, path, NULL, NULL, &j, e);
    if (rc == 0) {
        Aolani__JEnd m = AOLANI__JEND__INIT;
        m.exit_status = NO_STATUS;
        m.sentence = "stopped by the user while no head led it";
        m.t_real_ns = clock_real_ns();
        int64_t n = journal_append(j, JOURNAL_END, &m.base);
        rc = journal_close(j, e);
        if (n < 0)
            rc = err_sys(e, (int)n, "end the run");
    }
    if (l)
        loop_destroy(l);
    runhead_release(hold);
    return rc;
}

/* Slurm has ended what it started; nobody else can be told. */
static void say_left(const struct stop *s, const struct runstate *r)
{
    const struct runstate_attempt *last = runstate_last(r);
    if (!last || last->ended || s->chain.n > 0 || s->head.slurm_job)
        return;
    log_note("its head died: what that has left on %zu node%s ends by itself when its "
             "lease ([failure] head_lease) is over",
             r->n_nodes, r->n_nodes == 1 ? "" : "s");
}

static int conclude(const struct stop *s, bool was_over, struct err *e)
{
    const char *dir = s->dir;
    struct runstate r;
    int rc = runstate_read(dir, &r, e);
    if (rc == 0 && !r.over) {
        runstate_fini(&r);
        if ((rc = write_end(dir, e)) < 0)
            return rc;
        rc = runstate_read(dir, &r, e);
    }
    if (rc == 0)
        log_note("the run %s with exit status %d%s%s",
                 was_over ? "had ended" : "has ended", r.exit_status,
                 r.sentence ? ": " : "", r.sentence ? r.sentence : "");
    if (rc == 0 && !was_over)
        say_left(s, &r);
    runstate_fini(&r);
    return rc;
}

int runstop(const char *dir, bool now, struct err *e)
{
    struct stop s = {.dir = dir, .now = now, .begun_ms = now_ms()};
    struct runstate r;
    int rc = runstate_read(dir, &r, e);
    bool over = rc == 0 && r.over;
    runstate_fini(&r);
    if (rc == 0)
        rc = chain_read(dir, &s.chain, e);
    /* What is left to do for a run that has ended does not keep it from having ended. */
    if (rc == 0 && over)
        (void)look(&s, NULL);
    else if (rc == 0)
        rc = wait_for_end(&s, e);
    if (rc == 0)
        rc = conclude(&s, over, e);
    chain_fini(&s.chain);
    return rc;
}
