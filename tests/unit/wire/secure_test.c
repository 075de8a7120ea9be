/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>

/* The file itself: some cases need messages that no honest peer makes, with good MACs. */
#include "proto/wire/secure.c"

#define WIRE_MAX (1u << 16)

static const uint8_t run_id[SECURE_RUN_BYTES] = {1, 2, 3, 4, 5, 6, 7, 8};

/* One end, and what it has said that nobody has carried yet. */
struct end {
    struct secure *s;
    uint8_t wire[WIRE_MAX];
    size_t wire_len, total_out;
    unsigned established, frames;
    uint32_t node;
    uint64_t epoch, frame_bytes;
    uint8_t last[64];
    struct secure_key keys[4]; /* head: of the nodes it knows */
    int fail_frame;
    uint8_t point[32]; /* that is expected */
    bool turn_away;
};

static void on_output(void *arg, const void *bytes, size_t len)
{
    struct end *d = arg;
    d->total_out += len;
    if (len > WIRE_MAX - d->wire_len)
        return; /* the test of large frames carries them itself */
    memcpy(d->wire + d->wire_len, bytes, len);
    d->wire_len += len;
}

static const struct secure_key *on_key(void *arg, uint32_t node)
{
    struct end *d = arg;
    return node < 4 ? &d->keys[node] : NULL;
}

static void on_established(void *arg, uint32_t node, uint64_t epoch)
{
    struct end *d = arg;
    d->established++;
    d->node = node;
    d->epoch = epoch;
}

static int on_frame(void *arg, const uint8_t *data, size_t len, struct err *e)
{
    struct end *d = arg;
    d->frames++;
    d->frame_bytes += len;
    memcpy(d->last, data, len < sizeof d->last ? len : sizeof d->last);
    return d->fail_frame ? err_set(e, d->fail_frame, "no") : 0;
}

static const struct secure_ops ops = {on_output, on_key, on_established, on_frame,
                                      NULL};

static struct secure_key job_key(uint8_t fill)
{
    struct secure_key k;
    memset(k.b, fill, sizeof k.b);
    return k;
}

static void head_open(struct end *d, uint64_t epoch)
{
    struct secure_config c = {.role = ROLE_HEAD, .epoch = epoch};
    struct secure_key job = job_key(9);
    memcpy(c.run_id, run_id, sizeof run_id);
    *d = (struct end){0};
    for (uint32_t i = 0; i < 4; i++)
        secure_node_key(&job, i, 0, &d->keys[i]);
    assert_int_equal(secure_create(&c, &ops, d, &d->s, NULL), 0);
}

static void agent_open(struct end *d, uint32_t node, uint32_t key_of, uint64_t epoch)
{
    struct secure_config c = {.role = ROLE_AGENT, .node = node, .epoch = epoch};
    struct secure_key job = job_key(9);
    memcpy(c.run_id, run_id, sizeof run_id);
    secure_node_key(&job, key_of, 0, &c.key);
    *d = (struct end){0};
    assert_int_equal(secure_create(&c, &ops, d, &d->s, NULL), 0);
}

/* All that `from` has said, in pieces of at most `piece` bytes. */
static int carry(struct end *from, struct end *to, size_t piece, struct err *e)
{
    uint8_t bytes[WIRE_MAX];
    size_t len = from->wire_len, at = 0;
    int rc = 0;
    if (len > sizeof bytes)
        abort();
    memcpy(bytes, from->wire, len);
    from->wire_len = 0;
    for (; at < len && rc == 0; at += piece)
        rc = secure_input(to->s, bytes + at, piece < len - at ? piece : len - at, e);
    return rc;
}

struct pair {
    struct end head, agent;
};

static void pair_open(struct pair *p)
{
    head_open(&p->head, 5);
    agent_open(&p->agent, 2, 2, 5);
}

static void pair_close(struct pair *p)
{
    secure_destroy(p->head.s);
    secure_destroy(p->agent.s);
}

