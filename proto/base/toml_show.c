/* SPDX-License-Identifier: MIT */
/* toml_show.c - errors as users see them: place, text, the line and a caret.
 *
 * Columns in the text count characters, as editors do; the caret stands where a
 * terminal shows the character, with tabs and wide characters counted as they show.
 */
#include "proto/base/toml_internal.h"
#include "proto/base/utf8.h"

#include <stdio.h>
#include <string.h>

#define TAB_STOP  4u
#define MAX_WIDTH 72u /* columns of a line that are shown, around the caret */

/* A walk over a line, a character at a time. */
struct glyph {
    const char *at;
    size_t left;
    unsigned col; /* on the terminal, from 0 */
    unsigned width;
    size_t bytes;
};

static bool glyph_next(struct glyph *g)
{
    g->at += g->bytes;
    g->left -= g->bytes;
    g->col += g->width;
    if (g->left == 0)
        return false;
    uint32_t c = ' ';
    g->bytes = utf8_decode(g->at, g->left, &c);
    if (g->bytes == 0) /* a clean text has none; an iteration must make way anyway */
        g->bytes = 1;
    g->width = c == '\t' ? TAB_STOP - g->col % TAB_STOP : utf8_width(c);
    return true;
}

static unsigned terminal_column(const char *line, size_t len, unsigned col)
{
    struct glyph g = {.at = line, .left = len};
    for (unsigned i = 1; glyph_next(&g) && i < col; i++)
        ;
    return g.col;
}

static int add_spaces(struct buf *out, unsigned n)
{
    return buf_printf(out, "%*s", (int)n, "");
}

/* The columns [from, to) of the line. */
static int add_window(struct buf *out, const char *line, size_t len, unsigned from,
                      unsigned to)
{
    struct glyph g = {.at = line, .left = len};
    int rc = 0;
    while (rc == 0 && glyph_next(&g)) {
        if (g.col + g.width <= from && g.width)
            continue;
        if (g.col + g.width > to)
            break;
        if (g.col < from) /* half of a tab or of a wide character */
            rc = add_spaces(out, g.col + g.width - from);
        else if (*g.at == '\t')
            rc = add_spaces(out, g.width);
        else if (g.width == 1 && (unsigned char)g.at[0] == 0xc2 &&
                 (unsigned char)g.at[1] < 0xa0)
            rc = buf_add(out, "?", 1); /* C1: a terminal may obey it */
        else
            rc = buf_add(out, g.at, g.bytes);
    }
    return rc;
}

static int show_line(const struct toml_doc *d, struct toml_pos at, struct buf *out)
{
    size_t len;
    const char *line = toml_line(d, at.line, &len);
    unsigned caret = terminal_column(line, len, at.col);
    unsigned width = terminal_column(line, len, (unsigned)len + 1);
    unsigned from = 0, to = width;
    if (width > MAX_WIDTH) {
        from = caret > MAX_WIDTH / 2 ? caret - MAX_WIDTH / 2 : 0;
        if (from + MAX_WIDTH > width)
            from = width > MAX_WIDTH ? width - MAX_WIDTH : 0;
        to = from + MAX_WIDTH;
    }
    const char *before = from > 0 ? "..." : "", *behind = to < width ? "..." : "";
    int digits = snprintf(NULL, 0, "%u", at.line);
    int rc = buf_printf(out, "  %u | %s", at.line, before);
    if (rc == 0)
        rc = add_window(out, line, len, from, to);
    if (rc == 0)
        rc = buf_printf(out, "%s\n  %*s | ", behind, digits, "");
    if (rc == 0)
        rc = add_spaces(out, caret - from + (unsigned)strlen(before));
    return rc < 0 ? rc : buf_printf(out, "^\n");
}

int toml_errors(const struct toml_doc *d, struct buf *out)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < d->n_errors; i++) {
        const struct toml_error *e = &d->errors[i];
        if (e->at.line == 0) {
            rc = buf_printf(out, "%s: %s\n", d->name, e->text);
            continue;
        }
        rc = buf_printf(out, "%s:%u:%u: %s\n", d->name, e->at.line, e->at.col, e->text);
        if (rc == 0)
            rc = show_line(d, e->at, out);
    }
    if (rc == 0 && d->n_left_out)
        rc = buf_printf(out, "%s: %zu more errors are not shown\n", d->name,
                        d->n_left_out);
    return rc;
}
