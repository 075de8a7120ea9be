/* SPDX-License-Identifier: MIT */
/* job_fleet.c - what becomes of a job's nodes: up, refused, lost, recovered, given up.
 *
 * Until all agents are up nothing runs, so a spare host may take the place of one that
 * cannot be used. A lost node is recovered before the job ends: a new agent there ends what the dead one
 * left and proves it, and its NODE_DONE counts as the node's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/failures.h"
#include "launcher/job_impl.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

#define BREAK_SLACK_MS \
    100u /* between a rank's end and the head's notice of a closed link */
#define END_SILENT_MS 30000u /* a node that says nothing for so long after END */

/* ---------------------------------------------------------------- in words */

static size_t list_failures(const struct job *j, enum node_step step,
                            struct failure *ret)
{
    size_t n = 0;
    for (size_t i = 0; step == NODE_REFUSED && i < j->n_replaced; i++) {
        const struct job_replaced *r = &j->replaced[i];
        ret[n++] = (struct failure){r->host, r->why, r->hint};
    }
    for (uint32_t i = 0; i < j->n_nodes; i++) {
        const struct job_node *own = &j->nodes[i];
        if (own->step == step && own->error[0])
            ret[n++] = (struct failure){job_node_name(j, i), own->error, own->hint};
    }
    return n;
}

void job_group_errors(const struct job *j, enum node_step step, char *text, size_t len)
{
    struct failure *all = calloc(j->n_nodes + j->n_replaced, sizeof *all);
    size_t n = all ? list_failures(j, step, all) : 0;
    failures_format(all, n, text, len);
    free(all);
}

/* ---------------------------------------------------------------- hosts under two names */

struct host_of {
    const Aolani__NodeInfo *info;
    const char *name;
};

static int compare_hosts(const void *a, const void *b)
{
    const Aolani__NodeInfo *x = ((const struct host_of *)a)->info;
    const Aolani__NodeInfo *y = ((const struct host_of *)b)->info;
    int by = strcmp(x->boot_id, y->boot_id);
    by = by ? by : strcmp(x->hostname, y->hostname);
    by =
        by ? by : (x->n_addresses > y->n_addresses) - (x->n_addresses < y->n_addresses);
    for (size_t i = 0; i < x->n_addresses && !by; i++)
        by = strcmp(x->addresses[i], y->addresses[i]);
    return by;
}

/* Containers of one machine share its boot, and may share a name, but not addresses. */
static void warn_same_host(struct job *j)
{
    struct host_of *all = calloc(j->n_nodes, sizeof *all);
    const char *first = NULL, *second = NULL;
    uint32_t pairs = 0;
    for (uint32_t i = 0; all && i < j->n_nodes; i++)
        all[i] = (struct host_of){fleet_info(j->fleet, i), job_node_name(j, i)};
    if (all)
        qsort(all, j->n_nodes, sizeof *all, compare_hosts);
    for (uint32_t i = 1; all && i < j->n_nodes; i++) {
        if (!all[i].info->boot_id[0] || compare_hosts(&all[i - 1], &all[i]) != 0)
            continue;
        first = first ? first : all[i - 1].name;
        second = second ? second : all[i].name;
        pairs++;
    }
    if (pairs == 1)
        job_warn(j, "%s and %s are the same host", first, second);
    else if (pairs > 1)
        job_warn(j,
                 "%s and %s are the same host, and %u more names are of one that "
                 "has another",
                 first, second, pairs - 1);
    free(all);
}

/* ---------------------------------------------------------------- spares */

static const char *agent_of(const struct job *j, uint32_t node, bool came_up)
{
    if (fleet_may_live(j->fleet, node))
        return "not proven";
    return came_up ? "ended" : "not started";
}

static void warn_replaced(struct job *j, const struct job_replaced *r)
{
    char lease[32];
    clock_format_duration(j->config.spec->failure.head_lease_ms, lease, sizeof lease);
    bool lives = strcmp(r->agent, "not proven") == 0;
    job_warn(j, "%s: %s; %s takes its place%s%s", r->host, r->why, r->by,
             lives ? "; an agent that may be left there ends by itself within " : "",
             lives ? lease : "");
}

