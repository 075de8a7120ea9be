/* SPDX-License-Identifier: MIT */
/* secure_fuzz - bytes into a head's and an agent's channel: before the handshake, behind
 * a good MAC, and into an open stream.
 *
 * The file itself is included, so that messages with a good MAC and a bad word can be
 * made; random numbers are fixed, so that an input does the same each time. */
#include <assert.h>

#include "proto/wire/secure.c"

#define WIRE_MAX 8192

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct end {
    struct secure *s;
    struct secure_key key;
    uint8_t wire[WIRE_MAX];
    size_t wire_len;
    bool proved; /* the fuzzed bytes may reach frame */
};

static const char *random_name(void)
{
    return "fixed";
}

static uint32_t random_word(void)
{
    return 0x5eed5eed;
}

static void random_fill(void *const data, const size_t len)
{
    memset(data, 0x5e, len);
}

static struct randombytes_implementation fixed = {
    .implementation_name = random_name, .random = random_word, .buf = random_fill};

static void on_output(void *arg, const void *bytes, size_t len)
{
    struct end *d = arg;
    assert(len >= LENGTH_BYTES);
    if (len > WIRE_MAX - d->wire_len)
        return;
    memcpy(d->wire + d->wire_len, bytes, len);
    d->wire_len += len;
}

static const struct secure_key *on_key(void *arg, uint32_t node)
{
    struct end *d = arg;
    return node == 2 ? &d->key : NULL;
}

static void on_established(void *arg, uint32_t node, uint64_t epoch)
{
    (void)arg;
    (void)epoch;
    assert(node == 2);
    (void)node;
}

static int on_frame(void *arg, const uint8_t *data, size_t len, struct err *e)
{
    struct end *d = arg;
    (void)e;
    /* only what the other end has sealed gets here: a run of one letter */
    for (size_t i = 0; i < len; i++)
        assert(data[i] == 'x');
    assert(d->proved);
    (void)data;
    (void)d;
    return 0;
}

static const struct secure_ops ops = {on_output, on_key, on_established, on_frame,
                                      NULL};

static void end_open(struct end *d, enum session_role role)
{
    struct secure_config c = {.role = role, .node = 2, .epoch = 5};
    memset(d, 0, sizeof *d);
    memset(d->key.b, 7, sizeof d->key.b);
    c.key = d->key;
    if (secure_create(&c, &ops, d, &d->s, NULL) < 0)
        abort();
    if (role == ROLE_AGENT)
        (void)secure_start(d->s, NULL);
}

static int feed(struct end *d, const uint8_t *data, size_t len, size_t piece)
{
    int rc = 0;
    for (size_t at = 0; at < len && rc == 0; at += piece)
        rc = secure_input(d->s, data + at, piece < len - at ? piece : len - at, NULL);
    assert(rc == 0 || secure_input(d->s, "", 1, NULL) < 0);
    return rc;
}

static int carry(struct end *from, struct end *to)
{
    size_t len = from->wire_len;
    from->wire_len = 0;
    return feed(to, from->wire, len, WIRE_MAX);
}

static void shake(struct end *head, struct end *agent)
{
    int rc = carry(agent, head);
    rc = rc < 0 ? rc : carry(head, agent);
    rc = rc < 0 ? rc : carry(agent, head);
    rc = rc < 0 ? rc : carry(head, agent);
    if (rc < 0 || !secure_is_established(head->s) || !secure_is_established(agent->s))
        abort();
    head->proved = agent->proved = true;
}

/* The input as HELLO or WELCOME, behind a MAC that holds. */
static void with_mac(struct end *d, const uint8_t *data, size_t size)
{
    uint8_t frame[LENGTH_BYTES + LIMIT_HANDSHAKE];
    struct secure keys = {.node_key = d->key};
    bool head = d->s->c.role == ROLE_HEAD;
    size = size < LIMIT_HANDSHAKE - HELLO_MAC_BYTES ? size
                                                    : LIMIT_HANDSHAKE - HELLO_MAC_BYTES;
    memcpy(frame + LENGTH_BYTES, data, size);
    hello_mac(&keys, head ? "aolani/1 hello" : "aolani/1 welcome", d->s->hello,
              d->s->hello_len, frame + LENGTH_BYTES, size, frame + LENGTH_BYTES + size);
    (void)put_u32(frame, (uint32_t)(size + HELLO_MAC_BYTES));
    (void)feed(d, frame, LENGTH_BYTES + size + HELLO_MAC_BYTES, sizeof frame);
}

/* Real frames, some of whose bytes the input changes. */
static void altered(struct end *from, struct end *to, const uint8_t *data, size_t size,
                    size_t piece)
{
    uint8_t text[256];
    memset(text, 'x', sizeof text);
    for (size_t i = 0; i + 2 < size; i += 3) {
        if (secure_send(from->s, text, data[i], NULL) < 0)
            abort();
        from->wire[(data[i + 1] * 3u) % from->wire_len] ^= data[i + 2];
        size_t len = from->wire_len;
        from->wire_len = 0;
        if (feed(to, from->wire, len, piece) < 0)
            return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct end head, agent;
    if (size < 2)
        return 0;
    (void)randombytes_set_implementation(&fixed);
    if (secure_init(NULL) < 0)
        abort();
    end_open(&head, ROLE_HEAD);
    end_open(&agent, ROLE_AGENT);
    struct end *to = (data[0] & 1) ? &agent : &head;
    struct end *from = (data[0] & 1) ? &head : &agent;
    size_t piece = data[1] + 1u;
    switch (data[0] >> 1 & 3) {
    case 0:
        (void)feed(to, data + 2, size - 2, piece);
        assert(!secure_is_established(to->s));
        break;
    case 1:
        with_mac(to, data + 2, size - 2);
        break;
    case 2:
        shake(&head, &agent);
        to->proved = false;
        (void)feed(to, data + 2, size - 2, piece);
        break;
    default:
        shake(&head, &agent);
        altered(from, to, data + 2, size - 2, piece);
        break;
    }
    secure_destroy(head.s);
    secure_destroy(agent.s);
    return 0;
}
