/* SPDX-License-Identifier: MIT */
/* server.c - the traffic of PMIx's server library with the agent.
 *
 * What the library asks comes as letters (calls.c, server_letters.c) to the loop, where all
 * state lives. Its answer functions may be called from any thread. A rank that has ended without saying goodbye can take part in nothing more: what names it fails, here by
 * us and elsewhere through the head. The library itself takes a rank out of the
 * collectives that have not left this node when it sees its connection close, so such a
 * rank is not deregistered: that would close the connection unseen. Ranks that still talk
 * to us a while later lose us, as they may wait for a rank that never connected at all.
 */
#include "agent/pmix/server_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pmix.h>

#include "agent/pmix/calls.h"
#include "agent/pmix/job.h"
#include "proto/base/limits.h"
#include "proto/base/log.h"

#define BROKEN_AFTER_MS 2000u /* the head ends the job sooner, where it wants to */
#define MODEX_DATA_MAX  (LIMIT_FRAME - 64u)

/* ---- to the agent ---- */

void server_give_up(struct server *s, const struct err *e)
{
    log_err(e);
    loop_stop(s->loop);
}

void server_send_up(struct server *s, Aolani__PmixMessage__IsCase which, void *part)
{
    Aolani__PmixMessage m = AOLANI__PMIX_MESSAGE__INIT;
    m.is_case = which;
    m.ready = part; /* one union of pointers */
    int rc = pmixwire_send(s->wire, &m);
    if (rc && rc != -EPIPE) {
        struct err e;
        err_sys(&e, rc, "send to the agent");
        server_give_up(s, &e);
    }
}

bool server_is_local(const struct server *s, uint32_t rank)
{
    return rank >= s->setup->first_rank[s->setup->node_index] &&
           rank < s->setup->first_rank[s->setup->node_index + 1];
}

uint8_t *server_state_of(struct server *s, uint32_t rank)
{
    return &s->state[rank - s->setup->first_rank[s->setup->node_index]];
}

void server_send_data(struct server *s, uint64_t request, int status, char *data,
                      size_t len)
{
    Aolani__ModexData d = AOLANI__MODEX_DATA__INIT;
    if (!status && len > MODEX_DATA_MAX)
        status = ERR_LIMIT;
    d.request = request;
    d.status = status;
    d.data.data = (uint8_t *)data;
    d.data.len = status ? 0 : len;
    server_send_up(s, AOLANI__PMIX_MESSAGE__IS_GOT, &d);
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
    server_send_up(s, AOLANI__PMIX_MESSAGE__IS_READY, &ready);
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
    server_answer(w->answer, w->answer_arg, m->status, &m->data);
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
    server_answer(w->answer, w->answer_arg, m->status, &m->data);
    free(w);
}

static void take_get(struct server *s, const Aolani__ModexGet *m)
{
    struct waiter *w = NULL;
    uint64_t *request = NULL;
    if (!server_is_local(s, m->rank) || *server_state_of(s, m->rank) == RANK_GONE ||
        !(w = calloc(1, sizeof *w)) || !(request = malloc(sizeof *request))) {
        free(w);
        server_send_data(s, m->request, -ENOENT, NULL, 0);
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
    server_send_data(s, m->request, -ENOENT, NULL, 0);
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
        server_send_data(s, w->request, ERR_NODE_LOST, NULL, 0);
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
        if (*server_state_of(s, r) == RANK_GONE && gone == end)
            gone = r;
        connected += *server_state_of(s, r) == RANK_CONNECTED;
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
    if (!server_is_local(s, rank) || *server_state_of(s, rank) == RANK_GONE)
        return;
    pmix_proc_t proc;
    PMIX_LOAD_PROCID(&proc, s->setup->nspace, rank);
    if (*server_state_of(s, rank) == RANK_FINALIZED) {
        PMIx_server_deregister_client(&proc, NULL, NULL);
        return;
    }
    *server_state_of(s, rank) = RANK_GONE;
    fail_asked(s, rank);
    Aolani__Fence f = AOLANI__FENCE__INIT;
    f.status = ERR_NODE_LOST;
    server_send_up(s, AOLANI__PMIX_MESSAGE__IS_FENCE, &f);
    loop_timer_start(s->broken_timer, BROKEN_AFTER_MS, 0);
}

static void on_message(void *arg, const Aolani__PmixMessage *m)
{
    struct server *s = arg;
    struct err e = {0};
    if (m->is_case == AOLANI__PMIX_MESSAGE__IS_SETUP) {
        if (keep_setup(s, m, &e))
            server_give_up(s, &e);
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
        server_give_up(s, &e);
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
        server_give_up(s, &e);
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
    int rc =
        s->broken_timer ? mailbox_create(l, server_read_letter, s, &s->box) : -ENOMEM;
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
