/* SPDX-License-Identifier: MIT */
/* fence.c - PMIx collectives and key look-ups across nodes.
 *
 * A collective lives from its first part until every node that it names has given one or
 * is gone. One that has failed stays that long too, without its data, so that a late node
 * is answered at once and does not wait for parts that others took back long ago. Look-ups
 * get numbers of ours on their way to the owner: two nodes may well use the same ones.
 */
#include "launcher/fence.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "proto/base/limits.h"

/* What a FenceDone may say beside the data and still fit a frame. */
#define DONE_OVERHEAD (LIMIT_FENCE_KEY + 64u)

enum node_state { NODE_OK, NODE_BROKEN, NODE_LOST }; /* broken: reachable, no parts */

struct part {
    bool given;
    uint8_t *data;
    size_t len;
};

struct fence {
    struct fence *next;
    uint8_t key[LIMIT_FENCE_KEY];
    size_t key_len;
    int status;
    uint32_t *nodes; /* ascending */
    struct part *parts;
    size_t n_nodes, n_settled; /* settled: has given, or never will */
    size_t bytes;
};

struct lookup {
    struct lookup *next;
    uint64_t id;      /* ours, towards the owner */
    uint64_t request; /* the asker's */
    uint32_t asker, owner;
};

struct fences {
    struct fence_ops ops;
    void *arg;
    uint32_t n_nodes;
    uint32_t *first_rank;
    uint8_t *state; /* enum node_state, by node */
    struct fence *pending;
    struct lookup *lookups;
    size_t n_pending, n_lookups, bytes;
    uint64_t next_id;
    int refuse; /* not 0: the bounds were met, and every later collective fails so */
};

int fences_create(uint32_t n_nodes, const uint32_t *first_rank,
                  const struct fence_ops *ops, void *arg, struct fences **ret)
{
    struct fences *f = calloc(1, sizeof *f);
    if (!f)
        return -ENOMEM;
    f->ops = *ops;
    f->arg = arg;
    f->n_nodes = n_nodes;
    f->next_id = 1;
    f->first_rank = calloc((size_t)n_nodes + 1, sizeof *f->first_rank);
    f->state = calloc((size_t)n_nodes + 1, 1);
    if (!f->first_rank || !f->state)
        goto fail;
    memcpy(f->first_rank, first_rank, ((size_t)n_nodes + 1) * sizeof *first_rank);
    *ret = f;
    return 0;
fail:
    fences_destroy(f);
    return -ENOMEM;
}

static void drop_data(struct fences *f, struct fence *c)
{
    for (size_t i = 0; i < c->n_nodes; i++) {
        free(c->parts[i].data);
        c->parts[i].data = NULL;
        c->parts[i].len = 0;
    }
    f->bytes -= c->bytes;
    c->bytes = 0;
}

static void fence_free(struct fences *f, struct fence *c)
{
    if (!c)
        return;
    if (c->parts)
        drop_data(f, c);
    free(c->parts);
    free(c->nodes);
    free(c);
}

void fences_destroy(struct fences *f)
{
    if (!f)
        return;
    while (f->pending) {
        struct fence *c = f->pending;
        f->pending = c->next;
        fence_free(f, c);
    }
    while (f->lookups) {
        struct lookup *q = f->lookups;
        f->lookups = q->next;
        free(q);
    }
    free(f->first_rank);
    free(f->state);
    free(f);
}

static void say_done(struct fences *f, uint32_t node, const uint8_t *key,
                     size_t key_len, int status, uint8_t *data, size_t len)
{
    if (f->state[node] == NODE_LOST)
        return;
    Aolani__FenceDone m = AOLANI__FENCE_DONE__INIT;
    m.key.data = (uint8_t *)key;
    m.key.len = key_len;
    m.status = status;
    m.data.data = data;
    m.data.len = len;
    f->ops.done(f->arg, node, &m);
}

static void unlink_fence(struct fences *f, struct fence *c)
{
    struct fence **at = &f->pending;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    f->n_pending--;
    fence_free(f, c);
}

/* Those who wait hear of it now, those who come later when they come. */
static void fence_fail(struct fences *f, struct fence *c, int status)
{
    if (c->status)
        return;
    c->status = status;
    drop_data(f, c);
    for (size_t i = 0; i < c->n_nodes; i++)
        if (c->parts[i].given)
            say_done(f, c->nodes[i], c->key, c->key_len, status, NULL, 0);
}

static void fence_complete(struct fences *f, struct fence *c)
{
    uint8_t *all = malloc(c->bytes + 1);
    if (!all) {
        fence_fail(f, c, -ENOMEM);
        return;
    }
    size_t len = 0;
    for (size_t i = 0; i < c->n_nodes; i++) {
        if (c->parts[i].len)
            memcpy(all + len, c->parts[i].data, c->parts[i].len);
        len += c->parts[i].len;
    }
    for (size_t i = 0; i < c->n_nodes; i++)
        say_done(f, c->nodes[i], c->key, c->key_len, 0, all, len);
    free(all);
}

