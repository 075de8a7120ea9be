/* SPDX-License-Identifier: MIT */
/* chain - another profiler behind ours, since NCCL takes but one: AOLANI_NCCL_CHAIN names
 * it as NCCL_PROFILER_PLUGIN would.
 *
 * It is loaded as NCCL would load it and hears of all that NCCL tells us, but for the work of
 * a proxy for another process, where the context would be that process's. NCCL gets one
 * handle for both; a pair says what they are to each. A pair outlives its event, for
 * children that come later, until its place is needed.
 */
#ifndef PROTO_CLIENT_NCCL_CHAIN_H
#define PROTO_CLIENT_NCCL_CHAIN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define CHAIN_PAIRS 65536u /* a power of two */

struct chain_pair {
    _Atomic uint64_t word; /* generation, and whether the event is open */
    _Atomic(void *) ours;
    _Atomic(void *) theirs;
};

struct chain {
    const void *table; /* theirs, of this version; NULL: there is no chain */
    unsigned version;
    int mask; /* theirs: they may change it at any time, as they would NCCL's */
    _Atomic uint32_t next;
    struct chain_pair pair[CHAIN_PAIRS];
};

/* NULL: it is chained; else why not, in a few words. own: our table of that version. */
const char *chain_load(struct chain *c, const char *path, unsigned version,
                       const void *own);
int chain_mask(struct chain *c);
/* A place for a pair; 0: all are taken by events that are still open. */
uint64_t chain_reserve(struct chain *c);
/* What NCCL gets: NULL if neither wants to hear of the event again. */
void *chain_settle(struct chain *c, uint64_t reserved, void *ours, void *theirs);
/* What a handle is to each; false, and both NULL: it is too old. */
bool chain_find(struct chain *c, void *handle, void **ret_ours, void **ret_theirs);
void chain_close(struct chain *c, void *handle);

#endif
