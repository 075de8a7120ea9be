/* SPDX-License-Identifier: MIT */
/* placecheck.c - see placecheck.h. No run directory is made: what there is to know fits on
 * a screen, and a check that leaves files would not be made twice. */
#include "launcher/placecheck.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "launcher/failures.h"
#include "launcher/interrupt.h"
#include "launcher/job.h"
#include "launcher/plan_diff.h"
#include "proto/base/log.h"

struct placecheck {
    struct loop *loop;
    struct live *live;
    struct job *job;
    struct interrupt *interrupt;
    char run_id[2 * SECURE_RUN_BYTES + 1];
};

static void on_finished(void *arg)
{
    struct placecheck *p = arg;
    loop_stop(p->loop);
}

static int open_job(struct placecheck *p, const struct spec *s, struct nodes *nodes,
                    const struct rlimits *limits, bool describe_only, struct err *e)
{
    uint8_t id[SECURE_RUN_BYTES];
    struct job_config c = {.spec = s,
                           .nodes = nodes,
                           .live = p->live,
                           .check_only = true,
                           .describe_only = describe_only,
                           .run_id = p->run_id,
                           .limits = *limits,
                           .epoch = 1,
                           .attempt = 1,
                           .finished = on_finished,
                           .arg = p};
    int rc = secure_init(e);
    if (rc < 0)
        return rc;
    secure_random(id, sizeof id);
    secure_hex(id, sizeof id, p->run_id);
    secure_random(&c.job_key, sizeof c.job_key);
    rc = job_create(p->loop, &c, &p->job, e);
    secure_wipe(&c.job_key, sizeof c.job_key);
    return rc;
}

static int open_all(struct placecheck *p, const struct spec *s, struct nodes *nodes,
                    const struct rlimits *limits, bool describe_only, struct err *e)
{
    int rc = loop_create(&p->loop, e);
    if (rc < 0)
        return rc;
    if (!(p->live = live_create(STDERR_FILENO)))
        return err_sys(e, -ENOMEM, "check the nodes");
    log_setup("aolani-run", log_level(), live_log_sink, p->live);
    if ((rc = open_job(p, s, nodes, limits, describe_only, e)) < 0)
        return rc;
    /* As without a terminal: the first Ctrl-C ends it, there is no state to be shown. */
    if (!(p->interrupt = interrupt_create(p->loop, p->job, false)))
        return err_sys(e, -ENOMEM, "watch for signals");
    return 0;
}

static void close_all(struct placecheck *p)
{
    log_setup("aolani-run", log_level(), NULL, NULL);
    interrupt_destroy(p->interrupt);
    job_destroy(p->job);
    live_destroy(p->live);
    if (p->loop)
        loop_destroy(p->loop);
}

/* How nodes differ, where they do. */
static int add_differences(struct placecheck *p, const struct nodes *nodes,
                           struct buf *out)
{
    struct topo *const *topos = job_topos(p->job);
    struct plan_diff d;
    if (!topos || nodes->backend == BACKEND_LOCAL)
        return 0;
    int rc = plan_diff(topos, nodes->n, &d);
    if (rc < 0)
        return rc;
    if (d.n_differ > 0) {
        rc = buf_printf(out, "\nwhat differs between the nodes\n");
        rc = rc < 0 ? rc : plan_diff_format(&d, nodes->names, out);
    }
    plan_diff_fini(&d);
    return rc;
}

static int print(struct placecheck *p, const struct spec *s, const struct nodes *nodes,
                 struct err *e)
{
    struct summary sum;
    struct place_node *all = NULL;
    struct buf text;
    buf_init(&text, 1u << 28);
    job_summary(p->job, &sum);
    int rc = job_place(p->job, &all);
    int n = rc < 0 ? rc : placereport_text(all, nodes->n, &text);
    if (n >= 0 && (rc = add_differences(p, nodes, &text)) < 0)
        n = rc;
    free(all);
    live_hide(p->live);
    if (n < 0)
        rc = err_sys(e, n, "print what was found");
    else
        printf("\n%s\n", (char *)text.data);
    if (rc == 0 && sum.exit_status == 0)
        printf("%s: ok\n", s->path);
    else if (rc == 0 && n > 0)
        printf("%s: %d problem%s\n", s->path, n, n == 1 ? "" : "s");
    else if (rc == 0) /* it is not a node's */
        printf("%s: %s\n", s->path, sum.sentence);
    fflush(stdout);
    buf_fini(&text);
    return rc < 0 ? rc : sum.exit_status;
}

int placecheck(const struct spec *s, struct nodes *nodes, const struct rlimits *limits,
               struct err *e)
{
    struct placecheck p = {0};
    int rc = open_all(&p, s, nodes, limits, false, e);
    if (rc == 0) {
        job_start(p.job);
        loop_run(p.loop);
        rc = print(&p, s, nodes, e);
    }
    close_all(&p);
    return rc;
}

/* ---- descriptions alone ---- */

static void say_failure(void *arg, const char *names, const char *error,
                        const char *hint)
{
    struct err e;
    size_t *n = arg;
    err_set(&e, ERR_BOOT, "%s: %s", names, error);
    if (hint[0])
        err_hint(&e, "%s", hint);
    log_err(&e);
    ++*n;
}

/* What went wrong, as errors of this program: there is nothing to print of the nodes. */
static int say_failures(struct placecheck *p, size_t n_nodes, const char *sentence,
                        struct err *e)
{
    struct place_node *all = NULL;
    struct failure *bad = calloc(n_nodes + 1, sizeof *bad);
    size_t n = 0, said = 0;
    int rc = bad ? job_place(p->job, &all) : -ENOMEM;
    for (size_t i = 0; rc == 0 && i < n_nodes; i++) {
        if (all[i].error[0])
            bad[n++] = (struct failure){all[i].name, all[i].error, all[i].hint};
    }
    if (rc == 0)
        failures_each(bad, n, say_failure, &said);
    if (rc == 0 && said == 0)
        log_error("%s", sentence);
    free(all);
    free(bad);
    return rc < 0 ? err_sys(e, rc, "say what went wrong") : 0;
}

static Aolani__NodeInfo *copy_info(const Aolani__NodeInfo *m)
{
    size_t len = aolani__node_info__get_packed_size(m);
    uint8_t *bytes = malloc(len + 1);
    Aolani__NodeInfo *copy = NULL;
    if (bytes) {
        (void)aolani__node_info__pack(m, bytes);
        copy = aolani__node_info__unpack(NULL, len, bytes);
    }
    free(bytes);
    return copy;
}

static int take_infos(struct placecheck *p, size_t n, Aolani__NodeInfo **ret,
                      struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        const Aolani__NodeInfo *m = job_node_info(p->job, (uint32_t)i);
        ret[i] = m ? copy_info(m) : NULL;
        if (!ret[i])
            return err_sys(e, -ENOMEM, "take the descriptions of %zu nodes", n);
    }
    return 0;
}

int placecheck_describe(const struct spec *s, struct nodes *nodes,
                        const struct rlimits *limits, Aolani__NodeInfo **ret,
                        struct err *e)
{
    struct placecheck p = {0};
    struct summary sum = {0};
    int rc = open_all(&p, s, nodes, limits, true, e);
    if (rc == 0) {
        job_start(p.job);
        loop_run(p.loop);
        job_summary(p.job, &sum);
        live_hide(p.live);
        rc = sum.exit_status == 0 ? take_infos(&p, nodes->n, ret, e)
                                  : say_failures(&p, nodes->n, sum.sentence, e);
        rc = rc < 0 ? rc : sum.exit_status;
    }
    close_all(&p);
    return rc;
}
