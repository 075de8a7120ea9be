/* SPDX-License-Identifier: MIT */
/* server_letters.c - what PMIx's library asks of us, read on the loop: see server.c. */
#include "agent/pmix/server_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <pmix.h>

#include "agent/pmix/calls.h"
#include "proto/base/limits.h"

#define FENCE_DATA_MAX (LIMIT_FRAME - 4096u - LIMIT_NODES * 4u)

static pmix_status_t pmix_status(int status)
{
    switch (status) {
    case 0:
        return PMIX_SUCCESS;
    case ERR_LIMIT:
        return PMIX_ERR_OUT_OF_RESOURCE;
    case -ENOENT:
        return PMIX_ERR_NOT_FOUND;
    default:
        return PMIX_ERR_LOST_CONNECTION;
    }
}

/* The library needs the data until it calls free on it. */
void server_answer(pmix_modex_cbfunc_t cb, void *arg, int status,
                   const ProtobufCBinaryData *data)
{
    char *copy = NULL;
    size_t len = data && !status ? data->len : 0;
    if (len > 0) {
        copy = malloc(len);
        if (!copy)
            status = -ENOMEM;
        else
            memcpy(copy, data->data, len);
    }
    cb(pmix_status(status), copy, copy ? len : 0, arg, free, copy);
}

/* Does the collective name a rank of this node that has gone? */
static bool names_gone(struct server *s, const struct partners_set *set)
{
    uint32_t first = s->setup->first_rank[s->setup->node_index];
    uint32_t end = s->setup->first_rank[s->setup->node_index + 1];
    for (uint32_t r = first; r < end; r++)
        if (*server_state_of(s, r) == RANK_GONE && partners_has(set, r))
            return true;
    return false;
}

static int resolve(struct server *s, const struct letter *m, struct partners_set *ret)
{
    bool all = false;
    uint32_t *ranks = calloc(m->n_procs + 1, sizeof *ranks);
    int rc = ranks ? 0 : -ENOMEM;
    for (size_t i = 0; i < m->n_procs && !rc; i++) {
        ranks[i] = m->procs[i].rank;
        all = all || m->procs[i].rank == PMIX_RANK_WILDCARD;
        if (strncmp(m->procs[i].nspace, s->setup->nspace, PMIX_MAX_NSLEN))
            rc = -ENOENT;
    }
    if (!rc)
        rc = partners_resolve(s->partners, all, ranks, m->n_procs, ret);
    free(ranks);
    return rc;
}

static void read_fence(struct server *s, struct letter *m)
{
    struct partners_set set;
    struct waiter *w = calloc(1, sizeof *w);
    int rc = w ? resolve(s, m, &set) : -ENOMEM;
    if (rc) {
        free(w);
        server_answer(m->answer, m->answer_arg, rc, NULL);
        return;
    }
    Aolani__Fence f = AOLANI__FENCE__INIT;
    f.key.data = set.key;
    f.key.len = sizeof set.key;
    f.n_nodes = set.n_nodes;
    f.nodes = set.nodes;
    if (m->len > FENCE_DATA_MAX)
        f.status = ERR_LIMIT;
    else if (m->status != PMIX_SUCCESS || names_gone(s, &set))
        f.status = ERR_NODE_LOST;
    f.data.data = (uint8_t *)m->data;
    f.data.len = f.status ? 0 : m->len;
    memcpy(w->key, set.key, sizeof w->key);
    w->answer = m->answer;
    w->answer_arg = m->answer_arg;
    w->next = s->fences;
    s->fences = w;
    server_send_up(s, AOLANI__PMIX_MESSAGE__IS_FENCE,
                   &f); /* a failed one, too, is answered */
    partners_set_fini(&set);
}

static void read_get(struct server *s, struct letter *m)
{
    uint32_t world = s->setup->first_rank[s->setup->n_node_names];
    struct waiter *w = m->rank < world ? calloc(1, sizeof *w) : NULL;
    if (!w) {
        server_answer(m->answer, m->answer_arg, -ENOENT, NULL);
        return;
    }
    w->request = ++s->next_request;
    w->answer = m->answer;
    w->answer_arg = m->answer_arg;
    w->next = s->gets;
    s->gets = w;
    Aolani__ModexGet get = AOLANI__MODEX_GET__INIT;
    get.rank = m->rank;
    get.request = w->request;
    server_send_up(s, AOLANI__PMIX_MESSAGE__IS_GET, &get);
}

static void read_data(struct server *s, struct letter *m)
{
    struct waiter **at = &s->asked;
    while (*at && (*at)->request != m->request)
        at = &(*at)->next;
    struct waiter *w = *at;
    if (!w) /* its rank went first, and that was the answer */
        return;
    *at = w->next;
    free(w);
    server_send_data(s, m->request, m->status == PMIX_SUCCESS ? 0 : -ENOENT, m->data,
                     m->len);
}

static void read_abort(struct server *s, struct letter *m)
{
    Aolani__Abort a = AOLANI__ABORT__INIT;
    char text[CALLS_ABORT_TEXT_MAX + 1] = "";
    /* Text of a program, for a field that is UTF-8. */
    for (size_t i = 0; i < m->len; i++) {
        char c = m->data[i];
        text[i] = '?';
        if (c == '\n' || (c >= ' ' && c < 127))
            text[i] = c;
    }
    a.rank = m->rank;
    a.status = m->status;
    a.text = text;
    server_send_up(s, AOLANI__PMIX_MESSAGE__IS_ABORT, &a);
}

void server_read_letter(void *arg, struct letter *m)
{
    struct server *s = arg;
    switch (m->kind) {
    case LETTER_FENCE:
        read_fence(s, m);
        break;
    case LETTER_GET:
        read_get(s, m);
        break;
    case LETTER_DATA:
        read_data(s, m);
        break;
    case LETTER_ABORT:
        read_abort(s, m);
        break;
    case LETTER_CONNECTED:
        if (server_is_local(s, m->rank) && *server_state_of(s, m->rank) != RANK_GONE)
            *server_state_of(s, m->rank) = RANK_CONNECTED;
        break;
    case LETTER_FINALIZED:
        if (server_is_local(s, m->rank) && *server_state_of(s, m->rank) != RANK_GONE)
            *server_state_of(s, m->rank) = RANK_FINALIZED;
        break;
    }
}
