/* SPDX-License-Identifier: MIT */
/* buf.c - see buf.h. */
#include "proto/base/buf.h"

#include "proto/base/err.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_fini(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}

int buf_reserve(struct buf *b, size_t len, uint8_t **ret_at)
{
    if (len > b->max - b->len)
        return ERR_LIMIT;
    size_t need = b->len + len + 1; /* one more, so that text can be NUL-ended */
    if (need > b->cap) {
        size_t cap = b->cap ? b->cap : 256;
        while (cap < need)
            cap *= 2;
        uint8_t *data = realloc(b->data, cap);
        if (!data)
            return -ENOMEM;
        b->data = data;
        b->cap = cap;
    }
    *ret_at = b->data + b->len;
    return 0;
}

int buf_add(struct buf *b, const void *data, size_t len)
{
    uint8_t *at;
    int rc = buf_reserve(b, len, &at);
    if (rc < 0)
        return rc;
    if (len)
        memcpy(at, data, len);
    b->len += len;
    b->data[b->len] = '\0';
    return 0;
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        return -EINVAL;
    uint8_t *at;
    int rc = buf_reserve(b, (size_t)n, &at);
    if (rc < 0)
        return rc;
    va_start(ap, fmt);
    (void)vsnprintf((char *)at, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
    return 0;
}

void buf_consume(struct buf *b, size_t n)
{
    assert(n <= b->len);
    if (n == 0)
        return;
    memmove(b->data, b->data + n, b->len - n);
    b->len -= n;
}

bool buf_line(const struct buf *b, size_t *at, char *ret, size_t len)
{
    const uint8_t *from = b->len > *at ? b->data + *at : NULL;
    const uint8_t *nl = from ? memchr(from, '\n', b->len - *at) : NULL;
    if (!nl)
        return false;
    size_t n = (size_t)(nl - from), keep = n < len ? n : len - 1;
    memcpy(ret, from, keep);
    ret[keep] = '\0';
    *at += n + 1;
    return true;
}

int buf_read(struct buf *b, int fd)
{
    for (;;) {
        uint8_t *at, last;
        size_t room = b->max - b->len < 65536 ? b->max - b->len : 65536;
        int rc = room > 0 ? buf_reserve(b, room, &at) : 0;
        if (rc < 0)
            return rc;
        /* Full: there may be an end, but no more bytes. */
        ssize_t n = room > 0 ? read(fd, at, room) : read(fd, &last, 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : 0;
        if (room == 0)
            return ERR_LIMIT;
        b->len += (size_t)n;
    }
}
