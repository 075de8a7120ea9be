/* SPDX-License-Identifier: MIT */
/* job_netwatch.c - [audit] require_net = "ib" while ranks run: NCCL may find an HCA and yet
 * not use it, and says which network it took when its communicators are made. Of each
 * stream only the beginning is read, as after the job (job_nccl.c). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/job_impl.h"
#include "launcher/ncclsaid.h"
#include "proto/base/limits.h"

#define WATCH_RANKS 256u /* of a larger job the first: NCCL agrees on its network */

struct stream {
    struct ncclsaid *said; /* NULL: not yet, or no longer */
    size_t len;
};
struct job_netwatch {
    uint32_t n;
    struct stream streams[][2];
};

int job_netwatch_create(struct job *j)
{
    uint32_t n = j->plan.world_size < WATCH_RANKS ? j->plan.world_size : WATCH_RANKS;
    if (strcmp(j->config.spec->audit.require_net, "none") == 0)
        return 0;
    j->netwatch = calloc(1, sizeof *j->netwatch + n * sizeof j->netwatch->streams[0]);
    if (!j->netwatch)
        return -ENOMEM;
    j->netwatch->n = n;
    return 0;
}

void job_netwatch_destroy(struct job_netwatch *w)
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

void job_netwatch_add(struct job *j, uint32_t rank, int stream, const void *data,
                      size_t len)
{
    if (!j->netwatch || rank >= j->netwatch->n || j->state != JOB_RUNNING)
        return;
    struct stream *s = &j->netwatch->streams[rank][stream];
    if (s->len > LIMIT_NCCL_SAID)
        return;
    if (!s->said)
        s->said = calloc(1, sizeof *s->said);
    if (!s->said) /* the report still says which network it was */
        return;
    ncclsaid_add(s->said, data, len);
    s->len += len;
    bool fell = fell_back(s->said);
    if (fell)
        job_set_stop(
            j, STOP_ERROR, err_exit_status(ERR_REFUSED),
            "rank %u on %s: NCCL has taken sockets for its network, and [audit] "
            "require_net is \"%s\"",
            rank, job_node_name(j, j->plan.ranks[rank].node),
            j->config.spec->audit.require_net);
    if (fell || s->len > LIMIT_NCCL_SAID) {
        free(s->said);
        s->said = NULL;
        s->len = LIMIT_NCCL_SAID + 1;
    }
    if (fell)
        job_event(j, JOB_EV_FAILED);
}
