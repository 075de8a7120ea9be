/* SPDX-License-Identifier: MIT */
/* topo.c - see topo.h: CPUs and memory; topo_devices.c has the devices, topo_path.c the
 * distances. The message is what a program made of
 * files that others wrote, on a machine that is not ours: nothing of it is taken on trust,
 * and everything after this file is. */
#include "launcher/place/topo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/place/ncclapply.h"
#include "launcher/place/topo_impl.h"
#include "proto/base/limits.h"

/* ---- sets ---- */

/* CPUs past what Linux can have would only make every set large. */
static int read_cpus(struct rankset *s, const char *text, const char *what, size_t i,
                     struct err *e)
{
    int rc = rankset_parse(s, text, e);
    if (rc < 0) {
        if (rc == -ENOMEM)
            return rc;
        if (e)
            e->code = ERR_PROTO;
        (void)err_wrap(e, "%s %zu of a topology: CPUs", what, i);
        return ERR_PROTO;
    }
    if (rankset_next(s, LIMIT_CPUS) >= 0)
        return err_set(e, ERR_PROTO, "%s %zu of a topology has a CPU past %u", what, i,
                       LIMIT_CPUS - 1);
    return 0;
}

int topo_read_cpus(const struct topo *t, struct rankset *s, const char *text,
                   const char *what, size_t i, struct err *e)
{
    int rc = read_cpus(s, text, what, i, e);
    if (rc == 0 && !rankset_contains(&t->allowed, s))
        rc = err_set(e, ERR_PROTO, "%s %zu of a topology has CPUs that are not allowed",
                     what, i);
    return rc;
}

/* ---- CPUs and memory ---- */

int topo_check_count(size_t n, size_t max, const char *what, struct err *e)
{
    return n <= max ? 0
                    : err_set(e, ERR_PROTO, "a topology has %zu %s; at most %zu", n,
                              what, max);
}

static int load_groups(struct topo *t, Aolani__CpuGroup *const *list, size_t n,
                       const char *what, struct topo_group *ret, struct err *e)
{
    struct rankset seen = {0};
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        ret[i].os = list[i]->os_index;
        rc = topo_read_cpus(t, &ret[i].cpus, list[i]->cpus, what, i, e);
        if (rc == 0 && rankset_intersects(&seen, &ret[i].cpus))
            rc = err_set(e, ERR_PROTO, "%s %zu of a topology has CPUs of another", what,
                         i);
        if (rc == 0)
            rc = rankset_merge(&seen, &ret[i].cpus);
    }
    rankset_fini(&seen);
    return rc;
}

static int load_numa(struct topo *t, const Aolani__Topology *m, struct err *e)
{
    struct rankset seen = {0};
    int rc = 0;
    for (size_t i = 0; i < m->n_numa && rc == 0; i++) {
        const Aolani__NumaNode *from = m->numa[i];
        struct topo_numa *to = &t->numa[i];
        *to = (struct topo_numa){.os = from->os_index,
                                 .mem_bytes = from->mem_bytes,
                                 .of_gpu = from->of_gpu,
                                 .package = (int)from->package - 1};
        if (from->os_index >= LIMIT_NUMA || rankset_has(&seen, from->os_index))
            rc = err_set(
                e, ERR_PROTO,
                "NUMA node %zu of a topology has the number %u of another, or one "
                "past %u",
                i, from->os_index, LIMIT_NUMA - 1);
        else if (from->package > m->n_packages)
            rc = err_set(e, ERR_PROTO,
                         "NUMA node %zu of a topology is in package %u of %zu", i,
                         from->package, m->n_packages);
        else if ((rc = topo_read_cpus(t, &to->cpus, from->cpus, "NUMA node", i, e)) ==
                 0)
            rc = rankset_add(&seen, from->os_index);
    }
    rankset_fini(&seen);
    return rc;
}

static int group_of(const struct topo_group *list, size_t n, uint32_t cpu)
{
    for (size_t i = 0; i < n; i++) {
        if (rankset_has(&list[i].cpus, cpu))
            return (int)i;
    }
    return -1;
}

int topo_numa_of(const struct topo *t, const struct rankset *cpus)
{
    int best = -1;
    size_t size = 0;
    for (size_t i = 0; i < t->n_numa; i++) {
        if (t->numa[i].of_gpu || !rankset_contains(&t->numa[i].cpus, cpus))
            continue;
        size_t n = rankset_count(&t->numa[i].cpus);
        if (best < 0 || n < size) {
            best = (int)i;
            size = n;
        }
    }
    return best;
}

