/* SPDX-License-Identifier: MIT */
/* report_binding_json - a rank's binding in run.json, both ways. A part of report_json,
 * whose head describes it. */
#ifndef LAUNCHER_REPORT_BINDING_JSON_H
#define LAUNCHER_REPORT_BINDING_JSON_H

#include "launcher/binding.h"
#include "proto/base/err.h"

struct json_t; /* jansson's */

struct json_t *binding_to_json(const struct binding *b); /* NULL: no memory */
/* -ENOMEM, or ERR_PARSE saying what is wrong. */
int binding_from_json(const struct json_t *o, struct binding **ret, struct err *e);

#endif
