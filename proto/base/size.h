/* SPDX-License-Identifier: MIT */
/* size - an amount of bytes as people read it: "685 B", "12.1 MiB", "503 GiB". */
#ifndef PROTO_BASE_SIZE_H
#define PROTO_BASE_SIZE_H

#include <stdint.h>

#define SIZE_TEXT 24

/* Returns ret. */
const char *size_text(uint64_t bytes, char ret[SIZE_TEXT]);

#endif