static int load_core(struct topo *t, const Aolani__Core *from, size_t i,
                     struct rankset *seen, struct err *e)
{
    struct topo_core *to = &t->cores[i];
    if (from->n_pus == 0 || from->n_pus > LIMIT_CPUS)
        return err_set(e, ERR_PROTO, "core %zu of a topology has %zu CPUs", i,
                       from->n_pus);
    for (size_t k = 0; k < from->n_pus; k++) {
        uint32_t pu = from->pus[k];
        if (!rankset_has(&t->allowed, pu))
            return err_set(e, ERR_PROTO,
                           "core %zu of a topology has CPU %u, which is not allowed", i,
                           pu);
        if (rankset_has(seen, pu))
            return err_set(e, ERR_PROTO, "CPU %u of a topology is in two cores", pu);
        if (rankset_add(seen, pu) < 0 || rankset_add(&to->cpus, pu) < 0)
            return -ENOMEM;
    }
    uint32_t first = (uint32_t)rankset_next(&to->cpus, 0);
    to->package = group_of(t->packages, t->n_packages, first);
    to->l3 = group_of(t->l3, t->n_l3, first);
    to->numa = topo_numa_of(t, &to->cpus);
    return 0;
}

static int load_cores(struct topo *t, Aolani__Core *const *list, size_t n,
                      struct err *e)
{
    struct rankset seen = {0};
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = load_core(t, list[i], i, &seen, e);
    rankset_fini(&seen);
    return rc;
}

/* ---- the whole ---- */

static int make_room(struct topo *t, const Aolani__Topology *m, struct err *e)
{
    int rc = topo_check_count(m->n_packages, LIMIT_PACKAGES, "packages", e);
    if (rc == 0)
        rc = topo_check_count(m->n_numa, LIMIT_NUMA, "NUMA nodes", e);
    if (rc == 0)
        rc = topo_check_count(m->n_l3, LIMIT_CPUS, "L3 caches", e);
    if (rc == 0)
        rc = topo_check_count(m->n_cores, LIMIT_CPUS, "cores", e);
    if (rc == 0)
        rc = topo_check_count(m->n_pci, LIMIT_PCI, "PCI nodes", e);
    if (rc == 0)
        rc = topo_check_count(m->n_gpus, LIMIT_GPUS, "GPUs", e);
    if (rc == 0)
        rc = topo_check_count(m->n_nics, LIMIT_NICS, "NICs", e);
    if (rc < 0)
        return rc;
    t->packages = calloc(m->n_packages + 1, sizeof *t->packages);
    t->numa = calloc(m->n_numa + 1, sizeof *t->numa);
    t->l3 = calloc(m->n_l3 + 1, sizeof *t->l3);
    t->cores = calloc(m->n_cores + 1, sizeof *t->cores);
    t->pci = calloc(m->n_pci + 1, sizeof *t->pci);
    t->gpus = calloc(m->n_gpus + 1, sizeof *t->gpus);
    t->nics = calloc(m->n_nics + 1, sizeof *t->nics);
    if (!t->packages || !t->numa || !t->l3 || !t->cores || !t->pci || !t->gpus ||
        !t->nics)
        return -ENOMEM;
    t->n_packages = m->n_packages;
    t->n_numa = m->n_numa;
    t->n_l3 = m->n_l3;
    t->n_cores = m->n_cores;
    t->n_pci = m->n_pci;
    t->n_gpus = m->n_gpus;
    t->n_nics = m->n_nics;
    for (size_t i = 0; i < m->n_pci; i++)
        t->pci[i].place.node = t->pci[i].place.package = -1;
    for (size_t i = 0; i < m->n_gpus; i++)
        t->gpus[i].place.node = t->gpus[i].place.package = -1;
    for (size_t i = 0; i < m->n_nics; i++)
        t->nics[i].place.node = t->nics[i].place.package = -1;
    return 0;
}

