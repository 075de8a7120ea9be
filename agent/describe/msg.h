/* SPDX-License-Identifier: MIT */
/* msg - filling in a Topology: texts from outside made harmless, lists that end at a
 * limit, notes that are said once. Everything is from malloc, as protobuf-c frees it.
 * Functions return 0 or -ENOMEM.
 */
#ifndef AGENT_DESCRIBE_MSG_H
#define AGENT_DESCRIBE_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/wire/aolani.pb-c.h"

/* Replaces *field. At most 255 bytes; what is no printable ASCII becomes '?', white space
 * at the ends goes. NULL is "". */
int msg_text(char **field, const char *text);
/* As msg_text, formatted, and as long as it comes: for texts that we make. */
int msg_format(char **field, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* For people; the same words are noted once. */
int msg_note(Aolani__Topology *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* list: the address of a message's `T **`; n: its count, incremented. */
int msg_push(void *list, size_t *n, void *item);
int msg_push_u32(uint32_t **list, size_t *n, uint32_t item);
int msg_push_text(char ***list, size_t *n, const char *text);

/* Has a list of t met its limit? Notes that only the first `max` are described. *rc:
 * -ENOMEM when even that cannot be said. */
bool msg_is_full(Aolani__Topology *t, size_t n, size_t max, const char *what, int *rc);

#endif
