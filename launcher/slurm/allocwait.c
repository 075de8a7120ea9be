/* SPDX-License-Identifier: MIT */
/* allocwait.c - see allocwait.h. */
#include "launcher/slurm/allocwait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher/live.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

#define LINE_MAX_  500u
#define TICK_MS    1000u
#define FIRST_MS   2000u  /* most jobs on a free cluster have begun by then */
#define SILENCE_MS 10000u /* without any answer of Slurm's */
#define SAME_MS    60000u
#define SAME_MAX   3600000u
#define START_STEP \
    300000000000ull /* ns; guesses of a start that differ by less are one */

struct allocwait {
    struct loop *loop;
    struct live *live;
    struct loop_timer *timer;
    struct slurm_queue_ask *ask;
    struct slurm_queue queue; /* the last answer */
    struct allocwait_said said;
    uint32_t id; /* 0: not known */
    uint64_t start_ms, ask_at_ms;
    bool answered, told_silence, cancelled;
    char failed[LINE_MAX_]; /* why the last question had no answer; "" */
};

/* ---- when to speak ---- */

static bool is_same(const struct allocwait_said *s, const struct slurm_queue *q)
{
    uint64_t a = s->start_real_ns, b = q->start_real_ns;
    return s->position == q->position && strcmp(s->reason, q->reason) == 0 &&
           (a == 0) == (b == 0) && (a > b ? a - b : b - a) < START_STEP;
}

bool allocwait_is_news(struct allocwait_said *s, const struct slurm_queue *q,
                       uint64_t now_ms)
{
    bool same = s->any && is_same(s, q);
    if (same && now_ms < s->at_ms + s->again_ms)
        return false;
    s->again_ms = !same                        ? SAME_MS
                  : s->again_ms * 2 < SAME_MAX ? s->again_ms * 2
                                               : SAME_MAX;
    s->any = true;
    s->at_ms = now_ms;
    s->position = q->position;
    s->start_real_ns = q->start_real_ns;
    (void)snprintf(s->reason, sizeof s->reason, "%s", q->reason);
    return true;
}

/* A controller that serves a whole site is not asked more than a person would. */
static uint64_t ask_again_ms(uint64_t waited_ms)
{
    return waited_ms < 120000 ? 10000 : waited_ms < 600000 ? 30000 : 60000;
}

/* ---- what is said ---- */

/* "position 3 of 17 in ...", or why that is not known. */
static void queue_words(const struct allocwait *w, char out[LINE_MAX_])
{
    struct buf line;
    buf_init(&line, LINE_MAX_ - 1);
    if (!w->answered)
        (void)snprintf(out, LINE_MAX_, "%s", w->failed);
    else if (slurm_queue_format(&w->queue, clock_real_ns(), &line) == 0)
        (void)snprintf(out, LINE_MAX_, "%.*s", (int)line.len, (const char *)line.data);
    else
        out[0] = '\0';
    buf_fini(&line);
}

static void show(struct allocwait *w)
{
    char text[LINE_MAX_ + 100], words[LINE_MAX_], waited[24];
    uint64_t ms = loop_now_ms(w->loop) - w->start_ms;
    if (!live_is_active(w->live))
        return;
    (void)clock_format_duration(ms / 1000 * 1000, waited, sizeof waited);
    queue_words(w, words);
    if (w->cancelled && w->id)
        (void)snprintf(text, sizeof text, "cancelling job %u of Slurm", w->id);
    else if (w->id)
        (void)snprintf(text, sizeof text, "job %u waits, %s%s%s", w->id,
                       ms < 1000 ? "in the queue" : waited, *words ? ": " : "", words);
    else if (ms >= 1000)
        (void)snprintf(text, sizeof text, "asking Slurm for nodes, %s", waited);
    else
        (void)snprintf(text, sizeof text, "asking Slurm for nodes");
    live_status(w->live, text);
}

static void tell(struct allocwait *w)
{
    char words[LINE_MAX_];
    if (live_is_active(w->live) || w->cancelled || !w->answered ||
        !allocwait_is_news(&w->said, &w->queue, loop_now_ms(w->loop)))
        return;
    queue_words(w, words);
    log_note("job %u waits in the queue: %s", w->id, words);
}

static void tell_silence(struct allocwait *w)
{
    if (w->id || w->cancelled || w->told_silence ||
        loop_now_ms(w->loop) - w->start_ms < SILENCE_MS)
        return;
    w->told_silence = true;
    log_note("Slurm has not answered yet: `scontrol ping` says whether it is up");
}

/* ---- what is asked ---- */

static void on_queue(void *arg, const struct slurm_queue *q, const struct err *e)
{
    struct allocwait *w = arg;
    if (q) {
        w->queue = *q;
        w->answered = true;
    } else {
        (void)snprintf(w->failed, sizeof w->failed, "%s", e->text);
    }
    slurm_queue_ask_destroy(w->ask);
    w->ask = NULL;
    if (q && strcmp(q->state, "PENDING") == 0)
        tell(w);
    show(w);
}

static void on_tick(void *arg)
{
    struct allocwait *w = arg;
    uint64_t now = loop_now_ms(w->loop);
    struct err e;
    if (w->id && !w->ask && !w->cancelled && now >= w->ask_at_ms) {
        w->ask_at_ms = now + ask_again_ms(now - w->start_ms);
        (void)slurm_queue_ask(w->loop, w->id, on_queue, w, &w->ask, &e);
    }
    tell_silence(w);
    show(w);
}

void allocwait_pending(struct allocwait *w, uint32_t id)
{
    w->id = id;
    if (live_is_active(w->live)) /* one who looks on wants to see it */
        w->ask_at_ms = 0;
    on_tick(w);
}

void allocwait_cancel(struct allocwait *w)
{
    w->cancelled = true;
    show(w);
}

struct allocwait *allocwait_create(struct loop *l)
{
    struct allocwait *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->loop = l;
    w->start_ms = loop_now_ms(l);
    w->ask_at_ms = w->start_ms + FIRST_MS;
    w->live = live_create(STDERR_FILENO);
    w->timer = loop_timer_create(l, on_tick, w);
    if (!w->live || !w->timer) {
        live_destroy(w->live);
        loop_timer_destroy(w->timer);
        free(w);
        return NULL;
    }
    log_setup("aolani-run", log_level(), live_log_sink, w->live);
    loop_timer_start(w->timer, TICK_MS, TICK_MS);
    return w;
}

void allocwait_destroy(struct allocwait *w)
{
    if (!w)
        return;
    slurm_queue_ask_destroy(w->ask);
    loop_timer_destroy(w->timer);
    log_setup("aolani-run", log_level(), NULL, NULL);
    live_destroy(w->live);
    free(w);
}
