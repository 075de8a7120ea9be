/* SPDX-License-Identifier: MIT */
/* runstatus_text.c - how a run stands, on a screen. */
#include "launcher/runstatus.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "launcher/report_table.h"
#include "launcher/stallwords.h"
#include "proto/base/clock.h"
#include "proto/base/hostlist.h"
#include "proto/base/rankset.h"
#include "proto/base/utf8.h"

#define SHOWN_NEXT  8u /* jobs of a chain; the rest is a number */
#define SHOWN_RANKS 60u

static void local_time(uint64_t real_ns, char *ret, size_t len)
{
    struct tm tm;
    time_t t = (time_t)(real_ns / 1000000000u);
    if (!localtime_r(&t, &tm) || !strftime(ret, len, "%Y-%m-%d %H:%M:%S", &tm))
        ret[0] = '\0';
}

static uint64_t ms_between(uint64_t from_ns, uint64_t to_ns)
{
    return to_ns > from_ns ? (to_ns - from_ns) / 1000000 : 0;
}

/* What a journal says may be anybody's. */
static int add_words(struct buf *out, const char *text)
{
    char *copy = strdup(text ? text : "");
    if (!copy)
        return -ENOMEM;
    utf8_make_printable(copy);
    int rc = buf_printf(out, "%s", copy);
    free(copy);
    return rc;
}

/* ---- lines ---- */

static int add_silence(const struct runstatus *s, uint64_t now, struct buf *out)
{
    char took[24];
    const struct runstate_stall *k = runstatus_stall(s);
    if (!k || !k->since_real_ns)
        return 0;
    return buf_printf(
        out, ", no step for %s",
        clock_format_duration(ms_between(k->since_real_ns, now), took, sizeof took));
}

static int add_title(const struct runstatus *s, uint64_t now, struct buf *out)
{
    char took[24];
    const char *slash = strrchr(s->dir, '/');
    enum runstatus_word w = runstatus_word(s);
    int rc = add_words(out, slash ? slash + 1 : s->dir);
    if (rc == 0)
        rc = buf_printf(out, ": %s", runstatus_word_text(w));
    if (rc == 0 && w == RUNSTATUS_ENDED)
        rc = buf_printf(out, " with exit status %d", s->run.exit_status);
    if (rc == 0 && w == RUNSTATUS_ENDED && s->run.wall_ns)
        rc = buf_printf(
            out, " after %s",
            clock_format_duration(s->run.wall_ns / 1000000, took, sizeof took));
    if (rc == 0 && w == RUNSTATUS_RUNNING && s->run.begun_real_ns)
        rc = buf_printf(out, ", begun %s ago",
                        clock_format_duration(ms_between(s->run.begun_real_ns, now),
                                              took, sizeof took));
    if (rc == 0 && w == RUNSTATUS_RUNNING)
        rc = add_silence(s, now, out);
    if (rc == 0 && (w == RUNSTATUS_QUEUED || w == RUNSTATUS_PREPARED))
        rc = buf_printf(out, ", made %s ago",
                        clock_format_duration(ms_between(s->run.made_real_ns, now),
                                              took, sizeof took));
    return rc ? rc : buf_printf(out, "\n");
}

static int add_nodes(const struct runstate *r, struct buf *out)
{
    struct hostlist names = {r->nodes, r->n_nodes};
    struct buf folded;
    char some[61] = "";
    buf_init(&folded, 1u << 20);
    int rc = hostlist_format(&names, &folded);
    if (rc == 0)
        rc =
            buf_printf(out, " on %zu node%s: ", r->n_nodes, r->n_nodes == 1 ? "" : "s");
    if (folded.len > 0)
        (void)snprintf(some, sizeof some, "%s", (const char *)folded.data);
    if (rc == 0)
        rc = add_words(out, some);
    if (rc == 0 && folded.len > 60)
        rc = buf_printf(out, "...");
    buf_fini(&folded);
    return rc;
}

