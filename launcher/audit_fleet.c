/* SPDX-License-Identifier: MIT */
/* audit_fleet.c - see audit_fleet.h. Who cannot be reached, or is lost, has its reason in the
 * audit and holds up nobody; a lost agent's node is entered again, to prove that nothing of
 * it is left. */
#include "launcher/audit_fleet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher/audit_info.h"
#include "launcher/audit_nics.h"
#include "launcher/fleet.h"
#include "proto/base/log.h"
#include "proto/wire/wiretext.h"

#define TICK_MS       100u
#define END_SILENT_MS 30000u /* a node that says nothing for so long after END */
#define N_SIGNALS     3u

enum audit_step { /* how far a node has come */
                  STEP_AWAITED,
                  STEP_UP,
                  STEP_RECOVERING, /* a new agent ends what the lost one left */
                  STEP_ENDING,     /* END was sent */
                  STEP_OVER,
};

struct seat {
    enum audit_step step;
    uint64_t end_sent_ms;
};

struct work {
    struct loop *loop;
    struct live *live;
    struct fleet *fleet;
    struct conduct *conduct;
    struct audit *audit;
    const struct nodes *nodes;
    const struct audit_wish *wish;
    struct seat *seats;
    const struct spec *spec;
    const Aolani__NodeInfo **infos;
    const char **addresses;
    struct loop_timer *tick;
    struct loop_signal *signals[N_SIGNALS];
    uint64_t start_ms;
    bool ending;
    int signum;
};

/* ---------------------------------------------------------------- the end */

static void check_over(struct work *w)
{
    for (uint32_t i = 0; w->ending && i < w->audit->n; i++) {
        enum audit_step s = w->seats[i].step;
        bool starts = s == STEP_AWAITED && fleet_is_starting(w->fleet, i);
        if (starts || s == STEP_UP || s == STEP_RECOVERING || s == STEP_ENDING)
            return;
    }
    if (w->ending)
        loop_stop(w->loop);
}

static void give_up(struct work *w, uint32_t node, const char *why)
{
    log_warn("%s: it is not proven that nothing of the audit is left: %s",
             w->nodes->names[node], why);
    fleet_give_up(w->fleet, node);
    w->seats[node].step = STEP_OVER;
    check_over(w);
}

static void send_end(struct work *w, uint32_t node)
{
    Aolani__End m = AOLANI__END__INIT;
    w->seats[node].step = STEP_ENDING;
    w->seats[node].end_sent_ms = loop_now_ms(w->loop);
    if (fleet_send(w->fleet, node, MSG_END, 1, &m.base) < 0)
        give_up(w, node, "it could not be told of the end");
    else
        fleet_set_phase(w->fleet, node, PHASE_ENDING);
}

static void end_all(struct work *w)
{
    if (w->ending)
        return;
    w->ending = true;
    live_status(w->live, "ending the agents");
    fleet_stop_starting(w->fleet);
    for (uint32_t i = 0; i < w->audit->n; i++) {
        if (w->seats[i].step == STEP_UP)
            send_end(w, i);
    }
    check_over(w);
}

/* ---------------------------------------------------------------- conduct's side */

static int on_ask(void *arg, uint32_t node, const Aolani__AuditAsk *m)
{
    struct work *w = arg;
    if (w->ending || w->seats[node].step != STEP_UP)
        return -ENOTCONN;
    return fleet_send(w->fleet, node, MSG_AUDIT_ASK, 1, &m->base);
}

static void on_progress(void *arg, const char *what, unsigned percent)
{
    struct work *w = arg;
    audit_show_progress(w->live, what, percent, loop_now_ms(w->loop) - w->start_ms);
}

static void on_token(void *arg, uint8_t ret[32])
{
    (void)arg;
    secure_random(ret, 32);
}

static void deferred_end(void *arg)
{
    end_all(arg);
}

static void on_done(void *arg)
{
    struct work *w = arg;
    if (loop_defer(w->loop, deferred_end, w) < 0)
        end_all(w);
}

/* A name says nothing to a node that may know others by it. */
static const char *numeric(const char *address)
{
    struct in6_addr bytes;
    bool is = inet_pton(AF_INET, address, &bytes) == 1 ||
              inet_pton(AF_INET6, address, &bytes) == 1;
    return is ? address : NULL;
}

static int begin(struct work *w, struct err *e)
{
    static const struct conduct_ops ops = {
        .ask = on_ask, .progress = on_progress, .token = on_token, .done = on_done};
    struct conduct_config c = {.audit = w->audit,
                               .measure = w->wish->measure,
                               .pair = w->wish->pair,
                               .addresses = w->addresses,
                               .skip = w->wish->skip,
                               .budget_ms = AUDIT_BUDGET_MS};
    secure_random(&c.seed, sizeof c.seed);
    for (uint32_t i = 0; i < w->audit->n; i++) {
        const Aolani__NodeInfo *info = fleet_info(w->fleet, i);
        int rc = audit_info_fill(w->nodes->names[i], info, &w->audit->nodes[i]);
        if (rc < 0)
            return err_sys(e, rc, "audit %zu nodes", w->audit->n);
        w->addresses[i] = info ? numeric(fleet_address(w->fleet, i)) : NULL;
        w->infos[i] = info;
    }
    int rc = audit_nics(w->spec, w->infos, w->audit);
    if (rc < 0)
        return err_sys(e, rc, "audit %zu nodes", w->audit->n);
    rc = conduct_create(&c, &ops, w, &w->conduct, e);
    if (rc == 0)
        conduct_start(w->conduct, loop_now_ms(w->loop));
    return rc;
}

