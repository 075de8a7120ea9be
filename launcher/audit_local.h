/* SPDX-License-Identifier: MIT */
/* audit_local - the audit of this machine, or of a tree of recorded facts, without an
 * agent: aolani-audit as a child of ours, asked as an agent would ask it.
 *
 * It has one node, of which `said` comes for each answer as from an agent; so conduct asks
 * either way. A node that cannot be asked answers so: nothing else is ever lost here.
 */
#ifndef LAUNCHER_AUDIT_LOCAL_H
#define LAUNCHER_AUDIT_LOCAL_H

#include "proto/base/err.h"
#include "proto/base/loop.h"
#include "proto/wire/aolani.pb-c.h"

struct audit_local;
/* For conduct_said(): m is freed after the call, what is taken out of it must be left NULL.
 * Comes from the loop, never from within audit_local_ask. */
typedef void (*audit_local_f)(void *arg, Aolani__AuditSaid *m);

/* root: a folder, by reference; NULL: this machine. ERR_USAGE: there is no such folder;
 * ERR_BOOT: there is no aolani-audit. */
int audit_local_create(struct loop *l, const char *root, audit_local_f said, void *arg,
                       struct audit_local **ret, struct err *e);
/* For conduct_ops.ask. One at a time. */
int audit_local_ask(struct audit_local *a, const Aolani__AuditAsk *m);
void audit_local_destroy(struct audit_local *a); /* ends it; not from within `said` */

#endif
