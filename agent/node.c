/* SPDX-License-Identifier: MIT */
/* node.c - see node.h. */
#include "agent/node.h"

#include "agent/host.h"
#include "agent/job.h"
#include "agent/uplink.h"
#include "proto/base/log.h"
#include "proto/base/loop.h"
#include "proto/wire/secure.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static const int node_signals[] = {SIGTERM, SIGINT, SIGHUP};
#define NODE_SIGNALS (sizeof node_signals / sizeof *node_signals)

struct node {
    struct loop *loop;
    struct host host;
    struct uplink *uplink;
    struct job *job;
    struct loop_signal *signals[NODE_SIGNALS];
};

/* ---- session to job ---- */

static int node_on_message(void *arg, const struct envelope *v, struct err *e)
{
    struct node *n = arg;
    return job_message(n->job, v, e);
}

static void node_on_acked(void *arg, uint64_t seq)
{
    struct node *n = arg;
    job_acked(n->job, seq);
}

static void node_on_credit(void *arg)
{
    struct node *n = arg;
    job_credit(n->job);
}

static void node_on_lease_over(void *arg)
{
    struct node *n = arg;
    log_note("the head is out of reach for longer than the lease: ending");
    job_abandon(n->job, false);
}

static void node_on_signal(int signum, void *arg)
{
    struct node *n = arg;
    log_note("ending: %s", strsignal(signum));
    job_abandon(n->job, true);
}

/* ---- job to session ---- */

static void node_on_phase(void *arg, enum phase phase)
{
    struct node *n = arg;
    uplink_set_phase(n->uplink, phase);
}

static void node_on_attempt(void *arg, uint32_t attempt)
{
    struct node *n = arg;
    uplink_set_attempt(n->uplink, attempt);
}

static void node_on_over(void *arg)
{
    struct node *n = arg;
    loop_stop(n->loop);
}

/* ---- life ---- */

static int node_open(struct node *n, const Aolani__Boot *boot, int in_fd, int out_fd,
                     struct err *e)
{
    static const struct uplink_ops uplink_ops = {.message = node_on_message,
                                                 .acked = node_on_acked,
                                                 .credit = node_on_credit,
                                                 .lease_over = node_on_lease_over};
    static const struct job_ops job_ops = {
        .phase = node_on_phase, .attempt = node_on_attempt, .over = node_on_over};
    int rc = uplink_create(n->loop, boot, in_fd, out_fd, &uplink_ops, n, &n->uplink, e);
    if (rc < 0)
        return rc;
    struct job_config c = {.loop = n->loop,
                           .up = uplink_upward(n->uplink),
                           .host = &n->host,
                           .node = boot->node_index,
                           .recovering = boot->recover};
    memcpy(c.run_id, boot->run_id.data, sizeof c.run_id);
    rc = job_create(&c, &job_ops, n, &n->job, e);
    for (size_t i = 0; rc == 0 && i < NODE_SIGNALS; i++) {
        n->signals[i] = loop_signal_create(n->loop, node_signals[i], node_on_signal, n);
        if (!n->signals[i])
            rc = err_sys(e, -ENOMEM, "wait for signals");
    }
    return rc;
}

static int node_say_hello(struct node *n, struct err *e)
{
    const struct upward *up = uplink_upward(n->uplink);
    int64_t rc = up->send(up->arg, MSG_NODE_INFO, &n->host.info->base);
    if (rc < 0)
        return err_set(e, (int)rc, "describe this node to the head");
    uplink_set_phase(n->uplink, PHASE_READY);
    return 0;
}

int node_run(const Aolani__Boot *boot, int in_fd, int out_fd, struct err *e)
{
    struct node n = {0};
    int rc = host_describe("/sys", &n.host, e);
    if (rc == 0)
        rc = loop_create(&n.loop, e);
    if (rc < 0) {
        (void)close(in_fd);
        (void)close(out_fd);
    } else {
        rc = node_open(&n, boot, in_fd, out_fd, e);
    }
    if (rc == 0)
        rc = node_say_hello(&n, e);
    if (rc == 0)
        loop_run(n.loop);
    for (size_t i = 0; i < NODE_SIGNALS; i++)
        loop_signal_destroy(n.signals[i]);
    job_destroy(n.job);
    uplink_destroy(n.uplink);
    loop_destroy(n.loop);
    host_fini(&n.host);
    return rc;
}
