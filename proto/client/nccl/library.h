/* SPDX-License-Identifier: MIT */
/* library - which NCCL has loaded us, and what is known of it. */
#ifndef PROTO_CLIENT_NCCL_LIBRARY_H
#define PROTO_CLIENT_NCCL_LIBRARY_H

#include <stdbool.h>
#include <stdint.h>

/* As ncclGetVersion has it, 22809 for 2.28.9; 0: not known. mask: NCCL's, which lies in the
 * library that calls us. Takes locks of the dynamic linker: never in a callback. */
uint32_t library_version(const int *mask);
/* Its kernels lose more by being timed than a step may lose. */
bool library_is_slowed(uint32_t version);

#endif
