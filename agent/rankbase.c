/* SPDX-License-Identifier: MIT */
/* rankbase.c - see rankbase.h. */
#include "agent/rankbase.h"

#include "agent/envbase.h"
#include "agent/environ.h"
#include "proto/wire/limitwire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int rankbase_init(struct rankbase *b, const Aolani__Prepare *plan,
                  const struct host *host, struct err *e)
{
    struct rlimits wanted;
    limitwire_read(plan->limits, plan->n_limits, &wanted);
    rlimits_raise(&host->limits, &wanted, &b->limits);
    b->umask = (mode_t)plan->umask & 0777;
    b->workdir = strdup(plan->workdir);
    if (!b->workdir)
        return err_sys(e, -ENOMEM, "build the environment of the ranks");
    return envbase_build(environ, plan, &b->env, e);
}

void rankbase_fini(struct rankbase *b)
{
    envlist_fini(&b->env);
    free(b->workdir);
    *b = (struct rankbase){0};
}

void rankbase_take(struct rankbase *b, struct setup_result *r)
{
    envlist_fini(&b->env);
    free(b->workdir);
    b->env = r->env;
    b->workdir = r->workdir;
    b->umask = r->umask;
    b->after_setup = true;
    for (size_t i = 0; i < RLIMITS_N; i++) {
        if (r->limits.known[i])
            b->limits.v[i] = r->limits.v[i];
    }
    r->env = (struct envlist){0};
    r->workdir = NULL;
}

static struct environ_spec rankbase_spec(const struct rankbase *b,
                                         const Aolani__Prepare *plan,
                                         const struct host *host)
{
    return (struct environ_spec){.base = b->env.v,
                                 .own = environ,
                                 .after_setup = b->after_setup,
                                 .plan = plan,
                                 .workdir = b->workdir,
                                 .library = host->library,
                                 .python = host->python,
                                 .agent_dir = host->dir};
}

int rankbase_find_program(const struct rankbase *b, const Aolani__Prepare *plan,
                          const struct host *host, const struct folders *folders,
                          struct program *ret, struct err *e)
{
    struct environ_spec s = rankbase_spec(b, plan, host);
    struct program p = {0};
    struct envlist env = {0};
    if (plan->n_ranks == 0)
        return 0;
    s.rank = plan->ranks[0];
    s.master_addr = "255.255.255.255"; /* of the longest kind that is likely */
    s.tmp_dir = folders->tmp;
    s.shm_dir = folders->shm;
    int rc = environ_build(&s, &env.v, e);
    if (rc < 0)
        return rc;
    while (env.v[env.n])
        env.n++;
    /* Of what is in a container, its tool will tell. */
    bool contained = plan->n_container > 0;
    rc = program_find(contained ? plan->container : plan->argv,
                      contained ? plan->n_container : plan->n_argv,
                      envlist_value(&env, "PATH"), b->workdir, &p, e);
    if (rc == 0)
        rc = envbase_fits(env.v, p.argv, b->limits.v[RLIMITS_STACK].rlim_cur, e);
    envlist_fini(&env);
    if (rc < 0)
        program_fini(&p);
    else
        *ret = p;
    return rc;
}

int rankbase_setup_env(const struct rankbase *b, const Aolani__Prepare *plan,
                       const struct host *host, uint32_t attempt, char ***ret,
                       struct err *e)
{
    struct environ_spec s = rankbase_spec(b, plan, host);
    s.attempt = attempt;
    return environ_build_setup(&s, ret, e);
}
