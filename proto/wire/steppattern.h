/* SPDX-License-Identifier: MIT */
/* steppattern - the user's log_pattern: a POSIX extended regular expression whose group
 * holds the number of a step. The launcher checks it, the agent uses it.
 *
 * It meets whatever a program prints, in a process that has other things to do: so what
 * makes regular expressions slow beyond the length of a line (back-references, repeats of
 * repeats) is refused. */
#ifndef PROTO_WIRE_STEPPATTERN_H
#define PROTO_WIRE_STEPPATTERN_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"

#define STEPPATTERN_MAX 256u /* bytes */

struct steppattern {
    regex_t re;
    size_t n_groups; /* 0: not compiled */
};

/* 0, ERR_USAGE or -ENOMEM; p is then as zeroed. */
int steppattern_compile(struct steppattern *p, const char *text, struct err *e);
void steppattern_fini(struct steppattern *p); /* takes a zeroed one */
/* The line matches: the number is what the first group holds that holds a number. False
 * also if none does, or if it is above UINT32_MAX. */
bool steppattern_match(const struct steppattern *p, const char *line,
                       uint32_t *ret_step);

#endif
