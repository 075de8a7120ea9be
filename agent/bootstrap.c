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

static int bootstrap_check_group(const Aolani__Boot *b, struct err *e)
{
    if (b->n_group > LIMIT_NODES)
        return err_set(e, ERR_PROTO, "read the bootstrap: a group of %zu nodes",
                       b->n_group);
    for (size_t i = 0; i < b->n_group; i++) {
        const Aolani__BootNode *n = b->group[i];
        if (n->index >= b->n_nodes || !n->name[0] || strlen(n->name) > LIMIT_HOST_NAME)
            return err_set(e, ERR_PROTO,
                           "read the bootstrap: node %u of %u is \"%.80s\"", n->index,
                           b->n_nodes, n->name);
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
    return bootstrap_check_group(b, e);
}

int bootstrap_find_self(Aolani__Boot *b, const char *node, struct err *e)
{
    struct secure_key job, own;
    size_t i = 0;
    if (b->n_group == 0)
        return 0;
    if (!node)
        return err_set(e, ERR_PROTO,
                       "find this node in the bootstrap: no name is "
                       "given to it (SLURMD_NODENAME)");
    while (i < b->n_group && strcmp(b->group[i]->name, node) != 0)
        i++;
    if (i == b->n_group)
        return BOOTSTRAP_NOT_MEANT;
    char *name = strdup(node);
    if (!name)
        return err_sys(e, -ENOMEM, "find this node in the bootstrap");
    if (b->node_name != protobuf_c_empty_string)
        free(b->node_name);
    b->node_name = name;
    b->node_index = b->group[i]->index;
    memcpy(job.b, b->key.data, sizeof job.b);
    secure_node_key(&job, b->node_index, b->group[i]->generation, &own);
    memcpy(b->key.data, own.b, sizeof own.b);
    secure_wipe(&job, sizeof job);
    secure_wipe(&own, sizeof own);
    return 0;
}

static int bootstrap_pass_over(int fd, uint64_t len, struct err *e)
{
    uint8_t bytes[16384];
    int rc = 0;
    for (uint64_t n; len > 0 && rc == 0; len -= n) {
        n = len < sizeof bytes ? len : sizeof bytes;
        rc = bootstrap_read_exactly(fd, bytes, (size_t)n, e);
    }
    return rc;
}

int bootstrap_read(int fd, uint64_t skip, Aolani__Boot **ret, struct err *e)
{
    uint8_t head[8];
    int rc = bootstrap_read_exactly(fd, head, sizeof head, e);
    if (rc == 0 && memcmp(head, "AOLB", 4) != 0 && skip > sizeof head) {
        rc = bootstrap_pass_over(fd, skip - sizeof head, e);
        if (rc == 0)
            rc = bootstrap_read_exactly(fd, head, sizeof head, e);
    }
    if (rc < 0)
        return rc;
    struct cur c = cur_of(head + 4, 4);
    uint32_t len = cur_u32(&c);
    if (memcmp(head, "AOLB", 4) != 0 || len > LIMIT_BOOT_BYTES)
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
