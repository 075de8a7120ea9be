/* SPDX-License-Identifier: MIT */
/* cmd_resume.c - `aolani-run resume RUN`: another head for a run that is there. */
#include <stdlib.h>

#include "launcher/options.h"
#include "launcher/run.h"
#include "launcher/runfind.h"
#include "launcher/verbs.h"
#include "proto/base/log.h"

int cmd_resume(int argc, char **argv)
{
    struct options o;
    struct err e;
    struct run *r = NULL;
    char *dir = NULL;
    int status = 0;
    int rc = options_parse(verbs_find("resume"), argc, argv, &o, &e);
    if (rc > 0) {
        options_fini(&o);
        return 0;
    }
    if (rc == 0)
        rc = runfind(o.path, &dir, &e);
    if (rc == 0)
        rc = run_resume(dir, o.runs.force, o.label, &r, &status, &e);
    if (rc == 0 && (rc = run_attempts(r, &e)) == 0)
        status = run_conclude(r);
    run_destroy(r);
    if (rc < 0) {
        status = err_exit_status(rc);
        log_err(&e);
    }
    free(dir);
    options_fini(&o);
    return status;
}
