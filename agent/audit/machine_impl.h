/* SPDX-License-Identifier: MIT */
/* machine_impl - what machine.c (files), machine_facts.c (what a tree records besides) and
 * machine_calls.c (what is asked of the kernel and the CPU) share. */
#ifndef AGENT_AUDIT_MACHINE_IMPL_H
#define AGENT_AUDIT_MACHINE_IMPL_H

#include "agent/audit/machine.h"

struct machine_fact;
struct machine {
    char *root; /* NULL: live; without links in it */
    int root_fd;
    uid_t uid;
    struct machine_fact *facts;
    size_t n_facts;
};

/* Reads "facts" of the tree; none is fine. ERR_USAGE names the line. */
int facts_read(struct machine *m, struct err *e);
void facts_fini(struct machine *m);
/* 0, or what opening that path is recorded to fail with, negative. */
int facts_errno(const struct machine *m, const char *path, bool write);
bool facts_cpuid(const struct machine *m, uint32_t leaf, uint32_t sub, uint32_t ret[4]);
int facts_call(const struct machine *m, enum machine_call what);

#endif
