/* SPDX-License-Identifier: MIT */
/* ncclfacts - which version of the profiler's interface the NCCL of each rank has loaded, and
 * whose NCCL is in use without one, in words. Pure. */
#ifndef LAUNCHER_VARIANCE_NCCLFACTS_H
#define LAUNCHER_VARIANCE_NCCLFACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NCCLFACTS_TEXT 192u

struct ncclfacts;
struct ncclfacts_config { /* by reference */
    uint32_t n_nodes;
    const uint32_t *first_rank; /* n_nodes + 1 */
    const char *(*name)(const void *arg, uint32_t node);
    const void *arg;
};

int ncclfacts_create(const struct ncclfacts_config *c, struct ncclfacts **ret);
void ncclfacts_destroy(struct ncclfacts *f);
/* As a rank says it, which may be anything: another version than there is counts as none.
 * without: as in CollAnchors. True: this is news. */
bool ncclfacts_told(struct ncclfacts *f, uint32_t rank, uint32_t profiler,
                    uint32_t without);
/* "profiler v5", "profiler v5, v3 on gpu7 and 2 more nodes"; "": none was loaded. The version
 * of a node is the lowest of its ranks. */
void ncclfacts_tables(const struct ncclfacts *f, char ret[NCCLFACTS_TEXT]);
/* "no profiler for this NCCL on gpu7: ..."; "": no NCCL is known to lack one. */
void ncclfacts_lacking(const struct ncclfacts *f, char ret[NCCLFACTS_TEXT]);

#endif
