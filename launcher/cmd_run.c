/* SPDX-License-Identifier: MIT */
/* cmd_run.c - `aolani-run job.toml`. */
#include <sys/resource.h>

#include "launcher/options.h"
#include "launcher/run.h"
#include "launcher/verbs.h"

/* A descriptor for each agent's connection and for each starter's three streams. Not with
 * local nodes, whose ranks would inherit the limit. */
static void raise_nofile(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
        r.rlim_cur = r.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &r);
    }
}

int cmd_run(int argc, char **argv)
{
    struct options o;
    struct err e;
    struct spec *s = NULL;
    struct run *r = NULL;
    int rc = options_parse(verbs_find("run"), argc, argv, &o, &e);
    if (rc > 0) {
        options_fini(&o);
        return 0;
    }
    if (rc == 0)
        rc = options_load_spec(&o, &s, &e);
    if (rc == 0 && s->nodes.backend != BACKEND_LOCAL)
        raise_nofile();
    if (rc == 0)
        rc = run_create(s, &r, &e);
    if (rc == 0)
        rc = run_attempts(r, &e);
    int status = rc < 0 ? err_exit_status(rc) : run_conclude(r);
    run_destroy(r);
    if (rc < 0)
        log_err(&e);
    options_fini(&o);
    return status;
}
