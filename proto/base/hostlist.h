/* SPDX-License-Identifier: MIT */
/* hostlist - "gpu[001-016,20],login" to names, and back.
 *
 * Zero padding is kept; several bracket groups in one name multiply; a comma
 * separates names. Order and duplicates are kept as typed. Names are
 * [A-Za-z0-9._:@%-] (user@host and IPv6 literals in brackets-free form included);
 * a name never starts with '-', so that it cannot be taken for an option of ssh.
 */
#ifndef PROTO_BASE_HOSTLIST_H
#define PROTO_BASE_HOSTLIST_H

#include <stddef.h>

#include "proto/base/buf.h"
#include "proto/base/err.h"

struct hostlist {
    char **names; /* owned */
    size_t n;
};

/* Add the names in text to an initialised (zeroed) list; nothing is added on failure.
 * ERR_PARSE with the position, ERR_LIMIT past LIMIT_HOSTS, -ENOMEM. */
int hostlist_parse(struct hostlist *l, const char *text, struct err *e);
void hostlist_fini(struct hostlist *l);
/* The folded form, sorted and without duplicates: "gpu[001-016,020],login". */
int hostlist_format(const struct hostlist *l, struct buf *out);
/* The same for Slurm's commands, which read a bracket only where a name ends:
 * "gpu[001-016],n1-ib,n2-ib". */
int hostlist_format_slurm(const struct hostlist *l, struct buf *out);

#endif