/* ---------------------------------------------------------------- the fleet's side */

/* Nothing is asked before all are there: who shares a machine is not known, nor who can
 * be paired. */
static void check_booted(struct work *w)
{
    uint32_t up = 0, awaited = 0;
    char text[80];
    struct err e;
    for (uint32_t i = 0; i < w->audit->n; i++) {
        up += w->seats[i].step == STEP_UP;
        awaited += w->seats[i].step == STEP_AWAITED;
    }
    if (w->ending || w->conduct)
        return;
    (void)snprintf(text, sizeof text, "starting agents %u/%zu", up, w->audit->n);
    live_status(w->live, text);
    if (awaited == 0 && begin(w, &e) < 0) {
        log_err(&e);
        end_all(w);
    }
}

static void on_up(void *arg, uint32_t node)
{
    struct work *w = arg;
    if (w->ending || w->seats[node].step == STEP_RECOVERING) {
        send_end(w, node);
        return;
    }
    w->seats[node].step = STEP_UP;
    check_booted(w);
}

static void say(struct work *w, uint32_t node, const struct err *e)
{
    struct audit_node *n = &w->audit->nodes[node];
    if (w->conduct)
        conduct_lost(w->conduct, node, e->text, e->hint, loop_now_ms(w->loop));
    else if (!n->error) { /* before anything was asked */
        n->error = strdup(e->text);
        n->hint = strdup(e->hint);
    }
}

static void on_boot_failed(void *arg, uint32_t node, const struct err *e)
{
    struct work *w = arg;
    bool recovering = w->seats[node].step == STEP_RECOVERING;
    w->seats[node].step = STEP_OVER;
    if (recovering) {
        give_up(w, node, e->text);
        return;
    }
    say(w, node, e);
    check_booted(w);
    check_over(w);
}

static void on_lost(void *arg, uint32_t node, const struct err *e)
{
    struct work *w = arg;
    struct err re;
    enum audit_step was = w->seats[node].step;
    if (was == STEP_RECOVERING || was == STEP_ENDING || w->ending) {
        give_up(w, node, e->text);
        return;
    }
    w->seats[node].step = STEP_RECOVERING;
    say(w, node, e);
    if (fleet_recover(w->fleet, node, &re) < 0)
        give_up(w, node, re.text);
    check_booted(w);
}

static int on_said(struct work *w, uint32_t node, const struct envelope *v,
                   struct err *e)
{
    if (!w->conduct || w->ending) /* it crossed our END */
        return 0;
    Aolani__AuditSaid *m = aolani__audit_said__unpack(NULL, v->payload_len, v->payload);
    if (!m)
        return err_set(e, ERR_PROTO, "what it says of the audit does not decode");
    wiretext_make_printable(&m->base);
    int rc = conduct_said(w->conduct, node, m, loop_now_ms(w->loop), e);
    aolani__audit_said__free_unpacked(m, NULL);
    return rc;
}

static int on_log(struct work *w, uint32_t node, const struct envelope *v,
                  struct err *e)
{
    Aolani__Log *m = aolani__log__unpack(NULL, v->payload_len, v->payload);
    if (!m)
        return err_set(e, ERR_PROTO, "a line of its log does not decode");
    wiretext_make_printable(&m->base);
    if (m->level <= LOG_WARN_)
        log_warn("%s: %s", w->nodes->names[node], m->text);
    else
        log_info("%s: %s", w->nodes->names[node], m->text);
    aolani__log__free_unpacked(m, NULL);
    return 0;
}

static int on_node_done(struct work *w, uint32_t node, const struct envelope *v,
                        struct err *e)
{
    Aolani__NodeDone *m = aolani__node_done__unpack(NULL, v->payload_len, v->payload);
    if (!m)
        return err_set(e, ERR_PROTO, "its last word does not decode");
    wiretext_make_printable(&m->base);
    if (!m->proven || m->result == AOLANI__TEARDOWN__NOT_CLEAN)
        log_warn("%s: it is not proven that nothing of the audit is left%s%s",
                 w->nodes->names[node], m->n_evidence ? ": " : "",
                 m->n_evidence ? m->evidence[0] : "");
    aolani__node_done__free_unpacked(m, NULL);
    w->seats[node].step = STEP_OVER;
    fleet_release(w->fleet, node);
    check_over(w);
    return 0;
}

