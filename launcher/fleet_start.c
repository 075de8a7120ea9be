/* SPDX-License-Identifier: MIT */
/* fleet_start.c - agents on their way: the window of handshakes, the blob with a node's
 * key, and new starts for hosts that take a place or clean up after an agent. */
#include "launcher/fleet_impl.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "proto/base/log.h"

#define SSH_FAILURE 255 /* ssh's own exit status when the connection broke */

void fleet_leave_window(struct fleet_node *n)
{
    if (!n->in_window)
        return;
    n->in_window = false;
    n->fleet->starting--;
    if (!n->fleet->closing)
        loop_timer_start(n->fleet->more, 0, 0);
}

static void on_boot_ready(void *arg, struct loop_stream *io, bool copied)
{
    struct fleet_node *n = arg;
    if (n->life != NODE_STARTING) { /* it was quicker than our TERM */
        loop_stream_destroy(io);
        return;
    }
    n->copied = n->copied || copied;
    n->has_key = true;
    fleet_open_channel(n, io);
    fleet_watch_unlinked(n);
    fleet_leave_window(n);
}

static void on_boot_failed(void *arg, const struct err *e)
{
    fleet_node_lost(arg, e);
}

static void on_boot_ended(void *arg, int ws, const char *words)
{
    struct fleet_node *n = arg;
    n->starter_ended = true;
    bool ssh_broke =
        !n->fleet->local && WIFEXITED(ws) && WEXITSTATUS(ws) == SSH_FAILURE;
    bool own_end = !n->fleet->local && WIFSIGNALED(ws);
    n->agent_died = !ssh_broke && !own_end;
    (void)snprintf(n->starter_words, sizeof n->starter_words, "%s", words);
    if (words[0] == '\0' && WIFSIGNALED(ws))
        (void)snprintf(n->starter_words, sizeof n->starter_words, "signal %d (%s)",
                       WTERMSIG(ws), strsignal(WTERMSIG(ws)));
    else if (words[0] == '\0')
        (void)snprintf(n->starter_words, sizeof n->starter_words, "status %d",
                       WEXITSTATUS(ws));
    fleet_watch_unlinked(n);
}

static int pack_blob(const struct fleet_node *n, struct buf *out)
{
    const struct fleet *f = n->fleet;
    const struct spec *s = f->config.spec;
    Aolani__Boot m = AOLANI__BOOT__INIT;
    m.run_id.data = (uint8_t *)f->config.run_id;
    m.run_id.len = sizeof f->config.run_id;
    m.node_index = n->index;
    m.n_nodes = f->n_nodes;
    m.key.data = (uint8_t *)n->key.b;
    m.key.len = sizeof n->key.b;
    m.heads = f->heads.items;
    m.n_heads = f->heads.n;
    m.prefer_peer = !f->local && !s->head.address;
    m.head_port = f->port;
    m.lease_ms = s->failure.head_lease_ms;
    m.epoch = f->config.epoch;
    m.recover = n->recovering;
    m.node_name = f->config.nodes->names[n->index];
    m.log_level = (uint32_t)log_level();
    uint8_t *at;
    size_t len = aolani__boot__get_packed_size(&m);
    int rc = buf_reserve(out, len, &at);
    if (rc == 0)
        out->len += aolani__boot__pack(&m, at);
    return rc;
}

static int start_node(struct fleet_node *n, struct err *e)
{
    static const struct boot_ops ops = {
        .ready = on_boot_ready, .failed = on_boot_failed, .ended = on_boot_ended};
    struct fleet *f = n->fleet;
    n->life = NODE_STARTING;
    n->starter_ended = n->link_closed = n->agent_died = n->has_key = false;
    n->breaches = 0;
    struct buf blob;
    buf_init(&blob, 1u << 20);
    int rc = fleet_new_session(n, e);
    if (rc == 0 && (rc = pack_blob(n, &blob)) < 0)
        err_sys(e, rc, "start an agent");
    if (rc == 0) {
        struct boot_config c = {.spec = f->config.spec,
                                .bundle = &f->bundle,
                                .local = f->local,
                                .name = f->config.nodes->names[n->index],
                                .blob = blob.data,
                                .blob_len = blob.len};
        boot_destroy(n->boot);
        n->boot = NULL;
        rc = boot_create(f->loop, &c, &ops, n, &n->boot, e);
    }
    if (blob.data)
        secure_wipe(blob.data, blob.len);
    buf_fini(&blob);
    return rc;
}

/* Who waits for its start: hosts that take another's place first. NULL: nobody. */
static struct fleet_node *next_waiting(struct fleet *f)
{
    for (uint32_t i = 0; f->replaced > 0 && i < f->next_to_start; i++) {
        if (f->nodes[i].life == NODE_WAITING) {
            f->replaced--;
            return &f->nodes[i];
        }
    }
    f->replaced = 0;
    return f->next_to_start < f->n_nodes ? &f->nodes[f->next_to_start++] : NULL;
}

/* A window's worth at a time: thousands of starts that fail at once must not keep the
 * loop from its other work. */
void fleet_on_more(void *arg)
{
    struct fleet *f = arg;
    uint32_t window = (uint32_t)f->config.spec->ssh.window;
    for (uint32_t i = 0; i < window && f->starting < window; i++) {
        struct fleet_node *n = next_waiting(f);
        struct err e;
        if (!n)
            return;
        n->in_window = true;
        f->starting++;
        if (start_node(n, &e) < 0)
            fleet_node_lost(n, &e);
    }
}

void fleet_start(struct fleet *f)
{
    loop_timer_start(f->more, 0, 0);
}

void fleet_stop_starting(struct fleet *f)
{
    f->next_to_start = f->n_nodes;
    f->stopped = true;
    for (uint32_t i = 0; i < f->n_nodes; i++) {
        struct fleet_node *n = &f->nodes[i];
        bool keyless = n->life == NODE_STARTING && !n->has_key;
        fleet_hurry(n);
        if (n->recovering || (n->life != NODE_WAITING && !keyless))
            continue;
        n->life = NODE_RELEASED;
        boot_kill(n->boot, SIGTERM);
    }
}

int fleet_recover(struct fleet *f, uint32_t node, struct err *e)
{
    struct fleet_node *n = fleet_node_at(f, node);
    n->recovering = true;
    n->ungranted = 0;
    return start_node(n, e);
}

void fleet_make_key(struct fleet_node *n)
{
    const struct fleet_config *c = &n->fleet->config;
    const uint32_t *hosts = c->nodes->n_replaced;
    n->generation = c->attempt << 16 | (hosts ? hosts[n->index] & 0xffff : 0);
    secure_node_key(&c->job_key, n->index, n->generation, &n->key);
}

/* Not at once: the starter of the first host may be on the stack. */
void fleet_replace(struct fleet *f, uint32_t node)
{
    struct fleet_node *n = fleet_node_at(f, node);
    assert(n->life == NODE_LOST);
    fleet_make_key(n);
    if (n->info)
        aolani__node_info__free_unpacked(n->info, NULL);
    n->info = NULL;
    n->copied = false;
    n->address[0] = n->path_why[0] = n->starter_words[0] = '\0';
    n->path = FLEET_PATH_NONE;
    n->clock = (struct clocksync){0};
    n->pings = 0;
    n->ungranted = 0;
    n->life = NODE_WAITING;
    f->replaced++;
    loop_timer_start(f->more, 0, 0);
}
