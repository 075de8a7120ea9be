/* SPDX-License-Identifier: MIT */
/* table3.c - the tables for NCCL 2.23 to 2.26, versions 1 to 3: they differ in descriptors
 * alone. */
#include "proto/client/nccl/both.h"

#include <string.h>

union descr { /* of the version that the communicator has */
    struct ncclabi_descr1 v1;
    struct ncclabi_descr2 v2;
    struct ncclabi_descr3 v3;
};

static const size_t descr_bytes[] = {
    0,
    sizeof(struct ncclabi_descr1),
    sizeof(struct ncclabi_descr2),
    sizeof(struct ncclabi_descr3),
};

/* ---- what is told */

static const char *const funcs1[] = {"Broadcast",     "Reduce",    "AllGather",
                                     "ReduceScatter", "AllReduce", "SendRecv",
                                     "Send",          "Recv"};
static const char *const types1[] = {"Int8",    "Uint8",   "Int32",   "Uint32",
                                     "Int64",   "Uint64",  "Float16", "Float32",
                                     "Float64", "Bfloat16"};
#define NAME(of, i) ((i) < sizeof(of) / sizeof(of)[0] ? (of)[i] : NULL)

static struct told told1(const struct ncclabi_descr1 *d)
{
    struct told e = {.type = d->type, .parent = (uintptr_t)d->parent};
    switch (d->type) {
    case NCCLABI_COLL:
        e.func = NAME(funcs1, d->coll.func);
        e.datatype = NAME(types1, d->coll.datatype);
        e.count = d->coll.count;
        e.comm = d->coll.comm;
        break;
    case NCCLABI_P2P:
        e.func = NAME(funcs1, d->p2p.func);
        e.datatype = NAME(types1, d->p2p.datatype);
        e.count = d->p2p.count;
        e.comm = d->p2p.comm;
        break;
    default:
        break;
    }
    return e;
}

/* Of version 2 too: as far as it is read it is alike. */
static struct told told3(const struct ncclabi_descr3 *d)
{
    struct told e = {.type = d->type, .parent = (uintptr_t)d->parent};
    switch (d->type) {
    case NCCLABI_COLL:
        e.func = d->coll.func;
        e.datatype = d->coll.datatype;
        e.count = d->coll.count;
        e.comm = d->coll.comm;
        break;
    case NCCLABI_P2P:
        e.func = d->p2p.func;
        e.datatype = d->p2p.datatype;
        e.count = d->p2p.count;
        e.comm = d->p2p.comm;
        break;
    default:
        break;
    }
    return e;
}

/* ---- the calls */

static int init(unsigned version, const struct ncclabi_table3 *own, void **context,
                int *mask)
{
    struct comm *m =
        plugin_init(&(struct made){.version = version, .mask = mask, .own = own});
    const struct ncclabi_table3 *t = both_table(version);
    if (m && t && t->init(&m->theirs, &plugin_chain()->mask) != NCCLABI_SUCCESS)
        m->theirs = NULL;
    if (m)
        plugin_mask(m);
    *context = m;
    return NCCLABI_SUCCESS;
}

static int init1(void **context, int *mask)
{
    return init(1, &ncclProfiler_v1, context, mask);
}

static int init2(void **context, int *mask)
{
    return init(2, &ncclProfiler_v2, context, mask);
}

static int init3(void **context, int *mask)
{
    return init(3, &ncclProfiler_v3, context, mask);
}

static void *chained(const struct ncclabi_table3 *t, struct comm *m, struct told *e,
                     const void *descr)
{
    union descr d;
    void *theirs = NULL;
    memcpy(&d, descr, descr_bytes[m->version]);
    if (!both_is_foreign(e->type, d.v3.proxy_op.pid))
        e->parent = both_part(&d.v3.parent);
    void *ours = both_handle(plugin_start(m, e));
    uint64_t place = chain_reserve(plugin_chain());
    if (place && m->theirs)
        (void)t->start(m->theirs, &theirs, &d);
    return chain_settle(plugin_chain(), place, ours, theirs);
}

static int start(void *context, void **ret, void *d)
{
    struct comm *m = context;
    *ret = NULL;
    if (!plugin_gave(m) || !d)
        return NCCLABI_SUCCESS;
    const struct ncclabi_table3 *t = both_table(m->version);
    struct told e = m->version == 1 ? told1(d) : told3(d);
    *ret = t ? chained(t, m, &e, d) : both_handle(plugin_start(m, &e));
    return NCCLABI_SUCCESS;
}

/* These have but a handle, and in a process there is one NCCL. */
static const struct ncclabi_table3 *their_table(void)
{
    const struct chain *c = plugin_chain();
    return c && c->version <= 3 ? c->table : NULL;
}

static int stop(void *handle)
{
    const struct ncclabi_table3 *t = their_table();
    void *theirs = both_stop(handle);
    return t && theirs ? t->stop(theirs) : NCCLABI_SUCCESS;
}

static int record(void *handle, int state, union ncclabi_args3 *args)
{
    const struct ncclabi_table3 *t = their_table();
    void *theirs = both_record(handle, state, 0);
    return t && theirs ? t->record(theirs, state, args) : NCCLABI_SUCCESS;
}

static int finalize(void *context)
{
    const struct ncclabi_table3 *t = their_table();
    void *theirs = both_finalize(context);
    return t && theirs ? t->finalize(theirs) : NCCLABI_SUCCESS;
}

const struct ncclabi_table3 ncclProfiler_v1 = {BOTH_NAME, init1,  start,
                                               stop,      record, finalize};
const struct ncclabi_table3 ncclProfiler_v2 = {BOTH_NAME, init2,  start,
                                               stop,      record, finalize};
const struct ncclabi_table3 ncclProfiler_v3 = {BOTH_NAME, init3,  start,
                                               stop,      record, finalize};
