/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/cur.h"
#include "proto/wire/session.h"

#define HEARTBEAT 1000
#define SILENCE   5000
#define WINDOW    4096
#define QUEUE     (1u << 20)
#define PAYLOAD   300

/* One frame on its way. */
struct flight {
    struct flight *next;
    size_t len;
    uint8_t data[];
};

/* One end: a session, and what is on its way to the other end. */
struct end {
    struct session *s;
    struct flight *first, **last;
    uint64_t now_ms, next_in, next_out, acked, last_seq;
    unsigned delivered, credits, frames, pings;
    struct envelope last_in;
    int fail_next;
    bool destroy_next;
    uint64_t owe; /* bulk bytes to grant */
};

static void on_output(void *arg, const void *frame, size_t len)
{
    struct end *d = arg;
    struct flight *f = malloc(sizeof *f + len);
    assert_non_null(f);
    f->next = NULL;
    f->len = len;
    memcpy(f->data, frame, len);
    *d->last = f;
    d->last = &f->next;
    d->frames++;
}

static int on_message(void *arg, const struct envelope *v, struct err *e)
{
    struct end *d = arg;
    d->last_in = *v;
    if (v->seq == 0) {
        d->pings++;
        return 0;
    }
    if (d->destroy_next) {
        session_destroy(d->s);
        d->s = NULL;
        return 0;
    }
    if (d->fail_next)
        return err_set(e, ERR_PROTO, "decode \"x\": cut off");
    assert_true(v->payload_len >= 8);
    struct cur c = cur_of(v->payload, v->payload_len);
    assert_true(cur_u64(&c) == d->next_in); /* once, and in order */
    d->next_in++;
    d->delivered++;
    if (message_rule(v->type)->bulk)
        d->owe += v->payload_len;
    return 0;
}

static void on_acked(void *arg, uint64_t seq)
{
    struct end *d = arg;
    assert_true(seq > d->acked && seq <= d->last_seq);
    d->acked = seq;
}

static void on_credit(void *arg)
{
    struct end *d = arg;
    d->credits++;
}

static const struct session_ops ops = {on_output, on_message, on_acked, on_credit};

static void end_open(struct end *d, enum session_role role, uint64_t epoch,
                     uint64_t incarnation)
{
    struct session_config c = {.role = role,
                               .self = role == ROLE_AGENT,
                               .peer = role != ROLE_AGENT,
                               .epoch = epoch,
                               .heartbeat_ms = HEARTBEAT,
                               .silence_ms = SILENCE,
                               .initial_credit = WINDOW,
                               .incarnation = incarnation,
                               .queue_bytes = QUEUE};
    *d = (struct end){0};
    d->last = &d->first;
    assert_int_equal(session_create(&c, &ops, d, &d->s, NULL), 0);
    session_set_phase(d->s, PHASE_RUNNING);
}

static struct flight *flight_take(struct end *d)
{
    struct flight *f = d->first;
    if (!f)
        return NULL;
    d->first = f->next;
    if (!d->first)
        d->last = &d->first;
    return f;
}

static void flights_drop(struct end *d)
{
    struct flight *f;
    while ((f = flight_take(d)))
        free(f);
}

static void end_close(struct end *d)
{
    flights_drop(d);
    session_destroy(d->s);
}

static int carry(struct end *from, struct end *to, struct err *e)
{
    struct flight *f = flight_take(from);
    if (!f)
        return 0;
    int rc = session_input(to->s, to->now_ms, f->data, f->len, e);
    free(f);
    return rc < 0 ? rc : 1;
}

/* Deliver until nothing moves. */
static int settle(struct end *a, struct end *b, struct err *e)
{
    int x, y;
    do {
        x = carry(a, b, e);
        y = x < 0 ? 0 : carry(b, a, e);
    } while (x > 0 || y > 0);
    return x < 0 ? x : y;
}

static int64_t say(struct end *d, enum message_type type, size_t len)
{
    uint8_t payload[PAYLOAD] = {0};
    assert_true(len >= 8 && len <= sizeof payload);
    (void)put_u64(payload, d->next_out);
    int64_t seq = session_send(d->s, d->now_ms, type, 0, payload, len, NULL);
    if (seq > 0) {
        d->next_out++;
        d->last_seq = (uint64_t)seq;
    }
    return seq;
}

