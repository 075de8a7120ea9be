/* SPDX-License-Identifier: MIT */
/* pci_links.c - does each link to a GPU or NIC run as wide and fast as both of its ends
 * can? NCCL reckons with what the ends can, never with what runs, so nobody else notices.
 *
 * An idle GPU may slow its link down to save power: a speed alone proves nothing then, a
 * width always does. */
#include "agent/audit/pci_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/audit/pcinote.h"

#define SOURCE "/sys/bus/pci/devices/*/current_link_{width,speed}"
#define SLOW_MBITS \
    64000u /* rated no faster: no link for the data of GPUs, but of a small NIC */
#define BUSY_PERCENT 10
#define AMD          0x1002u
#define NVIDIA       0x10deu

struct link {
    unsigned width, mts; /* lanes, MT/s of one; 0: not known */
};
struct links {
    const struct machine *m;
    const struct pcilist *l;
    bool *seen; /* by index of the lower end */
    unsigned n; /* links that could be read */
    struct pcinote narrow, slow, idle, small;
    struct pcinote rated;
};

static unsigned width_read(const struct machine *m, const struct pcilist_device *d,
                           const char *attr)
{
    char path[MACHINE_PATH];
    int64_t v;
    if (machine_int(m, pcilist_path(d, attr, path), &v) < 0 || v < 1 || v > 32)
        return 0;
    return (unsigned)v;
}

/* "16.0 GT/s PCIe", "8 GT/s", "Unknown". */
static unsigned speed_read(const struct machine *m, const struct pcilist_device *d,
                           const char *attr)
{
    char path[MACHINE_PATH], text[64], *end;
    if (machine_line(m, pcilist_path(d, attr, path), text, sizeof text) < 0)
        return 0;
    double v = strtod(text, &end);
    bool is_speed = end != text && !strncmp(end, " GT/s", 5) && v >= 1 && v <= 1000;
    return is_speed ? (unsigned)(v * 1000 + 0.5) : 0;
}

static struct link link_read(const struct machine *m, const struct pcilist_device *d,
                             bool most)
{
    return (struct link){
        .width = width_read(m, d, most ? "max_link_width" : "current_link_width"),
        .mts = speed_read(m, d, most ? "max_link_speed" : "current_link_speed"),
    };
}

static unsigned lesser(unsigned a, unsigned b)
{
    return !b || (a && a < b) ? a : b;
}

/* May it be slow now because nobody uses it? */
static bool may_idle(const struct machine *m, const struct pcilist_device *d)
{
    char path[MACHINE_PATH];
    int64_t busy;
    bool of_gpu = d->kind == PCILIST_GPU || (d->kind == PCILIST_BRIDGE &&
                                             (d->vendor == AMD || d->vendor == NVIDIA));
    if (machine_int(m, pcilist_path(d, "gpu_busy_percent", path), &busy) == 0)
        return of_gpu && busy < BUSY_PERCENT;
    return of_gpu;
}

static void judge(struct links *x, const struct pcilist_device *d, struct link is,
                  struct link can)
{
    bool small = d->kind == PCILIST_NIC && can.width * can.mts < SLOW_MBITS;
    bool narrow = is.width && is.width < can.width, slow = is.mts && is.mts < can.mts;
    if (narrow)
        pcinote_add(small ? &x->small : &x->narrow, "%s x%u of x%u", d->name, is.width,
                    can.width);
    if (slow)
        pcinote_add(small               ? &x->small
                    : may_idle(x->m, d) ? &x->idle
                                        : &x->slow,
                    "%s %.1f of %.1f GT/s", d->name, is.mts / 1000.0, can.mts / 1000.0);
}

/* port NULL: the other end is not shown. */
static void look(struct links *x, size_t at, const struct pcilist_device *port)
{
    const struct pcilist_device *d = &x->l->d[at];
    struct link is = link_read(x->m, d, false), can = link_read(x->m, d, true);
    if (x->seen[at])
        return;
    x->seen[at] = true;
    if (port) {
        struct link other = link_read(x->m, port, true);
        can.width = lesser(can.width, other.width);
        can.mts = lesser(can.mts, other.mts);
    }
    if ((!is.width || !can.width) && (!is.mts || !can.mts))
        return;
    x->n++;
    judge(x, d, is, can);
    if (d->kind != PCILIST_BRIDGE)
        pcinote_add(&x->rated, "x%u %.1f GT/s", can.width, can.mts / 1000.0);
}

/* From the root: a port, a link, the upper port of a switch, one of its lower ports, a
 * link, ... the device: what stands at an odd place is the lower end of a link. */
static void look_above(struct links *x, size_t at)
{
    const struct pcilist_device *d = &x->l->d[at];
    for (unsigned i = 1; i < d->depth; i += 2)
        look(x, d->above[i], &x->l->d[d->above[i - 1]]);
    look(x, at, d->depth % 2 ? &x->l->d[d->above[d->depth - 1]] : NULL);
}

static void say(struct links *x, struct findings *f)
{
    const char *idle = "an idle gpu saves power: look again while it is busy";
    if (!x->n)
        found(f, AUDIT_PC3, AUDIT_UNKNOWN, SOURCE,
              "no link of a gpu or nic says its width and speed");
    else if (x->narrow.n || x->slow.n)
        found(f, AUDIT_PC3, AUDIT_FAIL, SOURCE, "%s%s%s", pcinote_text(&x->narrow),
              x->narrow.n && x->slow.n ? "; " : "", pcinote_text(&x->slow));
    else if (x->idle.n)
        found(f, AUDIT_PC3, AUDIT_WARN, SOURCE, "%s (%s)", pcinote_text(&x->idle),
              idle);
    else if (x->small.n)
        found(f, AUDIT_PC3, AUDIT_WARN, SOURCE, "%s (a small nic)",
              pcinote_text(&x->small));
    else
        found(f, AUDIT_PC3, AUDIT_PASS, SOURCE, "%u link%s as wide and fast as can be",
              x->n, x->n == 1 ? "" : "s");
    if (x->rated.n)
        found_value(f, "%s", pcinote_text(&x->rated));
}

void pci_links(const struct machine *m, const struct pcilist *l, struct findings *f)
{
    struct links x = {.m = m, .l = l, .seen = calloc(l->n + 1, sizeof(bool))};
    if (!x.seen) {
        findings_fini(f);
        return;
    }
    for (size_t i = 0; i < l->n; i++)
        if (pcilist_matters(&l->d[i]))
            look_above(&x, i);
    if (l->gpus + l->nics)
        say(&x, f);
    else
        found(f, AUDIT_PC3, AUDIT_UNKNOWN, SOURCE, "there is no gpu and no nic on pci");
    free(x.seen);
}
