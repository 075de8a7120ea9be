/* SPDX-License-Identifier: MIT */
/* other.c - see other.h. By one thread at a time. */
#include "tests/nccl/other.h"

#include <string.h>
#include <unistd.h>

#include "proto/client/nccl/ncclabi_old.h"

#define EVENTS 200000u

struct event {
    unsigned type; /* 0: never started */
    int is_open;
};

struct other other_state;
static struct event events[EVENTS];
static unsigned n_events;
static char context_of[8];

static int is_own(const struct event *e)
{
    return e >= events && e < events + n_events &&
           ((const char *)e - (const char *)events) % (long)sizeof *e == 0;
}

/* Parents may have stopped. */
static void check_parent(const void *parent, unsigned type)
{
    if (!parent)
        other_state.orphans++;
    else if (!is_own(parent) || ((const struct event *)parent)->type != type)
        other_state.wrong++;
}

static void check_context(const void *context)
{
    if (context != context_of)
        other_state.wrong++;
}

static void *event_start(unsigned type)
{
    struct event *e = &events[n_events];
    for (unsigned bit = 0; bit < 16; bit++)
        other_state.started[bit] += type == 1u << bit;
    if (n_events + 1 < EVENTS)
        n_events++;
    *e = (struct event){type, 1};
    return e;
}

static int event_stop(void *handle)
{
    struct event *e = handle;
    if (!is_own(e) || !e->is_open) {
        other_state.wrong++;
        return 0;
    }
    e->is_open = 0;
    other_state.stopped++;
    return 0;
}

static int event_record(void *handle)
{
    if (!is_own(handle) || !((struct event *)handle)->is_open)
        other_state.wrong++;
    other_state.recorded++;
    return 0;
}

static int init(void **context, int *mask)
{
    other_state.inits++;
    other_state.mask = mask;
    if (other_state.init_fails)
        return other_state.init_fails;
    *mask = other_state.wants;
    *context = context_of;
    return 0;
}

static int finalize(void *context)
{
    check_context(context);
    other_state.fins++;
    return 0;
}

static void check_common(unsigned type, void *parent, pid_t pid, void *foreign)
{
    if (type == NCCLABI_PROXY_OP && pid != getpid()) {
        if (parent != foreign)
            other_state.wrong++;
    } else if (type == NCCLABI_PROXY_OP || type == NCCLABI_KERNEL_CH) {
        check_parent(parent, NCCLABI_COLL);
    } else if (type == NCCLABI_PROXY_STEP) {
        check_parent(parent, NCCLABI_PROXY_OP);
    }
}

/* What the driver names as the parent in another process. */
#define FOREIGN ((void *)(uintptr_t)0x7f0000000001)

/* ---- version 5 */

static int init5(void **context, uint64_t comm, int *mask, const char *name,
                 int n_nodes, int n_ranks, int rank, ncclabi_log_f log)
{
    if (comm == 0 || strcmp(name, "name") != 0 || n_nodes != 2 || n_ranks < 1 ||
        rank != 0 || !log)
        other_state.wrong++;
    return init(context, mask);
}

static int start5(void *context, void **ret, struct ncclabi_descr5 *d)
{
    check_context(context);
    check_common((unsigned)d->type, d->parent, d->proxy_op.pid, FOREIGN);
    if (d->type == NCCLABI_COLL_API || d->type == NCCLABI_P2P_API)
        check_parent(d->parent, NCCLABI_GROUP_API);
    if (d->type == NCCLABI_COLL) {
        check_parent(d->parent, NCCLABI_COLL_API);
        check_parent(d->coll.group, NCCLABI_GROUP);
    }
    if (d->type == NCCLABI_P2P) {
        check_parent(d->parent, NCCLABI_P2P_API);
        check_parent(d->p2p.group, NCCLABI_GROUP);
    }
    *ret = event_start((unsigned)d->type);
    return 0;
}

static int record5(void *handle, int state, union ncclabi_args5 *args)
{
    if (state == NCCLABI_KERNEL_CH_STOP && args->kernel_ch_stop == 0)
        other_state.wrong++;
    return event_record(handle);
}

const struct ncclabi_table5 ncclProfiler_v5 = {"other",    init5,   start5,
                                               event_stop, record5, finalize};

/* ---- version 4 */

static int init4(void **context, int *mask, const char *name, uint64_t comm,
                 int n_nodes, int n_ranks, int rank, ncclabi_log_f log)
{
    return init5(context, comm, mask, name, n_nodes, n_ranks, rank, log);
}

static int start4(void *context, void **ret, struct ncclabi_descr4 *d)
{
    check_context(context);
    check_common(d->type, d->parent, d->proxy_op.pid, FOREIGN);
    if (d->type == NCCLABI_COLL || d->type == NCCLABI_P2P)
        check_parent(d->parent, NCCLABI_GROUP);
    *ret = event_start(d->type);
    return 0;
}

const struct ncclabi_table4 ncclProfiler_v4 = {"other",    init4,   start4,
                                               event_stop, record5, finalize};

/* ---- versions 1 to 3 */

static int start_old(void *context, void **ret, unsigned type, void *parent, pid_t pid)
{
    check_context(context);
    check_common(type, parent, pid, FOREIGN);
    if (type == NCCLABI_COLL || type == NCCLABI_P2P)
        check_parent(parent, NCCLABI_GROUP);
    *ret = event_start(type);
    return 0;
}

static int start3(void *context, void **ret, void *descr)
{
    struct ncclabi_descr3 *d = descr;
    return start_old(context, ret, d->type, d->parent, d->proxy_op.pid);
}

static int start2(void *context, void **ret, void *descr)
{
    struct ncclabi_descr2 *d = descr;
    if (d->type == NCCLABI_COLL && d->coll.traffic_bytes != SIZE_MAX)
        other_state.wrong++;
    return start_old(context, ret, d->type, d->parent, d->proxy_op.pid);
}

static int start1(void *context, void **ret, void *descr)
{
    struct ncclabi_descr1 *d = descr;
    if (d->type == NCCLABI_COLL && d->coll.func != 4) /* AllReduce */
        other_state.wrong++;
    return start_old(context, ret, d->type, d->parent, d->proxy_op.pid);
}

static int record3(void *handle, int state, union ncclabi_args3 *args)
{
    (void)state, (void)args;
    return event_record(handle);
}

const struct ncclabi_table3 ncclProfiler_v3 = {"other",    init,    start3,
                                               event_stop, record3, finalize};
const struct ncclabi_table3 ncclProfiler_v2 = {"other",    init,    start2,
                                               event_stop, record3, finalize};
const struct ncclabi_table3 ncclProfiler_v1 = {"other",    init,    start1,
                                               event_stop, record3, finalize};
