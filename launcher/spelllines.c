/* SPDX-License-Identifier: MIT */
/* spelllines.c - see spelllines.h. */
#include "launcher/spelllines.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/rankset.h"

#define MINUTE_MS   60000u
#define RANKS_TEXT  120u
#define RANKS_SHOWN 76u /* at most every second byte is a comma, and has a blank */
#define RANKS_NAMED 8u  /* by factor_common */
#define LINE_TEXT   1000u

/* ---- gathering ---- */

static bool is_same(const struct spell *a, const struct spell *b)
{
    return a->rank == b->rank && a->attempt == b->attempt &&
           a->first_step == b->first_step;
}

static void keep(struct spelllines *w, struct spelllines_kind *k, const struct spell *s)
{
    if (k->n == SPELLLINES_KEPT)
        w->left_out = true;
    else
        k->list[k->n++] = *s;
}

void spelllines_add(struct spelllines *w, const struct spell *s, uint64_t now_ms)
{
    struct spelllines_kind *b = &w->began;
    if (b->n == 0 && w->ended.n == 0 && w->brief.n == 0)
        w->since_ms = now_ms;
    if (!s->over) {
        keep(w, b, s);
        return;
    }
    for (size_t i = 0; i < b->n; i++) {
        if (!is_same(&b->list[i], s))
            continue;
        memmove(&b->list[i], &b->list[i + 1], (b->n - i - 1) * sizeof *b->list);
        b->n--;
        keep(w, &w->brief, s);
        return;
    }
    keep(w, &w->ended, s);
}

bool spelllines_due(const struct spelllines *w, uint64_t now_ms, bool last)
{
    if (w->began.n == 0 && w->ended.n == 0 && w->brief.n == 0)
        return false;
    if (last)
        return true;
    return now_ms - w->since_ms >= SPELLLINES_WAIT_MS &&
           (w->in_minute < SPELLLINES_MINUTE || now_ms - w->minute_ms >= MINUTE_MS);
}

/* ---- saying ---- */

struct saying {
    struct spelllines *w;
    const struct spelllines_words *words;
};

