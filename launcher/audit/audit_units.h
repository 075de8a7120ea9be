/* SPDX-License-Identifier: MIT */
/* audit_units - shares, speeds and times as remarks and the page write them. A part of
 * audit. Values came from nodes and may be absurd: each text fits whatever they are. */
#ifndef LAUNCHER_AUDIT_AUDIT_UNITS_H
#define LAUNCHER_AUDIT_AUDIT_UNITS_H

#include <stdint.h>

#define UNIT_TEXT  32
#define UNITS_MOST (1ull << 40) /* MB/s: more is nonsense; sums of it do not run over */

const char *unit_share(double share, char ret[UNIT_TEXT]);     /* "1.9 %" */
const char *unit_mbytes(uint64_t mbytes, char ret[UNIT_TEXT]); /* "1.2 GB/s" */
const char *unit_ns(uint64_t ns, char ret[UNIT_TEXT]);         /* "41 ms" */

#endif
