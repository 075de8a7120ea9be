/* SPDX-License-Identifier: MIT */
/* sim.c - see sim.h. */
#include "tests/nccl/sim.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UNDER_COLL                                                              \
    (NCCLABI_COLL | NCCLABI_PROXY_OP | NCCLABI_PROXY_STEP | NCCLABI_KERNEL_CH | \
     NCCLABI_NET_PLUGIN)
#define UNDER_P2P   ((UNDER_COLL & ~NCCLABI_COLL) | NCCLABI_P2P)
#define UNDER_GROUP (UNDER_COLL | UNDER_P2P | NCCLABI_GROUP)

/* Every start has a handle of the caller's, which NCCL has not cleared: a plug-in that
 * declines must do so. */
#define STALE ((void *)(uintptr_t)0xdead)

void sim_load(struct sim *s, const char *plugin, unsigned version)
{
    char name[32];
    memset(s, 0, sizeof *s);
    s->version = version;
    s->lib = dlopen(plugin, RTLD_NOW | RTLD_LOCAL);
    snprintf(name, sizeof name, "ncclProfiler_v%u", version);
    void *table = s->lib ? dlsym(s->lib, name) : NULL;
    if (!table) {
        fprintf(stderr, "cannot load %s of \"%s\": %s\n", name, plugin, dlerror());
        exit(1);
    }
    s->t5 = version == 5 ? table : NULL;
    s->t4 = version == 4 ? table : NULL;
    s->t3 = version <= 3 ? table : NULL;
}

void sim_unload(struct sim *s)
{
    dlclose(s->lib);
    s->lib = NULL;
}

