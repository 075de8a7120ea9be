/* SPDX-License-Identifier: MIT */
/* gpus_state.c - how GPUs are set up: MIG, ECC, clocks, compute mode, ... */
#include <stdio.h>
#include <string.h>

#include "agent/audit/gpus_impl.h"

#define COUNT(list) (sizeof(list) / sizeof *(list))
#define SLOWED_HARD \
    (NVMLLIB_SLOWED_HW | NVMLLIB_SLOWED_HW_HEAT | NVMLLIB_SLOWED_HW_BRAKE)

/* Usable GPUs whose state is v. */
static gpus_set are(const struct gpus *g, enum nvmllib_state s, int64_t v)
{
    gpus_set usable = gpus_usable(g), r = {0};
    for (uint32_t i = 0; i < g->n; i++)
        if (gpus_has(usable, i) && g->gpu[i].state[s] == v)
            gpus_put(&r, i);
    return r;
}

static gpus_set unsaid(const struct gpus *g, enum nvmllib_state s)
{
    return are(g, s, -1);
}

static gpus_set less(gpus_set a, gpus_set b)
{
    return (gpus_set){a.bits & ~b.bits};
}

/* Those whose two states are known and not the same. */
static gpus_set differ(const struct gpus *g, enum nvmllib_state a, enum nvmllib_state b)
{
    gpus_set usable = gpus_usable(g), r = {0};
    for (uint32_t i = 0; i < g->n; i++) {
        const int64_t *s = g->gpu[i].state;
        if (gpus_has(usable, i) && s[a] >= 0 && s[b] >= 0 && s[a] != s[b])
            gpus_put(&r, i);
    }
    return r;
}

/* What all usable GPUs have in common, for comparing nodes. Words for the numbers from 0,
 * or NULL. */
static void common(const struct gpus *g, struct findings *f, enum nvmllib_state s,
                   const char *const *words, int64_t n_words)
{
    gpus_set usable = gpus_usable(g);
    int64_t v = -1;
    for (uint32_t i = 0; i < g->n; i++) {
        int64_t w = g->gpu[i].state[s];
        if (!gpus_has(usable, i) || w < 0)
            continue;
        if (v >= 0 && v != w) {
            found_value(f, "mixed");
            return;
        }
        v = w;
    }
    if (v >= 0 && v < n_words)
        found_value(f, "%s", words[v]);
    else if (v >= 0)
        found_value(f, "%lld", (long long)v);
}

static const char *const off_on[] = {"off", "on"};
static const char *const virtuals[] = {"not virtualized", "passed through",
                                       "virtual gpu", "host of virtual gpus",
                                       "host of shared graphics"};
static const char *const modes[] = {"default", "exclusive thread", "prohibited",
                                    "exclusive process"};

static void virtualization(const struct gpus *g, struct findings *f)
{
    const enum nvmllib_state s = NVMLLIB_VIRTUALIZATION;
    const struct gpus_line lines[] = {
        {are(g, s, NVMLLIB_PASSTHROUGH), AUDIT_FAIL, "passed through to a guest"},
        {are(g, s, NVMLLIB_VGPU), AUDIT_FAIL, "a virtual gpu"},
        {are(g, s, NVMLLIB_HOST_VGPU), AUDIT_WARN, "the host of virtual gpus"},
        {are(g, s, NVMLLIB_HOST_VSGA), AUDIT_WARN, "the host of shared graphics"},
        {unsaid(g, s), AUDIT_UNKNOWN, "virtualization not said"},
    };
    gpus_say(g, f, AUDIT_HV13, lines, COUNT(lines), "not virtualized");
    common(g, f, s, virtuals, COUNT(virtuals));
}

static void mig(const struct gpus *g, struct findings *f)
{
    gpus_set on = are(g, NVMLLIB_MIG, 1);
    const struct gpus_line lines[] = {
        {on, AUDIT_FAIL, "MIG is on: a program can use one part of it"},
        {less(differ(g, NVMLLIB_MIG, NVMLLIB_MIG_PENDING), on), AUDIT_WARN,
         "MIG is on after the next reset"},
    };
    /* One that knows no MIG is not divided either. */
    gpus_say(g, f, AUDIT_GP1, lines, COUNT(lines), "MIG off");
    common(g, f, NVMLLIB_MIG, off_on, COUNT(off_on));
}

static void ecc(const struct gpus *g, struct findings *f)
{
    gpus_set pending = differ(g, NVMLLIB_ECC, NVMLLIB_ECC_PENDING);
    const struct gpus_line lines[] = {
        {pending, AUDIT_WARN, "ECC changes with the next reset"},
        {less(are(g, NVMLLIB_ECC, 0), pending), AUDIT_WARN, "ECC is off"},
        {unsaid(g, NVMLLIB_ECC), AUDIT_UNKNOWN, "ECC not known to it"},
    };
    gpus_say(g, f, AUDIT_GP2, lines, COUNT(lines), "ECC on");
    common(g, f, NVMLLIB_ECC, off_on, COUNT(off_on));
}

static void persistence(const struct gpus *g, struct findings *f)
{
    const struct gpus_line lines[] = {
        {are(g, NVMLLIB_PERSISTENCE, 0), AUDIT_WARN,
         "persistence mode is off: each start waits for the driver"},
        {unsaid(g, NVMLLIB_PERSISTENCE), AUDIT_UNKNOWN, "persistence mode not said"},
    };
    gpus_say(g, f, AUDIT_GP3, lines, COUNT(lines), "persistence mode on");
    common(g, f, NVMLLIB_PERSISTENCE, off_on, COUNT(off_on));
}

