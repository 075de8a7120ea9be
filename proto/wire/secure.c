/* SPDX-License-Identifier: MIT */
/* secure.c - the handshake and the encrypted frames of one connection; PROTOCOL.md has
 * every byte.
 *
 * Each MAC and key is BLAKE2b keyed with the node's key or a key made from it, under a
 * label of its own, so no value made for one purpose or one role fits another. Head and
 * agent both prove the node's key before either decrypts or decodes anything of the
 * other. A frame's length is checked before a byte of it is kept, and buffers grow with
 * what came, not with what was announced.
 */
#include "proto/wire/secure.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/cur.h"
#include "proto/wire/envelope.h"
#include "proto/wire/hello.h"

#define LENGTH_BYTES 4
#define STREAM_HEAD  crypto_secretstream_xchacha20poly1305_HEADERBYTES
#define STREAM_MORE  crypto_secretstream_xchacha20poly1305_ABYTES
#define PLAIN_MAX    (LIMIT_FRAME + ENVELOPE_BYTES)
#define KEEP_BYTES   (1u << 20)

_Static_assert(HELLO_PUBLIC_BYTES == crypto_scalarmult_BYTES, "X25519");
_Static_assert(SECURE_KEY_BYTES == crypto_generichash_KEYBYTES,
               "keys are BLAKE2b keys");

enum stage {
    STAGE_NEW,    /* agent: secure_start is to come */
    STAGE_HELLO,  /* the peer's HELLO or WELCOME is awaited */
    STAGE_STREAM, /* the first encrypted frame is awaited */
    STAGE_OPEN,
    STAGE_DEAD,
};

struct secure {
    struct secure_config c;
    const struct secure_ops *ops;
    void *arg;
    enum stage stage;
    bool established;
    uint32_t node;
    struct secure_key node_key;
    uint8_t secret[crypto_scalarmult_SCALARBYTES];
    uint8_t public[HELLO_PUBLIC_BYTES];
    uint8_t hello[HELLO_BYTES]; /* agent: its own, a part of the transcript */
    size_t hello_len;
    crypto_secretstream_xchacha20poly1305_state push, pull;
    uint8_t push_key[SECURE_KEY_BYTES], pull_key[SECURE_KEY_BYTES];

    uint8_t length[LENGTH_BYTES]; /* the frame that is coming in */
    size_t have;                  /* bytes of length */
    struct buf body, plain, out;
};

/* ---- small services ---- */

int secure_init(struct err *e)
{
    if (sodium_init() < 0)
        return err_set(e, -EIO, "start libsodium: no source of random bytes");
    return 0;
}

void secure_random(void *data, size_t len)
{
    randombytes_buf(data, len);
}

void secure_wipe(void *data, size_t len)
{
    sodium_memzero(data, len);
}

void secure_hash(const void *data, size_t len, uint8_t ret[SECURE_HASH_BYTES])
{
    crypto_hash_sha256(ret, data, len);
}

void secure_hex(const uint8_t *data, size_t len, char *ret)
{
    sodium_bin2hex(ret, 2 * len + 1, data, len);
}

