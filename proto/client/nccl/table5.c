/* SPDX-License-Identifier: MIT */
/* table5.c - the table for NCCL 2.28 and later. */
#include "proto/client/nccl/both.h"

static struct told told5(const struct ncclabi_descr5 *d)
{
    struct told e = {.type = d->type, .parent = (uintptr_t)d->parent};
    switch (d->type) {
    case NCCLABI_GROUP_API:
        e.captured = d->group_api.captured;
        break;
    case NCCLABI_COLL_API:
        e.func = d->coll_api.func;
        e.datatype = d->coll_api.datatype;
        e.count = d->coll_api.count;
        e.captured = d->coll_api.captured;
        break;
    case NCCLABI_P2P_API:
        e.func = d->p2p_api.func;
        e.datatype = d->p2p_api.datatype;
        e.count = d->p2p_api.count;
        e.captured = d->p2p_api.captured;
        break;
    case NCCLABI_COLL:
        e.datatype = d->coll.datatype;
        e.count = d->coll.count;
        e.n_channels = d->coll.n_channels;
        break;
    case NCCLABI_KERNEL_CH:
        e.channel = d->kernel_ch.channel;
        e.start_ns = d->kernel_ch.start;
        break;
    default:
        break;
    }
    return e;
}

static int init5(void **context, uint64_t comm, int *mask, const char *name,
                 int n_nodes, int n_ranks, int rank, ncclabi_log_f log)
{
    struct comm *m = plugin_init(&(struct made){.version = 5,
                                                .id = comm,
                                                .n_ranks = n_ranks,
                                                .mask = mask,
                                                .own = &ncclProfiler_v5,
                                                .log = log});
    const struct ncclabi_table5 *t = both_table(5);
    if (m && t &&
        t->init(&m->theirs, comm, &plugin_chain()->mask, name, n_nodes, n_ranks, rank,
                log) != NCCLABI_SUCCESS)
        m->theirs = NULL;
    if (m)
        plugin_mask(m);
    *context = m;
    return NCCLABI_SUCCESS;
}

static void *chained5(const struct ncclabi_table5 *t, struct comm *m, struct told *e,
                      struct ncclabi_descr5 d)
{
    void *theirs = NULL;
    if (!both_is_foreign(d.type, d.proxy_op.pid))
        e->parent = both_part(&d.parent);
    if (d.type == NCCLABI_COLL)
        (void)both_part(&d.coll.group);
    if (d.type == NCCLABI_P2P)
        (void)both_part(&d.p2p.group);
    void *ours = both_handle(plugin_start(m, e));
    uint64_t place = chain_reserve(plugin_chain());
    if (place && m->theirs)
        (void)t->start(m->theirs, &theirs, &d);
    return chain_settle(plugin_chain(), place, ours, theirs);
}

static int start5(void *context, void **ret, struct ncclabi_descr5 *d)
{
    struct comm *m = context;
    const struct ncclabi_table5 *t = both_table(5);
    *ret = NULL;
    if (!plugin_gave(m) || !d)
        return NCCLABI_SUCCESS;
    struct told e = told5(d);
    *ret = t ? chained5(t, m, &e, *d) : both_handle(plugin_start(m, &e));
    return NCCLABI_SUCCESS;
}

static int stop5(void *handle)
{
    const struct ncclabi_table5 *t = both_table(5);
    void *theirs = both_stop(handle);
    return t && theirs ? t->stop(theirs) : NCCLABI_SUCCESS;
}

static int record5(void *handle, int state, union ncclabi_args5 *args)
{
    const struct ncclabi_table5 *t = both_table(5);
    void *theirs = both_record(handle, state, args ? args->kernel_ch_stop : 0);
    return t && theirs ? t->record(theirs, state, args) : NCCLABI_SUCCESS;
}

static int finalize5(void *context)
{
    const struct ncclabi_table5 *t = both_table(5);
    void *theirs = both_finalize(context);
    return t && theirs ? t->finalize(theirs) : NCCLABI_SUCCESS;
}

const struct ncclabi_table5 ncclProfiler_v5 = {BOTH_NAME, init5,   start5,
                                               stop5,     record5, finalize5};
