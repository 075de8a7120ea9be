/* SPDX-License-Identifier: MIT */
/* cmd_run.c - `aolani-run job.toml`. */
#include "launcher/options.h"
#include "launcher/run.h"
#include "launcher/verbs.h"

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
    if (rc == 0)
        rc = run_create(s, &r, &e);
    if (rc == 0)
        rc = run_attempts(r, &e);
    int status = rc < 0 ? err_exit_status(rc) : rc > 0 ? 128 + rc : run_conclude(r);
    run_destroy(r);
    if (rc < 0)
        log_err(&e);
    options_fini(&o);
    return status;
}
