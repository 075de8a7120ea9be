/* SPDX-License-Identifier: MIT */
/* report_history - the attempts of a run that had several. A part of report. */
#ifndef LAUNCHER_REPORT_HISTORY_H
#define LAUNCHER_REPORT_HISTORY_H

#include "launcher/report_view.h"

struct json_t; /* jansson's */

int view_copy_history(struct report_view *v, const struct summary *s); /* 0, -ENOMEM */
void view_free_history(struct report_view *v);
void page_history(struct page *p, const struct report_view *v);
/* Attempts before the last one have done something. */
bool view_has_history(const struct report_view *v);

/* report_history_json.c: ',"history": [...]', nothing for a run of one attempt. */
int history_to_json(const struct report_view *v, struct buf *out);
int history_from_json(struct report_view *v, const struct json_t *root, struct err *e);

#endif
