/* SPDX-License-Identifier: MIT */
/* both.c - see both.h. */
#include "proto/client/nccl/both.h"

const void *both_table(unsigned version)
{
    const struct chain *c = plugin_chain();
    return c && c->version == version ? c->table : NULL;
}

uint64_t both_part(void **handle)
{
    void *ours, *theirs;
    if (!*handle)
        return 0;
    (void)chain_find(plugin_chain(), *handle, &ours, &theirs);
    *handle = theirs;
    return (uintptr_t)ours;
}

bool both_is_foreign(uint64_t type, pid_t pid)
{
    return type == NCCLABI_PROXY_OP && !plugin_is_own_pid(pid);
}

void *both_stop(void *handle)
{
    struct chain *c = plugin_chain();
    void *ours = handle, *theirs = NULL;
    if (c && chain_find(c, handle, &ours, &theirs))
        chain_close(c, handle);
    plugin_stop((uintptr_t)ours, 0);
    return theirs;
}

void *both_record(void *handle, int state, uint64_t stop_ns)
{
    struct chain *c = plugin_chain();
    void *ours = handle, *theirs = NULL;
    if (c)
        (void)chain_find(c, handle, &ours, &theirs);
    if (state == NCCLABI_KERNEL_CH_STOP)
        plugin_stop((uintptr_t)ours, stop_ns);
    return theirs;
}

void *both_finalize(void *context)
{
    struct comm *m = context;
    void *theirs = m ? m->theirs : NULL;
    if (m)
        plugin_finalize(m);
    return theirs;
}
