/* SPDX-License-Identifier: MIT */
/* serve - questions in, answers out, one after another: the frames are those of
 * proto/wire/auditlink.h.
 *
 * Each question is served to its end before the next is read. What is said of its progress
 * is dropped rather than waited for: who asks may be slow, and a measurement may not.
 */
#ifndef AGENT_AUDIT_SERVE_H
#define AGENT_AUDIT_SERVE_H

#include "agent/audit/machine.h"
#include "proto/wire/aolani.pb-c.h"

/* ERR_PARSE: it does not decode. *ret is the caller's. */
int serve_decode(const uint8_t *data, size_t len, Aolani__AuditAsk **ret,
                 struct err *e);
/* ERR_PARSE: it asks what cannot be, or is not known. */
int serve_check(const Aolani__AuditAsk *m, struct err *e);

/* To the end of in: 0. m NULL: every question is answered with `why`. ERR_PARSE, ERR_LIMIT:
 * what comes is no question; -errno of reading or writing. */
int serve_run(const struct machine *m, const struct err *why, int in, int out,
              struct err *e);

#endif
