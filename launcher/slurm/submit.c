/* SPDX-License-Identifier: MIT */
/* submit.c - see submit.h. */
#include "launcher/slurm/submit.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "launcher/slurm/ask.h"

static bool is_cluster(const char *name, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!isalnum((unsigned char)name[i]) && !strchr("_-.", name[i]))
            return false;
    }
    return n > 0 && n < SUBMIT_CLUSTER && name[0] != '-';
}

int submit_parse_id(const char *text, uint32_t *ret, char ret_cluster[SUBMIT_CLUSTER],
                    struct err *e)
{
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    size_t len = *end == ';' ? strcspn(end + 1, "\n") : 0;
    if (*text < '0' || *text > '9' || errno || n == 0 || n > UINT32_MAX ||
        !strchr(";\n", *end) || (*end == ';' && !is_cluster(end + 1, len)))
        return err_set(e, ERR_PROTO,
                       "submit to Slurm: sbatch printed \"%.80s\", no job id", text);
    *ret = (uint32_t)n;
    (void)snprintf(ret_cluster, SUBMIT_CLUSTER, "%.*s", (int)len, len ? end + 1 : "");
    return 0;
}

/* squeue, scancel and scontrol ask one cluster, and the number of a job is another's there:
 * a run must not lose sight of its jobs. */
static int keep_cluster(uint32_t id, char *cluster, struct err *e)
{
    const char *asked = getenv("SLURM_CLUSTERS");
    if (!cluster[0] || (asked && strcmp(asked, cluster) == 0))
        return 0;
    char number[16];
    char *argv[] = {"scancel", "--quiet", "-M", cluster, number, NULL};
    struct buf out;
    struct err why;
    (void)snprintf(number, sizeof number, "%" PRIu32, id);
    buf_init(&out, 64u << 10);
    bool cancelled = slurm_run_now(argv, NULL, &out, &why) == 0;
    buf_fini(&out);
    err_set(e, ERR_USAGE,
            "submit to Slurm: job %" PRIu32 " went to cluster \"%s\", which Slurm's "
            "other commands do not ask here; it %s",
            id, cluster, cancelled ? "is cancelled again" : "could not be cancelled");
    return err_hint(e,
                    "choose the cluster by SLURM_CLUSTERS=%s, which they all heed, or "
                    "submit on a host of it%s%s",
                    cluster, cancelled ? "" : "; first: scancel -M ",
                    cancelled ? "" : cluster);
}

static int words_of(const char *dir, const struct strlist *options, uint32_t after,
                    struct strlist *ret, struct err *e)
{
    char script[PATH_MAX], dependency[48];
    (void)snprintf(dependency, sizeof dependency, "--dependency=afterany:%" PRIu32,
                   after);
    if (snprintf(script, sizeof script, "%s/batch.sh", dir) >= (int)sizeof script)
        return err_sys(e, -ENAMETOOLONG, "submit to Slurm");
    int rc = strlist_add(ret, "sbatch");
    rc = rc ? rc : strlist_add(ret, "--parsable");
    for (size_t i = 0; i < options->n && rc == 0; i++)
        rc = strlist_add(ret, options->items[i]);
    if (rc == 0 && after)
        rc = strlist_add(ret, dependency);
    rc = rc ? rc : strlist_add(ret, script);
    return rc ? err_sys(e, rc, "submit to Slurm") : 0;
}

/* A controller that is late with its answer may have taken the job, or take it yet. */
static bool is_unsure(int rc, const struct err *e)
{
    return rc == -ETIMEDOUT || rc == ERR_PROTO || rc == ERR_LIMIT ||
           strstr(e->text, "timed out") ||
           strstr(e->text, "Zero Bytes were transmitted");
}

static int submit_one(const char *dir, const struct strlist *options, uint32_t after,
                      uint32_t *ret, bool *ret_unsure, struct err *e)
{
    struct strlist argv = {0};
    char cluster[SUBMIT_CLUSTER];
    struct buf out;
    buf_init(&out, 64u << 10);
    int rc = words_of(dir, options, after, &argv, e);
    if (rc == 0) {
        rc = slurm_run_now(argv.items, NULL, &out, e);
        if (rc == 0 && (rc = buf_add(&out, "", 1)))
            err_sys(e, rc, "submit to Slurm");
        if (rc == 0)
            rc = submit_parse_id((const char *)out.data, ret, cluster, e);
        *ret_unsure = rc && is_unsure(rc, e);
        rc = rc ? rc : keep_cluster(*ret, cluster, e);
    }
    strlist_fini(&argv);
    buf_fini(&out);
    return rc;
}

/* ---- signals: wait while a job is being made, or its id would be lost ---- */

static void hold_signals(sigset_t *ours, sigset_t *before)
{
    sigemptyset(ours);
    sigaddset(ours, SIGINT);
    sigaddset(ours, SIGTERM);
    sigaddset(ours, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, ours, before);
}

/* 0: none came. */
static int take_signal(const sigset_t *ours)
{
    const struct timespec at_once = {0, 0};
    int signum = sigtimedwait(ours, NULL, &at_once);
    return signum > 0 ? signum : 0;
}

static int link_up(const char *dir, const struct strlist *options, size_t n,
                   const sigset_t *ours, struct chain *c, struct submit_end *end,
                   struct err *e)
{
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        uint32_t id = 0;
        rc = submit_one(dir, options, i > 0 ? c->links[i - 1].id : 0, &id, &end->unsure,
                        e);
        if (rc && n > 1)
            err_wrap(e, "link %zu of %zu", i + 1, n);
        if (rc == 0 && (rc = chain_add(c, id)))
            err_sys(e, rc, "keep the id of job %" PRIu32, id);
        if (rc == 0)
            rc = chain_write(dir, c, e);
        if (rc == 0 && (end->signum = take_signal(ours)))
            rc = err_set(e, -EINTR, "submit to Slurm: interrupted");
    }
    return rc;
}

/* What has become of those before, and of the one that failed. */
static void take_back(const struct chain *c, bool unsure, struct err *e)
{
    const char *perhaps = unsure ? "Slurm may have taken the job all the same: `squeue "
                                   "--me` says so, `scancel` ends it"
                                 : "";
    const char *also = unsure ? "; " : "";
    struct err why;
    if (c->n == 0 && unsure)
        err_hint(e, "%s", perhaps);
    else if (c->n > 0 && chain_cancel(c, &why))
        err_hint(
            e, "%zu %s submitted and could not be cancelled (%.80s): scancel them%s%s",
            c->n, c->n == 1 ? "job was" : "jobs were", why.text, also, perhaps);
    else if (c->n > 0)
        err_hint(e, "the %zu job%s before it %s cancelled%s%s", c->n,
                 c->n == 1 ? "" : "s", c->n == 1 ? "is" : "are", also, perhaps);
}

int submit_links(const char *dir, const struct strlist *options, size_t n,
                 struct chain *ret, struct submit_end *ret_end, struct err *e)
{
    sigset_t ours, before;
    struct chain c = {0};
    *ret_end = (struct submit_end){0};
    hold_signals(&ours, &before);
    int rc = link_up(dir, options, n, &ours, &c, ret_end, e);
    if (rc)
        take_back(&c, ret_end->unsure, e);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    if (rc)
        chain_fini(&c);
    else
        *ret = c;
    return rc;
}
