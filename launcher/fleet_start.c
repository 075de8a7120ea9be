/* SPDX-License-Identifier: MIT */
/* fleet_start.c - agents on their way: the window of handshakes, the blob with a node's
 * key, and new starts for hosts that take a place or clean up after an agent. */
#include "launcher/fleet_impl.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "proto/base/log.h"

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
    if (io)
        fleet_open_channel(n, io);
    fleet_watch_unlinked(n);
    fleet_leave_window(n);
}

static void on_boot_failed(void *arg, const struct err *e)
{
    fleet_node_lost(arg, e);
}

static void on_boot_ended(void *arg, enum boot_end what, int ws, const char *words)
{
    struct fleet_node *n = arg;
    n->starter_ended = true;
    n->starter_failed = ws != 0;
    n->agent_died = what == BOOT_END_AGENT;
    (void)snprintf(n->starter_words, sizeof n->starter_words, "%s", words);
    if (words[0] == '\0' && WIFSIGNALED(ws))
        (void)snprintf(n->starter_words, sizeof n->starter_words, "signal %d (%s)",
                       WTERMSIG(ws), strsignal(WTERMSIG(ws)));
    else if (words[0] == '\0')
        (void)snprintf(n->starter_words, sizeof n->starter_words, "status %d",
                       WEXITSTATUS(ws));
    fleet_watch_unlinked(n);
}

/* What all agents of the job are told alike. */
static void fill_boot(const struct fleet *f, Aolani__Boot *m)
{
    const struct spec *s = f->config.spec;
    aolani__boot__init(m);
    m->run_id.data = (uint8_t *)f->config.run_id;
    m->run_id.len = sizeof f->config.run_id;
    m->n_nodes = f->n_nodes;
    m->heads = f->heads.items;
    m->n_heads = f->heads.n;
    m->prefer_peer = !f->local && !s->head.address;
    m->head_port = f->port;
    m->lease_ms = s->failure.head_lease_ms;
    m->epoch = f->config.epoch;
    m->log_level = (uint32_t)log_level();
}

static int pack_boot(const Aolani__Boot *m, struct buf *out)
{
    uint8_t *at;
    int rc = buf_reserve(out, aolani__boot__get_packed_size(m), &at);
    if (rc == 0)
        out->len += aolani__boot__pack(m, at);
    return rc;
}

static int pack_one(const struct fleet_node *n, Aolani__Boot *m, struct buf *out)
{
    m->node_index = n->index;
    m->key.data = (uint8_t *)n->key.b;
    m->key.len = sizeof n->key.b;
    m->recover = n->recovering;
    m->node_name = n->fleet->config.nodes->names[n->index];
    return pack_boot(m, out);
}

/* Those that recover are started alone. */
static int pack_group(const struct fleet *f, void *const *nodes, size_t n,
                      Aolani__Boot *m, struct buf *out)
{
    Aolani__BootNode *all = calloc(n, sizeof *all), **list = calloc(n, sizeof *list);
    for (size_t i = 0; all && list && i < n; i++) {
        const struct fleet_node *one = nodes[i];
        aolani__boot_node__init(&all[i]);
        all[i].name = f->config.nodes->names[one->index];
        all[i].index = one->index;
        all[i].generation = one->generation;
        m->recover = one->recovering;
        list[i] = &all[i];
    }
    m->key.data = (uint8_t *)f->config.job_key.b;
    m->key.len = sizeof f->config.job_key.b;
    m->group = list;
    m->n_group = n;
    int rc = all && list ? pack_boot(m, out) : -ENOMEM;
    free(list);
    free(all);
    return rc;
}

static int on_pack(void *arg, void *const *nodes, size_t n, struct buf *out)
{
    const struct fleet *f = arg;
    Aolani__Boot m;
    fill_boot(f, &m);
    return f->kind->shared ? pack_group(f, nodes, n, &m, out)
                           : pack_one(nodes[0], &m, out);
}

static int prepare_start(struct fleet_node *n, struct boot_node *ret, struct err *e)
{
    n->life = NODE_STARTING;
    n->starter_ended = n->starter_failed = false;
    n->link_closed = n->agent_died = n->has_key = false;
    n->breaches = 0;
    boot_destroy(n->boot);
    n->boot = NULL;
    *ret =
        (struct boot_node){.name = n->fleet->config.nodes->names[n->index], .arg = n};
    return fleet_new_session(n, e);
}

static int start_nodes(struct fleet *f, struct fleet_node *const *nodes, size_t n,
                       struct err *e)
{
    static const struct boot_ops ops = {.pack = on_pack,
                                        .ready = on_boot_ready,
                                        .failed = on_boot_failed,
                                        .ended = on_boot_ended};
    struct boot_config c = {
        .spec = f->config.spec, .bundle = &f->bundle, .ops = &ops, .arg = f};
    struct boot_node *list = calloc(n, sizeof *list);
    int rc = list ? 0 : err_sys(e, -ENOMEM, "start %zu agents", n);
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = prepare_start(nodes[i], &list[i], e);
    if (rc == 0)
        rc = f->kind->start(f->loop, &c, list, n, e);
    for (size_t i = 0; i < n && rc == 0; i++)
        nodes[i]->boot = list[i].boot;
    free(list);
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

static void start_or_lose(struct fleet *f, struct fleet_node *const *nodes, size_t n)
{
    struct err e;
    if (start_nodes(f, nodes, n, &e) == 0)
        return;
    for (size_t i = 0; i < n; i++)
        fleet_node_lost(nodes[i], &e);
}

/* A window's worth of starters at a time: thousands of starts that fail at once must not
 * keep the loop from its other work. */
void fleet_on_more(void *arg)
{
    struct fleet *f = arg;
    uint32_t window = (uint32_t)f->config.spec->ssh.window;
    uint32_t most = f->kind->shared        ? f->n_nodes
                    : f->starting < window ? window - f->starting
                                           : 0;
    struct fleet_node **list = calloc(most + 1, sizeof *list), *n;
    size_t found = 0;
    while (list && found < most && (n = next_waiting(f))) {
        n->in_window = true;
        f->starting++;
        list[found++] = n;
    }
    size_t each = f->kind->shared ? found : 1;
    for (size_t i = 0; i < found; i += each)
        start_or_lose(f, list + i, each);
    free(list);
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
    return start_nodes(f, &n, 1, e);
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
