/* SPDX-License-Identifier: MIT */
/* hypervisor_model.c - a CPU whose features do not fit its model (HV11): a hypervisor gives a
 * model's name, and withholds what it does not emulate. */
#include "agent/audit/hypervisor_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEAF_POWER  0x6u
#define LEAF_CLOCK  0x15u
#define LEAF_SPEED  0x16u
#define LEAF_PMU    0xau
#define LEAF_AMD_PM 0x80000007u
#define APERF       0u                               /* bit of LEAF_POWER's ecx */
#define HW_PSTATE   7u                               /* bit of LEAF_AMD_PM's edx */
#define AMX         (1u << 22 | 1u << 24 | 1u << 25) /* of leaf 7's edx */

/* Intel's servers since Skylake: all tell their clock. */
static const uint32_t tells_clock[] = {0x55, 0x6a, 0x6c, 0x8f, 0xcf, 0xad, 0xae, 0xaf};
/* Models that were made before AMX, or without it. */
static const uint32_t no_amx[] = {0x3f, 0x4f, 0x55, 0x56, 0x6a, 0x6c, 0x97,
                                  0x9a, 0xa5, 0xa7, 0xaf, 0xb7, 0xba, 0xbf};

struct cpu {
    const struct machine *m;
    bool intel, amd;
    uint32_t family, model;
    char odd[256];
};

static bool is_in(uint32_t v, const uint32_t *all, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (all[i] == v)
            return true;
    return false;
}

static void odd(struct cpu *c, const char *what)
{
    size_t len = strlen(c->odd);
    (void)snprintf(c->odd + len, sizeof c->odd - len, "%s%s", len ? ", " : "", what);
}

static bool cpu_read(const struct machine *m, struct cpu *c)
{
    uint32_t r[4], v[4];
    char maker[13] = "";
    *c = (struct cpu){.m = m};
    if (!machine_cpuid(m, 0, 0, v) || !machine_leaf(m, 1, 0, r))
        return false;
    memcpy(maker, v + 1, 4);
    memcpy(maker + 4, v + 3, 4);
    memcpy(maker + 8, v + 2, 4);
    c->intel = !strcmp(maker, "GenuineIntel");
    c->amd = !strcmp(maker, "AuthenticAMD") || !strcmp(maker, "HygonGenuine");
    c->family = (r[0] >> 8 & 15) + ((r[0] >> 8 & 15) == 15 ? r[0] >> 20 & 255 : 0);
    c->model = (r[0] >> 4 & 15) | (r[0] >> 12 & 0xf0);
    return true;
}

static void look_intel(struct cpu *c)
{
    uint32_t a[4], b[4];
    bool server = c->family == 6 && is_in(c->model, tells_clock,
                                          sizeof tells_clock / sizeof *tells_clock);
    if (server && machine_leaf(c->m, LEAF_CLOCK, 0, a) &&
        machine_leaf(c->m, LEAF_SPEED, 0, b) && !a[0] && !a[1] && !b[0])
        odd(c, "clock not told (leaves 0x15, 0x16 are 0)");
    if (machine_leaf(c->m, LEAF_PMU, 0, a) && !(a[0] & 255))
        odd(c, "no performance counters (leaf 0xa is 0)");
    if (machine_leaf(c->m, LEAF_POWER, 0, a) && !(a[2] >> APERF & 1))
        odd(c, "speed not told (leaf 0x6)");
    if (c->family == 6 && is_in(c->model, no_amx, sizeof no_amx / sizeof *no_amx) &&
        machine_leaf(c->m, 7, 0, a) && (a[3] & AMX))
        odd(c, "AMX, which this model has not");
}

static void look_amd(struct cpu *c)
{
    uint32_t a[4];
    if (c->family < 0x17)
        return;
    if (machine_leaf(c->m, LEAF_AMD_PM, 0, a) && !(a[3] >> HW_PSTATE & 1))
        odd(c, "no hardware speeds (leaf 0x80000007)");
    if (machine_leaf(c->m, LEAF_POWER, 0, a) && !(a[2] >> APERF & 1))
        odd(c, "speed not told (leaf 0x6)");
}

/* Revisions that hypervisors make up: KVM's for Intel and AMD, and "not to be read". */
static void look_microcode(struct cpu *c)
{
    char text[32], what[64];
    if (machine_cpuinfo(c->m, "microcode", text, sizeof text) < 0)
        return;
    unsigned long v = strtoul(text, NULL, 0);
    if (v != 0x1 && v != 0x1000065 && v != 0xffffffff)
        return;
    (void)snprintf(what, sizeof what, "microcode %s", text);
    odd(c, what);
}

void hypervisor_look_model(const struct machine *m, struct findings *f)
{
    struct cpu c;
    const char *source = "CPUID, /proc/cpuinfo";
    if (!cpu_read(m, &c)) {
        found(f, AUDIT_HV11, AUDIT_UNKNOWN, source, "no CPUID: not an x86 CPU");
        return;
    }
    if (c.intel)
        look_intel(&c);
    if (c.amd)
        look_amd(&c);
    look_microcode(&c);
    if (c.odd[0])
        found(f, AUDIT_HV11, AUDIT_WARN, source, "family %u model 0x%x: %s", c.family,
              c.model, c.odd);
    else if (!c.intel && !c.amd)
        found(f, AUDIT_HV11, AUDIT_UNKNOWN, source, "not a CPU of Intel or AMD");
    else
        found(f, AUDIT_HV11, AUDIT_PASS, source,
              "family %u model 0x%x, as it should be", c.family, c.model);
    found_value(f, "family %u model 0x%x", c.family, c.model);
}
