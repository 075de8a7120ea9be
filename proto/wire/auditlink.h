/* SPDX-License-Identifier: MIT */
/* auditlink - an aolani-audit that runs, as who asks it sees it: an agent for its head, or
 * aolani-run for itself.
 *
 * A question that was taken is always answered to its end: where the helper is missing,
 * ends, floods us, or says what does not decode, the answer is made here and says so. It
 * is started by the first question, and again by the next one after it has ended; the
 * whole of its process group ends with the link. How long it may take is the asker's
 * matter, who alone knows what it asked for.
 */
#ifndef PROTO_WIRE_AUDITLINK_H
#define PROTO_WIRE_AUDITLINK_H

#include "proto/base/buf.h"
#include "proto/base/err.h"
#include "proto/base/loop.h"
#include "proto/wire/aolani.pb-c.h"

/* A frame is a u32, little endian, and so many bytes. */
#define AUDITLINK_ASK   4096u      /* bytes of a question */
#define AUDITLINK_SAID  (1u << 18) /* of an answer: CPUs of the largest machines */
#define AUDITLINK_SAIDS 2000u      /* answers to a question, with its progress */
#define AUDITLINK_BYTES (4u << 20) /* of them all */

/* ERR_LIMIT: more than max bytes, and nothing was added. -ENOMEM. */
int auditlink_frame(struct buf *out, const ProtobufCMessage *m, size_t max);
/* The first frame that has come: 1 and its bytes, which lie in b until those and the 4
 * before them are consumed; 0: not whole yet; ERR_LIMIT: it says that it is longer. */
int auditlink_next(const struct buf *b, size_t max, const uint8_t **ret,
                   size_t *ret_len);

struct auditlink;
struct auditlink_config {
    struct loop *loop;
    const char *path; /* of aolani-audit, kept by reference; NULL: it is not there */
    const char *root; /* a tree of recorded facts, by reference; NULL: this machine */
};
/* Never from within auditlink_ask. m is freed after the call; what is taken out of it must
 * be left NULL. After the last one another question may be asked from within. */
typedef void (*auditlink_f)(void *arg, Aolani__AuditSaid *m);

int auditlink_create(const struct auditlink_config *c, auditlink_f said, void *arg,
                     struct auditlink **ret, struct err *e);
/* ERR_PROTO: another is under way, or had this id just before. -ENOMEM. */
int auditlink_ask(struct auditlink *l, const Aolani__AuditAsk *m, struct err *e);
bool auditlink_is_busy(const struct auditlink *l);
/* Ends the helper. Takes NULL; not from within `said`. */
void auditlink_destroy(struct auditlink *l);

#endif