int secure_hash_file(const char *path, uint8_t ret[SECURE_HASH_BYTES],
                     uint64_t *ret_size, struct err *e)
{
    crypto_hash_sha256_state h;
    uint8_t chunk[32768];
    uint64_t size = 0;
    ssize_t n;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(e, -errno, "open \"%s\"", path);
    crypto_hash_sha256_init(&h);
    while ((n = read(fd, chunk, sizeof chunk)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        crypto_hash_sha256_update(&h, chunk, (size_t)n);
        size += (uint64_t)n;
    }
    int rc = n < 0 ? -errno : 0;
    (void)close(fd);
    if (rc < 0)
        return err_sys(e, rc, "read \"%s\"", path);
    crypto_hash_sha256_final(&h, ret);
    if (ret_size)
        *ret_size = size;
    return 0;
}

/* ret = BLAKE2b-256 (key, label with its NUL, a) or, of two parts, (key, label with its
 * NUL, length of a, a, b): a HELLO may have extensions, so its end must be said. */
static void derive(const uint8_t key[SECURE_KEY_BYTES], const char *label,
                   const void *a, size_t a_len, const void *b, size_t b_len,
                   uint8_t ret[SECURE_KEY_BYTES])
{
    crypto_generichash_state h;
    crypto_generichash_init(&h, key, SECURE_KEY_BYTES, SECURE_KEY_BYTES);
    crypto_generichash_update(&h, (const uint8_t *)label, strlen(label) + 1);
    if (a_len > 0 && b_len > 0) {
        uint8_t length[4];
        (void)put_u32(length, (uint32_t)a_len);
        crypto_generichash_update(&h, length, sizeof length);
    }
    if (a_len > 0)
        crypto_generichash_update(&h, a, a_len);
    if (b_len > 0)
        crypto_generichash_update(&h, b, b_len);
    crypto_generichash_final(&h, ret, SECURE_KEY_BYTES);
    sodium_memzero(&h, sizeof h);
}

void secure_node_key(const struct secure_key *job, uint32_t node, uint32_t generation,
                     struct secure_key *ret)
{
    uint8_t n[8];
    (void)put_u32(put_u32(n, node), generation);
    derive(job->b, "aolani/1 node", n, sizeof n, NULL, 0, ret->b);
}

int secure_version_pick(unsigned min, unsigned max)
{
    unsigned low = min > SECURE_VERSION_MIN ? min : SECURE_VERSION_MIN;
    unsigned high = max < SECURE_VERSION_MAX ? max : SECURE_VERSION_MAX;
    return low <= high ? (int)high : ERR_PROTO;
}

int secure_create(const struct secure_config *c, const struct secure_ops *ops,
                  void *arg, struct secure **ret, struct err *e)
{
    struct secure *s = calloc(1, sizeof *s);
    if (!s)
        return err_sys(e, -ENOMEM, "create a channel");
    s->c = *c;
    s->ops = ops;
    s->arg = arg;
    s->stage = c->role == ROLE_HEAD ? STAGE_HELLO : STAGE_NEW;
    s->node = c->node;
    s->node_key = c->key;
    buf_init(&s->body, PLAIN_MAX + STREAM_HEAD + STREAM_MORE);
    buf_init(&s->plain, PLAIN_MAX);
    buf_init(&s->out, LENGTH_BYTES + STREAM_HEAD + PLAIN_MAX + STREAM_MORE);
    *ret = s;
    return 0;
}

static void wipe_handshake(struct secure *s)
{
    sodium_memzero(s->secret, sizeof s->secret);
    sodium_memzero(&s->node_key, sizeof s->node_key);
    sodium_memzero(&s->c.key, sizeof s->c.key);
}

void secure_destroy(struct secure *s)
{
    if (!s)
        return;
    buf_fini(&s->body);
    buf_fini(&s->plain);
    buf_fini(&s->out);
    sodium_memzero(s, sizeof *s);
    free(s);
}

bool secure_is_established(const struct secure *s)
{
    return s->established;
}

/* ---- HELLO and WELCOME ---- */

static void hello_mac(const struct secure *s, const char *label, const void *before,
                      size_t before_len, const void *body, size_t len,
                      uint8_t ret[HELLO_MAC_BYTES])
{
    uint8_t key[SECURE_KEY_BYTES];
    derive(s->node_key.b, label, NULL, 0, NULL, 0, key);
    derive(key, label, before, before_len, body, len, ret);
    sodium_memzero(key, sizeof key);
}

/* The two stream keys, from the exchange, the node's key and both messages. */
static int mix(struct secure *s, const uint8_t peer[HELLO_PUBLIC_BYTES],
               const void *hello, size_t hello_len, const void *welcome,
               size_t welcome_len, struct err *e)
{
    uint8_t shared[crypto_scalarmult_BYTES], transcript[SECURE_KEY_BYTES];
    uint8_t master[SECURE_KEY_BYTES];
    bool head = s->c.role == ROLE_HEAD;
    /* it refuses points of low order, which would make the exchange add nothing */
    if (crypto_scalarmult(shared, s->secret, peer) != 0)
        return err_set(e, ERR_AUTH,
                       "agree on a key with node %" PRIu32 ": its public key is weak",
                       s->node);
    derive(s->node_key.b, "aolani/1 transcript", hello, hello_len, welcome, welcome_len,
           transcript);
    derive(s->node_key.b, "aolani/1 master", shared, sizeof shared, transcript,
           sizeof transcript, master);
    derive(master, "aolani/1 agent to head", NULL, 0, NULL, 0,
           head ? s->pull_key : s->push_key);
    derive(master, "aolani/1 head to agent", NULL, 0, NULL, 0,
           head ? s->push_key : s->pull_key);
    sodium_memzero(shared, sizeof shared);
    sodium_memzero(master, sizeof master);
    wipe_handshake(s);
    return 0;
}

/* Empty a buffer, and give back what a rare large frame made of it. */
static void buf_slim(struct buf *b)
{
    size_t max = b->max;
    b->len = 0;
    if (b->cap <= KEEP_BYTES)
        return;
    buf_fini(b);
    buf_init(b, max);
}

static int send_plain(struct secure *s, const void *body, size_t len, struct err *e)
{
    uint8_t length[LENGTH_BYTES];
    (void)put_u32(length, (uint32_t)len);
    s->out.len = 0;
    int rc = buf_add(&s->out, length, sizeof length);
    if (rc == 0)
        rc = buf_add(&s->out, body, len);
    if (rc < 0)
        return err_set(e, rc, "send a handshake: out of memory");
    s->ops->output(s->arg, s->out.data, s->out.len);
    return 0;
}

/* One frame under the stream; the first carries the stream's header before it. */
static int send_frame(struct secure *s, const uint8_t *first, const void *data,
                      size_t len, struct err *e)
{
    size_t head = first ? STREAM_HEAD : 0;
    uint8_t *at;
    s->out.len = 0;
    int rc = buf_reserve(&s->out, LENGTH_BYTES + head + len + STREAM_MORE, &at);
    if (rc < 0)
        return err_set(e, rc, "send a frame of %zu bytes: no room", len);
    uint8_t *p = put_u32(at, (uint32_t)(head + len + STREAM_MORE));
    if (first)
        memcpy(p, first, head);
    crypto_secretstream_xchacha20poly1305_push(&s->push, p + head, NULL, data, len,
                                               NULL, 0, 0);
    s->ops->output(s->arg, at, LENGTH_BYTES + head + len + STREAM_MORE);
    buf_slim(&s->out);
    return 0;
}

/* Open the own direction: an empty frame, which proves that this side has the keys. */
static int send_first(struct secure *s, struct err *e)
{
    uint8_t header[STREAM_HEAD];
    crypto_secretstream_xchacha20poly1305_init_push(&s->push, header, s->push_key);
    sodium_memzero(s->push_key, sizeof s->push_key);
    return send_frame(s, header, NULL, 0, e);
}

static void make_exchange_key(struct secure *s)
{
    randombytes_buf(s->secret, sizeof s->secret);
    (void)crypto_scalarmult_base(s->public, s->secret);
}

static void hello_of(const struct secure *s, struct hello *ret)
{
    *ret = (struct hello){.version_min = SECURE_VERSION_MIN,
                          .version_max = SECURE_VERSION_MAX,
                          .node = s->node,
                          .epoch = s->c.epoch};
    memcpy(ret->run_id, s->c.run_id, sizeof ret->run_id);
    memcpy(ret->public, s->public, sizeof ret->public);
}

int secure_start(struct secure *s, struct err *e)
{
    struct hello h;
    if (s->stage != STAGE_NEW)
        return err_set(e, -EINVAL, "start a channel: it has begun");
    make_exchange_key(s);
    hello_of(s, &h);
    h.kind = HELLO_KIND;
    hello_encode(&h, s->hello);
    hello_mac(s, "aolani/1 hello", NULL, 0, s->hello, HELLO_FIXED,
              s->hello + HELLO_FIXED);
    s->hello_len = HELLO_BYTES;
    s->stage = STAGE_HELLO;
    return send_plain(s, s->hello, s->hello_len, e);
}

/* Head: whose HELLO is it? Nothing of it but the node's number is used before its MAC. */
static int check_hello(struct secure *s, const struct hello *h, const uint8_t *data,
                       size_t len, struct err *e)
{
    uint8_t mac[HELLO_MAC_BYTES];
    const struct secure_key *key = s->ops->key ? s->ops->key(s->arg, h->node) : NULL;
    if (!key)
        return err_set(e, ERR_AUTH,
                       "greet node %" PRIu32 ": it has no part in this job", h->node);
    s->node = h->node;
    s->node_key = *key;
    hello_mac(s, "aolani/1 hello", NULL, 0, data, len - HELLO_MAC_BYTES, mac);
    if (sodium_memcmp(mac, data + len - HELLO_MAC_BYTES, HELLO_MAC_BYTES) != 0)
        return err_set(e, ERR_AUTH, "greet node %" PRIu32 ": wrong key", h->node);
    if (sodium_memcmp(h->run_id, s->c.run_id, sizeof h->run_id) != 0)
        return err_set(e, ERR_AUTH, "greet node %" PRIu32 ": it belongs to another run",
                       h->node);
    if (h->epoch > s->c.epoch)
        return err_set(e, ERR_PROTO,
                       "greet node %" PRIu32 ": it obeys head epoch %" PRIu64
                       ", this is %" PRIu64,
                       h->node, h->epoch, s->c.epoch);
    int version = secure_version_pick(h->version_min, h->version_max);
    if (version < 0)
        return err_set(e, ERR_PROTO,
                       "greet node %" PRIu32
                       ": it speaks versions %d to %d, this head %d "
                       "to %d",
                       h->node, h->version_min, h->version_max, SECURE_VERSION_MIN,
                       SECURE_VERSION_MAX);
    return version;
}

static int take_hello(struct secure *s, const uint8_t *data, size_t len, struct err *e)
{
    struct hello h, mine;
    uint8_t welcome[HELLO_BYTES];
    int rc = hello_decode(data, len, HELLO_KIND, &h, e);
    if (rc == 0)
        rc = check_hello(s, &h, data, len, e);
    if (rc < 0)
        return rc;
    if (s->ops->admit && !s->ops->admit(s->arg, h.node, h.public))
        return err_set(e, ERR_AUTH,
                       "greet node %" PRIu32 ": a HELLO that came before, or too many",
                       h.node);
    make_exchange_key(s);
    hello_of(s, &mine);
    mine.kind = WELCOME_KIND;
    mine.version_min = mine.version_max = (uint8_t)rc;
    hello_encode(&mine, welcome);
    hello_mac(s, "aolani/1 welcome", data, len, welcome, HELLO_FIXED,
              welcome + HELLO_FIXED);
    rc = mix(s, h.public, data, len, welcome, sizeof welcome, e);
    if (rc < 0)
        return rc;
    s->stage = STAGE_STREAM;
    return send_plain(s, welcome, sizeof welcome, e);
}

/* Agent: the MAC covers the own HELLO, so an old WELCOME does not fit. */
static int check_welcome(struct secure *s, const struct hello *h, const uint8_t *data,
                         size_t len, struct err *e)
{
    uint8_t mac[HELLO_MAC_BYTES];
    hello_mac(s, "aolani/1 welcome", s->hello, s->hello_len, data,
              len - HELLO_MAC_BYTES, mac);
    if (sodium_memcmp(mac, data + len - HELLO_MAC_BYTES, HELLO_MAC_BYTES) != 0)
        return err_set(e, ERR_AUTH, "greet the head: wrong key");
    if (sodium_memcmp(h->run_id, s->c.run_id, sizeof h->run_id) != 0 ||
        h->node != s->node)
        return err_set(e, ERR_AUTH, "greet the head: it means another run or node");
    if (h->version_min != h->version_max ||
        secure_version_pick(h->version_min, h->version_max) < 0)
        return err_set(e, ERR_PROTO,
                       "greet the head: it chose version %d, which was not "
                       "offered",
                       h->version_max);
    if (h->epoch < s->c.epoch)
        return err_set(e, ERR_PROTO,
                       "greet the head: its epoch %" PRIu64 " is older than %" PRIu64
                       ", which was obeyed before",
                       h->epoch, s->c.epoch);
    return 0;
}

static int establish(struct secure *s, uint64_t epoch, enum stage stage, struct err *e)
{
    int rc = send_first(s, e);
    if (rc < 0)
        return rc;
    s->stage = stage;
    s->established = true;
    if (s->ops->established)
        s->ops->established(s->arg, s->node, epoch);
    return 0;
}

static int take_welcome(struct secure *s, const uint8_t *data, size_t len,
                        struct err *e)
{
    struct hello h;
    int rc = hello_decode(data, len, WELCOME_KIND, &h, e);
    if (rc == 0)
        rc = check_welcome(s, &h, data, len, e);
    if (rc == 0)
        rc = mix(s, h.public, s->hello, s->hello_len, data, len, e);
    if (rc < 0)
        return rc;
    return establish(s, h.epoch, STAGE_STREAM, e);
}

/* ---- encrypted frames ---- */

static int take_first(struct secure *s, const uint8_t *data, size_t len, struct err *e)
{
    uint8_t nothing[1], tag = 0;
    if (len != STREAM_HEAD + STREAM_MORE ||
        crypto_secretstream_xchacha20poly1305_init_pull(&s->pull, data, s->pull_key) !=
            0 ||
        crypto_secretstream_xchacha20poly1305_pull(&s->pull, nothing, NULL, &tag,
                                                   data + STREAM_HEAD, STREAM_MORE,
                                                   NULL, 0) != 0 ||
        tag != 0)
        return err_set(e, ERR_AUTH, "open the stream of node %" PRIu32 ": not its keys",
                       s->node);
    sodium_memzero(s->pull_key, sizeof s->pull_key);
    s->stage = STAGE_OPEN;
    return s->established ? 0 : establish(s, s->c.epoch, STAGE_OPEN, e);
}

static int take_frame(struct secure *s, const uint8_t *data, size_t len, struct err *e)
{
    uint8_t *at, tag = 0;
    if (len < STREAM_MORE)
        return err_set(e, ERR_PROTO, "decrypt a frame: %zu bytes", len);
    size_t plain = len - STREAM_MORE;
    s->plain.len = 0;
    int rc = buf_reserve(&s->plain, plain, &at);
    if (rc < 0)
        return err_set(e, rc, "decrypt a frame of %zu bytes: no room", len);
    if (crypto_secretstream_xchacha20poly1305_pull(&s->pull, at, NULL, &tag, data, len,
                                                   NULL, 0) != 0)
        return err_set(e, ERR_AUTH, "decrypt a frame of %zu bytes: it was altered",
                       len);
    if (tag != 0)
        return err_set(e, ERR_PROTO, "decrypt a frame of %zu bytes: unknown tag %u",
                       len, tag);
    rc = s->ops->frame(s->arg, at, plain, e);
    buf_slim(&s->plain);
    return rc < 0 ? rc : 0;
}

static int take(struct secure *s, const uint8_t *data, size_t len, struct err *e)
{
    switch (s->stage) {
    case STAGE_HELLO:
        return s->c.role == ROLE_HEAD ? take_hello(s, data, len, e)
                                      : take_welcome(s, data, len, e);
    case STAGE_STREAM:
        return take_first(s, data, len, e);
    case STAGE_OPEN:
        return take_frame(s, data, len, e);
    case STAGE_NEW:
    case STAGE_DEAD:
        break;
    }
    return err_set(e, ERR_PROTO, "take a frame: the channel is not open");
}

/* Up to one frame from *data; moves it on. */
static int input_some(struct secure *s, const uint8_t **data, size_t *len,
                      struct err *e)
{
    while (*len > 0 && s->have < LENGTH_BYTES) {
        s->length[s->have++] = *(*data)++;
        --*len;
    }
    if (s->have < LENGTH_BYTES)
        return 0;
    struct cur c = cur_of(s->length, sizeof s->length);
    size_t want = cur_u32(&c), limit = LIMIT_HANDSHAKE;
    if (s->stage == STAGE_OPEN)
        limit = PLAIN_MAX + STREAM_MORE;
    if (want > limit)
        return err_set(e, ERR_PROTO, "take a frame: %zu bytes, %zu are allowed", want,
                       limit);
    size_t part = want - s->body.len < *len ? want - s->body.len : *len;
    const uint8_t *body = *data;
    if (part < want) { /* it comes in pieces */
        int rc = buf_add(&s->body, *data, part);
        if (rc < 0)
            return err_set(e, rc, "take a frame of %zu bytes: no room", want);
        body = s->body.data;
    }
    *data += part;
    *len -= part;
    if (part < want && s->body.len < want)
        return 0;
    s->have = 0;
    int rc = take(s, body, want, e);
    buf_slim(&s->body);
    return rc;
}

int secure_input(struct secure *s, const void *data, size_t len, struct err *e)
{
    const uint8_t *p = data;
    if (s->stage == STAGE_NEW || s->stage == STAGE_DEAD)
        return err_set(e, ERR_PROTO, "take bytes: the channel is not open");
    while (len > 0) {
        int rc = input_some(s, &p, &len, e);
        if (rc < 0) {
            s->stage = STAGE_DEAD;
            s->established = false;
            return rc;
        }
    }
    return 0;
}

int secure_send(struct secure *s, const void *data, size_t len, struct err *e)
{
    if (!s->established)
        return err_set(e, -ENOTCONN, "send a frame: the channel is not open");
    if (len > PLAIN_MAX)
        return err_set(e, ERR_LIMIT, "send a frame: %zu bytes, %u are allowed", len,
                       PLAIN_MAX);
    return send_frame(s, NULL, data, len, e);
}
