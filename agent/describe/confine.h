/* SPDX-License-Identifier: MIT */
/* confine - what this program may use while it reads what others wrote. */
#ifndef AGENT_DESCRIBE_CONFINE_H
#define AGENT_DESCRIBE_CONFINE_H

/* Address space, processor time, size of files; no core dump. As soft limits: a child that
 * asks a driver may take more. What was lower stays so. */
void confine(void);

#endif
