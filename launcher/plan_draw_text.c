/* SPDX-License-Identifier: MIT */
/* plan_draw_text.c - the boxes of a plan as indented lines. */
#include <errno.h>

#include "launcher/plan_draw.h"

static int draw(const struct draw_box *b, unsigned depth, struct buf *out)
{
    int rc = 0;
    for (; b && rc == 0; b = b->next) {
        rc = buf_printf(out, "%*s%s%s%s", (int)(2 * depth), "", b->title,
                        b->detail[0] ? "  " : "", b->detail);
        if (rc == 0 && b->mark)
            rc = buf_printf(out, "  [%s]", b->mark);
        if (rc == 0 && b->ranks)
            rc = buf_printf(out, "  <- %s", b->ranks);
        if (rc == 0)
            rc = buf_printf(out, "\n");
        if (rc == 0)
            rc = draw(b->children, depth + 1, out);
    }
    return rc;
}

int plan_draw_text(const struct plan_view *v, struct buf *out)
{
    int rc = 0;
    for (size_t i = 0; i < v->n_blocks && rc == 0; i++) {
        struct draw_box *root = draw_build(v, i);
        rc = root ? draw(root, 0, out) : -ENOMEM;
        draw_free(root);
    }
    return rc;
}
