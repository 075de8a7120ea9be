/* SPDX-License-Identifier: MIT */
/* server.c - the traffic of PMIx's server library with the agent.
 *
 * What the library asks comes as letters (calls.c) to the loop, where all state lives. Its
 * answer functions may be called from any thread. A rank that has
 * ended without saying goodbye can take part in nothing more: what names it fails, here by
 * us and elsewhere through the head. The library itself takes a rank out of the
 * collectives that have not left this node when it sees its connection close, so such a
 * rank is not deregistered: that would close the connection unseen. Ranks that still talk
 * to us a while later lose us, as they may wait for a rank that never connected at all.
 */
#include "agent/pmix/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pmix.h>

#include "agent/pmix/calls.h"
#include "agent/pmix/job.h"
#include "agent/pmix/mailbox.h"
#include "agent/pmix/partners.h"
#include "proto/base/limits.h"
#include "proto/base/log.h"
#include "proto/wire/pmixwire.h"

#define BROKEN_AFTER_MS 2000u /* the head ends the job sooner, where it wants to */
#define FENCE_DATA_MAX  (LIMIT_FRAME - 4096u - LIMIT_NODES * 4u)
#define MODEX_DATA_MAX  (LIMIT_FRAME - 64u)

enum rank_state { RANK_NEW, RANK_CONNECTED, RANK_FINALIZED, RANK_GONE };

/* Someone whom the library keeps waiting for our answer, or who was asked by us. */
struct waiter {
    struct waiter *next;
    uint8_t key[PARTNERS_KEY_BYTES]; /* of a fence */
    uint64_t request;                /* of a look-up */
    uint32_t rank;                   /* of a look-up from outside: who is asked */
    pmix_modex_cbfunc_t answer;
    void *answer_arg;
};

struct server {
    struct loop *loop;
    struct pmixwire *wire;
    struct mailbox *box;
    struct loop_timer *broken_timer;
    Aolani__PmixMessage *setup_message; /* keeps setup */
    const Aolani__PmixSetup *setup;
    struct partners *partners;
    uint8_t *state; /* enum rank_state, by local rank */
    struct waiter *fences, *gets, *asked;
    uint64_t next_request;
    bool library;
};

/* ---- on the loop ---- */

static void give_up(struct server *s, const struct err *e)
{
    log_err(e);
    loop_stop(s->loop);
}

static void send_up(struct server *s, Aolani__PmixMessage__IsCase which, void *part)
{
    Aolani__PmixMessage m = AOLANI__PMIX_MESSAGE__INIT;
    m.is_case = which;
    m.ready = part; /* one union of pointers */
    int rc = pmixwire_send(s->wire, &m);
    if (rc && rc != -EPIPE) {
        struct err e;
        err_sys(&e, rc, "send to the agent");
        give_up(s, &e);
    }
}

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
static void answer(pmix_modex_cbfunc_t cb, void *arg, int status,
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

static bool is_local(const struct server *s, uint32_t rank)
{
    return rank >= s->setup->first_rank[s->setup->node_index] &&
           rank < s->setup->first_rank[s->setup->node_index + 1];
}

static uint8_t *state_of(struct server *s, uint32_t rank)
{
    return &s->state[rank - s->setup->first_rank[s->setup->node_index]];
}

/* Does the collective name a rank of this node that has gone? */
static bool names_gone(struct server *s, const struct partners_set *set)
{
    uint32_t first = s->setup->first_rank[s->setup->node_index];
    uint32_t end = s->setup->first_rank[s->setup->node_index + 1];
    for (uint32_t r = first; r < end; r++)
        if (*state_of(s, r) == RANK_GONE && partners_has(set, r))
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
        answer(m->answer, m->answer_arg, rc, NULL);
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
    send_up(s, AOLANI__PMIX_MESSAGE__IS_FENCE, &f); /* a failed one, too, is answered */
    partners_set_fini(&set);
}

static void read_get(struct server *s, struct letter *m)
{
    uint32_t world = s->setup->first_rank[s->setup->n_node_names];
    struct waiter *w = m->rank < world ? calloc(1, sizeof *w) : NULL;
    if (!w) {
        answer(m->answer, m->answer_arg, -ENOENT, NULL);
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
    send_up(s, AOLANI__PMIX_MESSAGE__IS_GET, &get);
}

static void send_data(struct server *s, uint64_t request, int status, char *data,
                      size_t len)
{
    Aolani__ModexData d = AOLANI__MODEX_DATA__INIT;
    if (!status && len > MODEX_DATA_MAX)
        status = ERR_LIMIT;
    d.request = request;
    d.status = status;
    d.data.data = (uint8_t *)data;
    d.data.len = status ? 0 : len;
    send_up(s, AOLANI__PMIX_MESSAGE__IS_GOT, &d);
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
    send_data(s, m->request, m->status == PMIX_SUCCESS ? 0 : -ENOENT, m->data, m->len);
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
    send_up(s, AOLANI__PMIX_MESSAGE__IS_ABORT, &a);
}

static void read_letter(void *arg, struct letter *m)
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
        if (is_local(s, m->rank) && *state_of(s, m->rank) != RANK_GONE)
            *state_of(s, m->rank) = RANK_CONNECTED;
        break;
    case LETTER_FINALIZED:
        if (is_local(s, m->rank) && *state_of(s, m->rank) != RANK_GONE)
            *state_of(s, m->rank) = RANK_FINALIZED;
        break;
    }
}

