/* SPDX-License-Identifier: MIT */
/* cmd_plan.c - `aolani-run plan job.toml`: which rank gets what; nothing is started. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "launcher/options.h"
#include "launcher/place/place.h"
#include "launcher/plan_source.h"
#include "launcher/plan_view.h"
#include "launcher/slurm/allocation.h"
#include "launcher/verbs.h"
#include "proto/base/log.h"

#define OUTPUT_MAX (1u << 30) /* of 16384 nodes */

static int ask_nodes(const struct options *o, const struct spec *s,
                     struct plan_source *ret, struct err *e)
{
    struct nodes nodes = {0};
    int rc = nodes_resolve(s, &nodes, e);
    if (rc < 0)
        return rc;
    if (nodes.backend == BACKEND_LOCAL)
        rc = plan_source_local(ret, &nodes, o->sysfs, e);
    else if (o->sysfs)
        rc = err_set(e, ERR_USAGE,
                     "--sysfs speaks of files or of this machine, not of hosts that "
                     "are asked");
    else
        rc = plan_source_hosts(ret, s, &nodes, e);
    nodes_fini(&nodes);
    return rc;
}

/* Nodes in Slurm's queue are asked for: which they will be, nobody knows before. */
static int find_nodes(const struct options *o, const struct spec *s,
                      struct plan_source *ret, struct err *e)
{
    struct allocation *held;
    if (o->topologies.n > 0)
        return plan_source_files(ret, &o->topologies, o->sysfs, e);
    int rc = allocation_get(NULL, s, &held, e);
    if (rc != 0)
        return rc > 0 ? 128 + rc : rc;
    rc = ask_nodes(o, s, ret, e);
    allocation_destroy(held);
    return rc;
}

static int print(const struct options *o, const struct plan_view *v, struct err *e)
{
    struct buf out;
    buf_init(&out, OUTPUT_MAX);
    int rc = o->json                                  ? plan_json(v, &out)
             : !o->draw                               ? plan_table(v, &out)
             : o->draw && strcmp(o->draw, "svg") == 0 ? plan_draw_svg(v, &out)
                                                      : plan_draw_text(v, &out);
    if (rc < 0)
        err_sys(e, rc, "print the plan");
    else if (fwrite(out.data, 1, out.len, stdout) < out.len || fflush(stdout) == EOF)
        rc = err_sys(e, -EIO, "print the plan");
    buf_fini(&out);
    return rc < 0 ? rc : 0;
}

/* The exit status, or negative. */
static int plan(const struct options *o, const struct spec *s, struct err *e)
{
    struct plan_source from = {0};
    struct plan p = {0};
    struct plan_view v = {0};
    int rc = find_nodes(o, s, &from, e);
    if (rc != 0)
        return rc;
    rc = place(s, from.shared_host, from.names, from.topos, (uint32_t)from.n, &p, e);
    if (rc == 0) {
        struct plan_input in = {s,  from.shared_host, from.names, from.topos,
                                &p, environ};
        rc = plan_view_init(&v, &in, e);
        if (rc == 0)
            rc = print(o, &v, e);
        plan_view_fini(&v);
    }
    plan_fini(&p);
    plan_source_fini(&from);
    return rc;
}

static int check_options(const struct options *o, struct err *e)
{
    return o->json && o->draw
               ? err_set(e, ERR_USAGE, "--json and --draw are two forms: choose one")
               : 0;
}

int cmd_plan(int argc, char **argv)
{
    struct options o;
    struct spec *s = NULL;
    struct err e;
    int rc = options_parse(verbs_find("plan"), argc, argv, &o, &e);
    bool done = rc > 0;
    if (!rc)
        rc = check_options(&o, &e);
    if (!rc)
        rc = options_load_spec(&o, &s, &e);
    if (!rc)
        rc = plan(&o, s, &e);
    if (rc < 0)
        log_err(&e);
    spec_destroy(s);
    options_fini(&o);
    return done ? 0 : rc < 0 ? err_exit_status(rc) : rc;
}
