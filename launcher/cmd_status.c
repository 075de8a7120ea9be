/* SPDX-License-Identifier: MIT */
/* cmd_status.c - `aolani-run status [RUN...]`: how runs stand. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "launcher/options.h"
#include "launcher/runfind.h"
#include "launcher/runstatus.h"
#include "launcher/verbs.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/utf8.h"

struct shown {
    char **dirs;
    struct runstatus *runs;
    const struct runstatus **list;
    size_t n, n_gathered;
};

static int find(const struct strlist *names, struct shown *s, struct err *e)
{
    size_t n = names->n > 0 ? names->n : 1;
    s->dirs = calloc(n, sizeof *s->dirs);
    s->runs = calloc(n, sizeof *s->runs);
    s->list = calloc(n, sizeof *s->list);
    if (!s->dirs || !s->runs || !s->list)
        return err_sys(e, -ENOMEM, "show runs");
    for (int rc; s->n < n; s->n++)
        if ((rc = runfind(names->n > 0 ? names->items[s->n] : NULL, &s->dirs[s->n], e)))
            return rc;
    return 0;
}

static int gather(struct shown *s, struct err *e)
{
    for (size_t i = 0; i < s->n; i++) {
        s->list[i] = &s->runs[i];
        s->n_gathered = i + 1;
        int rc = runstatus_gather(s->dirs[i], &s->runs[i], e);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int print(const struct shown *s, bool json, struct err *e)
{
    struct buf out;
    int rc = 0;
    buf_init(&out, 256u << 20);
    if (json)
        rc = runstatus_json(s->list, s->n, &out);
    for (size_t i = 0; i < s->n && !json && rc == 0; i++)
        rc = runstatus_text(s->list[i], clock_real_ns(), &out);
    if (rc == 0 && (fwrite(out.data, 1, out.len, stdout) != out.len || fflush(stdout)))
        rc = -errno;
    buf_fini(&out);
    return rc ? err_sys(e, rc, "print how runs stand") : 0;
}

/* Has it ended for good? For scripts; Slurm has no say in it. */
static int print_over(const struct shown *s, struct err *e)
{
    int open = 0;
    for (size_t i = 0; i < s->n; i++) {
        struct runstate r;
        int rc = runstate_read(s->dirs[i], &r, e);
        if (r.sentence)
            utf8_make_printable(r.sentence);
        if (rc == 0 && r.over)
            printf("%s: ended with exit status %d%s%s\n", s->dirs[i], r.exit_status,
                   r.sentence ? ": " : "", r.sentence ? r.sentence : "");
        open |= rc == 0 && !r.over;
        runstate_fini(&r);
        if (rc < 0)
            return rc;
    }
    return open;
}

static void fini(struct shown *s)
{
    for (size_t i = 0; i < s->n_gathered; i++)
        runstatus_fini(&s->runs[i]);
    for (size_t i = 0; i < s->n; i++)
        free(s->dirs[i]);
    free(s->dirs);
    free(s->runs);
    free(s->list);
}

static int show(const struct options *o, struct shown *s, struct err *e)
{
    int worst = 0, rc = gather(s, e);
    if (rc == 0)
        rc = print(s, o->json, e);
    for (size_t i = 0; i < s->n && rc == 0; i++) {
        int status = runstatus_exit(s->list[i]);
        worst = status > worst ? status : worst;
    }
    return rc < 0 ? rc : worst;
}

int cmd_status(int argc, char **argv)
{
    struct options o;
    struct err e;
    struct shown s = {0};
    int rc = options_parse(verbs_find("status"), argc, argv, &o, &e);
    bool done = rc > 0;
    if (!rc)
        rc = find(&o.runs.runs, &s, &e);
    if (!rc && !done)
        rc = o.runs.over ? print_over(&s, &e) : show(&o, &s, &e);
    if (rc < 0)
        log_err(&e);
    fini(&s);
    options_fini(&o);
    return done ? 0 : rc < 0 ? err_exit_status(rc) : rc;
}
