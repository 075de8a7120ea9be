/* SPDX-License-Identifier: MIT */
/* stall.c - see stall.h. */
#include "launcher/variance/stall.h"

void stall_init(struct stall *s, uint32_t least_ms)
{
    *s = (struct stall){.least_ms = least_ms ? least_ms : STALL_MS};
    usual_init(&s->pauses);
}

uint64_t stall_gap_ms(const struct stall *s, uint64_t now_ms)
{
    uint64_t passed = now_ms > s->at_ms ? now_ms - s->at_ms : 0;
    return passed < STALL_GAP_MS ? 0 : passed;
}

/* Time that does not count is taken out by moving what it is counted from. */
static void pass(struct stall *s, uint64_t now_ms, bool known)
{
    uint64_t passed = now_ms > s->at_ms ? now_ms - s->at_ms : 0;
    bool counts = known && stall_gap_ms(s, now_ms) == 0;
    s->at_ms += passed;
    if (s->n == 0 || counts)
        return;
    s->news_ms += passed;
    s->step_ms += passed;
    s->looked_ms += passed;
}

static void add_pause(struct stall *s, uint64_t ms)
{
    usual_add(&s->pauses, (double)ms);
    if (s->n >= 2 && ms > s->longest_ms)
        s->longest_ms = ms < STALL_MOST_MS ? ms : STALL_MOST_MS;
}

enum stall_turn stall_news(struct stall *s, uint64_t now_ms, uint32_t step,
                           uint64_t *ret_ms)
{
    bool stalled = s->looks > 0;
    pass(s, now_ms, true);
    *ret_ms = s->n > 0 ? s->at_ms - s->news_ms : 0;
    if (s->n == 0 || step > s->step) {
        if (s->n > 0)
            add_pause(s, s->at_ms - s->step_ms);
        s->step = step;
        s->step_ms = s->at_ms;
        s->n += s->n < UINT32_MAX;
    }
    s->news_ms = s->at_ms;
    s->looks = 0;
    return stalled ? STALL_OVER : STALL_NOTHING;
}

void stall_fall(struct stall *s, uint32_t step)
{
    uint32_t before = step > 0 ? step - 1 : 0;
    s->step = before < s->step ? before : s->step;
}

static uint64_t patience(const struct stall *s)
{
    uint64_t ms = s->least_ms;
    uint64_t usual = STALL_USUAL * stall_usual_ms(s);
    uint64_t longest = STALL_LONGEST * s->longest_ms;
    ms = usual > ms ? usual : ms;
    return longest > ms ? longest : ms;
}

enum stall_turn stall_tick(struct stall *s, uint64_t now_ms, bool known)
{
    pass(s, now_ms, known);
    if (!known || s->n < 2)
        return STALL_NOTHING;
    uint64_t wait = s->looks == 1 ? STALL_AGAIN_MS : STALL_LATER_MS;
    if (s->looks == 0 ? stall_silent_ms(s) < patience(s)
                      : s->at_ms - s->looked_ms < wait)
        return STALL_NOTHING;
    s->looked_ms = s->at_ms;
    s->looks++;
    return s->looks == 1 ? STALL_BEGINS : STALL_LASTS;
}

uint64_t stall_usual_ms(const struct stall *s)
{
    return s->pauses.n > 0 && s->pauses.median > 0 ? (uint64_t)s->pauses.median : 0;
}

uint64_t stall_silent_ms(const struct stall *s)
{
    return s->n > 0 ? s->at_ms - s->news_ms : 0;
}
