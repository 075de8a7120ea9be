/* SPDX-License-Identifier: MIT */
/* said - what a program says on a stream: cut into lines, without control characters,
 * since a terminal may read it in the end; and the last of it kept, within a bound. */
#ifndef LAUNCHER_SAID_H
#define LAUNCHER_SAID_H

#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/limits.h"

struct said {
    struct buf line; /* not yet ended; longer than LIMIT_SAID_LINE: cut */
    struct buf kept;
    char last[256]; /* the last line kept; "" when there is none */
};
typedef void (*said_line_f)(void *arg, const char *line);

void said_init(struct said *s);
void said_fini(struct said *s);
void said_forget(struct said *s); /* all of it */
/* cb is called for every line that is not empty, before this returns. */
void said_add(struct said *s, const uint8_t *data, size_t len, said_line_f cb,
              void *arg);
void said_end(struct said *s, said_line_f cb,
              void *arg); /* a last one without newline */
/* Remember a line; the oldest go when there is no room. */
void said_keep(struct said *s, const char *line);
const char *said_kept(const struct said *s); /* lines apart by newlines */
/* Take control characters out, in place. */
void said_strip(char *text);

#endif