static void link_up(struct end *a, struct end *b)
{
    session_attach(a->s, a->now_ms);
    session_attach(b->s, b->now_ms);
}

static void link_cut(struct end *a, struct end *b)
{
    session_detach(a->s);
    session_detach(b->s);
    flights_drop(a);
    flights_drop(b);
}

static void pay(struct end *d)
{
    if (d->owe)
        session_grant(d->s, d->now_ms, d->owe);
    d->owe = 0;
}

/* ---- one seeded life of two ends ---- */

struct world {
    struct end end[2]; /* head, agent */
    uint64_t rng;
    unsigned cuts;
    bool black_hole; /* the link is dead and nobody was told */
};

static unsigned draw(struct world *w, unsigned n)
{
    w->rng = w->rng * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(w->rng >> 33) % n;
}

static void world_clock(struct world *w, uint64_t ms)
{
    for (int i = 0; i < 2; i++) {
        struct end *d = &w->end[i];
        d->now_ms += ms;
        if (session_tick(d->s, d->now_ms) == -ETIMEDOUT) {
            session_detach(d->s);
            flights_drop(d);
        }
    }
}

static void world_connect(struct world *w)
{
    link_cut(&w->end[0], &w->end[1]);
    w->black_hole = false;
    unsigned first = draw(w, 2);
    session_attach(w->end[first].s, w->end[first].now_ms);
    session_attach(w->end[!first].s, w->end[!first].now_ms);
}

static void world_carry(struct world *w, unsigned from)
{
    struct end *a = &w->end[from], *b = &w->end[!from];
    struct err e;
    if (w->black_hole || !session_is_attached(b->s)) {
        flights_drop(a);
        return;
    }
    if (carry(a, b, &e) < 0)
        fail_msg("%s", e.text);
}

static void world_turn(struct world *w, bool talk)
{
    unsigned side = draw(w, 2), what = draw(w, 100);
    struct end *d = &w->end[side];
    if (what < 25 && talk)
        say(d, side ? (draw(w, 2) ? MSG_OUTPUT : MSG_LOG) : MSG_SIGNAL,
            8 + draw(w, PAYLOAD - 8));
    else if (what < 85)
        world_carry(w, side);
    else if (what < 90)
        pay(d);
    else if (what < 94)
        world_clock(w, draw(w, 900));
    else if (what == 94 && draw(w, 4) == 0)
        w->black_hole = true, w->cuts++;
    else if (what == 95 && draw(w, 3) == 0)
        link_cut(&w->end[0], &w->end[1]), w->cuts++;
    if (!session_is_attached(w->end[0].s) || !session_is_attached(w->end[1].s))
        if (draw(w, 6) == 0)
            world_connect(w);
}

static unsigned world_run(uint64_t seed)
{
    struct world w = {.rng = seed * 7919 + 1};
    end_open(&w.end[0], ROLE_HEAD, 5, 11);
    end_open(&w.end[1], ROLE_AGENT, 5, 22);
    for (int i = 0; i < 600; i++)
        world_turn(&w, true);
    world_connect(&w);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(settle(&w.end[0], &w.end[1], NULL), 0);
        pay(&w.end[0]);
        world_clock(&w, HEARTBEAT);
    }
    assert_int_equal(settle(&w.end[0], &w.end[1], NULL), 0);
    for (int i = 0; i < 2; i++) {
        assert_true(w.end[i].next_in == w.end[!i].next_out);
        assert_int_equal(session_queued(w.end[i].s), 0);
        assert_true(w.end[i].acked == w.end[i].last_seq);
    }
    assert_int_equal(session_credit(w.end[1].s), WINDOW); /* no grant was lost */
    end_close(&w.end[0]);
    end_close(&w.end[1]);
    return w.cuts;
}

static void test_random_cuts_lose_and_repeat_nothing(void **state)
{
    (void)state;
    unsigned cuts = 0;
    for (uint64_t seed = 0; seed < 4000; seed++)
        cuts += world_run(seed);
    assert_true(cuts > 4000);
}

