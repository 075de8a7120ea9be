/* SPDX-License-Identifier: MIT */
/* pair_rdma.c - see pair_rdma.h. */
#include "agent/audit/pair_rdma.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/clock.h"
#include "proto/base/utf8.h"

#define TRIPS_PART  25u /* percent of the budget */
#define STREAM_PART 30u

_Static_assert(VERBS_CARD == PAIR_MORE, "a card is what may follow a record");

static int send_more(const struct pair_link *l, enum pair_op op,
                     const unsigned char more[PAIR_MORE])
{
    struct pair_record r = {.op = op};
    int rc = pair_send_record(l, &r);
    return rc < 0 ? rc : pair_send(l, more, PAIR_MORE);
}

static int refuse(const struct pair_link *l, const char *why)
{
    unsigned char more[PAIR_MORE] = {0};
    memcpy(more, why, strnlen(why, PAIR_MORE - 1));
    return send_more(l, PAIR_NO, more);
}

/* 0: done, or what was asked for. 1: no, and why. */
static int hear(const struct pair_link *l, enum pair_op wanted, struct pair_record *ret,
                unsigned char more[PAIR_MORE], struct err *why)
{
    int rc = pair_recv_record(l, ret);
    if (rc < 0)
        return rc;
    if (ret->op != wanted && ret->op != PAIR_NO)
        return -EPROTO;
    if (ret->op == PAIR_DONE)
        return 0;
    rc = pair_recv(l, more, PAIR_MORE);
    if (rc < 0 || ret->op != PAIR_NO)
        return rc;
    more[PAIR_MORE - 1] = '\0';
    utf8_make_printable((char *)more);
    (void)err_set(why, -EOPNOTSUPP, "the other end: %s", (const char *)more);
    return 1;
}

/* ---- the end that comes */

static int acquaint(const struct pair_link *l, struct verbs *v, struct err *why)
{
    unsigned char card[PAIR_MORE];
    struct pair_record r;
    verbs_card(v, card);
    int rc = send_more(l, PAIR_RDMA, card);
    if (rc == 0)
        rc = hear(l, PAIR_RDMA, &r, card, why);
    if (rc == 0 && verbs_connect(v, card, why) < 0)
        rc = 1;
    return rc;
}

/* What failed at our end the other end still answers, so that both go on in step. */
static int run_trips(const struct pair_link *l, struct verbs *v, uint64_t window_ms,
                     Aolani__AuditPair *p, struct err *why)
{
    struct pair_record r = {.op = PAIR_RDMA_ECHO, .a = window_ms};
    unsigned char more[PAIR_MORE];
    uint64_t *ns = malloc(PAIR_TRIPS * sizeof *ns);
    size_t n = 0;
    struct err own = {0}, other = {0};
    int rc = ns ? pair_send_record(l, &r) : -ENOMEM;
    int failed = rc < 0 ? rc : verbs_trips(v, window_ms, ns, PAIR_TRIPS, &n, &own);
    if (rc == 0)
        rc = hear(l, PAIR_DONE, &r, more, &other);
    if (rc >= 0 && failed < 0) {
        *why = own;
        rc = 1;
    } else if (rc == 1) {
        *why = other;
    }
    if (rc == 0)
        pair_trips(ns, n, p);
    free(ns);
    return rc;
}

static int run_streams(const struct pair_link *l, struct verbs *v, uint64_t window_ms,
                       Aolani__AuditPair *p, struct err *why)
{
    struct pair_record r = {.op = PAIR_RDMA_PUSH, .a = window_ms};
    unsigned char more[PAIR_MORE];
    uint64_t bytes, ns;
    if (verbs_push(v, window_ms, &bytes, &ns, why) < 0)
        return 1;
    int rc = pair_send_record(l, &r);
    if (rc == 0)
        rc = hear(l, PAIR_DONE, &r, more, why);
    if (rc == 0) {
        p->there_mbytes = pair_mbytes(bytes, ns);
        p->back_mbytes = pair_mbytes(r.a, r.b);
    }
    return rc;
}

int pair_rdma_reach(const struct pair_link *l, const char *nic, uint64_t budget_ms,
                    Aolani__AuditPair *p, struct err *why)
{
    struct verbs *v;
    if (verbs_open(nic, &v, why) < 0)
        return 1;
    int rc = acquaint(l, v, why);
    if (rc == 0)
        rc = run_trips(l, v, budget_ms * TRIPS_PART / 100, p, why);
    if (rc == 0)
        rc = run_streams(l, v, budget_ms * STREAM_PART / 100, p, why);
    if (rc == 0) {
        char *peer = strdup(verbs_peer(v));
        rc = peer ? 0 : -ENOMEM;
        if (peer)
            p->peer_nic = peer;
    }
    verbs_close(v);
    return rc;
}

/* ---- the end that waits */

bool pair_rdma_is(const struct pair_record *r)
{
    return r->op == PAIR_RDMA || r->op == PAIR_RDMA_ECHO || r->op == PAIR_RDMA_PUSH;
}

static int welcome(struct pair_rdma *s, const struct pair_link *l)
{
    unsigned char card[PAIR_MORE];
    struct err e = {0};
    int rc = pair_recv(l, card, sizeof card);
    if (rc < 0)
        return rc;
    if (!*s->nic)
        return refuse(l, "no HCA is named for it");
    if (s->v)
        return -EPROTO; /* one is enough */
    if (verbs_open(s->nic, &s->v, &e) < 0 || verbs_connect(s->v, card, &e) < 0) {
        verbs_close(s->v);
        s->v = NULL;
        return refuse(l, e.text);
    }
    verbs_card(s->v, card);
    return send_more(l, PAIR_RDMA, card);
}

/* Never longer than there is time for the pair. */
static uint64_t window_of(const struct pair_link *l, const struct pair_record *r)
{
    uint64_t now = clock_mono_ns();
    uint64_t left_ms = l->until_ns > now ? (l->until_ns - now) / 1000000 : 0;
    uint64_t most = left_ms < PAIR_WINDOW_MS ? left_ms : PAIR_WINDOW_MS;
    return r->a < most ? r->a : most;
}

int pair_rdma_obey(struct pair_rdma *s, const struct pair_link *l,
                   const struct pair_record *r)
{
    struct pair_record done = {.op = PAIR_DONE};
    struct err e = {0};
    uint64_t window_ms = window_of(l, r);
    if (r->op == PAIR_RDMA)
        return welcome(s, l);
    if (!s->v)
        return -EPROTO;
    int rc = r->op == PAIR_RDMA_ECHO
                 ? verbs_echo(s->v, window_ms, &e)
                 : verbs_push(s->v, window_ms, &done.a, &done.b, &e);
    return rc < 0 ? refuse(l, e.text) : pair_send_record(l, &done);
}
