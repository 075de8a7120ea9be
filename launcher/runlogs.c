/* SPDX-License-Identifier: MIT */
/* runlogs.c - see runlogs.h. Which attempt is read, and when nothing more will come. */
#include "launcher/runlogs.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "launcher/runhead.h"
#include "launcher/runlogs_impl.h"
#include "launcher/runstate.h"
#include "proto/base/log.h"

#define POLL_MS    200
#define OUT_BYTES  (64u << 20)
#define MOST_QUIET 20u /* looks at the files before the journal is asked for the end */

/* ---- attempts ---- */

/* after 0: the last attempt, else the first one after that. 0: there is none. */
static uint32_t attempt_in(const char *dir, uint32_t after)
{
    uint32_t found = 0, k;
    struct dirent *d;
    DIR *folder = opendir(dir);
    while (folder && (d = readdir(folder))) {
        int end = 0;
        if (sscanf(d->d_name, "attempt-%" SCNu32 "%n", &k, &end) != 1 ||
            d->d_name[end] || k <= after)
            continue;
        if (!found || (after ? k < found : k > found))
            found = k;
    }
    if (folder)
        (void)closedir(folder);
    return found;
}

static int enter(struct runlogs *l, uint32_t attempt, struct err *e)
{
    int n = l->c->launcher ? snprintf(l->folder, sizeof l->folder, "%s", l->c->dir)
                           : snprintf(l->folder, sizeof l->folder,
                                      "%s/attempt-%" PRIu32, l->c->dir, attempt);
    if (n >= (int)sizeof l->folder)
        return err_sys(e, -ENAMETOOLONG, "read the output in \"%.200s\"", l->c->dir);
    l->attempt = attempt;
    return 0;
}

/* The next attempt, once there is one and the last is read. */
static int move_on(struct runlogs *l, struct err *e)
{
    if (l->c->launcher || l->c->attempt)
        return 0;
    uint32_t next = attempt_in(l->c->dir, l->attempt);
    if (!next)
        return 0;
    int rc = l->attempt ? runlogs_look(l, e) : 0; /* what came since the last look */
    if (rc == 0)
        rc = runlogs_finish_sources(l, e);
    if (rc == 0 && l->attempt)
        log_note("attempt %" PRIu32 " begins", next);
    return rc ? rc : enter(l, next, e);
}

/* ---- the end ---- */

/* Since it was read last, and did not say that the run is over. */
static bool journal_has_grown(const struct runlogs *l, uint64_t *ret_size)
{
    char path[PATH_MAX];
    struct stat st;
    bool known = snprintf(path, sizeof path, "%s/journal", l->c->dir) < PATH_MAX &&
                 stat(path, &st) == 0;
    *ret_size = known ? (uint64_t)st.st_size : 0;
    return !known || *ret_size != l->journal_size;
}

/* 1: nothing more will come. The journal may be long: it is asked when no head is named,
 * or when nothing has come for a while; and between two jobs of a chain not again and
 * again. */
static int has_ended(struct runlogs *l, unsigned *quiet, struct err *e)
{
    uint64_t size;
    struct runhead h;
    struct runstate r;
    *quiet = l->moved ? 0 : *quiet + 1;
    if (l->c->attempt && !l->c->launcher && attempt_in(l->c->dir, l->c->attempt))
        return 1;
    bool headless = !runhead_read(l->c->dir, &h, NULL) && !h.pid;
    if (*quiet < 2 || (!headless && *quiet % MOST_QUIET) ||
        (headless && *quiet % 5 != 2) || !journal_has_grown(l, &size))
        return 0;
    int rc = runstate_read(l->c->dir, &r, e);
    bool over = rc == 0 && r.over;
    runstate_fini(&r);
    l->journal_size = over ? 0 : size;
    if (over && !l->c->attempt && !l->c->launcher)
        over = !attempt_in(l->c->dir, l->attempt); /* else that is read first */
    return rc < 0 ? rc : over;
}

static int follow(struct runlogs *l, struct err *e)
{
    unsigned quiet = 0;
    int rc = 0;
    l->looked = !l->attempt && !l->c->launcher; /* all of it is yet to come */
    while (rc == 0) {
        rc = move_on(l, e);
        if (rc == 0 && (l->attempt || l->c->launcher))
            rc = runlogs_look(l, e);
        if (rc == 0)
            rc = has_ended(l, &quiet, e);
        if (rc == 0)
            (void)nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000}, NULL);
    }
    if (rc > 0 && (l->attempt || l->c->launcher))
        rc = runlogs_look(l, e); /* what came while the end was looked for */
    return rc;
}

static int print_once(struct runlogs *l, struct err *e)
{
    int rc = runlogs_look(l, e);
    if (rc || l->n > 0)
        return rc;
    if (l->c->launcher) {
        err_set(e, ERR_USAGE, "no batch job of \"%s\" has said anything", l->c->dir);
        return err_hint(e,
                        "a launcher that was not started by submit spoke where it was "
                        "started");
    }
    return err_set(e, ERR_USAGE,
                   "no such rank has written anything in attempt %" PRIu32 " of \"%s\"",
                   l->attempt, l->c->dir);
}

int runlogs_print(const struct runlogs_config *c, struct err *e)
{
    struct runlogs l = {.c = c};
    struct err end;
    uint32_t attempt = c->attempt ? c->attempt : attempt_in(c->dir, 0);
    buf_init(&l.out, OUT_BYTES);
    int rc = 0;
    if (!c->follow && !c->launcher && attempt == 0) {
        err_set(e, ERR_USAGE, "the run in \"%s\" has not begun", c->dir);
        rc =
            err_hint(e, "logs -f waits for it; aolani-run status says where it stands");
    } else if (c->attempt > attempt_in(c->dir, 0) && !c->launcher)
        rc = err_set(e, ERR_USAGE,
                     "there is no attempt %" PRIu32 " of \"%s\"; the last is %" PRIu32,
                     c->attempt, c->dir, attempt_in(c->dir, 0));
    if (rc == 0)
        rc = enter(&l, attempt, e);
    if (rc == 0)
        rc = c->follow ? follow(&l, e) : print_once(&l, e);
    int rc_end = runlogs_finish_sources(&l, &end);
    if (rc == 0 && rc_end) {
        rc = rc_end;
        if (e)
            *e = end;
    }
    buf_fini(&l.out);
    return rc;
}