static void memory(const struct gpus *g, struct findings *f)
{
    gpus_set usable = gpus_usable(g), unknown, repaired = {0};
    unknown.bits =
        unsaid(g, NVMLLIB_ROWS_FAILED).bits & unsaid(g, NVMLLIB_PAGES_PENDING).bits;
    for (uint32_t i = 0; i < g->n; i++) {
        const int64_t *s = g->gpu[i].state;
        if (gpus_has(usable, i) && s[NVMLLIB_ROWS_UNCORRECTED] > 0)
            gpus_put(&repaired, i);
    }
    gpus_set failed = are(g, NVMLLIB_ROWS_FAILED, 1),
             pending = less(are(g, NVMLLIB_ROWS_PENDING, 1), failed),
             pages = less(are(g, NVMLLIB_PAGES_PENDING, 1), failed);
    gpus_set worse = {failed.bits | pending.bits | pages.bits};
    const struct gpus_line lines[] = {
        {failed, AUDIT_FAIL, "memory rows could not be remapped: to be replaced"},
        {pending, AUDIT_FAIL, "memory rows wait for a reset to be remapped"},
        {less(pages, pending), AUDIT_FAIL,
         "memory pages wait for a reset to be retired"},
        {less(repaired, worse), AUDIT_PASS, "rows remapped after uncorrectable errors"},
        {unknown, AUDIT_UNKNOWN, "remapped rows not known to it"},
    };
    gpus_say(g, f, AUDIT_GP4, lines, COUNT(lines), "no rows wait to be remapped");
}

/* Usable GPUs slowed for any of these reasons. */
static gpus_set slowed(const struct gpus *g, int64_t reasons)
{
    gpus_set usable = gpus_usable(g), r = {0};
    for (uint32_t i = 0; i < g->n; i++) {
        int64_t v = g->gpu[i].state[NVMLLIB_REASONS];
        if (gpus_has(usable, i) && v >= 0 && (v & reasons))
            gpus_put(&r, i);
    }
    return r;
}

static void reasons(const struct gpus *g, struct findings *f)
{
    gpus_set heat = slowed(g, NVMLLIB_SLOWED_HW_HEAT),
             brake = less(slowed(g, NVMLLIB_SLOWED_HW_BRAKE), heat),
             hard = slowed(g, SLOWED_HARD), soft = slowed(g, NVMLLIB_SLOWED_SW_HEAT);
    const struct gpus_line lines[] = {
        {heat, AUDIT_FAIL, "slowed by its hardware: too hot"},
        {brake, AUDIT_FAIL, "slowed by its hardware: power brake"},
        {less(less(hard, heat), brake), AUDIT_FAIL, "slowed by its hardware"},
        {less(soft, hard), AUDIT_WARN, "slowed by its driver: hot"},
        {less(less(slowed(g, NVMLLIB_SLOWED_POWER), hard), soft), AUDIT_PASS,
         "at its power limit"},
        {unsaid(g, NVMLLIB_REASONS), AUDIT_UNKNOWN, "reasons not said"},
    };
    gpus_say(g, f, AUDIT_GP5, lines, COUNT(lines), "not slowed");
}

/* Below its maximum are the defaults of some models, which nevertheless run faster: what
 * counts is a setting below the default, and one that holds clocks down now. */
static void clocks(const struct gpus *g, struct findings *f)
{
    gpus_set usable = gpus_usable(g), low = {0}, held = {0};
    gpus_set setting = slowed(g, NVMLLIB_SLOWED_SETTING);
    for (uint32_t i = 0; i < g->n; i++) {
        const int64_t *s = g->gpu[i].state;
        int64_t now = s[NVMLLIB_CLOCK];
        if (!gpus_has(usable, i) || now < 0)
            continue;
        if (now < s[NVMLLIB_CLOCK_DEFAULT])
            gpus_put(&low, i);
        else if (gpus_has(setting, i) && now < s[NVMLLIB_CLOCK_MAX])
            gpus_put(&held, i);
    }
    const struct gpus_line lines[] = {
        {low, AUDIT_WARN, "clocks for applications are set below the default"},
        {held, AUDIT_WARN, "held below its fastest clock by a setting"},
        {unsaid(g, NVMLLIB_CLOCK), AUDIT_UNKNOWN, "clocks for applications not said"},
    };
    gpus_say(g, f, AUDIT_GP6, lines, COUNT(lines), "no setting slows it");
    common(g, f, NVMLLIB_CLOCK, NULL, 0);
}

static void compute_mode(const struct gpus *g, struct findings *f)
{
    const enum nvmllib_state s = NVMLLIB_COMPUTE_MODE;
    const struct gpus_line lines[] = {
        {are(g, s, NVMLLIB_PROHIBITED), AUDIT_FAIL, "compute mode: prohibited"},
        {are(g, s, NVMLLIB_EXCLUSIVE_PROCESS), AUDIT_WARN,
         "compute mode: exclusive process"},
        {are(g, s, NVMLLIB_EXCLUSIVE_THREAD), AUDIT_WARN,
         "compute mode: exclusive thread"},
        {unsaid(g, s), AUDIT_UNKNOWN, "compute mode not said"},
    };
    gpus_say(g, f, AUDIT_GP8, lines, COUNT(lines), "compute mode: default");
    common(g, f, s, modes, COUNT(modes));
}

void gpus_judge_states(const struct gpus *g, struct findings *f)
{
    virtualization(g, f);
    mig(g, f);
    ecc(g, f);
    persistence(g, f);
    memory(g, f);
    reasons(g, f);
    clocks(g, f);
    compute_mode(g, f);
}
