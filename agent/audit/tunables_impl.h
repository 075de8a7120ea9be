/* SPDX-License-Identifier: MIT */
/* tunables_impl - can a parameter be set, and is it what a job wants?
 *
 * A file is opened for writing and closed, nothing is written. That is necessary to set it,
 * not sufficient. Who may not write as a normal user has learned nothing; who may not as
 * root has learned that it is locked.
 */
#ifndef AGENT_AUDIT_TUNABLES_IMPL_H
#define AGENT_AUDIT_TUNABLES_IMPL_H

#include "agent/audit/findings.h"

enum tunable_set {
    TUNABLE_SETTABLE,
    TUNABLE_LOCKED, /* not even by root */
    TUNABLE_HIDDEN, /* not by this user, who therefore cannot tell */
    TUNABLE_UNTRIED, /* there is nothing to try, or that failed for a reason of its own */
};

/* Of an error of opening for writing. */
enum tunable_set tunable_of(const struct machine *m, int rc);
enum tunable_set tunable_file(const struct machine *m, const char *path);
/* The worse one: locked, hidden, settable; untried counts for nothing beside others. */
enum tunable_set tunable_worse(enum tunable_set a, enum tunable_set b);
/* "; can be set", "; cannot be set: Read-only file system", ... by why (an -errno). */
const char *tunable_words(const struct machine *m, enum tunable_set s);
/* wanted: its value is right. Adds found_more and found_value too. text: "60, wanted 0 to
 * 10", value: "60". */
void tunable_found(const struct machine *m, struct findings *f, enum audit_probe id,
                   enum tunable_set s, bool wanted, const char *source,
                   const char *value, const char *text);

void tunables_look_scheduling(const struct machine *m, struct findings *f); /* KP7 */
void tunables_look_cpus(const struct machine *m,
                        struct findings *f); /* KP8, KP9, KP10 */
void tunables_look_interrupts(const struct machine *m, struct findings *f); /* KP11 */
void tunables_look_network(const struct machine *m, struct findings *f);    /* KP12 */
void tunables_look_rights(const struct machine *m, struct findings *f); /* KP13 to 15 */

#endif
