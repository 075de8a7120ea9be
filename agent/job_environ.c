/* SPDX-License-Identifier: MIT */
/* job_environ.c - what the ranks of this node find around themselves, and the setup text
 * that may change it: between the plan and the helper that serves PMIx. */
#include "agent/job_impl.h"

#include "agent/envbind.h"
#include "agent/environ.h"

#include <string.h>
#include <unistd.h>

#define VALUE_SHOWN 160 /* of a list of UUIDs the first are enough to know it by */

static void job_on_conflict(void *arg, const struct envbind_conflict *c)
{
    const char *where = c->by_setup ? "job.setup has set it" : "this node has it";
    if (strcmp(c->by, c->name) == 0)
        job_log(arg, LOG_WARN_,
                "%s stays \"%.*s\": %s, and that wins over the binding's \"%.*s\"",
                c->name, VALUE_SHOWN, c->theirs, where, VALUE_SHOWN, c->ours);
    else
        job_log(arg, LOG_WARN_,
                "%s stays \"%.*s\": %s, and so the binding's %s=\"%.*s\" is not set",
                c->by, VALUE_SHOWN, c->theirs, where, c->name, VALUE_SHOWN, c->ours);
}

static void job_tell_conflicts(struct job *j)
{
    struct envbind b = {.plan = j->plan, .own = environ};
    envbind_conflicts(&b, &j->base.env, job_on_conflict, j);
}

static const char *pair_value(Aolani__KeyValue *const *kv, size_t n, const char *name)
{
    const char *value = NULL;
    for (size_t i = 0; i < n; i++)
        if (strcmp(kv[i]->key, name) == 0)
            value = kv[i]->value;
    return value;
}

const char *job_their_value(const struct job *j, const char *name)
{
    const char *v = pair_value(j->plan->env, j->plan->n_env, name);
    return v ? v : envlist_value(&j->base.env, name);
}

int job_make_base(struct job *j, struct err *e)
{
    int rc = rankbase_init(&j->base, j->plan, j->c.host, e);
    /* Where a setup text may yet change the PATH, nothing is known of the program. */
    if (rc < 0 || j->plan->setup[0])
        return rc;
    job_tell_conflicts(j);
    return rankbase_find_program(&j->base, j->plan, j->c.host, &j->folders, &j->program,
                                 e);
}

static void job_on_setup_line(void *arg, const char *text)
{
    job_log(arg, LOG_INFO_, "job.setup: %s", text);
}

static void job_on_setup_done(void *arg, struct setup_result *r, const struct err *e)
{
    struct job *j = arg;
    struct err own;
    int rc = e ? e->code : 0;
    if (rc == 0) {
        rankbase_take(&j->base, r);
        job_tell_conflicts(j);
        e = &own;
        rc = rankbase_find_program(&j->base, j->plan, j->c.host, &j->folders,
                                   &j->program, &own);
    }
    if (rc < 0)
        job_unfit(j, rc, e);
    else
        job_prepare_pmix(j);
}

int job_run_setup(struct job *j, struct err *e)
{
    static const struct setup_ops ops = {.line = job_on_setup_line,
                                         .done = job_on_setup_done};
    struct setup_config c = {.loop = j->c.loop,
                             .plan = j->plan,
                             .folder = j->folders.tmp,
                             .cgroup_entrance =
                                 j->cgroup ? cgroup_entrance(j->cgroup) : -1,
                             .oom_score_adj = RANKBASE_OOM_SCORE,
                             .limits = &j->base.limits};
    char **env = NULL;
    int rc = rankbase_setup_env(&j->base, j->plan, j->c.host, j->attempt, &env, e);
    if (rc == 0) {
        c.env = env;
        rc = setup_create(&c, &ops, j, &j->setup, e);
    }
    environ_free(env);
    if (rc == 0)
        reap_add(j->reap, setup_pid(j->setup));
    return rc;
}
