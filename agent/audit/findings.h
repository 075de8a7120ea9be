/* SPDX-License-Identifier: MIT */
/* findings - what probes have found, in the order in which they looked.
 *
 * A probe says exactly one thing about its id: pass, warn, fail, or unknown with what would
 * tell more. Not being allowed to look is never a fail.
 */
#ifndef AGENT_AUDIT_FINDINGS_H
#define AGENT_AUDIT_FINDINGS_H

#include "agent/audit/machine.h"
#include "proto/wire/aolani.pb-c.h"
#include "proto/wire/auditlist.h"

#define FINDING_TEXT 500u /* of evidence: what is longer ends in "..." */

struct findings {
    Aolani__AuditFindings
        *m; /* owned; NULL: no memory, and nothing is added any more */
};

void findings_init(struct findings *f);
void findings_fini(struct findings *f);
/* The message is the caller's from now on; NULL: there was no memory. */
Aolani__AuditFindings *findings_take(struct findings *f);

/* source: the file or call it was read from, "CPUID 0x40000000". The evidence is made
 * printable. A second finding for an id is a mistake of ours (it ends the program). */
void found(struct findings *f, enum audit_probe id, enum audit_verdict v,
           const char *source, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* Of the last finding: what would tell more ("root", "the nvidia driver"). */
void found_more(struct findings *f, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Of the last finding: what nodes that are alike have in common ("570.86.15", "0"). Never
 * what is a node's own (a serial number, a host name, a measurement). */
void found_value(struct findings *f, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Each adds a finding for every one of its probes, on any machine. */
typedef void (*look_f)(const struct machine *m, struct findings *f);
void look_hypervisor(const struct machine *m, struct findings *f); /* HV, CT */
void look_pci(const struct machine *m, struct findings *f);        /* PC */
void look_numa(const struct machine *m, struct findings *f);       /* NU */
void look_tunables(const struct machine *m, struct findings *f);   /* KP */
void look_network(const struct machine *m, struct findings *f);    /* NW */
void look_gpus(const struct machine *m, struct findings *f);       /* GP, HV13, PC7 */
void look_timers(const struct machine *m, struct findings *f);     /* TM */

#endif
