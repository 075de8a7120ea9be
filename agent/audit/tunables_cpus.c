/* SPDX-License-Identifier: MIT */
/* tunables_cpus.c - real-time scheduling (KP7), and how CPUs sleep, run and are kept apart
 * (KP8 to KP10). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/audit/tunables_impl.h"

#define CPUS     "/sys/devices/system/cpu/"
#define RT       "/proc/sys/kernel/sched_rt_runtime_us"
#define POLICIES 4096u

void tunables_look_scheduling(const struct machine *m, struct findings *f)
{
    int64_t us = 0;
    char value[32] = "none", text[160];
    int fifo = machine_call(m, MACHINE_FIFO), rc = machine_int(m, RT, &us);
    enum tunable_set can = fifo == -ENOSYS ? TUNABLE_UNTRIED : tunable_of(m, fifo);
    if (rc == 0)
        (void)snprintf(value, sizeof value, "%lld", (long long)us);
    if (rc < 0 && can == TUNABLE_UNTRIED) {
        found(f, AUDIT_KP7, AUDIT_UNKNOWN, RT, "neither readable nor tried");
        return;
    }
    (void)snprintf(text, sizeof text, "SCHED_FIFO %s; its share of a second: %s%s",
                   can == TUNABLE_SETTABLE  ? "allowed"
                   : can == TUNABLE_UNTRIED ? "not tried"
                                            : "not allowed",
                   rc == 0 && us < 0 ? "all" : value, rc == 0 && us >= 0 ? " us" : "");
    tunable_found(m, f, AUDIT_KP7,
                  tunable_worse(can, rc == 0 ? tunable_file(m, RT) : TUNABLE_UNTRIED),
                  true, RT, value, text);
}

/* ---- KP8 */

struct governors {
    char names[4][32];
    unsigned count[4], n, other;
    unsigned eager; /* set to "performance" by one way or the other */
    unsigned all;
    int denied; /* -EACCES, ...: there may be some that are not to be seen */
    enum tunable_set set;
};

static void governor_add(struct governors *g, const char *name)
{
    unsigned i = 0;
    while (i < g->n && strcmp(g->names[i], name) != 0)
        i++;
    if (i == sizeof g->names / sizeof *g->names) {
        g->other++;
        return;
    }
    if (i == g->n)
        (void)snprintf(g->names[g->n++], sizeof g->names[0], "%s", name);
    g->count[i]++;
}

/* Where the CPU itself chooses, its governor is "powersave" and a preference counts. */
static void policy_look(const struct machine *m, const char *folder,
                        struct governors *g)
{
    char path[MACHINE_PATH], name[32], wish[32] = "";
    (void)snprintf(path, sizeof path, "%s/scaling_governor", folder);
    if (machine_line(m, path, name, sizeof name) < 0)
        return;
    g->set = tunable_worse(g->set, tunable_file(m, path));
    (void)snprintf(path, sizeof path, "%s/energy_performance_preference", folder);
    (void)machine_line(m, path, wish, sizeof wish);
    g->all++;
    g->eager += !strcmp(name, "performance") || !strcmp(wish, "performance");
    governor_add(g, name);
}

/* In cpufreq/policyN, and where that is not recorded in cpuN/cpufreq. */
static void governors_look(const struct machine *m, struct governors *g)
{
    char path[MACHINE_PATH], **names;
    int n = machine_list(m, CPUS "cpufreq", &names);
    for (int i = 0; i < n; i++) {
        (void)snprintf(path, sizeof path, CPUS "cpufreq/%.200s", names[i]);
        if (!strncmp(names[i], "policy", 6))
            policy_look(m, path, g);
    }
    machine_free_names(names, n);
    g->denied = n < 0 && n != -ENOENT ? n : 0;
    if (g->all)
        return;
    n = machine_list(m, CPUS, &names);
    g->denied = n < 0 && n != -ENOENT ? n : g->denied;
    for (int i = 0; i < n; i++) {
        (void)snprintf(path, sizeof path, CPUS "%.200s/cpufreq", names[i]);
        if (!strncmp(names[i], "cpu", 3) && strspn(names[i] + 3, "0123456789"))
            policy_look(m, path, g);
    }
    machine_free_names(names, n);
}

