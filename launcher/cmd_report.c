/* SPDX-License-Identifier: MIT */
/* cmd_report.c - `aolani-run report RUN`: the page of a run that has ended. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/options.h"
#include "launcher/report.h"
#include "launcher/verbs.h"
#include "proto/base/log.h"

#define RUN_JSON_BYTES (256u << 20) /* of LIMIT_RANKS ranks with steps: 170 MiB */

/* RUN is run.json itself, a run directory, or the folder of run directories. */
static int find_run(const char *run, char **ret, struct err *e)
{
    static const char *const forms[] = {"%s", "%s/run.json", "%s/latest/run.json"};
    struct stat st;
    char *path = NULL;
    if (stat(run, &st))
        return err_set(e, ERR_USAGE, "find the run \"%s\": %s", run, strerror(errno));
    for (size_t i = S_ISDIR(st.st_mode) ? 1 : 0; i < 3; i++) {
        if (asprintf(&path, forms[i], run) < 0)
            return err_sys(e, -ENOMEM, "find the run \"%s\"", run);
        if (!stat(path, &st) && S_ISREG(st.st_mode)) {
            *ret = path;
            return 0;
        }
        free(path);
    }
    err_set(e, ERR_USAGE, "there is no run.json in \"%s\"", run);
    if (asprintf(&path, "%s/journal", run) < 0)
        return ERR_USAGE;
    bool journal = !access(path, F_OK);
    free(path);
    return err_hint(
        e, journal ? "it is written when the run ends: this one goes on, or its "
                     "launcher died"
                   : "name a run directory, or the folder that holds them");
}

static int read_all(const char *path, struct buf *out, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(e, -errno, "read \"%s\"", path);
    int rc = buf_read(out, fd);
    (void)close(fd);
    if (rc == ERR_LIMIT)
        return err_set(e, rc, "read \"%s\": larger than %u MiB", path,
                       RUN_JSON_BYTES >> 20);
    return rc ? err_sys(e, rc, "read \"%s\"", path) : 0;
}

static int print_report(const struct options *o, struct err *e)
{
    struct buf json, page;
    char *path = NULL;
    buf_init(&json, RUN_JSON_BYTES);
    buf_init(&page, RUN_JSON_BYTES);
    int rc = find_run(o->path, &path, e);
    if (!rc)
        rc = read_all(path, &json, e);
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
