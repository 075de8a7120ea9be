/* SPDX-License-Identifier: MIT */
/* steplog.c - see steplog.h. */
#include "agent/steplog.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "proto/wire/steppattern.h"

struct log_stream {
    size_t len;
    bool is_rest;            /* its beginning was missed */
    char text[STEPLOG_LINE]; /* with its NUL */
    bool numbered;           /* a number was found in it: */
    uint32_t number;         /* the last one, */
    uint32_t rise;           /* the least from one to the next; 0: none yet */
    uint64_t past;           /* counted before the numbers fell */
};
struct log_rank {
    bool known, renumbered;
    uint32_t base, top; /* steps: the last that is told of, the last seen */
    uint64_t base_ns;
    struct log_stream stream[2];
};

struct steplog {
    struct steplog_config c;
    struct steppattern pattern;
    char *pattern_text;
    double pattern_ns; /* what it has matched since it was compiled */
    struct log_rank *ranks;
    double save_ns;    /* what matching may take now */
    uint64_t saved_ns; /* until when that is added up */
    uint64_t skipped;
};

int steplog_create(const struct steplog_config *c, struct steplog **ret, struct err *e)
{
    struct steplog *l = calloc(1, sizeof *l);
    if (!l || !(l->ranks = calloc(c->n_ranks + 1, sizeof *l->ranks)) ||
        !(l->pattern_text = strdup(c->pattern))) {
        steplog_destroy(l);
        return err_sys(e, -ENOMEM, "look for steps in the output");
    }
    int rc = steppattern_compile(&l->pattern, c->pattern, e);
    if (rc < 0) {
        steplog_destroy(l);
        return rc;
    }
    l->c = *c;
    l->c.pattern = NULL;
    l->save_ns = STEPLOG_SAVE_NS;
    l->saved_ns = c->now_ns();
    *ret = l;
    return 0;
}

void steplog_destroy(struct steplog *l)
{
    if (!l)
        return;
    steppattern_fini(&l->pattern);
    free(l->pattern_text);
    free(l->ranks);
    free(l);
}

uint64_t steplog_skipped(const struct steplog *l)
{
    return l->skipped;
}

/* ---- from lines to steps */

