/* SPDX-License-Identifier: MIT */
/* netwatch.c - see netwatch.h. */
#include "launcher/netwatch.h"

#include <stdlib.h>
#include <string.h>

#include "launcher/ncclsaid.h"
#include "proto/base/limits.h"

struct stream {
    struct ncclsaid *said; /* NULL: not yet, or no longer */
    size_t len;
};
struct netwatch {
    bool over;
    uint32_t n;
    struct stream streams[][2];
};

struct netwatch *netwatch_create(uint32_t n_ranks)
{
    uint32_t n = n_ranks < NETWATCH_RANKS ? n_ranks : NETWATCH_RANKS;
    struct netwatch *w = calloc(1, sizeof *w + n * sizeof w->streams[0]);
    if (w)
        w->n = n;
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

static bool fell_back(const struct ncclsaid *s)
{
    for (size_t i = 0; i < s->n_uses; i++) {
        if (strcmp(s->uses[i].transport, "Socket") == 0)
            return true;
    }
    return strcmp(s->network, "Socket") == 0;
}

bool netwatch_add(struct netwatch *w, uint32_t rank, int stream, const void *data,
                  size_t len)
{
    if (w->over || rank >= w->n)
        return false;
    struct stream *s = &w->streams[rank][stream];
    if (s->len > LIMIT_NCCL_SAID)
        return false;
    if (!s->said)
        s->said = calloc(1, sizeof *s->said);
    if (!s->said) /* the report still says which network it was */
        return false;
    ncclsaid_add(s->said, data, len);
    s->len += len;
    w->over = fell_back(s->said);
    if (s->len > LIMIT_NCCL_SAID) {
        free(s->said);
        s->said = NULL;
    }
    return w->over;
}
