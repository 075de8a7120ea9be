/* SPDX-License-Identifier: MIT */
/* job_start.c - from the plan to the messages that start the ranks. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/forward.h"
#include "launcher/job_impl.h"
#include "proto/base/log.h"
#include "proto/wire/limitwire.h"

static void on_copying(void *arg, int stream, bool ends_line)
{
    struct job *j = arg;
    if (live_is_active(j->config.live) &&
        isatty(stream ? STDERR_FILENO : STDOUT_FILENO))
        live_give_way(j->config.live, ends_line);
}

static void on_drained(void *arg)
{
    struct job *j = arg;
    if (j->state == JOB_CLOSED)
        job_finish_once(j);
    if (!j->held || outfiles_backlog(j->outfiles) >= OUTFILES_LOW_WATER)
        return;
    j->held = false;
    fleet_hold(j->fleet, false);
}

int job_make_ranks(struct job *j, struct err *e)
{
    uint32_t n = j->plan.world_size;
    j->ranks = calloc(n, sizeof *j->ranks);
    j->node_of_rank = calloc(n, sizeof *j->node_of_rank);
    if (!j->ranks || !j->node_of_rank)
        return err_sys(e, -ENOMEM, "make room for %u ranks", n);
    for (uint32_t i = 0; i < n; i++) {
        j->node_of_rank[i] = job_node_name(j, j->plan.ranks[i].node);
        j->ranks[i].v.node = j->node_of_rank[i];
    }
    struct outfiles_config oc = {.dir = j->config.attempt_dir,
                                 .world_size = n,
                                 .node_of_rank = j->node_of_rank,
                                 .label = j->config.spec->label,
                                 .rotate = {j->config.spec->job.output_rotate,
                                            (uint64_t)j->config.spec->job.output_keep},
                                 .stdout_fd = STDOUT_FILENO,
                                 .stderr_fd = STDERR_FILENO,
                                 .copying = on_copying,
                                 .arg = j};
    int rc = outfiles_create(j->loop, &oc, &j->outfiles, e);
    if (rc == 0)
        outfiles_on_drain(j->outfiles, on_drained, j);
    if (rc == 0 && (rc = job_variance_create(j)) < 0)
        err_sys(e, rc, "make room for %u ranks", n);
    const char *net = j->config.spec->audit.require_net;
    bool watched = strcmp(net, "none") != 0 || job_nccl_may_use_ib(j);
    if (rc == 0 && watched &&
        !(j->netwatch = netwatch_create(n, strcmp(net, "ib+gdr") == 0)))
        rc = err_sys(e, -ENOMEM, "make room for %u ranks", n);
    if (rc == 0 && (rc = fences_create(j->n_nodes, j->plan.first_rank, &job_fence_ops,
                                       j, &j->fences)) < 0)
        err_sys(e, rc, "make room for %u ranks", n);
    return rc;
}

/* The values point into the texts. */
Aolani__KeyValue **job_env_messages(const struct strlist *env, struct err *e)
{
    Aolani__KeyValue **list = calloc(env->n + 1, sizeof *list);
    Aolani__KeyValue *all = calloc(env->n + 1, sizeof *all);
    for (size_t i = 0; list && all && i < env->n; i++) {
        const char *eq = strchr(env->items[i], '=');
        size_t n = eq ? (size_t)(eq - env->items[i]) : strlen(env->items[i]);
        aolani__key_value__init(&all[i]);
        all[i].key = strndup(env->items[i], n);
        all[i].value = (char *)(eq ? eq + 1 : "");
        list[i] = &all[i];
        if (!all[i].key) {
            list = NULL;
            break;
        }
    }
    if (!list || !all) {
        free(all);
        err_sys(e, -ENOMEM, "send the environment");
        return NULL;
    }
    list[env->n] = all; /* for job_env_free */
    return list;
}

void job_env_free(Aolani__KeyValue **list, size_t n)
{
    if (!list)
        return;
    for (size_t i = 0; i < n; i++)
        free(list[i]->key);
    free(list[n]);
    free(list);
}

/* What the agents look for in the output; "": nothing. */
static char *step_pattern(const struct spec *s)
{
    bool wanted = !strcmp(s->steps.source, "auto") || !strcmp(s->steps.source, "log");
    return wanted && s->steps.log_pattern ? s->steps.log_pattern : "";
}