/* ---- single rules ---- */

struct pair {
    struct end head, agent;
};

static void pair_open(struct pair *p)
{
    end_open(&p->head, ROLE_HEAD, 5, 11);
    end_open(&p->agent, ROLE_AGENT, 5, 22);
}

static void pair_close(struct pair *p)
{
    end_close(&p->head);
    end_close(&p->agent);
}

static void test_what_waits_goes_out_after_attach(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p);
    assert_int_equal(say(&p.agent, MSG_LOG, 8), 1);
    assert_int_equal(say(&p.agent, MSG_LOG, 8), 2);
    assert_int_equal(p.agent.frames, 0);
    link_up(&p.agent, &p.head);
    assert_int_equal(p.agent.frames, 1); /* the attach alone */
    assert_int_equal(settle(&p.agent, &p.head, NULL), 0);
    assert_int_equal(p.head.delivered, 2);
    assert_int_equal(session_queued(p.agent.s), 0);
    /* what was acknowledged does not go out again */
    link_cut(&p.agent, &p.head);
    unsigned before = p.agent.frames;
    link_up(&p.agent, &p.head);
    assert_int_equal(settle(&p.agent, &p.head, NULL), 0);
    assert_int_equal(p.agent.frames, before + 1);
    pair_close(&p);
}

static void test_bulk_needs_credit_and_lost_grants_come_back(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p);
    int sent = 0;
    while (say(&p.agent, MSG_OUTPUT, 256) > 0)
        sent++;
    assert_int_equal(sent, WINDOW / 256);
    assert_int_equal(say(&p.agent, MSG_OUTPUT, 256), -EAGAIN);
    assert_true(say(&p.agent, MSG_LOG, 8) > 0); /* not bulk */
    link_up(&p.agent, &p.head);
    assert_int_equal(settle(&p.agent, &p.head, NULL), 0);
    assert_int_equal(session_credit(p.agent.s), 0);
    pay(&p.head); /* this CREDIT is lost with its link */
    assert_int_equal(p.agent.credits, 0);
    link_cut(&p.agent, &p.head);
    link_up(&p.agent, &p.head);
    assert_int_equal(settle(&p.agent, &p.head, NULL), 0);
    assert_int_equal(p.agent.credits, 1);
    assert_int_equal(session_credit(p.agent.s), WINDOW);
    pair_close(&p);
}

static void test_small_grants_are_gathered_but_not_kept(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p);
    link_up(&p.agent, &p.head);
    assert_int_equal(settle(&p.agent, &p.head, NULL), 0);
    assert_true(say(&p.agent, MSG_OUTPUT, 100) > 0);
    assert_int_equal(settle(&p.agent, &p.head, NULL), 0);
    pay(&p.head);
    assert_null(p.head.first);
    session_tick(p.head.s, 10);
    assert_int_equal(settle(&p.agent, &p.head, NULL), 0);
    assert_int_equal(session_credit(p.agent.s), WINDOW);
    pair_close(&p);
}

static void test_sender_is_held_to_its_list(void **state)
{
    (void)state;
    struct pair p;
    struct err e;
    static uint8_t big[8192];
    pair_open(&p);
    static const struct {
        int agent;
        unsigned type;
        size_t len;
        int want;
    } t[] = {
        {1, MSG_START, 8, ERR_PROTO},
        {0, MSG_LOG, 8, ERR_PROTO},
        {0, MSG_CREDIT, 8, ERR_PROTO},
        {1, 0, 0, ERR_PROTO},
        {1, 999, 0, ERR_PROTO},
        {1, MSG_LOG, 4097, ERR_LIMIT},
        {1, MSG_PING, 65, ERR_LIMIT},
        {1, MSG_PING, 8, 0},
        {1, MSG_OUTPUT, WINDOW + 1, -EAGAIN},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        struct end *d = t[i].agent ? &p.agent : &p.head;
        assert_int_equal(
            session_send(d->s, 0, (enum message_type)t[i].type, 0, big, t[i].len, &e),
            t[i].want);
    }
    int64_t rc;
    while ((rc = session_send(p.agent.s, 0, MSG_LOG, 0, big, 4096, &e)) > 0)
        assert_true(session_queued(p.agent.s) <= QUEUE);
    assert_int_equal(rc, ERR_LIMIT);
    assert_non_null(strstr(e.text, "queue a message \"LOG\""));
    pair_close(&p);
}

