/* SPDX-License-Identifier: MIT */
/* stall - whether a job that ended steps has stopped to. Pure: told when steps come and
 * when it is.
 *
 * What counts is when news of a step of any rank comes, not how long steps are: ranks known
 * by a line every hundred steps are silent between. The pauses are those between steps
 * that no rank had ended before: of one step each rank brings news.
 *
 * A stall begins STALL_MS after the last news, or STALL_USUAL times the usual pause, or
 * STALL_LONGEST times the longest that went over by itself, whichever is longest:
 * evaluations and checkpoints are silent too, and one that was seen is no news. The first
 * pause does not count as the longest: it has the program's warming up in it. Nor does what
 * is longer than STALL_MOST_MS, or a job that once hung for a day would be watched no more.
 * Before the second step nothing is known of the usual.
 *
 * While the way to some node is down (known = false) nothing is known, and the time does
 * not count. Nor does that in which nobody ticked: the launcher itself was stopped. */
#ifndef LAUNCHER_VARIANCE_STALL_H
#define LAUNCHER_VARIANCE_STALL_H

#include <stdbool.h>
#include <stdint.h>

#include "launcher/variance/usual.h"

#define STALL_MS       30000u
#define STALL_USUAL    10u
#define STALL_LONGEST  2u
#define STALL_MOST_MS  1800000u /* as the longest pause that counts */
#define STALL_AGAIN_MS 10000u  /* the second look: what did not move between is stuck */
#define STALL_LATER_MS 600000u /* and then every ten minutes */
#define STALL_GAP_MS   5000u   /* between two ticks: nobody looked */

enum stall_turn {
    STALL_NOTHING,
    STALL_BEGINS, /* look for the first time */
    STALL_LASTS,  /* look again */
    STALL_OVER,   /* by stall_news: a step came after all */
};

struct stall {
    struct usual pauses; /* ms */
    uint32_t least_ms;   /* STALL_MS, but in tests */
    uint32_t step;       /* the highest that any rank ended */
    uint32_t n;          /* steps that were news; saturates */
    uint64_t news_ms;    /* of any rank; moved by time that does not count, like */
    uint64_t step_ms;    /* when `step` was news, */
    uint64_t looked_ms;
    uint64_t at_ms; /* when it was last told anything */
    uint64_t longest_ms;
    unsigned looks; /* in this stall; 0: there is none */
};

void stall_init(struct stall *s, uint32_t least_ms); /* 0: STALL_MS */
/* Some rank has ended this step. STALL_OVER or STALL_NOTHING; *ret_ms: how long the stall
 * was. */
enum stall_turn stall_news(struct stall *s, uint64_t now_ms, uint32_t step,
                           uint64_t *ret_ms);
/* The numbers of steps have fallen: this one comes next. */
void stall_fall(struct stall *s, uint32_t step);
/* At least once a second. */
enum stall_turn stall_tick(struct stall *s, uint64_t now_ms, bool known);
uint64_t stall_gap_ms(const struct stall *s,
                      uint64_t now_ms);          /* nobody looked; 0: none */
uint64_t stall_usual_ms(const struct stall *s);  /* between steps; 0: not known */
uint64_t stall_silent_ms(const struct stall *s); /* since the last news, as of now */

#endif
