/* SPDX-License-Identifier: MIT */
/* pmixwire - PmixMessages between the agent and aolani-pmix: u32 length, little endian,
 * then the message. A frame that is too long or does not decode ends the stream.
 * Threading and destroy: see loop.h. */
#ifndef PROTO_WIRE_PMIXWIRE_H
#define PROTO_WIRE_PMIXWIRE_H

#include "proto/base/loop_stream.h"
#include "proto/wire/aolani.pb-c.h"

struct pmixwire;
struct pmixwire_ops {
    void (*message)(void *arg,
                    const Aolani__PmixMessage *m); /* valid during the call */
    /* The other end has closed (code 0) or broke the rules; destroy still to be called. */
    void (*ended)(void *arg, const struct err *e);
};

/* Takes over the descriptor, in every case. */
int pmixwire_open(struct loop *l, int fd, const struct pmixwire_ops *ops, void *arg,
                  struct pmixwire **ret, struct err *e);
/* ERR_LIMIT: larger than a frame, or the other end has stopped reading. */
int pmixwire_send(struct pmixwire *w, const Aolani__PmixMessage *m);
/* A message that stays; freed with aolani__pmix_message__free_unpacked. NULL: no memory. */
Aolani__PmixMessage *pmixwire_copy(const Aolani__PmixMessage *m);
void pmixwire_destroy(struct pmixwire *w);

#endif
