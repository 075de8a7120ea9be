/* SPDX-License-Identifier: MIT */
/* ledger.c - the rows of steps are collected as they close; what the running phase took
 * beside them is found at the end, as what is left. So the sum is exact by construction, and
 * clocks of nodes are asked for one thing alone: whether there was a hang. */
#include "launcher/variance/ledger.h"

#include <math.h>

#define HANG_US    30e6
#define HANG_STEPS 20.0

static const struct {
    const char *name, *phrase;
} rows[LEDGER_ROWS] = {
    [LEDGER_PRODUCTIVE] = {"productive", "productive steps"},
    [LEDGER_STRAGGLER] = {"straggler", "waiting for the slowest rank"},
    [LEDGER_WARMUP] = {"warm-up", "warm-up steps"},
    [LEDGER_CHECKPOINT] = {"checkpoint", "checkpoints"},
    [LEDGER_EVALUATION] = {"evaluation", "evaluation"},
    [LEDGER_SPECIAL] = {"special", "other special steps"},
    [LEDGER_OUTSIDE] = {"outside", "outside steps"},
    [LEDGER_HANG] = {"hang", "hanging"},
    [LEDGER_ROLLED_BACK] = {"rolled back", "steps done before, again"},
    [LEDGER_RESTART] = {"restart", "attempts cut off, and pauses"},
    [LEDGER_START] = {"start", "start-up"},
    [LEDGER_END] = {"end", "stop and teardown"},
};

const char *ledger_name(enum ledger_row r)
{
    return rows[r].name;
}

const char *ledger_phrase(enum ledger_row r)
{
    return rows[r].phrase;
}

void ledger_init(struct ledger *l)
{
    *l = (struct ledger){0};
}

static void row_add(struct ledger *l, enum ledger_row r, uint64_t us)
{
    l->us[r] = us > UINT64_MAX - l->us[r] ? UINT64_MAX : l->us[r] + us;
}

static bool is_hang(double us, double usual_us)
{
    return us > HANG_US && !(usual_us > 0 && us <= HANG_STEPS * usual_us);
}

/* Before the step, since the lead's last one. Only the same rank's clock of the same
 * attempt says: another rank's is of another node, another attempt's of another boot. */
static void gap_of(struct ledger *l, const struct steps_closed *c, double usual_us)
{
    uint64_t wall_ns = (uint64_t)c->lead_wall * 1000, from = l->last_end_ns;
    if (from > 0 && c->lead == l->lead && c->attempt == l->attempt &&
        c->lead_end_ns >= wall_ns && c->lead_end_ns - wall_ns > from) {
        uint64_t us = (c->lead_end_ns - wall_ns - from) / 1000;
        if (is_hang((double)us, usual_us)) {
            row_add(l, LEDGER_HANG, us);
            l->hangs++;
        }
    }
    l->lead = c->lead;
    l->attempt = c->attempt;
    l->last_end_ns = c->lead_end_ns;
}

static enum ledger_row row_of(const struct steps_closed *c)
{
    if (c->repeated)
        return LEDGER_ROLLED_BACK;
    if (c->flags & STEPREC_CHECKPOINT)
        return LEDGER_CHECKPOINT;
    if (c->flags & STEPREC_EVALUATION)
        return LEDGER_EVALUATION;
    if (c->flags & STEPREC_SPECIAL)
        return LEDGER_SPECIAL;
    return c->warming ? LEDGER_WARMUP : LEDGER_PRODUCTIVE;
}

/* What is left of a step when its straggler loss is out. */
static void productive_add(struct ledger *l, uint64_t us, double usual_us)
{
    if (is_hang((double)us, usual_us)) {
        uint64_t usual = usual_us > 0 ? (uint64_t)usual_us : 0;
        row_add(l, LEDGER_HANG, us - usual);
        l->hangs++;
        us = usual;
    }
    row_add(l, LEDGER_PRODUCTIVE, us);
}

/* Of the steps before that were not compared, as far as they are productive. */
static void straggler_move(struct ledger *l, uint64_t us)
{
    uint64_t *from = &l->us[LEDGER_PRODUCTIVE];
    us = us < *from ? us : *from;
    *from -= us;
    row_add(l, LEDGER_STRAGGLER, us);
}

void ledger_step(struct ledger *l, const struct steps_closed *c, double usual_us)
{
    enum ledger_row row = row_of(c);
    uint64_t loss = 0;
    gap_of(l, c, usual_us);
    if (row != LEDGER_PRODUCTIVE) {
        row_add(l, row, c->lead_wall);
        return;
    }
    if (c->counted)
        loss = c->loss < c->lead_wall ? c->loss : c->lead_wall;
    row_add(l, LEDGER_STRAGGLER, loss);
    productive_add(l, c->lead_wall - loss, usual_us);
    if (c->counted && c->charged > c->loss)
        straggler_move(l, c->charged - c->loss);
}

static uint64_t us_of(uint64_t ms)
{
    return ms > UINT64_MAX / 1000 ? UINT64_MAX : ms * 1000;
}

/* Rows of the running phase that come to more than it took: milliseconds were rounded, or a
 * clock jumped. The hang is what rests on clocks alone, so it gives first. */
static void rows_fit(struct ledger *l, uint64_t run_us)
{
    static const enum ledger_row inside[] = {
        LEDGER_HANG,       LEDGER_PRODUCTIVE, LEDGER_STRAGGLER,   LEDGER_WARMUP,
        LEDGER_CHECKPOINT, LEDGER_EVALUATION, LEDGER_ROLLED_BACK, LEDGER_SPECIAL,
    };
    enum { N = sizeof inside / sizeof *inside };
    uint64_t room = run_us;
    for (int i = N - 1; i >= 0; i--) { /* the last to give is the first to be served */
        uint64_t *us = &l->us[inside[i]];
        *us = *us < room ? *us : room;
        room -= *us;
    }
    l->us[LEDGER_OUTSIDE] = room;
    l->hangs = l->us[LEDGER_HANG] ? l->hangs : 0;
}

void ledger_close(struct ledger *l, uint64_t start_ms, uint64_t run_ms, uint64_t end_ms,
                  uint64_t earlier_ms)
{
    rows_fit(l, us_of(run_ms));
    l->us[LEDGER_START] = us_of(start_ms);
    l->us[LEDGER_END] = us_of(end_ms);
    l->us[LEDGER_RESTART] = us_of(earlier_ms);
}

double ledger_goodput(const struct ledger *l)
{
    double all = 0, stepped = 0;
    for (int i = 0; i < LEDGER_ROWS; i++) {
        all += (double)l->us[i];
        stepped += i < LEDGER_OUTSIDE || i == LEDGER_ROLLED_BACK ? (double)l->us[i] : 0;
    }
    return stepped > 0 && all > 0 ? (double)l->us[LEDGER_PRODUCTIVE] / all : NAN;
}
