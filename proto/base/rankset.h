/* SPDX-License-Identifier: MIT */
/* rankset - a set of small integers: ranks, node indexes, CPUs. Text "0-7,12".
 *
 * Grows as needed up to `max` members' values; the caller owns the struct.
 */
#ifndef PROTO_BASE_RANKSET_H
#define PROTO_BASE_RANKSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/err.h"

struct rankset {
    uint64_t *words;
    size_t n_words;
};

void rankset_fini(struct rankset *s);            /* takes a zeroed one */
int rankset_add(struct rankset *s, uint32_t id); /* -ENOMEM, ERR_LIMIT >= 2^20 */
void rankset_remove(struct rankset *s, uint32_t id);
bool rankset_has(const struct rankset *s, uint32_t id);
size_t rankset_count(const struct rankset *s);
bool rankset_intersects(const struct rankset *a, const struct rankset *b);
bool rankset_contains(const struct rankset *whole, const struct rankset *part);
int rankset_merge(struct rankset *s,
                  const struct rankset *more); /* -ENOMEM: as it was */
/* The first member >= from, or -1. */
int64_t rankset_next(const struct rankset *s, uint32_t from);
/* Replaces what the set held; on failure it is unchanged. "" is the empty set. ERR_PARSE
 * names the position; "3-0" and "1,,2" are refused. ERR_LIMIT as rankset_add. */
int rankset_parse(struct rankset *s, const char *text, struct err *e);
int rankset_format(const struct rankset *s, struct buf *out);
/* Of a list so written: how many of its bytes to show where `most` are too many. Half a number
 * would be another rank. */
size_t rankset_shown(const char *list, size_t most);

#endif