/* A frame by hand into a head whose link is open and in phase READY. */
static void test_receiver_refuses(void **state)
{
    (void)state;
    static const struct {
        struct envelope v;
        size_t len;
        const char *why;
    } t[] = {
        {{.source = 1, .type = MSG_OUTPUT, .seq = 1}, 8, "not legal in phase READY"},
        {{.source = 1, .type = MSG_START, .seq = 1}, 8, "an agent does not send it"},
        {{.source = 1, .type = 999, .seq = 1}, 8, "no such message"},
        {{.source = 1, .type = MSG_LOG, .seq = 2}, 8, "sequence 2 after 0"},
        {{.source = 1, .type = MSG_LOG, .seq = 0}, 8, "sequence 0"},
        {{.source = 1, .type = MSG_PING, .seq = 1}, 8, "sequence 1"},
        {{.source = 1, .type = MSG_LOG, .seq = 1}, 4097, "4096 are allowed"},
        {{.source = 1, .type = MSG_LOG, .seq = 1, .ack = 1}, 8, "the last sent is 0"},
        {{.source = 2, .type = MSG_LOG, .seq = 1}, 8, "from 2 to 0"},
        {{.source = 1, .destination = 3, .type = MSG_LOG, .seq = 1}, 8, "from 1 to 3"},
        {{.source = 1, .type = MSG_LOG, .seq = 1, .epoch = 6}, 8, "obeys epoch 6"},
        {{.source = 1, .type = MSG_LOG, .seq = 1, .epoch = 4}, 8, "this head is 5"},
        {{.source = 1, .type = MSG_CREDIT}, 7, "7 bytes"},
        {{.source = 1, .type = 0}, 16, "16 bytes"},
    };
    static uint8_t frame[ENVELOPE_BYTES + 8192];
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        struct pair p;
        struct err e = {0};
        pair_open(&p);
        link_up(&p.agent, &p.head);
        assert_int_equal(settle(&p.agent, &p.head, NULL), 0);
        session_set_phase(p.head.s, PHASE_READY);
        struct envelope v = t[i].v;
        v.epoch = v.epoch ? v.epoch : 5;
        envelope_encode(&v, frame);
        int rc = session_input(p.head.s, 0, frame, ENVELOPE_BYTES + t[i].len, &e);
        if (rc != ERR_PROTO || !strstr(e.text, t[i].why))
            fail_msg("row %zu: %d \"%s\", not \"%s\"", i, rc, e.text, t[i].why);
        assert_int_equal(p.head.delivered, 0);
        pair_close(&p);
    }
}

static void test_bulk_beyond_credit_is_refused(void **state)
{
    (void)state;
    struct pair p;
    struct err e;
    static uint8_t frame[ENVELOPE_BYTES + WINDOW + 1];
    pair_open(&p);
    link_up(&p.agent, &p.head);
    assert_int_equal(settle(&p.agent, &p.head, NULL), 0);
    struct envelope v = {.source = 1, .type = MSG_OUTPUT, .seq = 1, .epoch = 5};
    envelope_encode(&v, frame);
    assert_int_equal(session_input(p.head.s, 0, frame, sizeof frame, &e), ERR_PROTO);
    assert_non_null(strstr(e.text, "without credit"));
    assert_int_equal(session_input(p.head.s, 0, frame, sizeof frame - 1, &e), 0);
    pair_close(&p);
}