static int on_message(void *arg, uint32_t node, const struct envelope *v, struct err *e)
{
    struct work *w = arg;
    if (w->seats[node].step == STEP_OVER)
        return 0;
    if (v->type == MSG_AUDIT_SAID)
        return on_said(w, node, v, e);
    if (v->type == MSG_LOG)
        return on_log(w, node, v, e);
    if (v->type == MSG_TOLD_TO_END) {
        log_note("%s is told to end: ending the audit", w->nodes->names[node]);
        end_all(w);
        return 0;
    }
    if (v->type == MSG_NODE_DONE)
        return on_node_done(w, node, v, e);
    return err_set(e, ERR_PROTO, "a message of type %u is not expected", v->type);
}

/* ---------------------------------------------------------------- time, and the user */

static void on_tick(void *arg)
{
    struct work *w = arg;
    uint64_t now = loop_now_ms(w->loop);
    if (w->conduct && !w->ending)
        conduct_tick(w->conduct, now);
    for (uint32_t i = 0; w->ending && i < w->audit->n; i++) {
        uint64_t heard = fleet_heard_ms(w->fleet, i);
        uint64_t sent = w->seats[i].end_sent_ms;
        if (w->seats[i].step == STEP_ENDING &&
            now - (heard > sent ? heard : sent) > END_SILENT_MS)
            give_up(w, i, "no answer to the end of it");
    }
}

static void on_signal(int signum, void *arg)
{
    struct work *w = arg;
    if (w->signum) {
        log_note("leaving; what is left of the audit ends when its lease is over");
        loop_stop(w->loop);
        return;
    }
    w->signum = signum;
    log_note("ending the audit; once more leaves at once");
    end_all(w);
}

/* ---------------------------------------------------------------- all of it */

static int watch_signals(struct work *w, struct err *e)
{
    static const int signums[N_SIGNALS] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < N_SIGNALS; i++) {
        struct sigaction now;
        if (signums[i] == SIGHUP && sigaction(SIGHUP, NULL, &now) == 0 &&
            now.sa_handler == SIG_IGN) /* nohup */
            continue;
        w->signals[i] = loop_signal_create(w->loop, signums[i], on_signal, w);
        if (!w->signals[i])
            return err_sys(e, -ENOMEM, "watch for signals");
    }
    return 0;
}

static int open_fleet(struct work *w, const struct spec *s, struct err *e)
{
    static const struct fleet_ops ops = {.up = on_up,
                                         .boot_failed = on_boot_failed,
                                         .lost = on_lost,
                                         .message = on_message};
    struct fleet_config c = {.spec = s, .nodes = w->nodes, .epoch = 1, .attempt = 1};
    secure_random(c.run_id, sizeof c.run_id);
    secure_random(&c.job_key, sizeof c.job_key);
    int rc = fleet_create(w->loop, &c, &ops, w, &w->fleet, e);
    secure_wipe(&c.job_key, sizeof c.job_key);
    return rc;
}

static int open_all(struct work *w, const struct spec *s, struct err *e)
{
    int rc = loop_create(&w->loop, e);
    if (rc < 0)
        return rc;
    size_t n = w->nodes->n;
    w->seats = calloc(n + 1, sizeof *w->seats);
    w->addresses = calloc(n + 1, sizeof *w->addresses);
    w->infos = calloc(n + 1, sizeof(*w->infos));
    w->live = live_create(STDERR_FILENO);
    w->tick = loop_timer_create(w->loop, on_tick, w);
    if (!w->seats || !w->addresses || !w->infos || !w->live || !w->tick)
        return err_sys(e, -ENOMEM, "audit %zu nodes", n);
    log_setup("aolani-run", log_level(), live_log_sink, w->live);
    if ((rc = audit_begin(w->audit, n, e)) < 0 || (rc = watch_signals(w, e)) < 0)
        return rc;
    return open_fleet(w, s, e);
}

static void close_all(struct work *w)
{
    log_setup("aolani-run", log_level(), NULL, NULL);
    conduct_destroy(w->conduct);
    if (w->fleet)
        fleet_destroy(w->fleet);
    for (size_t i = 0; i < N_SIGNALS; i++)
        loop_signal_destroy(w->signals[i]);
    loop_timer_destroy(w->tick);
    if (w->live) {
        live_hide(w->live);
        live_destroy(w->live);
    }
    free(w->seats);
    free(w->addresses);
    free(w->infos);
    if (w->loop)
        loop_destroy(w->loop);
}

int audit_fleet(const struct spec *s, const struct nodes *nodes,
                const struct audit_wish *wish, struct audit *ret, struct err *e)
{
    struct work w = {.audit = ret, .spec = s, .nodes = nodes, .wish = wish};
    int rc = open_all(&w, s, e);
    if (rc == 0) {
        w.start_ms = loop_now_ms(w.loop);
        loop_timer_start(w.tick, TICK_MS, TICK_MS);
        check_booted(&w);
        fleet_start(w.fleet);
        loop_run(w.loop);
    }
    if (rc == 0)
        rc = w.signum;
    close_all(&w);
    return rc;
}
