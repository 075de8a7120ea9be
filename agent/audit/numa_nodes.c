/* SPDX-License-Identifier: MIT */
/* numa_nodes.c - are the nodes those of the hardware? Distances that a machine cannot have
 * were made up; what a guest is told of one node or of one thread a core proves nothing. */
#include "agent/audit/numa_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/audit/pcinote.h"

#define LOCAL 10u /* the distance of a node to itself, by ACPI */
#define HYBRID \
    "/sys/devices/cpu_atom" /* two kinds of cores, of which one has no threads */
#define CPUS "/sys/devices/system/cpu"

/* ---- NU2 ---- */

struct distances {
    unsigned *to;              /* n x n */
    unsigned id[NUMA_AT_MOST]; /* of the nodes */
    unsigned n, least, most;   /* of those between different nodes */
};

static int row_read(const struct numa *x, unsigned node, unsigned n, unsigned *ret)
{
    char path[MACHINE_PATH], text[4096], *left = NULL;
    unsigned k = 0;
    (void)snprintf(path, sizeof path, NUMA_NODES "/node%u/distance", node);
    int rc = machine_line(x->m, path, text, sizeof text);
    if (rc < 0)
        return rc;
    for (char *at = strtok_r(text, " ", &left); at; at = strtok_r(NULL, " ", &left)) {
        char *end;
        unsigned long v = strtoul(at, &end, 10);
        if (*end || v > 255 || k >= n)
            return -EINVAL;
        ret[k++] = (unsigned)v;
    }
    return k == n ? 0 : -EINVAL;
}

static int distances_read(const struct numa *x, struct distances *ret)
{
    if (x->n > NUMA_AT_MOST)
        return -E2BIG;
    ret->to = calloc((size_t)x->n * x->n + 1, sizeof *ret->to);
    if (!ret->to)
        return -ENOMEM;
    for (unsigned i = 0; i < NUMASET_BITS && ret->n < x->n; i++)
        if (numaset_has(&x->nodes, i))
            ret->id[ret->n++] = i;
    for (unsigned i = 0; i < ret->n; i++) {
        int rc = row_read(x, ret->id[i], ret->n, ret->to + (size_t)i * ret->n);
        if (rc < 0)
            return rc;
    }
    ret->least = 255;
    for (unsigned i = 0; i < ret->n * ret->n; i++) {
        if (i / ret->n == i % ret->n)
            continue;
        ret->least = ret->to[i] < ret->least ? ret->to[i] : ret->least;
        ret->most = ret->to[i] > ret->most ? ret->to[i] : ret->most;
    }
    return 0;
}

/* Pairs whose distance there is not that back. */
static unsigned lopsided(const struct distances *d)
{
    unsigned n = 0;
    for (unsigned i = 0; i < d->n; i++)
        for (unsigned k = i + 1; k < d->n; k++)
            n += d->to[(size_t)i * d->n + k] != d->to[(size_t)k * d->n + i];
    return n;
}

static void distances_say(const struct numa *x, const struct distances *d,
                          struct findings *f)
{
    static const char source[] = NUMA_NODES "/node*/distance";
    unsigned uneven = lopsided(d);
    if (d->n == 1 && x->pci.guest)
        found(f, AUDIT_NU2, AUDIT_UNKNOWN, source,
              "one node, as this guest is told: its host may have more");
    else if (d->n == 1)
        found(f, AUDIT_NU2, AUDIT_PASS, source, "one node");
    else if (d->least <= LOCAL)
        found(f, AUDIT_NU2, AUDIT_FAIL, source,
              "%u nodes, another one as near as %u: made up", d->n, d->least);
    else if (uneven)
        found(f, AUDIT_NU2, AUDIT_WARN, source,
              "%u nodes, %u pair%s farther there than back", d->n, uneven,
              uneven == 1 ? "" : "s");
    else
        found(f, AUDIT_NU2, AUDIT_PASS, source, "%u nodes, %u to %u between them", d->n,
              d->least, d->most);
    found_value(f, "%u nodes, %u to %u", d->n, d->n > 1 ? d->least : LOCAL,
                d->n > 1 ? d->most : LOCAL);
}

void numa_distances(const struct numa *x, struct findings *f)
{
    struct distances d = {0};
    int rc = x->n ? distances_read(x, &d) : 0;
    if (!x->n)
        found(f, AUDIT_NU2, AUDIT_UNKNOWN, NUMA_NODES, "this kernel shows no numa");
    else if (rc == 0)
        distances_say(x, &d, f);
    else
        found(f, AUDIT_NU2, AUDIT_UNKNOWN, NUMA_NODES, "distances cannot be read: %s",
              strerror(-rc));
    free(d.to);
}