static void fence_settle(struct fences *f, struct fence *c)
{
    if (c->n_settled < c->n_nodes)
        return;
    if (!c->status)
        fence_complete(f, c);
    unlink_fence(f, c);
}

/* Its place among ascending nodes, or -1. */
static ssize_t find_node(const uint32_t *nodes, size_t n, uint32_t node)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (nodes[mid] < node)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < n && nodes[lo] == node ? (ssize_t)lo : -1;
}

static int check_fence(const struct fences *f, uint32_t node, const Aolani__Fence *m,
                       struct err *e)
{
    if (m->key.len == 0 || m->key.len > LIMIT_FENCE_KEY)
        return err_set(e, ERR_PROTO, "fence of node %u: a key of %zu bytes", node,
                       m->key.len);
    for (size_t i = 0; i < m->n_nodes; i++) {
        if (m->nodes[i] >= f->n_nodes)
            return err_set(e, ERR_PROTO, "fence of node %u: there is no node %u", node,
                           m->nodes[i]);
        if (i > 0 && m->nodes[i] <= m->nodes[i - 1])
            return err_set(e, ERR_PROTO, "fence of node %u: its nodes are not in order",
                           node);
    }
    if (find_node(m->nodes, m->n_nodes, node) < 0)
        return err_set(e, ERR_PROTO, "fence of node %u: it does not take part itself",
                       node);
    return 0;
}

static struct fence *find_fence(struct fences *f, const Aolani__Fence *m)
{
    for (struct fence *c = f->pending; c; c = c->next)
        if (c->key_len == m->key.len && !memcmp(c->key, m->key.data, c->key_len))
            return c;
    return NULL;
}

/* Nodes that are gone count as settled from the start, and have failed it. */
static struct fence *add_fence(struct fences *f, const Aolani__Fence *m)
{
    struct fence *c = f->n_pending < LIMIT_FENCES ? calloc(1, sizeof *c) : NULL;
    if (!c)
        return NULL;
    c->n_nodes = m->n_nodes;
    c->nodes = calloc(m->n_nodes, sizeof *c->nodes);
    c->parts = calloc(m->n_nodes, sizeof *c->parts);
    if (!c->nodes || !c->parts) {
        free(c->parts);
        free(c->nodes);
        free(c);
        return NULL;
    }
    memcpy(c->nodes, m->nodes, m->n_nodes * sizeof *c->nodes);
    memcpy(c->key, m->key.data, m->key.len);
    c->key_len = m->key.len;
    for (size_t i = 0; i < c->n_nodes; i++) {
        if (f->state[c->nodes[i]] == NODE_OK)
            continue;
        c->status = ERR_NODE_LOST;
        if (f->state[c->nodes[i]] == NODE_LOST)
            c->n_settled++;
    }
    c->next = f->pending;
    f->pending = c;
    f->n_pending++;
    return c;
}

/* The part's bytes; 0 or why the collective fails. */
static int keep_part(struct fences *f, struct fence *c, struct part *p,
                     const ProtobufCBinaryData *data)
{
    if (data->len > LIMIT_FRAME - DONE_OVERHEAD - c->bytes ||
        data->len > LIMIT_FENCE_BYTES - f->bytes)
        return ERR_LIMIT;
    if (data->len == 0)
        return 0;
    p->data = malloc(data->len);
    if (!p->data)
        return -ENOMEM;
    memcpy(p->data, data->data, data->len);
    p->len = data->len;
    c->bytes += data->len;
    f->bytes += data->len;
    return 0;
}

static void give_part(struct fences *f, struct fence *c, size_t i,
                      const Aolani__Fence *m)
{
    int rc = c->status;
    if (!rc && m->status)
        rc = ERR_NODE_LOST;
    if (!rc)
        rc = keep_part(f, c, &c->parts[i], &m->data);
    if (rc) { /* those before it first, then this one, which is not among them yet */
        fence_fail(f, c, rc);
        say_done(f, c->nodes[i], c->key, c->key_len, rc, NULL, 0);
    }
    c->parts[i].given = true;
    c->n_settled++;
    fence_settle(f, c);
}

static void drop_lookups(struct fences *f, uint32_t node, bool also_asked)
{
    for (struct lookup **at = &f->lookups; *at;) {
        struct lookup *q = *at;
        if (q->owner != node && !(also_asked && q->asker == node)) {
            at = &q->next;
            continue;
        }
        *at = q->next;
        f->n_lookups--;
        if (f->state[q->asker] != NODE_LOST) {
            Aolani__ModexData m = AOLANI__MODEX_DATA__INIT;
            m.request = q->request;
            m.status = ERR_NODE_LOST;
            f->ops.got(f->arg, q->asker, &m);
        }
        free(q);
    }
}

