/* SPDX-License-Identifier: MIT */
/* sweep.c - see sweep.h. */
#include "launcher/sweep.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/failures.h"
#include "launcher/fleet.h"
#include "launcher/outfiles.h"
#include "proto/base/limits.h"
#include "proto/base/log.h"
#include "proto/wire/wiretext.h"

#define SWEEP_MS   90000u  /* for all of it */
#define GENERATION 0xffffu /* of its agents: no host of an attempt has that number */

struct sweep_node {
    bool done, proven;
    char why[480], hint[240];
};

struct sweep {
    struct loop *loop;
    struct sweep_config c;
    struct nodes nodes;
    struct fleet *fleet;
    struct outfiles *outfiles;
    const char **node_of_rank;
    struct sweep_node *list;
    struct loop_timer *limit;
    char text[600];
    bool told; /* all nodes are done: `finished` comes next */
};

static void check_done(struct sweep *s)
{
    for (size_t i = 0; i < s->nodes.n; i++) {
        if (!s->list[i].done)
            return;
    }
    if (s->told)
        return;
    s->told = true;
    loop_timer_start(s->limit, 0, 0); /* not from within; and given up with it */
}

static void give_up(struct sweep *s, uint32_t node, const struct err *e)
{
    struct sweep_node *n = &s->list[node];
    if (n->done)
        return;
    n->done = true;
    (void)snprintf(n->why, sizeof n->why, "%s", e->text);
    (void)snprintf(n->hint, sizeof n->hint, "%s", e->hint);
    fleet_give_up(s->fleet, node);
    check_done(s);
}

/* ---------------------------------------------------------------- the agents */

static void on_up(void *arg, uint32_t node)
{
    struct sweep *s = arg;
    struct err e;
    Aolani__End m = AOLANI__END__INIT;
    if (fleet_send(s->fleet, node, MSG_END, s->c.attempt, &m.base) == 0) {
        fleet_set_phase(s->fleet, node, PHASE_ENDING);
        return;
    }
    err_set(&e, ERR_NODE_LOST, "it could not be told what to do");
    give_up(s, node, &e);
}

static void on_failed(void *arg, uint32_t node, const struct err *e)
{
    give_up(arg, node, e);
}

static void on_done(struct sweep *s, uint32_t node, const Aolani__NodeDone *m)
{
    struct sweep_node *n = &s->list[node];
    bool clean =
        m->result == AOLANI__TEARDOWN__CLEAN || m->result == AOLANI__TEARDOWN__FORCED;
    if (n->done)
        return;
    n->done = true;
    n->proven = m->proven && clean;
    (void)snprintf(n->why, sizeof n->why, "%s",
                   m->n_evidence ? m->evidence[0] : "it cannot say what is left");
    if (m->killed > 0)
        log_info("%s: ended %u processes that were left", s->nodes.names[node],
                 m->killed);
    fleet_release(s->fleet, node);
    check_done(s);
}

static void warn_missing(const struct sweep *s, uint32_t node, uint32_t rank,
                         Aolani__Stream stream, uint64_t offset, uint64_t n)
{
    log_warn(
        "%s: %llu bytes of rank %u's %s from offset %llu on are missing: the former "
        "head did not keep them, nor did the node",
        s->nodes.names[node], (unsigned long long)n, rank,
        stream == AOLANI__STREAM__STDERR ? "stderr" : "stdout",
        (unsigned long long)offset);
}

/* A rank of any node: who may say what of it died with the head. The bytes go to its file
 * at their place. */
static void on_output(struct sweep *s, uint32_t node, const Aolani__Output *m)
{
    int stream = m->stream == AOLANI__STREAM__STDERR;
    if (!s->outfiles || m->rank >= s->c.world_size)
        return;
    uint64_t hole = outfiles_hole(s->outfiles, m->rank, stream, m->offset);
    if (hole > 0)
        warn_missing(s, node, m->rank, m->stream, m->offset - hole, hole);
    outfiles_write(s->outfiles, m->rank, stream, m->offset, m->data.data, m->data.len);
}

static void on_output_gap(struct sweep *s, uint32_t node, const Aolani__OutputGap *m)
{
    int stream = m->stream == AOLANI__STREAM__STDERR;
    uint64_t end = m->offset + m->length;
    if (!s->outfiles || m->rank >= s->c.world_size || end < m->offset)
        return;
    uint64_t hole = outfiles_hole(s->outfiles, m->rank, stream, end);
    if (hole > 0)
        warn_missing(s, node, m->rank, m->stream, end - hole, hole);
}

static int on_message(void *arg, uint32_t node, const struct envelope *v, struct err *e)
{
    struct sweep *s = arg;
    const ProtobufCMessageDescriptor *what =
        v->type == MSG_NODE_DONE    ? &aolani__node_done__descriptor
        : v->type == MSG_OUTPUT     ? &aolani__output__descriptor
        : v->type == MSG_OUTPUT_GAP ? &aolani__output_gap__descriptor
        : v->type == MSG_LOG        ? &aolani__log__descriptor
                                    : NULL;
    if (!what) /* of a rank that nobody asks about any more */
        return 0;
    ProtobufCMessage *m =
        protobuf_c_message_unpack(what, NULL, v->payload_len, v->payload);
    if (!m)
        return err_set(e, ERR_PROTO, "a message of type %u does not decode", v->type);
    wiretext_make_printable(m);
    if (v->type == MSG_NODE_DONE)
        on_done(s, node, (const Aolani__NodeDone *)m);
    else if (v->type == MSG_OUTPUT)
        on_output(s, node, (const Aolani__Output *)m);
    else if (v->type == MSG_OUTPUT_GAP)
        on_output_gap(s, node, (const Aolani__OutputGap *)m);
    else
        log_info("%s: %s", s->nodes.names[node], ((const Aolani__Log *)m)->text);
    protobuf_c_message_free_unpacked(m, NULL);
    return 0;
}

