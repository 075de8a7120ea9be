/* SPDX-License-Identifier: MIT */
/* netwatch.c - see netwatch.h. */
#include "launcher/netwatch.h"

#include <stdlib.h>

#include "proto/wire/ncclsaid.h"
#include "proto/base/limits.h"

struct stream {
    struct ncclsaid *said; /* NULL: not yet, or no longer */
    size_t len;
};
struct netwatch {
    bool over, gdr;
    uint32_t n;
    struct stream streams[][2];
};

struct netwatch *netwatch_create(uint32_t n_ranks, bool gdr)
{
    uint32_t n = n_ranks < NETWATCH_RANKS ? n_ranks : NETWATCH_RANKS;
    struct netwatch *w = calloc(1, sizeof *w + n * sizeof w->streams[0]);
    if (w) {
        w->n = n;
        w->gdr = gdr;
    }
    return w;
}

void netwatch_destroy(struct netwatch *w)
{
    for (uint32_t i = 0; w && i < w->n; i++) {
        free(w->streams[i][0].said);
        free(w->streams[i][1].said);
    }
    free(w);
}

enum netproof_fault netwatch_said(struct netwatch *w, const struct ncclsaid *s)
{
    enum netproof_fault found = w->over ? NETPROOF_NONE : netproof_fault(s, w->gdr);
    w->over = w->over || found != NETPROOF_NONE;
    return found;
}

enum netproof_fault netwatch_add(struct netwatch *w, uint32_t rank, int stream,
                                 const void *data, size_t len)
{
    enum netproof_fault found;
    if (w->over || rank >= w->n)
        return NETPROOF_NONE;
    struct stream *s = &w->streams[rank][stream];
    if (s->len > LIMIT_NCCL_SAID)
        return NETPROOF_NONE;
    if (!s->said)
        s->said = calloc(1, sizeof *s->said);
    if (!s->said) /* the report still says which network it was */
        return NETPROOF_NONE;
    ncclsaid_add(s->said, data, len);
    s->len += len;
    found = netwatch_said(w, s->said);
    if (s->len > LIMIT_NCCL_SAID) {
        free(s->said);
        s->said = NULL;
    }
    return found;
}
