/* SPDX-License-Identifier: MIT */
/* pair_reach.c - the end that comes, and measures: round trips first, while nothing else is
 * on the way; then there, then back. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/audit/pair_rdma.h"
#include "proto/base/clock.h"

#define LEAST_MS   50u /* of a budget: less says nothing of a bandwidth */
#define MOST_MS    15000u
#define GRACE_MS   1000u /* beyond the budget, for what is on its way on a slow link */
#define LATE_MS    100u  /* beyond that, for an answer that is on its way */
#define WARM_TRIPS 16u   /* before those that are timed */
/* Percent of the budget. The rest is for connecting, and for what is on its way. */
#define TRIPS_PART  20u
#define STREAM_PART 33u

static int try_connect(const Aolani__AuditReach *ask, struct pair_link *l,
                       struct err *e)
{
    struct sockaddr_storage sa = {0};
    socklen_t len = 0;
    int rc = pair_address(ask->address, ask->port, &sa, &len, e);
    if (rc < 0)
        return rc;
    l->fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->fd < 0)
        return err_sys(e, -errno, "make a socket for a pair");
    int failed = connect(l->fd, (struct sockaddr *)&sa, len) < 0 ? errno : 0;
    socklen_t size = sizeof failed;
    if (failed == EINPROGRESS) {
        rc = pair_wait(l, POLLOUT);
        failed = rc < 0 ? -rc : 0;
        if (rc >= 0 && getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &failed, &size) < 0)
            failed = errno;
    }
    if (!failed)
        return 0;
    (void)err_sys(e, -failed, "reach \"%s\" port %u", ask->address, ask->port);
    return err_hint(e, "pairs use ports of the range %s; does a firewall let them in?",
                    "net.ipv4.ip_local_port_range");
}

static int introduce(const Aolani__AuditReach *ask, struct pair_link *l, struct err *e)
{
    struct pair_record r;
    int rc = try_connect(ask, l, e);
    if (rc < 0)
        return rc;
    rc = pair_tune(l->fd);
    if (rc == 0)
        rc = pair_send(l, ask->token.data, PAIR_TOKEN_BYTES);
    if (rc == 0)
        rc = pair_recv_record(l, &r);
    if (rc == -ECONNRESET)
        return err_set(e, ERR_AUTH, "be let in at \"%s\" port %u: it does not %s",
                       ask->address, ask->port, "take our token");
    if (rc == 0 && r.op != PAIR_WELCOME)
        rc = -EPROTO;
    return rc < 0
               ? err_sys(e, rc, "be let in at \"%s\" port %u", ask->address, ask->port)
               : 0;
}

static int trip(const struct pair_link *l, uint64_t number)
{
    struct pair_record r = {.op = PAIR_ECHO, .a = number}, back;
    int rc = pair_send_record(l, &r);
    if (rc == 0)
        rc = pair_recv_record(l, &back);
    if (rc == 0 && (back.op != PAIR_ECHO || back.a != number))
        rc = -EPROTO;
    return rc;
}

static int run_trips(const struct pair_link *l, uint64_t window_ms,
                     Aolani__AuditPair *p)
{
    uint64_t *ns = malloc(PAIR_TRIPS * sizeof *ns);
    uint64_t until = clock_mono_ns() + window_ms * 1000000;
    size_t n = 0;
    int rc = ns ? 0 : -ENOMEM;
    for (uint64_t i = 0; rc == 0 && i < WARM_TRIPS; i++)
        rc = trip(l, i);
    for (uint64_t from = clock_mono_ns(); rc == 0 && n < PAIR_TRIPS;) {
        rc = trip(l, WARM_TRIPS + n);
        uint64_t now = clock_mono_ns();
        if (rc == 0)
            ns[n++] = now - from;
        from = now;
        if (now >= until)
            break;
    }
    if (rc == 0)
        pair_trips(ns, n, p);
    free(ns);
    return rc;
}

/* The other end says what came when its window is over, whether or not all that was begun
 * goes through in time: on a very slow way it does not. */
static int run_there(const struct pair_link *l, uint64_t window_ms,
                     Aolani__AuditPair *p)
{
    struct pair_record r = {.op = PAIR_SINK, .a = window_ms};
    struct pair_link late = {.fd = l->fd, .until_ns = l->until_ns + LATE_MS * 1000000};
    int rc = pair_send_record(l, &r);
    if (rc < 0)
        return rc;
    /* A little longer than is measured: the other end's window begins later. */
    int sent = pair_stream_out(l, window_ms + window_ms / 8);
    if (sent < 0 && sent != -ETIMEDOUT)
        return sent;
    rc = pair_recv_record(sent < 0 ? &late : l, &r);
    if (rc == 0 && r.op != PAIR_DONE)
        rc = -EPROTO;
    if (rc < 0)
        return rc;
    p->there_mbytes = pair_mbytes(r.a, r.b);
    return sent;
}