/* While no rank has a plan, any host is as good. */
static bool take_spare(struct job *j, uint32_t node, const struct err *e, bool came_up)
{
    if (j->state != JOB_BOOTING || j->nodes[node].recovering)
        return false;
    struct job_replaced *more =
        realloc(j->replaced, (j->n_replaced + 1) * sizeof *more);
    if (!more)
        return false;
    j->replaced = more;
    const char *agent = agent_of(j, node, came_up);
    const char *gone = nodes_take_spare(j->config.nodes, node);
    if (!gone)
        return false;
    struct job_replaced *r = &j->replaced[j->n_replaced++];
    *r = (struct job_replaced){
        .host = gone, .by = job_node_name(j, node), .node = node, .agent = agent};
    (void)snprintf(r->why, sizeof r->why, "%s", e->text);
    (void)snprintf(r->hint, sizeof r->hint, "%s", e->hint);
    job_journal_replaced(j, r);
    warn_replaced(j, r);
    j->nodes[node].step = NODE_AWAITED;
    fleet_replace(j->fleet, node);
    return true;
}

/* ---------------------------------------------------------------- up, refused, lost */

static void check_booted(struct job *j)
{
    bool refused = false;
    for (uint32_t i = 0; i < j->n_nodes; i++) {
        if (j->nodes[i].step == NODE_AWAITED)
            return;
        refused = refused || j->nodes[i].step == NODE_REFUSED;
    }
    if (!refused) {
        if (j->config.nodes->backend != BACKEND_LOCAL)
            warn_same_host(j);
        job_event(j, j->config.describe_only ? JOB_EV_DESCRIBED : JOB_EV_ALL_UP);
        return;
    }
    char text[1000];
    job_group_errors(j, NODE_REFUSED, text, sizeof text);
    job_set_stop(j, STOP_ERROR, 80, "agents could not start: %s", text);
    job_event(j, JOB_EV_FAILED);
}

/* Finish a node: everything it had to say came with the agent that asked. */
void job_send_end(struct job *j, uint32_t node)
{
    struct job_node *n = &j->nodes[node];
    Aolani__End m = AOLANI__END__INIT;
    n->end_sent_ms = loop_now_ms(j->loop);
    n->recovering = false;
    n->step = NODE_ENDING;
    if (fleet_send(j->fleet, node, MSG_END, j->config.attempt, &m.base) < 0)
        job_give_up(j, node, "it could not be told of the end");
    else
        fleet_set_phase(j->fleet, node, PHASE_ENDING);
}

bool job_awaits(const struct job *j, uint32_t node)
{
    const struct job_node *n = &j->nodes[node];
    return n->step == NODE_ENDING || n->recovering ||
           (n->step == NODE_AWAITED && fleet_is_starting(j->fleet, node));
}

static void on_up(void *arg, uint32_t node)
{
    struct job *j = arg;
    struct job_node *n = &j->nodes[node];
    job_journal_node(j, node, n->recovering ? "recovering" : "up", "",
                     fleet_info(j->fleet, node));
    log_info("%s: agent is up", job_node_name(j, node));
    if (n->recovering || j->state == JOB_ENDING) {
        job_send_end(j, node);
        return;
    }
    n->step = NODE_DESCRIBED;
    check_booted(j);
}

void job_give_up(struct job *j, uint32_t node, const char *why)
{
    struct job_node *n = &j->nodes[node];
    fleet_give_up(j->fleet, node);
    n->step = NODE_FINISHED;
    n->recovering = false;
    n->teardown = "not proven";
    (void)snprintf(n->detail, sizeof n->detail, "%s", why);
    j->stop.unclean = true;
    job_journal_node(j, node, "given up", why, NULL);
    job_check_done(j);
}

