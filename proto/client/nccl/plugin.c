/* SPDX-License-Identifier: MIT */
/* plugin.c - see plugin.h. */
#include "proto/client/nccl/plugin.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "proto/client/nccl/collmap.h"
#include "proto/client/nccl/depth.h"
#include "proto/client/nccl/handle.h"
#include "proto/client/nccl/lanes.h"
#include "proto/client/nccl/library.h"
#include "proto/client/nccl/names.h"
#include "proto/client/nccl/timing.h"

struct plugin {
    _Atomic uint32_t is_initing;
    bool is_opened;
    _Atomic bool is_on; /* this process has a file to write into */
    pid_t pid;
    _Atomic uint32_t n_threads;
    struct lanes lanes;
    struct depth depth;
    struct comms comms;
    struct timing timing;
    struct chain chain;
};

static struct plugin plugin;

/* Of each thread. In the static block, which a library loaded late may use a little of: the
 * other kind is allocated at first use, which would be in a callback. */
static _Thread_local __attribute__((tls_model("initial-exec"))) struct {
    unsigned home; /* its lane, from 1; 0: it has none yet */
    bool is_deep;  /* the group of calls that it has begun is in a deep step */
    bool captured; /* and goes into a CUDA graph */
    uint32_t told; /* sends and receives of that group: of which kinds */
    const struct comm *told_of;
} caller;