/* ---- from the agent ---- */

static int start_job(struct server *s, struct err *e)
{
    const Aolani__PmixSetup *p = s->setup;
    uint32_t first = p->first_rank[p->node_index];
    s->state = calloc(p->first_rank[p->node_index + 1] - first + 1u, 1);
    if (!s->state || partners_create(p->n_node_names, p->first_rank, &s->partners))
        return err_set(e, -ENOMEM, "set up pmix: out of memory");
    int rc = job_start(p, calls_module(), e);
    if (rc)
        return rc;
    s->library = true;
    return job_register(p, e);
}

static void send_ready(struct server *s)
{
    const Aolani__PmixSetup *p = s->setup;
    uint32_t first = p->first_rank[p->node_index];
    uint32_t n = p->first_rank[p->node_index + 1] - first;
    struct err e = {0};
    Aolani__PmixReady ready = AOLANI__PMIX_READY__INIT;
    Aolani__PmixRankEnv *envs = calloc(n + 1u, sizeof *envs);
    ready.ranks = calloc(n + 1u, sizeof *ready.ranks);
    int rc = envs && ready.ranks ? start_job(s, &e)
                                 : err_set(&e, -ENOMEM, "set up pmix: out of memory");
    for (uint32_t i = 0; i < n && !rc; i++) {
        rc = job_env(p, first + i, &envs[i], &e);
        if (!rc)
            ready.ranks[ready.n_ranks++] = &envs[i];
    }
    if (rc)
        ready.error = e.text;
    send_up(s, AOLANI__PMIX_MESSAGE__IS_READY, &ready);
    for (size_t i = 0; i < ready.n_ranks; i++)
        job_env_destroy(ready.ranks[i]);
    free(ready.ranks);
    free(envs);
    if (rc)
        loop_stop(s->loop);
}

/* The message is the caller's: we need one that stays. */
static int keep_setup(struct server *s, const Aolani__PmixMessage *m, struct err *e)
{
    if (s->setup)
        return err_set(e, ERR_PROTO, "pmix setup: came twice");
    int rc = job_check(m->setup, e);
    if (rc)
        return rc;
    s->setup_message = pmixwire_copy(m);
    if (!s->setup_message)
        return err_set(e, -ENOMEM, "set up pmix: out of memory");
    s->setup = s->setup_message->setup;
    return 0;
}

static void take_fence_done(struct server *s, const Aolani__FenceDone *m)
{
    struct waiter **at = &s->fences;
    if (m->key.len != PARTNERS_KEY_BYTES)
        return;
    while (*at && memcmp((*at)->key, m->key.data, m->key.len))
        at = &(*at)->next;
    struct waiter *w = *at;
    if (!w)
        return;
    *at = w->next;
    answer(w->answer, w->answer_arg, m->status, &m->data);
    free(w);
}

static void take_got(struct server *s, const Aolani__ModexData *m)
{
    struct waiter **at = &s->gets;
    while (*at && (*at)->request != m->request)
        at = &(*at)->next;
    struct waiter *w = *at;
    if (!w)
        return;
    *at = w->next;
    answer(w->answer, w->answer_arg, m->status, &m->data);
    free(w);
}

static void take_get(struct server *s, const Aolani__ModexGet *m)
{
    struct waiter *w = NULL;
    uint64_t *request = NULL;
    if (!is_local(s, m->rank) || *state_of(s, m->rank) == RANK_GONE ||
        !(w = calloc(1, sizeof *w)) || !(request = malloc(sizeof *request))) {
        free(w);
        send_data(s, m->request, -ENOENT, NULL, 0);
        return;
    }
    w->request = *request = m->request;
    w->rank = m->rank;
    w->next = s->asked;
    s->asked = w;
    pmix_proc_t proc;
    PMIX_LOAD_PROCID(&proc, s->setup->nspace, m->rank);
    pmix_status_t rc = PMIx_server_dmodex_request(&proc, calls_on_data, request);
    if (rc == PMIX_SUCCESS)
        return;
    s->asked = w->next;
    free(w);
    free(request);
    send_data(s, m->request, -ENOENT, NULL, 0);
}

