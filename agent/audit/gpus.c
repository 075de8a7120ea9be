/* SPDX-License-Identifier: MIT */
/* gpus.c - what NVIDIA's driver says of its GPUs, against what a training job wants. A
 * driver that does not answer leaves its probes unknown. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/audit/gpus_impl.h"
#include "proto/base/limits.h"

#define PCI            "/sys/bus/pci/devices"
#define VENDOR_NVIDIA  0x10de
#define VENDOR_AMD     0x1002
#define VENDOR_INTEL   0x8086
#define CLASS_VGA      0x0300
#define CLASS_3D       0x0302
#define CLASS_DISPLAY  0x0380 /* AMD's, without a display */
#define CLASS_COMPUTES 0x1200

static const enum audit_probe probes[] = {
    AUDIT_HV13, AUDIT_PC7, AUDIT_GP1, AUDIT_GP2, AUDIT_GP3, AUDIT_GP4,
    AUDIT_GP5,  AUDIT_GP6, AUDIT_GP7, AUDIT_GP8, AUDIT_GP9, AUDIT_GP10,
};

/* ---- the kernel's side */

static void add_pci(const struct machine *m, const char *bus_id, struct gpus_pci *ret)
{
    char path[MACHINE_PATH], link[MACHINE_PATH];
    int64_t vendor, kind;
    (void)snprintf(path, sizeof path, PCI "/%s/vendor", bus_id);
    if (machine_int(m, path, &vendor) < 0)
        return;
    (void)snprintf(path, sizeof path, PCI "/%s/class", bus_id);
    if (machine_int(m, path, &kind) < 0)
        return;
    kind >>= 8;
    if (vendor == VENDOR_NVIDIA && (kind == CLASS_VGA || kind == CLASS_3D)) {
        if (ret->n == GPUS_MOST || strlen(bus_id) >= sizeof ret->gpu[0].bus_id)
            return;
        struct gpus_pci_one *g = &ret->gpu[ret->n++];
        (void)snprintf(g->bus_id, sizeof g->bus_id, "%s", bus_id);
        (void)snprintf(path, sizeof path, PCI "/%s/driver", bus_id);
        if (machine_link(m, path, link, sizeof link) == 0) {
            const char *slash = strrchr(link, '/');
            (void)snprintf(g->driver, sizeof g->driver, "%.31s",
                           slash ? slash + 1 : link);
        }
    } else if ((vendor == VENDOR_AMD &&
                (kind == CLASS_DISPLAY || kind == CLASS_COMPUTES)) ||
               (vendor == VENDOR_INTEL && kind == CLASS_DISPLAY)) {
        ret->n_others++;
    }
}

void gpus_list_pci(const struct machine *m, struct gpus_pci *ret)
{
    char **names;
    int n = machine_list(m, PCI, &names);
    memset(ret, 0, sizeof *ret);
    for (int i = 0; i < n; i++)
        add_pci(m, names[i], ret);
    machine_free_names(names, n);
}

bool gpus_may_ask(const struct gpus_pci *p)
{
    for (uint32_t i = 0; i < p->n; i++)
        if (!strcmp(p->gpu[i].driver, "nvidia"))
            return true;
    return p->n == 0;
}

/* ---- words */

static size_t add_ranges(const struct gpus *g, gpus_set s, char *ret, size_t size)
{
    size_t at = 0;
    for (uint32_t i = 0; i < g->n && at < size; i++) {
        uint32_t to = i;
        if (!gpus_has(s, i))
            continue;
        while (to + 1 < g->n && gpus_has(s, to + 1))
            to++;
        int n = snprintf(ret + at, size - at, to > i ? "%s%u-%u" : "%s%u",
                         at > 0 ? "," : "", i, to);
        at += n > 0 ? (size_t)n : 0;
        i = to;
    }
    return at;
}

const char *gpus_name(const struct gpus *g, gpus_set s, char *ret, size_t size)
{
    uint32_t n = 0, one = 0;
    for (uint32_t i = 0; i < g->n; i++)
        if (gpus_has(s, i)) {
            n++;
            one = i;
        }
    if (n == 1 && *g->gpu[one].bus_id)
        (void)snprintf(ret, size, "gpu %u (%s)", one, g->gpu[one].bus_id);
    else if (n == 1)
        (void)snprintf(ret, size, "gpu %u", one);
    else if (n == g->n)
        (void)snprintf(ret, size, "all %u gpus", n);
    else {
        int at = snprintf(ret, size, "gpus ");
        (void)add_ranges(g, s, ret + at, size - (size_t)at);
    }
    return ret;
}