static int add_attempt(const struct runstatus *s, struct buf *out)
{
    char since[32];
    const struct runstate_attempt *a = runstate_last(&s->run);
    if (!a)
        return 0;
    local_time(a->start_real_ns, since, sizeof since);
    int rc =
        buf_printf(out, "  attempt    %" PRIu32 "%s%s", a->attempt,
                   a->start_real_ns ? ", since " : "", a->start_real_ns ? since : "");
    if (rc == 0 && !a->ended && a->phase[0] && strcmp(a->phase, "start") != 0) {
        rc = buf_printf(out, " (");
        rc = rc ? rc : add_words(out, a->phase);
        rc = rc ? rc : buf_printf(out, ")");
    }
    if (rc == 0 && a->has_step)
        rc = buf_printf(out, ", step %" PRIu64, a->last_step);
    if (rc == 0 && a->world_size)
        rc = buf_printf(out, "; %" PRIu32 " rank%s", a->world_size,
                        a->world_size == 1 ? "" : "s");
    if (rc == 0 && a->world_size && s->run.n_nodes)
        rc = add_nodes(&s->run, out);
    return rc ? rc : buf_printf(out, "\n");
}

/* ---- a stall ---- */

/* "since 2026-01-01 09:30:12, after step 1187" */
static void say_since(const struct runstatus *s, const struct runstate_stall *k,
                      char *ret, size_t len)
{
    char since[32] = "", seen[32] = "";
    if (k->since_real_ns)
        local_time(k->since_real_ns, since, sizeof since);
    if (runstatus_word(s) == RUNSTATUS_UNKNOWN && s->run.seen_real_ns)
        local_time(s->run.seen_real_ns, seen, sizeof seen);
    (void)snprintf(ret, len, "%s%s%safter step %" PRIu32 "%s%s",
                   since[0] ? "since " : "", since, since[0] ? ", " : "", k->step,
                   seen[0] ? ", as of " : "", seen);
}

/* The words may be about some of several ranks, or about one that is like the others again. */
static bool is_said(const struct runstate_stall *k)
{
    const char *who = strpbrk(k->ranks, ",-") ? "ranks " : "rank ";
    size_t at = strlen(who), n = strlen(k->ranks);
    return k->text && strncmp(k->text, who, at) == 0 &&
           strncmp(k->text + at, k->ranks, n) == 0 && k->text[at + n] == ' ';
}

static void say_ranks(const struct runstate_stall *k, char *ret, size_t len)
{
    ret[0] = '\0';
    if (!k->ranks || !*k->ranks || is_said(k))
        return;
    bool several = strpbrk(k->ranks, ",-");
    size_t n = rankset_shown(k->ranks, SHOWN_RANKS);
    (void)snprintf(ret, len, "; rank%s %.*s%s stand%s out", several ? "s" : "", (int)n,
                   k->ranks, k->ranks[n] ? "..." : "", several ? "" : "s");
}

static int add_file(const struct runstatus *s, struct buf *out)
{
    char file[PATH_MAX];
    if (!runstatus_stall_file(s, file, sizeof file))
        return 0;
    int rc = buf_printf(out, "  more       ");
    rc = rc ? rc : add_words(out, file);
    return rc ? rc : buf_printf(out, "\n");
}

static int add_stall(const struct runstatus *s, struct buf *out)
{
    char since[100], ranks[SHOWN_RANKS + 40];
    char words[sizeof since + sizeof ranks + STALLWORDS_TEXT];
    struct page page = {.out = out};
    const struct runstate_stall *k = runstatus_stall(s);
    if (!k)
        return 0;
    say_since(s, k, since, sizeof since);
    say_ranks(k, ranks, sizeof ranks);
    bool says_how = k->text && *k->text;
    const char *joint = ranks[0] ? "; " : ": ";
    (void)snprintf(words, sizeof words, "%s%s%s%s", since, ranks, says_how ? joint : "",
                   says_how ? k->text : "");
    utf8_make_printable(words);
    page_wrap(&page, "  stall      ", words);
    return page.rc ? page.rc : add_file(s, out);
}

static int add_sentence(const struct runstatus *s, struct buf *out)
{
    if (!s->run.sentence || !*s->run.sentence)
        return 0;
    int rc = buf_printf(out, "  %s ", s->run.over ? "end       " : "last end  ");
    if (rc == 0)
        rc = add_words(out, s->run.sentence);
    return rc ? rc : buf_printf(out, "\n");
}

