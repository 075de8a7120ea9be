/* SPDX-License-Identifier: MIT */
/* fleet.c - the lives of the nodes; see fleet.h. Their starts: fleet_start.c, connections:
 * fleet_link.c, what is known of them: fleet_facts.c. */
#include "launcher/fleet_impl.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/wire/wiretext.h"

#define TICK_MS         250u
#define PING_MS         5000u
#define PING_BURST      4u     /* quick ones at first: the least round trip counts */
#define LOST_SLACK_MS   3000u  /* beyond the lease, for the agent's own teardown */
#define DIED_MS         300u   /* a dead agent's last bytes may still be on their way */
#define CUT_MS          3000u  /* a living agent has called again by then */
#define STARTERS_END_MS 500u   /* for all that were told to end */
#define CONNECT_MS      20000u /* key handed over, but the agent never calls back */

/* ---------------------------------------------------------------- lost */

void fleet_node_lost(struct fleet_node *n, const struct err *e)
{
    struct fleet *f = n->fleet;
    enum node_life was = n->life;
    if (was == NODE_LOST || was == NODE_RELEASED)
        return;
    n->life = NODE_LOST;
    loop_timer_stop(n->lost);
    fleet_drop_session(n);
    boot_kill(n->boot, SIGTERM);
    fleet_leave_window(n);
    if (f->closing)
        return;
    if (was == NODE_UP)
        f->ops->lost(f->arg, n->index, e);
    else
        f->ops->boot_failed(f->arg, n->index, e);
}

static const char *starter_of(const struct fleet *f)
{
    const char *named = f->kind->name;
    const char *starter = named ? named : f->config.spec->ssh.command.items[0];
    const char *slash = strrchr(starter, '/');
    return slash ? slash + 1 : starter;
}

/* The network is in question only while nothing else is known to be wrong. */
static void never_connected(const struct fleet_node *n, struct err *e)
{
    err_set(e, ERR_BOOT, "its agent got the key but did not connect%s%s%s%s",
            n->starter_failed ? ", and " : "",
            n->starter_failed ? starter_of(n->fleet) : "",
            n->starter_failed ? " has ended: " : "",
            n->starter_failed ? n->starter_words : "");
    if (!n->starter_failed)
        err_hint(e, "let nodes reach this machine ([head] address, ports)");
}

static void on_lost_timer(void *arg)
{
    struct fleet_node *n = arg;
    struct err e;
    if (n->link)
        return;
    if (n->breaches >= LIMIT_BREACHES)
        err_set(&e, ERR_NODE_LOST, "its agent keeps breaking the protocol: %s",
                n->breach);
    else if (n->agent_died)
        err_set(&e, ERR_NODE_LOST, "its agent died%s%s",
                n->starter_words[0] ? ": " : "", n->starter_words);
    else if (n->life == NODE_UP && n->starter_ended && n->link_closed)
        err_set(&e, ERR_NODE_LOST, "its agent is gone");
    else if (n->life == NODE_STARTING)
        never_connected(n, &e);
    else
        err_set(&e, ERR_NODE_LOST, "it was out of reach for longer than the lease");
    fleet_node_lost(n, &e);
}

/* Without a link: a dead agent is lost at once, a living one has its lease. ssh says the
 * same of an agent that was killed as of a broken connection (255); but when the agent's
 * own connection was closed, not silent, the network works, and only the dead do not
 * call again. */
void fleet_watch_unlinked(struct fleet_node *n)
{
    if (n->link || (n->life != NODE_UP && n->life != NODE_STARTING))
        return;
    uint64_t wait = n->fleet->config.spec->failure.head_lease_ms + LOST_SLACK_MS;
    if (n->breaches >= LIMIT_BREACHES)
        wait = 0; /* before it can call again */
    else if (n->agent_died)
        wait = DIED_MS;
    else if (n->life == NODE_STARTING)
        wait = CONNECT_MS;
    else if (n->starter_ended && n->link_closed)
        wait = CUT_MS;
    loop_timer_start(n->lost, wait, 0);
}

void fleet_node_linked(struct fleet_node *n)
{
    loop_timer_stop(n->lost);
    n->heard_ms = loop_now_ms(n->fleet->loop);
    n->pings = 0;
    n->pinged_ms = 0;
    if (n->path == FLEET_PATH_DIRECT && !n->fleet->local)
        log_info("%s: connected directly, from %s",
                 n->fleet->config.nodes->names[n->index], n->address);
    fleet_hurry(n);
}

void fleet_node_unlinked(struct fleet_node *n, const struct err *e)
{
    n->link_closed = e->code != -ETIMEDOUT;
    n->unlinked_ms = loop_now_ms(n->fleet->loop);
    if (e->code == ERR_PROTO) {
        n->breaches++;
        (void)snprintf(n->breach, sizeof n->breach, "%.199s", e->text);
    }
    if (n->life == NODE_UP && e->code != 0)
        log_info("%s: link lost: %s", n->fleet->config.nodes->names[n->index], e->text);
    fleet_watch_unlinked(n);
}

