/* SPDX-License-Identifier: MIT */
/* report_variance_json - what run.json says of where the time went, both ways. A part of
 * report_json, whose head describes it. */
#ifndef LAUNCHER_REPORT_VARIANCE_JSON_H
#define LAUNCHER_REPORT_VARIANCE_JSON_H

#include <stddef.h>

#include "proto/base/buf.h"
#include "proto/base/err.h"

struct report_view;
struct json_t; /* jansson's */

/* The objects "variance", "series", "ledger", "cost" and "signals" with commas before them;
 * null where nothing is known. */
int variance_to_json(const struct report_view *v, struct buf *out);
/* Of the root, when nodes, ranks and steps are there. Objects that are missing, as in files
 * of older versions, are not known. ERR_PARSE, -ENOMEM. */
int variance_from_json(struct report_view *v, const struct json_t *root, struct err *e);

#endif
