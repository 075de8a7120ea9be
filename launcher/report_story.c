/* SPDX-License-Identifier: MIT */
/* report_story.c - one sentence that says where the time went: the ranks that cost most,
 * since when, by what and at what price. Several slow ranks that share something are told
 * as one. What costs less than 1 % of the step time is no story, unless a rank was seen to
 * become slow; and neither is a small part of a loss that has no single rank to it. A part
 * of report. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/report_table.h"
#include "launcher/report_units.h"
#include "launcher/report_view.h"

#define MATTERS      1.0  /* percent of the step time */
#define PART         0.1  /* of all loss: less is not where the time went */
#define PART_UNFELT  0.25 /* the same, of what costs less than matters */
#define MOSTLY       0.9  /* of the excess: below it the mechanism is not all of it */
#define PART_NAMED   0.1  /* of the excess, where several things come together */
#define RANKS_NAMED  8u
#define RANGES_NAMED 3u

struct story {
    uint32_t ranks[RANKS_NAMED]; /* the first of them */
    size_t n_ranks;
    double loss_us, excess_us, part_us[MECH_N];
    double percent; /* slower: sum over the steps */
    double a_step;  /* slower, us */
    uint64_t steps;
    uint32_t first, last; /* of all */
    bool lasting;         /* to the end of the run */
    enum mechanism what;
    bool mostly;        /* by it; the cost is of all */
    char ranges[120];   /* "steps 400 to 812 and 900 to 950" */
    const char *common; /* "GPU and NIC on different sockets"; NULL: nothing */
};

/* What is paid for: the others' waiting, or all of it where there are no others. */
static double cost_of(const struct report_view *v, const struct story *s)
{
    return v->n_ranks > 1 ? s->loss_us : s->excess_us;
}

/* "ranks 12, 44, 76: GPU and NIC on different sockets": what stands behind the ranks. */
const char *view_factor(const struct view_spell *s)
{
    const char *colon =
        strncmp(s->common, "rank", 4) == 0 ? strstr(s->common, ": ") : NULL;
    return colon ? colon + 2 : s->common;
}

static void story_add_rank(struct story *s, uint32_t rank)
{
    size_t known = s->n_ranks < RANKS_NAMED ? s->n_ranks : RANKS_NAMED;
    for (size_t i = 0; i < known; i++)
        if (s->ranks[i] == rank)
            return;
    if (known < RANKS_NAMED)
        s->ranks[known] = rank;
    s->n_ranks++;
}

static void story_add_spell(struct story *s, const struct view_spell *k)
{
    bool is_first = s->steps == 0 && s->last == 0;
    story_add_rank(s, k->rank);
    s->loss_us += k->loss_us;
    s->excess_us += k->excess_us;
    s->percent += k->percent * (double)k->steps;
    s->steps += k->steps;
    s->a_step = unit_per(s->excess_us, (double)s->steps);
    for (int m = 0; m < MECH_N; m++)
        s->part_us[m] += k->part_us[m];
    s->first = is_first || k->first_step < s->first ? k->first_step : s->first;
    s->last = k->last_step > s->last ? k->last_step : s->last;
    s->lasting = s->lasting || !k->over;
    s->what = excess_class(s->part_us, s->excess_us);
}

/* ---- of which ranks */

/* Ranks that were slow and share something: the group that cost most. */
static void find_group(const struct report_view *v, struct story *ret)
{
    const struct view_variance *a = &v->variance;
    *ret = (struct story){0};
    for (size_t i = 0; i < a->n_spells; i++) {
        const char *factor = view_factor(&a->spells[i]);
        struct story s = {.common = factor};
        for (size_t k = 0; k < a->n_spells && *factor; k++)
            if (strcmp(view_factor(&a->spells[k]), factor) == 0)
                story_add_spell(&s, &a->spells[k]);
        if (s.n_ranks > 1 && (ret->n_ranks == 0 || s.loss_us > ret->loss_us))
            *ret = s;
    }
}

