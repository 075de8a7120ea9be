/* SPDX-License-Identifier: MIT */
/* show - findings and measurements in words, for a person on the node. Judged by probe
 * alone: what follows for the machine is aolani-run's to say. */
#ifndef AGENT_AUDIT_SHOW_H
#define AGENT_AUDIT_SHOW_H

#include "proto/base/buf.h"
#include "proto/wire/aolani.pb-c.h"

/* -ENOMEM, ERR_LIMIT. */
int show_findings(const Aolani__AuditFindings *m, struct buf *out);
int show_measured(const Aolani__AuditMeasured *m, struct buf *out);

#endif
