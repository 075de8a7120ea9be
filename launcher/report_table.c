/* SPDX-License-Identifier: MIT */
/* report_table.c - see report_table.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/report_table.h"
#include "proto/base/utf8.h"

#define GAP        2u /* blanks between columns, and before the first */
#define FLEX_LEAST 6u /* a name cut shorter says nothing */

/* The character at text: its bytes, and its columns in *ret. What is no UTF-8 counts as
 * one of each. */
static size_t character(const char *text, unsigned *ret)
{
    uint32_t c;
    size_t n = utf8_decode(text, strnlen(text, 4), &c);
    *ret = n > 0 ? utf8_width(c) : 1;
    return n > 0 ? n : 1;
}

static size_t columns_of(const char *text, size_t bytes)
{
    size_t columns = 0;
    unsigned wide;
    for (size_t i = 0; i < bytes;) {
        i += character(text + i, &wide);
        columns += wide;
    }
    return columns;
}

size_t text_columns(const char *text)
{
    return columns_of(text, strlen(text));
}

/* Bytes of the first characters that fit in `columns`. */
static size_t text_bytes(const char *text, size_t columns)
{
    size_t n = 0, used = 0;
    unsigned wide;
    while (text[n]) {
        size_t len = character(text + n, &wide);
        if (used + wide > columns)
            break;
        n += len;
        used += wide;
    }
    return n;
}

void page_printf(struct page *p, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (p->rc == 0 && n > 0)
        p->rc = buf_printf(p->out, "%s", text);
}

void page_wrap(struct page *p, const char *first, const char *text)
{
    size_t indent = text_columns(first), at = indent;
    bool fresh = true; /* nothing on this line yet */
    page_printf(p, "%s", first);
    while (*(text += strspn(text, " \t\n"))) {
        size_t len = strcspn(text, " \t\n"), room = PAGE_COLUMNS - indent;
        size_t wide = columns_of(text, len);
        if (wide > room) { /* a path, mostly: broken rather than run over the edge */
            len = text_bytes(text, room);
            wide = room;
        }
        if (!fresh && at + 1 + wide > PAGE_COLUMNS) {
            page_printf(p, "\n%*s", (int)indent, "");
            at = indent;
            fresh = true;
        }
        page_printf(p, "%s%.*s", fresh ? "" : " ", (int)len, text);
        at += wide + !fresh;
        fresh = false;
        text += len;
    }
    page_printf(p, "\n");
}

void table_init(struct table *t, const char *align)
{
    *t = (struct table){.align = align, .n_columns = strlen(align)};
}

void table_fini(struct table *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->cells[i]);
    free(t->cells);
    *t = (struct table){0};
}

void table_cell(struct table *t, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    if (t->bad)
        return;
    if (t->n == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 64;
        char **cells = realloc(t->cells, cap * sizeof *cells);
        if (!cells) {
            t->bad = true;
            return;
        }
        t->cells = cells;
        t->cap = cap;
    }
    va_start(ap, fmt);
    t->bad = vasprintf(&text, fmt, ap) < 0;
    va_end(ap);
    if (!t->bad)
        t->cells[t->n++] = text;
}

static void print_cell(struct page *p, const char *text, size_t width, char align,
                       bool last)
{
    size_t wide = text_columns(text), pad = wide < width ? width - wide : 0;
    const char *dots = "";
    size_t bytes = strlen(text);
    if (wide > width) {
        bytes = text_bytes(text, width - 2);
        dots = "..";
    }
    page_printf(p, "%*s%.*s%s", (int)(GAP + (align == 'r' ? pad : 0)), "", (int)bytes,
                text, dots);
    if (align == 'l' && !last)
        page_printf(p, "%*s", (int)pad, "");
}

static void find_widths(const struct table *t, size_t flex, size_t *widths)
{
    size_t sum = 0;
    for (size_t c = 0; c < t->n_columns; c++) {
        widths[c] = 0;
        for (size_t i = c; i < t->n; i += t->n_columns) {
            size_t wide = text_columns(t->cells[i]);
            widths[c] = wide > widths[c] ? wide : widths[c];
        }
        sum += GAP + widths[c];
    }
    if (sum > PAGE_COLUMNS) {
        size_t over = sum - PAGE_COLUMNS, can = widths[flex];
        can = can > FLEX_LEAST ? can - FLEX_LEAST : 0;
        widths[flex] -= over < can ? over : can;
    }
}

void table_print(struct table *t, struct page *p, size_t flex)
{
    size_t *widths = calloc(t->n_columns, sizeof *widths);
    if (t->bad || !widths) {
        p->rc = p->rc ? p->rc : -ENOMEM;
        free(widths);
        return;
    }
    find_widths(t, flex, widths);
    for (size_t i = 0; i < t->n; i++) {
        size_t c = i % t->n_columns;
        bool last = c + 1 == t->n_columns;
        print_cell(p, t->cells[i], widths[c], t->align[c], last);
        if (last)
            page_printf(p, "\n");
    }
    free(widths);
}
