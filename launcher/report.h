/* SPDX-License-Identifier: MIT */
/* report - a run's summary as a page for people, and as run.json. Pure. */
#ifndef LAUNCHER_REPORT_H
#define LAUNCHER_REPORT_H

#include "launcher/summary.h"

int report_text(const struct summary *s, struct buf *out);
int report_json(const struct summary *s, struct buf *out);
#define REPORT_RANKS_MOST 10000000
/* The page again from a run.json (aolani-run report RUN). ranks: also what so many like
 * these would lose; 0: nobody asked. */
int report_text_from_json(const char *json, size_t len, uint32_t ranks, struct buf *out,
                          struct err *e);

#endif