static void node_gone(struct fences *f, uint32_t node, enum node_state state)
{
    if (f->state[node] >= state)
        return;
    f->state[node] = (uint8_t)state;
    for (struct fence *c = f->pending, *next; c; c = next) {
        next = c->next;
        ssize_t i = find_node(c->nodes, c->n_nodes, node);
        if (i < 0)
            continue;
        fence_fail(f, c, ERR_NODE_LOST);
        if (state == NODE_LOST && !c->parts[i].given)
            c->n_settled++;
        fence_settle(f, c);
    }
    drop_lookups(f, node, state == NODE_LOST);
}

int fences_add(struct fences *f, uint32_t node, const Aolani__Fence *m, struct err *e)
{
    assert(node < f->n_nodes);
    if (f->state[node] == NODE_LOST)
        return 0;
    if (m->status && m->key.len == 0) {
        node_gone(f, node, NODE_BROKEN);
        return 0;
    }
    int rc = check_fence(f, node, m, e);
    if (rc)
        return rc;
    struct fence *c = find_fence(f, m);
    if (!c && !f->refuse) {
        c = add_fence(f, m);
        f->refuse = c ? 0 : ERR_LIMIT;
    }
    if (!c) {
        say_done(f, node, m->key.data, m->key.len, f->refuse, NULL, 0);
        return 0;
    }
    if (c->n_nodes != m->n_nodes ||
        memcmp(c->nodes, m->nodes, c->n_nodes * sizeof *c->nodes))
        return err_set(e, ERR_PROTO, "fence of node %u: others name other nodes", node);
    ssize_t i = find_node(c->nodes, c->n_nodes, node);
    if (c->parts[i].given)
        return err_set(e, ERR_PROTO, "fence of node %u: it gave its part before", node);
    give_part(f, c, (size_t)i, m);
    return 0;
}

static uint32_t node_of_rank(const struct fences *f, uint32_t rank)
{
    uint32_t lo = 0, hi = f->n_nodes; /* first_rank[lo] <= rank < first_rank[hi] */
    while (hi - lo > 1) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (f->first_rank[mid] <= rank)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

int fences_get(struct fences *f, uint32_t node, const Aolani__ModexGet *m,
               struct err *e)
{
    assert(node < f->n_nodes);
    if (m->rank >= f->first_rank[f->n_nodes])
        return err_set(e, ERR_PROTO, "key look-up of node %u: there is no rank %u",
                       node, m->rank);
    if (f->state[node] == NODE_LOST)
        return 0;
    uint32_t owner = node_of_rank(f, m->rank);
    struct lookup *q = NULL;
    if (owner != node && f->state[owner] != NODE_LOST &&
        f->n_lookups < LIMIT_MODEX_GETS)
        q = calloc(1, sizeof *q);
    if (!q) {
        Aolani__ModexData no = AOLANI__MODEX_DATA__INIT;
        no.request = m->request;
        no.status = ERR_NODE_LOST;
        f->ops.got(f->arg, node, &no);
        return 0;
    }
    *q = (struct lookup){.next = f->lookups,
                         .id = f->next_id++,
                         .request = m->request,
                         .asker = node,
                         .owner = owner};
    f->lookups = q;
    f->n_lookups++;
    Aolani__ModexGet ask = AOLANI__MODEX_GET__INIT;
    ask.rank = m->rank;
    ask.request = q->id;
    f->ops.get(f->arg, owner, &ask);
    return 0;
}

int fences_data(struct fences *f, uint32_t node, const Aolani__ModexData *m,
                struct err *e)
{
    assert(node < f->n_nodes);
    if (m->request == 0 || m->request >= f->next_id)
        return err_set(e, ERR_PROTO, "key data of node %u: nobody asked for it", node);
    struct lookup **at = &f->lookups;
    while (*at && (*at)->id != m->request)
        at = &(*at)->next;
    struct lookup *q = *at;
    if (!q) /* answered in its place when the node broke */
        return 0;
    if (q->owner != node)
        return err_set(e, ERR_PROTO, "key data of node %u: another node was asked",
                       node);
    *at = q->next;
    f->n_lookups--;
    Aolani__ModexData answer = *m;
    answer.request = q->request;
    f->ops.got(f->arg, q->asker, &answer);
    free(q);
    return 0;
}

void fences_node_lost(struct fences *f, uint32_t node)
{
    assert(node < f->n_nodes);
    node_gone(f, node, NODE_LOST);
}
