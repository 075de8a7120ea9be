/* SPDX-License-Identifier: MIT */
/* journal_impl - the format of the file, for journal.c and journal_reader.c. */
#ifndef LAUNCHER_JOURNAL_IMPL_H
#define LAUNCHER_JOURNAL_IMPL_H

#include "proto/base/crc32c.h"
#include "proto/base/cur.h"

#define JOURNAL_MAGIC       "AOLJRNL1"
#define JOURNAL_MAGIC_BYTES 8u
#define JOURNAL_HEAD_BYTES  12u /* length, CRC, type, zero */

static inline uint32_t journal_crc(uint16_t type, const void *payload, size_t len)
{
    uint8_t head[6];
    put_u32(put_u16(head, type), (uint32_t)len);
    return crc32c(crc32c(0, head, sizeof head), payload, len);
}

#endif
