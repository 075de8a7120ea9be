/* SPDX-License-Identifier: MIT */
/* journal_reader.c - records out of a journal, whatever bytes it holds.
 *
 * A length is believed only as far as the file has bytes for it, so memory is bounded by
 * the file and LIMIT_JOURNAL_RECORD. The first record that is not whole, or whose CRC
 * disagrees, is the end: the writer commits in order, so nothing behind it was promised.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher/journal.h"
#include "launcher/journal_impl.h"
#include "proto/base/buf.h"
#include "proto/base/limits.h"

#define READ_BYTES (256u << 10)

struct journal_reader {
    int fd;
    char *path;
    struct buf b;    /* bytes read and not yet past */
    size_t at;       /* in b: the next record */
    uint64_t offset; /* in the file: end of the last whole record */
};

/* Have n bytes from r->at on. 1, 0 when the file ends before, -errno. */
static int have(struct journal_reader *r, size_t n)
{
    while (r->b.len - r->at < n) {
        uint8_t *to;
        buf_consume(&r->b, r->at);
        r->at = 0;
        int rc = buf_reserve(&r->b, READ_BYTES, &to);
        if (rc < 0)
            return rc;
        ssize_t got = read(r->fd, to, READ_BYTES);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            return 0;
        r->b.len += (size_t)got;
    }
    return 1;
}

static int read_magic(struct journal_reader *r, struct err *e)
{
    int rc = have(r, JOURNAL_MAGIC_BYTES);
    if (rc < 0)
        return err_sys(e, rc, "read journal \"%s\"", r->path);
    size_t n = r->b.len < JOURNAL_MAGIC_BYTES ? r->b.len : JOURNAL_MAGIC_BYTES;
    if (n > 0 && memcmp(r->b.data, JOURNAL_MAGIC, n) != 0)
        return err_set(e, ERR_PARSE, "read journal \"%s\": it is not a journal",
                       r->path);
    if (rc == 1)
        r->offset = r->at = JOURNAL_MAGIC_BYTES;
    return 0;
}

int journal_reader_open(const char *path, struct journal_reader **ret, struct err *e)
{
    struct journal_reader *r = calloc(1, sizeof *r);
    if (!r)
        return err_sys(e, -ENOMEM, "open journal \"%s\"", path);
    buf_init(&r->b, LIMIT_JOURNAL_RECORD + JOURNAL_HEAD_BYTES + 2 * READ_BYTES);
    int rc;
    r->fd = open(path, O_RDONLY | O_CLOEXEC);
    r->path = strdup(path);
    if (r->fd < 0)
        rc = err_sys(e, -errno, "open journal \"%s\"", path);
    else if (!r->path)
        rc = err_sys(e, -ENOMEM, "open journal \"%s\"", path);
    else
        rc = read_magic(r, e);
    if (rc < 0) {
        journal_reader_close(r);
        return rc;
    }
    *ret = r;
    return 0;
}

int journal_reader_next(struct journal_reader *r, enum journal_type *ret_type,
                        const uint8_t **ret_payload, size_t *ret_len, bool *ret_torn,
                        struct err *e)
{
    if (r->offset == 0) { /* the head died while it wrote the first bytes */
        *ret_torn = r->b.len > 0;
        return 0;
    }
    int rc = have(r, JOURNAL_HEAD_BYTES);
    if (rc < 0)
        goto fail;
    if (rc == 0) {
        *ret_torn = r->b.len > r->at;
        return 0;
    }
    struct cur c = cur_of(r->b.data + r->at, JOURNAL_HEAD_BYTES);
    uint32_t len = cur_u32(&c), crc = cur_u32(&c);
    uint16_t type = cur_u16(&c), zero = cur_u16(&c);
    *ret_torn = true;
    if (len > LIMIT_JOURNAL_RECORD || zero != 0)
        return 0;
    rc = have(r, JOURNAL_HEAD_BYTES + len);
    if (rc < 0)
        goto fail;
    const uint8_t *payload = r->b.data + r->at + JOURNAL_HEAD_BYTES;
    if (rc == 0 || journal_crc(type, payload, len) != crc)
        return 0;
    r->at += JOURNAL_HEAD_BYTES + len;
    r->offset += JOURNAL_HEAD_BYTES + len;
    *ret_torn = false;
    *ret_type = (enum journal_type)type;
    *ret_payload = payload;
    *ret_len = len;
    return 1;
fail:
    return err_sys(e, rc, "read journal \"%s\" at byte %llu", r->path,
                   (unsigned long long)r->offset);
}

uint64_t journal_reader_offset(const struct journal_reader *r)
{
    return r->offset;
}

void journal_reader_close(struct journal_reader *r)
{
    if (!r)
        return;
    if (r->fd >= 0)
        (void)close(r->fd);
    buf_fini(&r->b);
    free(r->path);
    free(r);
}
