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

#include "agent/audit/pcilink.h"
#include "agent/audit/pcinote.h"

#define SOURCE       "/sys/bus/pci/devices/*/current_link_{width,speed}"
#define BUSY_PERCENT 10
#define RATED_MAX    8u
#define AMD          0x1002u
#define NVIDIA       0x10deu

struct links {
    const struct machine *m;
    const struct pcilist *l;
    bool *seen; /* by index of the lower end */
    unsigned n; /* links that could be read */
    struct pcinote narrow, slow, idle, small;
    struct rated {
        enum pcilist_kind kind;
        struct pcilink can;
        unsigned n;
    } rated[RATED_MAX]; /* links of GPUs and NICs that can alike */
    size_t n_rated;
};

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

static void judge(struct links *x, const struct pcilist_device *d, struct pcilink is,
                  struct pcilink can)
{
    bool small = pcilink_is_small(d, can);
    bool narrow = is.lanes && is.lanes < can.lanes, slow = is.mts && is.mts < can.mts;
    if (narrow)
        pcinote_add(small ? &x->small : &x->narrow, "%s x%u of x%u", d->name, is.lanes,
                    can.lanes);
    if (slow)
        pcinote_add(small               ? &x->small
                    : may_idle(x->m, d) ? &x->idle
                                        : &x->slow,
                    "%s %.1f of %.1f GT/s", d->name, is.mts / 1000.0, can.mts / 1000.0);
}

static void count_rated(struct links *x, enum pcilist_kind kind, struct pcilink can)
{
    size_t i = 0;
    while (i < x->n_rated &&
           (x->rated[i].kind != kind || x->rated[i].can.lanes != can.lanes ||
            x->rated[i].can.mts != can.mts))
        i++;
    if (i == RATED_MAX)
        return;
    x->n_rated += i == x->n_rated;
    x->rated[i] = (struct rated){kind, can, x->rated[i].n + 1};
}

/* What machines that are alike have in common: not what runs just now. */
static void say_rated(const struct links *x, struct findings *f)
{
    char text[FINDING_TEXT] = "";
    for (size_t i = 0; i < x->n_rated; i++) {
        const struct rated *r = &x->rated[i];
        size_t len = strlen(text);
        (void)snprintf(text + len, sizeof text - len, "%s%u %s x%u %.1f GT/s",
                       i ? ", " : "", r->n, r->kind == PCILIST_GPU ? "gpu" : "nic",
                       r->can.lanes, r->can.mts / 1000.0);
    }
    if (*text)
        found_value(f, "%s", text);
}

/* port NULL: the other end is not shown. */
static void look(struct links *x, size_t at, const struct pcilist_device *port)
{
    const struct pcilist_device *d = &x->l->d[at];
    struct pcilink is = pcilink_read(x->m, d, false), can = pcilink_read(x->m, d, true);
    if (x->seen[at])
        return;
    x->seen[at] = true;
    if (port) {
        struct pcilink other = pcilink_read(x->m, port, true);
        can.lanes = lesser(can.lanes, other.lanes);
        can.mts = lesser(can.mts, other.mts);
    }
    if ((!is.lanes || !can.lanes) && (!is.mts || !can.mts))
        return;
    x->n++;
    judge(x, d, is, can);
    if (d->kind != PCILIST_BRIDGE)
        count_rated(x, d->kind, can);
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
    say_rated(x, f);
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
