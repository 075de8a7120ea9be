/* SPDX-License-Identifier: MIT */
/* timers.c - clocks that everything else is timed by (TM1, TM2), and what makes equal cores
 * run at unequal speeds (TM3). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/audit/findings.h"

#define CLOCKSOURCE "/sys/devices/system/clocksource/clocksource0/"
#define CPUS        "/sys/devices/system/cpu/"

#define INVARIANT   8u /* bit of CPUID 0x80000007's edx */
#define CLOCK_TRIES 1001u
#define CLOCK_DEAR  100.0 /* ns to read it: then it is not read in user space */

/* -1: not x86. */
static int invariant(const struct machine *m, const char **source)
{
    uint32_t r[4];
    *source = "CPUID 0x80000007";
    if (machine_leaf(m, 0x80000007u, 0, r))
        return (int)(r[3] >> INVARIANT & 1);
    *source = "/proc/cpuinfo";
    int constant = machine_flag(m, "constant_tsc"),
        nonstop = machine_flag(m, "nonstop_tsc");
    return constant < 0 ? -1 : constant && nonstop;
}

static void look_counter(const struct machine *m, struct findings *f)
{
    char all[256] = "";
    const char *source;
    int is = invariant(m, &source);
    int rc = machine_line(m, CLOCKSOURCE "available_clocksource", all, sizeof all);
    if (is < 0 && (machine_has_word(all, "arch_sys_counter") ||
                   machine_has_word(all, "timebase")))
        found(f, AUDIT_TM1, AUDIT_PASS, CLOCKSOURCE "available_clocksource",
              "\"%s\", constant by its architecture", all);
    else if (is < 0)
        found(f, AUDIT_TM1, AUDIT_UNKNOWN, source, "no CPUID: not an x86 CPU");
    else if (!is)
        found(f, AUDIT_TM1, AUDIT_WARN, source,
              "the time stamp counter may change its rate, or stop");
    else if (rc == 0 && !machine_has_word(all, "tsc"))
        found(f, AUDIT_TM1, AUDIT_FAIL, CLOCKSOURCE "available_clocksource",
              "constant, but the kernel gave it up as unstable (\"%s\" is left)", all);
    else
        found(f, AUDIT_TM1, AUDIT_PASS, source, "constant, and does not stop");
}

static int by_number(const void *a, const void *b)
{
    long x = *(const long *)a, y = *(const long *)b;
    return (x > y) - (x < y);
}

/* Many readings at a time, as one is shorter than the clock can tell. */
static double clock_measure(void)
{
    enum { BATCH = 16 };
    static const int n = CLOCK_TRIES;
    long *all = malloc(CLOCK_TRIES * sizeof *all);
    if (!all)
        return 0;
    for (int i = 0; i < n; i++) {
        struct timespec from, to = {0};
        (void)clock_gettime(CLOCK_MONOTONIC, &from);
        for (int k = 0; k < BATCH; k++)
            (void)clock_gettime(CLOCK_MONOTONIC, &to);
        all[i] = (to.tv_sec - from.tv_sec) * 1000000000l + to.tv_nsec - from.tv_nsec;
    }
    qsort(all, CLOCK_TRIES, sizeof *all, by_number);
    double ns = (double)all[n / 2] / BATCH;
    free(all);
    return ns;
}

static enum audit_verdict clock_verdict(const char *name)
{
    static const char *const good[] = {"tsc", "arch_sys_counter", "timebase", "tod"};
    static const char *const slow[] = {"hpet", "acpi_pm", "jiffies", "refined-jiffies",
                                       "pit"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!strcmp(name, good[i]))
            return AUDIT_PASS;
    for (size_t i = 0; i < sizeof slow / sizeof *slow; i++)
        if (!strcmp(name, slow[i]))
            return AUDIT_FAIL;
    return AUDIT_WARN;
}

static void look_source(const struct machine *m, struct findings *f)
{
    const char *source = CLOCKSOURCE "current_clocksource";
    char name[64], cost[48] = "";
    double ns = 0;
    int rc = machine_line(m, source, name, sizeof name);
    if (rc < 0) {
        found(f, AUDIT_TM2, AUDIT_UNKNOWN, source, "cannot be read: %s", strerror(-rc));
        if (rc == -EACCES || rc == -EPERM)
            found_more(f, "root");
        return;
    }
    if (machine_is_live(m))
        ns = clock_measure();
    else
        (void)machine_number(m, "clock-ns", &ns);
    if (ns > 0)
        (void)snprintf(cost, sizeof cost, ", %.0f ns to read", ns);
    enum audit_verdict v = clock_verdict(name);
    if (v == AUDIT_PASS && ns > CLOCK_DEAR)
        v = AUDIT_WARN;
    found(f, AUDIT_TM2, v, source, "\"%s\"%s%s", name, cost,
          v == AUDIT_FAIL   ? ": each reading is a way to a device"
          : ns > CLOCK_DEAR ? ": not read in user space"
                            : "");
    found_value(f, "%s", name);
}

/* 1 on, 0 off, -1 not to be seen. */
static int boost(const struct machine *m, const char **source)
{
    int64_t v;
    *source = CPUS "intel_pstate/no_turbo";
    if (machine_int(m, *source, &v) == 0)
        return !v;
    *source = CPUS "cpufreq/boost";
    if (machine_int(m, *source, &v) == 0)
        return v != 0;
    return -1;
}

static void look_boost(const struct machine *m, struct findings *f)
{
    const char *source;
    int64_t threads;
    int on = boost(m, &source);
    int rc = machine_int(m, CPUS "smt/active", &threads);
    const char *smt = rc < 0 ? "not told" : threads ? "on" : "off";
    const char *boosts = on < 0 ? "not told" : on ? "on" : "off";
    if (on < 0)
        found(f, AUDIT_TM3, AUDIT_UNKNOWN, rc < 0 ? source : CPUS "smt/active",
              "boost %s, hardware threads %s", boosts, smt);
    else
        found(f, AUDIT_TM3, on ? AUDIT_PASS : AUDIT_WARN, source,
              "boost %s, hardware threads %s", boosts, smt);
    if (on < 0 && !machine_exists(m, CPUS "cpufreq"))
        found_more(f, "a cpufreq driver, which guests have not");
    found_value(f, "boost %s, hardware threads %s", boosts, smt);
}

void look_timers(const struct machine *m, struct findings *f)
{
    look_counter(m, f);
    look_source(m, f);
    look_boost(m, f);
}
