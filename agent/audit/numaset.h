/* SPDX-License-Identifier: MIT */
/* numaset - sets of CPUs or NUMA nodes as the kernel writes them: "0-27,56-83". */
#ifndef AGENT_AUDIT_NUMASET_H
#define AGENT_AUDIT_NUMASET_H

#include <stdbool.h>
#include <stdint.h>

#define NUMASET_BITS 8192u /* CPUs of one machine: twice the kernel's largest x86 */

struct numaset {
    uint64_t word[NUMASET_BITS / 64];
};

/* -EINVAL: not such a list, or a number too large. "" is the empty set. */
int numaset_parse(const char *text, struct numaset *ret);
bool numaset_has(const struct numaset *s, unsigned bit);
unsigned numaset_count(const struct numaset *s);
/* In both. */
unsigned numaset_common(const struct numaset *a, const struct numaset *b);

#endif