static void fail_asked(struct server *s, uint32_t rank)
{
    for (struct waiter **at = &s->asked; *at;) {
        struct waiter *w = *at;
        if (w->rank != rank) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        send_data(s, w->request, ERR_NODE_LOST, NULL, 0);
        free(w);
    }
}

/* The library has no way to wake a rank that waits for one which never came, and Open MPI
 * none to hear of it but the loss of its server. So we go, as mpirun would. */
static void on_broken(void *arg)
{
    struct server *s = arg;
    uint32_t first = s->setup->first_rank[s->setup->node_index];
    uint32_t end = s->setup->first_rank[s->setup->node_index + 1];
    uint32_t gone = end, connected = 0;
    mailbox_drain(s->box);
    for (uint32_t r = first; r < end; r++) {
        if (*state_of(s, r) == RANK_GONE && gone == end)
            gone = r;
        connected += *state_of(s, r) == RANK_CONNECTED;
    }
    if (connected == 0 || gone == end)
        return;
    log_warn("rank %u ended without MPI_Finalize; ending the other %u on its node",
             gone, connected);
    loop_stop(s->loop);
}

static void take_gone(struct server *s, uint32_t rank)
{
    /* It may have said goodbye in a letter that is still unread. */
    mailbox_drain(s->box);
    if (!is_local(s, rank) || *state_of(s, rank) == RANK_GONE)
        return;
    pmix_proc_t proc;
    PMIX_LOAD_PROCID(&proc, s->setup->nspace, rank);
    if (*state_of(s, rank) == RANK_FINALIZED) {
        PMIx_server_deregister_client(&proc, NULL, NULL);
        return;
    }
    *state_of(s, rank) = RANK_GONE;
    fail_asked(s, rank);
    Aolani__Fence f = AOLANI__FENCE__INIT;
    f.status = ERR_NODE_LOST;
    send_up(s, AOLANI__PMIX_MESSAGE__IS_FENCE, &f);
    loop_timer_start(s->broken_timer, BROKEN_AFTER_MS, 0);
}

static void on_message(void *arg, const Aolani__PmixMessage *m)
{
    struct server *s = arg;
    struct err e = {0};
    if (m->is_case == AOLANI__PMIX_MESSAGE__IS_SETUP) {
        if (keep_setup(s, m, &e))
            give_up(s, &e);
        else
            send_ready(s);
        return;
    }
    if (m->is_case == AOLANI__PMIX_MESSAGE__IS_STOP) {
        loop_stop(s->loop);
        return;
    }
    if (!s->library) {
        err_set(&e, ERR_PROTO, "pmix message %d: no job was set up", (int)m->is_case);
        give_up(s, &e);
        return;
    }
    switch (m->is_case) {
    case AOLANI__PMIX_MESSAGE__IS_FENCE_DONE:
        take_fence_done(s, m->fence_done);
        break;
    case AOLANI__PMIX_MESSAGE__IS_GET:
        take_get(s, m->get);
        break;
    case AOLANI__PMIX_MESSAGE__IS_GOT:
        take_got(s, m->got);
        break;
    case AOLANI__PMIX_MESSAGE__IS_GONE:
        take_gone(s, m->gone->rank);
        break;
    default:
        err_set(&e, ERR_PROTO, "pmix message %d: not for us", (int)m->is_case);
        give_up(s, &e);
    }
}

static void on_ended(void *arg, const struct err *e)
{
    struct server *s = arg;
    if (e->code)
        log_err(e);
    loop_stop(s->loop);
}

int server_create(struct loop *l, int fd, struct server **ret, struct err *e)
{
    static const struct pmixwire_ops ops = {on_message, on_ended};
    struct server *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(e, -ENOMEM, "serve pmix: out of memory");
    s->loop = l;
    s->broken_timer = loop_timer_create(l, on_broken, s);
    int rc = s->broken_timer ? mailbox_create(l, read_letter, s, &s->box) : -ENOMEM;
    if (rc)
        err_sys(e, rc, "serve pmix");
    else
        rc = pmixwire_open(l, fd, &ops, s, &s->wire, e);
    if (rc) {
        server_destroy(s);
        return rc;
    }
    calls_deliver_to(s->box);
    *ret = s;
    return 0;
}

static void waiters_free(struct waiter *w)
{
    while (w) {
        struct waiter *next = w->next;
        free(w);
        w = next;
    }
}

void server_destroy(struct server *s)
{
    if (!s)
        return;
    if (s->library)
        job_stop();
    calls_deliver_to(NULL);
    mailbox_destroy(s->box);
    pmixwire_destroy(s->wire);
    loop_timer_destroy(s->broken_timer);
    waiters_free(s->fences);
    waiters_free(s->gets);
    waiters_free(s->asked);
    partners_destroy(s->partners);
    if (s->setup_message)
        aolani__pmix_message__free_unpacked(s->setup_message, NULL);
    free(s->state);
    free(s);
}