static int shake(struct pair *p, size_t piece, struct err *e)
{
    int rc = secure_start(p->agent.s, e);
    for (int i = 0; i < 2 && rc == 0; i++) {
        rc = carry(&p->agent, &p->head, piece, e);
        if (rc == 0)
            rc = carry(&p->head, &p->agent, piece, e);
    }
    return rc;
}

static void test_handshake_and_frames_in_any_pieces(void **state)
{
    (void)state;
    static const size_t piece[] = {1, 3, 4, 5, 97, 100, WIRE_MAX};
    for (size_t i = 0; i < sizeof piece / sizeof piece[0]; i++) {
        struct pair p;
        struct err e;
        pair_open(&p);
        assert_int_equal(shake(&p, piece[i], &e), 0);
        assert_int_equal(p.head.established, 1);
        assert_int_equal(p.agent.established, 1);
        assert_int_equal(p.head.node, 2);
        assert_true(p.agent.epoch == 5);
        for (int k = 0; k < 20; k++) {
            assert_int_equal(secure_send(p.agent.s, "to the head", 11, &e), 0);
            assert_int_equal(secure_send(p.head.s, "to the agent", 12, &e), 0);
        }
        assert_int_equal(secure_send(p.head.s, NULL, 0, &e), 0);
        assert_int_equal(carry(&p.agent, &p.head, piece[i], &e), 0);
        assert_int_equal(carry(&p.head, &p.agent, piece[i], &e), 0);
        assert_int_equal(p.head.frames, 20);
        assert_int_equal(p.agent.frames, 21);
        assert_memory_equal(p.head.last, "to the head", 11);
        assert_memory_equal(p.agent.last, "to the agent", 12);
        pair_close(&p);
    }
}

/* The agent may speak at once, before it has heard the head's stream. */
static void test_agent_speaks_with_its_proof(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p);
    assert_int_equal(secure_send(p.agent.s, "x", 1, NULL), -ENOTCONN);
    assert_int_equal(secure_start(p.agent.s, NULL), 0);
    assert_int_equal(secure_start(p.agent.s, NULL), -EINVAL);
    assert_int_equal(carry(&p.agent, &p.head, WIRE_MAX, NULL), 0);
    assert_false(secure_is_established(p.head.s));
    assert_int_equal(carry(&p.head, &p.agent, WIRE_MAX, NULL), 0);
    assert_true(secure_is_established(p.agent.s));
    assert_int_equal(secure_send(p.agent.s, "x", 1, NULL), 0);
    assert_int_equal(carry(&p.agent, &p.head, WIRE_MAX, NULL), 0);
    assert_int_equal(p.head.frames, 1);
    pair_close(&p);
}

static void test_largest_frame(void **state)
{
    (void)state;
    struct pair p;
    struct err e;
    size_t max = LIMIT_FRAME + ENVELOPE_BYTES;
    uint8_t *big = calloc(1, max + 1);
    assert_non_null(big);
    pair_open(&p);
    assert_int_equal(shake(&p, WIRE_MAX, &e), 0);
    assert_int_equal(secure_send(p.agent.s, big, max + 1, &e), ERR_LIMIT);
    p.agent.total_out = 0;
    assert_int_equal(secure_send(p.agent.s, big, max, &e), 0);
    assert_int_equal(p.agent.total_out, max + 4 + 17);
    pair_close(&p);
    free(big);
}

