/* SPDX-License-Identifier: MIT */
/* cmd_plan.c - `aolani-run plan job.toml`: which rank gets what; nothing is started. */
#include "launcher/options.h"
#include "launcher/verbs.h"
#include "proto/base/log.h"

int cmd_plan(int argc, char **argv)
{
    struct options o;
    struct spec *s = NULL;
    struct err e;
    int rc = options_parse(verbs_find("plan"), argc, argv, &o, &e);
    bool done = rc > 0;
    if (!rc)
        rc = options_load_spec(&o, &s, &e);
    if (rc < 0)
        log_err(&e);
    spec_destroy(s);
    options_fini(&o);
    return done ? 0 : rc < 0 ? err_exit_status(rc) : 0;
}
