/* SPDX-License-Identifier: MIT */
/* bootstrap.c - see bootstrap.h. */
#include "agent/bootstrap.h"

#include "proto/base/cur.h"
#include "proto/base/limits.h"
#include "proto/wire/secure.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BOOTSTRAP_LEASE_MS 60000

int bootstrap_read_exactly(int fd, void *buf, size_t len, struct err *e)
{
    for (uint8_t *p = buf, *end = p + len; p < end;) {
        ssize_t n = read(fd, p, (size_t)(end - p));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(e, -errno, "read standard input");
        if (n == 0)
            return err_set(e, ERR_PROTO,
                           "read standard input: it ended %zu bytes too soon",
                           (size_t)(end - p));
        p += n;
    }
    return 0;
}

int bootstrap_check(Aolani__Boot *b, struct err *e)
{
    if (b->run_id.len != SECURE_RUN_BYTES || b->key.len != SECURE_KEY_BYTES)
        return err_set(e, ERR_PROTO,
                       "read the bootstrap: a run of %zu bytes, a key of %zu",
                       b->run_id.len, b->key.len);
    if (b->n_nodes > LIMIT_NODES || b->node_index >= b->n_nodes)
        return err_set(e, ERR_PROTO, "read the bootstrap: node %u of %u", b->node_index,
                       b->n_nodes);
    if (b->head_port > 65535)
        return err_set(e, ERR_PROTO, "read the bootstrap: port %u", b->head_port);
    if (b->lease_ms == 0)
        b->lease_ms = BOOTSTRAP_LEASE_MS;
    return 0;
}

int bootstrap_read(int fd, Aolani__Boot **ret, struct err *e)
{
    uint8_t head[8];
    int rc = bootstrap_read_exactly(fd, head, sizeof head, e);
    if (rc < 0)
        return rc;
    struct cur c = cur_of(head + 4, 4);
    uint32_t len = cur_u32(&c);
    if (memcmp(head, "AOLB", 4) != 0 || len > BOOTSTRAP_MAX)
        return err_set(e, ERR_PROTO, "read the bootstrap: it does not begin as one");
    uint8_t *bytes = malloc(len + 1u);
    if (!bytes)
        return err_sys(e, -ENOMEM, "read the bootstrap");
    rc = bootstrap_read_exactly(fd, bytes, len, e);
    Aolani__Boot *b = rc == 0 ? aolani__boot__unpack(NULL, len, bytes) : NULL;
    secure_wipe(bytes, len);
    free(bytes);
    if (rc == 0)
        rc = b ? bootstrap_check(b, e)
               : err_set(e, ERR_PROTO, "read the bootstrap: it does not decode");
    if (rc < 0) {
        bootstrap_free(b);
        return rc;
    }
    *ret = b;
    return 0;
}

void bootstrap_free(Aolani__Boot *b)
{
    if (!b)
        return;
    if (b->key.data)
        secure_wipe(b->key.data, b->key.len);
    aolani__boot__free_unpacked(b, NULL);
}