static void test_who_is_refused(void **state)
{
    (void)state;
    static const struct {
        uint32_t node, key_of;
        uint64_t head_epoch, agent_epoch;
        int want;
        const char *why;
    } t[] = {
        {2, 2, 5, 5, 0, ""},
        {2, 2, 6, 5, 0, ""},
        {2, 3, 5, 5, ERR_AUTH, "wrong key"}, /* node 3 poses as node 2 */
        {3, 2, 5, 5, ERR_AUTH, "wrong key"},
        {4, 4, 5, 5, ERR_AUTH, "no part in this job"},
        {2, 2, 5, 6, ERR_PROTO, "obeys head epoch 6"},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        struct pair p;
        struct err e = {0};
        head_open(&p.head, t[i].head_epoch);
        agent_open(&p.agent, t[i].node, t[i].key_of, t[i].agent_epoch);
        int rc = shake(&p, WIRE_MAX, &e);
        if (rc != t[i].want || !strstr(e.text, rc ? t[i].why : ""))
            fail_msg("row %zu: %d \"%s\"", i, rc, e.text);
        assert_int_equal(p.head.established, rc == 0);
        if (rc < 0) /* in silence */
            assert_int_equal(p.head.total_out, 0);
        pair_close(&p);
    }
}

static void test_other_runs_are_refused(void **state)
{
    (void)state;
    struct pair p;
    struct err e;
    pair_open(&p);
    p.head.s->c.run_id[0] ^= 1;
    assert_int_equal(shake(&p, WIRE_MAX, &e), ERR_AUTH);
    assert_non_null(strstr(e.text, "another run"));
    assert_int_equal(p.head.total_out, 0);
    pair_close(&p);
}

/* Everything an observer has heard helps nobody to be taken for either side. */
static void test_replays_prove_nothing(void **state)
{
    (void)state;
    struct pair p, q;
    struct err e;
    struct end said = {0}, heard = {0};
    pair_open(&p);
    assert_int_equal(secure_start(p.agent.s, &e), 0);
    on_output(&said, p.agent.wire, p.agent.wire_len);
    assert_int_equal(carry(&p.agent, &p.head, WIRE_MAX, &e), 0);
    on_output(&heard, p.head.wire, p.head.wire_len);
    assert_int_equal(carry(&p.head, &p.agent, WIRE_MAX, &e), 0);
    secure_send(p.agent.s, "x", 1, &e);
    on_output(&said, p.agent.wire, p.agent.wire_len);

    pair_open(&q);
    assert_int_equal(carry(&said, &q.head, WIRE_MAX, &e), ERR_AUTH);
    assert_int_equal(q.head.established + q.head.frames, 0);
    assert_int_equal(secure_input(q.head.s, "abcd", 4, &e), ERR_PROTO); /* dead */
    assert_int_equal(secure_start(q.agent.s, &e), 0);
    assert_int_equal(carry(&heard, &q.agent, WIRE_MAX, &e), ERR_AUTH);
    assert_int_equal(q.agent.established, 0);
    pair_close(&q);
    pair_close(&p);
}

static bool on_admit(void *arg, uint32_t node, const uint8_t *point)
{
    struct end *d = arg;
    assert_int_equal(node, 2);
    assert_memory_equal(point, d->point, sizeof d->point);
    return !d->turn_away;
}

/* Asked once the key is proved, and before anything is done for it. */
static void test_owner_turns_a_hello_away(void **state)
{
    (void)state;
    static const struct secure_ops gated = {on_output, on_key, on_established, on_frame,
                                            on_admit};
    for (int away = 0; away < 2; away++) {
        struct pair p;
        struct err e;
        struct secure_config c = {.role = ROLE_HEAD, .epoch = 5};
        pair_open(&p);
        memcpy(c.run_id, run_id, sizeof run_id);
        secure_destroy(p.head.s);
        assert_int_equal(secure_create(&c, &gated, &p.head, &p.head.s, NULL), 0);
        p.head.turn_away = away;
        assert_int_equal(secure_start(p.agent.s, &e), 0);
        memcpy(p.head.point, p.agent.wire + 4 + 32, sizeof p.head.point);
        assert_int_equal(carry(&p.agent, &p.head, WIRE_MAX, &e), away ? ERR_AUTH : 0);
        assert_int_equal(p.head.wire_len, away ? 0 : 100);
        pair_close(&p);
    }
}

