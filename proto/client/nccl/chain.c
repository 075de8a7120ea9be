/* SPDX-License-Identifier: MIT */
/* chain.c - see chain.h. */
#include "proto/client/nccl/chain.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "proto/client/nccl/olddl.h"

#define OPEN   1u
#define PROBES 16u

_Static_assert((CHAIN_PAIRS & (CHAIN_PAIRS - 1)) == 0, "places are masked");

/* Names are NCCL's: a path, a library, or what its name ends in. */
static void *chain_open(const char *name)
{
    char lib[256];
    if (strcmp(name, "STATIC_PLUGIN") == 0)
        return dlopen(NULL, RTLD_NOW | RTLD_LOCAL);
    if (strchr(name, '/') || strncmp(name, "lib", 3) == 0)
        return dlopen(name, RTLD_NOW | RTLD_LOCAL);
    snprintf(lib, sizeof lib, "libnccl-profiler-%s.so", name);
    return dlopen(lib, RTLD_NOW | RTLD_LOCAL);
}

const char *chain_load(struct chain *c, const char *path, unsigned version,
                       const void *own)
{
    char name[32];
    void *lib = chain_open(path);
    if (!lib)
        return "it cannot be loaded";
    snprintf(name, sizeof name, "ncclProfiler_v%u", version);
    const void *table = dlsym(lib, name);
    if (!table)
        return "it has no table of the version that this NCCL speaks";
    if (table == own)
        return "it is this profiler itself";
    c->version = version;
    c->table = table;
    return NULL;
}

int chain_mask(struct chain *c)
{
    return __atomic_load_n(&c->mask, __ATOMIC_RELAXED);
}

static uint64_t pair_number(unsigned at, uint64_t word)
{
    return (word >> 32) << 32 | (uint64_t)at << 1 | 1;
}

uint64_t chain_reserve(struct chain *c)
{
    for (unsigned i = 0; i < PROBES; i++) {
        unsigned at = atomic_fetch_add_explicit(&c->next, 1, memory_order_relaxed);
        struct chain_pair *p = &c->pair[at &= CHAIN_PAIRS - 1];
        uint64_t word = atomic_load(&p->word);
        uint64_t taken = ((word >> 32) + 1) << 32 | OPEN;
        if (!(word & OPEN) && atomic_compare_exchange_strong(&p->word, &word, taken))
            return pair_number(at, taken);
    }
    return 0;
}

static struct chain_pair *pair_of(struct chain *c, uint64_t number)
{
    return &c->pair[number >> 1 & (CHAIN_PAIRS - 1)];
}

static bool pair_is(struct chain_pair *p, uint64_t number)
{
    return atomic_load(&p->word) >> 32 == number >> 32;
}

void *chain_settle(struct chain *c, uint64_t reserved, void *ours, void *theirs)
{
    if (reserved == 0)
        return NULL;
    struct chain_pair *p = pair_of(c, reserved);
    atomic_store(&p->ours, ours);
    atomic_store(&p->theirs, theirs);
    if (ours || theirs)
        return (void *)(uintptr_t)reserved;
    atomic_fetch_and(&p->word, ~(uint64_t)OPEN);
    return NULL;
}

bool chain_find(struct chain *c, void *handle, void **ret_ours, void **ret_theirs)
{
    uint64_t number = (uintptr_t)handle;
    *ret_ours = *ret_theirs = NULL;
    struct chain_pair *p = pair_of(c, number);
    if (!(number & 1) || !pair_is(p, number))
        return false;
    void *ours = atomic_load(&p->ours), *theirs = atomic_load(&p->theirs);
    if (!pair_is(p, number)) /* taken for another one while we read */
        return false;
    *ret_ours = ours;
    *ret_theirs = theirs;
    return true;
}

void chain_close(struct chain *c, void *handle)
{
    uint64_t number = (uintptr_t)handle;
    struct chain_pair *p = pair_of(c, number);
    uint64_t word = (number >> 32) << 32 | OPEN;
    if (number & 1)
        (void)atomic_compare_exchange_strong(&p->word, &word, word & ~(uint64_t)OPEN);
}
