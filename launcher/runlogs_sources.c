/* SPDX-License-Identifier: MIT */
/* runlogs_sources.c - the files of one attempt, or of all batch jobs; see runlogs_impl.h. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher/logfile.h"
#include "launcher/outrotate.h"
#include "launcher/runlogs_impl.h"
#include "proto/base/clock.h"
#include "proto/base/limits.h"

#define LABEL_MS 2000u /* at most so often is the journal asked for a rank's node */

/* ---- which files there are ---- */

static struct logsource *find_source(struct runlogs *l, uint64_t key)
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
    struct logsource *more = realloc(l->sources, (l->n + 1) * sizeof *more);
    if (!more)
        return NULL;
    l->sources = more;
    memmove(&more[low + 1], &more[low], (l->n - low) * sizeof *more);
    l->n++;
    more[low] = (struct logsource){.key = key, .first = UINT64_MAX};
    return &more[low];
}

/* The key and segment of a file that is asked for. */
static bool is_wanted(const struct runlogs *l, const char *name, uint64_t *ret_key,
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

static int look_for_files(struct runlogs *l, struct err *e)
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
        struct logsource *s = find_source(l, key);
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

static int path_of(const struct runlogs *l, const struct logsource *s, uint64_t segment,
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

static int write_out(struct runlogs *l, const struct logsource *s, struct err *e)
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

static void read_places(struct runlogs *l, uint64_t now_ms)
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
static int give_label(struct runlogs *l, struct logsource *s)
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
    struct runlogs *l;
    struct logsource *s;
    struct err *e;
};

static int take(void *arg, const void *data, size_t len)
{
    struct feed *f = arg;
    struct runlogs *l = f->l;
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

/* Where to begin: of what was there at first the last lines, be they in several segments. */
static int begin(struct runlogs *l, struct logsource *s, struct err *e)
{
    char path[PATH_MAX];
    uint64_t left = l->c->lines < 0 ? 0 : (uint64_t)l->c->lines;
    s->begun = true;
    s->now = s->first;
    if (l->c->lines < 0 || l->looked)
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

static int read_source(struct runlogs *l, struct logsource *s, struct err *e)
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

int runlogs_look(struct runlogs *l, struct err *e)
{
    int rc = look_for_files(l, e);
    l->moved = false;
    for (size_t i = 0; i < l->n && rc == 0; i++)
        rc = read_source(l, &l->sources[i], e);
    l->looked = true;
    return rc;
}

int runlogs_finish_sources(struct runlogs *l, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; i < l->n; i++) {
        struct logsource *s = &l->sources[i];
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
