/* SPDX-License-Identifier: MIT */
/* gone.c - see gone.h. */
#include "launcher/slurm/gone.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "launcher/slurm/ask.h"

#define FIRST_MS 100u  /* the wait doubles from here, so that a controller in trouble */
#define LAST_MS  5000u /* is not asked more than it can answer */

struct slurm_gone {
    struct loop *loop;
    uint32_t id;
    slurm_gone_done done;
    void *arg;
    struct loop_timer *timer;
    struct slurm_ask *ask, *cancel;
    uint64_t cancel_at_ms, end_ms;
    unsigned wait_ms;
    bool cancelled;
    struct err why; /* the last reason why it is not known */
};

void slurm_gone_destroy(struct slurm_gone *g)
{
    if (!g)
        return;
    slurm_ask_destroy(g->ask);
    slurm_ask_destroy(g->cancel);
    loop_timer_destroy(g->timer);
    free(g);
}

static void give_up(struct slurm_gone *g)
{
    struct err e = g->why;
    if (e.code == 0)
        err_set(&e, ERR_UNCLEAN, "it was asked to end and is still there");
    err_wrap(&e, "see job %u of Slurm end", g->id);
    err_hint(&e, "`squeue -j %u` says whether it is there, `scancel %u` ends it", g->id,
             g->id);
    g->done(g->arg, NULL, &e);
}

static void on_cancelled(void *arg, const struct buf *out, const struct err *e)
{
    struct slurm_gone *g = arg;
    slurm_ask_destroy(g->cancel);
    g->cancel = NULL;
    if (!out && e) { /* tried again at the next turn */
        g->why = *e;
        g->cancelled = false;
    }
}

static void cancel(struct slurm_gone *g)
{
    char id[16], scancel[] = "scancel";
    char *const argv[] = {scancel, id, NULL};
    struct err e;
    if (g->cancelled || g->cancel || loop_now_ms(g->loop) < g->cancel_at_ms)
        return;
    (void)snprintf(id, sizeof id, "%u", g->id);
    g->cancelled = slurm_ask_run(g->loop, argv, on_cancelled, g, &g->cancel, &e) == 0;
    if (!g->cancelled)
        g->why = e;
}

static void again(struct slurm_gone *g)
{
    cancel(g);
    loop_timer_start(g->timer, g->wait_ms, 0);
    g->wait_ms = g->wait_ms * 2 < LAST_MS ? g->wait_ms * 2 : LAST_MS;
}

static void on_job(void *arg, const struct slurm_job *job, const struct err *e)
{
    struct slurm_gone *g = arg;
    bool over = job ? slurm_job_is_over(job) : e->code == ERR_USAGE;
    if (over) {
        g->done(g->arg, job, NULL);
        return;
    }
    if (!job)
        g->why = *e;
    slurm_ask_destroy(g->ask);
    g->ask = NULL;
    if (loop_now_ms(g->loop) >= g->end_ms)
        give_up(g);
    else
        again(g);
}

static void look(void *arg)
{
    struct slurm_gone *g = arg;
    struct err e;
    if (slurm_ask_job(g->loop, g->id, on_job, g, &g->ask, &e) == 0)
        return;
    g->why = e;
    if (loop_now_ms(g->loop) >= g->end_ms)
        give_up(g);
    else
        again(g);
}

int slurm_gone_start(struct loop *l, uint32_t id, unsigned cancel_ms,
                     slurm_gone_done done, void *arg, struct slurm_gone **ret,
                     struct err *e)
{
    struct slurm_gone *g = calloc(1, sizeof *g);
    if (!g || !(g->timer = loop_timer_create(l, look, g))) {
        free(g);
        return err_sys(e, -ENOMEM, "see job %u of Slurm end", id);
    }
    uint64_t now = loop_now_ms(l);
    g->loop = l;
    g->id = id;
    g->done = done;
    g->arg = arg;
    g->wait_ms = FIRST_MS;
    g->cancel_at_ms = now + cancel_ms;
    g->end_ms = now + SLURM_GONE_MS;
    cancel(g);
    loop_timer_start(g->timer, g->cancelled ? FIRST_MS : 0, 0);
    *ret = g;
    return 0;
}