/* An agent that claims to have obeyed another head has no more credit than others. */
static void test_another_head_is_no_way_around_credit(void **state)
{
    (void)state;
    struct pair p;
    struct err e;
    static uint8_t frame[ENVELOPE_BYTES + WINDOW];
    pair_open(&p);
    session_attach(p.head.s, 0);
    struct envelope v = {.source = 1, .epoch = 4}; /* an attach of a lower epoch */
    envelope_encode(&v, frame);
    assert_int_equal(session_input(p.head.s, 0, frame, ENVELOPE_BYTES + 16, &e), 0);
    v = (struct envelope){.source = 1, .type = MSG_OUTPUT, .seq = 77, .epoch = 5};
    envelope_encode(&v, frame);
    session_set_phase(p.head.s, PHASE_RUNNING);
    assert_int_equal(session_input(p.head.s, 0, frame, sizeof frame, &e), 0);
    v.seq++;
    envelope_encode(&v, frame);
    assert_int_equal(session_input(p.head.s, 0, frame, ENVELOPE_BYTES + 8, &e),
                     ERR_PROTO);
    assert_non_null(strstr(e.text, "without credit"));
    pair_close(&p);
}

static void test_link_begins_with_attach(void **state)
{
    (void)state;
    struct pair p;
    struct err e;
    uint8_t frame[ENVELOPE_BYTES + 8] = {0};
    pair_open(&p);
    struct envelope v = {.source = 1, .type = MSG_LOG, .seq = 1, .epoch = 5};
    envelope_encode(&v, frame);
    assert_int_equal(session_input(p.head.s, 0, frame, sizeof frame, &e), -ENOTCONN);
    session_attach(p.head.s, 0);
    assert_int_equal(session_input(p.head.s, 0, frame, sizeof frame, &e), ERR_PROTO);
    assert_non_null(strstr(e.text, "begin a link"));
    pair_close(&p);
}

static void test_payload_that_fails_is_not_acknowledged(void **state)
{
    (void)state;
    struct pair p;
    struct err e;
    pair_open(&p);
    link_up(&p.agent, &p.head);
    assert_int_equal(settle(&p.agent, &p.head, NULL), 0);
    p.head.fail_next = 1;
    say(&p.agent, MSG_LOG, 8);
    assert_int_equal(settle(&p.agent, &p.head, &e), ERR_PROTO);
    p.head.fail_next = 0;
    link_cut(&p.agent, &p.head);
    assert_true(session_queued(p.agent.s) > 0);
    link_up(&p.agent, &p.head);
    assert_int_equal(settle(&p.agent, &p.head, &e), 0);
    assert_int_equal(p.head.delivered, 1);
    pair_close(&p);
}

static void test_owner_may_destroy_it_from_within(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p);
    link_up(&p.agent, &p.head);
    assert_int_equal(settle(&p.agent, &p.head, NULL), 0);
    say(&p.agent, MSG_LOG, 8);
    p.head.destroy_next = true;
    unsigned before = p.head.frames;
    assert_int_equal(carry(&p.agent, &p.head, NULL), 1);
    assert_null(p.head.s);
    assert_int_equal(p.head.frames, before);
    pair_close(&p);
}

static void test_peer_that_was_started_anew_is_found_out(void **state)
{
    (void)state;
    struct pair p;
    struct err e;
    pair_open(&p);
    link_up(&p.agent, &p.head);
    say(&p.agent, MSG_LOG, 8);
    assert_int_equal(settle(&p.agent, &p.head, NULL), 0);
    link_cut(&p.agent, &p.head);
    end_close(&p.agent);
    end_open(&p.agent, ROLE_AGENT, 5, 23);
    for (int i = 0; i < 3; i++)
        say(&p.agent, MSG_LOG, 8);
    link_up(&p.agent, &p.head);
    assert_int_equal(carry(&p.agent, &p.head, &e), ERR_PROTO);
    assert_non_null(strstr(e.text, "started anew"));
    pair_close(&p);
}

/* A new head takes an agent over: it gets what the old one had not acknowledged, and
 * the old one is refused from then on. */
