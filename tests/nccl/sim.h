/* SPDX-License-Identifier: MIT */
/* sim - what NCCL does with a profiler plug-in, without NCCL or a GPU: it loads the plug-in
 * as built, and calls it in NCCL's order, from the threads from which NCCL would.
 *
 * One process loads it once, as one version of NCCL. GPU stamps are whatever a case says.
 */
#ifndef TESTS_NCCL_SIM_H
#define TESTS_NCCL_SIM_H

#include <stdbool.h>

#include "proto/client/nccl/ncclabi_old.h"

struct sim {
    void *lib;
    unsigned version;
    const struct ncclabi_table5 *t5; /* one of them */
    const struct ncclabi_table4 *t4;
    const struct ncclabi_table3 *t3; /* versions 1 to 3 */
    int mask;                        /* NCCL's one of the process */
};

struct sim_comm {
    struct sim *sim;
    uint64_t id;
    int n_ranks;
    void *context;
};

struct sim_op { /* what the program asks for */
    const char *func;
    size_t count;
    const char *type;
    bool captured;
    unsigned channels; /* 0: 2 */
};

struct sim_task { /* what NCCL keeps of it */
    struct sim_comm *comm;
    struct sim_op op;
    int mask;
    void *api, *event;
};

/* Exits when there is no such table. */
void sim_load(struct sim *s, const char *plugin, unsigned version);
/* As NCCL does with its last communicator; its threads may come late all the same. */
void sim_unload(struct sim *s);
void sim_init(struct sim *s, struct sim_comm *c, uint64_t id, int n_ranks);
void sim_finalize(struct sim_comm *c);
/* ncclGroupStart, n calls, ncclGroupEnd; a call alone is a group too. */
void sim_group(struct sim_comm *c, const struct sim_op *op, unsigned n,
               struct sim_task *ret);
/* A graph with the task in it is launched. */
void sim_replay(struct sim_task *t);
/* The proxy thread finds stamps: one channel starts, and stops. */
void *sim_channel_start(const struct sim_task *t, unsigned channel, uint64_t ns);
void sim_channel_stop(struct sim *s, void *handle, uint64_t ns);
/* All channels, begun at first_ns and took_ns long, the last one longest. */
void sim_channels(const struct sim_task *t, uint64_t first_ns, uint64_t took_ns);
/* The proxy works for a task: of this process, or (PXN) of another. */
void sim_proxy(const struct sim_task *t, pid_t pid, void *parent);

/* Any event at all. */
void *sim_start(struct sim_comm *c, uint64_t type, void *parent);
void sim_stop(struct sim *s, void *handle);
void sim_record(struct sim *s, void *handle, int state, uint64_t value);

#endif