static void on_limit(void *arg)
{
    struct sweep *s = arg;
    struct err e;
    if (s->told) {
        s->c.finished(s->c.arg);
        return;
    }
    err_set(&e, ERR_NODE_LOST, "it did not answer in time");
    for (uint32_t i = 0; i < s->nodes.n; i++)
        give_up(s, i, &e);
}

/* ---------------------------------------------------------------- life */

static int name_nodes(struct sweep *s)
{
    size_t n = s->c.n_names;
    s->nodes.backend = s->c.backend;
    s->nodes.names = calloc(n + 1, sizeof *s->nodes.names);
    s->nodes.n_replaced = calloc(n + 1, sizeof *s->nodes.n_replaced);
    s->list = calloc(n + 1, sizeof *s->list);
    if (!s->nodes.names || !s->nodes.n_replaced || !s->list)
        return -ENOMEM;
    for (; s->nodes.n < n; s->nodes.n++) {
        s->nodes.n_replaced[s->nodes.n] = GENERATION;
        if (!(s->nodes.names[s->nodes.n] = strdup(s->c.names[s->nodes.n])))
            return -ENOMEM;
    }
    return 0;
}

static int open_output(struct sweep *s, struct err *e)
{
    uint32_t n = s->c.world_size;
    if (n == 0)
        return 0;
    if (!(s->node_of_rank = calloc(n, sizeof *s->node_of_rank)))
        return err_sys(e, -ENOMEM, "take up the output of %u ranks", n);
    for (uint32_t i = 0; i < n; i++)
        s->node_of_rank[i] = "";
    struct outfiles_config c = {
        .dir = s->c.attempt_dir,
        .world_size = n,
        .node_of_rank = s->node_of_rank,
        .rotate = {s->c.spec->job.output_rotate, (uint64_t)s->c.spec->job.output_keep},
        .stdout_fd = -1,
        .stderr_fd = -1};
    return outfiles_create(s->loop, &c, &s->outfiles, e);
}

static int open_fleet(struct sweep *s, struct err *e)
{
    static const struct fleet_ops ops = {.up = on_up,
                                         .boot_failed = on_failed,
                                         .lost = on_failed,
                                         .message = on_message};
    struct fleet_config c = {.spec = s->c.spec,
                             .nodes = &s->nodes,
                             .job_key = s->c.job_key,
                             .epoch = s->c.epoch,
                             .attempt = s->c.attempt,
                             .recover = true};
    for (size_t i = 0; i < sizeof c.run_id; i++) {
        unsigned byte = 0;
        (void)sscanf(s->c.run_id + 2 * i, "%2x", &byte);
        c.run_id[i] = (uint8_t)byte;
    }
    int rc = fleet_create(s->loop, &c, &ops, s, &s->fleet, e);
    secure_wipe(&c.job_key, sizeof c.job_key);
    return rc;
}

int sweep_create(struct loop *l, const struct sweep_config *c, struct sweep **ret,
                 struct err *e)
{
    struct sweep *s = calloc(1, sizeof *s);
    if (!s)
        return err_sys(e, -ENOMEM, "clean up after a head");
    s->loop = l;
    s->c = *c;
    s->limit = loop_timer_create(l, on_limit, s);
    int rc = s->limit && name_nodes(s) == 0
                 ? 0
                 : err_sys(e, -ENOMEM, "clean up on %zu nodes", c->n_names);
    if (rc == 0)
        rc = open_output(s, e);
    if (rc == 0)
        rc = open_fleet(s, e);
    if (rc < 0) {
        sweep_destroy(s);
        return rc;
    }
    loop_timer_start(s->limit, SWEEP_MS, 0);
    fleet_start(s->fleet);
    *ret = s;
    return 0;
}

void sweep_destroy(struct sweep *s)
{
    if (!s)
        return;
    fleet_destroy(s->fleet);
    if (s->outfiles)
        outfiles_destroy(s->outfiles, 0);
    loop_timer_destroy(s->limit);
    secure_wipe(&s->c.job_key, sizeof s->c.job_key);
    nodes_fini(&s->nodes);
    free(s->node_of_rank);
    free(s->list);
    free(s);
}

uint32_t sweep_unproven(const struct sweep *s, const char **ret_text)
{
    struct sweep *own = (struct sweep *)s; /* the text is its own cache */
    struct failure *all = calloc(s->nodes.n + 1, sizeof *all);
    uint32_t n = 0;
    for (size_t i = 0; i < s->nodes.n; i++) {
        const struct sweep_node *k = &s->list[i];
        if (!k->proven && all)
            all[n] = (struct failure){s->nodes.names[i], k->why, k->hint};
        n += !k->proven;
    }
    own->text[0] = '\0';
    if (all)
        failures_format(all, n, own->text, sizeof own->text);
    free(all);
    *ret_text = s->text;
    return n;
}
