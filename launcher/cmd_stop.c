/* SPDX-License-Identifier: MIT */
/* cmd_stop.c - `aolani-run stop RUN`: end a run that goes on elsewhere. */
#include <stdlib.h>

#include "launcher/options.h"
#include "launcher/runfind.h"
#include "launcher/runstop.h"
#include "launcher/verbs.h"
#include "proto/base/log.h"

int cmd_stop(int argc, char **argv)
{
    struct options o;
    struct err e;
    char *dir = NULL;
    int rc = options_parse(verbs_find("stop"), argc, argv, &o, &e);
    bool done = rc > 0;
    if (!rc)
        rc = runfind(o.path, &dir, &e);
    if (!rc && !done)
        rc = runstop(dir, o.runs.now, &e);
    if (rc < 0)
        log_err(&e);
    free(dir);
    options_fini(&o);
    return done || !rc ? 0 : err_exit_status(rc);
}