static void test_reflections_prove_nothing(void **state)
{
    (void)state;
    struct pair p;
    struct err e;
    pair_open(&p);
    assert_int_equal(secure_start(p.agent.s, &e), 0);
    assert_int_equal(carry(&p.agent, &p.agent, WIRE_MAX, &e), ERR_PROTO);
    pair_close(&p);
    pair_open(&p);
    assert_int_equal(shake(&p, WIRE_MAX, &e), 0);
    assert_int_equal(secure_send(p.agent.s, "x", 1, &e), 0);
    assert_int_equal(carry(&p.agent, &p.agent, WIRE_MAX, &e), ERR_AUTH);
    assert_int_equal(p.agent.frames, 0);
    pair_close(&p);
}

/* Flip each bit of what is said at one point of a connection. */
static void flip_each_bit(int point)
{
    size_t bits = 8;
    for (size_t bit = 0; bit < bits; bit++) {
        struct pair p;
        struct err e;
        pair_open(&p);
        assert_int_equal(secure_start(p.agent.s, &e), 0);
        struct end *from = &p.agent, *to = &p.head;
        for (int i = 0; i < point; i++) {
            assert_int_equal(carry(from, to, WIRE_MAX, &e), 0);
            from = from == &p.agent ? &p.head : &p.agent;
            to = to == &p.agent ? &p.head : &p.agent;
        }
        if (point == 4)
            assert_int_equal(secure_send(from->s, "data", 4, &e), 0);
        bits = from->wire_len * 8;
        assert_true(bits > 0);
        from->wire[bit / 8] ^= (uint8_t)(1u << bit % 8);
        unsigned before = to->established;
        int rc = carry(from, to, WIRE_MAX, &e);
        assert_true(rc < 0 || bit < 32); /* a longer length waits for more */
        assert_int_equal(to->established, before);
        assert_int_equal(to->frames, 0);
        pair_close(&p);
    }
}

static void test_every_flipped_bit_is_noticed(void **state)
{
    (void)state;
    for (int point = 0; point <= 4; point++)
        flip_each_bit(point);
}

static void test_frames_cannot_be_dropped_repeated_or_cut(void **state)
{
    (void)state;
    enum { DROP, REPEAT, CUT, N };
    for (int what = 0; what < N; what++) {
        struct pair p;
        struct err e;
        pair_open(&p);
        assert_int_equal(shake(&p, WIRE_MAX, &e), 0);
        assert_int_equal(secure_send(p.agent.s, "one", 3, &e), 0);
        if (what == DROP)
            p.agent.wire_len = 0;
        if (what == REPEAT)
            on_output(&p.agent, p.agent.wire, p.agent.wire_len);
        if (what == CUT)
            p.agent.wire_len -= 1;
        assert_int_equal(secure_send(p.agent.s, "two", 3, &e), 0);
        assert_int_equal(carry(&p.agent, &p.head, 7, &e), ERR_AUTH);
        assert_int_equal(p.head.frames, what == REPEAT);
        pair_close(&p);
    }
}

static void test_lengths_are_checked_before_bytes_are_kept(void **state)
{
    (void)state;
    struct pair p;
    struct err e;
    uint8_t length[4];
    pair_open(&p);
    (void)put_u32(length, LIMIT_HANDSHAKE + 1);
    assert_int_equal(secure_input(p.head.s, length, 4, &e), ERR_PROTO);
    assert_string_equal(e.text, "take a frame: 513 bytes, 512 are allowed");
    assert_int_equal(p.head.s->body.cap, 0);
    pair_close(&p);

    pair_open(&p);
    assert_int_equal(shake(&p, WIRE_MAX, &e), 0);
    (void)put_u32(length, LIMIT_FRAME + ENVELOPE_BYTES + 17);
    assert_int_equal(secure_input(p.head.s, length, 4, &e), 0);
    assert_int_equal(secure_input(p.head.s, "abc", 3, &e), 0);
    assert_true(p.head.s->body.cap < 4096); /* what came, not what was announced */
    (void)put_u32(length, LIMIT_FRAME + ENVELOPE_BYTES + 18);
    assert_int_equal(secure_input(p.agent.s, length, 4, &e), ERR_PROTO);
    pair_close(&p);

    static const uint8_t empty[4];
    pair_open(&p);
    assert_int_equal(secure_input(p.head.s, empty, 4, &e), ERR_PROTO);
    pair_close(&p);
}