static void name_spell(struct story *s, const struct view_spell *k, size_t i, size_t n)
{
    size_t at = strlen(s->ranges);
    const char *lead = i == 0 ? "in steps " : i + 1 == n ? " and " : ", ";
    if (i >= RANGES_NAMED)
        return;
    if (i + 1 == RANGES_NAMED && n > RANGES_NAMED)
        snprintf(s->ranges + at, sizeof s->ranges - at, " and %zu times more", n - i);
    else if (!k->over && n == 1)
        snprintf(s->ranges, sizeof s->ranges, "from step %u on", k->first_step);
    else
        snprintf(s->ranges + at, sizeof s->ranges - at, "%s%u to %u", lead,
                 k->first_step, k->last_step);
}

/* All spells of one rank. */
static void story_of_spells(const struct report_view *v, uint32_t rank,
                            struct story *ret)
{
    const struct view_variance *a = &v->variance;
    size_t n = 0, i = 0;
    *ret = (struct story){0};
    for (size_t k = 0; k < a->n_spells; k++)
        n += a->spells[k].rank == rank;
    for (size_t k = 0; k < a->n_spells; k++) {
        if (a->spells[k].rank != rank)
            continue;
        story_add_spell(ret, &a->spells[k]);
        name_spell(ret, &a->spells[k], i++, n);
    }
}

static void story_of_blames(const struct report_view *v, uint32_t rank,
                            struct story *ret)
{
    struct view_late late;
    *ret = (struct story){0};
    if (!view_late(v, rank, &late))
        return;
    story_add_rank(ret, rank);
    ret->loss_us = late.loss_us;
    ret->excess_us = late.excess_us;
    memcpy(ret->part_us, late.part_us, sizeof ret->part_us);
    ret->a_step = unit_per(late.excess_us, (double)late.steps);
    ret->steps = late.steps;
    ret->first = late.first_step;
    ret->last = late.last_step;
    ret->what = late.what;
    if (late.first_step == late.last_step)
        snprintf(ret->ranges, sizeof ret->ranges, "in step %u", late.first_step);
    else if (late.steps == (uint64_t)late.last_step - late.first_step + 1)
        snprintf(ret->ranges, sizeof ret->ranges, "in steps %u to %u", late.first_step,
                 late.last_step);
    else
        snprintf(ret->ranges, sizeof ret->ranges, "in %llu of the steps %u to %u",
                 (unsigned long long)late.steps, late.first_step, late.last_step);
}

/* The rank that cost most. With one rank nobody waits: then by its excess. */
static int find_rank(const struct report_view *v, struct story *ret)
{
    const struct view_variance *a = &v->variance;
    double *cost = view_late_costs(v);
    struct story spells, blames;
    size_t top = 0;
    if (!cost)
        return -ENOMEM;
    for (size_t i = 0; i < v->n_ranks; i++)
        top = cost[i] > cost[top] ? i : top;
    free(cost);
    story_of_blames(v, (uint32_t)top, &blames);
    story_of_spells(v, (uint32_t)top, &spells);
    for (size_t i = 0; i < a->n_spells && blames.n_ranks == 0; i++) {
        struct story s; /* nobody is blamed: a spell that cost nothing */
        story_of_spells(v, a->spells[i].rank, &s);
        if (spells.n_ranks == 0 || s.excess_us > spells.excess_us)
            spells = s;
    }
    bool by_spells =
        spells.n_ranks > 0 && 2 * cost_of(v, &spells) >= cost_of(v, &blames);
    *ret = by_spells ? spells : blames;
    return 0;
}

/* ---- words */

static const char *node_of(const struct report_view *v, uint32_t rank)
{
    for (size_t i = 0; i < v->n_ranks; i++)
        if (v->ranks[i].rank == rank)
            return view_node_name(v, v->ranks[i].node);
    return "?";
}

static int compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void say_ranks(struct story *s, struct buf *out)
{
    size_t n = s->n_ranks < RANKS_NAMED ? s->n_ranks : RANKS_NAMED;
    qsort(s->ranks, n, sizeof *s->ranks, compare_u32);
    buf_printf(out, "ranks ");
    for (size_t i = 0; i < n; i++)
        buf_printf(out, "%s%u", i ? ", " : "", s->ranks[i]);
    if (s->n_ranks > n)
        buf_printf(out, " and %zu more", s->n_ranks - n);
}