/* ---------------------------------------------------------------- messages */

static int on_node_info(struct fleet_node *n, const struct envelope *v, struct err *e)
{
    struct fleet *f = n->fleet;
    if (n->life != NODE_STARTING)
        return err_set(e, ERR_PROTO, "NODE_INFO comes a second time");
    Aolani__NodeInfo *m = aolani__node_info__unpack(NULL, v->payload_len, v->payload);
    if (!m)
        return err_set(e, ERR_PROTO, "NODE_INFO does not decode");
    wiretext_make_printable(&m->base);
    if (n->info)
        aolani__node_info__free_unpacked(n->info, NULL);
    n->info = m;
    n->life = NODE_UP;
    session_set_phase(n->session, PHASE_READY);
    f->ops->up(f->arg, n->index);
    return 0;
}

static int on_pong(struct fleet_node *n, const struct envelope *v, struct err *e)
{
    Aolani__Pong *m = aolani__pong__unpack(NULL, v->payload_len, v->payload);
    if (!m)
        return err_set(e, ERR_PROTO, "PONG does not decode");
    clocksync_sample(&n->clock, m->t_ping_ns, m->t_ns, clock_mono_ns());
    aolani__pong__free_unpacked(m, NULL);
    return 0;
}

static int on_link_why(struct fleet_node *n, const struct envelope *v, struct err *e)
{
    Aolani__Link *m = aolani__link__unpack(NULL, v->payload_len, v->payload);
    if (!m)
        return err_set(e, ERR_PROTO, "LINK does not decode");
    wiretext_make_printable(&m->base);
    (void)snprintf(n->path_why, sizeof n->path_why, "%s", m->why);
    aolani__link__free_unpacked(m, NULL);
    log_info("%s: connected over %s, because it does not reach this machine: %s",
             n->fleet->config.nodes->names[n->index], starter_of(n->fleet),
             n->path_why);
    return 0;
}

static void grant(struct fleet_node *n)
{
    struct fleet *f = n->fleet;
    if (f->hold || n->ungranted == 0 || !n->session)
        return;
    session_grant(n->session, loop_now_ms(f->loop), n->ungranted);
    n->ungranted = 0;
}

int fleet_node_message(struct fleet_node *n, const struct envelope *v, struct err *e)
{
    struct fleet *f = n->fleet;
    n->heard_ms = loop_now_ms(f->loop);
    if (v->type == MSG_NODE_INFO)
        return on_node_info(n, v, e);
    if (v->type == MSG_PONG)
        return on_pong(n, v, e);
    if (v->type == MSG_LINK)
        return on_link_why(n, v, e);
    if (v->type == MSG_PING || v->type == MSG_CREDIT)
        return 0;
    int rc = f->ops->message(f->arg, n->index, v, e);
    if (rc == 0)
        n->breaches = 0;
    const struct message_rule *rule = message_rule(v->type);
    if (rc == 0 && rule && rule->bulk) {
        n->ungranted += v->payload_len;
        grant(n);
    }
    return rc;
}

static void ping(struct fleet_node *n, uint64_t now_ms)
{
    uint64_t every = n->pings < PING_BURST ? TICK_MS : PING_MS;
    if (n->pings > 0 && now_ms - n->pinged_ms < every)
        return;
    n->pings++;
    n->pinged_ms = now_ms;
    Aolani__Ping m = AOLANI__PING__INIT;
    m.t_ns = clock_mono_ns();
    (void)fleet_send(n->fleet, n->index, MSG_PING, 0, &m.base);
}

static void on_tick(void *arg)
{
    struct fleet *f = arg;
    uint64_t now = loop_now_ms(f->loop);
    for (uint32_t i = 0; i < f->n_nodes; i++) {
        struct fleet_node *n = &f->nodes[i];
        if (n->link && n->life == NODE_UP)
            ping(n, now);
    }
}

static int send_to(struct fleet_node *n, enum message_type type, uint32_t attempt,
                   const ProtobufCMessage *m)
{
    struct fleet *f = n->fleet;
    struct buf b;
    struct err e;
    uint8_t *at;
    buf_init(&b, LIMIT_FRAME);
    int64_t rc = buf_reserve(&b, protobuf_c_message_get_packed_size(m), &at);
    if (rc == 0) {
        b.len += protobuf_c_message_pack(m, at);
        rc = session_send(n->session, loop_now_ms(f->loop), type, attempt, b.data,
                          b.len, &e);
        if (rc < 0)
            log_debug("%s: %s", f->config.nodes->names[n->index], e.text);
    }
    buf_fini(&b);
    return rc < 0 ? (int)rc : 0;
}

