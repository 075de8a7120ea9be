/* SPDX-License-Identifier: MIT */
/* job_progress.c - what the user is told while the job goes on, and whom it waits for. */
#include <stdio.h>
#include <stdlib.h>

#include "launcher/job_impl.h"
#include "proto/base/hostlist.h"
#include "proto/base/log.h"

#define SAY_FIRST_MS 2000u /* silence a user bears before asking what goes on */
#define SAY_AGAIN_MS 10000u
#define STATE_TEXT   400u
#define NAMES_SHOWN  160u /* of the nodes that are waited for */

static bool is_awaited(const struct job *j, uint32_t node)
{
    switch (j->state) {
    case JOB_BOOTING:
        return j->nodes[node].step == NODE_AWAITED;
    case JOB_PREPARING:
        return j->nodes[node].step == NODE_DESCRIBED;
    case JOB_TRYING:
        return !j->nodes[node].tried && (node == 0 || j->nodes[0].tried);
    case JOB_ENDING:
        return job_awaits(j, node);
    default:
        return false;
    }
}

/* "; waiting for n[2-3]" once there are few enough to name, or some are done. */
static uint32_t name_awaited(const struct job *j, char *text, size_t len)
{
    struct hostlist l = {.names = calloc(j->n_nodes, sizeof *l.names)};
    struct buf names;
    uint32_t n = 0;
    buf_init(&names, 1u << 24);
    for (uint32_t i = 0; i < j->n_nodes; i++) {
        if (!is_awaited(j, i))
            continue;
        n++;
        if (l.names)
            l.names[l.n++] = j->config.nodes->names[i];
    }
    text[0] = '\0';
    if (l.n > 0 && hostlist_format(&l, &names) == 0)
        (void)snprintf(text, len, "; waiting for %.*s%s", (int)NAMES_SHOWN,
                       (char *)names.data, names.len > NAMES_SHOWN ? "..." : "");
    buf_fini(&names);
    free(l.names);
    return n;
}

static uint32_t count_step(const struct job *j, enum node_step step)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < j->n_nodes; i++)
        n += j->nodes[i].step == step;
    return n;
}

static const char *describe_state(const struct job *j, char *text, size_t len)
{
    char names[NAMES_SHOWN + 40], failed[48] = "";
    uint32_t awaited = name_awaited(j, names, sizeof names);
    uint32_t refused = count_step(j, NODE_REFUSED);
    if (refused > 0)
        (void)snprintf(failed, sizeof failed, ", %u failed", refused);
    switch (j->state) {
    case JOB_BOOTING:
        (void)snprintf(text, len, "starting agents: %u of %u nodes are up%s%s",
                       j->n_nodes - awaited - refused, j->n_nodes, failed, names);
        break;
    case JOB_AUDITING:
        (void)snprintf(text, len,
                       "asking %u nodes whether they are what [audit] requires",
                       j->n_nodes);
        break;
    case JOB_PREPARING:
        (void)snprintf(text, len, "preparing the ranks on %u nodes%s%s", j->n_nodes,
                       j->config.spec->job.setup ? " (job.setup runs there)" : "",
                       names);
        break;
    case JOB_TRYING:
        (void)snprintf(text, len, "trying the way to MASTER_PORT on %s%s",
                       job_node_name(j, 0), names);
        break;
    case JOB_COMMITTING:
        (void)snprintf(text, len, "writing the start to the journal");
        break;
    case JOB_STOPPING:
        (void)snprintf(text, len, "stopping: the ranks have their grace");
        break;
    case JOB_KILLING:
        (void)snprintf(text, len, "killing the ranks");
        break;
    case JOB_ENDING:
        (void)snprintf(
            text, len, "ending: %u of %u nodes are done%s%s", j->n_nodes - awaited,
            j->n_nodes, names,
            j->held ? "; our output is held up: its reader or its disk takes none"
                    : "");
        break;
    default:
        (void)snprintf(text, len, "%u ranks are running on %u nodes",
                       j->plan.world_size, j->n_nodes);
        break;
    }
    return text;
}

/* Without a terminal to keep a line on: a word now and then while the user waits. */
static void say_progress(struct job *j, uint64_t now)
{
    if (j->state == JOB_RUNNING) {
        j->said_ms = 0;
        return;
    }
    uint64_t since = now - j->phase_start_ms[j->phase];
    uint64_t again = j->said_ms ? j->said_ms + SAY_AGAIN_MS : 0;
    if (since < SAY_FIRST_MS || now < again)
        return;
    char text[STATE_TEXT];
    j->said_ms = now;
    log_note("%s", describe_state(j, text, sizeof text));
}

static struct live_slowest describe_slowest(const struct job *j,
                                            const struct steps_now *now)
{
    if (now->slowest_rank < 0)
        return (struct live_slowest){NULL, NULL};
    uint32_t rank = (uint32_t)now->slowest_rank;
    return (struct live_slowest){j->node_of_rank[rank],
                                 job_why_slow(j, rank, now->step)};
}

static void show_live(struct job *j)
{
    char text[STATE_TEXT];
    struct steps_now now;
    if (job_stall_words(j, text, sizeof text)) {
        live_status(j->config.live, text);
        return;
    }
    if (j->state == JOB_RUNNING && j->saw_steps) {
        steps_now(j->steps, &now);
        struct live_slowest slowest = describe_slowest(j, &now);
        if (now.closed > 0) {
            live_steps(j->config.live, &now, &slowest);
            return;
        }
    }
    live_status(j->config.live, describe_state(j, text, sizeof text));
}

void job_show_progress(struct job *j, uint64_t now_ms)
{
    if (live_is_active(j->config.live))
        show_live(j);
    else
        say_progress(j, now_ms);
}

void job_print_status(const struct job *j)
{
    char text[STATE_TEXT];
    log_answer("%s", describe_state(j, text, sizeof text));
    uint32_t alive = 0;
    for (uint32_t i = 0; j->ranks && i < j->plan.world_size; i++)
        alive += j->ranks[i].v.end == RANK_ALIVE;
    if (j->ranks)
        log_answer("%u of %u ranks are alive", alive, j->plan.world_size);
    job_print_drift(j);
    if (!j->saw_steps)
        return;
    if (job_stall_words(j, text, sizeof text))
        log_answer("%s", text);
    struct steps_now now;
    steps_now(j->steps, &now);
    log_answer("step %u, %.2f steps/s, p50 %.2f ms, p99 %.2f ms", now.step, now.rate,
               (double)now.p50 / 1e3, (double)now.p99 / 1e3);
    struct live_slowest slowest = describe_slowest(j, &now);
    if (slowest.node)
        log_answer("slowest: rank %d on %s, %+.1f %%%s%s", now.slowest_rank,
                   slowest.node, now.slowest_percent, slowest.why ? ": " : "",
                   slowest.why ? slowest.why : "");
}