/* A HELLO of node 2 that holds its key and says what it likes. */
static int crafted_hello(struct end *head, const struct hello *h, size_t extra,
                         struct err *e)
{
    uint8_t frame[4 + LIMIT_HANDSHAKE] = {0};
    struct secure tmp = {.node_key = head->keys[2]};
    hello_encode(h, frame + 4);
    hello_mac(&tmp, "aolani/1 hello", NULL, 0, frame + 4, HELLO_FIXED + extra,
              frame + 4 + HELLO_FIXED + extra);
    (void)put_u32(frame, (uint32_t)(HELLO_BYTES + extra));
    return secure_input(head->s, frame, 4 + HELLO_BYTES + extra, e);
}

static void test_hellos_with_a_good_mac_and_a_bad_word(void **state)
{
    (void)state;
    static const uint8_t low[][32] = {{0},
                                      {1}, /* points of small order */
                                      {0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae,
                                       0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
                                       0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd,
                                       0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00}};
    static const struct {
        uint8_t min, max;
        int low;
        size_t extra;
        int want;
    } t[] = {
        {1, 1, -1, 0, 0},           {1, 9, -1, 0, 0},         {0, 1, -1, 0, 0},
        {1, 1, -1, 416, 0}, /* from a newer version: passed over */
        {2, 9, -1, 0, ERR_PROTO},   {0, 0, -1, 0, ERR_PROTO}, {9, 1, -1, 0, ERR_PROTO},
        {1, 1, 0, 0, ERR_AUTH},     {1, 1, 1, 0, ERR_AUTH},   {1, 1, 2, 0, ERR_AUTH},
        {1, 1, -1, 417, ERR_PROTO},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        struct end head;
        struct err e = {0};
        struct hello h = {.kind = HELLO_KIND,
                          .version_min = t[i].min,
                          .version_max = t[i].max,
                          .node = 2,
                          .epoch = 1};
        head_open(&head, 5);
        memcpy(h.run_id, run_id, sizeof run_id);
        memset(h.public, 9, sizeof h.public);
        if (t[i].low >= 0)
            memcpy(h.public, low[t[i].low], sizeof h.public);
        int rc = crafted_hello(&head, &h, t[i].extra, &e);
        if (rc != t[i].want)
            fail_msg("row %zu: %d \"%s\"", i, rc, e.text);
        assert_int_equal(head.total_out, rc == 0 ? 4 + HELLO_BYTES : 0);
        assert_int_equal(head.established, 0);
        secure_destroy(head.s);
    }
}