void gpus_say(const struct gpus *g, struct findings *f, enum audit_probe id,
              const struct gpus_line *lines, size_t n, const char *otherwise)
{
    char text[FINDING_TEXT] = "", name[160];
    gpus_set said = {0};
    enum audit_verdict worst = AUDIT_UNKNOWN;
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if (!gpus_any(lines[i].gpus))
            continue;
        int k = snprintf(text + at, sizeof text - at, "%s%s: %s", at > 0 ? "; " : "",
                         gpus_name(g, lines[i].gpus, name, sizeof name), lines[i].is);
        at = k > 0 && at + (size_t)k < sizeof text ? at + (size_t)k : sizeof text - 1;
        said.bits |= lines[i].gpus.bits;
        worst = lines[i].verdict > worst ? lines[i].verdict : worst;
    }
    gpus_set rest = {gpus_usable(g).bits & ~said.bits};
    if (gpus_any(rest) && worst < AUDIT_PASS)
        worst = AUDIT_PASS;
    if (gpus_any(rest) && at < sizeof text - 1 && worst == AUDIT_PASS)
        (void)snprintf(text + at, sizeof text - at, "%s%s: %s", at > 0 ? "; " : "",
                       gpus_name(g, rest, name, sizeof name), otherwise);
    found(f, id, worst, GPUS_SOURCE, "%s", text);
    if (worst == AUDIT_UNKNOWN)
        found_more(f, "a newer driver, or another model of GPU");
}

gpus_set gpus_usable(const struct gpus *g)
{
    gpus_set s = {0};
    for (uint32_t i = 0; i < g->n; i++)
        if (g->gpu[i].code == NVMLLIB_OK)
            gpus_put(&s, i);
    return s;
}

/* ---- all of it */

/* Why none can be judged; false: some can. */
static bool is_silent(const struct gpus *g, const struct gpus_pci *p, char *why,
                      size_t size, const char **more)
{
    *more = *g->hint ? g->hint : "the nvidia driver";
    if (p->n == 0 && g->n == 0) {
        *more = "";
        if (p->n_others == 0)
            (void)snprintf(why, size, "there is no gpu here");
        else
            (void)snprintf(why, size, "%u gpu%s that NVIDIA did not make; not asked",
                           p->n_others, p->n_others == 1 ? "" : "s");
    } else if (g->n == 0) {
        (void)snprintf(why, size, "%u on the bus; %.300s", p->n,
                       *g->error ? g->error : "the driver shows none");
    } else if (!gpus_any(gpus_usable(g))) {
        (void)snprintf(why, size, "none of %u can be used: %s", g->n,
                       nvmllib_why(g->gpu[0].code));
    } else {
        return false;
    }
    return true;
}

static void all_unknown(struct findings *f, const char *why, const char *more)
{
    for (size_t i = 0; i < sizeof probes / sizeof *probes; i++) {
        found(f, probes[i], AUDIT_UNKNOWN, GPUS_SOURCE, "%s", why);
        if (*more)
            found_more(f, "%s", more);
    }
}

void gpus_judge(const struct machine *m, const struct gpus *g, const struct gpus_pci *p,
                struct findings *f)
{
    char why[384];
    const char *more;
    if (is_silent(g, p, why, sizeof why, &more)) {
        all_unknown(f, why, more);
        return;
    }
    gpus_judge_states(g, f);
    gpus_judge_links(g, f);
    gpus_judge_processes(g, f);
    gpus_judge_versions(g, p, f);
    gpus_judge_topology(m, g, f);
}

void look_gpus(const struct machine *m, struct findings *f)
{
    struct gpus_pci *p = calloc(1, sizeof *p);
    struct gpus *g = calloc(1, sizeof *g);
    if (p && g) {
        gpus_list_pci(m, p);
        if (!machine_is_live(m))
            gpus_read(m, p, g);
        else if (gpus_may_ask(p))
            gpus_ask(LIMIT_NVML_MS, g);
        else
            (void)snprintf(g->error, sizeof g->error,
                           "held by %s, not by the nvidia driver",
                           *p->gpu[0].driver ? p->gpu[0].driver : "no driver");
        gpus_judge(m, g, p, f);
    } else {
        findings_fini(f);
    }
    free(p);
    free(g);
}
