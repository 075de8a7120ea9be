/* SPDX-License-Identifier: MIT */
/* upward - how a module of the agent speaks to the head: given to it, not known by it, so
 * that each can be tested with a recorder in place of the session. */
#ifndef AGENT_UPWARD_H
#define AGENT_UPWARD_H

#include <protobuf-c/protobuf-c.h>

#include "proto/wire/message.h"

struct upward {
    /* As session_send: the sequence number, or negative (-EAGAIN: bulk without credit,
     * ERR_LIMIT: the queue is full; try again after credit or acknowledgements). */
    int64_t (*send)(void *arg, enum message_type type, const ProtobufCMessage *m);
    uint64_t (*credit)(void *arg); /* bulk payload bytes that may be sent now */
    void *arg;
};

#endif
