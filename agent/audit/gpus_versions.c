/* SPDX-License-Identifier: MIT */
/* gpus_versions.c - the driver, the firmware of the GPUs, and whether all GPUs that the
 * bus has are the driver's to use. */
#include <stdio.h>
#include <string.h>

#include "agent/audit/gpus_impl.h"

typedef const char *(*text_of)(const struct gpus_one *o);

static const char *vbios_of(const struct gpus_one *o)
{
    return o->vbios;
}

static const char *inforom_of(const struct gpus_one *o)
{
    return o->inforom;
}

/* The text that most of them have; those that have another are put into *odd. */
static const char *usual(const struct gpus *g, text_of of, gpus_set *odd)
{
    gpus_set usable = gpus_usable(g);
    const char *best = "";
    uint32_t best_n = 0;
    for (uint32_t i = 0; i < g->n; i++) {
        uint32_t n = 0;
        for (uint32_t k = 0; k < g->n; k++)
            n += gpus_has(usable, i) && gpus_has(usable, k) &&
                 !strcmp(of(&g->gpu[i]), of(&g->gpu[k]));
        if (n > best_n) {
            best_n = n;
            best = of(&g->gpu[i]);
        }
    }
    for (uint32_t i = 0; i < g->n; i++)
        if (gpus_has(usable, i) && strcmp(of(&g->gpu[i]), best) != 0)
            gpus_put(odd, i);
    return best;
}

static bool is_shown(const struct gpus *g, const char *bus_id)
{
    for (uint32_t i = 0; i < g->n; i++)
        if (!strcmp(g->gpu[i].bus_id, bus_id))
            return true;
    return false;
}

/* GPUs on the bus that another driver holds, or none: "0000:5d:00.0 (vfio-pci)". */
static uint32_t not_ours(const struct gpus *g, const struct gpus_pci *p, char *ret,
                         size_t size)
{
    uint32_t n = 0;
    *ret = '\0';
    for (uint32_t i = 0; i < p->n; i++) {
        const struct gpus_pci_one *o = &p->gpu[i];
        if (is_shown(g, o->bus_id) || !strcmp(o->driver, "nvidia"))
            continue;
        if (n++ == 0)
            (void)snprintf(ret, size, "%s (%s)", o->bus_id,
                           *o->driver ? o->driver : "no driver");
    }
    return n;
}

static gpus_set unusable(const struct gpus *g)
{
    gpus_set usable = gpus_usable(g), r = {0};
    for (uint32_t i = 0; i < g->n; i++)
        if (!gpus_has(usable, i))
            gpus_put(&r, i);
    return r;
}

/* What is lost is broken; what may not be used, or did not answer, is not known to be. */
static enum audit_verdict loss(const struct gpus *g, gpus_set lost, const char **why)
{
    enum audit_verdict worst = AUDIT_UNKNOWN;
    *why = "";
    for (uint32_t i = 0; i < g->n; i++) {
        int code = g->gpu[i].code;
        if (!gpus_has(lost, i))
            continue;
        bool is_denied = code == NVMLLIB_NO_PERMISSION || code == NVMLLIB_BLOCKED ||
                         code == NVMLLIB_TIMEOUT;
        enum audit_verdict v = is_denied ? AUDIT_WARN : AUDIT_FAIL;
        if (v > worst) {
            worst = v;
            *why = nvmllib_why(code);
        }
    }
    return worst;
}

static const char *or_unknown(const char *text)
{
    return *text ? text : "?";
}

void gpus_judge_versions(const struct gpus *g, const struct gpus_pci *p,
                         struct findings *f)
{
    char name[160], held[80], rest[160];
    gpus_set lost = unusable(g), odd_vbios = {0}, odd_inforom = {0};
    const char *vbios = usual(g, vbios_of, &odd_vbios),
               *inforom = usual(g, inforom_of, &odd_inforom), *why;
    uint32_t n_held = not_ours(g, p, held, sizeof held);
    (void)snprintf(rest, sizeof rest, "driver %.40s, vbios %.30s, inforom %.30s",
                   or_unknown(g->driver), or_unknown(vbios), or_unknown(inforom));
    if (gpus_any(lost)) {
        enum audit_verdict v = loss(g, lost, &why);
        found(f, AUDIT_GP7, v, GPUS_SOURCE, "%s: %s; %s",
              gpus_name(g, lost, name, sizeof name), why, rest);
        if (*g->hint)
            found_more(f, "%s", g->hint);
    } else if (gpus_any(odd_vbios)) {
        found(f, AUDIT_GP7, AUDIT_WARN, GPUS_SOURCE, "%s: another vbios than %s",
              gpus_name(g, odd_vbios, name, sizeof name), vbios);
    } else if (gpus_any(odd_inforom)) {
        found(f, AUDIT_GP7, AUDIT_WARN, GPUS_SOURCE, "%s: another inforom than %s",
              gpus_name(g, odd_inforom, name, sizeof name), inforom);
    } else if (n_held > 0) {
        found(f, AUDIT_GP7, AUDIT_WARN, GPUS_SOURCE,
              "%u on the bus not held by the nvidia driver: %s", n_held, held);
    } else {
        found(f, AUDIT_GP7, AUDIT_PASS, GPUS_SOURCE, "%u gpus; %s", g->n, rest);
    }
    if (gpus_any(lost) || gpus_any(odd_vbios) || gpus_any(odd_inforom))
        found_value(f, "mixed");
    else
        found_value(f, "%u gpus; %s", g->n, rest);
}