/* ---- NU3 ---- */

/* Without: memory of a GPU or beyond a link, which the firmware says less of. */
static bool has_cpus(const struct numa *x, unsigned node)
{
    char path[MACHINE_PATH], text[4096];
    (void)snprintf(path, sizeof path, NUMA_NODES "/node%u/cpulist", node);
    return machine_line(x->m, path, text, sizeof text) != 0 || *text;
}

void numa_attributes(const struct numa *x, struct findings *f)
{
    static const char source[] = NUMA_NODES "/node*/access0/initiators/read_bandwidth";
    struct pcinote zero = {0};
    unsigned with = 0, lacking = 0;
    for (unsigned i = 0; i < NUMASET_BITS; i++) {
        char path[MACHINE_PATH];
        int64_t v;
        if (!numaset_has(&x->nodes, i))
            continue;
        (void)snprintf(path, sizeof path,
                       NUMA_NODES "/node%u/access0/initiators/read_bandwidth", i);
        if (machine_int(x->m, path, &v) < 0) {
            lacking += has_cpus(x, i);
            continue;
        }
        with++;
        if (v <= 0)
            pcinote_add(&zero, "node %u", i);
    }
    if (!x->n)
        found(f, AUDIT_NU3, AUDIT_UNKNOWN, source, "this kernel shows no numa");
    else if (zero.n)
        found(f, AUDIT_NU3, AUDIT_WARN, source, "no bandwidth at %s",
              pcinote_text(&zero));
    else if (with && lacking)
        found(f, AUDIT_NU3, AUDIT_WARN, source, "said of %u of %u nodes only", with,
              x->n);
    else if (with && with < x->n)
        found(f, AUDIT_NU3, AUDIT_PASS, source,
              "said of %u of %u nodes, all that have cpus", with, x->n);
    else if (with)
        found(f, AUDIT_NU3, AUDIT_PASS, source, "said of all %u nodes", x->n);
    else
        found(f, AUDIT_NU3, AUDIT_PASS, source,
              "none: the firmware has no hmat, which few have");
    if (x->n)
        found_value(f, "%u of %u", with, x->n);
}

/* ---- NU7 ---- */

struct cores {
    unsigned cpus, most, odd; /* most: threads of a core; odd: CPUs with fewer */
};

static bool cores_look(const struct numa *x, const struct numaset *online,
                       struct cores *ret)
{
    unsigned of[65] = {0}; /* CPUs by the number of threads of their core */
    for (unsigned i = 0; i < NUMASET_BITS; i++) {
        char path[MACHINE_PATH], text[256];
        struct numaset s;
        if (!numaset_has(online, i))
            continue;
        (void)snprintf(path, sizeof path, CPUS "/cpu%u/topology/thread_siblings_list",
                       i);
        if (machine_line(x->m, path, text, sizeof text) < 0 ||
            numaset_parse(text, &s) < 0)
            return false;
        unsigned n = numaset_count(&s);
        if (n < 1 || n > 64)
            return false;
        of[n]++;
        ret->cpus++;
        ret->most = n > ret->most ? n : ret->most;
    }
    ret->odd = ret->cpus - of[ret->most];
    return ret->cpus > 0;
}

void numa_threads(const struct numa *x, struct findings *f)
{
    static const char source[] =
        CPUS "/smt/active, " CPUS "/cpu*/topology/thread_siblings_list";
    struct numaset online;
    struct cores c = {0};
    char text[4096];
    int64_t active = -1;
    (void)machine_int(x->m, CPUS "/smt/active", &active);
    if (machine_line(x->m, CPUS "/online", text, sizeof text) < 0 ||
        numaset_parse(text, &online) < 0 || !cores_look(x, &online, &c)) {
        found(f, AUDIT_NU7, AUDIT_UNKNOWN, source,
              "the kernel does not say what shares a core");
        return;
    }
    if (c.odd && !machine_exists(x->m, HYBRID))
        found(f, AUDIT_NU7, AUDIT_WARN, source,
              "%u of %u cpus on cores with fewer threads than the others' %u", c.odd,
              c.cpus, c.most);
    else if (c.most == 1 && x->pci.guest)
        found(f, AUDIT_NU7, AUDIT_UNKNOWN, source,
              "%u cpus with a core each, as this guest is told: they may share some",
              c.cpus);
    else
        found(f, AUDIT_NU7, AUDIT_PASS, source, "%u cpus, %u thread%s a core%s", c.cpus,
              c.most, c.most == 1 ? "" : "s",
              active == 0 && c.most == 1 ? " (smt off)" : "");
    found_value(f, "%u cpus, %u a core", c.cpus, c.most);
}
