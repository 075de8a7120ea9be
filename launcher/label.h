/* SPDX-License-Identifier: MIT */
/* label - a byte stream cut into whole lines, each with a label before it.
 *
 * A line is never torn: a part without its newline is held back until the rest comes,
 * until LABEL_HOLD bytes are held, or until the end. Bytes pass unchanged, escape codes
 * too. With a label every piece that goes out ends with a newline, added if need be, so
 * that the next label begins a line; without one no byte is added. The caller owns the
 * struct.
 */
#ifndef LAUNCHER_LABEL_H
#define LAUNCHER_LABEL_H

#include <stddef.h>

#include "proto/base/buf.h"

#define LABEL_HOLD (64u << 10)

struct label {
    char *text; /* owned; "" for none */
    struct buf held;
};

int label_init(struct label *l, const char *text); /* -ENOMEM */
void label_fini(struct label *l);                  /* takes a zeroed one */
/* Add to out what can go. -ENOMEM or ERR_LIMIT: some of it is lost. */
int label_feed(struct label *l, const void *data, size_t len, struct buf *out);
/* Add what is held. */
int label_flush(struct label *l, struct buf *out);

#endif
