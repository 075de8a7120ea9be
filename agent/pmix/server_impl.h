/* SPDX-License-Identifier: MIT */
/* server_impl - what server.c (the agent's messages, life) and server_letters.c (what the
 * library asks) share. All of it lives on the loop. */
#ifndef AGENT_PMIX_SERVER_IMPL_H
#define AGENT_PMIX_SERVER_IMPL_H

#include "agent/pmix/mailbox.h"
#include "agent/pmix/partners.h"
#include "agent/pmix/server.h"
#include "proto/wire/pmixwire.h"

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

/* The agent cannot be served any more. */
void server_give_up(struct server *s, const struct err *e);
void server_send_up(struct server *s, Aolani__PmixMessage__IsCase which, void *part);
/* Of MODEX_GET; data is not kept. */
void server_send_data(struct server *s, uint64_t request, int status, char *data,
                      size_t len);
bool server_is_local(const struct server *s, uint32_t rank);
uint8_t *server_state_of(struct server *s, uint32_t rank); /* of a local one */

/* ---- server_letters.c ---- */
void server_read_letter(void *arg, struct letter *m);
/* Give the library what it waits for. */
void server_answer(pmix_modex_cbfunc_t cb, void *arg, int status,
                   const ProtobufCBinaryData *data);

#endif
