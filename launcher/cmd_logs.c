/* SPDX-License-Identifier: MIT */
/* cmd_logs.c - `aolani-run logs RUN`: what its ranks wrote. */
#include <stdlib.h>

#include "launcher/options.h"
#include "launcher/runfind.h"
#include "launcher/runlogs.h"
#include "launcher/verbs.h"
#include "proto/base/log.h"

static int print_logs(const struct options *o, struct err *e)
{
    const struct options_runs *r = &o->runs;
    bool both = r->only[0] == r->only[1];
    char *dir = NULL;
    int rc = runfind(o->path, &dir, e);
    if (rc)
        return rc;
    struct runlogs_config c = {.dir = dir,
                               .ranks = &r->ranks,
                               .streams = {both || r->only[0], both || r->only[1]},
                               .lines = r->lines,
                               .attempt = (uint32_t)r->attempt,
                               .follow = r->follow,
                               .launcher = r->launcher};
    rc = runlogs_print(&c, e);
    free(dir);
    return rc;
}

int cmd_logs(int argc, char **argv)
{
    struct options o;
    struct err e;
    int rc = options_parse(verbs_find("logs"), argc, argv, &o, &e);
    bool done = rc > 0;
    if (!rc)
        rc = print_logs(&o, &e);
    if (rc < 0)
        log_err(&e);
    options_fini(&o);
    return done || !rc ? 0 : err_exit_status(rc);
}