static void on_boot_failed(void *arg, uint32_t node, const struct err *e)
{
    struct job *j = arg;
    struct job_node *n = &j->nodes[node];
    job_journal_node(j, node, "boot failed", e->text, NULL);
    if (n->recovering) {
        job_warn(j, "%s: what the lost agent left could not be cleaned up: %s",
                 job_node_name(j, node), e->text);
        job_give_up(j, node, e->text);
        return;
    }
    if (take_spare(j, node, e, false))
        return;
    log_info("%s: %s", job_node_name(j, node), e->text);
    n->step = NODE_REFUSED;
    n->teardown = "not started";
    (void)snprintf(n->error, sizeof n->error, "%s", e->text);
    (void)snprintf(n->hint, sizeof n->hint, "%s", e->hint);
    if (j->state == JOB_BOOTING)
        check_booted(j);
    else
        job_check_done(j);
}

static void lose_ranks(struct job *j, uint32_t node)
{
    for (uint32_t i = j->plan.first_rank ? j->plan.first_rank[node] : 0;
         j->ranks && i < j->plan.first_rank[node + 1]; i++) {
        if (j->ranks[i].v.end == RANK_ALIVE)
            j->ranks[i].v.end = RANK_LOST;
    }
}

/* A dead agent takes its ranks along, and their partners elsewhere break on it at once,
 * long before the node is known to be lost. */
static bool broke_the_ranks(const struct job *j, uint32_t node)
{
    uint64_t closed_ms = fleet_closed_ms(j->fleet, node), first_ms = UINT64_MAX;
    for (uint32_t i = 0; j->ranks && i < j->plan.world_size; i++) {
        const struct verdict_rank *v = &j->ranks[i].v;
        bool failed = v->end == RANK_EXITED && v->wait_status != 0 && !v->ended_by_us;
        if (failed && v->t_ns / 1000000 < first_ms)
            first_ms = v->t_ns / 1000000;
    }
    return closed_ms != UINT64_MAX && first_ms != UINT64_MAX &&
           first_ms + BREAK_SLACK_MS >= closed_ms;
}

static void on_lost(void *arg, uint32_t node, const struct err *e)
{
    struct job *j = arg;
    struct job_node *n = &j->nodes[node];
    struct err re;
    job_journal_node(j, node, "lost", e->text, NULL);
    if (n->recovering || n->step == NODE_FINISHED || j->state == JOB_CLOSED) {
        job_give_up(j, node, e->text);
        return;
    }
    if (take_spare(j, node, e, true))
        return;
    log_warn("node \"%s\" is lost: %s", job_node_name(j, node), e->text);
    if (j->stop.cause == STOP_RANK && broke_the_ranks(j, node))
        j->stop.cause = STOP_NONE; /* the node is the reason */
    job_set_stop(j, STOP_NODE_LOST, 0, "node \"%s\" was lost: %s",
                 job_node_name(j, node), e->text);
    lose_ranks(j, node);
    n->teardown = "lost";
    n->lost = true;
    n->recovering = true;
    if (j->fences)
        fences_node_lost(j->fences, node);
    if (fleet_recover(j->fleet, node, &re) < 0)
        job_give_up(j, node, re.text);
    job_event(j, JOB_EV_FAILED);
    if (j->ranks)
        job_check_ended(j);
}

void job_watch_ending(struct job *j, uint64_t now)
{
    for (uint32_t i = 0; i < j->n_nodes; i++) {
        struct job_node *n = &j->nodes[i];
        uint64_t heard = fleet_heard_ms(j->fleet, i);
        uint64_t since = heard > n->end_sent_ms ? heard : n->end_sent_ms;
        if (n->step == NODE_ENDING && now - since > END_SILENT_MS) {
            job_warn(j, "%s: no answer to the end of the job", job_node_name(j, i));
            job_give_up(j, i, "no answer to the end of the job");
            return;
        }
    }
}

static int on_message(void *arg, uint32_t node, const struct envelope *v, struct err *e)
{
    return job_message(arg, node, v, e);
}

const struct fleet_ops job_fleet_ops = {
    .up = on_up, .boot_failed = on_boot_failed, .lost = on_lost, .message = on_message};
