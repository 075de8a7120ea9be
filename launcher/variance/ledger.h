/* SPDX-License-Identifier: MIT */
/* ledger - where the time of a run went; the rows sum up to its wall time exactly. Pure.
 *
 * Of the lowest rank's steps (ranks go in step): a step of the statistics is productive but
 * for its straggler loss; warm-up, checkpoint, evaluation and other special steps are rows
 * of their own; a step that an earlier attempt had already done is rolled back. A step that
 * too few ranks reported was a step all the same: productive, its loss not known. Time
 * between marked steps is "outside steps", or a hang where it is longer than 30 s and 20
 * usual steps; so is what a step of all ranks took beyond that, with nobody to wait for.
 * Between attempts no hang is looked for: that is a program that starts. Phases before the
 * ranks run are start-up, those after are the end. */
#ifndef LAUNCHER_VARIANCE_LEDGER_H
#define LAUNCHER_VARIANCE_LEDGER_H

#include <stdint.h>

#include "launcher/variance/steps.h"

enum ledger_row {
    LEDGER_PRODUCTIVE,
    LEDGER_STRAGGLER,
    LEDGER_WARMUP,
    LEDGER_CHECKPOINT,
    LEDGER_EVALUATION,
    LEDGER_SPECIAL,
    LEDGER_OUTSIDE,
    LEDGER_HANG,
    LEDGER_ROLLED_BACK,
    LEDGER_RESTART, /* earlier attempts, all of them */
    LEDGER_START,   /* connect, prepare, start */
    LEDGER_END,     /* stop, teardown */
    LEDGER_ROWS,
};

struct ledger {
    uint64_t us[LEDGER_ROWS];
    uint64_t hangs; /* how many */
    /* private: */
    uint64_t last_end_ns; /* of the lead, on its node's clock; 0: none yet */
    uint32_t lead, attempt;
};

void ledger_init(struct ledger *l);
/* usual_us: of a step; not above 0: not known yet. */
void ledger_step(struct ledger *l, const struct steps_closed *c, double usual_us);
/* What the phases took, milliseconds: start-up, running, ending; and earlier attempts. The
 * rows then sum up to all of these together. Once, at the end. */
void ledger_close(struct ledger *l, uint64_t start_ms, uint64_t run_ms, uint64_t end_ms,
                  uint64_t earlier_ms);
const char *ledger_name(enum ledger_row r);   /* "productive": in files */
const char *ledger_phrase(enum ledger_row r); /* "waiting for the slowest rank" */
/* Productive / all, 0 to 1; NAN: no step was marked, or no time passed. */
double ledger_goodput(const struct ledger *l);

#endif
