/* SPDX-License-Identifier: MIT */
/* clock - time of this node, and durations as users write them. */
#ifndef PROTO_BASE_CLOCK_H
#define PROTO_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"

uint64_t clock_mono_ns(void); /* CLOCK_MONOTONIC */
uint64_t clock_real_ns(void); /* since the epoch, UTC */

/* "90", "500ms", "30s", "5m", "1h", "2d", "1h30m" -> milliseconds; a bare number
 * means seconds. -EINVAL, or -ERANGE past 10 years. */
int clock_parse_duration(const char *text, uint64_t *ret_ms, struct err *e);

/* "850 ms", "12.3 s", "4 m 05 s", "2 h 03 m", "3 d 04 h"; buf of at least 24 bytes. */
const char *clock_format_duration(uint64_t ms, char *buf, size_t len);

#endif