static uint64_t now_ns(void)
{
    struct timespec t;
    if (clock_gettime(CLOCK_MONOTONIC, &t) < 0)
        return 0;
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void count(_Atomic uint64_t *what)
{
    atomic_fetch_add_explicit(what, 1, memory_order_relaxed);
}

static bool is_on(void)
{
    return atomic_load_explicit(&plugin.is_on, memory_order_relaxed);
}

static void push(struct collrec *r)
{
    if (caller.home == 0)
        caller.home = 1 + atomic_fetch_add(&plugin.n_threads, 1) % COLL_LANES;
    lanes_push(&plugin.lanes, caller.home - 1, r);
}

/* ---- a process, its file and its chain */

/* A child has the file mapped, and must not write into it. */
static void in_child(void)
{
    plugin.pid = getpid();
    atomic_store(&plugin.is_on, false);
    atomic_store(&plugin.is_initing, 0);
}

static void chain_to(const struct made *made, const char *path)
{
    const char *why = chain_load(&plugin.chain, path, made->version, made->own);
    if (why && made->log)
        made->log(NCCLABI_LOG_WARN, ~0ul, __FILE__, __LINE__,
                  "aolani: no chain to the profiler \"%s\" of AOLANI_NCCL_CHAIN: %s",
                  path, why);
}

static void plugin_open(const struct made *made)
{
    const char *path = secure_getenv("AOLANI_COLL_PATH");
    const char *next = secure_getenv("AOLANI_NCCL_CHAIN");
    plugin.is_opened = true;
    plugin.pid = getpid();
    if (next && *next)
        chain_to(made, next);
    struct collfile *f = path && *path ? collmap_open(path) : NULL;
    if (!f || pthread_atfork(NULL, NULL, in_child) != 0)
        return;
    uint32_t library = library_version(made->mask);
    plugin.lanes.file = f;
    depth_init(&plugin.depth, &f->wish, secure_getenv("AOLANI_NCCL_DEPTH"),
               library_is_slowed(library));
    atomic_store(&f->library, library);
    atomic_store(&f->no_times, plugin.depth.no_times);
    atomic_store(&plugin.is_on, true);
}

/* NCCL makes communicators in several threads; it does so rarely, and a fork meanwhile
 * leaves the child nothing to wait for. */
static void init_enter(void)
{
    uint32_t idle = 0;
    while (!atomic_compare_exchange_weak(&plugin.is_initing, &idle, 1)) {
        idle = 0;
        sched_yield();
    }
}

static void init_leave(void)
{
    atomic_store(&plugin.is_initing, 0);
}

struct chain *plugin_chain(void)
{
    return plugin.chain.table ? &plugin.chain : NULL;
}

bool plugin_is_own_pid(pid_t pid)
{
    return pid == plugin.pid;
}

/* ---- communicators */

void plugin_mask(struct comm *m)
{
    int want = is_on() ? depth_mask(&plugin.depth, m->version, caller.captured) : 0;
    if (plugin.chain.table) /* and the groups, at which theirs is looked at again */
        want |= chain_mask(&plugin.chain) | depth_groups(m->version);
    if (m->mask && __atomic_load_n(m->mask, __ATOMIC_RELAXED) != want)
        __atomic_store_n(m->mask, want, __ATOMIC_RELAXED);
}

static uint16_t sat16(int v)
{
    return (uint16_t)(v < 0 ? 0 : v > UINT16_MAX ? UINT16_MAX : v);
}

static void comm_tell(const struct comm *m)
{
    struct collrec r = {.t_ns = now_ns(),
                        .comm = atomic_load(&m->id),
                        .n_ranks = m->n_ranks,
                        .kind = COLLREC_COMM};
    push(&r);
}

static struct comm *comm_make(const struct made *made)
{
    bool is_known = made->id != 0 && comms_has(&plugin.comms, made->id);
    struct comm *m = comms_take(&plugin.comms);
    if (!m)
        return NULL;
    m->version = (uint8_t)made->version;
    m->n_ranks = sat16(made->n_ranks);
    m->mask = made->mask;
    /* A process that is several ranks of one communicator is told of as the first. */
    m->is_mute = is_known;
    atomic_store(&m->id, is_known ? 0 : made->id);
    plugin_mask(m);
    if (!is_on() || is_known)
        return m;
    atomic_store(&plugin.lanes.file->nccl_version, made->version);
    if (made->id != 0)
        comm_tell(m);
    return m;
}

struct comm *plugin_init(const struct made *made)
{
    struct comm *m = NULL;
    int saved = errno;
    init_enter();
    if (!plugin.is_opened)
        plugin_open(made);
    if (is_on() || plugin.chain.table)
        m = comm_make(made);
    else if (made->mask)
        __atomic_store_n(made->mask, 0, __ATOMIC_RELAXED);
    if (!m && is_on())
        count(&plugin.lanes.file->odd);
    init_leave();
    errno = saved;
    return m;
}

void plugin_finalize(struct comm *m)
{
    if (is_on())
        depth_forget(&plugin.depth, atomic_load(&m->id));
    comms_give_back(m);
}

bool plugin_gave(const void *context)
{
    return comms_holds(&plugin.comms, context);
}

/* ---- events */

static bool is_group(const struct comm *m, uint64_t type)
{
    return type == (m->version >= 5 ? NCCLABI_GROUP_API : NCCLABI_GROUP);
}

/* A graph would ask the GPU for times at each launch, as long as it lives, and nobody would
 * look at them. Before version 5 NCCL does not say what goes into one. */
static void group_start(struct comm *m, bool captured)
{
    depth_look(&plugin.depth);
    caller.captured = captured;
    plugin_mask(m);
    caller.is_deep = depth_is_deep(&plugin.depth) && !captured;
    caller.told = 0;
}

/* An exchange between all ranks is a group of a send and a receive for each of them; told
 * one by one they would fill a lane and be no better to know steps by. */
static bool is_told(const struct comm *m, const struct told *e)
{
    uint32_t bit = 1u << name_func(e->func);
    if (caller.told_of != m)
        caller.told = 0;
    bool is = (caller.told & bit) != 0;
    caller.told_of = m;
    caller.told |= bit;
    return is;
}

/* Versions 1 to 3 say only here which communicator it is. */
static void comm_learn(struct comm *m, uint64_t id)
{
    uint64_t none = 0;
    if (m->version <= 3 && atomic_compare_exchange_strong(&m->id, &none, id))
        comm_tell(m);
}

/* The program calls a collective. False: there are too many kinds of them here. */
static bool call(struct comm *m, const struct told *e, struct collrec *r,
                 struct handle *ret)
{
    unsigned size, type = name_datatype(e->datatype, &size);
    uint64_t bytes;
    if (e->comm != 0 && atomic_load_explicit(&m->id, memory_order_relaxed) == 0)
        comm_learn(m, e->comm);
    if (__builtin_mul_overflow(e->count, size, &bytes))
        bytes = UINT64_MAX;
    struct collsig sig = collsig_of(name_func(e->func), type, bytes);
    unsigned at = comm_sig_find(m, collsig_key(sig));
    if (at == COMMS_SIG_NONE)
        return false;
    *r = (struct collrec){
        .t_ns = now_ns(),
        .comm = atomic_load_explicit(&m->id, memory_order_relaxed),
        .bytes = bytes,
        .seq = atomic_fetch_add_explicit(&m->sig[at].count, 1, memory_order_relaxed),
        .n_ranks = m->n_ranks,
        .kind = COLLREC_CALL,
        .flags = e->captured ? COLLREC_CAPTURED : 0,
        .sig = sig};
    *ret = (struct handle){
        .kind = HANDLE_CALL,
        .comm = (unsigned)(m - plugin.comms.comm),
        .generation = atomic_load_explicit(&m->generation, memory_order_relaxed),
        .sig = at,
        .seq = r->seq,
    };
    push(r);
    if (depth_call(&plugin.depth, r->comm, collsig_key(sig), r->seq))
        plugin_mask(m);
    return true;
}

/* Version 5: a collective is enqueued. What the program called it, its parent says: NCCL
 * itself may have made bytes of its elements. */
static bool call_of(const struct comm *m, const struct told *e, struct collrec *r)
{
    struct handle h = handle_unpack(e->parent);
    if (h.kind != HANDLE_CALL || &plugin.comms.comm[h.comm] != m ||
        ((atomic_load(&m->generation) ^ h.generation) & 255) != 0)
        return false;
    uint32_t key = atomic_load(&m->sig[h.sig].key1) - 1;
    unsigned size;
    (void)name_datatype(e->datatype, &size);
    *r = (struct collrec){
        .comm = atomic_load(&m->id),
        .bytes = (uint64_t)e->count * size,
        .seq = h.seq,
        .n_ranks = m->n_ranks,
        .sig = {(uint8_t)(key >> 16), (uint8_t)(key >> 8), (uint8_t)key},
    };
    return true;
}

static uint64_t time_it(const struct collrec *r, unsigned n_channels)
{
    uint64_t h = timing_open(&plugin.timing, r, n_channels, now_ns());
    if (h == 0)
        count(&plugin.lanes.file->untimed);
    return h;
}

static uint64_t on_call(struct comm *m, const struct told *e)
{
    struct collrec r;
    struct handle h;
    bool is_p2p = e->type == NCCLABI_P2P || e->type == NCCLABI_P2P_API;
    bool is_deep = m->version >= 5 ? caller.is_deep : depth_is_deep(&plugin.depth);
    if (is_p2p && is_told(m, e))
        return 0;
    if (!call(m, e, &r, &h)) {
        count(&plugin.lanes.file->odd);
        return 0;
    }
    if (!is_deep || is_p2p || e->captured)
        return 0;
    if (e->type == NCCLABI_COLL)
        return m->version == 4 ? time_it(&r, e->n_channels) : 0;
    return handle_pack(&h);
}

static uint64_t on_coll(struct comm *m, const struct told *e)
{
    struct collrec r;
    if (m->version < 5)
        return on_call(m, e);
    return call_of(m, e, &r) ? time_it(&r, e->n_channels) : 0;
}

uint64_t plugin_start(struct comm *m, const struct told *e)
{
    if (!is_on() || m->is_mute) {
        if (is_group(m, e->type))
            plugin_mask(m);
        return 0;
    }
    switch (e->type) {
    case NCCLABI_GROUP_API:
    case NCCLABI_GROUP:
        if (is_group(m, e->type))
            group_start(m, e->captured);
        return m->version < 5 && e->type == NCCLABI_GROUP ? HANDLE_GROUP : 0;
    case NCCLABI_COLL_API:
    case NCCLABI_P2P_API:
        return on_call(m, e);
    case NCCLABI_COLL:
        return on_coll(m, e);
    case NCCLABI_P2P:
        return m->version < 5 ? on_call(m, e) : 0;
    case NCCLABI_KERNEL_CH:
        return m->version < 4
                   ? 0
                   : timing_start(&plugin.timing, e->parent, e->channel, e->start_ns);
    default:
        if (e->type == 0 || (e->type & ~(uint64_t)NCCLABI_KNOWN) != 0)
            count(&plugin.lanes.file->odd);
        return 0;
    }
}

void plugin_stop(uint64_t handle, uint64_t stop_ns)
{
    struct collrec r;
    if (!is_on() || handle_unpack(handle).kind != HANDLE_CHANNEL)
        return;
    enum timing_end end = timing_stop(&plugin.timing, handle, stop_ns, now_ns(), &r);
    if (end == TIMING_DONE)
        push(&r);
    else if (end == TIMING_BAD)
        count(&plugin.lanes.file->odd);
}
