/* SPDX-License-Identifier: MIT */
/* comparison_check.c - what makes two sides incomparable. A difference of the machines is
 * what one wants to see; a difference of the job is one that no interval knows of. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "launcher/tax/comparison.h"
#include "proto/base/utf8.h"

static void warn(struct comparison *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void warn(struct comparison *c, const char *fmt, ...)
{
    va_list ap;
    if (c->n_warnings == COMPARE_WARNINGS)
        return;
    va_start(ap, fmt);
    vsnprintf(c->warnings[c->n_warnings], sizeof c->warnings[0], fmt, ap);
    va_end(ap);
    utf8_make_printable(
        c->warnings[c->n_warnings++]); /* a name may be cut in a letter */
}

typedef const char *(*text_f)(const struct compare_run *r);
typedef uint64_t (*count_f)(const struct compare_run *r);

static const char *program(const struct compare_run *r)
{
    return r->command;
}

static const char *version(const struct compare_run *r)
{
    return r->view.version;
}

static uint64_t ranks(const struct compare_run *r)
{
    return r->view.n_ranks;
}

static uint64_t nodes(const struct compare_run *r)
{
    return r->view.n_nodes;
}

static uint64_t devices(const struct compare_run *r)
{
    return r->view.cost.ranks ? 0 : r->view.cost.devices;
}

static const struct compare_run *run_at(const struct comparison *c, size_t i)
{
    size_t n = c->side[0].n;
    return i < n ? &c->side[0].runs[i] : &c->side[1].runs[i - n];
}

static const char *label_at(const struct comparison *c, size_t i)
{
    return c->side[i >= c->side[0].n].label;
}

/* The first run is the measure: one that differs is told, not all. */
static void check_text(struct comparison *c, const char *what, text_f get)
{
    size_t n = c->side[0].n + c->side[1].n;
    const char *first = get(run_at(c, 0));
    for (size_t i = 1; i < n; i++) {
        const char *text = get(run_at(c, i));
        if (!*first || !*text || strcmp(first, text) == 0)
            continue;
        warn(c, "%s: \"%.60s\" (%.24s) against \"%.60s\" (%.24s)", what, first,
             label_at(c, 0), text, label_at(c, i));
        return;
    }
}

static void check_count(struct comparison *c, const char *what, count_f get)
{
    size_t n = c->side[0].n + c->side[1].n;
    uint64_t first = get(run_at(c, 0));
    for (size_t i = 1; i < n; i++) {
        uint64_t count = get(run_at(c, i));
        if (count == first)
            continue;
        warn(c, "%s: %" PRIu64 " (%.24s) against %" PRIu64 " (%.24s)", what, first,
             label_at(c, 0), count, label_at(c, i));
        return;
    }
}

/* Twice as many steps are another job, or one that was cut short. */
static void check_steps(struct comparison *c)
{
    const struct compare_side *a = &c->side[0], *b = &c->side[1];
    uint64_t least = a->least_steps < b->least_steps ? a->least_steps : b->least_steps;
    uint64_t most = a->most_steps > b->most_steps ? a->most_steps : b->most_steps;
    if (most / 2 > least)
        warn(c, "steps of a run: from %" PRIu64 " to %" PRIu64, least, most);
}

static void check_ends(struct comparison *c)
{
    size_t n = c->side[0].n + c->side[1].n, failed = 0, again = 0;
    for (size_t i = 0; i < n; i++) {
        failed += run_at(c, i)->view.exit_status != 0;
        again += run_at(c, i)->view.attempts > 1;
    }
    if (failed)
        warn(c, "%zu of %zu runs did not end with status 0", failed, n);
    if (again)
        warn(c,
             "%zu of %zu runs needed more than one attempt; only the last one counts",
             again, n);
}

/* The same run on both sides is a slip of the fingers, and a spread that is none. */
static void check_twice(struct comparison *c)
{
    size_t n = c->side[0].n + c->side[1].n;
    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; k < n; k++)
            if (strcmp(run_at(c, i)->view.run_id, run_at(c, k)->view.run_id) == 0) {
                warn(c, "\"%.60s\" and \"%.60s\" are the same run", run_at(c, i)->path,
                     run_at(c, k)->path);
                return;
            }
}

void comparison_check(struct comparison *c)
{
    check_twice(c);
    check_count(c, "ranks", ranks);
    check_text(c, "program and arguments", program);
    check_steps(c);
    check_ends(c);
    check_count(c, "GPUs", devices);
    check_count(c, "nodes", nodes);
    check_text(c, "version of aolani-run", version);
}
