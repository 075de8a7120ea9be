/* SPDX-License-Identifier: MIT */
/* crc32c - CRC-32C (Castagnoli), as of RFC 3720 appendix B.4. */
#ifndef PROTO_BASE_CRC32C_H
#define PROTO_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Start with crc 0; give the result of one piece as crc of the next. */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);

#endif
