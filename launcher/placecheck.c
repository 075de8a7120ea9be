/* SPDX-License-Identifier: MIT */
/* placecheck.c - see placecheck.h. No run directory is made: what there is to know fits on
 * a screen, and a check that leaves files would not be made twice. */
#include "launcher/placecheck.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "launcher/interrupt.h"
#include "launcher/job.h"
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
                    const struct rlimits *limits, struct err *e)
{
    uint8_t id[SECURE_RUN_BYTES];
    struct job_config c = {.spec = s,
                           .nodes = nodes,
                           .live = p->live,
                           .check_only = true,
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
                    const struct rlimits *limits, struct err *e)
{
    int rc = loop_create(&p->loop, e);
    if (rc < 0)
        return rc;
    if (!(p->live = live_create(STDERR_FILENO)))
        return err_sys(e, -ENOMEM, "check the nodes");
    log_setup("aolani-run", log_level(), live_log_sink, p->live);
    if ((rc = open_job(p, s, nodes, limits, e)) < 0)
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

static int print(struct placecheck *p, const struct spec *s, size_t n_nodes,
                 struct err *e)
{
    struct summary sum;
    struct place_node *all = NULL;
    struct buf text;
    buf_init(&text, 1u << 28);
    job_summary(p->job, &sum);
    int rc = job_place(p->job, &all);
    int n = rc < 0 ? rc : placereport_text(all, n_nodes, &text);
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
    int rc = open_all(&p, s, nodes, limits, e);
    if (rc == 0) {
        job_start(p.job);
        loop_run(p.loop);
        rc = print(&p, s, nodes->n, e);
    }
    close_all(&p);
    return rc;
}
