/* SPDX-License-Identifier: MIT */
/* toml - a TOML 1.0 reader that keeps where everything stood.
 *
 * toml_parse builds a tree owned by the document; toml_destroy frees all. Syntax
 * errors are collected (recovering at the next line), so that a user sees all of a
 * file's errors at once. Meaning (which keys exist, types, ranges) belongs to the
 * reader of the tree, who adds its own errors with toml_complain; toml_errors
 * prints all in order of position as
 *
 *   job.toml:7:12: expected a duration, found an array
 *     7 | time_limit = ["1h"]
 *       |              ^
 */
#ifndef PROTO_BASE_TOML_H
#define PROTO_BASE_TOML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/err.h"

enum toml_type {
    TOML_STRING,
    TOML_INTEGER,
    TOML_FLOAT,
    TOML_BOOLEAN,
    TOML_DATETIME, /* offset, local, date or time: kept as text, checked */
    TOML_ARRAY,
    TOML_TABLE,
};

struct toml_pos {
    unsigned line, col; /* from 1; col counts Unicode characters */
};

struct toml_node {
    enum toml_type type;
    struct toml_pos pos; /* of the value (a table: of its header or brace) */
    char *
        key; /* in its table; NULL in an array; UTF-8; may hold NUL from \u0000: use key_len */
    size_t key_len;
    struct toml_pos key_pos;
    struct toml_node *next; /* sibling, in file order */
    union {
        struct {
            char *data; /* UTF-8, NUL-ended; may hold NUL from \u0000: use len */
            size_t len;
        } string; /* also TOML_DATETIME */
        int64_t integer;
        double number;
        bool boolean;
        struct toml_node *first; /* TOML_ARRAY, TOML_TABLE */
    } u;
    struct toml_node *parent;
    unsigned flags; /* the parser's own */
};

struct toml_doc;

/* name is what errors call the file. Text needs no NUL at its end. Returns 0 with a
 * document even when there are syntax errors: see toml_n_errors. Fails only with -ENOMEM
 * or ERR_LIMIT (size). */
int toml_parse(const char *name, const char *text, size_t len, struct toml_doc **ret,
               struct err *e);
/* As toml_parse, from a file; -errno when it cannot be read. */
int toml_parse_file(const char *path, struct toml_doc **ret, struct err *e);
void toml_destroy(struct toml_doc *d);

const struct toml_node *toml_root(const struct toml_doc *d);
const struct toml_node *toml_get(const struct toml_node *table, const char *key);
const char *toml_type_name(enum toml_type t); /* "a string", "an array", ... */

/* Add an error at a place of the file; line 0 is the file as a whole. At most
 * LIMIT_TOML_ERRORS are kept. Nothing is added about a value that could not be read: it
 * stands in the tree as the string that was typed, and one error about it is enough. */
void toml_complain(struct toml_doc *d, struct toml_pos at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
size_t toml_n_errors(const struct toml_doc *d);
/* All errors in order of position with line and caret; a last line counts those left
 * out. */
int toml_errors(const struct toml_doc *d, struct buf *out);

#endif