static int add_head(const struct runstatus *s, struct buf *out)
{
    char text[400];
    if (!s->head.pid || s->run.over)
        return 0;
    runhead_text(&s->head, text, sizeof text);
    int rc = buf_printf(out, "  head       ");
    if (rc == 0)
        rc = add_words(out, text);
    const char *more = s->life == RUNHEAD_NONE ? ": it is gone"
                       : runstatus_word(s) == RUNSTATUS_UNKNOWN
                           ? ": it cannot be asked from here"
                           : "";
    return rc ? rc : buf_printf(out, "%s\n", more);
}

/* ---- jobs ---- */

static int add_running(const struct chain_link *l, struct buf *out)
{
    char left[24];
    int rc = buf_printf(out, "  job %-6" PRIu32 " %s on %s", l->id, l->state,
                        l->nodes[0] ? l->nodes : "no node yet");
    if (rc == 0 && l->left_s != CHAIN_NO_LIMIT)
        rc = buf_printf(out, ", %s left",
                        clock_format_duration(l->left_s * 1000, left, sizeof left));
    return rc ? rc : buf_printf(out, "\n");
}

static int add_waiting(const struct runstatus *s, const struct chain_link *l,
                       uint64_t now, struct buf *out)
{
    char first[40];
    struct buf words;
    struct page page = {.out = out};
    buf_init(&words, 4096);
    (void)snprintf(first, sizeof first, "  job %-6" PRIu32 " waits: ", l->id);
    int rc = s->has_queue && s->queue.id == l->id
                 ? slurm_queue_format(&s->queue, now, &words)
                 : buf_printf(&words, "%s", slurm_reason_words(l->reason));
    if (rc == 0)
        page_wrap(&page, first, (const char *)words.data);
    buf_fini(&words);
    return rc ? rc : page.rc;
}

/* Those that wait for the one before them. */
static bool is_next(const struct chain_link *l)
{
    return chain_link_waits(l) && !strcmp(l->reason, "Dependency");
}

static int add_next(const struct runstatus *s, struct buf *out)
{
    size_t n = 0;
    int rc = 0;
    for (size_t i = 0; i < s->chain.n && rc == 0; i++) {
        const struct chain_link *l = &s->chain.links[i];
        if (is_next(l) && ++n <= SHOWN_NEXT)
            rc = buf_printf(out, "%s%" PRIu32, n == 1 ? "  then       job " : ", ",
                            l->id);
    }
    if (rc == 0 && n > SHOWN_NEXT)
        rc = buf_printf(out, " and %zu more", n - SHOWN_NEXT);
    return rc || n == 0 ? rc : buf_printf(out, "\n");
}

static int add_jobs(const struct runstatus *s, uint64_t now, struct buf *out)
{
    int rc = 0;
    if (s->unasked.code) {
        rc = buf_printf(out, "  Slurm      was not asked: ");
        rc = rc ? rc : add_words(out, s->unasked.text);
        return rc ? rc : buf_printf(out, "\n");
    }
    for (size_t i = 0; i < s->chain.n && rc == 0; i++) {
        const struct chain_link *l = &s->chain.links[i];
        if (chain_link_runs(l))
            rc = add_running(l, out);
        else if (chain_link_waits(l) && !is_next(l))
            rc = add_waiting(s, l, now, out);
    }
    return rc ? rc : add_next(s, out);
}

static int add_advice(const struct runstatus *s, struct buf *out)
{
    int rc = buf_printf(out, "  directory  ");
    if (rc == 0)
        rc = add_words(out, s->dir);
    if (rc == 0)
        rc = buf_printf(out, "\n");
    if (rc || runstatus_word(s) != RUNSTATUS_CUT_OFF)
        return rc;
    rc = buf_printf(out, "  go on with %s",
                    s->chain.n > 0 ? "sbatch " : "aolani-run resume ");
    if (rc == 0)
        rc = add_words(out, s->dir);
    return rc ? rc : buf_printf(out, "%s\n", s->chain.n > 0 ? "/batch.sh" : "");
}

int runstatus_text(const struct runstatus *s, uint64_t now_real_ns, struct buf *out)
{
    int rc = add_title(s, now_real_ns, out);
    if (rc == 0)
        rc = add_sentence(s, out);
    if (rc == 0)
        rc = add_attempt(s, out);
    if (rc == 0)
        rc = add_stall(s, out);
    if (rc == 0)
        rc = add_head(s, out);
    if (rc == 0 && !s->run.over)
        rc = add_jobs(s, now_real_ns, out);
    return rc ? rc : add_advice(s, out);
}
