/* SPDX-License-Identifier: MIT */
/* both - what all versions of the tables do with a chained plug-in: NCCL's handles are
 * parted into ours and theirs, and put together again. */
#ifndef PROTO_CLIENT_NCCL_BOTH_H
#define PROTO_CLIENT_NCCL_BOTH_H

#include "proto/client/nccl/ncclabi_old.h"
#include "proto/client/nccl/plugin.h"

#define BOTH_NAME "aolani"
#define EXPORT    __attribute__((visibility("default")))

EXPORT extern const struct ncclabi_table5 ncclProfiler_v5;
EXPORT extern const struct ncclabi_table4 ncclProfiler_v4;
EXPORT extern const struct ncclabi_table3 ncclProfiler_v3, ncclProfiler_v2,
    ncclProfiler_v1;

/* Their table; NULL: nobody is chained, or not for this version. */
const void *both_table(unsigned version);
/* Replaces what NCCL holds for both by what is theirs; ours is returned. */
uint64_t both_part(void **handle);
/* The parent of a proxy's work for another process is that process's, and is left alone. */
bool both_is_foreign(uint64_t type, pid_t pid);
/* Ends and changes of an event: ours hears of it; what is theirs is returned, or NULL. */
void *both_stop(void *handle);
void *both_record(void *handle, int state, uint64_t stop_ns);
/* Their context, or NULL. */
void *both_finalize(void *context);

static inline void *both_handle(uint64_t h)
{
    return (void *)(uintptr_t)h;
}

#endif
