/* SPDX-License-Identifier: MIT */
/* comms - the communicators of the process, and how often each collective was called there.
 *
 * A table of fixed size: an entry is taken when NCCL makes a communicator and given back
 * when it is finalized, so a callback that comes too late finds memory, and a generation
 * that is not its own. Entries may be used by many threads; taking and giving back is rare.
 */
#ifndef PROTO_CLIENT_NCCL_COMMS_H
#define PROTO_CLIENT_NCCL_COMMS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define COMMS_MAX      256u /* at a time; what comes after is not told of */
#define COMMS_SIGS     256u /* kinds of collectives of one; a power of two */
#define COMMS_SIG_NONE COMMS_SIGS

struct comm_sig {
    _Atomic uint32_t key1; /* collsig_key + 1; 0: free */
    _Atomic uint32_t count;
};

struct comm {
    _Atomic uint32_t is_taken;
    _Atomic uint32_t generation; /* 8 bits of it are in handles */
    _Atomic uint64_t id;         /* NCCL's; 0: not known yet (versions 1 to 3) */
    uint16_t n_ranks;            /* 0: not known (versions 1 to 3) */
    uint8_t version;             /* of the table */
    bool is_mute;                /* not told of: only the chained plug-in hears of it */
    int *mask;                   /* NCCL's */
    void *theirs;                /* context of the chained plug-in */
    struct comm_sig sig[COMMS_SIGS];
};

struct comms {
    struct comm comm[COMMS_MAX];
};

/* NULL: all are taken. All but is_taken and generation is zero. */
struct comm *comms_take(struct comms *c);
void comms_give_back(struct comm *m);
/* Is it an entry of this table at all? What a proxy does for another process NCCL tells with
 * that process's address of its own. */
bool comms_holds(const struct comms *c, const void *m);
/* Is this communicator told of already? One process can be several of its ranks. */
bool comms_has(const struct comms *c, uint64_t id);
/* The place of a kind of collective; COMMS_SIG_NONE: there is no room for another. */
unsigned comm_sig_find(struct comm *m, uint32_t key);

#endif
