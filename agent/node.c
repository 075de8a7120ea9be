/* SPDX-License-Identifier: MIT */
/* node.c - see node.h. */
#include "agent/node.h"

#include "agent/host.h"
#include "agent/job.h"
#include "agent/topofacts.h"
#include "agent/topology.h"
#include "agent/uplink.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/loop.h"
#include "proto/wire/aolani.pb-c.h"
#include "proto/wire/secure.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define NODE_TOLD_MS   2000 /* for the head to answer that it rules the end */
#define NODE_RELINK_MS 500  /* for a link that was cut meanwhile to come back */

static const int node_signals[] = {SIGTERM, SIGINT, SIGHUP};
#define NODE_SIGNALS (sizeof node_signals / sizeof *node_signals)

struct node {
    struct loop *loop;
    struct host host;
    struct uplink *uplink;
    struct job *job;
    struct topology *topology; /* NULL: there is no waiting for it (any more) */
    bool described;            /* NODE_INFO was sent */
    bool of_slurm;             /* a task of srun's */
    pid_t keeper;              /* our parent */
    bool told;                 /* by Slurm, to end */
    bool seeks_link;           /* patience is with a link that was cut */
    bool ending;               /* patience is over */
    bool ruled;                /* the head has said STOP or END */
    struct loop_timer *patience;
    struct loop_signal *signals[NODE_SIGNALS];
};

/* ---- the description ---- */

/* An answer that a message cannot take is given up, the node is not. */
static void node_take_topology(struct node *n, Aolani__Topology *t)
{
    Aolani__NodeInfo *info = n->host.info;
    size_t most = message_rule(MSG_NODE_INFO)->max_payload;
    struct err e;
    info->topology = t;
    size_t has = aolani__node_info__get_packed_size(info);
    if (has <= most)
        return;
    err_set(&e, ERR_LIMIT,
            "what aolani-describe said makes %zu bytes, and a message takes %zu", has,
            most);
    aolani__topology__free_unpacked(t, NULL);
    info->topology = topofacts_own(&n->host, &e);
    if (aolani__node_info__get_packed_size(info) <= most)
        return;
    aolani__topology__free_unpacked(info->topology, NULL);
    info->topology = NULL;
}

static int node_say_hello(struct node *n, struct err *e)
{
    const struct upward *up = uplink_upward(n->uplink);
    n->host.info->mono_ns = clock_mono_ns();
    n->host.info->real_ns = clock_real_ns();
    int64_t rc = up->send(up->arg, MSG_NODE_INFO, &n->host.info->base);
    if (rc < 0)
        return err_set(e, (int)rc, "describe this node to the head");
    n->described = true;
    uplink_set_phase(n->uplink, PHASE_READY);
    return 0;
}

static void node_on_topology(void *arg, Aolani__Topology *t)
{
    struct node *n = arg;
    struct err e;
    if (t)
        node_take_topology(n, t);
    topology_destroy(n->topology);
    n->topology = NULL;
    if (node_say_hello(n, &e) < 0) {
        log_err(&e);
        loop_stop(n->loop);
    }
}

/* A job that ends before it began: the head has our description before our end. */
static void node_hurry(struct node *n)
{
    if (n->topology && !n->described)
        topology_hurry(n->topology);
}

/* ---- session to job ---- */

/* Being asked to save is not the end: that is still to be said. */
static bool is_end(const struct envelope *v)
{
    if (v->type != MSG_STOP)
        return v->type == MSG_END;
    Aolani__Stop *m = aolani__stop__unpack(NULL, v->payload_len, v->payload);
    bool save = m && m->save;
    if (m)
        aolani__stop__free_unpacked(m, NULL);
    return !save;
}

