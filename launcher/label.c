/* SPDX-License-Identifier: MIT */
/* label.c - see label.h. */
#include "launcher/label.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int label_init(struct label *l, const char *text)
{
    *l = (struct label){.text = strdup(text)};
    buf_init(&l->held, LABEL_HOLD);
    return l->text ? 0 : -ENOMEM;
}

void label_fini(struct label *l)
{
    free(l->text);
    buf_fini(&l->held);
    *l = (struct label){0};
}

/* One piece: what is held, then data. */
static int emit(struct label *l, const char *data, size_t len, struct buf *out)
{
    bool ended = len > 0 && data[len - 1] == '\n';
    int rc = buf_add(out, l->text, strlen(l->text));
    if (rc == 0)
        rc = buf_add(out, l->held.data, l->held.len);
    if (rc == 0)
        rc = buf_add(out, data, len);
    if (rc == 0 && l->text[0] && !ended)
        rc = buf_add(out, "\n", 1);
    l->held.len = 0;
    return rc;
}

int label_feed(struct label *l, const void *data, size_t len, struct buf *out)
{
    const char *p = data;
    while (len > 0) {
        size_t room = LABEL_HOLD - l->held.len;
        const char *newline = memchr(p, '\n', len < room ? len : room);
        size_t take = newline ? (size_t)(newline - p) + 1 : len < room ? len : room;
        int rc = newline || take == room ? emit(l, p, take, out)
                                         : buf_add(&l->held, p, take);
        if (rc < 0)
            return rc;
        p += take;
        len -= take;
    }
    return 0;
}

int label_flush(struct label *l, struct buf *out)
{
    return l->held.len > 0 ? emit(l, NULL, 0, out) : 0;
}