static void test_welcomes_with_a_good_mac_and_a_bad_word(void **state)
{
    (void)state;
    static const struct {
        uint8_t min, max;
        uint32_t node;
        uint64_t epoch;
        uint8_t fill;
        int want;
        const char *why;
    } t[] = {
        {1, 1, 2, 5, 9, 0, ""},
        {1, 1, 2, 99, 9, 0, ""},
        {1, 1, 2, 4, 9, ERR_PROTO, "its epoch 4 is older than 5"},
        {2, 2, 2, 5, 9, ERR_PROTO, "version 2"},
        {1, 2, 2, 5, 9, ERR_PROTO, "version 2"},
        {1, 1, 3, 5, 9, ERR_AUTH, "another run or node"},
        {1, 1, 2, 5, 0, ERR_AUTH, "weak"},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        struct end agent;
        struct err e = {0};
        uint8_t frame[4 + HELLO_BYTES];
        struct hello h = {.kind = WELCOME_KIND,
                          .version_min = t[i].min,
                          .version_max = t[i].max,
                          .node = t[i].node,
                          .epoch = t[i].epoch};
        agent_open(&agent, 2, 2, 5);
        assert_int_equal(secure_start(agent.s, &e), 0);
        memcpy(h.run_id, run_id, sizeof run_id);
        memset(h.public, t[i].fill, sizeof h.public);
        (void)put_u32(frame, HELLO_BYTES);
        hello_encode(&h, frame + 4);
        hello_mac(agent.s, "aolani/1 welcome", agent.s->hello, HELLO_BYTES, frame + 4,
                  HELLO_FIXED, frame + 4 + HELLO_FIXED);
        int rc = secure_input(agent.s, frame, sizeof frame, &e);
        if (rc != t[i].want || !strstr(e.text, rc ? t[i].why : ""))
            fail_msg("row %zu: %d \"%s\"", i, rc, e.text);
        assert_int_equal(agent.established, rc == 0);
        secure_destroy(agent.s);
    }
}

static void test_keys_are_wiped_when_done_with(void **state)
{
    (void)state;
    static const uint8_t none[64];
    struct pair p;
    pair_open(&p);
    assert_int_equal(shake(&p, WIRE_MAX, NULL), 0);
    struct end *d[] = {&p.head, &p.agent};
    for (int i = 0; i < 2; i++) {
        assert_memory_equal(d[i]->s->secret, none, sizeof d[i]->s->secret);
        assert_memory_equal(&d[i]->s->node_key, none, SECURE_KEY_BYTES);
        assert_memory_equal(&d[i]->s->c.key, none, SECURE_KEY_BYTES);
        assert_memory_equal(d[i]->s->push_key, none, SECURE_KEY_BYTES);
        assert_memory_equal(d[i]->s->pull_key, none, SECURE_KEY_BYTES);
    }
    pair_close(&p);
    secure_destroy(NULL);
}

static void test_frame_that_its_owner_refuses_ends_the_channel(void **state)
{
    (void)state;
    struct pair p;
    struct err e;
    pair_open(&p);
    assert_int_equal(shake(&p, WIRE_MAX, NULL), 0);
    p.head.fail_frame = ERR_PROTO;
    assert_int_equal(secure_send(p.agent.s, "x", 1, NULL), 0);
    assert_int_equal(carry(&p.agent, &p.head, WIRE_MAX, &e), ERR_PROTO);
    assert_string_equal(e.text, "no");
    assert_false(secure_is_established(p.head.s));
    assert_int_equal(secure_send(p.head.s, "x", 1, NULL), -ENOTCONN);
    pair_close(&p);
}

static void test_versions(void **state)
{
    (void)state;
    assert_int_equal(secure_version_pick(1, 1), 1);
    assert_int_equal(secure_version_pick(0, 255), SECURE_VERSION_MAX);
    assert_int_equal(secure_version_pick(SECURE_VERSION_MAX + 1, 255), ERR_PROTO);
    assert_int_equal(secure_version_pick(0, 0), ERR_PROTO);
}

static void test_two_parts_hash_as_two(void **state)
{
    (void)state;
    uint8_t key[SECURE_KEY_BYTES] = {1}, a[SECURE_KEY_BYTES], b[SECURE_KEY_BYTES];
    derive(key, "label", "abc", 3, "def", 3, a);
    derive(key, "label", "abcd", 4, "ef", 2, b);
    assert_memory_not_equal(a, b, sizeof a);
    derive(key, "label", "abcdef", 6, NULL, 0, a);
    derive(key, "label", NULL, 0, "abcdef", 6, b);
    assert_memory_equal(a, b, sizeof a);
}

