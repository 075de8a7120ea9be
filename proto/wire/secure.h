/* SPDX-License-Identifier: MIT */
/* secure - keys, hashes, and the encrypted channel of one connection. No sockets, no
 * clock; the only file that knows libsodium.
 *
 * Handshake (PROTOCOL.md has the bytes): the agent's HELLO names run, node and its
 * ephemeral X25519 key under a MAC; the head's WELCOME answers the same way and adds its
 * epoch; both mix the exchange with the node's key into two secretstream keys; the
 * agent's first encrypted frame proves it to the head. Frames before that are at most
 * LIMIT_HANDSHAKE bytes. A wrong MAC, run, version or order ends the channel: a caller
 * that gets a negative code destroys it and closes the connection, silently.
 */
#ifndef PROTO_WIRE_SECURE_H
#define PROTO_WIRE_SECURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/err.h"
#include "proto/wire/message.h"

#define SECURE_KEY_BYTES   32
#define SECURE_RUN_BYTES   8
#define SECURE_HASH_BYTES  32
#define SECURE_VERSION_MIN 1
#define SECURE_VERSION_MAX 1
/* The highest version that this program and a peer of min..max both speak, or ERR_PROTO. */
int secure_version_pick(unsigned min, unsigned max);

struct secure_key {
    uint8_t b[SECURE_KEY_BYTES];
};

int secure_init(struct err *e); /* once per process, before anything else here */
void secure_random(void *data, size_t len);
void secure_wipe(void *data, size_t len);
/* The key of node `node` (index), from the key of the job. A host that takes another's
 * place has the next generation, so that the first can never speak for the node. */
void secure_node_key(const struct secure_key *job, uint32_t node, uint32_t generation,
                     struct secure_key *ret);
/* SHA-256 of a file's bytes; *ret_size may be NULL. -errno. */
int secure_hash_file(const char *path, uint8_t ret[SECURE_HASH_BYTES],
                     uint64_t *ret_size, struct err *e);
void secure_hash(const void *data, size_t len, uint8_t ret[SECURE_HASH_BYTES]);
void secure_hex(const uint8_t *data, size_t len, char *ret); /* 2 * len + 1 bytes */

struct secure;
struct secure_ops {
    void (*output)(void *arg, const void *bytes, size_t len); /* to the connection */
    /* head only: the key of a node that says HELLO; NULL refuses it */
    const struct secure_key *(*key)(void *arg, uint32_t node);
    void (*established)(void *arg, uint32_t node, uint64_t epoch);
    /* one decrypted frame; a negative return ends the channel with that code */
    int (*frame)(void *arg, const uint8_t *data, size_t len, struct err *e);
    /* head only, may be NULL: its key has signed a HELLO with this fresh point; false
     * refuses it, before it costs an exchange */
    bool (*admit)(void *arg, uint32_t node, const uint8_t *point);
};
struct secure_config {
    enum session_role role;
    uint8_t run_id[SECURE_RUN_BYTES];
    uint32_t node;         /* agent: its own index */
    struct secure_key key; /* agent: its own key */
    uint64_t epoch;        /* head: its own; agent: the highest it has obeyed */
};

int secure_create(const struct secure_config *c, const struct secure_ops *ops,
                  void *arg, struct secure **ret, struct err *e);
void secure_destroy(struct secure *s);             /* wipes the keys */
int secure_start(struct secure *s, struct err *e); /* agent: sends HELLO */
/* Bytes from the connection, in any pieces. 0, or a negative code: destroy. May be
 * destroyed from within its callbacks only after secure_input has returned. */
int secure_input(struct secure *s, const void *data, size_t len, struct err *e);
/* Encrypt and output one frame; only once established. */
int secure_send(struct secure *s, const void *data, size_t len, struct err *e);
bool secure_is_established(const struct secure *s);

#endif