/* The price is that of all devices: those of the slow rank are paid for too. */
static void say_cost(const struct report_view *v, double us, struct buf *out)
{
    char took[UNITS_TEXT], cost[3 * UNITS_TEXT];
    if (!(us > 0))
        return;
    buf_printf(out, "; it cost the job %s%s", format_time(us, took),
               format_cost(&v->cost, us, cost, sizeof cost));
}

/* Words for one rank, said of several. */
static void say_plural(enum mechanism what, struct buf *out)
{
    static const char *const words[][2] = {{"its core", "their cores"},
                                           {"its own", "their own"},
                                           {"its GPU", "their GPUs"},
                                           {"stopped it", "stopped them"}};
    const char *phrase = mech_phrase(what);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const char *at = strstr(phrase, words[i][0]);
        if (!at)
            continue;
        buf_printf(out, "%.*s%s%s", (int)(at - phrase), phrase, words[i][1],
                   at + strlen(words[i][0]));
        return;
    }
    buf_printf(out, "%s", phrase);
}

static void say_group(struct story *s, struct buf *out)
{
    say_ranks(s, out);
    buf_printf(out, " were %.0f %% slow ", unit_per(s->percent, (double)s->steps));
    if (s->lasting)
        buf_printf(out, "from step %u on", s->first);
    else
        buf_printf(out, "in steps %u to %u", s->first, s->last);
    buf_printf(out, ": ");
    say_plural(s->what, out);
    buf_printf(out, "; common: %.500s", s->common);
}

/* Several things, none of which is half of it: the two largest. */
static void say_mixed(const struct story *s, struct buf *out)
{
    bool said[MECH_N] = {false};
    buf_printf(out, "%s", mech_phrase(MECH_MIXED));
    for (int n = 0; n < 2; n++) {
        int top = MECH_UNKNOWN;
        for (int m = 0; m < MECH_N; m++)
            if (!said[m] && m != MECH_UNKNOWN &&
                (top == MECH_UNKNOWN || s->part_us[m] > s->part_us[top]))
                top = m;
        if (top == MECH_UNKNOWN || s->part_us[top] < PART_NAMED * s->excess_us)
            return;
        said[top] = true;
        buf_printf(out, "%s%s %.0f %%", n ? ", " : ", of it ",
                   mech_phrase((enum mechanism)top),
                   unit_percent(s->part_us[top], s->excess_us));
    }
}

/* Of a rank that was late many times the mechanism may be that of some of them only. */
static void say_mechanism(const struct story *s, struct buf *out)
{
    double part = s->what < MECH_N ? s->part_us[s->what] : 0;
    char us[UNITS_TEXT];
    if (s->what == MECH_MIXED)
        say_mixed(s, out);
    else if (part > 0 && part < MOSTLY * s->excess_us)
        buf_printf(out, "mostly %s (%s of it)", mech_phrase(s->what),
                   format_us(unit_per(part, (double)s->steps), us));
    else
        buf_printf(out, "%s", mech_phrase(s->what));
}

static void say_rank(const struct report_view *v, const struct story *s,
                     struct buf *out)
{
    char us[UNITS_TEXT];
    buf_printf(out, "rank %u on %.200s was %s a step slower %s", s->ranks[0],
               node_of(v, s->ranks[0]), format_us(s->a_step, us), s->ranges);
    if (v->job.p50 > 0)
        buf_printf(out, " (%.0f %% of a usual step)",
                   unit_percent(s->a_step, (double)v->job.p50));
    buf_printf(out, ": ");
    say_mechanism(s, out);
}

/* A rank that is the slowest again and again need not be late in any single step. */
static void say_slowest(const struct report_view *v, struct buf *out)
{
    for (size_t i = 0; i < v->n_ranks && v->culprit >= 0; i++) {
        const struct view_rank *k = &v->ranks[i];
        if (k->rank != v->culprit || k->steps.loss_sum == STEPS_UNKNOWN)
            continue;
        buf_printf(out,
                   "rank %u on %.200s was waited for most (%.1f %% of the step time)",
                   k->rank, view_node_name(v, k->node),
                   unit_percent((double)k->steps.loss_sum, (double)v->job.t_sum));
        return;
    }
    buf_printf(out, "no single rank stands out");
}

