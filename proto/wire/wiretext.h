/* SPDX-License-Identifier: MIT */
/* wiretext - the texts of a message that came from a peer, before anybody is shown them. */
#ifndef PROTO_WIRE_WIRETEXT_H
#define PROTO_WIRE_WIRETEXT_H

#include <protobuf-c/protobuf-c.h>

/* Every string in it, also of messages within, as by utf8_make_printable. */
void wiretext_make_printable(ProtobufCMessage *m);

#endif
