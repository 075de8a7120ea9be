/* SPDX-License-Identifier: MIT */
/* tunables.c - parameters of the kernel: what a setting that was tried means, and those of
 * memory (KP1 to KP6). Others: tunables_cpus.c, tunables_rights.c, tunables_network.c. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/audit/tunables_impl.h"

#define VM   "/proc/sys/vm/"
#define HUGE "/sys/kernel/mm/transparent_hugepage/"

enum tunable_set tunable_of(const struct machine *m, int rc)
{
    switch (rc) {
    case 0:
        return TUNABLE_SETTABLE;
    case -EACCES:
    case -EPERM:
        return machine_is_root(m) ? TUNABLE_LOCKED : TUNABLE_HIDDEN;
    case -EROFS:
        return TUNABLE_LOCKED;
    default:
        return TUNABLE_UNTRIED;
    }
}

enum tunable_set tunable_file(const struct machine *m, const char *path)
{
    return machine_exists(m, path) ? tunable_of(m, machine_writable(m, path))
                                   : TUNABLE_UNTRIED;
}

enum tunable_set tunable_worse(enum tunable_set a, enum tunable_set b)
{
    static const int order[] = {[TUNABLE_UNTRIED] = 0,
                                [TUNABLE_SETTABLE] = 1,
                                [TUNABLE_HIDDEN] = 2,
                                [TUNABLE_LOCKED] = 3};
    return order[a] >= order[b] ? a : b;
}

const char *tunable_words(const struct machine *m, enum tunable_set s)
{
    static const char *const words[] = {
        [TUNABLE_SETTABLE] = "can be set",
        [TUNABLE_LOCKED] = "cannot be set, by root either",
        [TUNABLE_HIDDEN] = "not to be set by this user",
        [TUNABLE_UNTRIED] = "whether it can be set was not tried"};
    if (s == TUNABLE_LOCKED && machine_uid(m) == 0)
        return "cannot be set, though by root";
    return words[s];
}

void tunable_found(const struct machine *m, struct findings *f, enum audit_probe id,
                   enum tunable_set s, bool wanted, const char *source,
                   const char *value, const char *text)
{
    enum audit_verdict v = s == TUNABLE_LOCKED     ? AUDIT_FAIL
                           : !wanted               ? AUDIT_WARN
                           : s == TUNABLE_SETTABLE ? AUDIT_PASS
                                                   : AUDIT_UNKNOWN;
    found(f, id, v, source, "%s; %s", text, tunable_words(m, s));
    if (s == TUNABLE_HIDDEN)
        found_more(f, machine_uid(m) ? "root" : "root of the machine itself");
    found_value(f, "%s", value);
}

/* ---- numbers of which one range is right */

static const struct number {
    enum audit_probe id;
    const char *path;
    int64_t least, most;
    const char *wanted;
    const char *absent; /* what it means that the kernel has it not: it is as wanted */
} numbers[] = {
    {AUDIT_KP1, "/proc/sys/kernel/numa_balancing", 0, 0, "0",
     "not there: the kernel moves no memory by itself"},
    {AUDIT_KP5, VM "swappiness", 0, 10, "0 to 10",
     "not there: the kernel does not swap"},
    {AUDIT_KP6, VM "zone_reclaim_mode", 0, 0, "0", "not there: one NUMA node alone"},
};

/* Without swap it does not matter how eagerly it would be used. */
static bool has_swap(const struct machine *m)
{
    char text[512];
    ssize_t n = machine_read(m, "/proc/swaps", text, sizeof text);
    const char *second = n > 0 ? strchr(text, '\n') : NULL;
    return n < 0 || (second && second[1]);
}

/* Missing below a /proc that has no parameters at all tells nothing. */
static void found_absent(const struct machine *m, struct findings *f,
                         enum audit_probe id, const char *source, const char *means)
{
    if (machine_exists(m, "/proc/sys")) {
        found(f, id, AUDIT_PASS, source, "%s", means);
        found_value(f, "none");
    } else {
        found(f, id, AUDIT_UNKNOWN, source, "there is no /proc/sys");
    }
}

