/* SPDX-License-Identifier: MIT */
/* table4.c - the table for NCCL 2.27. */
#include "proto/client/nccl/both.h"

static struct told told4(const struct ncclabi_descr4 *d)
{
    struct told e = {.type = d->type, .parent = (uintptr_t)d->parent};
    switch (d->type) {
    case NCCLABI_COLL:
        e.func = d->coll.func;
        e.datatype = d->coll.datatype;
        e.count = d->coll.count;
        e.n_channels = d->coll.n_channels;
        break;
    case NCCLABI_P2P:
        e.func = d->p2p.func;
        e.datatype = d->p2p.datatype;
        e.count = d->p2p.count;
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

static int init4(void **context, int *mask, const char *name, uint64_t comm,
                 int n_nodes, int n_ranks, int rank, ncclabi_log_f log)
{
    struct comm *m = plugin_init(&(struct made){.version = 4,
                                                .id = comm,
                                                .n_ranks = n_ranks,
                                                .mask = mask,
                                                .own = &ncclProfiler_v4,
                                                .log = log});
    const struct ncclabi_table4 *t = both_table(4);
    if (m && t &&
        t->init(&m->theirs, &plugin_chain()->mask, name, comm, n_nodes, n_ranks, rank,
                log) != NCCLABI_SUCCESS)
        m->theirs = NULL;
    if (m)
        plugin_mask(m);
    *context = m;
    return NCCLABI_SUCCESS;
}

static void *chained4(const struct ncclabi_table4 *t, struct comm *m, struct told *e,
                      struct ncclabi_descr4 d)
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

static int start4(void *context, void **ret, struct ncclabi_descr4 *d)
{
    struct comm *m = context;
    const struct ncclabi_table4 *t = both_table(4);
    *ret = NULL;
    if (!plugin_gave(m) || !d)
        return NCCLABI_SUCCESS;
    struct told e = told4(d);
    *ret = t ? chained4(t, m, &e, *d) : both_handle(plugin_start(m, &e));
    return NCCLABI_SUCCESS;
}

static int stop4(void *handle)
{
    const struct ncclabi_table4 *t = both_table(4);
    void *theirs = both_stop(handle);
    return t && theirs ? t->stop(theirs) : NCCLABI_SUCCESS;
}

static int record4(void *handle, int state, union ncclabi_args5 *args)
{
    const struct ncclabi_table4 *t = both_table(4);
    void *theirs = both_record(handle, state, args ? args->kernel_ch_stop : 0);
    return t && theirs ? t->record(theirs, state, args) : NCCLABI_SUCCESS;
}

static int finalize4(void *context)
{
    const struct ncclabi_table4 *t = both_table(4);
    void *theirs = both_finalize(context);
    return t && theirs ? t->finalize(theirs) : NCCLABI_SUCCESS;
}

const struct ncclabi_table4 ncclProfiler_v4 = {BOTH_NAME, init4,   start4,
                                               stop4,     record4, finalize4};
