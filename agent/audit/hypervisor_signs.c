/* SPDX-License-Identifier: MIT */
/* hypervisor_signs.c - what a hypervisor gives away without being asked (HV7 to HV12). Each
 * has an innocent reason somewhere, so none of them proves anything alone. */
#include "agent/audit/hypervisor_impl.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>
#endif

#define CLOCKS "/sys/devices/system/clocksource/clocksource0/available_clocksource"

/* ---- HV7: every CPUID leaves a guest, and comes back */

#define COST_TRIES  401u
#define COST_FEW    500.0    /* cycles: more than any CPU takes by itself */
#define COST_ROUNDS 6        /* at most, as long as it seems dear */
#define COST_WAKE   3000000l /* ns of work between them */

#if defined(__x86_64__)
static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static long long now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC_RAW, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* The median, in ticks of the time stamp counter; in *ns what such a tick lasts. */
static double cost_round(double *ns)
{
    uint64_t all[COST_TRIES];
    unsigned a, b, c, d, aux;
    long long from = now_ns();
    uint64_t first = __rdtsc();
    for (unsigned i = 0; i < COST_TRIES; i++) {
        _mm_lfence();
        uint64_t t = __rdtsc();
        __cpuid(0, a, b, c, d);
        all[i] = __rdtscp(&aux) - t;
    }
    uint64_t ticks = __rdtsc() - first;
    *ns = ticks ? (double)(now_ns() - from) / (double)ticks : 0;
    qsort(all, COST_TRIES, sizeof *all, by_number);
    return (double)all[COST_TRIES / 2];
}

/* The counter runs on while a core is slow to save power, which makes all seem dear: so it
 * gets work to wake up by, and the best round counts. */
static bool cost_measure(double *cycles, double *ns)
{
    for (int i = 0; i < COST_ROUNDS; i++) {
        double tick, got = cost_round(&tick);
        if (i == 0 || got < *cycles) {
            *cycles = got;
            *ns = got * tick;
        }
        if (*cycles < COST_FEW)
            break;
        for (long long until = now_ns() + COST_WAKE; now_ns() < until;)
            ;
    }
    return true;
}
#else
static bool cost_measure(double *cycles, double *ns)
{
    *cycles = *ns = 0;
    return false;
}
#endif

void hypervisor_look_cost(const struct machine *m, struct findings *f)
{
    double cycles = 0, ns = 0;
    char also[48] = "";
    bool known = machine_is_live(m) ? cost_measure(&cycles, &ns)
                                    : machine_number(m, "cpuid-cycles", &cycles);
    if (!known) {
        found(f, AUDIT_HV7, AUDIT_UNKNOWN, "CPUID 0x0, timed",
              machine_is_live(m) ? "no CPUID: not an x86 CPU" : "not recorded");
        return;
    }
    if (!machine_is_live(m))
        (void)machine_number(m, "cpuid-ns", &ns);
    if (ns > 0)
        (void)snprintf(also, sizeof also, ", %.0f ns", ns);
    bool dear = cycles >= COST_FEW;
    found(f, AUDIT_HV7, dear ? AUDIT_WARN : AUDIT_PASS, "CPUID 0x0, timed",
          "median %.0f cycles%s%s", cycles, also,
          dear ? ": a hypervisor serves it" : "");
}

/* ---- HV8 */

void hypervisor_look_clock(const struct machine *m, struct findings *f)
{
    static const char *const foreign[] = {"kvm-clock", "hyperv_clocksource_tsc_page",
                                          "hyperv_clocksource_msr",
                                          "hyperv_clocksource", "xen"};
    char all[256];
    int rc = machine_line(m, CLOCKS, all, sizeof all);
    if (rc < 0) {
        found(f, AUDIT_HV8, AUDIT_UNKNOWN, CLOCKS, "cannot be read: %s", strerror(-rc));
        if (rc == -EACCES || rc == -EPERM)
            found_more(f, "root");
        return;
    }
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        if (!machine_has_word(all, foreign[i]))
            continue;
        found(f, AUDIT_HV8, AUDIT_WARN, CLOCKS, "\"%s\" among \"%s\"", foreign[i], all);
        return;
    }
    found(f, AUDIT_HV8, AUDIT_PASS, CLOCKS, "\"%s\", all of hardware", all);
}

