/* SPDX-License-Identifier: MIT */
/* cmd_audit.c - `aolani-run audit`: is this bare metal, and is the fabric sound? Of a job's
 * hosts, of this machine, or of recorded facts. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher/audit/history.h"
#include "launcher/audit_fleet.h"
#include "launcher/audit_require.h"
#include "launcher/audit_self.h"
#include "launcher/options.h"
#include "launcher/run.h"
#include "launcher/slurm/allocation.h"
#include "launcher/verbs.h"
#include "proto/base/log.h"

#define OUTPUT_MAX (1u << 30) /* of 16384 nodes */

/* ---- what is asked for ---- */

static int check_options(const struct options *o, struct err *e)
{
    int n = (o->path != NULL) + o->audit.local + (o->audit.root != NULL);
    if (n == 0) {
        err_set(e, ERR_USAGE, "which machines? the command line names none");
        return err_hint(e, "usage: aolani-run audit job.toml, or aolani-run audit "
                           "--local for this machine");
    }
    if (n > 1)
        return err_set(e, ERR_USAGE,
                       "a job file, --local and --root are three things to audit: "
                       "choose one");
    if (!o->path && (o->n_flags > 0 || o->site))
        return err_set(e, ERR_USAGE,
                       "options that choose nodes or set keys need a job file");
    return 0;
}

/* ---- what is said of it ---- */

static int print(const struct options *o, const struct audit *a, struct err *e)
{
    struct buf out;
    buf_init(&out, OUTPUT_MAX);
    int rc = o->json ? audit_json(a, &out) : audit_page(a, o->verbosity > 0, &out);
    if (rc < 0)
        err_sys(e, rc, "print the audit");
    else if (fwrite(out.data, 1, out.len, stdout) < out.len || fflush(stdout) == EOF)
        rc = err_sys(e, -EIO, "print the audit");
    buf_fini(&out);
    return rc < 0 ? rc : 0;
}

/* That what was found cannot be kept is no reason not to say it. */
static void remember(const struct options *o, struct audit *a, bool write)
{
    char *folder = NULL;
    struct err e;
    if (o->audit.no_history || o->audit.root)
        return;
    int rc = history_folder(&folder, &e);
    if (rc == 0)
        rc = write ? history_write(folder, a, &e) : history_read(folder, a, &e);
    if (rc < 0 && !write)
        log_warn("earlier audits are not known: %s", e.text);
    else if (rc < 0)
        log_warn("this audit is not kept for later ones: %s", e.text);
    free(folder);
}

static void say_unmet(void *arg, const char *names, const char *error, const char *hint)
{
    struct err e;
    (void)arg;
    err_set(&e, ERR_REFUSED, "%s: %s", names, error);
    if (hint[0])
        err_hint(&e, "%s", hint);
    log_err(&e);
}

static int check_required(const struct spec *s, const struct audit *a, struct err *e)
{
    struct audit_unmet u;
    if (!s || !audit_requires(s))
        return 0;
    int rc = audit_require(s, a, &u);
    if (rc < 0)
        return err_sys(e, rc, "compare the nodes with what is required");
    size_t n = u.n;
    failures_each(u.all, u.n, say_unmet, NULL);
    audit_unmet_fini(&u);
    return n > 0 ? err_exit_status(ERR_REFUSED) : 0;
}

static bool is_whole(const struct audit *a)
{
    for (size_t i = 0; i < a->n; i++) {
        const struct audit_node *n = &a->nodes[i];
        if (n->error || !n->found || (a->measured && !n->measured))
            return false;
    }
    return true;
}

/* The exit status, or negative. */
static int conclude(const struct options *o, const struct spec *s, struct audit *a,
                    struct err *e)
{
    audit_judge(a);
    int rc = audit_compare(a);
    if (rc < 0)
        return err_sys(e, rc, "compare %zu nodes", a->n);
    remember(o, a, false);
    if ((rc = print(o, a, e)) < 0)
        return rc;
    remember(o, a, true);
    if ((rc = check_required(s, a, e)) != 0)
        return rc;
    return is_whole(a) ? 0 : err_exit_status(ERR_BOOT);
}

/* ---- the audit itself ---- */

static int audit_hosts(const struct spec *s, struct audit_wish *w, struct audit *a,
                       struct err *e)
{
    struct nodes nodes = {0};
    struct rlimits limits;
    struct allocation *held;
    int rc = allocation_get(NULL, s, &held, e);
    if (rc != 0)
        return rc;
    if ((rc = nodes_resolve(s, &nodes, e)) == 0) {
        run_raise_limits(nodes.backend, &limits);
        nodes_enlist_spares(&nodes);
        rc = audit_fleet(s, &nodes, w, a, e);
        nodes_fini(&nodes);
    }
    allocation_destroy(held);
    return rc;
}

static int audit(const struct options *o, const struct spec *s, struct err *e)
{
    struct audit a = {0};
    struct strlist skip = {0};
    struct audit_wish w = {.measure = !o->audit.no_measure && !o->audit.root,
                           .pair = !o->audit.no_pairs && !o->audit.no_measure};
    int rc = 0;
    for (size_t i = 0; i < o->audit.skip.n && rc == 0; i++)
        rc = options_audit_skip(&skip, o->audit.skip.items[i], "--skip", e);
    for (size_t i = 0; s && i < s->audit.skip.n && rc == 0; i++)
        rc = options_audit_skip(&skip, s->audit.skip.items[i], "[audit] skip", e);
    w.skip = (const char *const *)skip.items;
    if (rc == 0)
        rc = s ? audit_hosts(s, &w, &a, e) : audit_self(o->audit.root, &w, &a, e);
    if (rc == 0)
        rc = conclude(o, s, &a, e);
    else if (rc > 0)
        rc += 128; /* the user has ended it */
    audit_fini(&a);
    strlist_fini(&skip);
    return rc;
}

int cmd_audit(int argc, char **argv)
{
    struct options o;
    struct spec *s = NULL;
    struct err e;
    int rc = options_parse(verbs_find("audit"), argc, argv, &o, &e);
    bool done = rc > 0;
    if (!rc)
        rc = check_options(&o, &e);
    if (!rc && o.path)
        rc = options_load_spec(&o, &s, &e);
    if (!rc)
        rc = audit(&o, s, &e);
    if (rc < 0)
        log_err(&e);
    spec_destroy(s);
    options_fini(&o);
    return done ? 0 : rc < 0 ? err_exit_status(rc) : rc;
}
