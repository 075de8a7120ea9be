/* SPDX-License-Identifier: MIT */
/* report_table - aligned columns and wrapped text for pages of a fixed width. A part of
 * report. Failures (no memory, buffer full) stick and are told once, at the end. */
#ifndef LAUNCHER_REPORT_TABLE_H
#define LAUNCHER_REPORT_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/base/buf.h"

#define PAGE_COLUMNS 100u

struct page {
    struct buf *out;
    int rc; /* the first failure */
};

void page_printf(struct page *p, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Words of the text, wrapped; `first` stands before the first line, as many blanks before
 * the others. */
void page_wrap(struct page *p, const char *first, const char *text);

struct table {
    const char *align; /* "l" or "r" for each column */
    size_t n_columns;
    char **cells;
    size_t n, cap;
    bool bad;
};

void table_init(struct table *t, const char *align);
void table_fini(struct table *t);
/* The next cell, row by row; the first row is the head. */
void table_cell(struct table *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Prints with two blanks before and between. Column `flex` is cut where the page would be
 * too wide. */
void table_print(struct table *t, struct page *p, size_t flex);

size_t text_columns(const char *text); /* of UTF-8 */

#endif
