/* SPDX-License-Identifier: MIT */
/* cmd_report.c - `aolani-run report RUN`: the page of a run that has ended. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "launcher/options.h"
#include "launcher/report.h"
#include "launcher/runfile.h"
#include "launcher/verbs.h"
#include "proto/base/log.h"

static int print_report(const struct options *o, struct err *e)
{
    struct buf json, page;
    char *path = NULL;
    buf_init(&json, RUNFILE_BYTES);
    buf_init(&page, RUNFILE_BYTES);
    int rc = runfile_find(o->path, &path, e);
    if (!rc)
        rc = runfile_read(path, &json, e);
    if (!rc && !o->json &&
        (rc = report_text_from_json((const char *)json.data, json.len,
                                    (uint32_t)o->ranks, &page, e)))
        rc = err_wrap(e, "read \"%s\"", path);
    const struct buf *out = o->json ? &json : &page;
    if (!rc && (fwrite(out->data, 1, out->len, stdout) != out->len || fflush(stdout)))
        rc = err_sys(e, -errno, "print the report");
    free(path);
    buf_fini(&json);
    buf_fini(&page);
    return rc;
}

int cmd_report(int argc, char **argv)
{
    struct options o;
    struct err e;
    int rc = options_parse(verbs_find("report"), argc, argv, &o, &e);
    bool done = rc > 0;
    if (!rc)
        rc = print_report(&o, &e);
    if (rc < 0)
        log_err(&e);
    options_fini(&o);
    return done || !rc ? 0 : err_exit_status(rc);
}