static void found_unreadable(struct findings *f, enum audit_probe id,
                             const char *source, int rc)
{
    found(f, id, AUDIT_UNKNOWN, source, "cannot be read: %s", strerror(-rc));
    if (rc == -EACCES || rc == -EPERM)
        found_more(f, "root");
}

static void look_number(const struct machine *m, const struct number *n,
                        struct findings *f)
{
    int64_t v;
    char value[32], text[96];
    int rc = machine_int(m, n->path, &v);
    if (rc == -ENOENT) {
        found_absent(m, f, n->id, n->path, n->absent);
        return;
    }
    if (rc < 0) {
        found_unreadable(f, n->id, n->path, rc);
        return;
    }
    bool wanted = v >= n->least && v <= n->most;
    bool idle = !wanted && n->id == AUDIT_KP5 && !has_swap(m);
    (void)snprintf(value, sizeof value, "%lld", (long long)v);
    if (wanted)
        (void)snprintf(text, sizeof text, "%s", value);
    else
        (void)snprintf(text, sizeof text, "%s%s%s", value, idle ? "" : ", wanted ",
                       idle ? ", but there is no swap" : n->wanted);
    tunable_found(m, f, n->id, tunable_file(m, n->path), wanted || idle, n->path, value,
                  text);
}

/* ---- choices: "always [madvise] never" */

static void look_choice(const struct machine *m, enum audit_probe id, const char *path,
                        const char *unwanted, const char *why, struct findings *f)
{
    char line[256], value[64], text[160];
    int rc = machine_line(m, path, line, sizeof line);
    if (rc == -ENOENT) {
        found(f, id, AUDIT_WARN, path,
              "not there: the kernel has no huge pages of this kind");
        return;
    }
    if (rc < 0) {
        found_unreadable(f, id, path, rc);
        return;
    }
    if (!machine_choice(line, value, sizeof value)) {
        found(f, id, AUDIT_UNKNOWN, path, "not understood: \"%s\"", line);
        return;
    }
    bool wanted = strcmp(value, unwanted) != 0;
    (void)snprintf(text, sizeof text, "%s%s", value, wanted ? "" : why);
    tunable_found(m, f, id, tunable_file(m, path), wanted, path, value, text);
}

/* ---- pages that are set aside */

static void look_reserved(const struct machine *m, struct findings *f)
{
    const char *path = VM "nr_hugepages";
    int64_t n;
    char value[32], text[128];
    int rc = machine_int(m, path, &n), tried = machine_call(m, MACHINE_HUGEPAGE);
    if (rc == -ENOENT) {
        found(f, AUDIT_KP4, AUDIT_WARN, path,
              "not there: the kernel can set none aside");
        return;
    }
    if (rc < 0) {
        found_unreadable(f, AUDIT_KP4, path, rc);
        return;
    }
    bool forbidden = tried == -EPERM || tried == -EACCES;
    (void)snprintf(value, sizeof value, "%lld", (long long)n);
    (void)snprintf(text, sizeof text, "%lld set aside%s", (long long)n,
                   forbidden                   ? ", and to map one is forbidden"
                   : tried == 0                ? ", one can be mapped"
                   : n > 0 && tried == -ENOMEM ? ", none of them free"
                                               : "");
    tunable_found(m, f, AUDIT_KP4, tunable_file(m, path), !forbidden, path, value,
                  text);
}

void look_tunables(const struct machine *m, struct findings *f)
{
    look_number(m, &numbers[0], f);
    look_choice(m, AUDIT_KP2, HUGE "enabled", "never", ", wanted madvise or always", f);
    look_choice(m, AUDIT_KP3, HUGE "defrag", "always",
                ": any fault may wait for memory to be moved", f);
    look_reserved(m, f);
    look_number(m, &numbers[1], f);
    look_number(m, &numbers[2], f);
    tunables_look_scheduling(m, f);
    tunables_look_cpus(m, f);
    tunables_look_interrupts(m, f);
    tunables_look_network(m, f);
    tunables_look_rights(m, f);
}
