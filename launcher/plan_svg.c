/* SPDX-License-Identifier: MIT */
/* plan_svg.c - the boxes of a plan as one SVG: no script, no font, image or style from
 * elsewhere, colours for light and dark. Boxes in a box flow in rows. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/plan_draw.h"
#include "launcher/report_table.h"
#include "proto/base/utf8.h"

#define GLYPH     7 /* of the widest of usual fonts at 12 px, on average */
#define LINE      16
#define PAD       8
#define GAP       8
#define BOXES_MAX (1u << 20)

struct rect {
    const struct draw_box *box;
    struct rect *children, *next;
    int x, y, width, height; /* of the parent's corner */
};

static const char *const classes[] = {
    [DRAW_NODE] = "node",     [DRAW_PACKAGE] = "package", [DRAW_NUMA] = "numa",
    [DRAW_L3] = "l3",         [DRAW_CORES] = "cores",     [DRAW_HOST] = "host",
    [DRAW_SWITCH] = "switch", [DRAW_GPU] = "gpu",         [DRAW_NIC] = "nic",
};

/* How wide rows may become before the next begins. */
static const int row_width[] = {
    [DRAW_NODE] = 1500,  [DRAW_PACKAGE] = 740, [DRAW_NUMA] = 720,
    [DRAW_L3] = 700,     [DRAW_CORES] = 0,     [DRAW_HOST] = 700,
    [DRAW_SWITCH] = 680, [DRAW_GPU] = 0,       [DRAW_NIC] = 0,
};

static const char style[] =
    "<style>\n"
    "svg { background: #fff; font: 12px system-ui, sans-serif; }\n"
    "text { fill: #1b1f24; } .t { font-weight: 600; } .r { fill: #0a5c2b; }\n"
    ".m { fill: #a40e26; }\n"
    "rect { fill: #fff; stroke: #8c959f; rx: 4px; }\n"
    ".node { fill: #f6f8fa; } .package { fill: #eef1f4; } .numa { fill: #fff; }\n"
    ".cores, .l3 { fill: #f0f6ff; } .host { fill: #f8f5ee; } .switch { fill: #f1ebdd; "
    "}\n"
    ".gpu { fill: #e3f4e6; stroke: #2da44e; } .nic { fill: #e4effb; stroke: #0969da; "
    "}\n"
    ".off { fill: #f3f3f3; stroke: #8c959f; stroke-dasharray: 4 3; }\n"
    "@media (prefers-color-scheme: dark) {\n"
    "svg { background: #0d1117; } text { fill: #e6edf3; } .r { fill: #7ee2a0; }\n"
    ".m { fill: #ff8f8f; } rect { fill: #0d1117; stroke: #6e7681; }\n"
    ".node { fill: #12161d; } .package { fill: #171c24; } .numa { fill: #10151c; }\n"
    ".cores, .l3 { fill: #152238; } .host { fill: #221f17; } .switch { fill: #2d2819; "
    "}\n"
    ".gpu { fill: #12301b; stroke: #3fb950; } .nic { fill: #10263f; stroke: #58a6ff; "
    "}\n"
    ".off { fill: #1b1b1b; stroke: #6e7681; }\n"
    "}\n"
    "</style>\n";

static void rect_free(struct rect *r)
{
    while (r) {
        struct rect *next = r->next;
        rect_free(r->children);
        free(r);
        r = next;
    }
}

static int text_width(const char *text)
{
    return text ? (int)text_columns(text) * GLYPH : 0;
}

static int larger(int a, int b)
{
    return a > b ? a : b;
}

/* Titles are bold, and so wider. */
static int title_gap(const struct draw_box *b)
{
    return 2 * GLYPH + text_width(b->title) / GLYPH;
}

/* Title and detail in one line where there are boxes below, else line by line. */
static int lines_of(const struct draw_box *b)
{
    return b->children ? 1 : 1 + !!b->detail[0] + !!b->mark + !!b->ranks;
}

static void lay_out(struct rect *r)
{
    const struct draw_box *b = r->box;
    int limit = row_width[b->kind], top = PAD + LINE * lines_of(b);
    int x = PAD, y = top, row = 0, wide = 0;
    for (struct rect *c = r->children; c; c = c->next) {
        if (x > PAD && x + c->width > limit) {
            x = PAD;
            y += row + GAP;
            row = 0;
        }
        c->x = x;
        c->y = y;
        x += c->width + GAP;
        row = larger(row, c->height);
        wide = larger(wide, x - GAP);
    }
    int own = b->children ? text_width(b->title) + title_gap(b) + text_width(b->detail)
                          : larger(larger(text_width(b->title), text_width(b->detail)),
                                   larger(text_width(b->mark), text_width(b->ranks)));
    r->width = larger(wide, PAD + own) + PAD;
    r->height = (r->children ? y + row : top) + PAD;
}