static void common_prepare(const struct job *j, Aolani__Prepare *m)
{
    static const char *const mpi_names[] = {"auto", "pmix", "none"};
    const struct spec *s = j->config.spec;
    mode_t mask = umask(077);
    (void)umask(mask);
    aolani__prepare__init(m);
    m->job = s->job.name;
    m->run_id = (char *)j->config.run_id;
    m->n_nodes = j->n_nodes;
    m->world_size = j->plan.world_size;
    m->n_argv = s->job.command.n;
    m->argv = s->job.command.items;
    m->n_container = s->job.container.n;
    m->container = s->job.container.items;
    m->workdir = s->job.workdir;
    m->n_env = s->job.env.n;
    m->setup = s->job.setup ? s->job.setup : "";
    m->setup_ms = s->job.setup_limit_ms;
    /* A node that is this machine, and one that srun gives our environment, would have
     * all of it without being asked. */
    m->clean_env = j->config.nodes->backend != BACKEND_SSH &&
                   !forward_takes_all(&s->job.forward_env);
    m->n_first_rank = j->n_nodes + 1;
    m->first_rank = j->plan.first_rank;
    m->n_node_names = j->n_nodes;
    m->node_names = j->config.nodes->names;
    m->mpi = (char *)mpi_names[s->job.mpi];
    m->grace_ms = s->failure.grace_ms;
    m->lease_ms = s->failure.head_lease_ms;
    m->spool_bytes = s->job.spool_bytes;
    m->step_pattern = step_pattern(s);
    m->collectives = !strcmp(s->steps.source, "nccl") ? AOLANI__COLL_WISH__COLL_YES
                     : !strcmp(s->steps.source, "auto")
                         ? AOLANI__COLL_WISH__COLL_WHERE_GPUS
                         : AOLANI__COLL_WISH__COLL_NO;
    m->umask = mask;
    m->unbuffered = s->job.unbuffered;
    m->has_stdin = s->stdin_rank >= 0;
    m->restarts = j->config.restarts;
    m->max_restarts = (uint32_t)s->failure.max_restarts;
    m->stdin_rank = m->has_stdin ? (uint32_t)s->stdin_rank : 0;
}

static int send_prepare_to(struct job *j, struct job_bind_said *said,
                           Aolani__Prepare *m, uint32_t node)
{
    uint32_t first = j->plan.first_rank[node];
    uint32_t n = j->plan.first_rank[node + 1] - first;
    Aolani__RankPlan *ranks = calloc(n, sizeof *ranks);
    Aolani__RankPlan **list = calloc(n, sizeof *list);
    struct job_bind *bind = NULL;
    int rc = -ENOMEM;
    for (uint32_t i = 0; ranks && list && i < n; i++) {
        aolani__rank_plan__init(&ranks[i]);
        ranks[i].rank = first + i;
        ranks[i].local_rank = i;
        list[i] = &ranks[i];
    }
    if (ranks && list) {
        m->node_index = node;
        m->oversubscribed = j->plan.nodes[node].oversubscribed;
        m->n_ranks = n;
        m->ranks = list;
        rc = job_bind_node(said, node, m, &bind);
    }
    if (rc == 0)
        rc = fleet_send(j->fleet, node, MSG_PREPARE, j->config.attempt, &m->base);
    job_bind_destroy(bind);
    free(ranks);
    free(list);
    return rc;
}

static void fail_to_send(struct job *j, uint32_t node, const char *what, int code)
{
    struct err e;
    err_sys(&e, code, "give node \"%s\" %s", job_node_name(j, node), what);
    job_set_stop(j, STOP_ERROR, 1, "%s", e.text);
    job_event(j, JOB_EV_FAILED);
}

void job_send_prepare(struct job *j)
{
    struct err e;
    Aolani__Prepare m;
    struct forward forwarded = {0};
    struct limitwire limits;
    struct job_bind_said *said = NULL;
    int rc = forward_select(&j->config.spec->job.forward_env, environ, &forwarded, &e);
    common_prepare(j, &m);
    job_bind_common(j, &m);
    if (rc == 0 && (rc = job_bind_begin(j, &said)) < 0)
        err_sys(&e, rc, "send the plan");
    limitwire_fill(&limits, &j->config.limits);
    m.limits = limits.list;
    m.n_limits = limits.n;
    m.forwarded = forwarded.list;
    m.n_forwarded = forwarded.n;
    m.env = rc == 0 ? job_env_messages(&j->config.spec->job.env, &e) : NULL;
    for (uint32_t i = 0; m.env && i < j->n_nodes && rc == 0; i++) {
        if ((rc = send_prepare_to(j, said, &m, i)) < 0)
            fail_to_send(j, i, "its plan", rc);
    }
    if (!m.env) {
        job_set_stop(j, STOP_ERROR, rc < 0 ? err_exit_status(rc) : 1, "%s%s%s%s",
                     e.text, e.hint[0] ? " (" : "", e.hint, e.hint[0] ? ")" : "");
        job_event(j, JOB_EV_FAILED);
    }
    job_bind_tell(said);
    job_env_free(m.env, j->config.spec->job.env.n);
    forward_fini(&forwarded);
}

void job_send_start(struct job *j)
{
    Aolani__Start m = AOLANI__START__INIT;
    m.master_addr = (char *)fleet_address(j->fleet, 0);
    m.master_port = j->master_port;
    for (uint32_t i = 0; i < j->plan.world_size; i++)
        j->ranks[i].v.end = RANK_ALIVE;
    for (uint32_t i = 0; i < j->n_nodes; i++) {
        int rc = fleet_send(j->fleet, i, MSG_START, j->config.attempt, &m.base);
        if (rc < 0) {
            fail_to_send(j, i, "the start", rc);
            return;
        }
        fleet_set_phase(j->fleet, i, PHASE_RUNNING);
    }
    job_begin_stdin(j);
}
