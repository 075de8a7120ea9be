/* SPDX-License-Identifier: MIT */
/* message - the list of messages: number, who may send it, when, and how large.
 *
 * The one list that PROTOCOL.md, the session and the tests agree on. A message that is
 * not legal from that sender in that phase is refused before its payload is looked at.
 */
#ifndef PROTO_WIRE_MESSAGE_H
#define PROTO_WIRE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/limits.h"

enum session_role { ROLE_HEAD, ROLE_AGENT };

/* The life of a node in a job, as both ends of a session know it. Bits, for the table.
 * Each end moves on by the same messages: the sender as it sends, the receiver as it
 * receives. READY: NODE_INFO; PREPARED: a PREPARED without error; RUNNING: START;
 * ENDING: END. STOP moves nothing. */
enum phase {
    PHASE_GREETING = 1, /* connected; the head waits for NodeInfo */
    PHASE_READY = 2,    /* described; waiting for Prepare */
    PHASE_PREPARED = 4, /* waiting for Start */
    PHASE_RUNNING = 8,  /* ranks may be alive */
    PHASE_ENDING = 16,  /* End was sent; waiting for NodeDone */
};

#define PHASES_LIVE (PHASE_READY | PHASE_PREPARED | PHASE_RUNNING | PHASE_ENDING)
#define PHASES_ANY  (PHASE_GREETING | PHASES_LIVE)
#define PHASES_RUN  (PHASE_RUNNING | PHASE_ENDING)
/* X (number, NAME, sender, phases, max payload bytes, bulk), in order of the numbers.
 * The head may send STOP and END in any phase of its own, and goes to ENDING with END
 * at once, while NODE_INFO or PREPARED is still on its way; hence ENDING in their rows.
 */
#define MESSAGES(X)                                                               \
    X(1, NODE_INFO, SENDER_AGENT, PHASE_GREETING | PHASE_ENDING, 1u << 20, false) \
    X(2, PREPARED, SENDER_AGENT, PHASE_READY | PHASE_ENDING, 4096, false)         \
    X(3, STARTED, SENDER_AGENT, PHASES_RUN, 1u << 20, false)                      \
    X(4, RANK_EXIT, SENDER_AGENT, PHASES_RUN, 4096, false)                        \
    X(5, OUTPUT, SENDER_AGENT, PHASES_RUN, LIMIT_OUTPUT_CHUNK + 64, true)         \
    X(6, OUTPUT_GAP, SENDER_AGENT, PHASES_RUN, 64, false)                         \
    X(7, OUTPUT_END, SENDER_AGENT, PHASES_RUN, 64, false)                         \
    X(8, STEPS, SENDER_AGENT, PHASES_RUN, 1u << 20, true)                         \
    X(9, LOG, SENDER_AGENT, PHASES_ANY, 4096, false)                              \
    X(10, NODE_DONE, SENDER_AGENT, PHASE_ENDING, 1u << 16, false)                 \
    X(11, STDIN_TAKEN, SENDER_AGENT, PHASES_RUN, 64, false)                       \
    X(12, LINK, SENDER_AGENT, PHASES_ANY, 1024, false)                            \
    X(13, REACHED, SENDER_AGENT, PHASE_PREPARED | PHASE_ENDING, 1024, false)      \
    X(14, BINDING, SENDER_AGENT, PHASES_RUN, 1u << 16, false)                     \
    X(15, NODE_SIGNALS, SENDER_AGENT, PHASES_RUN, 1u << 18, true)                 \
    X(16, AUDIT_SAID, SENDER_AGENT, PHASE_READY | PHASE_ENDING, 1u << 18, false)  \
    X(17, TOLD_TO_END, SENDER_AGENT, PHASES_ANY, 64, false)                       \
    X(18, COLL_ANCHORS, SENDER_AGENT, PHASES_RUN, 1024, false)                    \
    X(19, COLL_TIMES, SENDER_AGENT, PHASES_RUN, LIMIT_COLL_TIMES * 24 + 64, true) \
    X(20, PREPARE, SENDER_HEAD, PHASE_READY, LIMIT_FRAME, false)                  \
    X(21, START, SENDER_HEAD, PHASE_PREPARED, 1024, false)                        \
    X(22, SIGNAL, SENDER_HEAD, PHASES_RUN, 1u << 20, false)                       \
    X(23, STOP, SENDER_HEAD, PHASES_ANY, 1024, false)                             \
    X(24, END, SENDER_HEAD, PHASES_ANY, 64, false)                                \
    X(25, STDIN, SENDER_HEAD, PHASES_RUN, LIMIT_STDIN_CHUNK + 64, false)          \
    X(26, REACH, SENDER_HEAD, PHASE_PREPARED, 1024, false)                        \
    X(27, AUDIT_ASK, SENDER_HEAD, PHASE_READY, 4096, false)                       \
    X(28, COLL_ANCHOR, SENDER_HEAD, PHASES_RUN, 64, false)                        \
    X(29, STALL_ASK, SENDER_HEAD, PHASES_RUN, 64, false)                          \
    X(30, CREDIT, SENDER_BOTH, PHASES_ANY, 64, false)                             \
    X(31, PING, SENDER_BOTH, PHASES_ANY, 64, false)                               \
    X(32, PONG, SENDER_BOTH, PHASES_ANY, 64, false)                               \
    X(40, FENCE, SENDER_AGENT, PHASES_RUN, LIMIT_FRAME, false)                    \
    X(41, FENCE_DONE, SENDER_HEAD, PHASES_RUN, LIMIT_FRAME, false)                \
    X(42, MODEX_GET, SENDER_BOTH, PHASES_RUN, 64, false)                          \
    X(43, MODEX_DATA, SENDER_BOTH, PHASES_RUN, LIMIT_FRAME, false)                \
    X(44, ABORT, SENDER_AGENT, PHASES_RUN, 4096, false)                           \
    X(45, STALL_SEEN, SENDER_AGENT, PHASES_RUN, 1u << 18, false)                  \
    X(46, NCCL_SAID, SENDER_AGENT, PHASES_RUN, 1u << 14, false)

enum sender { SENDER_HEAD = 1, SENDER_AGENT = 2, SENDER_BOTH = 3 };

#define MESSAGE_ENUM(number, name, sender, phases, max, bulk) MSG_##name = number,
enum message_type { MESSAGES(MESSAGE_ENUM) };
#undef MESSAGE_ENUM

struct message_rule {
    enum message_type type;
    const char *name; /* "NODE_INFO" */
    enum sender sender;
    unsigned phases; /* of the receiver when it arrives */
    size_t max_payload;
    bool bulk; /* needs credit */
};

/* NULL: no such message. */
const struct message_rule *message_rule(uint32_t type);
const struct message_rule *message_rules(size_t *ret_n);

#endif