static void say(int level, unsigned long subsystems, const char *file, int line,
                const char *format, ...)
{
    va_list args;
    (void)subsystems, (void)file, (void)line;
    printf("# NCCL's log, level %d: ", level);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

void sim_init(struct sim *s, struct sim_comm *c, uint64_t id, int n_ranks)
{
    *c = (struct sim_comm){.sim = s, .id = id, .n_ranks = n_ranks, .context = STALE};
    if (s->t5)
        s->t5->init(&c->context, id, &s->mask, "name", 2, n_ranks, 0, say);
    else if (s->t4)
        s->t4->init(&c->context, &s->mask, "name", id, 2, n_ranks, 0, say);
    else
        s->t3->init(&c->context, &s->mask);
}

void sim_finalize(struct sim_comm *c)
{
    if (!c->context)
        return;
    if (c->sim->t5)
        c->sim->t5->finalize(c->context);
    else if (c->sim->t4)
        c->sim->t4->finalize(c->context);
    else
        c->sim->t3->finalize(c->context);
}

static void *start5(struct sim_comm *c, struct ncclabi_descr5 *d)
{
    void *handle = STALE;
    c->sim->t5->start(c->context, &handle, d);
    return handle;
}

/* Before version 5 the parent of COLL and P2P is their group. */
static void *old_parent(const struct ncclabi_descr5 *d)
{
    return d->type == NCCLABI_COLL  ? d->coll.group
           : d->type == NCCLABI_P2P ? d->p2p.group
                                    : d->parent;
}

static void *start4(struct sim_comm *c, const struct ncclabi_descr5 *d)
{
    void *handle = STALE;
    struct ncclabi_descr4 d4 = {.type = (uint8_t)d->type, .parent = old_parent(d)};
    if (d->type == NCCLABI_COLL) {
        d4.coll.func = d->coll.func;
        d4.coll.count = d->coll.count;
        d4.coll.datatype = d->coll.datatype;
        d4.coll.n_channels = d->coll.n_channels;
    } else if (d->type == NCCLABI_P2P) {
        d4.p2p.func = d->p2p.func;
        d4.p2p.count = d->p2p.count;
        d4.p2p.datatype = d->p2p.datatype;
    } else if (d->type == NCCLABI_KERNEL_CH) {
        d4.kernel_ch = d->kernel_ch;
    } else if (d->type == NCCLABI_PROXY_OP) {
        d4.proxy_op = d->proxy_op;
    }
    c->sim->t4->start(c->context, &handle, &d4);
    return handle;
}

static void *start3(struct sim_comm *c, const struct ncclabi_descr5 *d)
{
    void *handle = STALE;
    struct ncclabi_descr3 d3 = {.type = (uint8_t)d->type, .parent = old_parent(d)};
    if (d->type == NCCLABI_COLL) {
        d3.coll.func = d->coll.func;
        d3.coll.count = d->coll.count;
        d3.coll.datatype = d->coll.datatype;
        d3.coll.comm = c->id;
    } else if (d->type == NCCLABI_P2P) {
        d3.p2p.func = d->p2p.func;
        d3.p2p.count = d->p2p.count;
        d3.p2p.datatype = d->p2p.datatype;
        d3.p2p.comm = c->id;
    } else if (d->type == NCCLABI_KERNEL_CH) {
        d3.kernel_ch = d->kernel_ch.channel;
    } else if (d->type == NCCLABI_PROXY_OP) {
        d3.proxy_op = d->proxy_op;
    }
    c->sim->t3->start(c->context, &handle, &d3);
    return handle;
}

static void *start2(struct sim_comm *c, const struct ncclabi_descr5 *d)
{
    void *handle = STALE;
    struct ncclabi_descr2 d2 = {.type = (uint8_t)d->type, .parent = old_parent(d)};
    if (d->type == NCCLABI_COLL) {
        d2.coll.func = d->coll.func;
        d2.coll.count = d->coll.count;
        d2.coll.datatype = d->coll.datatype;
        d2.coll.comm = c->id;
        d2.coll.traffic_bytes = SIZE_MAX;
    } else if (d->type == NCCLABI_P2P) {
        d2.p2p.func = d->p2p.func;
        d2.p2p.count = d->p2p.count;
        d2.p2p.datatype = d->p2p.datatype;
        d2.p2p.comm = c->id;
    } else if (d->type == NCCLABI_PROXY_OP) {
        d2.proxy_op = d->proxy_op;
    }
    c->sim->t3->start(c->context, &handle, &d2);
    return handle;
}

static uint8_t number_of(const char *const *names, uint8_t n, const char *name)
{
    uint8_t i = 0;
    while (i < n && name && strcmp(names[i], name) != 0)
        i++;
    return i < n && name ? i : UINT8_MAX;
}

static uint8_t func1(const char *name)
{
    static const char *const names[] = {"Broadcast",     "Reduce",    "AllGather",
                                        "ReduceScatter", "AllReduce", "SendRecv",
                                        "Send",          "Recv"};
    return number_of(names, 8, name);
}

static uint8_t type1(const char *name)
{
    static const char *const names[] = {
        "ncclInt8",   "Unknown",     "ncclInt32",   "ncclUint32",  "ncclInt64",
        "ncclUint64", "ncclFloat16", "ncclFloat32", "ncclFloat64", "ncclBfloat16"};
    return number_of(names, 10, name);
}

static void *start1(struct sim_comm *c, const struct ncclabi_descr5 *d)
{
    void *handle = STALE;
    struct ncclabi_descr1 d1 = {.type = (uint8_t)d->type, .parent = old_parent(d)};
    if (d->type == NCCLABI_COLL) {
        d1.coll.func = func1(d->coll.func);
        d1.coll.count = d->coll.count;
        d1.coll.datatype = type1(d->coll.datatype);
        d1.coll.comm = c->id;
    } else if (d->type == NCCLABI_P2P) {
        d1.p2p.func = func1(d->p2p.func);
        d1.p2p.count = d->p2p.count;
        d1.p2p.datatype = type1(d->p2p.datatype);
        d1.p2p.comm = c->id;
    } else if (d->type == NCCLABI_PROXY_OP) {
        d1.proxy_op = d->proxy_op;
    }
    c->sim->t3->start(c->context, &handle, &d1);
    return handle;
}

static void *start(struct sim_comm *c, struct ncclabi_descr5 *d)
{
    switch (c->sim->version) {
    case 5:
        return start5(c, d);
    case 4:
        return start4(c, d);
    case 3:
        return start3(c, d);
    case 2:
        return start2(c, d);
    default:
        return start1(c, d);
    }
}

void *sim_start(struct sim_comm *c, uint64_t type, void *parent)
{
    return start(c, &(struct ncclabi_descr5){.type = type, .parent = parent});
}

/* Versions 1 and 2 stop what never had a handle. */
void sim_stop(struct sim *s, void *handle)
{
    if (!handle && s->version > 2)
        return;
    if (s->t5)
        s->t5->stop(handle);
    else if (s->t4)
        s->t4->stop(handle);
    else
        s->t3->stop(handle);
}

void sim_record(struct sim *s, void *handle, int state, uint64_t value)
{
    union ncclabi_args5 a = {.kernel_ch_stop = value};
    union ncclabi_args3 a3 = {.proxy_ctrl_ops = (int)value};
    if (!handle)
        return;
    if (s->t5)
        s->t5->record(handle, state, &a);
    else if (s->t4)
        s->t4->record(handle, state, &a);
    else /* of a proxy's step there is nothing to tell */
        s->t3->record(handle, state, s->version > 2 ? &a3 : NULL);
}

/* ---- a group of calls */

static bool is_p2p(const struct sim_op *op)
{
    return strcmp(op->func, "Send") == 0 || strcmp(op->func, "Recv") == 0;
}

static unsigned channels_of(const struct sim_op *op)
{
    return op->channels ? op->channels : 2;
}

/* Version 5: as the program calls. */
static void *api_call(struct sim_comm *c, const struct sim_op *op, int mask,
                      void *group)
{
    struct ncclabi_descr5 d = {.parent = group};
    if (is_p2p(op)) {
        d.type = NCCLABI_P2P_API;
        d.p2p_api.func = op->func;
        d.p2p_api.count = op->count;
        d.p2p_api.datatype = op->type;
        d.p2p_api.captured = op->captured;
        if (!(mask & (NCCLABI_P2P_API | UNDER_P2P)))
            return NULL;
    } else {
        d.type = NCCLABI_COLL_API;
        d.coll_api.func = op->func;
        d.coll_api.count = op->count;
        d.coll_api.datatype = op->type;
        d.coll_api.captured = op->captured;
        if (!(mask & (NCCLABI_COLL_API | UNDER_COLL)))
            return NULL;
    }
    void *handle = start5(c, &d);
    sim_stop(c->sim, handle);
    return handle;
}

#define OLD_TASKS (NCCLABI_COLL | NCCLABI_PROXY_OP | NCCLABI_PROXY_STEP)

/* Whom versions 1 and 2 tell of anything they tell of all in it. */
static int mask_of_tasks(const struct sim *s, int mask)
{
    return s->version > 2       ? mask
           : (mask & OLD_TASKS) ? mask | NCCLABI_COLL | NCCLABI_P2P
                                : 0;
}

static void task_start(struct sim_task *t, void *plan)
{
    struct ncclabi_descr5 d = {.parent = t->api};
    const struct sim_op *op = &t->op;
    bool of_bytes = strcmp(op->func, "AllGather") == 0; /* NCCL makes bytes of these */
    if (is_p2p(op)) {
        d.type = NCCLABI_P2P;
        d.p2p.func = op->func;
        d.p2p.count = op->count;
        d.p2p.datatype = op->type;
        d.p2p.n_channels = (uint8_t)channels_of(op);
        d.p2p.group = plan;
        if (mask_of_tasks(t->comm->sim, t->mask) & UNDER_P2P)
            t->event = start(t->comm, &d);
        return;
    }
    d.type = NCCLABI_COLL;
    d.coll.func = op->func;
    d.coll.count = of_bytes ? op->count * 4 : op->count;
    d.coll.datatype = of_bytes ? "ncclInt8" : op->type;
    d.coll.n_channels = (uint8_t)channels_of(op);
    d.coll.group = plan;
    if (mask_of_tasks(t->comm->sim, t->mask) & UNDER_COLL)
        t->event = start(t->comm, &d);
}

static bool tells_of_group(const struct sim *s, int mask)
{
    return mask & (s->version > 2 ? UNDER_GROUP : OLD_TASKS | NCCLABI_P2P);
}

/* Before version 5 a group without a handle has no children. */
static void tasks_launch(struct sim_comm *c, struct sim_task *t, unsigned n)
{
    void *plan = NULL;
    if (n > 0 && tells_of_group(c->sim, t->mask))
        plan = sim_start(c, NCCLABI_GROUP, NULL);
    for (unsigned i = 0; i < n; i++) {
        t[i].event = NULL;
        if (plan || c->sim->t5)
            task_start(&t[i], plan);
    }
    for (unsigned i = 0; plan && i < n; i++) /* enqueued, which is all that it means */
        sim_stop(c->sim, t[i].event);
    if (plan)
        sim_stop(c->sim, plan);
}

void sim_group(struct sim_comm *c, const struct sim_op *op, unsigned n,
               struct sim_task *ret)
{
    int mask = __atomic_load_n(&c->sim->mask, __ATOMIC_RELAXED);
    struct ncclabi_descr5 d = {.type = NCCLABI_GROUP_API, .group_api.depth = 1};
    d.group_api.captured = n > 0 && op[0].captured;
    void *group = NULL;
    if (c->sim->t5 && mask != 0)
        group = start5(c, &d);
    sim_record(c->sim, group, 23, 0);
    for (unsigned i = 0; i < n; i++) {
        ret[i] = (struct sim_task){.comm = c, .op = op[i], .mask = mask};
        if (c->sim->t5)
            ret[i].api = api_call(c, &op[i], mask, group);
    }
    sim_record(c->sim, group, 24, 0);
    tasks_launch(c, ret, n);
    sim_stop(c->sim, group);
}

void sim_replay(struct sim_task *t)
{
    tasks_launch(t->comm, t, 1);
}

/* ---- the proxy thread */

void *sim_channel_start(const struct sim_task *t, unsigned channel, uint64_t ns)
{
    struct ncclabi_descr5 d = {.type = NCCLABI_KERNEL_CH,
                               .parent = t->event,
                               .kernel_ch = {(uint8_t)channel, ns}};
    bool tells = t->comm->sim->version > 2 && t->mask & NCCLABI_KERNEL_CH;
    return tells ? start(t->comm, &d) : NULL;
}

void sim_channel_stop(struct sim *s, void *handle, uint64_t ns)
{
    sim_record(s, handle, NCCLABI_KERNEL_CH_STOP, ns);
    sim_stop(s, handle);
}

void sim_channels(const struct sim_task *t, uint64_t first_ns, uint64_t took_ns)
{
    unsigned n = channels_of(&t->op);
    void *handle[UINT8_MAX];
    for (unsigned i = 0; i < n; i++)
        handle[i] = sim_channel_start(t, i, first_ns + i);
    for (unsigned i = 0; i < n; i++)
        sim_channel_stop(t->comm->sim, handle[i], first_ns + took_ns - (n - 1 - i));
}

void sim_proxy(const struct sim_task *t, pid_t pid, void *parent)
{
    struct sim *s = t->comm->sim;
    struct ncclabi_descr5 d = {.type = NCCLABI_PROXY_OP,
                               .parent = parent,
                               .proxy_op = {.pid = pid, .peer = 1, .n_steps = 4}};
    void *op = start(t->comm, &d);
    void *step = sim_start(t->comm, NCCLABI_PROXY_STEP, op);
    sim_record(s, step, 8, 100);
    sim_record(s, step, 9, 100);
    sim_stop(s, step);
    sim_record(s, op, 19, 0);
    sim_stop(s, op);
}