/* The last: what is still on its way when the window is over is not waited for. */
static int run_back(const struct pair_link *l, uint64_t window_ms, Aolani__AuditPair *p)
{
    struct pair_record r = {.op = PAIR_SOURCE, .a = window_ms + window_ms / 8};
    struct pair_stream s = {0};
    struct pair_rate rate;
    uint64_t bytes, ns;
    int rc = pair_send_record(l, &r);
    if (rc == 0)
        rc = pair_stream_in(l, &s, window_ms, &rate);
    if (rc < 0)
        return rc;
    pair_rate_steady(&rate, &bytes, &ns);
    p->back_mbytes = pair_mbytes(bytes, ns);
    p->retransmits += s.retransmits;
    return 0;
}

static int set_text(char **field, const char *text)
{
    char *copy = strdup(text);
    if (!copy)
        return -ENOMEM;
    if (*field != protobuf_c_empty_string)
        free(*field);
    *field = copy;
    return 0;
}

static int run_tcp(const struct pair_link *l, uint64_t budget_ms, Aolani__AuditPair *p)
{
    int rc = run_trips(l, budget_ms * TRIPS_PART / 100, p);
    if (rc == 0)
        rc = run_there(l, budget_ms * STREAM_PART / 100, p);
    if (rc == 0)
        rc = run_back(l, budget_ms * STREAM_PART / 100, p);
    p->retransmits += pair_retransmits(l->fd);
    if (rc == -ETIMEDOUT && p->there_mbytes > 0)
        rc = *p->note ? 0
                      : set_text(&p->note, "too slow for the way back to be measured");
    return rc;
}

static uint64_t budget_of(const Aolani__AuditReach *ask)
{
    uint64_t ms = ask->budget_ms > MOST_MS ? MOST_MS : ask->budget_ms;
    return ms < LEAST_MS ? LEAST_MS : ms;
}

static uint64_t end_of(uint64_t budget_ms)
{
    return clock_mono_ns() + (budget_ms + GRACE_MS) * 1000000;
}

/* By RDMA where that is wanted and goes; else by TCP, with a note. */
static int run(const Aolani__AuditReach *ask, struct pair_link *l, uint64_t budget_ms,
               Aolani__AuditPair *p)
{
    struct err why = {0};
    char note[sizeof why.text + 64];
    int rc = *ask->nic ? pair_rdma_reach(l, ask->nic, budget_ms, p, &why) : 1;
    if (rc == 0) {
        rc = set_text(&p->transport, "rdma");
        return rc < 0 ? rc : set_text(&p->nic, ask->nic);
    }
    if (rc < 0)
        return rc;
    (void)snprintf(note, sizeof note, "rdma was tried first: %s", why.text);
    rc = *ask->nic ? set_text(&p->note, note) : 0;
    if (rc == 0)
        rc = set_text(&p->transport, "tcp");
    l->until_ns = end_of(budget_ms);
    return rc < 0 ? rc : run_tcp(l, budget_ms, p);
}

int pair_reach(const Aolani__AuditReach *ask, Aolani__AuditPair **ret, struct err *e)
{
    if (ask->token.len != PAIR_TOKEN_BYTES)
        return err_set(e, ERR_PROTO, "reach a pair: its token has %zu bytes, not %u",
                       ask->token.len, PAIR_TOKEN_BYTES);
    uint64_t budget = budget_of(ask);
    struct pair_link l = {.fd = -1, .until_ns = end_of(budget)};
    Aolani__AuditPair *p = malloc(sizeof *p);
    if (!p)
        return err_sys(e, -ENOMEM, "reach a pair");
    aolani__audit_pair__init(p);
    int rc = introduce(ask, &l, e);
    if (rc == 0) {
        l.until_ns = end_of(budget); /* a lost first packet costs a second */
        rc = run(ask, &l, budget, p);
        if (rc < 0)
            (void)err_sys(e, rc, "measure the way to \"%s\"", ask->address);
    }
    if (l.fd >= 0)
        close(l.fd);
    if (rc < 0) {
        aolani__audit_pair__free_unpacked(p, NULL);
        return rc;
    }
    *ret = p;
    return 0;
}
