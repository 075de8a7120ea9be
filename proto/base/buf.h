/* SPDX-License-Identifier: MIT */
/* buf - bytes that grow up to a hard maximum set at init; never past it.
 *
 * The caller owns the struct; buf_fini frees the bytes and takes a zeroed one.
 * Adding returns 0, -ENOMEM, or ERR_LIMIT when the maximum would be passed (the
 * buffer is then unchanged).
 */
#ifndef PROTO_BASE_BUF_H
#define PROTO_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    uint8_t *data;
    size_t len;
    size_t cap;
    size_t max;
};

void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);

int buf_add(struct buf *b, const void *data, size_t len);
int buf_printf(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3))); /* no NUL is counted; data stays C text */
/* Make room for len more bytes; *ret_at points at it. Add to b->len what was used. */
int buf_reserve(struct buf *b, size_t len, uint8_t **ret_at);
/* Add all that fd has, up to its end; also -errno. */
int buf_read(struct buf *b, int fd);
/* The line that begins at *at, without its newline and cut to what ret holds; *at is then
 * behind it. False: there is no whole line. */
bool buf_line(const struct buf *b, size_t *at, char *ret, size_t len);
/* Drop the first n bytes. */
void buf_consume(struct buf *b, size_t n);

#endif
