/* SPDX-License-Identifier: MIT */
/* runlogs.c - see runlogs.h. A source is one stream of one rank (its file, or its segments
 * one after another), or the file of one batch job. */
#include "launcher/runlogs.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "launcher/label.h"
#include "launcher/logfile.h"
#include "launcher/outrotate.h"
#include "launcher/rankplaces.h"
#include "launcher/runhead.h"
#include "launcher/runstate.h"
#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/log.h"

#define POLL_MS    200
#define LABEL_MS   2000u /* at most so often is the journal asked for a rank's node */
#define OUT_BYTES  (64u << 20)
#define MOST_QUIET 20u /* looks at the files before the journal is asked for the end */

struct source {
    uint64_t key;              /* 2 * rank + stream, or the batch job */
    uint64_t first, last, now; /* segments: there are, and being read */
    uint64_t at;               /* of the segment `now` */
    bool begun, labelled;
    struct label label;
};

struct logs {
    const struct runlogs_config *c;
    char folder[PATH_MAX]; /* of the attempt, or of the run */
    uint32_t attempt;      /* 0: none yet */
    struct source *sources;
    size_t n;
    bool many; /* ranks: lines are labelled */
    struct rankplaces places;
    uint64_t places_ms; /* when they were read; 0: never */
    struct buf out;
    bool moved; /* something was written in this look */
};

/* ---- which files there are ---- */

static struct source *find_source(struct logs *l, uint64_t key)
{
    size_t low = 0, high = l->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (l->sources[mid].key == key)
            return &l->sources[mid];
        if (l->sources[mid].key < key)
            low = mid + 1;
        else
            high = mid;
    }
    struct source *more = realloc(l->sources, (l->n + 1) * sizeof *more);
    if (!more)
        return NULL;
    l->sources = more;
    memmove(&more[low + 1], &more[low], (l->n - low) * sizeof *more);
    l->n++;
    more[low] = (struct source){.key = key, .first = UINT64_MAX};
    return &more[low];
}

/* The key and segment of a file that is asked for. */
static bool is_wanted(const struct logs *l, const char *name, uint64_t *ret_key,
                      uint64_t *ret_segment)
{
    uint32_t rank, job;
    int stream, end = 0;
    *ret_segment = 0;
    if (l->c->launcher) {
        if (sscanf(name, "slurm-%" SCNu32 ".out%n", &job, &end) != 1 || !end ||
            name[end])
            return false;
        *ret_key = job;
        return true;
    }
    if (!outrotate_parse(name, &rank, &stream, ret_segment) || rank >= LIMIT_RANKS ||
        !l->c->streams[stream] ||
        (rankset_count(l->c->ranks) > 0 && !rankset_has(l->c->ranks, rank)))
        return false;
    *ret_key = (uint64_t)rank * 2 + (unsigned)stream;
    return true;
}

static int look_for_files(struct logs *l, struct err *e)
{
    struct dirent *d;
    uint64_t key, segment;
    int rc = 0;
    DIR *dir = opendir(l->folder);
    if (!dir)
        return err_sys(e, -errno, "open \"%s\"", l->folder);
    while (rc == 0 && (d = readdir(dir))) {
        if (!is_wanted(l, d->d_name, &key, &segment))
            continue;
        struct source *s = find_source(l, key);
        if (!s) {
            rc = err_sys(e, -ENOMEM, "read the output in \"%s\"", l->folder);
            break;
        }
        s->first = segment < s->first ? segment : s->first;
        s->last = segment > s->last ? segment : s->last;
    }
    (void)closedir(dir);
    if (l->n > 0 && l->sources[0].key / 2 != l->sources[l->n - 1].key / 2)
        l->many = true;
    return rc;
}

