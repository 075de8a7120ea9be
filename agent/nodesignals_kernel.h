/* SPDX-License-Identifier: MIT */
/* nodesignals_kernel - errors of GPUs (Xid) in the kernel's log, from when it is opened on. A
 * part of nodesignals.
 *
 * One look reads no more than NODESIGNALS_RECORDS: a kernel that writes faster than that
 * loses us records, which it tells and we pass over. */
#ifndef AGENT_NODESIGNALS_KERNEL_H
#define AGENT_NODESIGNALS_KERNEL_H

#include "agent/nodesignals_merge.h"
#include "proto/base/err.h"

#define NODESIGNALS_RECORDS 512u

struct nodesignals_kernel;
/* path: "/dev/kmsg"; in tests a file that grows, or a FIFO. -EACCES, -EPERM and others: it
 * cannot be read. */
int nodesignals_kernel_open(const char *path, struct nodesignals_kernel **ret);
void nodesignals_kernel_close(struct nodesignals_kernel *k); /* takes NULL */
void nodesignals_kernel_read(struct nodesignals_kernel *k, struct nodesignals_sum *ret);

#endif
