/* SPDX-License-Identifier: MIT */
/* spelllines - the few lines that are said of ranks that become slow and recover. No clock,
 * no job.
 *
 * A cause that ranks share slows them at about the same step, so what begins and ends is
 * gathered for two seconds: ranks with something in common are one line, and so are many
 * without. There are few lines a minute; what comes in between waits, and is said together.
 */
#ifndef LAUNCHER_SPELLLINES_H
#define LAUNCHER_SPELLLINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "launcher/variance/attribute.h"
#include "proto/base/buf.h"

#define SPELLLINES_WAIT_MS 2000u
#define SPELLLINES_EACH    3u   /* ranks that get a line each */
#define SPELLLINES_KEPT    256u /* that wait; of more the report has all */
#define SPELLLINES_MINUTE  4u   /* lines, before the others wait for the next minute */
#define SPELLLINES_MOST    200u /* lines in an attempt */

struct spelllines_kind {
    struct spell list[SPELLLINES_KEPT];
    size_t n;
};

struct spelllines {                             /* begins zeroed */
    struct spelllines_kind began, ended, brief; /* brief: both while it waited */
    bool left_out;                              /* more than could wait */
    uint64_t since_ms;                          /* of the first of what waits */
    uint64_t minute_ms;        /* when the first line of a minute was said */
    unsigned in_minute, lines; /* said */
};

struct spelllines_words {
    const char *const *node_of_rank;
    const struct attribution *now; /* what is known of spells by now; may be NULL */
    /* What the ranks that are slow like this one have in common, as factor_common says it:
     * "ranks 12, 44: node n1"; nothing: no more than chance gives. */
    void (*common)(void *arg, const struct spell *s, struct buf *out);
    void (*say)(void *arg, bool is_warning, const char *text);
    void *arg;
};

/* A spell that has begun, or ended (over). */
void spelllines_add(struct spelllines *w, const struct spell *s, uint64_t now_ms);
/* It is time to say what waits. last: whatever it is. */
bool spelllines_due(const struct spelllines *w, uint64_t now_ms, bool last);
void spelllines_say(struct spelllines *w, const struct spelllines_words *words,
                    uint64_t now_ms);

#endif