static void look_frequency(const struct machine *m, struct findings *f)
{
    const char *source = CPUS "cpufreq";
    struct governors g = {.set = TUNABLE_UNTRIED};
    char text[256] = "", value[128] = "";
    if (!machine_exists(m, CPUS)) {
        found(f, AUDIT_KP8, AUDIT_UNKNOWN, source, "there is no " CPUS);
        return;
    }
    governors_look(m, &g);
    if (!g.all && g.denied) {
        found(f, AUDIT_KP8, AUDIT_UNKNOWN, source, "cannot be read: %s",
              strerror(-g.denied));
        found_more(f, "root");
        return;
    }
    if (!g.all) {
        found(
            f, AUDIT_KP8, AUDIT_FAIL, source,
            "not there: the speed of CPUs cannot be set, by root either; a hypervisor "
            "or the firmware keeps it");
        found_value(f, "none");
        return;
    }
    for (unsigned i = 0; i < g.n; i++) {
        size_t at = strlen(text), end = strlen(value);
        (void)snprintf(text + at, sizeof text - at, "%s%s on %u", i ? ", " : "",
                       g.names[i], g.count[i]);
        (void)snprintf(value + end, sizeof value - end, "%s%s", i ? ", " : "",
                       g.names[i]);
    }
    size_t at = strlen(text);
    if (g.other)
        at += (size_t)snprintf(text + at, sizeof text - at, ", others on %u", g.other);
    if (g.eager < g.all)
        (void)snprintf(text + at, sizeof text - at, ", wanted performance");
    tunable_found(m, f, AUDIT_KP8, g.set, g.eager == g.all, source, value, text);
}

/* ---- KP9 */

/* The longest way back from sleep that is allowed, of the first CPU. */
static int deepest(const struct machine *m, char *ret, size_t size, int64_t *ret_us)
{
    char path[MACHINE_PATH], name[64], **names;
    int n = machine_list(m, CPUS "cpu0/cpuidle", &names), any = 0;
    *ret_us = -1;
    for (int i = 0; i < n; i++) {
        int64_t us, off = 0;
        (void)snprintf(path, sizeof path, CPUS "cpu0/cpuidle/%.100s/disable", names[i]);
        (void)machine_int(m, path, &off);
        (void)snprintf(path, sizeof path, CPUS "cpu0/cpuidle/%.100s/latency", names[i]);
        if (machine_int(m, path, &us) < 0 || off || us <= *ret_us)
            continue;
        (void)snprintf(path, sizeof path, CPUS "cpu0/cpuidle/%.100s/name", names[i]);
        if (machine_line(m, path, name, sizeof name) < 0)
            continue;
        *ret_us = us;
        (void)snprintf(ret, size, "%s", name);
        any = 1;
    }
    machine_free_names(names, n);
    return any;
}

static void look_sleep(const struct machine *m, struct findings *f)
{
    const char *source = CPUS "cpuidle, /dev/cpu_dma_latency";
    char driver[64] = "none", state[64], text[256];
    int64_t us;
    int rc = machine_line(m, CPUS "cpuidle/current_driver", driver, sizeof driver);
    int tried = machine_call(m, MACHINE_LATENCY);
    bool has = rc == 0 && strcmp(driver, "none") != 0;
    if (rc < 0 && (tried == -ENOSYS || rc != -ENOENT)) {
        found(f, AUDIT_KP9, AUDIT_UNKNOWN, source, "cannot be read: %s", strerror(-rc));
        return;
    }
    if (has && deepest(m, state, sizeof state, &us))
        (void)snprintf(text, sizeof text, "driver %s, deepest %s: %lld us to wake",
                       driver, state, (long long)us);
    else
        (void)snprintf(text, sizeof text, "driver %s", driver);
    if (!has) {
        found(f, AUDIT_KP9, AUDIT_WARN, source,
              "no driver: how CPUs sleep cannot be set on this machine");
        found_value(f, "none");
        return;
    }
    tunable_found(m, f, AUDIT_KP9,
                  tried == -ENOSYS ? TUNABLE_UNTRIED : tunable_of(m, tried), true,
                  source, driver, text);
}

/* ---- KP10: no setting of a running kernel, so nothing to fail */

static void look_isolated(const struct machine *m, struct findings *f)
{
    char isolated[512] = "", ticks[512] = "";
    int rc = machine_line(m, CPUS "isolated", isolated, sizeof isolated);
    (void)machine_line(m, CPUS "nohz_full", ticks, sizeof ticks);
    if (rc < 0) {
        found(f, AUDIT_KP10, AUDIT_UNKNOWN, CPUS "isolated", "cannot be read: %s",
              strerror(-rc));
        if (rc == -EACCES || rc == -EPERM)
            found_more(f, "root");
        return;
    }
    if (!strcmp(ticks, "(null)"))
        ticks[0] = '\0';
    found(f, AUDIT_KP10, AUDIT_PASS, CPUS "isolated", "isolated: %s; without ticks: %s",
          isolated[0] ? isolated : "none", ticks[0] ? ticks : "none");
    found_value(f, "isolated %s, without ticks %s", isolated[0] ? isolated : "none",
                ticks[0] ? ticks : "none");
}

void tunables_look_cpus(const struct machine *m, struct findings *f)
{
    look_frequency(m, f);
    look_sleep(m, f);
    look_isolated(m, f);
}
