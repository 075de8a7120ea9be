/* SPDX-License-Identifier: MIT */
/* table3.c - the table for NCCL 2.26. */
#include "proto/client/nccl/both.h"

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

static int init3(void **context, int *mask)
{
    struct comm *m = plugin_init(
        &(struct made){.version = 3, .mask = mask, .own = &ncclProfiler_v3});
    const struct ncclabi_table3 *t = both_table(3);
    if (m && t && t->init(&m->theirs, &plugin_chain()->mask) != NCCLABI_SUCCESS)
        m->theirs = NULL;
    if (m)
        plugin_mask(m);
    *context = m;
    return NCCLABI_SUCCESS;
}

static void *chained3(const struct ncclabi_table3 *t, struct comm *m, struct told *e,
                      struct ncclabi_descr3 d)
{
    void *theirs = NULL;
    if (!both_is_foreign(d.type, d.proxy_op.pid))
        e->parent = both_part(&d.parent);
    void *ours = both_handle(plugin_start(m, e));
    uint64_t place = chain_reserve(plugin_chain());
    if (place && m->theirs)
        (void)t->start(m->theirs, &theirs, &d);
    return chain_settle(plugin_chain(), place, ours, theirs);
}

static int start3(void *context, void **ret, struct ncclabi_descr3 *d)
{
    struct comm *m = context;
    const struct ncclabi_table3 *t = both_table(3);
    *ret = NULL;
    if (!plugin_gave(m) || !d)
        return NCCLABI_SUCCESS;
    struct told e = told3(d);
    *ret = t ? chained3(t, m, &e, *d) : both_handle(plugin_start(m, &e));
    return NCCLABI_SUCCESS;
}

static int stop3(void *handle)
{
    const struct ncclabi_table3 *t = both_table(3);
    void *theirs = both_stop(handle);
    return t && theirs ? t->stop(theirs) : NCCLABI_SUCCESS;
}

static int record3(void *handle, int state, union ncclabi_args3 *args)
{
    const struct ncclabi_table3 *t = both_table(3);
    void *theirs = both_record(handle, state, 0);
    return t && theirs ? t->record(theirs, state, args) : NCCLABI_SUCCESS;
}

static int finalize3(void *context)
{
    const struct ncclabi_table3 *t = both_table(3);
    void *theirs = both_finalize(context);
    return t && theirs ? t->finalize(theirs) : NCCLABI_SUCCESS;
}

const struct ncclabi_table3 ncclProfiler_v3 = {BOTH_NAME, init3,   start3,
                                               stop3,     record3, finalize3};