static int node_on_message(void *arg, const struct envelope *v, struct err *e)
{
    struct node *n = arg;
    if (is_end(v)) {
        n->ruled = true;
        node_hurry(n);
    }
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

static void node_abandon(struct node *n, bool linked)
{
    node_hurry(n);
    job_abandon(n->job, linked);
}

static void node_on_lease_over(void *arg)
{
    struct node *n = arg;
    log_note("the head is out of reach for longer than the lease: ending");
    node_abandon(n, false);
}

static void node_await_head(struct node *n, bool linked)
{
    n->seeks_link = !linked;
    loop_timer_start(n->patience, linked ? NODE_TOLD_MS : NODE_RELINK_MS, 0);
}

/* Slurm tells every process of a step, ranks too, and in most cases the head; KILL
 * follows after a while. What ranks are given until then is the head's to say. */
static void node_tell_head(struct node *n, int signum)
{
    const struct upward *up = uplink_upward(n->uplink);
    Aolani__ToldToEnd m = AOLANI__TOLD_TO_END__INIT;
    if (n->told)
        return;
    n->told = true;
    m.signum = signum;
    (void)up->send(up->arg, MSG_TOLD_TO_END, &m.base);
    node_await_head(n, uplink_is_linked(n->uplink));
}

static void node_on_unlinked(void *arg)
{
    struct node *n = arg;
    if (n->told)
        node_await_head(n, false);
}

/* A head that is gone will not answer, nor see to the end that it has ruled: what time there
 * is goes to the clearing up, and what nobody is there to take is not offered. */
static void node_on_patience(void *arg)
{
    struct node *n = arg;
    bool linked = uplink_is_linked(n->uplink);
    if (linked && (n->ruled || n->ending))
        return;
    if (n->seeks_link && linked) { /* it has heard of it only now */
        node_await_head(n, true);
        return;
    }
    if (!n->ending)
        log_note("ending: Slurm asks for it, and the head %s",
                 linked ? "says nothing" : "is gone");
    n->ending = true;
    node_abandon(n, linked);
}

static void node_on_signal(int signum, void *arg)
{
    struct node *n = arg;
    /* Whose keeper dies is told with the same signal, and ends. */
    if (n->of_slurm && getppid() == n->keeper) {
        node_tell_head(n, signum);
        return;
    }
    log_note("ending: %s", strsignal(signum));
    node_abandon(n, true); /* a head that lives takes the rest, maybe by another link */
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
                                                 .unlinked = node_on_unlinked,
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
    n->of_slurm = boot->n_group > 0;
    n->keeper = getppid();
    rc = job_create(&c, &job_ops, n, &n->job, e);
    if (rc == 0 && !(n->patience = loop_timer_create(n->loop, node_on_patience, n)))
        rc = err_sys(e, -ENOMEM, "wait for the head");
    for (size_t i = 0; rc == 0 && i < NODE_SIGNALS; i++) {
        n->signals[i] = loop_signal_create(n->loop, node_signals[i], node_on_signal, n);
        if (!n->signals[i])
            rc = err_sys(e, -ENOMEM, "wait for signals");
    }
    return rc;
}

/* Before anything else that takes time. An agent that only clears up what another left
 * need not know what the node is made of. */
static int node_begin_describing(struct node *n, bool recovering, struct err *e)
{
    struct topology_config c = {
        .loop = n->loop, .host = &n->host, .limit_ms = TOPOLOGY_LIMIT_MS};
    if (recovering)
        return 0;
    return topology_create(&c, node_on_topology, n, &n->topology, e);
}

int node_run(const Aolani__Boot *boot, int in_fd, int out_fd, struct err *e)
{
    struct node n = {0};
    int rc = host_describe("/sys", &n.host, e);
    if (rc == 0)
        rc = loop_create(&n.loop, e);
    if (rc == 0)
        rc = node_begin_describing(&n, boot->recover, e);
    if (rc < 0) {
        (void)close(in_fd);
        (void)close(out_fd);
    } else {
        rc = node_open(&n, boot, in_fd, out_fd, e);
    }
    if (rc == 0 && !n.topology)
        rc = node_say_hello(&n, e);
    if (rc == 0)
        loop_run(n.loop);
    for (size_t i = 0; i < NODE_SIGNALS; i++)
        loop_signal_destroy(n.signals[i]);
    loop_timer_destroy(n.patience);
    topology_destroy(n.topology);
    job_destroy(n.job);
    uplink_destroy(n.uplink);
    loop_destroy(n.loop);
    host_fini(&n.host);
    return rc;
}