static int path_of(const struct logs *l, const struct source *s, uint64_t segment,
                   char *ret)
{
    char suffix[32];
    int n;
    outrotate_suffix(segment, suffix, sizeof suffix);
    if (l->c->launcher)
        n = snprintf(ret, PATH_MAX, "%s/slurm-%" PRIu64 ".out", l->folder, s->key);
    else
        n = snprintf(ret, PATH_MAX, "%s/rank-%04" PRIu64 ".%s%s", l->folder, s->key / 2,
                     s->key % 2 ? "err" : "out", suffix);
    return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* ---- one source ---- */

static int write_out(struct logs *l, const struct source *s, struct err *e)
{
    int fd = !l->c->launcher && s->key % 2 ? STDERR_FILENO : STDOUT_FILENO;
    for (size_t at = 0; at < l->out.len;) {
        ssize_t n = write(fd, l->out.data + at, l->out.len - at);
        if (n < 0 && errno != EINTR)
            return err_sys(e, -errno, "print what ranks wrote");
        at += n > 0 ? (size_t)n : 0;
    }
    l->moved = l->moved || l->out.len > 0;
    l->out.len = 0;
    return 0;
}

static void read_places(struct logs *l, uint64_t now_ms)
{
    size_t n = 0;
    rankplaces_fini(&l->places);
    (void)rankplaces_read(l->c->dir, l->attempt, &l->places, NULL);
    l->places_ms = now_ms;
    for (size_t i = 0; i < l->places.n_ranks && n < 2; i++)
        n += l->places.node_of[i] != UINT32_MAX &&
             (rankset_count(l->c->ranks) == 0 || rankset_has(l->c->ranks, (uint32_t)i));
    l->many = l->many || n > 1;
}

/* "n3:12: "; a rank whose node nobody has said yet is "?:12: ". A rank alone has none. */
static int give_label(struct logs *l, struct source *s)
{
    char text[LIMIT_HOST_NAME + 32] = "";
    uint32_t rank = (uint32_t)(s->key / 2);
    uint64_t now = clock_mono_ns() / 1000000;
    if (!rankplaces_node(&l->places, rank) &&
        (!l->places_ms || now - l->places_ms >= LABEL_MS))
        read_places(l, now);
    if (!l->many)
        return 0;
    const char *node = rankplaces_node(&l->places, rank);
    (void)snprintf(text, sizeof text, "%s:%" PRIu32 ": ", node ? node : "?", rank);
    s->labelled = true;
    return label_init(&s->label, text);
}

struct feed {
    struct logs *l;
    struct source *s;
    struct err *e;
};

static int take(void *arg, const void *data, size_t len)
{
    struct feed *f = arg;
    struct logs *l = f->l;
    int rc = 0;
    if (!l->c->launcher && !f->s->labelled)
        rc = give_label(l, f->s);
    if (rc == 0)
        rc = f->s->labelled ? label_feed(&f->s->label, data, len, &l->out)
                            : buf_add(&l->out, data, len);
    if (rc)
        return err_sys(f->e, rc, "print what ranks wrote");
    return write_out(l, f->s, f->e);
}

/* Where to begin: the last lines, be they in several segments. */
static int begin(struct logs *l, struct source *s, struct err *e)
{
    char path[PATH_MAX];
    uint64_t left = l->c->lines < 0 ? 0 : (uint64_t)l->c->lines;
    s->begun = true;
    s->now = s->first;
    if (l->c->lines < 0)
        return 0;
    for (uint64_t i = s->last;; i--) {
        uint64_t at;
        int rc = path_of(l, s, i, path);
        rc = rc ? rc : logfile_back(path, &left, &at);
        if (rc && rc != -ENOENT)
            return err_sys(e, rc, "read \"%s\"", path);
        if (rc == 0) {
            s->now = i;
            s->at = at;
        }
        if (i == s->first || left == 0 || (rc == 0 && at > 0))
            return 0;
    }
}

static int read_source(struct logs *l, struct source *s, struct err *e)
{
    char path[PATH_MAX];
    struct err own = {0};
    struct feed f = {l, s, &own};
    int rc = s->begun ? 0 : begin(l, s, e);
    for (; rc == 0; s->now++, s->at = 0) {
        rc = path_of(l, s, s->now, path);
        rc = rc ? rc : logfile_read(path, &s->at, take, &f);
        if (own.code) {
            if (e)
                *e = own;
            return own.code;
        }
        if (rc && rc != -ENOENT) /* ENOENT: one that was not kept */
            return err_sys(e, rc, "read \"%s\"", path);
        rc = 0;
        if (s->now >= s->last)
            return 0;
    }
    return rc;
}

static int look(struct logs *l, struct err *e)
{
    int rc = look_for_files(l, e);
    l->moved = false;
    for (size_t i = 0; i < l->n && rc == 0; i++)
        rc = read_source(l, &l->sources[i], e);
    return rc;
}

/* A last line without an end has its label, too. */
static int finish_sources(struct logs *l, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; i < l->n; i++) {
        struct source *s = &l->sources[i];
        if (rc == 0 && s->labelled && label_flush(&s->label, &l->out) == 0)
            rc = write_out(l, s, e);
        if (s->labelled)
            label_fini(&s->label);
    }
    free(l->sources);
    l->sources = NULL;
    l->n = 0;
    rankplaces_fini(&l->places);
    l->places_ms = 0;
    l->many = false;
    return rc;
}