int fleet_send(struct fleet *f, uint32_t node, enum message_type type, uint32_t attempt,
               const ProtobufCMessage *m)
{
    struct fleet_node *n = fleet_node_at(f, node);
    if (n->life != NODE_UP || !n->session)
        return -ENOTCONN;
    return send_to(n, type, attempt, m);
}

void fleet_hurry(struct fleet_node *n)
{
    Aolani__Stop m = AOLANI__STOP__INIT;
    m.reason = (char *)"the job is over";
    if (n->fleet->stopped && n->life == NODE_STARTING && n->link && n->session)
        (void)send_to(n, MSG_STOP, n->fleet->config.attempt, &m.base);
}

void fleet_set_phase(struct fleet *f, uint32_t node, enum phase phase)
{
    struct fleet_node *n = fleet_node_at(f, node);
    if (n->session)
        session_set_phase(n->session, phase);
}

void fleet_hold(struct fleet *f, bool hold)
{
    f->hold = hold;
    for (uint32_t i = 0; i < f->n_nodes && !hold; i++)
        grant(&f->nodes[i]);
}

void fleet_release(struct fleet *f, uint32_t node)
{
    struct fleet_node *n = fleet_node_at(f, node);
    n->life = NODE_RELEASED;
    loop_timer_stop(n->lost);
}

void fleet_give_up(struct fleet *f, uint32_t node)
{
    fleet_release(f, node);
    boot_kill(fleet_node_at(f, node)->boot, SIGTERM);
}

/* ---------------------------------------------------------------- life of the fleet */

static int init_node(struct fleet *f, uint32_t i)
{
    struct fleet_node *n = &f->nodes[i];
    n->fleet = f;
    n->index = i;
    n->recovering = f->config.recover;
    fleet_make_key(n);
    n->lost = loop_timer_create(f->loop, on_lost_timer, n);
    return n->lost ? 0 : -ENOMEM;
}

int fleet_create(struct loop *l, const struct fleet_config *c,
                 const struct fleet_ops *ops, void *arg, struct fleet **ret,
                 struct err *e)
{
    struct fleet *f = calloc(1, sizeof *f);
    if (!f)
        return err_sys(e, -ENOMEM, "make room for %zu nodes", c->nodes->n);
    f->loop = l;
    f->config = *c;
    f->ops = ops;
    f->arg = arg;
    f->kind = boot_kind_of(c->nodes->backend);
    f->local = c->nodes->backend == BACKEND_LOCAL;
    f->n_nodes = (uint32_t)c->nodes->n;
    f->nodes = calloc(f->n_nodes, sizeof *f->nodes);
    f->tick = loop_timer_create(l, on_tick, f);
    f->more = loop_timer_create(l, fleet_on_more, f);
    int rc =
        f->nodes && f->tick && f->more ? 0 : err_sys(e, -ENOMEM, "make room for nodes");
    for (uint32_t i = 0; i < f->n_nodes && rc == 0; i++) {
        if ((rc = init_node(f, i)) < 0)
            err_sys(e, rc, "make room for nodes");
    }
    if (rc == 0)
        rc = bundle_load(&f->bundle, e);
    if (rc == 0)
        rc = fleet_listen(f, e);
    if (rc < 0) {
        fleet_destroy(f);
        return rc;
    }
    loop_timer_start(f->tick, TICK_MS, TICK_MS);
    *ret = f;
    return 0;
}

static void fini_node(struct fleet_node *n, unsigned *patience_ms)
{
    if (!n->fleet) /* creation failed before it */
        return;
    fleet_drop_session(n);
    /* Our last acknowledgement may still be on its way through the starter; without it the
     * agent would wait for us until its lease is over. Both end by themselves, and so does
     * a starter that has served many: to end it would be to end agents that have ended
     * all but themselves. */
    if (n->life != NODE_RELEASED ||
        (n->path != FLEET_PATH_STARTER && !n->fleet->kind->shared))
        boot_kill(n->boot, SIGTERM);
    boot_await_end(n->boot, patience_ms);
    boot_destroy(n->boot);
    loop_timer_destroy(n->lost);
    if (n->info)
        aolani__node_info__free_unpacked(n->info, NULL);
    secure_wipe(&n->key, sizeof n->key);
}

void fleet_destroy(struct fleet *f)
{
    if (!f)
        return;
    f->closing = true;
    unsigned patience_ms = STARTERS_END_MS;
    loop_timer_destroy(f->tick);
    loop_timer_destroy(f->more);
    fleet_unlisten(f);
    for (uint32_t i = 0; f->nodes && i < f->n_nodes; i++)
        fini_node(&f->nodes[i], &patience_ms);
    strlist_fini(&f->heads);
    bundle_fini(&f->bundle);
    secure_wipe(&f->config.job_key, sizeof f->config.job_key);
    free(f->nodes);
    free(f);
}
