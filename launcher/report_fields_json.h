/* SPDX-License-Identifier: MIT */
/* report_fields_json - objects of run.json as lists of fields, which drive both writing and
 * reading, so that they are the schema. A part of report_json. What is read may have been
 * edited, cut, or be another program's: numbers are in range and finite, or refused by
 * name. */
#ifndef LAUNCHER_REPORT_FIELDS_JSON_H
#define LAUNCHER_REPORT_FIELDS_JSON_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"

struct json_t; /* jansson's */

enum field_type {
    FIELD_TEXT,
    FIELD_BOOL,
    FIELD_U32,
    FIELD_U64,
    FIELD_I64,
    FIELD_REAL,
    FIELD_AMOUNT, /* a double of 0 to 1e18 */
    FIELD_MAYBE,  /* the same, or NAN: null, not known */
    FIELD_COUNT,  /* a uint64_t, or UINT64_MAX: null, not known */
    FIELD_MECH,   /* an enum mechanism, by its name */
};
#define FIELD_LATER 0x100u /* a key that files of the first version have not */

struct field {
    const char *name;
    unsigned type; /* enum field_type, FIELD_LATER */
    size_t at;
};

long long fields_int(uint64_t v); /* saturates */
/* Fields end with one without a name. NULL: no memory. */
struct json_t *fields_to_json(const struct field *fields, const void *from);
/* `where` is for the error. ERR_PARSE, -ENOMEM. */
int fields_from_json(const struct field *fields, const struct json_t *o, void *to,
                     const char *where, struct err *e);
struct field_list { /* a key of run.json whose value is a list of such objects */
    const char *name;
    const struct field *fields;
    size_t size; /* of one */
};
struct buf;
/* Behind what is there: a comma, the key, the list. */
int fields_list_to_json(const struct field_list *l, const void *all, size_t n,
                        struct buf *out);
/* *ret, *ret_n: as far as it came, to be freed also after a failure. No such key: none. */
int fields_list_from_json(const struct field_list *l, const struct json_t *root,
                          void **ret, size_t *ret_n, struct err *e);
/* ERR_PARSE: "name" in "where" is `what`. */
int fields_bad(struct err *e, const char *where, const char *name, const char *what);

#endif
