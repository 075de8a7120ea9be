/* SPDX-License-Identifier: MIT */
/* tunables_rights.c - memory that may be locked for RDMA (KP13), watchdog and counters (KP14),
 * and modules of the kernel that let NICs reach GPU memory (KP15). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/audit/tunables_impl.h"

#define KERNEL "/proc/sys/kernel/"

#define CAP_LOCK   14u /* CAP_IPC_LOCK */
#define CAP_MODULE 16u /* CAP_SYS_MODULE */

static int has_capability(const struct machine *m, unsigned bit)
{
    char text[4096];
    if (machine_read(m, "/proc/self/status", text, sizeof text) <= 0)
        return -1;
    const char *at = strstr(text, "\nCapEff:");
    return at ? (int)(strtoull(at + 8, NULL, 16) >> bit & 1) : -1;
}

static int names_in(const struct machine *m, const char *path)
{
    char **names;
    int n = machine_list(m, path, &names);
    machine_free_names(names, n);
    return n;
}

/* ---- KP13: what the launcher's agent has, its ranks have */

static void look_locked(const struct machine *m, struct findings *f)
{
    const char *source = "/proc/self/limits";
    char text[4096], soft[32] = "";
    ssize_t n = machine_read(m, source, text, sizeof text);
    const char *at = n > 0 ? strstr(text, "Max locked memory") : NULL;
    if (!at || sscanf(at, "Max locked memory %31s", soft) != 1) {
        found(f, AUDIT_KP13, AUDIT_UNKNOWN, source, "the limit cannot be read");
        return;
    }
    int hcas = names_in(m, "/sys/class/infiniband");
    if (!strcmp(soft, "unlimited"))
        found(f, AUDIT_KP13, AUDIT_PASS, source, "unlimited");
    else if (hcas <= 0)
        found(f, AUDIT_KP13, AUDIT_PASS, source,
              "%s bytes; there is no HCA that needs more", soft);
    else if (has_capability(m, CAP_LOCK) == 1)
        found(f, AUDIT_KP13, AUDIT_WARN, source,
              "%s bytes, which hold for any but root; %d HCAs need it unlimited", soft,
              hcas);
    else
        found(f, AUDIT_KP13, AUDIT_FAIL, source,
              "%s bytes: memory for %d HCAs cannot be registered", soft, hcas);
    found_value(f, "%s", soft);
}

/* ---- KP14 */

/* Where the CPU has nothing to drive the watchdog by, it is off and cannot be set, by nobody:
 * so it counts only where it is on. */
static void look_watchdog(const struct machine *m, struct findings *f)
{
    const char *dog = KERNEL "nmi_watchdog";
    const char *perf = KERNEL "perf_event_paranoid";
    int64_t on = 0, paranoid = 0;
    char text[160], value[64], d[24] = "not there", p[24] = "not there";
    int rc = machine_int(m, dog, &on), rp = machine_int(m, perf, &paranoid);
    if (rc < 0 && rp < 0) {
        found(f, AUDIT_KP14, AUDIT_UNKNOWN, dog, "cannot be read: %s", strerror(-rc));
        if (rc == -EACCES || rc == -EPERM)
            found_more(f, "root");
        return;
    }
    if (rc == 0)
        (void)snprintf(d, sizeof d, "%lld", (long long)on);
    if (rp == 0)
        (void)snprintf(p, sizeof p, "%lld", (long long)paranoid);
    bool wanted = (rc < 0 || on == 0) && (rp < 0 || paranoid <= 1);
    (void)snprintf(text, sizeof text, "nmi_watchdog %s%s, perf_event_paranoid %s%s", d,
                   rc == 0 && on ? " (wanted 0)" : "", p,
                   rp == 0 && paranoid > 1 ? " (wanted 1 or less)" : "");
    (void)snprintf(value, sizeof value, "%s, %s", d, p);
    enum tunable_set set = rp == 0 ? tunable_file(m, perf) : TUNABLE_UNTRIED;
    if (rp < 0 || (rc == 0 && on))
        set = tunable_worse(set, tunable_file(m, dog));
    tunable_found(m, f, AUDIT_KP14, set, wanted, rp < 0 || (rc == 0 && on) ? dog : perf,
                  value, text);
}

/* ---- KP15 */

static void look_modules(const struct machine *m, struct findings *f)
{
    const char *source = "/sys/module, " KERNEL "modules_disabled";
    bool driver = machine_exists(m, "/sys/module/nvidia");
    bool peer = machine_exists(m, "/sys/module/nvidia_peermem") ||
                machine_exists(m, "/sys/module/nv_peer_mem");
    int64_t off = 0;
    int rc = machine_int(m, KERNEL "modules_disabled", &off);
    int may = has_capability(m, CAP_MODULE);
    const char *have = !driver ? "no nvidia driver"
                       : peer  ? "nvidia_peermem is loaded"
                               : "nvidia_peermem is not loaded";
    if (rc < 0 && rc != -ENOENT)
        found(f, AUDIT_KP15, AUDIT_UNKNOWN, source,
              "%s; whether others can be is not told", have);
    else if (rc == -ENOENT)
        found(f, AUDIT_KP15, driver && !peer ? AUDIT_WARN : AUDIT_PASS, source,
              "%s; the kernel loads no modules", have);
    else if (off)
        found(f, AUDIT_KP15, AUDIT_FAIL, source,
              "%s; loading was switched off until the next start", have);
    else if (may == 1 || peer)
        found(f, AUDIT_KP15, AUDIT_PASS, source, "%s%s", have,
              may == 1 ? "; modules can be loaded" : "");
    else
        found(f, AUDIT_KP15, AUDIT_UNKNOWN, source, "%s; not to be loaded by this user",
              have);
    if (rc < 0 && rc != -ENOENT)
        found_more(f, "root");
    else if (rc == 0 && !off && may != 1 && !peer)
        found_more(f, machine_uid(m) ? "root" : "CAP_SYS_MODULE");
    found_value(f, "%s", have);
}

void tunables_look_rights(const struct machine *m, struct findings *f)
{
    look_locked(m, f);
    look_watchdog(m, f);
    look_modules(m, f);
}