static void test_other_tags_end_the_channel(void **state)
{
    (void)state;
    struct pair p;
    struct err e;
    uint8_t frame[LENGTH_BYTES + 1 + STREAM_MORE];
    pair_open(&p);
    assert_int_equal(shake(&p, WIRE_MAX, NULL), 0);
    (void)put_u32(frame, sizeof frame - LENGTH_BYTES);
    crypto_secretstream_xchacha20poly1305_push(
        &p.agent.s->push, frame + LENGTH_BYTES, NULL, (const uint8_t *)"x", 1, NULL, 0,
        crypto_secretstream_xchacha20poly1305_TAG_FINAL);
    assert_int_equal(secure_input(p.head.s, frame, sizeof frame, &e), ERR_PROTO);
    assert_non_null(strstr(e.text, "tag 3"));
    assert_int_equal(p.head.frames, 0);
    pair_close(&p);
}

/* Fixed answers: a change here is a change of the wire. */
static void test_hashes_and_node_keys(void **state)
{
    (void)state;
    uint8_t h[SECURE_HASH_BYTES], g[SECURE_HASH_BYTES];
    char hex[2 * SECURE_HASH_BYTES + 1];
    uint64_t size = 0;
    struct err e;
    secure_hash("abc", 3, h);
    secure_hex(h, sizeof h, hex);
    assert_string_equal(
        hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    char path[] = "/tmp/secure_test.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, "abc", 3) == 3);
    close(fd);
    assert_int_equal(secure_hash_file(path, g, &size, &e), 0);
    assert_memory_equal(g, h, sizeof g);
    assert_true(size == 3);
    unlink(path);
    assert_int_equal(secure_hash_file(path, g, NULL, &e), -ENOENT);
    assert_int_equal(secure_hash_file("/", g, NULL, &e), -EISDIR);

    struct secure_key job, a, b;
    for (size_t i = 0; i < sizeof job.b; i++)
        job.b[i] = (uint8_t)i;
    secure_node_key(&job, 7, 0, &a);
    secure_node_key(&job, 8, 0, &b);
    assert_memory_not_equal(&a, &b, sizeof a);
    secure_node_key(&job, 7, 1, &b);
    assert_memory_not_equal(&a, &b, sizeof a);
    secure_hex(a.b, sizeof a.b, hex);
    assert_string_equal(
        hex, "cbe37324c8e5e4d88b49caa273816395e53cadd68e142affd5bae51690b25751");
    secure_random(&a, sizeof a);
    secure_random(&b, sizeof b);
    assert_memory_not_equal(&a, &b, sizeof a);
    secure_wipe(&a, sizeof a);
    assert_int_equal(a.b[0] | a.b[31], 0);
}

static int start(void **state)
{
    (void)state;
    return secure_init(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handshake_and_frames_in_any_pieces),
        cmocka_unit_test(test_agent_speaks_with_its_proof),
        cmocka_unit_test(test_largest_frame),
        cmocka_unit_test(test_who_is_refused),
        cmocka_unit_test(test_other_runs_are_refused),
        cmocka_unit_test(test_replays_prove_nothing),
        cmocka_unit_test(test_owner_turns_a_hello_away),
        cmocka_unit_test(test_reflections_prove_nothing),
        cmocka_unit_test(test_every_flipped_bit_is_noticed),
        cmocka_unit_test(test_frames_cannot_be_dropped_repeated_or_cut),
        cmocka_unit_test(test_lengths_are_checked_before_bytes_are_kept),
        cmocka_unit_test(test_hellos_with_a_good_mac_and_a_bad_word),
        cmocka_unit_test(test_welcomes_with_a_good_mac_and_a_bad_word),
        cmocka_unit_test(test_keys_are_wiped_when_done_with),
        cmocka_unit_test(test_frame_that_its_owner_refuses_ends_the_channel),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_two_parts_hash_as_two),
        cmocka_unit_test(test_other_tags_end_the_channel),
        cmocka_unit_test(test_hashes_and_node_keys),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
