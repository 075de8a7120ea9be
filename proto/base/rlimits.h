/* SPDX-License-Identifier: MIT */
/* rlimits - the resource limits that matter to training programs: read, raised, said. */
#ifndef PROTO_BASE_RLIMITS_H
#define PROTO_BASE_RLIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>

enum rlimits_name {
    RLIMITS_MEMLOCK, /* what may be registered with a network adapter */
    RLIMITS_STACK,
    RLIMITS_CORE,
    RLIMITS_NOFILE, /* last: where it is lowered, what is open stays usable */
};
#define RLIMITS_N (RLIMITS_NOFILE + 1)

struct rlimits {
    struct rlimit v[RLIMITS_N];
    bool known[RLIMITS_N];
};

void rlimits_read(struct rlimits *ret); /* this process's own */
/* What a program gets that starts where `found` holds, for a user who has `wanted`: never
 * less than was found, the wanted soft limit as far as the hard one allows; of memlock all
 * that the hard one allows, since nothing is the worse for it. Pure. */
void rlimits_raise(const struct rlimits *found, const struct rlimits *wanted,
                   struct rlimits *ret);
/* System calls only: fit for between fork and exec. What is refused stays as it is. */
void rlimits_apply(const struct rlimits *l);

/* The text of /proc/PID/limits; what is not in it is not known. */
void rlimits_parse(const char *text, struct rlimits *ret);

const char *rlimits_text(enum rlimits_name name); /* "memlock" */
int rlimits_find(const char *text);               /* enum rlimits_name; -1: another */
/* "64 KiB", "unlimited", "1024" (files are counted). */
#define RLIMITS_VALUE 32
const char *rlimits_value(enum rlimits_name name, rlim_t value,
                          char ret[RLIMITS_VALUE]);

#endif