/* Where the loss has no single rank to it: of what it is made. */
static void say_loss(const struct report_view *v, struct buf *out)
{
    const struct view_variance *a = &v->variance;
    double all = view_loss_us(v), most = a->small_us;
    const char *phrase = "small differences between ranks";
    char us[UNITS_TEXT];
    for (int m = 0; m < MECH_N; m++) {
        if (a->loss_us[m] <= most)
            continue;
        most = a->loss_us[m];
        phrase = view_mech_phrase((enum mechanism)m);
    }
    say_slowest(v, out);
    buf_printf(
        out, ": a step waited %s for its slowest rank (%.1f %% of the step time)",
        format_us(unit_per(all, (double)a->steps), us), unit_percent(all, a->t_us));
    buf_printf(out, "%s %s (%s)",
               2 * most >= all ? ", mostly" : "; the largest part:", phrase,
               format_us(unit_per(most, (double)a->steps), us));
    say_cost(v, all, out);
}

/* Nobody in particular. */
static void say_all(const struct report_view *v, struct buf *out)
{
    const struct view_variance *a = &v->variance;
    double loss = unit_percent(view_loss_us(v), a->t_us), common;
    int top = 0;
    for (int m = 1; m < MECH_N; m++)
        top = a->common_us[m] > a->common_us[top] ? m : top;
    common = unit_percent(a->common_us[top], a->t_us);
    if (common >= MATTERS)
        buf_printf(out,
                   "all ranks together took %.1f %% of the step time longer than "
                   "usual: %s",
                   common, mech_phrase((enum mechanism)top));
    if (v->n_ranks > 1 && loss >= MATTERS) {
        buf_printf(out, common >= MATTERS ? "; " : "");
        say_loss(v, out);
    } else if (v->n_ranks > 1) {
        buf_printf(out, "%s: waiting for the slowest took %.1f %% of the step time",
                   common >= MATTERS ? "; no rank held the others up"
                                     : "nothing stands out",
                   loss);
    } else if (common < MATTERS) {
        buf_printf(out, "nothing stands out: its steps were alike");
    }
}

static void say_rest(const struct report_view *v, const struct story *s,
                     struct buf *out)
{
    double loss = unit_percent(view_loss_us(v), v->variance.t_us);
    if (v->n_ranks > 1 && 2 * unit_percent(s->loss_us, v->variance.t_us) < loss &&
        loss >= MATTERS)
        buf_printf(out,
                   "; waiting for the slowest took %.1f %% of the step time in all",
                   loss);
}

static bool is_worth_telling(const struct report_view *v, const struct story *s)
{
    double cost = cost_of(v, s), all = v->n_ranks > 1 ? view_loss_us(v) : 0;
    if (s->n_ranks == 0)
        return false;
    if (unit_percent(cost, v->variance.t_us) >= MATTERS)
        return cost >= PART * all;
    return v->variance.n_spells > 0 && cost >= PART_UNFELT * all;
}

void page_story(struct page *p, const struct report_view *v)
{
    const struct view_variance *a = &v->variance;
    struct story group, one;
    struct buf out;
    if (!a->known || a->steps == 0)
        return;
    if (find_rank(v, &one) < 0) {
        p->rc = -ENOMEM;
        return;
    }
    find_group(v, &group);
    buf_init(&out, 8192);
    if (group.n_ranks > 1 && group.loss_us >= one.loss_us &&
        is_worth_telling(v, &group)) {
        say_group(&group, &out);
        say_cost(v, group.loss_us, &out);
        say_rest(v, &group, &out);
    } else if (is_worth_telling(v, &one)) {
        say_rank(v, &one, &out);
        say_cost(v, cost_of(v, &one), &out);
        say_rest(v, &one, &out);
    } else {
        say_all(v, &out);
    }
    if (buf_add(&out, "", 1) < 0)
        p->rc = -ENOMEM;
    else
        page_wrap(p, "", (const char *)out.data);
    buf_fini(&out);
}
