/* SPDX-License-Identifier: MIT */
/* plugin - what the profiler plug-in makes of NCCL's events, whatever the version.
 *
 * NCCL calls from the program's threads, from its own and from CUDA's, some of them with no
 * argument but a handle; so there is one plug-in in a process, and it is never unloaded.
 * No callback but init and finalize allocates, locks, logs, or makes a system call other
 * than reading the clock. Nothing here fails: an event that is no use is let pass.
 */
#ifndef PROTO_CLIENT_NCCL_PLUGIN_H
#define PROTO_CLIENT_NCCL_PLUGIN_H

#include "proto/client/nccl/chain.h"
#include "proto/client/nccl/comms.h"
#include "proto/client/nccl/ncclabi.h"

/* An event as it starts. */
struct told {
    uint64_t type;
    uint64_t parent; /* our handle */
    const char *func, *datatype;
    size_t count;
    uint64_t comm; /* versions 1 to 3 alone */
    unsigned channel, n_channels;
    uint64_t start_ns;
    bool captured;
};

/* A communicator that is made. */
struct made {
    unsigned version;
    uint64_t id;
    int n_ranks;
    int *mask;
    const void *own; /* our table of this version */
    ncclabi_log_f log;
};

/* NULL: there is nothing to be told of it, and NCCL is asked for nothing. */
struct comm *plugin_init(const struct made *made);
void plugin_finalize(struct comm *m);
/* NCCL's mask for this communicator, after the chained plug-in may have changed its own. */
void plugin_mask(struct comm *m);
/* A context that we gave to NCCL, in this process; nothing else may be followed. */
bool plugin_gave(const void *context);
/* 0, or the handle under which the event is heard of again. */
uint64_t plugin_start(struct comm *m, const struct told *e);
/* A channel of the GPU has stopped; stop_ns 0: not known when. Other handles: nothing. */
void plugin_stop(uint64_t handle, uint64_t stop_ns);

/* NULL: nobody is chained. */
struct chain *plugin_chain(void);
/* Is this the process that loaded us? A child of it is not told of. */
bool plugin_is_own_pid(pid_t pid);

#endif
