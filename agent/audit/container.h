/* SPDX-License-Identifier: MIT */
/* container - are we in one, and what may be hidden from us by it alone? */
#ifndef AGENT_AUDIT_CONTAINER_H
#define AGENT_AUDIT_CONTAINER_H

#include "agent/audit/findings.h"

/* What systemd, or failing that its other traces, would call the container: "docker". false:
 * we are in none that leaves a trace. */
bool container_word(const struct machine *m, char *ret, size_t size);
void container_look(const struct machine *m, struct findings *f); /* CT1 */

#endif
