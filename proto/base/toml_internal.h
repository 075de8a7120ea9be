/* SPDX-License-Identifier: MIT */
/* toml_internal - what the files of the TOML reader share; nobody else includes it.
 *
 * toml.c       the document: parse, destroy, complain
 * toml_text.c  the text made clean once, and positions in it
 * toml_parse.c the grammar        toml_tree.c  tables, and who may add to them
 * toml_string.c, toml_scalar.c, toml_date.c    single values
 * toml_show.c  errors as users see them
 */
#ifndef PROTO_BASE_TOML_INTERNAL_H
#define PROTO_BASE_TOML_INTERNAL_H

#include "proto/base/limits.h"
#include "proto/base/toml.h"

/* toml_node.flags: how a table or array came to be decides who may add to it. */
enum {
    TOML_F_IMPLICIT = 1, /* named in passing by [a.b]: may be defined later */
    TOML_F_DOTTED = 2,   /* made by a dotted key: more dotted keys, no header */
    TOML_F_HEADER = 4,   /* [a], or one element of [[a]] */
    TOML_F_INLINE = 8,   /* closed for ever */
    TOML_F_TABLES = 16,  /* an array made by [[a]] */
};

/* What lies around every toml_node: the node comes first, so that one is the other. */
struct toml_inner {
    struct toml_node node;
    struct toml_node *last;   /* child: appending must not walk a long array */
    struct toml_inner *chain; /* the next of the same hash */
    unsigned depth;           /* 0: the root */
};

struct toml_error {
    struct toml_pos at;
    struct toml_pos
        value; /* of the broken value: its meaning is not complained of too */
    char text[320];
};

struct toml_block {
    struct toml_block *next;
    _Alignas(max_align_t) unsigned char data[];
};

#define TOML_HASH 4096u

struct toml_doc {
    char *name;
    char *text; /* clean: valid UTF-8, no CR, no control but tab and LF; NUL-ended */
    size_t len;
    struct toml_node *root;
    struct toml_block *blocks; /* every node and string, for toml_destroy */
    struct toml_inner **hash;  /* (table, key) -> node; while parsing */
    struct toml_error errors[LIMIT_TOML_ERRORS]; /* in order of position */
    size_t n_errors, n_left_out;
};

struct toml_parser {
    struct toml_doc *d;
    const char *at, *end;    /* *end is NUL */
    struct toml_node *table; /* where "key = value" lines go */
    unsigned open; /* brackets and braces now open: where to go on after an error */
    struct {
        const char *at;
        struct toml_pos pos;
    } mark; /* the last position asked for: they are asked for in order */
    struct toml_pos value; /* of the value being read */
    bool no_memory;
};

/* toml_text.c */
int toml_clean(struct toml_doc *d, const char *text, size_t len);
struct toml_pos toml_pos_of(struct toml_parser *p, const char *at);
/* Start of a line of the clean text; past the end for a line that is not there. */
const char *toml_line(const struct toml_doc *d, unsigned line, size_t *ret_len);

/* toml.c */
/* A syntax error at a place of the text; returns -1. */
int toml_fail(struct toml_parser *p, const char *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* What stands at a place, for "found %s". */
const char *toml_found(const struct toml_parser *p, const char *at, char buf[48]);

/* toml_parse.c: into d->root. */
void toml_read_document(struct toml_parser *p);

/* toml_tree.c: NULL and no_memory when memory is gone. */
void *toml_alloc(struct toml_parser *p, size_t size);
struct toml_node *toml_new_node(struct toml_parser *p);
/* Put a node at the end of a table or array; -1 when nested too deep. */
int toml_attach(struct toml_parser *p, struct toml_node *into, struct toml_node *node);
/* The places that keys name; keys are a list of nodes with only their key set. -1 or
 * NULL after complaining. */
int toml_place_pair(struct toml_parser *p, struct toml_node *table,
                    struct toml_node *keys, struct toml_node **ret_last);
struct toml_node *toml_place_header(struct toml_parser *p, struct toml_node *keys,
                                    struct toml_pos pos, bool array);

/* Values: fill the node and move p->at past the value. 0 even after complaining, when
 * what follows can still be read; -1 when it cannot. */
int toml_read_string(struct toml_parser *p, struct toml_node *node);
int toml_read_scalar(struct toml_parser *p, struct toml_node *node);
/* One quoted string on one line: a key. */
int toml_read_quoted_key(struct toml_parser *p, char **ret, size_t *ret_len);

/* A date, a time or both at `at`, whose text ends at most at `end`: how many bytes, 0
 * when it is none, with *ret_why. */
size_t toml_date(const char *at, const char *end, const char **ret_why);

#endif
