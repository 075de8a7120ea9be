/* SPDX-License-Identifier: MIT */
/* mailbox - what PMIx's own threads hand over to the loop's thread. */
#ifndef AGENT_PMIX_MAILBOX_H
#define AGENT_PMIX_MAILBOX_H

#include <stdbool.h>

#include <pmix_server.h>

#include "proto/base/loop.h"

enum letter_kind {
    LETTER_FENCE,     /* procs, data, answer */
    LETTER_GET,       /* rank, answer */
    LETTER_DATA,      /* request, status, data: what PMIx answered to us */
    LETTER_ABORT,     /* rank, status, data: the text */
    LETTER_CONNECTED, /* rank */
    LETTER_FINALIZED, /* rank */
};

struct letter {
    struct letter *next;
    enum letter_kind kind;
    uint32_t rank;
    int status;
    uint64_t request;
    pmix_proc_t *procs; /* owned */
    size_t n_procs;
    char *data; /* owned */
    size_t len;
    pmix_modex_cbfunc_t answer;
    void *answer_arg;
};

struct mailbox;
int mailbox_create(struct loop *l, void (*read)(void *arg, struct letter *m), void *arg,
                   struct mailbox **ret);
/* Only when no other thread can post any more. */
void mailbox_destroy(struct mailbox *b);
/* Any thread. Takes the letter. */
void mailbox_post(struct mailbox *b, struct letter *m);
/* On the loop: read all that has been posted until now. */
void mailbox_drain(struct mailbox *b);

/* data is copied; NULL when out of memory. */
struct letter *letter_create(enum letter_kind kind, const void *data, size_t len);
void letter_destroy(struct letter *m);

#endif