static void test_two_heads_never_both_rule(void **state)
{
    (void)state;
    struct pair p;
    struct end head2;
    struct err e;
    pair_open(&p);
    link_up(&p.agent, &p.head);
    say(&p.agent, MSG_OUTPUT, 100);
    say(&p.head, MSG_SIGNAL, 8);
    assert_int_equal(settle(&p.agent, &p.head, NULL), 0);
    session_tick(p.head.s, 1);
    assert_int_equal(settle(&p.agent, &p.head, NULL), 0);
    say(&p.agent, MSG_OUTPUT, 100); /* on its way when the head dies */
    say(&p.agent, MSG_LOG, 8);
    link_cut(&p.agent, &p.head);

    end_open(&head2, ROLE_HEAD, 6, 12);
    head2.next_in = 1;   /* it reads from the journal what was taken */
    p.agent.next_in = 0; /* and begins to count its own */
    say(&head2, MSG_SIGNAL, 8);
    link_up(&p.agent, &head2);
    if (settle(&p.agent, &head2, &e) < 0)
        fail_msg("%s", e.text);
    assert_int_equal(head2.delivered, 2);
    assert_int_equal(p.agent.delivered, 2);
    assert_int_equal(session_queued(p.agent.s), 0);
    assert_true(session_peer_epoch(p.agent.s) == 6);
    pay(&head2);
    session_tick(head2.s, 1);
    assert_int_equal(settle(&p.agent, &head2, &e), 0);
    assert_int_equal(session_credit(p.agent.s), WINDOW);

    link_cut(&p.agent, &head2);
    link_up(&p.agent, &p.head);
    assert_int_equal(carry(&p.head, &p.agent, &e), ERR_PROTO);
    assert_non_null(strstr(e.text, "epoch 6 was obeyed before"));
    assert_int_equal(carry(&p.agent, &p.head, &e), ERR_PROTO);
    assert_non_null(strstr(e.text, "obeys epoch 6"));
    end_close(&head2);
    pair_close(&p);
}

static void test_heartbeats_and_silence(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p);
    assert_int_equal(session_tick(p.head.s, 0), HEARTBEAT);
    link_up(&p.agent, &p.head);
    assert_int_equal(settle(&p.agent, &p.head, NULL), 0);
    assert_int_equal(session_tick(p.head.s, 400), 600);
    assert_null(p.head.first);
    assert_int_equal(session_tick(p.head.s, HEARTBEAT), HEARTBEAT);
    assert_non_null(p.head.first);
    p.agent.now_ms = HEARTBEAT;
    assert_int_equal(settle(&p.agent, &p.head, NULL), 0);
    assert_true(session_tick(p.head.s, SILENCE - 1) > 0);
    assert_int_equal(session_tick(p.head.s, SILENCE), -ETIMEDOUT);
    assert_true(session_tick(p.agent.s, SILENCE) > 0); /* it heard later */
    pair_close(&p);
}

static void test_ping_and_pong_pass_through(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p);
    assert_int_equal(session_send(p.head.s, 0, MSG_PING, 0, "x", 1, NULL), 0);
    link_up(&p.agent, &p.head);
    assert_int_equal(settle(&p.agent, &p.head, NULL), 0);
    assert_int_equal(p.agent.pings, 0);
    assert_int_equal(session_send(p.head.s, 0, MSG_PING, 7, "x", 1, NULL), 0);
    assert_int_equal(settle(&p.agent, &p.head, NULL), 0);
    assert_int_equal(p.agent.pings, 1);
    assert_int_equal(p.agent.last_in.type, MSG_PING);
    assert_int_equal(p.agent.last_in.attempt, 7);
    pair_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_cuts_lose_and_repeat_nothing),
        cmocka_unit_test(test_what_waits_goes_out_after_attach),
        cmocka_unit_test(test_bulk_needs_credit_and_lost_grants_come_back),
        cmocka_unit_test(test_small_grants_are_gathered_but_not_kept),
        cmocka_unit_test(test_sender_is_held_to_its_list),
        cmocka_unit_test(test_receiver_refuses),
        cmocka_unit_test(test_bulk_beyond_credit_is_refused),
        cmocka_unit_test(test_another_head_is_no_way_around_credit),
        cmocka_unit_test(test_link_begins_with_attach),
        cmocka_unit_test(test_payload_that_fails_is_not_acknowledged),
        cmocka_unit_test(test_owner_may_destroy_it_from_within),
        cmocka_unit_test(test_peer_that_was_started_anew_is_found_out),
        cmocka_unit_test(test_two_heads_never_both_rule),
        cmocka_unit_test(test_heartbeats_and_silence),
        cmocka_unit_test(test_ping_and_pong_pass_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