static void say(const struct saying *y, bool is_warning, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void say(const struct saying *y, bool is_warning, const char *fmt, ...)
{
    char text[LINE_TEXT];
    va_list ap;
    if (y->w->lines > SPELLLINES_MOST)
        return;
    y->w->in_minute++;
    if (y->w->lines++ == SPELLLINES_MOST) {
        y->words->say(y->words->arg, true,
                      "which ranks are slow is told in the report alone from now on");
        return;
    }
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    y->words->say(y->words->arg, is_warning, text);
}

static const char *format_ms(double us, char out[32])
{
    (void)snprintf(out, 32, us < 100e3 ? "%.1f ms" : "%.0f ms", us / 1e3);
    return out;
}

/* ": other processes on its core (3.1 ms of 3.2 ms a step)", or nothing. */
static const char *format_what(const struct spell *s, char out[200])
{
    char part[32], all[32];
    out[0] = '\0';
    if (s->steps == 0 || !(s->excess_us > 0))
        return out;
    double n = (double)s->steps;
    if (s->what == MECH_MIXED) {
        (void)snprintf(out, 200, ": %s (%s a step)", mech_phrase(s->what),
                       format_ms(s->excess_us / n, all));
        return out;
    }
    (void)snprintf(out, 200, ": %s (%s of %s a step)", mech_phrase(s->what),
                   format_ms(s->part[s->what] / n, part),
                   format_ms(s->excess_us / n, all));
    return out;
}

/* "12, 44, 76" or "0-31, 64", cut where it is long. */
static const char *format_ranks(const uint32_t *ranks, size_t n, char out[RANKS_TEXT])
{
    struct rankset set = {0};
    struct buf b;
    size_t at = 0;
    buf_init(&b, 1u << 24);
    for (size_t i = 0; i < n; i++)
        (void)rankset_add(&set, ranks[i]);
    const char *text = rankset_format(&set, &b) == 0 ? (const char *)b.data : "";
    size_t shown = rankset_shown(text, RANKS_SHOWN);
    for (size_t i = 0; i < shown; i++) {
        out[at++] = text[i];
        if (text[i] == ',')
            out[at++] = ' ';
    }
    (void)snprintf(out + at, RANKS_TEXT - at, "%s", text[shown] ? "..." : "");
    buf_fini(&b);
    rankset_fini(&set);
    return out;
}

/* "6 %" or "6 to 9 %". */
static const char *format_percent(const struct spelllines_kind *k, char out[40])
{
    double least = k->list[0].percent, most = least;
    for (size_t i = 1; i < k->n; i++) {
        least = k->list[i].percent < least ? k->list[i].percent : least;
        most = k->list[i].percent > most ? k->list[i].percent : most;
    }
    if (lround(least) == lround(most))
        (void)snprintf(out, 40, "%.0f %%", most);
    else
        (void)snprintf(out, 40, "%.0f to %.0f %%", least, most);
    return out;
}

static size_t ranks_of(const struct spelllines_kind *k, uint32_t *ret)
{
    for (size_t i = 0; i < k->n; i++)
        ret[i] = k->list[i].rank;
    return k->n;
}

/* What came together since it was noticed counts too. */
static void refresh(struct spelllines_kind *k, const struct attribution *now)
{
    for (size_t i = 0; now && i < k->n; i++) {
        for (size_t j = now->n_spells; j > 0; j--) {
            if (is_same(&now->spells[j - 1], &k->list[i])) {
                k->list[i] = now->spells[j - 1];
                break;
            }
        }
    }
}

/* The name of what made all of them slow, "" when it is not one thing. */
static const char *one_name(const struct spelllines_kind *k)
{
    for (size_t i = 1; i < k->n; i++) {
        if (k->list[i].what != k->list[0].what)
            return "";
    }
    enum mechanism m = k->list[0].what;
    return k->list[0].steps > 0 && m != MECH_MIXED && m != MECH_UNKNOWN ? mech_name(m)
                                                                        : "";
}

static uint32_t first_step(const struct spelllines_kind *k)
{
    uint32_t step = k->list[0].first_step;
    for (size_t i = 1; i < k->n; i++)
        step = k->list[i].first_step < step ? k->list[i].first_step : step;
    return step;
}

/* As factor_common begins. */
static bool names_only(const struct spelllines_kind *k, const char *common, size_t *ret)
{
    struct rankset set = {0};
    struct buf b;
    unsigned i = 0;
    buf_init(&b, 1u << 16);
    for (size_t r = 0; r < k->n; r++)
        (void)rankset_add(&set, k->list[r].rank);
    size_t n = rankset_count(&set);
    for (int64_t r = rankset_next(&set, 0); r >= 0 && i < RANKS_NAMED; i++) {
        (void)buf_printf(&b, i ? ", %u" : "ranks %u", (unsigned)r);
        r = rankset_next(&set, (uint32_t)r + 1);
    }
    if (n > RANKS_NAMED)
        (void)buf_printf(&b, " and %zu more", n - RANKS_NAMED);
    (void)buf_printf(&b, ": ");
    *ret = b.len;
    bool same = b.data && strncmp(common, (const char *)b.data, b.len) == 0;
    buf_fini(&b);
    rankset_fini(&set);
    return same;
}

/* What is common may begin with the very ranks that the line has named. */
static void say_together(const struct saying *y, const struct spelllines_kind *k,
                         const char *common)
{
    uint32_t ranks[SPELLLINES_KEPT];
    char names[RANKS_TEXT], percent[40];
    const char *what = one_name(k), *where = *common ? "; common to " : "";
    size_t skip;
    if (names_only(k, common, &skip)) {
        where = "; common: ";
        common += skip;
    }
    say(y, true, "ranks %s are %s slow since step %u%s%s%s%s%s",
        format_ranks(ranks, ranks_of(k, ranks), names), format_percent(k, percent),
        first_step(k), *what ? " (" : "", what, *what ? ")" : "", where, common);
}

static void say_one(const struct saying *y, const struct spell *s, const char *common)
{
    char what[200];
    say(y, true, "rank %u on %s is %.0f %% slow since step %u%s%s%s", s->rank,
        y->words->node_of_rank[s->rank], s->percent, s->first_step,
        format_what(s, what), *common ? "; common to " : "", common);
}

static void say_group(const struct saying *y, const struct spelllines_kind *k,
                      const char *common)
{
    if (k->n > SPELLLINES_EACH || (k->n > 1 && *common)) {
        say_together(y, k, common);
        return;
    }
    for (size_t i = 0; i < k->n; i++)
        say_one(y, &k->list[i], common);
}

struct common_texts { /* those slowed by the same share what they have in common */
    struct buf of[KIND_N];
    bool asked[KIND_N];
};

static const char *common_of(const struct saying *y, struct common_texts *t,
                             const struct spell *s)
{
    enum mech_kind kind = mech_kind(s->what);
    struct buf *b = &t->of[kind];
    if (!t->asked[kind]) {
        t->asked[kind] = true;
        buf_init(b, 1u << 16);
        if (y->words->common)
            y->words->common(y->words->arg, s, b);
    }
    return b->len && buf_printf(b, "%s", "") == 0 ? (const char *)b->data : "";
}

static void say_began(const struct saying *y)
{
    struct spelllines_kind *k = &y->w->began, *group = calloc(1, sizeof *group);
    struct common_texts texts = {0};
    bool said[SPELLLINES_KEPT] = {0};
    refresh(k, y->words->now);
    for (size_t i = 0; group && i < k->n; i++) {
        const char *common = common_of(y, &texts, &k->list[i]);
        group->n = 0;
        for (size_t j = i; j < k->n; j++) {
            if (said[j] || strcmp(common_of(y, &texts, &k->list[j]), common) != 0)
                continue;
            said[j] = true;
            group->list[group->n++] = k->list[j];
        }
        if (group->n > 0)
            say_group(y, group, common);
    }
    for (int i = 0; i < KIND_N; i++)
        buf_fini(&texts.of[i]);
    free(group);
}

static void say_brief(const struct saying *y)
{
    const struct spelllines_kind *k = &y->w->brief;
    uint32_t ranks[SPELLLINES_KEPT];
    char names[RANKS_TEXT], what[200], percent[40];
    if (k->n > SPELLLINES_EACH) {
        say(y, false, "ranks %s were %s slow for a while, first from step %u",
            format_ranks(ranks, ranks_of(k, ranks), names), format_percent(k, percent),
            first_step(k));
        return;
    }
    for (size_t i = 0; i < k->n; i++)
        say(y, false, "rank %u on %s was %.0f %% slow from step %u to %u%s",
            k->list[i].rank, y->words->node_of_rank[k->list[i].rank],
            k->list[i].percent, k->list[i].first_step, k->list[i].last_step,
            format_what(&k->list[i], what));
}

static void say_ended(const struct saying *y)
{
    const struct spelllines_kind *k = &y->w->ended;
    uint32_t ranks[SPELLLINES_KEPT], last = 0;
    char names[RANKS_TEXT];
    for (size_t i = 0; i < k->n; i++)
        last = k->list[i].last_step > last ? k->list[i].last_step : last;
    if (k->n > SPELLLINES_EACH) {
        say(y, false, "ranks %s are as fast as before, the last since step %u",
            format_ranks(ranks, ranks_of(k, ranks), names), last);
        return;
    }
    for (size_t i = 0; i < k->n; i++)
        say(y, false, "rank %u on %s is as fast as before since step %u",
            k->list[i].rank, y->words->node_of_rank[k->list[i].rank],
            k->list[i].last_step);
}

void spelllines_say(struct spelllines *w, const struct spelllines_words *words,
                    uint64_t now_ms)
{
    struct saying y = {w, words};
    if (now_ms - w->minute_ms >= MINUTE_MS || w->lines == 0) {
        w->minute_ms = now_ms;
        w->in_minute = 0;
    }
    if (w->began.n > 0)
        say_began(&y);
    if (w->brief.n > 0)
        say_brief(&y);
    if (w->ended.n > 0)
        say_ended(&y);
    if (w->left_out)
        say(&y, true, "more ranks were slow for a while, which the report has");
    w->began.n = w->ended.n = w->brief.n = 0;
    w->left_out = false;
}