/* ---- HV10 */

void hypervisor_look_counters(const struct machine *m, struct findings *f)
{
    const char *source = "perf_event_open(cycles)";
    int rc = machine_call(m, MACHINE_PERF_CYCLES);
    int64_t paranoid = -100;
    switch (rc) {
    case 0:
        found(f, AUDIT_HV10, AUDIT_PASS, source, "cycles can be counted");
        return;
    case -ENOENT:
    case -ENODEV:
    case -EOPNOTSUPP:
        found(f, AUDIT_HV10, AUDIT_WARN, source,
              "the kernel finds no counters in this CPU");
        return;
    case -ENOSYS:
        found(f, AUDIT_HV10, AUDIT_UNKNOWN, source, "the kernel has no such call");
        return;
    default:
        break;
    }
    (void)machine_int(m, "/proc/sys/kernel/perf_event_paranoid", &paranoid);
    if (rc != -EACCES && rc != -EPERM)
        found(f, AUDIT_HV10, AUDIT_UNKNOWN, source, "%s", strerror(-rc));
    else if (paranoid == -100)
        found(f, AUDIT_HV10, AUDIT_UNKNOWN, source, "not allowed here");
    else
        found(f, AUDIT_HV10, AUDIT_UNKNOWN, source,
              "not allowed here (kernel.perf_event_paranoid is %lld)",
              (long long)paranoid);
    if (rc == -EACCES || rc == -EPERM)
        found_more(f, machine_uid(m) ? "root" : "CAP_PERFMON, and no seccomp filter");
}

/* ---- HV12 */

#define STEAL      7 /* of the columns of /proc/stat */
#define STAT_ENDS  8 /* what follows is contained in the first ones */
#define STAT_TICKS 100.0

static bool stat_parse(const char *line, unsigned long long *steal, double *all)
{
    unsigned long long v[STAT_ENDS];
    int n = sscanf(line, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1],
                   &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]);
    *all = 0;
    for (int i = 0; i < n; i++)
        *all += (double)v[i];
    *steal = n == STAT_ENDS ? v[STEAL] : 0;
    return n == STAT_ENDS;
}

/* A KVM that does not tell it leaves the column at 0. */
static bool steal_is_mute(const struct machine *m, const struct hypervisor_seen *s)
{
    uint32_t r[4];
    return s->kvm_base && machine_cpuid(m, s->kvm_base + 1, 0, r) &&
           !(r[0] >> KVM_STEAL_TIME & 1);
}

void hypervisor_look_steal(const struct machine *m, const struct hypervisor_seen *s,
                           struct findings *f)
{
    const char *source = "/proc/stat";
    char line[512];
    unsigned long long ticks;
    double all;
    int rc = machine_line(m, source, line, sizeof line);
    if (rc < 0) {
        found(f, AUDIT_HV12, AUDIT_UNKNOWN, source, "cannot be read: %s",
              strerror(-rc));
        if (rc == -EACCES || rc == -EPERM)
            found_more(f, "root");
    } else if (!stat_parse(line, &ticks, &all)) {
        found(f, AUDIT_HV12, AUDIT_UNKNOWN, source, "it tells no stolen time");
    } else if (ticks) {
        found(f, AUDIT_HV12, AUDIT_WARN, source,
              "%.2f s of CPUs stolen since the start, %.3g %% of all",
              (double)ticks / STAT_TICKS, 100 * (double)ticks / all);
    } else if (steal_is_mute(m, s)) {
        found(f, AUDIT_HV12, AUDIT_UNKNOWN, source,
              "0 s, but this KVM does not tell it");
    } else {
        found(f, AUDIT_HV12, AUDIT_PASS, source, "0 s stolen since the start");
    }
}
