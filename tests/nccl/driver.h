/* SPDX-License-Identifier: MIT */
/* driver - what the cases of the plug-in's driver share: the agent's end of the file. */
#ifndef TESTS_NCCL_DRIVER_H
#define TESTS_NCCL_DRIVER_H

#include "proto/wire/collrec.h"
#include "tests/nccl/sim.h"

#define LEN(a) (sizeof(a) / sizeof(a)[0])
#define MS     1000000ull

struct world {
    const char *plugin, *other; /* other: the one that is chained */
    unsigned version;
    char dir[64], path[80];
    struct collfile
        *file; /* as the agent sees it; no address is shared with the rank */
    struct sim sim;
    struct collrec *rec; /* drained so far */
    size_t n;
    const char *name; /* of the case */
};

/* What a case must leave behind. */
struct want {
    unsigned calls, captured, dones, comms, gaps;
    uint64_t dropped, odd, untimed;
};

/* The file, the environment and the plug-in; in parts for those that spoil one. */
void world_file(struct world *w);
void world_load(struct world *w);
void world_open(struct world *w);
void world_wish(struct world *w, enum coll_depth depth, uint32_t every, uint32_t n);
void world_anchor(struct world *w, uint64_t comm, struct collsig sig);
/* Takes what is there: by one thread at a time, beside those that write. */
void world_drain(struct world *w);
void world_expect(struct world *w, const struct want *want);
/* seq of each collective of each communicator: each number from 0 on once. */
void world_expect_seqs(struct world *w);

/* A collective that is not there: the first of this kind and seq, or NULL. */
const struct collrec *world_find(const struct world *w, unsigned kind, unsigned func,
                                 uint32_t seq);

void driver_failed(const char *file, int line, const char *what);
/* The exit status of a process that a case has forked. */
int driver_status(void);
#define EXPECT(x) ((x) ? (void)0 : driver_failed(__FILE__, __LINE__, #x))

struct driver_case {
    const char *name;
    void (*run)(struct world *w);
    unsigned versions; /* bits 1 to 5 */
};
#define V1  (1u << 1)
#define V2  (1u << 2)
#define V3  (1u << 3)
#define V4  (1u << 4)
#define V5  (1u << 5)
#define ALL (V1 | V2 | V3 | V4 | V5)

extern const struct driver_case cases_calls[], cases_deep[], cases_place[],
    cases_chain[];

#endif
