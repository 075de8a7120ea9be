/* SPDX-License-Identifier: MIT */
/* gpucopy - how fast each GPU copies: from host memory, to it, and within its own.
 *
 * By CUDA's driver library, which is looked for when the program runs, in a child that is
 * ended when its time is over: a driver that hangs costs what it had not said yet. Host
 * memory is that of CPUs near the GPU. GPUs one after another; those that
 * CUDA_VISIBLE_DEVICES keeps from this process are not measured.
 */
#ifndef AGENT_AUDIT_GPUCOPY_H
#define AGENT_AUDIT_GPUCOPY_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"
#include "proto/wire/aolani.pb-c.h"

/* *ret: *ret_n of them, each and the list of malloc (as protobuf-c's own), in order of bus
 * ids; `error` in those that were not measured, or not all of it. No CUDA here: 0 and
 * *ret_n == 0. -errno: there is CUDA, and nothing could be asked of it (e says why).
 * Another thread of this process may wait meanwhile, no more. */
int gpucopy_run(uint64_t budget_ms, Aolani__AuditCopy ***ret, size_t *ret_n,
                struct err *e);

#endif
