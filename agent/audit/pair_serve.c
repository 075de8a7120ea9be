/* SPDX-License-Identifier: MIT */
/* pair_serve.c - the end that waits, once its partner is there: it does what each record
 * says. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "agent/audit/pair_impl.h"
#include "agent/audit/pair_listener.h"
#include "agent/audit/pair_rdma.h"
#include "proto/base/clock.h"

static uint64_t window_of(const struct pair_record *r)
{
    return r->a > PAIR_WINDOW_MS ? PAIR_WINDOW_MS : r->a;
}

/* 1: who asked had enough once it knew, and is gone. */
static int sink(const struct pair_link *l, const struct pair_record *ask)
{
    struct pair_stream s = {0};
    struct pair_rate rate;
    struct pair_record done = {.op = PAIR_DONE};
    int rc = pair_stream_in(l, &s, window_of(ask), &rate);
    if (rc < 0)
        return rc;
    pair_rate_steady(&rate, &done.a, &done.b);
    rc = pair_send_record(l, &done);
    if (rc == 0)
        rc = pair_stream_drain(l, &s);
    return rc == -ECONNRESET ? 1 : rc;
}

/* The last that is done: who asked has what it wants when it ends the connection. */
static int source(const struct pair_link *l, const struct pair_record *ask)
{
    int rc = pair_stream_out(l, window_of(ask));
    return rc == 0 || rc == -ECONNRESET ? 1 : rc;
}

/* What the record says. 1: it was the last. */
static int obey(struct pair_rdma *rdma, const struct pair_link *l,
                const struct pair_record *r)
{
    if (pair_rdma_is(r))
        return pair_rdma_obey(rdma, l, r);
    switch (r->op) {
    case PAIR_ECHO:
        return pair_send_record(l, r);
    case PAIR_SINK:
        return sink(l, r);
    case PAIR_SOURCE:
        return source(l, r);
    case PAIR_BYE:
        return 1;
    default:
        return -EPROTO;
    }
}

static int serve_partner(const struct pair_link *l, const char *nic, struct err *e)
{
    struct pair_record r = {.op = PAIR_WELCOME};
    struct pair_rdma rdma = {.nic = nic};
    int rc = pair_tune(l->fd);
    if (rc == 0)
        rc = pair_send_record(l, &r);
    while (rc == 0) {
        rc = pair_recv_record(l, &r);
        if (rc == 0)
            rc = obey(&rdma, l, &r);
    }
    verbs_close(rdma.v);
    return rc > 0 ? 0 : err_sys(e, rc, "be the other end of a pair");
}

int pair_serve(struct pair_listener *l, struct err *e)
{
    struct pair_link link = {.until_ns = l->until_ns};
    int rc = link.fd = pair_listener_partner(l, e);
    pair_listener_close(l);
    if (rc >= 0)
        rc = serve_partner(&link, l->nic, e);
    if (link.fd >= 0)
        close(link.fd);
    pair_listener_destroy(l);
    return rc;
}
