/* SPDX-License-Identifier: MIT */
/* driftlines - the few lines that are said of drift. No clock, no job.
 *
 * What begins and ends is gathered for a second, since agents look at about the same time:
 * the same trouble of many ranks is one line. Bounded, whatever nodes send: of each kind of
 * news the first ranks are kept and of the others the numbers, and there are few kinds.
 */
#ifndef LAUNCHER_DRIFTLINES_H
#define LAUNCHER_DRIFTLINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "launcher/binding.h"
#include "proto/base/rankset.h"

#define DRIFTLINES_EACH  3u  /* ranks with the same trouble that get a line each */
#define DRIFTLINES_KINDS 16u /* begins, ends, is lost from sight: of four checks */
#define DRIFTLINES_MOST  20u /* lines in an attempt */

enum driftlines_change { DRIFT_BEGINS, DRIFT_ENDS, DRIFT_LOST };

struct driftlines_one {
    uint32_t rank;
    char text[400]; /* LOST: why nothing can be seen any more */
    uint64_t from_ms, to_ms;
};

struct driftlines_kind {
    enum driftlines_change change;
    char what[33];
    struct driftlines_one first[DRIFTLINES_EACH];
    size_t n_first;
    struct rankset ranks;
};

struct driftlines { /* begins zeroed */
    struct driftlines_kind kinds[DRIFTLINES_KINDS];
    size_t n;
    uint64_t since_ms; /* of the first of what waits */
    unsigned lines;    /* said so far */
    bool left_out;     /* there were more kinds */
};

void driftlines_add(struct driftlines *w, uint32_t rank,
                    const struct binding_news *news, size_t i, uint64_t now_ms);
/* Say what waits when it has waited long enough, or is the last. */
void driftlines_say(struct driftlines *w, const char *const *node_of_rank,
                    uint64_t now_ms, bool last,
                    void (*say)(void *arg, bool is_warning, const char *text),
                    void *arg);
void driftlines_fini(struct driftlines *w);

#endif