static int load(struct topo *t, const Aolani__Topology *m, struct err *e)
{
    t->m = m;
    t->known = m->n_numa > 0;
    int rc = make_room(t, m, e);
    if (rc == 0)
        rc = read_cpus(&t->allowed, m->allowed_cpus, "the allowed set", 0, e);
    if (rc == 0 && (rankset_next(&t->allowed, 0) < 0 || m->n_cores == 0))
        rc = err_set(e, ERR_PROTO, "a topology has no CPU that is allowed");
    if (rc == 0)
        rc = load_groups(t, m->packages, m->n_packages, "package", t->packages, e);
    if (rc == 0)
        rc = load_groups(t, m->l3, m->n_l3, "L3 cache", t->l3, e);
    if (rc == 0)
        rc = load_numa(t, m, e);
    if (rc == 0)
        rc = load_cores(t, m->cores, m->n_cores, e);
    for (size_t i = 0; i < m->n_pci && rc == 0; i++)
        rc = topo_load_pci(t, m->pci[i], i, e);
    for (size_t i = 0; i < m->n_gpus && rc == 0; i++)
        rc = topo_load_gpu(t, m->gpus[i], i, e);
    for (size_t i = 0; i < m->n_nics && rc == 0; i++)
        rc = topo_load_nic(t, m->nics[i], i, e);
    return rc;
}

/* A file that cannot be read leaves the topology as the system shows it. */
static int use_file(struct topo *t)
{
    struct err e;
    int rc = ncclapply_own(t, &e);
    if (rc >= 0 || rc == -ENOMEM)
        return rc < 0 ? rc : 0;
    t->file_why = strdup(e.text);
    return t->file_why ? 0 : -ENOMEM;
}

int topo_load(const Aolani__Topology *m, struct topo **ret, struct err *e)
{
    struct topo *t = calloc(1, sizeof *t);
    int rc = t ? load(t, m, e) : -ENOMEM;
    if (rc == 0)
        rc = use_file(t);
    if (rc < 0) {
        topo_destroy(t);
        return rc == -ENOMEM ? err_sys(e, rc, "read a topology") : rc;
    }
    *ret = t;
    return 0;
}

/* Cores alone; `allowed` is what they have. */
static int load_plain(struct topo *t, const Aolani__NodeInfo *info, struct err *e)
{
    int rc = topo_check_count(info->n_cores, LIMIT_CPUS, "cores", e);
    if (rc == 0 && !(t->cores = calloc(info->n_cores + 1, sizeof *t->cores)))
        rc = -ENOMEM;
    if (rc == 0) {
        t->n_cores = info->n_cores;
        rc = read_cpus(&t->allowed, info->allowed_cpus, "the allowed set", 0, e);
    }
    return rc < 0 ? rc : load_cores(t, info->cores, info->n_cores, e);
}

static int plain_topo(const Aolani__NodeInfo *info, const char *why, const char *hint,
                      struct topo **ret, struct err *e)
{
    struct topo *t = calloc(1, sizeof *t);
    int rc = t ? load_plain(t, info, e) : -ENOMEM;
    if (rc == 0 && why && (!(t->why = strdup(why)) || !(t->hint = strdup(hint))))
        rc = -ENOMEM;
    if (rc < 0) {
        topo_destroy(t);
        return rc == -ENOMEM ? err_sys(e, rc, "read a node's cores") : rc;
    }
    *ret = t;
    return 0;
}

int topo_of_node(const Aolani__NodeInfo *info, struct topo **ret, struct err *e)
{
    const Aolani__Topology *m = info->topology;
    struct err bad;
    if (!m)
        return plain_topo(info, NULL, NULL, ret, e);
    if (m->error[0] && m->n_numa == 0) /* the agent's own look, at cores alone */
        return plain_topo(info, m->error, m->hint, ret, e);
    int rc = topo_load(m, ret, &bad);
    if (rc == 0 || rc == -ENOMEM)
        return rc == 0 ? 0 : err_sys(e, rc, "read a topology");
    return plain_topo(info, bad.text, "", ret, e);
}

void topo_destroy(struct topo *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n_nics; i++)
        topo_place_fini(&t->nics[i].place);
    for (size_t i = 0; i < t->n_gpus; i++)
        topo_place_fini(&t->gpus[i].place);
    for (size_t i = 0; i < t->n_pci; i++)
        topo_place_fini(&t->pci[i].place);
    for (size_t i = 0; i < t->n_cores; i++)
        rankset_fini(&t->cores[i].cpus);
    for (size_t i = 0; i < t->n_l3; i++)
        rankset_fini(&t->l3[i].cpus);
    for (size_t i = 0; i < t->n_numa; i++)
        rankset_fini(&t->numa[i].cpus);
    for (size_t i = 0; i < t->n_packages; i++)
        rankset_fini(&t->packages[i].cpus);
    rankset_fini(&t->allowed);
    free(t->nics);
    free(t->gpus);
    free(t->pci);
    free(t->cores);
    free(t->l3);
    free(t->numa);
    free(t->packages);
    ncclapply_destroy(t->added);
    free(t->file_why);
    free(t->why);
    free(t->hint);
    free(t);
}
