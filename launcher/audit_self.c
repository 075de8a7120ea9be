/* SPDX-License-Identifier: MIT */
/* audit_self.c - see audit_self.h. */
#include "launcher/audit_self.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "launcher/audit_local.h"
#include "proto/base/log.h"
#include "proto/wire/wiretext.h"

#define TICK_MS   100u
#define N_SIGNALS 3u

struct work {
    struct loop *loop;
    struct live *live;
    struct audit_local *helper;
    struct conduct *conduct;
    struct loop_timer *tick;
    struct loop_signal *signals[N_SIGNALS];
    uint64_t start_ms;
    int signum, rc;
    struct err *e;
};

static int on_ask(void *arg, uint32_t node, const Aolani__AuditAsk *m)
{
    struct work *w = arg;
    (void)node;
    return audit_local_ask(w->helper, m);
}

static void on_progress(void *arg, const char *what, unsigned percent)
{
    struct work *w = arg;
    audit_show_progress(w->live, what, percent, loop_now_ms(w->loop) - w->start_ms);
}

static void on_done(void *arg)
{
    struct work *w = arg;
    loop_stop(w->loop);
}

static void on_said(void *arg, Aolani__AuditSaid *m)
{
    struct work *w = arg;
    wiretext_make_printable(&m->base);
    w->rc = conduct_said(w->conduct, 0, m, loop_now_ms(w->loop), w->e);
    if (w->rc < 0) {
        err_wrap(w->e, "ask aolani-audit");
        loop_stop(w->loop);
    }
}

static void on_tick(void *arg)
{
    struct work *w = arg;
    conduct_tick(w->conduct, loop_now_ms(w->loop));
}

static void on_signal(int signum, void *arg)
{
    struct work *w = arg;
    w->signum = signum;
    loop_stop(w->loop);
}

static int open_all(struct work *w, const char *root, const struct audit_wish *wish,
                    struct audit *a)
{
    static const int signums[N_SIGNALS] = {SIGINT, SIGTERM, SIGHUP};
    static const struct conduct_ops ops = {
        .ask = on_ask, .progress = on_progress, .done = on_done};
    struct conduct_config c = {.audit = a,
                               .measure = wish->measure,
                               .skip = wish->skip,
                               .budget_ms = AUDIT_BUDGET_MS};
    int rc = loop_create(&w->loop, w->e);
    if (rc < 0 || (rc = audit_begin(a, 1, w->e)) < 0)
        return rc;
    w->live = live_create(STDERR_FILENO);
    w->tick = loop_timer_create(w->loop, on_tick, w);
    for (size_t i = 0; i < N_SIGNALS; i++) {
        w->signals[i] = loop_signal_create(w->loop, signums[i], on_signal, w);
        rc = w->signals[i] ? rc : -ENOMEM;
    }
    if (!w->live || !w->tick || rc < 0 || audit_self_describe(root, a->nodes) < 0)
        return err_sys(w->e, -ENOMEM, "audit this machine");
    log_setup("aolani-run", log_level(), live_log_sink, w->live);
    rc = audit_local_create(w->loop, root, on_said, w, &w->helper, w->e);
    return rc < 0 ? rc : conduct_create(&c, &ops, w, &w->conduct, w->e);
}

static void close_all(struct work *w)
{
    log_setup("aolani-run", log_level(), NULL, NULL);
    audit_local_destroy(w->helper);
    conduct_destroy(w->conduct);
    loop_timer_destroy(w->tick);
    for (size_t i = 0; i < N_SIGNALS; i++)
        loop_signal_destroy(w->signals[i]);
    if (w->live) {
        live_hide(w->live);
        live_destroy(w->live);
    }
    if (w->loop)
        loop_destroy(w->loop);
}

int audit_self(const char *root, const struct audit_wish *wish, struct audit *ret,
               struct err *e)
{
    struct work w = {.e = e};
    int rc = open_all(&w, root, wish, ret);
    if (rc == 0) {
        w.start_ms = loop_now_ms(w.loop);
        loop_timer_start(w.tick, TICK_MS, TICK_MS);
        conduct_start(w.conduct, w.start_ms);
        loop_run(w.loop);
        rc = w.rc;
    }
    close_all(&w);
    return rc < 0 ? rc : w.signum;
}
