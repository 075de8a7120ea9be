/* SPDX-License-Identifier: MIT */
/* numa.c - the probes of NUMA, in a row, and those about what the kernel does with memory. */
#include "agent/audit/numa_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- placing memory ---- */

static void find_placing(const struct numa *x, struct findings *f)
{
    static const char source[] = "set_mempolicy(MPOL_BIND)";
    int rc = machine_call(x->m, MACHINE_MEMPOLICY);
    bool live = machine_is_live(x->m);
    if (rc == 0)
        found(f, AUDIT_NU4, AUDIT_PASS, source, "memory may be bound to nodes");
    else if (rc == -EPERM || rc == -EACCES)
        found(f, AUDIT_NU4, AUDIT_FAIL, source,
              "forbidden: %s (a container's seccomp filter does that)", strerror(-rc));
    else if (rc == -ENOSYS && live && x->n)
        found(f, AUDIT_NU4, AUDIT_FAIL, source,
              "the kernel has nodes, yet the call is said not to be there");
    else if (rc == -ENOSYS && live)
        found(f, AUDIT_NU4, AUDIT_UNKNOWN, source, "this kernel has no numa");
    else if (rc == -ENOSYS)
        found(f, AUDIT_NU4, AUDIT_UNKNOWN, source, "was not recorded");
    else
        found(f, AUDIT_NU4, AUDIT_UNKNOWN, source, "%s", strerror(-rc));
}

/* ---- balancing and reclaim ---- */

static void find_moving(const struct numa *x, struct findings *f)
{
    static const char source[] =
        "/proc/sys/{kernel/numa_balancing,vm/zone_reclaim_mode}";
    int64_t balancing = 0, reclaim = 0;
    int rc = machine_int(x->m, "/proc/sys/kernel/numa_balancing", &balancing);
    int rc2 = machine_int(x->m, "/proc/sys/vm/zone_reclaim_mode", &reclaim);
    bool read = (rc == 0 || rc == -ENOENT) && (rc2 == 0 || rc2 == -ENOENT);
    if (balancing && x->n > 1)
        found(
            f, AUDIT_NU6, AUDIT_WARN, source,
            "numa_balancing %lld: pages are unmapped now and then to see who uses them",
            (long long)balancing);
    else if (reclaim)
        found(f, AUDIT_NU6, AUDIT_WARN, source,
              "zone_reclaim_mode %lld: the kernel evicts rather than use another node",
              (long long)reclaim);
    else if (!read)
        found(f, AUDIT_NU6, AUDIT_UNKNOWN, source, "%s",
              strerror(rc == 0 || rc == -ENOENT ? -rc2 : -rc));
    else if (rc < 0 && rc2 < 0 && machine_exists(x->m, "/proc/sys/vm"))
        found(f, AUDIT_NU6, AUDIT_PASS, source, "this kernel has neither");
    else if (rc < 0 && rc2 < 0)
        found(f, AUDIT_NU6, AUDIT_UNKNOWN, source, "/proc/sys is not shown");
    else
        found(f, AUDIT_NU6, AUDIT_PASS, source,
              "numa_balancing %lld, zone_reclaim_mode %lld%s", (long long)balancing,
              (long long)reclaim, balancing ? " (one node)" : "");
    if (read)
        found_value(f, "%lld %lld", (long long)balancing, (long long)reclaim);
}

void look_numa(const struct machine *m, struct findings *f)
{
    struct numa x = {.m = m};
    char text[4096];
    if (pcilist_read(m, &x.pci) < 0) {
        findings_fini(f);
        return;
    }
    if (machine_line(m, NUMA_NODES "/online", text, sizeof text) == 0 &&
        numaset_parse(text, &x.nodes) == 0)
        x.n = numaset_count(&x.nodes);
    numa_devices(&x, f);
    numa_distances(&x, f);
    numa_attributes(&x, f);
    find_placing(&x, f);
    numa_near(&x, f);
    find_moving(&x, f);
    numa_threads(&x, f);
    pcilist_fini(&x.pci);
}