static uint32_t us_of(uint64_t ns)
{
    uint64_t us = (ns + 500) / 1000;
    return us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

static void rank_base(struct log_rank *k, uint32_t step, uint64_t t_ns)
{
    k->known = true;
    k->base = k->top = step;
    k->base_ns = t_ns;
}

/* All up to the last one seen, which was at t_ns. */
static void rank_tell(struct steplog *l, uint32_t rank, struct log_rank *k,
                      uint64_t t_ns)
{
    uint32_t n = k->top - k->base;
    uint64_t all = t_ns > k->base_ns ? t_ns - k->base_ns : 0;
    uint16_t flags = STEPREC_PARTIAL | STEPREC_HOST_PACED;
    if (n == 0)
        return;
    flags |= k->renumbered ? STEPREC_RENUMBERED : 0;
    struct steprec r = {.rank = rank,
                        .wall_us = us_of(all / n),
                        .flags = flags,
                        .source = STEPREC_LOG,
                        .confidence = (uint8_t)(n < 100 ? 100 / n : 1)};
    bool tells = n <= STEPLOG_RANGE && all > 0;
    if (tells && l->c.fill)
        l->c.fill(l->c.arg, rank, k->base_ns, t_ns, n, &r);
    for (uint32_t i = 1; i <= n && tells; i++) {
        r.step = k->base + i;
        r.t_end_ns = k->base_ns + all / n * i;
        l->c.step(l->c.arg, rank, &r);
    }
    rank_base(k, k->top, t_ns);
}

/* What the number comes to; true: it fell. Each stream is counted by itself: of two that
 * write the same, one is read after the other. */
static bool stream_count(struct log_stream *s, uint32_t number, uint32_t *ret_step)
{
    bool fell = s->numbered && number < s->number;
    uint32_t rise = s->numbered && !fell ? number - s->number : 0;
    if (fell) /* the lines may be some steps apart, over this too */
        s->past += (uint64_t)(s->number - number) + (s->rise ? s->rise : 1);
    if (rise > 0 && (s->rise == 0 || rise < s->rise))
        s->rise = rise;
    s->numbered = true;
    s->number = number;
    if (s->past + number > UINT32_MAX) {
        s->past = 0;
        fell = true; /* for whoever hears of it */
    }
    *ret_step = (uint32_t)(s->past + number);
    return fell;
}

static void rank_sees(struct steplog *l, uint32_t rank, struct log_rank *k,
                      struct log_stream *s, uint32_t number, uint64_t t_ns)
{
    uint32_t step;
    bool fell = stream_count(s, number, &step);
    bool is_too_far = fell && s->past == 0;
    if (k->known && step <= k->top && !is_too_far)
        return; /* it was there before, or in the other stream */
    k->renumbered = k->renumbered || fell || s->past > 0;
    if (k->known && !fell) {
        k->top = step;
        return;
    }
    if (k->known)
        rank_tell(l, rank, k, t_ns);
    rank_base(k, step, t_ns); /* not a step alone lies before a line that fell */
}

/* ---- from bytes to lines */

static bool may_match(struct steplog *l, uint64_t now_ns)
{
    double passed = now_ns > l->saved_ns ? (double)(now_ns - l->saved_ns) : 0;
    l->saved_ns = now_ns;
    l->save_ns += passed * STEPLOG_SHARE;
    if (l->save_ns > STEPLOG_SAVE_NS)
        l->save_ns = STEPLOG_SAVE_NS;
    return l->save_ns > 0;
}

/* The C library keeps what it has worked out of a pattern as it meets lines, without a
 * bound, as long as there is the pattern. */
static void pattern_renew(struct steplog *l)
{
    struct steppattern fresh = {0};
    struct err e;
    l->pattern_ns = 0;
    if (steppattern_compile(&fresh, l->pattern_text, &e) < 0)
        return; /* for want of memory: later */
    steppattern_fini(&l->pattern);
    l->pattern = fresh;
}

static void line_end(struct steplog *l, uint32_t rank, struct log_rank *k,
                     struct log_stream *s, uint64_t t_ns)
{
    uint32_t number;
    uint64_t from = l->c.now_ns();
    bool is_whole = s->len > 0 && !s->is_rest;
    s->text[s->len] = '\0';
    s->len = 0;
    s->is_rest = false;
    if (!is_whole)
        return;
    if (!may_match(l, from)) {
        l->skipped++;
        return;
    }
    bool is_step = steppattern_match(&l->pattern, s->text, &number);
    if (l->pattern_ns > STEPLOG_RENEW_NS)
        pattern_renew(l);
    uint64_t now = l->c.now_ns();
    double took_ns = now > from ? (double)(now - from) : 0;
    l->save_ns -= took_ns;
    l->pattern_ns += took_ns;
    if (is_step)
        rank_sees(l, rank, k, s, number, t_ns);
}

/* Its beginning is kept; a NUL would hide what follows it. */
static void line_add(struct log_stream *s, const char *data, size_t len)
{
    size_t room = STEPLOG_LINE - 1 - s->len;
    len = len < room ? len : room;
    memcpy(s->text + s->len, data, len);
    for (size_t i = s->len; i < s->len + len; i++)
        s->text[i] = s->text[i] ? s->text[i] : ' ';
    s->len += len;
}

/* Progress bars end their lines by going back to the beginning. */
static const char *end_of_line(const char *at, const char *end)
{
    const char *lf = memchr(at, '\n', (size_t)(end - at));
    const char *cr = memchr(at, '\r', (size_t)((lf ? lf : end) - at));
    return cr ? cr : lf;
}

void steplog_add(struct steplog *l, uint32_t rank, unsigned stream, const void *data,
                 size_t len, uint64_t t_ns)
{
    if (rank - l->c.first_rank >= l->c.n_ranks)
        return;
    struct log_rank *k = &l->ranks[rank - l->c.first_rank];
    struct log_stream *s = &k->stream[stream & 1];
    const char *at = data, *end = len > 0 ? at + len : at;
    if (len == 0) {
        s->len = 0;
        s->is_rest = true;
    }
    while (at < end) {
        const char *stop = end_of_line(at, end);
        line_add(s, at, (size_t)((stop ? stop : end) - at));
        if (stop)
            line_end(l, rank, k, s, t_ns);
        at = stop ? stop + 1 : end;
    }
    if (k->known)
        rank_tell(l, rank, k, t_ns);
}
