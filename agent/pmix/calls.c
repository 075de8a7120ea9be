/* SPDX-License-Identifier: MIT */
/* calls.c - what PMIx's server library asks of us, on threads of its own: each call becomes
 * a letter to the loop. None waits. */
#include "agent/pmix/calls.h"

#include <stdlib.h>
#include <string.h>

/* PMIx hands no pointer of ours to its calls, and there is one server per process. Set
 * before the library starts, cleared when it has stopped. */
static struct mailbox *the_mailbox;

void calls_deliver_to(struct mailbox *b)
{
    the_mailbox = b;
}

static pmix_status_t post(struct letter *m)
{
    if (!m)
        return PMIX_ERR_NOMEM;
    mailbox_post(the_mailbox, m);
    return PMIX_SUCCESS;
}

static pmix_status_t post_rank(enum letter_kind kind, const pmix_proc_t *proc)
{
    struct letter *m = letter_create(kind, NULL, 0);
    if (m)
        m->rank = proc->rank;
    pmix_status_t rc = post(m);
    return rc == PMIX_SUCCESS ? PMIX_OPERATION_SUCCEEDED : rc;
}

static pmix_status_t on_connected(const pmix_proc_t *proc, void *object,
                                  pmix_info_t info[], size_t n_info,
                                  pmix_op_cbfunc_t cb, void *cb_arg)
{
    (void)object, (void)info, (void)n_info, (void)cb, (void)cb_arg;
    return post_rank(LETTER_CONNECTED, proc);
}

static pmix_status_t on_finalized(const pmix_proc_t *proc, void *object,
                                  pmix_op_cbfunc_t cb, void *cb_arg)
{
    (void)object, (void)cb, (void)cb_arg;
    return post_rank(LETTER_FINALIZED, proc);
}

static pmix_status_t on_abort(const pmix_proc_t *proc, void *object, int status,
                              const char text[], pmix_proc_t procs[], size_t n_procs,
                              pmix_op_cbfunc_t cb, void *cb_arg)
{
    (void)object, (void)procs, (void)n_procs, (void)cb, (void)cb_arg;
    size_t len = text ? strnlen(text, CALLS_ABORT_TEXT_MAX) : 0;
    struct letter *m = letter_create(LETTER_ABORT, text, len);
    if (m) {
        m->rank = proc->rank;
        m->status = status;
    }
    pmix_status_t rc = post(m);
    return rc == PMIX_SUCCESS ? PMIX_OPERATION_SUCCEEDED : rc;
}

static pmix_status_t on_fence(const pmix_proc_t procs[], size_t n_procs,
                              const pmix_info_t info[], size_t n_info, char *data,
                              size_t len, pmix_modex_cbfunc_t cb, void *cb_arg)
{
    struct letter *m = letter_create(LETTER_FENCE, data, len);
    if (m && (m->procs = malloc(n_procs * sizeof *procs))) {
        memcpy(m->procs, procs, n_procs * sizeof *procs);
        m->n_procs = n_procs;
        m->answer = cb;
        m->answer_arg = cb_arg;
        for (size_t i = 0; i < n_info; i++) /* a rank was lost while others waited */
            if (PMIX_CHECK_KEY(&info[i], PMIX_LOCAL_COLLECTIVE_STATUS))
                m->status = info[i].value.data.status;
        return post(m);
    }
    letter_destroy(m);
    return PMIX_ERR_NOMEM;
}

static pmix_status_t on_get(const pmix_proc_t *proc, const pmix_info_t info[],
                            size_t n_info, pmix_modex_cbfunc_t cb, void *cb_arg)
{
    (void)info, (void)n_info;
    struct letter *m = letter_create(LETTER_GET, NULL, 0);
    if (m) {
        m->rank = proc->rank;
        m->answer = cb;
        m->answer_arg = cb_arg;
    }
    return post(m);
}

void calls_on_data(pmix_status_t status, char *data, size_t len, void *arg)
{
    uint64_t *request = arg;
    struct letter *m = letter_create(LETTER_DATA, data, len);
    if (m) {
        m->request = *request;
        m->status = status;
    }
    free(request);
    (void)post(m);
}

/* What is not here is answered "not supported" by the library. */
static pmix_server_module_t the_module = {
    .client_connected2 = on_connected,
    .client_finalized = on_finalized,
    .abort = on_abort,
    .fence_nb = on_fence,
    .direct_modex = on_get,
};

pmix_server_module_t *calls_module(void)
{
    return &the_module;
}