/* ---- attempts ---- */

static uint32_t last_attempt(const char *dir)
{
    uint32_t last = 0, k;
    struct dirent *d;
    DIR *folder = opendir(dir);
    while (folder && (d = readdir(folder))) {
        int end = 0;
        if (sscanf(d->d_name, "attempt-%" SCNu32 "%n", &k, &end) == 1 &&
            !d->d_name[end] && k > last)
            last = k;
    }
    if (folder)
        (void)closedir(folder);
    return last;
}

static int enter(struct logs *l, uint32_t attempt, struct err *e)
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
static int move_on(struct logs *l, struct err *e)
{
    uint32_t last = l->c->launcher ? 0 : last_attempt(l->c->dir);
    if (l->c->launcher || l->c->attempt || last <= l->attempt)
        return 0;
    int rc = l->attempt ? look(l, e) : 0; /* what came since the last look */
    if (rc == 0)
        rc = finish_sources(l, e);
    if (rc == 0 && l->attempt)
        log_note("attempt %" PRIu32 " begins", last);
    return rc ? rc : enter(l, last, e);
}

/* ---- the end ---- */

/* 1: nothing more will come. The journal may be long: it is asked when no head is named,
 * or when nothing has come for a while. */
static int has_ended(const struct logs *l, unsigned *quiet, struct err *e)
{
    struct runhead h;
    struct runstate r;
    *quiet = l->moved ? 0 : *quiet + 1;
    if (l->c->attempt && !l->c->launcher && last_attempt(l->c->dir) > l->c->attempt)
        return 1;
    bool headless = !runhead_read(l->c->dir, &h, NULL) && !h.pid;
    if (*quiet < 2 || (!headless && *quiet % MOST_QUIET) ||
        (headless && *quiet % 5 != 2))
        return 0;
    int rc = runstate_read(l->c->dir, &r, e);
    bool over = rc == 0 && r.over;
    runstate_fini(&r);
    return rc < 0 ? rc : over;
}

static int follow(struct logs *l, struct err *e)
{
    unsigned quiet = 0;
    int rc = 0;
    while (rc == 0) {
        rc = move_on(l, e);
        if (rc == 0 && (l->attempt || l->c->launcher))
            rc = look(l, e);
        if (rc == 0)
            rc = has_ended(l, &quiet, e);
        if (rc == 0)
            (void)nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000}, NULL);
    }
    if (rc > 0 && (l->attempt || l->c->launcher))
        rc = look(l, e); /* what came while the end was looked for */
    return rc;
}

static int print_once(struct logs *l, struct err *e)
{
    int rc = look(l, e);
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
    struct logs l = {.c = c};
    struct err end;
    uint32_t attempt = c->attempt ? c->attempt : last_attempt(c->dir);
    buf_init(&l.out, OUT_BYTES);
    int rc = 0;
    if (!c->follow && !c->launcher && attempt == 0) {
        err_set(e, ERR_USAGE, "the run in \"%s\" has not begun", c->dir);
        rc =
            err_hint(e, "logs -f waits for it; aolani-run status says where it stands");
    } else if (c->attempt > last_attempt(c->dir) && !c->launcher)
        rc = err_set(e, ERR_USAGE,
                     "there is no attempt %" PRIu32 " of \"%s\"; the last is %" PRIu32,
                     c->attempt, c->dir, last_attempt(c->dir));
    if (rc == 0)
        rc = enter(&l, attempt, e);
    if (rc == 0)
        rc = c->follow ? follow(&l, e) : print_once(&l, e);
    int rc_end = finish_sources(&l, &end);
    if (rc == 0 && rc_end) {
        rc = rc_end;
        if (e)
            *e = end;
    }
    buf_fini(&l.out);
    return rc;
}
