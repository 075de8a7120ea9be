/* SPDX-License-Identifier: MIT */
/* pmixwire.c - framing of PmixMessages over a stream.
 *
 * Bytes collect in one buffer until a frame is whole. The callbacks may destroy the
 * object: it is then only marked, and freed by whoever of us is still on the stack. */
#include "proto/wire/pmixwire.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/base/buf.h"
#include "proto/base/cur.h"
#include "proto/base/limits.h"

#define FRAME_MAX (LIMIT_FRAME + 256u) /* a whole Fence, and what says that it is one */

struct pmixwire {
    struct pmixwire_ops ops;
    void *arg;
    struct loop_stream *stream;
    struct buf in;
    bool busy, dead, over;
};

static void wire_free(struct pmixwire *w)
{
    buf_fini(&w->in);
    free(w);
}

static void end_with(struct pmixwire *w, const struct err *e)
{
    if (w->over || w->dead)
        return;
    w->over = true;
    loop_stream_read(w->stream, false);
    w->ops.ended(w->arg, e);
}

/* 1: one message was handled, 0: not whole yet, negative: it is no message. */
static int take_frame(struct pmixwire *w, size_t *at, struct err *e)
{
    struct cur c = cur_of(w->in.data + *at, w->in.len - *at);
    uint32_t len = cur_u32(&c);
    if (c.bad)
        return 0;
    if (len > FRAME_MAX)
        return err_set(e, ERR_LIMIT, "pmix message of %u bytes: at most %u", len,
                       FRAME_MAX);
    const uint8_t *body = cur_take(&c, len);
    if (!body)
        return 0;
    Aolani__PmixMessage *m = aolani__pmix_message__unpack(NULL, len, body);
    if (!m)
        return err_set(e, ERR_PROTO, "pmix message of %u bytes: does not decode", len);
    *at += sizeof len + len;
    w->ops.message(w->arg, m);
    aolani__pmix_message__free_unpacked(m, NULL);
    return 1;
}

static void on_data(void *arg, const uint8_t *data, size_t len)
{
    struct pmixwire *w = arg;
    struct err e = {0};
    size_t at = 0;
    int rc = buf_add(&w->in, data, len);
    if (rc) {
        err_set(&e, rc, "pmix message: no room for %zu bytes more", len);
    } else {
        w->busy = true;
        do
            rc = take_frame(w, &at, &e);
        while (rc > 0 && !w->dead);
        w->busy = false;
    }
    if (w->dead) {
        wire_free(w);
        return;
    }
    buf_consume(&w->in, at);
    if (rc < 0)
        end_with(w, &e);
}

static void on_end(void *arg, int status)
{
    struct pmixwire *w = arg;
    struct err e = {0};
    if (status)
        err_sys(&e, status, "read from the pmix socket");
    end_with(w, &e);
}

int pmixwire_open(struct loop *l, int fd, const struct pmixwire_ops *ops, void *arg,
                  struct pmixwire **ret, struct err *e)
{
    static const struct loop_stream_ops stream_ops = {on_data, on_end, NULL};
    struct pmixwire *w = calloc(1, sizeof *w);
    if (!w) {
        (void)close(fd);
        return err_set(e, -ENOMEM, "open the pmix socket: out of memory");
    }
    w->ops = *ops;
    w->arg = arg;
    /* Beside the frame under way, what one read may bring of the next ones. */
    buf_init(&w->in, FRAME_MAX + (1u << 20));
    int rc = loop_stream_open(l, fd, fd, &stream_ops, w, &w->stream, e);
    if (rc) {
        wire_free(w);
        return rc;
    }
    loop_stream_read(w->stream, true);
    *ret = w;
    return 0;
}

int pmixwire_send(struct pmixwire *w, const Aolani__PmixMessage *m)
{
    size_t len = aolani__pmix_message__get_packed_size(m);
    if (len > FRAME_MAX || loop_stream_queued(w->stream) > LIMIT_SEND_QUEUE)
        return ERR_LIMIT;
    uint8_t *frame = malloc(sizeof(uint32_t) + len);
    if (!frame)
        return -ENOMEM;
    aolani__pmix_message__pack(m, put_u32(frame, (uint32_t)len));
    int rc = loop_stream_write(w->stream, frame, sizeof(uint32_t) + len);
    free(frame);
    return rc;
}

Aolani__PmixMessage *pmixwire_copy(const Aolani__PmixMessage *m)
{
    size_t len = aolani__pmix_message__get_packed_size(m);
    uint8_t *bytes = malloc(len + 1);
    if (!bytes)
        return NULL;
    aolani__pmix_message__pack(m, bytes);
    Aolani__PmixMessage *copy = aolani__pmix_message__unpack(NULL, len, bytes);
    free(bytes);
    return copy;
}

void pmixwire_destroy(struct pmixwire *w)
{
    if (!w)
        return;
    loop_stream_destroy(w->stream);
    w->stream = NULL;
    if (w->busy)
        w->dead = true;
    else
        wire_free(w);
}