/* NULL: no memory. Boxes are few levels deep. */
static struct rect *make_rects(const struct draw_box *b)
{
    struct rect *first = NULL, **at = &first;
    for (; b; b = b->next) {
        struct rect *r = calloc(1, sizeof *r);
        if (!r || (b->children && !(r->children = make_rects(b->children)))) {
            free(r);
            rect_free(first);
            return NULL;
        }
        r->box = b;
        lay_out(r);
        *at = r;
        at = &r->next;
    }
    return first;
}

static int print_escaped(const char *text, struct buf *out)
{
    char *copy = strdup(text);
    int rc = copy ? 0 : -ENOMEM;
    if (copy)
        utf8_make_printable(copy);
    for (const char *c = copy; rc == 0 && *c; c++) {
        switch (*c) {
        case '&':
            rc = buf_printf(out, "&amp;");
            break;
        case '<':
            rc = buf_printf(out, "&lt;");
            break;
        case '>':
            rc = buf_printf(out, "&gt;");
            break;
        default:
            rc = buf_add(out, c, 1);
        }
    }
    free(copy);
    return rc;
}

static int print_text(const char *class, int x, int y, const char *text,
                      struct buf *out)
{
    int rc = buf_printf(out, "<text class=\"%s\" x=\"%d\" y=\"%d\">", class, x, y);
    if (rc == 0)
        rc = print_escaped(text, out);
    return rc == 0 ? buf_printf(out, "</text>\n") : rc;
}

static int print_words(const struct draw_box *b, int x, int y, struct buf *out)
{
    const struct {
        const char *class, *text;
    } lines[] = {{"d", b->detail}, {"m", b->mark}, {"r", b->ranks}};
    int rc = print_text("t", x, y, b->title, out);
    if (rc == 0 && b->children && b->detail[0])
        return print_text("d", x + text_width(b->title) + title_gap(b), y, b->detail,
                          out);
    for (size_t i = 0; i < 3 && rc == 0 && !b->children; i++) {
        if (lines[i].text && lines[i].text[0])
            rc = print_text(lines[i].class, x, y += LINE, lines[i].text, out);
    }
    return rc;
}

static int print_rects(const struct rect *r, int x, int y, struct buf *out)
{
    int rc = 0;
    for (; r && rc == 0; r = r->next) {
        int left = x + r->x, top = y + r->y;
        rc = buf_printf(out,
                        "<rect class=\"%s%s\" x=\"%d\" y=\"%d\" width=\"%d\" "
                        "height=\"%d\"/>\n",
                        classes[r->box->kind], r->box->mark ? " off" : "", left, top,
                        r->width, r->height);
        if (rc == 0)
            rc = print_words(r->box, left + PAD, top + LINE, out);
        if (rc == 0)
            rc = print_rects(r->children, left, top, out);
    }
    return rc;
}

static int print_all(struct rect *all, struct buf *out)
{
    int width = 0, height = PAD;
    for (struct rect *r = all; r; r = r->next) {
        r->x = PAD;
        r->y = height;
        width = larger(width, r->width + 2 * PAD);
        height += r->height + PAD;
    }
    int rc = buf_printf(out,
                        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" "
                        "height=\"%d\" viewBox=\"0 0 %d %d\">\n%s",
                        width, height, width, height, style);
    if (rc == 0)
        rc = print_rects(all, 0, 0, out);
    return rc == 0 ? buf_printf(out, "</svg>\n") : rc;
}

int plan_draw_svg(const struct plan_view *v, struct buf *out)
{
    struct draw_box *roots = NULL, **at = &roots;
    int rc = 0;
    for (size_t i = 0; i < v->n_blocks && rc == 0; i++) {
        *at = draw_build(v, i);
        rc = *at ? 0 : -ENOMEM;
        if (*at)
            at = &(*at)->next;
    }
    struct rect *all = rc == 0 ? make_rects(roots) : NULL;
    rc = all ? print_all(all, out) : -ENOMEM;
    rect_free(all);
    draw_free(roots);
    return rc;
}
